//! What a network's output means, and how it becomes anything else.
//!
//! Every output decodes to the two endpoints (x̂0, x̂1) of the path through x_t, and every target
//! is read off them: `x_t = αx1 + σx0`, `u = α̇x1 + σ̇x0`, `s = −x0/σ`, `v = αx0 − σx1`
//!
//! Conversions divide by α, σ, Δ, α² + σ² or N; each variant says which, and so where it is
//! singular.

use crate::endpoints::Endpoints;
use crate::named;
use crate::named::{POSITIVE, Range};
use crate::per_sample::PerSample;
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// How far from a singular end of the schedule a solver starts or stops (Song et al. 2021, appendix
/// C).
const MARGIN: f64 = 1e-3;

named! {
    /// What a network predicts.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Prediction as "prediction" {
        /// The velocity `u = α̇x1 + σ̇x0` (Lipman et al. 2023). Decoding divides by
        /// `Δ = α̇σ − σ̇α`: regular wherever the SNR grows, at both ends of the linear and
        /// trigonometric paths too.
        "velocity" => Velocity,
        /// The velocity on average from t to r, `u(x, t, r) = (X(t, r, x) − x)/(r − t)` with X the
        /// flow map, of a network that also takes the duration r − t (Frans et al. 2024; Geng et
        /// al. 2025). Where r = t it is the velocity, which decodes as that does.
        "average-velocity" => AverageVelocity {
            /// How many of the smallest steps a model of shortcuts knows lead from noise to data, a
            /// power of two; it knows those of 1/steps, 2/steps, 4/steps and so on. With 0 a model
            /// knows every duration.
            steps: usize = 0 => Range {
                holds: |n| *n == 0 || n.is_power_of_two(),
                remedy: "give a power of two such as 128, or 0 for a model of every duration",
            },
            /// Whether it knows only the steps that end at the data, and those of no duration: a
            /// consistency model.
            to_data: bool = false,
        },
        /// The velocity and, in the second half of an output of twice the channels (axis 1), the
        /// score of a path with noise `γ = s·…` between its endpoints, as `½s²·∇log p_t` (SF2M;
        /// Tong et al. 2024). It decodes as the velocity does; the score is that of
        /// [`Denoiser::velocity_with_score`](crate::field::Denoiser::velocity_with_score).
        "velocity-and-score" | "sf2m" => VelocityAndScore,
        /// The data x1. Decoding x̂0 divides by σ: singular at t = 1.
        "data" => Data,
        /// The noise x0, often ε (Ho et al. 2020). Decoding x̂1 divides by α: singular at t = 0
        /// where α(0) = 0.
        "noise" | "epsilon" => Noise,
        /// The score `−x0/σ` (Song & Ermon 2019). The target is infinite where σ = 0; decoding x̂1
        /// divides by α.
        "score" => Score,
        /// The score times the noise level, `σ·s = −x0`: what score SDE's networks put out before
        /// they divide by σ (Song & Ermon 2020, §3.3; Song et al. 2021). Decoding x̂1 divides by α.
        "scaled-score" => ScaledScore,
        /// `v = αx0 − σx1` (Salimans & Ho 2022, appendix D). Decoding divides by α² + σ², never 0:
        /// regular everywhere.
        "v" => V,
        /// EDM's F, of unit variance where the data have the standard deviation σ_data (Karras et
        /// al. 2022, eq. 7 and table 1), on any schedule:
        /// `F = σ/(σ_data·N)·x1 − ασ_data/N·x0, N² = σ² + α²σ_data²`. Decoding divides by N, never
        /// 0: regular everywhere. Where σ_data = 1 and α² + σ² = 1 it is −v.
        "edm" => Edm {
            /// Standard deviation of the data.
            sigma_data: f64 = 0.5 => POSITIVE,
        },
        /// EDM's F and, of the same network over the rest of the way to the data, the consistency
        /// function `f = c_skip·x_t/α + c_out·F` (Song et al. 2023, appendix C), on any schedule:
        /// with ς = σ/α and ε the noise that counts as none,
        /// `c_skip = σ_data²/((ς − ε)² + σ_data²), c_out = σ_data·(ς − ε)/√(ς² + σ_data²)`. The
        /// network also takes whether it is asked for f.
        "consistency" => Consistency {
            /// Standard deviation of the data.
            sigma_data: f64 = 0.5 => POSITIVE,
        },
    }
}

