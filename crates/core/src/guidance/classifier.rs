//! Classifier guidance.
//!
//! `∇log p_t(x|y) = ∇log p_t(x) + w·∇log p_t(y|x)`, so `x̂0 ← x̂0 − wσ·∇log p_t(y|x)`,
//! `x̂1 ← x̂1 + wσ²/α·∇log p_t(y|x)`
//!
//! Source: Song et al. 2021, §5 and appendix I; Dhariwal & Nichol 2021, algorithms 1 and 2. The
//! gradient is one pass forward and one backward on `Autodiff<B>`, which this module wraps around
//! the caller's backend.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::probability_flow::velocity_of;
use crate::schedule::Schedule;
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The log-likelihood of a condition given a noisy state: a classifier of x_t, with one class per
/// sample, or any other reward.
///
/// `log p_t(y|x)`, up to a constant
///
/// Implemented for closures `|t: f64, x: Tensor<Autodiff<B>, D>| …`, which hold their labels.
///
/// # Shapes
/// - x: `[batch, …]`, and one number per sample: `[batch]`
pub trait LogLikelihood<B: Backend, const D: usize> {
    /// `log p_t(y|x)`.
    fn log_likelihood(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 1>;
}

impl<B, K, const D: usize> LogLikelihood<B, D> for K
where
    B: Backend,
    K: Fn(f64, Tensor<B, D>) -> Tensor<B, 1>,
{
    fn log_likelihood(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 1> {
        self(t, x)
    }
}

/// A denoiser under the guidance of a classifier, which lives on the autodiff backend over the
/// denoiser's.
///
/// `x̂0 ← x̂0 − wσ·∇log p_t(y|x)`, `x̂1 ← x̂1 + wσ²/α·∇log p_t(y|x)`
///
/// Source: Dhariwal & Nichol 2021, §4; w = 1 with the exact classifier is the exact conditional
/// distribution.
///
/// An evaluation costs one of the denoiser, and one of the classifier with its gradient; at w = 0
/// the classifier is not run.
///
/// Where α = 0 a state carries no information about the class: the exact gradient vanishes like α,
/// but its product with σ²/α is unknown, so both endpoints and the score stay as they are. Start a
/// method of high order a little after such an end, or its first step is not guided.
#[derive(Debug, Clone, Copy)]
pub struct ClassifierGuided<F, K> {
    /// The denoiser.
    pub field: F,
    /// The classifier.
    pub classifier: K,
    /// w.
    pub weight: f64,
}

impl<F, K> ClassifierGuided<F, K> {
    /// `w·∇log p_t(y|x)`.
    fn gradient<B: Backend, const D: usize>(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>
    where
        K: LogLikelihood<Autodiff<B>, D>,
    {
        let leaf = Tensor::<Autodiff<B>, D>::from_inner(x.clone()).require_grad();
        let likelihood = self.classifier.log_likelihood(t, leaf.clone());
        let gradients = likelihood.sum().backward();
        match leaf.grad(&gradients) {
            Some(gradient) => gradient * self.weight,
            // A classifier that does not depend on x.
            None => x.zeros_like(),
        }
    }
}

impl<B, F, K, const D: usize> VectorField<B, D> for ClassifierGuided<F, K>
where
    B: Backend,
    F: Denoiser<B, D>,
    K: LogLikelihood<Autodiff<B>, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B, F, K, const D: usize> Denoiser<B, D> for ClassifierGuided<F, K>
where
    B: Backend,
    F: Denoiser<B, D>,
    K: LogLikelihood<Autodiff<B>, D>,
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
        let ends = self.field.endpoints(t, x.clone());
        if self.weight == 0.0 {
            return ends;
        }
        ends.with_added_score(self.field.schedule().at(t), self.gradient(t, x))
    }

    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let score = self.field.score(t, x.clone());
        if self.weight == 0.0 || self.field.schedule().at(t).alpha == 0.0 {
            return score;
        }
        score + self.gradient(t, x)
    }
}

impl<B, F, K, const D: usize> LearnedVariance<B, D> for ClassifierGuided<F, K>
where
    B: Backend,
    F: LearnedVariance<B, D>,
    K: LogLikelihood<Autodiff<B>, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let (ends, variance) = self.field.endpoints_and_variance(t, x.clone());
        if self.weight == 0.0 {
            return (ends, variance);
        }
        let ends = ends.with_added_score(self.field.schedule().at(t), self.gradient(t, x));
        (ends, variance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        B, Counting, LINEAR, close, gaussian, lies_on_path, state, values,
    };
    use super::*;

    /// `−½‖x‖²`, whose gradient is −x.
    fn near_zero(_: f64, x: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 1> {
        x.square().sum_dim(1).squeeze_dim(1) * -0.5
    }

    #[test]
    fn the_score_gains_the_gradient_and_the_path_still_leads_through_the_state() {
        let (t, x) = (0.4, state());
        let field = ClassifierGuided {
            field: Counting::new(gaussian(1.5, 0.5), 0.25),
            classifier: near_zero,
            weight: 2.0,
        };
        let ends = field.endpoints(t, x.clone());
        assert_eq!(field.field.evaluations.get(), 1);
        let c = LINEAR.at(t);
        close(
            ends.x0.clone() / -c.sigma,
            gaussian(1.5, 0.5).score(t, x.clone()) - x.clone() * 2.0,
        );
        close(field.score(t, x.clone()), ends.x0.clone() / -c.sigma);
        close(field.denoise(t, x.clone()), ends.x1.clone());
        let (same, variance) = field.endpoints_and_variance(t, x.clone());
        close(same.x1, ends.x1.clone());
        assert!(values(variance).iter().all(|&v| v == 0.25));
        lies_on_path(t, x, ends);
    }

    #[test]
    fn at_no_weight_the_classifier_is_not_run() {
        let field = ClassifierGuided {
            field: gaussian(1.5, 0.5),
            classifier: |_: f64, _: Tensor<Autodiff<B>, 2>| -> Tensor<Autodiff<B>, 1> {
                panic!("the classifier is run")
            },
            weight: 0.0,
        };
        close(
            field.denoise(0.4, state()),
            field.field.denoise(0.4, state()),
        );
        close(field.score(0.4, state()), field.field.score(0.4, state()));
    }

    #[test]
    fn a_classifier_that_does_not_look_changes_nothing() {
        let field = ClassifierGuided {
            field: gaussian(1.5, 0.5),
            classifier: |_: f64, x: Tensor<Autodiff<B>, 2>| -> Tensor<Autodiff<B>, 1> {
                Tensor::ones([x.dims()[0]], (&x.device(), x.dtype()))
            },
            weight: 3.0,
        };
        close(
            field.denoise(0.4, state()),
            field.field.denoise(0.4, state()),
        );
    }

    #[test]
    fn at_the_ends_of_the_path_nothing_is_infinite() {
        let field = ClassifierGuided {
            field: gaussian(1.5, 0.5),
            classifier: near_zero,
            weight: 2.0,
        };
        close(
            field.denoise(0.0, state()),
            field.field.denoise(0.0, state()),
        );
        close(field.endpoints(0.0, state()).x0, state());
        close(field.score(0.0, state()), -state());
        close(field.denoise(1.0, state()), state());
        let expected = field.field.score(1.0, state()) - state() * 2.0;
        close(field.score(1.0, state()), expected);
    }
}
