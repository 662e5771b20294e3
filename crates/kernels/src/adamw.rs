//! One step of AdamW on one tensor of parameters.
//!
//! `m ← β1·m + (1 − β1)·g`, `v ← β2·v + (1 − β2)·g²`, `θ ← (1 − d)·θ − r·m/(√v/c + ε)`
//!
//! Source: Kingma & Ba 2015; Loshchilov & Hutter 2019 for the decay.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The numbers of a step, the same for all parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// β1 and β2, each in [0, 1).
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
    /// r: the learning rate over `1 − β1ᵏ`.
    pub rate: f64,
    /// c: `√(1 − β2ᵏ)`.
    pub root_correction: f64,
    /// d: the learning rate times the weight decay.
    pub decay: f64,
}

/// θ, m and v after a step; one pass and in place on flex.
///
/// The gradient is multiplied by `factor` first, a tensor of one number, where there is one.
///
/// # Panics
/// If a shape differs.
pub fn adamw<B: Backend, const D: usize>(
    [theta, m, v]: [Tensor<B, D>; 3],
    gradient: Tensor<B, D>,
    factor: Option<&Tensor<B, 1>>,
    step: &AdamWStep,
) -> [Tensor<B, D>; 3] {
    let shape = gradient.shape();
    assert!(
        [&theta, &m, &v].iter().all(|x| x.shape() == shape),
        "parameters, moments and gradient have one shape"
    );
    #[cfg(feature = "flex")]
    if crate::flex::takes_untracked::<B>(theta.dtype()) {
        return crate::flex::adamw([theta, m, v], gradient, factor, step);
    }
    let [beta1, beta2] = step.betas;
    let g = match factor {
        Some(factor) => gradient * factor.clone().unsqueeze(),
        None => gradient,
    };
    let m = m * beta1 + g.clone() * (1.0 - beta1);
    let v = v * beta2 + g.square() * (1.0 - beta2);
    let size = v.clone().sqrt() * (1.0 / step.root_correction) + step.epsilon;
    let theta = match step.decay {
        0.0 => theta,
        decay => theta * (1.0 - decay),
    };
    [theta - m.clone() / size * step.rate, m, v]
}
