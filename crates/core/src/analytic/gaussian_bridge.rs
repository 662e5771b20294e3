//! Brownian bridges between two Gaussians, and the Schrödinger bridge among them.
//!
//! `x_t = (1 − t)x0 + t·x1 + s√(t(1 − t))·z`, `(x0, x1)` Gaussian with covariances A, B and
//! `C = cov(x0, x1)`; of the Schrödinger bridge `C = ½[(4AB + s⁴I)^½ − s²I]`
//!
//! `p_t = N(m_t, Σ_t)`, `m_t = (1 − t)m0 + t·m1`,
//! `Σ_t = (1 − t)²A + t²B + t(1 − t)(C + Cᵀ + s²I)`
//!
//! Source: Janati et al. 2020 and Mallasto et al. 2022 for the plan, Bunne et al. 2023 ("The
//! Schrödinger bridge between Gaussian measures has a closed form") for the process.

use super::matrix::Matrix;
use crate::field::{Denoiser, VectorField};
use crate::per_sample::from_host;
use crate::prediction::Prediction;
use crate::schedule::{Linear, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The path of Brownian bridges of diffusion s between jointly Gaussian endpoints, as a Markov
/// process: the exact field of a model that is trained on it.
///
/// `u_t(x) = m1 − m0 + S_t·Σ_t⁻¹(x − m_t)`, `∇log p_t(x) = −Σ_t⁻¹(x − m_t)`,
/// `S_t = tB − (1 − t)A + (1 − t)Cᵀ − tC + ½(1 − 2t)s²I`; the SDE forward has the drift
/// `u + ½s²∇log p`, backward `u − ½s²∇log p`
///
/// ```
/// use pyroclast_core::analytic::GaussianBridge;
///
/// // From N(0, 1) to N(2, ½²) at s = 0.6.
/// let bridge = GaussianBridge::schrodinger([&[0.0], &[2.0]], [&[1.0], &[0.25]], 0.6);
/// assert!((bridge.joint()[0] - 0.351413).abs() < 1e-6);
/// ```
///
/// As a [`Denoiser`] it has the endpoints of its velocity on the linear schedule, as a network has
/// that learns this velocity.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianBridge {
    means: [Vec<f64>; 2],
    covariances: [Matrix; 2],
    joint: Matrix,
    s: f64,
    schedule: Linear,
}

impl GaussianBridge {
    /// The Schrödinger bridge of diffusion s: the process closest to s times Brownian motion that
    /// has these two ends.
    ///
    /// # Shapes
    /// - means: `[d]`; covariances: `[d, d]`, row-major, symmetric and positive definite
    ///
    /// # Panics
    /// If sizes differ, a covariance is singular, or s is not positive.
    pub fn schrodinger(means: [&[f64]; 2], covariances: [&[f64]; 2], s: f64) -> Self {
        let mut bridge = Self::independent(means, covariances, s);
        let [a, b] = &bridge.covariances;
        let one = Matrix::scalar(bridge.dim(), 1.0);
        let product = a.times(b);
        let root = Matrix::sum(&[(4.0, &product), (s.powi(4), &one)]).root();
        bridge.joint = Matrix::sum(&[(0.5, &root), (-0.5 * s * s, &one)]);
        bridge
    }

    /// Bridges between independent endpoints: the same two ends, another process.
    ///
    /// # Shapes
    /// As [`GaussianBridge::schrodinger`].
    ///
    /// # Panics
    /// As [`GaussianBridge::schrodinger`].
    pub fn independent(means: [&[f64]; 2], covariances: [&[f64]; 2], s: f64) -> Self {
        let dim = means[0].len();
        assert_eq!(dim, means[1].len(), "the means differ in size");
        assert!(s > 0.0 && s.is_finite(), "s = {s}; give a positive number");
        Self {
            means: means.map(<[f64]>::to_vec),
            covariances: covariances.map(|cells| Matrix::new(dim, cells)),
            joint: Matrix::scalar(dim, 0.0),
            s,
            schedule: Linear::default(),
        }
    }

