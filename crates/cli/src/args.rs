//! What can be asked of the command.

use clap::{Args, Parser, Subcommand};
use pyroclast_train::sampler::MethodName;
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
    /// List the devices: what is compiled in, what is there, and why not.
    Devices,
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
    /// Where to compute: flex, ndarray, wgpu, cuda or cuda:N [default: the best that is there].
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
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

#[derive(Debug, Args)]
pub(crate) struct Solver {
    /// The method [default: the configuration's].
    ///
    /// ODE: euler, midpoint, heun, ralston, rk4, bosh3, dopri5, tsit5, dopri8. SDE: euler-maruyama, stochastic-heun, sra1, shark.
    #[arg(long, value_name = "METHOD", value_parser = parse_method)]
    pub(crate) method: Option<MethodName>,
    /// Equal steps from noise to data [default: the configuration's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["rtol", "atol"])]
    pub(crate) steps: Option<u32>,
    /// Relative tolerance: choose the steps by the error (heun, ralston, bosh3, dopri5, tsit5, dopri8).
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub(crate) rtol: Option<f64>,
    /// Absolute tolerance, likewise.
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub(crate) atol: Option<f64>,
    /// Weight w of classifier-free guidance, u + w·(c − u): 1 is the conditional model, 0 the unconditional one.
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    pub(crate) guidance: Option<f64>,
    /// Noise of the SDE methods: g = G·σ(t), of the SDE that has the same marginals for every G.
    #[arg(
        long,
        value_name = "G",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) noise_level: f64,
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The folder of a run.
    pub(crate) run: PathBuf,
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
    /// Where to compute: flex, ndarray, wgpu, cuda or cuda:N [default: the best that is there].
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The folder of a run.
    pub(crate) run: PathBuf,
    /// How many samples against how many data points [default: 10000, or half of a smaller dataset].
    #[arg(short, long = "count", value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) n: Option<u32>,
    #[command(flatten)]
    pub(crate) solver: Solver,
    /// Held-out samples whose likelihood is found, by solving the ODE back to noise with its divergence; 0 leaves it out
    /// [default: 2000 points, or 64 images].
    #[arg(long, value_name = "N")]
    pub(crate) likelihoods: Option<u32>,
    /// Repetitions, each with its own noise and data.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object rather than a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to compute: flex, ndarray, wgpu, cuda or cuda:N [default: the best that is there].
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Presets {
    /// The preset to show.
    pub(crate) name: Option<String>,
}

fn parse_method(name: &str) -> Result<MethodName, String> {
    name.parse()
}
