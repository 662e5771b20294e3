//! Each column of rows against each other: a matrix of scatters, with histograms on the diagonal.

use image::{Rgb, RgbImage};

use crate::axes::SMALL;
use crate::canvas::{Area, Canvas, Pen};
use crate::colours::{AXIS, FIRE, PALE};
use crate::header::{self, Entry, Mark};
use crate::limits::inner_ends;
use crate::text::{self, Anchor};

/// The side of a panel.
const SIDE: f32 = 128.0;
/// Between two panels.
const GAP: f32 = 10.0;
/// The room at the left and below, for names and marks.
const LEFT: f32 = 126.0;
const BELOW: f32 = 56.0;
const EDGE: f32 = 16.0;
/// The bars of a histogram.
const BINS: usize = 24;
/// The share of values that may lie beyond each end.
const OUTLIERS: f64 = 0.005;

/// One column of a matrix of pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct PairAxis {
    /// The name of the column.
    pub name: String,
    /// The values at its two ends.
    pub ends: [f64; 2],
    /// Values with the text that stands beside them.
    pub marks: Vec<(f64, String)>,
}

impl PairAxis {
    /// The ends between which nearly all of these values lie, with a margin.
    ///
    /// ```
    /// use pyroclast_plot::PairAxis;
    ///
    /// let [low, high] = PairAxis::around((0..100).map(f64::from));
    /// assert!(low < 0.0 && high > 99.0);
    /// ```
    pub fn around(values: impl IntoIterator<Item = f64>) -> [f64; 2] {
        let values = values.into_iter().filter(|value| value.is_finite());
        let [low, high] = inner_ends(values.collect(), OUTLIERS).unwrap_or([-1.0, 1.0]);
        let length = (high - low).max(high.abs() * 1e-6);
        let margin = if length > 0.0 { 0.06 * length } else { 1.0 };
        [low - margin, high + margin]
    }

    /// The position of a value: 0 at the beginning, 1 at the end.
    fn share(&self, value: f32) -> f32 {
        let [low, high] = self.ends;
        ((f64::from(value) - low) / (high - low)) as f32
    }
}

/// Draws samples above data, in a panel for each pair of columns; on the diagonal, histograms of
/// each column.
///
/// Rows beyond the ends of an axis, or not finite, are left out.
///
/// ```
/// use pyroclast_plot::{PairAxis, pairs};
///
/// let axes = ["age", "height"].map(|name| PairAxis {
///     name: name.to_owned(),
///     ends: [0.0, 1.0],
///     marks: vec![(0.0, "low".to_owned()), (1.0, "high".to_owned())],
/// });
/// let picture = pairs(&axes, &[0.1, 0.2, 0.8, 0.9], &[0.5, 0.5], "two columns");
/// assert!(picture.width() > 250);
/// ```
///
/// # Shapes
/// - data, samples: `[n, axes]`, row-major
pub fn pairs(axes: &[PairAxis], data: &[f32], samples: &[f32], title: &str) -> RgbImage {
    let k = axes.len();
    let top = header::height(title, 1);
    let across = k as f32 * SIDE + k.saturating_sub(1) as f32 * GAP;
    let mut canvas = Canvas::new((LEFT + across + EDGE) as u32, (top + across + BELOW) as u32);
    let panel = |row: usize, column: usize| {
        let [left, top] = [
            LEFT + column as f32 * (SIDE + GAP),
            top + row as f32 * (SIDE + GAP),
        ];
        Area {
            left,
            top,
            right: left + SIDE,
            bottom: top + SIDE,
        }
    };
    let clouds = [("data", data, PALE), ("samples", samples, FIRE)];
    for row in 0..k {
        for column in 0..=row {
            let area = panel(row, column);
            if row == column {
                let of = |(_, rows, colour)| (shares(&axes[row], values(rows, k, row)), colour);
                histograms(&mut canvas, area, clouds.map(of));
            } else {
                for (_, rows, colour) in clouds {
                    let points = values(rows, k, column).zip(values(rows, k, row));
                    let pair = [&axes[column], &axes[row]];
                    scatter(&mut canvas, area, pair, points, colour);
                }
            }
            frame(&mut canvas, area);
        }
    }
    for (i, axis) in axes.iter().enumerate() {
        name(&mut canvas, axis, panel(i, 0), panel(k - 1, i));
    }
    let legend: Vec<Entry> = (clouds.iter().filter(|(_, rows, _)| !rows.is_empty()))
        .map(|&(name, _, colour)| Entry {
            label: name.to_owned(),
            mark: Mark::Dot,
            colour,
        })
        .collect();
    let whole = Area {
        left: EDGE,
        right: LEFT + across,
        top,
        bottom: top + across,
    };
    header::draw(&mut canvas, whole, title, &legend, 1);
    canvas.into_image()
}

