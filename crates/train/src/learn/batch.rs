//! Training batches, made on the host.
//!
//! `batch(step) = (x0, x1, z, t, c)`: a pure function of the seed and the step
//!
//! A checkpoint therefore needs only the step to resume with the same batches. [`prefetch`] makes
//! the next batches, and pairs them by optimal transport, on other threads while the device works
//! on the current one.

use super::numbers::Numbers;
use super::order::Order;
use super::pairs::Pairs;
use crate::dataset::Dataset;
use pyroclast_core::condition::Given;
use pyroclast_core::coupling::Coupling;
use pyroclast_core::noise::{Draws, Noise, Stream};
use pyroclast_core::path::{Gamma, Path, Source};
use pyroclast_core::time_sampler::TimeDistribution;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Batches made ahead of the device: enough to hide a slow one, few enough to need little memory.
/// Each thread that makes them has another in hand.
const AHEAD: usize = 4;
/// The most threads that make batches: a plan of a large one needs hundreds of megabytes.
const MOST_MAKERS: usize = 4;

/// One batch on the host, or the part of it that a process works on. Rows of x0 and x1 with the
/// same index are a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The step of the training, from 0.
    pub step: u64,
    /// The pairs whose points and conditions are here, `m` of the batch's `n`.
    pub rows: Range<usize>,
    /// Source points, `[m, dim]`.
    pub x0: Numbers,
    /// Data points, `[m, dim]`, row-major.
    pub x1: Vec<f32>,
    /// Bridge noise, `[m, dim]`, if the path has any.
    pub z: Option<Numbers>,
    /// Times in [0, 1] of all pairs, `[n]`.
    pub t: Vec<f64>,
    /// The conditions of x1, some of them dropped.
    pub given: Given,
}

impl Batch {
    /// The number of pairs, whether they are all here or not.
    pub fn len(&self) -> usize {
        self.t.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }

    /// Some pairs of the batch, with all that belongs to them.
    ///
    /// # Panics
    /// If a pair is not here, or the batch is empty.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        assert!(
            self.rows.start <= rows.start && rows.end <= self.rows.end,
            "pairs {rows:?} of a batch that has those of {:?}",
            self.rows
        );
        let (here, dim) = (self.rows.len(), self.x1.len() / self.rows.len());
        let t = self.t[rows.clone()].to_vec();
        let rows = rows.start - self.rows.start..rows.end - self.rows.start;
        let of = |x: &Numbers| x.part(rows.clone(), here);
        Self {
            step: self.step,
            rows: 0..rows.len(),
            x0: of(&self.x0),
            x1: self.x1[rows.start * dim..rows.end * dim].to_vec(),
            z: self.z.as_ref().map(of),
            t,
            given: self.given.slice(rows),
        }
    }
}

/// Makes training batches from data, a path and noise.
///
/// ```
/// use pyroclast_core::{noise::Noise, path::Path};
/// use pyroclast_train::dataset::Dataset;
/// use pyroclast_train::learn::{Batcher, Order};
///
/// let batcher = Batcher {
///     dataset: Dataset::rows(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 2).into(),
///     size: 3,
///     path: Path::optimal_transport(),
///     condition_dropout: 0.0,
///     flip: false,
///     noise: Noise::new(0),
///     pairs: None,
///     leaves_noise: false,
///     rows: 0..3,
/// };
/// let batch = batcher.batch(7, &mut Order::default());
/// assert_eq!((batch.x1.len(), batch.t.len()), (6, 3));
/// // The same step of the same noise is the same batch.
/// assert_eq!(batch, batcher.batch(7, &mut Order::default()));
/// ```
#[derive(Debug, Clone)]
pub struct Batcher {
    /// The data, on the model's scale.
    pub dataset: Arc<Dataset>,
    /// The number of pairs in a batch.
    pub size: usize,
    /// The path, which gives the source, the pairing and the times.
    pub path: Path,
    /// The probability of dropping the condition of a sample.
    pub condition_dropout: f64,
    /// Whether each image is mirrored, left to right, with probability ½.
    pub flip: bool,
    /// The noise of the training.
    pub noise: Noise,
    /// Pairs in place of those that the path draws of the data, if they are given.
    pub pairs: Option<Arc<Pairs>>,
    /// Whether the device draws the noise itself, where the host does not need it to pair.
    pub leaves_noise: bool,
    /// The pairs of a batch that are asked for. Where points are paired with each other, all are
    /// made.
    pub rows: Range<usize>,
}

