//! Training a classifier for its features.
//!
//! `L(θ) = −(1/n)·Σ_i ln softmax(logits_θ(x_i))_{label_i}`
//!
//! The order of the rows and the initial parameters depend only on the seed, so the same data gives
//! the same classifier.

mod error;
mod file;

pub use error::ClassifierError;

use crate::map_rows::map_rows;
use burn::module::AutodiffModule;
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Int, Tensor, TensorData};
use pyroclast_core::condition::{Condition, Labels};
use pyroclast_core::noise::Noise;
use pyroclast_models::{Classifier, ClassifierConfig, Init};
use pyroclast_train::dataset::{Dataset, Scaling};
use pyroclast_train::learn::{AdamW, AdamWConfig, LearningRate, Order};
use pyroclast_train::parameters::{gradients, taken, values, with_values};
use serde::{Deserialize, Serialize};

/// Steps between two reads of the loss, which wait for the device.
const LOG_EVERY: u64 = 50;

/// How a classifier is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Steps.
    pub steps: u64,
    /// Samples per step.
    pub batch: usize,
    /// The learning rate after its warm-up; it falls to 0 along a cosine.
    pub learning_rate: f64,
    /// The share of the samples that is held out, in (0, 1).
    pub validation: f64,
    /// The seed of everything random.
    pub seed: u64,
}

impl Default for Settings {
    /// 600 steps of 64 samples, with a fifth held out.
    fn default() -> Self {
        Self {
            steps: 600,
            batch: 64,
            learning_rate: 3e-3,
            validation: 0.2,
            seed: 0,
        }
    }
}

/// What a classifier was trained on, and how well it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The data's name.
    pub data: String,
    /// The shape of one sample.
    pub shape: Vec<usize>,
    /// Classes.
    pub classes: usize,
    /// The share of held-out samples that it classifies correctly.
    pub accuracy: f64,
    /// The number of held-out samples.
    pub held_out: usize,
    /// Steps of the training.
    pub steps: u64,
    /// The seed of the training.
    pub seed: u64,
    /// From the data's units to the network's.
    pub scaling: Scaling,
}

/// A trained classifier.
#[derive(Debug, Clone)]
pub struct Trained<B: Backend> {
    /// The network, which expects samples on its own scale: see [`About::scaling`].
    pub network: Classifier<B>,
    /// What it was trained on.
    pub about: About,
}

impl<B: Backend> Trained<B> {
    /// The number of values in one sample.
    pub fn dim(&self) -> usize {
        self.about.shape.iter().product()
    }
}

/// Trains a classifier on labelled samples, and measures its accuracy on those held out.
///
/// `watcher` is called for every step that is queued, and from time to time with the mean loss
/// since its last report.
///
/// # Errors
/// [`ClassifierError`]: no labels, fewer than two classes, or a loss that diverges.
///
/// # Panics
/// If `settings` has a batch of 0, or a held-out share outside (0, 1).
pub fn train<B: AutodiffBackend>(
    dataset: &Dataset,
    settings: Settings,
    device: &B::Device,
    watcher: &mut dyn FnMut(u64, Option<f64>),
) -> Result<Trained<B::InnerBackend>, ClassifierError> {
    let (name, classes) = (dataset.name.clone(), dataset.classes());
    if dataset.labels().is_none() {
        return Err(ClassifierError::NoLabels { name });
    }
    if classes < 2 {
        return Err(ClassifierError::OneClass { name });
    }
    assert!(
        settings.batch > 0 && settings.validation > 0.0,
        "give samples to train on and samples to hold out"
    );
    let noise = Noise::new(settings.seed);
    let (training, held_out) = dataset.split(settings.validation, noise);
    let scaling = training.scaling();
    let (training, held_out) = (training.scaled(&scaling), held_out.scaled(&scaling));
    let config = ClassifierConfig::new(&dataset.shape, classes);
    let mut network = config.init(&mut Init::<B>::new(noise, device));
    let inner = |network: &Classifier<B>| -> Vec<_> {
        let tracked = values(network).into_iter();
        tracked.map(Tensor::inner).collect()
    };
    let adamw = AdamWConfig {
        weight_decay: 0.01,
        ..AdamWConfig::default()
    };
    let mut optimizer = AdamW::new(adamw, &inner(&network));
    let rate = LearningRate {
        peak: settings.learning_rate,
        warm_up: (settings.steps / 20).max(1),
        cosine: Some(settings.steps),
    };
    let mut order = Order::default();
    let mut sum: Option<(Tensor<B::InnerBackend, 1>, u64)> = None;
    for step in 0..settings.steps {
        let rows = rows(step, settings.batch, training.len(), noise, &mut order);
        let (x, labels) = upload::<B>(&training, &rows, device);
        let loss = cross_entropy(network.forward(x), labels);
        let mut tape = loss.backward();
        let gradients = gradients::<B, _>(&network, &mut tape);
        let (parameters, emptied) = taken(network);
        let parameters = optimizer.step(parameters, gradients, rate.at(step));
        let tracked = parameters.into_iter().map(Tensor::from_inner).collect();
        network = with_values(emptied, tracked);
        sum = Some(match sum.take() {
            Some((sum, n)) => (sum + loss.inner(), n + 1),
            None => (loss.inner(), 1),
        });
        let done = step + 1;
        let reads = done.is_multiple_of(LOG_EVERY) || done == settings.steps;
        let read = |(sum, n): (Tensor<B::InnerBackend, 1>, u64)| {
            sum.into_scalar().elem::<f64>() / n as f64
        };
        let loss = reads.then(|| sum.take().map(read)).flatten();
        if let Some(loss) = loss.filter(|loss| !loss.is_finite()) {
            return Err(ClassifierError::Diverged { loss, step: done });
        }
        watcher(done, loss);
    }
    let network = network.valid();
    Ok(Trained {
        about: About {
            data: name,
            shape: dataset.shape.clone(),
            classes,
            accuracy: accuracy(&network, &held_out, device),
            held_out: held_out.len(),
            steps: settings.steps,
            seed: settings.seed,
            scaling,
        },
        network,
    })
}

