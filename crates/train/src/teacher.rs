//! A trained model as the teacher of a model of few steps.

use crate::model::{DataInfo, Model, ModelFile};
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
use std::any::Any;
use std::path::Path;

/// Why a model cannot be a teacher.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeacherError {
    /// The model cannot be loaded.
    #[error(transparent)]
    Stored(#[from] StoredModelError),
    /// The velocity of the model is not that of the path or of the data.
    #[error(
        "the teacher {} has {what} {found}, and what is trained here has {expected}; give a model \
         of the same data and path, or train one",
        shown(name)
    )]
    Other {
        /// The teacher.
        name: String,
        /// What differs.
        what: &'static str,
        /// That of the teacher.
        found: String,
        /// That of the training.
        expected: String,
    },
    /// The pairs of the model were made in another way.
    #[error(
        "the teacher {} learned from pairs by path.coupling={found}, whose flow passes through other \
         points than that of {expected} pairs; set path.coupling={found}",
        shown(name)
    )]
    OtherPairs {
        /// The teacher.
        name: String,
        /// How its pairs were made.
        found: String,
        /// How those of the training are.
        expected: String,
    },
}

/// Checks that the velocity of a model, which messages call `name`, is that of the task's data, on
/// their scale, along this path. What it predicts does not matter.
///
/// # Errors
/// [`TeacherError::Other`] with the first difference, [`TeacherError::OtherPairs`].
pub fn check(
    file: &ModelFile,
    name: &str,
    path: &RandomPath,
    task: &Task,
) -> Result<(), TeacherError> {
    let (header, own) = (file.header(), DataInfo::of_task(task));
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
            "the schedule",
            header.path.schedule == path.schedule,
            header.path.schedule.to_string(),
            path.schedule.to_string(),
        ),
        (
            "the source",
            header.path.source == path.source,
            header.path.source.to_string(),
            path.source.to_string(),
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
            "latents",
            about.latents.as_ref() == latents,
            "of its own".to_owned(),
            "others".to_owned(),
        ),
    ] {
        if !agrees {
            return Err(TeacherError::Other {
                name: name.to_owned(),
                what,
                found,
                expected,
            });
        }
    }
    // What a flow of coupled pairs passes through is not what independent ones do.
    let (taught, own) = (&header.path.coupling, &path.coupling);
    if taught != own && *own != Coupling::Given {
        return Err(TeacherError::OtherPairs {
            name: name.to_owned(),
            found: taught.to_string(),
            expected: own.to_string(),
        });
    }
    Ok(())
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