impl Prediction {
    /// The average velocity over steps of any duration.
    pub fn average_velocity() -> Self {
        Self::shortcuts(0)
    }

    /// The average velocity over steps of dyadic sizes, of which this many of the smallest lead
    /// from noise to data.
    pub fn shortcuts(steps: usize) -> Self {
        Self::AverageVelocity {
            steps,
            to_data: false,
        }
    }

    /// The average velocity over steps that end at the data, by which a consistency function is
    /// `x + (1 − t)·u`.
    pub fn average_to_data() -> Self {
        Self::AverageVelocity {
            steps: 0,
            to_data: true,
        }
    }

    /// Whether the output is the velocity, at least where a step has no duration.
    pub fn is_velocity(self) -> bool {
        matches!(
            self,
            Self::Velocity | Self::VelocityAndScore | Self::AverageVelocity { .. }
        )
    }

    /// Whether the score of a path with noise between its endpoints is learned beside the velocity.
    pub fn learns_score(self) -> bool {
        matches!(self, Self::VelocityAndScore)
    }

    /// Whether the output is the noise, but for a factor: it says nothing about the data where
    /// there is no signal.
    pub fn is_of_noise(self) -> bool {
        matches!(self, Self::Noise | Self::Score | Self::ScaledScore)
    }

    /// The duration that the network is shown for a step: none for the smallest of a model of
    /// shortcuts, or a smaller one, over which it knows the velocity alone.
    pub fn duration(self, duration: f64) -> f64 {
        match self {
            // Half as much again, so that rounding does not decide.
            Self::AverageVelocity { steps, .. }
                if steps > 0 && duration.abs() * (steps as f64) < 1.5 =>
            {
                0.0
            }
            _ => duration,
        }
    }

    /// Whether the network takes the duration of a step beside its time.
    pub fn takes_duration(self) -> bool {
        matches!(
            self,
            Self::AverageVelocity { .. } | Self::Consistency { .. }
        )
    }

    /// Whether the only steps that the network knows are those that end at the data, and those of no
    /// duration.
    pub fn jumps_to_data_alone(self) -> bool {
        let to_data = matches!(self, Self::AverageVelocity { to_data: true, .. });
        to_data || matches!(self, Self::Consistency { .. })
    }

    /// Where an output at `x` says that the flow ends: `f = a·x + b·output`, at a time with these
    /// coefficients and `rest` of the way to the data. ε is the noise σ/α that counts as none.
    ///
    /// average velocity: `a = 1, b = rest` · consistency: `a = c_skip/α, b = c_out`
    ///
    /// ```
    /// use pyroclast_core::prediction::Prediction;
    /// use pyroclast_core::schedule::{Edm, Schedule};
    ///
    /// let edm = Edm::default();
    /// let t = edm.time_at_sigma(1.5);
    /// let consistency = Prediction::Consistency { sigma_data: 0.5 };
    /// let (skip, out) = consistency.end_shares(edm.at(t), 1.0 - t, 0.002);
    /// assert!((skip - 0.100_240_416_615_209_9).abs() < 1e-12);
    /// assert!((out - 0.473_709_193_493_223_2).abs() < 1e-12);
    /// ```
    pub fn end_shares(self, c: Coefficients, rest: f64, epsilon: f64) -> (f64, f64) {
        let Self::Consistency { sigma_data } = self else {
            return (1.0, rest);
        };
        // Multiplied by α, so that noise without signal is no infinity.
        let left = (c.sigma - epsilon * c.alpha).max(0.0);
        let own = c.alpha * sigma_data * sigma_data;
        let skip = own / (left * left + c.alpha * own);
        (skip, sigma_data * left / c.std(sigma_data))
    }

