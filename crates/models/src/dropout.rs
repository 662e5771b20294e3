//! Dropout with masks from the run's noise.
//!
//! `y = x·m/(1 − p), m ~ Bernoulli(1 − p)`
//!
//! Source: Srivastava et al. 2014. The masks are drawn from the noise of the run, so a resumed run
//! drops the same elements as one that was never interrupted, whatever the device. A GPU makes them
//! by itself.

use crate::dual::Dual;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::Draws;
use pyroclast_kernels as kernels;
use std::cell::OnceCell;

/// Drops elements with probability `p`. Without draws, or at p = 0, it returns its input.
pub(crate) fn dropout<B: Backend, const D: usize>(
    x: Dual<B, D>,
    p: f64,
    draws: Option<&mut Draws>,
) -> Dual<B, D> {
    let Some(draws) = draws.filter(|_| p > 0.0) else {
        return x;
    };
    let n = x.value.shape().num_elements();
    let on_host = draws.clone();
    let (words, uniforms) = (draws.words(n), OnceCell::new());
    x.linearly(|x| {
        kernels::dropout_by_words(&x, words, p).unwrap_or_else(|| {
            let uniforms = uniforms.get_or_init(|| on_host.clone().uniforms(n));
            kernels::dropout(x, uniforms, p)
        })
    })
}
