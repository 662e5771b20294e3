//! AdamW with a bound on the global norm of the gradient, and the learning rate over a run.
//!
//! `g ← g·min(1, c/‖g‖)`, `m ← β1·m + (1 − β1)·g`, `v ← β2·v + (1 − β2)·g²`,
//! `θ ← θ·(1 − ηλ) − η·m̂/(√v̂ + ε)`, `m̂ = m/(1 − β1ᵏ)`, `v̂ = v/(1 − β2ᵏ)`
//!
//! Source: Kingma & Ba 2015; Loshchilov & Hutter 2019 for the decay; Pascanu et al. 2013 for the
//! bound. The norm is that of all gradients together; it never leaves the device.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{AdamWStep, adamw, global_norm};

/// The constants of AdamW. The defaults are PyTorch's, except that there is no weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decay β1 of the first moment.
    pub beta1: f64,
    /// Decay β2 of the second moment.
    pub beta2: f64,
    /// ε, added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay λ.
    pub weight_decay: f64,
    /// Bound c on the global norm of the gradient; infinite for no bound.
    pub clip: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip: f64::INFINITY,
        }
    }
}

/// The state of AdamW: two moments per parameter, and the number of steps taken.
///
/// `m ← β1·m + (1 − β1)·g`, `v ← β2·v + (1 − β2)·g²`, `θ ← θ·(1 − ηλ) − η·m̂/(√v̂ + ε)`
///
/// Source: Loshchilov & Hutter 2019.
#[derive(Debug, Clone)]
pub struct AdamW<B: Backend> {
    /// The constants.
    pub config: AdamWConfig,
    /// The first moments m, one tensor per parameter.
    pub first: Vec<Tensor<B, 1>>,
    /// The second moments v, one tensor per parameter.
    pub second: Vec<Tensor<B, 1>>,
    /// The number of steps taken.
    pub steps: u64,
}

impl<B: Backend> AdamW<B> {
    /// The state before the first step on these parameters.
    pub fn new(config: AdamWConfig, parameters: &[Tensor<B, 1>]) -> Self {
        let zeros = || parameters.iter().map(Tensor::zeros_like).collect();
        Self {
            config,
            first: zeros(),
            second: zeros(),
            steps: 0,
        }
    }

    /// Takes one step at this learning rate, and returns the new parameters.
    pub fn step(
        &mut self,
        parameters: Vec<Tensor<B, 1>>,
        gradients: Vec<Tensor<B, 1>>,
        learning_rate: f64,
    ) -> Vec<Tensor<B, 1>> {
        let AdamWConfig {
            beta1,
            beta2,
            epsilon,
            weight_decay,
            clip,
        } = self.config;
        self.steps += 1;
        let correction = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let step = AdamWStep {
            betas: [beta1, beta2],
            epsilon,
            rate: learning_rate / correction(beta1),
            root_correction: correction(beta2).sqrt(),
            decay: learning_rate * weight_decay,
        };
        let bound = clip.is_finite().then(|| clip_factor(&gradients, clip));
        let first = std::mem::take(&mut self.first);
        let second = std::mem::take(&mut self.second);
        let state = parameters.into_iter().zip(first).zip(second);
        let state = state.map(|((theta, m), v)| [theta, m, v]).collect();
        let mut updated = Vec::with_capacity(gradients.len());
        for [theta, m, v] in adamw(state, gradients, bound.as_ref(), &step) {
            updated.push(theta);
            self.first.push(m);
            self.second.push(v);
        }
        updated
    }
}

/// `min(1, c/‖g‖)` as a tensor of shape `[1]`.
fn clip_factor<B: Backend>(gradients: &[Tensor<B, 1>], clip: f64) -> Tensor<B, 1> {
    (global_norm(gradients) + 1e-6)
        .recip()
        .mul_scalar(clip)
        .clamp_max(1.0)
}