fn values(rows: &[f32], k: usize, column: usize) -> impl Iterator<Item = f32> + Clone {
    rows.iter().skip(column).step_by(k).copied()
}

fn scatter(
    canvas: &mut Canvas,
    area: Area,
    [across, up]: [&PairAxis; 2],
    points: impl Iterator<Item = (f32, f32)> + Clone,
    colour: Rgb<u8>,
) {
    let crowd = (points.clone().count().max(1) as f32 / 300.0).max(0.25);
    let (radius, alpha) = (1.7 * crowd.powf(-0.16), (0.7 * crowd.powf(-0.35)).min(0.9));
    for (x, y) in points {
        let [x, y] = [across.share(x), up.share(y)];
        if (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) {
            let place = [area.left + x * SIDE, area.bottom - y * SIDE];
            canvas.dot(place, radius, colour, alpha, area);
        }
    }
}

/// The shares of all values that lie between evenly spaced places of an axis.
fn shares(axis: &PairAxis, values: impl Iterator<Item = f32>) -> [f32; BINS] {
    let (mut counts, mut all) = ([0_u32; BINS], 0_u32);
    for share in values.map(|value| axis.share(value)) {
        if (0.0..=1.0).contains(&share) {
            counts[((share * BINS as f32) as usize).min(BINS - 1)] += 1;
        }
        all += 1;
    }
    counts.map(|count| count as f32 / all.max(1) as f32)
}

/// The shares of several sets of values on one scale, as [`histogram`] draws them.
fn histograms<const N: usize>(canvas: &mut Canvas, area: Area, sets: [([f32; BINS], Rgb<u8>); N]) {
    let all = sets.iter().flat_map(|(shares, _)| shares);
    let most = all.copied().fold(0.0, f32::max);
    for (shares, colour) in sets {
        if shares.iter().any(|&share| share > 0.0) {
            histogram(canvas, area, shares.map(|share| share / most), colour);
        }
    }
}

/// Shares of the largest that is drawn, as bars in the background or as an outline.
fn histogram(canvas: &mut Canvas, area: Area, shares: [f32; BINS], colour: Rgb<u8>) {
    let height = |share: f32| 0.9 * SIDE * share;
    let left = |bin: usize| area.left + bin as f32 * SIDE / BINS as f32;
    if colour == PALE {
        for (bin, &share) in shares.iter().enumerate() {
            let bar = Area {
                left: left(bin),
                right: left(bin + 1),
                top: area.bottom - height(share),
                bottom: area.bottom,
            };
            canvas.fill_area(bar, |_| PALE);
        }
        return;
    }
    let outline: Vec<[f32; 2]> = (shares.iter().enumerate())
        .flat_map(|(bin, &share)| {
            let y = area.bottom - height(share);
            [[left(bin), y], [left(bin + 1), y]]
        })
        .collect();
    let pen = Pen {
        colour,
        alpha: 1.0,
        width: 1.6,
    };
    canvas.line(&outline, pen, Some(area));
}

fn frame(canvas: &mut Canvas, area: Area) {
    let pen = Pen {
        colour: AXIS,
        alpha: 1.0,
        width: 1.0,
    };
    let [left, right] = [area.left, area.right].map(|x| x.floor() + 0.5);
    let [top, bottom] = [area.top, area.bottom].map(|y| y.floor() + 0.5);
    let corners = [
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom],
        [left, top],
    ];
    canvas.line(&corners, pen, None);
}

