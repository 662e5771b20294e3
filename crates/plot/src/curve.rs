//! Curves over steps: the losses of a training run, or methods compared at equal cost.

use image::{Rgb, RgbImage};

use crate::axes::{Axes, Axis};
use crate::canvas::{Canvas, Pen};
use crate::colours::CURVES;
use crate::header::{self, Entry, Mark};
use crate::limits::inner_ends;
use crate::smoothing::smoothed;
use crate::thinning::thinned;
use crate::ticks;

/// The size of the panel, in pixels.
const PANEL: [f32; 2] = [760.0, 400.0];
/// More dots than this would run into one another.
const MOST_DOTS: usize = 60;
/// Fewer points than this are shown as they are.
const FEWEST_TO_SMOOTH: usize = 20;

/// One curve of a chart: its name and its points. Points that are not finite are left out.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    points: Vec<[f64; 2]>,
    noisy: bool,
}

impl Series {
    /// Noisy values, such as losses of single batches: drawn pale, beneath their running mean.
    pub fn noisy(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::new(name, points, true)
    }

    /// Exact values, such as losses on validation data. Each has a dot if they are few.
    pub fn measured(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::new(name, points, false)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    pub(crate) fn is_noisy(&self) -> bool {
        self.noisy
    }

    fn new(name: &str, points: impl IntoIterator<Item = (f64, f64)>, noisy: bool) -> Self {
        let points = points.into_iter().map(|(x, y)| [x, y]);
        Self {
            name: name.to_owned(),
            points: points
                .filter(|point| point.iter().all(|value| value.is_finite()))
                .collect(),
            noisy,
        }
    }
}

/// Draws each series in its own colour, with a legend; `names` are those of the two axes.
///
/// The second axis is logarithmic if all its values are positive and span more than a decade. On a
/// linear one, a few wild values of a noisy series do not flatten the rest.
///
/// ```
/// use pyroclast_plot::{Series, line_chart};
///
/// let losses = (1..=200).map(|step| (f64::from(step), 1.0 / f64::from(step)));
/// let validation = [(100.0, 0.02), (200.0, 0.01)];
/// let series = [Series::noisy("training", losses), Series::measured("validation", validation)];
/// let picture = line_chart(&series, "loss", ["step", "loss"]);
/// assert!(picture.width() > picture.height());
/// ```
pub fn line_chart(series: &[Series], title: &str, names: [&str; 2]) -> RgbImage {
    let curves: Vec<Curve> = series
        .iter()
        .zip(CURVES.into_iter().cycle())
        .map(Curve::of)
        .collect();
    let legend: Vec<Entry> = curves.iter().map(Curve::entry).collect();
    let rows = header::rows(&legend, PANEL[0]);
    let axes = Axes::around(
        PANEL,
        header::height(title, rows),
        x_axis(series, names[0]),
        y_axis(&curves, names[1]),
    );
    let mut canvas = axes.canvas();
    axes.draw(&mut canvas);
    for curve in &curves {
        curve.draw_raw(&mut canvas, &axes);
    }
    for curve in &curves {
        curve.draw_main(&mut canvas, &axes);
    }
    header::draw(&mut canvas, axes.panel(), title, &legend, rows);
    canvas.into_image()
}

struct Curve<'a> {
    series: &'a Series,
    colour: Rgb<u8>,
    smooth: Option<Vec<[f64; 2]>>,
}

