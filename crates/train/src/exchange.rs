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
use crate::dataset::{Dataset, Scaling};
use crate::draw::{MethodName, Sampling};
use crate::latents::{LatentInfo, picture_shape};
use crate::model_file::tensor_file::HostTensor;
use crate::model_file::{About, DataInfo, ModelFile, ModelHeader, Origin};
use crate::network::{Architecture, AutoencoderSize, DiTSize, NetworkConfig, TaesdSize, UNetSize};
use pyroclast_core::named::OutOfRange;
use pyroclast_core::objective::VarianceLoss;
use pyroclast_models::{SecondHalf, TaesdConfig, TaesdParts};
use pyroclast_weights::{
    Array, Config as Arguments, Convention, Fit, Layout, Structure, Tensors, WeightsError,
};
use std::sync::Arc;

/// The height and width in the header of a network that takes images of any size.
const ANY_SIZE: [usize; 2] = [256, 256];

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
    #[error(
        "this model has {0}, and a layout of another project is one of UNets, transformers or \
         autoencoders"
    )]
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
    Ok(ModelFile::new(header, weights.to_owned(), on_host(tensors)))
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
        Structure::Autoencoder(config) => Ok(Described {
            network: NetworkConfig::Autoencoder(AutoencoderSize::of(config)),
            shape: shape(config.image_channels, ANY_SIZE),
            classes: 0,
            learns_variance: false,
        }),
        Structure::Taesd(config) if config.parts == TaesdParts::Both => Ok(Described {
            network: NetworkConfig::Taesd(TaesdSize::of(config)),
            shape: shape(config.image_channels, ANY_SIZE),
            classes: 0,
            learns_variance: false,
        }),
        _ => Err(ExchangeError::NoModel("half of an autoencoder")),
    }
}

/// The model file of an autoencoder of another project, for [`latents`](crate::latents).
/// `assignments` of `data.key=value` say what pictures it is scored on.
///
/// # Errors
/// [`ExchangeError`]: it is half of one, or a network of another kind.
pub fn autoencoder_file(
    fit: &Fit,
    tensors: Tensors,
    origin: Origin,
    weights: &str,
    assignments: &[String],
) -> Result<ModelFile, ExchangeError> {
    let described = described(&fit.structure)?;
    if !described.network.is_autoencoder() {
        return Err(ExchangeError::NoModel("this network as an autoencoder"));
    }
    let flow = Config {
        network: described.network.clone(),
        ..Config::default()
    }
    .flow((), &Dataset::new("", Vec::new(), described.shape.clone()));
    let header = ModelHeader {
        path: flow.path,
        objective: flow.objective,
        about: About {
            data: data(&origin.file, described.shape, 0),
            latents: None,
            network: Some(described.network),
            origin: Some(origin),
            sampling: Sampling::default(),
            step: 0,
            seed: 0,
        },
    };
    let header = assigned(header, assignments)?;
    Ok(ModelFile::new(header, weights.to_owned(), on_host(tensors)))
}

/// The model of pictures that an imported network of latents is together with their autoencoder,
/// whose own scale and shift give the state of the flow: `(z − shift)·scale`.
///
/// # Errors
/// [`ExchangeError`]: the other model is no autoencoder, or its latents have other channels.
pub fn decoded_by(file: ModelFile, autoencoder: ModelFile) -> Result<ModelFile, ExchangeError> {
    let about = &file.header().about;
    let [shift, scale] = own_scale(&autoencoder);
    let no_latents = |reason: String| ExchangeError::Convention(reason);
    let [channels, height, width] = about.data.shape[..] else {
        return Err(no_latents(
            "only networks of images draw latents".to_owned(),
        ));
    };
    let pictures = picture_shape(&autoencoder, [channels, height, width]);
    let pictures = pictures.map_err(|error| no_latents(error.to_string()))?;
    let mut header = file.header().clone();
    let classes = header.about.data.classes.len();
    header.about.data = data(&header.about.data.name, pictures.to_vec(), classes);
    header.about.latents = Some(LatentInfo {
        shape: [channels, height, width],
        shift,
        scale: scale.recip(),
    });
    let (weights, tensors) = (file.weights().to_owned(), file.tensors().to_vec());
    Ok(ModelFile::new(header, weights, tensors).with_autoencoder(Arc::new(autoencoder)))
}

