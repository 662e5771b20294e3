//! The energy and the straightness of trajectories.
//!
//! `E Σ ‖x_{k+1} − x_k‖²/h_k` and its spread about the chord,
//! `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)/T‖²`

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};

/// Sums the energy of trajectories on the device, until the totals are read.
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
    /// Adds a state; it has to be called for every state of the solve, in order.
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

    /// The energy and the straightness, summed over the rows; `None` without steps.
    ///
    /// With `v_k = Δx_k/h_k`, whose mean is `(x_n − x_0)/T`, the spread about the mean is the
    /// energy minus the energy of the mean.
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
