//! Pictures of any size brought to one: cropped to the square in the middle, and resized.
//!
//! Resizing is antialiased: the filter is as wide as the pixels of the result, as in Pillow.

use crate::decode::Picture;
use crate::one_line::one_line;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
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

/// The picture at another size: its rows first, then its columns, as in Pillow. The order matters
/// where a filter overshoots, since levels are clipped between the two.
fn resized(picture: &Picture, width: u32, height: u32, filter: Filter) -> Picture {
    let rows = along_one_axis(picture, width, picture.height, filter);
    along_one_axis(&rows, width, height, filter)
}

fn along_one_axis(picture: &Picture, width: u32, height: u32, filter: Filter) -> Picture {
    let filter = match filter {
        Filter::Box => FilterType::Box,
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic | Filter::Adm => FilterType::CatmullRom,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let mut data = vec![0; width as usize * height as usize * picture.channels];
    // `Resizer::resize` chooses among the kinds of pixels at run time, and takes minutes to compile
    // for all of them.
    match picture.channels {
        1 => resize::<U8>(picture, width, height, &mut data, &options),
        _ => resize::<U8x3>(picture, width, height, &mut data, &options),
    }
    Picture {
        width,
        height,
        channels: picture.channels,
        data,
    }
}

/// Writes the picture at another size into `data`.
fn resize<P: PixelTrait>(
    picture: &Picture,
    width: u32,
    height: u32,
    data: &mut [u8],
    options: &ResizeOptions,
) {
    let source = TypedImageRef::<P>::from_buffer(picture.width, picture.height, &picture.data);
    let source = source.expect("a picture has a byte per pixel and channel");
    let out = TypedImage::<P>::from_buffer(width, height, data);
    let mut out = out.expect("as many bytes as pixels and channels");
    (Resizer::new().resize_typed(&source, &mut out, options)).expect("the whole picture");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::inflate;
    use std::path::Path;

    /// A picture of 53×37 with sharp and smooth parts, resized to five sizes by five filters with
    /// Pillow 13.0.0; made by this with `SIDES` and `FILTERS` in their order:
    ///
    /// `crop(square in the middle).resize((side, side), filter)`, and for ADM its published steps.
    const RESIZED: &[u8] = include_bytes!("../tests/golden/resized.gz");
    const SIDES: [u32; 5] = [5, 11, 19, 29, 51];

    fn original() -> Picture {
        let pixel = |x: u32, y: u32| {
            [
                x * x * 7 + y * 13,
                x * 5 + y * y * 3,
                (x * x + y * y) / 2 * 11,
            ]
            .map(|v| v as u8)
        };
        Picture {
            width: 53,
            height: 37,
            channels: 3,
            data: (0..37)
                .flat_map(|y| (0..53).flat_map(move |x| pixel(x, y)))
                .collect(),
        }
    }

    #[test]
    fn every_filter_is_within_one_level_of_pillow() {
        let golden = inflate(RESIZED, Path::new("resized.gz")).expect("a gzip file");
        let mut golden = golden.as_slice();
        for filter in Filter::ALL {
            for side in SIDES {
                let fit = Fit {
                    size: Some(side),
                    filter,
                };
                let (expected, rest) = golden.split_at((3 * side * side) as usize);
                golden = rest;
                let found = fit.apply(original());
                assert_eq!((found.width, found.height), (side, side));
                let worst = found
                    .data
                    .iter()
                    .zip(expected)
                    .map(|(a, b)| a.abs_diff(*b))
                    .max();
                // ADM's steps are several filters one after the other, each of which may be a level
                // off; pictures are only enlarged by two of them.
                let bound = if filter == Filter::Adm && side > 37 {
                    2
                } else {
                    1
                };
                assert!(worst <= Some(bound), "{filter} to {side}: {worst:?} levels");
            }
        }
        assert!(golden.is_empty());
    }

    #[test]
    fn pictures_of_the_right_size_are_left_alone() {
        let square = cropped(original(), 37);
        for size in [None, Some(37)] {
            let fit = Fit {
                size,
                ..Fit::default()
            };
            assert_eq!(fit.apply(square.clone()), square);
        }
        assert_eq!(Fit::default().apply(original()), original());
    }

    #[test]
    fn names_are_those_of_the_filters() {
        for (name, filter) in Filter::NAMES.into_iter().zip(Filter::ALL) {
            assert_eq!(
                (name.parse(), filter.to_string()),
                (Ok(filter), name.to_owned())
            );
        }
        assert!(
            "sinc"
                .parse::<Filter>()
                .expect_err("unknown")
                .contains("lanczos")
        );
    }
}