/// The shift and the scale of an autoencoder in the project that it was trained in.
fn own_scale(autoencoder: &ModelFile) -> [f64; 2] {
    match &autoencoder.header().about.network {
        Some(NetworkConfig::Autoencoder(size)) => [size.shift, size.scale],
        _ => [0.0, 1.0],
    }
}

fn on_host(tensors: Tensors) -> Vec<HostTensor> {
    let tensor = |(name, Array { shape, values })| HostTensor {
        name,
        shape,
        values,
    };
    tensors.into_iter().map(tensor).collect()
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
            latents: None,
            network: Some(described.network),
            origin: Some(origin),
            sampling: sampling(convention),
            step: 0,
            seed: 0,
        },
    };
    let header = assigned(header, assignments)?;
    with_clock(header, convention, assignments)
}

/// The header with these assignments, and with the scale of the data that they name.
fn assigned(header: ModelHeader, assignments: &[String]) -> Result<ModelHeader, ExchangeError> {
    let header = match assignments {
        [] => header,
        _ => Config::header_with(&header, assignments)?,
    };
    Ok(with_own_scale(header))
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
        let schedule = &header.path.schedule;
        let time = convention.time(time, schedule).ok_or_else(|| {
            ExchangeError::Convention(format!(
                "the time of its networks ({}) is not linear in that of path.schedule = \
                 {schedule}; set network.time.scale and network.time.offset too",
                convention.clock
            ))
        })?;
        header.about.network = Some(network.clone().with_time(time));
    }
    // What was set may not fit the network.
    architecture(&header)?;
    Ok(header)
}

fn architecture(header: &ModelHeader) -> Result<Architecture, ConfigError> {
    let about = &header.about;
    Config::of_model(header).architecture(about.state_shape(), about.data.conditions())
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
    written(layout, file, structure(file.header())?, "")
}

/// The encoder and the decoder of a model that is a tiny autoencoder, in a layout that has them in
/// separate files, each as [`written_in`] gives a whole network; `None` for other models.
///
/// # Errors
/// As [`written_in`].
pub fn written_in_halves(
    layout: &Layout,
    file: &ModelFile,
) -> Result<Option<[(Tensors, Arguments); 2]>, ExchangeError> {
    let Structure::Taesd(whole) = structure(file.header())? else {
        return Ok(None);
    };
    let half = |parts, prefix| {
        let structure = Structure::Taesd(TaesdConfig { parts, ..whole });
        written(layout, file, structure, prefix)
    };
    Ok(Some([
        half(TaesdParts::Encoder, "encoder.")?,
        half(TaesdParts::Decoder, "decoder.")?,
    ]))
}

/// The tensors whose names begin so, as a network of this structure.
fn written(
    layout: &Layout,
    file: &ModelFile,
    structure: Structure,
    prefix: &str,
) -> Result<(Tensors, Arguments), ExchangeError> {
    let header = file.header();
    let tensor = |tensor: &HostTensor| {
        let array = Array::new(tensor.shape.clone(), tensor.values.clone());
        (tensor.name.clone(), array)
    };
    let tensors = { file.tensors().iter() }.filter(|tensor| tensor.name.starts_with(prefix));
    let tensors = tensors.map(tensor).collect();
    let origin = (header.about.origin.as_ref()).filter(|origin| origin.layout == layout.name);
    let choices = origin.map(|origin| Arguments::from_iter(origin.choices.clone()));
    let choices = choices.unwrap_or_default();
    Ok(pyroclast_weights::export(
        layout, &structure, &choices, &tensors,
    )?)
}

/// What the network of a model is, among those that other projects have.
fn structure(header: &ModelHeader) -> Result<Structure, ExchangeError> {
    let about = &header.about;
    if about.network.is_none() {
        return Err(ExchangeError::OtherNetwork("a network of its own program"));
    }
    if let (Some(NetworkConfig::Taesd(size)), Some(&channels)) =
        (&about.network, about.data.shape.first())
    {
        return Ok(Structure::Taesd(size.config(channels)));
    }
    match architecture(header)? {
        Architecture::UNet(unet) => Ok(Structure::UNet(unet)),
        Architecture::DiT(dit) => Ok(Structure::DiT(dit)),
        Architecture::Autoencoder(config) => Ok(Structure::Autoencoder(config)),
        Architecture::Mlp(_) => Err(ExchangeError::OtherNetwork("a multilayer perceptron")),
    }
}

impl From<OutOfRange> for ExchangeError {
    fn from(error: OutOfRange) -> Self {
        Self::Config(error.into())
    }
}
