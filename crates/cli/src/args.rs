//! The arguments of the command, and their help texts.

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use pyroclast_core::named::UnknownName;
use pyroclast_core::schedule::AnySchedule;
use pyroclast_core::shown::shown;
use pyroclast_kernels::Precision;
use pyroclast_metrics::Resizing;
use pyroclast_train::config::MOST_STEPS;
use pyroclast_train::draw::option::Value;
use pyroclast_train::draw::{GridName, Kind, MethodName, MethodOption, Options};
use pyroclast_train::learn::Weights;
use pyroclast_weights::{CONVENTIONS, Convention, LAYOUTS};
use std::path::PathBuf;

/// Flow matching and diffusion models: train, sample, evaluate.
///
/// To start, train a small model (a minute on a laptop's CPU), then draw samples from it:
///
///   pyroclast train digits
///   pyroclast sample runs/digits --trajectory
///
/// `pyroclast COMMAND --help` explains a command, with examples. With --json a command prints its
/// results as one JSON object.
#[derive(Debug, Parser)]
#[command(
    name = "pyroclast",
    version,
    max_term_width = 100,
    verbatim_doc_comment
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model on your data, or from a preset or a configuration file.
    ///
    /// Writes a new folder: runs/NAME, or runs/NAME-2 and so on if that exists, or the folder
    /// given by --out. It holds the configuration (config.toml), the losses (metrics.jsonl and
    /// loss.png), the checkpoints (checkpoints/), pictures of samples (samples/),
    /// events for TensorBoard (tensorboard/), and all of it on one page (report.html). Ctrl-C saves
    /// a checkpoint and stops; --resume continues the run, bit for bit.
    ///
    ///   pyroclast train digits
    ///   pyroclast train photos --size 64
    ///   pyroclast train table.csv --steps 5000
    ///   pyroclast train moons --steps 2000 --set training.batch=256 --out runs/short
    ///   pyroclast train photos --condition attributes.csv
    ///   pyroclast train digits --resume
    ///
    /// `pyroclast presets moons > mine.toml` writes a configuration file to change and train.
    #[command(verbatim_doc_comment)]
    Train(Train),
    /// Draw samples from a trained model: pictures, arrays, or an animation of the flow.
    ///
    /// Writes one file. Its extension gives the format: .png for a picture; .npy, .csv or
    /// .safetensors for numbers in the units of the data. Without --out it is a new picture,
    /// sample.png, sample-2.png and so on, in the samples folder of the run (for a model file: in
    /// the current folder). --trajectory also writes a GIF of the same name.
    ///
    ///   pyroclast sample runs/digits --trajectory
    ///   pyroclast sample runs/digits --class 7 -n 100 --guidance 2 --out sevens.npy
    ///   pyroclast sample runs/photos --condition wanted.csv --guidance 2
    ///   pyroclast sample runs/moons --method dopri5 --rtol 1e-4 --out moons.csv
    #[command(verbatim_doc_comment)]
    Sample(Sample),
    /// Evaluate a trained model, and compare it with a perfect sampler.
    ///
    /// Prints distances between samples and data (W2, sliced W2, energy distance, MMD), whether a
    /// classifier tells them apart (C2ST), the energy and straightness of the paths, and the
    /// likelihood of held-out data. With a classifier it adds Fréchet distance, KID, precision,
    /// recall, density and coverage; for a diffusion, the variational bound. Intervals are of 95 %,
    /// over the seeds or from subsets of one. The score of a perfect sampler is the distance
    /// between two disjoint sets of data. A conditional model samples under conditions of the
    /// training data, and scores held-out samples under their own. For a run, the scores are kept
    /// in its folder (evaluation.json) and shown in its report.html.
    ///
    ///   pyroclast evaluate runs/moons --seeds 5
    ///   pyroclast evaluate runs/digits --method heun --steps 20 --json
    ///   pyroclast evaluate runs/moons --against runs/moons-sb-cfm
    #[command(verbatim_doc_comment)]
    Evaluate(Evaluate),
    /// Write a trained model to one file that `sample`, `evaluate` and `compare` can use anywhere.
    ///
    /// The file given by --out holds the weights and everything else that sampling needs: the
    /// configuration of the network, the path, the scaling of the data, and the names of its
    /// classes and columns. To sample from it, neither the run nor the data is needed. With
    /// --layout it holds the weights as another project names and orders them.
    ///
    ///   pyroclast export runs/digits --out digits.safetensors
    ///   pyroclast sample digits.safetensors --out digits.npy
    ///   pyroclast export runs/digits --out digits.safetensors --loader
    ///   pyroclast export model.safetensors --layout torchcfm --out theirs.safetensors
    #[command(verbatim_doc_comment)]
    Export(Export),
    /// Show trained models on a web page on this machine, which draws samples in the browser.
    ///
    /// Prints the address of the page and serves it until Ctrl-C. The page animates the flow from
    /// noise to data, with the class, the method, the steps, the guidance and the seed to choose.
    /// The model runs in the browser, on one core of the CPU, in half precision. Only browsers on
    /// this machine reach the page, and nothing leaves it.
    ///
    ///   pyroclast serve runs/digits
    ///   pyroclast serve moons.safetensors runs/digits --port 8080
    #[command(verbatim_doc_comment)]
    Serve(Serve),
    /// Write a folder with a web page that draws samples in the browser, for any host.
    ///
    /// The folder holds the page of `serve` as files: HTML, a style, a script, a WebAssembly module
    /// and the models in half precision. Any web server can serve it as it is; the page loads
    /// nothing from elsewhere and sends nothing. Opened as a file, browsers refuse to run it.
    ///
    ///   pyroclast page runs/digits --out site
    ///   pyroclast page moons.safetensors digits.safetensors --out site
    #[command(verbatim_doc_comment)]
    Page(Page),
    /// Make a model of a network that was trained in another project.
    ///
    /// Reads the weights of torchcfm, flow_matching, guided-diffusion, EDM and diffusers from
    /// .safetensors, .pt, .pth, .ckpt and .bin files, or from a folder as diffusers writes it. No
    /// code in them is run. Prints what it recognises: the layout of the tensors, the network, and
    /// the convention of its training, which says what the network predicts and how it is told the
    /// time. Writes the file given by --out, which `sample`, `evaluate` and `compare` take as any
    /// other model; without --out it only looks.
    ///
    ///   pyroclast import ema.pt --layout torchcfm --with image_size=32 --with num_head_channels=64
    ///   pyroclast import google/ddpm-cifar10-32 --out ddpm.safetensors
    ///   pyroclast import edm.pt --data cifar-10-binary.tar.gz --out edm.safetensors
    ///   pyroclast import unet.safetensors --convention vp --out unet.model.safetensors
    ///   pyroclast import ema.pt --config unet.json --verify outputs.safetensors
    ///   pyroclast sample ddpm.safetensors --out ddpm.png
    ///
    /// What the tensors do not tell, such as the number of attention heads, is named as that
    /// project names the argument: give it by --with, or all of them by --config. EDM's .pkl files
    /// hold code; docs/guides/from-pytorch.md has the three lines that save their weights alone.
    /// With --verify the network runs on inputs of which the outputs there are known: golden.x,
    /// golden.t, golden.y and golden.output in a .safetensors file. A difference above 1e-4
    /// standard deviations of an output is an error. If golden.output has double precision, the
    /// network computes in it too, where the device can.
    #[command(verbatim_doc_comment)]
    Import(Import),
    /// Train a small classifier whose features compare images.
    ///
    /// Convolutions and a hidden layer of 64 units learn to tell the classes apart. The 64 numbers
    /// of that layer are the features with which `evaluate --features FILE` and `distance
    /// --classifier FILE` compare samples with data. A fifth of the data is held out, and the
    /// accuracy on it is printed: features of a classifier that guesses say little. Writes the
    /// file given by --out.
    ///
    ///   pyroclast classifier digits --out digits.safetensors
    ///   pyroclast classifier letters.csv --shape 1,16,16 --out letters.safetensors
    ///   pyroclast evaluate runs/letters --features letters.safetensors
    #[command(verbatim_doc_comment)]
    Classifier(Classifier),
    /// Compare two files of samples: Fréchet distance, KID, precision and recall.
    ///
    /// Each file holds one sample per row. Without a classifier the rows are compared as they are:
    /// they may be features computed by another program. With a classifier the rows are samples in
    /// the units of its data, and their features are compared. Prints a table and writes no file.
    ///
    ///   Fréchet distance  between Gaussians with the means and covariances of the two files,
    ///                     squared. It is larger for few rows, so compare only figures for equal
    ///                     numbers of rows.
    ///   KID               with a cubic kernel, unbiased: about 0 for equal distributions.
    ///   precision         the share of fake rows that lie among the real ones.
    ///   recall            the share of real rows that lie among the fake ones.
    ///
    /// With --inception the files are pictures, and the Fréchet distance is FID. Either may be a
    /// .npz file of mu and sigma, as pytorch-fid, EDM and guided-diffusion publish them.
    ///
    ///   pyroclast distance real.npy fake.npy
    ///   pyroclast distance letters.csv drawn.npy --classifier letters.safetensors
    ///   pyroclast distance cifar10-32x32.npz samples/ --inception pt_inception.pth
    #[command(verbatim_doc_comment)]
    Distance(Distance),
    /// Compare samplers at equal cost on a trained model: a table and a picture.
    ///
    /// Prints the Fréchet distance between samples and data for every method and every budget of
    /// evaluations, and writes a picture: samplers.png in the folder of the run (for a model file:
    /// in the current folder), or the file given by --out. All methods start from the same noise;
    /// which is best at a budget, and which may be as good, is told by the intervals of their
    /// differences. Data other than the digits needs a classifier, given by --features.
    ///
    ///   pyroclast compare runs/digits-edm
    ///   pyroclast compare runs/digits-edm --methods ddim,heun-edm,dpmpp-2m --evaluations 5,10
    #[command(verbatim_doc_comment)]
    Compare(Compare),
    /// List the devices, and say for each whether it works and, if not, why.
    ///
    /// These are the names for --device of the other commands; the default is the fastest device
    /// that works. Writes no file.
    ///
    ///   pyroclast devices
    ///   pyroclast train digits --device flex
    #[command(verbatim_doc_comment)]
    Devices(Devices),
    /// Explain the keys of a configuration: meaning, values, default.
    ///
    /// Keys are set in a configuration file, or by `pyroclast train --set KEY=VALUE`. Writes no
    /// file.
    ///
    ///   pyroclast config --explain
    ///   pyroclast config --explain training
    ///   pyroclast config --explain path.schedule
    #[command(verbatim_doc_comment)]
    Config(Config),
    /// List the sampling methods, or describe one.
    ///
    /// These are the names for --method of the other commands. Writes no file.
    ///
    ///   pyroclast methods
    ///   pyroclast methods ddim
    #[command(verbatim_doc_comment)]
    Methods(Methods),
    /// Train a grid of configurations in turn, and print one table of their scores.
    ///
    /// Each --set takes several values, separated by commas: every combination is trained and
    /// evaluated, with each of --seeds seeds. The runs are in runs/NAME-sweep, or in the folder
    /// given by --out. Run the same command again to go on after an interruption: finished runs are
    /// not trained again.
    ///
    ///   pyroclast sweep moons --set training.batch=128,512 --seeds 3 --steps 2000
    ///   pyroclast sweep digits --set training.ema=0.9,0.99,0.999 --json
    #[command(verbatim_doc_comment)]
    Sweep(Sweep),
    /// Show what data holds before you train on it, or convert it.
    #[command(verbatim_doc_comment)]
    Data(Data),
    /// List the presets, or show one as a configuration file to start from.
    ///
    /// Prints a complete configuration; redirect it to a file to change it. Writes no file itself.
    /// PRESET-VARIANT is a preset by another method, and is one wherever a preset is asked for.
    ///
    ///   pyroclast presets
    ///   pyroclast presets moons > mine.toml
    ///   pyroclast presets moons-mean-flow
    ///   pyroclast train mine.toml
    #[command(verbatim_doc_comment)]
    Presets(Presets),
    /// Print a script that completes the commands and options in a shell.
    ///
    ///   pyroclast completions bash > ~/.local/share/bash-completion/completions/pyroclast
    ///   pyroclast completions fish > ~/.config/fish/completions/pyroclast.fish
    #[command(verbatim_doc_comment)]
    Completions(Completions),
    /// Print the manual page, with all commands and options.
    ///
    ///   pyroclast man | man -l -
    ///   pyroclast man > ~/.local/share/man/man1/pyroclast.1
    #[command(verbatim_doc_comment)]
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Your data, a preset (see `pyroclast presets`), or a configuration file.
    ///
    /// Data is a folder of pictures (.png, .jpg, .webp, .bmp, .gif) at any depth, whose first
    /// folders are the classes, and whose folders `train` and `test` are a split; the same in a
    /// .zip or .tar, or a folder of .tar, with the labels of EDM or WebDataset; MNIST's idx files;
    /// CIFAR's binary version; arrays (.npy, .npz, .safetensors); or a table (.csv). `pyroclast
    /// data inspect` shows what is in it.
    #[arg(value_name = "DATA or PRESET or CONFIG.toml")]
    pub(crate) source: String,
    /// Further files of the same data: the other batches of CIFAR.
    #[arg(value_name = "MORE", hide = true)]
    pub(crate) more: Vec<String>,
    /// The side of the square that pictures are cropped and resized to: short for --set
    /// data.resolution=N.
    #[arg(
        long,
        value_name = "PIXELS",
        value_parser = clap::value_parser!(u32).range(1..=8192)
    )]
    pub(crate) size: Option<u32>,
    /// The preset whose network and training are used for your data [default: one that suits its
    /// shape].
    #[arg(long, value_name = "PRESET")]
    pub(crate) preset: Option<String>,
    /// The column of labels of a table: short for --set data.label=NAME [default: one that is
    /// called label or class].
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Leave out pictures that cannot be read: short for --set data.skip-broken=true.
    #[arg(long)]
    pub(crate) skip_broken: bool,
    /// A file with a condition of each sample beside its class, one row per sample in their order,
    /// or by the names of pictures: short for --set data.condition=FILE.
    ///
    /// Vectors are a table of numbers (.csv, with names in its first row, and perhaps those of
    /// pictures in its first column) or an array [n, d] (.npy); columns are standardised.
    /// Embeddings of text are an array [n, tokens, width]; in a .npz file with x and mask, the mask
    /// [n, tokens] is 1 for tokens that count. Images beside the samples, such as masks, are an
    /// array [n, channels, height, width]. The samples of a folder are in the order of their paths,
    /// those of `train` before those of `test`. In training one condition in ten is dropped
    /// (training.label-dropout), so that samples can be guided.
    #[arg(long, value_name = "FILE")]
    pub(crate) condition: Option<PathBuf>,
    /// The folder of the run [default: runs/NAME, or runs/NAME-2 and so on if that exists].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: Device,
    /// The number of steps in all [default: the configuration's].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=MOST_STEPS)
    )]
    pub(crate) steps: Option<u64>,
    /// The seed of all randomness [default: the configuration's].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64)
    )]
    pub(crate) seed: Option<u64>,
    /// Set a key of the configuration, such as training.batch=256; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The trained model, the folder of a run or a model file, whose velocity a model of few steps
    /// learns: short for --set few-step.teacher=MODEL, beside --set few-step.method=NAME.
    #[arg(long, value_name = "MODEL")]
    pub(crate) teacher: Option<PathBuf>,
    /// Start from the weights of a trained model with the same network, the folder of a run or a
    /// model file, to fine-tune it on other data.
    #[arg(long, value_name = "MODEL", conflicts_with = "resume")]
    pub(crate) init_from: Option<PathBuf>,
    /// Resume an interrupted run from its newest checkpoint, with the same result bit for bit.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Resume although the data has changed since the run was trained on it; the scaling stays that
    /// of the old data.
    #[arg(long, requires = "resume")]
    pub(crate) new_data: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// Your data, a preset or a configuration file, as for `pyroclast train`.
    #[arg(value_name = "DATA or PRESET or CONFIG.toml")]
    pub(crate) source: String,
    /// Values of a key of the configuration, such as training.batch=128,256; can be repeated.
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    pub(crate) set: Vec<String>,
    /// The number of seeds, from 0, that every combination is trained with.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) seeds: u32,
    /// The number of steps of each run [default: the configuration's].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=MOST_STEPS)
    )]
    pub(crate) steps: Option<u64>,
    /// The number of samples of each evaluation, and of data points that they are compared with
    /// [default: as for `pyroclast evaluate`].
    #[arg(
        short,
        long = "count",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(2..)
    )]
    pub(crate) n: Option<u32>,
    /// The folder of the sweep.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Print the number, shape, classes and range of the samples, and draw a contact sheet.
    ///
    /// Prints the command to train on the data as well. The sheet is written to NAME-sheet.png in
    /// the current folder, or to the file given by --out.
    ///
    ///   pyroclast data inspect photos --size 64
    ///   pyroclast data inspect cifar-10-binary.tar.gz
    ///   pyroclast data inspect table.csv --json
    #[command(verbatim_doc_comment)]
    Inspect(DataInspect),
    /// Write pictures as a zip in the layout of EDM and StyleGAN.
    ///
    /// The zip holds PNG files and dataset.json with the labels and the names of the classes. It
    /// trains like the folder it came from, here and in other programs.
    ///
    ///   pyroclast data convert photos --size 64 --out photos-64.zip
    #[command(verbatim_doc_comment)]
    Convert(DataConvert),
}

