//! `pyroclast train`: trains a model and records it in the folder of a run.

use super::learned_from::{autoencoder, check_teacher, taught_by, teacher_of};
use super::reconstruct::{held_out, spread};
use crate::Usage;
use crate::args::Train;
use crate::device::{self, Job};
use crate::export::{self, picture_labels, picture_size, save_png};
use crate::loading::{one_source, with_progress, with_progress_of};
use crate::memory::{self, product};
use crate::progress::{Progress, minutes};
use crate::report;
use crate::say::{note, quoted, say};
use anyhow::{Context, Result, anyhow, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use pyroclast_core::condition::Given;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_core::shown::shown;
use pyroclast_core::toy::Toy;
use pyroclast_metrics::reconstruction::reconstructed;
use pyroclast_models::Init;
use pyroclast_plot::{Series, line_chart, write_png};
use pyroclast_train::config::{Config, ConfigError, Preset, is_data, suitable};
use pyroclast_train::dataset::{ConditionKind, DataSource, Loading};
use pyroclast_train::draw::sample;
use pyroclast_train::latents::{encode, latent_shape};
use pyroclast_train::learn::{
    EventFile, Latest, Next, Outcome, Record, Run, RunError, RunLock, Summary, TrainError, Trainer,
    Watcher, Weights, WeightsError,
};
use pyroclast_train::model_file::{ModelFile, ModelHeader};
use pyroclast_train::network::WithNetwork;
use pyroclast_train::numbered::{first_free, last_taken};
use pyroclast_train::stored_model::StoredModel;
use pyroclast_train::task::Task;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The exit code after Ctrl-C, by the convention of shells.
const INTERRUPTED: u8 = 130;
/// The rows of pictures that an autoencoder in training is shown by, each with what becomes of it.
const PAIRS: usize = 4;

pub(crate) fn run(mut arguments: Train) -> Result<ExitCode> {
    arguments.source = one_source(arguments.source, &arguments.more)?;
    let mut assignments = arguments.set.clone();
    assignments.extend(arguments.steps.map(|n| format!("training.steps={n}")));
    assignments.extend(arguments.seed.map(|n| format!("training.seed={n}")));
    assignments.extend(arguments.size.map(|n| format!("data.resolution={n}")));
    let named = arguments.teacher.iter();
    assignments.extend(named.map(|path| format!("few-step.teacher={:?}", path.to_string_lossy())));
    assignments.extend((arguments.label.iter()).map(|name| format!("data.label={name:?}")));
    let condition = arguments.condition.iter();
    assignments
        .extend(condition.map(|path| format!("data.condition={:?}", path.to_string_lossy())));
    assignments.extend(
        arguments
            .skip_broken
            .then(|| "data.skip-broken=true".to_owned()),
    );
    let mut config = configuration(&arguments, &assignments)?;
    absolute(&mut config)?;
    let name = run_name(&arguments.source);
    let resumed = if arguments.resume {
        let base = Path::new("runs").join(&name);
        let newest = || last_taken(&base).unwrap_or_else(|| base.clone());
        let folder = arguments.out.clone().unwrap_or_else(newest);
        let resumed = Resumed::open(&folder, &arguments.source, &config, &assignments)?;
        config = resumed.config.clone();
        Some(resumed)
    } else {
        None
    };
    // Everything that can be checked is checked before anything is written.
    let device = device::choose(arguments.device.name.as_deref())?;
    check_data_memory(&config)?;
    let noise = Noise::new(config.training.seed);
    let mut task = with_progress(|loading| Ok(Task::load_by(&config.data, noise, loading)?))?;
    let resumed_run = resumed.as_ref().map(|resumed| &resumed.run);
    let autoencoder = autoencoder(&config, resumed_run)?;
    let teacher = teacher_of(&config, resumed_run)?;
    check_memory(&config, &task, autoencoder.as_deref())?;
    // That of latents is checked once there are some.
    if let (Some(file), None) = (&teacher, &autoencoder) {
        check_teacher(file, &config, &task)?;
    }
    let init_from = (arguments.init_from.as_deref())
        .map(|path| StoredModel::open(path, Weights::default())?.file())
        .transpose()?;
    if let (Some(key), None) = (key_of_tables(&config.data), &task.training.table) {
        bail!(Usage(format!(
            "{key} says how a table is read, and {} is none; leave it out",
            task.training.name
        )));
    }
    let (run, lock) = match resumed {
        Some(resumed) => {
            task = resumed.checked(task, arguments.new_data)?;
            resumed.run.prepare()?;
            resumed.run.write_config(&config.to_toml())?;
            (resumed.run, resumed.lock)
        }
        None => {
            let free = || first_free(&Path::new("runs").join(&name), "");
            let run = create(&arguments.out.clone().unwrap_or_else(free), &config)?;
            let lock = run.lock()?;
            (run, lock)
        }
    };
    if let Some(autoencoder) = &autoencoder {
        autoencoder.save(run.autoencoder_path())?;
    }
    if let Some(teacher) = &teacher {
        teacher.save(run.teacher_path())?;
    }
    note!(
        "training on {} ({} samples) with {device}; writing to {}",
        task.training.name,
        task.training.len(),
        run.folder().display()
    );
    if let Some(table) = &task.training.table {
        table.to_string().lines().for_each(|line| note!("  {line}"));
    }
    let job = TrainJob {
        run: &run,
        lock,
        config: &config,
        task: &task,
        autoencoder,
        teacher,
        resume: arguments.resume,
        any_data: arguments.new_data,
        init_from,
    };
    let start = Instant::now();
    let outcome = device::run_on(device, job)?;
    let folder = quoted(&run.folder().to_string_lossy());
    let seconds = start.elapsed().as_secs_f64();
    let outcome_json = |outcome, step, picture: Option<&Path>, files: Option<[&Path; 2]>| {
        json!({
            "outcome": outcome,
            "step": step,
            "seconds": seconds,
            "run": run.folder(),
            "samples": picture,
            "loss": files.map(|[loss, _]| loss),
            "report": files.map(|[_, report]| report),
        })
    };
    match outcome {
        (Outcome::Finished, picture) => {
            let loss = draw_curve(&run)?;
            let about = task.info();
            let page = report::write(&run, &config.to_toml(), &about)?;
            if arguments.json {
                let (picture, steps) = (picture.as_deref(), config.training.steps);
                say!(
                    "{}",
                    outcome_json("finished", steps, picture, Some([&loss, &page]))
                );
                return Ok(ExitCode::SUCCESS);
            }
            say!("trained in {}", minutes(seconds));
            say!("run      {folder}");
            if let Some(picture) = picture {
                say!("samples  {}", picture.display());
            }
            say!("loss     {}", loss.display());
            say!("report   {}", page.display());
            if config.network.is_autoencoder() {
                say!("next     pyroclast evaluate {folder}");
                let data = quoted(&config.data.name);
                say!("then     pyroclast train {data} --set data.latents={folder}");
            } else {
                say!("next     pyroclast sample {folder} --trajectory");
            }
            Ok(ExitCode::SUCCESS)
        }
        (Outcome::Interrupted { step }, picture) if arguments.json => {
            say!(
                "{}",
                outcome_json("interrupted", step, picture.as_deref(), None)
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        (Outcome::Interrupted { step }, _) => {
            say!("interrupted after step {step}, and saved; resume with:");
            let mut command = vec![
                "pyroclast train".to_owned(),
                quoted(&arguments.source),
                format!("--out {folder}"),
            ];
            let device = arguments.device.name.iter();
            command.extend(device.map(|name| format!("--device {}", quoted(name))));
            let preset = arguments.preset.iter();
            command.extend(preset.map(|name| format!("--preset {}", quoted(name))));
            let set = assignments.iter();
            command.extend(set.map(|set| format!("--set {}", quoted(set))));
            say!("  {} --resume", command.join(" "));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// The first key that says how a table is read, if one is set: it does nothing for other data.
fn key_of_tables(data: &DataSource) -> Option<&'static str> {
    let plain = DataSource::default();
    let keys = [
        ("data.label", data.label != plain.label),
        ("data.separator", data.separator != plain.separator),
        ("data.decimal", data.decimal != plain.decimal),
        ("data.missing", data.missing != plain.missing),
        ("data.columns", data.columns != plain.columns),
    ];
    (keys.into_iter()).find_map(|(key, is_set)| is_set.then_some(key))
}

/// The configuration that the arguments name: of a preset or a file, or one that suits the data.
fn configuration(arguments: &Train, assignments: &[String]) -> Result<Config> {
    let source = &arguments.source;
    if !is_data(source) {
        if let Some(preset) = &arguments.preset {
            bail!(Usage(format!(
                "{source} has its own network; --preset {preset} is for data such as a folder"
            )));
        }
        return Ok(Config::load(source, assignments)?);
    }
    if Run::open(Path::new(source)).is_ok() {
        bail!(Usage(format!(
            "{source} is a run; to resume it, give the name it was trained by, --out {} and \
             --resume",
            quoted(source)
        )));
    }
    let data = Config::data_at(source, assignments)?;
    let task = with_progress(|loading| Ok(Task::load_by(&data, Noise::new(0), loading)?))?;
    let dataset = &task.training;
    let preset = arguments
        .preset
        .as_deref()
        .unwrap_or(suitable(&dataset.shape));
    note!(
        "{source}: {} samples of shape {:?}{}; the network and training of the preset {preset}",
        dataset.len() + task.validation.len(),
        dataset.shape,
        match (dataset.classes(), dataset.conditions().beside) {
            (0, None) => String::new(),
            (0, Some(kind)) => format!(", each with one of the {kind}"),
            (classes, None) => format!(", {classes} classes"),
            (classes, Some(kind)) => format!(", {classes} classes, each with one of the {kind}"),
        }
    );
    let (shape, classes) = (&dataset.shape, dataset.classes());
    Ok(Config::suited(source, preset, shape, classes, assignments)?)
}

/// Refuses a toy distribution of more points than fit into memory.
fn check_data_memory(config: &Config) -> Result<()> {
    let size = config.data.size;
    if config.data.name.parse::<Toy>().is_err() {
        return Ok(());
    }
    let points = product([size as u64, 2, 4]);
    memory::check(&format!("data.size = {size}"), points, "draw fewer points")
}

/// Refuses a network and settings that do not fit the data, and a training that does not fit into
/// memory.
fn check_memory(config: &Config, task: &Task, autoencoder: Option<&ModelFile>) -> Result<()> {
    let dataset = &task.training;
    let check = || config.check_data(&dataset.shape, dataset.conditions());
    if autoencoder.is_some() {
        check().map_err(ConfigError::from)?;
    }
    let latent = autoencoder.map(|file| latent_shape(file, &dataset.shape));
    let latent = latent.transpose()?;
    if let (Some([_, rows, columns]), Some(ConditionKind::Images { height, width, .. })) =
        (latent, dataset.conditions().beside)
        && (height, width) != (rows, columns)
    {
        bail!(Usage(format!(
            "data.condition = {}: its images stand beside pictures of {height}×{width}, and not \
             beside their latents of {rows}×{columns}; leave out data.latents",
            shown(&config.data.condition)
        )));
    }
    let shape = latent.as_ref().map_or(&dataset.shape[..], |shape| shape);
    let architecture = config.architecture(shape, dataset.conditions());
    let architecture = architecture.with_context(|| {
        let is_as_it_was = dataset.is_image() && config.data.resolution == 0;
        let advice = if is_as_it_was {
            "; --size brings pictures to another size"
        } else {
            ""
        };
        let (name, kind) = match latent {
            Some(_) => (&dataset.name, "latents"),
            None => (&dataset.name, "samples"),
        };
        format!("{kind} of {name} have shape {shape:?}{advice}")
    })?;
    check().map_err(ConfigError::from)?;
    let size = architecture.size();
    memory::check(
        &format!(
            "a network of {} parameters on batches of {}",
            match size.parameters {
                u64::MAX => "over 10^19".to_owned(),
                parameters => parameters.to_string(),
            },
            config.training.batch
        ),
        config.memory(size, shape.iter().product()),
        "set a smaller network, training.batch or training.micro-batch",
    )?;
    memory::check_steps(config.sampling.steps)
}

/// Data files by their absolute path, so that the run can be resumed and scored from anywhere.
fn absolute(config: &mut Config) -> Result<()> {
    let data = &mut config.data;
    let is_path = data.is_path();
    for (name, is_path) in [
        (&mut data.name, is_path),
        (&mut data.latents, true),
        (&mut config.few_step.teacher, true),
    ] {
        let path = Path::new(name.as_str());
        if is_path && path.exists() {
            let path = std::path::absolute(path).context("the current folder is gone")?;
            *name = path.to_string_lossy().into_owned();
        }
    }
    let path = Path::new(&config.data.condition);
    if path.exists() {
        let path = std::path::absolute(path).context("the current folder is gone")?;
        config.data.condition = path.to_string_lossy().into_owned();
    }
    Ok(())
}

/// Creates a new run. If the folder is occupied, the error names the flags that help.
fn create(folder: &Path, config: &Config) -> Result<Run> {
    Run::create(folder, Some(&config.to_toml())).map_err(|error| match error {
        RunError::Occupied(folder) => anyhow!(
            "{folder} is not empty, and a run is never overwritten; give another --out, or \
             resume it with --resume"
        ),
        error => error.into(),
    })
}

/// The name of a run: that of the preset, or of the file without its extension.
fn run_name(source: &str) -> String {
    let is_preset = Preset::named(source).is_some();
    let stem = Path::new(source).file_stem();
    match stem.and_then(|stem| stem.to_str()) {
        Some(stem) if !is_preset => stem.to_owned(),
        _ => source.to_owned(),
    }
}

/// A run that is resumed, locked, with its configuration.
struct Resumed {
    run: Run,
    lock: RunLock,
    config: Config,
    /// What its newest checkpoint says; none before the first.
    header: Option<ModelHeader>,
}

impl Resumed {
    /// Opens the run in a folder, if it agrees with what is asked for: with every assignment and,
    /// where the source is a file, with all of it. Only the number of steps may grow, and what
    /// [`with_free_keys`] lists may change.
    fn open(folder: &Path, source: &str, asked: &Config, assignments: &[String]) -> Result<Self> {
        let run = Run::open(folder)?;
        let folder = folder.display();
        let Some(mut stored) = Config::of_run(&run)? else {
            bail!(Usage(format!(
                "{folder} has no configuration; resume it in the program that started it"
            )));
        };
        // Runs of earlier versions have the path as it was typed.
        absolute(&mut stored)?;
        let lock = run.lock()?;
        let config = if Preset::named(source).is_some() {
            let mut config = Config::parse(&stored.to_toml(), &folder.to_string(), assignments)?;
            absolute(&mut config)?;
            config
        } else {
            asked.clone()
        };
        let same = with_free_keys(stored.clone(), &config);
        let refuse = |difference: String| {
            Err(Usage(format!(
                "{folder} was made with another configuration ({difference}); resume with the \
                 same, or give another --out"
            ))
            .into())
        };
        if asked.data.name != stored.data.name {
            return refuse(format!(
                "it learns {}, not {}",
                stored.data.name, asked.data.name
            ));
        }
        if same != config {
            return refuse(difference(&same.to_toml(), &config.to_toml()));
        }
        let header = match Latest::read(run.clone()) {
            Ok(latest) => Some(latest.header().clone()),
            // Stopped before the first checkpoint, so training starts again.
            Err(WeightsError::Run(RunError::NoCheckpoint(_))) => None,
            Err(error) => return Err(error.into()),
        };
        let done = header.as_ref().map_or(0, |header| header.about.step);
        if config.training.steps < done {
            bail!(Usage(format!(
                "{folder} has already taken {done} steps, more than the {} asked for; give --steps \
                 {done} or more",
                config.training.steps
            )));
        }
        Ok(Self {
            run,
            lock,
            config,
            header,
        })
    }

    /// The data on the model's scale, if it is the data that the model has been trained on, or may
    /// be other data.
    fn checked(&self, task: Task, may_be_new: bool) -> Result<Task> {
        let Some(header) = &self.header else {
            return Ok(task);
        };
        let data = &header.about.data;
        let (folder, name) = (self.run.folder().display(), &self.config.data.name);
        if task.training.shape != data.shape {
            bail!(
                "{name} now has samples of shape {:?}, and {folder} was trained on {:?}",
                task.training.shape,
                data.shape
            );
        }
        let task = task.conditioned_as(data.condition.as_ref());
        let task = task.rescaled(&data.scaling);
        if may_be_new || data.digest.as_ref() == Some(&task.digest()) {
            return Ok(task);
        }
        bail!(Usage(format!(
            "{name} has changed since {folder} was trained on it; put the old data back, start \
             anew with another --out, or train on the new data with --new-data"
        )))
    }
}

/// A configuration with the keys of another that a training may change on the way: those that
/// neither shape the model nor change what has been learned so far.
fn with_free_keys(mut config: Config, other: &Config) -> Config {
    let (free, new) = (&mut config.training, &other.training);
    free.steps = new.steps;
    free.micro_batch = new.micro_batch;
    free.learning_rate = new.learning_rate;
    free.weight_decay = new.weight_decay;
    free.clip = new.clip;
    free.log_every = new.log_every;
    free.validate_every = new.validate_every;
    free.save_every = new.save_every;
    free.picture_every = new.picture_every;
    free.tensorboard = new.tensorboard;
    config.sampling = other.sampling.clone();
    config
}

/// A description of the first line in which two configurations differ.
fn difference(stored: &str, asked: &str) -> String {
    (stored.lines().zip(asked.lines()))
        .find(|(a, b)| a != b)
        .map(|(a, b)| format!("it has `{a}`, not `{b}`"))
        .unwrap_or_else(|| "it has other sections".into())
}

/// A training, on any backend.
struct TrainJob<'a> {
    run: &'a Run,
    lock: RunLock,
    config: &'a Config,
    task: &'a Task,
    /// That of the latents that are learned.
    autoencoder: Option<Arc<ModelFile>>,
    /// What a model of few steps learns from.
    teacher: Option<ModelFile>,
    resume: bool,
    any_data: bool,
    init_from: Option<ModelFile>,
}

impl Job for TrainJob<'_> {
    type Output = Result<(Outcome, Option<PathBuf>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let latents = self.autoencoder.clone().map(|file| {
            let flip = self.config.data.flip;
            let encode =
                |loading: &Loading<'_>| Ok(encode::<B>(self.task, file, flip, loading, &device)?);
            with_progress_of("encod", encode)
        });
        let latents = latents.transpose()?;
        let task = latents.as_ref().unwrap_or(self.task);
        let job = TrainJob { task, ..self };
        let dataset = &task.training;
        let architecture = (job.config).architecture(&dataset.shape, dataset.conditions())?;
        let mut init = Init::new(Noise::new(job.config.training.seed), &device);
        let job = OnDevice::<Autodiff<B>> {
            job,
            device: &device,
        };
        architecture.build(&mut init, job)
    }
}

/// A training on a device of a known backend.
struct OnDevice<'a, B: Backend> {
    job: TrainJob<'a>,
    device: &'a B::Device,
}

impl<B: Backend> WithNetwork<Autodiff<B>> for OnDevice<'_, Autodiff<B>> {
    type Output = Result<(Outcome, Option<PathBuf>)>;

    fn with<N, const D: usize>(self, network: N) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let TrainJob {
            run,
            lock,
            config,
            task,
            resume,
            any_data,
            init_from,
            teacher: taught,
            ..
        } = self.job;
        let mut trainer = config.trainer(network, task.clone(), self.device);
        if any_data {
            trainer = trainer.on_any_data();
        }
        if let Some(model) = init_from {
            trainer = trainer.init_from(&model)?;
        }
        if let Some(file) = &taught {
            trainer = taught_by::<B, N, D>(trainer, file, config, run)?;
        }
        if resume {
            run.restore(&mut trainer)?;
        }
        let console = Console::new(run, config)?;
        let mut recorder = config.recorder(run, console).holding(lock);
        let outcome = trainer.run(config.training.steps, &mut recorder);
        let console = recorder.watcher;
        console.finish();
        Ok((outcome?, console.picture))
    }
}