impl Batcher {
    /// The batch of a step.
    ///
    /// `order` keeps the permutation of the current epoch from one call to the next; it saves time
    /// and does not change the batch.
    ///
    /// # Panics
    /// If no pairs are asked for, or more than a batch has.
    pub fn batch(&self, step: u64, order: &mut Order) -> Batch {
        let dim = self.dataset.dim();
        let all = self
            .pairs
            .as_ref()
            .map_or(self.dataset.len(), |pairs| pairs.len());
        let rows = self.order(step, all, order);
        if let Some(pairs) = &self.pairs {
            let Pairs { x0, x1, given, .. } = pairs.select(&rows[self.rows.clone()]);
            return self.of_pairs(step, self.rows.clone(), Numbers::Made(x0), x1, given);
        }
        let draws = self.noise.draws(Stream::Source, step);
        let drawn = |some| (self.dataset).drawn(&rows, some, self.flip, self.noise, step);
        if self.path.coupling == Coupling::Independent {
            let some = self.rows.clone();
            let x0 = self.independent(draws);
            let given = self.dataset.given.select(&rows[some.clone()]);
            return self.of_pairs(step, some.clone(), x0, drawn(some), given);
        }
        let whole = 0..self.size;
        let x0 = self.path.source.points(self.size, dim, &mut { draws });
        let x1 = drawn(whole.clone());
        let classes = (self.dataset.labels())
            .map(|labels| rows.iter().map(|&row| labels[row]).collect::<Vec<_>>());
        let mut draws = self.noise.draws(Stream::Coupling, step);
        let pairs = (self.path).pairs(&x0, &x1, dim, classes.as_deref(), &mut draws);
        let rows: Vec<usize> = pairs.iter().map(|&(_, j)| rows[j]).collect();
        let [x0, x1] = match &self.path.coupling {
            Coupling::Given => [x0, x1],
            _ => [(x0, 0), (x1, 1)].map(|(x, side)| {
                let row = |&(i, j): &(usize, usize)| {
                    let row = [i, j][side];
                    &x[row * dim..(row + 1) * dim]
                };
                pairs.iter().flat_map(row).copied().collect()
            }),
        };
        let given = self.dataset.given.select(&rows);
        self.of_pairs(step, whole, Numbers::Made(x0), x1, given)
    }

    /// The source points of the pairs that are asked for, which do not depend on the data.
    fn independent(&self, mut draws: Draws) -> Numbers {
        let (dim, Range { start, end }) = (self.dataset.dim(), self.rows.clone());
        match self.path.source {
            Source::Normal => {
                let mut draws = draws.of_rows(start..end, self.size);
                match self.leaves_noise {
                    true => Numbers::Drawn(draws),
                    false => Numbers::Made(draws.normals((end - start) * dim)),
                }
            }
            // Of other distributions the first points may depend on how many there are.
            _ => {
                let points = self.path.source.points(self.size, dim, &mut draws);
                Numbers::Made(points[start * dim..end * dim].to_vec())
            }
        }
    }

    /// The threads that make batches: one if pairs stay as they are drawn, since that is quick.
    fn makers(&self) -> usize {
        match self.path.coupling {
            _ if self.pairs.is_some() => 1,
            Coupling::Independent | Coupling::Given => 1,
            _ => rayon::current_num_threads().min(MOST_MAKERS),
        }
    }

    /// The batch of these pairs.
    fn of_pairs(
        &self,
        step: u64,
        rows: Range<usize>,
        x0: Numbers,
        x1: Vec<f32>,
        given: Given,
    ) -> Batch {
        let mut draws = self.noise.draws(Stream::Labels, step);
        let drop = |_| draws.uniform() < self.condition_dropout;
        let dropped: Vec<bool> = (0..self.size).map(drop).collect();
        let z = (self.path.gamma != Gamma::None).then(|| {
            let draws = self.noise.draws(Stream::Bridge, step);
            let mut draws = draws.of_rows(rows.clone(), self.size);
            match self.leaves_noise {
                true => Numbers::Drawn(draws),
                false => Numbers::Made(draws.normals(x1.len())),
            }
        });
        Batch {
            step,
            x0,
            x1,
            z,
            t: self.times(step),
            given: given.dropped(&dropped[rows.clone()]),
            rows,
        }
    }