    /// The endpoints that a network output at `x` stands for, with one time for the batch.
    ///
    /// velocity: `x̂1 = (σu − σ̇x)/Δ, x̂0 = (α̇x − αu)/Δ` · data: `x̂0 = (x − αx̂1)/σ` · noise:
    /// `x̂1 = (x − σx̂0)/α` · score s, scaled score σs: `x̂0 = −σs` · v:
    /// `x̂1 = (αx − σv)/(α² + σ²), x̂0 = (σx + αv)/(α² + σ²)` · EDM:
    /// `x̂1 = ασ_data²/N²·x + σσ_data/N·F, x̂0 = σ/N²·x − ασ_data/N·F`
    pub fn decode<B: Backend, const D: usize>(
        self,
        c: Coefficients,
        x: Tensor<B, D>,
        output: Tensor<B, D>,
    ) -> Endpoints<B, D> {
        let combine = |(a, b): (f64, f64)| x.clone() * a + output.clone() * b;
        match self {
            Self::Data => Endpoints {
                x0: combine(self.noise_shares(c)),
                x1: output,
            },
            Self::Noise => Endpoints {
                x1: combine(self.data_shares(c)),
                x0: output,
            },
            Self::Score => Endpoints {
                x1: combine(self.data_shares(c)),
                x0: output * -c.sigma,
            },
            Self::ScaledScore => Endpoints {
                x1: combine(self.data_shares(c)),
                x0: -output,
            },
            _ => Endpoints {
                x0: combine(self.noise_shares(c)),
                x1: combine(self.data_shares(c)),
            },
        }
    }

    /// `x̂1 = a·x + b·output`.
    fn data_shares(self, c: Coefficients) -> (f64, f64) {
        let Coefficients { alpha, sigma, .. } = c;
        match self {
            Self::Velocity | Self::VelocityAndScore | Self::AverageVelocity { .. } => {
                (-c.d_sigma / c.delta(), sigma / c.delta())
            }
            Self::Data => (0.0, 1.0),
            Self::Noise => (1.0 / alpha, -sigma / alpha),
            Self::Score => (1.0 / alpha, sigma * sigma / alpha),
            Self::ScaledScore => (1.0 / alpha, sigma / alpha),
            Self::V => {
                let norm = alpha * alpha + sigma * sigma;
                (alpha / norm, -sigma / norm)
            }
            Self::Edm { sigma_data } | Self::Consistency { sigma_data } => {
                let std = c.std(sigma_data);
                let own = alpha * sigma_data * sigma_data / (std * std);
                (own, sigma * sigma_data / std)
            }
        }
    }

    /// `x̂0 = a·x + b·output`.
    fn noise_shares(self, c: Coefficients) -> (f64, f64) {
        let Coefficients { alpha, sigma, .. } = c;
        match self {
            Self::Velocity | Self::VelocityAndScore | Self::AverageVelocity { .. } => {
                (c.d_alpha / c.delta(), -alpha / c.delta())
            }
            Self::Data => (1.0 / sigma, -alpha / sigma),
            Self::Noise => (0.0, 1.0),
            Self::Score => (0.0, -sigma),
            Self::ScaledScore => (0.0, -1.0),
            Self::V => {
                let norm = alpha * alpha + sigma * sigma;
                (sigma / norm, alpha / norm)
            }
            Self::Edm { sigma_data } | Self::Consistency { sigma_data } => {
                let std = c.std(sigma_data);
                (sigma / (std * std), -alpha * sigma_data / std)
            }
        }
    }

    /// What the network should have put out for these endpoints, with one time for the batch.
    pub fn encode<B: Backend, const D: usize>(
        self,
        c: Coefficients,
        ends: Endpoints<B, D>,
    ) -> Tensor<B, D> {
        match self.weights(c) {
            // A missing term saves a pass, and keeps an infinite endpoint from becoming NaN.
            (a, 0.0) => ends.x1 * a,
            (0.0, b) => ends.x0 * b,
            (a, b) => ends.x1 * a + ends.x0 * b,
        }
    }

    /// [`Prediction::encode`] with a time for each sample: the target of a training batch.
    pub fn target<B: Backend, const D: usize>(
        self,
        coefficients: &[Coefficients],
        ends: Endpoints<B, D>,
    ) -> Tensor<B, D> {
        let per_sample = PerSample::like(&ends.x1);
        let of = |index: fn((f64, f64)) -> f64| {
            per_sample.tensor(coefficients.iter().map(|&c| index(self.weights(c))))
        };
        match self {
            Self::Data => ends.x1,
            Self::Noise => ends.x0,
            Self::ScaledScore => -ends.x0,
            Self::Score => ends.x0 * of(|w| w.1),
            Self::Velocity
            | Self::VelocityAndScore
            | Self::AverageVelocity { .. }
            | Self::V
            | Self::Edm { .. }
            | Self::Consistency { .. } => ends.x1 * of(|w| w.0) + ends.x0 * of(|w| w.1),
        }
    }

