//! Two axes around a panel: where values stand, and the lines and numbers that say so.

use super::canvas::{Area, Canvas, Pen};
use super::text::{self, Anchor, Lettering};
use super::ticks::{self, Tick};
use super::{AXIS, GRIDLINE, TEXT};

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

/// One axis: its ends and its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    ends: [f64; 2],
    logarithmic: bool,
    ticks: Vec<Tick>,
    name: &'static str,
}

impl Axis {
    /// An axis with a number at every multiple of `step`.
    pub(crate) fn linear(ends: [f64; 2], step: f64, name: &'static str) -> Self {
        Self {
            ends,
            logarithmic: false,
            ticks: ticks::evenly(ends[0], ends[1], step),
            name,
        }
    }

    /// An axis on which equal factors are equally far apart; both ends must be positive.
    pub(crate) fn logarithmic(ends: [f64; 2], name: &'static str) -> Self {
        Self {
            ends,
            logarithmic: true,
            ticks: ticks::by_decades(ends[0], ends[1]),
            name,
        }
    }

    /// How far along the axis a value stands: 0 at its beginning, 1 at its end.
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
    /// Axes around a panel of this size, with just the room above and at the left that is needed.
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

    /// Where values are drawn.
    pub(crate) fn panel(&self) -> Area {
        self.panel
    }

    /// A blank canvas with room for the panel and everything around it.
    pub(crate) fn canvas(&self) -> Canvas {
        let below = GAP + LINE + self.across.name_room() + EDGE / 2.0;
        // Half of the last number may stand right of the panel.
        let right = EDGE + 12.0;
        Canvas::new(
            (self.panel.right + right).ceil() as u32,
            (self.panel.bottom + below).ceil() as u32,
        )
    }

    /// The place of a value, in pixels.
    pub(crate) fn place(&self, x: f64, y: f64) -> [f32; 2] {
        [
            self.panel.left + self.across.share(x) * self.panel.width(),
            self.panel.bottom - self.up.share(y) * self.panel.height(),
        ]
    }

    /// Draws the lines and numbers; what is drawn later lies above them.
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
        canvas.text(self.across.name, SMALL, Anchor::Middle, [middle, below]);
        let height = (panel.top + panel.bottom) / 2.0;
        canvas.upward_text(self.up.name, SMALL, [EDGE + LINE / 2.0 - 2.0, height]);
    }
}

/// A straight line one pixel wide, moved to the middle of its pixels so that it is crisp.
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
    fn equal_factors_are_equally_far_apart() {
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
