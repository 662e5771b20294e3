//! The last step's density of the data: on a lattice of bins, or continuous.
//!
//! `p(x | μ, s) = Φ((x + w/2 − μ)/s) − Φ((x − w/2 − μ)/s)`, the extreme bins open to ±∞

use super::sum_rows;
use crate::named::{FINITE, POSITIVE};
use crate::{named, settings};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// The least probability of a bin on the device.
const LEAST: f64 = 1e-12;

settings! {
    /// The values that discrete data take: evenly spaced from `low` to `high`.
    ///
    /// The default is 256 levels from −1 to 1, 2/255 apart: bytes as Ho et al. 2020 scale them.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Lattice {
        /// The lowest value; its bin reaches down to −∞.
        low: f64 = -1.0 => FINITE,
        /// The highest value; its bin reaches up to ∞.
        high: f64 = 1.0 => FINITE,
        /// w: the distance between two values, and the width of the bins around them.
        bin: f64 = 2.0 / 255.0 => POSITIVE,
    }
    where {
        high: |s| s.low < s.high => "give a number above low",
    }
}

impl Lattice {
    /// `n` values from `low` to `high`.
    ///
    /// # Panics
    /// If n is less than 2.
    pub fn levels(low: f64, high: f64, n: usize) -> Self {
        assert!(n > 1, "a lattice of {n} levels has no bins; give 2 or more");
        Self {
            low,
            high,
            bin: (high - low) / (n - 1) as f64,
        }
    }

    fn is_lowest(&self, x: f64) -> bool {
        x < self.low + 0.5 * self.bin
    }

    fn is_highest(&self, x: f64) -> bool {
        x > self.high - 0.5 * self.bin
    }
}

named! {
    /// What the last step of a bound is the density of.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Decoder as "decoder" {
        /// Data in a continuum: a density.
        "continuous" => Continuous,
        /// Data on a lattice: a probability (Ho et al. 2020, eq. 13).
        "discretised" => Discretised(lattice: Lattice = Lattice::default()),
    }
}

/// A density.
impl Default for Decoder {
    fn default() -> Self {
        Self::Continuous
    }
}

/// The logarithm of the probability that a Gaussian falls in the bin of `x`, in nats.
///
/// `ln[Φ((x + w/2 − μ)/s) − Φ((x − w/2 − μ)/s)]`
///
/// Source: Ho et al. 2020, eq. 13. Both terms are taken on the side of the mean where they are
/// small, so bins far out keep their digits; −∞ where the probability underflows, some 38 s away.
pub fn log_bin_probability(x: f64, mean: f64, std: f64, lattice: Lattice) -> f64 {
    let edge = |offset: f64| (x + offset - mean) / (std * SQRT_2);
    let lower = if lattice.is_lowest(x) {
        f64::NEG_INFINITY
    } else {
        edge(-0.5 * lattice.bin)
    };
    let upper = if lattice.is_highest(x) {
        f64::INFINITY
    } else {
        edge(0.5 * lattice.bin)
    };
    let probability = if x > mean {
        libm::erfc(lower) - libm::erfc(upper)
    } else {
        libm::erfc(-upper) - libm::erfc(-lower)
    };
    (0.5 * probability).ln()
}

