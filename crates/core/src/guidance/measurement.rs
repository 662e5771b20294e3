//! Guidance by a linear measurement of the data.
//!
//! `y = A·x1 + ε`, and `∇log p_t(y|x) ≈ ∇_x log p(y | x̂1(x))`: the gradient passes through the
//! denoiser
//!
//! Source: Chung et al. 2023 (DPS); Song et al. 2023 (ΠGDM). The gradient is one pass backward on
//! `Autodiff<B>`, which this module wraps around the caller's backend: the denoiser lives there.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::probability_flow::velocity_of;
use crate::schedule::{Coefficients, Schedule};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// An approximation of `log p_t(y|x)`, which is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Likelihood {
    /// Diffusion posterior sampling: x̂1 is treated as the data, and the residual's gradient is
    /// divided by its norm.
    ///
    /// `g = −ζ/‖y − Ax̂1‖·∇_x‖y − Ax̂1‖²`, with the norm held fixed
    ///
    /// Source: Chung et al. 2023, algorithm 1. The paper takes `ζ'/‖y − Ax̂1‖·∇‖y − Ax̂1‖²` off the
    /// state after each step of DDPM. A step of DDPM adds `β_i/√(1 − β_i)` of the score to the
    /// state, so as a score the same is `ζ = ζ'·√(1 − β_i)/β_i`: here ζ does not depend on the
    /// number of steps, and any solver can take it. Their ζ' is of order 1, with 1000 steps whose
    /// β_i are at most 0.02.
    Dps {
        /// ζ ≥ 0.
        step: f64,
    },
    /// Pseudoinverse guidance: given x_t the data are treated as Gaussian about x̂1, with the
    /// variance that Gaussian data would have.
    ///
    /// `g = −∇_x‖y − Ax̂1‖²/(2(σ_y² + r²)), r² = σ²σ_data²/(σ² + α²σ_data²)`, for `AAᵀ = I`
    ///
    /// Source: Song et al. 2023, §3. Exact for data from N(μ, σ_data²·I).
    Gaussian {
        /// Standard deviation of the data, > 0.
        sigma_data: f64,
        /// σ_y ≥ 0: that of the measurement's noise.
        noise_std: f64,
    },
}

/// A denoiser of data that have been measured.
///
/// `x̂0 ← x̂0 − σg`, `x̂1 ← x̂1 + σ²/α·g`, where g is that of the [`Likelihood`]
///
/// The denoiser lives on `Autodiff<B>`: for a trained model,
/// [`Flow::tracked`](crate::flow::Flow::tracked). An evaluation costs one of it, and one pass
/// backward.
///
/// Where σ = 0 the state is the data, and nothing is added. Where α = 0 the Gaussian x̂1 moves by
/// the limit `σ_data²·∇log p(y|x̂1)`; that of DPS is not known, and both endpoints stay.
///
/// # Shapes
/// - forward: `[batch, …]` → `[batch, m]`, linear, differentiable
/// - measurement: `[batch, m]`, or `[1, m]` for one that all samples share
#[derive(Debug, Clone)]
pub struct Measured<F, A, B: Backend> {
    /// The denoiser, on `Autodiff<B>`.
    pub field: F,
    /// `x1 ↦ A·x1`.
    pub forward: A,
    /// y.
    pub measurement: Tensor<B, 2>,
    /// The approximation of the measurement's likelihood.
    pub likelihood: Likelihood,
}

