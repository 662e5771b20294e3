//! Points of the plane, such as a model's samples above the data.

use image::{Rgb, RgbImage};

use crate::axes::{Axes, Axis};
use crate::canvas::Canvas;
use crate::colours::{FIRE, PALE};
use crate::header::{self, Entry, Mark};
use crate::limits::Limits;
use crate::ticks;

/// The long side of the panel, in pixels.
const LONG_SIDE: f64 = 520.0;

/// A cloud of points, with its name in the legend.
#[derive(Clone, Copy, Debug)]
pub struct Cloud<'a> {
    name: &'a str,
    points: &'a [[f32; 2]],
    colour: Rgb<u8>,
}

impl<'a> Cloud<'a> {
    /// Points in the background, in grey.
    pub fn pale(name: &'a str, points: &'a [[f32; 2]]) -> Self {
        let colour = PALE;
        Self {
            name,
            points,
            colour,
        }
    }

    /// Points that the figure is about, in the one bright colour.
    pub fn bright(name: &'a str, points: &'a [[f32; 2]]) -> Self {
        let colour = FIRE;
        Self {
            name,
            points,
            colour,
        }
    }

    /// The entry of the legend. It mentions points out of view if more than 1 in 100 are.
    fn entry(&self, limits: &Limits) -> Entry {
        let hidden = self.points.iter().filter(|p| !limits.contain(**p)).count();
        let (name, count) = (self.name, self.points.len());
        let label = if hidden * 100 > count {
            format!("{name} ({hidden} of {count} out of view)")
        } else {
            name.to_owned()
        };
        Entry {
            label,
            mark: Mark::Dot,
            colour: self.colour,
        }
    }
}

/// Draws clouds of points, the first at the bottom, with the same scale on both axes.
///
/// Without limits the picture shows nearly all points of the first cloud that has any. Frames of an
/// animation must share their limits, or they differ in size. Points beyond the limits, or not
/// finite, are left out; the legend says so if they are more than a few.
///
/// ```
/// use pyroclast_plot::{Cloud, scatter};
///
/// let (data, samples) = ([[0.0, 0.0], [1.0, 2.0]], [[0.5, 1.0]]);
/// let clouds = [Cloud::pale("data", &data), Cloud::bright("samples", &samples)];
/// let picture = scatter(&clouds, "two points and one", None);
/// assert!(picture.height() > 500);
/// ```
pub fn scatter(clouds: &[Cloud], title: &str, limits: Option<Limits>) -> RgbImage {
    let clouds: Vec<&Cloud> = clouds.iter().filter(|c| !c.points.is_empty()).collect();
    let limits = limits.unwrap_or_else(|| {
        let shown = clouds.first().map_or(&[][..], |cloud| cloud.points);
        Limits::around(&[shown])
    });
    let axes = axes(&limits, header::height(title, 1));
    let mut canvas = axes.canvas();
    axes.draw(&mut canvas);
    for cloud in &clouds {
        draw(cloud, &limits, &axes, &mut canvas);
    }
    let legend: Vec<Entry> = clouds.iter().map(|cloud| cloud.entry(&limits)).collect();
    header::draw(&mut canvas, axes.panel(), title, &legend, 1);
    canvas.into_image()
}

fn draw(cloud: &Cloud, limits: &Limits, axes: &Axes, canvas: &mut Canvas) {
    let (radius, alpha) = dot(cloud.points.len());
    for &point in cloud.points.iter().filter(|point| limits.contain(**point)) {
        let [x, y] = point.map(f64::from);
        canvas.dot(axes.place(x, y), radius, cloud.colour, alpha, axes.panel());
    }
}

/// Axes of the same scale, with the same step between their numbers.
fn axes(limits: &Limits, header: f32) -> Axes {
    let [across, up] = limits.lengths();
    let longest = across.max(up);
    let step = ticks::round_step(longest, 7);
    let size = [across, up].map(|length| (length / longest * LONG_SIDE) as f32);
    Axes::around(
        size,
        header,
        Axis::linear(limits.x, step, ""),
        Axis::linear(limits.y, step, ""),
    )
}

/// The radius and opacity of a dot: the more dots there are, the smaller and fainter.
fn dot(count: usize) -> (f32, f32) {
    let crowd = (count.max(1) as f32 / 500.0).max(0.25);
    let radius = 2.4 * crowd.powf(-0.16);
    let alpha = 0.75 * crowd.powf(-0.3);
    (radius, alpha.min(0.9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::PAPER;

    fn ring(count: usize, radius: f32) -> Vec<[f32; 2]> {
        let angle = |index| index as f32 * std::f32::consts::TAU / count as f32;
        let place = |angle: f32| [radius * angle.cos(), radius * angle.sin()];
        (0..count).map(angle).map(place).collect()
    }

    fn is_warm(pixel: &Rgb<u8>) -> bool {
        i16::from(pixel[0]) - i16::from(pixel[2]) > 60
    }

    fn warm(image: &RgbImage) -> usize {
        image.pixels().filter(|pixel| is_warm(pixel)).count()
    }

    fn both(data: &[[f32; 2]], samples: &[[f32; 2]], limits: Option<Limits>) -> RgbImage {
        let clouds = [Cloud::pale("data", data), Cloud::bright("samples", samples)];
        scatter(&clouds, "", limits)
    }

    #[test]
    fn samples_are_drawn_in_colour_above_the_data() {
        assert!(warm(&both(&ring(500, 1.0), &ring(500, 1.0), None)) > 1000);
        assert_eq!(warm(&both(&ring(500, 1.0), &[], None)), 0);
    }

    #[test]
    fn a_circle_stays_round() {
        let picture = both(&ring(900, 3.0), &ring(900, 2.0), None);
        let below_header = 50;
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for (x, y, pixel) in picture.enumerate_pixels() {
            if y > below_header && is_warm(pixel) {
                xs.push(x);
                ys.push(y);
            }
        }
        let length = |v: &[u32]| v.iter().max().expect("dots") - v.iter().min().expect("dots");
        assert!(length(&xs).abs_diff(length(&ys)) <= 1);
    }

    #[test]
    fn frames_with_the_same_limits_have_the_same_size() {
        let (noise, data) = (ring(300, 4.0), ring(300, 1.0));
        let limits = Some(Limits::around(&[&noise, &data]));
        let (first, last) = (both(&data, &noise, limits), both(&data, &data, limits));
        assert_eq!(first.dimensions(), last.dimensions());
    }

    #[test]
    fn the_legend_counts_points_out_of_view() {
        let limits = Limits {
            x: [-1.0, 1.0],
            y: [-1.0, 1.0],
        };
        let label = |hidden: usize| {
            let points: Vec<_> = (0..1000)
                .map(|i| [if i < hidden { 5.0 } else { 0.0 }; 2])
                .collect();
            Cloud::bright("samples", &points).entry(&limits).label
        };
        assert_eq!(label(3), "samples");
        assert_eq!(label(11), "samples (11 of 1000 out of view)");
    }

    #[test]
    fn scatter_survives_no_points_and_broken_ones() {
        let broken = [[f32::NAN, 0.0], [f32::INFINITY, f32::MAX], [0.0, f32::MIN]];
        for (data, samples) in [
            (&[][..], &[][..]),
            (&broken, &broken),
            (&[[1e30, 1.0]], &[]),
        ] {
            let picture = both(data, samples, None);
            assert!(picture.pixels().any(|pixel| *pixel != PAPER));
        }
    }
}