/// The learning rate over a run: a linear rise, then a cosine down to zero.
///
/// `η_k = η·min(1, (k + 1)/w)·½(1 + cos(π·max(0, k − w)/(K − w)))`
///
/// Source: Loshchilov & Hutter 2017 (SGDR) without restarts.
///
/// ```
/// use pyroclast_train::learn::LearningRate;
///
/// let rate = LearningRate { peak: 1e-3, warm_up: 10, cosine: Some(110) };
/// assert_eq!(rate.at(4), 0.5e-3); // half of the rise
/// assert_eq!(rate.at(10), 1e-3); // the peak
/// assert!((rate.at(60) - 0.5e-3).abs() < 1e-12); // half of the cosine
/// assert_eq!(LearningRate::from(3e-4).at(1_000_000), 3e-4); // a constant
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// The peak η.
    pub peak: f64,
    /// The number of steps w of the rise; 0 starts at the peak.
    pub warm_up: u64,
    /// The step K at which the cosine reaches zero; `None` for a constant rate after the rise.
    pub cosine: Option<u64>,
}

impl From<f64> for LearningRate {
    fn from(rate: f64) -> Self {
        Self::constant(rate)
    }
}

impl LearningRate {
    /// The same rate at every step.
    pub fn constant(rate: f64) -> Self {
        Self {
            peak: rate,
            warm_up: 0,
            cosine: None,
        }
    }

    /// The learning rate η_k of step k, counted from 0.
    pub fn at(&self, k: u64) -> f64 {
        if k < self.warm_up {
            return self.peak * (k + 1) as f64 / self.warm_up as f64;
        }
        let Some(total) = self.cosine else {
            return self.peak;
        };
        let length = total.saturating_sub(self.warm_up).max(1) as f64;
        let progress = ((k - self.warm_up) as f64 / length).min(1.0);
        self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    type B = NdArray<f64>;

    fn vector(values: &[f64]) -> Tensor<B, 1> {
        Tensor::from_data(values, (&Default::default(), DType::F64))
    }

    #[test]
    fn three_steps_equal_the_equations_worked_by_hand() {
        let config = AdamWConfig {
            weight_decay: 0.1,
            ..AdamWConfig::default()
        };
        let gradients = [[0.3, -2.0], [0.1, 1.0], [-0.7, 0.5]];
        let mut theta = vec![vector(&[1.0, -1.0])];
        let mut optimizer = AdamW::new(config, &theta);
        let (mut expected, mut m, mut v) = ([1.0, -1.0], [0.0; 2], [0.0; 2]);
        for (k, g) in gradients.iter().enumerate() {
            theta = optimizer.step(theta, vec![vector(g)], 0.01);
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let m_hat = m[i] / (1.0 - 0.9_f64.powi(k as i32 + 1));
                let v_hat: f64 = v[i] / (1.0 - 0.999_f64.powi(k as i32 + 1));
                expected[i] = expected[i] * (1.0 - 0.001) - 0.01 * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
        let got: Vec<f64> = theta[0].to_data().to_vec().expect("f64 data");
        for (a, b) in got.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn the_norm_is_bounded_over_all_parameters_together() {
        let gradients = [vector(&[3.0]), vector(&[0.0, 4.0])];
        let factor = clip_factor(&gradients, 1.0).into_scalar();
        assert!((factor - 0.2).abs() < 1e-6);
        assert_eq!(clip_factor(&gradients, 10.0).into_scalar(), 1.0);
    }

    #[test]
    fn the_rate_rises_then_falls_to_zero() {
        let rate = LearningRate {
            peak: 2.0,
            warm_up: 10,
            cosine: Some(110),
        };
        assert_eq!(rate.at(0), 0.2);
        assert_eq!(rate.at(9), 2.0);
        assert_eq!(rate.at(10), 2.0);
        assert!((rate.at(60) - 1.0).abs() < 1e-12);
        assert!(rate.at(110).abs() < 1e-12);
        assert!((1..110).all(|k| rate.at(k) > 0.0));
    }
}
