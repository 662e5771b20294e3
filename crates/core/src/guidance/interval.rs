//! Guidance in an interval of noise levels.
//!
//! `û = guided where low ≤ σ/α ≤ high, plain elsewhere`
//!
//! Source: Kynkäänniemi et al. 2024. At high noise guidance drops modes, at low noise it does
//! nothing.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::guidance::{ClassifierGuided, Guided, Rescaled};
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A guided field that gives access to the field it guides.
pub trait Guidance {
    /// The field without guidance.
    type Plain;

    /// The field without guidance.
    fn plain(&self) -> &Self::Plain;
}

/// The plain field is the conditional one.
impl<C, U> Guidance for Guided<C, U> {
    type Plain = C;

    fn plain(&self) -> &C {
        &self.conditional
    }
}

/// The plain field is the conditional one.
impl<C, U> Guidance for Rescaled<C, U> {
    type Plain = C;

    fn plain(&self) -> &C {
        &self.guided.conditional
    }
}

/// The plain field is the one that the classifier guides.
impl<F, K> Guidance for ClassifierGuided<F, K> {
    type Plain = F;

    fn plain(&self) -> &F {
        &self.field
    }
}

/// A guided field whose guidance acts only in an interval of noise levels; elsewhere only the
/// plain field is run.
///
/// `û = guided where low ≤ σ/α ≤ high, plain elsewhere`
///
/// Source: Kynkäänniemi et al. 2024; their noise level is σ at α = 1, so σ/α on any schedule. It is
/// infinite where α = 0.
///
/// An adaptive solver meets a jump at both ends of the interval, and shortens its steps there.
#[derive(Debug, Clone, Copy)]
pub struct Interval<G> {
    /// The guided field.
    pub guided: G,
    /// The lowest noise level σ/α with guidance, at least 0.
    pub low: f64,
    /// The highest, which may be infinite.
    pub high: f64,
}

impl<G> Interval<G> {
    fn holds(&self, c: Coefficients) -> bool {
        (self.low..=self.high).contains(&(c.sigma / c.alpha))
    }
}

impl<B, G, const D: usize> VectorField<B, D> for Interval<G>
where
    B: Backend,
    G: Guidance + VectorField<B, D> + Denoiser<B, D>,
    G::Plain: VectorField<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.velocity(t, x)
        } else {
            self.guided.plain().velocity(t, x)
        }
    }
}

impl<B, G, const D: usize> Denoiser<B, D> for Interval<G>
where
    B: Backend,
    G: Guidance + Denoiser<B, D>,
    G::Plain: Denoiser<B, D>,
{
    fn schedule(&self) -> &dyn Schedule {
        self.guided.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.guided.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.denoise(t, x)
        } else {
            self.guided.plain().denoise(t, x)
        }
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.velocity_with_score(t, x, rate)
        } else {
            self.guided.plain().velocity_with_score(t, x, rate)
        }
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        self.guided.bridge_diffusion()
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.endpoints(t, x)
        } else {
            self.guided.plain().endpoints(t, x)
        }
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.noise(t, x)
        } else {
            self.guided.plain().noise(t, x)
        }
    }

    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.score(t, x)
        } else {
            self.guided.plain().score(t, x)
        }
    }
}

impl<B, G, const D: usize> LearnedVariance<B, D> for Interval<G>
where
    B: Backend,
    G: Guidance + LearnedVariance<B, D>,
    G::Plain: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        if self.holds(self.guided.schedule().at(t)) {
            self.guided.endpoints_and_variance(t, x)
        } else {
            self.guided.plain().endpoints_and_variance(t, x)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Counting, close, gaussian, state};
    use super::*;

    #[test]
    fn outside_the_interval_the_conditional_field_is_run_alone() {
        let field = Interval {
            guided: Guided {
                conditional: Counting::new(gaussian(1.5, 0.5), 0.25),
                unconditional: Counting::new(gaussian(0.5, 1.0), -0.5),
                weight: 3.0,
            },
            low: 1.0,
            high: 3.0,
        };
        let counts = || {
            let Guided {
                conditional,
                unconditional,
                ..
            } = &field.guided;
            (
                conditional.evaluations.replace(0),
                unconditional.evaluations.replace(0),
            )
        };
        // On the linear path σ/α = (1 − t)/t: 4, 3, 3/2, 1 and 2/3, and infinite and 0 at the ends.
        for (t, inside) in [
            (0.0, false),
            (0.2, false),
            (0.25, true),
            (0.4, true),
            (0.5, true),
            (0.6, false),
            (1.0, false),
        ] {
            let expected = if inside { (1, 1) } else { (1, 0) };
            let ends = field.endpoints(t, state());
            assert_eq!(counts(), expected, "t = {t}");
            let weight = if inside { 3.0 } else { 1.0 };
            let guided = Guided {
                conditional: gaussian(1.5, 0.5),
                unconditional: gaussian(0.5, 1.0),
                weight,
            };
            close(ends.x1, guided.denoise(t, state()));
            close(ends.x0, guided.noise(t, state()));
            drop(field.denoise(t, state()));
            assert_eq!(counts(), expected, "t = {t}");
            drop(field.noise(t, state()));
            assert_eq!(counts(), expected, "t = {t}");
            drop(field.endpoints_and_variance(t, state()));
            assert_eq!(counts(), expected, "t = {t}");
            close(field.score(t, state()), guided.score(t, state()));
            assert_eq!(counts(), expected, "t = {t}");
        }
    }

    #[test]
    fn a_velocity_is_guided_in_the_interval_alone() {
        let guided = |weight| Guided {
            conditional: gaussian(1.5, 0.5),
            unconditional: gaussian(0.5, 1.0),
            weight,
        };
        let field = Interval {
            guided: guided(3.0),
            low: 0.0,
            high: 1.5,
        };
        for (t, weight) in [(0.0, 1.0), (0.3, 1.0), (0.5, 3.0), (1.0, 3.0)] {
            let expected = guided(weight).velocity(t, state());
            close(field.velocity(t, state()), expected);
        }
    }
}
