//! The sigmoid-weighted linear unit.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, activation};

/// The sigmoid-weighted linear unit (SiLU, swish) of each number.
///
/// `y = x·s(x)`, `s(x) = 1/(1 + e⁻ˣ)`
///
/// On flex and on GPUs, one pass forward and one backward, which computes `s·(1 + x·(1 − s))` from x again and
/// so need not keep s.
///
/// Source: Elfwing, Uchibe & Doya 2018; Hendrycks & Gimpel 2016.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use pyroclast_kernels::silu;
///
/// let x = Tensor::<Autodiff<Flex>, 1>::from_floats([0.0], &Default::default()).require_grad();
/// let y = silu(x.clone());
/// let slope = x.grad(&y.backward()).unwrap();
/// assert_eq!((y.into_scalar(), slope.into_scalar()), (0.0, 0.5));
/// ```
pub fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::silu(x);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()]) && x.shape().num_elements() > 0 {
        return crate::cube::silu(x);
    }
    if x.dtype() == DType::F64 {
        // burn's logistic function has single precision. The clamp keeps the exponential from
        // overflowing on the tape.
        return x.clone() / (x.clamp_min(-700.0).neg().exp() + 1.0);
    }
    activation::silu(x)
}
