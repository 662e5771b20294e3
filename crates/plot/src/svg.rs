//! Curves over steps as scalable vector graphics.

use std::fmt::Write;

use crate::colours::CURVES;
use crate::curve::Series;
use crate::escaped::escaped;
use crate::smoothing::smoothed;
use crate::thinning::thinned;
use crate::ticks::{self, Tick};

/// The size of the drawing, and the space for the numbers at its left and bottom.
const SIZE: [f64; 2] = [760.0, 320.0];
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 30.0;
const RIGHT: f64 = 12.0;
/// Fewer points than this are shown as they are.
const FEWEST_TO_SMOOTH: usize = 20;

/// A linear or logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64> + Clone, log: bool, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = match low.is_finite() && high > low {
            true => (low, high),
            false if low.is_finite() => (low - 0.5, low + 0.5),
            false => (0.0, 1.0),
        };
        let log = log && low > 0.0 && high / low > 10.0;
        Self {
            low,
            high,
            log,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self, parts: usize) -> Vec<Tick> {
        if self.log {
            ticks::by_decades(self.low, self.high)
        } else {
            let step = ticks::round_step(self.high - self.low, parts);
            ticks::evenly(self.low, self.high, step)
        }
    }
}

/// A chart of curves with a legend; `names` are those of the axes.
pub(crate) fn chart(series: &[Series], names: [&str; 2]) -> String {
    let [width, height] = SIZE;
    let points = || series.iter().flat_map(|series| series.points());
    let across = Axis::around(points().map(|p| p[0]), false, LEFT, width - RIGHT);
    let up = Axis::around(points().map(|p| p[1]), true, height - BOTTOM, TOP);
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\" \
         font-size=\"12\" fill=\"currentColor\">",
        escaped(names[1])
    );
    for tick in across.ticks(8) {
        let (x, label) = (across.place(tick.value), escaped(&tick.label));
        let y = height - BOTTOM + 18.0;
        let _ = write!(
            out,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"
        );
    }
    for tick in up.ticks(6) {
        let (y, label) = (up.place(tick.value), escaped(&tick.label));
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"currentColor\" opacity=\".12\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            width - RIGHT,
            LEFT - 8.0,
            y + 4.0
        );
    }
    let middle = (LEFT + width - RIGHT) / 2.0;
    let _ = write!(
        out,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        height - 6.0,
        escaped(names[0])
    );
    let mut legend = LEFT;
    for (series, colour) in series.iter().zip(CURVES.iter().cycle()) {
        let colour = format!("#{:02x}{:02x}{:02x}", colour[0], colour[1], colour[2]);
        let raw = series.points();
        if series.is_noisy() && raw.len() >= FEWEST_TO_SMOOTH {
            curve(&mut out, raw, [&across, &up], &colour, 0.3);
            curve(&mut out, &smoothed(raw), [&across, &up], &colour, 1.0);
        } else {
            curve(&mut out, raw, [&across, &up], &colour, 1.0);
        }
        // A single curve needs no name.
        if series.name().is_empty() {
            continue;
        }
        let name = escaped(series.name());
        let _ = write!(
            out,
            "<path d=\"M{legend} 12h18\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"16\">{name}</text>",
            legend + 24.0
        );
        legend += 50.0 + 7.0 * series.name().chars().count() as f64;
    }
    out.push_str("</svg>");
    out
}

fn curve(out: &mut String, points: &[[f64; 2]], [x, y]: [&Axis; 2], colour: &str, alpha: f64) {
    let inside = points.iter().filter(|point| !y.log || point[1] > 0.0);
    let place = |point: &[f64; 2]| [x.place(point[0]) as f32, y.place(point[1]) as f32];
    let places: Vec<[f32; 2]> = inside.map(place).collect();
    let mut path = String::new();
    for (i, [x, y]) in thinned(&places).into_iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    if path.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" \
         stroke-linejoin=\"round\" opacity=\"{alpha}\"/>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_inside_and_have_names() {
        let falling = (1..=300).map(|i| (f64::from(i), 100.0 / f64::from(i)));
        let series = [
            Series::noisy("training", falling),
            Series::measured("validation", [(100.0, 2.0), (300.0, 0.5)]),
        ];
        let svg = chart(&series, ["step", "loss"]);
        assert!(svg.contains("training") && svg.contains("validation") && svg.contains(">step<"));
        let numbers = svg.split("d=\"M").skip(1).flat_map(|path| {
            let path = &path[..path.find('"').expect("an end")];
            path.split(['L', 'H', 'h', ' '])
                .filter_map(|n| n.parse::<f64>().ok())
        });
        assert!(numbers.into_iter().all(|n| (0.0..=SIZE[0]).contains(&n)));
    }

    #[test]
    fn no_points_and_one_point_are_charts_too() {
        for points in [vec![], vec![(3.0, -1.0)]] {
            let svg = chart(&[Series::noisy("training", points)], ["step", "loss"]);
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
