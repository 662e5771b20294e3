//! Stochastic interpolants: the paths that a model is trained on.
//!
//! `x_t = α(t)·x1 + σ(t)·x0 + γ(t)·z`, `u_t = α̇·x1 + σ̇·x0 + γ̇·z`, `z ~ N(0, I)`, x0 from any source
//!
//! Source: Albergo, Boffi & Vanden-Eijnden 2023; Tong et al. 2024 for the bridge.

use crate::coefficients::PerSample;
use crate::prediction::Endpoints;
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{PathRow, path_sample};

/// The noise that a path carries between its ends.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Gamma {
    /// `γ = 0`: the path is fixed by its ends.
    #[default]
    None,
    /// `γ = s`, the Gaussian smoothing of Tong et al. 2024 (CFM), proposition 3.4.
    Constant(f64),
    /// `γ = s·√(t(1 − t))`, the Brownian bridge (Schrödinger-bridge CFM; Tong et al. 2024, eq. 8).
    Bridge(f64),
}

impl Gamma {
    /// `(γ, γ̇)` at t. The bridge's derivative is ∞ at t = 0 and −∞ at t = 1.
    pub fn at(self, t: f64) -> (f64, f64) {
        match self {
            Self::None => (0.0, 0.0),
            Self::Constant(s) => (s, 0.0),
            Self::Bridge(s) => {
                let root = (t * (1.0 - t)).max(0.0).sqrt();
                (s * root, s * (0.5 - t) / root)
            }
        }
    }
}

/// A family of paths between source and data.
///
/// ```
/// use pyroclast_core::interpolant::{Gamma, Interpolant};
/// use pyroclast_core::schedule::Linear;
///
/// let bridge = Interpolant { schedule: Linear::default(), gamma: Gamma::Bridge(0.1) };
/// # let _ = bridge;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interpolant<S> {
    /// α and σ.
    pub schedule: S,
    /// γ.
    pub gamma: Gamma,
}

/// A batch of points on paths: everything that a loss reads.
///
/// # Shapes
/// - t and coefficients: one a sample
/// - x_t, d_x_t, ends: `[batch, …]`
#[derive(Debug, Clone)]
pub struct PathSample<B: Backend, const D: usize> {
    /// The times.
    pub t: Vec<f64>,
    /// α, σ and derivatives at those times.
    pub coefficients: Vec<Coefficients>,
    /// The points `x_t`.
    pub x_t: Tensor<B, D>,
    /// The conditional velocity `dx_t/dt` there.
    pub d_x_t: Tensor<B, D>,
    /// The ends of the paths.
    pub ends: Endpoints<B, D>,
}

impl<S: Schedule> Interpolant<S> {
    /// The points at times `t` on the paths between `ends`; `z` is the bridge noise, read only where γ is not 0.
    ///
    /// # Shapes
    /// - t: one time for each row of `ends.x1`; z: as `ends.x1`
    ///
    /// # Panics
    /// If shapes differ, or if γ is not 0 and there is no z.
    pub fn sample<B: Backend, const D: usize>(
        &self,
        ends: Endpoints<B, D>,
        z: Option<Tensor<B, D>>,
        t: &[f64],
    ) -> PathSample<B, D> {
        let coefficients: Vec<_> = t.iter().map(|&t| self.schedule.at(t)).collect();
        let rows: Vec<_> = (coefficients.iter())
            .map(|c| PathRow {
                data: [c.alpha, c.d_alpha],
                noise: [c.sigma, c.d_sigma],
            })
            .collect();
        let [mut x_t, mut d_x_t] = path_sample(&ends.x0, &ends.x1, &rows);
        if self.gamma != Gamma::None {
            let z = z.expect("a path with γ > 0 is sampled with its noise z");
            let per_sample = PerSample::like(&ends.x1);
            let gamma = |pick: fn((f64, f64)) -> f64| -> Tensor<B, D> {
                per_sample.tensor(t.iter().map(|&t| pick(self.gamma.at(t))))
            };
            x_t = x_t + z.clone() * gamma(|g| g.0);
            if !matches!(self.gamma, Gamma::Constant(_)) {
                d_x_t = d_x_t + z * gamma(|g| g.1);
            }
        }
        PathSample {
            t: t.to_vec(),
            coefficients,
            x_t,
            d_x_t,
            ends,
        }
    }
}
