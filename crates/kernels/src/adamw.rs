//! One step of AdamW.

use crate::adamw_step::AdamWStep;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// One step of AdamW on some tensors: the parameters θ and the moments m and v of each after it.
///
/// `m ← β1·m + (1 − β1)·g`, `v ← β2·v + (1 − β2)·g²`, `θ ← (1 − d)·θ − r·m/(√v/c + ε)`
///
/// A gradient g is that of `gradients` times `factor`, a tensor of one number, if there is one:
/// this is how a global norm is clipped without reading it back. On flex, one pass per tensor that
/// writes over θ, m and v; on GPUs, a launch for as many tensors as a kernel may have.
///
/// Source: Kingma & Ba 2015; Loshchilov & Hutter 2019 for the decay.
///
/// # Shapes
/// - θ, m, v and the gradient of a tensor: all the same; factor: `[1]`
///
/// # Panics
/// If a shape differs, or there is not one gradient per tensor.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use pyroclast_kernels::{AdamWStep, adamw};
///
/// let of = |x: f32| Tensor::<Flex, 1>::from_floats([x], &Default::default());
/// // The first step of AdamW with a learning rate of 0.1.
/// let step = AdamWStep {
///     betas: [0.9, 0.999],
///     epsilon: 1e-8,
///     rate: 0.1 / (1.0 - 0.9),
///     root_correction: (1.0_f64 - 0.999).sqrt(),
///     decay: 0.0,
/// };
/// let state = vec![[of(1.0), of(0.0), of(0.0)]];
/// let [theta, m, v] = adamw(state, vec![of(5.0)], None, &step).remove(0);
/// // Its size is the learning rate, whatever the gradient's.
/// assert!((theta.into_scalar() - 0.9).abs() < 1e-6);
/// assert!((m.into_scalar() - 0.5).abs() < 1e-6);
/// assert!((v.into_scalar() - 0.025).abs() < 1e-6);
/// ```
pub fn adamw<B: Backend, const D: usize>(
    state: Vec<[Tensor<B, D>; 3]>,
    gradients: Vec<Tensor<B, D>>,
    factor: Option<&Tensor<B, 1>>,
    step: &AdamWStep,
) -> Vec<[Tensor<B, D>; 3]> {
    assert_eq!(state.len(), gradients.len(), "one gradient per tensor");
    for (state, gradient) in state.iter().zip(&gradients) {
        assert!(
            state.iter().all(|x| x.shape() == gradient.shape()),
            "parameters, moments and gradient have one shape"
        );
    }
    if let Some(factor) = factor {
        assert_eq!(factor.dims(), [1], "one factor for all gradients");
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_all::<B, D>(state.iter().flatten().chain(&gradients))
        && crate::cube::supports_all::<B, 1>(factor)
    {
        return crate::cube::adamw(state, gradients, factor, step);
    }
    let pairs = state.into_iter().zip(gradients);
    pairs
        .map(|(state, gradient)| of_one(state, gradient, factor, step))
        .collect()
}

fn of_one<B: Backend, const D: usize>(
    [theta, m, v]: [Tensor<B, D>; 3],
    gradient: Tensor<B, D>,
    factor: Option<&Tensor<B, 1>>,
    step: &AdamWStep,
) -> [Tensor<B, D>; 3] {
    #[cfg(feature = "flex")]
    if crate::flex::supports_untracked::<B>(theta.dtype()) {
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
