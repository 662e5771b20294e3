//! Networks of other projects as models of this one, and back.
//!
//! `tensors, configuration ─ convention ─► header ─► model file`, and
//! `model file ─ layout ─► tensors, configuration`
//!
//! The weights' crate reads and arranges tensors; here they get what a model has beside them: a
//! path, an objective, the shape and scale of its data, and a default way to sample.

mod scheduler;
mod verify;

pub use scheduler::{scheduler_of, scheduler_settings};
pub use verify::{GoldenError, Verify};

use crate::config::{Config, ConfigError};
use crate::dataset::Scaling;
use crate::draw::{MethodName, Sampling};
use crate::model::tensor_file::HostTensor;
use crate::model::{About, DataInfo, ModelFile, ModelHeader, Origin};
use crate::network::{Architecture, DiTSize, NetworkConfig, UNetSize};
use pyroclast_core::named::OutOfRange;
use pyroclast_core::objective::VarianceLoss;
use pyroclast_models::SecondHalf;
use pyroclast_weights::{
    Array, Config as Arguments, Convention, Fit, Layout, Structure, Tensors, WeightsError,
};

/// Why a network cannot become a model, or a model be written in a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A value of the model is out of range, or does not fit the others.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The convention does not go with the network.
    #[error("{0}")]
    Convention(String),
    /// The tensors cannot be written in the layout.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The model has another kind of network, or one of the user's own.
    #[error("this model has {0}, and a layout of another project is one of UNets or transformers")]
    OtherNetwork(&'static str),
    /// A network that no model file holds.
    #[error("no model file holds {0}; load it through the library")]
    NoModel(&'static str),
}

/// The model that a network of another project is, with weights that are called `weights`.
///
/// Images of one or three channels are pictures of 8 bits, whose pixels p the network sees as
/// p/127.5 − 1, as all these projects do; other samples have no unit. `assignments` of
/// `section.key=value` change what the convention says.
///
/// # Errors
/// [`ExchangeError`]: an assignment is wrong, or the convention does not go with the network.
pub fn model_file(
    fit: &Fit,
    tensors: Tensors,
    convention: &Convention,
    origin: Origin,
    weights: &str,
    assignments: &[String],
) -> Result<ModelFile, ExchangeError> {
    let header = header(described(&fit.structure)?, convention, origin, assignments)?;
    let tensor = |(name, Array { shape, values })| HostTensor {
        name,
        shape,
        values,
    };
    let tensors = tensors.into_iter().map(tensor).collect();
    Ok(ModelFile::new(header, weights.to_owned(), tensors))
}

/// What a model's header says of a network.
struct Described {
    network: NetworkConfig,
    shape: Vec<usize>,
    classes: usize,
    learns_variance: bool,
}

fn described(structure: &Structure) -> Result<Described, ExchangeError> {
    let shape = |channels, [height, width]: [usize; 2]| vec![channels, height, width];
    match structure {
        Structure::UNet(unet) => Ok(Described {
            network: NetworkConfig::Unet(UNetSize::of(unet)),
            shape: shape(unet.image_channels, unet.image_size),
            classes: unet.classes,
            learns_variance: unet.learns_variance,
        }),
        Structure::DiT(dit) => match DiTSize::of(dit) {
            Some(size) => Ok(Described {
                network: NetworkConfig::Dit(size),
                shape: shape(dit.image_channels, dit.image_size),
                classes: dit.classes,
                learns_variance: dit.second_half == SecondHalf::Variance,
            }),
            None => Err(ExchangeError::NoModel(
                "a transformer with other conditions than classes",
            )),
        },
        // Autoencoders have no time, so they are no model of a path.
        _ => Err(ExchangeError::NoModel("an autoencoder")),
    }
}

fn header(
    described: Described,
    convention: &Convention,
    origin: Origin,
    assignments: &[String],
) -> Result<ModelHeader, ExchangeError> {
    let data = data(&origin.file, described.shape, described.classes);
    let mut objective = (convention.objective)();
    let path = (convention.path)();
    if described.learns_variance {
        if path.schedule.table().is_none() {
            return Err(ExchangeError::Convention(format!(
                "its output has twice the channels of an image, the second half for the variance \
                 of a chain's step, and {} has no chain; give a convention with one: ddpm or iddpm",
                convention.name
            )));
        }
        objective.variance = VarianceLoss::Hybrid {
            weight: 0.001,
            decoder: Some(data.without_samples().decoder()),
        };
    }
    let header = ModelHeader {
        path,
        objective,
        about: About {
            data,
            network: Some(described.network),
            origin: Some(origin),
            sampling: sampling(convention),
            step: 0,
            seed: 0,
        },
    };
    let header = if assignments.is_empty() {
        header
    } else {
        Config::header_with(&header, assignments)?
    };
    with_clock(with_own_scale(header), convention, assignments)
}

/// The header with the scale of its data, where that is not one of pixels: the digits that ship
/// with the library are on the scale of a model.
fn with_own_scale(mut header: ModelHeader) -> ModelHeader {
    let data = &mut header.about.data;
    if data
        .section
        .as_ref()
        .is_some_and(|section| section.name == "digits")
    {
        data.eight_bit = false;
        data.scaling = Scaling::identity();
    }
    header
}

/// The header with the clock of its convention on the path that it has now, unless the assignments
/// set one.
fn with_clock(
    mut header: ModelHeader,
    convention: &Convention,
    assignments: &[String],
) -> Result<ModelHeader, ExchangeError> {
    let own = |set: &String| set.trim_start().starts_with("network.time.");
    if let Some(network) = &header.about.network
        && let Some(time) = network.time()
        && !assignments.iter().any(own)
    {
        let time = convention.time(time, &header.path.schedule);
        header.about.network = Some(network.clone().with_time(time));
    }
    // What was set may not fit the network.
    architecture(&header)?;
    Ok(header)
}

fn architecture(header: &ModelHeader) -> Result<Architecture, ConfigError> {
    let data = &header.about.data;
    Config::of_model(header).architecture(&data.shape, data.conditions())
}

/// The description of samples of this shape.
fn data(name: &str, shape: Vec<usize>, classes: usize) -> DataInfo {
    let pictures = matches!(shape[..], [1 | 3, _, _]);
    DataInfo {
        name: name.to_owned(),
        shape,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        columns: Vec::new(),
        table: None,
        eight_bit: pictures,
        scaling: if pictures {
            Scaling::affine_of(vec![127.5], vec![127.5])
        } else {
            Scaling::identity()
        },
        condition: None,
        digest: None,
        section: None,
    }
}

/// The default way to sample: Euler's method for a flow, otherwise the sampler that the convention
/// is known by.
fn sampling(convention: &Convention) -> Sampling {
    let usual = Sampling::default();
    match convention.name {
        "flow-matching" => usual,
        // Karras et al. 2022, for CIFAR-10.
        "edm" => Sampling {
            method: MethodName::HEUN_EDM,
            steps: 18,
            ..usual
        },
        _ => Sampling {
            method: MethodName::DDIM,
            ..usual
        },
    }
}

/// The tensors of a model in a layout, and the arguments with which that project builds the same
/// network.
///
/// # Errors
/// [`ExchangeError`]: the network is of another kind, or has a value that networks in this layout
/// cannot have.
pub fn written_in(
    layout: &Layout,
    file: &ModelFile,
) -> Result<(Tensors, Arguments), ExchangeError> {
    let header = file.header();
    if header.about.network.is_none() {
        return Err(ExchangeError::OtherNetwork("a network of its own program"));
    }
    let structure = match architecture(header)? {
        Architecture::UNet(unet) => Structure::UNet(unet),
        Architecture::DiT(dit) => Structure::DiT(dit),
        Architecture::Mlp(_) => return Err(ExchangeError::OtherNetwork("a multilayer perceptron")),
    };
    let tensor = |tensor: &HostTensor| {
        let array = Array::new(tensor.shape.clone(), tensor.values.clone());
        (tensor.name.clone(), array)
    };
    let tensors = file.tensors().iter().map(tensor).collect();
    Ok(pyroclast_weights::export(layout, &structure, &tensors)?)
}

impl From<OutOfRange> for ExchangeError {
    fn from(error: OutOfRange) -> Self {
        Self::Config(error.into())
    }
}
