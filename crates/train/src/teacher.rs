//! A trained model as the teacher of a model of few steps.

use crate::model::Model;
use crate::model_file::ModelFile;
use crate::network::NetworkConfig;
use crate::stored_model::{StoredModel, StoredModelError, WithModel};
use crate::task::Task;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::coupling::Coupling;
use pyroclast_core::few_step::Teacher;
use pyroclast_core::network::Network;
use pyroclast_core::path::Path as RandomPath;
use pyroclast_core::shown::shown;
use serde::Serialize;
use std::any::Any;
use std::fmt::Display;
use std::path::Path;
use toml::Value;

/// Why a model cannot be a teacher.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeacherError {
    /// The model cannot be loaded.
    #[error(transparent)]
    Stored(#[from] StoredModelError),
    /// The model is one of other data, or of no flow.
    #[error(
        "the teacher {} has {what} {found}, and what is trained here has {expected}; give a model \
         of the same data, or train one",
        shown(name)
    )]
    OtherData {
        /// The teacher.
        name: String,
        /// What differs.
        what: &'static str,
        /// That of the teacher.
        found: String,
        /// That of the training.
        expected: String,
    },
    /// The model was trained along other paths.
    #[error(
        "the teacher {} learned with {found}, and its flow passes through other points than one \
         with {expected}; set {found}, or give another teacher",
        shown(name)
    )]
    OtherPath {
        /// The teacher.
        name: String,
        /// The setting of its path that differs, as an assignment.
        found: String,
        /// That of the training.
        expected: String,
    },
}

