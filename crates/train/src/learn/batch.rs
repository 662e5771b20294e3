//! Training batches, made on the host.
//!
//! `batch(step) = (x0, x1, z, t, c)`: a pure function of the seed and the step
//!
//! Nothing but the step has to be saved for a run to go on exactly. [`prefetch`] makes the next batches (and pairs them by
//! optimal transport) on another thread while the device works on this one.

use crate::dataset::Dataset;
use pyroclast_core::condition::Given;
use pyroclast_core::coupling::Coupling;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::path::{Gamma, Path};
use pyroclast_core::time_sampler::TimeDistribution;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Batches that wait for the device: enough to hide a slow one, few enough to stay small.
const AHEAD: usize = 4;

/// One batch on the host. Rows of x0 and x1 with the same index are a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The step it belongs to.
    pub step: u64,
    /// Source points, `[n, dim]`.
    pub x0: Vec<f32>,
    /// Data points, `[n, dim]`.
    pub x1: Vec<f32>,
    /// Bridge noise, `[n, dim]`, where the path has any.
    pub z: Option<Vec<f32>>,
    /// Times, `[n]`.
    pub t: Vec<f64>,
    /// Conditions of x1, some of them dropped.
    pub given: Given,
}

/// Everything that decides what a batch holds.
#[derive(Debug, Clone)]
pub struct Batcher {
    /// The data.
    pub dataset: Arc<Dataset>,
    /// Pairs in a batch.
    pub size: usize,
    /// The path that they are the endpoints of.
    pub path: Path,
    /// The probability of dropping a condition.
    pub condition_dropout: f64,
    /// The run's noise.
    pub noise: Noise,
}

impl Batcher {
    /// The batch of a step. `order` remembers the epoch's permutation from one call to the next.
    pub fn batch(&self, step: u64, order: &mut Order) -> Batch {
        let dim = self.dataset.dim();
        let rows = self.rows(step, order);
        let mut draws = self.noise.draws(Stream::Source, step);
        let x0 = self.path.source.points(self.size, dim, &mut draws);
        let x1 = self.dataset.gather(&rows);
        let classes = (self.dataset.labels())
            .map(|labels| rows.iter().map(|&row| labels[row]).collect::<Vec<_>>());
        let mut draws = self.noise.draws(Stream::Coupling, step);
        let pairs = (self.path).pairs(&x0, &x1, dim, classes.as_deref(), &mut draws);
        let rows: Vec<usize> = pairs.iter().map(|&j| rows[j]).collect();
        let x1 = match &self.path.coupling {
            Coupling::Independent => x1,
            _ => self.dataset.gather(&rows),
        };
        let mut draws = self.noise.draws(Stream::Labels, step);
        let drop = |_| draws.uniform() < self.condition_dropout;
        let dropped: Vec<bool> = (0..self.size).map(drop).collect();
        Batch {
            step,
            x0,
            x1,
            z: (self.path.gamma != Gamma::None).then(|| {
                self.noise
                    .draws(Stream::Bridge, step)
                    .normals(self.size * dim)
            }),
            t: self.times(step),
            given: self.dataset.given.select(&rows).dropped(&dropped),
        }
    }

    fn times(&self, step: u64) -> Vec<f64> {
        let mut draws = self.noise.draws(Stream::Time, step);
        let t = self.path.times(self.size, &mut draws);
        match self.path.times.distribution {
            // Strata come in order, and so do a dataset's rows within a pairing: break the tie between the two.
            TimeDistribution::Stratified => {
                draws.permutation(self.size).iter().map(|&i| t[i]).collect()
            }
            _ => t,
        }
    }

    /// The rows of a step: every epoch visits each row once, in an order of its own.
    fn rows(&self, step: u64, order: &mut Order) -> Vec<usize> {
        let n = self.dataset.len() as u64;
        let first = step * self.size as u64;
        (first..first + self.size as u64)
            .map(|position| {
                order.row(
                    self.noise,
                    position / n,
                    (position % n) as usize,
                    n as usize,
                )
            })
            .collect()
    }
}

