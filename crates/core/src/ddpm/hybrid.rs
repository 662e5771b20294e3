//! The variational term that trains a learned variance.
//!
//! `L_hybrid = L_simple + λ·L_vlb`, with the gradient of the mean stopped in L_vlb
//!
//! Source: Nichol & Dhariwal 2021, §3.1, eq. 16; λ = .001 is theirs.

use super::decoder::discretised_log_likelihood;
use super::variance::{LogRange, or_floor};
use super::{BetaTable, Decoder, Transition, dimension, sum_rows};
use crate::per_sample::PerSample;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor, TensorData};
use std::f64::consts::TAU;

/// The step of a chain at which one sample of a training batch is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReverseStep {
    /// The step.
    pub transition: Transition,
    /// Whether it ends at the data, so that its term is a reconstruction.
    pub is_last: bool,
}

impl BetaTable {
    /// The step from k to k − 1, the last of its chain if k is 0.
    ///
    /// # Panics
    /// If there is no step k.
    pub fn reverse_step(&self, k: usize) -> ReverseStep {
        ReverseStep {
            transition: self.transition(k),
            is_last: k == 0,
        }
    }
}

/// One term of the bound for each sample, with a learned variance, in nats per dimension:
/// `[batch]`.
///
/// `KL(N(c₁x1 + c_t x_t, β̃) ‖ N(c₁x̂1 + c_t x_t, Σ))`, or `−ln p(x1 | x_t)` where the step is the
/// last; `ln Σ = v·ln β' + (1 − v)·ln β̃`, `v = (output + 1)/2`
///
/// Source: Nichol & Dhariwal 2021, eq. 15–16. With k uniform, T times its expectation is the bound
/// without L_T.
///
/// `predicted_x1` is detached by the caller, so that this term trains only the variance.
/// `floor` takes the place of a vanishing β̃; see [`BetaTable::floor`].
///
/// # Shapes
/// - steps: one per sample
/// - x1, x_t, predicted_x1, output: `[batch, …]`
///
/// # Panics
/// If there is not one step per sample.
pub fn variational_term<B: Backend, const D: usize>(
    steps: &[ReverseStep],
    floor: f64,
    decoder: Decoder,
    x1: Tensor<B, D>,
    x_t: Tensor<B, D>,
    predicted_x1: Tensor<B, D>,
    output: Tensor<B, D>,
) -> Tensor<B, 1> {
    let per_sample = PerSample::like(&x1);
    let of = |value: &dyn Fn(&ReverseStep) -> f64| per_sample.tensor(steps.iter().map(value));
    let range = |step: &ReverseStep| LogRange::of(&step.transition, floor);
    let log_variance = output * of(&|step| range(step).half) + of(&|step| range(step).middle);
    let small = |step: &ReverseStep| or_floor(step.transition.small, floor);
    let per_dimension = 1.0 / dimension(&x1) as f64;

    let of_data = of(&|step| step.transition.coef_x1);
    let difference = (x1.clone() - predicted_x1.clone()) * of_data.clone();
    let second = difference.square() + of(&small);
    let divergence = (log_variance.clone() - of(&|step| small(step).ln() + 1.0)
        + second / log_variance.clone().exp())
        * 0.5;
    let divergence = sum_rows(divergence) * per_dimension;
    if !steps.iter().any(|step| step.is_last) {
        return divergence;
    }

    let mean = predicted_x1 * of_data + x_t * of(&|step| step.transition.coef_xt);
    let reconstruction = match decoder {
        Decoder::Continuous => {
            let error = (x1 - mean).square() / log_variance.clone().exp();
            sum_rows((error + log_variance + TAU.ln()) * 0.5)
        }
        Decoder::Discretised(lattice) => {
            discretised_log_likelihood(x1, mean, log_variance * 0.5, lattice).neg()
        }
    };
    let is_last: Vec<bool> = steps.iter().map(|step| step.is_last).collect();
    let is_last = TensorData::new(is_last, [steps.len()]);
    let is_last = Tensor::<B, 1, Bool>::from_data(is_last, &divergence.device());
    divergence.mask_where(is_last, reconstruction * per_dimension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddpm::{Lattice, kl_gaussians, log_bin_probability};
    use crate::noise::{Noise, Stream};
    use burn::backend::Autodiff;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    type B = NdArray<f64>;
    const SHAPE: [usize; 3] = [4, 2, 3];
    const STEPS: [usize; 4] = [700, 0, 1, 999];

    fn tensor<B: Backend>(values: &[f64]) -> Tensor<B, 3> {
        let data = TensorData::new(values.to_vec(), SHAPE);
        Tensor::from_data(data, (&Default::default(), DType::F64))
    }

    fn host<const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
        x.into_data().to_vec().expect("f64 data")
    }

    /// Levels of bytes, states, predictions near the data, and raw outputs.
    fn batch() -> [Vec<f64>; 4] {
        let mut draws = Noise::new(3).draws(Stream::Data, 0);
        let level = |u: f64| -1.0 + 2.0 * (u * 256.0).floor() / 255.0;
        let x1: Vec<f64> = draws.uniforms(24).into_iter().map(level).collect();
        let near = |x: &f64, z: f64| x + 0.01 * z;
        let predicted = (x1.iter().zip(draws.normals_f64(24))).map(|(x, z)| near(x, z));
        let predicted = predicted.collect();
        let output = draws.uniforms(24).iter().map(|u| 2.0 * u - 1.0).collect();
        [x1, draws.normals_f64(24), predicted, output]
    }

    fn term(decoder: Decoder, output: &[f64]) -> Vec<f64> {
        let table = BetaTable::default();
        let steps = STEPS.map(|k| table.reverse_step(k));
        let [x1, x_t, predicted, _] = batch();
        host(variational_term::<B, 3>(
            &steps,
            table.floor(),
            decoder,
            tensor(&x1),
            tensor(&x_t),
            tensor(&predicted),
            tensor(output),
        ))
    }

    #[test]
    fn each_row_has_the_term_of_its_own_step() {
        let table = BetaTable::default();
        let [x1, _, predicted, output] = batch();
        let lattice = Lattice::default();
        for decoder in [Decoder::Continuous, Decoder::Discretised(lattice)] {
            let got = term(decoder, &output);
            for (row, &k) in STEPS.iter().enumerate() {
                let step = table.transition(k);
                let small = if k == 0 { table.floor() } else { step.small };
                let one = |i: usize| {
                    let v = 0.5 * (output[i] + 1.0);
                    let variance = (v * step.variance.ln() + (1.0 - v) * small.ln()).exp();
                    let error = (x1[i] - predicted[i]).powi(2);
                    match decoder {
                        _ if k > 0 => kl_gaussians(step.coef_x1.powi(2) * error, small, variance),
                        Decoder::Continuous => 0.5 * ((TAU * variance).ln() + error / variance),
                        Decoder::Discretised(lattice) => {
                            -log_bin_probability(x1[i], predicted[i], variance.sqrt(), lattice)
                        }
                    }
                };
                let expected = (row * 6..row * 6 + 6).map(one).sum::<f64>() / 6.0;
                assert!(
                    (got[row] - expected).abs() < 1e-11 * expected.abs().max(1.0),
                    "{decoder:?} {k} {} {expected}",
                    got[row]
                );
            }
        }
    }

    #[test]
    fn a_last_step_that_keeps_noise_takes_its_share_of_the_state() {
        let step = ReverseStep {
            transition: BetaTable::default().transition(300),
            is_last: true,
        };
        let [x1, x_t, predicted, output] = batch();
        let got = host(variational_term::<B, 3>(
            &[step; 4],
            1.0,
            Decoder::Continuous,
            tensor(&x1),
            tensor(&x_t),
            tensor(&predicted),
            tensor(&output.iter().map(|_| 1.0).collect::<Vec<_>>()),
        ));
        let Transition {
            variance,
            coef_x1,
            coef_xt,
            ..
        } = step.transition;
        for (row, got) in got.iter().enumerate() {
            let one = |i: usize| {
                let mean = coef_x1 * predicted[i] + coef_xt * x_t[i];
                0.5 * ((TAU * variance).ln() + (x1[i] - mean).powi(2) / variance)
            };
            let expected = (row * 6..row * 6 + 6).map(one).sum::<f64>() / 6.0;
            assert!((got - expected).abs() < 1e-11 * expected.abs(), "{row}");
        }
    }

    #[test]
    fn the_best_variance_is_that_of_the_error() {
        // KL(N(a, β̃) ‖ N(b, Σ)) is least at Σ = β̃ + (a − b)²: there its slope is 0, and elsewhere
        // ½·half·(1 − (β̃ + Δ²)/Σ).
        type A = Autodiff<B>;
        let table = BetaTable::default();
        let step = table.reverse_step(2);
        let [x1, x_t, predicted, _] = batch();
        let Transition {
            variance,
            coef_x1,
            small,
            ..
        } = step.transition;
        let (low, high) = (small.ln(), variance.ln());
        let wanted = |i: usize| small + (coef_x1 * (x1[i] - predicted[i])).powi(2);
        let best: Vec<f64> = (0..24)
            .map(|i| 2.0 * (wanted(i).ln() - low) / (high - low) - 1.0)
            .collect();
        for shift in [0.0, 0.5, -0.5] {
            let shifted: Vec<f64> = best.iter().map(|v| v + shift).collect();
            let output = tensor::<A>(&shifted).require_grad();
            let term = variational_term(
                &[step; 4],
                table.floor(),
                Decoder::Continuous,
                tensor(&x1),
                tensor(&x_t),
                tensor(&predicted),
                output.clone(),
            );
            let gradient = output.grad(&term.sum().backward()).expect("tracked");
            let half = 0.5 * (high - low);
            let expected = 0.5 * half * (1.0 - (-half * shift).exp()) / 6.0;
            for got in host(gradient) {
                assert!((got - expected).abs() < 1e-13, "{got} {expected}");
            }
        }
    }
}