/// Checks that the velocity of a model, which messages call `name`, is that of the task's data, on
/// their scale, along this path. What it predicts does not matter.
///
/// # Errors
/// [`TeacherError::OtherData`] or [`TeacherError::OtherPath`] with the first difference. The
/// coupling and the noise between the ends may differ where the coupling of the path is
/// [`Coupling::Given`].
pub fn check(
    file: &ModelFile,
    name: &str,
    path: &RandomPath,
    task: &Task,
) -> Result<(), TeacherError> {
    let (header, own) = (file.header(), task.info());
    let about = &header.about;
    let shape = match &task.latents {
        Some(latents) => latents.info.shape.to_vec(),
        None => task.training.shape.clone(),
    };
    let latents = task.latents.as_ref().map(|latents| &latents.info);
    let network = about.network.as_ref();
    let is_autoencoder = network.is_some_and(NetworkConfig::is_autoencoder);
    for (what, agrees, found, expected) in [
        (
            "the network of",
            !is_autoencoder,
            "an autoencoder".to_owned(),
            "one of a flow".to_owned(),
        ),
        (
            "samples of shape",
            about.state_shape() == shape,
            format!("{:?}", about.state_shape()),
            format!("{shape:?}"),
        ),
        (
            "the conditions",
            about.data.conditions() == own.conditions(),
            format!("{:?}", about.data.conditions()),
            format!("{:?}", own.conditions()),
        ),
        (
            "a scaling of the data",
            about.data.scaling == own.scaling,
            "of its own".to_owned(),
            "another".to_owned(),
        ),
        (
            "a flow of",
            about.latents.as_ref() == latents,
            (about.latents.as_ref())
                .map_or("samples", |_| "latents of its own")
                .to_owned(),
            latents
                .map_or("one of samples", |_| "one of other latents")
                .to_owned(),
        ),
    ] {
        if !agrees {
            return Err(TeacherError::OtherData {
                name: name.to_owned(),
                what,
                found,
                expected,
            });
        }
    }
    let taught = &header.path;
    // Where the teacher makes the pairs, or says how noise moves, any of both will do.
    let is_given = path.coupling == Coupling::Given;
    for (agrees, [found, expected]) in [
        (
            taught.schedule == path.schedule,
            [taught, path].map(|path| assignment("path.schedule", &path.schedule)),
        ),
        (
            taught.source == path.source,
            [taught, path].map(|path| assignment("path.source", &path.source)),
        ),
        (
            is_given || taught.coupling == path.coupling,
            [taught, path].map(|path| assignment("path.coupling", &path.coupling)),
        ),
        (
            is_given || taught.gamma == path.gamma,
            [taught, path].map(|path| assignment("path.gamma", &path.gamma)),
        ),
    ] {
        if !agrees {
            return Err(TeacherError::OtherPath {
                name: name.to_owned(),
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// The assignment that gives a key this value, such as `path.gamma.bridge=0.1`.
fn assignment<T: Serialize + Display>(key: &str, value: &T) -> String {
    let mut key = key.to_owned();
    let mut named = match Value::try_from(value) {
        Ok(named) => named,
        // One of a program's own has no other name.
        Err(_) => return format!("{key}={value}"),
    };
    // A choice is the name, or a table of its parameters under the name.
    loop {
        match named {
            Value::Table(table) if table.len() == 1 => {
                let (name, parameters) = table.into_iter().next().expect("one entry");
                key = format!("{key}.{name}");
                named = parameters;
            }
            Value::String(name) => return format!("{key}={name}"),
            value => return format!("{key}={value}"),
        }
    }
}

/// Loads a model to learn from, after a [`check`].
///
/// # Errors
/// [`TeacherError`]: the model is of other data or of another path, or cannot be loaded.
pub fn teacher<B: Backend, const D: usize>(
    file: &ModelFile,
    name: &str,
    path: &RandomPath,
    task: &Task,
    device: &B::Device,
) -> Result<Box<dyn Teacher<B, D> + Send>, TeacherError> {
    check(file, name, path, task)?;
    let stored = StoredModel::of_file(file.clone(), Path::new(name))?;
    let taught = stored.with_model::<Autodiff<B>, _>(device, AsTeacher)?;
    let taught = taught.downcast::<Box<dyn Teacher<B, D> + Send>>();
    Ok(*taught.expect("samples of equal shapes have batches of equal ranks"))
}

/// A model of any rank as a teacher, in a box of any type.
struct AsTeacher;

impl<B: Backend> WithModel<Autodiff<B>> for AsTeacher {
    type Output = Box<dyn Any>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let flow = model.flow.valid::<Autodiff<B>>();
        let teacher: Box<dyn Teacher<B, D> + Send> = Box::new(flow);
        Box::new(teacher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::dataset::{Condition, Dataset, Scaling};
    use crate::draw::Sampling;
    use crate::latents::{LatentInfo, Latents};
    use crate::model_file::{About, ModelHeader};
    use pyroclast_core::condition::Given;
    use pyroclast_core::objective::Objective;
    use pyroclast_core::path::{Gamma, Source};
    use pyroclast_core::prediction::Prediction;
    use pyroclast_core::schedule::{Linear, Trigonometric};
    use pyroclast_core::toy::Toy;
    use std::sync::Arc;

    const POINTS: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0];

    fn points() -> Task {
        Task::from(Dataset::rows(&POINTS, 2))
    }

    /// The header of a velocity that was trained on this task along this path.
    fn trained(task: &Task, path: RandomPath) -> ModelHeader {
        ModelHeader {
            path,
            objective: Objective::new(Prediction::Velocity),
            about: About {
                data: task.info(),
                latents: task.latents.as_ref().map(|latents| latents.info.clone()),
                network: Some(NetworkConfig::default()),
                origin: None,
                sampling: Sampling::default(),
                step: 1,
                seed: 0,
            },
        }
    }

    fn file(header: ModelHeader) -> ModelFile {
        ModelFile::new(header, "ema".to_owned(), Vec::new())
    }

    /// What is said of a teacher of the first task and path for a training on the others.
    fn said(header: ModelHeader, path: &RandomPath, task: &Task) -> Option<String> {
        let checked = check(&file(header), "old", path, task);
        checked.err().map(|error| error.to_string())
    }

    fn refused(header: ModelHeader, path: &RandomPath, task: &Task, parts: &[&str]) {
        let message = said(header, path, task).expect("a teacher that is refused");
        for part in [&["the teacher old"], parts].concat() {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }

    #[test]
    fn a_teacher_of_the_same_path_may_predict_anything() {
        for name in Prediction::names() {
            for path in [RandomPath::linear(), RandomPath::bridge(0.3)] {
                let mut header = trained(&points(), path.clone());
                header.objective.prediction = name.parse().expect("a name");
                assert_eq!(said(header, &path, &points()), None, "{name}");
            }
        }
    }

    #[test]
    fn a_teacher_of_another_path_is_refused_by_what_differs() {
        let (task, own) = (points(), RandomPath::linear());
        let of = |path: RandomPath| trained(&task, path);
        let bridge = |s| RandomPath {
            gamma: Gamma::Bridge(s),
            ..own.clone()
        };
        let moons = RandomPath {
            source: Source::Toy(Toy::Moons),
            ..own.clone()
        };
        for (taught, path, found, expected) in [
            (
                RandomPath::new(Trigonometric),
                own.clone(),
                "path.schedule=trigonometric",
                "path.schedule.linear.sigma-min=0.0",
            ),
            // The parameters of a schedule count too.
            (
                RandomPath::new(Linear { sigma_min: 0.1 }),
                own.clone(),
                "path.schedule.linear.sigma-min=0.1",
                "path.schedule.linear.sigma-min=0.0",
            ),
            (
                moons,
                own.clone(),
                "path.source=moons",
                "path.source=normal",
            ),
            (
                RandomPath::optimal_transport(),
                own.clone(),
                "path.coupling=optimal-transport",
                "path.coupling=independent",
            ),
            (
                bridge(0.2),
                own.clone(),
                "path.gamma.bridge=0.2",
                "path.gamma=none",
            ),
            (
                bridge(0.2),
                bridge(0.3),
                "path.gamma.bridge=0.2",
                "path.gamma.bridge=0.3",
            ),
            (
                own.clone(),
                bridge(0.3),
                "path.gamma=none",
                "path.gamma.bridge=0.3",
            ),
        ] {
            let parts = [
                &format!("learned with {found}, "),
                &format!("than one with {expected}; "),
                &format!("set {found}, "),
            ];
            refused(of(taught), &path, &task, &parts.map(String::as_str));
            // What is to be set can be set.
            let set = [found, expected].map(str::to_owned);
            for set in set {
                Config::load("moons", &[set]).expect("an assignment");
            }
        }
        // Where the teacher makes the pairs, or says how noise moves, it may have learned from any.
        let given = RandomPath {
            coupling: Coupling::Given,
            ..own
        };
        for path in [RandomPath::bridge(0.2), RandomPath::optimal_transport()] {
            assert_eq!(said(of(path), &given, &task), None);
        }
    }

    #[test]
    fn a_teacher_of_other_data_is_refused_by_what_differs() {
        let (task, path) = (points(), RandomPath::linear());
        let of = |task: &Task| trained(task, path.clone());
        let other = Task::from(Dataset::rows(&POINTS, 3));
        refused(of(&other), &path, &task, &["samples of shape [3]", "[2]"]);
        let classes = Task::from(Dataset::rows(&POINTS, 2).with_labels(&[0, 1, 0], 2));
        refused(
            of(&classes),
            &path,
            &task,
            &["the conditions", "classes: 2", "classes: 0"],
        );
        refused(
            of(&task),
            &path,
            &classes,
            &["the conditions", "classes: 0", "classes: 2"],
        );
        let mut beside = of(&task);
        beside.about.data.condition = Condition::of(&Given::vectors(&[1.0; 3], 1));
        refused(beside, &path, &task, &["the conditions", "Vectors"]);
        let wider = POINTS.map(|x| 2.0 * x);
        let wider = Task::from(Dataset::rows(&wider, 2));
        assert_ne!(wider.scaling, task.scaling);
        refused(
            of(&wider),
            &path,
            &task,
            &["a scaling of the data of its own"],
        );
        let wider = task.clone().rescaled(&Scaling::identity());
        refused(
            of(&task),
            &path,
            &wider,
            &["a scaling of the data of its own"],
        );
    }

    #[test]
    fn a_teacher_of_other_latents_or_of_none_is_refused() {
        let path = RandomPath::linear();
        let pictures = Task::from(Dataset::new("pictures", vec![0.5; 32], vec![1, 4, 4]));
        let autoencoder = Arc::new(file(trained(&pictures, path.clone())));
        let latents = |shift, shape: [usize; 3]| {
            let mut task = pictures.clone();
            task.latents = Some(Arc::new(Latents {
                info: LatentInfo {
                    shape,
                    shift,
                    scale: 1.0,
                },
                autoencoder: autoencoder.clone(),
                pixels: pictures.info(),
            }));
            task
        };
        let own = latents(0.0, [1, 2, 2]);
        assert_eq!(said(trained(&own, path.clone()), &path, &own), None);
        for (teacher, task, parts) in [
            (
                &latents(0.5, [1, 2, 2]),
                &own,
                &[
                    "a flow of latents of its own, ",
                    "has one of other latents; ",
                ][..],
            ),
            (
                &latents(0.0, [2, 2, 2]),
                &own,
                &["samples of shape [2, 2, 2]", "[1, 2, 2]"],
            ),
            // Latents of the size of pictures are none.
            (
                &pictures,
                &latents(0.0, [1, 4, 4]),
                &["a flow of samples, ", "has one of other latents; "],
            ),
            (
                &latents(0.0, [1, 4, 4]),
                &pictures,
                &["a flow of latents of its own, ", "has one of samples; "],
            ),
        ] {
            refused(trained(teacher, path.clone()), &path, task, parts);
        }
        let mut header = trained(&pictures, path.clone());
        header.about.network = Some(NetworkConfig::Autoencoder(Default::default()));
        refused(header, &path, &pictures, &["the network of an autoencoder"]);
    }
}