/// The rows of a step: every epoch visits each row once, in its own order.
fn rows(step: u64, batch: usize, n: usize, noise: Noise, order: &mut Order) -> Vec<usize> {
    let first = step * batch as u64;
    (first..first + batch as u64)
        .map(|place| order.row(noise, place / n as u64, (place % n as u64) as usize, n))
        .collect()
}

fn upload<B: Backend>(
    dataset: &Dataset,
    rows: &[usize],
    device: &B::Device,
) -> (Tensor<B, 2>, Tensor<B, 1, Int>) {
    let x = TensorData::new(dataset.gather(rows), [rows.len(), dataset.dim()]);
    let labels = Labels::upload(&dataset.given.select(rows), device);
    (
        Tensor::from_data(x, device),
        labels.or_class(0, rows.len(), device),
    )
}

/// The mean of `−ln softmax(logits)_label`, of shape `[1]`.
fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, labels: Tensor<B, 1, Int>) -> Tensor<B, 1> {
    let chosen = log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1));
    chosen.mean().neg()
}

/// The share of samples, on the network's scale, whose largest logit is that of their label. Waits
/// for the device.
pub(crate) fn accuracy<B: Backend>(
    network: &Classifier<B>,
    dataset: &Dataset,
    device: &B::Device,
) -> f64 {
    let logits = map_rows(&dataset.values(), dataset.dim(), device, |x| {
        network.forward(x)
    });
    let largest = |row: &[f32]| {
        let classes = row.iter().enumerate();
        classes.max_by(|a, b| a.1.total_cmp(b.1)).map(|(k, _)| k)
    };
    let labels = dataset.labels().into_iter().flatten();
    let correct = (logits.chunks_exact(dataset.classes()).zip(labels))
        .filter(|(row, label)| largest(row) == Some(**label as usize))
        .count();
    correct as f64 / dataset.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::tensor::DType;
    use burn_flex::{Flex, FlexDevice};
    use burn_ndarray::NdArray;

    fn few(steps: u64) -> Settings {
        Settings {
            steps,
            ..Settings::default()
        }
    }

    fn trained(settings: Settings) -> Trained<Flex> {
        train::<Autodiff<Flex>>(&Dataset::digits(), settings, &FlexDevice, &mut |_, _| {})
            .expect("digits have labels")
    }

    #[test]
    fn the_cross_entropy_is_its_definition() {
        type B = NdArray<f64>;
        let device = Default::default();
        let logits =
            Tensor::<B, 2>::from_data([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]], (&device, DType::F64));
        let labels = Tensor::<B, 1, Int>::from_data([1, 2], &device);
        let loss: f64 = cross_entropy(logits, labels).into_scalar();
        let first = (1.0_f64.exp() + 2.0_f64.exp() + 4.0_f64.exp()).ln() - 2.0;
        assert!((loss - (first + 3.0_f64.ln()) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn digits_are_learned() {
        let mut losses = Vec::new();
        let mut last = 0;
        let found = train::<Autodiff<Flex>>(
            &Dataset::digits(),
            few(100),
            &FlexDevice,
            &mut |step, loss| {
                last = step;
                losses.extend(loss);
            },
        )
        .expect("digits have labels");
        assert_eq!((last, losses.len()), (100, 2));
        assert!(losses[1] < losses[0] && losses[0] < 10.0_f64.ln());
        // Guessing gets a tenth right.
        assert!(found.about.accuracy > 0.9, "{}", found.about.accuracy);
        assert_eq!(found.about.held_out, 359);
    }

    #[test]
    fn the_seed_decides_the_classifier() {
        let of = |seed| {
            let settings = Settings { seed, ..few(3) };
            let found = values(&trained(settings).network).into_iter();
            found.map(Tensor::into_data).collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn vectors_are_classified_too() {
        // Two classes separated by a line, in units far from the network's.
        let values = (0..400).map(|i| 1e4 + (i % 200) as f32).collect();
        let labels: Vec<u32> = (0..200).map(|i| u32::from(i % 100 >= 50)).collect();
        let data = Dataset::new("line", values, vec![2]).with_labels(&labels, 2);
        let found = train::<Autodiff<Flex>>(&data, few(200), &FlexDevice, &mut |_, _| {});
        let about = found.expect("two classes").about;
        assert!(about.accuracy > 0.9, "{}", about.accuracy);
    }

    #[test]
    fn data_without_classes_is_refused() {
        let train =
            |data: &Dataset| train::<Autodiff<Flex>>(data, few(1), &FlexDevice, &mut |_, _| {});
        let plain = Dataset::new("plain", vec![0.0; 8], vec![2]);
        assert_eq!(
            train(&plain).expect_err("no labels").to_string(),
            "`plain` has no labels to learn from; \
             give digits, or a .csv file with a column named label"
        );
        assert_eq!(
            train(&plain.with_labels(&[0; 4], 1))
                .expect_err("one class")
                .to_string(),
            "`plain` has a single class; a classifier needs two or more"
        );
    }
}