    /// The data x̂1 that an output at `x` stands for, with a time for each sample:
    /// `x̂1 = a·x + b·output`.
    pub fn data_rows<B: Backend, const D: usize>(
        self,
        coefficients: &[Coefficients],
        x: Tensor<B, D>,
        output: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let per_sample = PerSample::like(&x);
        let shares = |index: fn((f64, f64)) -> f64| -> Tensor<B, D> {
            per_sample.tensor(coefficients.iter().map(|&c| index(self.data_shares(c))))
        };
        x * shares(|s| s.0) + output * shares(|s| s.1)
    }

    /// The velocity that an output at `x` stands for, with a time for each sample:
    /// `u = a·x + b·output`.
    pub fn velocity_rows<B: Backend, const D: usize>(
        self,
        coefficients: &[Coefficients],
        x: Tensor<B, D>,
        output: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let per_sample = PerSample::like(&x);
        let shares = || coefficients.iter().map(|&c| self.velocity_shares(c));
        let of_x = per_sample.tensor(shares().map(|shares| shares.0));
        let of_output = per_sample.tensor(shares().map(|shares| shares.1));
        x * of_x + output * of_output
    }

    /// `u = a·x + b·output`.
    pub(crate) fn velocity_shares(self, c: Coefficients) -> (f64, f64) {
        if self.is_velocity() {
            return (0.0, 1.0);
        }
        let (data, noise) = (self.data_shares(c), self.noise_shares(c));
        (
            c.d_alpha * data.0 + c.d_sigma * noise.0,
            c.d_alpha * data.1 + c.d_sigma * noise.1,
        )
    }

    /// The target as `a·x1 + b·x0`.
    fn weights(self, c: Coefficients) -> (f64, f64) {
        match self {
            Self::Velocity | Self::VelocityAndScore | Self::AverageVelocity { .. } => {
                (c.d_alpha, c.d_sigma)
            }
            Self::Data => (1.0, 0.0),
            Self::Noise => (0.0, 1.0),
            Self::Score => (0.0, -1.0 / c.sigma),
            Self::ScaledScore => (0.0, -1.0),
            Self::V => (-c.sigma, c.alpha),
            Self::Edm { sigma_data } | Self::Consistency { sigma_data } => {
                let std = c.std(sigma_data);
                (c.sigma / (sigma_data * std), -c.alpha * sigma_data / std)
            }
        }
    }

    /// How many times larger the squared error of this output is than that of the data it decodes
    /// to.
    ///
    /// velocity `Δ²/σ²` · data 1 · noise and scaled score `α²/σ²` · score `α²/σ⁴` ·
    /// v `(α² + σ²)²/σ²` · EDM `N²/(σσ_data)²`
    pub fn error_ratio(self, c: Coefficients) -> f64 {
        let Coefficients { alpha, sigma, .. } = c;
        let root = match self {
            Self::Velocity | Self::VelocityAndScore | Self::AverageVelocity { .. } => {
                c.delta() / sigma
            }
            Self::Data => 1.0,
            Self::Noise | Self::ScaledScore => alpha / sigma,
            Self::Score => alpha / (sigma * sigma),
            Self::V => (alpha * alpha + sigma * sigma) / sigma,
            Self::Edm { sigma_data } | Self::Consistency { sigma_data } => {
                c.std(sigma_data) / (sigma * sigma_data)
            }
        };
        root * root
    }

    /// The interval of t on which the velocity is finite: [0, 1], less 10⁻³ at an end where the
    /// schedule or the prediction is singular. The margin is one of t: for a schedule whose noise
    /// is large, such as EDM's, give a solver a grid of its own.
    pub fn span(self, schedule: &dyn Schedule) -> (f64, f64) {
        let regular = |t| self.is_regular(schedule.at(t));
        (
            if regular(0.0) { 0.0 } else { MARGIN },
            if regular(1.0) { 1.0 } else { 1.0 - MARGIN },
        )
    }

    /// Whether the velocity can be decoded from this output where the coefficients are `c`.
    pub fn is_regular(self, c: Coefficients) -> bool {
        let finite = c.d_alpha.is_finite() && c.d_sigma.is_finite();
        finite
            && match self {
                Self::Velocity
                | Self::VelocityAndScore
                | Self::AverageVelocity { .. }
                | Self::V
                | Self::Edm { .. }
                | Self::Consistency { .. } => true,
                Self::Data => c.sigma > 0.0,
                Self::Noise | Self::Score | Self::ScaledScore => c.alpha > 0.0,
            }
    }
}
