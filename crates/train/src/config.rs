//! The configuration of a run: a TOML file that names everything its result depends on.
//!
//! Every key but the name of the data has a default, so a file sets only what differs. An unknown
//! key is an error that lists the known ones. The presets that ship with the library are such
//! files, and its variants what another method of training changes in them.

mod assignment;
mod autoencoder;
mod check;
mod explain;
mod legacy;
mod load;
mod preset;
mod suited;
mod training;
mod variant;

pub use explain::{Explained, explain};
pub use load::is_data;
pub use preset::{Preset, presets};
pub use suited::suitable;
pub use training::{MOST_STEPS, Training};
pub use variant::{Variant, variants};

use crate::dataset::{Conditions, DataSource, Dataset};
use crate::draw::{Plan, Sampling};
use crate::learn::{Recorder, Run, RunError, Trainer};
use crate::model_file::ModelHeader;
use crate::network::{Architecture, NetworkConfig};
use crate::task::Task;
use assignment::assign;
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::coupling::Coupling;
use pyroclast_core::few_step::FewStep;
use pyroclast_core::flow::Flow;
use pyroclast_core::named::{OutOfRange, nearest};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_core::objective::{Objective, VarianceLoss};
use pyroclast_core::path::{Path, Source};
use pyroclast_core::settings;
use pyroclast_core::shown::{cut, shown};
use pyroclast_models::Size;

/// The most characters of the TOML reader's messages, which list all known keys.
const LONGEST: usize = 600;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not TOML, or has an unknown key or value.
    #[error("{source_name}: {message}")]
    Syntax {
        /// The name of the file or preset.
        source_name: String,
        /// The line, and what is wrong there.
        message: String,
    },
    /// An assignment that is not `key=value`.
    #[error("`{}` does not set a key; write it as section.key=value, such as training.batch=256", shown(.0))]
    Assignment(String),
    /// A value that is out of range, or does not fit the other values.
    #[error(transparent)]
    Value(#[from] OutOfRange),
    /// The stored configuration of a run cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file or folder of data where a configuration is expected.
    #[error(
        "{} is not a configuration; write one, such as mine.toml with the lines `[data]` and \
         `name = \"rows.csv\"`, and give that",
        shown(.0)
    )]
    NotAConfiguration(String),
    /// No preset of this name, with or without a variant.
    #[error("{}", load::unknown(.0))]
    UnknownPreset(String),
    /// No key of this name.
    #[error("there is no key `{}`; {remedy}", shown(key))]
    UnknownKey {
        /// The key that was asked for.
        key: String,
        /// The nearest known key, or how to list them all.
        remedy: String,
    },
}

settings! {
    /// `[few-step]`: the training of a model that samples in one to four steps.
    #[derive(Clone, PartialEq)]
    pub struct FewStepTraining {
        /// What the model learns beside the velocity: the average velocity of steps of any
        /// duration; or what the pairs of a teacher are made for.
        method: FewStep = FewStep::None,
        /// A run or a model file whose velocity is learned, in place of that of the pairs; empty to
        /// train from scratch.
        teacher: String = String::new(),
    }
}

settings! {
    /// A run's configuration.
    #[derive(Clone, PartialEq)]
    pub struct Config {
        /// One line on the purpose of this configuration.
        about: String = String::new(),
        /// `[data]`: the data to learn.
        data: DataSource = DataSource::default(),
        /// `[path]`: the path between source and data.
        path: Path = Path::default(),
        /// `[objective]`: what the network learns on the path.
        objective: Objective = Objective::default(),
        /// `[few-step]`: the training of a model that samples in one to four steps.
        few_step: FewStepTraining = FewStepTraining::default(),
        /// `[network]`: the network and its size.
        network: NetworkConfig = NetworkConfig::default(),
        /// `[training]`: the optimizer, the averages, and the length of the run.
        training: Training = Training::default(),
        /// `[sampling]`: the default way to draw samples.
        sampling: Sampling = Sampling::default(),
    }
}