#[derive(Debug, Args)]
pub(crate) struct DataInspect {
    /// Data, as for `pyroclast train`.
    #[arg(value_name = "DATA")]
    pub(crate) what: String,
    /// Further files of the same data: the other batches of CIFAR.
    #[arg(value_name = "MORE", hide = true)]
    pub(crate) more: Vec<String>,
    /// The side of the square that pictures are cropped and resized to.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub(crate) size: Option<u32>,
    /// Leave out pictures that cannot be read, and list them.
    #[arg(long)]
    pub(crate) skip_broken: bool,
    /// The column of labels of a table: short for --set data.label=NAME.
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Set a key of [data], such as data.filter=box; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The contact sheet to write.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DataConvert {
    /// Pictures, as for `pyroclast train`.
    #[arg(value_name = "DATA")]
    pub(crate) what: String,
    /// Further files of the same data: the other batches of CIFAR.
    #[arg(value_name = "MORE", hide = true)]
    pub(crate) more: Vec<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE.zip")]
    pub(crate) out: PathBuf,
    /// The side of the square that pictures are cropped and resized to.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub(crate) size: Option<u32>,
    /// Leave out pictures that cannot be read.
    #[arg(long)]
    pub(crate) skip_broken: bool,
    /// Set a key of [data], such as data.filter=box; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A trained model, and the device to run it on.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The folder of a run, or a model file written by `pyroclast export`.
    pub(crate) run: PathBuf,
    /// The weights to use: ema, raw, rate:R or power:SIGMA.
    ///
    /// ema is the moving average of training.ema; raw is the parameters of the last step, without
    /// an average. rate:0.9999 is a further average, which a run keeps if it is trained with --set
    /// training.ema-rates=[0.9999].
    ///
    /// power:0.12 is an average whose weights spread over 12 percent of the training. It is
    /// reconstructed from snapshots (Karras et al. 2024), which a run keeps if it is trained with
    /// --set training.ema-power=[0.05,0.1]. From twenty snapshots any width from 0.02 to 0.25 can
    /// be reconstructed; a width that would be inaccurate is refused.
    #[arg(
        long,
        value_name = "WEIGHTS",
        default_value_t = Weights::default(),
        value_parser = parse_weights
    )]
    pub(crate) weights: Weights,
    #[command(flatten)]
    pub(crate) device: Device,
    /// What the factors of the network's products are rounded to: f32, tf32 or bf16.
    ///
    /// f32 rounds none, which is slow on GPUs. tf32, the default, is multiplied faster by GPUs that
    /// have it, and is f32 on other devices. bf16 is for GPUs whose matrix units multiply it, up to twice as
    /// fast; samples then change in the third digit. Likelihoods, bounds and the features of samples are not computed in
    /// bf16.
    #[arg(long, value_name = "PRECISION", default_value_t, value_parser = parse_precision)]
    pub(crate) precision: Precision,
}

