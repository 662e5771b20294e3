//! `[training]`: the optimizer, its averages, and when to log, validate and save.

use crate::dataset::Posterior;
use crate::learn::{AdamWConfig, Law, LearningRate, WIDTHS};
use pyroclast_core::named::{COUNT, NOT_NEGATIVE, POSITIVE, Range};
use pyroclast_core::settings;
use pyroclast_kernels::Precision;
use pyroclast_models::Size;

/// The most steps of a training: 2⁴⁰, which a thousand per second take 35 years for.
pub const MOST_STEPS: u64 = 1 << 40;
/// The most further averages of a kind: each is a copy of the parameters.
const AVERAGES: usize = 32;
/// What a tensor costs besides its numbers: its name, its shape, its place in the module.
const PER_TENSOR: u64 = 256;
/// Of at most so many numbers that a block computes, one is its output, which enters the next: 15 in
/// a transformer with layers of eight times its width, 14 in a UNet.
const PER_BLOCK: u64 = 16;

settings! {
    /// `[training]`: the optimizer, its averages, and when to log, validate and save.
    #[derive(Clone, PartialEq)]
    pub struct Training {
        /// Optimizer steps.
        steps: u64 = 20_000 => Range {
            holds: |n| (1..=MOST_STEPS).contains(n),
            remedy: "train for at least 1 step, and at most 2^40",
        },
        /// Pairs in a batch.
        batch: usize = 512 => Range {
            remedy: "a batch holds at least 1 pair, and at most 2^28",
            ..COUNT
        },
        /// The most pairs of a batch that are worked on at once, from 1 to `batch`: gradients are
        /// added over parts of a batch that does not fit into memory as a whole. Unless it is set,
        /// the whole batch.
        micro_batch: Option<usize> = None,
        /// Whether the blocks of a UNet or a transformer are computed again in the backward pass, in
        /// place of keeping what they compute: the memory of their inputs and of one block, for a
        /// third to a half more time. The gradients are the same to the last bit.
        checkpoint: bool = false,
        /// What the factors of products are rounded to in a step: `f32`; `tf32`, which GPUs that have
        /// it multiply faster, and all others as `f32`; or `bf16`, which matrix units multiply up to twice
        /// as fast. All else has single precision: parameters, averages, normalisations, losses.
        precision: Precision = Precision::Tf32,
        /// Peak learning rate.
        learning_rate: f64 = 1e-3 => POSITIVE,
        /// Steps over which the learning rate rises linearly to its peak.
        warm_up: u64 = 0,
        /// Whether the learning rate falls from its peak to zero along a cosine.
        cosine: bool = false,
        /// Decoupled weight decay.
        weight_decay: f64 = 0.0 => NOT_NEGATIVE,
        /// Bound on the global norm of the gradient; 0 for no bound.
        clip: f64 = 0.0 => Range {
            remedy: "give a bound, or 0 for none",
            ..NOT_NEGATIVE
        },
        /// Decay of the moving average of the parameters that samples are drawn with.
        ema: f64 = 0.999 => Range {
            holds: |v| (0.0..1.0).contains(v),
            remedy: "give a decay in [0, 1)",
        },
        /// Decays of further moving averages to keep.
        ema_rates: Vec<f64> = Vec::new() => Range {
            holds: |rates| rates.iter().all(|d| (0.0..1.0).contains(d)) && distinct(rates),
            remedy: "give up to 32 different decays in [0, 1), such as [0.999,0.9999]",
        },
        /// Relative widths of power-function averages, such as 0.05 and 0.1, from which other
        /// widths are reconstructed after training; empty for none.
        ema_power: Vec<f64> = Vec::new() => Range {
            holds: |widths| widths.iter().all(|w| WIDTHS.contains(w)) && distinct(widths),
            remedy: "give up to 32 different relative widths from 0.01 to 0.3, such as [0.05,0.1]",
        },
        /// Steps between two snapshots of the power-function averages; 0 for a twentieth of the
        /// run.
        snapshot_every: u64 = 0,
        /// Probability of dropping a label, which makes classifier-free guidance possible.
        label_dropout: f64 = 0.1 => Range {
            holds: |v| (0.0..=1.0).contains(v),
            remedy: "give a probability",
        },
        /// What is learned of the distribution of each latent, where data.latents has some.
        posterior: Posterior = Posterior::Sample,
        /// Seed of all randomness.
        seed: u64 = 0,
        /// Steps between two logged losses.
        log_every: u64 = 100 => at_least_one("give at least 1 step"),
        /// Steps between two validations.
        validate_every: u64 = 1000 => at_least_one("give at least 1 step"),
        /// Steps between two checkpoints.
        save_every: u64 = 1000 => at_least_one("give at least 1 step"),
        /// Steps between two pictures of samples; 0 for one after the last step only.
        picture_every: u64 = 0,
        /// Whether to write event files for TensorBoard as well.
        tensorboard: bool = true,
    }
}

fn at_least_one(remedy: &'static str) -> Range<u64> {
    Range {
        holds: |n| *n > 0,
        remedy,
    }
}

fn distinct(values: &[f64]) -> bool {
    values.len() <= AVERAGES && (1..values.len()).all(|i| !values[..i].contains(&values[i]))
}

impl Training {
    /// The constants of AdamW; a `clip` of 0 becomes an infinite bound.
    pub fn adamw(&self) -> AdamWConfig {
        AdamWConfig {
            weight_decay: self.weight_decay,
            clip: if self.clip > 0.0 {
                self.clip
            } else {
                f64::INFINITY
            },
            ..AdamWConfig::default()
        }
    }

    /// The bytes of memory that a training takes at least, for a network of this size and samples
    /// of `dim` values: parameters, gradients, the optimizer's moments and the averages; one batch,
    /// and what its backward pass keeps. A number that does not fit into 64 bits is `u64::MAX`.
    pub(super) fn memory(&self, network: Size, dim: usize) -> u64 {
        let copies = 5 + self.ema_rates.len() as u64 + self.ema_power.len() as u64;
        let numbers = network.parameters.saturating_mul(4);
        let tensors = network.tensors.saturating_mul(PER_TENSOR);
        // The endpoints and the point between them, each on the host and on the device.
        let points = 3 * dim as u64;
        let whole = points.saturating_mul(self.batch as u64);
        let activations = network.activations / if self.checkpoint { PER_BLOCK } else { 1 };
        let part = activations.saturating_add(points);
        let part = part.saturating_mul(self.micro_batch.unwrap_or(self.batch) as u64);
        let batch = whole.saturating_add(part).saturating_mul(4);
        // With parts, the gradients of one besides their sum.
        let copies = copies + u64::from(self.micro_batch.is_some());
        let kept = numbers.saturating_add(tensors).saturating_mul(copies);
        kept.saturating_add(batch)
    }

    /// The averages to keep besides that of `ema`.
    pub fn averages(&self) -> Vec<Law> {
        let rates = self.ema_rates.iter().copied().map(Law::Rate);
        let powers = self.ema_power.iter().copied().map(Law::Power);
        rates.chain(powers).collect()
    }

    /// The learning rate over the run.
    pub fn learning_rate(&self) -> LearningRate {
        LearningRate {
            peak: self.learning_rate,
            warm_up: self.warm_up,
            cosine: self.cosine.then_some(self.steps),
        }
    }
}
