//! Inpainting: some entries of the data are known.
//!
//! `x ← m·(αk + σn) + (1 − m)·x` before each evaluation, and `x̂1 = m·k + (1 − m)·x̂1`,
//! `x̂0 = m·n + (1 − m)·x̂0` after it
//!
//! Source: Song et al. 2021, §5 and appendix I.2; Lugmayr et al. 2022, eq. 8. There the noise is
//! drawn again for each step.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A field whose known entries are kept on the path from their noise to their values, by
/// replacement.
///
/// `x ← m·(αk + σn) + (1 − m)·x`, `u = m·(α̇k + σ̇n) + (1 − m)·u(x)`
///
/// Source: Song et al. 2021, §5 and appendix I.2; Lugmayr et al. 2022, eq. 8.
///
/// The free entries see the known ones at their own noise level; they are not drawn from the exact
/// conditional distribution, which replacement does not reach.
///
/// A sampler that ends on x̂1 (DDPM, DDIM) ends with the known entries exactly, whatever it starts
/// from. A solver that adds up velocities keeps the offset of its start: begin with
/// [`Inpainted::on_path`] at the first time. One that adds noise of its own (an SDE) lets the known
/// entries of the state wander, though no evaluation sees it: put them back with
/// [`Inpainted::on_path`] at the last time.
///
/// # Shapes
/// - known, mask, noise: those of the state, or 1 along axes that they are broadcast along
#[derive(Debug, Clone)]
pub struct Inpainted<F, B: Backend, const D: usize> {
    /// The field.
    pub field: F,
    /// k: the data, where they are known; anything finite elsewhere.
    pub known: Tensor<B, D>,
    /// m: 1 where the data are known, 0 elsewhere.
    pub mask: Tensor<B, D>,
    /// n: the noise that the known entries come from, N(0, I).
    pub noise: Tensor<B, D>,
}

impl<F, B: Backend, const D: usize> Inpainted<F, B, D> {
    /// The state with its known entries on their path: `m·(αk + σn) + (1 − m)·x`.
    pub fn on_path(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>
    where
        F: Denoiser<B, D>,
    {
        let Coefficients { alpha, sigma, .. } = self.field.schedule().at(t);
        let path = self.known.clone() * alpha + self.noise.clone() * sigma;
        self.replace(x, path)
    }

    /// `m·known + (1 − m)·free`.
    fn replace(&self, free: Tensor<B, D>, known: Tensor<B, D>) -> Tensor<B, D> {
        free * (-self.mask.clone() + 1.0) + known * self.mask.clone()
    }

    fn replace_ends(&self, ends: Endpoints<B, D>) -> Endpoints<B, D> {
        Endpoints {
            x0: self.replace(ends.x0, self.noise.clone()),
            x1: self.replace(ends.x1, self.known.clone()),
        }
    }
}

impl<B, F, const D: usize> VectorField<B, D> for Inpainted<F, B, D>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.field.schedule().at(t);
        let free = self.field.velocity(t, self.on_path(t, x));
        let path = self.known.clone() * c.d_alpha + self.noise.clone() * c.d_sigma;
        self.replace(free, path)
    }
}

impl<B, F, const D: usize> Denoiser<B, D> for Inpainted<F, B, D>
where
    B: Backend,
    F: Denoiser<B, D>,
{
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.field.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let x1 = self.field.denoise(t, self.on_path(t, x));
        self.replace(x1, self.known.clone())
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.replace_ends(self.field.endpoints(t, self.on_path(t, x)))
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for Inpainted<F, B, D>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let x = self.on_path(t, x);
        let (ends, variance) = self.field.endpoints_and_variance(t, x);
        (self.replace_ends(ends), variance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{B, Counting, LINEAR, close, gaussian, state, tensor, values};
    use super::*;
    use crate::probability_flow::velocity_of;

    fn inpainted<F>(field: F) -> Inpainted<F, B, 2> {
        Inpainted {
            field,
            known: tensor(&[2.0, -3.0, 9.0], [1, 3]),
            mask: tensor(&[1.0, 1.0, 0.0], [1, 3]),
            noise: tensor(&[0.5, -0.5, 1.0, -1.5, 0.25, 2.0], [2, 3]),
        }
    }

    #[test]
    fn known_entries_have_their_own_ends_and_free_ones_the_fields() {
        let field = inpainted(Counting::new(gaussian(1.5, 0.5), 0.25));
        let (t, x) = (0.25, state());
        let (ends, variance) = field.endpoints_and_variance(t, x.clone());
        assert!(values(variance).iter().all(|&v| v == 0.25));
        assert_eq!(field.field.evaluations.get(), 1);
        let (x0, x1) = (values(ends.x0), values(ends.x1.clone()));
        assert_eq!([&x1[..2], &x1[3..5]].concat(), [2.0, -3.0, 2.0, -3.0]);
        assert_eq!([&x0[..2], &x0[3..5]].concat(), [0.5, -0.5, -1.5, 0.25]);
        // The entries of an isotropic Gaussian are independent.
        let plain = gaussian(1.5, 0.5).endpoints(t, x.clone());
        let (plain0, plain1) = (values(plain.x0), values(plain.x1));
        assert_eq!([x0[2], x0[5]], [plain0[2], plain0[5]]);
        assert_eq!([x1[2], x1[5]], [plain1[2], plain1[5]]);
        close(field.denoise(t, x.clone()), ends.x1);
        let field = inpainted(gaussian(1.5, 0.5));
        close(field.velocity(t, x.clone()), velocity_of(&field, t, x));
    }

    #[test]
    fn the_field_sees_known_entries_at_their_noise_level() {
        let field = inpainted(gaussian(1.5, 0.5));
        let x = field.on_path(0.25, state());
        let expected = [
            0.5 + 0.375,
            -0.75 - 0.375,
            2.0,
            0.5 - 1.125,
            -0.75 + 0.1875,
            -0.4,
        ];
        close(x.clone(), tensor(&expected, [2, 3]));
        let c = LINEAR.at(0.25);
        let ends = field.endpoints(0.25, state());
        close(ends.x1 * c.alpha + ends.x0 * c.sigma, x);
    }
}
