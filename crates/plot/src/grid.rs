//! Many images in rows.

use image::{Rgb, RgbImage};

use crate::colours::NOT_A_NUMBER;

/// Between the tiles and around them: light enough for black tiles, dark enough for white ones.
const GAP_COLOUR: Rgb<u8> = Rgb([222, 224, 227]);
/// Small images are enlarged until their longer side has about this many pixels, or until a row of
/// them has [`PAGE`].
const TILE: f32 = 48.0;
/// The width that few small images are enlarged to.
const PAGE: f32 = 480.0;
/// The largest factor of the enlargement of few images.
const LARGEST: usize = 16;

/// Lays images out in rows of `columns`.
///
/// `images` holds them one after another, each of shape `[channels, height, width]`, with
/// values from -1 (black) to 1 (white). Three channels are red, green and blue; with any
/// other number, the first is shown in grey. Values beyond the range are clamped; those that
/// are not finite are magenta. Small images are enlarged by an integer factor, so that their
/// pixels stay sharp squares.
///
/// ```
/// use pyroclast_plot::grid;
///
/// let digits = vec![0.5; 100 * 8 * 8];
/// let picture = grid(&digits, [1, 8, 8], 10);
/// assert_eq!(picture.width(), picture.height());
/// ```
pub fn grid(images: &[f32], shape: [usize; 3], columns: usize) -> RgbImage {
    let (tiles, count) = Tiles::of(images, shape, columns);
    let mut picture = tiles.blank(count);
    let size = shape.iter().product::<usize>().max(1);
    for (index, image) in images.chunks_exact(size).enumerate() {
        tiles.draw(&mut picture, index, image);
    }
    picture
}

/// The distances from a tile to the next, across and down.
pub(crate) fn steps(images: &[f32], shape: [usize; 3], columns: usize) -> [usize; 2] {
    Tiles::of(images, shape, columns).0.steps()
}

/// The integer factor that brings images closest to the size of a tile, or a few of them to the
/// width of a page.
fn zoom(height: usize, width: usize, columns: usize) -> usize {
    let side = height.max(width).max(1) as f32;
    let tile = |size: f32| (size / side).round() as usize;
    tile(TILE)
        .max(tile(PAGE / columns as f32).min(LARGEST))
        .max(1)
}

struct Tiles {
    channels: usize,
    height: usize,
    width: usize,
    columns: usize,
    zoom: usize,
}

impl Tiles {
    /// The tiles of these images, and how many there are.
    fn of(images: &[f32], [channels, height, width]: [usize; 3], columns: usize) -> (Self, usize) {
        let count = images.len() / (channels * height * width).max(1);
        let columns = columns.min(count).max(1);
        let tiles = Self {
            channels,
            height,
            width,
            columns,
            zoom: zoom(height, width, columns),
        };
        (tiles, count)
    }

    /// The space between tiles: thin beside small ones, and never wide.
    fn gap(&self) -> usize {
        (self.zoom * self.height.max(self.width))
            .div_ceil(24)
            .clamp(2, 6)
    }

    fn steps(&self) -> [usize; 2] {
        [self.width, self.height].map(|side| side * self.zoom + self.gap())
    }

    fn blank(&self, count: usize) -> RgbImage {
        let [across, down] = self.steps();
        let rows = count.div_ceil(self.columns).max(1);
        let side = |tiles: usize, step: usize| (tiles * step + self.gap()) as u32;
        RgbImage::from_pixel(side(self.columns, across), side(rows, down), GAP_COLOUR)
    }

    fn draw(&self, picture: &mut RgbImage, index: usize, image: &[f32]) {
        let [across, down] = self.steps();
        let left = self.gap() + (index % self.columns) * across;
        let top = self.gap() + (index / self.columns) * down;
        for y in 0..self.height * self.zoom {
            for x in 0..self.width * self.zoom {
                let colour = self.colour(image, y / self.zoom, x / self.zoom);
                picture.put_pixel((left + x) as u32, (top + y) as u32, colour);
            }
        }
    }

    fn colour(&self, image: &[f32], y: usize, x: usize) -> Rgb<u8> {
        let value = |channel| image[(channel * self.height + y) * self.width + x];
        let values = match self.channels {
            3 => [value(0), value(1), value(2)],
            _ => [value(0); 3],
        };
        if values.iter().all(|value| value.is_finite()) {
            Rgb(values.map(brightness))
        } else {
            NOT_A_NUMBER
        }
    }
}

fn brightness(value: f32) -> u8 {
    ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_of_a_hundred_digits_is_square() {
        let picture = grid(&vec![0.0; 100 * 64], [1, 8, 8], 10);
        assert_eq!(picture.width(), picture.height());
        assert!(
            (500..=600).contains(&picture.width()),
            "{}",
            picture.width()
        );
    }

    #[test]
    fn small_images_are_enlarged_and_large_ones_kept() {
        let zooms = [8, 16, 28, 32, 64, 256].map(|side| zoom(side, side, 10));
        assert_eq!(zooms, [6, 3, 2, 2, 1, 1]);
        let few = [1, 2, 4, 10].map(|columns| zoom(32, 32, columns));
        assert_eq!(few, [15, 8, 4, 2]);
    }

    #[test]
    fn minus_one_is_black_and_one_is_white() {
        let picture = grid(&[-1.0, 1.0, -7.0, 7.0], [1, 2, 2], 1);
        let at = |x, y| *picture.get_pixel(x * picture.width() / 4, y * picture.height() / 4);
        assert_eq!([at(1, 1), at(3, 1)], [Rgb([0; 3]), Rgb([255; 3])]);
        assert_eq!([at(1, 3), at(3, 3)], [Rgb([0; 3]), Rgb([255; 3])]);
    }

    #[test]
    fn three_channels_are_red_green_and_blue() {
        let picture = grid(&[1.0, -1.0, 0.0], [3, 1, 1], 1);
        assert_eq!(picture.get_pixel(9, 9), &Rgb([255, 0, 128]));
    }

    #[test]
    fn two_channels_show_the_first_in_grey() {
        let picture = grid(&[1.0, -1.0], [2, 1, 1], 1);
        assert_eq!(picture.get_pixel(9, 9), &Rgb([255; 3]));
    }

    #[test]
    fn nan_is_visible() {
        let picture = grid(&[f32::NAN, 0.0, f32::INFINITY], [3, 1, 1], 1);
        assert_eq!(picture.get_pixel(9, 9), &NOT_A_NUMBER);
    }

    #[test]
    fn the_last_row_is_filled_with_blank_tiles() {
        let picture = grid(&[1.0; 5], [1, 1, 1], 4);
        assert!(picture.width() > picture.height());
        let last = picture.get_pixel(picture.width() - 5, picture.height() - 5);
        assert_eq!(last, &GAP_COLOUR);
        for empty in [grid(&[], [1, 8, 8], 10), grid(&[], [0, 0, 0], 0)] {
            assert!(empty.width() > 0);
        }
    }
}