    fn times(&self, step: u64) -> Vec<f64> {
        let mut draws = self.noise.draws(Stream::Time, step);
        let t = self.path.times(self.size, &mut draws);
        match self.path.times.distribution {
            // Strata are in rising order, and a pairing may order the rows of the dataset too: a
            // permutation makes the times independent of the rows.
            TimeDistribution::Stratified => {
                draws.permutation(self.size).iter().map(|&i| t[i]).collect()
            }
            _ => t,
        }
    }

    /// The rows of a step. Every epoch visits each row once, in a new order.
    fn order(&self, step: u64, all: usize, order: &mut Order) -> Vec<usize> {
        let n = all as u64;
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

/// The batches of steps `first..last` in turn, made ahead on other threads, which end when this is
/// dropped.
///
/// Where pairs are searched for, several batches are made at once, a thread each.
///
/// # Panics
/// If a thread that makes batches panicked.
pub fn prefetch(batcher: Batcher, first: u64, last: u64) -> impl Iterator<Item = Batch> {
    let makers = batcher.makers();
    let made: Vec<Receiver<Batch>> = (0..makers)
        .map(|maker| {
            let (sender, receiver) = sync_channel(AHEAD.div_ceil(makers));
            let batcher = batcher.clone();
            thread::spawn(move || {
                let mut order = Order::default();
                for step in (first..last).skip(maker).step_by(makers) {
                    if sender.send(batcher.batch(step, &mut order)).is_err() {
                        return;
                    }
                }
            });
            receiver
        })
        .collect();
    (first..last)
        .zip((0..makers).cycle())
        .map(move |(_, maker)| {
            let batch = made[maker].recv();
            batch.expect("the batcher makes every step up to the last")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_core::coupling::Regularisation;

    const SIZE: usize = 48;

    fn batcher(dataset: Dataset, coupling: Coupling) -> Batcher {
        Batcher {
            dataset: Arc::new(dataset),
            size: SIZE,
            path: Path {
                coupling,
                ..Path::linear()
            },
            condition_dropout: 0.0,
            flip: false,
            noise: Noise::new(3),
            pairs: None,
            leaves_noise: false,
            rows: 0..SIZE,
        }
    }

    fn batch(dataset: Dataset, coupling: Coupling, step: u64) -> Batch {
        batcher(dataset, coupling).batch(step, &mut Order::default())
    }

    /// Points whose coordinates are their row and their class.
    fn labelled() -> Dataset {
        let n = 4 * SIZE;
        let values = (0..n).flat_map(|i| [i as f32, (i % 3) as f32]).collect();
        let labels: Vec<u32> = (0..n).map(|i| (i % 3) as u32).collect();
        Dataset::new("rows", values, vec![2]).with_labels(&labels, 3)
    }

    fn unlabelled() -> Dataset {
        labelled().unconditional()
    }

    #[test]
    fn labels_stay_with_their_data_under_every_coupling() {
        for coupling in [
            Coupling::Independent,
            Coupling::OptimalTransport,
            Coupling::ClassOptimalTransport,
            Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05)),
            Coupling::Unbalanced {
                epsilon: Regularisation::OfMeanCost(0.05),
                lambda: 50.0,
            },
            Coupling::Partial { mass: 0.6 },
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
    fn transport_within_classes_keeps_the_labels_of_independent_pairs() {
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
    fn half_of_the_images_are_mirrored_whatever_they_are_paired_with() {
        // The pixels of image i are 10·i, 10·i + 1 and 10·i + 2.
        let values = (0..2 * SIZE).flat_map(|i| [0, 1, 2].map(|x| (10 * i + x) as f32));
        let images = Dataset::new("rows", values.collect(), vec![1, 1, 3]);
        let batch = |coupling, flip| {
            let batcher = Batcher {
                flip,
                ..batcher(images.clone(), coupling)
            };
            batcher.batch(2, &mut Order::default())
        };
        let flipped = batch(Coupling::Independent, true);
        let plain = batch(Coupling::Independent, false);
        assert_eq!(flipped.x0, plain.x0);
        let mut mirrored = 0;
        for (a, b) in flipped.x1.chunks(3).zip(plain.x1.chunks(3)) {
            mirrored += usize::from(a != b);
            assert!(a == b || a == [b[2], b[1], b[0]]);
        }
        // Binomial: n/2 within five standard deviations of √n/2.
        let expected = SIZE as f64 / 2.0;
        assert!(
            (mirrored as f64 - expected).abs() < 2.5 * (SIZE as f64).sqrt(),
            "{mirrored}"
        );
        let sorted = |batch: &Batch| {
            let mut rows: Vec<Vec<u32>> = batch
                .x1
                .chunks(3)
                .map(|row| row.iter().map(|x| *x as u32).collect())
                .collect();
            rows.sort();
            rows
        };
        let paired = batch(Coupling::OptimalTransport, true);
        assert_ne!(paired.x1, flipped.x1);
        assert_eq!(sorted(&paired), sorted(&flipped));
    }

    #[test]
    fn batches_made_ahead_are_those_of_their_steps_in_turn() {
        for coupling in [Coupling::Independent, Coupling::OptimalTransport] {
            let batcher = batcher(unlabelled(), coupling);
            let ahead = prefetch(batcher.clone(), 3, 40);
            let one_by_one = (3..40).map(|step| batcher.batch(step, &mut Order::default()));
            assert!(ahead.eq(one_by_one));
        }
    }

    #[test]
    fn noise_that_is_left_for_the_device_is_the_same_noise() {
        for (coupling, is_left) in [
            (Coupling::Independent, true),
            (Coupling::OptimalTransport, false),
        ] {
            let batch = |leaves_noise| {
                let mut batcher = batcher(unlabelled(), coupling.clone());
                batcher.path.gamma = Gamma::Constant(0.1);
                batcher.leaves_noise = leaves_noise;
                batcher.batch(3, &mut Order::default())
            };
            let (made, left) = (batch(false), batch(true));
            assert_eq!(matches!(left.x0, Numbers::Drawn(_)), is_left);
            assert!(matches!(left.z, Some(Numbers::Drawn(_))));
            let seen = |batch: &Batch| {
                let shape = [batch.len(), 2];
                let on = |x: &Numbers| x.on::<NdArray, 2>(shape, &Default::default()).into_data();
                (on(&batch.x0), batch.z.as_ref().map(on), batch.x1.clone())
            };
            assert_eq!(seen(&made), seen(&left), "{coupling:?}");
            let rows = 7..20;
            let parts = [made.part(rows.clone()), left.part(rows)];
            assert_eq!(seen(&parts[0]), seen(&parts[1]), "{coupling:?}");
        }
    }

    #[test]
    fn a_part_of_a_batch_is_that_of_the_whole() {
        for (coupling, is_part) in [
            (Coupling::Independent, true),
            (Coupling::OptimalTransport, false),
        ] {
            let batch = |rows: Range<usize>| {
                let mut batcher = batcher(labelled(), coupling.clone());
                batcher.path.gamma = Gamma::Constant(0.1);
                batcher.path.times.distribution = TimeDistribution::Stratified;
                batcher.condition_dropout = 0.5;
                batcher.rows = rows;
                batcher.batch(3, &mut Order::default())
            };
            let (whole, part) = (batch(0..SIZE), batch(10..30));
            assert_eq!(part.rows == (10..30), is_part, "{coupling:?}");
            assert_eq!(part.len(), SIZE);
            for rows in [10..30, 12..13] {
                let [of_whole, of_part] = [&whole, &part].map(|batch| batch.part(rows.clone()));
                assert_eq!(of_whole, of_part, "{coupling:?}");
            }
        }
    }

    #[test]
    fn mirrored_images_of_a_part_are_those_of_the_whole() {
        let values = (0..2 * SIZE).flat_map(|i| [0, 1, 2].map(|x| (10 * i + x) as f32));
        let images = Dataset::new("rows", values.collect(), vec![1, 1, 3]);
        let batch = |rows: Range<usize>| {
            let batcher = Batcher {
                flip: true,
                rows,
                ..batcher(images.clone(), Coupling::Independent)
            };
            batcher.batch(2, &mut Order::default())
        };
        let rows = 5..40;
        assert_eq!(batch(0..SIZE).part(rows.clone()).x1, batch(rows).x1);
    }

    #[test]
    fn entropic_batches_are_a_function_of_seed_and_step() {
        let coupling = Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05));
        let first = batch(unlabelled(), coupling.clone(), 1);
        assert_eq!(first, batch(unlabelled(), coupling, 1));
        // The pairing draws from its own stream, so the rest of the batch does not change.
        let independent = batch(unlabelled(), Coupling::Independent, 1);
        assert_eq!((&first.x0, &first.t), (&independent.x0, &independent.t));
        assert_ne!(first.x1, independent.x1);
    }
}
