//! Identities of the schedules, the predictions and the weightings, in double precision.
//!
//! `x_t = α(t)·x1 + σ(t)·x0` · `SNR(t(r)) = SNR̄(r)` · `decode(encode(x0, x1)) = (x0, x1)`
//!
//! Times, parameters and states are drawn by proptest; what is known in digits stands in tables.

use burn::tensor::{DType, Tensor};
use burn_ndarray::NdArray;
use proptest::prelude::*;
use pyroclast_core::analytic::Gaussian;
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::field::{Denoiser, VectorField};
use pyroclast_core::flow::Flow;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::objective::Objective;
use pyroclast_core::path::{Gamma, Path};
use pyroclast_core::per_sample::from_host;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::rescheduled::Rescheduled;
use pyroclast_core::schedule::{
    Coefficients, Cosine, Edm, Linear, Polynomial, Schedule, SubVariancePreserving, Trigonometric,
    VarianceExploding, VariancePreserving, change,
};
use pyroclast_core::weighting::{OfLogSnr, Weighting};
use std::f64::consts::{FRAC_PI_2, LN_2};
use std::fmt::Debug;
use std::sync::Arc;

type B = NdArray<f64>;

const PREDICTIONS: [Prediction; 7] = [
    Prediction::Velocity,
    Prediction::Data,
    Prediction::Noise,
    Prediction::Score,
    Prediction::ScaledScore,
    Prediction::V,
    Prediction::Edm { sigma_data: 0.7 },
];

// ---------------------------------------------------------------------------------------------------------------------
// What the tests are made of

/// Every schedule with the parameters of its paper, and once more where a parameter changes its ends.
fn usual_schedules() -> Vec<Arc<dyn Schedule>> {
    vec![
        Arc::new(Linear::default()),
        Arc::new(Linear { sigma_min: 0.1 }),
        Arc::new(Polynomial { degree: 2.0 }),
        Arc::new(Polynomial { degree: 3.0 }),
        Arc::new(Trigonometric),
        Arc::new(VariancePreserving::default()),
        Arc::new(Cosine),
        Arc::new(SubVariancePreserving::default()),
        Arc::new(VarianceExploding::default()),
        Arc::new(Edm::default()),
    ]
}

/// Every schedule, with parameters drawn from the range in which they are used.
fn any_schedules() -> impl Strategy<Value = Vec<Arc<dyn Schedule>>> {
    let parameters = (
        0.001..0.3, // σ_min of the linear path
        1.0..4.0,   // degree
        0.05..1.0,  // β_min
        0.0..20.0,  // β_max − β_min
        0.005..0.1, // σ_min of the exploding variance
        5.0..100.0, // σ_max
    );
    parameters.prop_map(|(sigma_min, degree, beta_min, rise, quiet, loud)| {
        let preserving = VariancePreserving {
            beta_min,
            beta_max: beta_min + 4.0 + rise,
        };
        let schedules: Vec<Arc<dyn Schedule>> = vec![
            Arc::new(Linear::default()),
            Arc::new(Linear { sigma_min }),
            Arc::new(Polynomial { degree }),
            Arc::new(Trigonometric),
            Arc::new(preserving),
            Arc::new(VariancePreserving {
                beta_min: beta_min + 4.0,
                beta_max: beta_min + 4.0,
            }),
            Arc::new(Cosine),
            Arc::new(SubVariancePreserving {
                beta_min: preserving.beta_min,
                beta_max: preserving.beta_max,
            }),
            Arc::new(VarianceExploding {
                sigma_min: quiet,
                sigma_max: loud,
            }),
            Arc::new(Edm { sigma_max: loud }),
        ];
        schedules
    })
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// A standard normal tensor that depends on `seed` and `index` alone.
fn normal<const D: usize>(seed: u64, index: u64, shape: [usize; D]) -> Tensor<B, D> {
    let mut draws = Noise::new(seed).draws(Stream::Data, index);
    draws.normal_tensor(shape, &Default::default(), DType::F64)
}

fn values<const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    x.into_data().to_vec().expect("the backend holds f64")
}

/// `|got − expected| ≤ tolerance·scale`; NaN fails.
#[track_caller]
fn close_on_scale(got: f64, expected: f64, scale: f64, tolerance: f64, context: impl Debug) {
    assert!(
        (got - expected).abs() <= tolerance * scale,
        "{got:e} instead of {expected:e} (scale {scale:e}) at {context:?}"
    );
}

#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64, context: impl Debug) {
    close_on_scale(got, expected, expected.abs(), tolerance, context);
}

/// Element by element, relative to the largest element.
#[track_caller]
fn close_tensors<const D: usize>(
    got: Tensor<B, D>,
    expected: Tensor<B, D>,
    tolerance: f64,
    context: impl Debug,
) {
    assert_eq!(got.dims(), expected.dims(), "{context:?}");
    let (got, expected) = (values(got), values(expected));
    let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (&g, &e) in got.iter().zip(&expected) {
        close_on_scale(g, e, largest, tolerance, &context);
    }
}

