//! What a run is made of: a TOML file that names everything its result depends on.
//!
//! Every key has a default, so a file says only what differs; a key that does not exist is an error that says which do. The
//! presets that ship are such files.

mod preset;

pub use preset::{Preset, presets};

use crate::optimizer::{AdamWConfig, LearningRate};
use pyroclast_core::coupling::Coupling;
use pyroclast_core::interpolant::Gamma;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{
    Cosine, Edm, Linear, Polynomial, Schedule, SubVariancePreserving, Trigonometric,
    VarianceExploding, VariancePreserving,
};
use pyroclast_core::time_sampler::{TimeLaw, TimeSampler};
use pyroclast_core::weighting::Weighting;
use pyroclast_models::{Activation, MlpConfig, TimeInput, UNetConfig};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not TOML, or a key or value in it is unknown.
    #[error("{source_name}: {message}")]
    Syntax {
        /// The file or preset.
        source_name: String,
        /// What is wrong, with the line.
        message: String,
    },
    /// A `--set` that is not `key=value`.
    #[error("`{0}` does not set a key; write it as section.key=value, such as training.batch=256")]
    Assignment(String),
    /// A value that cannot be used.
    #[error("{key} = {value}: {remedy}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        remedy: String,
    },
    /// No preset of this name.
    #[error("there is no preset `{name}` and no such file; presets: {known}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

/// A run's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the preset is for, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The data and the source.
    pub data: Data,
    /// The path between them.
    #[serde(default)]
    pub path: Path,
    /// The network.
    #[serde(default)]
    pub network: Network,
    /// The training.
    #[serde(default)]
    pub training: Training,
    /// How samples are drawn where nothing else is asked for.
    #[serde(default)]
    pub sampling: Sampling,
}

/// `[data]`: what is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Data {
    /// `digits`, the name of a law of the plane, or the path of a `.csv`, `.csv.gz` or `.npy` file.
    pub name: String,
    /// Points drawn from a law of the plane.
    #[serde(default = "ten_thousand")]
    pub size: usize,
    /// The law that paths start from: `normal`, or a law of the plane.
    #[serde(default = "normal")]
    pub source: String,
    /// The share of a finite dataset that is held out for validation.
    #[serde(default = "a_tenth")]
    pub validation: f64,
    /// Use labels, where the data has any.
    #[serde(default = "yes")]
    pub labels: bool,
}

fn ten_thousand() -> usize {
    10_000
}

fn normal() -> String {
    "normal".into()
}

fn a_tenth() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

/// `[path]`: x_t between source and data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Path {
    /// α and σ.
    pub schedule: ScheduleName,
    /// Noise left at t = 1 by the linear path, or the lowest noise of `ve`.
    pub sigma_min: Option<f64>,
    /// The highest noise of `ve` and `edm`.
    pub sigma_max: Option<f64>,
    /// The degree of the polynomial path.
    pub degree: f64,
    /// How x0 and x1 are paired.
    pub coupling: CouplingName,
    /// Noise between the ends.
    pub gamma: GammaName,
    /// The scale s of that noise.
    pub gamma_scale: f64,
    /// What the network predicts.
    pub prediction: PredictionName,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            schedule: ScheduleName::Linear,
            sigma_min: None,
            sigma_max: None,
            degree: 2.0,
            coupling: CouplingName::Independent,
            gamma: GammaName::None,
            gamma_scale: 0.1,
            prediction: PredictionName::Velocity,
        }
    }
}

/// The schedules by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ScheduleName {
    Linear,
    Polynomial,
    Trigonometric,
    Vp,
    Cosine,
    SubVp,
    Ve,
    Edm,
}

/// The couplings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum CouplingName {
    Independent,
    OptimalTransport,
}

/// The noise between the ends by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum GammaName {
    None,
    Constant,
    Bridge,
}

/// The predictions by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum PredictionName {
    Velocity,
    Data,
    Noise,
    Score,
    V,
}

/// The weightings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum WeightingName {
    Uniform,
    Snr,
    MinSnr,
    Edm,
    Likelihood,
}

/// The laws of the training time by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TimeName {
    Uniform,
    Stratified,
    LogitNormal,
    LogNormalSigma,
    Beta,
}

