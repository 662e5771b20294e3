//! The bound of a linear autoencoder against probabilistic PCA, whose likelihood it reaches.
//!
//! `x̂ = zW + μ`, decoder variance s², `q(z | x) = N((x − μ)A, diag e^λ)`: at the optimum
//! `W = (Λ_d − s²)^½ U_dᵀ`, s² the mean of the other eigenvalues of the covariance, and
//! `ELBO = ln p = −½(D ln 2π + Σ_{i≤d} ln λ_i + (D − d) ln s² + D)`
//!
//! Source: Tipping & Bishop 1999; Lucas et al. 2019.

use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use burn_ndarray::NdArray;
use pyroclast_core::loss::SampleLoss;
use pyroclast_models::{NegativeElbo, Posterior};

type Tape = Autodiff<NdArray>;

/// The covariance of the data.
const S: [[f64; 3]; 3] = [[2.0, 0.6, 0.3], [0.6, 1.5, -0.2], [0.3, -0.2, 0.8]];
const D: usize = 3;

/// A linear autoencoder of three values.
#[derive(Module, Debug)]
struct Linear<B: Backend> {
    /// A, `[3, d]`.
    encoder: Param<Tensor<B, 2>>,
    /// λ, `[1, d]`.
    log_variance: Param<Tensor<B, 2>>,
    /// W, `[d, 3]`.
    decoder: Param<Tensor<B, 2>>,
    /// μ, `[1, 3]`.
    mean: Param<Tensor<B, 2>>,
}

fn tensor<B: Backend>(values: &[f64], shape: [usize; 2]) -> Tensor<B, 2> {
    let device = B::Device::default();
    Tensor::from_data(
        TensorData::new(values.to_vec(), shape),
        (&device, DType::F64),
    )
}

/// Eigenvalues from the largest, and unit eigenvectors: by powers, each taken off the matrix.
fn eigen() -> Vec<(f64, [f64; D])> {
    let mut s = S;
    let mut found = Vec::new();
    for _ in 0..D {
        let mut v = [1.0, 0.7, 0.3];
        let mut value = 0.0;
        for _ in 0..4000 {
            let w: [f64; D] = std::array::from_fn(|i| (0..D).map(|j| s[i][j] * v[j]).sum());
            value = w.iter().map(|x| x * x).sum::<f64>().sqrt();
            v = w.map(|x| x / value);
        }
        for i in 0..D {
            for j in 0..D {
                s[i][j] -= value * v[i] * v[j];
            }
        }
        found.push((value, v));
    }
    found
}

/// Points with mean 0 and covariance S exactly, each with every sign of d noises of unit size: the
/// mean over them is that over all normal noise, since the loss is quadratic in both.
struct Cloud {
    x: Vec<f64>,
    noise: Vec<f64>,
    n: usize,
    d: usize,
}

fn cloud(d: usize) -> Cloud {
    let (mut x, mut noise, mut n) = (Vec::new(), Vec::new(), 0);
    for (value, vector) in eigen() {
        for sign in [1.0, -1.0] {
            for signs in 0..1 << d {
                // 2·D points of length √(D·λ) along the eigenvectors.
                x.extend(vector.map(|v| sign * (D as f64 * value).sqrt() * v));
                noise.extend((0..d).map(|k| if signs >> k & 1 == 0 { 1.0 } else { -1.0 }));
                n += 1;
            }
        }
    }
    Cloud { x, noise, n, d }
}

impl<B: Backend> Linear<B> {
    fn of(encoder: &[f64], log_variance: &[f64], decoder: &[f64], mean: &[f64]) -> Self {
        let d = log_variance.len();
        let param = |values: &[f64], shape| Param::from_tensor(tensor(values, shape));
        Self {
            encoder: param(encoder, [D, d]),
            log_variance: param(log_variance, [1, d]),
            decoder: param(decoder, [d, D]),
            mean: param(mean, [1, D]),
        }
    }

    /// The closed form: `w_i² = λ_i − βs²`, a variance of βs²/λ_i and a mean of w_i/λ_i along each
    /// eigenvector; nothing where λ_i ≤ βs².
    fn optimum(d: usize, variance: f64, beta: f64) -> Self {
        let (mut encoder, mut decoder, mut log_variance) = (vec![0.0; D * d], vec![], vec![]);
        for (k, (value, vector)) in eigen().into_iter().take(d).enumerate() {
            let w = (value - beta * variance).max(0.0).sqrt();
            decoder.extend(vector.map(|v| w * v));
            log_variance.push((beta * variance / value).min(1.0).ln());
            for (i, v) in vector.iter().enumerate() {
                encoder[i * d + k] = v * w / value;
            }
        }
        Self::of(&encoder, &log_variance, &decoder, &[0.0; D])
    }

