//! Text on a canvas, drawn from the outlines of a typeface inside the binary.

use std::sync::LazyLock;

use image::Rgb;
use tiny_skia::{PathBuilder, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::canvas::Canvas;

/// The part of a text that stands at its position.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// The look of letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lettering {
    pub(crate) size: f32,
    pub(crate) colour: Rgb<u8>,
    /// Ink added around the outlines, as a share of the size: the typeface is light.
    pub(crate) weight: f32,
}

/// Ubuntu, and Hack for the arrows and signs that Ubuntu lacks.
static FACES: LazyLock<[Face<'static>; 2]> = LazyLock::new(|| {
    let fonts = [
        epaint_default_fonts::UBUNTU_LIGHT,
        epaint_default_fonts::HACK_REGULAR,
    ];
    fonts.map(|font| Face::parse(font, 0).expect("the crate ships sound fonts"))
});

/// The width of a text, in pixels.
pub(crate) fn width(text: &str, size: f32) -> f32 {
    text.chars()
        .map(|letter| Glyph::of(letter, size).step)
        .sum()
}

/// The text, or as much of its beginning as fits into `room` pixels with an ellipsis.
pub(crate) fn shortened(text: &str, size: f32, room: f32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room - width("…", size);
    let kept: String = text
        .chars()
        .take_while(|&letter| {
            left -= Glyph::of(letter, size).step;
            left >= 0.0
        })
        .collect();
    format!("{}…", kept.trim_end())
}

impl Canvas {
    /// Writes a text; capitals are centred on the height of `place`.
    pub(crate) fn text(&mut self, text: &str, style: Lettering, anchor: Anchor, place: [f32; 2]) {
        let [x, y] = place;
        self.write(text, style, anchor, Transform::from_translate(x, y));
    }

    /// Writes a text that reads upwards, with its middle at `place`.
    pub(crate) fn upward_text(&mut self, text: &str, style: Lettering, place: [f32; 2]) {
        let [x, y] = place;
        let upward = Transform::from_row(0.0, -1.0, 1.0, 0.0, x, y);
        self.write(text, style, Anchor::Middle, upward);
    }

    fn write(&mut self, text: &str, style: Lettering, anchor: Anchor, place: Transform) {
        let length = width(text, style.size);
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -length / 2.0,
            Anchor::End => -length,
        };
        let mut outline = Outline {
            path: PathBuilder::new(),
            scale: 1.0,
            x: start,
            y: style.size * HALF_CAPITAL,
        };
        for letter in text.chars() {
            let glyph = Glyph::of(letter, style.size);
            outline.scale = glyph.scale;
            glyph.face.outline_glyph(glyph.id, &mut outline);
            outline.x += glyph.step;
        }
        if let Some(path) = outline.path.finish() {
            self.fill(&path, style.colour, style.weight * style.size, place);
        }
    }
}

/// Half the height of Ubuntu's capitals and digits, as a share of the size.
const HALF_CAPITAL: f32 = 0.347;

/// One letter, from the first typeface that has it.
struct Glyph {
    face: &'static Face<'static>,
    id: GlyphId,
    /// Pixels per unit of the typeface.
    scale: f32,
    /// Pixels to the next letter.
    step: f32,
}

impl Glyph {
    fn of(letter: char, size: f32) -> Self {
        let (face, id) = FACES
            .iter()
            .find_map(|face| Some((face, face.glyph_index(letter)?)))
            // Glyph 0 of every typeface is the box for a missing letter.
            .unwrap_or((&FACES[0], GlyphId(0)));
        let scale = size / f32::from(face.units_per_em());
        let step = f32::from(face.glyph_hor_advance(id).unwrap_or(0)) * scale;
        Self {
            face,
            id,
            scale,
            step,
        }
    }
}

/// Collects the outlines of letters side by side. In typefaces y points up, in pictures down.
struct Outline {
    path: PathBuilder,
    scale: f32,
    x: f32,
    y: f32,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2)) = (self.place(x1, y1), self.place(x2, y2));
        let (x, y) = self.place(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::PAPER;

    const STYLE: Lettering = Lettering {
        size: 16.0,
        colour: Rgb([0, 0, 0]),
        weight: 0.0,
    };

    fn ink(text: &str) -> usize {
        let mut canvas = Canvas::new(200, 40);
        canvas.text(text, STYLE, Anchor::Middle, [100.0, 20.0]);
        let image = canvas.into_image();
        image.pixels().filter(|pixel| **pixel != PAPER).count()
    }

    #[test]
    fn letters_leave_ink() {
        assert!(ink("loss") > 50);
        assert_eq!(ink(""), 0);
        assert_eq!(ink("   "), 0);
    }

    #[test]
    fn an_arrow_and_an_unknown_letter_are_drawn_too() {
        assert!(ink("→") > 5);
        assert!(ink("火") > 5);
    }

    #[test]
    fn a_longer_text_is_wider() {
        assert!(width("training", 12.0) > width("train", 12.0));
        assert!((width("train", 24.0) - 2.0 * width("train", 12.0)).abs() < 1e-3);
    }

    #[test]
    fn a_text_too_long_ends_in_an_ellipsis() {
        let short = shortened("a title that never seems to end", 16.0, 100.0);
        assert!(
            short.ends_with('…') && short.starts_with("a title"),
            "{short}"
        );
        assert!(width(&short, 16.0) <= 100.0);
        assert_eq!(shortened("brief", 16.0, 100.0), "brief");
    }
}