fn is_finite<const D: usize>(x: Tensor<B, D>) -> bool {
    values(x).iter().all(|v| v.is_finite())
}

/// A log-SNR that both schedules reach, at the fraction `place` of the range they share, cut to ±12 (σ/α from 400 to 1/400).
fn shared_log_snr(a: &dyn Schedule, b: &dyn Schedule, place: f64) -> f64 {
    let low = a.log_snr(0.0).max(b.log_snr(0.0)).max(-12.0);
    let high = a.log_snr(1.0).min(b.log_snr(1.0)).min(12.0);
    assert!(low < high, "{a:?} and {b:?} share no log-SNR");
    low + place * (high - low)
}

// ---------------------------------------------------------------------------------------------------------------------
// Schedules

#[test]
fn every_schedule_starts_and_ends_where_its_paper_says() {
    let vp_0 = (-5.025_f64).exp();
    let table: [(Arc<dyn Schedule>, [f64; 4]); 10] = [
        (Arc::new(Linear::default()), [0.0, 1.0, 1.0, 0.0]),
        (Arc::new(Linear { sigma_min: 0.1 }), [0.0, 1.0, 1.0, 0.1]),
        (Arc::new(Polynomial { degree: 1.0 }), [0.0, 1.0, 1.0, 0.0]),
        (Arc::new(Polynomial { degree: 3.0 }), [0.0, 1.0, 1.0, 0.0]),
        (Arc::new(Trigonometric), [0.0, 1.0, 1.0, 0.0]),
        (
            Arc::new(VariancePreserving::default()),
            [vp_0, (1.0 - vp_0 * vp_0).sqrt(), 1.0, 0.0],
        ),
        (Arc::new(Cosine), [0.0, 1.0, 1.0, 0.0]),
        (
            Arc::new(SubVariancePreserving::default()),
            [vp_0, 1.0 - vp_0 * vp_0, 1.0, 0.0],
        ),
        (
            Arc::new(VarianceExploding::default()),
            [1.0, 50.0, 1.0, 0.01],
        ),
        (Arc::new(Edm::default()), [1.0, 80.0, 1.0, 0.0]),
    ];
    for (schedule, [alpha_0, sigma_0, alpha_1, sigma_1]) in table {
        let (start, end) = (schedule.at(0.0), schedule.at(1.0));
        // A zero is expected to be exactly zero: the ends of the SNR depend on it.
        close(start.alpha, alpha_0, 1e-14, &schedule);
        close(start.sigma, sigma_0, 1e-14, &schedule);
        close(end.alpha, alpha_1, 1e-14, &schedule);
        close(end.sigma, sigma_1, 1e-14, &schedule);
        let infinite = (
            schedule.log_snr(0.0) == f64::NEG_INFINITY,
            schedule.log_snr(1.0) == f64::INFINITY,
        );
        assert_eq!(infinite, (alpha_0 == 0.0, sigma_1 == 0.0), "{schedule:?}");
    }
}

#[test]
fn variance_preserving_has_the_known_digits() {
    let vp = VariancePreserving::default();
    let digits = |got: f64, expected: f64| close_on_scale(got, expected, 1.0, 5.1e-11, expected);
    let half = vp.at(0.5);
    digits(half.alpha, 0.2811828808);
    digits(half.sigma, 0.9596542021);
    digits(half.d_alpha, 1.4129439760);
    digits(half.d_sigma, -0.4139987682);
    digits(vp.at(0.9).d_sigma, -2.9082673118);
    digits(vp.at(0.0).alpha, 0.0065715865);
}

#[test]
fn the_cosine_schedule_has_the_known_digits() {
    // The thousand-step table: ᾱ_499 is ᾱ(½), and β_0 is 1 − ᾱ(1/1000).
    let half = Cosine.at(0.5).alpha.powi(2);
    close_on_scale(half, 0.49384359, 1.0, 5.1e-9, "half");
    let first = Cosine.at(0.999).sigma.powi(2);
    close_on_scale(first, 4.1284224822e-5, 1.0, 5.1e-16, "first");
}

#[test]
fn linear_to_trigonometric_has_the_known_digits() {
    let at = change(&Linear::default(), &Trigonometric, 0.3);
    close_on_scale(at.t, 0.3375401519, 1.0, 5.1e-11, "t");
    close_on_scale(at.scale, 1.3449970239, 1.0, 5.1e-11, "s");
}