    fn posterior(&self, cloud: &Cloud) -> Posterior<B> {
        let (n, d) = (cloud.n, cloud.d);
        let x = tensor::<B>(&cloud.x, [n, D]);
        let mean = (x - self.mean.val()).matmul(self.encoder.val());
        let moments = Tensor::cat(vec![mean, self.log_variance.val().expand([n, d])], 1);
        Posterior::of(moments.reshape([n, 2 * d, 1, 1]))
    }

    /// The loss over a cloud, in nats per value.
    fn loss(&self, cloud: &Cloud, elbo: NegativeElbo) -> Tensor<B, 1> {
        let (n, d) = (cloud.n, cloud.d);
        let x = tensor::<B>(&cloud.x, [n, D]);
        let noise = tensor::<B>(&cloud.noise, [n, d]);
        let posterior = self.posterior(cloud);
        let z = posterior.sample(noise.reshape([n, d, 1, 1]));
        let image = z.reshape([n, d]).matmul(self.decoder.val()) + self.mean.val();
        let rate = posterior.rate().sum_dim(1);
        let output = Tensor::cat(vec![image.reshape([n, D, 1, 1]), rate], 1);
        elbo.per_sample(output, x.reshape([n, D, 1, 1])).mean()
    }
}

fn number<B: Backend>(x: Tensor<B, 1>) -> f64 {
    x.into_data()
        .convert::<f64>()
        .into_vec::<f64>()
        .expect("f64")[0]
}

/// The largest entry of any gradient.
fn steepest(network: &Linear<Tape>, loss: Tensor<Tape, 1>) -> f64 {
    let tape = loss.backward();
    let largest = |weight: Tensor<Tape, 2>| {
        let gradient = weight.grad(&tape).expect("it acts on the loss");
        let largest = gradient.abs().max();
        largest
            .into_data()
            .convert::<f64>()
            .into_vec::<f64>()
            .expect("f64")[0]
    };
    [
        network.encoder.val(),
        network.log_variance.val(),
        network.decoder.val(),
        network.mean.val(),
    ]
    .into_iter()
    .map(largest)
    .fold(0.0, f64::max)
}

#[test]
fn the_bound_reaches_the_likelihood_of_probabilistic_pca() {
    for (d, expected) in [(1, -4.639226307532418), (2, -4.557605593131245)] {
        let eigen = eigen();
        let rest = &eigen[d..];
        let variance = rest.iter().map(|(value, _)| value).sum::<f64>() / rest.len() as f64;
        let elbo = NegativeElbo {
            variance,
            beta: 1.0,
        };
        let cloud = cloud(d);
        let network = Linear::<Tape>::optimum(d, variance, 1.0);
        let loss = network.loss(&cloud, elbo);
        let found = -(D as f64) * number(loss.clone());
        assert!((found - expected).abs() < 1e-10, "d = {d}: {found}");
        let gradient = steepest(&network, loss);
        assert!(gradient < 1e-10, "d = {d}: {gradient}");
        // Away from the optimum there is a way down, and the bound is lower.
        let mut other = Linear::<Tape>::optimum(d, variance, 1.0);
        other.decoder = Param::from_tensor((network.decoder.val() * 1.1).detach());
        let loss = other.loss(&cloud, elbo);
        assert!(-(D as f64) * number(loss.clone()) < expected - 1e-3);
        assert!(steepest(&other, loss) > 1e-3);
    }
}

