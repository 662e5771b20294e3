//! Points of the plane: what a model made, above what it learnt from.

use image::{Rgb, RgbImage};

use super::axes::{Axes, Axis};
use super::canvas::Canvas;
use super::header::{self, Entry, Mark};
use super::{DATA, FIRE, Limits, ticks};

/// The long side of the panel, in pixels.
const LONG_SIDE: f64 = 520.0;

/// Draws samples in colour above pale data, both axes in the same scale.
///
/// Without limits the picture shows nearly all of the data; frames of an animation must share
/// their limits to be of the same size. Points beyond the limits, or not finite, are left out,
/// and where more than a few samples are, the legend says so.
pub(crate) fn scatter(
    data: &[[f32; 2]],
    samples: &[[f32; 2]],
    title: &str,
    limits: Option<Limits>,
) -> RgbImage {
    let limits = limits.unwrap_or_else(|| {
        let shown = if data.is_empty() { samples } else { data };
        Limits::around(&[shown])
    });
    let figure = Figure {
        axes: axes(&limits, header::height(title, 1)),
        limits,
    };
    let mut canvas = figure.axes.canvas();
    figure.axes.draw(&mut canvas);
    figure.cloud(&mut canvas, data, DATA);
    figure.cloud(&mut canvas, samples, FIRE);
    let legend = figure.legend(data, samples);
    header::draw(&mut canvas, figure.axes.panel(), title, &legend, 1);
    canvas.into_image()
}

/// Axes of one scale, with the same step between their numbers.
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

struct Figure {
    axes: Axes,
    limits: Limits,
}

impl Figure {
    fn cloud(&self, canvas: &mut Canvas, points: &[[f32; 2]], colour: Rgb<u8>) {
        let (radius, alpha) = dot(points.len());
        for &point in points {
            if self.limits.hold(point) {
                let [x, y] = point.map(f64::from);
                let place = self.axes.place(x, y);
                canvas.dot(place, radius, colour, alpha, self.axes.panel());
            }
        }
    }

    fn legend(&self, data: &[[f32; 2]], samples: &[[f32; 2]]) -> Vec<Entry> {
        let entry = |label: String, colour| Entry {
            label,
            mark: Mark::Dot,
            colour,
        };
        let mut entries = Vec::new();
        if !data.is_empty() {
            entries.push(entry("data".to_owned(), DATA));
        }
        if !samples.is_empty() {
            let hidden = samples.iter().filter(|p| !self.limits.hold(**p)).count();
            entries.push(entry(sample_label(hidden, samples.len()), FIRE));
        }
        entries
    }
}

/// Tells of samples out of view where they are more than the strays that any model has.
fn sample_label(hidden: usize, count: usize) -> String {
    if hidden * 100 > count {
        format!("samples ({hidden} of {count} out of view)")
    } else {
        "samples".to_owned()
    }
}

/// The radius and opacity of each of so many dots: the more there are, the fainter and smaller.
fn dot(count: usize) -> (f32, f32) {
    let crowd = (count.max(1) as f32 / 500.0).max(0.25);
    let radius = 2.4 * crowd.powf(-0.16);
    let alpha = 0.75 * crowd.powf(-0.3);
    (radius, alpha.min(0.9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::PAPER;

    fn ring(count: usize, radius: f32) -> Vec<[f32; 2]> {
        let angle = |index| index as f32 * std::f32::consts::TAU / count as f32;
        let place = |angle: f32| [radius * angle.cos(), radius * angle.sin()];
        (0..count).map(angle).map(place).collect()
    }

    fn warm(image: &RgbImage) -> usize {
        let fiery = |pixel: &&Rgb<u8>| i16::from(pixel[0]) - i16::from(pixel[2]) > 60;
        image.pixels().filter(fiery).count()
    }

    #[test]
    fn samples_are_drawn_in_colour_above_the_data() {
        let picture = scatter(&ring(500, 1.0), &ring(500, 1.0), "rings", None);
        assert!(warm(&picture) > 1000);
        assert_eq!(warm(&scatter(&ring(500, 1.0), &[], "ring", None)), 0);
    }

    #[test]
    fn a_circle_stays_round() {
        let picture = scatter(&ring(900, 3.0), &ring(900, 2.0), "", None);
        let fiery = |pixel: &Rgb<u8>| i16::from(pixel[0]) - i16::from(pixel[2]) > 60;
        let below_header = 50;
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for (x, y, pixel) in picture.enumerate_pixels() {
            if y > below_header && fiery(pixel) {
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
        let first = scatter(&data, &noise, "t = 0.0", limits);
        let last = scatter(&data, &data, "t = 1.0", limits);
        assert_eq!(first.dimensions(), last.dimensions());
    }

    #[test]
    fn samples_out_of_view_are_told() {
        assert_eq!(sample_label(3, 1000), "samples");
        assert_eq!(sample_label(11, 1000), "samples (11 of 1000 out of view)");
    }

    #[test]
    fn scatter_survives_no_points_and_broken_ones() {
        let broken = [[f32::NAN, 0.0], [f32::INFINITY, f32::MAX], [0.0, f32::MIN]];
        for (data, samples) in [
            (&[][..], &[][..]),
            (&broken, &broken),
            (&[[1e30, 1.0]], &[]),
        ] {
            let picture = scatter(data, samples, "", None);
            assert!(picture.pixels().any(|pixel| *pixel != PAPER));
        }
    }
}
