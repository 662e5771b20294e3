//! Classifier-free guidance, and guidance by a weaker model.
//!
//! `û = u + w·(c − u)`: w = 1 is the conditional model, w = 0 the unconditional one, w > 1
//! overshoots towards the condition
//!
//! Source: Ho & Salimans 2022, whose guidance strength is w − 1; Karras et al. 2024 ("Guiding a
//! diffusion model with a bad version of itself"), whose w is this one.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField, velocity_with_score_of};
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::combine;

/// A conditional and an unconditional field, combined. It is a field itself, so every solver takes
/// it.
///
/// `û = u + w·(c − u)`, for velocities, endpoints and scores
///
/// Source: Ho & Salimans 2022, eq. 6.
///
/// An evaluation costs one of each, except at w = 0 and w = 1, where the field of weight 0
/// is not run. Both must have the same schedule.
#[derive(Debug, Clone, Copy)]
pub struct Guided<C, U> {
    /// The field under the condition.
    pub conditional: C,
    /// The field under none, or a weaker one under the same condition.
    pub unconditional: U,
    /// w.
    pub weight: f64,
}

impl<C, U> Guided<C, U> {
    /// Autoguidance: away from a weaker model of the same distribution, under the same condition.
    ///
    /// `û = weak + w·(good − weak)`
    ///
    /// Source: Karras et al. 2024. The weaker model is smaller, or trained for a shorter time, in
    /// the same way; where both agree nothing changes, and where the weaker one errs more in the
    /// same direction, the error is taken out.
    pub fn auto(good: C, weak: U, weight: f64) -> Self {
        Self {
            conditional: good,
            unconditional: weak,
            weight,
        }
    }

    fn combine<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        conditional: impl FnOnce(&C, Tensor<B, D>) -> Tensor<B, D>,
        unconditional: impl FnOnce(&U, Tensor<B, D>) -> Tensor<B, D>,
    ) -> Tensor<B, D> {
        if self.weight == 1.0 {
            conditional(&self.conditional, x)
        } else if self.weight == 0.0 {
            unconditional(&self.unconditional, x)
        } else {
            let u = unconditional(&self.unconditional, x.clone());
            let c = conditional(&self.conditional, x);
            self.mix(c, u)
        }
    }

    fn mix<B: Backend, const D: usize>(&self, c: Tensor<B, D>, u: Tensor<B, D>) -> Tensor<B, D> {
        combine(u * (1.0 - self.weight), &[(self.weight, &c)])
    }

    /// The combination of two values.
    pub(super) fn mix_ends<B: Backend, const D: usize>(
        &self,
        c: Endpoints<B, D>,
        u: Endpoints<B, D>,
    ) -> Endpoints<B, D> {
        Endpoints {
            x0: self.mix(c.x0, u.x0),
            x1: self.mix(c.x1, u.x1),
        }
    }
}

impl<B, C, U, const D: usize> VectorField<B, D> for Guided<C, U>
where
    B: Backend,
    C: VectorField<B, D>,
    U: VectorField<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.velocity(t, x), |u, x| u.velocity(t, x))
    }
}

impl<B, C, U, const D: usize> Denoiser<B, D> for Guided<C, U>
where
    B: Backend,
    C: Denoiser<B, D>,
    U: Denoiser<B, D>,
{
    fn schedule(&self) -> &dyn Schedule {
        self.conditional.schedule()
    }

    /// At the fields that are run.
    fn is_defined(&self, t: f64) -> bool {
        (self.weight == 0.0 || self.conditional.is_defined(t))
            && (self.weight == 1.0 || self.unconditional.is_defined(t))
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.denoise(t, x), |u, x| u.denoise(t, x))
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        if self.weight == 1.0 {
            self.conditional.endpoints(t, x)
        } else if self.weight == 0.0 {
            self.unconditional.endpoints(t, x)
        } else {
            let u = self.unconditional.endpoints(t, x.clone());
            self.mix_ends(self.conditional.endpoints(t, x), u)
        }
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.noise(t, x), |u, x| u.noise(t, x))
    }

    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.score(t, x), |u, x| u.score(t, x))
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        match self.bridge_diffusion() {
            Some(_) => self.combine(
                x,
                |c, x| c.velocity_with_score(t, x, rate),
                |u, x| u.velocity_with_score(t, x, rate),
            ),
            None => velocity_with_score_of(self.schedule().at(t), self.endpoints(t, x), rate),
        }
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        self.conditional.bridge_diffusion()
    }
}

