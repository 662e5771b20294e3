//! UniPC.
//!
//! `x_s = (σ_s/σ_t)·x_t + α_s(1 − e^{−h})·m_0 − α_s·B(h)·Σ_i a_i·D_i, D_i = (m_i − m_0)/r_i, r_i = (λ_i − λ_t)/h`, with
//! `Σ_i a_i·r_i^{k−1} = b_k = k!·z·φ_{k+1}(z)/B, z = −h`; the corrector is the same step taken again once x̂1 at its end is known
//!
//! Source: Zhao et al. 2023 (UniPC), theorem 3.1, algorithms 5–8 (data prediction).

use super::hop::Hop;
use super::phi::{factorial, phi};
use crate::method::{Memory, Method, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_core::schedule::Schedule;
use pyroclast_kernels::combine;

/// The function B(h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// `B = −h` for the step's z.
    Bh1,
    /// `B = e^{−h} − 1`.
    #[default]
    Bh2,
}

/// UniPC-p: order p for its predictor and one more with its corrector, one evaluation a step.
///
/// The first steps have the order that their past allows; a step to σ = 0 has order 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniPc {
    /// p, 1, 2 or 3.
    pub order: usize,
    /// B(h).
    pub variant: Variant,
    /// The number of steps of the grid, where the order shall come down to 1 over the last ones (the authors' advice for few steps).
    pub taper: Option<u64>,
}

/// What the next step knows of the ones before.
#[derive(Debug, Clone)]
pub struct UniPcState<B: Backend, const D: usize> {
    /// x where the last step started, once there was one.
    start: Option<Tensor<B, D>>,
    /// x̂1 at earlier times, the newest first.
    past: Vec<(f64, Tensor<B, D>)>,
    /// The order of the last step.
    order: usize,
    steps: u64,
}

impl<B: Backend, const D: usize> Memory<B, D> for UniPcState<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        let (mut times, mut tensors): (Vec<f64>, Vec<_>) = self.past.into_iter().unzip();
        // The order is a small whole number, and travels with the times.
        times.push(self.order as f64);
        tensors.extend(self.start);
        Parts {
            tensors,
            times,
            steps: self.steps,
        }
    }

    fn from_parts(mut parts: Parts<B, D>) -> Self {
        let order = parts.times.pop().unwrap_or(0.0) as usize;
        let start = if parts.tensors.len() > parts.times.len() {
            parts.tensors.pop()
        } else {
            None
        };
        Self {
            start,
            past: parts.times.into_iter().zip(parts.tensors).collect(),
            order,
            steps: parts.steps,
        }
    }
}

impl UniPc {
    /// One step of order `order` from the newest of `past`, with x̂1 at its end where that is known.
    fn advance<B: Backend, const D: usize>(
        &self,
        schedule: &dyn Schedule,
        s: f64,
        x: Tensor<B, D>,
        past: &[(f64, Tensor<B, D>)],
        order: usize,
        end: Option<&Tensor<B, D>>,
    ) -> Tensor<B, D> {
        let (t, m0) = &past[0];
        let hop = Hop::of(schedule, *t, s);
        let lambda = |t: f64| 0.5 * schedule.log_snr(t);
        let mut nodes: Vec<(f64, &Tensor<B, D>)> = (past[1..order].iter())
            .map(|(r, m)| ((lambda(*r) - lambda(*t)) / hop.h, m))
            .collect();
        nodes.extend(end.map(|m| (1.0, m)));
        let z = -hop.h;
        let b = match self.variant {
            Variant::Bh1 => z,
            Variant::Bh2 => z.exp_m1(),
        };
        let rates: Vec<f64> = nodes.iter().map(|node| node.0).collect();
        let mut of_m0 = hop.gain();
        let mut terms: Vec<(f64, &Tensor<B, D>)> = Vec::with_capacity(nodes.len() + 1);
        for ((r, m), a) in nodes.iter().zip(shares(&rates, z, b)) {
            let weight = -hop.to.alpha * b * a / r;
            of_m0 -= weight;
            terms.push((weight, m));
        }
        terms.push((of_m0, m0));
        combine(x * hop.decay(), &terms)
    }
}

/// The a_i: for one node ½, which no h changes (the authors' choice), else the solution of the Vandermonde system by elimination.
fn shares(rates: &[f64], z: f64, b: f64) -> Vec<f64> {
    let n = rates.len();
    if n <= 1 {
        return vec![0.5; n];
    }
    let mut rows: Vec<Vec<f64>> = (0..n)
        .map(|k| {
            let order = k as u32 + 1;
            let mut row: Vec<f64> = rates.iter().map(|r| r.powi(k as i32)).collect();
            row.push(factorial(order) * z * phi(order + 1, z) / b);
            row
        })
        .collect();
    for i in 0..n {
        let pivot = (i..n).max_by(|&a, &b| rows[a][i].abs().total_cmp(&rows[b][i].abs()));
        rows.swap(i, pivot.expect("some row is left"));
        for j in 0..n {
            if j != i {
                let factor = rows[j][i] / rows[i][i];
                for k in i..=n {
                    rows[j][k] -= factor * rows[i][k];
                }
            }
        }
    }
    (0..n).map(|i| rows[i][n] / rows[i][i]).collect()
}

impl<B, F, const D: usize> Method<B, F, D> for UniPc
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    type State = UniPcState<B, D>;

    /// # Panics
    /// If the order is not 1, 2 or 3.
    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> UniPcState<B, D> {
        assert!(
            (1..=3).contains(&self.order),
            "UniPC has order 1, 2 or 3, not {}",
            self.order
        );
        UniPcState {
            start: None,
            past: Vec::new(),
            order: 0,
            steps: 0,
        }
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        mut state: UniPcState<B, D>,
    ) -> (Tensor<B, D>, UniPcState<B, D>) {
        let schedule = field.schedule();
        let m = field.denoise(t, x.clone());
        let x = match state.start.take() {
            Some(start) => self.advance(schedule, t, start, &state.past, state.order, Some(&m)),
            None => x,
        };
        state.past.insert(0, (t, m));
        state.past.truncate(self.order);
        let left = self
            .taper
            .map_or(u64::MAX, |n| n.saturating_sub(state.steps));
        state.order = if schedule.at(s).sigma == 0.0 {
            1
        } else {
            (state.past.len() as u64).min(left.max(1)) as usize
        };
        state.steps += 1;
        let next = self.advance(schedule, s, x.clone(), &state.past, state.order, None);
        state.start = Some(x);
        (next, state)
    }
}
