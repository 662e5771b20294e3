//! Flows of latents: an autoencoder makes small latents of pictures, and pictures of latents; a
//! model learns the latents.
//!
//! `z ~ q(z | x)`, `y = (z − shift)/scale`, a flow of y, and back `x̂ = D(shift + scale·y)`
//!
//! The shift and the scale are measured on the latents that are trained on, so that the state of
//! the flow has about unit size; they are stored with the model and undone before decoding. The
//! flow sees no gradient of the encoder.
//!
//! Source: Rombach et al. 2022, §3.2 and appendix G.

mod codec;
mod encode;

pub use codec::Codec;
pub use encode::encode;

use crate::dataset::DatasetError;
use crate::draw::SampleError;
use crate::host::DeviceError;
use crate::model_file::{About, DataInfo, ModelError, ModelFile};
use crate::network::NetworkConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why an autoencoder cannot be used, or pictures not be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LatentError {
    /// The model has a network of another kind.
    #[error(
        "{path} is no autoencoder, but a model of samples; train one with `pyroclast train \
         emoji-vae`, or import one"
    )]
    NoAutoencoder {
        /// The file.
        path: String,
    },
    /// The pictures do not suit the autoencoder.
    #[error(
        "an autoencoder of {channels} channels that makes one pixel of {factor}×{factor} cannot \
         take samples of shape {shape:?}; bring the pictures to another size"
    )]
    Shape {
        /// The channels that it takes.
        channels: usize,
        /// How many pixels along an axis become one of a latent.
        factor: usize,
        /// The shape of a sample.
        shape: Vec<usize>,
    },
    /// The latents are those of another autoencoder.
    #[error("{path} decodes latents of {expected} channels, and these have {found}")]
    Channels {
        /// The file.
        path: String,
        /// The channels that it decodes.
        expected: usize,
        /// The channels that there are.
        found: usize,
    },
    /// Its parameters are those of another network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file of moments cannot be written or read.
    #[error("cannot keep latents in {path}")]
    Io {
        /// The file.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// A latent is not finite.
    #[error("the autoencoder gives {0} latents that are not finite")]
    NotFinite(usize),
    /// The data cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The device stopped before the pictures were read.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl From<LatentError> for SampleError {
    fn from(error: LatentError) -> Self {
        match error {
            LatentError::Device(error) => Self::Device(error),
            error => Self::Latents(error.to_string()),
        }
    }
}

/// What a model of latents records of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentInfo {
    /// The shape of a latent.
    pub shape: [usize; 3],
    /// What is subtracted from a latent: the mean of the values that were trained on.
    pub shift: f64,
    /// What it is divided by then: their standard deviation.
    pub scale: f64,
}

impl LatentInfo {
    /// Why these latents cannot be; `None` if they can.
    pub(crate) fn problem(&self) -> Option<String> {
        let [channels, height, width] = self.shape;
        let dim = channels
            .checked_mul(height)
            .and_then(|n| n.checked_mul(width));
        let fits = dim.is_some_and(|dim| dim > 0)
            && self.shift.is_finite()
            && self.scale.is_finite()
            && self.scale != 0.0;
        (!fits).then(|| format!("{self:?} describes no latents"))
    }
}

/// The latents of pictures, with the autoencoder that makes them.
#[derive(Debug, Clone)]
pub struct Latents {
    /// Their shape and their scale.
    pub info: LatentInfo,
    /// The autoencoder.
    pub autoencoder: Arc<ModelFile>,
    /// The pictures that they are the latents of.
    pub pixels: DataInfo,
}

impl Latents {
    /// What a model of latents has learned, with the autoencoder that decodes it; `None` for a model
    /// of samples.
    pub fn of_model(about: &About, autoencoder: &Arc<ModelFile>) -> Option<Arc<Self>> {
        let info = about.latents.clone()?;
        Some(Arc::new(Self {
            info,
            autoencoder: autoencoder.clone(),
            pixels: about.data.clone(),
        }))
    }

    /// The same of a model file, which holds the autoencoder too.
    pub fn of_file(file: &ModelFile) -> Option<Arc<Self>> {
        Self::of_model(&file.header().about, file.autoencoder()?)
    }
}

/// An autoencoder's shapes, by its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shapes {
    channels: usize,
    latent_channels: usize,
    factor: usize,
}

/// The factor of a tiny autoencoder.
const TINY: usize = 8;

fn shapes(file: &ModelFile) -> Option<Shapes> {
    let about = &file.header().about;
    let channels = *about.data.shape.first()?;
    match about.network.as_ref()? {
        NetworkConfig::Autoencoder(size) => Some(Shapes {
            channels,
            latent_channels: size.latent_channels,
            factor: size.config(channels).factor(),
        }),
        NetworkConfig::Taesd(size) => Some(Shapes {
            channels,
            latent_channels: size.latent_channels,
            factor: TINY,
        }),
        _ => None,
    }
}

/// The shape of the latents that an autoencoder makes of samples of this shape.
///
/// # Errors
/// [`LatentError`]: the model is no autoencoder, or takes no such samples.
pub fn latent_shape(file: &ModelFile, shape: &[usize]) -> Result<[usize; 3], LatentError> {
    let Some(own) = shapes(file) else {
        return Err(LatentError::NoAutoencoder {
            path: file.path().to_owned(),
        });
    };
    let Shapes {
        channels,
        latent_channels,
        factor,
    } = own;
    match *shape {
        [found, height, width]
            if found == channels
                && height.is_multiple_of(factor)
                && width.is_multiple_of(factor)
                && height.min(width) > 0 =>
        {
            Ok([latent_channels, height / factor, width / factor])
        }
        _ => Err(LatentError::Shape {
            channels,
            factor,
            shape: shape.to_vec(),
        }),
    }
}

/// The shape of the pictures that an autoencoder makes of latents of this shape.
///
/// # Errors
/// [`LatentError`]: the model is no autoencoder, or its latents have other channels.
pub fn picture_shape(file: &ModelFile, latent: [usize; 3]) -> Result<[usize; 3], LatentError> {
    let Some(own) = shapes(file) else {
        return Err(LatentError::NoAutoencoder {
            path: file.path().to_owned(),
        });
    };
    let [channels, height, width] = latent;
    let sides = [height, width].map(|side| side.checked_mul(own.factor));
    match sides {
        [Some(height), Some(width)] if channels == own.latent_channels => {
            Ok([own.channels, height, width])
        }
        _ => Err(LatentError::Channels {
            path: file.path().to_owned(),
            expected: own.latent_channels,
            found: channels,
        }),
    }
}