/// `[network]`: an MLP for points, a UNet for images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
#[serde(rename_all_fields = "kebab-case")]
pub enum Network {
    /// A multilayer perceptron.
    Mlp {
        /// Units of a hidden layer.
        #[serde(default = "sixty_four")]
        width: usize,
        /// Hidden layers.
        #[serde(default = "three")]
        depth: usize,
        /// Between layers.
        #[serde(default)]
        activation: ActivationName,
        /// Sinusoidal features of the time; 0 for t itself.
        #[serde(default)]
        sinusoids: usize,
    },
    /// A UNet.
    Unet {
        /// Channels at full resolution.
        #[serde(default = "thirty_two")]
        channels: usize,
        /// Channels of each level, as multiples.
        #[serde(default = "one_two")]
        multipliers: Vec<usize>,
        /// Residual blocks a level.
        #[serde(default = "one")]
        blocks: usize,
        /// Heights at which pixels attend to each other.
        #[serde(default)]
        attention: Vec<usize>,
        /// Heads of the attention.
        #[serde(default = "one")]
        heads: usize,
        /// Dropout inside residual blocks.
        #[serde(default)]
        dropout: f64,
    },
}

fn sixty_four() -> usize {
    64
}

fn thirty_two() -> usize {
    32
}

fn three() -> usize {
    3
}

fn one() -> usize {
    1
}

fn one_two() -> Vec<usize> {
    vec![1, 2]
}

impl Default for Network {
    fn default() -> Self {
        Self::Mlp {
            width: sixty_four(),
            depth: three(),
            activation: ActivationName::default(),
            sinusoids: 0,
        }
    }
}

/// The activations by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ActivationName {
    #[default]
    Selu,
    Silu,
    Gelu,
    Relu,
    Tanh,
}

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

/// `[sampling]`: the defaults of `sample` and `evaluate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Sampling {
    /// The method.
    pub method: crate::sampler::MethodName,
    /// Steps of its grid.
    pub steps: usize,
    /// Weight of classifier-free guidance; 1 is the conditional model.
    pub guidance: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            method: crate::sampler::MethodName::Euler,
            steps: 100,
            guidance: 1.0,
        }
    }
}

impl Config {
    /// Reads a configuration from TOML, after `section.key=value` assignments.
    ///
    /// `source_name` is what errors call the text. Paths of data files are left as they stand.
    ///
    /// # Errors
    /// [`ConfigError`]: malformed TOML and unknown keys with their line, malformed assignments, values out of range.
    pub fn parse(
        text: &str,
        source_name: &str,
        assignments: &[String],
    ) -> Result<Self, ConfigError> {
        let syntax = |message: String| ConfigError::Syntax {
            source_name: source_name.to_owned(),
            message,
        };
        // Errors of the text itself are found before anything is assigned, while lines are those of the file.
        let config: Self = toml::from_str(text).map_err(|error| syntax(one_line(text, &error)))?;
        let config = if assignments.is_empty() {
            config
        } else {
            // From the resolved configuration, so that a key can be set whose section the text leaves out.
            let resolved = config.to_toml();
            let mut table: toml::Table =
                toml::from_str(&resolved).map_err(|e| syntax(e.to_string()))?;
            for assignment in assignments {
                assign(&mut table, assignment)?;
            }
            let text = toml::to_string(&table).map_err(|e| syntax(e.to_string()))?;
            toml::from_str(&text).map_err(|error| ConfigError::Syntax {
                source_name: format!("{source_name} with {}", assignments.join(" ")),
                message: error.message().trim().replace('\n', " "),
            })?
        };
        config.check()?;
        Ok(config)
    }

