//! Predictor–corrector sampling.
//!
//! A predictor's step to s, then some steps of Langevin dynamics on p_s: `x ← x + e·g + √(2e)·z, e = 2(r·‖z‖/‖g‖)², g = ∇log p_s(x)`
//!
//! Source: Song et al. 2021 (score SDE), algorithms 1 and 4; norms are means over the batch. (Their algorithm 5, for VP, has a further
//! factor 1 − β_i of one step in a thousand, which is 1 up to 2 %.)

use crate::brownian::{BrownianMotion, Increments, Interval};
use crate::method::{Memory, Method, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;

/// The corrector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Langevin {
    /// Steps after each of the predictor's, an evaluation each.
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

/// Any sampler, corrected by Langevin dynamics after each step but one to σ = 0, where there is no score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictorCorrector<P> {
    /// The sampler that takes the steps in time.
    pub predictor: P,
    /// What follows each of them.
    pub corrector: Langevin,
    /// The source of the corrector's z, which has to be another than the predictor's. Corrections take no time, so a path in time such as a
    /// [`BrownianTree`](crate::BrownianTree) has no increments for them.
    pub brownian: Increments,
}

/// The predictor's memory, and the corrections made.
#[derive(Debug, Clone)]
pub struct Corrections<S> {
    of_predictor: S,
    steps: u64,
}

/// The predictor's steps and the corrections share a count, which is enough for both to be told apart: it is the corrections' times a
/// number that no predictor reaches, plus the predictor's.
const APART: u64 = 1 << 32;

impl<B: Backend, S: Memory<B, D>, const D: usize> Memory<B, D> for Corrections<S> {
    fn into_parts(self) -> Parts<B, D> {
        let parts = self.of_predictor.into_parts();
        Parts {
            steps: parts.steps + APART * self.steps,
            ..parts
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        Self {
            steps: parts.steps / APART,
            of_predictor: S::from_parts(Parts {
                steps: parts.steps % APART,
                ..parts
            }),
        }
    }
}

/// The mean over the batch of the norm of a sample, as a tensor of one element.
fn norm<B: Backend, const D: usize>(x: &Tensor<B, D>) -> Tensor<B, D> {
    let batch = x.dims()[0];
    let size = x.shape().num_elements() / batch.max(1);
    let flat: Tensor<B, 2> = x.clone().reshape([batch, size]);
    flat.square().sum_dim(1).sqrt().mean().reshape([1; D])
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
            of_predictor: self.predictor.init(field, t, x),
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
        let (mut x, of_predictor) = self.predictor.step(field, t, s, x, state.of_predictor);
        let c = field.schedule().at(s);
        let mut steps = state.steps;
        for _ in 0..(if c.sigma > 0.0 {
            self.corrector.steps
        } else {
            0
        }) {
            let unit = Interval {
                t: 0.0,
                s: 1.0,
                step: steps,
            };
            let z = self.brownian.increment(unit, x.dims(), &x);
            let score = field.score(s, x.clone());
            let size = (norm(&z) / norm(&score) * self.corrector.ratio).square() * 2.0;
            x = x + score * size.clone() + z * (size * 2.0).sqrt();
            steps += 1;
        }
        (
            x,
            Corrections {
                of_predictor,
                steps,
            },
        )
    }
}