impl Config {
    /// Reads a configuration from TOML and applies `section.key=value` assignments to it.
    ///
    /// Errors call the text `source_name`. Relative paths of data files stay relative to the
    /// current folder.
    ///
    /// # Errors
    /// [`ConfigError`]: malformed TOML or an unknown key, with its line; a malformed assignment; a
    /// value out of range.
    pub fn parse(
        text: &str,
        source_name: &str,
        assignments: &[String],
    ) -> Result<Self, ConfigError> {
        let syntax = |message: String| ConfigError::Syntax {
            source_name: source_name.to_owned(),
            message,
        };
        // The text is checked before anything is assigned, so that errors have its line numbers.
        let config: Self = toml::from_str(text).map_err(|error| syntax(one_line(text, &error)))?;
        let config = if assignments.is_empty() {
            config
        } else {
            // The resolved configuration has every section, even those that the text leaves out.
            let resolved = config.to_toml();
            let mut table: toml::Table =
                toml::from_str(&resolved).map_err(|e| syntax(e.to_string()))?;
            for assignment in assignments {
                assign(&mut table, assignment)?;
            }
            let text = toml::to_string(&table).map_err(|e| syntax(e.to_string()))?;
            toml::from_str(&text).map_err(|error| ConfigError::Syntax {
                source_name: format!("{source_name} with {}", shown(&assignments.join(" "))),
                message: message(&error),
            })?
        };
        config.check_all()?;
        Ok(config)
    }

    /// Reads the configuration of a run; `None` if the run was started by a program without one.
    ///
    /// Keys of earlier versions are translated.
    ///
    /// # Errors
    /// As [`Config::parse`], and if the file cannot be read.
    pub fn of_run(run: &Run) -> Result<Option<Self>, ConfigError> {
        let source_name = run.config_path().display().to_string();
        let text = run.config()?;
        text.map(|text| Self::stored(&text, &source_name))
            .transpose()
    }

    fn stored(text: &str, source_name: &str) -> Result<Self, ConfigError> {
        match legacy::converted(text) {
            Some(text) => Self::parse(&text, source_name, &[]),
            None => Self::parse(text, source_name, &[]),
        }
    }

