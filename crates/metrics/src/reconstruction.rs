//! How well an autoencoder gives pictures back: the ceiling of every model of its latents.
//!
//! `PSNR = 10·log10(2²/mean|x̂ − x|²)` in decibels, of pixels in [−1, 1]; the mean over images

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use pyroclast_core::condition::Given;
use pyroclast_train::dataset::Dataset;
use pyroclast_train::rows::chunks;

/// Pictures that go through the network at once.
const ROWS: usize = 64;
/// The width of the range of a pixel, squared.
const PEAK: f64 = 4.0;

/// Pictures as an autoencoder gives them back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstructed {
    /// The reconstructions, `[n, channels, height, width]`, on the model's scale; where the data is
    /// pictures of 8 bits, rounded to their levels.
    pub images: Vec<f32>,
    /// The peak signal-to-noise ratio, in decibels, a mean over images.
    pub psnr: f64,
    /// The mean absolute error of a value, on the model's scale.
    pub error: f64,
    /// The rate, KL(q ‖ N(0, I)), in nats per image; none of an autoencoder without distributions.
    pub rate: Option<f64>,
}

/// Encodes pictures, and decodes the means of their latents: by [`Codec::reconstruct`], or another
/// function to images and their rates.
///
/// [`Codec::reconstruct`]: pyroclast_train::latents::Codec::reconstruct
///
/// # Panics
/// If there is no picture.
pub fn reconstructed<B: Backend>(
    reconstruct: impl Fn(Tensor<B, 4>) -> (Tensor<B, 4>, Option<Tensor<B, 1>>),
    pictures: &Dataset,
    rows: &[usize],
    device: &B::Device,
) -> Reconstructed {
    assert!(!rows.is_empty(), "a picture to encode");
    let (shape, dim) = (&pictures.shape, pictures.dim());
    let values = pictures.gather(rows);
    let (mut images, mut rate) = (Vec::with_capacity(values.len()), None);
    for chunk in chunks::<B, 4>(&values, shape, &Given::nothing(), ROWS, device) {
        let (back, rates) = reconstruct(chunk.x);
        let back = back.into_data().convert::<f32>().into_vec::<f32>();
        images.extend(back.expect("converted to f32 just now"));
        if let Some(rates) = rates {
            *rate.get_or_insert(0.0) += rates.sum().into_scalar().elem::<f64>();
        }
    }
    if pictures.eight_bit {
        for pixel in &mut images {
            *pixel = ((*pixel * 127.5 + 127.5).round().clamp(0.0, 255.0) - 127.5) / 127.5;
        }
    }
    let n = rows.len() as f64;
    let pairs = || values.chunks_exact(dim).zip(images.chunks_exact(dim));
    let mean = |of: fn(f64) -> f64, (x, y): (&[f32], &[f32])| {
        let each = x.iter().zip(y).map(|(x, y)| of(f64::from(x - y)));
        each.sum::<f64>() / dim as f64
    };
    // The error of a picture that is given back exactly is below any level's.
    let psnr = pairs().map(|pair| 10.0 * (PEAK / mean(|e| e * e, pair).max(1e-10)).log10());
    let psnr = psnr.sum::<f64>() / n;
    let error = pairs().map(|pair| mean(f64::abs, pair)).sum::<f64>() / n;
    Reconstructed {
        psnr,
        error,
        rate: rate.map(|rate| rate / n),
        images,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::{Flex, FlexDevice};

    #[test]
    fn a_shift_has_the_ratio_of_its_square() {
        // Adds a constant, at a rate of two nats per image.
        let shifted = |x: Tensor<Flex, 4>| {
            let rate = Tensor::full([x.dims()[0]], 2.0, &FlexDevice);
            (x + 0.2, Some(rate))
        };
        let values: Vec<f32> = (0..3 * 2 * 4).map(|i| (i as f32).sin() * 0.5).collect();
        let pictures = Dataset::images(&values, [2, 2, 2]);
        let rows: Vec<usize> = (0..pictures.len()).collect();
        let found = reconstructed(shifted, &pictures, &rows, &FlexDevice);
        assert!((found.psnr - 10.0 * (4.0_f64 / 0.04).log10()).abs() < 1e-4);
        assert!((found.error - 0.2).abs() < 1e-6 && found.rate == Some(2.0));
        assert!((found.images[5] - values[5] - 0.2).abs() < 1e-6);
    }
}
