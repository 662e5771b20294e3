//! Animations as GIF files, encoded frame by frame.

use std::io::{self, Write};
use std::time::Duration;

use gif::{Encoder, EncodingError, Repeat};
use image::RgbImage;

use crate::screen::Screen;

/// The shortest delay, in hundredths of a second: viewers treat shorter ones as errors and slow
/// them down.
const SHORTEST: u128 = 2;

/// Writes the frames as a GIF file that loops for ever.
///
/// Each frame is shown for `delay`, the last for `hold`. Every frame has a palette of its own, and
/// stores only the pixels that change.
///
/// # Errors
/// If the writer fails, there are no frames, or their sizes differ.
///
/// ```
/// use pyroclast_plot::{Cloud, Limits, scatter, write_gif};
/// use std::time::Duration;
///
/// let limits = Limits::around(&[&[[0.0, 0.0], [1.0, 1.0]]]);
/// let frames = [0.0, 0.5, 1.0].map(|t| {
///     let points = [[t, t]];
///     scatter(&[Cloud::bright("samples", &points)], &format!("t = {t}"), Some(limits))
/// });
/// let mut file = Vec::new();
/// write_gif(&mut file, frames, Duration::from_millis(60), Duration::from_secs(1))?;
/// assert!(file.starts_with(b"GIF89a"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_gif(
    file: impl Write,
    frames: impl IntoIterator<Item = RgbImage>,
    delay: Duration,
    hold: Duration,
) -> io::Result<()> {
    encode(file, frames.into_iter(), delay, hold).map_err(|error| match error {
        EncodingError::Io(cause) => cause,
        other => io::Error::other(other),
    })
}

fn encode(
    file: impl Write,
    frames: impl Iterator<Item = RgbImage>,
    delay: Duration,
    hold: Duration,
) -> Result<(), EncodingError> {
    let mut frames = frames.peekable();
    let first = frames
        .peek()
        .ok_or_else(|| invalid("an animation needs at least one frame"))?;
    let [width, height] = size(first)?;
    let mut encoder = Encoder::new(file, width, height, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    let mut screen = Screen::default();
    while let Some(picture) = frames.next() {
        if size(&picture)? != [width, height] {
            return Err(invalid("the frames of an animation differ in size").into());
        }
        let last = frames.peek().is_none();
        let mut frame = screen.show(&picture);
        frame.delay = hundredths(if last { hold } else { delay });
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
        _ => Err(invalid(
            "a frame of an animation needs sides of 1 to 65535 pixels",
        )),
    };
    Ok([side(picture.width())?, side(picture.height())?])
}

fn hundredths(delay: Duration) -> u16 {
    let delay = (delay.as_millis() / 10).max(SHORTEST);
    u16::try_from(delay).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    use image::codecs::gif::GifDecoder;
    use image::{AnimationDecoder, Rgb};

    const DELAY: Duration = Duration::from_millis(50);

    /// A white picture with a black square of 10 pixels at this place.
    fn square(left: u32) -> RgbImage {
        RgbImage::from_fn(60, 40, |x, y| {
            let inside = (left..left + 10).contains(&x) && (15..25).contains(&y);
            Rgb([if inside { 0 } else { 255 }; 3])
        })
    }

    #[test]
    fn frames_read_back_as_they_were() {
        let pictures: Vec<_> = [0, 5, 5, 30, 50].map(square).into();
        let mut file = Vec::new();
        write_gif(&mut file, pictures.clone(), DELAY, Duration::from_secs(1)).expect("written");
        let decoder = GifDecoder::new(io::Cursor::new(file)).expect("a GIF file");
        let frames = decoder.into_frames().collect_frames();
        let frames = frames.expect("whole frames");
        assert_eq!(frames.len(), pictures.len());
        for (frame, picture) in frames.iter().zip(&pictures) {
            let shown = image::DynamicImage::from(frame.buffer().clone()).into_rgb8();
            assert_eq!(&shown, picture);
        }
        let delays = frames.iter().map(|frame| frame.delay().numer_denom_ms().0);
        assert_eq!(delays.collect::<Vec<_>>(), [50, 50, 50, 50, 1000]);
    }

    #[test]
    fn frames_that_no_gif_can_hold_are_refused() {
        let refused = |frames: Vec<RgbImage>| {
            let error = write_gif(io::sink(), frames, DELAY, DELAY).expect_err("refused");
            error.to_string()
        };
        let sizes = vec![RgbImage::new(4, 4), RgbImage::new(5, 4)];
        assert_eq!(refused(sizes), "the frames of an animation differ in size");
        assert!(refused(vec![]).contains("at least one frame"));
        assert!(refused(vec![RgbImage::new(70_000, 1)]).contains("65535 pixels"));
    }
}
