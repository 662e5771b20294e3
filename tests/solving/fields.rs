//! The analytic fields against closed forms, host sums and the equations that they solve.
//!
//! `∂_t p + ∇·(p u) = 0` · `∂_t p + ∇·(p f) = ½g²Δp` · `u = α̇x̂1 + σ̇x̂0` · `s = ∇log p_t`
//!
//! The densities and posteriors here are plain sums in f64 on the host, written without the library.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_ndarray::NdArray;
use pyroclast_core::analytic::{Dataset, Gaussian, GaussianMixture};
use pyroclast_core::field::{Counted, Denoiser, Sde, VectorField};
use pyroclast_core::guidance::Guided;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::per_sample::from_host;
use pyroclast_core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast_core::schedule::{
    Cosine, Edm, Linear, Polynomial, Schedule, SubVariancePreserving, Trigonometric,
    VarianceExploding, VariancePreserving,
};
use std::f64::consts::{FRAC_PI_2, PI};
use std::fmt::Debug;
use std::sync::Arc;

type B = NdArray<f64>;

// ---------------------------------------------------------------------------------------------------------------------
// What the tests are made of

fn tensor<const D: usize>(values: Vec<f64>, shape: [usize; D]) -> Tensor<B, D> {
    from_host(values, shape, &Default::default(), DType::F64)
}

/// A standard normal tensor that depends on `index` alone.
fn normal<const D: usize>(index: u64, shape: [usize; D]) -> Tensor<B, D> {
    let mut draws = Noise::new(20).draws(Stream::Data, index);
    draws.normal_tensor(shape, &Default::default(), DType::F64)
}

