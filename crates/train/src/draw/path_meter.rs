//! The energy and the straightness of trajectories.
//!
//! `E Σ ‖x_{k+1} − x_k‖²/h_k` and its spread about the chord,
//! `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)/T‖²`

use crate::host::{DeviceError, host};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

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
    ///
    /// # Errors
    /// [`DeviceError`]: the totals cannot be read.
    pub(super) async fn totals(self) -> Result<(Option<f64>, Option<f64>), DeviceError> {
        let (Some(energy), Some(start), Some((_, end))) = (self.energy, self.start, self.last)
        else {
            return Ok((None, None));
        };
        let chord = (end - start).square().sum() / self.length;
        let energy = host::<_, f64, 1>(energy).await?[0];
        let chord = host::<_, f64, 1>(chord).await?[0];
        Ok((Some(energy), Some((energy - chord).max(0.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, TensorData, read_sync};
    use burn_ndarray::NdArray;
    use pyroclast_core::analytic::Gaussian;
    use pyroclast_core::flow_map::FlowMap;
    use pyroclast_core::schedule::Linear;

    type B = NdArray<f64>;

    /// Its precision is named, since a default would be that of all tests.
    fn column(values: &[f64]) -> Tensor<B, 2> {
        let data = TensorData::new(values.to_vec(), [values.len(), 1]);
        Tensor::from_data(data, (&Default::default(), DType::F64))
    }

    /// The straightness per row of trajectories of n steps from x0 = ±1, whose squares have the
    /// mean of those from N(0, 1).
    fn straightness(n: usize, at: impl Fn(f64, Tensor<B, 2>) -> Tensor<B, 2>) -> f64 {
        let x0 = column(&[1.0, -1.0]);
        let mut meter = PathMeter::default();
        for k in 0..=n {
            let t = k as f64 / n as f64;
            meter.see(t, &at(t, x0.clone()));
        }
        read_sync(meter.totals()).expect("read").1.expect("steps") / 2.0
    }

    #[test]
    fn the_flow_to_a_gaussian_is_as_straight_as_in_closed_form() {
        use std::f64::consts::FRAC_PI_2;
        for (std, expected) in [
            (0.5, 0.214_601_836_602_551_7),
            (1.0, 0.429_203_673_205_103_4),
            (2.0, 0.858_407_346_410_206_8),
        ] {
            let flow = Gaussian {
                mean: column(&[0.7]),
                std,
                schedule: Linear::default(),
            };
            // The error is a series in 1/n²: Romberg's method takes its first terms away.
            let of = |level: usize| straightness(64 << level, |t, x| flow.map(0.0, t, x));
            let mut row: Vec<f64> = (0..5).map(of).collect();
            for order in 1..row.len() {
                let gain = 4.0_f64.powi(order as i32);
                row = row
                    .windows(2)
                    .map(|w| w[1] + (w[1] - w[0]) / (gain - 1.0))
                    .collect();
            }
            assert!((expected - std * (2.0 - FRAC_PI_2)).abs() < 1e-15);
            assert!((row[0] - expected).abs() < 1e-10, "{} {expected}", row[0]);
        }
    }

    #[test]
    fn lines_are_straight() {
        let line = |t: f64, x: Tensor<B, 2>| x * (1.0 - 0.5 * t) + 0.7 * t;
        assert!(straightness(7, line) < 1e-14);
    }
}