#[derive(Debug, Args)]
pub(crate) struct Device {
    /// The device to compute on: flex, ndarray, wgpu, cuda, cuda:N, or cuda:auto for the GPU
    /// of this process among several [default: the fastest that works].
    #[arg(long = "device", value_name = "DEVICE")]
    pub(crate) name: Option<String>,
}

/// The network whose features are compared.
#[derive(Debug, Args)]
pub(crate) struct Features {
    /// The classifier for Fréchet distance, KID, precision and recall, made by `pyroclast
    /// classifier` from the data of the run [default: the built-in one for digits].
    #[arg(long, value_name = "FILE", conflicts_with = "inception")]
    pub(crate) features: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) inception: Inception,
}

/// Inception, with weights of the user.
#[derive(Debug, Args)]
pub(crate) struct Inception {
    /// The weights of the Inception network that FID is defined by: pytorch-fid's file
    /// pt_inception-2015-12-05-6726825d.pth. FIDs are published for 50000 samples.
    #[arg(long, value_name = "FILE.pth")]
    pub(crate) inception: Option<PathBuf>,
    /// How pictures are resized for Inception: pytorch-fid, tensorflow (as torch-fidelity and EDM)
    /// or clean (as clean-fid). Figures differ [default: pytorch-fid].
    #[arg(long, value_name = "RULE", requires = "inception")]
    pub(crate) resize: Option<Resizing>,
}