    /// The bridges between the ends of this process: one iteration of Markovian fitting. Its fixed
    /// point is the Schrödinger bridge.
    ///
    /// `C ← A·Φ(1)ᵀ`, `Φ̇ = (S_t − ½s²I)Σ_t⁻¹·Φ`, `Φ(0) = I`, solved by `steps` steps of the
    /// classical Runge–Kutta method
    ///
    /// Source: Shi et al. 2023 (diffusion Schrödinger bridge matching), §3.
    #[must_use]
    pub fn iterated(&self, steps: usize) -> Self {
        let h = 1.0 / steps as f64;
        let one = Matrix::scalar(self.dim(), 1.0);
        let mut phi = one.clone();
        for step in 0..steps {
            let t = step as f64 * h;
            let slopes = [t, t + 0.5 * h, t + h].map(|t| self.slope(t, 0.5 * self.s * self.s));
            let k1 = slopes[0].times(&phi);
            let k2 = slopes[1].times(&Matrix::sum(&[(1.0, &phi), (0.5 * h, &k1)]));
            let k3 = slopes[1].times(&Matrix::sum(&[(1.0, &phi), (0.5 * h, &k2)]));
            let k4 = slopes[2].times(&Matrix::sum(&[(1.0, &phi), (h, &k3)]));
            phi = Matrix::sum(&[
                (1.0, &phi),
                (h / 6.0, &k1),
                (h / 3.0, &k2),
                (h / 3.0, &k3),
                (h / 6.0, &k4),
            ]);
        }
        Self {
            joint: self.covariances[0].times(&phi.transposed()),
            ..self.clone()
        }
    }

    /// The number of coordinates.
    pub fn dim(&self) -> usize {
        self.means[0].len()
    }

    /// `C = cov(x0, x1)`, `[d, d]`: not symmetric in general.
    pub fn joint(&self) -> &[f64] {
        self.joint.cells()
    }

    /// `m_t`.
    pub fn mean(&self, t: f64) -> Vec<f64> {
        let [m0, m1] = &self.means;
        m0.iter()
            .zip(m1)
            .map(|(a, b)| (1.0 - t) * a + t * b)
            .collect()
    }

    /// `Σ_t`, `[d, d]`.
    pub fn covariance(&self, t: f64) -> Vec<f64> {
        self.marginal(t).cells().to_vec()
    }

    /// `E‖x1 − x0‖²`.
    pub fn transport_cost(&self) -> f64 {
        let [m0, m1] = &self.means;
        let squares = m0.iter().zip(m1).map(|(a, b)| (b - a) * (b - a));
        let [a, b] = &self.covariances;
        squares.sum::<f64>() + a.trace() + b.trace() - 2.0 * self.joint.trace()
    }

    /// `KL(π‖p0 ⊗ p1) = −½·ln det(I − A⁻¹CB⁻¹Cᵀ)`, in nats: how much one end tells of the other.
    pub fn mutual_information(&self) -> f64 {
        let [a, b] = &self.covariances;
        let told = (a.inverse().0.times(&self.joint)).times(&b.inverse().0);
        let told = told.times(&self.joint.transposed());
        let one = Matrix::scalar(self.dim(), 1.0);
        -0.5 * Matrix::sum(&[(1.0, &one), (-1.0, &told)]).inverse().1
    }

    /// `E‖x1 − x0‖² + 2s²·KL(π‖p0 ⊗ p1)`: the entropic transport cost at `ε = 2s²`, which the
    /// Schrödinger bridge has least of all.
    pub fn entropic_cost(&self) -> f64 {
        self.transport_cost() + 2.0 * self.s * self.s * self.mutual_information()
    }

    fn marginal(&self, t: f64) -> Matrix {
        let [a, b] = &self.covariances;
        let (joint, across) = (&self.joint, &self.joint.transposed());
        let mixed = t * (1.0 - t);
        let one = &Matrix::scalar(self.dim(), 1.0);
        Matrix::sum(&[
            ((1.0 - t).powi(2), a),
            (t * t, b),
            (mixed, joint),
            (mixed, across),
            (mixed * self.s * self.s, one),
        ])
    }

