//! The probability flow of a denoiser.
//!
//! `dX/dt = α̇x̂1 + σ̇x̂0`
//!
//! Source: Song et al. 2021, §4.3, in this library's clock.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::prediction::Prediction;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The velocity of a denoiser: `u = α̇x̂1 + σ̇x̂0`, for one evaluation.
pub fn velocity_of<B: Backend, const D: usize>(
    denoiser: &(impl Denoiser<B, D> + ?Sized),
    t: f64,
    x: Tensor<B, D>,
) -> Tensor<B, D> {
    Prediction::Velocity.encode(denoiser.schedule().at(t), denoiser.endpoints(t, x))
}

/// A denoiser as a velocity field, for one evaluation each: what makes an ODE method run on a model
/// that only denoises.
///
/// `u_t(x) = α̇x̂1 + σ̇x̂0`
///
/// It still is the denoiser, so that [`ReverseSde`](crate::reverse_sde::ReverseSde) and
/// [`Rescheduled`](crate::rescheduled::Rescheduled) take it too.
#[derive(Debug, Clone, Copy)]
pub struct ProbabilityFlow<F>(
    /// The denoiser.
    pub F,
);

impl<B: Backend, F: Denoiser<B, D>, const D: usize> VectorField<B, D> for ProbabilityFlow<F> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(&self.0, t, x)
    }
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> Denoiser<B, D> for ProbabilityFlow<F> {
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.0.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.0.endpoints(t, x)
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.noise(t, x)
    }

    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.score(t, x)
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for ProbabilityFlow<F>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        self.0.endpoints_and_variance(t, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytic::Gaussian;
    use crate::field::Counted;
    use crate::per_sample::from_host;
    use crate::schedule::VariancePreserving;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    #[test]
    fn the_flow_of_a_denoiser_is_the_velocity_of_its_law_for_one_evaluation() {
        let device = Default::default();
        let gaussian = Gaussian::<NdArray<f64>, _, 2> {
            mean: from_host(vec![1.5, -0.5], [1, 2], &device, DType::F64),
            std: 0.5,
            schedule: VariancePreserving::default(),
        };
        let counted = Counted::new(&gaussian);
        let flow = ProbabilityFlow(counted);
        let x = from_host(vec![0.3, -1.0, 2.0, 0.7], [2, 2], &device, DType::F64);
        for (n, t) in [0.1, 0.5, 0.9].into_iter().enumerate() {
            let difference = flow.velocity(t, x.clone()) - gaussian.velocity(t, x.clone());
            assert!(difference.abs().max().into_scalar() < 1e-12, "t = {t}");
            assert_eq!(flow.0.evaluations(), n + 1);
        }
    }
}
