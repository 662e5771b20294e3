//! Pictures of any size brought to one: cropped to the square in the middle, and resized.
//!
//! Resizing is antialiased: the filter is as wide as the pixels of the result, as in Pillow.

use crate::decode::Picture;
use crate::error::one_line;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The filter that pictures are resized with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// The mean over a pixel of the result.
    Box,
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −1/2.
    Bicubic,
    /// Lanczos with three lobes: the sharpest.
    #[default]
    Lanczos,
    /// Halved by means while at least twice as large, then bicubic, and cropped last (Dhariwal &
    /// Nichol 2021).
    Adm,
}

impl Filter {
    /// The names of all filters.
    pub const NAMES: [&'static str; 5] = ["box", "bilinear", "bicubic", "lanczos", "adm"];
    const ALL: [Self; 5] = [
        Self::Box,
        Self::Bilinear,
        Self::Bicubic,
        Self::Lanczos,
        Self::Adm,
    ];
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = Self::ALL.iter().position(|filter| filter == self);
        f.write_str(Self::NAMES[index.unwrap_or_default()])
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = Self::NAMES.iter().position(|name| *name == text);
        index.map(|index| Self::ALL[index]).ok_or_else(|| {
            let known = Self::NAMES.join(", ");
            format!("`{}` is no filter; give one of {known}", one_line(text))
        })
    }
}

/// How pictures are brought to one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fit {
    /// The side of the square; none leaves pictures as they are.
    pub size: Option<u32>,
    /// The filter of the resizing.
    pub filter: Filter,
}

impl Fit {
    /// The picture, cropped and resized.
    pub(crate) fn apply(&self, picture: Picture) -> Picture {
        let Some(size) = self.size.filter(|_| self.size != square(&picture)) else {
            return picture;
        };
        if self.filter == Filter::Adm {
            return adm(picture, size);
        }
        let side = picture.width.min(picture.height);
        resized(&cropped(picture, side), size, size, self.filter)
    }
}

/// The side of a square picture.
fn square(picture: &Picture) -> Option<u32> {
    (picture.width == picture.height).then_some(picture.width)
}

fn adm(mut picture: Picture, size: u32) -> Picture {
    while picture.width.min(picture.height) >= 2 * size {
        picture = resized(&picture, picture.width / 2, picture.height / 2, Filter::Box);
    }
    let scale = f64::from(size) / f64::from(picture.width.min(picture.height));
    let scaled = |side: u32| (f64::from(side) * scale).round_ties_even() as u32;
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    cropped(resized(&picture, width, height, Filter::Bicubic), size)
}

/// The square of this side in the middle.
fn cropped(picture: Picture, side: u32) -> Picture {
    if square(&picture) == Some(side) {
        return picture;
    }
    let (left, top) = ((picture.width - side) / 2, (picture.height - side) / 2);
    let channels = picture.channels;
    let row = |y: u32| {
        let start = ((top + y) as usize * picture.width as usize + left as usize) * channels;
        &picture.data[start..start + side as usize * channels]
    };
    Picture {
        width: side,
        height: side,
        channels,
        data: (0..side).flat_map(row).copied().collect(),
    }
}

fn resized(picture: &Picture, width: u32, height: u32, filter: Filter) -> Picture {
    let kind = match picture.channels {
        1 => PixelType::U8,
        _ => PixelType::U8x3,
    };
    let filter = match filter {
        Filter::Box => FilterType::Box,
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic | Filter::Adm => FilterType::CatmullRom,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let source = ImageRef::new(picture.width, picture.height, &picture.data, kind)
        .expect("a picture has a byte per pixel and channel");
    let mut out = Image::new(width, height, kind);
    (Resizer::new().resize(&source, &mut out, &options)).expect("both pictures are of one kind");
    Picture {
        width,
        height,
        channels: picture.channels,
        data: out.into_vec(),
    }
}
