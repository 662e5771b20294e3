//! One encoded picture: its orientation, transparency, and what is refused.

use crate::one_line::one_line;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Cursor;
use std::str::FromStr;

/// The most pixels of a picture: 2²⁶, as of 8192 × 8192.
const MOST_PIXELS: u64 = 1 << 26;
/// The most bytes that decoding a picture may take.
const MOST_BYTES: u64 = 1 << 29;

/// The colour behind transparent pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Background(pub [u8; 3]);

impl Background {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
}

impl Default for Background {
    fn default() -> Self {
        Self::WHITE
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WHITE => f.write_str("white"),
            Self::BLACK => f.write_str("black"),
            Self([r, g, b]) => write!(f, "#{r:02x}{g:02x}{b:02x}"),
        }
    }
}

impl FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = |text: &str| {
            let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
            let number = u32::from_str_radix(digits, 16).ok()?;
            Some([number >> 16, number >> 8, number].map(|byte| byte as u8))
        };
        match text {
            "white" => Ok(Self::WHITE),
            "black" => Ok(Self::BLACK),
            _ => hex(text).map(Self).ok_or_else(|| {
                format!(
                    "`{}` is no colour; give white, black or #rrggbb",
                    one_line(text)
                )
            }),
        }
    }
}

impl TryFrom<String> for Background {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Background> for String {
    fn from(background: Background) -> Self {
        background.to_string()
    }
}

/// Why a picture is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be decoded.
    #[error("broken: {0}")]
    Broken(String),
    /// Its numbers have more than 8 bits.
    #[error("16 bits per channel")]
    SixteenBits,
    /// It is made for printing.
    #[error("CMYK")]
    Cmyk,
    /// It has several frames.
    #[error("animated")]
    Animated,
    /// It has more pixels than are ever decoded.
    #[error("{0}×{1} pixels, more than {MOST_PIXELS}")]
    TooManyPixels(u32, u32),
    /// Its shorter side is 0 after the crop.
    #[error("no pixels")]
    Empty,
}

/// A decoded picture: 8 bits, channels last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1 for grey, 3 for RGB; 4 with transparency, until it is put over a background.
    pub(crate) channels: usize,
    /// `[height, width, channels]`.
    pub(crate) data: Vec<u8>,
}

impl Picture {
    /// The picture without transparency.
    pub(crate) fn over(self, background: Background) -> Self {
        if self.channels < 4 {
            return self;
        }
        Self {
            channels: 3,
            data: opaque::<4, 3>(&self.data, &background.0),
            ..self
        }
    }
}

/// Decodes a PNG, JPEG, WebP, BMP, or the first frame of a GIF.
///
/// Its orientation is applied and transparent pixels get the background.
pub(crate) fn decode(bytes: &[u8], background: Background) -> Result<Picture, Refusal> {
    let broken = |error: &dyn fmt::Display| Refusal::Broken(one_line(&error.to_string()));
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| broken(&error))?;
    match reader.format() {
        Some(ImageFormat::Png) if png_is_animated(bytes) => return Err(Refusal::Animated),
        Some(ImageFormat::WebP) if webp_is_animated(bytes) => return Err(Refusal::Animated),
        Some(ImageFormat::Jpeg) if jpeg_channels(bytes) == Some(4) => return Err(Refusal::Cmyk),
        _ => {}
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| broken(&error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Refusal::TooManyPixels(width, height));
    }
    if width == 0 || height == 0 {
        return Err(Refusal::Empty);
    }
    // A picture whose orientation cannot be read is as it is.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let is_deep = !matches!(
        decoder.color_type(),
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8
    );
    if is_deep {
        return Err(Refusal::SixteenBits);
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| broken(&error))?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    let is_grey_background = background.0.iter().all(|&c| c == background.0[0]);
    let (channels, data) = match image {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
        DynamicImage::ImageLumaA8(image) if is_grey_background => {
            (1, opaque::<2, 1>(image.as_raw(), &background.0[..1]))
        }
        image => {
            let image = image.into_rgba8();
            (3, opaque::<4, 3>(image.as_raw(), &background.0))
        }
    };
    Ok(Picture {
        width,
        height,
        channels,
        data,
    })
}

/// Pixels over a background: `(a·p + (255 − a)·b)/255`, rounded.
fn opaque<const FROM: usize, const TO: usize>(pixels: &[u8], background: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / FROM * TO);
    for pixel in pixels.chunks_exact(FROM) {
        let alpha = u32::from(pixel[TO]);
        for (&p, &b) in pixel[..TO].iter().zip(background) {
            let sum = alpha * u32::from(p) + (255 - alpha) * u32::from(b);
            out.push(((sum + 127) / 255) as u8);
        }
    }
    out
}

/// Whether a PNG has an `acTL` chunk, which stands before its first `IDAT`.
fn png_is_animated(bytes: &[u8]) -> bool {
    let mut at = 8;
    while let Some(&[a, b, c, d, ref kind @ ..]) = bytes.get(at..at + 8) {
        match kind {
            b"acTL" => return true,
            b"IDAT" => return false,
            _ => at = at.saturating_add(12 + u32::from_be_bytes([a, b, c, d]) as usize),
        }
    }
    false
}

/// Whether the flags of a WebP's `VP8X` chunk say that it has frames.
fn webp_is_animated(bytes: &[u8]) -> bool {
    bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
}

/// The number of components in the frame header of a JPEG.
fn jpeg_channels(bytes: &[u8]) -> Option<u8> {
    let mut at = 2;
    loop {
        let &[mark, kind, high, low] = bytes.get(at..at + 4)? else {
            return None;
        };
        if mark != 0xFF {
            return None;
        }
        match kind {
            // Frame headers, without the tables (C4, C8, CC) that share their range.
            0xC0..=0xCF if !matches!(kind, 0xC4 | 0xC8 | 0xCC) => {
                return bytes.get(at + 9).copied();
            }
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
}