fn values<T: Backend, const D: usize>(x: Tensor<T, D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn schedules() -> Vec<Arc<dyn Schedule>> {
    vec![
        Arc::new(Linear::default()),
        Arc::new(Linear { sigma_min: 0.1 }),
        Arc::new(Polynomial { degree: 2.0 }),
        Arc::new(Trigonometric),
        Arc::new(VariancePreserving::default()),
        Arc::new(Cosine),
        Arc::new(SubVariancePreserving::default()),
        Arc::new(VarianceExploding::default()),
        Arc::new(Edm::default()),
    ]
}

/// The largest difference, relative to the largest expected value or to 1; NaN fails.
#[track_caller]
fn close(got: &[f64], expected: &[f64], tolerance: f64, context: impl Debug) {
    assert_eq!(got.len(), expected.len(), "{context:?}");
    let largest = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    for (g, e) in got.iter().zip(expected) {
        assert!(
            (g - e).abs() <= tolerance * largest,
            "{g:e} instead of {e:e} (largest {largest:e}) at {context:?}"
        );
    }
}

/// The integral over [0, 1] by Gauss–Legendre with three points on each of 400 panels; the ends are not visited.
fn integral(f: impl Fn(f64) -> f64) -> f64 {
    let panels = 400;
    let width = 1.0 / f64::from(panels);
    let offset = 0.6_f64.sqrt() / 2.0;
    let panel = |i: i32| {
        let at = |x: f64| f(width * (f64::from(i) + 0.5 + x));
        width * (5.0 * at(-offset) + 8.0 * at(0.0) + 5.0 * at(offset)) / 18.0
    };
    (0..panels).map(panel).sum()
}

/// The classical fourth-order Runge–Kutta method on a uniform grid over [0, 1].
fn flow_map<const D: usize>(
    field: &impl VectorField<B, D>,
    x: Tensor<B, D>,
    steps: usize,
) -> Tensor<B, D> {
    let h = 1.0 / steps as f64;
    (0..steps).fold(x, |x, i| {
        let t = i as f64 * h;
        let k1 = field.velocity(t, x.clone());
        let k2 = field.velocity(t + h / 2.0, x.clone() + k1.clone() * (h / 2.0));
        let k3 = field.velocity(t + h / 2.0, x.clone() + k2.clone() * (h / 2.0));
        let k4 = field.velocity(t + h, x.clone() + k3.clone() * h);
        x + (k1 + (k2 + k3) * 2.0 + k4) * (h / 6.0)
    })
}

/// A mixture of isotropic Gaussians as plain numbers.
#[derive(Debug, Clone)]
struct Law {
    dim: usize,
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    stds: Vec<f64>,
}

impl Law {
    /// Three components of different weight, place and width.
    fn example(dim: usize) -> Self {
        let place = |k: usize, j: usize| ((3 * k + 5 * j) as f64).sin() * 2.0;
        Self {
            dim,
            weights: vec![0.5, 0.2, 0.3],
            means: (0..3)
                .map(|k| (0..dim).map(|j| place(k, j)).collect())
                .collect(),
            stds: vec![0.5, 0.8, 0.3],
        }
    }

    fn field<S: Schedule>(&self, schedule: S) -> GaussianMixture<B, S, 2> {
        let means = tensor(self.means.concat(), [self.means.len(), self.dim]);
        // Weights need not sum to 1.
        let weights: Vec<f64> = self.weights.iter().map(|w| 7.0 * w).collect();
        GaussianMixture::new(means, &weights, &self.stds, schedule)
    }

    fn variance(&self, k: usize, alpha: f64, sigma: f64) -> f64 {
        (alpha * self.stds[k]).powi(2) + sigma * sigma
    }

    /// `ln(w_k·N(x; αμ_k, v_k·I))` of each component.
    fn log_terms(&self, schedule: &dyn Schedule, t: f64, x: &[f64]) -> Vec<f64> {
        let c = schedule.at(t);
        let term = |k: usize| {
            let v = self.variance(k, c.alpha, c.sigma);
            let offset = |(x, m): (&f64, &f64)| (x - c.alpha * m).powi(2);
            let distance: f64 = x.iter().zip(&self.means[k]).map(offset).sum();
            let norm = -0.5 * self.dim as f64 * (2.0 * PI * v).ln();
            self.weights[k].ln() + norm - 0.5 * distance / v
        };
        (0..self.weights.len()).map(term).collect()
    }

    fn log_density(&self, schedule: &dyn Schedule, t: f64, x: &[f64]) -> f64 {
        log_sum_exp(&self.log_terms(schedule, t, x))
    }

    fn density(&self, schedule: &dyn Schedule, t: f64, x: f64) -> f64 {
        self.log_density(schedule, t, &[x]).exp()
    }

    fn posterior(&self, schedule: &dyn Schedule, t: f64, x: &[f64]) -> Vec<f64> {
        let terms = self.log_terms(schedule, t, x);
        let total = log_sum_exp(&terms);
        terms.iter().map(|term| (term - total).exp()).collect()
    }

    /// `E[x1 | x_t = x]`.
    fn denoised(&self, schedule: &dyn Schedule, t: f64, x: &[f64]) -> Vec<f64> {
        let c = schedule.at(t);
        let posterior = self.posterior(schedule, t, x);
        let coordinate = |j: usize| {
            let component = |k: usize| {
                let gain = c.alpha * self.stds[k].powi(2) / self.variance(k, c.alpha, c.sigma);
                let mean = self.means[k][j];
                posterior[k] * (mean + gain * (x[j] - c.alpha * mean))
            };
            (0..self.weights.len()).map(component).sum()
        };
        (0..self.dim).map(coordinate).collect()
    }
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
    largest + sum.ln()
}

// ---------------------------------------------------------------------------------------------------------------------
// One Gaussian on the linear path

const STDS: [f64; 4] = [0.3, 0.5, 1.0, 2.0];

fn mean() -> Tensor<B, 2> {
    tensor(vec![0.7, -1.9, 4.0], [1, 3])
}

fn linear_gaussian(mean: Tensor<B, 2>, std: f64) -> Gaussian<B, Linear, 2> {
    let schedule = Linear::default();
    Gaussian {
        mean,
        std,
        schedule,
    }
}

/// The velocity of N(0, I) → N(0, s²I) at ±1, one line in one dimension.
fn slope(std: f64, t: f64) -> f64 {
    let field = linear_gaussian(tensor(vec![0.0], [1, 1]), std);
    let u = values(field.velocity(t, tensor(vec![1.0, -1.0], [2, 1])));
    assert_eq!(u[0], -u[1]);
    u[0]
}

fn path_variance(std: f64, t: f64) -> f64 {
    (1.0 - t).powi(2) + t * t * std * std
}

#[test]
fn the_linear_gaussian_field_is_the_closed_form() {
    let x = normal(0, [5, 3]);
    let mean = mean();
    for std in STDS {
        for t in [0.0, 0.2, 0.5, 0.9, 1.0] {
            let u = linear_gaussian(mean.clone(), std).velocity(t, x.clone());
            let gain = (t * std * std - (1.0 - t)) / path_variance(std, t);
            let mean = values(mean.clone());
            let expected: Vec<f64> = (values(x.clone()).iter().enumerate())
                .map(|(i, x)| mean[i % 3] + gain * (x - t * mean[i % 3]))
                .collect();
            close(&values(u), &expected, 1e-13, (std, t));
        }
    }
}

#[test]
fn the_linear_gaussian_flow_map_scales_and_shifts() {
    let x0 = normal(1, [6, 3]);
    for std in STDS {
        let x1 = flow_map(&linear_gaussian(mean(), std), x0.clone(), 200);
        close(&values(x1), &values(x0.clone() * std + mean()), 1e-8, std);
    }
}

#[test]
fn the_linear_gaussian_flow_stretches_volumes_by_the_standard_deviation() {
    for std in STDS {
        let log_det = integral(|t| slope(std, t));
        close(&[log_det], &[std.ln()], 1e-10, std);
    }
}

#[test]
fn the_linear_gaussian_path_energy_is_the_closed_form() {
    for std in STDS {
        // A velocity linear in x has its second moment at ± one standard deviation.
        let energy = integral(|t| slope(std, t).powi(2) * path_variance(std, t));
        let expected = 1.0 + std * std - std * FRAC_PI_2;
        close(&[energy], &[expected], 1e-10, std);
        if std == 1.0 {
            close(&[energy], &[0.429_203_673_205_103_4], 1e-10, std);
        }
    }
}

#[test]
fn the_linear_gaussian_irreducible_loss_is_the_closed_form() {
    for std in STDS {
        let field = linear_gaussian(tensor(vec![0.0], [1, 1]), std);
        // Var(x1 | x_t) = σ²/α·∂x̂1/∂x (Tweedie), and the conditional velocity is Δ/σ·x1 plus what x_t fixes.
        let variance = |t: f64| {
            let x1 = values(field.denoise(t, tensor(vec![0.5, -0.5], [2, 1])));
            let c = field.schedule.at(t);
            let data = c.sigma * c.sigma / c.alpha * (x1[0] - x1[1]);
            (c.delta() / c.sigma).powi(2) * data
        };
        close(&[integral(variance)], &[std * FRAC_PI_2], 1e-10, std);
    }
}

#[test]
fn every_gaussian_flow_map_carries_one_standard_deviation_to_the_next() {
    // In one dimension the flow keeps quantiles: αμ + z·√v at every t, so its slope in t is the velocity.
    let (mean, std, h) = (1.3, 0.6, 1e-5);
    for schedule in schedules() {
        let field = Gaussian {
            mean: tensor(vec![mean], [1, 1]),
            std,
            schedule: &schedule,
        };
        for t in [0.1, 0.4, 0.7, 0.95] {
            for z in [-2.0, 0.0, 1.0] {
                let quantile = |t: f64| {
                    let c = schedule.at(t);
                    c.alpha * mean + z * (c.alpha * std).hypot(c.sigma)
                };
                let u = values(field.velocity(t, tensor(vec![quantile(t)], [1, 1])));
                let expected = (quantile(t + h) - quantile(t - h)) / (2.0 * h);
                // Central differences at this step are good to some 1e-8 of the slope.
                close(&u, &[expected], 1e-6, (&schedule, t, z));
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Mixtures and datasets

#[test]
fn a_gaussian_is_a_mixture_of_one_component() {
    let x = normal(2, [4, 3]) * 2.0;
    for schedule in schedules() {
        let gaussian = Gaussian {
            mean: mean(),
            std: 0.6,
            schedule: &schedule,
        };
        let mixture = GaussianMixture::new(mean(), &[3.0], &[0.6], &schedule);
        for t in [0.05, 0.3, 0.6, 0.9] {
            let context = (&schedule, t);
            let of = |f: &dyn Fn(&dyn Both) -> Tensor<B, 2>| (f(&gaussian), f(&mixture));
            for (one, other) in [
                of(&|field| field.velocity(t, x.clone())),
                of(&|field| field.denoise(t, x.clone())),
                of(&|field| field.noise(t, x.clone())),
                of(&|field| field.score(t, x.clone())),
            ] {
                close(&values(other), &values(one), 1e-12, context);
            }
        }
    }
}

/// A field and a denoiser at once.
trait Both: VectorField<B, 2> + Denoiser<B, 2> {}

impl<F: VectorField<B, 2> + Denoiser<B, 2>> Both for F {}

#[test]
fn a_mixture_denoises_like_the_host_sum() {
    let law = Law::example(3);
    let x = normal(3, [7, 3]) * 2.0;
    let rows: Vec<Vec<f64>> = values(x.clone()).chunks(3).map(<[f64]>::to_vec).collect();
    for schedule in schedules() {
        let field = law.field(&schedule);
        for t in [0.05, 0.3, 0.6, 0.9, 0.99] {
            let c = schedule.at(t);
            let context = (&schedule, t);
            let of = |f: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
                rows.iter().flat_map(|x| f(x)).collect()
            };
            let posterior = of(&|x| law.posterior(&schedule, t, x));
            let x1 = of(&|x| law.denoised(&schedule, t, x));
            let x0: Vec<f64> = (values(x.clone()).iter().zip(&x1))
                .map(|(x, x1)| (x - c.alpha * x1) / c.sigma)
                .collect();
            let velocity: Vec<f64> = (x0.iter().zip(&x1))
                .map(|(x0, x1)| c.d_alpha * x1 + c.d_sigma * x0)
                .collect();
            let r = field.responsibilities(t, x.clone());
            close(&values(r), &posterior, 1e-10, context);
            close(&values(field.denoise(t, x.clone())), &x1, 1e-10, context);
            close(&values(field.noise(t, x.clone())), &x0, 1e-10, context);
            let u = field.velocity(t, x.clone());
            close(&values(u), &velocity, 1e-10, context);
        }
    }
}

#[test]
fn the_mixture_score_is_the_gradient_of_the_log_density() {
    let law = Law::example(3);
    let x = normal(4, [7, 3]) * 2.0;
    for schedule in schedules() {
        let field = law.field(&schedule);
        for t in [0.05, 0.3, 0.6, 0.9] {
            let score = field.score(t, x.clone());
            let scale = schedule.at(t).sigma.max(0.1);
            let h = 1e-3 * scale;
            let mut gradient = Vec::new();
            for row in values(x.clone()).chunks(3) {
                for j in 0..3 {
                    let at = |steps: f64| {
                        let mut moved = row.to_vec();
                        moved[j] += steps * h;
                        law.log_density(&schedule, t, &moved)
                    };
                    // The five-point formula, whose error is of the fourth order.
                    let slope = 8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0));
                    gradient.push(slope / (12.0 * h));
                }
            }
            // Rounding of log p (some hundreds) over h leaves about 1e-9.
            close(&values(score), &gradient, 1e-8, (&schedule, t));
        }
    }
}

#[test]
fn the_dataset_posterior_is_the_softmax_of_the_distances() {
    let points = normal(5, [6, 2]) * 1.5;
    let x = normal(6, [5, 2]) * 1.5;
    let (p, rows) = (values(points.clone()), values(x.clone()));
    for schedule in schedules() {
        let dataset = Dataset::new(points.clone(), &schedule);
        for t in [0.0, 0.05, 0.3, 0.6, 0.9, 0.95] {
            let c = schedule.at(t);
            let mut weights = Vec::new();
            let mut denoised = Vec::new();
            for x in rows.chunks(2) {
                let distance =
                    |p: &[f64]| (x[0] - c.alpha * p[0]).powi(2) + (x[1] - c.alpha * p[1]).powi(2);
                let distances: Vec<f64> = p.chunks(2).map(distance).collect();
                let nearest = distances.iter().copied().fold(f64::INFINITY, f64::min);
                let terms: Vec<f64> = (distances.iter())
                    .map(|d| (-(d - nearest) / (2.0 * c.sigma * c.sigma)).exp())
                    .collect();
                let total: f64 = terms.iter().sum();
                let row: Vec<f64> = terms.iter().map(|term| term / total).collect();
                for j in 0..2 {
                    denoised.push(row.iter().zip(p.chunks(2)).map(|(w, p)| w * p[j]).sum());
                }
                weights.extend(row);
            }
            let context = (&schedule, t);
            let got = dataset.posterior(t, x.clone());
            close(&values(got), &weights, 1e-10, context);
            let got = dataset.denoise(t, x.clone());
            close(&values(got), &denoised, 1e-10, context);
        }
    }
}

#[test]
fn a_dataset_is_a_mixture_of_equal_weights_without_width() {
    let points = normal(5, [6, 2]) * 1.5;
    let x = normal(6, [5, 2]) * 1.5;
    for schedule in schedules() {
        let dataset = Dataset::new(points.clone(), &schedule);
        let mixture = GaussianMixture::new(points.clone(), &[0.2; 6], &[0.0; 6], &schedule);
        for t in [0.05, 0.3, 0.6, 0.9] {
            let context = (&schedule, t);
            for (one, other) in [
                (
                    dataset.velocity(t, x.clone()),
                    mixture.velocity(t, x.clone()),
                ),
                (dataset.denoise(t, x.clone()), mixture.denoise(t, x.clone())),
                (dataset.noise(t, x.clone()), mixture.noise(t, x.clone())),
                (dataset.score(t, x.clone()), mixture.score(t, x.clone())),
            ] {
                close(&values(one), &values(other), 1e-14, context);
            }
        }
    }
}

#[test]
fn a_dataset_denoises_to_its_nearest_point_at_the_data_end() {
    let points = normal(5, [6, 2]) * 1.5;
    let order = [4, 0, 5, 2];
    let chosen =
        |x: Tensor<B, 2>| Tensor::cat(order.map(|i| x.clone().narrow(0, i, 1)).to_vec(), 0);
    for schedule in [&Linear::default() as &dyn Schedule, &Trigonometric] {
        let dataset = Dataset::new(points.clone(), schedule);
        let x = chosen(points.clone()) + normal(7, [4, 2]) * 1e-3;
        let got = dataset.denoise(0.999, x);
        close(
            &values(got),
            &values(chosen(points.clone())),
            1e-12,
            schedule,
        );
    }
}

#[test]
fn a_mixture_of_images_is_the_mixture_of_their_pixels() {
    let means = normal(8, [3, 1, 3, 3]);
    let x = normal(9, [2, 1, 3, 3]) * 1.5;
    let (weights, stds) = ([0.2, 0.5, 0.3], [0.4, 0.9, 0.6]);
    for schedule in schedules() {
        let images = GaussianMixture::new(means.clone(), &weights, &stds, &schedule);
        let rows = GaussianMixture::new(means.clone().reshape([3, 9]), &weights, &stds, &schedule);
        let dataset = Dataset::new(means.clone(), &schedule);
        let flat_dataset = Dataset::new(means.clone().reshape([3, 9]), &schedule);
        for t in [0.1, 0.5, 0.9] {
            let flat = x.clone().reshape([2, 9]);
            let context = (&schedule, t);
            for (image, row) in [
                (
                    images.velocity(t, x.clone()),
                    rows.velocity(t, flat.clone()),
                ),
                (images.denoise(t, x.clone()), rows.denoise(t, flat.clone())),
                (images.noise(t, x.clone()), rows.noise(t, flat.clone())),
                (images.score(t, x.clone()), rows.score(t, flat.clone())),
                (
                    dataset.velocity(t, x.clone()),
                    flat_dataset.velocity(t, flat.clone()),
                ),
            ] {
                assert_eq!(image.dims(), [2, 1, 3, 3]);
                close(&values(image), &values(row), 1e-14, context);
            }
        }
    }
}

#[test]
fn points_far_from_every_component_are_safe() {
    let law = Law::example(2);
    let far: Vec<f64> = vec![1e3, 1e3, -1e3, 0.0, 0.0, 1e3, 1e3, -999.0];
    for schedule in schedules() {
        let field = law.field(&schedule);
        for t in [0.0, 0.3, 0.9] {
            let context = (&schedule, t);
            let x = tensor(far.clone(), [4, 2]);
            let expected: Vec<f64> = (far.chunks(2))
                .flat_map(|x| law.denoised(&schedule, t, x))
                .collect();
            // exp(−½·10⁶/v) is 0 in f64, so the naive posterior would be 0/0.
            close(
                &values(field.denoise(t, x.clone())),
                &expected,
                1e-9,
                context,
            );
            let r = values(field.responsibilities(t, x.clone()));
            for row in r.chunks(3) {
                close(&[row.iter().sum()], &[1.0], 1e-12, context);
            }
            assert!(
                values(field.velocity(t, x.clone()))
                    .iter()
                    .all(|v| v.is_finite())
            );
            assert!(values(field.score(t, x)).iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn points_far_from_every_component_are_safe_in_single_precision() {
    type Single = NdArray<f32>;
    let device = Default::default();
    let of = |values: Vec<f64>, shape: [usize; 2]| {
        from_host::<Single, 2>(values, shape, &device, DType::F32)
    };
    let points = of(vec![1.0, 0.5, -2.0, 1.0, 0.3, -1.0], [3, 2]);
    let x = of(vec![1e3, 1e3, -1e3, 0.0, 0.0, 1e3], [3, 2]);
    for schedule in schedules() {
        let field = Dataset::new(points.clone(), &schedule);
        for t in [0.0, 0.3, 0.9] {
            let u = field.velocity(t, x.clone());
            assert_eq!(u.dtype(), DType::F32);
            assert!(values(u).iter().all(|v| v.is_finite()), "{schedule:?}");
        }
    }
}

/// Holds the posterior of a cloud around (shift, shift), late on the linear path, against the host sum.
#[track_caller]
fn a_shifted_cloud_keeps_its_posterior<T: Backend>(shift: f64, dtype: DType, tolerance: f64) {
    let (n, t) = (40, 0.99);
    let device = Default::default();
    let of = |x: Tensor<B, 2>| {
        Tensor::<T, 2>::from_data(x.into_data().convert_dtype(dtype), (&device, dtype))
    };
    // Points a few σ apart, so that the posterior is not merely 0 or 1.
    let points = of(normal(14, [n, 2]) * 0.05 + shift);
    let x = points.clone() * t + of(normal(15, [n, 2])) * (1.0 - t);
    let law = Law {
        dim: 2,
        weights: vec![1.0 / n as f64; n],
        means: values(points.clone())
            .chunks(2)
            .map(<[f64]>::to_vec)
            .collect(),
        stds: vec![0.0; n],
    };
    let schedule = Linear::default();
    let expected: Vec<f64> = (values(x.clone()).chunks(2))
        .flat_map(|x| law.posterior(&schedule, t, x))
        .collect();
    let got = Dataset::new(points, schedule).posterior(t, x);
    close(&values(got), &expected, tolerance, shift);
}

#[test]
fn a_cloud_far_from_the_origin_keeps_its_posterior() {
    // Rounding αμ moves it by ε·shift, and so the exponents by ε·shift·0.05/σ²: by 1e-9 and by 3e-3 here.
    a_shifted_cloud_keeps_its_posterior::<NdArray<f64>>(1e4, DType::F64, 1e-8);
    a_shifted_cloud_keeps_its_posterior::<NdArray<f32>>(100.0, DType::F32, 1e-2);
}

#[test]
fn noise_and_score_follow_from_the_denoiser() {
    /// The denoiser of another field, with the trait's own noise and score.
    struct Plain<'a, F>(&'a F);
    impl<F: Denoiser<B, 2>> Denoiser<B, 2> for Plain<'_, F> {
        fn schedule(&self) -> &dyn Schedule {
            self.0.schedule()
        }
        fn denoise(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
            self.0.denoise(t, x)
        }
    }
    let x = normal(10, [4, 2]) * 2.0;
    for schedule in schedules() {
        let field = Law::example(2).field(&schedule);
        let plain = Plain(&field);
        for t in [0.1, 0.5, 0.9] {
            let context = (&schedule, t);
            let noise = (plain.noise(t, x.clone()), field.noise(t, x.clone()));
            close(&values(noise.0), &values(noise.1), 1e-12, context);
            let score = (plain.score(t, x.clone()), field.score(t, x.clone()));
            close(&values(score.0), &values(score.1), 1e-12, context);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The equations of the density

/// A density that the noise smooths and that the schedule keeps within [−6, 6] for every time below.
fn line() -> Law {
    Law {
        dim: 1,
        weights: vec![0.35, 0.45, 0.2],
        means: vec![vec![-1.5], vec![0.4], vec![2.0]],
        stds: vec![0.6, 0.5, 0.8],
    }
}

fn smooth_schedules() -> Vec<Arc<dyn Schedule>> {
    vec![
        Arc::new(Linear::default()),
        Arc::new(Trigonometric),
        Arc::new(VariancePreserving::default()),
        Arc::new(VarianceExploding {
            sigma_min: 0.2,
            sigma_max: 3.0,
        }),
    ]
}

/// The root mean square over time and space of `∂_t p + ∂_x(p·f) − ½g²∂_xx p`, by central differences of step h.
fn residual(
    law: &Law,
    schedule: &dyn Schedule,
    drift: &dyn Fn(f64, Tensor<B, 2>) -> Tensor<B, 2>,
    diffusion: &dyn Fn(f64) -> f64,
    h: f64,
) -> f64 {
    let xs: Vec<f64> = (-30..=30).map(|i| 0.2 * f64::from(i)).collect();
    let times = [0.2, 0.4, 0.6, 0.8];
    let mut sum = 0.0;
    for t in times {
        let p = |t: f64, x: f64| law.density(schedule, t, x);
        let drift_at = |shift: f64| {
            let x = xs.iter().map(|x| x + shift).collect();
            values(drift(t, tensor(x, [xs.len(), 1])))
        };
        let (before, after) = (drift_at(-h), drift_at(h));
        let g = diffusion(t);
        for (i, &x) in xs.iter().enumerate() {
            let (left, here, right) = (p(t, x - h), p(t, x), p(t, x + h));
            let d_t = (p(t + h, x) - p(t - h, x)) / (2.0 * h);
            let d_flux = (right * after[i] - left * before[i]) / (2.0 * h);
            let laplacian = (right - 2.0 * here + left) / (h * h);
            sum += (d_t + d_flux - 0.5 * g * g * laplacian).powi(2);
        }
    }
    (sum / (times.len() * xs.len()) as f64).sqrt()
}

/// Second-order differences of an exact solution leave a residual that falls fourfold with every halving of the step.
#[track_caller]
fn vanishes_at_second_order(residual: impl Fn(f64) -> f64, context: impl Debug) {
    let residuals = [0.02, 0.01, 0.005, 0.0025].map(residual);
    for pair in residuals.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!(
            (ratio - 4.0).abs() < 0.1,
            "{context:?}: {residuals:?} fall by {ratio}"
        );
    }
    assert!(residuals[3] < 1e-3, "{context:?}: {residuals:?}");
}

#[test]
fn the_mixture_solves_the_continuity_equation() {
    let law = line();
    for schedule in smooth_schedules() {
        let field = law.field(&schedule);
        let residual = |h: f64| {
            let drift = |t: f64, x: Tensor<B, 2>| field.velocity(t, x);
            residual(&law, &schedule, &drift, &|_| 0.0, h)
        };
        vanishes_at_second_order(residual, &schedule);
    }
}

#[test]
fn every_extension_solves_the_fokker_planck_equation() {
    let law = line();
    let levels: [fn() -> NoiseLevel; 6] = [
        || NoiseLevel::Constant(0.0),
        || NoiseLevel::Constant(0.8),
        || NoiseLevel::Sigma(1.2),
        || NoiseLevel::Diffusion(1.0),
        || NoiseLevel::Diffusion(0.5),
        || NoiseLevel::Custom(Box::new(|t| 0.3 + t)),
    ];
    for schedule in smooth_schedules() {
        for noise_level in levels.map(|level| level()) {
            let sde = ReverseSde {
                field: law.field(&schedule),
                noise_level,
            };
            let residual = |h: f64| {
                let drift = |t: f64, x: Tensor<B, 2>| sde.drift(t, x);
                let diffusion = |t: f64| sde.noise_level.at(t, &*schedule);
                residual(&law, &schedule, &drift, &diffusion, h)
            };
            vanishes_at_second_order(residual, (&schedule, &sde.noise_level));
        }
    }
}

#[test]
fn the_noise_levels_are_what_they_are_called() {
    let vp = VariancePreserving::default();
    for t in [0.1, 0.5, 0.9] {
        let sigma = vp.at(t).sigma;
        let at = |level: NoiseLevel| level.at(t, &vp);
        close(&[at(NoiseLevel::Constant(0.7))], &[0.7], 0.0, t);
        close(
            &[at(NoiseLevel::Sigma(1.5)).powi(2)],
            &[2.25 * sigma * sigma],
            1e-13,
            t,
        );
        let rate = at(NoiseLevel::Diffusion(2.0)).powi(2);
        close(&[rate], &[4.0 * vp.beta(t)], 1e-12, t);
        close(
            &[at(NoiseLevel::Custom(Box::new(|t| t * t)))],
            &[t * t],
            0.0,
            t,
        );
    }
}

#[test]
fn the_extension_by_the_diffusion_is_the_reverse_sde() {
    // Anderson 1982: the noising dx = −½βx ds + √β dw run backwards is dx = (½βx + β·score) dt + √β dw.
    let vp = VariancePreserving::default();
    let field = Law::example(2).field(vp);
    let x = normal(11, [5, 2]) * 1.5;
    for t in [0.1, 0.5, 0.9] {
        let beta = vp.beta(t);
        let expected = x.clone() * (0.5 * beta) + field.score(t, x.clone()) * beta;
        let sde = ReverseSde {
            field: field.clone(),
            noise_level: NoiseLevel::Diffusion(1.0),
        };
        close(
            &values(sde.drift(t, x.clone())),
            &values(expected),
            1e-12,
            t,
        );
        let g = sde.noise_level.at(t, &vp);
        close(&[g * g], &[beta], 1e-12, t);
    }
}

#[test]
fn levels_that_fade_with_the_noise_keep_the_drift_continuous_at_the_data_end() {
    // There g = 0 and σ = 0, and with a smooth density ½g²·score vanishes: the drift is the velocity.
    let x = normal(16, [4, 3]);
    for schedule in [&Linear::default() as &dyn Schedule, &Trigonometric] {
        for noise_level in [
            || NoiseLevel::Constant(0.0),
            || NoiseLevel::Sigma(1.2),
            || NoiseLevel::Diffusion(0.9),
        ] {
            let sde = ReverseSde {
                field: Gaussian {
                    mean: mean(),
                    std: 0.5,
                    schedule,
                },
                noise_level: noise_level(),
            };
            let at_end = sde.drift(1.0, x.clone());
            let before = sde.drift(1.0 - 1e-9, x.clone());
            let context = (schedule, &sde.noise_level);
            close(&values(at_end), &values(before), 1e-7, context);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Wrappers

#[test]
fn guidance_overshoots_from_the_unconditional_to_the_conditional_field() {
    let x = normal(12, [4, 3]);
    let (conditional, unconditional) = (
        linear_gaussian(mean(), 0.5),
        linear_gaussian(mean() * -0.3, 1.0),
    );
    let t = 0.4;
    for weight in [0.0, 0.5, 1.0, 3.0] {
        let guided = Guided {
            conditional: conditional.clone(),
            unconditional: unconditional.clone(),
            weight,
        };
        let mixed = |u: Tensor<B, 2>, c: Tensor<B, 2>| values(u.clone() + (c - u) * weight);
        let u = unconditional.velocity(t, x.clone());
        let c = conditional.velocity(t, x.clone());
        let got = guided.velocity(t, x.clone());
        close(&values(got), &mixed(u, c), 1e-13, weight);
        let u = unconditional.denoise(t, x.clone());
        let c = conditional.denoise(t, x.clone());
        let got = guided.denoise(t, x.clone());
        close(&values(got), &mixed(u, c), 1e-13, weight);
        let u = unconditional.score(t, x.clone());
        let c = conditional.score(t, x.clone());
        let got = guided.score(t, x.clone());
        close(&values(got), &mixed(u, c), 1e-13, weight);
    }
}

#[test]
fn a_counted_field_is_the_field_and_counts_every_evaluation() {
    let field = linear_gaussian(mean(), 0.5);
    let counted = Counted::new(&field);
    let x = normal(13, [4, 3]);
    let same = |got: Tensor<B, 2>, expected: Tensor<B, 2>| {
        close(&values(got), &values(expected), 0.0, "counted");
    };
    assert_eq!(counted.evaluations(), 0);
    same(
        counted.velocity(0.3, x.clone()),
        field.velocity(0.3, x.clone()),
    );
    assert_eq!(counted.evaluations(), 1);
    same(
        counted.denoise(0.3, x.clone()),
        field.denoise(0.3, x.clone()),
    );
    same(counted.noise(0.3, x.clone()), field.noise(0.3, x.clone()));
    assert_eq!(counted.evaluations(), 3);
    same(counted.score(0.3, x.clone()), field.score(0.3, x));
    assert_eq!(counted.evaluations(), 4);
}
