//! Samples with steps of their own.

use super::*;
use crate::support::{bits, distance, host, state, tensor};
use burn::tensor::DType;
use burn_flex::Flex;
use pyroclast::core::condition::{Condition, Given, Labels, Vectors};
use pyroclast::core::flow::Flow;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::core::per_sample::PerSample;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::VariancePreserving;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::solvers::EmbeddedRk;
use pyroclast::solvers::{BOGACKI_SHAMPINE, DOPRI5, HEUN, RALSTON, SolveError, TSIT5};

/// One sample of a field's batch, as a batch of one.
pub(crate) struct Only<'a, F>(pub(crate) &'a F, pub(crate) usize);

impl<T: Backend, F: BatchField<T, D>, const D: usize> BatchField<T, D> for Only<'_, F> {
    fn velocities(&self, t: &[f64], x: Tensor<T, D>, rows: &[usize]) -> Tensor<T, D> {
        assert_eq!((t.len(), rows), (1, &[0][..]));
        self.0.velocities(t, x, &[self.1])
    }
}

/// The same as a field with one time, for shared steps.
impl<T: Backend, F: BatchField<T, D>, const D: usize> VectorField<T, D> for Only<'_, F> {
    fn velocity(&self, t: f64, x: Tensor<T, D>) -> Tensor<T, D> {
        self.0.velocities(&[t], x, &[self.1])
    }
}

/// Solves a batch, and each of its samples alone: they agree to the bit, in states, outcomes and
/// costs.
fn alone_and_together<T: Backend, F: BatchField<T, D>, const D: usize>(
    field: &F,
    pair: &EmbeddedRk,
    x: Tensor<T, D>,
    span: (f64, f64),
    times: &[f64],
    control: Control,
) -> Solution<T, D> {
    let adaptive = Adaptive::new(control)
        .per_sample()
        .saving(times.iter().copied());
    let batch = (adaptive.solve(field, pair, x.clone(), span)).expect("a good control");
    let n = x.dims()[0];
    assert_eq!((batch.samples.len(), batch.saved.len()), (n, times.len()));
    let mut rows_evaluated = 0;
    for i in 0..n {
        let row = |x: &Tensor<T, D>| x.clone().narrow(0, i, 1);
        let only = Only(field, i);
        // A copy, since ndarray sums a view in another order.
        let mut shape = x.dims();
        shape[0] = 1;
        let start = tensor::<T, D>(host(row(&x)), shape);
        let alone = (adaptive.solve(&only, pair, start, span)).expect("a good control");
        let what = format!("sample {i} by {}", name(pair));
        assert_eq!(batch.samples[i], alone.samples[0], "{what}");
        assert_eq!(bits(row(&batch.x)), bits(alone.x), "{what}");
        let saved: Vec<_> = batch.saved.iter().map(|(t, x)| (*t, row(x))).collect();
        assert_eq!(bits_of_all(&saved), bits_of_all(&alone.saved), "{what}");
        assert_eq!(
            alone.statistics.evaluations,
            alone.samples[0].statistics.evaluations
        );
        rows_evaluated += alone.statistics.evaluations;
    }
    // No row is evaluated for the sake of another.
    assert_eq!(
        batch.statistics.evaluations,
        rows_evaluated,
        "{}",
        name(pair)
    );
    let asked: Vec<f64> = batch.saved.iter().map(|(t, _)| *t).collect();
    assert_eq!(asked, times);
    batch
}

/// Van der Pol oscillators, each with its own µ.
struct VanDerPol(Vec<f64>);

impl<T: Backend> BatchField<T, 2> for VanDerPol {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, rows: &[usize]) -> Tensor<T, 2> {
        assert_eq!(t.len(), rows.len());
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
        let mu = PerSample::like(&x).tensor(rows.iter().map(|&row| self.0[row]));
        let (x, y) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
        let pull = (-x.clone() * x.clone() + 1.0) * y.clone() * mu - x;
        Tensor::cat(vec![y, pull], 1)
    }
}

fn oscillators() -> (VanDerPol, Vec<f64>) {
    let mu = (0..12).map(|i| 1.0 + 24.0 * f64::from(i) / 11.0).collect();
    (VanDerPol(mu), [2.0, 0.0].repeat(12))
}

