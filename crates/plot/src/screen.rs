//! The picture that a viewer of an animation shows, and the frames that change it.
//!
//! A frame is the smallest rectangle around the pixels that change, and in it all other pixels are
//! transparent. A figure in which dots move thus costs little for its title and axes.

use std::borrow::Cow;

use gif::{DisposalMethod, Frame};
use image::{Rgb, RgbImage};

use crate::quantise::Palette;

/// A pixel that differs by at most this from the one shown, in each channel, is not rewritten.
const UNNOTICED: u8 = 6;

/// The picture that a viewer sees after the frames so far.
#[derive(Default)]
pub(crate) struct Screen {
    shown: Option<RgbImage>,
}

impl Screen {
    /// The frame that turns the shown picture into this one.
    pub(crate) fn show(&mut self, picture: &RgbImage) -> Frame<'static> {
        let changed = self.changed(picture);
        let pixels = picture.pixels().zip(&changed);
        let palette = Palette::of(
            pixels
                .clone()
                .filter_map(|(pixel, new)| new.then_some(*pixel)),
        );
        let transparent = palette.transparent();
        let index = |(pixel, new): (&Rgb<u8>, &bool)| {
            if *new {
                palette.index(*pixel)
            } else {
                transparent
            }
        };
        let indices: Vec<u8> = pixels.map(index).collect();
        self.keep(picture, &indices, &palette);
        Cut::around(&indices, picture.width() as usize, transparent).frame(&palette)
    }

    fn changed(&self, picture: &RgbImage) -> Vec<bool> {
        let Some(shown) = &self.shown else {
            return vec![true; picture.pixels().len()];
        };
        let pairs = shown.pixels().zip(picture.pixels());
        pairs.map(|(old, new)| differ(*old, *new)).collect()
    }

    /// Remembers the colours as written, not as requested, so that small errors cannot add up over
    /// the frames.
    fn keep(&mut self, picture: &RgbImage, indices: &[u8], palette: &Palette) {
        let shown = self.shown.get_or_insert_with(|| picture.clone());
        for (pixel, index) in shown.pixels_mut().zip(indices) {
            if let Some(colour) = palette.colours().get(usize::from(*index)) {
                *pixel = *colour;
            }
        }
    }
}

fn differ(old: Rgb<u8>, new: Rgb<u8>) -> bool {
    let mut channels = old.0.into_iter().zip(new.0);
    channels.any(|(old, new)| old.abs_diff(new) > UNNOTICED)
}

/// The rectangle of a frame that changes, with the palette's index of each pixel.
struct Cut {
    left: usize,
    top: usize,
    width: usize,
    indices: Vec<u8>,
}

impl Cut {
    /// The smallest rectangle around all changes; one pixel for a frame without any.
    fn around(indices: &[u8], width: usize, transparent: u8) -> Self {
        let visible = |index: &u8| *index != transparent;
        let rows: Vec<&[u8]> = indices.chunks_exact(width).collect();
        let changed = |row: &&[u8]| row.iter().any(visible);
        let top = rows.iter().position(changed).unwrap_or(0);
        let bottom = rows.iter().rposition(changed).unwrap_or(0);
        let rows = &rows[top..=bottom];
        let first = rows.iter().filter_map(|row| row.iter().position(visible));
        let last = rows.iter().filter_map(|row| row.iter().rposition(visible));
        let left = first.min().unwrap_or(0);
        let right = last.max().unwrap_or(0);
        Self {
            left,
            top,
            width: right + 1 - left,
            indices: rows
                .iter()
                .flat_map(|row| &row[left..=right])
                .copied()
                .collect(),
        }
    }

    fn frame(self, palette: &Palette) -> Frame<'static> {
        // `write_gif` has checked that the sides fit.
        let side = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        let transparent = palette.transparent();
        let mut colours: Vec<u8> = palette
            .colours()
            .iter()
            .flat_map(|colour| colour.0)
            .collect();
        // The transparent index needs a colour too, which is never seen.
        colours.extend([0; 3]);
        Frame {
            left: side(self.left),
            top: side(self.top),
            width: side(self.width),
            height: side(self.indices.len() / self.width),
            buffer: Cow::Owned(self.indices),
            palette: Some(colours),
            transparent: Some(transparent),
            dispose: DisposalMethod::Keep,
            ..Frame::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A white picture with a black square of 10 pixels at this place.
    fn square(left: u32) -> RgbImage {
        RgbImage::from_fn(60, 40, |x, y| {
            let inside = (left..left + 10).contains(&x) && (15..25).contains(&y);
            Rgb([if inside { 0 } else { 255 }; 3])
        })
    }

    #[test]
    fn only_changes_are_written() {
        let mut screen = Screen::default();
        let first = screen.show(&square(20));
        assert_eq!((first.width, first.height), (60, 40));
        let second = screen.show(&square(25));
        assert_eq!((second.left, second.top), (20, 15));
        assert_eq!((second.width, second.height), (15, 10));
        let third = screen.show(&square(25));
        assert_eq!((third.width, third.height), (1, 1));
    }

    #[test]
    fn small_errors_do_not_add_up() {
        let mut screen = Screen::default();
        for value in 0..=255 {
            screen.show(&RgbImage::from_pixel(4, 4, Rgb([value; 3])));
            let shown = screen.shown.as_ref().expect("a frame was shown");
            assert!(shown.get_pixel(2, 2)[0].abs_diff(value) <= UNNOTICED);
        }
    }
}
