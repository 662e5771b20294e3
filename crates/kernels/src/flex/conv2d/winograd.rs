//! Convolutions with a 3×3 kernel and fewer multiplications: 16 per 2×2 outputs instead of 36.
//!
//! `Y = Aᵀ[Σ_c (G g_c Gᵀ) ⊙ (Bᵀ d_c B)]A`, with Y the 2×2 outputs, d the 4×4 pixels that they
//! depend on, g the kernel and ⊙ the product place by place
//!
//! ```text
//!      ⎡1  0 −1  0⎤      ⎡1  0  0⎤
//! Bᵀ = ⎢0  1  1  0⎥  G = ⎢½  ½  ½⎥  Aᵀ = ⎡1  1  1  0⎤
//!      ⎢0 −1  1  0⎥      ⎢½ −½  ½⎥       ⎣0  1 −1 −1⎦
//!      ⎣0  1  0 −1⎦      ⎣0  0  1⎦
//! ```
//!
//! Relative to the largest pixel of a tile, the rounding error is that of the direct sum. But it is
//! not small relative to an output that is far smaller than that pixel, and an infinite or NaN
//! pixel makes all four outputs of its tiles NaN. Larger tiles need still fewer multiplications,
//! and lose digits.
//!
//! The gradient of the kernel is the transpose, `Gᵀ[Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)]G`, again with 16
//! multiplications instead of 36.
//!
//! Source: Winograd 1980; Lavin & Gray 2016, F(2×2, 3×3).

pub(super) mod correlation;
mod filters;
pub(super) mod weight_gradient;

use crate::flex::float::Float;
use pulp::Simd;

/// Places of a transformed tile.
const PLACES: usize = 16;
/// The fewest channels for which the multiplications saved make up for the transforms: with 16 both
/// ways take equally long, with 24 this one takes a fifth less.
const CHANNELS: usize = 16;

/// Whether a convolution can be computed like this and is faster for it, given its kernel, its
/// stride, and the sizes and channels of its input and output.
pub(super) fn pays(
    kernel: [usize; 2],
    stride: usize,
    [input, output]: [[usize; 2]; 2],
    channels: [usize; 2],
) -> bool {
    kernel == [3, 3]
        && stride == 1
        && input == output
        && input.iter().all(|n| n.is_multiple_of(2))
        && channels.iter().all(|n| *n >= CHANNELS)
}

/// `Bᵀ d` of four lines.
#[inline(always)]
fn pixel_lines<S: Simd, T: Float>(simd: S, [a, b, c, d]: [T::Vector<S>; 4]) -> [T::Vector<S>; 4] {
    [
        T::sub_lanes(simd, a, c),
        T::add_lanes(simd, b, c),
        T::sub_lanes(simd, c, b),
        T::sub_lanes(simd, b, d),
    ]
}

/// `A y` of two lines.
#[inline(always)]
fn gradient_lines<S: Simd, T: Float>(simd: S, [a, b]: [T::Vector<S>; 2]) -> [T::Vector<S>; 4] {
    let none = T::splat(simd, T::default());
    [
        a,
        T::add_lanes(simd, a, b),
        T::sub_lanes(simd, a, b),
        T::sub_lanes(simd, none, b),
    ]
}

/// `Aᵀ m` of four lines.
#[inline(always)]
fn output_lines<S: Simd, T: Float>(simd: S, [a, b, c, d]: [T::Vector<S>; 4]) -> [T::Vector<S>; 2] {
    [
        T::add_lanes(simd, a, T::add_lanes(simd, b, c)),
        T::sub_lanes(simd, b, T::add_lanes(simd, c, d)),
    ]
}

/// `Bᵀ d B`.
#[inline(always)]
fn transform_pixels<S: Simd, T: Float>(
    simd: S,
    mut d: [[T::Vector<S>; 4]; 4],
) -> [[T::Vector<S>; 4]; 4] {
    for row in &mut d {
        *row = pixel_lines::<S, T>(simd, *row);
    }
    for j in 0..4 {
        let column = pixel_lines::<S, T>(simd, [d[0][j], d[1][j], d[2][j], d[3][j]]);
        for (row, value) in d.iter_mut().zip(column) {
            row[j] = value;
        }
    }
    d
}

/// `A y Aᵀ`.
#[inline(always)]
fn transform_gradient<S: Simd, T: Float>(
    simd: S,
    [first, second]: [[T::Vector<S>; 2]; 2],
) -> [[T::Vector<S>; 4]; 4] {
    let (first, second) = (
        gradient_lines::<S, T>(simd, first),
        gradient_lines::<S, T>(simd, second),
    );
    let mut places = [first; 4];
    for j in 0..4 {
        let column = gradient_lines::<S, T>(simd, [first[j], second[j]]);
        for (row, value) in places.iter_mut().zip(column) {
            row[j] = value;
        }
    }
    places
}

/// `Aᵀ m A`.
#[inline(always)]
fn transform_back<S: Simd, T: Float>(simd: S, m: [[T::Vector<S>; 4]; 4]) -> [[T::Vector<S>; 2]; 2] {
    let mut y = [[m[0][0]; 2]; 2];
    let mut rows = [[m[0][0]; 2]; 4];
    for (row, m) in rows.iter_mut().zip(m) {
        *row = output_lines::<S, T>(simd, m);
    }
    for j in 0..2 {
        let column = [rows[0][j], rows[1][j], rows[2][j], rows[3][j]];
        for (row, value) in y.iter_mut().zip(output_lines::<S, T>(simd, column)) {
            row[j] = value;
        }
    }
    y
}

/// Stores half of the lanes of each place, `step` apart.
#[inline(always)]
fn put<S: Simd, T: Float, const NR: usize>(
    places: [[T::Vector<S>; 4]; 4],
    half: usize,
    to: &mut [[T; NR]],
    step: usize,
) {
    let to = to.iter_mut().step_by(step);
    for (to, value) in to.zip(places.as_flattened()) {
        T::vectors_mut::<S>(to)[half] = *value;
    }
}