/// The permutation of the current epoch.
#[derive(Debug, Clone, Default)]
pub struct Order {
    epoch: Option<u64>,
    permutation: Vec<usize>,
}

impl Order {
    /// The row at a place of an epoch of `n`.
    pub fn row(&mut self, noise: Noise, epoch: u64, index: usize, n: usize) -> usize {
        if self.epoch != Some(epoch) {
            self.permutation = noise.draws(Stream::Order, epoch).permutation(n);
            self.epoch = Some(epoch);
        }
        self.permutation[index]
    }
}

/// The batches of steps `first..last`, made ahead on another thread. Dropping the receiver ends it.
pub fn prefetch(batcher: Batcher, first: u64, last: u64) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(AHEAD);
    thread::spawn(move || {
        let mut order = Order::default();
        for step in first..last {
            if sender.send(batcher.batch(step, &mut order)).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::coupling::Regularisation;

    const SIZE: usize = 48;

    fn batch(dataset: Dataset, coupling: Coupling, step: u64) -> Batch {
        let batcher = Batcher {
            dataset: Arc::new(dataset),
            size: SIZE,
            path: Path {
                coupling,
                ..Path::linear()
            },
            condition_dropout: 0.0,
            noise: Noise::new(3),
        };
        batcher.batch(step, &mut Order::default())
    }

    /// Points whose coordinates tell their row and their class.
    fn labelled() -> Dataset {
        let n = 4 * SIZE;
        let values = (0..n).flat_map(|i| [i as f32, (i % 3) as f32]).collect();
        let labels: Vec<u32> = (0..n).map(|i| (i % 3) as u32).collect();
        Dataset::new("rows", values, vec![2]).with_labels(&labels, 3)
    }

    fn unlabelled() -> Dataset {
        Dataset {
            given: Given::nothing(),
            ..labelled()
        }
    }

    #[test]
    fn labels_stay_with_their_data_under_every_coupling() {
        for coupling in [
            Coupling::Independent,
            Coupling::OptimalTransport,
            Coupling::ClassOptimalTransport,
            Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05)),
        ] {
            let batch = batch(labelled(), coupling.clone(), 1);
            let labels = batch.given.labels.expect("the data has labels").labels;
            assert_eq!(labels.len(), SIZE);
            for (point, label) in batch.x1.chunks(2).zip(labels) {
                assert_eq!(point[1], label as f32, "{coupling:?}");
            }
        }
    }

    #[test]
    fn transport_within_classes_gives_noise_the_label_that_it_came_with() {
        let independent = batch(labelled(), Coupling::Independent, 1);
        let within = batch(labelled(), Coupling::ClassOptimalTransport, 1);
        let across = batch(labelled(), Coupling::OptimalTransport, 1);
        assert_eq!(within.x0, independent.x0);
        assert_eq!(within.given, independent.given);
        assert_ne!(within.x1, independent.x1);
        assert_ne!(across.given, independent.given);
    }

    #[test]
    fn without_labels_transport_within_classes_is_that_of_the_batch() {
        let within = batch(unlabelled(), Coupling::ClassOptimalTransport, 1);
        assert_eq!(within, batch(unlabelled(), Coupling::OptimalTransport, 1));
    }

    #[test]
    fn entropic_batches_are_a_function_of_seed_and_step() {
        let coupling = Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05));
        let first = batch(unlabelled(), coupling.clone(), 1);
        assert_eq!(first, batch(unlabelled(), coupling, 1));
        // The pairing has a stream of its own: nothing else of the batch shifts.
        let independent = batch(unlabelled(), Coupling::Independent, 1);
        assert_eq!((&first.x0, &first.t), (&independent.x0, &independent.t));
        assert_ne!(first.x1, independent.x1);
    }
}
