//! A sheet of paper to draw on: anti-aliased lines, dots and outlines.

use image::{Rgb, RgbImage};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use crate::colours::{self, PAPER};

/// A rectangle of the canvas, in pixels from the top left corner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) right: f32,
    pub(crate) bottom: f32,
}

impl Area {
    /// How wide it is.
    pub(crate) fn width(&self) -> f32 {
        self.right - self.left
    }

    /// How tall it is.
    pub(crate) fn height(&self) -> f32 {
        self.bottom - self.top
    }
}

/// The look of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pen {
    pub(crate) colour: Rgb<u8>,
    /// From 0, invisible, to 1, opaque.
    pub(crate) alpha: f32,
    pub(crate) width: f32,
}

/// White paper of a fixed size, always opaque.
pub(crate) struct Canvas {
    pixels: Pixmap,
}

impl Canvas {
    /// A blank canvas; a side of zero becomes one pixel.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let mut pixels = Pixmap::new(width.max(1), height.max(1))
            .expect("figures have a size between one pixel and a few thousand");
        pixels.fill(opaque(PAPER));
        Self { pixels }
    }

    /// Joins the points by a line, inside `clip` if there is one.
    pub(crate) fn line(&mut self, points: &[[f32; 2]], pen: Pen, clip: Option<Area>) {
        let Some(path) = joined(points) else {
            return;
        };
        let mask = clip.and_then(|area| self.mask(area));
        let stroke = Stroke {
            width: pen.width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.pixels.stroke_path(
            &path,
            &paint(pen.colour, pen.alpha),
            &stroke,
            Transform::identity(),
            mask.as_ref(),
        );
    }

    /// Fills an outline under the transform `place`, thickened by `weight` in units of the outline.
    pub(crate) fn fill(&mut self, path: &Path, colour: Rgb<u8>, weight: f32, place: Transform) {
        let paint = paint(colour, 1.0);
        self.pixels
            .fill_path(path, &paint, FillRule::Winding, place, None);
        if weight > 0.0 {
            let stroke = Stroke {
                width: weight,
                ..Stroke::default()
            };
            self.pixels.stroke_path(path, &paint, &stroke, place, None);
        }
    }

    /// A round dot, cut off at the edges of `clip`.
    ///
    /// A picture may have tens of thousands of dots, so this shape is drawn without a path: the
    /// covered share of a pixel follows from its distance to the rim.
    pub(crate) fn dot(
        &mut self,
        centre: [f32; 2],
        radius: f32,
        colour: Rgb<u8>,
        alpha: f32,
        clip: Area,
    ) {
        let [x, y] = centre;
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        let reach = radius + 0.5;
        let [width, height] = [self.pixels.width(), self.pixels.height()];
        let columns = overlap([x - reach, x + reach], [clip.left, clip.right], width);
        let rows = overlap([y - reach, y + reach], [clip.top, clip.bottom], height);
        let stride = self.pixels.width() as usize * 4;
        let bytes = self.pixels.data_mut();
        for row in rows {
            let down = row as f32 + 0.5 - y;
            for column in columns.clone() {
                let across = column as f32 + 0.5 - x;
                let cover = (reach - across.hypot(down)).clamp(0.0, 1.0) * alpha;
                let pixel = &mut bytes[row * stride + column * 4..][..3];
                let under = Rgb([pixel[0], pixel[1], pixel[2]]);
                pixel.copy_from_slice(&colours::mixed(under, colour, cover).0);
            }
        }
    }

    /// Colours each pixel of an area by the position of its middle.
    pub(crate) fn fill_area(&mut self, area: Area, colour: impl Fn([f32; 2]) -> Rgb<u8>) {
        let [width, height] = [self.pixels.width(), self.pixels.height()];
        let columns = overlap([0.0, width as f32], [area.left, area.right], width);
        let rows = overlap([0.0, height as f32], [area.top, area.bottom], height);
        let stride = self.pixels.width() as usize * 4;
        let bytes = self.pixels.data_mut();
        for row in rows {
            for column in columns.clone() {
                let middle = [column, row].map(|index| index as f32 + 0.5);
                bytes[row * stride + column * 4..][..3].copy_from_slice(&colour(middle).0);
            }
        }
    }

    /// The finished picture.
    pub(crate) fn into_image(self) -> RgbImage {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        let rgb = self
            .pixels
            .data()
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        RgbImage::from_raw(width, height, rgb).expect("every pixel has three bytes")
    }

    fn mask(&self, area: Area) -> Option<Mask> {
        let mut mask = Mask::new(self.pixels.width(), self.pixels.height())?;
        let inside = Rect::from_ltrb(area.left, area.top, area.right, area.bottom)?;
        let path = PathBuilder::from_rect(inside);
        mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
        Some(mask)
    }
}

