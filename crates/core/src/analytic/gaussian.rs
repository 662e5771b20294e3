//! The exact field from N(0, I) to N(μ, s²I).
//!
//! `p_t = N(αμ, v_t·I), v_t = α²s² + σ²`, `x̂1 = μ + αs²/v_t·(x − αμ)`, `x̂0 = σ/v_t·(x − αμ)`

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, VectorField};
use crate::flow_map::FlowMap;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The marginal field of an isotropic Gaussian under a schedule, with independent coupling.
///
/// `u_t(x) = α̇μ + (α̇αs² + σ̇σ)/v_t·(x − αμ)`; for the linear path its flow map is `x1 = μ + s·x0`
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::analytic::Gaussian;
/// use pyroclast_core::field::Denoiser;
/// use pyroclast_core::schedule::Linear;
///
/// let mean = Tensor::<NdArray, 2>::full([1, 2], 3.0, &Default::default());
/// let field = Gaussian { mean: mean.clone(), std: 1.0, schedule: Linear::default() };
/// let x1 = field.denoise(0.0, mean.zeros_like()); // pure noise says nothing: the mean
/// assert_eq!(x1.into_data().to_vec::<f32>().unwrap(), [3.0, 3.0]);
/// ```
///
/// # Shapes
/// - mean: `[1, …]`, broadcast over the batch
#[derive(Debug, Clone)]
pub struct Gaussian<B: Backend, S, const D: usize> {
    /// μ.
    pub mean: Tensor<B, D>,
    /// s ≥ 0.
    pub std: f64,
    /// The path.
    pub schedule: S,
}

impl<B: Backend, S: Schedule, const D: usize> Gaussian<B, S, D> {
    /// `ln p_t(x) = −‖x − αμ‖²/2v_t − ½d·ln 2πv_t`, in nats: `[batch]`.
    pub fn log_density(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 1> {
        let c = self.schedule.at(t);
        let variance = (c.alpha * self.std).powi(2) + c.sigma.powi(2);
        let n = x.dims()[0];
        let squares = (x - self.mean.clone() * c.alpha).square();
        let dim = squares.shape().num_elements() / n.max(1);
        let squares: Tensor<B, 1> = squares.reshape([n, dim]).sum_dim(1).squeeze_dim(1);
        squares * (-0.5 / variance) - 0.5 * dim as f64 * (std::f64::consts::TAU * variance).ln()
    }
}

impl<B: Backend, S: Schedule, const D: usize> VectorField<B, D> for Gaussian<B, S, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.schedule.at(t);
        let variance = (c.alpha * self.std).powi(2) + c.sigma.powi(2);
        let rate = c.d_alpha * c.alpha * self.std.powi(2) + c.d_sigma * c.sigma;
        let centred = x - self.mean.clone() * c.alpha;
        centred * (rate / variance) + self.mean.clone() * c.d_alpha
    }

    fn flow_map(&self) -> Option<&dyn FlowMap<B, D>> {
        Some(self)
    }
}

/// `X(t, r, x) = α_r·μ + √(v_r/v_t)·(x − α_t·μ)`
impl<B: Backend, S: Schedule, const D: usize> FlowMap<B, D> for Gaussian<B, S, D> {
    fn map(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let (from, to) = (self.schedule.at(t), self.schedule.at(r));
        let centred = x - self.mean.clone() * from.alpha;
        centred * (to.std(self.std) / from.std(self.std)) + self.mean.clone() * to.alpha
    }
}

impl<B: Backend, S: Schedule, const D: usize> Denoiser<B, D> for Gaussian<B, S, D> {
    fn schedule(&self) -> &dyn Schedule {
        &self.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.schedule.at(t);
        let variance = (c.alpha * self.std).powi(2) + c.sigma.powi(2);
        let centred = x - self.mean.clone() * c.alpha;
        centred * (c.alpha * self.std.powi(2) / variance) + self.mean.clone()
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        Endpoints {
            x0: self.noise(t, x.clone()),
            x1: self.denoise(t, x),
        }
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.schedule.at(t);
        let variance = (c.alpha * self.std).powi(2) + c.sigma.powi(2);
        (x - self.mean.clone() * c.alpha) * (c.sigma / variance)
    }

    /// `−(x − αμ)/v_t`, finite where σ = 0 too.
    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.schedule.at(t);
        let variance = (c.alpha * self.std).powi(2) + c.sigma.powi(2);
        (x - self.mean.clone() * c.alpha) * (-1.0 / variance)
    }
}
