//! Normal numbers that a device makes by itself.

use crate::words::Words;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};

/// Whether devices of this backend make normal numbers of single precision by themselves.
pub fn makes_normals<B: Backend>() -> bool {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return crate::cube::supports::<B>(&[DType::F32]);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    false
}

/// Normal numbers of mean 0 by these words, computed on the device. `None` where the host has to make
/// them: on CPUs, under burn's fusion and under two tapes, in other float types.
///
/// `z_i = std·Φ⁻¹(u_i)`, `u_i = (⌊word_i / 2¹²⌋ + ½)/2⁵²`
///
/// They are those of the host to a relative 10⁻⁶, since Φ⁻¹ is computed in single precision. Nothing
/// has to be sent to the device.
///
/// Source: Wichura 1988, AS 241, PPND7.
///
/// # Shapes
/// - output: `shape`
pub fn normals_by_words<B: Backend, const D: usize>(
    words: Words,
    std: f64,
    shape: [usize; D],
    (device, dtype): (&B::Device, DType),
) -> Option<Tensor<B, D>> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if dtype == DType::F32 && makes_normals::<B>() && shape.iter().product::<usize>() > 0 {
        return Some(crate::cube::normals(words, std, shape, device));
    }
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    let _ = (words, std, shape, device, dtype);
    None
}