    /// The TOML of the whole configuration, defaults written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is a table of plain values")
    }

    /// Refuses values that no run could use.
    fn check(&self) -> Result<(), ConfigError> {
        let Training {
            steps,
            batch,
            learning_rate,
            ema,
            label_dropout,
            time_clip,
            ..
        } = self.training;
        let value = |key, value: &dyn ToString, remedy: &str| {
            Err(ConfigError::Value {
                key,
                value: value.to_string(),
                remedy: remedy.to_owned(),
            })
        };
        if steps == 0 {
            return value("training.steps", &steps, "train for at least 1 step");
        }
        if batch == 0 {
            return value("training.batch", &batch, "a batch holds at least 1 pair");
        }
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return value(
                "training.learning-rate",
                &learning_rate,
                "give a positive number",
            );
        }
        if !(0.0..1.0).contains(&ema) {
            return value("training.ema", &ema, "give a decay in [0, 1)");
        }
        if !(0.0..=1.0).contains(&label_dropout) {
            return value(
                "training.label-dropout",
                &label_dropout,
                "give a probability",
            );
        }
        if !(0.0..0.5).contains(&time_clip) {
            return value(
                "training.time-clip",
                &time_clip,
                "give a number in [0, 0.5)",
            );
        }
        if !(0.0..1.0).contains(&self.data.validation) {
            return value(
                "data.validation",
                &self.data.validation,
                "give a share in [0, 1)",
            );
        }
        if self.data.size < 2 {
            return value("data.size", &self.data.size, "draw at least 2 points");
        }
        for (key, every) in [
            ("training.log-every", self.training.log_every),
            ("training.validate-every", self.training.validate_every),
            ("training.save-every", self.training.save_every),
        ] {
            if every == 0 {
                return value(key, &every, "give at least 1 step");
            }
        }
        if self.sampling.steps == 0 {
            return value(
                "sampling.steps",
                &self.sampling.steps,
                "take at least 1 step",
            );
        }
        if let Network::Mlp {
            width,
            depth,
            sinusoids,
            ..
        } = self.network
            && (width == 0 || depth == 0 || sinusoids % 2 == 1)
        {
            return value(
                "network",
                &"mlp",
                "give width and depth of at least 1 and an even number of sinusoids",
            );
        }
        Ok(())
    }
}

impl Path {
    /// The schedule.
    pub fn schedule(&self) -> Arc<dyn Schedule> {
        match self.schedule {
            ScheduleName::Linear => Arc::new(Linear {
                sigma_min: self.sigma_min.unwrap_or(0.0),
            }),
            ScheduleName::Polynomial => Arc::new(Polynomial {
                degree: self.degree,
            }),
            ScheduleName::Trigonometric => Arc::new(Trigonometric),
            ScheduleName::Vp => Arc::new(VariancePreserving::default()),
            ScheduleName::Cosine => Arc::new(Cosine),
            ScheduleName::SubVp => Arc::new(SubVariancePreserving::default()),
            ScheduleName::Ve => {
                let default = VarianceExploding::default();
                Arc::new(VarianceExploding {
                    sigma_min: self.sigma_min.unwrap_or(default.sigma_min),
                    sigma_max: self.sigma_max.unwrap_or(default.sigma_max),
                })
            }
            ScheduleName::Edm => Arc::new(Edm {
                sigma_max: self.sigma_max.unwrap_or(Edm::default().sigma_max),
            }),
        }
    }

    /// The pairing.
    pub fn coupling(&self) -> Coupling {
        match self.coupling {
            CouplingName::Independent => Coupling::Independent,
            CouplingName::OptimalTransport => Coupling::OptimalTransport,
        }
    }

    /// The noise between the ends.
    pub fn gamma(&self) -> Gamma {
        match self.gamma {
            GammaName::None => Gamma::None,
            GammaName::Constant => Gamma::Constant(self.gamma_scale),
            GammaName::Bridge => Gamma::Bridge(self.gamma_scale),
        }
    }

