//! `pyroclast sample`: draws samples and writes them to a file.

use super::open;
use crate::Usage;
use crate::args::Sample;
use crate::device::{self, Job};
use crate::export::{self, Format, Writing, class_name, picture_labels, picture_size};
use crate::loading::with_progress;
use crate::memory::{self, product};
use crate::plan::{check_guidance, plan};
use crate::progress::Bar;
use crate::say::say;
use anyhow::{Context, Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_core::named::nearest;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_plot::{Limits, pace, write_gif};
use pyroclast_train::atomic_file;
use pyroclast_train::dataset::{Dataset, Scaling};
use pyroclast_train::draw::{CHUNK, Plan, Stepping, sample};
use pyroclast_train::learn::{Group, Run};
use pyroclast_train::model::Model;
use pyroclast_train::numbered::Claimed;
use pyroclast_train::stored_model::{StoredModel, WithModel};
use pyroclast_train::task::Task;
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest number of frames of an animation.
const FRAMES: usize = 41;
/// The largest number of states, after the first, that the frames are chosen from.
const STATES: usize = 120;
/// The values of samples that are held at once while they are written.
const PART: usize = 1 << 20;
/// The most classes that an error lists.
const SHOWN: usize = 20;
/// The time that each frame is shown.
const DELAY: Duration = Duration::from_millis(60);
/// The time that the last frame is shown.
const HOLD: Duration = Duration::from_millis(1500);

pub(crate) fn run(arguments: Sample, group: &Arc<dyn Group>) -> Result<ExitCode> {
    let stored = open(&arguments.model)?;
    let plan = plan(&arguments.solver, &stored.config(), arguments.seed, false)?;
    let samples_of_run = stored.run().map(Run::samples).unwrap_or_default();
    let usual = samples_of_run.join("sample");
    let task = stored.task_without_data();
    let format = match &arguments.out {
        Some(out) => {
            let format = Format::of(out)?;
            format.check(out, &task.training, arguments.uint8)?;
            format
        }
        None => {
            Format::Png.check(&usual, &task.training, arguments.uint8)?;
            Format::Png
        }
    };
    if arguments.trajectory && !matches!(plan.stepping, Stepping::Fixed(..)) {
        bail!(Usage(
            "--trajectory needs a fixed number of steps; give --steps instead of --rtol and --atol"
                .into()
        ));
    }
    if arguments.trajectory && group.size() > 1 {
        bail!(Usage(
            "--trajectory is for one process, and MPI has started several; leave it out".into()
        ));
    }
    if arguments.tile.is_some() && stored.header().about.latents.is_none() {
        bail!(Usage(
            "--tile is for a model of latents, whose samples are decoded; leave it out".into()
        ));
    }
    let device = device::of(&arguments.model)?;
    check_guidance(&arguments.solver, &plan, &task)?;
    let classes = Classes::of(&arguments, &task)?;
    let condition = condition(&arguments, &stored)?;
    let usual_n = || match &condition {
        Some(given) => given.len().unwrap_or_default(),
        None => picture_size(&task.training),
    };
    let n = (arguments.n).map_or_else(usual_n, |n| n as usize);
    check_memory(n, &task, &plan, format, arguments.trajectory)?;
    let title = title(&task, n, &plan, stored.header().about.step);
    let start = Instant::now();
    let draw = |take: Taker<'_>| {
        let job = Sampling {
            stored: &stored,
            task: &task,
            plan,
            n,
            classes: &classes,
            condition: condition.as_ref(),
            trajectory: arguments.trajectory,
            tile: arguments.tile.unwrap_or(0) as usize,
            group: &**group,
            take,
        };
        device::run_in(arguments.model.precision, device, job)
    };
    if !group.leads() {
        draw(&mut |_, _| Ok(()))?;
        return Ok(ExitCode::SUCCESS);
    }
    // Several commands at once write several pictures.
    let claim = || {
        Claimed::new(&usual, ".png")
            .with_context(|| format!("cannot write {}.png", usual.display()))
    };
    let (drawn, seconds, claimed);
    let (out, backdrop) = match (format, &arguments.out) {
        (format, Some(out)) if format.streams() => {
            let dataset = &task.training;
            let writing = Writing {
                path: out,
                format,
                n,
                labelled: classes.any(),
                bytes: arguments.uint8,
            };
            drawn = export::stream(writing, &task, |sink| {
                draw(&mut |samples, labels| sink(&samples, labels))
            })?;
            seconds = start.elapsed().as_secs_f64();
            let points = arguments.trajectory && !dataset.is_image();
            (out.as_path(), backdrop(&stored, &task, points))
        }
        (format, out) => {
            let mut all = Vec::new();
            drawn = draw(&mut |values, _| {
                all.extend(values);
                Ok(())
            })?;
            seconds = start.elapsed().as_secs_f64();
            // Only a picture of points shows the data behind the samples.
            let points =
                !task.training.is_image() && (format == Format::Png || arguments.trajectory);
            let backdrop = backdrop(&stored, &task, points);
            let out = match out {
                Some(out) => out,
                None => {
                    claimed = claim()?;
                    claimed.path()
                }
            };
            let labels = classes.of_rows(0..n);
            let labels = labels.as_deref();
            match format {
                Format::Npz => export::write_archive(out, &all, labels, &task.training)?,
                Format::Safetensors => export::write_tensors(out, &all, labels, &task)?,
                _ => {
                    let scaling = &task.scaling;
                    let picture = export::picture(&all, labels, &backdrop, scaling, &title, None);
                    export::save_png(out, &picture)?;
                }
            }
            (out, backdrop)
        }
    };
    // Files come first: whoever reads the results may leave before the end.
    let trajectory = arguments.trajectory.then(|| out.with_extension("gif"));
    if let Some(path) = &trajectory {
        let labels = classes.of_rows(0..n);
        animate(
            path,
            &drawn.states,
            labels.as_deref(),
            &backdrop,
            &task.scaling,
        )?;
    }
    if arguments.json {
        say!(
            "{}",
            json!({
                "n": n,
                "evaluations": drawn.evaluations,
                "seconds": seconds,
                "device": device.to_string(),
                "file": out,
                "trajectory": trajectory,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{n} samples, {} evaluations each, {seconds:.2} s on {device}: {}",
        drawn.evaluations,
        out.display()
    );
    if let Some(path) = &trajectory {
        say!("trajectory: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a draw that does not fit into memory: what is not written as it is drawn is held.
fn check_memory(
    n: usize,
    task: &Task,
    plan: &Plan,
    format: Format,
    trajectory: bool,
) -> Result<()> {
    // The samples, and the bytes or the picture that they become.
    let held = if format.streams() { 0 } else { 2 };
    let steps = plan.steps().unwrap_or(0);
    let frames = if trajectory {
        steps.min(STATES) as u64 + 1
    } else {
        0
    };
    let values = product([n as u64, task.training.dim() as u64, 4]);
    memory::check(
        &format!("-n {n}"),
        product([values, held + frames]),
        "ask for fewer, or write them to a .npy or .csv file without --trajectory",
    )?;
    memory::check_steps(steps)
}

/// The conditions of --condition, if the model has a condition beside its classes.
fn condition(arguments: &Sample, stored: &StoredModel) -> Result<Option<Given>> {
    let model = arguments.model.run.display();
    match (&stored.header().about.data.condition, &arguments.condition) {
        (None, None) => Ok(None),
        (Some(condition), Some(path)) => Ok(Some(condition.read(path)?)),
        (None, Some(path)) => bail!(Usage(format!(
            "{model} takes no condition beside a class; leave out --condition {}",
            path.display()
        ))),
        (Some(condition), None) => bail!(Usage(format!(
            "{model} is conditioned on {condition}; give --condition FILE, with one row per sample"
        ))),
    }
}

/// The data to draw behind samples; an empty dataset if none is to be drawn, or it cannot be loaded
/// or has changed.
fn backdrop(stored: &StoredModel, without_data: &Task, is_drawn: bool) -> Arc<Dataset> {
    let load = || with_progress(|loading| Ok(stored.task_by(loading)?)).ok();
    let task = is_drawn.then(load).flatten();
    let same = task.filter(|task| stored.is_trained_on(task));
    same.map_or_else(|| without_data.training.clone(), |task| task.training)
}

fn title(task: &Task, n: usize, plan: &Plan, step: u64) -> String {
    let mut title = format!("{}: {n} samples by {}", task.training.name, plan.method);
    match plan.steps() {
        Some(1) => title += ", 1 step",
        Some(steps) => title += &format!(", {steps} steps"),
        None => {}
    }
    title += &format!(", seed {}", plan.seed);
    // An imported model has taken none here.
    if step > 0 {
        title += &format!(", after {step} steps of training");
    }
    title
}

/// The classes that samples are drawn of.
enum Classes {
    /// The model has none.
    None,
    /// The one given by --class.
    Only(u32),
    /// All, in rows of a picture.
    Rows(u32),
    /// All in turn.
    InTurn(u32),
}

impl Classes {
    fn of(arguments: &Sample, task: &Task) -> Result<Self> {
        let classes = task.training.classes() as u32;
        match &arguments.class {
            Some(_) if classes == 0 => bail!(Usage(format!(
                "the model of {} has no classes; leave out --class",
                arguments.model.run.display()
            ))),
            Some(class) => Ok(Self::Only(class_of(class, &task.training)?)),
            None if classes == 0 => Ok(Self::None),
            None if Self::fill_rows(arguments, task) => Ok(Self::Rows(classes)),
            None => Ok(Self::InTurn(classes)),
        }
    }

    /// Whether each row of a picture is of one class.
    fn fill_rows(arguments: &Sample, task: &Task) -> bool {
        let is_usual = arguments.n.is_none() && arguments.condition.is_none();
        is_usual && task.training.is_image()
    }

    fn any(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The class of each of these samples.
    fn of_rows(&self, rows: Range<usize>) -> Option<Vec<u32>> {
        match *self {
            Self::None => None,
            Self::Only(class) => Some(vec![class; rows.len()]),
            Self::Rows(classes) => picture_labels(classes as usize).map(|all| all[rows].to_vec()),
            Self::InTurn(classes) => Some(rows.map(|i| (i % classes as usize) as u32).collect()),
        }
    }
}

/// The class of this name or, where no class has that name, of this number.
fn class_of(text: &str, dataset: &Dataset) -> Result<u32> {
    let classes = dataset.classes() as u32;
    let names: Vec<String> = (0..classes).map(|k| class_name(dataset, k)).collect();
    let named = |same: &dyn Fn(&String) -> bool| names.iter().position(same);
    let found = named(&|name| name == text)
        .or_else(|| named(&|name| name.eq_ignore_ascii_case(text)))
        .map(|class| class as u32);
    if let Some(class) = found.or_else(|| text.parse().ok().filter(|class| *class < classes)) {
        return Ok(class);
    }
    let is_numbered = (names.iter().enumerate()).all(|(k, name)| *name == k.to_string());
    if is_numbered {
        bail!(Usage(format!(
            "there is no class {text}; classes are 0 to {}",
            classes - 1
        )));
    }
    let near = nearest(text, names.iter().map(String::as_str));
    let meant = near.map_or_else(String::new, |near| format!(" did you mean {near:?}?"));
    let known = names.iter().take(SHOWN).map(|name| format!("{name:?}"));
    let known = known.collect::<Vec<_>>().join(", ");
    let more = if names.len() > SHOWN { ", …" } else { "" };
    bail!(Usage(format!(
        "no class is called {text:?};{meant} classes are 0 to {}: {known}{more}",
        classes - 1
    )))
}

/// What takes the samples as they are drawn, on the model's scale, with their classes.
type Taker<'a> = &'a mut dyn FnMut(Vec<f32>, Option<&[u32]>) -> Result<()>;

/// What is left of a draw whose samples have been taken.
struct Drawn {
    /// Evaluations per sample.
    evaluations: usize,
    /// The states that an animation is made of.
    states: Vec<State>,
}

/// All samples at one time.
#[derive(Debug, Clone, Default)]
struct State {
    t: f64,
    values: Vec<f32>,
}

struct Sampling<'a> {
    stored: &'a StoredModel,
    task: &'a Task,
    plan: Plan,
    n: usize,
    classes: &'a Classes,
    /// The conditions beside the classes, in turn.
    condition: Option<&'a Given>,
    trajectory: bool,
    /// The side of the tiles that pictures are decoded in; 0 for whole ones.
    tile: usize,
    /// The processes that draw parts in turn. The first takes them all.
    group: &'a dyn Group,
    take: Taker<'a>,
}

impl Job for Sampling<'_> {
    type Output = Result<Drawn>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        self.stored.with_model::<Autodiff<B>, _>(&device, self)?
    }
}

impl<B: Backend> WithModel<Autodiff<B>> for Sampling<'_> {
    type Output = Result<Drawn>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let Self {
            plan,
            n: all,
            classes,
            condition,
            trajectory,
            tile,
            group,
            take,
            ..
        } = self;
        let (flow, device) = (model.flow.valid(), &model.device::<Autodiff<B>>());
        let (dataset, latents) = (&self.task.training, model.latents.as_deref());
        let (shape, dim) = (model.about.state_shape(), model.about.state_dim());
        let decoded = |states: Vec<f32>| match latents {
            Some(latents) => latents.decode::<B>(&states, tile, device),
            None => Ok(states),
        };
        let mut watch = Watch::new(all, plan.steps(), trajectory);
        let mut evaluations = 0;
        let mut drawn = |first: usize, x0: &[f32]| -> Result<Vec<f32>> {
            let n = x0.len() / dim;
            let labels = classes.of_rows(first..first + n);
            let given = (labels.as_deref()).map_or_else(Given::nothing, |labels| {
                Given::labels(labels, dataset.classes())
            });
            let beside = condition.map_or_else(Given::nothing, |all| {
                let known = all.len().unwrap_or_default();
                let rows: Vec<usize> = (first..first + n).map(|i| i % known).collect();
                all.select(&rows)
            });
            let given = given.and(beside);
            let plan = Plan {
                first_row: first,
                ..plan.clone()
            };
            let mut observe = |row: usize, t: f64, x: &Tensor<B, D>| watch.see(first + row, t, x);
            let samples = sample(&flow, x0, shape, &given, &plan, device, &mut observe)?;
            evaluations = evaluations.max(samples.statistics.evaluations);
            Ok(decoded(samples.values)?)
        };
        let (rank, processes) = (group.rank(), group.size());
        // What a process draws in its turn: its share, if it can be held.
        let share = all.div_ceil(CHUNK).div_ceil(processes).max(1);
        let rows = CHUNK * (PART / (CHUNK * dim)).clamp(1, share);
        let (source, noise) = (&flow.path.source, Noise::new(plan.seed));
        let parts = source.for_sampling_in_parts(all, dim, noise, 0, rows);
        let mut own = Vec::new();
        for (part, x0) in parts.enumerate() {
            if part % processes == rank {
                own = drawn(part * rows, &x0)?;
            }
            if (part + 1) % processes != 0 && (part + 1) * rows < all {
                continue;
            }
            let mut first = part / processes * processes * rows;
            for from in 0..processes {
                let passed = match from == rank {
                    true => std::mem::take(&mut own),
                    false => Vec::new(),
                };
                let values = group.to_leader(from, passed);
                let n = values.len() / dataset.dim();
                if n > 0 {
                    take(values, classes.of_rows(first..first + n).as_deref())?;
                }
                first += n;
            }
        }
        let of_all =
            (0..processes).flat_map(|from| group.to_leader(from, vec![evaluations as f32]));
        let evaluations = of_all.fold(0.0, f32::max) as usize;
        let mut states = paced(watch.states, dataset.is_image() && latents.is_none());
        for state in &mut states {
            state.values = decoded(std::mem::take(&mut state.values))?;
        }
        Ok(Drawn {
            evaluations,
            states,
        })
    }
}

/// Watches the states of a draw: for the bar, and to keep some for an animation.
struct Watch {
    bar: Bar,
    n: usize,
    /// The steps of a fixed grid.
    steps: Option<usize>,
    /// The states that are kept are this many steps apart, and include the first and the last one.
    stride: Option<usize>,
    states: Vec<State>,
    chunk: usize,
    seen: usize,
}

impl Watch {
    fn new(n: usize, steps: Option<usize>, trajectory: bool) -> Self {
        let stride = steps.unwrap_or(0).div_ceil(STATES).max(1);
        Self {
            bar: Bar::new("drawing samples"),
            n,
            steps,
            stride: trajectory.then_some(stride),
            states: Vec::new(),
            chunk: usize::MAX,
            seen: 0,
        }
    }

    /// A state of the chunk that starts with this row.
    fn see<B: Backend, const D: usize>(&mut self, first: usize, t: f64, x: &Tensor<B, D>) {
        if first != self.chunk {
            (self.chunk, self.seen) = (first, 0);
        }
        let share = match self.steps {
            Some(steps) => self.seen as f64 / steps.max(1) as f64,
            None => t,
        };
        let rows = first as f64 + share * x.dims()[0] as f64;
        self.bar.at(rows / self.n as f64);
        let step = self.seen;
        self.seen += 1;
        let Some(stride) = self.stride else {
            return;
        };
        if !step.is_multiple_of(stride) && Some(step) != self.steps {
            return;
        }
        let kept = step.div_ceil(stride);
        if self.states.len() <= kept {
            self.states.resize(kept + 1, State::default());
        }
        let values = x.to_data().convert::<f32>().into_vec::<f32>();
        self.states[kept].t = t;
        let values = values.expect("converted to f32 just now");
        self.states[kept].values.extend(values);
    }
}

/// The states that an animation shows: with about as much to see between each two.
fn paced(mut states: Vec<State>, are_images: bool) -> Vec<State> {
    // Pixels are shown from black to white, whatever is beyond.
    let shown = |value: f32| match are_images {
        true => value.clamp(-1.0, 1.0),
        false => value,
    };
    let distance = |a: &State, b: &State| {
        let pairs = a.values.iter().zip(&b.values);
        pairs
            .map(|(a, b)| f64::from((shown(*a) - shown(*b)).abs()))
            .sum()
    };
    let motion = states.windows(2).map(|pair| distance(&pair[0], &pair[1]));
    let frames = pace(&motion.collect::<Vec<f64>>(), FRAMES);
    let mut index = 0..;
    states.retain(|_| {
        index
            .next()
            .is_some_and(|i| frames.binary_search(&i).is_ok())
    });
    states
}

/// The GIF of a trajectory, all frames on the same axes.
fn animate(
    path: &Path,
    frames: &[State],
    labels: Option<&[u32]>,
    dataset: &Dataset,
    scaling: &Scaling,
) -> Result<()> {
    let points = |values: &[f32]| export::points(values, dataset.dim());
    let first = frames
        .first()
        .map(|frame| points(&frame.values))
        .unwrap_or_default();
    let limits = Limits::around(&[&first, &points(&dataset.values())]);
    let pictures = frames.iter().map(|frame| {
        let title = format!("t = {:.2}", frame.t);
        export::picture(
            &frame.values,
            labels,
            dataset,
            scaling,
            &title,
            Some(limits),
        )
    });
    atomic_file::replace(path, |file| write_gif(file, pictures, DELAY, HOLD))
        .with_context(|| format!("cannot write {}", path.display()))
}