#[derive(Debug, Args)]
pub(crate) struct Solver {
    /// The method [default: the configuration's]; see `pyroclast methods`.
    #[arg(long, value_name = "METHOD", value_parser = parse_method, long_help = method_help())]
    pub(crate) method: Option<MethodName>,
    /// The number of steps from noise to data [default: the configuration's].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["rtol", "atol"]
    )]
    pub(crate) steps: Option<u32>,
    /// The relative tolerance of adaptive steps, with an adaptive ODE method [default method:
    /// dopri5].
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub(crate) rtol: Option<f64>,
    /// The absolute tolerance of adaptive steps.
    #[arg(long, value_name = "TOL", allow_negative_numbers = true)]
    pub(crate) atol: Option<f64>,
    /// The times of the steps: the name of a grid, or times such as 0,0.3,0.7,1 [default: the
    /// configuration's].
    #[arg(
        long,
        value_name = "GRID",
        value_parser = parse_grid,
        long_help = grid_help(),
        conflicts_with_all = ["rtol", "atol"]
    )]
    pub(crate) grid: Option<GridName>,
    /// The weight w of classifier-free guidance, u + w·(c − u): 1 is the conditional model, 0 the
    /// unconditional one.
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    pub(crate) guidance: Option<f64>,
    /// Guide only at noise levels σ/α between these two.
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_interval)]
    pub(crate) guidance_interval: Option<(f64, f64)>,
    /// Bring this share of a guided sample's contrast back to the conditional model's, from 0 to 1.
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    pub(crate) guidance_rescale: Option<f64>,
    /// Keep the denoised data in [-1, 1] at every step.
    #[arg(long)]
    pub(crate) clip: bool,
    /// Bring the denoised data of images into [-1, 1] at every step by dynamic thresholding, which
    /// saturates less than --clip under strong guidance.
    #[arg(long, conflicts_with = "clip")]
    pub(crate) thresholding: bool,
    /// The quantile of the denoised pixels' absolute values that --thresholding scales to 1
    /// [default: 0.995].
    #[arg(
        long,
        value_name = "P",
        requires = "thresholding",
        allow_negative_numbers = true
    )]
    pub(crate) dynamic_thresholding_ratio: Option<f64>,
    /// The largest number that --thresholding divides by [default: no bound].
    #[arg(
        long,
        value_name = "S",
        requires = "thresholding",
        allow_negative_numbers = true
    )]
    pub(crate) sample_max_value: Option<f64>,
    /// Sample with this schedule in place of the one of the training (`pyroclast config --explain
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
    /// The number of samples [default: enough for a picture: 4000 points, or ten images per class].
    #[arg(
        short,
        long = "count",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) n: Option<u32>,
    #[command(flatten)]
    pub(crate) solver: Solver,
    /// The seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Draw only this class, given by its name or number [default: all classes in turn].
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// The conditions of the samples, in the units and the format of the file that the model was
    /// trained with: row i is that of sample i, and after the last the first follows. Columns of a
    /// table are read by their names. Without -n as many samples are drawn as it has rows.
    #[arg(long, value_name = "FILE")]
    pub(crate) condition: Option<PathBuf>,
    /// The file to write: .png (all samples in one picture), .npy, .csv, .safetensors, .npz (8-bit
    /// pictures, as guided-diffusion's evaluator reads them), or .zip (a PNG file per image, in
    /// EDM's layout); without an extension, a new folder with a PNG file per
    /// image [default: a new picture in the samples folder of the run].
    #[arg(long, value_name = "FILE or DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write a .npy file of 8-bit numbers, as the pictures that the model was trained on.
    #[arg(long)]
    pub(crate) uint8: bool,
    /// Also write an animated GIF of the flow from noise to data.
    #[arg(long)]
    pub(crate) trajectory: bool,
    /// Of a model of latents, decode pictures larger than this in tiles of so many pixels a side,
    /// faded into each other: for pictures whose decoding does not fit into memory.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..))]
    pub(crate) tile: Option<u32>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The number of samples, and of data points that they are compared with [default: 10000, or
    /// half of a smaller dataset].
    #[arg(
        short,
        long = "count",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(2..)
    )]
    pub(crate) n: Option<u32>,
    #[command(flatten)]
    pub(crate) solver: Solver,
    /// The number of held-out samples whose likelihood is computed, by solving the ODE back to
    /// noise with its divergence; 0 for none [default: 2000 points, or 64 images].
    #[arg(long, value_name = "N")]
    pub(crate) likelihoods: Option<u32>,
    #[command(flatten)]
    pub(crate) features: Features,
    /// The number of held-out samples whose variational bound (ELBO) is computed, at one
    /// evaluation per step of the chain; 0 for none [default: as for --likelihoods if the model
    /// predicts noise, data, score, v or edm, else 0].
    #[arg(long, value_name = "N")]
    pub(crate) bounds: Option<u32>,
    /// The number of steps of the bound of a continuous process; a chain uses its indices [default:
    /// 250].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) bound_steps: Option<u32>,
    /// Write the terms of the bound to this .csv file, in bits per dimension or, for points, in
    /// nats.
    #[arg(long, value_name = "FILE")]
    pub(crate) bound_terms: Option<PathBuf>,
    /// Another model of the same data, a run or a model file, to compare with: each repetition has
    /// one noise and one set of data for both, and the differences of their scores are printed with
    /// intervals. --method and the like hold for both; what is not given each model has from its
    /// own configuration.
    #[arg(long, value_name = "RUN")]
    pub(crate) against: Option<PathBuf>,
    /// The number of repetitions, each with its own noise and data [default: 1, or 5 with
    /// --against].
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seeds: Option<u32>,
    /// The seed of the first repetition.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The names of the layouts.
