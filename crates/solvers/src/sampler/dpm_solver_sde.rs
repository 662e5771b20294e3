//! DPM-Solver++ for the reverse SDE, multistep.
//!
//! `x_s = (σ_s/σ_t)·e^{−h}·x_t + α_s(1 − e^{−2h})·(m_0 + ½h·m') + σ_s·√(1 − e^{−2h})·z`
//!
//! Source: Lu et al. 2022 (DPM-Solver++), eq. 19 (SDE-DPM-Solver++ 1 and 2M).

use super::history::History;
use super::log_snr_step::LogSnrStep;
use super::taper::tapered;
use crate::brownian::BrownianMotion;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// SDE-DPM-Solver++(1, 2M): order 2 in the limit of a slowly varying x̂1, one evaluation per step.
/// With order 1 it is [`Ddim`](super::Ddim) with η = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmSolverSde<W> {
    /// The order, 1 or 2.
    pub order: usize,
    /// The number of steps of the grid, if the order should fall to 1 over the last ones.
    pub taper: Option<u64>,
    /// The source of z.
    pub brownian: W,
}

sampler! { DpmSolverSde<W>: "dpmpp-sde", Signal, |_| true }

impl<B, F, W, const D: usize> Method<B, F, D> for DpmSolverSde<W>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = History<B, D>;

    /// # Panics
    /// If the order is not 1 or 2.
    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> History<B, D> {
        assert!(
            (1..=2).contains(&self.order),
            "SDE-DPM-Solver++ has order 1 or 2, not {}",
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
        let gain = change.to.alpha * change.renewed();
        let kept = change.decay() * (-change.h).exp();
        let most = tapered(self.order, self.taper, past.steps);
        let second = most == 2 && past.len() > 0 && !change.ends_clean();
        let mut x = if second {
            let h0 = 0.5 * (schedule.log_snr(t) - schedule.log_snr(past.time(0)));
            let half = 0.5 * gain * change.h / h0;
            combine(x * kept, &[(gain + half, &m0), (-half, past.value(0))])
        } else {
            combine(x * kept, &[(gain, &m0)])
        };
        if !change.ends_clean() {
            let z = change.unit_noise(&self.brownian, past.steps, &x);
            x = combine(x, &[(change.posterior_std(), &z)]);
        }
        past.remember(t, m0, 1);
        (x, past)
    }
}
