//! Brownian motion as an argument of a method.
//!
//! Over an interval `[t, s]` of length h: `W = W_s − W_t ~ N(0, h)` and, independent of it, the
//! space-time Lévy area `H = (1/h)·∫_t^s (W_r − W_t) dr − ½W ~ N(0, h/12)`
//!
//! Source: Foster, dos Reis & Strange 2023, definition 1.2.

mod tree;

pub use tree::BrownianTree;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::{Noise, Stream};

/// A step of a solve, for which a Brownian motion gives its increment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The start of the step.
    pub t: f64,
    /// The end of the step, earlier than `t` if the solve runs backward.
    pub s: f64,
    /// The number of steps that the solve has taken before this one.
    pub step: u64,
}

/// A source of Brownian increments.
///
/// # Shapes
/// - shape: the shape of the increment
/// - like: any tensor on the device and with the float type that the increment should have
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

/// A Brownian motion that gives the same path however it is divided into intervals, as adaptive
/// steps and refinements need.
pub trait Replays {
    /// Where a step from t that may reach s should end: a time near s, and not beyond it, at which
    /// the path is quick to find. By default s.
    ///
    /// A path is rough, so steps that end a rounding apart have increments that differ by much
    /// more. Ends on a coarse lattice are the same on every backend.
    fn landing(&self, t: f64, s: f64) -> f64 {
        let _ = t;
        s
    }
}

impl<W: Replays + ?Sized> Replays for &W {
    fn landing(&self, t: f64, s: f64) -> f64 {
        (**self).landing(t, s)
    }
}

/// A borrowed Brownian motion is the same one.
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

/// Independent increments for a fixed grid: step i of a solve uses draws `first + i` of the
/// sampler's stream.
///
/// The same grid gives the same path, and another grid another path.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::field::{Additive, Diffusion, Sde};
/// use pyroclast_core::noise::Noise;
/// use pyroclast_solvers::{EulerMaruyama, Increments, TimeGrid, integrate};
///
/// /// The Ornstein–Uhlenbeck process `dX = −X dt + √2 dW`, with N(0, 1) as its stationary
/// /// distribution.
/// struct OrnsteinUhlenbeck;
///
/// impl Sde<NdArray, 2> for OrnsteinUhlenbeck {
///     type Calculus = Additive;
///
///     fn drift(&self, _: f64, x: Tensor<NdArray, 2>) -> Tensor<NdArray, 2> {
///         -x
///     }
///
///     fn diffusion(&self, _: f64, _: &Tensor<NdArray, 2>) -> Diffusion<NdArray, 2> {
///         Diffusion::Level(2_f64.sqrt())
///     }
/// }
///
/// let method = EulerMaruyama { brownian: Increments { noise: Noise::new(0), first: 0 } };
/// let x = Tensor::zeros([10_000, 1], &Default::default());
/// let grid = TimeGrid::uniform(0.0, 5.0, 200);
/// let end = integrate(&OrnsteinUhlenbeck, &method, x, &grid);
/// let variance = end.square().mean().into_scalar();
/// assert!((variance - 1.0).abs() < 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Increments {
    /// The source of the draws.
    pub noise: Noise,
    /// The step of the stream from which the first increment is drawn.
    pub first: u64,
}

impl<B: Backend, const D: usize> BrownianMotion<B, D> for Increments {
    /// # Panics
    /// If the interval runs backward, since its increment would not be the opposite of the forward
    /// one.
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
        // Noise of its own, so that the area of a sample does not depend on how many there are.
        let areas = self.noise.fork("area");
        let mut draws = areas.draws(Stream::Sampler, self.first + interval.step);
        let (device, dtype) = (like.device(), like.dtype());
        let area = draws.scaled_normal_tensor((h / 12.0).sqrt(), shape, &device, dtype);
        (self.increment(interval, shape, like), area)
    }
}

/// Scalar noise, expanded to all coordinates of a sample; any other noise unchanged.
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
        "increments of a grid run forward in time, not from {t} to {s}; use a BrownianTree"
    );
    s - t
}
