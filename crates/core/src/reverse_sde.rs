//! The family of SDEs that share the marginals of an ODE.
//!
//! `dX = [u_t + ½g_t²·∇log p_t] dt + g_t dW` has the distribution of `dX = u_t dt` at every t, for
//! any `g_t ≥ 0`
//!
//! Source: Song et al. 2021, §4.3; Albergo et al. 2023, theorem 2.8. g = 0 is the probability-flow
//! ODE; the forward diffusion's own g is the reverse SDE of Anderson 1982.

use crate::field::{Additive, Denoiser, Diffusion, Sde, VectorField};
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::fmt;

/// How much noise the SDE injects.
#[non_exhaustive]
pub enum NoiseLevel {
    /// `g_t = c`.
    Constant(f64),
    /// `g_t = c·σ_t`: fades with the path's own noise, and with it the drift `−½c²σ_t·x̂0` that it
    /// adds.
    Sigma(f64),
    /// `g_t² = c²·2σΔ/α`: for c = 1 the diffusion of the noising process, so this is its
    /// time reversal. Infinite where α = 0, and taken as 0 where σ = 0.
    Diffusion(f64),
    /// Any function of time.
    Custom(Box<dyn Fn(f64) -> f64 + Send + Sync>),
}

impl fmt::Debug for NoiseLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(c) => write!(f, "Constant({c})"),
            Self::Sigma(c) => write!(f, "Sigma({c})"),
            Self::Diffusion(c) => write!(f, "Diffusion({c})"),
            Self::Custom(_) => write!(f, "Custom"),
        }
    }
}

impl NoiseLevel {
    /// `g_t` under a schedule.
    pub fn at(&self, t: f64, schedule: &(impl Schedule + ?Sized)) -> f64 {
        match self {
            Self::Constant(c) => *c,
            Self::Sigma(c) => c * schedule.at(t).sigma,
            Self::Diffusion(c) => c * schedule.at(t).diffusion_squared().max(0.0).sqrt(),
            Self::Custom(g) => g(t),
        }
    }
}

/// The SDEs with the marginals of a field, for paths from x0 ~ N(0, I) independent of the data, and
/// for bridges whose score is known.
///
/// `f_t(x) = u_t(x) + ½g_t²·∇log p_t(x)`
///
/// A model trained with optimal-transport pairs, another source or bridge noise has a velocity that
/// does not determine the score: its SDE has other marginals, unless the model has learned the score
/// too ([`Denoiser::velocity_with_score`]).
///
/// One drift is one evaluation: elsewhere the field's own endpoints give the velocity `α̇x̂1 + σ̇x̂0` and the
/// score `−x̂0/σ`, so a wrapper whose endpoints do not lie on a path through x, such as clipping
/// that keeps x̂0, has its SDE too.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::analytic::Gaussian;
/// use pyroclast_core::field::{Sde, VectorField};
/// use pyroclast_core::reverse_sde::{NoiseLevel, ReverseSde};
/// use pyroclast_core::schedule::Linear;
///
/// let mean = Tensor::<NdArray, 2>::zeros([1, 1], &Default::default());
/// let field = Gaussian { mean: mean.clone(), std: 1.0, schedule: Linear::default() };
/// let x = mean.ones_like();
/// let velocity = field.velocity(0.5, x.clone()); // p_½ = N(0, ½), so the score at 1 is −2
/// let sde = ReverseSde { field, noise_level: NoiseLevel::Constant(1.0) };
/// let change = sde.drift(0.5, x) - velocity;
/// assert!((change.into_scalar() + 1.0).abs() < 1e-6);
/// ```
#[derive(Debug)]
pub struct ReverseSde<F> {
    /// The field, which knows its velocity and its schedule.
    pub field: F,
    /// g.
    pub noise_level: NoiseLevel,
}

impl<B, F, const D: usize> Sde<B, D> for ReverseSde<F>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
{
    type Calculus = Additive;

    fn drift(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let schedule = self.field.schedule();
        let g = self.noise_level.at(t, schedule);
        if g == 0.0 {
            return self.field.velocity(t, x);
        }
        self.field.velocity_with_score(t, x, 0.5 * g * g)
    }

    fn diffusion(&self, t: f64, _: &Tensor<B, D>) -> Diffusion<B, D> {
        Diffusion::Level(self.noise_level.at(t, self.field.schedule()))
    }
}

/// The same SDEs from data to noise: the time reversal of [`ReverseSde`] with the same g, in the time
/// `τ = 1 − t`.
///
/// `dY = [−u_t(Y) + ½g_t²·∇log p_t(Y)] dτ + g_t dW`, `t = 1 − τ`
///
/// Its ends are joined as those of the SDE forward are, if the marginals are those of the field.
#[derive(Debug)]
pub struct BackwardSde<F> {
    /// The field, which knows its velocity and its schedule.
    pub field: F,
    /// g.
    pub noise_level: NoiseLevel,
}

impl<B, F, const D: usize> Sde<B, D> for BackwardSde<F>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
{
    type Calculus = Additive;

    fn drift(&self, tau: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let t = 1.0 - tau;
        let g = self.noise_level.at(t, self.field.schedule());
        if g == 0.0 {
            return -self.field.velocity(t, x);
        }
        -self.field.velocity_with_score(t, x, -0.5 * g * g)
    }

    fn diffusion(&self, tau: f64, _: &Tensor<B, D>) -> Diffusion<B, D> {
        Diffusion::Level(self.noise_level.at(1.0 - tau, self.field.schedule()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytic::Gaussian;
    use crate::field::Counted;
    use crate::guidance::{Clipped, ClippedNoise};
    use crate::per_sample::from_host;
    use crate::schedule::VariancePreserving;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    #[test]
    fn endpoints_off_the_path_give_the_sde_its_score_for_one_evaluation() {
        let device = Default::default();
        let column = |values: [f64; 3]| from_host(values.to_vec(), [3, 1], &device, DType::F64);
        let clipped = Clipped {
            field: Gaussian::<NdArray<f64>, _, 2> {
                mean: column([1.5, -0.5, 0.0]),
                std: 0.5,
                schedule: VariancePreserving::default(),
            },
            low: -0.25,
            high: 0.25,
            noise: ClippedNoise::Kept,
        };
        let (t, x) = (0.8, column([0.3, -1.0, 2.0]));
        let sde = ReverseSde {
            field: Counted::new(&clipped),
            noise_level: NoiseLevel::Constant(0.7),
        };
        let expected =
            clipped.velocity(t, x.clone()) + clipped.field.score(t, x.clone()) * (0.5 * 0.49);
        let difference = sde.drift(t, x) - expected;
        assert!(difference.abs().max().into_scalar() < 1e-12);
        assert_eq!(sde.field.evaluations(), 1);
    }
}
