//! Brownian motion as an argument of a method.
//!
//! Over an interval `[t, s]` of length h: `W = W_s − W_t ~ N(0, h)` and, independent of it, the space-time Lévy area
//! `H = (1/h)·∫_t^s (W_r − W_t) dr − ½W ~ N(0, h/12)`
//!
//! Source: Foster, dos Reis & Strange 2023, definition 1.2.

mod tree;

pub use tree::BrownianTree;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::{Noise, Stream};

/// A step of a solve, as a Brownian motion is asked about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// From.
    pub t: f64,
    /// To; before `t` where the solve runs backward.
    pub s: f64,
    /// How many steps the solve has taken before.
    pub step: u64,
}

/// A source of Brownian increments.
///
/// # Shapes
/// - shape: of the increment; like: any tensor of the device and float type that it is to have
pub trait BrownianMotion<B: Backend, const D: usize> {
    /// W over an interval.
    fn increment(&self, interval: Interval, shape: [usize; D], like: &Tensor<B, D>)
    -> Tensor<B, D>;

    /// W and H over an interval.
    fn increment_with_area(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>);
}

/// A Brownian motion that gives the same path however it is cut into intervals: what adaptive steps and refinements need.
pub trait Replays {}

impl<W: Replays + ?Sized> Replays for &W {}

/// A borrowed motion is the same motion.
impl<B: Backend, W: BrownianMotion<B, D> + ?Sized, const D: usize> BrownianMotion<B, D> for &W {
    fn increment(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> Tensor<B, D> {
        (**self).increment(interval, shape, like)
    }

    fn increment_with_area(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        (**self).increment_with_area(interval, shape, like)
    }
}

/// Increments for a fixed grid, at the cost of drawing them: step i of a solve has draws `first + i` of the sampler's stream.
///
/// The same grid gives the same path; another grid gives another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Increments {
    /// The source of the draws.
    pub noise: Noise,
    /// The stream's step that the first increment is drawn from.
    pub first: u64,
}

impl<B: Backend, const D: usize> BrownianMotion<B, D> for Increments {
    /// # Panics
    /// If the interval runs backward: its increment could not be told from that of another step.
    fn increment(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> Tensor<B, D> {
        let h = forward(interval);
        let mut draws = (self.noise).draws(Stream::Sampler, self.first + interval.step);
        draws.scaled_normal_tensor(h.sqrt(), shape, &like.device(), like.dtype())
    }

    fn increment_with_area(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let h = forward(interval);
        let mut draws = (self.noise).draws(Stream::Sampler, self.first + interval.step);
        let mut next = |std| draws.scaled_normal_tensor(std, shape, &like.device(), like.dtype());
        (next(h.sqrt()), next((h / 12.0).sqrt()))
    }
}

/// Scalar noise as all coordinates of a sample see it; any other noise as it is.
pub(crate) fn shared<B: Backend, const D: usize>(
    w: Tensor<B, D>,
    state: [usize; D],
) -> Tensor<B, D> {
    if w.dims() == state {
        w
    } else {
        w.expand(state)
    }
}

fn forward(Interval { t, s, .. }: Interval) -> f64 {
    assert!(
        s >= t,
        "increments of a grid run forward in time, not from {t} to {s}; take a BrownianTree"
    );
    s - t
}
