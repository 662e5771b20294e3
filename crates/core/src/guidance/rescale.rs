//! Rescaled classifier-free guidance.
//!
//! `x̂1 ← φ·x̂1·std(c1)/std(x̂1) + (1 − φ)·x̂1`: guidance that keeps the spread of the conditional
//! field's data
//!
//! Source: Lin et al. 2024, §3.4, there on the model's output; here on the data x̂1, whatever the
//! model puts out.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField, velocity_with_score_of};
use crate::guidance::Guided;
use crate::probability_flow::velocity_of;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Guidance whose x̂1 is rescaled to the standard deviation of the conditional field's, per
/// sample.
///
/// `x̂1 ← φ·x̂1·std(c1)/std(x̂1) + (1 − φ)·x̂1`, and x̂0 keeps the path through x; where σ = 0, x̂0
/// is that of the guided field
///
/// Source: Lin et al. 2024, §3.4. φ = 0 is plain guidance; theirs is 0.7 with a weight of 7.5.
///
/// It is made for images: over the few entries of a vector a standard deviation is no statistic,
/// and the quotient of two of them is near 0 or huge by chance.
///
/// An evaluation costs one of each field; at a weight of 1, where nothing is rescaled, one of the
/// conditional field. A sample whose x̂1 has no spread stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct Rescaled<C, U> {
    /// The guidance.
    pub guided: Guided<C, U>,
    /// φ, in [0, 1].
    pub phi: f64,
}

impl<C, U> Rescaled<C, U> {
    fn is_plain(&self) -> bool {
        self.phi == 0.0 || self.guided.weight == 1.0
    }

    fn rescaled<B: Backend, const D: usize>(
        &self,
        t: f64,
        schedule: &dyn Schedule,
        c: Endpoints<B, D>,
        u: Endpoints<B, D>,
    ) -> Endpoints<B, D> {
        let std = spread(c.x1.clone());
        let guided = self.guided.mix_ends(c, u);
        let own = spread(guided.x1.clone());
        let flat = own.clone().equal_elem(0.0);
        let factor = (std / own * self.phi + (1.0 - self.phi)).mask_fill(flat, 1.0);
        let x1 = guided.x1.clone() * factor;
        guided.with_data(schedule.at(t), x1)
    }
}

/// The standard deviation of each sample's entries: `[batch, 1, …]`.
fn spread<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let mut shape = [1; D];
    shape[0] = x.dims()[0];
    let size = x.dims()[1..].iter().product();
    let x: Tensor<B, 2> = x.reshape([shape[0], size]);
    let centred = x.clone() - x.mean_dim(1);
    centred.square().mean_dim(1).sqrt().reshape(shape)
}

impl<B, C, U, const D: usize> VectorField<B, D> for Rescaled<C, U>
where
    B: Backend,
    C: VectorField<B, D> + Denoiser<B, D>,
    U: VectorField<B, D> + Denoiser<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        // A velocity that is read off the endpoints is undefined where Δ = 0, the fields' own is
        // not.
        if self.is_plain() {
            return self.guided.velocity(t, x);
        }
        velocity_of(self, t, x)
    }
}

impl<B, C, U, const D: usize> Denoiser<B, D> for Rescaled<C, U>
where
    B: Backend,
    C: Denoiser<B, D>,
    U: Denoiser<B, D>,
{
    fn schedule(&self) -> &dyn Schedule {
        self.guided.conditional.schedule()
    }

    /// The spread is the conditional field's, so a rescaled end needs both fields even at a weight
    /// of 0.
    fn is_defined(&self, t: f64) -> bool {
        let Guided {
            conditional,
            unconditional,
            ..
        } = &self.guided;
        if self.is_plain() {
            self.guided.is_defined(t)
        } else {
            conditional.is_defined(t) && unconditional.is_defined(t)
        }
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x1
    }

    /// Where nothing is rescaled it is that of the guidance.
    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        if self.is_plain() {
            return self.guided.velocity_with_score(t, x, rate);
        }
        velocity_with_score_of(self.schedule().at(t), self.endpoints(t, x), rate)
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        self.guided.bridge_diffusion().filter(|_| self.is_plain())
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let Guided {
            conditional,
            unconditional,
            ..
        } = &self.guided;
        if self.is_plain() {
            return self.guided.endpoints(t, x);
        }
        let u = unconditional.endpoints(t, x.clone());
        let c = conditional.endpoints(t, x);
        self.rescaled(t, conditional.schedule(), c, u)
    }
}

