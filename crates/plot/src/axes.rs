//! Two axes around a panel: they place values, and draw gridlines and numbers.

use crate::canvas::{Area, Canvas, Pen};
use crate::colours::{AXIS, GRIDLINE, TEXT};
use crate::text::{self, Anchor, Lettering};
use crate::ticks::{self, Tick};

/// The letters of numbers, names and legends.
pub(crate) const SMALL: Lettering = Lettering {
    size: 13.5,
    colour: TEXT,
    weight: 0.03,
};

/// Between the panel and the numbers.
const GAP: f32 = 8.0;
/// Between the outermost letters and the edge of the picture.
const EDGE: f32 = 14.0;
/// The height of a line of text.
const LINE: f32 = 18.0;

/// One axis: its range, its numbers and its name.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    ends: [f64; 2],
    logarithmic: bool,
    ticks: Vec<Tick>,
    name: String,
}

impl Axis {
    /// An axis with a number at every multiple of `step`.
    pub(crate) fn linear(ends: [f64; 2], step: f64, name: &str) -> Self {
        Self {
            ends,
            logarithmic: false,
            ticks: ticks::evenly(ends[0], ends[1], step),
            name: name.to_owned(),
        }
    }

    /// An axis on which equal ratios are equally far apart; both ends must be positive.
    pub(crate) fn logarithmic(ends: [f64; 2], name: &str) -> Self {
        Self {
            ends,
            logarithmic: true,
            ticks: ticks::by_decades(ends[0], ends[1]),
            name: name.to_owned(),
        }
    }

    /// The position of a value along the axis: 0 at its beginning, 1 at its end.
    fn share(&self, value: f64) -> f32 {
        let [low, high] = self.ends;
        let share = if self.logarithmic {
            (value / low).log10() / (high / low).log10()
        } else {
            (value - low) / (high - low)
        };
        share as f32
    }

    fn widest_label(&self) -> f32 {
        let widths = self.ticks.iter().map(|t| text::width(&t.label, SMALL.size));
        widths.fold(0.0, f32::max)
    }

    fn name_room(&self) -> f32 {
        if self.name.is_empty() {
            0.0
        } else {
            LINE + 4.0
        }
    }
}

/// A panel with an axis below and one at its left.
#[derive(Clone, Debug)]
pub(crate) struct Axes {
    across: Axis,
    up: Axis,
    panel: Area,
}

impl Axes {
    /// Axes around a panel of this size, with `header` pixels above it and room for the numbers.
    pub(crate) fn around(size: [f32; 2], header: f32, across: Axis, up: Axis) -> Self {
        let left = (EDGE + up.name_room() + up.widest_label() + GAP).ceil();
        let [width, height] = size.map(f32::round);
        let panel = Area {
            left,
            top: header,
            right: left + width,
            bottom: header + height,
        };
        Self { across, up, panel }
    }

    /// The area in which values are drawn.
    pub(crate) fn panel(&self) -> Area {
        self.panel
    }

    /// A blank canvas with room for the panel and everything around it.
    pub(crate) fn canvas(&self) -> Canvas {
        let below = GAP + LINE + self.across.name_room() + EDGE / 2.0;
        // Half of the last number may reach beyond the panel.
        let right = EDGE + 12.0;
        Canvas::new(
            (self.panel.right + right).ceil() as u32,
            (self.panel.bottom + below).ceil() as u32,
        )
    }

    /// The position of a value, in pixels.
    pub(crate) fn place(&self, x: f64, y: f64) -> [f32; 2] {
        [
            self.panel.left + self.across.share(x) * self.panel.width(),
            self.panel.bottom - self.up.share(y) * self.panel.height(),
        ]
    }

    /// The value at a position in pixels, on linear axes.
    pub(crate) fn value(&self, [x, y]: [f32; 2]) -> [f64; 2] {
        let between = |[low, high]: [f64; 2], share: f32| low + (high - low) * f64::from(share);
        [
            between(self.across.ends, (x - self.panel.left) / self.panel.width()),
            between(self.up.ends, (self.panel.bottom - y) / self.panel.height()),
        ]
    }

    /// Draws the lines and numbers. Draw them first: later shapes cover them.
    pub(crate) fn draw(&self, canvas: &mut Canvas) {
        let panel = self.panel;
        for tick in &self.across.ticks {
            let x = self.place(tick.value, self.up.ends[0])[0];
            rule(canvas, [x, panel.top], [x, panel.bottom], false);
            let below = [x, panel.bottom + GAP + LINE / 2.0];
            canvas.text(&tick.label, SMALL, Anchor::Middle, below);
        }
        for tick in &self.up.ticks {
            let y = self.place(self.across.ends[0], tick.value)[1];
            rule(canvas, [panel.left, y], [panel.right, y], false);
            canvas.text(&tick.label, SMALL, Anchor::End, [panel.left - GAP, y]);
        }
        let corner = [panel.left, panel.bottom];
        rule(canvas, [panel.left, panel.top], corner, true);
        rule(canvas, corner, [panel.right, panel.bottom], true);
        self.name(canvas);
    }

    fn name(&self, canvas: &mut Canvas) {
        let panel = self.panel;
        let middle = (panel.left + panel.right) / 2.0;
        let below = panel.bottom + GAP + LINE * 1.5 + 2.0;
        canvas.text(&self.across.name, SMALL, Anchor::Middle, [middle, below]);
        let height = (panel.top + panel.bottom) / 2.0;
        canvas.upward_text(&self.up.name, SMALL, [EDGE + LINE / 2.0 - 2.0, height]);
    }
}

/// A straight line one pixel wide, aligned to pixels so that it is crisp.
fn rule(canvas: &mut Canvas, from: [f32; 2], to: [f32; 2], axis: bool) {
    let pen = Pen {
        colour: if axis { AXIS } else { GRIDLINE },
        alpha: 1.0,
        width: 1.0,
    };
    let crisp = |place: [f32; 2]| place.map(|side| side.floor() + 0.5);
    canvas.line(&[crisp(from), crisp(to)], pen, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(up: Axis) -> Axes {
        let across = Axis::linear([0.0, 10.0], 2.0, "step");
        Axes::around([100.0, 50.0], 40.0, across, up)
    }

    #[test]
    fn values_run_rightwards_and_upwards() {
        let axes = axes(Axis::linear([0.0, 1.0], 0.5, ""));
        let panel = axes.panel();
        assert_eq!(axes.place(0.0, 0.0), [panel.left, panel.bottom]);
        assert_eq!(axes.place(10.0, 1.0), [panel.right, panel.top]);
    }

    #[test]
    fn equal_ratios_are_equally_far_apart() {
        let axes = axes(Axis::logarithmic([0.01, 100.0], "loss"));
        let [low, middle, high] = [0.1, 1.0, 10.0].map(|loss| axes.place(0.0, loss)[1]);
        assert!((low - middle - (middle - high)).abs() < 1e-3);
    }

    #[test]
    fn wide_numbers_move_the_panel_and_not_its_size() {
        let narrow = axes(Axis::linear([0.0, 1.0], 1.0, ""));
        let wide = axes(Axis::linear([0.0, 0.001], 0.0005, ""));
        assert!(wide.panel().left > narrow.panel().left);
        assert_eq!(wide.panel().width(), narrow.panel().width());
    }
}