    /// A trainer with these settings, before its first step.
    pub fn trainer<B, N, const D: usize>(
        &self,
        network: N,
        task: Task,
        device: &B::Device,
    ) -> Trainer<B, N, D>
    where
        B: AutodiffBackend,
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let training = &self.training;
        let flow = self.flow(network, &task.training);
        let mut trainer = Trainer::new(flow, task, Noise::new(training.seed), device)
            .batch(training.batch)
            .learning_rate(training.learning_rate())
            .adamw(training.adamw())
            .ema(training.ema)
            .condition_dropout(training.label_dropout)
            .few_step(self.few_step.method)
            .precision(training.precision)
            .log_every(training.log_every)
            .validate_every(training.validate_every);
        for law in training.averages() {
            trainer = trainer.and_average(law);
        }
        if let Some(pairs) = training.micro_batch {
            trainer = trainer.micro_batch(pairs);
        }
        if training.checkpoint {
            trainer = trainer.checkpoint_activations();
        }
        if self.data.flip {
            trainer = trainer.flipping();
        }
        if let NetworkConfig::Autoencoder(size) = &self.network {
            trainer = trainer.loss_by(autoencoder::loss::<B, D>(size));
        }
        trainer.about.data.section = Some(self.data.clone());
        trainer.about.network = Some(self.network.clone());
        trainer.about.sampling = self.sampling.clone();
        trainer.config = Some(self.to_toml());
        trainer
    }

    /// A recorder that saves checkpoints in the folder of a run as often as this configuration
    /// says.
    pub fn recorder<'a, W>(&self, run: &'a Run, watcher: W) -> Recorder<'a, W> {
        Recorder::new(run, watcher)
            .save_every(self.training.save_every)
            .snapshot_every(self.training.snapshot_every)
    }

    /// The configuration that a model's header records.
    ///
    /// The header does not record `[training]`, which is the default with the model's seed.
    pub fn of_model(model: &ModelHeader) -> Self {
        let about = &model.about;
        Self {
            data: about.data.section.clone().unwrap_or_default(),
            path: model.path.clone(),
            objective: model.objective,
            network: about.network.clone().unwrap_or_default(),
            training: Training {
                seed: about.seed,
                ..Training::default()
            },
            sampling: about.sampling.clone(),
            ..Self::default()
        }
    }

    /// A model's header after `section.key=value` assignments to what it records: `[data]`,
    /// `[path]`, `[objective]`, `[network]` and `[sampling]`.
    ///
    /// # Errors
    /// [`ConfigError`]: an assignment is wrong, or is one of `[training]`, which the model has
    /// behind it.
    pub fn header_with(
        header: &ModelHeader,
        assignments: &[String],
    ) -> Result<ModelHeader, ConfigError> {
        let of = |section: &str| {
            let mut keys = assignments.iter().map(|set| set.trim_start());
            keys.find(|set| {
                let rest = set.strip_prefix(section);
                rest.is_some_and(|rest| rest.trim_start().starts_with(['.', '=']))
            })
        };
        let refused = |set: &str, remedy: &str| {
            let (key, value) = set.split_once('=').unwrap_or((set, ""));
            ConfigError::Value(OutOfRange {
                key: shown(key),
                value: shown(value),
                remedy: remedy.to_owned(),
            })
        };
        if let Some(set) = of("training") {
            let remedy = "a model has its training behind it; leave it out";
            return Err(refused(set, remedy));
        }
        let mut config = Self::of_model(header);
        if header.about.data.section.is_none() {
            if let (Some(set), None) = (of("data"), of("data.name")) {
                return Err(refused(set, "the model records no data; set data.name too"));
            }
            // A stand-in, which is not recorded: a configuration names its data.
            "digits".clone_into(&mut config.data.name);
        }
        let config = Self::parse(&config.to_toml(), "the model", assignments)?;
        let mut header = header.clone();
        if of("data").is_some() {
            header.about.data.section = Some(config.data);
        }
        (header.path, header.objective) = (config.path, config.objective);
        header.about.network = header.about.network.map(|_| config.network);
        header.about.sampling = config.sampling;
        Ok(header)
    }

    /// The default plan for sampling, with noise of this seed.
    pub fn plan(&self, seed: u64) -> Plan {
        self.sampling.plan(&self.objective(), seed)
    }

    /// What the network learns: what `[objective]` says, or the average velocity if `[few-step]`
    /// trains one.
    pub fn objective(&self) -> Objective {
        let own = self.objective.prediction;
        Objective {
            prediction: self.few_step.method.trained(own),
            ..self.objective
        }
    }

    /// The network, sized for samples of this shape with these conditions; a number is one of
    /// classes, 0 for none.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if the network or the source does not fit such samples.
    pub fn architecture(
        &self,
        shape: &[usize],
        conditions: impl Into<Conditions>,
    ) -> Result<Architecture, ConfigError> {
        if let (Source::Toy(toy), false) = (&self.path.source, shape == [2]) {
            return Err(ConfigError::Value(OutOfRange {
                key: "path.source".to_owned(),
                value: toy.to_string(),
                remedy: format!(
                    "it has 2 coordinates, and a sample {}; set path.source=normal",
                    shape.iter().product::<usize>()
                ),
            }));
        }
        Ok((self.network).architecture(shape, conditions, &self.objective())?)
    }

    /// The bytes of memory that a training takes at least, for a network of this size and samples
    /// of `dim` values: parameters, gradients, the optimizer's moments and the averages; one batch,
    /// what its backward pass keeps, and the plan of its coupling.
    ///
    /// A number that does not fit into 64 bits is `u64::MAX`.
    pub fn memory(&self, network: Size, dim: usize) -> u64 {
        let batch = self.training.batch as u64;
        let plan = match self.path.coupling {
            Coupling::Sinkhorn(_) | Coupling::Unbalanced { .. } | Coupling::Partial { .. } => {
                batch.saturating_mul(batch).saturating_mul(4)
            }
            Coupling::OptimalTransport | Coupling::ClassOptimalTransport => {
                batch.saturating_mul(batch.isqrt()).saturating_mul(4)
            }
            _ => 0,
        };
        self.training.memory(network, dim).saturating_add(plan)
    }

    /// The flow that joins a network with this configuration's path and objective.
    ///
    /// A learned variance takes its decoder from the data, unless the configuration sets one.
    pub fn flow<N>(&self, network: N, data: &Dataset) -> Flow<N> {
        if self.network.is_autoencoder() {
            return autoencoder::flow(network);
        }
        let mut objective = self.objective();
        if let VarianceLoss::Hybrid { decoder, .. } = &mut objective.variance {
            decoder.get_or_insert_with(|| data.decoder());
        }
        Flow::new(network, self.path.clone(), objective)
    }

    /// The whole configuration as TOML, with every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is a table of plain values")
    }
}