impl<'a> Curve<'a> {
    fn of((series, colour): (&'a Series, Rgb<u8>)) -> Self {
        let long = series.points.len() >= FEWEST_TO_SMOOTH;
        let smooth = (series.noisy && long).then(|| smoothed(&series.points));
        Self {
            series,
            colour,
            smooth,
        }
    }

    /// The points that the eye should follow.
    fn main(&self) -> &[[f64; 2]] {
        self.smooth.as_deref().unwrap_or(&self.series.points)
    }

    fn dotted(&self) -> bool {
        let count = self.series.points.len();
        count == 1 || (!self.series.noisy && count <= MOST_DOTS)
    }

    fn draw_raw(&self, canvas: &mut Canvas, axes: &Axes) {
        if self.smooth.is_some() {
            self.line(canvas, axes, &self.series.points, 0.28, 1.0);
        }
    }

    fn draw_main(&self, canvas: &mut Canvas, axes: &Axes) {
        self.line(canvas, axes, self.main(), 1.0, 2.0);
        if self.dotted() {
            for &[x, y] in self.main() {
                let place = axes.place(x, y);
                canvas.dot(place, 4.0, self.colour, 1.0, axes.panel());
            }
        }
    }

    fn line(&self, canvas: &mut Canvas, axes: &Axes, points: &[[f64; 2]], alpha: f32, width: f32) {
        let pen = Pen {
            colour: self.colour,
            alpha,
            width,
        };
        let places: Vec<_> = points.iter().map(|&[x, y]| axes.place(x, y)).collect();
        canvas.line(&thinned(&places), pen, Some(axes.panel()));
    }

    fn entry(&self) -> Entry {
        let mark = match self.smooth {
            Some(_) => Mark::SmoothedLine,
            None if self.dotted() => Mark::DottedLine,
            None => Mark::Line,
        };
        Entry {
            label: self.series.name.clone(),
            mark,
            colour: self.colour,
        }
    }
}

fn x_axis(series: &[Series], name: &str) -> Axis {
    let points = series.iter().flat_map(|one| &one.points);
    let values: Vec<f64> = points.map(|point| point[0]).collect();
    let smallest_step = if values.iter().all(|x| x.fract() == 0.0) {
        1.0
    } else {
        0.0
    };
    let [first, last] = padded(inner_ends(values, 0.0).unwrap_or([0.0, 1.0]), 0.015);
    let step = ticks::round_step(last - first, 8).max(smallest_step);
    Axis::linear([first, last], step, name)
}

fn y_axis(curves: &[Curve], name: &str) -> Axis {
    let heights = |points: &[[f64; 2]]| points.iter().map(|point| point[1]).collect::<Vec<_>>();
    let all = curves.iter().map(|curve| heights(&curve.series.points));
    let all = all.collect::<Vec<_>>().concat();
    let [low, high] = inner_ends(all, 0.0).unwrap_or([0.0, 1.0]);
    if low > 0.0 && high / low > 10.0 {
        let [low, high] = padded([low.log10(), high.log10()], 0.04);
        return Axis::logarithmic([10f64.powf(low), 10f64.powf(high)], name);
    }
    let ends = curves.iter().flat_map(|curve| {
        let raw = usual_ends(heights(&curve.series.points));
        let main = inner_ends(heights(curve.main()), 0.0);
        [raw, main].into_iter().flatten()
    });
    let ends = ends.reduce(|all, one| [all[0].min(one[0]), all[1].max(one[1])]);
    let [low, high] = padded(ends.unwrap_or([low, high]), 0.06);
    Axis::linear([low, high], ticks::round_step(high - low, 6), name)
}

/// The range without the few values that lie far from all others: one wild batch must not flatten
/// the rest.
fn usual_ends(values: Vec<f64>) -> Option<[f64; 2]> {
    let [lowest, highest] = inner_ends(values.clone(), 0.0)?;
    let [low, high] = inner_ends(values, 0.003)?;
    let tail = (high - low) / 2.0;
    Some([lowest.max(low - tail), highest.min(high + tail)])
}

/// The range with a margin of this share of its length; a single value gets a margin in proportion
/// to itself.
fn padded([low, high]: [f64; 2], share: f64) -> [f64; 2] {
    let length = high - low;
    let more = if length > 1e-9 * high.abs().max(low.abs()) {
        length * share
    } else {
        (high.abs() * 0.1).max(0.5)
    };
    [low - more, high + more]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::{FIRE, PAPER};

    const NAMES: [&str; 2] = ["step", "loss"];

    fn falling(count: usize) -> impl Iterator<Item = (f64, f64)> {
        (0..count).map(|step| (step as f64, 20.0 / (1.0 + step as f64)))
    }

    #[test]
    fn line_chart_survives_no_points() {
        for series in [vec![], vec![Series::noisy("training", [])]] {
            let picture = line_chart(&series, "nothing yet", NAMES);
            assert!(picture.pixels().any(|pixel| *pixel != PAPER));
        }
    }

    #[test]
    fn a_single_point_is_a_dot() {
        for loss in [0.0, 0.3, -1e9] {
            let picture = line_chart(&[Series::noisy("training", [(5.0, loss)])], "", NAMES);
            let below_header = picture.enumerate_pixels().filter(|(_, y, _)| *y > 50);
            assert!(below_header.filter(|(.., pixel)| **pixel == FIRE).count() > 30);
        }
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let losses = [
            (0.0, f64::NAN),
            (1.0, 2.0),
            (2.0, f64::INFINITY),
            (3.0, 1.0),
        ];
        let series = Series::measured("validation", losses);
        assert_eq!(series.points, [[1.0, 2.0], [3.0, 1.0]]);
    }

    #[test]
    fn a_run_of_many_steps_is_drawn() {
        let picture = line_chart(&[Series::noisy("training", falling(50_000))], "long", NAMES);
        assert!(picture.pixels().any(|pixel| *pixel == FIRE));
    }
}
