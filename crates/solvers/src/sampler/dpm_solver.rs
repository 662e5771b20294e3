//! DPM-Solver++, multistep.
//!
//! `x_s = (σ_s/σ_t)·x_t + α_s·h·[φ_1(−h)·m_0 + φ_2(−h)·h·m' + φ_3(−h)·h²·m'']`, where m is x̂1 as a
//! function of λ, with the derivatives of the polynomial through the last evaluations; for order 2
//! in its midpoint form `φ_1(−h)·(m_0 + ½h·m')`
//!
//! Source: Lu et al. 2022 (DPM-Solver++), eq. 9 and algorithm 2 (2M). The third order is the exact
//! integral of the quadratic. (Published implementations of 3M take half of its m'', which leaves
//! order 2.)

use super::history::History;
use super::log_snr_step::LogSnrStep;
use super::phi::phi;
use super::taper::tapered;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// DPM-Solver++(1M, 2M, 3M): orders 1 to 3, one evaluation per step. The first steps have the order
/// that their history allows, and a step to σ = 0 has order 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DpmSolver {
    /// The order, 1, 2 or 3.
    pub order: usize,
    /// The number of steps of the grid, if the order should fall to 1 over the last ones.
    pub taper: Option<u64>,
}

impl DpmSolver {
    /// The method of this order, to the end of its grid.
    pub const fn of_order(order: usize) -> Self {
        Self { order, taper: None }
    }
}

sampler! { DpmSolver: "dpmpp", Signal, |_| false }

impl<B, F, const D: usize> Method<B, F, D> for DpmSolver
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    type State = History<B, D>;

    /// # Panics
    /// If the order is not 1, 2 or 3.
    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> History<B, D> {
        assert!(
            (1..=3).contains(&self.order),
            "DPM-Solver++ has order 1, 2 or 3, not {}",
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
        let m0 = field.denoise(t, x.clone());
        let order = if change.ends_clean() {
            1
        } else {
            tapered(self.order, self.taper, past.steps).min(past.len() + 1)
        };
        let lambda = |t: f64| 0.5 * schedule.log_snr(t);
        // Weights of m_0, m_1, m_2 in h·m' and h²·m''.
        let (h, gain) = (change.h, change.gain());
        let mut weights = [gain, 0.0, 0.0];
        if order >= 2 {
            let h0 = lambda(t) - lambda(past.time(0));
            let first = [h / h0, -h / h0];
            let (mut slope, mut curve) = ([first[0], first[1], 0.0], [0.0; 3]);
            let (mut by_slope, mut by_curve) = (0.5 * gain, 0.0);
            if order == 3 {
                let h1 = lambda(past.time(0)) - lambda(past.time(1));
                // The second divided difference, times h².
                let second = [h / h0, -h / h0 - h / h1, h / h1].map(|w| w * h / (h0 + h1));
                for i in 0..3 {
                    slope[i] += second[i] * h0 / h;
                    curve[i] = 2.0 * second[i];
                }
                by_slope = change.to.alpha * h * phi(2, -h);
                by_curve = change.to.alpha * h * phi(3, -h);
            }
            for i in 0..3 {
                weights[i] += by_slope * slope[i] + by_curve * curve[i];
            }
        }
        let mut terms = vec![(weights[0], &m0)];
        terms.extend((1..order).map(|i| (weights[i], past.value(i - 1))));
        let x = combine(x * change.decay(), &terms);
        past.remember(t, m0, self.order.saturating_sub(1).max(1));
        (x, past)
    }
}