#[test]
fn the_bound_is_a_reconstruction_less_a_rate() {
    for (d, rate) in [(1, 0.469318420912392), (2, 1.124452977826904)] {
        let eigen = eigen();
        let rest = &eigen[d..];
        let variance = rest.iter().map(|(value, _)| value).sum::<f64>() / rest.len() as f64;
        let elbo = NegativeElbo {
            variance,
            beta: 1.0,
        };
        let (cloud, mut network) = (cloud(d), Linear::<NdArray>::optimum(d, variance, 1.0));
        let posterior = network.posterior(&cloud);
        let found = number(posterior.kl().mean());
        assert!((found - rate).abs() < 1e-12, "d = {d}: {found}");
        // Over the data the latents have unit variance, so that their scale is the identity.
        let squares = posterior.mean.square().mean() + posterior.log_variance.exp().mean();
        assert!((number(squares) - 1.0).abs() < 1e-12);
        if d > 1 {
            continue;
        }
        let reconstruction = rate - D as f64 * number(network.loss(&cloud, elbo));
        assert!((reconstruction + 4.169907886620026).abs() < 1e-10);
        let own = number(network.log_variance.val().exp().mean());
        assert!((own - 0.3911606859830875).abs() < 1e-12, "{own}");
        // An encoder that is too unsure loses in both parts.
        network.log_variance = Param::from_tensor(network.log_variance.val().zeros_like());
        let found = -(D as f64) * number(network.loss(&cloud, elbo));
        assert!((found + 4.948154954684576).abs() < 1e-10, "{found}");
    }
}

#[test]
fn the_rate_of_two_latents_is_their_divergence() {
    let moments = tensor::<NdArray>(&[0.3, -1.2, -0.5, 0.7], [1, 4]);
    let found = number(Posterior::of(moments.reshape([1, 4, 1, 1])).kl());
    assert!((found - 0.975141683591555).abs() < 1e-14, "{found}");
}

#[test]
fn a_larger_beta_gives_up_the_directions_of_little_variance() {
    // λ₃ is below βs² = 0.8, so the third latent holds nothing.
    let (variance, beta) = (0.2, 4.0);
    let losses = [4.207683835619331, 2.986267656119318, 1.443660750681953];
    let elbo = NegativeElbo { variance, beta };
    let network = Linear::<Tape>::optimum(3, variance, beta);
    let log_variance = network.log_variance.val().into_data();
    let log_variance = log_variance.convert::<f64>().into_vec::<f64>();
    let found: Vec<f64> = (log_variance.expect("f64").into_iter().map(f64::exp)).collect();
    let squares = network.decoder.val().square().sum_dim(1).into_data();
    let squares = squares.convert::<f64>().into_vec::<f64>().expect("f64");
    for (k, (variance, square)) in [
        (0.331594673854172, 1.612583986049854),
        (0.610709533524865, 0.509951713677364),
        (1.0, 0.0),
    ]
    .into_iter()
    .enumerate()
    {
        assert!((found[k] - variance).abs() < 1e-12, "{found:?}");
        assert!((squares[k] - square).abs() < 1e-12, "{squares:?}");
    }
    let loss = network.loss(&cloud(3), elbo);
    let constant = 0.5 * D as f64 * (std::f64::consts::TAU * variance).ln();
    let found = D as f64 * number(loss.clone()) - constant;
    let expected: f64 = losses.iter().sum();
    assert!((found - expected).abs() < 1e-10, "{found} {expected}");
    assert!(steepest(&network, loss) < 1e-10);
}

#[test]
fn gradient_descent_finds_the_bound() {
    let rest: Vec<f64> = eigen().iter().skip(1).map(|(value, _)| *value).collect();
    let elbo = NegativeElbo {
        variance: rest.iter().sum::<f64>() / rest.len() as f64,
        beta: 1.0,
    };
    let cloud = cloud(1);
    let mut weights: [Vec<f64>; 4] = [
        vec![0.3, -0.2, 0.1],
        vec![-0.5],
        vec![-0.4, 0.5, 0.9],
        vec![0.2, -0.1, 0.3],
    ];
    for _ in 0..3000 {
        let [a, l, w, m] = &weights;
        let network = Linear::<Tape>::of(a, l, w, m);
        let tape = network.loss(&cloud, elbo).backward();
        let parameters = [
            network.encoder.val(),
            network.log_variance.val(),
            network.decoder.val(),
            network.mean.val(),
        ];
        for (weight, parameter) in weights.iter_mut().zip(parameters) {
            let gradient = parameter.grad(&tape).expect("it acts on the loss");
            let gradient = gradient.into_data().convert::<f64>().into_vec::<f64>();
            for (w, g) in weight.iter_mut().zip(gradient.expect("f64")) {
                *w -= 0.3 * g;
            }
        }
    }
    let [a, l, w, m] = &weights;
    let found = -(D as f64) * number(Linear::<Tape>::of(a, l, w, m).loss(&cloud, elbo));
    assert!((found + 4.639226307532418).abs() < 1e-6, "{found}");
}
