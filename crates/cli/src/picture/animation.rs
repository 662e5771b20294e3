//! Pictures that move, written frame by frame as they come.

use std::io::{self, Write};
use std::path::Path;

use gif::{Encoder, EncodingError, Repeat};
use image::RgbImage;

use super::file::write_whole;
use super::screen::Screen;

/// Viewers take shorter delays, in hundredths of a second, for a mistake and slow them down.
const SHORTEST: u32 = 2;

/// Writes the frames as a GIF file that loops for ever, replacing a file of that name.
///
/// Every frame is shown for `delay_ms`, the last for `hold_last_ms`.
///
/// # Errors
///
/// Where the file cannot be written, there are no frames, or they are not all of one size; an
/// earlier file is then as it was.
pub(crate) fn write_gif(
    path: &Path,
    frames: impl IntoIterator<Item = RgbImage>,
    delay_ms: u32,
    hold_last_ms: u32,
) -> io::Result<()> {
    let frames = frames.into_iter();
    write_whole(path, |file| {
        encode(file, frames, delay_ms, hold_last_ms).map_err(|error| match error {
            EncodingError::Io(cause) => cause,
            other => io::Error::other(other),
        })
    })
}

fn encode(
    file: &mut impl Write,
    frames: impl Iterator<Item = RgbImage>,
    delay_ms: u32,
    hold_last_ms: u32,
) -> Result<(), EncodingError> {
    let mut frames = frames.peekable();
    let first = frames.peek().ok_or_else(|| invalid("it has no frames"))?;
    let [width, height] = size(first)?;
    let mut encoder = Encoder::new(file, width, height, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    let mut screen = Screen::default();
    while let Some(picture) = frames.next() {
        if size(&picture)? != [width, height] {
            return Err(invalid("its frames are not all of one size").into());
        }
        let last = frames.peek().is_none();
        let mut frame = screen.show(&picture);
        frame.delay = hundredths(if last { hold_last_ms } else { delay_ms });
        encoder.write_frame(&frame)?;
    }
    encoder.into_inner()?;
    Ok(())
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn size(picture: &RgbImage) -> io::Result<[u16; 2]> {
    let side = |length: u32| match u16::try_from(length) {
        Ok(length) if length > 0 => Ok(length),
        _ => Err(invalid("its frames have a side of no pixels or too many")),
    };
    Ok([side(picture.width())?, side(picture.height())?])
}

fn hundredths(milliseconds: u32) -> u16 {
    let delay = (milliseconds / 10).max(SHORTEST);
    u16::try_from(delay).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    use image::codecs::gif::GifDecoder;
    use image::{AnimationDecoder, Rgb};

    /// A white picture with a black square of 10 pixels at this place.
    fn square(left: u32) -> RgbImage {
        RgbImage::from_fn(60, 40, |x, y| {
            let inside = (left..left + 10).contains(&x) && (15..25).contains(&y);
            Rgb([if inside { 0 } else { 255 }; 3])
        })
    }

    fn read(path: &Path) -> Vec<image::Frame> {
        let file = io::BufReader::new(File::open(path).expect("written"));
        let frames = GifDecoder::new(file).expect("a GIF file").into_frames();
        frames.collect_frames().expect("whole frames")
    }

    #[test]
    fn frames_read_back_as_they_were() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("square.gif");
        let pictures: Vec<_> = [0, 5, 5, 30, 50].map(square).into();
        write_gif(&path, pictures.clone(), 50, 1000).expect("written");
        let frames = read(&path);
        assert_eq!(frames.len(), pictures.len());
        for (frame, picture) in frames.iter().zip(&pictures) {
            let shown = image::DynamicImage::from(frame.buffer().clone()).into_rgb8();
            assert_eq!(&shown, picture);
        }
        let delays = frames.iter().map(|frame| frame.delay().numer_denom_ms().0);
        assert_eq!(delays.collect::<Vec<_>>(), [50, 50, 50, 50, 1000]);
    }

    #[test]
    fn frames_of_two_sizes_are_refused_and_no_file_is_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bad.gif");
        let sizes = [RgbImage::new(4, 4), RgbImage::new(5, 4)];
        let error = write_gif(&path, sizes, 50, 50).expect_err("refused");
        assert!(
            error
                .to_string()
                .ends_with("its frames are not all of one size")
        );
        assert!(write_gif(&path, [], 50, 50).is_err());
        assert!(write_gif(&path, [RgbImage::new(70_000, 1)], 50, 50).is_err());
        assert_eq!(folder.path().read_dir().expect("there").count(), 0);
    }
}
