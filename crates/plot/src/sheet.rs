//! Images in rows under a title, with a name beside each row.

use image::{RgbImage, imageops};

use crate::axes::SMALL;
use crate::canvas::{Area, Canvas};
use crate::grid::{grid, steps};
use crate::header;
use crate::text::{self, Anchor};

/// Around the images.
const MARGIN: f32 = 14.0;
/// The widest column of names.
const WIDEST: f32 = 160.0;

/// Lays images out as [`grid`] does, under a title and with a name to the left of each row.
///
/// Without names there is no column of names. Names and titles that are too long are shortened.
///
/// ```
/// use pyroclast_plot::sheet;
///
/// let digits = vec![0.5; 20 * 8 * 8];
/// let names = ["zero".to_owned(), "one".to_owned()];
/// let picture = sheet(&digits, [1, 8, 8], 10, "digits after 800 steps", &names);
/// assert!(picture.width() > picture.height());
/// ```
pub fn sheet(
    images: &[f32],
    shape: [usize; 3],
    columns: usize,
    title: &str,
    names: &[String],
) -> RgbImage {
    let tiles = grid(images, shape, columns);
    let longest = |name: &String| text::width(name, SMALL.size);
    let names_width = names.iter().map(longest).fold(0.0, f32::max).min(WIDEST);
    let gap = if names.is_empty() { 0.0 } else { 10.0 };
    let left = MARGIN + names_width + gap;
    let top = header::height(title, 0) + 6.0;
    let (width, height) = (tiles.width() as f32, tiles.height() as f32);
    let mut canvas = Canvas::new(
        (left + width + MARGIN) as u32,
        (top + height + MARGIN) as u32,
    );
    let panel = Area {
        left: MARGIN,
        top: top + 20.0,
        right: left + width,
        bottom: top + height,
    };
    header::draw(&mut canvas, panel, title, &[], 1);
    let [_, down] = steps(images, shape, columns);
    for (row, name) in names.iter().enumerate() {
        let name = text::shortened(name, SMALL.size, WIDEST);
        let middle = top + down as f32 * (row as f32 + 0.5) + 2.0;
        canvas.text(&name, SMALL, Anchor::End, [left - gap, middle]);
    }
    let mut picture = canvas.into_image();
    imageops::replace(&mut picture, &tiles, left as i64, top as i64);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::PAPER;

    #[test]
    fn tiles_stand_below_the_title_and_beside_the_names() {
        let images = vec![-1.0; 20 * 64];
        let names = [
            "zero".to_owned(),
            "a name that is far too long to be shown whole".into(),
        ];
        let picture = sheet(&images, [1, 8, 8], 10, "a title", &names);
        let plain = sheet(&images, [1, 8, 8], 10, "a title", &[]);
        assert_eq!(picture.height(), plain.height());
        assert!(picture.width() > plain.width() && picture.width() < plain.width() + 200);
        let inked = |x: u32, y: u32, w: u32, h: u32| {
            (x..x + w).any(|x| (y..y + h).any(|y| *picture.get_pixel(x, y) != PAPER))
        };
        assert!(inked(10, 10, 100, 30), "the title");
        assert!(inked(10, 60, 150, 40), "the names");
        let last = picture.get_pixel(picture.width() - 25, picture.height() - 25);
        assert_eq!(last.0, [0; 3], "a black tile");
    }
}