/// Shows the progress of a training and draws pictures, and stops the training after Ctrl-C.
struct Console<'a> {
    run: &'a Run,
    config: &'a Config,
    progress: Option<Progress>,
    events: Option<EventFile>,
    stop: Arc<AtomicBool>,
    picture: Option<PathBuf>,
}

impl<'a> Console<'a> {
    fn new(run: &'a Run, config: &'a Config) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        ctrlc::set_handler(move || {
            // A second Ctrl-C exits at once, in the middle of a step.
            if seen.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(INTERRUPTED));
            }
        })
        .context("cannot listen for interrupts")?;
        Ok(Self {
            run,
            config,
            progress: None,
            events: None,
            stop,
            picture: None,
        })
    }

    fn finish(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }

    /// Whether a picture is drawn after this step.
    fn draws(&self, step: u64) -> bool {
        let training = &self.config.training;
        let every = training.picture_every;
        step == training.steps || (step > 0 && every > 0 && step.is_multiple_of(every))
    }

    fn picture_of(&self, step: u64) -> PathBuf {
        self.run.samples().join(format!("step-{step:08}.png"))
    }

    /// Writes a record as events. A file that cannot be written is given up: it is not worth the
    /// training.
    fn log_events(&mut self, record: &Record) {
        let values: Vec<(&str, Summary<'_>)> = [
            ("loss/training", record.loss),
            ("loss/validation", record.validation),
            ("learning rate", record.learning_rate),
            ("gradient norm", record.gradient_norm),
            ("samples per second", record.samples_per_second),
            ("waiting", record.waiting),
        ]
        .into_iter()
        .filter_map(|(tag, value)| Some((tag, Summary::Scalar(value?))))
        .collect();
        self.write_events(record.step, &values);
    }

    fn write_events(&mut self, step: u64, values: &[(&str, Summary<'_>)]) {
        let written = self
            .events
            .as_mut()
            .map(|events| events.write(step, values));
        if written.is_some_and(|written| written.is_err()) {
            self.events = None;
        }
    }

    /// Draws a picture of samples. If that fails, it prints a warning, and training continues.
    fn draw<B, N, const D: usize>(&mut self, trainer: &Trainer<B, N, D>)
    where
        B: AutodiffBackend,
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let step = trainer.step;
        let path = self.picture_of(step);
        let is_autoencoder = self.config.network.is_autoencoder();
        let drawn = match is_autoencoder {
            true => Ok(side_by_side(trainer)),
            false => samples(trainer, self.config),
        };
        let drawn = drawn.and_then(|values| {
            let task = &trainer.task;
            let pixels = (task.latents.as_ref()).map(|l| l.pixels.without_samples());
            let dataset = pixels.as_ref().unwrap_or(&task.training);
            let (title, labels) = match is_autoencoder {
                true => (
                    format!("{} and as decoded, after {step} steps", dataset.name),
                    None,
                ),
                false => (
                    format!("{} after {step} steps", dataset.name),
                    picture_labels(dataset.classes()),
                ),
            };
            let scaling = match &task.latents {
                Some(latents) => &latents.pixels.scaling,
                None => &task.scaling,
            };
            let picture =
                export::picture(&values, labels.as_deref(), dataset, scaling, &title, None);
            save_png(&path, &picture)?;
            let mut png = Vec::new();
            write_png(&mut png, &picture)?;
            let (width, height) = picture.dimensions();
            let summary = Summary::Picture {
                width,
                height,
                png: &png,
            };
            self.write_events(step, &[("samples", summary)]);
            Ok(())
        });
        match (drawn, &self.progress) {
            (Ok(()), _) => self.picture = Some(path),
            (Err(error), Some(progress)) => {
                progress.say(&format!("warning: no picture after step {step}: {error:#}"));
            }
            (Err(_), None) => {}
        }
    }
}

