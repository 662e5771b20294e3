//! DEIS: exponential Adams–Bashforth.
//!
//! `x_s/α_s = x_t/α_t + Σ_j c_j·x̂0(t_j), c_j = ∫_t^s L_j dρ, ρ = σ/α`, with the Lagrange
//! polynomials L_j through the last times, in a variable of choice
//!
//! Source: Zhang & Chen 2023, eq. 14 and table 1 (tAB, ρAB). k-diffusion's LMS is the case of ρ.

use super::history::History;
use super::log_snr_step::{LogSnrStep, level};
use super::quadrature::integral;
use super::taper::tapered;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_core::schedule::Schedule;
use pyroclast_kernels::combine;

/// The variable in which x̂0 is extrapolated as a polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extrapolation {
    /// t: the authors' choice, tAB-DEIS.
    #[default]
    Time,
    /// ρ = σ/α: ρAB-DEIS, which is LMS.
    Level,
    /// ln ρ; a step to σ = 0 has order 1.
    LogLevel,
}

/// DEIS of an order from 1 to 4: one evaluation per step. The first steps have the order that their
/// history allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deis {
    /// The order, which is the number of evaluations that a step uses.
    pub order: usize,
    /// The variable of the polynomial.
    pub extrapolation: Extrapolation,
    /// The number of steps of the grid, if the order should fall to 1 over the last ones.
    pub taper: Option<u64>,
}

impl Deis {
    /// Linear multistep in the noise level (LMS).
    pub const fn lms(order: usize) -> Self {
        Self {
            order,
            extrapolation: Extrapolation::Level,
            taper: None,
        }
    }

    /// The c_j of a step, for the newest evaluation first.
    fn weights(&self, schedule: &dyn Schedule, times: &[f64], change: &LogSnrStep) -> Vec<f64> {
        let of_level = |rho: f64| match self.extrapolation {
            Extrapolation::Time => schedule.time_at_log_snr(-2.0 * rho.ln()),
            Extrapolation::Level => rho,
            Extrapolation::LogLevel => rho.ln(),
        };
        let clock = |t: f64| match self.extrapolation {
            Extrapolation::Time => t,
            _ => of_level(level(schedule.at(t))),
        };
        let nodes: Vec<f64> = times.iter().map(|&t| clock(t)).collect();
        let lagrange = |j: usize, c: f64| {
            let others = nodes.iter().enumerate().filter(|(i, _)| *i != j);
            others
                .map(|(_, node)| (c - node) / (nodes[j] - node))
                .product::<f64>()
        };
        let (from, to) = (level(change.from), level(change.to));
        (0..times.len())
            .map(|j| integral(from, to, |rho| lagrange(j, of_level(rho))))
            .collect()
    }
}

sampler! { Deis: "deis", Signal, |_| false }

impl<B, F, const D: usize> Method<B, F, D> for Deis
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    type State = History<B, D>;

    /// # Panics
    /// If the order is not 1 to 4.
    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> History<B, D> {
        assert!(
            (1..=4).contains(&self.order),
            "DEIS has order 1 to 4, not {}",
            self.order
        );
        History::default()
    }

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
        let most = tapered(self.order, self.taper, past.steps);
        past.remember(t, field.noise(t, x.clone()), self.order);
        let order = match (self.extrapolation, change.ends_clean()) {
            (Extrapolation::LogLevel, true) => 1,
            _ => past.len().min(most),
        };
        let times: Vec<f64> = (0..order).map(|j| past.time(j)).collect();
        let weights = self.weights(schedule, &times, &change);
        let terms: Vec<_> = (weights.iter().enumerate())
            .map(|(j, c)| (change.to.alpha * c, past.value(j)))
            .collect();
        (
            combine(x * (change.to.alpha / change.from.alpha), &terms),
            past,
        )
    }
}