impl<F, A, B: Backend> Measured<F, A, B> {
    /// A number whose gradient is g.
    fn log_likelihood<const D: usize>(
        &self,
        c: Coefficients,
        x1: Tensor<Autodiff<B>, D>,
    ) -> Tensor<Autodiff<B>, 1>
    where
        A: Fn(Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, 2>,
    {
        let measurement = Tensor::from_inner(self.measurement.clone());
        let squares = (measurement - (self.forward)(x1)).square().sum_dim(1);
        match self.likelihood {
            Likelihood::Dps { step } => {
                let norms = squares.clone().inner().sqrt();
                // Where there is no residual there is no gradient either.
                let norms = norms.clone().mask_fill(norms.equal_elem(0.0), 1.0);
                (squares / Tensor::from_inner(norms)).sum() * -step
            }
            Likelihood::Gaussian {
                sigma_data,
                noise_std,
            } => {
                let r = c.sigma * sigma_data / c.std(sigma_data);
                squares.sum() * (-0.5 / (noise_std * noise_std + r * r))
            }
        }
    }

    /// The endpoints with the measurement's share, given those of the field at a leaf of the tape.
    fn corrected<const D: usize>(
        &self,
        c: Coefficients,
        leaf: Tensor<Autodiff<B>, D>,
        ends: Endpoints<Autodiff<B>, D>,
    ) -> Endpoints<B, D>
    where
        A: Fn(Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, 2>,
    {
        let plain = Endpoints {
            x0: ends.x0.inner(),
            x1: ends.x1.clone().inner(),
        };
        if c.sigma == 0.0 {
            return plain;
        }
        match self.likelihood {
            // σ²/α·∂x̂1/∂x is the posterior variance, here the prior's.
            Likelihood::Gaussian { sigma_data, .. } if c.alpha == 0.0 => {
                let leaf = Tensor::from_inner(plain.x1.clone()).require_grad();
                let gradients = self.log_likelihood(c, leaf.clone()).backward();
                match leaf.grad(&gradients) {
                    Some(g) => Endpoints {
                        x1: plain.x1 + g * (sigma_data * sigma_data),
                        ..plain
                    },
                    None => plain,
                }
            }
            _ => {
                let gradients = self.log_likelihood(c, ends.x1).backward();
                match leaf.grad(&gradients) {
                    Some(g) => plain.with_added_score(c, g),
                    // A denoiser that does not depend on x.
                    None => plain,
                }
            }
        }
    }
}

impl<B, F, A, const D: usize> VectorField<B, D> for Measured<F, A, B>
where
    B: Backend,
    F: Denoiser<Autodiff<B>, D>,
    A: Fn(Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, 2>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B, F, A, const D: usize> Denoiser<B, D> for Measured<F, A, B>
where
    B: Backend,
    F: Denoiser<Autodiff<B>, D>,
    A: Fn(Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, 2>,
{
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.field.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x1
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let leaf = Tensor::<Autodiff<B>, D>::from_inner(x).require_grad();
        let ends = self.field.endpoints(t, leaf.clone());
        self.corrected(self.field.schedule().at(t), leaf, ends)
    }
}

impl<B, F, A, const D: usize> LearnedVariance<B, D> for Measured<F, A, B>
where
    B: Backend,
    F: LearnedVariance<Autodiff<B>, D>,
    A: Fn(Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, 2>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let leaf = Tensor::<Autodiff<B>, D>::from_inner(x).require_grad();
        let (ends, variance) = self.field.endpoints_and_variance(t, leaf.clone());
        let ends = self.corrected(self.field.schedule().at(t), leaf, ends);
        (ends, variance.inner())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{B, LINEAR, close, gaussian, lies_on_path, state, tensor, values};
    use super::*;
    use crate::analytic::Gaussian;
    use crate::schedule::Linear;

    type A = Autodiff<B>;
    type FirstEntry = fn(Tensor<A, 2>) -> Tensor<A, 2>;

    /// N(μ, ¼I), of which the first entry is measured.
    fn measured(likelihood: Likelihood) -> Measured<Gaussian<A, Linear, 2>, FirstEntry, B> {
        let law = gaussian(1.5, 0.5);
        Measured {
            field: Gaussian {
                mean: Tensor::from_inner(law.mean),
                std: law.std,
                schedule: law.schedule,
            },
            forward: |x1| x1.narrow(1, 0, 1),
            measurement: tensor(&[2.0, -1.0], [2, 1]),
            likelihood,
        }
    }

    #[test]
    fn dps_moves_each_sample_by_its_own_normalised_residual() {
        let (t, step) = (0.4, 0.8);
        let field = measured(Likelihood::Dps { step });
        let ends = field.endpoints(t, state());
        let plain = gaussian(1.5, 0.5).endpoints(t, state());
        let c = LINEAR.at(t);
        // One measured entry: ∇‖r‖²/‖r‖ = −2·sign(r)·∂x̂1/∂x, and x̂1 has the slope αs²/v.
        let slope = c.alpha * 0.25 / (c.alpha.powi(2) * 0.25 + c.sigma.powi(2));
        let x1 = values(plain.x1.clone());
        let g = |y: f64, x1: f64| step * 2.0 * (y - x1).signum() * slope;
        let g = [g(2.0, x1[0]), 0.0, 0.0, g(-1.0, x1[3]), 0.0, 0.0];
        assert!(g[0] * g[3] < 0.0, "both signs");
        let g = tensor(&g, [2, 3]);
        close(ends.x0.clone(), plain.x0 - g.clone() * c.sigma);
        close(ends.x1.clone(), plain.x1 + g * (c.sigma.powi(2) / c.alpha));
        lies_on_path(t, state(), ends);
    }

    #[test]
    fn a_residual_of_zero_moves_nothing() {
        let mut field = measured(Likelihood::Dps { step: 0.8 });
        let plain = gaussian(1.5, 0.5).denoise(0.4, state());
        field.measurement = plain.clone().narrow(1, 0, 1);
        close(field.denoise(0.4, state()), plain);
    }

    #[test]
    fn without_noise_nothing_is_added() {
        for likelihood in [
            Likelihood::Dps { step: 0.8 },
            Likelihood::Gaussian {
                sigma_data: 0.5,
                noise_std: 0.0,
            },
        ] {
            let ends = measured(likelihood).endpoints(1.0, state());
            let plain = gaussian(1.5, 0.5).endpoints(1.0, state());
            close(ends.x1, plain.x1);
            close(ends.x0, plain.x0);
        }
    }

    #[test]
    fn without_signal_dps_moves_nothing_and_pseudoinverse_guidance_goes_to_its_limit() {
        let plain = gaussian(1.5, 0.5).denoise(0.0, state());
        let dps = measured(Likelihood::Dps { step: 0.8 });
        let ends = dps.endpoints(0.0, state());
        close(ends.x1, plain.clone());
        close(ends.x0, state());
        let exact = measured(Likelihood::Gaussian {
            sigma_data: 0.5,
            noise_std: 0.25,
        });
        // Of the prior mean 1.5 and the measurement, weighted by 1/s² = 4 and 1/σ_y² = 16.
        let posterior = |y: f64| (1.5 * 4.0 + y * 16.0) / 20.0;
        let x1 = [posterior(2.0), -0.75, 0.25, posterior(-1.0), -0.75, 0.25];
        let ends = exact.endpoints(0.0, state());
        close(ends.x1, tensor(&x1, [2, 3]));
        close(ends.x0, state());
    }
}
