//! Guidance and conditioning against laws whose conditionals are known.
//!
//! `∇log p_t(x|y) = ∇log p_t(x) + ∇log p_t(y|x)`

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_ndarray::NdArray;
use pyroclast::core::analytic::{Gaussian, GaussianMixture};
use pyroclast::core::ddpm::Variance;
use pyroclast::core::endpoints::Endpoints;
use pyroclast::core::field::{Counted, Denoiser, Sde, VectorField};
use pyroclast::core::flow::Flow;
use pyroclast::core::guidance::{
    ClassifierGuided, Clipped, ClippedNoise, Guided, Inpainted, Interval, Likelihood, Measured,
    Rescaled, Thresholded,
};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::core::per_sample::from_host;
use pyroclast::core::reverse_sde::{NoiseLevel, ReverseSde};

use pyroclast::core::probability_flow::ProbabilityFlow;
use pyroclast::core::schedule::{
    Cosine, Edm, Linear, Polynomial, Schedule, Trigonometric, VarianceExploding, VariancePreserving,
};
use pyroclast::models::{Init, MlpConfig};
use pyroclast::solvers::sampler::{Ddim, Ddpm, DpmSolver, UniPc, Variant};
use pyroclast::solvers::{EULER, EulerMaruyama, Increments, RK4, TimeGrid, integrate};
use std::fmt::Debug;
use std::sync::Arc;

type B = NdArray<f64>;
type A = Autodiff<B>;

fn tensor<T: Backend, const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<T, D> {
    from_host(values.to_vec(), shape, &Default::default(), DType::F64)
}

/// A standard normal tensor that depends on `index` alone.
fn normal<const D: usize>(index: u64, shape: [usize; D]) -> Tensor<B, D> {
    let mut draws = Noise::new(31).draws(Stream::Data, index);
    draws.normal_tensor(shape, &Default::default(), DType::F64)
}