/// A TOML error as one line: its line number, then the message.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {}", message(error))
        }
        None => message(error),
    }
}

/// The message of a TOML error on one line; for an unknown key it suggests the nearest known one.
fn message(error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', " ");
    let message = cut(&message, LONGEST, LONGEST / 2);
    let mut quoted = message.split('`').skip(1).step_by(2);
    let near = match quoted.next() {
        Some(unknown) if message.starts_with("unknown field") => nearest(unknown, quoted),
        _ => None,
    };
    match near {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::coupling::Regularisation;
    use pyroclast_core::noise::{Noise, Stream};
    use pyroclast_core::schedule::AnySchedule;
    use pyroclast_core::weighting::Weighting;

    const MINIMAL: &str = "[data]\nname = \"moons\"\n";

    #[test]
    fn defaults_fill_what_a_file_leaves_out() {
        let config = Config::parse(MINIMAL, "test", &[]).expect("a minimal file");
        assert_eq!(config.training, Training::default());
    }

    #[test]
    fn a_resolved_configuration_reads_back() {
        for preset in presets() {
            let config = preset.config(&[]).expect(&preset.name);
            let again = Config::parse(&config.to_toml(), "again", &[]).expect(&preset.name);
            assert_eq!(config, again);
        }
    }

    #[test]
    fn assignments_override_and_name_what_they_break() {
        let set = |s: &str| Config::parse(MINIMAL, "test", &[s.to_owned()]);
        assert_eq!(set("training.batch=7").expect("a number").training.batch, 7);
        let vp = set("path.schedule=vp").expect("a bare word");
        assert!(matches!(
            vp.path.schedule,
            AnySchedule::VariancePreserving(_)
        ));
        for (assignment, part) in [
            ("training.batch", "section.key=value"),
            ("training.bach=7", "unknown field `bach`"),
            ("training.bach=7", "did you mean `batch`?"),
            ("path.schedule=linaer", "did you mean `linear`?"),
            ("training.batch=0", "at least 1 pair"),
            ("training.steps=0", "at least 1 step"),
            ("training.micro-batch=0", "training.micro-batch = 0"),
            ("training.micro-batch=513", "give 1 to 512"),
            ("path.coupling.sinkhorn.fixed=0", "give a positive number"),
            (
                "path.coupling.sinkhorn.fixed=-1",
                "path.coupling.sinkhorn.fixed = -1.0",
            ),
            (
                "path.schedule.ve.sigma-min=70",
                "path.schedule.ve.sigma-min",
            ),
            (
                "objective.weighting.min-snr.gamma=0",
                "give a positive number",
            ),
        ] {
            let message = set(assignment).expect_err(assignment).to_string();
            assert!(message.contains(part), "{assignment}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_batch_in_parts_takes_less_memory() {
        let set = |micro_batch: &str| {
            let set = [format!("training.micro-batch={micro_batch}")];
            Config::parse(MINIMAL, "test", &set).expect("a part of 512")
        };
        let network = Size {
            parameters: 1000,
            tensors: 0,
            activations: 100,
        };
        // Parameters, gradients, two moments, an average, the sum of gradients; three points of two
        // numbers per sample, here and on the device; what the backward pass keeps.
        let bytes = |part: u64| 4 * (6 * 1000 + 6 * 512 + (6 + 100) * part);
        for part in [1, 512] {
            let mut config = set(&part.to_string());
            assert_eq!(config.memory(network, 2), bytes(part));
            // Of 100 numbers that blocks compute, at least 6 enter the next ones.
            config.training.checkpoint = true;
            assert_eq!(config.memory(network, 2), bytes(part) - 4 * 94 * part);
        }
    }

    #[test]
    fn parameters_stand_inside_the_name() {
        let set = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|&s| s.to_owned()).collect();
            Config::parse(MINIMAL, "test", &set)
        };
        let weighting = |assignment: &str| {
            let config = set(&["objective.weighting=min-snr", assignment]);
            config.expect(assignment).objective.weighting
        };
        let min_snr = |gamma| Weighting::MinSnr { gamma };
        assert_eq!(weighting("training.seed=0"), min_snr(5.0));
        for assignment in [
            "objective.weighting={ min-snr = { gamma = 3 } }",
            "objective.weighting.min-snr={ gamma = 3 }",
            "objective.weighting.min-snr.gamma=3",
        ] {
            assert_eq!(weighting(assignment), min_snr(3.0), "{assignment}");
        }
        // Another name takes the place of the first with its parameters.
        assert_eq!(
            weighting("objective.weighting.edm.sigma-data=2"),
            Weighting::Edm { sigma_data: 2.0 }
        );
    }

    #[test]
    fn an_entropic_coupling_takes_its_regularisation_from_the_bridge() {
        let parse = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|s| format!("path.{s}")).collect();
            Config::parse(MINIMAL, "test", &set)
        };
        let pairs = |set: &[&str]| {
            let path = parse(set).expect("a path").path;
            let mut draws = Noise::new(0).draws(Stream::Coupling, 0);
            let [x0, x1] = [0, 1].map(|k| Noise::new(1).draws(Stream::Data, k).normals(128));
            path.pairs(&x0, &x1, 2, None, &mut draws)
        };
        let bridge = ["coupling=sinkhorn", "gamma.bridge=0.5"];
        assert_eq!(pairs(&bridge), pairs(&["coupling.sinkhorn.fixed=0.5"]));
        let set = [&bridge[..], &["coupling.sinkhorn.fixed=2"]].concat();
        assert_eq!(pairs(&set), pairs(&["coupling.sinkhorn.fixed=2"]));
        let relative = pairs(&["coupling=sinkhorn"]);
        assert_eq!(relative, pairs(&["coupling.sinkhorn.of-mean-cost=0.05"]));
        assert_ne!(relative, pairs(&bridge));
        let sinkhorn = parse(&["coupling=sinkhorn"]).expect("a name").path.coupling;
        assert_eq!(sinkhorn, Coupling::Sinkhorn(Regularisation::Auto));
        let classes = parse(&["coupling=class-ot"]).expect("an alias");
        assert_eq!(classes.path.coupling, Coupling::ClassOptimalTransport);

        let flat = ["coupling=sinkhorn", "gamma.bridge=0"];
        let message = parse(&flat).expect_err("ε = 0").to_string();
        assert!(message.starts_with("path.coupling = "), "{message}");
        assert!(message.contains("scale above 0"), "{message}");
        parse(&flat[1..]).expect("other couplings need no ε");
    }

    #[test]
    fn the_score_is_known_under_independent_pairs_alone() {
        for (name, known) in [
            ("independent", true),
            ("optimal-transport", false),
            ("class-optimal-transport", false),
            ("sinkhorn", false),
        ] {
            let set = [format!("path.coupling={name}")];
            let config = Config::parse(MINIMAL, "test", &set).expect(name);
            assert_eq!(config.path.knows_score(), known, "{name}");
        }
    }

    #[test]
    fn a_weight_that_is_not_a_number_at_a_trained_index_is_refused() {
        let set = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|&s| s.to_owned()).collect();
            Config::parse(MINIMAL, "test", &set)
        };
        let chain = [
            "path.schedule.ddpm.zero-terminal-snr=true",
            "objective.prediction=v",
            "objective.weighting=likelihood",
        ];
        let message = set(&chain).expect_err("SNR = 0").to_string();
        assert!(message.starts_with("objective.weighting = "), "{message}");
        set(&chain[..2]).expect("another weighting");
        set(&chain[1..]).expect("another chain");
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
