//! An autoencoder on a device, of any kind, behind one pair of maps.

use super::{LatentError, LatentInfo, Latents, shapes};
use crate::host::host;
use crate::model_file::ModelFile;
use crate::network::NetworkConfig;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, read_sync};
use pyroclast_core::noise::Noise;
use pyroclast_models::{Autoencoder, Init, Taesd};

/// Latents that are decoded at a time.
const ROWS: usize = 64;
/// The share of a tile in which it overlaps the next.
const OVERLAP: f64 = 0.25;

/// An autoencoder on a device.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`, in [−1, 1]
/// - latents: `[batch, latent_channels, height/factor, width/factor]`
#[derive(Debug)]
pub struct Codec<B: Backend> {
    network: Network<B>,
    factor: usize,
}

#[derive(Debug)]
enum Network<B: Backend> {
    Variational(Box<Autoencoder<B>>),
    /// One without a distribution, and whether its pixels are in [−1, 1].
    Tiny(Box<Taesd<B>>, bool),
}

impl<B: Backend> Codec<B> {
    /// The autoencoder in a model file.
    ///
    /// # Errors
    /// [`LatentError`]: the model is of another kind, or damaged.
    pub fn load(file: &ModelFile, device: &B::Device) -> Result<Self, LatentError> {
        let Some(own) = shapes(file) else {
            return Err(LatentError::NoAutoencoder {
                path: file.path().to_owned(),
            });
        };
        let mut init = Init::new(Noise::new(0), device);
        let network = match &file.header().about.network {
            Some(NetworkConfig::Autoencoder(size)) => {
                let network: Autoencoder<B> = size.config(own.channels).init(&mut init);
                Network::Variational(Box::new(file.load_into::<B, _>(network)?))
            }
            Some(NetworkConfig::Taesd(size)) => {
                let network: Taesd<B> = size.config(own.channels).init(&mut init);
                Network::Tiny(Box::new(file.load_into::<B, _>(network)?), size.signed)
            }
            _ => unreachable!("only autoencoders have the shapes of one"),
        };
        Ok(Self {
            network,
            factor: own.factor,
        })
    }

    /// The mean and the standard deviation of the latents of these images.
    pub fn encode(&self, x: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        match &self.network {
            Network::Variational(network) => {
                let posterior = network.encode(x);
                let deviation = (posterior.log_variance.clone() * 0.5).exp();
                [posterior.mean, deviation]
            }
            Network::Tiny(network, signed) => {
                let x = if *signed { x } else { x * 0.5 + 0.5 };
                let z = network.encode(x);
                [z.clone(), z.zeros_like()]
            }
        }
    }

    /// The images that come back of these, through the means of their latents, and the rate of each
    /// image in nats; no rate for an autoencoder without distributions.
    pub fn reconstruct(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Option<Tensor<B, 1>>) {
        match &self.network {
            Network::Variational(network) => {
                let posterior = network.encode(x);
                (network.decode(posterior.mode()), Some(posterior.kl()))
            }
            Network::Tiny(..) => {
                let [z, _] = self.encode(x);
                (self.decode(z), None)
            }
        }
    }

    /// The images of these latents, in about [−1, 1].
    pub fn decode(&self, z: Tensor<B, 4>) -> Tensor<B, 4> {
        match &self.network {
            Network::Variational(network) => network.decode(z),
            Network::Tiny(network, signed) => match (network.decode(z), signed) {
                (x, true) => x,
                (x, false) => x * 2.0 - 1.0,
            },
        }
    }

    /// The images of these latents, decoded in square tiles of `side` pixels that overlap by a
    /// quarter and are faded into each other: for images whose decoding does not fit into memory.
    ///
    /// A normalisation and an attention see one tile at a time, so colours may drift a little from
    /// those of an image decoded in one piece.
    pub fn decode_tiled(&self, z: Tensor<B, 4>, side: usize) -> Tensor<B, 4> {
        let [batch, _, height, width] = z.dims();
        let side = (side / self.factor).max(2);
        if height.max(width) <= side {
            return self.decode(z);
        }
        let device = z.device();
        let mut image: Option<Tensor<B, 4>> = None;
        let mut weights: Option<Tensor<B, 4>> = None;
        for top in starts(height, side) {
            for left in starts(width, side) {
                let [rows, columns] = [height.min(side), width.min(side)];
                let tile = z.clone().narrow(2, top, rows).narrow(3, left, columns);
                let tile = self.decode(tile);
                let channels = tile.dims()[1];
                let [down, across] = [(rows, top, height), (columns, left, width)]
                    .map(|(length, first, all)| self.ramp(length, first, all));
                let weight: Vec<f32> = (down.iter())
                    .flat_map(|y| across.iter().map(move |x| x * y))
                    .collect();
                let shape = [1, 1, down.len(), across.len()];
                let weight: Tensor<B, 4> =
                    Tensor::from_data(TensorData::new(weight, shape), &device);
                let place = |tile: Tensor<B, 4>| {
                    let f = self.factor;
                    let after =
                        |all: usize, first: usize, length: usize| (all - first - length) * f;
                    tile.pad(
                        (
                            left * f,
                            after(width, left, columns),
                            top * f,
                            after(height, top, rows),
                        ),
                        0.0,
                    )
                };
                let weighted = place(
                    tile * weight
                        .clone()
                        .expand([batch, channels, down.len(), across.len()]),
                );
                let weight = place(weight);
                image = Some(match image {
                    Some(image) => image + weighted,
                    None => weighted,
                });
                weights = Some(match weights {
                    Some(weights) => weights + weight,
                    None => weight,
                });
            }
        }
        let (image, weights) = image.zip(weights).expect("at least one tile");
        let dims = image.dims();
        image / weights.expand(dims)
    }

