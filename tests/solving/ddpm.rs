//! Discrete diffusion: the bound against the entropy, chains against their closed forms, and the table against the SDE it tends to.
//!
//! `−ln p(x1) ≤ L_T + Σ L_{t−1} + L_0`, with equality for the exact denoiser on N(0, I) and large variances

use burn::tensor::{DType, Tensor, TensorData};
use burn_ndarray::NdArray;
use pyroclast::core::analytic::Gaussian;
use pyroclast::core::ddpm::{
    BetaTable, Decoder, End, Lattice, Spacing, Transition, Variance, base_std, elbo,
    expected_bound, kl_gaussians, log_bin_probability, prior_kl, variational_term,
};
use pyroclast::core::field::Denoiser;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::schedule::{
    Coefficients, Linear, Schedule, VarianceExploding, VariancePreserving,
};
use std::f64::consts::{E, LN_2, TAU};

type B = NdArray<f64>;

/// The entropy of N(0, 1): ½log₂2πe.
const ENTROPY_BITS: f64 = 2.0470955852;

fn tensor<const D: usize>(values: Vec<f64>, shape: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(
        TensorData::new(values, shape),
        (&Default::default(), DType::F64),
    )
}

fn host<const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    x.into_data().to_vec().expect("f64 data")
}

fn normals<const D: usize>(std: f64, shape: [usize; D]) -> Tensor<B, D> {
    let mut draws = Noise::new(8).draws(Stream::Data, 0);
    draws.scaled_normal_tensor(std, shape, &Default::default(), DType::F64)
}

fn tables() -> Vec<BetaTable> {
    vec![
        BetaTable::default(),
        BetaTable::default().zero_terminal_snr(),
        BetaTable::cosine(1000),
        BetaTable::scaled_linear(1000, 0.00085, 0.012),
        BetaTable::sigmoid(1000, 1e-4, 0.02),
        BetaTable::linear(17, 0.01, 0.6),
    ]
}

#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance * expected.abs(),
        "{got:e} instead of {expected:e}"
    );
}

// ---------------------------------------------------------------------------------------------------------------------
// Tables

#[test]
fn posterior_tables_are_those_of_the_recursion() {
    for table in tables() {
        let mut before = 1.0_f64;
        for (k, beta) in table.betas().iter().enumerate() {
            let after = before * (1.0 - beta);
            close(table.alpha_bar(k), after, 1e-10);
            let step = table.transition(k);
            let total = 1.0 - after;
            close(step.coef_x1, beta * before.sqrt() / total, 1e-10);
            let of_state = (1.0 - before) * (1.0 - beta).sqrt() / total;
            close(step.coef_xt, of_state, 1e-10);
            close(step.small, beta * (1.0 - before) / total, 1e-10);
            close(Variance::Large.at(&step), *beta, 1e-10);
            before = after;
        }
    }
}

