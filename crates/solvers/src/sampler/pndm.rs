//! PNDM: pseudo-numerical methods.
//!
//! `x_s = T(x_t, ε̄), T(x, ε) = (α_s/α_t)·x + (σ_s − σ_t·α_s/α_t)·ε`, with
//! `ε̄ = (55ε_0 − 59ε_1 + 37ε_2 − 9ε_3)/24`
//!
//! Source: Liu et al. 2022 (PNDM), eq. 9–13: PLMS, and the pseudo-Runge–Kutta steps (PRK) that
//! start it.

use super::history::History;
use super::log_snr_step::LogSnrStep;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// Adams–Bashforth weights of orders 1 to 4, for evenly spaced steps.
const ADAMS_BASHFORTH: [&[f64]; 4] = [
    &[1.0],
    &[1.5, -0.5],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

/// How the first three steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WarmUp {
    /// By pseudo-Runge–Kutta steps with four evaluations (F-PNDM).
    #[default]
    RungeKutta,
    /// By one evaluation and the history so far (in the spirit of S-PNDM; PLMS).
    Multistep,
}

/// PNDM: order 2 with small constants (its transfer is DDIM's, which has order 2 for the exact ε̄),
/// one evaluation per step after the first three. Its weights are those of a grid that is uniform
/// in t.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pndm {
    /// The first three steps.
    pub warm_up: WarmUp,
}

/// T(x, ε).
fn transfer<B: Backend, const D: usize>(
    change: &LogSnrStep,
    x: Tensor<B, D>,
    terms: &[(f64, &Tensor<B, D>)],
) -> Tensor<B, D> {
    let ratio = change.to.alpha / change.from.alpha;
    let scale = change.to.sigma - change.from.sigma * ratio;
    let terms: Vec<_> = terms.iter().map(|&(w, e)| (w * scale, e)).collect();
    combine(x * ratio, &terms)
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
        let e1 = field.noise(t, x.clone());
        // The last stage would need the slope at σ = 0, which is not known.
        if self.warm_up == WarmUp::RungeKutta && past.len() < 3 && !change.ends_clean() {
            let middle = 0.5 * (t + s);
            let half = LogSnrStep::of(schedule, t, middle);
            let e2 = field.noise(middle, transfer(&half, x.clone(), &[(1.0, &e1)]));
            let e3 = field.noise(middle, transfer(&half, x.clone(), &[(1.0, &e2)]));
            let e4 = field.noise(s, transfer(&change, x.clone(), &[(1.0, &e3)]));
            let (sixth, third) = (1.0 / 6.0, 1.0 / 3.0);
            let slope = [(sixth, &e1), (third, &e2), (third, &e3), (sixth, &e4)];
            let x = transfer(&change, x, &slope);
            past.remember(t, e1, 4);
            return (x, past);
        }
        past.remember(t, e1, 4);
        let weights = ADAMS_BASHFORTH[past.len() - 1];
        let terms: Vec<_> = (weights.iter().enumerate())
            .map(|(j, &w)| (w, past.value(j)))
            .collect();
        (transfer(&change, x, &terms), past)
    }
}
