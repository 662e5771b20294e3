//! Several pictures as one.

use image::{RgbImage, imageops};

use crate::colours::PAPER;

/// Between two pictures, in pixels.
const GAP: u32 = 12;

/// Joins pictures from left to right, with their upper edges aligned.
///
/// ```
/// use pyroclast_plot::{RgbImage, side_by_side};
///
/// let both = side_by_side(&[RgbImage::new(30, 20), RgbImage::new(10, 25)]);
/// assert_eq!(both.dimensions(), (52, 25));
/// ```
pub fn side_by_side(pictures: &[RgbImage]) -> RgbImage {
    let height = pictures.iter().map(RgbImage::height).max().unwrap_or(0);
    let widths = pictures.iter().map(|picture| picture.width() + GAP);
    let width = widths.sum::<u32>().saturating_sub(GAP);
    let mut whole = RgbImage::from_pixel(width, height, PAPER);
    let mut left = 0;
    for picture in pictures {
        imageops::replace(&mut whole, picture, left, 0);
        left += i64::from(picture.width() + GAP);
    }
    whole
}
