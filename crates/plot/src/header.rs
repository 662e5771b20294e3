//! The title above a figure, and the legend below the title.

use image::Rgb;

use crate::axes::SMALL;
use crate::canvas::{Area, Canvas, Pen};
use crate::colours::INK;
use crate::text::{self, Anchor, Lettering};

const TITLE: Lettering = Lettering {
    size: 18.0,
    colour: INK,
    weight: 0.045,
};

/// The mark of an entry of the legend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mark {
    /// Points of a cloud.
    Dot,
    /// A plain curve.
    Line,
    /// A curve above its paler raw values.
    SmoothedLine,
    /// A curve with a dot at each value.
    DottedLine,
}

/// One entry of the legend.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) mark: Mark,
    pub(crate) colour: Rgb<u8>,
}

/// Between two rows of the legend.
const ROW: f32 = 22.0;

/// The height of a header whose legend has this many rows.
pub(crate) fn height(title: &str, rows: usize) -> f32 {
    let title = if title.is_empty() { 0.0 } else { 28.0 };
    20.0 + title + ROW * rows as f32
}

/// The rows that a legend fills above a panel of this width, at least one.
pub(crate) fn rows(entries: &[Entry], width: f32) -> usize {
    let (mut rows, mut x) = (1, 0.0);
    for entry in entries {
        let needed = entry.mark_width() + 7.0 + text::width(&entry.label, SMALL.size);
        if x > 0.0 && x + needed > width {
            (rows, x) = (rows + 1, 0.0);
        }
        x += needed + 20.0;
    }
    rows
}

/// Writes the title and the legend above the panel; entries beyond the last row are left out.
pub(crate) fn draw(canvas: &mut Canvas, panel: Area, title: &str, entries: &[Entry], rows: usize) {
    let first = panel.top - 20.0 - ROW * (rows as f32 - 1.0);
    let title = text::shortened(title, TITLE.size, panel.width());
    canvas.text(&title, TITLE, Anchor::Start, [panel.left, first - 26.0]);
    let (mut x, mut y, mut row) = (panel.left, first, 1);
    for entry in entries {
        let needed = entry.mark_width() + 7.0 + text::width(&entry.label, SMALL.size);
        if x > panel.left && x + needed > panel.right {
            if row == rows {
                break;
            }
            (x, y, row) = (panel.left, y + ROW, row + 1);
        }
        let start = x + entry.mark_width() + 7.0;
        let label = text::shortened(&entry.label, SMALL.size, panel.right - start);
        draw_mark(canvas, entry, [x, y], entry.mark_width());
        canvas.text(&label, SMALL, Anchor::Start, [start, y]);
        x = start + text::width(&label, SMALL.size) + 20.0;
    }
}

impl Entry {
    fn mark_width(&self) -> f32 {
        if self.mark == Mark::Dot { 10.0 } else { 24.0 }
    }
}

fn draw_mark(canvas: &mut Canvas, entry: &Entry, [x, y]: [f32; 2], width: f32) {
    let middle = [x + width / 2.0, y];
    let around = Area {
        left: x - 2.0,
        top: y - 10.0,
        right: x + width + 2.0,
        bottom: y + 10.0,
    };
    let mut line = |alpha, width_of_line| {
        let pen = Pen {
            colour: entry.colour,
            alpha,
            width: width_of_line,
        };
        canvas.line(&[[x + 2.0, y], [x + width - 2.0, y]], pen, None);
    };
    match entry.mark {
        Mark::Dot => {}
        Mark::SmoothedLine => {
            line(0.28, 8.0);
            line(1.0, 2.0);
        }
        Mark::Line | Mark::DottedLine => line(1.0, 2.0),
    }
    if matches!(entry.mark, Mark::Dot | Mark::DottedLine) {
        canvas.dot(middle, 4.0, entry.colour, 1.0, around);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::{FIRE, PAPER};

    #[test]
    fn too_many_entries_do_not_leave_the_panel() {
        let panel = Area {
            left: 20.0,
            top: 70.0,
            right: 220.0,
            bottom: 200.0,
        };
        let entry = Entry {
            label: "validation of a long name".to_owned(),
            mark: Mark::DottedLine,
            colour: FIRE,
        };
        let mut canvas = Canvas::new(240, 220);
        let title = "a title that is much wider than the panel below it";
        draw(&mut canvas, panel, title, &vec![entry; 9], 1);
        let image = canvas.into_image();
        let beyond = image.enumerate_pixels().filter(|(x, ..)| *x > 222);
        assert!(beyond.into_iter().all(|(.., pixel)| *pixel == PAPER));
        assert!(image.pixels().any(|pixel| *pixel == FIRE));
    }
}
