//! Langevin dynamics: a diffusion whose stationary distribution is the target.
//!
//! `dX = ½g²·∇ln p(X) dt + g dW`
//!
//! Source: Roberts & Tweedie 1996. Unadjusted, it is [`EulerMaruyama`](crate::EulerMaruyama) on
//! [`LangevinDynamics`], whose distribution is wrong by O(h). Adjusted, a Metropolis–Hastings test
//! makes it exact.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, ElementConversion};
use pyroclast_core::field::{Additive, Diffusion, LogDensity, Sde};
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::per_sample::PerSample;
use pyroclast_kernels::combine;

/// Langevin dynamics as an SDE, which any SDE method can solve.
#[derive(Debug, Clone, Copy)]
pub struct LangevinDynamics<P> {
    /// The distribution that it leaves unchanged.
    pub target: P,
    /// g > 0. It changes only the speed, which is proportional to g².
    pub level: f64,
}

impl<B: Backend, P: LogDensity<B, D>, const D: usize> Sde<B, D> for LangevinDynamics<P> {
    type Calculus = Additive;

    fn drift(&self, _: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.target.score(x) * (0.5 * self.level * self.level)
    }

    fn diffusion(&self, _: f64, _: &Tensor<B, D>) -> Diffusion<B, D> {
        Diffusion::Level(self.level)
    }
}

/// The Metropolis-adjusted Langevin algorithm. It is exact for any step, but slow if the step is
/// too long (acceptance near 0) or too short (near 1). In many dimensions about .57 is best
/// (Roberts & Rosenthal 1998).
///
/// `y = x + ½h·∇ln p(x) + √h·ξ`, accepted with probability `min(1, p(y)·q(x|y)/(p(x)·q(y|x)))`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdjustedLangevin {
    /// The step h, in the time of the SDE with g = 1.
    pub step: f64,
    /// The source of proposals and tests.
    pub noise: Noise,
    /// The step of the sampler's stream from which the first proposal is drawn.
    pub first: u64,
}

/// The chains after some steps.
#[derive(Debug, Clone)]
pub struct Chains<B: Backend, const D: usize> {
    /// The state of each chain.
    pub x: Tensor<B, D>,
    /// The share of proposals that were accepted, over all chains.
    pub acceptance: f64,
}

impl AdjustedLangevin {
    /// Runs a chain from each row of x. It reads from the device once, at the end.
    ///
    /// A proposal whose density is undefined is rejected.
    ///
    /// # Panics
    /// If the step is not positive.
    pub fn run<B: Backend, P: LogDensity<B, D>, const D: usize>(
        &self,
        target: &P,
        x: Tensor<B, D>,
        steps: usize,
    ) -> Chains<B, D> {
        let h = self.step;
        assert!(h > 0.0, "a step of {h} proposes nothing");
        let mut here = Place::of(target, x);
        let batch = here.x.dims()[0];
        let per_sample = PerSample::like(&here.x);
        let mut accepted: Option<Tensor<B, 1>> = None;
        for i in 0..steps {
            let mut draws = self.noise.draws(Stream::Sampler, self.first + i as u64);
            let (device, dtype) = (here.x.device(), here.x.dtype());
            let xi = draws.normal_tensor(here.x.dims(), &device, dtype);
            let tests = draws.uniforms(batch).into_iter().map(f64::ln);
            let there = Place::of(
                target,
                combine(here.x.clone(), &[(0.5 * h, &here.score), (h.sqrt(), &xi)]),
            );
            let ratio = there.log_density.clone() - here.log_density.clone()
                + there.log_transition(&here, h)
                - here.log_transition(&there, h);
            let keep: Tensor<B, 1, Bool> = ratio.greater(per_sample.flat(tests));
            let count = keep.clone().float().sum();
            accepted = Some(match accepted {
                Some(sum) => sum + count,
                None => count,
            });
            here = here.moved(there, keep);
        }
        let accepted = accepted.map_or(0.0, |sum| sum.into_scalar().elem::<f64>());
        Chains {
            x: here.x,
            acceptance: accepted / (steps * batch).max(1) as f64,
        }
    }
}

/// States, with the target's score and log-density there.
struct Place<B: Backend, const D: usize> {
    x: Tensor<B, D>,
    score: Tensor<B, D>,
    log_density: Tensor<B, 1>,
}

impl<B: Backend, const D: usize> Place<B, D> {
    fn of(target: &impl LogDensity<B, D>, x: Tensor<B, D>) -> Self {
        Self {
            score: target.score(x.clone()),
            log_density: target.log_density(x.clone()),
            x,
        }
    }

    /// `ln q(to | self)` up to a constant: `−‖to − x − ½h·score‖²/2h`.
    fn log_transition(&self, to: &Self, h: f64) -> Tensor<B, 1> {
        let miss = combine(to.x.clone(), &[(-1.0, &self.x), (-0.5 * h, &self.score)]);
        let batch = miss.dims()[0];
        let width = miss.shape().num_elements() / batch.max(1);
        let squares: Tensor<B, 2> = miss.square().reshape([batch, width]);
        squares.sum_dim(1).squeeze_dim::<1>(1) * (-0.5 / h)
    }

    fn moved(self, there: Self, keep: Tensor<B, 1, Bool>) -> Self {
        let mut shape = [1; D];
        shape[0] = keep.dims()[0];
        let wide = keep.clone().reshape(shape).expand(self.x.shape());
        Self {
            x: self.x.mask_where(wide.clone(), there.x),
            score: self.score.mask_where(wide, there.score),
            log_density: self.log_density.mask_where(keep, there.log_density),
        }
    }
}