#[test]
fn a_table_of_many_steps_tends_to_the_diffusion_at_rate_one() {
    // ln ᾱ − ln α² = c₁/T + c₂/T² + …, from ln(1 − β) = −β − ½β² − ⅓β³ and from summing by left ends a line that rises over T − 1
    // pieces, not T: with b(u) = β_min + Δu
    // c₁ = ½Δs(1 − s) − ½∫b², c₂ = ½Δs(1 − s) + ¼(b(s)² − b(0)²) − Δ∫ub − ⅓∫b³, integrals from 0 to s.
    let vp = VariancePreserving::default();
    let (low, rise) = (vp.beta_min, vp.beta_max - vp.beta_min);
    for s in [0.125, 0.25, 0.5, 0.75] {
        let error = |steps: usize| {
            let table = BetaTable::linear(
                steps,
                vp.beta_min / steps as f64,
                vp.beta_max / steps as f64,
            );
            let (discrete, limit) = (table.at(1.0 - s), vp.at(1.0 - s));
            2.0 * (discrete.alpha.ln() - limit.alpha.ln())
        };
        let squares = low * low * s + low * rise * s * s + rise * rise * s.powi(3) / 3.0;
        let (top, line) = (vp.beta(1.0 - s), 0.5 * rise * s * (1.0 - s));
        let cubes = (top.powi(4) - low.powi(4)) / (4.0 * rise);
        let moments = low * s * s / 2.0 + rise * s.powi(3) / 3.0;
        let first = line - 0.5 * squares;
        let second = line + 0.25 * (top * top - low * low) - rise * moments - cubes / 3.0;
        let errors: Vec<f64> = (0..5).map(|i| error(2000 << i)).collect();
        for (i, pair) in errors.windows(2).enumerate() {
            let steps = (2000 << i) as f64;
            // 2(1 + y)/(1 + y/2) is 2 + y but for y²; a factor of 2 stands for all that follows.
            let bound = 2.0 * (second / first).abs() / steps;
            assert!(bound < 0.01, "{s} {bound}");
            let ratio = pair[0] / pair[1];
            assert!((ratio - 2.0).abs() < bound, "{s} {steps} {ratio} {bound}");
            close(pair[0] * steps, first, bound);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Chains

/// The variance of a scalar chain on N(0, 1) data with the exact denoiser `x̂1 = αx`, which ends on the last mean.
fn chain_variance(table: &BetaTable, variance: Variance) -> f64 {
    (0..table.steps()).rev().fold(1.0, |v, k| {
        let step = table.transition(k);
        let gain = step.coef_x1 * table.alpha_bar(k).sqrt() + step.coef_xt;
        let noise = if k > 0 { variance.at(&step) } else { 0.0 };
        gain * gain * v + noise
    })
}

#[test]
fn ancestral_chains_end_with_the_variance_of_their_closed_form() {
    let table = BetaTable::default();
    let small = chain_variance(&table, Variance::Small);
    assert!((small - 0.991067).abs() < 5e-7, "{small}");
    // Large variances keep N(0, 1) to the last step, whose mean is √ᾱ_0·x.
    close(chain_variance(&table, Variance::Large), 0.9999, 1e-12);
}

#[test]
fn a_spaced_grid_visits_the_steps_of_the_table() {
    let table = BetaTable::default();
    for spacing in [
        Spacing::Leading { offset: 1 },
        Spacing::Linspace,
        Spacing::Trailing,
    ] {
        let indices = spacing.indices(1000, 50);
        let times = table.times(&indices, End::Data);
        assert!(times.is_sorted());
        for (pair, ks) in times.windows(2).zip(indices.windows(2)) {
            let step = Transition::between(table.at(pair[0]), table.at(pair[1]));
            let skipped = 1.0 - table.alpha_bar(ks[0]) / table.alpha_bar(ks[1]);
            close(step.variance, skipped, 1e-10);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The bound

#[test]
fn the_bound_of_the_exact_denoiser_on_normal_data_is_their_entropy() {
    for table in tables() {
        let error = |k: usize| table.sigma_square(k);
        let nats = expected_bound(&table, Variance::Large, error, 1.0);
        assert!(
            (nats / LN_2 - 0.5 * (TAU * E).log2()).abs() < 1e-12,
            "{table:?} {nats}"
        );
        assert!((nats / LN_2 - ENTROPY_BITS).abs() < 1e-10);
        // Any other variance costs something.
        assert!(expected_bound(&table, Variance::Small, error, 1.0) > nats + 1e-4);
    }
}

#[test]
fn a_worse_denoiser_has_a_worse_bound() {
    let table = BetaTable::cosine(100);
    let bound = |factor: f64| {
        let error = |k: usize| factor * table.sigma_square(k);
        expected_bound(&table, Variance::Large, error, 1.0)
    };
    // Each term is linear in the error.
    let (one, two, three) = (bound(1.0), bound(2.0), bound(3.0));
    assert!(two > one);
    close(three - two, two - one, 1e-10);
}

/// Data N(μ, s²I) in two dimensions of different means, and the field that denoises them.
fn gaussian<S>(schedule: S, n: usize) -> (Gaussian<B, S, 2>, Tensor<B, 2>) {
    let (mean, std) = (tensor(vec![0.8, -0.3], [1, 2]), 0.6);
    let x1 = normals(std, [n, 2]) + mean.clone();
    let field = Gaussian {
        mean,
        std,
        schedule,
    };
    (field, x1)
}

/// Holds a sample's mean against an expectation within five standard errors.
#[track_caller]
fn has_mean(sample: &[f64], expected: f64) {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let variance = sample.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let bound = 5.0 * (variance / n).sqrt();
    assert!(
        (mean - expected).abs() < bound,
        "{mean} instead of {expected} ± {bound}"
    );
}

/// `E(x1 − x̂1)² = s²σ²/(α²s² + σ²)` of the exact denoiser.
fn least_error(c: Coefficients, std: f64) -> f64 {
    let (signal, noise) = ((c.alpha * std).powi(2), c.sigma.powi(2));
    std * std * noise / (signal + noise)
}

#[test]
fn a_sampled_bound_agrees_with_the_expected_one() {
    // n = 20 000 samples of two dimensions.
    for table in [
        BetaTable::linear(20, 0.01, 0.4),
        BetaTable::linear(20, 0.01, 0.4).zero_terminal_snr(),
    ] {
        let (field, x1) = gaussian(table.clone(), 20_000);
        let mean_square = (0.8 * 0.8 + 0.3 * 0.3) / 2.0 + 0.36;
        let indices = Spacing::Trailing.indices(20, 20);
        let times = table.times(&indices, End::Data);
        for variance in [Variance::Small, Variance::Large] {
            let mut draws = Noise::new(4).draws(Stream::Likelihood, 0);
            let bound = elbo(
                &field,
                &times,
                x1.clone(),
                variance,
                Decoder::Continuous,
                &mut draws,
            );
            assert_eq!(bound.terms.len(), 19);
            let error = |k: usize| least_error(table.at(table.time(k)), 0.6);
            let expected = expected_bound(&table, variance, error, mean_square);
            has_mean(&host(bound.bits_per_dimension(2)), expected / LN_2);
            has_mean(&host(bound.total()), 2.0 * expected);
        }
    }
}

#[test]
fn on_any_schedule_the_bound_is_above_the_entropy_and_falls_with_the_steps() {
    // From the exact denoiser, n = 20 000 samples.
    let entropy = 0.5 * (TAU * E * 0.36).ln();
    let schedules: [(&dyn Schedule, f64); 3] = [
        (&VariancePreserving::default(), 0.999),
        (&Linear::default(), 0.98),
        (&VarianceExploding::default(), 0.6),
    ];
    for (schedule, end) in schedules {
        let bound_of = |steps: usize| {
            // The last interval goes to clean data, so what is left of the noise decides how tight the bound can be.
            let mut times: Vec<f64> = (0..=steps).map(|i| end * i as f64 / steps as f64).collect();
            times.push(1.0);
            let at: Vec<Coefficients> = times.iter().map(|&t| schedule.at(t)).collect();
            let (last, count) = (at.len() - 2, at.len());
            let mean_square = 0.36 + (0.64 + 0.09) / 2.0;
            let mut expected = prior_kl(at[0], mean_square, base_std(at[0]));
            for pair in at[..=last].windows(2) {
                let step = Transition::between(pair[0], pair[1]);
                let of_means = step.coef_x1.powi(2) * least_error(pair[0], 0.6);
                expected += kl_gaussians(of_means, step.small, step.variance);
            }
            let step = Transition::between(at[last], at[last + 1]);
            // x1 − c₁x̂1 − c_t·x_t on data that are not centred, from its mean and variance.
            let shared: f64 = 1.0 - step.coef_x1 - step.coef_xt * at[last].alpha;
            let gain =
                at[last].alpha * 0.36 / ((at[last].alpha * 0.6).powi(2) + at[last].sigma.powi(2));
            let of_state = step.coef_x1 * gain + step.coef_xt;
            let of_x1 = 1.0 - of_state * at[last].alpha;
            let error = shared.powi(2) * (0.64 + 0.09) / 2.0
                + (of_x1 * 0.6_f64).powi(2)
                + (of_state * at[last].sigma).powi(2);
            expected += 0.5 * ((TAU * step.variance).ln() + error / step.variance);
            (times, expected, count)
        };
        let (times, expected, count) = bound_of(12);
        let (field, x1) = gaussian(schedule, 20_000);
        let mut draws = Noise::new(4).draws(Stream::Likelihood, 0);
        let bound = elbo(
            &field,
            &times,
            x1,
            Variance::Large,
            Decoder::Continuous,
            &mut draws,
        );
        assert_eq!(bound.terms.len(), count - 2);
        has_mean(&host(bound.total()), 2.0 * expected);
        assert!(expected > entropy, "{schedule:?} {expected} {entropy}");
        assert!(bound_of(24).1 < expected, "{schedule:?}");
    }
}

#[test]
fn the_bound_is_a_sum_over_all_axes_but_the_batch() {
    // A denoiser by elements, so a sample may have any rank: [3, 2, 5] is [3, 10] in the same order.
    struct Shrinking(BetaTable);
    impl<const D: usize> Denoiser<B, D> for Shrinking {
        fn schedule(&self) -> &dyn Schedule {
            &self.0
        }
        fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
            x * (0.3 + 0.6 * t)
        }
    }
    let field = Shrinking(BetaTable::cosine(10));
    let times = field.0.times(&Spacing::Linspace.indices(10, 4), End::Data);
    let x1 = normals(0.4, [3, 2, 5]).clamp(-1.0, 1.0);
    for decoder in [
        Decoder::Continuous,
        Decoder::Discretised(Lattice::default()),
    ] {
        let draws = Noise::new(2).draws(Stream::Likelihood, 0);
        let cube = elbo(
            &field,
            &times,
            x1.clone(),
            Variance::Small,
            decoder,
            &mut draws.clone(),
        );
        let flat = elbo(
            &field,
            &times,
            x1.clone().reshape([3, 10]),
            Variance::Small,
            decoder,
            &mut draws.clone(),
        );
        assert_eq!(host(cube.total()), host(flat.total()));
        // A sample's bound does not depend on what stands beside it.
        let alone = elbo(
            &field,
            &times,
            x1.clone().narrow(0, 0, 1),
            Variance::Small,
            decoder,
            &mut draws.clone(),
        );
        // The first row of the first interval has the same noise.
        for (one, whole) in [
            (alone.prior, cube.prior),
            (alone.terms[0].clone(), cube.terms[0].clone()),
        ] {
            close(host(one)[0], host(whole)[0], 1e-14);
        }
    }
}

#[test]
fn the_reconstruction_of_bytes_is_the_probability_of_their_bins() {
    // A field that knows the answer but for .003: every x̂1 is off by that.
    let table = BetaTable::default();
    let level = |i: usize| -1.0 + 2.0 * i as f64 / 255.0;
    let data: Vec<f64> = [0, 1, 77, 128, 200, 255].map(level).to_vec();
    struct Near(BetaTable, Tensor<B, 2>);
    impl Denoiser<B, 2> for Near {
        fn schedule(&self) -> &dyn Schedule {
            &self.0
        }
        fn denoise(&self, _: f64, _: Tensor<B, 2>) -> Tensor<B, 2> {
            self.1.clone() + 0.003
        }
    }
    let x1 = tensor(data.clone(), [2, 3]);
    let field = Near(table.clone(), x1.clone());
    let times = table.times(&[999, 1, 0], End::Data);
    let last = table.beta(0);
    for variance in [Variance::Large, Variance::Small] {
        let bound = elbo(
            &field,
            &times,
            x1.clone(),
            variance,
            Decoder::Discretised(Lattice::default()),
            &mut Noise::new(0).draws(Stream::Likelihood, 0),
        );
        for (row, got) in host(bound.reconstruction).iter().enumerate() {
            let expected: f64 = (data[3 * row..3 * row + 3].iter())
                .map(|&x| -log_bin_probability(x, x + 0.003, last.sqrt(), Lattice::default()))
                .sum();
            close(*got, expected, 1e-10);
        }
    }
}

#[test]
fn terms_that_train_a_variance_sum_to_the_bound() {
    // An output of 1 is the large variance, and of −1 the small one, but for the last step, whose variance is the large one in either; the same
    // noise makes the same states.
    let table = BetaTable::linear(8, 0.02, 0.5);
    let (field, x1) = gaussian(table.clone(), 5);
    let times = table.times(&Spacing::Trailing.indices(8, 8), End::Data);
    for (variance, raw) in [(Variance::Large, 1.0), (Variance::Small, -1.0)] {
        let draws = Noise::new(6).draws(Stream::Likelihood, 0);
        let bound = elbo(
            &field,
            &times,
            x1.clone(),
            variance,
            Decoder::Continuous,
            &mut draws.clone(),
        );
        let mut draws = draws.clone();
        let mut sum = bound.prior.clone();
        for k in (0..8).rev() {
            let c = table.at(table.time(k));
            let noise =
                draws.scaled_normal_tensor(c.sigma, [5, 2], &Default::default(), DType::F64);
            let x_t = x1.clone() * c.alpha + noise;
            let predicted = field.denoise(table.time(k), x_t.clone());
            let term = variational_term(
                &[table.reverse_step(k); 5],
                table.floor(),
                Decoder::Continuous,
                x1.clone(),
                x_t,
                predicted,
                x1.zeros_like() + if k == 0 { 1.0 } else { raw },
            );
            sum = sum + term * 2.0;
        }
        for (got, expected) in host(sum).into_iter().zip(host(bound.total())) {
            close(got, expected, 1e-11);
        }
    }
}