    /// What the network predicts.
    pub fn prediction(&self) -> Prediction {
        match self.prediction {
            PredictionName::Velocity => Prediction::Velocity,
            PredictionName::Data => Prediction::Data,
            PredictionName::Noise => Prediction::Noise,
            PredictionName::Score => Prediction::Score,
            PredictionName::V => Prediction::V,
        }
    }
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
            law: match self.time {
                TimeName::Uniform => TimeLaw::Uniform,
                TimeName::Stratified => TimeLaw::Stratified,
                TimeName::LogitNormal => TimeLaw::LogitNormal { mean, std },
                TimeName::LogNormalSigma => TimeLaw::LogNormalSigma { mean, std },
                TimeName::Beta => TimeLaw::Beta { a: mean, b: std },
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

/// A network of either kind, sized for the data.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// For vectors.
    Mlp(MlpConfig),
    /// For images.
    UNet(UNetConfig),
}

impl Network {
    /// The network for samples of this shape, with this many classes.
    ///
    /// # Errors
    /// Where the network does not take such samples, or cannot be built.
    pub fn architecture(
        &self,
        shape: &[usize],
        classes: usize,
    ) -> Result<Architecture, ConfigError> {
        let refuse = |value: String, remedy: String| ConfigError::Value {
            key: "network",
            value,
            remedy,
        };
        match (self, shape) {
            (
                &Self::Mlp {
                    width,
                    depth,
                    activation,
                    sinusoids,
                },
                &[dim],
            ) => Ok(Architecture::Mlp(MlpConfig {
                dim,
                width,
                depth,
                activation: match activation {
                    ActivationName::Selu => Activation::Selu,
                    ActivationName::Silu => Activation::Silu,
                    ActivationName::Gelu => Activation::Gelu,
                    ActivationName::Relu => Activation::Relu,
                    ActivationName::Tanh => Activation::Tanh,
                },
                time: match sinusoids {
                    0 => TimeInput::Plain,
                    n => TimeInput::Sinusoids(n),
                },
                classes,
            })),
            (
                Self::Unet {
                    channels,
                    multipliers,
                    blocks,
                    attention,
                    heads,
                    dropout,
                },
                &[c, h, w],
            ) => {
                let config = UNetConfig {
                    image_channels: c,
                    image_size: [h, w],
                    channels: *channels,
                    multipliers: multipliers.clone(),
                    blocks: *blocks,
                    attention: attention.clone(),
                    heads: *heads,
                    dropout: *dropout,
                    classes,
                };
                match config.problem() {
                    Some(problem) => Err(refuse("unet".into(), problem)),
                    None => Ok(Architecture::UNet(config)),
                }
            }
            (Self::Mlp { .. }, shape) => Err(refuse(
                "mlp".into(),
                format!(
                    "an MLP takes vectors, and a sample has shape {shape:?}; set network.kind=unet"
                ),
            )),
            (Self::Unet { .. }, shape) => Err(refuse(
                "unet".into(),
                format!(
                    "a UNet takes images, and a sample has shape {shape:?}; set network.kind=mlp"
                ),
            )),
        }
    }
}

/// Sets one key of a table, making the sections that it stands in.
fn assign(table: &mut toml::Table, assignment: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::Assignment(assignment.to_owned());
    let (key, value) = assignment.split_once('=').ok_or_else(malformed)?;
    let (key, value) = (key.trim(), value.trim());
    // A bare word is a string: quotes would have to be escaped in a shell.
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(malformed)?;
    let mut current = table;
    for section in path {
        current = current
            .entry(section)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(malformed)?;
    }
    // Another kind of network has other keys: those of the old kind would be unknown to it.
    if key == "network.kind" && current.get(last) != Some(&value) {
        current.clear();
    }
    current.insert(last.to_owned(), value);
    Ok(())
}

/// A TOML error as one line: where, and what.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', " ");
    match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {message}")
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "[data]\nname = \"moons\"\n";

    #[test]
    fn defaults_fill_what_a_file_leaves_out() {
        let config = Config::parse(MINIMAL, "test", &[]).expect("a minimal file");
        assert_eq!(config.training, Training::default());
    }

    #[test]
    fn a_resolved_configuration_reads_back() {
        for preset in presets() {
            let config = Config::parse(preset.text, preset.name, &[]).expect(preset.name);
            let again = Config::parse(&config.to_toml(), "again", &[]).expect(preset.name);
            assert_eq!(config, again);
        }
    }

    #[test]
    fn assignments_override_and_name_what_they_break() {
        let set = |s: &str| Config::parse(MINIMAL, "test", &[s.to_owned()]);
        assert_eq!(set("training.batch=7").expect("a number").training.batch, 7);
        let vp = set("path.schedule=vp").expect("a bare word");
        assert_eq!(vp.path.schedule, ScheduleName::Vp);
        for (assignment, part) in [
            ("training.batch", "section.key=value"),
            ("training.bach=7", "unknown field `bach`"),
            ("path.schedule=linaer", "unknown variant `linaer`"),
            ("training.batch=0", "at least 1 pair"),
            ("training.steps=0", "at least 1 step"),
        ] {
            let message = set(assignment).expect_err(assignment).to_string();
            assert!(message.contains(part), "{assignment}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn errors_of_a_file_name_the_line() {
        let error = Config::parse(
            "[data]\nname = \"moons\"\n[training]\nsteps = \"many\"\n",
            "f.toml",
            &[],
        );
        let message = error.expect_err("a string is no number").to_string();
        assert!(message.starts_with("f.toml: line 4:"), "{message}");
    }
}
