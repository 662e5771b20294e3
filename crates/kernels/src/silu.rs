//! The sigmoid-weighted linear unit.
//!
//! `y = x·s(x)`, `s(x) = 1/(1 + e⁻ˣ)`
//!
//! Source: Elfwing, Uchibe & Doya 2018; Hendrycks & Gimpel 2016.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, activation};

/// `x·s(x)` of each number.
///
/// On flex one pass forward and one backward, which finds `s·(1 + x·(1 − s))` from x again instead of keeping s.
pub fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(feature = "flex")]
    if crate::flex::takes::<B>(x.dtype()) {
        return crate::flex::silu(x);
    }
    if x.dtype() == DType::F64 {
        // burn's logistic function is one of single precision. Held back, the exponential does not overflow on the tape.
        return x.clone() / (x.clamp_min(-700.0).neg().exp() + 1.0);
    }
    activation::silu(x)
}
