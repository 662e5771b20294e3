//! `pyroclast train`.

use crate::Usage;
use crate::args::Train;
use crate::device::{self, Job};
use crate::export::{self, save_png};
use crate::progress::{Progress, minutes};
use anyhow::{Context, Result, bail};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;
use pyroclast_plot::{Series, line_chart};
use pyroclast_train::checkpoint::inspect;
use pyroclast_train::config::{Architecture, Config, presets};
use pyroclast_train::draw::{SampleError, Samples};
use pyroclast_train::numbered::{first_free, last_taken};
use pyroclast_train::run::{Record, Run, RunError};
use pyroclast_train::task::Task;
use pyroclast_train::training::{Outcome, Watcher, train};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The exit code of a run that a signal ended, by the shell's custom.
const INTERRUPTED: u8 = 130;

pub(crate) fn run(arguments: Train) -> Result<ExitCode> {
    let mut assignments = arguments.set.clone();
    assignments.extend(arguments.steps.map(|n| format!("training.steps={n}")));
    assignments.extend(arguments.seed.map(|n| format!("training.seed={n}")));
    let mut config = Config::load(&arguments.source, &assignments)?;
    let name = run_name(&arguments.source);
    let resumed = if arguments.resume {
        let base = Path::new("runs").join(&name);
        let newest = || last_taken(&base).unwrap_or_else(|| base.clone());
        let folder = arguments.out.clone().unwrap_or_else(newest);
        let (run, stored) = resume(&folder, &config, &assignments)?;
        config = stored;
        Some(run)
    } else {
        None
    };
    // Whatever can be refused is refused before a folder is made.
    let device = device::choose(arguments.device.name.as_deref())?;
    let task = Task::load(&config.data, Noise::new(config.training.seed))?;
    config.architecture(&task.training.shape, task.training.classes())?;
    let run = match resumed {
        Some(run) => run,
        None => {
            let free = || first_free(&Path::new("runs").join(&name), "");
            Run::create(&arguments.out.clone().unwrap_or_else(free), &config)?
        }
    };
    eprintln!(
        "training on {} ({} samples) with {device}, into {}",
        task.training.name,
        task.training.len(),
        run.folder().display()
    );
    let job = Training {
        run: &run,
        config: &config,
        task: &task,
        resume: arguments.resume,
    };
    let start = Instant::now();
    let outcome = device::run_on(device, job)?;
    let folder = run.folder().display();
    match outcome {
        (Outcome::Finished, picture) => {
            println!("trained in {}", minutes(start.elapsed().as_secs_f64()));
            println!("run      {folder}");
            if let Some(picture) = picture {
                println!("samples  {}", picture.display());
            }
            println!("loss     {}", draw_curve(&run)?.display());
            println!("next     pyroclast sample {folder} --trajectory");
            Ok(ExitCode::SUCCESS)
        }
        (Outcome::Interrupted { step }, _) => {
            let device = arguments
                .device
                .name
                .map(|name| format!(" --device {name}"))
                .unwrap_or_default();
            println!("interrupted after step {step}, and saved; go on with:");
            println!(
                "  pyroclast train {} --out {folder}{device} --resume",
                arguments.source
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// A run's name: the preset, or the file without its extension.
fn run_name(source: &str) -> String {
    let is_preset = presets().iter().any(|preset| preset.name == source);
    let stem = Path::new(source).file_stem();
    match stem.and_then(|stem| stem.to_str()) {
        Some(stem) if !is_preset => stem.to_owned(),
        _ => source.to_owned(),
    }
}

/// The run in a folder, if it learns the same data and was made with what is set again; the number of steps may be raised.
fn resume(folder: &Path, asked: &Config, assignments: &[String]) -> Result<(Run, Config)> {
    let (run, stored) = Run::open(folder)?;
    let config = Config::parse(
        &stored.to_toml(),
        &folder.display().to_string(),
        assignments,
    )?;
    let mut same = stored.clone();
    same.training.steps = config.training.steps;
    let refuse = |difference: String| {
        Err(Usage(format!(
            "{} was made with another configuration ({difference}); resume with the same, or give another --out",
            folder.display()
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
    let done = match run.latest() {
        Ok(path) => inspect(&path)?,
        // Stopped before the first checkpoint: all is still to do.
        Err(RunError::NoCheckpoint(_)) => 0,
        Err(error) => return Err(error.into()),
    };
    if config.training.steps < done {
        bail!(Usage(format!(
            "{} has {done} steps behind it, more than the {} asked for; give --steps {done} or more",
            folder.display(),
            config.training.steps
        )));
    }
    if config != stored {
        run.write_config(&config)?;
    }
    Ok((run, config))
}

/// The first line in which two configurations differ.
fn difference(stored: &str, asked: &str) -> String {
    (stored.lines().zip(asked.lines()))
        .find(|(a, b)| a != b)
        .map(|(a, b)| format!("it has `{a}` where `{b}` is asked for"))
        .unwrap_or_else(|| "it has other sections".into())
}

/// The training itself, on whichever backend.
struct Training<'a> {
    run: &'a Run,
    config: &'a Config,
    task: &'a Task,
    resume: bool,
}

impl Job for Training<'_> {
    type Output = Result<(Outcome, Option<PathBuf>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let Self {
            run,
            config,
            task,
            resume,
        } = self;
        let mut watcher = Console::new(self.run, task)?;
        let mut init = Init::<Autodiff<B>>::new(Noise::new(config.training.seed), &device);
        let shape = &task.training.shape;
        let outcome = match config.architecture(shape, task.training.classes())? {
            Architecture::Mlp(mlp) => {
                let network = mlp.init(&mut init);
                train::<Autodiff<B>, _, 2>(
                    network,
                    task,
                    config,
                    run,
                    resume,
                    &device,
                    &mut watcher,
                )
            }
            Architecture::UNet(unet) => {
                let network = unet.init(&mut init);
                train::<Autodiff<B>, _, 4>(
                    network,
                    task,
                    config,
                    run,
                    resume,
                    &device,
                    &mut watcher,
                )
            }
        };
        watcher.finish();
        Ok((outcome?, watcher.picture))
    }
}

/// What the person at the console sees.
struct Console<'a> {
    run: &'a Run,
    task: &'a Task,
    progress: Option<Progress>,
    stop: Arc<AtomicBool>,
    picture: Option<PathBuf>,
}

impl<'a> Console<'a> {
    fn new(run: &'a Run, task: &'a Task) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        ctrlc::set_handler(move || {
            // The second signal does not wait for the step to end.
            if seen.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(INTERRUPTED));
            }
        })
        .context("cannot listen for interrupts")?;
        Ok(Self {
            run,
            task,
            progress: None,
            stop,
            picture: None,
        })
    }

    fn finish(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }
}

impl Watcher for Console<'_> {
    fn started(&mut self, step: u64, total: u64) {
        let progress = Progress::new(step, total);
        if step > 0 {
            progress.say(&format!("going on after step {step}"));
        }
        self.progress = Some(progress);
    }

    fn stepped(&mut self, step: u64) -> bool {
        if let Some(progress) = &self.progress {
            progress.step(step);
        }
        self.stop.load(Ordering::SeqCst)
    }

    fn logged(&mut self, record: &Record) {
        if let Some(progress) = &mut self.progress {
            progress.record(record);
        }
    }

    fn sampled(&mut self, step: u64, samples: Result<Samples, SampleError>) {
        if let Err(error) = self.draw(step, samples)
            && let Some(progress) = &self.progress
        {
            progress.say(&format!("warning: no picture after step {step}: {error:#}"));
        }
    }
}

impl Console<'_> {
    fn draw(&mut self, step: u64, samples: Result<Samples, SampleError>) -> Result<()> {
        let samples = samples?;
        let title = format!("{} after {step} steps", self.task.training.name);
        let picture = export::picture(&samples.values, &self.task.training, &title, None);
        let path = self.run.samples().join(format!("step-{step:08}.png"));
        save_png(&path, &picture)?;
        self.picture = Some(path);
        Ok(())
    }
}

/// Draws `loss.png` from the metrics.
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
