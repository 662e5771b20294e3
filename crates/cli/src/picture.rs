//! The pictures the command makes: grids of images, point clouds, loss curves, and animations.
//!
//! Everything is drawn in memory as an [`image::RgbImage`], so nothing here needs a display, a
//! system font or a font file: shapes come from `tiny-skia`, letters are outlines of the Ubuntu
//! typeface that ships inside a crate. [`save_png`] and [`write_gif`] put pictures on disk, and
//! never leave half a file behind.
//!
//! The look is that of a quiet paper figure: white paper, grey text, pale data, and one colour
//! that matters.

mod animation;
mod axes;
mod canvas;
mod curve;
mod file;
mod grid;
mod header;
mod limits;
mod quantise;
mod scatter;
mod screen;
mod smoothing;
mod text;
mod thinning;
mod ticks;

use image::Rgb;

pub(crate) use animation::write_gif;
pub(crate) use curve::{Series, line_chart};
pub(crate) use file::save_png;
pub(crate) use grid::grid;
pub(crate) use limits::Limits;
pub(crate) use scatter::scatter;

/// The background of every figure.
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
/// Titles.
const INK: Rgb<u8> = Rgb([38, 41, 46]);
/// Numbers on the axes, legends.
const TEXT: Rgb<u8> = Rgb([74, 79, 86]);
/// The two lines where the axes stand.
const AXIS: Rgb<u8> = Rgb([160, 165, 172]);
/// Lines that lead from a number into the figure.
const GRIDLINE: Rgb<u8> = Rgb([236, 237, 239]);
/// What the model is compared with.
const DATA: Rgb<u8> = Rgb([196, 200, 206]);
/// What the model made.
const FIRE: Rgb<u8> = Rgb([228, 87, 46]);
/// Colours of the curves of one figure, in order.
const CURVES: [Rgb<u8>; 12] = [
    FIRE,
    Rgb([36, 72, 112]),
    Rgb([42, 157, 143]),
    Rgb([214, 158, 46]),
    Rgb([128, 82, 160]),
    Rgb([94, 166, 221]),
    Rgb([140, 86, 75]),
    Rgb([219, 112, 147]),
    Rgb([102, 124, 40]),
    Rgb([110, 118, 128]),
    Rgb([0, 0, 0]),
    Rgb([232, 176, 140]),
];
/// A value that is not a number: nothing else in a picture has this colour.
const NOT_A_NUMBER: Rgb<u8> = Rgb([255, 0, 255]);