impl<B, N, const D: usize> Watcher<Trainer<B, N, D>> for Console<'_>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    fn started(&mut self, trainer: &Trainer<B, N, D>, steps: u64) -> Result<(), TrainError> {
        let progress = Progress::new(trainer.step, steps);
        if trainer.step > 0 {
            progress.say(&format!("resumed after step {}", trainer.step));
        }
        self.progress = Some(progress);
        if self.config.training.tensorboard {
            let folder = self.run.folder().join("tensorboard");
            self.events = EventFile::create(&folder, trainer.step).ok();
        }
        // A run that was killed between a checkpoint and its picture has no picture of that step.
        if self.draws(trainer.step) && !self.picture_of(trainer.step).exists() {
            self.draw(trainer);
        }
        Ok(())
    }

    fn stepped(&mut self, trainer: &Trainer<B, N, D>) -> Next {
        if let Some(progress) = &self.progress {
            progress.step(trainer.step);
        }
        match self.stop.load(Ordering::SeqCst) {
            true => Next::Stop,
            false if self.draws(trainer.step) => Next::Log,
            false => Next::Continue,
        }
    }

    fn logged(&mut self, trainer: &Trainer<B, N, D>, record: &Record) -> Result<(), TrainError> {
        if let Some(progress) = &mut self.progress {
            progress.record(record);
        }
        self.log_events(record);
        if self.draws(trainer.step) {
            self.draw(trainer);
        }
        Ok(())
    }
}