    /// `(S_t − cI)Σ_t⁻¹`: the derivative of `u_t + c·∇log p_t`.
    fn slope(&self, t: f64, rate: f64) -> Matrix {
        let [a, b] = &self.covariances;
        let one = &Matrix::scalar(self.dim(), 1.0);
        let own = 0.5 * (1.0 - 2.0 * t) * self.s * self.s;
        let moved = Matrix::sum(&[
            (t, b),
            (t - 1.0, a),
            (1.0 - t, &self.joint.transposed()),
            (-t, &self.joint),
            (own - rate, one),
        ]);
        moved.times(&self.marginal(t).inverse().0)
    }

    /// `v + M(x − m_t)` for each row.
    fn affine<B: Backend>(&self, t: f64, x: Tensor<B, 2>, v: &[f64], m: &Matrix) -> Tensor<B, 2> {
        let (device, dtype, dim) = (x.device(), x.dtype(), self.dim());
        let row = |values: Vec<f64>| from_host(values, [1, dim], &device, dtype);
        let columns = m.transposed().cells().to_vec();
        let matrix: Tensor<B, 2> = from_host(columns, [dim, dim], &device, dtype);
        (x - row(self.mean(t))).matmul(matrix) + row(v.to_vec())
    }

    fn speed(&self) -> Vec<f64> {
        let [m0, m1] = &self.means;
        m0.iter().zip(m1).map(|(a, b)| b - a).collect()
    }
}

/// `u_t(x)`.
impl<B: Backend> VectorField<B, 2> for GaussianBridge {
    fn velocity(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.affine(t, x, &self.speed(), &self.slope(t, 0.0))
    }
}

impl<B: Backend> Denoiser<B, 2> for GaussianBridge {
    fn schedule(&self) -> &dyn Schedule {
        &self.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let velocity = self.velocity(t, x.clone());
        Prediction::Velocity
            .decode(self.schedule.at(t), x, velocity)
            .x1
    }

    fn score(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let inverse = self.marginal(t).inverse().0;
        let slope = Matrix::sum(&[(-1.0, &inverse)]);
        self.affine(t, x, &vec![0.0; self.dim()], &slope)
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, 2>, rate: f64) -> Tensor<B, 2> {
        self.affine(t, x, &self.speed(), &self.slope(t, rate))
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        Some(self.s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    const C: f64 = 0.351_413_210_223_456_9;

    fn line() -> GaussianBridge {
        GaussianBridge::schrodinger([&[0.0], &[2.0]], [&[1.0], &[0.25]], 0.6)
    }

    fn plane() -> GaussianBridge {
        let (a, b) = ([1.0, 0.3, 0.3, 0.5], [0.8, -0.2, -0.2, 1.5]);
        GaussianBridge::schrodinger([&[0.0, 1.0], &[2.0, -1.0]], [&a, &b], 0.7)
    }

    fn points<const N: usize>(values: [f64; N], dim: usize) -> Tensor<NdArray<f64>, 2> {
        from_host(
            values.to_vec(),
            [N / dim, dim],
            &Default::default(),
            DType::F64,
        )
    }

    #[track_caller]
    fn near(found: &[f64], expected: &[f64], bound: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < bound, "{found} {expected}");
        }
    }

