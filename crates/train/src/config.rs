//! What a run is made of: a TOML file that names everything its result depends on.
//!
//! Every key has a default, so a file says only what differs; a key that does not exist is an error that says which do. The
//! presets that ship are such files.

mod assignment;
mod check;
mod diffusion;
mod network;
mod path;
mod preset;
mod sampling;
mod training;

pub use diffusion::{BetasName, Diffusion, InputName, ProcessName, VarianceName};
pub use network::{ActivationName, Architecture, Network};
pub use path::{CouplingName, GammaName, Path, PredictionName, ScheduleName};
pub use preset::{Preset, presets};
pub use sampling::Sampling;
pub use training::{TimeName, Training, WeightingName};

use crate::dataset::Dataset;
use assignment::assign;
use pyroclast_core::flow::Flow;
use pyroclast_core::objective::{Objective, Variational};
use pyroclast_core::path::Source;
use pyroclast_core::preconditioning::Preconditioning;
use pyroclast_core::schedule::{AnySchedule, BetaTable};
use pyroclast_core::time_sampler::{TimeDistribution, TimeSampler};
use serde::{Deserialize, Serialize};

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
    /// A noising process in place of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diffusion: Option<Diffusion>,
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
    /// The distribution that paths start from: `normal`, or a toy distribution.
    #[serde(default)]
    pub source: Source,
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

fn a_tenth() -> f64 {
    0.1
}

fn yes() -> bool {
    true
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

    /// Whether the velocity that is learned determines the score, as an SDE needs it.
    pub fn knows_score(&self) -> bool {
        self.path().knows_score()
    }

    /// The path that is learned.
    pub fn path(&self) -> pyroclast_core::path::Path {
        pyroclast_core::path::Path {
            schedule: self.schedule(),
            gamma: self.path.gamma(),
            source: self.data.source.clone(),
            coupling: self.path.coupling(),
            times: self.times(),
        }
    }

    /// What the network learns there, from this data.
    pub fn objective(&self, data: &Dataset) -> Objective {
        let chain = self.diffusion.as_ref().filter(|_| self.learns_variance());
        let (prediction, preconditioning) = match &self.diffusion {
            Some(diffusion) => (diffusion.prediction(), diffusion.preconditioning()),
            // A path refuses EDM's F, the one prediction that the data's standard deviation matters to.
            None => (
                self.path.prediction.with_sigma_data(1.0),
                Preconditioning::None,
            ),
        };
        Objective {
            prediction,
            preconditioning,
            weighting: self.training.weighting(),
            variational: chain.map(|diffusion| Variational {
                decoder: data.decoder(),
                weight: diffusion.vlb_weight,
            }),
        }
    }

    /// α and σ over time.
    fn schedule(&self) -> AnySchedule {
        match &self.diffusion {
            Some(diffusion) => diffusion.schedule(),
            None => self.path.schedule(),
        }
    }

    /// The chain of a discrete diffusion.
    pub fn table(&self) -> Option<BetaTable> {
        self.diffusion.as_ref().and_then(Diffusion::table)
    }

    /// Whether the network puts out a variance beside its prediction.
    pub fn learns_variance(&self) -> bool {
        self.diffusion
            .as_ref()
            .is_some_and(|d| d.variance == VarianceName::Learned)
    }

    /// The network for samples of this shape, with this many classes.
    ///
    /// # Errors
    /// Where the network does not take such samples, or cannot be built.
    pub fn architecture(
        &self,
        shape: &[usize],
        classes: usize,
    ) -> Result<Architecture, ConfigError> {
        (self.network).architecture(shape, classes, self.learns_variance())
    }

    /// The law of the training time: of a chain, its indices.
    fn times(&self) -> TimeSampler {
        match self.table() {
            Some(table) => TimeSampler {
                distribution: TimeDistribution::Index {
                    steps: table.steps(),
                },
                clip: 0.0,
            },
            None => self.training.times(),
        }
    }

    /// A model of this configuration with this network, for this data.
    pub fn flow<N>(&self, network: N, data: &Dataset) -> Flow<N> {
        Flow::new(network, self.path(), self.objective(data))
    }

    /// The TOML of the whole configuration, defaults written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is a table of plain values")
    }
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
    use pyroclast_core::coupling::{Coupling, Regularisation};

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
            ("path.coupling-epsilon=0", "give a positive number"),
            ("path.coupling-epsilon=-1", "path.coupling-epsilon = -1.0"),
        ] {
            let message = set(assignment).expect_err(assignment).to_string();
            assert!(message.contains(part), "{assignment}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn an_entropic_coupling_takes_its_regularisation_from_the_bridge() {
        let coupling = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|s| format!("path.{s}")).collect();
            Config::parse(MINIMAL, "test", &set).map(|config| config.path.coupling())
        };
        let fixed = |epsilon| Coupling::Sinkhorn(Regularisation::Fixed(epsilon));
        let bridge = ["coupling=sinkhorn", "gamma=bridge", "gamma-scale=0.5"];
        assert_eq!(coupling(&bridge).expect("a bridge"), fixed(0.5));
        let set = [&bridge[..], &["coupling-epsilon=2"]].concat();
        assert_eq!(coupling(&set).expect("a number"), fixed(2.0));
        let relative = coupling(&["coupling=sinkhorn"]).expect("no bridge");
        assert_eq!(
            relative,
            Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05))
        );
        let classes = coupling(&["coupling=class-optimal-transport"]).expect("a name");
        assert_eq!(classes, Coupling::ClassOptimalTransport);

        let flat = ["coupling=sinkhorn", "gamma=bridge", "gamma-scale=0"];
        let message = coupling(&flat).expect_err("ε = 0").to_string();
        assert!(message.contains("path.coupling-epsilon = 0.0"), "{message}");
        assert!(message.contains("gamma-scale above 0"), "{message}");
        coupling(&flat[1..]).expect("other couplings need no ε");
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
            assert_eq!(config.knows_score(), known, "{name}");
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
