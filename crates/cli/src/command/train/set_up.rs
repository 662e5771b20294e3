//! What is read, checked and made before a training.

use super::absolute::absolute;
use super::resumed::Resumed;
use crate::Usage;
use crate::args::Train;
use crate::command::learned_from::{autoencoder, check_teacher, teacher_of};
use crate::device::{self, Name};
use crate::loading::{check_table, with_progress};
use crate::memory::{self, product};
use crate::say::{note, quoted};
use anyhow::{Context, Result, anyhow, bail};
use pyroclast_core::noise::Noise;
use pyroclast_core::shown::shown;
use pyroclast_core::toy::Toy;
use pyroclast_train::config::{Config, ConfigError, Preset, is_data, suitable};
use pyroclast_train::dataset::ConditionKind;
use pyroclast_train::latents::latent_shape;
use pyroclast_train::learn::{Run, RunError, RunLock, Weights};
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::network::NetworkConfig;
use pyroclast_train::numbered::{first_free, last_taken};
use pyroclast_train::stored_model::StoredModel;
use pyroclast_train::task::Task;
use std::path::Path;
use std::sync::Arc;

/// All that a training needs.
pub(super) struct SetUp {
    pub(super) run: Run,
    /// Held by the first process alone.
    pub(super) lock: Option<RunLock>,
    pub(super) config: Config,
    pub(super) device: Name,
    pub(super) task: Task,
    /// That of the latents that are learned.
    pub(super) autoencoder: Option<Arc<ModelFile>>,
    /// What a model of few steps learns from.
    pub(super) teacher: Option<ModelFile>,
    pub(super) init_from: Option<ModelFile>,
}

/// What the arguments say of the configuration.
pub(super) fn assignments(arguments: &Train) -> Vec<String> {
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
    assignments
}

/// Opens or creates the run, and checks everything that can be checked before anything is written.
pub(super) fn set_up(arguments: &Train, assignments: &[String]) -> Result<SetUp> {
    let mut config = configuration(arguments, assignments)?;
    absolute(&mut config)?;
    let name = run_name(&arguments.source);
    let resumed = if arguments.resume {
        let base = Path::new("runs").join(&name);
        let newest = || last_taken(&base).unwrap_or_else(|| base.clone());
        let folder = arguments.out.clone().unwrap_or_else(newest);
        let resumed = Resumed::open(&folder, &arguments.source, &config, assignments)?;
        config = resumed.config.clone();
        Some(resumed)
    } else {
        None
    };
    // Everything that can be checked is checked before anything is written.
    let device = device_of(arguments, &config)?;
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
    let init_from = init_from(arguments)?;
    check_table(&config.data, &task)?;
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
            (run, Some(lock))
        }
    };
    if let Some(autoencoder) = &autoencoder {
        autoencoder.save(run.autoencoder_path())?;
    }
    if let Some(teacher) = &teacher {
        teacher.save(run.teacher_path())?;
    }
    Ok(SetUp {
        run,
        lock,
        config,
        device,
        task,
        autoencoder,
        teacher,
        init_from,
    })
}

/// The device to train on, in the precision of the training.
fn device_of(arguments: &Train, config: &Config) -> Result<Name> {
    let device = device::choose(arguments.device.name.as_deref())?;
    let precision = config.training.precision;
    device::check_precision(
        device,
        precision,
        &format!("training.precision = {precision}"),
    )?;
    Ok(device)
}

/// The same for a process that is not the first, which has set up the run in this folder.
pub(super) fn follow(arguments: &Train, folder: &[u8]) -> Result<SetUp> {
    let run = Run::open(Path::new(&*String::from_utf8_lossy(folder)))?;
    let config = Config::of_run(&run)?.context("the run has no configuration")?;
    let device = device_of(arguments, &config)?;
    let noise = Noise::new(config.training.seed);
    let mut task = with_progress(|loading| Ok(Task::load_by(&config.data, noise, loading)?))?;
    if arguments.resume {
        let resumed = Resumed::followed(run.clone(), config.clone())?;
        task = resumed.checked(task, arguments.new_data)?;
    }
    Ok(SetUp {
        autoencoder: autoencoder(&config, Some(&run))?,
        teacher: teacher_of(&config, Some(&run))?,
        init_from: init_from(arguments)?,
        run,
        lock: None,
        config,
        device,
        task,
    })
}

fn init_from(arguments: &Train) -> Result<Option<ModelFile>> {
    let path = arguments.init_from.as_deref();
    let file = path.map(|path| StoredModel::open(path, Weights::default())?.file());
    Ok(file.transpose()?)
}

/// The configuration of the preset or the file that the arguments name, or one that suits the data.
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
        match &config.network {
            NetworkConfig::Unet(_) | NetworkConfig::Dit(_) if !config.training.checkpoint => {
                "set training.checkpoint=true, or a smaller network, training.batch or \
                 training.micro-batch"
            }
            _ => "set a smaller network, training.batch or training.micro-batch",
        },
    )?;
    memory::check_steps(config.sampling.steps)
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
