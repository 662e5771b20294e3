//! `pyroclast import`: makes a model of a network that was trained in another project.

use crate::Usage;
use crate::args::Import;
use crate::device::{self, Job};
use crate::export::{check_file, check_other};
use crate::memory;
use crate::progress::Bar;
use crate::say::{note, say};
use anyhow::{Context, Result, anyhow, bail};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use pyroclast_core::named::UnknownName;
use pyroclast_core::shown::shown;
use pyroclast_models::{TaesdConfig, TaesdParts};
use pyroclast_train::exchange::{
    ExchangeError, GoldenError, Verify, autoencoder_file, decoded_by, model_file,
};
use pyroclast_train::exchange::{scheduler_of, scheduler_settings};
use pyroclast_train::learn::Weights;
use pyroclast_train::model_file::tensor_file::TensorFileError;
use pyroclast_train::model_file::{ModelError, ModelFile, Origin};
use pyroclast_train::stored_model::StoredModel;
use pyroclast_weights::{
    CONVENTIONS, Checkpoint, Config, Convention, Fit, GOLDEN, Golden, Layout, Misfit, Precision,
    Structure, Tensors, WeightsError, autoencoder_differences, candidates, fit, read,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The largest difference of an output, in its standard deviations, that counts as rounding.
const TOLERANCE: f64 = 1e-4;
/// The most tensors that a note lists.
const LISTED: usize = 1000;

pub(crate) fn run(arguments: Import) -> Result<ExitCode> {
    if let Some(out) = &arguments.out {
        check_out(out)?;
        check_other("out", out, &arguments.source)?;
    }
    let device = device::choose(arguments.device.name.as_deref())?;
    let golden = arguments.verify.as_deref();
    let golden = golden.map(|path| Golden::read(path, &arguments.verify_output));
    let golden = golden.transpose().map_err(explained)?;
    let (found, stored) = match own(&arguments)? {
        Some(stored) => (None, stored),
        None => {
            let read = Read::of(&arguments)?;
            if read.is_autoencoder() {
                return autoencoder(&arguments, read, golden.as_ref(), device);
            }
            if arguments.decoder.is_some() {
                bail!(Usage(format!(
                    "{} is no half of an autoencoder; leave --decoder out",
                    arguments.source.display()
                )));
            }
            let mut found = Found::of(read, &arguments)?;
            let stored = found.model(&arguments)?;
            (Some(found), stored)
        }
    };
    if !arguments.json {
        if let Some(found) = &found {
            found.say();
        }
        say_network(&stored)?;
    }
    let differences = golden.map(|golden| {
        let job = Verifying {
            stored: &stored,
            golden: &golden,
        };
        device::run_on(device, job)
    });
    let differences = differences.transpose()?;
    let same = differences.iter().flatten().all(|d| *d <= TOLERANCE);
    let out = arguments.out.as_deref();
    let about = &stored.header().about;
    let report = json!({
        "layout": found.as_ref().map(|found| found.read.layout.name),
        "convention": found.as_ref().map(|found| found.convention.name),
        "part": found.as_ref().map(|found| &found.read.part),
        "others": found.as_ref().map_or(&[][..], |found| &found.read.others),
        "precision": found.as_ref().map(|found| precision(found.read.precision)),
        "assumed": found.as_ref().map_or(&[][..], |found| &found.read.fit.assumed),
        "shape": about.data.shape,
        "class_count": about.data.classes.len(),
        "parameters": stored.parameters(),
        "differences": differences,
        "file": out.filter(|_| same),
    });
    if let Some(differences) = &differences
        && !arguments.json
    {
        say_differences("", differences);
    }
    if !same {
        if arguments.json {
            say!("{report}");
        }
        bail!(differ(&arguments, differences.iter().flatten()));
    }
    if let Some(out) = out {
        stored.file()?.save(out)?;
    }
    if arguments.json {
        say!("{report}");
    } else if let Some(out) = out {
        say!("model        {}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn check_out(out: &Path) -> Result<()> {
    if out.extension().is_none_or(|end| end != "safetensors") {
        bail!(Usage(format!(
            "--out {} does not end in .safetensors, the format of a model",
            out.display()
        )));
    }
    check_file(out)
}

/// The model, if the source is one of our own, which can be verified.
fn own(arguments: &Import) -> Result<Option<StoredModel>> {
    if !arguments.source.is_file() {
        return Ok(None);
    }
    let file = match ModelFile::open(&arguments.source) {
        Ok(file) => file,
        Err(ModelError::File(
            TensorFileError::Foreign { .. }
            | TensorFileError::Damaged { .. }
            | TensorFileError::Read { .. },
        )) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if arguments.verify.is_none() || arguments.out.is_some() {
        bail!(Usage(format!(
            "{} is a model of this library already; sample from it, or give --verify and no --out",
            arguments.source.display()
        )));
    }
    Ok(Some(StoredModel::of_file(file, &arguments.source)?))
}

/// Says that outputs are not those of another project.
fn differ<'a>(arguments: &Import, differences: impl Iterator<Item = &'a f64>) -> String {
    let largest = differences.fold(0.0, |a: f64, b| a.max(*b));
    let unwritten = |out: &PathBuf| format!("; {} is not written", out.display());
    format!(
        "the outputs of {} are not those of the file given by --verify: they differ by \
         {largest:.1e} standard deviations, more than {TOLERANCE:.0e}{}",
        arguments.source.display(),
        arguments.out.as_ref().map_or_else(String::new, unwritten)
    )
}

/// Says what an autoencoder is, verifies it, and writes it: for the latents of other models.
fn autoencoder(
    arguments: &Import,
    mut read: Read,
    golden: Option<&Golden>,
    device: device::Name,
) -> Result<ExitCode> {
    let refuse = |option: String, remedy: &str| {
        let file = arguments.source.display();
        Usage(format!(
            "{file} is an autoencoder, which has no time and draws nothing; leave {option} \
             out{remedy}"
        ))
    };
    for (flag, is_given) in [
        ("--convention", arguments.convention.is_some()),
        ("--latents", arguments.latents.is_some()),
    ] {
        if is_given {
            bail!(refuse(flag.to_owned(), ""));
        }
    }
    let of_data = |set: &&String| set.trim_start().starts_with("data.");
    if let Some(set) = arguments.set.iter().find(|set| !of_data(set)) {
        let option = format!("--set {}", shown(set));
        bail!(refuse(option, ", since only keys of data act"));
    }
    if let Some(decoder) = &arguments.decoder {
        read.join(Read::of_file(arguments, decoder)?, decoder)?;
    }
    let parameters: usize = read
        .tensors
        .values()
        .map(|tensor| tensor.values.len())
        .sum();
    if !arguments.json {
        read.say();
        say!(
            "network      {}, {parameters} parameters",
            autoencoder_of(&read.fit.structure)
        );
        read.say_assumed();
    }
    let differences = golden.map(|golden| {
        let job = VerifyingAutoencoder {
            read: &read,
            golden,
        };
        device::run_on(device, job)
    });
    let differences = differences.transpose()?;
    if arguments.json {
        let named = differences.as_ref().map(|all| {
            let named = all.iter().map(|(name, d)| ((*name).to_owned(), json!(d)));
            named.collect::<serde_json::Map<_, _>>()
        });
        say!(
            "{}",
            json!({
                "layout": read.layout.name,
                "part": read.part,
                "others": read.others,
                "precision": precision(read.precision),
                "assumed": read.fit.assumed,
                "parameters": parameters,
                "differences": named,
                "file": arguments.out,
            })
        );
    } else {
        for (name, differences) in differences.iter().flatten() {
            say_differences(&format!(" of {name}"), differences);
        }
    }
    let all = || {
        let named = differences.iter().flatten();
        named.flat_map(|(_, differences)| differences)
    };
    if !all().all(|difference| *difference <= TOLERANCE) {
        bail!(differ(arguments, all()));
    }
    if let Some(out) = &arguments.out {
        let origin = Origin {
            file: read.file,
            layout: read.layout.name.to_owned(),
            convention: "autoencoder".to_owned(),
            choices: read.fit.choices.map().clone(),
        };
        let weights = match read.part.as_str() {
            "" => Weights::Raw.to_string(),
            part => part.to_owned(),
        };
        let data = arguments.data.as_ref();
        let data = data.map(|data| format!("data.name={}", json!(data)));
        let set: Vec<String> = data.into_iter().chain(arguments.set.clone()).collect();
        let file = autoencoder_file(&read.fit, read.tensors, origin, &weights, &set);
        let file = file.map_err(|error| match error {
            ExchangeError::NoModel(what) => anyhow!(Usage(format!(
                "{} holds {what}; give the decoder's file by --decoder",
                arguments.source.display()
            ))),
            other => anyhow!(other),
        })?;
        file.save(out)?;
        if !arguments.json {
            say!("model        {}", out.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What an autoencoder makes of what, in a line.
fn autoencoder_of(structure: &Structure) -> String {
    match structure {
        Structure::Autoencoder(config) => format!(
            "autoencoder of {} channels, in widths {:?}, to latents of {} at 1/{} of the size, \
             scaled by {} after a shift of {}",
            config.image_channels,
            config.widths,
            config.latent_channels,
            config.factor(),
            config.scale,
            config.shift
        ),
        Structure::Taesd(config) => format!(
            "tiny autoencoder of {} channels to latents of {}{}",
            config.image_channels,
            config.latent_channels,
            match (config.parts.encodes(), config.parts.decodes()) {
                (true, false) => ", the encoder alone",
                (false, true) => ", the decoder alone",
                _ => "",
            }
        ),
        _ => unreachable!("asked only of autoencoders"),
    }
}

struct VerifyingAutoencoder<'a> {
    read: &'a Read,
    golden: &'a Golden,
}

impl Job for VerifyingAutoencoder<'_> {
    type Output = Result<Vec<(&'static str, Vec<f64>)>>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let Read { fit, tensors, .. } = self.read;
        autoencoder_differences::<B>(&fit.structure, tensors, self.golden, &device)
            .context("--verify")
    }
}

/// The tensors of a file of another project, in a layout.
struct Read {
    file: String,
    layout: &'static Layout,
    fit: Fit,
    tensors: Tensors,
    count: usize,
    part: String,
    others: Vec<String>,
    precision: Precision,
}

/// What a file of another project holds: a network, and what it was trained to do.
struct Found {
    read: Read,
    convention: &'static Convention,
    /// What a scheduler beside the network says.
    chain: Vec<String>,
}

impl Read {
    fn of(arguments: &Import) -> Result<Self> {
        Self::of_file(arguments, &arguments.source)
    }

    /// The same, of another file than the first.
    fn of_file(arguments: &Import, source: &Path) -> Result<Self> {
        let name = || source.display().to_string();
        if let Ok(file) = std::fs::metadata(source) {
            let bytes = file.len().saturating_mul(2);
            memory::check(&name(), bytes, "use a machine with more")?;
        }
        let bar = Bar::new(&format!("reading {}", shown(&name())));
        let checkpoint = read(source, arguments.part.as_deref());
        let mut checkpoint = checkpoint.map_err(explained)?;
        bar.doing("arranging the tensors");
        bar.at(0.5);
        checkpoint.tensors.retain(|key, _| !key.starts_with(GOLDEN));
        if checkpoint.tensors.is_empty() {
            bail!(
                "{} holds outputs alone, and no weights; give the file of the weights",
                name()
            );
        }
        let config = config(arguments, &checkpoint)?;
        let asked = arguments.layout.as_deref();
        let wanted = asked.or_else(|| told(&config, &checkpoint.tensors));
        let (layout, fit, tensors) = fit(&checkpoint.tensors, wanted, &config)
            .inspect_err(list)
            .map_err(explained)?;
        Ok(Self {
            file: source
                .file_name()
                .map_or_else(name, |name| shown(&name.to_string_lossy())),
            layout,
            fit,
            tensors,
            count: checkpoint.tensors.len(),
            part: checkpoint.part,
            others: checkpoint.others,
            precision: checkpoint.precision,
        })
    }

    /// Joins the encoder of a tiny autoencoder with a decoder.
    fn join(&mut self, decoder: Self, path: &Path) -> Result<()> {
        let (Structure::Taesd(own), Structure::Taesd(other)) =
            (&mut self.fit.structure, &decoder.fit.structure)
        else {
            bail!(Usage(format!(
                "--decoder {}: only the halves of tiny autoencoders are separate files",
                path.display()
            )));
        };
        let joined = TaesdConfig {
            parts: TaesdParts::Both,
            ..*own
        };
        let halves = [own.parts, other.parts];
        let is_joined = TaesdConfig {
            parts: TaesdParts::Both,
            ..*other
        } == joined;
        if halves != [TaesdParts::Encoder, TaesdParts::Decoder] || !is_joined {
            bail!(Usage(format!(
                "{} and {} are not the encoder and the decoder of one autoencoder",
                self.file, decoder.file
            )));
        }
        *own = joined;
        self.tensors.extend(decoder.tensors);
        self.count += decoder.count;
        Ok(())
    }

    fn is_autoencoder(&self) -> bool {
        matches!(
            self.fit.structure,
            Structure::Autoencoder(_) | Structure::Taesd(_)
        )
    }

    fn say(&self) {
        say!("layout       {}: {}", self.layout.name, self.layout.about);
        let part = match self.part.as_str() {
            "" => String::new(),
            part => format!(", from {part} (also there: {})", self.others.join(", ")),
        };
        say!(
            "weights      {} tensors in {}{part}",
            self.count,
            precision(self.precision)
        );
    }

    fn say_assumed(&self) {
        for assumed in &self.fit.assumed {
            say!("assumed      {assumed}");
        }
    }
}

impl Found {
    fn of(read: Read, arguments: &Import) -> Result<Self> {
        let chain = match (&arguments.convention, scheduler_of(&arguments.source)) {
            (None, Some(file)) => {
                let config = Config::open(&file).map_err(explained)?;
                scheduler_settings(&config).with_context(|| file.display().to_string())?
            }
            _ => Vec::new(),
        };
        let convention = match &arguments.convention {
            None => Convention::of_layout(read.layout.name).ok_or_else(|| {
                Usage(format!(
                    "networks in the layout {} have no usual convention; give --convention, one of \
                     {}",
                    read.layout.name,
                    conventions().join(", ")
                ))
            })?,
            Some(name) => Convention::named(name).ok_or_else(|| {
                let unknown = UnknownName {
                    what: "convention",
                    name: name.clone(),
                    known: conventions(),
                };
                Usage(unknown.to_string())
            })?,
        };
        Ok(Self {
            read,
            convention,
            chain,
        })
    }

    /// The model of its tensors, which it hands over.
    fn model(&mut self, arguments: &Import) -> Result<StoredModel> {
        let origin = Origin {
            file: self.read.file.clone(),
            layout: self.read.layout.name.to_owned(),
            convention: self.convention.name.to_owned(),
            choices: self.read.fit.choices.map().clone(),
        };
        let mut set = self.chain.clone();
        if let Some(data) = &arguments.data {
            set.push(format!("data.name={}", json!(data)));
            if (self.read.fit.structure)
                .unet()
                .is_some_and(|unet| unet.classes == 0)
            {
                set.push("data.labels=false".to_owned());
            }
        }
        set.extend(arguments.set.iter().cloned());
        let weights = match self.read.part.as_str() {
            "" => Weights::Raw.to_string(),
            part => part.to_owned(),
        };
        let file = model_file(
            &self.read.fit,
            std::mem::take(&mut self.read.tensors),
            self.convention,
            origin,
            &weights,
            &set,
        );
        let file = file.map_err(|error| match error {
            ExchangeError::Config(error) => anyhow!(error),
            ExchangeError::Convention(reason) => {
                Usage(format!("--convention {}: {reason}", self.convention.name)).into()
            }
            other => anyhow!(other),
        })?;
        let file = match &arguments.latents {
            None => file,
            Some(path) => {
                let autoencoder = ModelFile::open(path).context("--latents")?;
                let decoded = decoded_by(file, autoencoder);
                decoded.map_err(|error| Usage(format!("--latents: {error}")))?
            }
        };
        Ok(StoredModel::of_file(file, &arguments.source)?)
    }

    fn say(&self) {
        self.read.say();
        let Convention {
            name, about, clock, ..
        } = self.convention;
        say!("convention   {name}: {about}");
        say!("time there   {clock}");
        if !self.chain.is_empty() {
            say!("scheduler    {}", self.chain.join(" "));
        }
        self.read.say_assumed();
    }
}

/// The arguments of the network: those beside the weights, of --config, and of --with.
fn config(arguments: &Import, checkpoint: &Checkpoint) -> Result<Config> {
    let mut config = match &arguments.config {
        None => checkpoint.config.clone(),
        Some(path) => config_of(path).map_err(explained_config)?,
    };
    for with in &arguments.with {
        let pair = with.split_once('=').filter(|(key, _)| !key.is_empty());
        let Some((key, value)) = pair else {
            bail!(Usage(format!(
                "--with {} gives no argument; write it as ARGUMENT=VALUE, such as image_size=32",
                shown(with)
            )));
        };
        let value = serde_json::from_str::<Value>(value).ok();
        let text = with[key.len() + 1..].to_owned();
        config.set(key, value.unwrap_or(Value::String(text)));
    }
    Ok(config)
}

/// The configuration in a JSON file, or in the metadata of a safetensors file.
fn config_of(path: &Path) -> Result<Config, WeightsError> {
    if path.extension().is_some_and(|end| end == "safetensors") {
        return Ok(read(path, None)?.config);
    }
    Config::open(path)
}

/// The layout that the configuration names, if the tensors may be in it.
fn told<'a>(config: &'a Config, tensors: &Tensors) -> Option<&'a str> {
    let name = config.text("layout").ok().flatten()?;
    let candidates = candidates(tensors);
    candidates
        .iter()
        .any(|layout| layout.name == name)
        .then_some(name)
}

fn conventions() -> Vec<&'static str> {
    CONVENTIONS.iter().map(|known| known.name).collect()
}

/// Lists every tensor in which a file differs from its layout.
fn list(error: &WeightsError) {
    let WeightsError::Misfit(misfit) = error else {
        return;
    };
    let Misfit {
        missing,
        unexpected,
        shapes,
        values,
        ..
    } = &**misfit;
    let missing = missing.iter().map(|key| format!("missing: {key}"));
    let unexpected = unexpected.iter().map(|key| format!("unexpected: {key}"));
    let shapes = shapes.iter().map(|(key, found, expected)| {
        format!("of another shape: {key} is {found:?} and should be {expected:?}")
    });
    let values = values
        .iter()
        .map(|(key, reason)| format!("of other values: {key}: {reason}"));
    let lines: Vec<String> = { missing }
        .chain(unexpected)
        .chain(shapes)
        .chain(values)
        .collect();
    for line in lines.iter().take(LISTED) {
        note!("{line}");
    }
    if lines.len() > LISTED {
        note!("… and {} more", lines.len() - LISTED);
    }
}

/// An error of the weights with the option that avoids it, if there is one.
fn explained(error: WeightsError) -> anyhow::Error {
    let usage = |message: String| Usage(message).into();
    match &error {
        WeightsError::NoLayout(_) => usage(error.to_string()),
        WeightsError::Layout { .. } => usage(format!("{error}, by --layout")),
        WeightsError::Undetermined { key, .. } => {
            usage(format!("{error}, or by --with {key}=VALUE"))
        }
        WeightsError::NoWeights { under, .. } if !under.is_empty() => usage(format!(
            "{error}; give one of them as --part, or leave it out"
        )),
        WeightsError::Setting { .. } => usage(error.to_string()),
        WeightsError::NoGolden { .. } => usage(error.to_string()),
        _ => error.into(),
    }
}

fn explained_config(error: WeightsError) -> anyhow::Error {
    match error {
        WeightsError::Config { .. } => Usage(format!("--config: {error}")).into(),
        other => anyhow!(other).context("--config"),
    }
}

fn precision(precision: Precision) -> &'static str {
    match precision {
        Precision::F16 => "half precision",
        Precision::Bf16 => "bfloat16",
        Precision::F32 => "single precision",
    }
}

/// The network, with the values in which it differs from the default.
fn say_network(stored: &StoredModel) -> Result<()> {
    let about = &stored.header().about;
    let (kind, changed) = match &about.network {
        Some(network) => (network.name(), network.changed()),
        None => ("a network of its own program", Vec::new()),
    };
    let classes = match about.data.classes.len() {
        0 => "no classes".to_owned(),
        n => format!("{n} classes"),
    };
    say!(
        "network      {kind} for samples of {:?}, {classes}, {} parameters",
        about.data.shape,
        stored.parameters()
    );
    for value in changed {
        say!("             {value}");
    }
    Ok(())
}

fn say_differences(of: &str, differences: &[f64]) {
    let all: Vec<String> = differences.iter().map(|d| format!("{d:.1e}")).collect();
    let label = format!("differences{of}");
    say!(
        "{label:<12} {} of the outputs' standard deviations",
        all.join(", ")
    );
}

struct Verifying<'a> {
    stored: &'a StoredModel,
    golden: &'a Golden,
}

impl Job for Verifying<'_> {
    type Output = Result<Vec<f64>>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let verify = Verify(self.golden);
        let differences = self.stored.with_model::<Autodiff<B>, _>(&device, verify)?;
        let of_file = |error: GoldenError| anyhow!(error);
        differences.map_err(of_file).context("--verify")
    }
}