/// Pictures that are held out, in rows, and below each row what the autoencoder makes of it.
fn side_by_side<B, N, const D: usize>(trainer: &Trainer<B, N, D>) -> Vec<f32>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let pictures = held_out(&trainer.task);
    let n = (PAIRS * export::COLUMNS).min(pictures.len());
    let rows = spread(n, pictures.len());
    let (network, device) = (trainer.averaged().network, trainer.device());
    let found = reconstructed::<B::InnerBackend, _, D>(&network, pictures, &rows, device);
    let originals = pictures.gather(&rows);
    let row = export::COLUMNS * pictures.dim();
    let pairs = originals.chunks(row).zip(found.images.chunks(row));
    pairs.flat_map(|(a, b)| [a, b].concat()).collect()
}

/// The samples of a picture, on the scale of a model of pictures.
fn samples<B, N, const D: usize>(trainer: &Trainer<B, N, D>, config: &Config) -> Result<Vec<f32>>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let (flow, dataset) = (trainer.averaged(), &trainer.task.training);
    let (n, seed) = (picture_size(dataset), config.training.seed);
    let labels = (dataset.is_image()).then(|| picture_labels(dataset.classes()));
    let beside = Given {
        labels: None,
        ..dataset.spread(n)
    };
    let given = (labels.flatten()).map_or_else(Given::nothing, |labels| {
        Given::labels(&labels, dataset.classes())
    });
    let given = given.and(beside);
    let source = &flow.path.source;
    let x0 = source.for_sampling(n, dataset.dim(), Noise::new(seed), 0);
    let samples = sample(
        &flow,
        &x0,
        &dataset.shape,
        &given,
        &config.plan(seed),
        trainer.device(),
        &mut |_, _, _| {},
    );
    let values = samples?.values;
    match &trainer.task.latents {
        Some(latents) => Ok(latents.decode::<B::InnerBackend>(&values, 0, trainer.device())?),
        None => Ok(values),
    }
}

/// Draws `loss.png` from the metrics, and returns its path.
fn draw_curve(run: &Run) -> Result<PathBuf> {
    let records = run.records();
    let of = |value: fn(&Record) -> Option<f64>| {
        records
            .iter()
            .filter_map(move |r| value(r).map(|value| (r.step as f64, value)))
    };
    let mut series = vec![Series::noisy("training", of(|r| r.loss))];
    if records.iter().any(|record| record.validation.is_some()) {
        series.push(Series::measured("validation", of(|r| r.validation)));
    }
    let path = run.folder().join("loss.png");
    save_png(&path, &line_chart(&series, "loss", ["step", "loss"]))?;
    Ok(path)
}
