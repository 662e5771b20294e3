//! The gradient of the input of a convolution with a stride.
//!
//! The pixels that lie `stride` apart depend on the same places of the kernel, and on pixels of g
//! that lie side by side. So each such class is a correlation of g with a part of the kernel:
//!
//! `dx[c, a + s·y] = Σ_{o, m} W[o, c, k + s·m]·g[o, y + (a + p − k)/s − m]`, `k = (a + p) mod s`,
//! and likewise along the width
//!
//! This takes s² times fewer multiplications than the correlation with g spread out, and sums the
//! same terms in the same order.

use crate::flex::conv2d::correlation::{Correlation, Kernels};
use crate::flex::conv2d::direct::correlation::Direct;
use crate::flex::conv2d::planes::Planes;
use crate::flex::simd::zeros;
use crate::flex::tile::Tiles;
use crate::window::Window;
use rayon::prelude::*;

/// One class along one axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    /// The first pixel.
    first: usize,
    /// Pixels.
    size: usize,
    /// The first place of the kernel.
    place: usize,
    /// Places of the kernel.
    places: usize,
    /// Zeros before the first pixel of g.
    padding: usize,
}

/// The sizes of a convolution with a stride.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strided {
    pub(super) window: Window,
    /// Channels of the output and of the input.
    pub(super) channels: [usize; 2],
    /// Height and width of the input.
    pub(super) size: [usize; 2],
    /// Height and width of the output.
    pub(super) pixels: [usize; 2],
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
}

impl Strided {
    /// The classes along an axis; `None` where a class has no place of the kernel, or begins after
    /// the first pixel of g.
    fn classes(&self, axis: usize) -> Option<Vec<Axis>> {
        let Window { stride, padding } = self.window;
        let (size, kernel) = (self.size[axis], self.kernel[axis]);
        let class = |first: usize| {
            let place = (first + padding) % stride;
            let places = kernel.checked_sub(place)?.div_ceil(stride);
            let ahead = (first + padding - place) / stride;
            Some(Axis {
                first,
                size: (size - first).div_ceil(stride),
                place,
                places,
                padding: places.checked_sub(ahead + 1)?,
            })
        };
        (0..stride.min(size)).map(class).collect()
    }

    /// dx, from the kernel `[outputs, channels, rows, columns]`; `None` where it has to be made in
    /// another way.
    pub(super) fn gradient<T: Tiles>(&self, weight: &[T], g: &[T]) -> Option<Vec<T>> {
        let stride = self.window.stride;
        if stride == 1 {
            return None;
        }
        let (rows, columns) = (self.classes(0)?, self.classes(1)?);
        let [height, width] = self.size;
        let [outputs, channels] = self.channels;
        let sample = outputs * self.pixels[0] * self.pixels[1];
        let batch = g.len().checked_div(sample)?;
        let classes = rows
            .iter()
            .flat_map(|i| columns.iter().map(move |j| [i, j]));
        let parts: Vec<_> = classes
            .map(|class| {
                let part = T::on_tiles(Direct {
                    of: &self.correlation(class),
                    x: g,
                    weight: &self.part(weight, class),
                    bias: None,
                });
                (class, part)
            })
            .collect();
        let mut dx = zeros(batch * channels * height * width);
        let planes = dx.par_chunks_mut(height * width).enumerate();
        planes.for_each(|(plane, to)| {
            for ([i, j], part) in &parts {
                let lines = to.chunks_exact_mut(width).skip(i.first).step_by(stride);
                let from = part[plane * i.size * j.size..].chunks_exact(j.size);
                for (to, from) in lines.zip(from) {
                    let to = to[j.first..].iter_mut().step_by(stride);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        });
        Some(dx)
    }

    fn correlation(&self, [i, j]: [&Axis; 2]) -> Correlation {
        let [outputs, channels] = self.channels;
        let size = [i.size, j.size];
        Correlation {
            planes: Planes {
                channels: outputs,
                size: self.pixels,
                padding: [i.padding, j.padding],
                spread: 1,
                padded: [i.size + i.places - 1, j.size + j.places - 1],
            },
            kernel: [i.places, j.places],
            stride: 1,
            outputs: channels,
            size,
        }
    }

    /// The places of the kernel that a class depends on, in reverse order, as `[channels, outputs,
    /// rows, columns]`.
    fn part<T: Tiles>(&self, weight: &[T], [i, j]: [&Axis; 2]) -> Vec<T> {
        let ([outputs, channels], [rows, columns]) = (self.channels, self.kernel);
        let stride = self.window.stride;
        let kernels = Kernels {
            weight,
            row: channels,
            turned: true,
            places: rows * columns,
        };
        let mut part = Vec::with_capacity(channels * outputs * i.places * j.places);
        for c in 0..channels {
            for o in 0..outputs {
                let kernel = kernels.at(c, o);
                for k in (0..i.places).rev().map(|m| i.place + m * stride) {
                    let line = &kernel[k * columns + j.place..];
                    part.extend((0..j.places).rev().map(|m| line[m * stride]));
                }
            }
        }
        part
    }
}
