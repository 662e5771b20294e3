//! Heat maps of the plane, and what is drawn on them. No part of the library.

use image::{Rgb, RgbImage, imageops};
use pyroclast::core::conservation::PlaneGrid;
use std::path::PathBuf;

/// Colours from low to high, evenly spaced.
pub(crate) type Colours = [[u8; 3]];

/// matplotlib's magma, by ten of its colours.
pub(crate) const MAGMA: [[u8; 3]; 10] = [
    [0, 0, 4],
    [24, 15, 61],
    [68, 15, 118],
    [114, 31, 129],
    [158, 47, 127],
    [205, 64, 113],
    [241, 96, 93],
    [253, 150, 104],
    [254, 202, 141],
    [252, 253, 191],
];

/// A picture of a part of the plane, y up.
pub(crate) struct Panel {
    image: RgbImage,
    low: [f64; 2],
    /// Pixels a unit.
    scale: f64,
}

impl Panel {
    /// The values at the nodes of a grid, linear between nodes `cell` pixels apart; `level` takes one to its place in the colours, from
    /// 0 to 1.
    pub(crate) fn heat(
        grid: &PlaneGrid,
        values: &[f64],
        cell: u32,
        colours: &Colours,
        level: impl Fn(f64) -> f64,
    ) -> Self {
        let (width, height) = (grid.columns as u32 - 1, grid.rows as u32 - 1);
        let image = RgbImage::from_fn(width * cell, height * cell, |x, y| {
            let at = |pixel: u32, last: u32| {
                let place = (f64::from(pixel) + 0.5) / f64::from(cell);
                let node = place.floor().min(f64::from(last - 1));
                (node as usize, place - node)
            };
            let ((i, u), (j, v)) = (at(x, width), at(height * cell - 1 - y, height));
            let k = j * grid.columns + i;
            let row = |k: usize| values[k] * (1.0 - u) + values[k + 1] * u;
            let value = row(k) * (1.0 - v) + row(k + grid.columns) * v;
            colour(colours, level(value))
        });
        Self {
            image,
            low: grid.low,
            scale: f64::from(cell) / grid.spacing,
        }
    }

    /// A line from one point to another, its radius in pixels; a dot where they are the same.
    pub(crate) fn stroke(&mut self, from: [f64; 2], to: [f64; 2], radius: f64, ink: [u8; 3]) {
        let (width, height) = self.image.dimensions();
        let pixel = |point: [f64; 2]| {
            let [x, y] = [0, 1].map(|i| (point[i] - self.low[i]) * self.scale);
            [x, f64::from(height) - y]
        };
        let (a, b) = (pixel(from), pixel(to));
        let range = |i: usize, end: u32| {
            let near = a[i].min(b[i]) - radius - 1.0;
            let far = a[i].max(b[i]) + radius + 1.0;
            // Out of the picture both ends become 0, or both the border.
            (near as u32).min(end)..(far.ceil() as u32).min(end)
        };
        let along = [b[0] - a[0], b[1] - a[1]];
        let squared = along[0] * along[0] + along[1] * along[1];
        for y in range(1, height) {
            for x in range(0, width) {
                let from_a = [f64::from(x) + 0.5 - a[0], f64::from(y) + 0.5 - a[1]];
                let dot = from_a[0] * along[0] + from_a[1] * along[1];
                let share = (dot / squared.max(1e-9)).clamp(0.0, 1.0);
                let miss = [0, 1].map(|i| from_a[i] - share * along[i]);
                let cover = (radius + 0.5 - miss[0].hypot(miss[1])).clamp(0.0, 1.0);
                let Rgb(under) = self.image.get_pixel_mut(x, y);
                *under = blend(*under, ink, cover);
            }
        }
    }
}

/// Writes panels side by side, the first the highest, under `runs/examples`.
pub(crate) fn save(panels: &[Panel], name: &str) -> image::ImageResult<PathBuf> {
    const GAP: u32 = 12;
    let height = panels[0].image.height();
    let width: u32 = panels.iter().map(|panel| panel.image.width() + GAP).sum();
    let mut whole = RgbImage::from_pixel(width - GAP, height, Rgb([255; 3]));
    let mut left = 0;
    for Panel { image, .. } in panels {
        let top = i64::from(height - image.height()) / 2;
        imageops::replace(&mut whole, image, left, top);
        left += i64::from(image.width() + GAP);
    }
    let folder = PathBuf::from("runs/examples");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    whole.save(&path)?;
    Ok(path)
}

fn colour(colours: &Colours, level: f64) -> Rgb<u8> {
    let place = level.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let low = (place as usize).min(colours.len() - 2);
    Rgb(blend(colours[low], colours[low + 1], place - low as f64))
}

fn blend(under: [u8; 3], over: [u8; 3], share: f64) -> [u8; 3] {
    let mix = |(a, b)| (f64::from(a) * (1.0 - share) + f64::from(b) * share).round() as u8;
    [0, 1, 2].map(|i| mix((under[i], over[i])))
}
