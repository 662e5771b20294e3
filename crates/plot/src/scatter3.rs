//! Points of space, seen from above at an angle.
//!
//! `(u, v) = (x·cos a − y·sin a, z·cos e + (x·sin a + y·cos a)·sin e)`, each axis at its own scale

use image::{Rgb, RgbImage};

use crate::axes::SMALL;
use crate::canvas::{Area, Canvas, Pen};
use crate::colours::{AXIS, FIRE, PALE};
use crate::header::{self, Entry, Mark};
use crate::text::Anchor;

/// The side of the drawing, in pixels.
const SIDE: f32 = 560.0;
/// The size of the box within it.
const BOX: f32 = 350.0;
/// The azimuth a and the elevation e of the view, in radians.
const AZIMUTH: f32 = 0.6;
const ELEVATION: f32 = 0.4;
/// The share of the points at either end of an axis that need not fit into the box.
const OUTER: f64 = 0.002;

/// A cloud of points of space, with its name in the legend.
#[derive(Clone, Copy, Debug)]
pub struct Cloud3<'a> {
    name: &'a str,
    points: &'a [[f32; 3]],
    colour: Rgb<u8>,
}

impl<'a> Cloud3<'a> {
    /// Points in the background, in grey.
    pub fn pale(name: &'a str, points: &'a [[f32; 3]]) -> Self {
        Self {
            name,
            points,
            colour: PALE,
        }
    }

    /// Points that the figure is about, in the one bright colour.
    pub fn bright(name: &'a str, points: &'a [[f32; 3]]) -> Self {
        Self {
            name,
            points,
            colour: FIRE,
        }
    }
}

/// Draws clouds of points of space in a box, the first below the others.
///
/// The box holds nearly all points of the first cloud that has any, each axis at its own scale;
/// `names` are those of the axes. Points outside the box, or not finite, are left out. Points far
/// from the eye are paler.
///
/// ```
/// use pyroclast_plot::{Cloud3, scatter3};
///
/// let spiral: Vec<[f32; 3]> = (0..500)
///     .map(|i| i as f32 / 25.0)
///     .map(|t| [t.cos(), t.sin(), t])
///     .collect();
/// let picture = scatter3(&[Cloud3::bright("a spiral", &spiral)], ["x", "y", "t"], "");
/// assert!(picture.height() > 500);
/// ```
pub fn scatter3(clouds: &[Cloud3], names: [&str; 3], title: &str) -> RgbImage {
    let clouds: Vec<&Cloud3> = clouds.iter().filter(|c| !c.points.is_empty()).collect();
    let first = clouds.first().map_or(&[][..], |cloud| cloud.points);
    let limits = [0, 1, 2].map(|axis| limits(first, axis));
    let top = header::height(title, 1);
    let panel = Area {
        left: 20.0,
        top,
        right: SIDE - 20.0,
        bottom: top + SIDE,
    };
    let mut canvas = Canvas::new(SIDE as u32, (top + SIDE) as u32);
    draw_box(&mut canvas, panel, names);
    for cloud in &clouds {
        draw(cloud, &limits, panel, &mut canvas);
    }
    let legend: Vec<Entry> = (clouds.iter())
        .map(|cloud| Entry {
            label: cloud.name.to_owned(),
            mark: Mark::Dot,
            colour: cloud.colour,
        })
        .collect();
    header::draw(&mut canvas, panel, title, &legend, 1);
    canvas.into_image()
}

/// The ends of an axis.
fn limits(points: &[[f32; 3]], axis: usize) -> [f32; 2] {
    let mut values: Vec<f32> = points.iter().map(|point| point[axis]).collect();
    values.retain(|value| value.is_finite());
    values.sort_unstable_by(f32::total_cmp);
    let skipped = (values.len() as f64 * OUTER) as usize;
    let (low, high) = match (values.get(skipped), values.iter().rev().nth(skipped)) {
        (Some(&low), Some(&high)) if high > low => (low, high),
        (Some(&low), _) => (low - 0.5, low + 0.5),
        _ => (0.0, 1.0),
    };
    let margin = 0.04 * (high - low);
    [low - margin, high + margin]
}