fn values<T: Backend, const D: usize>(x: Tensor<T, D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The largest difference, relative to the largest expected value or to 1; NaN fails.
#[track_caller]
fn close(got: Tensor<B, 2>, expected: Tensor<B, 2>, tolerance: f64, context: impl Debug) {
    assert_eq!(got.dims(), expected.dims(), "{context:?}");
    let expected = values(expected);
    let largest = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    for (g, e) in values(got).iter().zip(&expected) {
        assert!(
            (g - e).abs() <= tolerance * largest,
            "{g:e} instead of {e:e} (largest {largest:e}) at {context:?}"
        );
    }
}

fn schedules() -> Vec<Arc<dyn Schedule>> {
    vec![
        Arc::new(Linear::default()),
        Arc::new(Trigonometric),
        Arc::new(VariancePreserving::default()),
        Arc::new(Cosine),
        Arc::new(VarianceExploding::default()),
        Arc::new(Edm::default()),
    ]
}

fn gaussian<T: Backend, S>(mean: &[f64], std: f64, schedule: S) -> Gaussian<T, S, 2> {
    Gaussian {
        mean: tensor(mean, [1, mean.len()]),
        std,
        schedule,
    }
}

const MEANS: [[f64; 3]; 2] = [[1.0, -0.5, 0.5], [-0.5, 0.75, 0.0]];
const STDS: [f64; 2] = [0.5, 0.75];

fn mixture<T: Backend, S: Schedule>(schedule: S) -> GaussianMixture<T, S, 2> {
    GaussianMixture::new(
        tensor(&MEANS.concat(), [2, 3]),
        &[0.3, 0.7],
        &STDS,
        schedule,
    )
}

/// `ln p_t(first component | x)`, exactly.
fn first_class<S: Schedule>(schedule: S) -> impl Fn(f64, Tensor<A, 2>) -> Tensor<A, 1> {
    let law = mixture::<A, _>(schedule);
    move |t: f64, x: Tensor<A, 2>| {
        let classes = law.responsibilities(t, x);
        classes.narrow(1, 0, 1).log().squeeze_dim(1)
    }
}

/// From t to s along the ends: DDIM, whose last state is x̂1.
fn ddim(field: &impl Denoiser<B, 2>, x: Tensor<B, 2>, grid: &TimeGrid) -> Tensor<B, 2> {
    grid.intervals().fold(x, |x, (t, s)| {
        let c = field.schedule().at(s);
        let Endpoints { x0, x1 } = field.endpoints(t, x);
        x1 * c.alpha + x0 * c.sigma
    })
}

// ---------------------------------------------------------------------------------------------------------------------
// Classifiers

#[test]
fn the_exact_classifier_turns_the_mixture_into_its_component() {
    for (i, schedule) in schedules().into_iter().enumerate() {
        let guided = ClassifierGuided {
            field: mixture::<B, _>(schedule.clone()),
            classifier: first_class(schedule.clone()),
            weight: 1.0,
        };
        let component = gaussian::<B, _>(&MEANS[0], STDS[0], schedule.clone());
        for t in [0.1, 0.3, 0.5, 0.7, 0.9, 0.97] {
            let context = (&schedule, t);
            let x = normal(i as u64, [8, 3]) * schedule.at(t).std(1.0);
            let (ends, exact) = (
                guided.endpoints(t, x.clone()),
                component.endpoints(t, x.clone()),
            );
            close(ends.x1, exact.x1, 1e-10, context);
            close(ends.x0, exact.x0, 1e-10, context);
            let score = component.score(t, x.clone());
            close(guided.score(t, x.clone()), score, 1e-10, context);
            let velocity = component.velocity(t, x.clone());
            close(guided.velocity(t, x), velocity, 1e-10, context);
        }
    }
}

#[test]
fn an_ode_method_under_the_exact_classifier_takes_the_steps_of_the_component() {
    let schedule = VariancePreserving::default();
    let guided = ClassifierGuided {
        field: mixture::<B, _>(schedule),
        classifier: first_class(schedule),
        weight: 1.0,
    };
    let component = gaussian::<B, _>(&MEANS[0], STDS[0], schedule);
    let grid = TimeGrid::uniform(0.0, 0.99, 30);
    let x = normal(1, [20, 3]);
    let exact = integrate(&component, &RK4, x.clone(), &grid);
    close(integrate(&guided, &RK4, x, &grid), exact, 1e-9, "RK4");
}

// ---------------------------------------------------------------------------------------------------------------------
// Measurements

/// Two orthonormal directions of space.
const DIRECTIONS: [[f64; 3]; 2] = [[0.6, 0.8, 0.0], [-0.48, 0.36, 0.8]];
const MEASUREMENT: [f64; 2] = [1.2, -0.7];
const NOISE_STD: f64 = 0.3;

fn directions<T: Backend>() -> Tensor<T, 2> {
    tensor(&DIRECTIONS.concat(), [2, 3])
}

fn measured<F>(
    field: F,
    likelihood: Likelihood,
) -> Measured<F, impl Fn(Tensor<A, 2>) -> Tensor<A, 2>, B> {
    Measured {
        field,
        forward: |x1: Tensor<A, 2>| x1.matmul(directions().transpose()),
        measurement: tensor(&MEASUREMENT, [1, 2]),
        likelihood,
    }
}

const PSEUDOINVERSE: Likelihood = Likelihood::Gaussian {
    sigma_data: 0.5,
    noise_std: NOISE_STD,
};

#[test]
fn pseudoinverse_guidance_of_a_gaussian_is_the_posterior_denoiser() {
    let std = 0.5;
    for (i, schedule) in schedules().into_iter().enumerate() {
        let field = gaussian::<A, _>(&MEANS[0], std, schedule.clone());
        let wrapped = measured(field, PSEUDOINVERSE);
        for t in [0.0, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99] {
            let context = (&schedule, t);
            let c = schedule.at(t);
            let x = normal(i as u64, [8, 3]) * c.std(std);
            let ends = wrapped.endpoints(t, x.clone());
            // Gaussian conditioning: Λ·x̂1 = μ/s² + αx/σ² + Aᵀy/σ_y², Λ = (1/s² + α²/σ²)·I +
            // AᵀA/σ_y².
            let own = 1.0 / (std * std) + (c.alpha / c.sigma).powi(2);
            let weight = 1.0 / (NOISE_STD * NOISE_STD);
            let a = directions::<B>();
            let along = ends
                .x1
                .clone()
                .matmul(a.clone().transpose())
                .matmul(a.clone());
            let left = ends.x1.clone() * own + along * weight;
            let measurement: Tensor<B, 2> = tensor(&MEASUREMENT, [1, 2]);
            let right = x.clone() * (c.alpha / c.sigma.powi(2))
                + measurement.matmul(a) * weight
                + tensor(&MEANS[0], [1, 3]) / (std * std);
            // Λ is at least `own`, so that this bounds the error of x̂1.
            close(left / own, right / own, 1e-9, context);
            close(ends.x1 * c.alpha + ends.x0 * c.sigma, x, 1e-12, context);
        }
    }
}

#[test]
fn an_ode_solve_under_pseudoinverse_guidance_carries_noise_to_the_posterior() {
    let std = 0.5;
    let field = gaussian::<A, _>(&MEANS[0], std, Linear::default());
    let wrapped = measured(field, PSEUDOINVERSE);
    let n = 6;
    // The first sample is the mean of the noise, and ends at the posterior mean.
    let x0 = Tensor::cat(vec![tensor(&[0.0; 3], [1, 3]), normal(2, [n - 1, 3])], 0);
    let a = directions::<B>();
    let along = |x: Tensor<B, 2>| x.matmul(a.clone().transpose()).matmul(a.clone());
    let (prior, noise) = (std * std, NOISE_STD * NOISE_STD);
    let mean: Tensor<B, 2> = tensor(&MEANS[0], [1, 3]);
    let measurement: Tensor<B, 2> = tensor(&MEASUREMENT, [1, 2]);
    let pull = measurement.matmul(a.clone()) - along(mean.clone());
    let posterior = mean + pull * (prior / (prior + noise));
    // x1 = m + C^½·x0, where C is s² off the directions and s²σ_y²/(s² + σ_y²) on them.
    let narrow = (prior * noise / (prior + noise)).sqrt();
    let exact = posterior + x0.clone() * std + along(x0.clone()) * (narrow - std);
    let error = |steps| {
        let end = integrate(
            &wrapped,
            &RK4,
            x0.clone(),
            &TimeGrid::uniform(0.0, 1.0, steps),
        );
        (end - exact.clone()).abs().max().into_scalar()
    };
    let (coarse, fine) = (error(40), error(160));
    assert!(fine < 1e-6, "{fine:e}");
    // Order 4 from the first step on, so that four times the steps take off a factor near 256.
    assert!(coarse > 128.0 * fine, "{coarse:e} {fine:e}");
}

#[test]
fn the_score_gains_the_gradient_of_the_likelihood_through_the_denoiser() {
    let schedule = VariancePreserving::default();
    let (t, n) = (0.6, 4);
    let c = schedule.at(t);
    let plain = mixture::<B, _>(schedule);
    let x = normal(3, [n, 3]);
    // ‖y − Ax̂1‖² of each sample, by the plain denoiser.
    let squares = |x: Tensor<B, 2>| {
        let x1 = plain.denoise(t, x);
        let measurement: Tensor<B, 2> = tensor(&MEASUREMENT, [1, 2]);
        values(
            (measurement - x1.matmul(directions().transpose()))
                .square()
                .sum_dim(1),
        )
    };
    let h = 1e-4;
    let mut slopes = vec![0.0; 3 * n];
    for j in 0..3 {
        let mut unit = [0.0; 3];
        unit[j] = h;
        let shift: Tensor<B, 2> = tensor(&unit, [1, 3]);
        let (up, down) = (
            squares(x.clone() + shift.clone()),
            squares(x.clone() - shift),
        );
        for i in 0..n {
            slopes[3 * i + j] = (up[i] - down[i]) / (2.0 * h);
        }
    }
    let norms: Vec<f64> = squares(x.clone()).iter().map(|s| s.sqrt()).collect();
    let r2 = (c.sigma * 0.5 / c.std(0.5)).powi(2);
    let gaussian = vec![-0.5 / (NOISE_STD * NOISE_STD + r2); n];
    let dps = norms.iter().map(|norm| -0.8 / norm).collect();
    for (likelihood, weights) in [
        (PSEUDOINVERSE, gaussian),
        (Likelihood::Dps { step: 0.8 }, dps),
    ] {
        let wrapped = measured(mixture::<A, _>(schedule), likelihood);
        let gained = wrapped.score(t, x.clone()) - plain.score(t, x.clone());
        let g: Vec<f64> = (0..3 * n).map(|k| slopes[k] * weights[k / 3]).collect();
        assert!(
            g.iter().all(|g| g.abs() > 1e-3),
            "a gradient of note: {g:?}"
        );
        // Central differences err by h²/6, below 2·10⁻⁹, times a third derivative, which is below
        // 100.
        close(gained, tensor(&g, [n, 3]), 1e-6, likelihood);
    }
}

#[test]
fn a_network_is_measured_through_its_own_gradient() {
    type F32 = NdArray<f32>;
    let device = Default::default();
    let network = MlpConfig::new(2).init(&mut Init::<F32>::new(Noise::new(5), &device));
    let flow = Flow::velocity(network, Path::linear());
    let x = Tensor::<F32, 2>::from_data([[0.5, -1.0], [1.5, 0.25]], &device);
    let plain = flow.unconditional::<F32, 2>().endpoints(0.5, x.clone());
    let tracked = flow.clone().tracked::<F32>();
    let wrapped = Measured {
        field: tracked.unconditional::<Autodiff<F32>, 2>(),
        forward: |x1: Tensor<Autodiff<F32>, 2>| x1.narrow(1, 0, 1),
        measurement: Tensor::<F32, 2>::from_data([[3.0]], &device),
        likelihood: Likelihood::Gaussian {
            sigma_data: 1.0,
            noise_std: 0.1,
        },
    };
    let ends = wrapped.endpoints(0.5, x.clone());
    let moved = values(ends.x1.clone() - plain.x1);
    assert!(moved.iter().all(|m| m.abs() > 1e-3), "{moved:?}");
    let off = values(ends.x1 * 0.5 + ends.x0 * 0.5 - x);
    assert!(off.iter().all(|v| v.abs() < 1e-5), "{off:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Known entries

fn inpainted<F>(field: F) -> Inpainted<F, B, 2> {
    Inpainted {
        field,
        known: tensor(&[0.3, -1.1, 0.0], [1, 3]),
        mask: tensor(&[1.0, 1.0, 0.0], [1, 3]),
        noise: normal(4, [10, 3]),
    }
}

/// The entries that are known, and those that are not.
fn parts(x: Tensor<B, 2>) -> (Vec<f64>, Tensor<B, 2>) {
    (values(x.clone().narrow(1, 0, 2)), x.narrow(1, 2, 1))
}

#[test]
fn solvers_of_the_ode_and_the_sde_end_with_the_known_entries() {
    let grid = TimeGrid::uniform(0.02, 1.0, 25);
    let known = [0.3, -1.1].repeat(10);
    let x = normal(5, [10, 3]);
    let mixed = inpainted(mixture::<B, _>(Linear::default()));
    assert_eq!(parts(ddim(&mixed, x.clone(), &grid)).0, known, "DDIM");

    let start = mixed.on_path(0.02, x.clone());
    let end = parts(integrate(&mixed, &RK4, start, &grid)).0;
    for (got, known) in end.iter().zip(&known) {
        // The path of a known entry is a line, which every Runge–Kutta method follows.
        assert!((got - known).abs() < 1e-12, "RK4: {got} {known}");
    }

    let noisy = ReverseSde {
        field: mixed,
        noise_level: NoiseLevel::Sigma(1.0),
    };
    let maruyama = EulerMaruyama {
        brownian: Increments {
            noise: Noise::new(6),
            first: 1,
        },
    };
    let grid = TimeGrid::uniform(0.02, 0.999, 50);
    let end = integrate(&noisy, &maruyama, x, &grid);
    assert_ne!(parts(end.clone()).0, known, "an SDE lets the state wander");
    assert_eq!(parts(noisy.field.on_path(1.0, end)).0, known, "an SDE");
}

#[test]
fn every_diffusion_sampler_ends_with_the_known_entries() {
    let field = inpainted(mixture::<B, _>(VariancePreserving::default()));
    let grid = TimeGrid::uniform(0.02, 1.0, 25);
    let brownian = Increments {
        noise: Noise::new(6),
        first: 1,
    };
    let ddpm = |variance| Ddpm { variance, brownian };
    let unipc = |order, variant| UniPc {
        order,
        variant,
        taper: None,
    };
    let x = || normal(5, [10, 3]);
    for (name, end) in [
        (
            "ddpm, small",
            integrate(&field, &ddpm(Variance::Small), x(), &grid),
        ),
        (
            "ddpm, large",
            integrate(&field, &ddpm(Variance::Large), x(), &grid),
        ),
        ("ddim", integrate(&field, &Ddim::DETERMINISTIC, x(), &grid)),
        (
            "ddim, η = 1",
            integrate(&field, &Ddim { eta: 1.0, brownian }, x(), &grid),
        ),
        (
            "dpmpp-2m",
            integrate(&field, &DpmSolver::of_order(2), x(), &grid),
        ),
        (
            "dpmpp-3m",
            integrate(&field, &DpmSolver::of_order(3), x(), &grid),
        ),
        (
            "unipc bh1",
            integrate(&field, &unipc(2, Variant::Bh1), x(), &grid),
        ),
        (
            "unipc bh2",
            integrate(&field, &unipc(3, Variant::Bh2), x(), &grid),
        ),
    ] {
        let (known, free) = parts(end);
        assert_eq!(known, [0.3, -1.1].repeat(10), "{name}");
        assert!(values(free).iter().all(|v| v.is_finite()), "{name}");
    }
}

#[test]
fn entries_that_do_not_know_of_each_other_are_sampled_as_if_nothing_were_known() {
    let field = gaussian::<B, _>(&MEANS[0], 0.5, Linear::default());
    let wrapped = inpainted(field.clone());
    let grid = TimeGrid::uniform(0.0, 1.0, 25);
    let x = normal(7, [10, 3]);
    let free = |x| parts(x).1;
    let ode = |x| integrate(&wrapped, &RK4, x, &grid);
    let expected = free(integrate(&field, &RK4, x.clone(), &grid));
    close(free(ode(x.clone())), expected, 1e-13, "RK4");
    let expected = free(ddim(&field, x.clone(), &grid));
    close(free(ddim(&wrapped, x, &grid)), expected, 1e-13, "DDIM");
}

#[test]
fn free_entries_are_denoised_beside_the_known_ones() {
    let field = mixture::<B, _>(VariancePreserving::default());
    let wrapped = inpainted(field.clone());
    let (t, x) = (0.7, normal(8, [10, 3]));
    let beside = field.endpoints(t, wrapped.on_path(t, x.clone()));
    let ends = wrapped.endpoints(t, x.clone());
    close(parts(ends.x1).1, parts(beside.x1.clone()).1, 1e-13, "x̂1");
    close(parts(ends.x0).1, parts(beside.x0).1, 1e-13, "x̂0");
    let alone = parts(field.denoise(t, x)).1;
    let gap = (alone - parts(beside.x1).1).abs().max().into_scalar();
    assert!(gap > 0.1, "what is known makes a difference: {gap}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Two fields

fn guided(weight: f64) -> Guided<Gaussian<B, Linear, 2>, Gaussian<B, Linear, 2>> {
    Guided {
        conditional: gaussian(&MEANS[0], 0.5, Linear::default()),
        unconditional: gaussian(&MEANS[1], 0.8, Linear::default()),
        weight,
    }
}

#[test]
fn plain_guidance_of_a_velocity_on_a_polynomial_path_starts_at_no_signal() {
    type F32 = NdArray<f32>;
    let device = Default::default();
    let flow = |index| {
        let init = &mut Init::<F32>::new(Noise::new(index), &device);
        Flow::velocity(
            MlpConfig::new(2).init(init),
            Path::new(Polynomial { degree: 2.0 }),
        )
    };
    let (good, weak) = (flow(5), flow(6));
    let guided = |phi| Rescaled {
        guided: Guided {
            conditional: good.unconditional::<F32, 2>(),
            unconditional: weak.unconditional::<F32, 2>(),
            weight: 2.0,
        },
        phi,
    };
    let x = Tensor::<F32, 2>::from_data([[0.5, -1.0], [1.5, 0.25]], &device);
    let grid = TimeGrid::uniform(0.0, 1.0, 4);
    let expected = values(integrate(&guided(0.0).guided, &EULER, x.clone(), &grid));
    assert!(expected.iter().all(|v| v.is_finite()), "{expected:?}");
    assert_eq!(values(integrate(&guided(0.0), &EULER, x, &grid)), expected);
    // Its ends are another matter: Δ = 0 at t = 0.
    for phi in [0.0, 0.7] {
        assert!(!guided(phi).is_defined(0.0) && guided(phi).is_defined(0.1));
    }
}

#[test]
fn the_guided_ode_of_two_gaussians_does_not_end_in_the_law_of_its_scores() {
    // x1 and c are jointly Gaussian, with means .4 and −.1, variances 1.3 and .9, and covariance .8.
    let (whole, slope) = (1.3_f64, 0.8_f64 / 0.9);
    let given = (0.4 + slope * (0.7 + 0.1), whole - 0.8 * slope);
    assert!((given.0 - 1.111111111111111).abs() < 1e-15, "{given:?}");
    assert!((given.1 - 0.5888888888888889).abs() < 1e-15, "{given:?}");
    let field = |weight| Guided {
        conditional: gaussian::<B, _>(&[given.0], given.1.sqrt(), Linear::default()),
        unconditional: gaussian::<B, _>(&[0.4], whole.sqrt(), Linear::default()),
        weight,
    };
    let velocity = |weight| values(field(weight).velocity(0.6, tensor(&[0.9], [1, 1])))[0];
    for (weight, expected) in [
        (1.0, 1.08183990442055),
        (0.0, 0.799363057324841),
        (2.0, 1.364316751516258),
    ] {
        assert!((velocity(weight) - expected).abs() < 1e-13, "w = {weight}");
    }
    // The field is linear, so what becomes of 0 and 1 tells the mean and the deviation:
    // s_c^w·s_u^{1−w}.
    for (weight, mean, std) in [
        (2.0, 1.524700567470368, 0.516489722480806),
        (4.0, 1.875330727468884, 0.233965429841733),
    ] {
        let ends = integrate(
            &field(weight),
            &RK4,
            tensor(&[0.0, 1.0], [2, 1]),
            &TimeGrid::uniform(0.0, 1.0, 1000),
        );
        let ends = values(ends);
        assert!((ends[0] - mean).abs() < 1e-10, "{ends:?}");
        assert!((ends[1] - ends[0] - std).abs() < 1e-10, "{ends:?}");
        let formula = given.1.sqrt().powf(weight) * whole.sqrt().powf(1.0 - weight);
        assert!((formula - std).abs() < 1e-14);
    }
    // The law with the guided score of the data, p_c²/p_u, is another.
    let precision = 2.0 / given.1 - 1.0 / whole;
    let mean = (2.0 * given.0 / given.1 - 0.4 / whole) / precision;
    assert!((mean - 1.319337016574586).abs() < 1e-14, "{mean}");
    assert!((precision.powf(-0.5) - 0.616978916516127).abs() < 1e-14);
}

#[test]
fn guided_gaussians_have_the_score_of_their_product() {
    // p_c^w·p_u^{1−w} is Gaussian, of precision w/v_c + (1 − w)/v_u.
    let (t, w) = (0.6, 1.4);
    let field = guided(w);
    let c = field.schedule().at(t);
    let x = normal(9, [8, 3]);
    let precision = [0.5, 0.8].map(|std| c.std(std).powi(-2));
    let total = w * precision[0] + (1.0 - w) * precision[1];
    let mean: Vec<f64> = (0..3)
        .map(|j| {
            let weighted = w * precision[0] * MEANS[0][j] + (1.0 - w) * precision[1] * MEANS[1][j];
            c.alpha * weighted / total
        })
        .collect();
    let expected = (x.clone() - tensor(&mean, [1, 3])) * -total;
    close(field.score(t, x.clone()), expected.clone(), 1e-12, "score");
    close(field.endpoints(t, x).x0, expected * -c.sigma, 1e-12, "x̂0");
}

#[test]
fn autoguidance_away_from_an_equal_model_changes_nothing() {
    let law = || gaussian::<B, _>(&MEANS[0], 0.5, Linear::default());
    let grid = TimeGrid::uniform(0.0, 1.0, 10);
    let x = normal(10, [5, 3]);
    let expected = integrate(&law(), &RK4, x.clone(), &grid);
    for weight in [-1.0, 0.5, 3.0] {
        let field = Guided::auto(law(), law(), weight);
        let end = integrate(&field, &RK4, x.clone(), &grid);
        close(end, expected.clone(), 1e-12, weight);
    }
}

#[test]
fn a_solve_with_guidance_in_an_interval_is_three_solves() {
    let grid = |from: usize, to: usize| {
        let times = (from..=to).map(|i| i as f64 / 10.0).collect();
        TimeGrid::new(times).expect("increasing")
    };
    // The steps from 0.4, 0.5 and 0.6 are guided.
    let noise_level = |t: f64| (1.0 - t) / t;
    let x = normal(11, [5, 3]);
    let plain = &guided(3.0).conditional;
    let middle = integrate(plain, &EULER, x.clone(), &grid(0, 4));
    let middle = integrate(&guided(3.0), &EULER, middle, &grid(4, 7));
    let expected = integrate(plain, &EULER, middle, &grid(7, 10));

    let Guided {
        conditional,
        unconditional,
        ..
    } = &guided(3.0);
    let field = Interval {
        guided: Guided {
            conditional: Counted::new(conditional),
            unconditional: Counted::new(unconditional),
            weight: 3.0,
        },
        low: noise_level(0.65),
        high: noise_level(0.35),
    };
    let end = integrate(&field, &EULER, x, &grid(0, 10));
    close(end, expected, 1e-13, "interval");
    assert_eq!(field.guided.conditional.evaluations(), 10);
    assert_eq!(field.guided.unconditional.evaluations(), 3);
}

// ---------------------------------------------------------------------------------------------------------------------
// All wrappers

trait Both: VectorField<B, 2> + Denoiser<B, 2> {}
impl<F: VectorField<B, 2> + Denoiser<B, 2>> Both for F {}

#[test]
fn every_wrapper_says_the_same_through_each_of_its_methods() {
    let schedule = VariancePreserving::default();
    let law = || mixture::<B, _>(schedule);
    let other = || gaussian::<B, _>(&MEANS[1], 0.8, schedule);
    let guided = || Guided {
        conditional: law(),
        unconditional: other(),
        weight: 2.5,
    };
    let rescaled = || Rescaled {
        guided: guided(),
        phi: 0.7,
    };
    let classified = || ClassifierGuided {
        field: law(),
        classifier: first_class(schedule),
        weight: 2.0,
    };
    let clipped = |noise| Clipped {
        field: rescaled(),
        low: -0.4,
        high: 0.4,
        noise,
    };
    let thresholded = |noise| Thresholded {
        most: f64::INFINITY,
        field: Guided {
            weight: 8.0,
            ..guided()
        },
        quantile: 0.8,
        noise,
    };
    let dps = Likelihood::Dps { step: 0.8 };
    let wrappers: Vec<(&str, Box<dyn Both>)> = vec![
        ("guided", Box::new(guided())),
        ("rescaled", Box::new(rescaled())),
        ("classified", Box::new(classified())),
        ("inpainted", Box::new(inpainted(guided()))),
        ("DPS", Box::new(measured(mixture(schedule), dps))),
        ("ΠGDM", Box::new(measured(mixture(schedule), PSEUDOINVERSE))),
        ("clipped", Box::new(clipped(ClippedNoise::Kept))),
        ("clipped path", Box::new(clipped(ClippedNoise::Derived))),
        ("thresholded", Box::new(thresholded(ClippedNoise::Kept))),
        (
            "thresholded path",
            Box::new(thresholded(ClippedNoise::Derived)),
        ),
        (
            "rescaled in an interval",
            Box::new(Interval {
                guided: rescaled(),
                low: 0.0,
                high: 1.0,
            }),
        ),
        (
            "classified in an interval",
            Box::new(ProbabilityFlow(Interval {
                guided: classified(),
                low: 0.0,
                high: 1.0,
            })),
        ),
    ];
    let x = normal(12, [10, 3]);
    for (name, field) in &wrappers {
        // On either side of a noise level of 1.
        for t in [0.3, 0.9] {
            let context = (name, t);
            let c = schedule.at(t);
            let Endpoints { x0, x1 } = field.endpoints(t, x.clone());
            close(field.denoise(t, x.clone()), x1.clone(), 1e-12, context);
            close(field.noise(t, x.clone()), x0.clone(), 1e-12, context);
            let score = x0.clone() * (-1.0 / c.sigma);
            close(field.score(t, x.clone()), score, 1e-12, context);
            let velocity = x1 * c.d_alpha + x0 * c.d_sigma;
            close(field.velocity(t, x.clone()), velocity, 1e-12, context);
        }
    }
}

#[test]
fn a_denoiser_has_an_ode_and_an_sde() {
    let law = gaussian::<B, _>(&MEANS[0], 0.5, Linear::default());
    let (t, x) = (0.4, normal(13, [6, 3]));
    let extended = |noise_level| ReverseSde {
        field: law.clone(),
        noise_level,
    };
    let flow = ReverseSde {
        field: ProbabilityFlow(law.clone()),
        noise_level: NoiseLevel::Sigma(1.0),
    };
    let expected = extended(NoiseLevel::Sigma(1.0)).drift(t, x.clone());
    close(flow.drift(t, x.clone()), expected, 1e-12, "drift");
    let grid = TimeGrid::uniform(0.0, 0.99, 20);
    let expected = integrate(&law, &RK4, x.clone(), &grid);
    close(
        integrate(&flow.field, &RK4, x, &grid),
        expected,
        1e-12,
        "RK4",
    );
}
