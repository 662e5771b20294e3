//! UniPC.
//!
//! `x_s = (σ_s/σ_t)·x_t + α_s(1 − e^{−h})·m_0 − α_s·B(h)·Σ_i a_i·D_i, D_i = (m_i − m_0)/r_i`,
//! `r_i = (λ_i − λ_t)/h`, with `Σ_i a_i·r_i^{k−1} = b_k = k!·z·φ_{k+1}(z)/B, z = −h`; the corrector
//! is the same step, repeated once x̂1 at its end is known
//!
//! Source: Zhao et al. 2023 (UniPC), theorem 3.1, algorithms 5–8 (data prediction).

use super::corrected_history::CorrectedHistory;
use super::history::History;
use super::log_snr_step::LogSnrStep;
use super::phi::{factorial, phi};
use super::taper::{self, tapered};
use super::vandermonde::solve;
use crate::entry::Settings;
use crate::entry::option::ORDER;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_core::schedule::Schedule;
use pyroclast_kernels::combine;

/// The function B(h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// `B = −h`, the z of the step.
    Bh1,
    /// `B = e^{−h} − 1`.
    #[default]
    Bh2,
}

/// UniPC-p: order p for its predictor and one more with its corrector, one evaluation per step.
///
/// The first steps have the order that their history allows; a step to σ = 0 has order 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniPc {
    /// p, 1, 2 or 3.
    pub order: usize,
    /// B(h).
    pub variant: Variant,
    /// The number of steps of the grid, if the order should fall to 1 over the last ones (which the
    /// authors recommend for few steps).
    pub taper: Option<u64>,
}

impl UniPc {
    /// The method that settings ask for.
    pub(super) fn with_settings(settings: &Settings<'_>, variant: Variant) -> Self {
        Self {
            order: settings.whole(&ORDER),
            variant,
            taper: taper::asked(settings),
        }
    }

    /// One step of order `order` from the newest evaluation of `past`, with x̂1 at its end if it is
    /// known.
    fn advance<B: Backend, const D: usize>(
        &self,
        schedule: &dyn Schedule,
        s: f64,
        x: Tensor<B, D>,
        past: &History<B, D>,
        order: usize,
        end: Option<&Tensor<B, D>>,
    ) -> Tensor<B, D> {
        let (t, m0) = (past.time(0), past.value(0));
        let change = LogSnrStep::of(schedule, t, s);
        let lambda = |t: f64| 0.5 * schedule.log_snr(t);
        let mut nodes: Vec<(f64, &Tensor<B, D>)> = (1..order)
            .map(|i| ((lambda(past.time(i)) - lambda(t)) / change.h, past.value(i)))
            .collect();
        nodes.extend(end.map(|m| (1.0, m)));
        let z = -change.h;
        let b = match self.variant {
            Variant::Bh1 => z,
            Variant::Bh2 => z.exp_m1(),
        };
        let rates: Vec<f64> = nodes.iter().map(|node| node.0).collect();
        let mut of_m0 = change.gain();
        let mut terms: Vec<(f64, &Tensor<B, D>)> = Vec::with_capacity(nodes.len() + 1);
        // The authors fix a = ½ for one node, whatever h.
        let shares = match rates.len() {
            0 | 1 => vec![0.5; rates.len()],
            n => {
                let right = |k: u32| factorial(k) * z * phi(k + 1, z) / b;
                solve(&rates, (1..=n as u32).map(right).collect())
            }
        };
        for ((r, m), a) in nodes.iter().zip(shares) {
            let weight = -change.to.alpha * b * a / r;
            of_m0 -= weight;
            terms.push((weight, m));
        }
        terms.push((of_m0, m0));
        combine(x * change.decay(), &terms)
    }
}

sampler! { UniPc: "unipc", Signal, |_| false }

impl<B, F, const D: usize> Method<B, F, D> for UniPc
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    type State = CorrectedHistory<B, D>;

    /// # Panics
    /// If the order is not 1, 2 or 3.
    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> CorrectedHistory<B, D> {
        assert!(
            (1..=3).contains(&self.order),
            "UniPC has order 1, 2 or 3, not {}",
            self.order
        );
        CorrectedHistory::default()
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: CorrectedHistory<B, D>,
    ) -> (Tensor<B, D>, CorrectedHistory<B, D>) {
        let schedule = field.schedule();
        let m = field.denoise(t, x.clone());
        let CorrectedHistory {
            start,
            mut past,
            order,
        } = state;
        let x = match start {
            Some(start) => self.advance(schedule, t, start, &past, order, Some(&m)),
            None => x,
        };
        let most = tapered(self.order, self.taper, past.steps);
        past.remember(t, m, self.order);
        let order = if schedule.at(s).sigma == 0.0 {
            1
        } else {
            past.len().min(most)
        };
        let next = self.advance(schedule, s, x.clone(), &past, order, None);
        let start = Some(x);
        (next, CorrectedHistory { start, past, order })
    }
}
