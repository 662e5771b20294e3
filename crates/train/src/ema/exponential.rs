//! The exponential moving average of the parameters, with a warm-up.
//!
//! `θ̄ ← d_k·θ̄ + (1 − d_k)·θ, d_k = min(d, (1 + k)/(10 + k))`
//!
//! Source: Polyak & Juditsky 1992; the warm-up is that of TensorFlow's and Ho et al.'s code, and lets the average forget the
//! start.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::lerp;

/// A moving average of a list of tensors.
#[derive(Debug, Clone)]
pub struct Ema<B: Backend> {
    /// The decay d in [0, 1); 0 follows the parameters.
    pub decay: f64,
    /// The average.
    pub values: Vec<Tensor<B, 1>>,
}

impl<B: Backend> Ema<B> {
    /// Starts at the parameters themselves.
    pub fn new(decay: f64, parameters: Vec<Tensor<B, 1>>) -> Self {
        Self {
            decay,
            values: parameters,
        }
    }

    /// Takes in the parameters after step k, counted from 0.
    pub fn update(&mut self, parameters: &[Tensor<B, 1>], k: u64) {
        let warm = (1.0 + k as f64) / (10.0 + k as f64);
        let decay = self.decay.min(warm);
        let old = std::mem::take(&mut self.values);
        self.values = (old.into_iter().zip(parameters))
            .map(|(average, theta)| lerp(average, theta, 1.0 - decay))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    #[test]
    fn the_average_is_the_recursion() {
        let at = |v: f64| {
            vec![Tensor::<NdArray<f64>, 1>::from_data(
                [v],
                (&Default::default(), DType::F64),
            )]
        };
        let mut ema = Ema::new(0.5, at(1.0));
        let mut expected = 1.0;
        for k in 0..30 {
            let theta = f64::from(k).sin();
            ema.update(&at(theta), k as u64);
            let d = 0.5_f64.min((1.0 + f64::from(k)) / (10.0 + f64::from(k)));
            expected = d * expected + (1.0 - d) * theta;
        }
        assert!((ema.values[0].clone().into_scalar() - expected).abs() < 1e-12);
    }
}
