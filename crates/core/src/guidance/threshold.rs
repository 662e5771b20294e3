//! Dynamic thresholding.
//!
//! `x̂1 ← min(max(x̂1, −s), s)/s, s = min(max(1, quantile_p(|x̂1|)), s_max)`, per sample
//!
//! Source: Saharia et al. 2022, §2.3.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::guidance::ClippedNoise;
use crate::probability_flow::velocity_of;
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A denoiser of data in [−1, 1] whose large values are scaled back together with all others,
/// instead of being cut off.
///
/// `x̂1 ← min(max(x̂1, −s), s)/s, s = min(max(1, quantile_p(|x̂1|)), s_max)`
///
/// Source: Saharia et al. 2022, §2.3, against the saturation of large guidance weights; theirs is p
/// = 0.995 (appendix E), without an s_max. With s_max = 1 this is [`Clipped`](super::Clipped).
///
/// The quantile is found by sorting, linear between neighbours. burn sorts on the host unless the
/// backend can, so on a GPU each evaluation waits for the device.
///
/// # Panics
/// On evaluation, if p is not in [0, 1], s_max is below 1, or a sample has no entries.
#[derive(Debug, Clone, Copy)]
pub struct Thresholded<F> {
    /// The denoiser.
    pub field: F,
    /// p, in [0, 1].
    pub quantile: f64,
    /// s_max, 1 or more; infinite for no bound. A sample whose quantile lies above it is divided by
    /// s_max alone, so that one stray value does not flatten the others.
    pub most: f64,
    /// How x̂0 follows.
    pub noise: ClippedNoise,
}

impl<F> Thresholded<F> {
    fn threshold<B: Backend, const D: usize>(&self, x1: Tensor<B, D>) -> Tensor<B, D> {
        let shape = x1.dims();
        let size = shape[1..].iter().product();
        let flat: Tensor<B, 2> = x1.reshape([shape[0], size]);
        assert!(
            self.most >= 1.0,
            "a threshold of at most {} would shrink data in [−1, 1]; give 1 or more",
            self.most
        );
        let s = quantile(flat.clone().abs(), self.quantile);
        let s = s.clamp(1.0, self.most);
        (flat / s).clamp(-1.0, 1.0).reshape(shape)
    }

    fn thresholded<B: Backend, const D: usize>(
        &self,
        c: Coefficients,
        ends: Endpoints<B, D>,
    ) -> Endpoints<B, D> {
        let x1 = self.threshold(ends.x1.clone());
        self.noise.ends(c, ends, x1)
    }
}

/// The p-quantile of each row: `[n, d]` → `[n, 1]`.
fn quantile<B: Backend>(rows: Tensor<B, 2>, p: f64) -> Tensor<B, 2> {
    let n = rows.dims()[1];
    assert!(
        n > 0 && (0.0..=1.0).contains(&p),
        "a quantile of {p} of {n} entries does not exist; p lies in [0, 1]"
    );
    let position = p * (n - 1) as f64;
    let below = position.floor();
    let sorted = rows.sort(1);
    let at = |i: usize| sorted.clone().narrow(1, i, 1);
    let low = at(below as usize);
    let high = at(position.ceil() as usize);
    low.clone() + (high - low) * (position - below)
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> VectorField<B, D> for Thresholded<F> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> Denoiser<B, D> for Thresholded<F> {
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.field.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.threshold(self.field.denoise(t, x))
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.thresholded(self.field.schedule().at(t), self.field.endpoints(t, x))
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for Thresholded<F>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let (ends, variance) = self.field.endpoints_and_variance(t, x);
        (
            self.thresholded(self.field.schedule().at(t), ends),
            variance,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        Counting, Law, close, gaussian, lies_on_path, state, tensor, values,
    };
    use super::*;

    fn thresholded(field: Law, quantile: f64, noise: ClippedNoise) -> Thresholded<Counting<Law>> {
        Thresholded {
            field: Counting::new(field, 0.25),
            quantile,
            most: f64::INFINITY,
            noise,
        }
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        let rows = tensor(&[3.0, 0.0, 1.0, 7.0, 2.0, 5.0, 5.0, 1.0, 0.0, 9.0], [2, 5]);
        for (p, expected) in [
            (0.0, [0.0, 0.0]),
            (0.5, [2.0, 5.0]),
            (0.8, [3.8, 5.8]),
            (1.0, [7.0, 9.0]),
        ] {
            close(quantile(rows.clone(), p), tensor(&expected, [2, 1]));
        }
    }

    #[test]
    fn each_sample_is_scaled_by_its_own_quantile_and_clipped() {
        // At t = 1 the denoiser is the identity.
        let field = thresholded(gaussian(0.0, 1.0), 0.5, ClippedNoise::Kept);
        let x = tensor(&[4.0, -2.0, 1.0, 0.5, -3.0, 0.25], [2, 3]);
        // The medians of |x| are 2 and ½, and ½ counts as 1.
        let expected = tensor(&[1.0, -1.0, 0.5, 0.5, -1.0, 0.25], [2, 3]);
        close(field.denoise(1.0, x.clone()), expected.clone());
        let (ends, variance) = field.endpoints_and_variance(1.0, x);
        close(ends.x1, expected);
        assert!(values(variance).iter().all(|&v| v == 0.25));
        assert_eq!(field.field.evaluations.get(), 2);
    }

    #[test]
    fn a_threshold_is_at_most_its_bound() {
        let field = Thresholded {
            most: 1.5,
            ..thresholded(gaussian(0.0, 1.0), 0.5, ClippedNoise::Kept)
        };
        // The medians of |x| are 4 and ½: the first counts as 1.5, the second as 1.
        let x = tensor(&[6.0, -4.0, 0.75, 0.5, -3.0, 0.25], [2, 3]);
        let expected = tensor(&[1.0, -1.0, 0.5, 0.5, -1.0, 0.25], [2, 3]);
        close(field.denoise(1.0, x), expected);
    }

    #[test]
    #[should_panic(expected = "a threshold of at most 0.5 would shrink")]
    fn a_bound_below_one_is_refused() {
        let field = Thresholded {
            most: 0.5,
            ..thresholded(gaussian(0.0, 1.0), 0.5, ClippedNoise::Kept)
        };
        drop(field.denoise(1.0, state()));
    }

    #[test]
    fn the_noise_end_is_kept_or_keeps_the_path() {
        let t = 0.7;
        let law = || gaussian(2.5, 0.5);
        let kept = thresholded(law(), 0.9, ClippedNoise::Kept).endpoints(t, state());
        close(kept.x0, law().noise(t, state()));
        let derived = thresholded(law(), 0.9, ClippedNoise::Derived).endpoints(t, state());
        close(derived.x1.clone(), kept.x1);
        lies_on_path(t, state(), derived);
    }

    #[test]
    #[should_panic(expected = "a quantile of 1.5 of 3 entries does not exist")]
    fn a_quantile_beyond_one_is_refused() {
        let field = thresholded(gaussian(0.0, 1.0), 1.5, ClippedNoise::Kept);
        drop(field.denoise(1.0, state()));
    }
}