/// The variance is the conditional field's.
impl<B, C, U, const D: usize> LearnedVariance<B, D> for Rescaled<C, U>
where
    B: Backend,
    C: LearnedVariance<B, D>,
    U: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let Guided {
            conditional,
            unconditional,
            ..
        } = &self.guided;
        if self.is_plain() {
            return self.guided.endpoints_and_variance(t, x);
        }
        let u = unconditional.endpoints(t, x.clone());
        let (c, variance) = conditional.endpoints_and_variance(t, x);
        (self.rescaled(t, conditional.schedule(), c, u), variance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        B, Counting, Law, close, gaussian, lies_on_path, state, tensor, values,
    };
    use super::*;
    use crate::schedule::Polynomial;

    fn rescaled(weight: f64, phi: f64) -> Rescaled<Counting<Law>, Counting<Law>> {
        Rescaled {
            guided: Guided {
                conditional: Counting::new(gaussian(1.5, 0.5), 0.25),
                unconditional: Counting::new(gaussian(0.5, 1.0), -0.5),
                weight,
            },
            phi,
        }
    }

    /// Of each row, on the host.
    fn deviations(x: Tensor<B, 2>) -> Vec<f64> {
        let deviation = |row: &[f64]| {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let squares: f64 = row.iter().map(|v| (v - mean).powi(2)).sum();
            (squares / row.len() as f64).sqrt()
        };
        values(x).chunks(3).map(deviation).collect()
    }

    #[test]
    fn each_sample_has_the_spread_of_the_conditional_field() {
        let (field, t) = (rescaled(4.0, 1.0), 0.4);
        let ends = field.endpoints(t, state());
        let expected = deviations(field.guided.conditional.field.denoise(t, state()));
        let guided = deviations(field.guided.denoise(t, state()));
        for ((got, expected), guided) in
            (deviations(ends.x1.clone()).iter().zip(expected)).zip(guided)
        {
            assert!((got - expected).abs() < 1e-13, "{got} {expected}");
            assert!((guided - expected).abs() > 0.1, "nothing to rescale");
        }
        lies_on_path(t, state(), ends);
    }

    #[test]
    fn phi_mixes_with_plain_guidance() {
        let at = |phi| rescaled(4.0, phi).denoise(0.4, state());
        close(at(0.0), rescaled(4.0, 0.0).guided.denoise(0.4, state()));
        close(at(0.3), at(0.0) * 0.7 + at(1.0) * 0.3);
    }

    #[test]
    fn an_evaluation_costs_one_of_each_field_and_the_variance_is_the_conditional_one() {
        for (weight, counts) in [(4.0, (1, 1)), (1.0, (1, 0)), (0.0, (1, 1))] {
            let field = rescaled(weight, 0.7);
            let (_, variance) = field.endpoints_and_variance(0.4, state());
            assert!(values(variance).iter().all(|&v| v == 0.25));
            let Guided {
                conditional,
                unconditional,
                ..
            } = &field.guided;
            let spent = || {
                (
                    conditional.evaluations.replace(0),
                    unconditional.evaluations.replace(0),
                )
            };
            assert_eq!(spent(), counts);
            drop(field.velocity(0.4, state()));
            assert_eq!(spent(), counts);
        }
    }

    /// A velocity x + `shift` on a path whose Δ is 0 at t = 0, and endpoints that cannot be found
    /// there.
    struct Shifted {
        shift: f64,
        schedule: Polynomial,
    }

    impl VectorField<B, 2> for Shifted {
        fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
            x + self.shift
        }
    }

    impl Denoiser<B, 2> for Shifted {
        fn schedule(&self) -> &dyn Schedule {
            &self.schedule
        }

        fn denoise(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
            let c = self.schedule.at(t);
            let u = self.velocity(t, x.clone());
            crate::prediction::Prediction::Velocity.decode(c, x, u).x1
        }
    }

    #[test]
    fn plain_guidance_mixes_velocities_where_they_do_not_tell_the_ends() {
        let shifted = |shift| Shifted {
            shift,
            schedule: Polynomial { degree: 2.0 },
        };
        for (weight, phi, expected) in [(3.0, 0.0, 2.5), (1.0, 0.7, 1.5)] {
            let guided = Guided {
                conditional: shifted(1.5),
                unconditional: shifted(1.0),
                weight,
            };
            let field = Rescaled { guided, phi };
            close(field.velocity(0.0, state()), state() + expected);
        }
    }

    #[test]
    fn a_sample_without_spread_stays_as_it_is() {
        // At t = 0 x̂1 is the mean of either distribution, here one number.
        let constant = |c: f64| Law {
            mean: tensor(&[c, c, c], [1, 3]),
            ..gaussian(0.0, 0.5)
        };
        let guided = Guided {
            conditional: constant(1.0),
            unconditional: constant(0.5),
            weight: 4.0,
        };
        let field = Rescaled { guided, phi: 1.0 };
        close(
            field.denoise(0.0, state()),
            field.guided.denoise(0.0, state()),
        );
    }

    #[test]
    fn without_noise_the_noise_end_is_that_of_the_guided_field() {
        let field = rescaled(4.0, 1.0);
        let expected = field.guided.endpoints(1.0, state()).x0;
        close(field.endpoints(1.0, state()).x0, expected);
    }
}