/// The pixels along one side that a shape touches, inside the clip and the canvas.
fn overlap(shape: [f32; 2], clip: [f32; 2], size: u32) -> std::ops::Range<usize> {
    let first = shape[0].floor().max(clip[0].round()).max(0.0);
    let end = shape[1].ceil().min(clip[1].round()).min(size as f32);
    first as usize..end.max(first) as usize
}

/// An open path through the points; none for fewer than two.
fn joined(points: &[[f32; 2]]) -> Option<Path> {
    let (&[x, y], rest) = points.split_first()?;
    let mut path = PathBuilder::with_capacity(points.len(), points.len());
    path.move_to(x, y);
    for &[x, y] in rest {
        path.line_to(x, y);
    }
    path.finish()
}

fn opaque(colour: Rgb<u8>) -> tiny_skia::Color {
    let [red, green, blue] = colour.0;
    tiny_skia::Color::from_rgba8(red, green, blue, 255)
}

fn paint(colour: Rgb<u8>, alpha: f32) -> Paint<'static> {
    let [red, green, blue] = colour.0;
    let mut paint = Paint::default();
    paint.set_color_rgba8(
        red,
        green,
        blue,
        (alpha.clamp(0.0, 1.0) * 255.0).round() as u8,
    );
    paint
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Rgb<u8> = Rgb([0, 0, 0]);
    const WHOLE: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 20.0,
        bottom: 20.0,
    };

    #[test]
    fn a_dot_is_solid_inside_and_soft_at_the_rim() {
        let mut canvas = Canvas::new(20, 20);
        canvas.dot([10.0, 10.0], 4.0, BLACK, 1.0, WHOLE);
        let image = canvas.into_image();
        assert_eq!(image.get_pixel(10, 10), &BLACK);
        assert_eq!(image.get_pixel(0, 0), &PAPER);
        let ink: f32 = image.pixels().map(|p| 1.0 - f32::from(p[0]) / 255.0).sum();
        assert!((ink - 16.0 * std::f32::consts::PI).abs() < 1.0, "{ink}");
    }

    #[test]
    fn a_dot_stays_inside_its_clip_and_the_canvas() {
        let clip = Area {
            right: 10.0,
            ..WHOLE
        };
        let mut canvas = Canvas::new(20, 20);
        for place in [[10.0, 10.0], [0.0, 0.0], [-50.0, 3.0], [f32::NAN, 1.0]] {
            canvas.dot(place, 3.0, BLACK, 1.0, clip);
        }
        let image = canvas.into_image();
        assert_eq!(image.get_pixel(9, 10), &BLACK);
        assert_eq!(image.get_pixel(10, 10), &PAPER);
    }

    #[test]
    fn a_line_of_one_point_is_no_line() {
        let pen = Pen {
            colour: BLACK,
            alpha: 1.0,
            width: 2.0,
        };
        let mut canvas = Canvas::new(20, 20);
        canvas.line(&[], pen, None);
        canvas.line(&[[5.0, 5.0]], pen, None);
        assert!(canvas.into_image().pixels().all(|pixel| *pixel == PAPER));
    }
}
