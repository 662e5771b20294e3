//! Dropout whose mask the device makes: one launch forward, one backward.
//!
//! `y_i = x_i·k·m_i`, `dx_i = g_i·k·m_i`, with `k = 1/(1 − p)` and `m_i = 1 if u_i ≥ p else 0`

use super::elementwise::Work;
use super::order::{Order, packed_like};
use super::philox::{Place, place, word};
use crate::tape::Fused;
use crate::words::Words;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

#[derive(Debug, Clone)]
pub(super) struct Dropout {
    pub(super) words: Words,
    pub(super) p: f64,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 1> for Dropout
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = ();

    fn forward(&self, [x]: [CubeTensor<R>; 1]) -> (CubeTensor<R>, ()) {
        let (order, shape) = (Order::of(&x), x.shape());
        let x = order.view(x);
        let (y, work) = (packed_like(&x), Work::of(&x));
        let least = least(self.p);
        let (channels, pixels) = match order {
            Order::First => (1, 1),
            Order::Last => (shape[1], shape[2..].iter().product()),
        };
        masked::launch(
            &x.client.clone(),
            work.count,
            work.dim,
            x.into_linear_view(),
            y.clone().into_linear_view(),
            place(&self.words),
            channels,
            pixels,
            least as u32,
            (least >> 32) as u32,
            (1.0 / (1.0 - self.p)) as f32,
            order.is_last(),
        );
        (order.back(y), ())
    }

    fn backward(&self, (): (), g: CubeTensor<R>, _: [bool; 1]) -> [Option<CubeTensor<R>>; 1] {
        let (dx, ()) = Fused::<CubeBackend<R, F, I, T>, 1>::forward(self, [g]);
        [Some(dx)]
    }
}

/// The least word whose uniform number `(⌊word / 2¹²⌋ + ½)/2⁵²` is at least p. Everything here is
/// exact in double precision.
fn least(p: f64) -> u64 {
    let cells = (p * (1u64 << 52) as f64 - 0.5).ceil();
    (cells as u64) << 12
}

#[cube(launch)]
fn masked(
    x: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    place: Place,
    channels: usize,
    pixels: usize,
    least_low: u32,
    least_high: u32,
    keep: f32,
    #[comptime] is_last: bool,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    // Words are counted in the order of the shape, whichever that of memory is.
    let mut of = at;
    if is_last {
        let (line, channel) = (at / channels, at % channels);
        of = (line / pixels * channels + channel) * pixels + line % pixels;
    }
    let (low, high) = word(&place, of);
    let is_kept = high > least_high || (high == least_high && low >= least_low);
    y[at] = x[at] * select(is_kept, keep, 0.0f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_word_is_the_first_that_is_kept() {
        let u = |word: u64| ((word >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        for p in [0.1, 0.5, 0.3, 1e-3, 1.0 - 1e-9, 2.5 / (1u64 << 52) as f64] {
            let least = least(p);
            assert!(u(least) >= p, "{p}");
            assert!(u(least - 1) < p, "{p}");
        }
        assert_eq!(least(0.0), 0);
    }
}
