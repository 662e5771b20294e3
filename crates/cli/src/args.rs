//! What can be asked of the command.

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand};
use pyroclast_core::named::UnknownName;
use pyroclast_core::schedule::AnySchedule;
use pyroclast_train::draw::option::Value;
use pyroclast_train::draw::{GridName, Kind, MethodName, MethodOption, Options};
use pyroclast_train::learn::Weights;
use std::path::PathBuf;

/// Flow matching and diffusion models: train, sample, evaluate.
///
/// Start with `pyroclast train digits` (two minutes on a laptop's CPU), then `pyroclast sample runs/digits --trajectory`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model from a preset or a configuration file.
    Train(Train),
    /// Draw samples from a trained model: pictures, arrays, or an animation of the flow.
    Sample(Sample),
    /// Score a trained model against fresh data, beside the score of a perfect sampler.
    Evaluate(Evaluate),
    /// Write a trained model to one file, from which `sample`, `evaluate` and `compare` work anywhere.
    ///
    /// The file holds the weights and everything that sampling takes: the network's configuration,
    /// the path, the scaling of the data, the names of its classes and columns. Neither the run nor
    /// the data is needed beside it.
    ///
    ///   pyroclast export runs/digits --out digits.safetensors
    ///   pyroclast sample digits.safetensors --out digits.npy
    #[command(verbatim_doc_comment)]
    Export(Export),
    /// Train a small classifier, whose features compare images.
    ///
    /// Convolutions and a hidden layer of 64 units learn to tell the classes apart. Those 64
    /// numbers are the features by which `evaluate --features FILE` and `distance --classifier
    /// FILE` compare samples with data. A fifth of the data is held out, and the accuracy on it
    /// printed: the features of a classifier that guesses tell little.
    ///
    ///   pyroclast classifier digits --out digits.safetensors
    ///   pyroclast classifier letters.csv --shape 1,16,16 --out letters.safetensors
    ///   pyroclast evaluate runs/letters --features letters.safetensors
    #[command(verbatim_doc_comment)]
    Classifier(Classifier),
    /// Compare two files of samples: Fréchet distance, KID, precision and recall.
    ///
    /// Each file holds one sample a row. Without a classifier the rows are taken as features,
    /// which another program may have made; with one, they are samples in the units of its data,
    /// and its features are compared.
    ///
    ///   Fréchet distance  of Gaussians with the means and covariances of the two files, squared.
    ///                     Few rows raise it: compare figures of equal numbers of rows alone.
    ///   KID               by a cubic kernel, without bias: about 0 for equal laws.
    ///   precision         the part of the fake rows that lie among the real ones.
    ///   recall            the part of the real rows that lie among the fake ones.
    ///
    ///   pyroclast distance real.npy fake.npy
    ///   pyroclast distance letters.csv drawn.npy --classifier letters.safetensors
    #[command(verbatim_doc_comment)]
    Distance(Distance),
    /// Compare samplers at equal cost on a trained model: a table and a picture.
    Compare(Compare),
    /// List the devices: what is compiled in, what is there, and why not.
    Devices,
    /// Explain the keys of a configuration: meaning, values, default.
    Config(Config),
    /// List the methods of sampling, or describe one.
    Methods(Methods),
    /// List the presets, or show one as a configuration file to start from.
    Presets(Presets),
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A preset (see `pyroclast presets`) or the path of a configuration file.
    #[arg(value_name = "PRESET or CONFIG.toml")]
    pub(crate) source: String,
    /// The folder of the run [default: runs/NAME, or runs/NAME-2 and so on where that exists].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: Device,
    /// Train for this many steps.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: Option<u64>,
    /// The seed of everything random.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: Option<u64>,
    /// Set a key of the configuration, such as training.batch=256; may be given often.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Go on with an interrupted run, from its newest checkpoint to the same result.
    #[arg(long)]
    pub(crate) resume: bool,
}

