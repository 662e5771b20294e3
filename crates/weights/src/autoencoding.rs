//! Autoencoders of other projects against what they gave there.
//!
//! `x ↦ moments ↦ latent`, and `latent ↦ output`: each step from the inputs of the file, so that a
//! difference shows where it arises.

use crate::array::{Array, Tensors};
use crate::error::WeightsError;
use crate::golden::{GOLDEN, Golden};
use crate::layout::Structure;
use crate::module::{cast, load};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;

/// How many pixels along an axis become one of a tiny autoencoder's latent.
const TINY_FACTOR: usize = 8;

/// The largest differences of an autoencoder's outputs in each sample, in standard deviations of
/// the expected ones, by name: `moments`, `latent` and `output`, as far as the network computes
/// them and the file has them. A latent is the mean of its distribution.
///
/// # Errors
/// [`WeightsError`]: the structure is no autoencoder, the tensors are not its own, or the file has
/// inputs that it cannot take.
pub fn autoencoder_differences<B: Backend>(
    structure: &Structure,
    tensors: &Tensors,
    golden: &Golden,
    device: &B::Device,
) -> Result<Vec<(&'static str, Vec<f64>)>, WeightsError> {
    let mut init = Init::new(Noise::new(0), device);
    let dtype = golden.dtype::<B>(device);
    let to = (device, dtype);
    let mut found: Vec<(&'static str, Tensor<B, 4>)> = Vec::new();
    match structure {
        Structure::Autoencoder(config) => {
            let network = cast(load::<B, _>(config.init(&mut init), tensors)?, dtype);
            let x = || images(&golden.x, "x", config.image_channels, config.factor(), to);
            if golden.moments.is_some() {
                found.push(("moments", network.moments(x()?)));
            }
            if golden.latent.is_some() {
                found.push(("latent", network.encode(x()?).mode()));
            }
            let latent = input(golden)?;
            let z = images(latent, "latent", config.latent_channels, 1, to)?;
            found.push(("output", network.decode(z)));
        }
        Structure::Taesd(config) => {
            let network = cast(load::<B, _>(config.init(&mut init), tensors)?, dtype);
            let latent = input(golden)?;
            if config.parts.encodes() {
                let x = images(&golden.x, "x", config.image_channels, TINY_FACTOR, to)?;
                found.push(("latent", network.encode(x)));
            }
            if config.parts.decodes() {
                let z = images(latent, "latent", config.latent_channels, 1, to)?;
                found.push(("output", network.decode(z)));
            }
        }
        Structure::UNet(_) | Structure::DiT(_) => {
            return Err(WeightsError::Impossible {
                reason: "a network of noisy images is no autoencoder".to_owned(),
            });
        }
    }
    let differences = |(name, found): (&'static str, Tensor<B, 4>)| {
        let expected = match name {
            "moments" => golden.moments.as_ref(),
            "latent" => golden.latent.as_ref(),
            _ => Some(&golden.output),
        };
        let found = found.into_data().convert::<f64>().into_vec::<f64>();
        let found = found.expect("converted to f64 just now");
        let expected = expected.expect("computed because it is there");
        let differences = golden.differences_from(expected, name, &found);
        let differences = differences.map_err(|reason| WeightsError::Impossible { reason })?;
        Ok((name, differences))
    };
    found.into_iter().map(differences).collect()
}

/// What the decoder is given.
fn input(golden: &Golden) -> Result<&Array<f64>, WeightsError> {
    let lacks = || WeightsError::Impossible {
        reason: format!(
            "the file of outputs has no {GOLDEN}latent, which an autoencoder decodes; give one \
             that has it"
        ),
    };
    golden.latent.as_ref().ok_or_else(lacks)
}

/// Images of these channels, whose height and width this factor divides.
fn images<B: Backend>(
    array: &Array<f64>,
    name: &str,
    channels: usize,
    factor: usize,
    (device, dtype): (&B::Device, DType),
) -> Result<Tensor<B, 4>, WeightsError> {
    match <[usize; 4]>::try_from(array.shape.as_slice()) {
        Ok(shape @ [_, found, height, width])
            if found == channels
                && height.is_multiple_of(factor)
                && width.is_multiple_of(factor) =>
        {
            let values = TensorData::new(array.values.clone(), shape).convert_dtype(dtype);
            Ok(Tensor::from_data(values, (device, dtype)))
        }
        _ => Err(WeightsError::Impossible {
            reason: format!(
                "{GOLDEN}{name} has shape {:?}, and the network takes [n, {channels}, height, \
                 width], both multiples of {factor}",
                array.shape
            ),
        }),
    }
}
