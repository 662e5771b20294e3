//! Digits from half of their pixels, and from sixteen means of their pixels: inpainting and
//! guidance by a measurement.
//!
//! The model is the exact denoiser of the digits themselves, so nothing is trained: each answer is
//! one of them, or lies between some. Every column is a digit: the digit, what is known of it, and
//! four answers.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use pyroclast::core::analytic::Dataset as ExactField;
use pyroclast::core::ddpm::Variance;
use pyroclast::core::guidance::{Inpainted, Likelihood, Measured};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::schedule::{Schedule, VariancePreserving};
use pyroclast::solvers::sampler::Ddpm;
use pyroclast::solvers::{Increments, TimeGrid, integrate};
use pyroclast::train::dataset::Dataset;

type Images = Tensor<Flex, 4>;

/// The number of digits, and of answers to each.
const DIGITS: usize = 10;
const ANSWERS: usize = 4;

fn field<B: Backend>(digits: &Dataset) -> ExactField<B, VariancePreserving, 4> {
    let data = TensorData::new(digits.values().into_owned(), [digits.len(), 1, 8, 8]);
    let points = Tensor::from_data(data, &Default::default());
    ExactField::new(points, VariancePreserving::default())
}

/// Sums of 2×2 pixels, halved, so that AAᵀ = I.
fn means<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let n = x.dims()[0];
    let blocks: Tensor<B, 6> = x.reshape([n, 1, 4, 2, 4, 2]);
    let sums: Tensor<B, 6> = blocks.sum_dim(5).sum_dim(3);
    sums.reshape([n, 16]) * 0.5
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, noise) = (Default::default(), Noise::new(0));
    let digits = Dataset::digits();
    let shape = [DIGITS, 1, 8, 8];
    let truth = Images::from_data(
        TensorData::new(digits.first(DIGITS).into_owned(), shape),
        &device,
    );
    let normal = |step: u64| -> Images {
        noise
            .draws(Stream::Sampler, step << 32)
            .normal_tensor(shape, &device, truth.dtype())
    };
    let grid = TimeGrid::log_snr(&VariancePreserving::default(), (80.0, 0.01), 60);
    let start = VariancePreserving::default().at(grid.times()[0]).sigma;
    let ancestral = |answer: u64| Ddpm {
        variance: Variance::Small,
        brownian: Increments {
            noise,
            first: (answer << 32) + 1,
        },
    };

    // The upper half is known.
    let upper = |y: usize| if y < 4 { 1.0 } else { 0.0 };
    let mask: Vec<f32> = (0..64).map(|k| upper(k / 8)).collect();
    let mask = Images::from_data(TensorData::new(mask, [1, 1, 8, 8]), &device);
    let mut rows = vec![
        truth.clone(),
        truth.clone() * mask.clone() + mask.clone() - 1.0,
    ];
    let mut kept = 0.0_f32;
    for answer in 0..ANSWERS as u64 {
        let inpainted = Inpainted {
            field: field::<Flex>(&digits),
            known: truth.clone(),
            mask: mask.clone(),
            noise: normal(100 + answer),
        };
        let x = integrate(
            &inpainted,
            &ancestral(answer),
            normal(answer) * start,
            &grid,
        );
        let off = ((x.clone() - truth.clone()) * mask.clone())
            .abs()
            .max()
            .into_scalar();
        kept = kept.max(off);
        rows.push(x);
    }
    println!("inpainting: the known half is off by at most {kept:.1e}");

    // Sixteen means are known.
    let measurement = means(truth.clone());
    let coarse: Tensor<Flex, 6> = measurement.clone().reshape([DIGITS, 1, 4, 1, 4, 1]) * 0.5;
    rows.push(coarse.expand([DIGITS, 1, 4, 2, 4, 2]).reshape(shape));
    for answer in 0..ANSWERS as u64 {
        let measured = Measured {
            field: field::<Autodiff<Flex>>(&digits),
            forward: means::<Autodiff<Flex>>,
            measurement: measurement.clone(),
            likelihood: Likelihood::Gaussian {
                sigma_data: 0.75,
                noise_std: 0.1,
            },
        };
        let x = integrate(
            &measured,
            &ancestral(50 + answer),
            normal(50 + answer) * start,
            &grid,
        );
        let error = |x: Images| {
            let squares = (means(x) - measurement.clone()).square().mean();
            squares.into_scalar().sqrt()
        };
        println!(
            "measurement, answer {answer}: the means are off by {:.3}, of one digit taken for another {:.3}",
            error(x.clone()),
            error(truth.clone().flip([0]))
        );
        rows.push(x);
    }
    std::fs::create_dir_all("runs/examples")?;
    let path = "runs/examples/conditioning.png";
    let images = Tensor::cat(rows, 0).into_data().to_vec::<f32>()?;
    pyroclast_plot::grid(&images, [1, 8, 8], DIGITS).save(path)?;
    println!("picture: {path}");
    Ok(())
}