/// The logarithm of the probability that a Gaussian falls in the bins of each sample, in nats.
///
/// `Σ_i ln[Φ((x_i + w/2 − μ_i)/s_i) − Φ((x_i − w/2 − μ_i)/s_i)]`
///
/// Source: Ho et al. 2020, eq. 13. As in their code, a probability counts as at least 10⁻¹², and
/// has no gradient below it; in f32 one below some 10⁻⁷ is rounding. [`log_bin_probability`] has
/// neither limit.
///
/// # Shapes
/// - x: `[batch, …]`, on the lattice
/// - mean, log_std: the same, or 1 along an axis on which they are constant
/// - returns `[batch]`
pub fn discretised_log_likelihood<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    mean: Tensor<B, D>,
    log_std: Tensor<B, D>,
    lattice: Lattice,
) -> Tensor<B, 1> {
    let half = 0.5 * lattice.bin;
    let precision = log_std.neg().exp() * FRAC_1_SQRT_2;
    let centred = x.clone() - mean;
    let highest = x.clone().greater_elem(lattice.high - half);
    let lowest = x.lower_elem(lattice.low + half);
    let upper = ((centred.clone() + half) * precision.clone()).erf();
    let lower = ((centred - half) * precision).erf();
    let probability = (upper.mask_fill(highest, 1.0) - lower.mask_fill(lowest, -1.0)) * 0.5;
    sum_rows(probability.clamp_min(LEAST).log())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::tensor::{DType, TensorData};
    use burn_ndarray::NdArray;

    type B = NdArray<f64>;

    fn level(i: usize) -> f64 {
        -1.0 + 2.0 * i as f64 / 255.0
    }

    fn tensor<B: Backend, const D: usize>(values: Vec<f64>, shape: [usize; D]) -> Tensor<B, D> {
        Tensor::from_data(
            TensorData::new(values, shape),
            (&Default::default(), DType::F64),
        )
    }

    #[test]
    fn the_bins_of_bytes_sum_to_one() {
        for mean in [0.0, 0.3, -0.99, 1.0, -2.5] {
            for std in [1e-3, 0.01, 0.3, 5.0] {
                let sum: f64 = (0..256)
                    .map(|i| log_bin_probability(level(i), mean, std, Lattice::default()).exp())
                    .sum();
                assert!((sum - 1.0).abs() < 1e-12, "{mean} {std} {sum}");
            }
        }
    }

    #[test]
    fn bins_far_out_have_the_integral_of_the_density() {
        // Simpson's rule on 1000 pieces: at 31 deviations the exponent changes by 5 over the bin,
        // an error of (5/1000)⁴/180.
        let (std, lattice) = (0.05, Lattice::default());
        for (x, mean) in [
            (level(128), -1.0),
            (level(128), 1.0),
            (level(200), -1.0),
            (level(3), 0.6),
            (level(100), -0.2),
        ] {
            let density = |y: f64| {
                let z: f64 = (y - mean) / std;
                (-0.5 * z * z).exp() / (std * std::f64::consts::TAU.sqrt())
            };
            let (start, h) = (x - 0.5 * lattice.bin, lattice.bin / 1000.0);
            let sum: f64 = (0..=1000)
                .map(|i| {
                    let weight = match i {
                        0 | 1000 => 1.0,
                        _ => 2.0 + 2.0 * f64::from(i % 2),
                    };
                    weight * density(start + f64::from(i) * h)
                })
                .sum();
            let got = log_bin_probability(x, mean, std, lattice);
            assert!(
                (got - (sum * h / 3.0).ln()).abs() < 1e-9,
                "{x} {mean} {got}"
            );
        }
    }

    #[test]
    fn mirrored_data_have_mirrored_probabilities() {
        for i in 0..256 {
            let at = |x, mean| log_bin_probability(x, mean, 0.2, Lattice::default());
            let (left, right) = (at(level(i), 0.37), at(-level(i), -0.37));
            assert!((left - right).abs() < 1e-11 * left.abs(), "{i}");
        }
    }

    #[test]
    fn the_device_agrees_with_the_host_row_by_row() {
        // Three rows of 2 × 5 elements, each row with a scale of its own.
        let pick = |i: usize| level((i * 67 + 5) % 256);
        let x: Vec<f64> = [0.0, 1.0]
            .map(|end| -1.0 + 2.0 * end)
            .into_iter()
            .chain((2..30).map(pick))
            .collect();
        let mean: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, x)| x + 0.02 * (i as f64 - 15.0))
            .collect();
        let stds = [0.1, 0.5, 0.15];
        let got: Vec<f64> = discretised_log_likelihood::<B, 3>(
            tensor(x.clone(), [3, 2, 5]),
            tensor(mean.clone(), [3, 2, 5]),
            tensor(stds.map(f64::ln).to_vec(), [3, 1, 1]),
            Lattice::default(),
        )
        .into_data()
        .to_vec()
        .expect("f64 data");
        for (row, got) in got.iter().enumerate() {
            let expected: f64 = (row * 10..row * 10 + 10)
                .map(|i| log_bin_probability(x[i], mean[i], stds[row], Lattice::default()))
                .sum();
            assert!((got - expected).abs() < 1e-10, "{row} {got} {expected}");
        }
    }

    #[test]
    fn impossible_data_cost_a_finite_amount() {
        let one = |v: f64| tensor::<B, 2>(vec![v], [1, 1]);
        let got = discretised_log_likelihood(one(0.6), one(-0.6), one(-5.0), Lattice::default());
        assert!((got.into_scalar() - 1e-12_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        type A = Autodiff<B>;
        let (xs, means, log_std) = (
            [-1.0, level(100), level(140), 1.0],
            [-0.95, -0.3, 0.12, 0.8],
            -1.7,
        );
        let mean = tensor::<A, 2>(means.to_vec(), [1, 4]).require_grad();
        let scale = tensor::<A, 2>(vec![log_std; 4], [1, 4]).require_grad();
        let x = tensor(xs.to_vec(), [1, 4]);
        let total = discretised_log_likelihood(x, mean.clone(), scale.clone(), Lattice::default());
        let gradients = total.sum().backward();
        let host = |gradient: Option<Tensor<B, 2>>| -> Vec<f64> {
            let gradient = gradient.expect("tracked").into_data();
            gradient.to_vec().expect("f64 data")
        };
        let (of_mean, of_scale) = (host(mean.grad(&gradients)), host(scale.grad(&gradients)));
        let value = |i: usize, mean: f64, log_std: f64| {
            log_bin_probability(xs[i], mean, log_std.exp(), Lattice::default())
        };
        let h = 1e-4;
        for i in 0..4 {
            let slope = |d_mean: f64, d_scale: f64| {
                let f = |k: f64| value(i, means[i] + k * d_mean, log_std + k * d_scale);
                (8.0 * (f(1.0) - f(-1.0)) - (f(2.0) - f(-2.0))) / (12.0 * h)
            };
            // Truncation h⁴/30 of a fifth derivative below 10⁶, and rounding of 10⁻¹⁴ over h: far
            // from the 10⁻⁸ of single precision.
            for (got, expected) in [(of_mean[i], slope(h, 0.0)), (of_scale[i], slope(0.0, h))] {
                assert!((got - expected).abs() < 1e-9, "{i}: {got} {expected}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a lattice of 1 levels has no bins")]
    fn a_lattice_needs_two_levels() {
        Lattice::levels(0.0, 1.0, 1);
    }
}
