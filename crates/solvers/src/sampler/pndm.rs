//! PNDM: pseudo-numerical methods.
//!
//! `x_s = T(x_t, ε̄), T(x, ε) = (α_s/α_t)·x + (σ_s − σ_t·α_s/α_t)·ε`, with
//! `ε̄ = (55ε_0 − 59ε_1 + 37ε_2 − 9ε_3)/24`
//!
//! Source: Liu et al. 2022 (PNDM), eq. 9–13: PLMS, and the pseudo-Runge–Kutta steps (PRK) that
//! start it.
//!
//! PRK averages four ε by Simpson's weights, as if σ/α fell evenly over the step. Where it falls
//! many-fold it does so almost at once, and what a stage sees of the data is magnified stage after
//! stage: by 90³ in the first step of the straight path from t = 0.001 by 11 steps. Such a step
//! makes four transfers T through equal parts of the log-SNR instead.

use super::history::History;
use super::log_snr_step::LogSnrStep;
use crate::entry::Settings;
use crate::entry::option::AVERAGED;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::Coefficients;
use pyroclast_kernels::combine;

/// Adams–Bashforth weights of orders 1 to 4, for evenly spaced steps.
const ADAMS_BASHFORTH: [&[f64]; 4] = [
    &[1.0],
    &[1.5, -0.5],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

/// How many times `√(1 + σ²/α²)`, the scale of x/α for data of unit variance, may fall in a
/// pseudo-Runge–Kutta step. On a variance-preserving schedule this is the growth of α.
const FALL: f64 = std::f64::consts::E;

/// How the first three steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WarmUp {
    /// By pseudo-Runge–Kutta steps with four evaluations (F-PNDM), or by four transfers where x/α
    /// shrinks more than e-fold in one step.
    #[default]
    RungeKutta,
    /// By one evaluation and the history so far (in the spirit of S-PNDM; PLMS).
    Multistep,
}

/// The output that is averaged over evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Averaged {
    /// ε, whatever the network predicts: the paper's.
    #[default]
    Noise,
    /// `v = αε − σx̂1`, each at its own time; the average v̄ gives
    /// `ε̄ = (α_t·v̄ + σ_t·x_t)/(α_t² + σ_t²)` at the start of the step. It is what diffusers does
    /// for a network that predicts v.
    V,
}

/// PNDM: order 2 with small constants (its transfer is DDIM's, which has order 2 for the exact ε̄),
/// one evaluation per step after the first three. Its weights are those of a grid that is uniform
/// in t.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pndm {
    /// The first three steps.
    pub warm_up: WarmUp,
    /// What the evaluations are averaged as.
    pub averaged: Averaged,
}

impl Averaged {
    /// What settings ask for.
    pub(super) fn asked(settings: &Settings<'_>) -> Self {
        match settings.word(&AVERAGED) {
            "v" => Self::V,
            _ => Self::Noise,
        }
    }

    /// What is averaged, at t.
    fn of<B: Backend, F, const D: usize>(self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D>
    where
        F: Denoiser<B, D> + ?Sized,
    {
        match self {
            Self::Noise => field.noise(t, x),
            Self::V => {
                let c = field.schedule().at(t);
                Prediction::V.encode(c, field.endpoints(t, x))
            }
        }
    }

    /// T(x, ε̄), where `terms` are the weighted evaluations.
    fn transfer<B: Backend, const D: usize>(
        self,
        change: &LogSnrStep,
        x: Tensor<B, D>,
        terms: &[(f64, &Tensor<B, D>)],
    ) -> Tensor<B, D> {
        let Coefficients { alpha, sigma, .. } = change.from;
        let ratio = change.to.alpha / alpha;
        let scale = change.to.sigma - sigma * ratio;
        // ε̄ = of_x·x + of_terms·Σ
        let (of_x, of_terms) = match self {
            Self::Noise => (0.0, 1.0),
            Self::V => {
                let norm = alpha * alpha + sigma * sigma;
                (sigma / norm, alpha / norm)
            }
        };
        let terms: Vec<_> = terms
            .iter()
            .map(|&(w, e)| (w * of_terms * scale, e))
            .collect();
        combine(x * (ratio + of_x * scale), &terms)
    }

    /// The step in four transfers through equal parts of the log-SNR, given the evaluation at its
    /// start.
    fn four_transfers<B: Backend, F, const D: usize>(
        self,
        field: &F,
        change: &LogSnrStep,
        mut x: Tensor<B, D>,
        mut e: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        F: Denoiser<B, D> + ?Sized,
    {
        let schedule = field.schedule();
        let first = schedule.log_snr(change.t);
        let mut t = change.t;
        for part in [0.25, 0.5, 0.75] {
            let s = schedule.time_at_log_snr(first + part * 2.0 * change.h);
            x = self.transfer(&LogSnrStep::of(schedule, t, s), x, &[(1.0, &e)]);
            e = self.of(field, s, x.clone());
            t = s;
        }
        self.transfer(&LogSnrStep::of(schedule, t, change.s), x, &[(1.0, &e)])
    }
}

sampler! { Pndm: "pndm", Signal, |_| false }

impl<B, F, const D: usize> Method<B, F, D> for Pndm
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    type State = History<B, D>;

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        mut past: History<B, D>,
    ) -> (Tensor<B, D>, History<B, D>) {
        let schedule = field.schedule();
        let change = LogSnrStep::of(schedule, t, s);
        let averaged = self.averaged;
        let e1 = averaged.of(field, t, x.clone());
        // The last stage would need the slope at σ = 0, which is not known.
        if self.warm_up == WarmUp::RungeKutta && past.len() < 3 && !change.ends_clean() {
            let scale = |c: Coefficients| c.std(1.0) / c.alpha;
            if scale(change.from) > FALL * scale(change.to) {
                let x = averaged.four_transfers(field, &change, x, e1.clone());
                past.remember(t, e1, 4);
                return (x, past);
            }
            let middle = 0.5 * (t + s);
            let half = LogSnrStep::of(schedule, t, middle);
            let stage = |at: f64, change: &LogSnrStep, e: &Tensor<B, D>| {
                averaged.of(field, at, averaged.transfer(change, x.clone(), &[(1.0, e)]))
            };
            let e2 = stage(middle, &half, &e1);
            let e3 = stage(middle, &half, &e2);
            let e4 = stage(s, &change, &e3);
            let (sixth, third) = (1.0 / 6.0, 1.0 / 3.0);
            let slope = [(sixth, &e1), (third, &e2), (third, &e3), (sixth, &e4)];
            let x = averaged.transfer(&change, x, &slope);
            past.remember(t, e1, 4);
            return (x, past);
        }
        past.remember(t, e1, 4);
        let weights = ADAMS_BASHFORTH[past.len() - 1];
        let terms: Vec<_> = (weights.iter().enumerate())
            .map(|(j, &w)| (w, past.value(j)))
            .collect();
        (averaged.transfer(&change, x, &terms), past)
    }
}