    /// The weights of a tile's pixels along an axis: rising to 1 over the overlap, but where the
    /// image ends.
    fn ramp(&self, length: usize, first: usize, all: usize) -> Vec<f32> {
        let pixels = length * self.factor;
        let overlap = (pixels as f64 * OVERLAP).max(1.0);
        let rise = |distance: usize| ((distance as f64 + 0.5) / overlap).min(1.0);
        (0..pixels)
            .map(|i| {
                let before = if first == 0 { 1.0 } else { rise(i) };
                let after = if first + length == all {
                    1.0
                } else {
                    rise(pixels - 1 - i)
                };
                (before * after) as f32
            })
            .collect()
    }
}

/// Where tiles begin that cover an axis.
fn starts(length: usize, side: usize) -> Vec<usize> {
    let stride = ((side as f64 * (1.0 - OVERLAP)) as usize).max(1);
    let last = length.saturating_sub(side);
    let mut starts: Vec<usize> = (0..last).step_by(stride).collect();
    starts.push(last);
    starts
}

impl Latents {
    /// Its autoencoder on a device.
    ///
    /// # Errors
    /// As [`Codec::load`].
    pub fn codec<B: Backend>(&self, device: &B::Device) -> Result<Codec<B>, LatentError> {
        Codec::load(&self.autoencoder, device)
    }

    /// The pictures of a flow's states, in about [−1, 1], as a model of pixels would have drawn
    /// them. `tile` is the side of the tiles that larger pictures are decoded in, in pixels; 0 for
    /// whole pictures.
    ///
    /// # Shapes
    /// - states: `[n, latent shape…]`; result: `[n, picture shape…]`, row-major
    ///
    /// # Errors
    /// As [`Codec::load`], or the device failed.
    pub fn decode<B: Backend>(
        &self,
        states: &[f32],
        tile: usize,
        device: &B::Device,
    ) -> Result<Vec<f32>, LatentError> {
        read_sync(self.decode_async::<B>(states, tile, device))
    }

    /// As [`Latents::decode`], without waiting for the device.
    ///
    /// # Errors
    /// As [`Codec::load`], or the device failed.
    pub async fn decode_async<B: Backend>(
        &self,
        states: &[f32],
        tile: usize,
        device: &B::Device,
    ) -> Result<Vec<f32>, LatentError> {
        let codec = self.codec::<B>(device)?;
        let LatentInfo {
            shape: [channels, height, width],
            shift,
            scale,
        } = self.info;
        let dim = channels * height * width;
        let mut pictures = Vec::new();
        for rows in states.chunks(ROWS * dim) {
            let shape = [rows.len() / dim, channels, height, width];
            let y: Tensor<B, 4> = Tensor::from_data(TensorData::new(rows.to_vec(), shape), device);
            let z = y * scale + shift;
            let x = match tile {
                0 => codec.decode(z),
                tile => codec.decode_tiled(z, tile),
            };
            pictures.extend(host::<_, f32, 4>(x).await?);
        }
        Ok(pictures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, ModuleMapper, Param};
    use burn::tensor::{DType, Shape};
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Stream;
    use pyroclast_models::TaesdConfig;

    /// Leaves the centres of all kernels alone, so that no pixel sees its neighbours.
    struct Pointwise;

    impl ModuleMapper<NdArray> for Pointwise {
        fn map_float<const D: usize>(
            &mut self,
            param: Param<Tensor<NdArray, D>>,
        ) -> Param<Tensor<NdArray, D>> {
            param.map(|kernel| match kernel.dims()[..] {
                [outputs, inputs, 3, 3] => {
                    let shape = [outputs, inputs, 3, 3];
                    let centre = kernel.reshape(shape).narrow(2, 1, 1).narrow(3, 1, 1);
                    let alone = centre.pad((1, 1, 1, 1), 0.0);
                    alone.reshape(Shape::from(shape.to_vec()))
                }
                _ => kernel,
            })
        }
    }

    #[test]
    fn tiles_of_a_local_decoder_make_the_whole_image() {
        let device = Default::default();
        let config = TaesdConfig {
            width: 8,
            ..TaesdConfig::new()
        };
        let network: Taesd<NdArray> = config.init(&mut Init::new(Noise::new(0), &device));
        let network = network.map(&mut Pointwise);
        let codec = Codec {
            network: Network::Tiny(Box::new(network), true),
            factor: 8,
        };
        let mut draws = Noise::new(1).draws(Stream::Data, 0);
        let z: Tensor<NdArray, 4> = draws.normal_tensor([2, 4, 11, 7], &device, DType::F32);
        let whole = codec.decode(z.clone());
        assert_eq!(whole.dims(), [2, 3, 88, 56]);
        for side in [32, 40, 64] {
            let difference = codec.decode_tiled(z.clone(), side) - whole.clone();
            let largest = difference.abs().max().into_scalar();
            assert!(largest < 1e-5, "tiles of {side}: {largest}");
        }
        // A tile as large as the image is the image.
        let one = codec.decode_tiled(z, 88).into_data();
        one.assert_eq(&whole.into_data(), true);
    }

    #[test]
    fn tiles_cover_an_axis_and_end_with_it() {
        assert_eq!(starts(10, 4), [0, 3, 6]);
        assert_eq!(starts(11, 4), [0, 3, 6, 7]);
        assert_eq!(starts(4, 4), [0]);
        assert_eq!(starts(3, 4), [0]);
    }
}