/// A trained model, and where it runs.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The folder of a run, or a model in one file (`pyroclast export`).
    pub(crate) run: PathBuf,
    /// Which parameters: ema, raw, rate:R or power:SIGMA.
    ///
    /// ema is the moving average of training.ema; raw is the parameters of the last step, without an
    /// average. rate:0.9999 is a further average, kept by a run that was trained with
    /// --set training.ema-rates=[0.9999].
    ///
    /// power:0.12 is an average whose weights spread over 12 percent of the training. It is
    /// reconstructed from snapshots (Karras et al. 2024), kept by a run that was trained with
    /// --set training.ema-power=[0.05,0.1]: any width from 0.02 to 0.25 can then be made of twenty
    /// snapshots, and compared. A width that would come out as another is refused.
    #[arg(
        long,
        value_name = "WEIGHTS",
        default_value_t = Weights::default(),
        value_parser = parse_weights
    )]
    pub(crate) weights: Weights,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Device {
    /// Where to compute: flex, ndarray, wgpu, cuda or cuda:N [default: the fastest that is there].
    #[arg(long = "device", value_name = "DEVICE")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Solver {
    /// The method [default: the configuration's]; see `pyroclast methods`.
    #[arg(long, value_name = "METHOD", value_parser = parse_method, long_help = method_help())]
    pub(crate) method: Option<MethodName>,
    /// Steps from noise to data [default: the configuration's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["rtol", "atol"])]
    pub(crate) steps: Option<u32>,
    /// Relative tolerance: choose the steps by the error, with an adaptive ODE method [default:
    /// dopri5].
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub(crate) rtol: Option<f64>,
    /// Absolute tolerance, likewise.
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub(crate) atol: Option<f64>,
    /// Where the steps are: the name of a grid, or times such as 0,0.3,0.7,1 [default: the
    /// configuration's].
    #[arg(
        long,
        value_name = "GRID",
        value_parser = parse_grid,
        long_help = grid_help(),
        conflicts_with_all = ["rtol", "atol"]
    )]
    pub(crate) grid: Option<GridName>,
    /// Weight w of classifier-free guidance, u + w·(c − u): 1 is the conditional model, 0 the unconditional one.
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    pub(crate) guidance: Option<f64>,
    /// Guide only where the noise level σ/α lies between these two.
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_interval)]
    pub(crate) guidance_interval: Option<(f64, f64)>,
    /// Bring this share of a guided sample's contrast back to the conditional model's, from 0 to 1.
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    pub(crate) guidance_rescale: Option<f64>,
    /// Keep the denoised data in [-1, 1] at every step.
    #[arg(long)]
    pub(crate) clip: bool,
    /// Sample under this schedule in place of the one of the training (`pyroclast config --explain
    /// path.schedule` lists them).
    #[arg(long, value_name = "SCHEDULE")]
    pub(crate) schedule: Option<AnySchedule>,
    #[command(flatten)]
    pub(crate) options: MethodOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    #[command(flatten)]
    pub(crate) model: Model,
    /// How many samples [default: as many as make a good picture].
    #[arg(short, long = "count", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: Option<u32>,
    #[command(flatten)]
    pub(crate) solver: Solver,
    /// The seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Draw this class alone [default: all in turn].
    #[arg(long, value_name = "K")]
    pub(crate) class: Option<u32>,
    /// The file: .png, .npy, .csv or .safetensors [default: a new picture in the run's samples].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write an animated GIF of the flow from noise to data, beside the samples.
    #[arg(long)]
    pub(crate) trajectory: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) model: Model,
    /// How many samples against how many data points [default: 10000, or half of a smaller dataset].
    #[arg(short, long = "count", value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) n: Option<u32>,
    #[command(flatten)]
    pub(crate) solver: Solver,
    /// Held-out samples whose likelihood is found, by solving the ODE back to noise with its divergence; 0 leaves it out
    /// [default: 2000 points, or 64 images].
    #[arg(long, value_name = "N")]
    pub(crate) likelihoods: Option<u32>,
    /// The classifier whose features give Fréchet distance, KID, precision and recall, made by `pyroclast classifier` from the
    /// run's data [default: the one that ships, for digits].
    #[arg(long, value_name = "FILE")]
    pub(crate) features: Option<PathBuf>,
    /// Held-out samples whose variational bound (ELBO) is found: every step of the chain, one evaluation each; 0 leaves it out
    /// [default: as many as likelihoods for a model that predicts noise, data, score, v or edm, else 0].
    #[arg(long, value_name = "N")]
    pub(crate) bounds: Option<u32>,
    /// Steps of the bound of a continuous process; a chain's are its indices.
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) bound_steps: u32,
    /// Write the terms of the bound, in bits a dimension (or nats), to a .csv.
    #[arg(long, value_name = "FILE")]
    pub(crate) bound_terms: Option<PathBuf>,
    /// Repetitions, each with its own noise and data.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object rather than a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder of the run.
    pub(crate) run: PathBuf,
    /// Where the model goes: a .safetensors file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Which weights it holds: ema, raw, rate:R or power:SIGMA, as for `sample`.
    #[arg(long, value_name = "WEIGHTS", default_value_t = Weights::Ema, value_parser = parse_weights)]
    pub(crate) weights: Weights,
}

