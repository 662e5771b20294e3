//! Small pictures for numerical work: scatters, curves, grids of images, heat maps and animations.
//!
//! Each function returns an [`RgbImage`]; [`write_png`] and [`write_gif`] encode it into any
//! writer. Nothing here needs a display or a font of the system: `tiny-skia` draws the shapes, and
//! the letters are outlines of the Ubuntu typeface, which ships inside a crate.
//!
//! The look is that of a quiet paper figure: white paper, grey text, pale data, and one colour
//! that matters.
//!
//! ```
//! use pyroclast_plot::{Cloud, scatter, write_png};
//!
//! let ring = |radius: f32, n: u32| -> Vec<[f32; 2]> {
//!     let angles = (0..n).map(|i| i as f32 * std::f32::consts::TAU / n as f32);
//!     angles.map(|a| [radius * a.cos(), radius * a.sin()]).collect()
//! };
//! let (data, samples) = (ring(1.0, 400), ring(0.9, 100));
//! let clouds = [Cloud::pale("data", &data), Cloud::bright("samples", &samples)];
//! let picture = scatter(&clouds, "a ring", None);
//!
//! let mut file = Vec::new();
//! write_png(&mut file, &picture)?;
//! assert!(file.starts_with(b"\x89PNG"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod animation;
mod axes;
mod canvas;
mod colours;
mod curve;
mod escaped;
mod grid;
mod header;
mod heat_map;
mod limits;
mod pace;
mod page;
mod pairs;
mod png;
mod quantise;
mod scatter;
mod scatter3;
mod screen;
mod sheet;
mod side_by_side;
mod smoothing;
mod svg;
mod text;
mod thinning;
mod ticks;

pub use animation::write_gif;
pub use colours::{MAGMA, VIRIDIS};
pub use curve::{Series, line_chart};
pub use grid::grid;
pub use heat_map::{HeatMap, Mesh};
pub use image::{Rgb, RgbImage};
pub use limits::Limits;
pub use pace::pace;
pub use page::Page;
pub use pairs::{PairAxis, pairs};
pub use png::write_png;
pub use scatter::{Cloud, scatter};
pub use scatter3::{Cloud3, scatter3};
pub use sheet::sheet;
pub use side_by_side::side_by_side;
