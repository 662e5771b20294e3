//! What a trajectory costs.
//!
//! `E Σ ‖x_{k+1} − x_k‖²/h_k` and its spread about the chord, `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)/T‖²`

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};

/// Adds up what a trajectory costs, on the device until it is asked.
pub(super) struct PathMeter<B: Backend, const D: usize> {
    start: Option<Tensor<B, D>>,
    last: Option<(f64, Tensor<B, D>)>,
    energy: Option<Tensor<B, 1>>,
    length: f64,
}

impl<B: Backend, const D: usize> Default for PathMeter<B, D> {
    fn default() -> Self {
        Self {
            start: None,
            last: None,
            energy: None,
            length: 0.0,
        }
    }
}

impl<B: Backend, const D: usize> PathMeter<B, D> {
    /// To be shown every state.
    pub(super) fn see(&mut self, t: f64, x: &Tensor<B, D>) {
        if let Some((s, previous)) = self.last.take() {
            let part = (x.clone() - previous).square().sum() / (t - s);
            self.length += t - s;
            self.energy = Some(match self.energy.take() {
                Some(sum) => sum + part,
                None => part,
            });
        } else {
            self.start = Some(x.clone());
        }
        self.last = Some((t, x.clone()));
    }

    /// Sums over the rows. With `v_k = Δx_k/h_k` of mean `(x_n − x_0)/T`, the spread about the mean is the energy less the mean's.
    pub(super) fn totals(self) -> (Option<f64>, Option<f64>) {
        let (Some(energy), Some(start), Some((_, end))) = (self.energy, self.start, self.last)
        else {
            return (None, None);
        };
        let chord = (end - start).square().sum() / self.length;
        let energy = energy.into_scalar().elem::<f64>();
        let straightness = energy - chord.into_scalar().elem::<f64>();
        (Some(energy), Some(straightness.max(0.0)))
    }
}