#[test]
fn variance_preserving_schedules_preserve_the_variance() {
    for t in [0.0, 0.01, 0.2, 0.5, 0.9, 0.999, 1.0] {
        let sum = |c: Coefficients| c.alpha * c.alpha + c.sigma * c.sigma;
        for schedule in [
            &VariancePreserving::default() as &dyn Schedule,
            &Cosine,
            &Trigonometric,
        ] {
            close(sum(schedule.at(t)), 1.0, 1e-14, (schedule, t));
        }
    }
}

#[test]
fn small_noise_keeps_its_digits_at_the_data_end() {
    // The leading terms in s = 1 − t, whose remainder is of relative size s or, for the cosine, s/0.025.
    let s = (-40.0 * LN_2).exp();
    let t = 1.0 - s;
    let theta = FRAC_PI_2 / 1.008 * 0.008;
    let table: [(&dyn Schedule, f64); 7] = [
        (&Linear::default(), s),
        (&Polynomial { degree: 3.0 }, 3.0 * s),
        (&Trigonometric, FRAC_PI_2 * s),
        (&VariancePreserving::default(), (0.1 * s).sqrt()),
        (&SubVariancePreserving::default(), 0.1 * s),
        (&Cosine, (FRAC_PI_2 / 1.008 * s * 2.0 * theta.tan()).sqrt()),
        (&Edm::default(), 80.0 * s),
    ];
    for (schedule, sigma) in table {
        close(schedule.at(t).sigma, sigma, 1e-9, schedule);
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn derivatives_agree_with_central_differences(
        schedules in any_schedules(),
        t in 0.05..0.95,
    ) {
        // At this step truncation (h²) and rounding (ε/h) both stay under 1e-7 of every slope in the range.
        let h = 1e-5;
        for schedule in &schedules {
            let (c, before, after) = (schedule.at(t), schedule.at(t - h), schedule.at(t + h));
            let slope = |before: f64, after: f64| (after - before) / (2.0 * h);
            close(slope(before.alpha, after.alpha), c.d_alpha, 1e-6, ("α̇", schedule, t));
            close(slope(before.sigma, after.sigma), c.d_sigma, 1e-6, ("σ̇", schedule, t));
        }
    }

    #[test]
    fn the_log_snr_grows(
        schedules in any_schedules(),
        t in 0.0..1.0,
        u in 0.0..1.0,
    ) {
        let (t, u) = if t < u { (t, u) } else { (u, t) };
        prop_assume!(u - t > 1e-6);
        for schedule in &schedules {
            prop_assert!(schedule.log_snr(t) < schedule.log_snr(u), "{schedule:?}");
            prop_assert!(schedule.at(u).delta() > 0.0, "{schedule:?}");
        }
    }

    #[test]
    fn the_log_snr_is_that_of_the_coefficients(schedules in any_schedules(), t in 0.01..0.99) {
        for schedule in &schedules {
            let c = schedule.at(t);
            let expected = (c.alpha * c.alpha / (c.sigma * c.sigma)).ln();
            close_on_scale(schedule.log_snr(t), expected, 1.0, 1e-12, (schedule, t));
        }
    }

    #[test]
    fn time_at_log_snr_inverts_log_snr(schedules in any_schedules(), t in 0.0..=1.0) {
        for schedule in &schedules {
            for t in [t, t * 1e-6, 1.0 - t * 1e-6] {
                let back = schedule.time_at_log_snr(schedule.log_snr(t));
                close_on_scale(back, t, 1.0, 1e-12, (schedule, t));
            }
        }
    }

    #[test]
    fn log_snr_inverts_time_at_log_snr(schedules in any_schedules(), l in -12.0..12.0) {
        for schedule in &schedules {
            if (schedule.log_snr(0.0)..schedule.log_snr(1.0)).contains(&l) {
                let t = schedule.time_at_log_snr(l);
                prop_assert!((0.0..=1.0).contains(&t));
                // t is rounded to ε, which shifts the log-SNR by ε·dl/dt.
                let c = schedule.at(t);
                let rate = 2.0 * c.delta() / (c.alpha * c.sigma);
                let scale = 1.0 + 1e-3 * rate;
                close_on_scale(schedule.log_snr(t), l, scale, 1e-12, (schedule, l));
            }
        }
    }

    #[test]
    fn a_log_snr_out_of_reach_is_clamped_to_an_end(
        schedules in any_schedules(),
        exponent in 4.0..308.0,
    ) {
        // At ±10⁴ e^{l/2} has left the range of f64, and every schedule is at its end.
        let far = 10.0_f64.powf(exponent);
        for schedule in &schedules {
            for l in [1e4, far, 1e307, f64::MAX, f64::INFINITY] {
                prop_assert_eq!(schedule.time_at_log_snr(-l), 0.0, "{:?} at {:e}", schedule, -l);
                prop_assert_eq!(schedule.time_at_log_snr(l), 1.0, "{:?} at {:e}", schedule, l);
            }
        }
    }

    #[test]
    fn the_squared_diffusion_is_the_variance_times_the_slope_of_the_log_snr(
        schedules in any_schedules(),
        t in 0.05..0.95,
    ) {
        let h = 1e-5;
        for schedule in &schedules {
            let c = schedule.at(t);
            let slope = (schedule.log_snr(t + h) - schedule.log_snr(t - h)) / (2.0 * h);
            close(c.diffusion_squared(), c.sigma * c.sigma * slope, 1e-6, (schedule, t));
        }
    }
}

#[test]
fn the_squared_diffusion_is_the_rate_of_the_noising_process() {
    // Song et al. 2021: β for VP; d[σ²]/ds for VE; β(1 − e^{−2∫β}) for sub-VP.
    let vp = VariancePreserving::default();
    let sub = SubVariancePreserving::default();
    let ve = VarianceExploding::default();
    for t in [0.0, 0.1, 0.5, 0.9, 0.99] {
        let beta = vp.beta(t);
        close(vp.at(t).diffusion_squared(), beta, 1e-12, ("vp", t));
        let s = 1.0 - t;
        let integral = 0.1 * s + 0.5 * 19.9 * s * s;
        let expected = -beta * (-2.0 * integral).exp_m1();
        close(sub.at(t).diffusion_squared(), expected, 1e-11, ("sub", t));
        let sigma = 0.01 * 5000.0_f64.powf(s);
        let expected = 2.0 * sigma * sigma * 5000.0_f64.ln();
        close(ve.at(t).diffusion_squared(), expected, 1e-12, ("ve", t));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// From one schedule to another

/// The changed coefficients of `from` are those of `to` at r, derivatives included.
#[track_caller]
fn change_gives_the_new_coefficients(from: &dyn Schedule, to: &dyn Schedule, r: f64) {
    let new = to.at(r);
    let change = change(from, to, r);
    let changed = change.apply(from.at(change.t));
    let context = (from, to, r);
    close(changed.alpha, new.alpha, 1e-9, context);
    close(changed.sigma, new.sigma, 1e-9, context);
    // A derivative of the changed path is a difference of two terms, and one of the two derivatives may be 0.
    let slope = new.d_alpha.abs() + new.d_sigma.abs();
    close_on_scale(changed.d_alpha, new.d_alpha, slope, 1e-9, context);
    close_on_scale(changed.d_sigma, new.d_sigma, slope, 1e-9, context);
}

#[test]
fn a_change_between_the_usual_schedules_gives_the_new_coefficients() {
    for from in usual_schedules() {
        for to in usual_schedules() {
            for place in [0.001, 0.1, 0.4, 0.5, 0.6, 0.9, 0.999] {
                let r = to.time_at_log_snr(shared_log_snr(&from, &to, place));
                change_gives_the_new_coefficients(&from, &to, r);
            }
        }
    }
}

#[test]
fn a_change_between_regular_ends_is_finite_there() {
    let ends: [&dyn Schedule; 2] = [&Linear::default(), &Trigonometric];
    for from in ends {
        for to in ends {
            change_gives_the_new_coefficients(from, to, 0.0);
            change_gives_the_new_coefficients(from, to, 1.0);
        }
        change_gives_the_new_coefficients(from, &Edm::default(), 1.0);
        change_gives_the_new_coefficients(&Edm::default(), from, 1.0);
    }
}

#[test]
fn a_change_to_the_same_schedule_changes_nothing() {
    for schedule in usual_schedules() {
        for t in [0.1, 0.5, 0.9] {
            let same = change(&schedule, &schedule, t);
            close(same.t, t, 1e-12, &schedule);
            close(same.scale, 1.0, 1e-11, &schedule);
            close(same.d_t, 1.0, 1e-11, &schedule);
            close_on_scale(same.d_scale, 0.0, 1.0, 1e-10, &schedule);
        }
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_change_between_any_two_schedules_gives_the_new_coefficients(
        schedules in any_schedules(),
        others in any_schedules(),
        place in 0.001..0.999,
    ) {
        for from in &schedules {
            for to in &others {
                let r = to.time_at_log_snr(shared_log_snr(from, to, place));
                change_gives_the_new_coefficients(from, to, r);
            }
        }
    }

    #[test]
    fn a_rescheduled_gaussian_is_the_gaussian_of_the_other_schedule(
        seed in any::<u64>(),
        std in 0.2..3.0,
        place in 0.01..0.99,
    ) {
        let mean = normal(seed, 0, [1, 2, 5]);
        let state = normal(seed, 1, [3, 2, 5]);
        for from in &usual_schedules() {
            for to in &usual_schedules() {
                let r = to.time_at_log_snr(shared_log_snr(from, to, place));
                let gaussian = |schedule| Gaussian { mean: mean.clone(), std, schedule };
                let expected = gaussian(to);
                let got = Rescheduled { field: gaussian(from), schedule: to };
                // A state that the path visits: of the marginal's own size.
                let c = to.at(r);
                let x = state.clone() * (c.alpha * std).hypot(c.sigma) + mean.clone() * c.alpha;
                let context = (from, to, r);
                let x = || x.clone();
                close_tensors(got.velocity(r, x()), expected.velocity(r, x()), 1e-10, context);
                close_tensors(got.denoise(r, x()), expected.denoise(r, x()), 1e-10, context);
                close_tensors(got.noise(r, x()), expected.noise(r, x()), 1e-10, context);
                close_tensors(got.score(r, x()), expected.score(r, x()), 1e-10, context);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Predictions

const SHAPE: [usize; 3] = [3, 2, 5];

fn ends(seed: u64) -> Endpoints<B, 3> {
    Endpoints {
        x0: normal(seed, 0, SHAPE),
        x1: normal(seed, 1, SHAPE),
    }
}

fn state(c: Coefficients, ends: &Endpoints<B, 3>) -> Tensor<B, 3> {
    ends.x1.clone() * c.alpha + ends.x0.clone() * c.sigma
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn decoding_inverts_encoding(
        schedules in any_schedules(),
        t in 0.05..0.95,
        seed in any::<u64>(),
    ) {
        let ends = ends(seed);
        for schedule in &schedules {
            let c = schedule.at(t);
            for prediction in PREDICTIONS {
                let output = prediction.encode(c, ends.clone());
                let back = prediction.decode(c, state(c, &ends), output);
                close_tensors(back.x0, ends.x0.clone(), 1e-10, ("x0", prediction, schedule, t));
                close_tensors(back.x1, ends.x1.clone(), 1e-10, ("x1", prediction, schedule, t));
            }
        }
    }

    #[test]
    fn encoding_inverts_decoding_and_decoded_endpoints_lie_on_the_state(
        schedules in any_schedules(),
        t in 0.05..0.95,
        seed in any::<u64>(),
    ) {
        // A network may put out anything: here it is unrelated to the state.
        let (x, output) = (normal(seed, 0, SHAPE), normal(seed, 1, SHAPE));
        for schedule in &schedules {
            let c = schedule.at(t);
            for prediction in PREDICTIONS {
                let ends = prediction.decode(c, x.clone(), output.clone());
                let context = (prediction, schedule, t);
                // The terms of these sums are as large as the endpoints, and cancel down to the state.
                let largest = |x: &Tensor<B, 3>| values(x.clone().abs().max())[0];
                let (w1, w0) = match prediction {
                    Prediction::Velocity => (c.d_alpha, c.d_sigma),
                    Prediction::Data => (1.0, 0.0),
                    Prediction::Noise => (0.0, 1.0),
                    Prediction::Score => (0.0, -1.0 / c.sigma),
                    Prediction::ScaledScore => (0.0, -1.0),
                    Prediction::V => (-c.sigma, c.alpha),
                    Prediction::Edm { sigma_data } => {
                        let n = c.sigma.hypot(c.alpha * sigma_data);
                        (c.sigma / (sigma_data * n), -c.alpha * sigma_data / n)
                    }
                    _ => unreachable!("the table above lists every prediction"),
                };
                let (x0, x1) = (largest(&ends.x0), largest(&ends.x1));
                let terms = |a: f64, b: f64| 1.0 + a.abs() * x1 + b.abs() * x0;
                let zero = Tensor::zeros_like(&x);
                let off_state = (state(c, &ends) - x.clone()) / terms(c.alpha, c.sigma);
                close_tensors(off_state + 1.0, zero.clone() + 1.0, 1e-13, context);
                let scale = terms(w1, w0);
                let off_output = (prediction.encode(c, ends) - output.clone()) / scale;
                close_tensors(off_output + 1.0, zero + 1.0, 1e-13, context);
            }
        }
    }

    #[test]
    fn a_target_with_a_time_for_each_sample_is_the_encoding_of_each_row(
        schedules in any_schedules(),
        times in [0.02..0.98, 0.02..0.98, 0.02..0.98],
        seed in any::<u64>(),
    ) {
        // Equal sizes along later axes would hide coefficients that broadcast along one of them.
        for shape in [[3, 1, 2, 2], [3, 3, 2, 3]] {
            let ends = Endpoints { x0: normal(seed, 0, shape), x1: normal(seed, 1, shape) };
            for schedule in &schedules {
                let coefficients = times.map(|t| schedule.at(t));
                for prediction in PREDICTIONS {
                    let target = prediction.target(&coefficients, ends.clone());
                    let rows = (0..3).map(|i| {
                        let row = |x: &Tensor<B, 4>| x.clone().narrow(0, i, 1);
                        let ends = Endpoints { x0: row(&ends.x0), x1: row(&ends.x1) };
                        prediction.encode(coefficients[i], ends)
                    });
                    let expected = Tensor::cat(rows.collect(), 0);
                    close_tensors(target, expected, 1e-14, (prediction, schedule, times));
                }
            }
        }
    }

    #[test]
    fn the_conditional_velocity_and_score_are_those_of_the_gaussian_around_the_data(
        schedules in any_schedules(),
        t in 0.05..0.95,
        seed in any::<u64>(),
    ) {
        // Lipman et al. 2023, theorem 3: u = (α̇ − σ̇α/σ)x1 + (σ̇/σ)x, and the score −(x − αx1)/σ².
        let ends = ends(seed);
        for schedule in &schedules {
            let c = schedule.at(t);
            let x = state(c, &ends);
            let ratio = c.d_sigma / c.sigma;
            let velocity = ends.x1.clone() * (c.d_alpha - ratio * c.alpha) + x.clone() * ratio;
            let got = Prediction::Velocity.encode(c, ends.clone());
            close_tensors(got, velocity, 1e-10, (schedule, t));
            let score = (x - ends.x1.clone() * c.alpha) / (-c.sigma * c.sigma);
            let got = Prediction::Score.encode(c, ends.clone());
            close_tensors(got, score.clone(), 1e-10, (schedule, t));
            let got = Prediction::ScaledScore.encode(c, ends.clone());
            close_tensors(got, score * c.sigma, 1e-10, (schedule, t));
        }
    }

    #[test]
    fn each_row_of_a_path_is_at_its_own_time_and_moves_with_its_velocity(
        schedules in any_schedules(),
        times in [0.1..0.9, 0.1..0.9, 0.1..0.9],
        strength in 0.05..2.0,
        seed in any::<u64>(),
    ) {
        let shape = [3, 1, 2, 2];
        let ends = Endpoints { x0: normal(seed, 0, shape), x1: normal(seed, 1, shape) };
        let z = normal(seed, 2, shape);
        let h = 1e-5;
        for schedule in schedules {
            for gamma in [Gamma::None, Gamma::Constant(strength), Gamma::Bridge(strength)] {
                let path = Path { gamma, ..Path::new(schedule.clone()) };
                let at = |shift: f64| {
                    path.sample(ends.clone(), Some(z.clone()), &times.map(|t| t + shift))
                };
                let context = (&schedule, gamma, times);
                let now = at(0.0);
                let host = |x: &Tensor<B, 4>| values(x.clone());
                let (x0, x1, noise) = (host(&ends.x0), host(&ends.x1), host(&z));
                let expected = (0..12).map(|i| {
                    let t = times[i / 4];
                    let c = schedule.at(t);
                    let bridge = match gamma {
                        Gamma::Constant(s) => s,
                        Gamma::Bridge(s) => s * (t * (1.0 - t)).sqrt(),
                        _ => 0.0,
                    };
                    c.alpha * x1[i] + c.sigma * x0[i] + bridge * noise[i]
                });
                let device = Default::default();
                let expected = from_host(expected.collect(), shape, &device, DType::F64);
                close_tensors(now.x_t, expected, 1e-13, context);
                let slope = (at(h).x_t - at(-h).x_t) / (2.0 * h);
                close_tensors(now.d_x_t, slope, 1e-6, context);
            }
        }
    }
}

/// Each end of each schedule, with the predictions from which the velocity cannot be had there.
fn singular_ends() -> Vec<(Arc<dyn Schedule>, f64, Vec<Prediction>)> {
    use Prediction::{Data, Noise, ScaledScore, Score};
    let at_start = || vec![Noise, Score, ScaledScore];
    let everything = || PREDICTIONS.to_vec();
    vec![
        (Arc::new(Linear::default()), 0.0, at_start()),
        (Arc::new(Linear::default()), 1.0, vec![Data]),
        (Arc::new(Linear { sigma_min: 0.1 }), 1.0, vec![]),
        (Arc::new(Polynomial { degree: 2.0 }), 0.0, at_start()),
        (Arc::new(Polynomial { degree: 2.0 }), 1.0, vec![Data]),
        (Arc::new(Polynomial { degree: 0.5 }), 0.0, everything()),
        (Arc::new(Trigonometric), 0.0, at_start()),
        (Arc::new(Trigonometric), 1.0, vec![Data]),
        (Arc::new(VariancePreserving::default()), 0.0, vec![]),
        (Arc::new(VariancePreserving::default()), 1.0, everything()),
        (Arc::new(Cosine), 0.0, at_start()),
        (Arc::new(Cosine), 1.0, everything()),
        (Arc::new(SubVariancePreserving::default()), 0.0, vec![]),
        (Arc::new(SubVariancePreserving::default()), 1.0, vec![Data]),
        (Arc::new(VarianceExploding::default()), 0.0, vec![]),
        (Arc::new(VarianceExploding::default()), 1.0, vec![]),
        (Arc::new(Edm::default()), 0.0, vec![]),
        (Arc::new(Edm::default()), 1.0, vec![Data]),
    ]
}

#[test]
fn the_velocity_is_finite_exactly_where_the_prediction_is_regular() {
    let (x, output) = (normal(5, 0, SHAPE), normal(5, 1, SHAPE));
    for (schedule, t, singular) in singular_ends() {
        let c = schedule.at(t);
        for prediction in PREDICTIONS {
            let context = (&schedule, t, prediction);
            let regular = !singular.contains(&prediction);
            assert_eq!(prediction.is_regular(c), regular, "{context:?}");
            // A predicted velocity is used as it is; what may be infinite is the velocity that it learns.
            let ends = match prediction {
                Prediction::Velocity => ends(5),
                other => other.decode(c, x.clone(), output.clone()),
            };
            let velocity = Prediction::Velocity.encode(c, ends);
            assert_eq!(is_finite(velocity), regular, "{context:?}");
        }
    }
}

#[test]
fn a_flow_keeps_off_its_singular_ends_and_reaches_the_others() {
    for (schedule, t, singular) in singular_ends() {
        for prediction in PREDICTIONS {
            let path = Path::new(schedule.clone());
            let flow = Flow::new((), path, Objective::new(prediction));
            let (start, end) = flow.span();
            let inset = if t == 0.0 { start } else { 1.0 - end };
            let kept_off = inset > 0.0 && inset < 0.01;
            assert_eq!(
                kept_off,
                singular.contains(&prediction),
                "{:?}",
                (&schedule, t, prediction)
            );
            assert!(kept_off || inset == 0.0);
            assert!(prediction.is_regular(schedule.at(start)));
            assert!(prediction.is_regular(schedule.at(end)));
        }
    }
}

#[test]
fn edms_output_is_that_of_its_preconditioning() {
    // Karras et al. 2022, eq. 7 and table 1, at the state y = x/α and the noise level ς = σ/α: D = c_skip·y + c_out·F.
    let sigma_data = 0.5_f64;
    for schedule in usual_schedules() {
        let t = 0.6;
        let c = schedule.at(t);
        let level = c.sigma / c.alpha;
        let total = level * level + sigma_data * sigma_data;
        let (skip, out) = (
            sigma_data * sigma_data / total,
            level * sigma_data / total.sqrt(),
        );
        let (x, f) = (normal::<2>(1, 0, [3, 2]), normal::<2>(2, 0, [3, 2]));
        let prediction = Prediction::Edm { sigma_data };
        let got = prediction.decode(c, x.clone(), f.clone()).x1;
        let expected = x.clone() / c.alpha * skip + f.clone() * out;
        close_tensors(got, expected.clone(), 1e-12, &schedule);
        let rows = prediction.data_rows(&[c; 3], x.clone(), f.clone());
        close_tensors(rows, expected, 1e-12, &schedule);
        // With unit variance everywhere it is −v.
        if (c.alpha.powi(2) + c.sigma.powi(2) - 1.0).abs() < 1e-12 {
            let unit = Prediction::Edm { sigma_data: 1.0 };
            let ends = unit.decode(c, x.clone(), -f.clone());
            close_tensors(ends.x1, Prediction::V.decode(c, x, f).x1, 1e-12, &schedule);
        }
    }
}

#[test]
fn velocity_and_v_give_both_endpoints_at_both_ends_of_linear_and_trigonometric_paths() {
    let ends = ends(6);
    for schedule in [&Linear::default() as &dyn Schedule, &Trigonometric] {
        for t in [0.0, 1.0] {
            let c = schedule.at(t);
            for prediction in [Prediction::Velocity, Prediction::V] {
                let output = prediction.encode(c, ends.clone());
                let back = prediction.decode(c, state(c, &ends), output);
                close_tensors(back.x0, ends.x0.clone(), 1e-14, (schedule, t, prediction));
                close_tensors(back.x1, ends.x1.clone(), 1e-14, (schedule, t, prediction));
            }
        }
    }
}

#[test]
fn the_singular_conversions_are_infinite_where_they_are_documented_to_be() {
    let ends = ends(7);
    let (start, end) = (Linear::default().at(0.0), Linear::default().at(1.0));
    let output = normal(7, 2, SHAPE);
    let decode = |prediction: Prediction, c| prediction.decode(c, state(c, &ends), output.clone());
    assert!(!is_finite(decode(Prediction::Data, end).x0));
    assert!(!is_finite(decode(Prediction::Noise, start).x1));
    assert!(!is_finite(decode(Prediction::Score, start).x1));
    assert!(!is_finite(Prediction::Score.encode(end, ends.clone())));
    assert!(!is_finite(
        Prediction::Score.target(&[end; 3], ends.clone())
    ));
    // The other endpoint is finite all the same, and an infinite one does not spoil what does not read it.
    let data = decode(Prediction::Data, end);
    let back = Prediction::Data.encode(end, data);
    close_tensors(back, output.clone(), 1e-15, "data");
    let noise = decode(Prediction::Noise, start);
    let back = Prediction::Noise.encode(start, noise);
    close_tensors(back, output.clone(), 1e-15, "noise");
}

// ---------------------------------------------------------------------------------------------------------------------
// Weightings

fn weightings(gamma: f64, sigma_data: f64) -> [Weighting; 6] {
    [
        Weighting::Snr,
        Weighting::MinSnr { gamma },
        Weighting::Edm { sigma_data },
        Weighting::Likelihood,
        Weighting::SigmaSquared,
        Weighting::OfLogSnr(OfLogSnr(|l| 1.0 / (1.0 + l * l))),
    ]
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_weighting_means_the_same_loss_for_every_prediction(
        schedules in any_schedules(),
        t in 0.05..0.95,
        x in -3.0..3.0,
        x1 in -3.0..3.0,
        error in 0.1..3.0,
        gamma in 0.5..20.0,
    ) {
        for schedule in &schedules {
            let c = schedule.at(t);
            let output = |prediction: Prediction, x1: f64| {
                let x0 = (x - c.alpha * x1) / c.sigma;
                let of = |v| from_host::<B, 1>(vec![v], [1], &Default::default(), DType::F64);
                values(prediction.encode(c, Endpoints { x0: of(x0), x1: of(x1) }))[0]
            };
            for weighting in weightings(gamma, 0.5) {
                let on_data = weighting.at(c, Prediction::Data) * error * error;
                for prediction in PREDICTIONS {
                    let off = output(prediction, x1 + error) - output(prediction, x1);
                    let context = (weighting, prediction, schedule, t);
                    // Two outputs of size σ/α or larger are subtracted.
                    let size = output(prediction, x1).abs().max(off.abs());
                    let tolerance = 1e-12 * size / off.abs() + 1e-12;
                    close(weighting.at(c, prediction) * off * off, on_data, tolerance, context);
                    close(prediction.error_ratio(c) * error * error, off * off, tolerance, context);
                }
            }
        }
    }

    #[test]
    fn the_weightings_are_those_of_their_papers(
        schedules in any_schedules(),
        t in 0.02..0.98,
        gamma in 0.01..100.0,
        sigma_data in 0.1..2.0_f64,
    ) {
        for schedule in &schedules {
            let c = schedule.at(t);
            let snr = schedule.log_snr(t).exp();
            let context = (schedule, t);
            let on = |weighting: Weighting, prediction| weighting.at(c, prediction);
            prop_assert_eq!(on(Weighting::Uniform, Prediction::Velocity), 1.0);
            close(on(Weighting::Snr, Prediction::Noise), 1.0, 1e-12, context);
            close(on(Weighting::Snr, Prediction::Data), snr, 1e-11, context);
            let variance = c.sigma * c.sigma;
            close(on(Weighting::SigmaSquared, Prediction::Score), variance, 1e-12, context);
            let rate = c.diffusion_squared();
            close(on(Weighting::Likelihood, Prediction::Score), rate, 1e-12, context);
            let clamped = on(Weighting::MinSnr { gamma }, Prediction::Data);
            close(clamped, if snr < gamma { snr } else { gamma }, 1e-11, context);
            let level = c.sigma / c.alpha;
            let edm = (level * level + sigma_data * sigma_data) / (level * sigma_data).powi(2);
            close(on(Weighting::Edm { sigma_data }, Prediction::Data), edm, 1e-11, context);
            let of_log_snr = on(Weighting::OfLogSnr(OfLogSnr(|l| 2.0 + l.tanh())), Prediction::Data);
            close(of_log_snr, 2.0 + schedule.log_snr(t).tanh(), 1e-11, context);
        }
    }

    #[test]
    fn a_weighting_of_the_snr_does_not_know_the_schedule(
        schedules in any_schedules(),
        place in 0.01..0.99,
        gamma in 0.5..20.0,
    ) {
        let reference = Linear::default();
        for schedule in &schedules {
            let l = shared_log_snr(&reference, schedule, place);
            let at = |schedule: &dyn Schedule| schedule.at(schedule.time_at_log_snr(l));
            for weighting in weightings(gamma, 0.5) {
                // Likelihood weighs by g², which belongs to the schedule's clock and scale.
                if !matches!(weighting, Weighting::Likelihood) {
                    let expected = weighting.at(at(&reference), Prediction::Data);
                    let got = weighting.at(at(schedule), Prediction::Data);
                    close(got, expected, 1e-9, (weighting, schedule, l));
                }
            }
        }
    }
}