/// Where a point of the box [−½, ½]³ is on the canvas, and how far behind its middle.
fn place([x, y, z]: [f32; 3], panel: Area) -> ([f32; 2], f32) {
    let across = x * AZIMUTH.cos() - y * AZIMUTH.sin();
    let away = x * AZIMUTH.sin() + y * AZIMUTH.cos();
    let up = z * ELEVATION.cos() + away * ELEVATION.sin();
    let depth = away * ELEVATION.cos() - z * ELEVATION.sin();
    let middle = [
        (panel.left + panel.right) / 2.0,
        (panel.top + panel.bottom) / 2.0,
    ];
    ([middle[0] + BOX * across, middle[1] - BOX * up], depth)
}

fn draw_box(canvas: &mut Canvas, panel: Area, names: [&str; 3]) {
    let pen = Pen {
        colour: AXIS,
        alpha: 0.6,
        width: 1.0,
    };
    let at = |corner: [f32; 3]| place(corner, panel).0;
    for axis in 0..3 {
        for (a, b) in [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)] {
            let end = |along: f32| {
                let mut corner = [a, b, along];
                corner.rotate_right(2 - axis);
                at(corner)
            };
            canvas.line(&[end(-0.5), end(0.5)], pen, None);
        }
    }
    // Beside the edges that are nearest to the eye.
    for (name, corner, anchor) in [
        (names[0], [0.0, -0.62, -0.5], Anchor::Middle),
        (names[1], [0.62, 0.0, -0.5], Anchor::Start),
        (names[2], [-0.58, 0.5, 0.0], Anchor::End),
    ] {
        canvas.text(name, SMALL, anchor, at(corner));
    }
}

fn draw(cloud: &Cloud3, limits: &[[f32; 2]; 3], panel: Area, canvas: &mut Canvas) {
    let inside = |point: &[f32; 3]| {
        let share = |axis: usize| {
            let [low, high] = limits[axis];
            (point[axis] - low) / (high - low) - 0.5
        };
        let shares = [share(0), share(1), share(2)];
        shares
            .iter()
            .all(|share| share.abs() <= 0.5)
            .then_some(shares)
    };
    let mut places: Vec<([f32; 2], f32)> = (cloud.points.iter())
        .filter_map(inside)
        .map(|point| place(point, panel))
        .collect();
    places.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
    let crowd = (places.len().max(1) as f32 / 500.0).max(0.25);
    for (middle, depth) in places {
        let near = 0.5 - depth / 2.0;
        let radius = (1.7 + 1.0 * near) * crowd.powf(-0.16);
        let alpha = (0.35 + 0.5 * near) * crowd.powf(-0.2);
        canvas.dot(middle, radius, cloud.colour, alpha.clamp(0.05, 0.9), panel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::PAPER;

    #[test]
    fn the_box_is_on_the_paper_and_so_are_its_points() {
        let panel = Area {
            left: 20.0,
            top: 60.0,
            right: SIDE - 20.0,
            bottom: 60.0 + SIDE,
        };
        for corner in 0..8 {
            let corner = [0, 1, 2].map(|axis| if corner >> axis & 1 == 1 { 0.5 } else { -0.5 });
            let ([x, y], _) = place(corner, panel);
            assert!(
                x > 20.0 && x < SIDE - 20.0 && y > 70.0 && y < 50.0 + SIDE,
                "{x} {y}"
            );
        }
        // Up is up, and what is further away along y is behind.
        let (low, _) = place([0.0, 0.0, -0.5], panel);
        let (high, _) = place([0.0, 0.0, 0.5], panel);
        assert!(high[1] < low[1]);
        assert!(place([0.0, 0.5, 0.0], panel).1 > place([0.0, -0.5, 0.0], panel).1);
    }

    #[test]
    fn strange_points_are_left_out() {
        for points in [
            vec![],
            vec![[1.0, 2.0, 3.0]],
            vec![[f32::NAN; 3], [0.0; 3], [f32::INFINITY, 0.0, 1.0]],
        ] {
            let picture = scatter3(&[Cloud3::bright("samples", &points)], ["a", "b", "c"], "t");
            assert!(picture.pixels().any(|pixel| *pixel != PAPER));
        }
    }
}
