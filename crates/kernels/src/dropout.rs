//! Dropout.

use crate::words::Words;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor, TensorData};

/// The numbers of x whose uniform number is at least p, divided by 1 − p, and 0 for the others.
///
/// `y_i = x_i·m_i/(1 − p)`, `m_i = 1 if u_i ≥ p else 0`
///
/// On flex one pass forward and one backward, which keep a byte per number.
///
/// Source: Srivastava et al. 2014.
///
/// # Panics
/// If there is not one uniform number for each number of x.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::dropout;
///
/// let x = Tensor::<Flex, 1>::from_floats([1.0, 2.0, 3.0], &Default::default());
/// let y = dropout(x, &[0.1, 0.9, 0.5], 0.5);
/// assert_eq!(y.into_data(), TensorData::from([0.0_f32, 4.0, 6.0]));
/// ```
pub fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    uniforms: &[f64],
    p: f64,
) -> Tensor<B, D> {
    assert_eq!(
        uniforms.len(),
        x.shape().num_elements(),
        "a uniform number for each number"
    );
    let keep = (1.0 / (1.0 - p)) as f32;
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::dropout(x, uniforms, p, keep);
    }
    let mask = uniforms.iter().map(|&u| if u < p { 0.0 } else { keep });
    let mask = TensorData::new(mask.collect::<Vec<f32>>(), Shape::from(x.dims()));
    let mask = mask.convert_dtype(x.dtype());
    let mask = Tensor::<B, D>::from_data(mask, (&x.device(), x.dtype()));
    x * mask
}

/// [`dropout`] by the uniform numbers of these words, computed on the device. `None` where the host
/// has to make them: on a CPU.
///
/// `u_i = (⌊word_i / 2¹²⌋ + ½)/2⁵²`
///
/// The same numbers are dropped as on the host, to the last one. The gradient computes the words
/// again, so that no mask is kept.
///
/// # Panics
/// If p is not in [0, 1).
pub fn dropout_by_words<B: Backend, const D: usize>(
    x: &Tensor<B, D>,
    words: Words,
    p: f64,
) -> Option<Tensor<B, D>> {
    assert!(
        (0.0..1.0).contains(&p),
        "a share of {p} is dropped; give one in [0, 1)"
    );
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()]) && x.shape().num_elements() > 0 {
        return Some(crate::cube::dropout(x.clone(), words, p));
    }
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    let _ = (x, words);
    None
}