fn steps_by_itself<T: Backend>(pair: &EmbeddedRk, tol: f64) {
    let (field, start) = oscillators();
    let x = tensor::<T, 2>(start, [12, 2]);
    // The ends, some twice, and in no order.
    let times = [20.0, 3.3, 0.0, 11.7, 3.3, 20.0, 0.0, 7.1];
    let batch = alone_and_together(&field, pair, x.clone(), (0.0, 20.0), &times, tolerance(tol));
    assert_eq!(batch.failures(), 0);
    assert!(batch.samples.iter().all(|sample| sample.t == 20.0));
    // Their steps have to differ, or the test would show nothing.
    let steps: Vec<usize> = batch.samples.iter().map(|s| s.statistics.steps).collect();
    let (least, most) = (steps.iter().min(), steps.iter().max());
    assert!(most > least.map(|n| n * 3 / 2).as_ref(), "{steps:?}");
    let saved = |i: usize| batch.saved[i].1.clone();
    assert_eq!(bits(saved(0)), bits(saved(5)));
    assert_eq!(bits(saved(1)), bits(saved(4)));
    assert_eq!(bits(saved(2)), bits(x.clone()));
    assert_eq!(bits(saved(6)), bits(x));
    // Saving does not change the solution.
    let plain = Adaptive::new(tolerance(tol))
        .per_sample()
        .solve(&field, pair, saved(2), (0.0, 20.0))
        .expect("a good control");
    assert_eq!(bits(plain.x), bits(batch.x.clone()));
    // The state saved at the end is the end.
    let end = distance(saved(0), &host(batch.x));
    assert!(end < 1e-12, "{}: {end}", name(pair));
}

#[test]
fn each_sample_steps_as_if_it_were_alone() {
    for pair in [DOPRI5, TSIT5] {
        steps_by_itself::<B>(&pair, 1e-6);
    }
    steps_by_itself::<B>(&BOGACKI_SHAMPINE, 1e-4);
    steps_by_itself::<B>(&HEUN, 1e-3);
    steps_by_itself::<Flex>(&DOPRI5, 1e-4);
    steps_by_itself::<Flex>(&HEUN, 1e-3);
}

/// `x' = a·cos(t)·x`, with a for each sample and t for each row: `x = x0·exp(a·(sin t − sin t0))`.
pub(crate) struct Swing(pub(crate) Vec<f64>);

impl<T: Backend> BatchField<T, 3> for Swing {
    fn velocities(&self, t: &[f64], x: Tensor<T, 3>, rows: &[usize]) -> Tensor<T, 3> {
        let factors = rows.iter().zip(t).map(|(&row, t)| self.0[row] * t.cos());
        let factors = PerSample::like(&x).tensor(factors);
        x * factors
    }
}

