//! `pyroclast sample`: draws samples and writes them to a file.

use crate::Usage;
use crate::args::Sample;
use crate::device::{self, Job};
use crate::export::{self, Format, picture_labels, picture_size};
use crate::loading::with_progress;
use crate::plan::{check_guidance, plan};
use crate::say::say;
use anyhow::{Context, Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_plot::{Limits, write_gif};
use pyroclast_train::atomic_file;
use pyroclast_train::dataset::Dataset;
use pyroclast_train::draw::{Plan, Samples, Stepping, sample};
use pyroclast_train::learn::Run;
use pyroclast_train::model::Model;
use pyroclast_train::numbered::Claimed;
use pyroclast_train::stored_model::{StoredModel, WithModel};
use pyroclast_train::task::Task;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest number of frames of an animation after the first.
const FRAMES: usize = 40;
/// The time that each frame is shown.
const DELAY: Duration = Duration::from_millis(60);
/// The time that the last frame is shown.
const HOLD: Duration = Duration::from_millis(1500);

pub(crate) fn run(arguments: Sample) -> Result<ExitCode> {
    let stored = StoredModel::open(&arguments.model.run, arguments.model.weights)?;
    let plan = plan(&arguments.solver, &stored.config(), arguments.seed, false)?;
    let samples_of_run = stored.run().map(Run::samples).unwrap_or_default();
    let usual = samples_of_run.join("sample");
    let format = match &arguments.out {
        Some(out) => {
            export::check_file(out)?;
            Format::of(out)?
        }
        None => {
            export::check_file(&usual)?;
            Format::Png
        }
    };
    if arguments.trajectory && !matches!(plan.stepping, Stepping::Fixed(..)) {
        bail!(Usage(
            "--trajectory needs a fixed number of steps; give --steps instead of --rtol and --atol"
                .into()
        ));
    }
    let device = device::choose(arguments.model.device.name.as_deref())?;
    let task = stored.task_without_data();
    check_guidance(&arguments.solver, &task)?;
    let labels = labels(&arguments, &task)?;
    let n = match (&labels, arguments.n) {
        (Some(labels), _) => labels.len(),
        (None, Some(n)) => n as usize,
        (None, None) => picture_size(&task.training),
    };
    let given = (labels.as_deref()).map_or_else(Given::nothing, |labels| {
        Given::labels(labels, task.training.classes())
    });
    let start = Instant::now();
    let job = Sampling {
        stored: &stored,
        task: &task,
        plan,
        n,
        given,
        trajectory: arguments.trajectory,
    };
    let (samples, frames) = device::run_on(device, job)?;
    let seconds = start.elapsed().as_secs_f64();

    // Only a picture of points shows the data behind the samples.
    let shows_data = !task.training.is_image() && (format == Format::Png || arguments.trajectory);
    let backdrop = if shows_data {
        backdrop(&stored, &task)
    } else {
        task.training.clone()
    };
    let values = export::in_units(&samples.values, &task)?;
    // Several commands at once write several pictures.
    let claimed;
    let out = match &arguments.out {
        Some(out) => out,
        None => {
            claimed = Claimed::new(&usual, ".png")
                .with_context(|| format!("cannot write {}.png", usual.display()))?;
            claimed.path()
        }
    };
    export::write(out, format, &values, labels.as_deref(), &task, || {
        Ok(export::picture(
            &samples.values,
            labels.as_deref(),
            &backdrop,
            &title(&task, n),
            None,
        ))
    })?;
    // Files come first: whoever reads the results may leave before the end.
    let trajectory = arguments.trajectory.then(|| out.with_extension("gif"));
    if let Some(path) = &trajectory {
        animate(path, &frames, labels.as_deref(), &backdrop)?;
    }
    say!(
        "{n} samples, {} evaluations each, {seconds:.2} s on {device}: {}",
        samples.statistics.evaluations,
        out.display()
    );
    if let Some(path) = &trajectory {
        say!("trajectory: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The data to draw behind samples; an empty dataset if it cannot be loaded or has changed.
fn backdrop(stored: &StoredModel, without_data: &Task) -> Arc<Dataset> {
    let task = with_progress(|loading| Ok(stored.task_by(loading)?)).ok();
    let same = task.filter(|task| stored.is_trained_on(task));
    same.map_or_else(|| without_data.training.clone(), |task| task.training)
}

fn title(task: &Task, n: usize) -> String {
    format!("{}: {n} samples", task.training.name)
}

/// The class of each sample: the one given by --class, or all in turn; `None` for a model without
/// classes.
fn labels(arguments: &Sample, task: &Task) -> Result<Option<Vec<u32>>> {
    let dataset = &task.training;
    let classes = dataset.classes();
    let n = arguments.n.map(|n| n as usize);
    match arguments.class {
        Some(_) if classes == 0 => bail!(Usage(format!(
            "the model of {} has no classes; leave out --class",
            arguments.model.run.display()
        ))),
        Some(class) if class as usize >= classes => bail!(Usage(format!(
            "there is no class {class}; classes are 0 to {}",
            classes - 1
        ))),
        Some(class) => Ok(Some(vec![class; n.unwrap_or(picture_size(dataset))])),
        None if classes == 0 => Ok(None),
        None => match n {
            None if dataset.is_image() => Ok(picture_labels(classes)),
            n => {
                let n = n.unwrap_or(picture_size(dataset));
                Ok(Some((0..n).map(|i| (i % classes) as u32).collect()))
            }
        },
    }
}

/// A frame of an animation.
#[derive(Debug, Clone, Default)]
struct Frame {
    t: f64,
    values: Vec<f32>,
}

struct Sampling<'a> {
    stored: &'a StoredModel,
    task: &'a Task,
    plan: Plan,
    n: usize,
    given: Given,
    trajectory: bool,
}

impl Job for Sampling<'_> {
    type Output = Result<(Samples, Vec<Frame>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        self.stored.with_model::<Autodiff<B>, _>(&device, self)?
    }
}

impl<B: Backend> WithModel<Autodiff<B>> for Sampling<'_> {
    type Output = Result<(Samples, Vec<Frame>)>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let (flow, device) = (&model.flow, &model.device::<Autodiff<B>>());
        let dim = self.task.training.dim();
        let noise = Noise::new(self.plan.seed);
        let x0 = flow.path.source.for_sampling(self.n, dim, noise, 0);
        let steps = self.plan.steps().unwrap_or(0);
        // Frames are equally many steps apart, and include the first and the last state.
        let stride = steps.div_ceil(FRAMES).max(1);
        let mut frames: Vec<Frame> = Vec::new();
        let (mut chunk, mut seen) = (usize::MAX, 0_usize);
        let mut observe = |first: usize, t: f64, x: &Tensor<B, D>| {
            if !self.trajectory {
                return;
            }
            if first != chunk {
                (chunk, seen) = (first, 0);
            }
            let (step, frame) = (seen, seen.div_ceil(stride));
            seen += 1;
            if step % stride != 0 && step != steps {
                return;
            }
            if frames.len() <= frame {
                frames.resize(frame + 1, Frame::default());
            }
            let values = x.to_data().convert::<f32>().into_vec::<f32>();
            frames[frame].t = t;
            let values = values.expect("converted to f32 just now");
            frames[frame].values.extend(values);
        };
        let shape = &self.task.training.shape;
        let samples = sample(
            &flow.valid(),
            &x0,
            shape,
            &self.given,
            &self.plan,
            device,
            &mut observe,
        )?;
        Ok((samples, frames))
    }
}

/// The GIF of a trajectory, all frames on the same axes.
fn animate(path: &Path, frames: &[Frame], labels: Option<&[u32]>, dataset: &Dataset) -> Result<()> {
    let points = |values: &[f32]| export::points(values, dataset.dim());
    let first = frames
        .first()
        .map(|frame| points(&frame.values))
        .unwrap_or_default();
    let limits = Limits::around(&[&first, &points(&dataset.values())]);
    let pictures = frames.iter().map(|frame| {
        let title = format!("t = {:.2}", frame.t);
        export::picture(&frame.values, labels, dataset, &title, Some(limits))
    });
    atomic_file::replace(path, |file| write_gif(file, pictures, DELAY, HOLD))
        .with_context(|| format!("cannot write {}", path.display()))
}
