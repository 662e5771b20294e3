//! Pictures as PNG files.

use std::io::{self, Write};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage};

/// Writes the picture as a PNG file.
///
/// # Errors
/// If the writer fails.
pub fn write_png(file: impl Write, picture: &RgbImage) -> io::Result<()> {
    let (width, height) = picture.dimensions();
    PngEncoder::new(file)
        .write_image(picture, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| match error {
            ImageError::IoError(cause) => cause,
            other => io::Error::other(other),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_picture_reads_back_as_it_was() {
        let picture = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, 200]));
        let mut file = Vec::new();
        write_png(&mut file, &picture).expect("written to memory");
        let read = image::load_from_memory(&file).expect("a PNG file");
        assert_eq!(read.into_rgb8(), picture);
    }
}