fn solves_a_batch_of_images<T: Backend>() {
    let field = Swing(vec![0.5, 3.0, -1.0, 0.0]);
    // A state whose rows are longer than a vector register, and of odd length.
    let start: Vec<f64> = (0..4 * 33).map(|i| 0.1 + f64::from(i % 7) / 7.0).collect();
    let times = [1.0, 4.0, -1.5, 2.5, 2.5, 0.0];
    for &pair in EmbeddedRk::ALL {
        for span in [(-1.5, 4.0), (4.0, -1.5)] {
            let x = tensor::<T, 3>(start.clone(), [4, 3, 11]);
            let tol = 1e-6;
            let batch = alone_and_together(&field, &pair, x, span, &times, tolerance(tol));
            let ends = std::iter::once((span.1, batch.x.clone()));
            for (t, x) in batch.saved.iter().cloned().chain(ends) {
                let x = host(x);
                for (i, sample) in batch.samples.iter().enumerate() {
                    // Errors grow as the solution does, e⁶ at most, ten of them within a step.
                    let bound = 404.0 * 2.0 * tol * (sample.statistics.steps + 10) as f64;
                    for k in i * 33..(i + 1) * 33 {
                        let exact = start[k] * (field.0[i] * (t.sin() - span.0.sin())).exp();
                        assert!(
                            (x[k] - exact).abs() < bound * exact.abs().max(1.0),
                            "{} at {t}: {} {exact}",
                            name(&pair),
                            x[k]
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn each_sample_has_its_own_time_forward_and_backward() {
    solves_a_batch_of_images::<B>();
    solves_a_batch_of_images::<Flex>();
}

#[test]
fn a_batch_of_one_agrees_with_shared_steps() {
    let (field, _) = oscillators();
    let times = [0.0, 4.0, 1.7, 4.0];
    let tol = 1e-8;
    for pair in [BOGACKI_SHAMPINE, DOPRI5, TSIT5] {
        for i in [0, 5, 11] {
            let only = Only(&field, i);
            let x = || state::<B>(&[2.0, 0.0]);
            let (span, control) = ((0.0, 4.0), tolerance(tol));
            let whole = Adaptive::new(control)
                .saving(times)
                .solve(&only, &pair, x(), span)
                .expect("a smooth problem");
            let by_row = Adaptive::new(control)
                .per_sample()
                .saving(times)
                .solve(&only, &pair, x(), span)
                .expect("a good control");
            // The same control of the same errors, up to their rounding.
            let close = |a: Tensor<B, 2>, b: Tensor<B, 2>| distance(a, &host(b)) < tol;
            assert!(close(by_row.x, whole.x), "{} of {i}", name(&pair));
            for ((t, a), (_, b)) in by_row.saved.into_iter().zip(whole.saved) {
                assert!(close(a, b), "{} of {i} at {t}", name(&pair));
            }
            let sample = &by_row.samples[0];
            assert_eq!((sample.t, &sample.failure), (4.0, &None));
            let (a, b) = (sample.statistics.steps, whole.statistics.steps);
            assert!(a.abs_diff(b) <= b / 100, "{a} {b}");
        }
    }
}

/// What can go wrong, in a different way for each sample.
struct Fates;

impl<T: Backend> BatchField<T, 2> for Fates {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, rows: &[usize]) -> Tensor<T, 2> {
        let slopes = (rows.iter().zip(t).enumerate()).map(|(k, (row, &t))| {
            let x = x.clone().narrow(0, k, 1);
            match row {
                // A pole at t = 1.
                1 => pole(t, x),
                // Undefined after t = 0.5.
                3 if t > 0.5 => x * f64::NAN,
                // Undefined from the start.
                4 => x * f64::NAN,
                _ => x * t.cos(),
            }
        });
        Tensor::cat(slopes.collect(), 0)
    }
}

fn fails_alone<T: Backend>() {
    let times = [1.5, 0.0, 0.25, 2.0, 0.75, 0.25];
    for &pair in EmbeddedRk::ALL {
        let x = tensor::<T, 2>(vec![1.0; 12], [6, 2]);
        let control = tolerance(1e-5);
        let batch = alone_and_together(&Fates, &pair, x, (0.0, 2.0), &times, control);
        let what = name(&pair);
        assert_eq!(batch.failures(), 3, "{what}");
        let failure = |i: usize| batch.samples[i].failure.clone();
        let t = |i: usize| batch.samples[i].t;
        for i in [0, 2, 5] {
            assert_eq!((failure(i), t(i)), (None, 2.0), "{what}");
        }
        assert!(
            matches!(
                failure(1),
                Some(SolveError::StepSize { t: at, .. } | SolveError::NotFinite { t: at })
                    if at == t(1)
            ),
            "{what}: {:?}",
            failure(1)
        );
        assert!((t(1) - 1.0).abs() < 1e-3, "{what}: {}", t(1));
        assert_eq!(failure(3), Some(SolveError::NotFinite { t: t(3) }));
        let within = if pair == RALSTON {
            // It does not evaluate the field at the end of its steps.
            -0.1..1e-14
        } else {
            0.0..5.0 * 32.0 * f64::EPSILON
        };
        assert!(within.contains(&(0.5 - t(3))), "{what}: {}", t(3));
        assert_eq!(failure(4), Some(SolveError::NotFinite { t: 0.0 }));
        assert_eq!(batch.samples[4].statistics.steps, 0);

        // A row is defined up to the time that its sample reached, and undefined after it.
        for (time, x) in &batch.saved {
            for (i, row) in host(x.clone()).chunks(2).enumerate() {
                let reached = *time <= t(i);
                assert!(
                    row.iter().all(|v| v.is_finite() == reached),
                    "{what}: {i} at {time}"
                );
            }
        }
        // The last state is the one reached: for the sample that is undefined from the start, its
        // start.
        let x = host(batch.x);
        assert!(x.iter().all(|v| v.is_finite()));
        assert_eq!(x[8..10], [1.0, 1.0]);
        let steps = batch.samples[3].statistics.steps as f64;
        let bound = 3.0 * 2.0 * 1e-5 * steps;
        assert!((x[6] - t(3).sin().exp()).abs() < bound, "{what}");
    }
}

#[test]
fn a_sample_that_fails_fails_alone() {
    fails_alone::<B>();
    fails_alone::<Flex>();
}

#[test]
fn the_step_limit_is_each_samples_own() {
    let (field, start) = oscillators();
    let x = tensor::<B, 2>(start, [12, 2]);
    let times = [20.0, 1.0, 5.0, 10.0, 15.0, 19.0];
    for pair in [HEUN, DOPRI5] {
        let span = (0.0, 20.0);
        let free = alone_and_together(&field, &pair, x.clone(), span, &[], tolerance(1e-3));
        let tried: Vec<usize> = (free.samples.iter())
            .map(|s| s.statistics.steps + s.statistics.rejections)
            .collect();
        // A sample that needs exactly as many attempts as the limit is not stopped by it.
        let mut sorted = tried.clone();
        sorted.sort_unstable();
        for limit in [sorted[0], sorted[5], sorted[11]] {
            let control = Control {
                max_steps: limit,
                ..tolerance(1e-3)
            };
            let batch = alone_and_together(&field, &pair, x.clone(), span, &times, control);
            for (sample, &tried) in batch.samples.iter().zip(&tried) {
                let t = sample.t;
                let expected = (tried > limit).then_some(SolveError::StepLimit { limit, t });
                assert_eq!(sample.failure, expected, "{} of {limit}", name(&pair));
                assert_eq!(t == 20.0, tried <= limit);
            }
        }
    }
}

fn a_network_takes_a_time_for_each_row<T: Backend>(dtype: DType, bound: f64) {
    let device = T::Device::default();
    let noise = Noise::new(11);
    let times = [0.2, 0.5, 0.5, 0.9, 0.35];
    let rows = [0, 2, 3, 5, 6];
    let x: Tensor<T, 2> = noise
        .draws(Stream::Init, 1)
        .normal_tensor([5, 2], &device, dtype);
    let values = |x: Tensor<T, 2>| -> Vec<f64> {
        let data = x.into_data().convert::<f64>();
        data.to_vec().expect("converted just now")
    };
    let close = |a: &[f64], b: &[f64], what: &str| {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            // The same few products, rounded in two ways.
            assert!((a - b).abs() < bound * b.abs().max(1.0), "{what}: {a} {b}");
        }
    };
    let predictions = [
        Prediction::Velocity,
        Prediction::Data,
        Prediction::Noise,
        Prediction::Score,
        Prediction::ScaledScore,
        Prediction::V,
        Prediction::Edm { sigma_data: 0.7 },
    ];
    for (prediction, classes) in predictions.into_iter().flat_map(|p| [(p, 0), (p, 3)]) {
        let config = MlpConfig {
            width: 16,
            classes,
            ..MlpConfig::new(2)
        };
        let flow = Flow::new(
            config.init::<T>(&mut Init::new(noise, &device)),
            Path::new(VariancePreserving::default()),
            Objective::new(prediction),
        );
        let of = |labels: &[u32]| -> (Labels<T>, Vectors<T>) {
            match classes {
                0 => Default::default(),
                _ => Condition::upload(&Given::labels(labels, classes), &device),
            }
        };
        // A batch of seven samples, five of which are active.
        let all = [0, 2, 1, 2, 0, 0, 1];
        let (whole, picked) = (of(&all), of(&rows.map(|row| all[row])));
        let what = format!("{prediction:?} of {classes} classes");

        for t in [0.2, 0.6] {
            let by_row = flow.given(&whole).velocities(&[t; 5], x.clone(), &rows);
            let at_once = flow.given(&picked).velocity(t, x.clone());
            close(&values(by_row), &values(at_once), &what);
        }
        let by_row = values(flow.given(&whole).velocities(&times, x.clone(), &rows));
        for (k, (&row, &t)) in rows.iter().zip(&times).enumerate() {
            let label = of(&[all[row]]);
            let alone = flow.given(&label).velocity(t, x.clone().narrow(0, k, 1));
            close(&by_row[2 * k..2 * k + 2], &values(alone), &what);
        }
    }
}

#[test]
fn a_trained_network_takes_a_time_and_a_label_for_each_row() {
    a_network_takes_a_time_for_each_row::<B>(DType::F64, 1e-14);
    a_network_takes_a_time_for_each_row::<Flex>(DType::F32, 1e-5);
}