/// The variance is the conditional field's; at w = 0 the unconditional one's.
impl<B, C, U, const D: usize> LearnedVariance<B, D> for Guided<C, U>
where
    B: Backend,
    C: LearnedVariance<B, D>,
    U: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        if self.weight == 1.0 {
            self.conditional.endpoints_and_variance(t, x)
        } else if self.weight == 0.0 {
            self.unconditional.endpoints_and_variance(t, x)
        } else {
            let u = self.unconditional.endpoints(t, x.clone());
            let (c, variance) = self.conditional.endpoints_and_variance(t, x);
            (self.mix_ends(c, u), variance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        B, Counting, LINEAR, Law, close, gaussian, lies_on_path, state, values,
    };
    use super::*;
    use crate::guidance::Rescaled;

    type Field = Guided<Counting<Law>, Counting<Law>>;

    fn guided(weight: f64) -> Field {
        let (good, weak) = (gaussian(1.5, 0.5), gaussian(0.5, 1.0));
        Guided::auto(Counting::new(good, 0.25), Counting::new(weak, -0.5), weight)
    }

    /// A field that is defined everywhere or nowhere.
    #[derive(Clone, Copy)]
    struct Defined(bool);

    impl Denoiser<B, 2> for Defined {
        fn schedule(&self) -> &dyn Schedule {
            &LINEAR
        }

        fn is_defined(&self, _: f64) -> bool {
            self.0
        }

        fn denoise(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
            x
        }
    }

    #[test]
    fn both_ends_are_those_of_both_fields_combined() {
        let (field, x, t) = (guided(3.0), state(), 0.4);
        let ends = field.endpoints(t, x.clone());
        let (c, u) = (&field.conditional.field, &field.unconditional.field);
        let expected = |c: Tensor<B, 2>, u: Tensor<B, 2>| u.clone() + (c - u) * 3.0;
        let x1 = expected(c.denoise(t, x.clone()), u.denoise(t, x.clone()));
        let x0 = expected(c.noise(t, x.clone()), u.noise(t, x.clone()));
        close(ends.x1.clone(), x1);
        close(ends.x0.clone(), x0);
        lies_on_path(t, x, ends);
    }

    #[test]
    fn a_field_that_does_not_count_is_not_run() {
        for (weight, conditional, unconditional) in [(0.0, 0, 1), (1.0, 1, 0), (2.0, 1, 1)] {
            let run = |evaluate: &dyn Fn(&Field)| {
                let field = guided(weight);
                evaluate(&field);
                assert_eq!(
                    (
                        field.conditional.evaluations.get(),
                        field.unconditional.evaluations.get()
                    ),
                    (conditional, unconditional),
                    "weight {weight}"
                );
            };
            run(&|f| drop(f.endpoints(0.4, state())));
            run(&|f| drop(f.denoise(0.4, state())));
            run(&|f| drop(f.noise(0.4, state())));
            run(&|f| drop(f.score(0.4, state())));
            run(&|f| drop(f.endpoints_and_variance(0.4, state())));
        }
    }

    #[test]
    fn the_ends_are_defined_where_those_of_the_fields_that_count_are() {
        for (conditional, unconditional) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            for (weight, expected) in [
                (0.0, unconditional),
                (1.0, conditional),
                (2.0, conditional && unconditional),
            ] {
                let field = Guided {
                    conditional: Defined(conditional),
                    unconditional: Defined(unconditional),
                    weight,
                };
                assert_eq!(field.is_defined(0.4), expected, "weight {weight}");
                let both = conditional && unconditional;
                for (phi, expected) in [
                    (0.0, expected),
                    (0.7, if weight == 1.0 { conditional } else { both }),
                ] {
                    let rescaled = Rescaled { guided: field, phi };
                    assert_eq!(rescaled.is_defined(0.4), expected, "{weight} {phi}");
                }
            }
        }
    }

    #[test]
    fn the_variance_is_that_of_the_field_which_counts() {
        for (weight, expected) in [(0.0, -0.5), (1.0, 0.25), (2.0, 0.25)] {
            let field = guided(weight);
            let (ends, variance) = field.endpoints_and_variance(0.4, state());
            assert!(values(variance).iter().all(|&v| v == expected));
            close(ends.x1, field.denoise(0.4, state()));
        }
    }
}