fn layouts() -> String {
    let names: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name).collect();
    names.join(", ")
}

/// The conventions, each with what it predicts.
fn conventions() -> String {
    let one = |known: &Convention| format!("{} ({})", known.name, known.about);
    let all: Vec<String> = CONVENTIONS.iter().map(one).collect();
    all.join("; ")
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file of weights, or a folder as diffusers writes it; with --verify also a model file.
    #[arg(value_name = "FILE or FOLDER")]
    pub(crate) source: PathBuf,
    /// The model file to write, ending in .safetensors [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[arg(long, value_name = "LAYOUT", help = format!(
        "The layout of the tensors: {} [default: the one that they have, or that the configuration \
         names]",
        layouts()
    ))]
    pub(crate) layout: Option<String>,
    /// The part of a training checkpoint, such as ema_model [default: averaged weights, if there
    /// are any].
    #[arg(long, value_name = "PART")]
    pub(crate) part: Option<String>,
    /// The arguments with which that project built the network: a JSON file, or a .safetensors file
    /// with them in its metadata [default: those beside the weights].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One such argument, such as image_size=32 or num_heads=4; can be repeated.
    #[arg(long, value_name = "ARGUMENT=VALUE")]
    pub(crate) with: Vec<String>,
    #[arg(long, value_name = "CONVENTION", help = format!(
        "The convention of the training: {} [default: the layout's usual one]",
        conventions()
    ))]
    pub(crate) convention: Option<String>,
    /// Set what the convention says, such as objective.prediction=v or sampling.steps=50; can be
    /// repeated (see `pyroclast config --explain`).
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The data that `evaluate` and `compare` score the model on: short for --set data.name=DATA.
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Of a network that draws latents, the autoencoder that decodes them: a model file, as import
    /// writes it.
    #[arg(long, value_name = "MODEL")]
    pub(crate) latents: Option<PathBuf>,
    /// Of an autoencoder whose halves are separate files, that of the decoder.
    #[arg(long, value_name = "FILE")]
    pub(crate) decoder: Option<PathBuf>,
    /// A .safetensors file with inputs, and the outputs that the network had for them.
    #[arg(long, value_name = "FILE")]
    pub(crate) verify: Option<PathBuf>,
    /// The name of these outputs, after `golden.`.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "output",
        requires = "verify"
    )]
    pub(crate) verify_output: String,
    #[command(flatten)]
    pub(crate) device: Device,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder of the run, or a model file.
    pub(crate) run: PathBuf,
    /// The file to write, ending in .safetensors.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The weights to write: ema, raw, rate:R or power:SIGMA, as for `sample`.
    #[arg(
        long,
        value_name = "WEIGHTS",
        default_value_t = Weights::Ema,
        value_parser = parse_weights
    )]
    pub(crate) weights: Weights,
    #[arg(long, value_name = "LAYOUT", help = format!(
        "Write the tensors as another project names and orders them, with the arguments of its \
         network in the metadata: {} [default: our own layout, a model file]",
        layouts()
    ))]
    pub(crate) layout: Option<String>,
    /// The precision of the tensors in another layout: f32, f16 or bf16.
    #[arg(
        long,
        value_name = "PRECISION",
        requires = "layout",
        default_value = "f32"
    )]
    pub(crate) precision: String,
    /// Also write a short Python script beside a model file, FILE.py, which reads it with NumPy or
    /// PyTorch.
    #[arg(long, conflicts_with = "layout")]
    pub(crate) loader: bool,
    /// In a layout that has the halves of an autoencoder in separate files, taesd, the file of the
    /// decoder; --out is that of the encoder.
    #[arg(long, value_name = "FILE", requires = "layout")]
    pub(crate) decoder: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The models of a page.
