//! The exact flow map of a mixture of Gaussians on the line.
//!
//! `X(t, r, x) = F_r⁻¹(F_t(x))`, `F_t(x) = Σ_k w_k·Φ((x − αμ_k)/√(α²s_k² + σ²))`
//!
//! On the line a flow keeps the order of points, and with it the quantile of each.

use crate::flow_map::FlowMap;
use crate::schedule::Schedule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use std::f64::consts::FRAC_1_SQRT_2;

/// Standard deviations from the outermost component within which quantiles are searched.
const REACH: f64 = 40.0;
/// Halvings of that interval: until neighbours in double precision are left.
const HALVINGS: usize = 120;

/// The flow map of the marginals of a mixture under a schedule, with independent coupling, one
/// number per sample.
///
/// It is computed on the host in double precision, so it waits for the device.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::analytic::QuantileMap;
/// use pyroclast_core::flow_map::FlowMap;
/// use pyroclast_core::schedule::Linear;
///
/// let two = QuantileMap {
///     means: vec![-2.0, 2.0],
///     weights: vec![0.5, 0.5],
///     stds: vec![0.1, 0.1],
///     schedule: Linear::default(),
/// };
/// // Half of the noise becomes each component, so that its quartiles become their means.
/// let x0 = Tensor::<NdArray, 2>::from_data([[-0.674_489_8], [0.674_489_8]], &Default::default());
/// let x1 = two.map(0.0, 1.0, x0).into_data().to_vec::<f32>().unwrap();
/// assert!((x1[0] + 2.0).abs() < 1e-5 && (x1[1] - 2.0).abs() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct QuantileMap<S> {
    /// μ of each component.
    pub means: Vec<f64>,
    /// The share of each, which sum to 1.
    pub weights: Vec<f64>,
    /// s of each, > 0.
    pub stds: Vec<f64>,
    /// The path.
    pub schedule: S,
}

impl<S: Schedule> QuantileMap<S> {
    /// Mean and standard deviation of each component at a time.
    fn components(&self, t: f64) -> Vec<(f64, f64)> {
        let c = self.schedule.at(t);
        let both = self.means.iter().zip(&self.stds);
        both.map(|(mean, &std)| (c.alpha * mean, c.std(std)))
            .collect()
    }

    /// The probability of what is on one side of x: below for `side` = 1, above for −1.
    fn tail(&self, components: &[(f64, f64)], x: f64, side: f64) -> f64 {
        let each = components.iter().zip(&self.weights);
        each.map(|(&(mean, std), weight)| {
            0.5 * weight * libm::erfc(side * (mean - x) / std * FRAC_1_SQRT_2)
        })
        .sum()
    }

    fn at(&self, from: &[(f64, f64)], to: &[(f64, f64)], x: f64) -> f64 {
        // The smaller tail has the more digits.
        let below = self.tail(from, x, 1.0);
        let (side, tail) = match below <= 0.5 {
            true => (1.0, below),
            false => (-1.0, self.tail(from, x, -1.0)),
        };
        let reach = |sign: f64| to.iter().map(move |(mean, std)| mean + sign * REACH * std);
        let mut low = reach(-1.0).fold(f64::INFINITY, f64::min);
        let mut high = reach(1.0).fold(f64::NEG_INFINITY, f64::max);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            let is_right = (self.tail(to, middle, side) > tail) == (side > 0.0);
            if is_right {
                high = middle;
            } else {
                low = middle;
            }
        }
        0.5 * (low + high)
    }
}

/// # Panics
/// If a sample has more than one number.
impl<B: Backend, S: Schedule, const D: usize> FlowMap<B, D> for QuantileMap<S> {
    fn map(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let (shape, device, dtype) = (x.dims(), x.device(), x.dtype());
        assert_eq!(
            shape.iter().skip(1).product::<usize>(),
            1,
            "quantiles are of one number per sample"
        );
        let (from, to) = (self.components(t), self.components(r));
        let values = x.into_data().convert::<f64>().into_vec::<f64>();
        let values = values.expect("converted just now").into_iter();
        let mapped: Vec<f64> = values.map(|x| self.at(&from, &to, x)).collect();
        let data = TensorData::new(mapped, shape).convert_dtype(dtype);
        Tensor::from_data(data, (&device, dtype))
    }
}
