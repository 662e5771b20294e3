//! Moving averages of the parameters: the one that samples are drawn with, further ones, and
//! averages of any width reconstructed after training.
//!
//! `θ̄ ← θ̄ + (1 − d_k)·(θ − θ̄)`
//!
//! Source: Polyak & Juditsky 1992. The power-function average of any width is close to a linear
//! combination of snapshots of a few; [`coefficients`] gives its terms.

mod law;
mod profile;
mod reconstruction;
mod width;

pub use law::Law;
pub use profile::Profile;
pub use reconstruction::{coefficients, relative_error};
pub use width::{WIDTHS, gamma_of_width, width_of_gamma};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::lerp;

/// A moving average of a list of tensors.
///
/// `θ̄ ← θ̄ + (1 − d_k)·(θ − θ̄)`, with the decay d_k of a [`Law`]
#[derive(Debug, Clone)]
pub struct Average<B: Backend> {
    /// The decay of the average at each step.
    pub law: Law,
    /// The average θ̄, one tensor per parameter.
    pub values: Vec<Tensor<B, 1>>,
}

impl<B: Backend> Average<B> {
    /// An average that starts at these parameters.
    pub fn new(law: Law, parameters: Vec<Tensor<B, 1>>) -> Self {
        Self {
            law,
            values: parameters,
        }
    }

    /// Updates the average with the parameters after step k, counted from 0.
    pub fn update(&mut self, parameters: &[Tensor<B, 1>], k: u64) {
        let taken = 1.0 - self.law.decay(k);
        let old = std::mem::take(&mut self.values);
        self.values = lerp(old, parameters, taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    fn at(value: f64) -> Vec<Tensor<NdArray<f64>, 1>> {
        vec![Tensor::from_data(
            [value],
            (&Default::default(), DType::F64),
        )]
    }

    fn theta(k: u64) -> f64 {
        (k as f64).sin() + 2.0
    }

    #[test]
    fn a_power_average_weights_each_step_by_the_integral_of_its_profile() {
        for width in [0.05, 0.1, 0.25, 0.3] {
            // The decay of the first step is 0, so the start does not count.
            let mut average = Average::new(Law::Power(width), at(1e3));
            let steps = 300;
            for k in 0..steps {
                average.update(&at(theta(k)), k);
            }
            let profile = Profile::of_width(width, steps);
            let weights: f64 = (1..=steps).map(|t| profile.weight(t)).sum();
            assert!((weights - 1.0).abs() < 1e-12, "{weights}");
            let expected: f64 = (0..steps).map(|k| profile.weight(k + 1) * theta(k)).sum();
            let got = average.values[0].clone().into_scalar();
            assert!((got - expected).abs() < 1e-12, "{width}: {got} {expected}");
        }
    }

    #[test]
    fn a_rate_is_the_recursion_with_its_warm_up() {
        let mut average = Average::new(Law::Rate(0.97), at(1.0));
        let mut expected = 1.0;
        for k in 0..400 {
            average.update(&at(theta(k)), k);
            let d = 0.97_f64.min((1.0 + k as f64) / (10.0 + k as f64));
            expected = d * expected + (1.0 - d) * theta(k);
        }
        let got = average.values[0].clone().into_scalar();
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }

    #[test]
    fn parameters_that_stand_still_are_not_shrunk_in_single_precision() {
        let theta = vec![Tensor::<NdArray, 1>::from_data(
            [0.7_f32],
            (&Default::default(), DType::F32),
        )];
        let mut average = Average::new(Law::Rate(0.999_99), theta.clone());
        for k in 0..1000 {
            average.update(&theta, k + 1_000_000);
        }
        assert_eq!(average.values[0].clone().into_scalar(), 0.7);
    }
}
