//! Clipping to the range of the data.
//!
//! `x̂1 ← min(max(x̂1, low), high)`
//!
//! Source: Ho et al. 2020 (their reference code's `clip_denoised`).

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::probability_flow::velocity_of;
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// How x̂0 follows where x̂1 is clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClippedNoise {
    /// x̂0 stays the field's own: the path no longer leads through x. What DDIM does in diffusers,
    /// unless told otherwise.
    ///
    /// A sampler that reads only x̂0 or the score (DEIS, LMS, PNDM, reverse diffusion, the
    /// Langevin corrector) then runs as if nothing were clipped.
    Kept,
    /// `x̂0 = (x − αx̂1)/σ` of the clipped x̂1; where σ = 0 it stays the field's own.
    Derived,
}

impl ClippedNoise {
    /// The endpoints with a clipped x̂1.
    pub(super) fn ends<B: Backend, const D: usize>(
        self,
        c: Coefficients,
        ends: Endpoints<B, D>,
        x1: Tensor<B, D>,
    ) -> Endpoints<B, D> {
        match self {
            Self::Kept => Endpoints { x0: ends.x0, x1 },
            Self::Derived => ends.with_data(c, x1),
        }
    }
}

/// A denoiser whose data lie in an interval.
///
/// `x̂1 ← min(max(x̂1, low), high)`
///
/// Source: Ho et al. 2020; [`ClippedNoise`] says how x̂0 follows.
#[derive(Debug, Clone, Copy)]
pub struct Clipped<F> {
    /// The denoiser.
    pub field: F,
    /// The least value of the data, below `high`.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// How x̂0 follows.
    pub noise: ClippedNoise,
}

impl<F> Clipped<F> {
    fn clipped<B: Backend, const D: usize>(
        &self,
        c: Coefficients,
        ends: Endpoints<B, D>,
    ) -> Endpoints<B, D> {
        let x1 = ends.x1.clone().clamp(self.low, self.high);
        self.noise.ends(c, ends, x1)
    }
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> VectorField<B, D> for Clipped<F> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> Denoiser<B, D> for Clipped<F> {
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.field.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.field.denoise(t, x).clamp(self.low, self.high)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.clipped(self.field.schedule().at(t), self.field.endpoints(t, x))
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for Clipped<F>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let (ends, variance) = self.field.endpoints_and_variance(t, x);
        (self.clipped(self.field.schedule().at(t), ends), variance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        B, Counting, LINEAR, close, gaussian, lies_on_path, state, tensor, values,
    };
    use super::*;

    fn clipped(noise: ClippedNoise) -> Clipped<Counting<super::super::testing::Law>> {
        Clipped {
            field: Counting::new(gaussian(1.5, 0.5), 0.25),
            low: -0.5,
            high: 1.0,
            noise,
        }
    }

    #[test]
    fn the_data_end_lies_in_the_interval_and_is_untouched_inside() {
        let t = 0.7;
        let plain = gaussian(1.5, 0.5).denoise(t, state());
        let expected: Vec<f64> = values(plain.clone())
            .iter()
            .map(|v| v.clamp(-0.5, 1.0))
            .collect();
        let moved = values(plain)
            .iter()
            .zip(&expected)
            .filter(|(a, b)| a != b)
            .count();
        assert!(
            (1..6).contains(&moved),
            "some entries are clipped, some are not: {moved}"
        );
        for noise in [ClippedNoise::Kept, ClippedNoise::Derived] {
            let field = clipped(noise);
            close(field.denoise(t, state()), tensor(&expected, [2, 3]));
            let (ends, variance) = field.endpoints_and_variance(t, state());
            close(ends.x1, tensor(&expected, [2, 3]));
            assert!(values(variance).iter().all(|&v| v == 0.25));
            assert_eq!(field.field.evaluations.get(), 2);
        }
    }

    #[test]
    fn the_noise_end_is_kept_or_keeps_the_path() {
        let t = 0.7;
        let kept = clipped(ClippedNoise::Kept).endpoints(t, state());
        close(kept.x0, gaussian(1.5, 0.5).noise(t, state()));
        let derived = clipped(ClippedNoise::Derived).endpoints(t, state());
        lies_on_path(t, state(), derived);
    }

    #[test]
    fn without_noise_a_field_of_data_alone_has_a_finite_flow() {
        struct Identity;
        impl Denoiser<B, 2> for Identity {
            fn schedule(&self) -> &dyn Schedule {
                &LINEAR
            }
            fn denoise(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
                x
            }
        }
        close(Identity.endpoints(1.0, state()).x0, state().zeros_like());
        for noise in [ClippedNoise::Kept, ClippedNoise::Derived] {
            let field = Clipped {
                field: Identity,
                low: -0.5,
                high: 1.0,
                noise,
            };
            close(field.velocity(1.0, state()), state().clamp(-0.5, 1.0));
        }
    }

    #[test]
    fn without_noise_a_derived_end_is_the_fields_own() {
        let ends = clipped(ClippedNoise::Derived).endpoints(1.0, state());
        close(ends.x0, gaussian(1.5, 0.5).noise(1.0, state()));
    }
}