    fn values(x: Tensor<NdArray<f64>, 2>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    #[test]
    fn between_two_gaussians_of_a_line_it_has_the_numbers_of_an_independent_computation() {
        let bridge = line();
        near(bridge.joint(), &[C], 1e-14);
        near(&[bridge.transport_cost()], &[4.547_173_579_553_086], 1e-13);
        near(
            &[bridge.mutual_information()],
            &[0.340_574_698_612_368],
            1e-13,
        );
        near(&[bridge.entropic_cost()], &[4.792_387_362_553_991], 1e-13);
        let (t, x) = (0.3, points([1.2], 1));
        near(&bridge.covariance(t), &[0.735_693_548_293_851_9], 1e-14);
        let velocity = values(bridge.velocity(t, x.clone()));
        near(&velocity, &[1.663_635_993_383_037], 1e-13);
        let score = values(bridge.score(t, x.clone()));
        near(&score, &[-0.815_556_968_511_496_4], 1e-13);
        let forward = values(bridge.velocity_with_score(t, x.clone(), 0.18));
        near(&forward, &[1.516_835_739_050_967], 1e-13);
        let backward = values(bridge.velocity_with_score(t, x.clone(), -0.18));
        near(&backward, &[1.810_436_247_715_106], 1e-13);
        let apart = GaussianBridge::independent([&[0.0], &[2.0]], [&[1.0], &[0.25]], 0.6);
        let forward = values(apart.velocity_with_score(t, x, 0.18));
        near(&forward, &[1.252_167_998_639_687], 1e-13);
    }

    #[test]
    fn between_two_gaussians_of_the_plane_the_ends_vary_together_but_not_symmetrically() {
        let bridge = plane();
        let joint = [
            0.643_010_408_310_389_4,
            0.143_069_131_219_441_2,
            0.080_118_713_482_887_1,
            0.614_396_582_066_500_9,
        ];
        near(bridge.joint(), &joint, 1e-13);
        let [var0, cross, var1] = [
            0.894_005_204_155_194_6,
            0.080_796_961_175_582_1,
            0.929_698_291_033_250_4,
        ];
        near(&bridge.covariance(0.5), &[var0, cross, cross, var1], 1e-13);
    }

    #[test]
    fn half_the_expected_square_of_the_drift_is_the_divergence_from_brownian_motion() {
        let bridge = line();
        // Simpson's rule for E b², of a drift that is linear in x.
        let energy = |t: f64| {
            let [mean, std] = [bridge.mean(t)[0], bridge.covariance(t)[0].sqrt()];
            let x = points([mean - std, mean + std], 1);
            let b = values(bridge.velocity_with_score(t, x, 0.18));
            0.5 * (b[0] * b[0] + b[1] * b[1])
        };
        let n = 2000;
        let weight = |k: usize| match k {
            0 => 1.0,
            k if k == n => 1.0,
            k => [2.0, 4.0][k % 2],
        };
        let sum: f64 = (0..=n)
            .map(|k| weight(k) * energy(k as f64 / n as f64))
            .sum();
        let control = 0.5 * sum / (3 * n) as f64;
        near(&[control], &[2.281_829_441_722_819], 1e-11);
    }

    #[test]
    fn the_velocity_carries_the_marginals_along() {
        // m + Φ(x − m) with Φ̇ = UΦ has the covariance ΦAΦᵀ: its derivative is UΣ + ΣUᵀ.
        let bridge = plane();
        for t in [0.05, 0.3, 0.8] {
            let [before, after] = [t - 1e-5, t + 1e-5].map(|t| bridge.covariance(t));
            let slope = bridge.slope(t, 0.0).times(&bridge.marginal(t));
            let rate = Matrix::sum(&[(1.0, &slope), (1.0, &slope.transposed())]);
            let differences = before.iter().zip(&after).map(|(a, b)| (b - a) / 2e-5);
            near(&differences.collect::<Vec<_>>(), rate.cells(), 1e-9);
        }
    }

    #[test]
    fn markovian_fitting_from_independent_ends_leads_to_the_schrodinger_bridge() {
        let mut bridge = GaussianBridge::independent([&[0.0], &[2.0]], [&[1.0], &[0.25]], 0.6);
        for joint in [
            0.314_374_914_021_714_3,
            0.348_365_415_416_182_6,
            0.351_168_083_489_308_3,
            0.351_393_531_873_533_1,
        ] {
            bridge = bridge.iterated(400);
            near(bridge.joint(), &[joint], 1e-10);
        }
        let mut apart = plane();
        apart.joint = Matrix::scalar(2, 0.0);
        // What turns in C fades slowly, by about 0.76 an iteration: at A = B = I the factor is
        // c·∫Σ_t⁻¹dt.
        let last = (0..80).fold(apart, |bridge, _| bridge.iterated(100));
        near(last.joint(), plane().joint(), 1e-9);
        // It is a fixed point.
        near(plane().iterated(400).joint(), plane().joint(), 1e-10);
    }

    #[test]
    fn no_other_joint_distribution_costs_less() {
        let bridge = plane();
        for (k, sign) in (0..4).flat_map(|k| [(k, 1.0), (k, -1.0)]) {
            let mut other = bridge.clone();
            let mut cells = other.joint().to_vec();
            cells[k] += sign * 1e-3;
            other.joint = Matrix::new(2, &cells);
            assert!(other.entropic_cost() > bridge.entropic_cost() + 1e-8);
        }
    }
}