/// The name and the marks of an axis, beside its row and below its column.
fn name(canvas: &mut Canvas, axis: &PairAxis, row: Area, column: Area) {
    let shown = text::shortened(&axis.name, SMALL.size, SIDE);
    canvas.upward_text(&shown, SMALL, [EDGE + 4.0, (row.top + row.bottom) / 2.0]);
    let middle = (column.left + column.right) / 2.0;
    canvas.text(
        &shown,
        SMALL,
        Anchor::Middle,
        [middle, column.bottom + 38.0],
    );
    let room = LEFT - EDGE - 28.0;
    for (value, mark) in &axis.marks {
        let share = axis.share(*value as f32).clamp(0.0, 1.0);
        let beside = text::shortened(mark, SMALL.size, room);
        // Marks at the ends stay inside.
        let y = (row.bottom - share * SIDE).clamp(row.top + 7.0, row.bottom - 7.0);
        canvas.text(&beside, SMALL, Anchor::End, [row.left - 6.0, y]);
        let room = SIDE / axis.marks.len() as f32 - 4.0;
        let below = text::shortened(mark, SMALL.size, room);
        let half = text::width(&below, SMALL.size) / 2.0;
        let x = (column.left + share * SIDE).clamp(column.left + half, column.right - half);
        canvas.text(&below, SMALL, Anchor::Middle, [x, column.bottom + 15.0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::PAPER;

    fn axes() -> Vec<PairAxis> {
        (0..3)
            .map(|i| PairAxis {
                name: format!("column {i}"),
                ends: [0.0, 10.0],
                marks: vec![(0.0, "0".to_owned()), (10.0, "10".to_owned())],
            })
            .collect()
    }

    fn count(picture: &RgbImage, area: [u32; 4], colour: impl Fn(&Rgb<u8>) -> bool) -> usize {
        let [left, top, right, bottom] = area;
        (left..right)
            .flat_map(|x| (top..bottom).map(move |y| (x, y)))
            .filter(|&(x, y)| colour(picture.get_pixel(x, y)))
            .count()
    }

    fn is_warm(pixel: &Rgb<u8>) -> bool {
        i16::from(pixel[0]) - i16::from(pixel[2]) > 60
    }

    #[test]
    fn points_lie_in_the_panel_of_their_columns() {
        // Column 0 is small, column 2 large, column 1 in the middle.
        let samples = [1.0, 5.0, 9.0].repeat(200);
        let picture = pairs(&axes(), &[], &samples, "");
        let step = (SIDE + GAP) as u32;
        let [left, top] = [LEFT as u32, header::height("", 1) as u32];
        let quarter = |row: u32, column: u32, right: u32, down: u32| {
            let half = SIDE as u32 / 2;
            let x = left + column * step + right * half;
            let y = top + row * step + down * half;
            count(&picture, [x, y, x + half, y + half], is_warm)
        };
        // Row 2 is large, and column 0 small: above at the left.
        assert!(quarter(2, 0, 0, 0) > 3);
        assert_eq!(
            [
                quarter(2, 0, 1, 0),
                quarter(2, 0, 0, 1),
                quarter(2, 0, 1, 1)
            ],
            [0; 3]
        );
        // Nothing above the diagonal.
        let above = [
            left + step,
            top,
            left + step + SIDE as u32,
            top + SIDE as u32,
        ];
        assert_eq!(count(&picture, above, |pixel| *pixel != PAPER), 0);
    }

    #[test]
    fn broken_rows_and_no_rows_are_survived() {
        let broken = [f32::NAN, f32::INFINITY, -1e30];
        assert!(pairs(&axes(), &broken, &broken, "broken").width() > 400);
        assert!(pairs(&axes(), &[], &[], "nothing").width() > 400);
        let [low, high] = PairAxis::around([7.0, 7.0, f64::NAN]);
        assert!(low < 7.0 && high > 7.0);
    }
}