#[derive(Debug, Args)]
pub(crate) struct PageModels {
    /// The folders of runs, or model files written by `pyroclast export`; the page opens the first.
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// The weights to use: ema, raw, rate:R or power:SIGMA, as for `sample`.
    #[arg(
        long,
        value_name = "WEIGHTS",
        default_value_t = Weights::default(),
        value_parser = parse_weights
    )]
    pub(crate) weights: Weights,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) models: PageModels,
    /// The port; 0 for any that is free [default: the first free one from 8000 on].
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    #[command(flatten)]
    pub(crate) models: PageModels,
    /// The folder to write: a new one, or that of an earlier page.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Classifier {
    /// digits; pictures in classes, as for `pyroclast train`; or a .csv or .csv.gz file with a
    /// column named label that holds the classes 0, 1, 2 and so on.
    #[arg(value_name = "DATA")]
    pub(crate) data: String,
    /// The height and width that pictures are brought to, that of the samples to be compared
    /// [default: as they are].
    #[arg(long, value_name = "PIXELS", conflicts_with = "shape")]
    pub(crate) size: Option<u32>,
    /// The file to write, ending in .safetensors.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The shape of the image in a row of a .csv file: channels, height and width [default: rows
    /// are vectors, and there are no convolutions].
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    pub(crate) shape: Vec<usize>,
    /// The number of training steps, of 64 samples each.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) steps: u64,
    /// The seed of all randomness.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) device: Device,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Distance {
    /// The data: a .npy, .csv or .csv.gz file; with --inception, pictures as for `pyroclast train`,
    /// or a .npz file of mu and sigma.
    #[arg(value_name = "REAL")]
    pub(crate) real: PathBuf,
    /// The samples, as the data.
    #[arg(value_name = "FAKE")]
    pub(crate) fake: PathBuf,
    /// Compare the features of this classifier, made by `pyroclast classifier`.
    #[arg(long, value_name = "FILE", conflicts_with = "inception")]
    pub(crate) classifier: Option<PathBuf>,
    /// Compare the features of the built-in classifier, for 8×8 digits with pixels in [-1, 1], as
    /// `pyroclast sample` writes them.
    #[arg(
        long,
        value_name = "NAME",
        value_parser = ["digits"],
        conflicts_with_all = ["classifier", "inception"]
    )]
    pub(crate) features_of: Option<String>,
    #[command(flatten)]
    pub(crate) inception: Inception,
    /// Write mean and covariance of REAL's features to this .npz file, to be given in place of REAL
    /// later.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) statistics: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The methods, separated by commas [default: the usual diffusion samplers that suit the
    /// model].
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = parse_method)]
    pub(crate) methods: Vec<MethodName>,
    /// The budgets: evaluations of the network that a method may spend per sample, separated by
    /// commas (guidance doubles the count).
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "5,10,20,50",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) evaluations: Vec<u32>,
    /// The number of samples per method and budget.
    #[arg(
        short,
        long = "count",
        value_name = "N",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(4..)
    )]
    pub(crate) n: u32,
    /// The name of a grid, as for `sample` but not a list of times [default: the configuration's].
    #[arg(long, value_name = "GRID", value_parser = parse_grid)]
    pub(crate) grid: Option<GridName>,
    /// The weight w of classifier-free guidance: 1 is the conditional model.
    #[arg(
        long,
        value_name = "W",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) guidance: f64,
    #[command(flatten)]
    pub(crate) features: Features,
    /// The seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The picture to write [default: samplers.png in the folder of the run].
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Methods {
    /// The method to describe [default: list all].
    #[arg(value_name = "NAME", value_parser = parse_method)]
    pub(crate) name: Option<MethodName>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Devices {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// A key such as training.batch, or a section such as path [default: all keys].
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", required = true)]
    pub(crate) explain: String,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Presets {
    /// The preset to show, such as moons or moons-mean-flow [default: list all].
    pub(crate) name: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// The options of methods, with one argument per option of the table of methods.
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

/// The help of an option: its effect, and its range and default for each method.
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
    let mut help = "The method [default: the configuration's].\n\n".to_owned();
    for kind in Kind::ALL {
        let names: Vec<&str> = MethodName::of(kind).map(|method| method.name).collect();
        help += &format!("{kind}s: {}.\n\n", names.join(", "));
    }
    help + "`pyroclast methods` describes them."
}

fn grid_help() -> String {
    format!(
        "The times of the steps: {}, or times such as 0,0.3,0.7,1 [default: the \
         configuration's].\n\n\
         leading, linspace and trailing take indices of a chain, and need a model trained with \
         path.schedule=ddpm.",
        GridName::NAMES.join(", ")
    )
}

fn parse_method(name: &str) -> Result<MethodName, UnknownName> {
    name.parse()
}

fn parse_precision(name: &str) -> Result<Precision, UnknownName> {
    let known = Precision::ALL.iter().find(|(known, ..)| *known == name);
    known
        .map(|(_, precision, _)| *precision)
        .ok_or_else(|| UnknownName {
            what: "precision",
            name: name.to_owned(),
            known: Precision::ALL.iter().map(|(name, ..)| *name).collect(),
        })
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
            "`{}` is not an interval of noise levels; give two rising numbers such as 0.2,5",
            shown(text)
        )),
    }
}
