//! What a viewer of an animation sees, and what must be written to change it.
//!
//! A frame is the rectangle that changed since the one before, and in it only the pixels that
//! did: the rest are see-through. A figure in which dots move thus costs little for its title
//! and axes.

use std::borrow::Cow;

use gif::{DisposalMethod, Frame};
use image::{Rgb, RgbImage};

use super::quantise::Palette;

/// A pixel that differs by no more than this from what is shown, in each channel, stays.
const UNNOTICED: u8 = 6;

/// What a viewer sees after the frames so far.
#[derive(Default)]
pub(crate) struct Screen {
    shown: Option<RgbImage>,
}

impl Screen {
    /// The frame that turns what is shown into the picture.
    pub(crate) fn show(&mut self, picture: &RgbImage) -> Frame<'static> {
        let changed = self.changed(picture);
        let pixels = picture.pixels().zip(&changed);
        let palette = Palette::of(
            pixels
                .clone()
                .filter_map(|(pixel, new)| new.then_some(*pixel)),
        );
        let see_through = palette.see_through();
        let number = |(pixel, new): (&Rgb<u8>, &bool)| match new {
            true => palette.number(*pixel),
            false => see_through,
        };
        let numbers: Vec<u8> = pixels.map(number).collect();
        self.keep(picture, &numbers, &palette);
        Cut::around(&numbers, picture.width() as usize, see_through).frame(&palette)
    }

    fn changed(&self, picture: &RgbImage) -> Vec<bool> {
        let Some(shown) = &self.shown else {
            return vec![true; picture.pixels().len()];
        };
        let pairs = shown.pixels().zip(picture.pixels());
        pairs.map(|(old, new)| differ(*old, *new)).collect()
    }

    /// Remembers the colours that were written rather than those that were asked for, so that
    /// small errors cannot add up over the frames.
    fn keep(&mut self, picture: &RgbImage, numbers: &[u8], palette: &Palette) {
        let shown = self.shown.get_or_insert_with(|| picture.clone());
        for (pixel, number) in shown.pixels_mut().zip(numbers) {
            if let Some(colour) = palette.colours().get(usize::from(*number)) {
                *pixel = *colour;
            }
        }
    }
}

fn differ(old: Rgb<u8>, new: Rgb<u8>) -> bool {
    let mut channels = old.0.into_iter().zip(new.0);
    channels.any(|(old, new)| old.abs_diff(new) > UNNOTICED)
}

/// The part of a frame in which something changed, with a palette number for each pixel.
struct Cut {
    left: usize,
    top: usize,
    width: usize,
    numbers: Vec<u8>,
}

impl Cut {
    /// The smallest rectangle with all that changed; a frame without changes is one pixel.
    fn around(numbers: &[u8], width: usize, see_through: u8) -> Self {
        let visible = |number: &u8| *number != see_through;
        let rows: Vec<&[u8]> = numbers.chunks_exact(width).collect();
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
            numbers: rows
                .iter()
                .flat_map(|row| &row[left..=right])
                .copied()
                .collect(),
        }
    }

    fn frame(self, palette: &Palette) -> Frame<'static> {
        // Sides were checked to fit when the picture came.
        let side = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        let see_through = palette.see_through();
        let mut colours: Vec<u8> = palette
            .colours()
            .iter()
            .flat_map(|colour| colour.0)
            .collect();
        // The number that is see-through needs a colour too, which is never seen.
        colours.extend([0; 3]);
        Frame {
            left: side(self.left),
            top: side(self.top),
            width: side(self.width),
            height: side(self.numbers.len() / self.width),
            buffer: Cow::Owned(self.numbers),
            palette: Some(colours),
            transparent: Some(see_through),
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
    fn only_what_changed_is_written() {
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
