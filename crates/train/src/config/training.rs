//! `[training]`: the optimizer, the laws of time, and when to log, validate and save.

use crate::ema::Law;
use crate::optimizer::{AdamWConfig, LearningRate};
use pyroclast_core::time_sampler::{TimeDistribution, TimeSampler};
use pyroclast_core::weighting::Weighting;
use serde::{Deserialize, Serialize};

/// `[training]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Training {
    /// Optimizer steps.
    pub steps: u64,
    /// Pairs in a batch.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps over which it rises.
    pub warm_up: u64,
    /// Whether it then falls to zero along a cosine.
    pub cosine: bool,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Bound on the global norm of the gradient; 0 for none.
    pub clip: f64,
    /// Decay of the parameters' moving average.
    pub ema: f64,
    /// Decays of further moving averages, kept beside that one.
    pub ema_rates: Vec<f64>,
    /// Relative widths of power-function averages, such as 0.05 and 0.1, of which any other is made after training; none for off.
    pub ema_power: Vec<f64>,
    /// Steps between two snapshots of the power-function averages; 0 for a twentieth of the run.
    pub snapshot_every: u64,
    /// Probability of dropping a label, which makes guidance possible.
    pub label_dropout: f64,
    /// The law of t.
    pub time: TimeName,
    /// Its location: of `logit-normal`, `log-normal-sigma`; the first parameter of `beta`.
    pub time_location: f64,
    /// Its scale; the second parameter of `beta`.
    pub time_scale: f64,
    /// Keeps t this far from both ends.
    pub time_clip: f64,
    /// How much a time counts.
    pub weighting: WeightingName,
    /// γ of `min-snr`, σ_data of `edm`.
    pub weighting_parameter: f64,
    /// The seed of everything random.
    pub seed: u64,
    /// Steps between two logged losses.
    pub log_every: u64,
    /// Steps between two validations.
    pub validate_every: u64,
    /// Steps between two checkpoints.
    pub save_every: u64,
    /// Steps between two pictures; 0 for the last one only.
    pub picture_every: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            steps: 20_000,
            batch: 512,
            learning_rate: 1e-3,
            warm_up: 0,
            cosine: false,
            weight_decay: 0.0,
            clip: 0.0,
            ema: 0.999,
            ema_rates: Vec::new(),
            ema_power: Vec::new(),
            snapshot_every: 0,
            label_dropout: 0.1,
            time: TimeName::Uniform,
            time_location: 0.0,
            time_scale: 1.0,
            time_clip: 0.0,
            weighting: WeightingName::Uniform,
            weighting_parameter: 5.0,
            seed: 0,
            log_every: 100,
            validate_every: 1000,
            save_every: 1000,
            picture_every: 0,
        }
    }
}

/// The weightings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightingName {
    /// 1 on the network's output.
    Uniform,
    /// SNR on the data error.
    Snr,
    /// min(SNR, γ) on the data error.
    MinSnr,
    /// EDM's.
    Edm,
    /// g² on the score error.
    Likelihood,
}

/// The laws of the training time by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeName {
    /// U(0, 1).
    Uniform,
    /// One time in each of as many cells as the batch has pairs.
    Stratified,
    /// A normal law of ln(t/(1 − t)).
    LogitNormal,
    /// A normal law of ln(σ/α).
    LogNormalSigma,
    /// The Beta law.
    Beta,
}

impl Training {
    /// The optimizer's constants.
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

    /// The further averages.
    pub fn averages(&self) -> Vec<Law> {
        let rates = self.ema_rates.iter().copied().map(Law::Rate);
        let powers = self.ema_power.iter().copied().map(Law::Power);
        rates.chain(powers).collect()
    }

    /// Steps between two snapshots of the power-function averages; `None` where none are kept.
    pub fn snapshots(&self) -> Option<u64> {
        let every = match self.snapshot_every {
            0 => (self.steps / 20).max(1),
            every => every,
        };
        (!self.ema_power.is_empty()).then_some(every)
    }

    /// The learning rate over the run.
    pub fn learning_rate(&self) -> LearningRate {
        LearningRate {
            peak: self.learning_rate,
            warm_up: self.warm_up,
            cosine: self.cosine.then_some(self.steps),
        }
    }

    /// The law of t.
    pub fn times(&self) -> TimeSampler {
        let (mean, std) = (self.time_location, self.time_scale);
        TimeSampler {
            distribution: match self.time {
                TimeName::Uniform => TimeDistribution::Uniform,
                TimeName::Stratified => TimeDistribution::Stratified,
                TimeName::LogitNormal => TimeDistribution::LogitNormal { mean, std },
                TimeName::LogNormalSigma => TimeDistribution::LogNormalSigma { mean, std },
                TimeName::Beta => TimeDistribution::Beta { a: mean, b: std },
            },
            clip: self.time_clip,
        }
    }

    /// How much a time counts.
    pub fn weighting(&self) -> Weighting {
        match self.weighting {
            WeightingName::Uniform => Weighting::Uniform,
            WeightingName::Snr => Weighting::Snr,
            WeightingName::MinSnr => Weighting::MinSnr {
                gamma: self.weighting_parameter,
            },
            WeightingName::Edm => Weighting::Edm {
                sigma_data: self.weighting_parameter,
            },
            WeightingName::Likelihood => Weighting::Likelihood,
        }
    }
}
