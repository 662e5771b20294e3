//! Predictor–corrector sampling.
//!
//! A predictor's step to s, then some steps of Langevin dynamics on p_s:
//! `x ← x + e·∇log p_s(x) + √(2e)·z, e = 2(r·σ_s)²`
//!
//! Source: Song et al. 2021 (score SDE), algorithms 1 and 4, whose step is
//! `e = 2(r·‖z‖/‖∇log p_s(x)‖)²` with norms averaged over the batch. (Their algorithm 5, for VP,
//! also multiplies e by 1 − β_i, which is 1 to within 2 %.)
//!
//! An average over the batch makes each sample depend on the others, and on how many are asked for.
//! The norms of a single sample would make e a function of x, and Langevin dynamics with the step
//! e(x) has the distribution p/e in place of p. So both norms are their root mean squares here: √d
//! for z, and √d/σ_s for the score `−E[x0 | x]/σ_s`, which data on a manifold of few dimensions
//! reach and no data exceed. This is the step of annealed Langevin dynamics (Song & Ermon 2019,
//! algorithm 1).

use crate::requirement::{Requirement, Sampler};
use crate::brownian::{BrownianMotion, Increments, Interval};
use crate::method::{Memory, Method, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// The corrector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Langevin {
    /// Steps after each step of the predictor; each costs an evaluation.
    pub steps: u64,
    /// r, the signal-to-noise ratio of a step: about 0.16.
    pub ratio: f64,
}

impl Default for Langevin {
    fn default() -> Self {
        Self {
            steps: 1,
            ratio: 0.16,
        }
    }
}

/// Any sampler, corrected by Langevin dynamics after each step, except a step to σ = 0, where there
/// is no score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictorCorrector<P> {
    /// The sampler that takes the steps in time.
    pub predictor: P,
    /// The corrector that follows each of them.
    pub corrector: Langevin,
    /// The source of the corrector's z, which must differ from the predictor's. Corrections take no
    /// time, so a path in time such as a [`BrownianTree`](crate::BrownianTree) has no increments
    /// for them.
    pub brownian: Increments,
}

/// The predictor's memory, and the number of corrections made.
#[derive(Debug, Clone, Default)]
pub struct Corrections<S> {
    predictor: S,
    steps: u64,
}

impl<P: Sampler> Sampler for PredictorCorrector<P> {
    fn name(&self) -> &'static str {
        "pc"
    }

    fn requirement(&self) -> Requirement {
        self.predictor.requirement()
    }

    /// Corrections keep the distribution at their time, so they work in either direction.
    fn adds_noise(&self) -> bool {
        self.predictor.adds_noise()
    }
}

impl<B: Backend, S: Memory<B, D>, const D: usize> Memory<B, D> for Corrections<S> {
    fn into_parts(self) -> Parts<B, D> {
        let mut parts = self.predictor.into_parts();
        parts.counts.push(self.steps);
        parts
    }

    fn from_parts(mut parts: Parts<B, D>) -> Self {
        Self {
            steps: parts.counts.pop().unwrap_or_default(),
            predictor: S::from_parts(parts),
        }
    }
}

impl<B, F, P, const D: usize> Method<B, F, D> for PredictorCorrector<P>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    P: Method<B, F, D>,
{
    type State = Corrections<P::State>;

    fn init(&self, field: &F, t: f64, x: &Tensor<B, D>) -> Self::State {
        Corrections {
            predictor: self.predictor.init(field, t, x),
            steps: 0,
        }
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State) {
        let (mut x, predictor) = self.predictor.step(field, t, s, x, state.predictor);
        let mut steps = state.steps;
        let sigma = field.schedule().at(s).sigma;
        let size = 2.0 * (self.corrector.ratio * sigma).powi(2);
        for _ in 0..if sigma > 0.0 { self.corrector.steps } else { 0 } {
            let unit = Interval {
                t: 0.0,
                s: 1.0,
                step: steps,
            };
            let z = self.brownian.increment(unit, x.dims(), &x);
            let score = field.score(s, x.clone());
            x = combine(x, &[(size, &score), ((2.0 * size).sqrt(), &z)]);
            steps += 1;
        }
        (x, Corrections { predictor, steps })
    }
}