#[derive(Debug, Args)]
pub(crate) struct Classifier {
    /// digits, or a .csv or .csv.gz file with a column named label that holds the classes 0, 1, 2 and so on.
    #[arg(value_name = "DATA")]
    pub(crate) data: String,
    /// The file to write, .safetensors.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// What a row of a .csv file shows: channels, height and width [default: no image, and no convolutions].
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    pub(crate) shape: Vec<usize>,
    /// Train for this many steps of 64 samples.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: u64,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Distance {
    /// The data: .npy, .csv or .csv.gz.
    #[arg(value_name = "REAL")]
    pub(crate) real: PathBuf,
    /// The samples, likewise.
    #[arg(value_name = "FAKE")]
    pub(crate) fake: PathBuf,
    /// Compare the features of this classifier, made by `pyroclast classifier`.
    #[arg(long, value_name = "FILE")]
    pub(crate) classifier: Option<PathBuf>,
    /// Compare the features of the classifier that ships: of 8×8 digits with pixels in [-1, 1], as `pyroclast sample` writes them.
    #[arg(long, value_name = "NAME", value_parser = ["digits"], conflicts_with = "classifier")]
    pub(crate) features_of: Option<String>,
    /// Print one JSON object rather than a table.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The methods, with commas between [default: the usual samplers of `pyroclast methods` that
    /// the model can serve].
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = parse_method)]
    pub(crate) methods: Vec<MethodName>,
    /// Evaluations of the network that each may spend on a sample (guidance doubles what is counted).
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "5,10,20,50", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) evaluations: Vec<u32>,
    /// Samples of each.
    #[arg(short, long = "count", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(4..))]
    pub(crate) n: u32,
    /// Where the steps are, as for `sample` but no times [default: the configuration's].
    #[arg(long, value_name = "GRID", value_parser = parse_grid)]
    pub(crate) grid: Option<GridName>,
    /// Weight w of classifier-free guidance: 1 is the conditional model.
    #[arg(
        long,
        value_name = "W",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) guidance: f64,
    /// The classifier whose features are compared, from `pyroclast classifier` [default: the one that ships, for digits].
    #[arg(long, value_name = "FILE")]
    pub(crate) features: Option<PathBuf>,
    /// The seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The picture [default: samplers.png in the run's folder].
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object rather than a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Methods {
    /// The method to describe.
    #[arg(value_name = "NAME", value_parser = parse_method)]
    pub(crate) name: Option<MethodName>,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// The key, such as training.batch, or a section, such as path; all keys if it is left out.
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", required = true)]
    pub(crate) explain: String,
}

#[derive(Debug, Args)]
pub(crate) struct Presets {
    /// The preset to show.
    pub(crate) name: Option<String>,
}

/// The options of methods, as the table of methods describes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct MethodOptions(pub(crate) Options);

impl FromArgMatches for MethodOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for option in MethodName::all_options() {
            if let Some(value) = matches.get_one::<Value>(option.name) {
                self.0.set_value(option, *value);
            }
        }
        Ok(())
    }
}

impl Args for MethodOptions {
    fn augment_args(command: clap::Command) -> clap::Command {
        let options = MethodName::all_options().into_iter();
        options.fold(command, |command, option| {
            let argument = Arg::new(option.name)
                .long(option.name)
                .value_name(option.symbol)
                .value_parser(ValueParser::new(|text: &str| option.parse(text)))
                .allow_negative_numbers(true)
                .help(option_help(option));
            command.arg(argument)
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// What an option does, and for which methods.
fn option_help(option: &MethodOption) -> String {
    let mut uses: Vec<(String, Vec<&str>)> = Vec::new();
    for method in MethodName::ALL {
        let settings = method.options.iter();
        for setting in settings.filter(|setting| setting.option.name == option.name) {
            let default = setting.default.map(|value| format!(", {value} by default"));
            let values = format!("{}{}", setting.range(), default.unwrap_or_default());
            match uses.iter_mut().find(|(same, _)| *same == values) {
                Some((_, methods)) => methods.push(method.name),
                None => uses.push((values, vec![method.name])),
            }
        }
    }
    let uses = uses.iter();
    let uses = uses.map(|(values, methods)| format!("{}: {values}", methods.join(", ")));
    format!("{} [{}]", option.about, uses.collect::<Vec<_>>().join("; "))
}

fn method_help() -> String {
    let mut help = "The method [default: the configuration's]. ".to_owned();
    for kind in Kind::ALL {
        let names: Vec<&str> = MethodName::of(kind).map(|method| method.name).collect();
        help += &format!("{kind}s: {}. ", names.join(", "));
    }
    help + "`pyroclast methods` describes them"
}

fn grid_help() -> String {
    format!(
        "Where the steps are: {}, or times such as 0,0.3,0.7,1 [default: the configuration's]. \
         leading, linspace and trailing take indices of a chain",
        GridName::NAMES.join(", ")
    )
}

fn parse_method(name: &str) -> Result<MethodName, UnknownName> {
    name.parse()
}

fn parse_weights(name: &str) -> Result<Weights, String> {
    name.parse()
}

fn parse_grid(name: &str) -> Result<GridName, String> {
    name.parse()
}

fn parse_interval(text: &str) -> Result<(f64, f64), String> {
    let numbers = text.split_once(',').map(|(low, high)| {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        (number(low), number(high))
    });
    match numbers {
        Some((Some(low), Some(high))) if 0.0 <= low && low < high => Ok((low, high)),
        _ => Err(format!(
            "`{text}` is no interval of noise levels; give two rising numbers such as 0.2,5"
        )),
    }
}
