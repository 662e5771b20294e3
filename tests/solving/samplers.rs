//! Diffusion samplers: their equivalences, their orders on exact laws, what they refuse, and
//! published values.
//!
//! `DDIM(0) = Euler of x/α in σ/α` · `DDIM(1) = DDPM = Euler-ancestral = SDE-DPM-Solver++(1)` · `error(2N)/error(N) → 2^{−order}`

#[path = "../../examples/samplers/table.rs"]
mod table;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use pyroclast::core::analytic::{Gaussian, GaussianMixture};
use pyroclast::core::ddpm::{BetaTable, End, Spacing, Variance};
use pyroclast::core::endpoints::Endpoints;
use pyroclast::core::field::{Counted, Denoiser, VectorField};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::prediction::Prediction;
use pyroclast::core::rescheduled::Rescheduled;
use pyroclast::core::schedule::{
    Edm, Linear, Schedule, SubVariancePreserving, Trigonometric, VarianceExploding,
    VariancePreserving,
};
use pyroclast::solvers::sampler::{
    Averaged, Churn, Ddim, Ddpm, Deis, DpmSolver, DpmSolverSde, DpmSolverSingle, EulerAncestral,
    EulerEdm, Extrapolation, HeunEdm, Langevin, Pndm, PredictorCorrector, ReverseDiffusion,
    Sampler, UniPc, Variant, WarmUp, ZeroNoise, check,
};
use pyroclast::solvers::{EULER, Increments, Memory, Method, RK4, TimeGrid, integrate};
use std::sync::Arc;
use table::{B, END, Impulses, Kind, Parts, column, lines, slope, values};

fn gaussian<S: Schedule>(mean: f64, std: f64, schedule: S) -> Gaussian<B, S, 2> {
    Gaussian {
        mean: column(&[mean]),
        std,
        schedule,
    }
}

fn increments(seed: u64) -> Increments {
    Increments {
        noise: Noise::new(seed),
        first: 1,
    }
}

fn schedules() -> Vec<Arc<dyn Schedule>> {
    vec![
        Arc::new(VariancePreserving::default()),
        Arc::new(SubVariancePreserving::default()),
        Arc::new(VarianceExploding::default()),
        Arc::new(Edm::default()),
        Arc::new(Linear::default()),
        Arc::new(Trigonometric),
        Arc::new(BetaTable::default()),
    ]
}

fn all_close(a: Tensor<B, 2>, b: Tensor<B, 2>, tolerance: f64, what: &str) {
    for (a, b) in values(a).iter().zip(values(b)) {
        assert!(
            (a - b).abs() < tolerance * (1.0 + b.abs()),
            "{what}: {a} {b}"
        );
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Published values

/// The model of diffusers' scheduler tests, `x·k/(k + 1)` at the index k, read as some prediction
/// on the linear table of Ho et al.
struct Published {
    table: BetaTable,
    prediction: Prediction,
}

impl Denoiser<B, 4> for Published {
    fn schedule(&self) -> &dyn Schedule {
        &self.table
    }

    fn denoise(&self, t: f64, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.endpoints(t, x).x1
    }

    fn endpoints(&self, t: f64, x: Tensor<B, 4>) -> Endpoints<B, 4> {
        let k = self.table.index(t).expect("no sampler asks at clean data") as f64;
        let output = x.clone() * (k / (k + 1.0));
        self.prediction.decode(self.table.at(t), x, output)
    }
}

/// `Σ|x|` and its mean at the end, from their start `x[b,c,h,w] = (((c·8 + h)·8 + w)·4 + b)/768`.
fn published<M: Method<B, Published, 4>>(
    prediction: Prediction,
    method: &M,
    grid: impl Fn(&BetaTable) -> TimeGrid,
) -> (f64, f64) {
    let field = Published {
        table: BetaTable::default(),
        prediction,
    };
    let start: Vec<f64> = (0..768)
        .map(|i| {
            let (b, rest) = (i / 192, i % 192);
            (rest * 4 + b) as f64 / 768.0
        })
        .collect();
    let x = column(&start).reshape([4, 3, 8, 8]);
    let end = integrate(&field, method, x, &grid(&field.table));
    let sum = values(end.reshape([768, 1]))
        .iter()
        .map(|v| v.abs())
        .sum::<f64>();
    (sum, sum / 768.0)
}

#[test]
fn published_loops_are_reproduced() {
    // The values are those of the loop of Hugging Face diffusers' tests/schedulers in double
    // precision, and running it there checks them. What is asserted there is single precision, sums
    // to 10⁻² and means to 10⁻³ (172.0067 for DDIM ε), and DDPM's loop draws noise, so that its
    // mean alone has no value there. Conventions: leading indices that end at clean data for DDIM
    // and DDPM; for DPM-Solver++ and UniPC eleven evenly spaced indices from 999 to 0, which leave
    // the noise of index 0; PNDM likewise ends at index 0, since its last step there goes nowhere.
    // UniPC comes down to order 1 at the end.
    let leading = |n, end| {
        move |table: &BetaTable| TimeGrid::spaced(table, Spacing::Leading { offset: 0 }, n, end)
    };
    let linspace = |table: &BetaTable| TimeGrid::spaced(table, Spacing::Linspace, 11, End::Last);
    let unipc = UniPc {
        order: 2,
        variant: Variant::Bh2,
        taper: Some(10),
    };
    let mean_only = Ddpm {
        variance: Variance::Small,
        brownian: ZeroNoise,
    };
    let (noise, v) = (Prediction::Noise, Prediction::V);
    let second = DpmSolver::of_order(2);
    let close = |got: f64, expected: f64, what: &str| {
        assert!(
            (got / expected - 1.0).abs() < 1e-4,
            "{what}: {got}, not {expected}"
        );
    };
    let ten = leading(10, End::Data);
    close(
        published(noise, &Ddim::DETERMINISTIC, ten).0,
        172.0065,
        "DDIM ε",
    );
    close(published(v, &Ddim::DETERMINISTIC, ten).0, 52.5301, "DDIM v");
    // Four digits of the next three are asserted there: half a unit of the last is 1.5e-4 to 2.2e-4
    // of them, so more digits hold 1e-4 here.
    close(
        published(noise, &second, linspace).1,
        0.330_145,
        "DPM++2M ε",
    );
    close(published(v, &second, linspace).1, 0.225_096, "DPM++2M v");
    close(published(noise, &unipc, linspace).1, 0.246_396, "UniPC ε");
    let pndm = Pndm {
        warm_up: WarmUp::RungeKutta,
        averaged: Averaged::Noise,
    };
    close(
        published(noise, &pndm, leading(10, End::Last)).0,
        198.1318,
        "PNDM ε",
    );
    close(
        published(noise, &mean_only, leading(1000, End::Data)).0,
        0.660_935,
        "DDPM ε",
    );
}

#[test]
fn pndm_averages_v_by_the_published_loop() {
    // The loop of diffusers' PNDMScheduler with prediction_type = v_prediction, on one number.
    let table = BetaTable::default();
    let model = |k: usize, x: f64| x * k as f64 / (k as f64 + 1.0);
    let step = |x: f64, from: usize, to: usize, v: f64| {
        let (a, b) = (table.alpha_bar(from), table.alpha_bar(to));
        let noise = a.sqrt() * v + (1.0 - a).sqrt() * x;
        let divisor = a * (1.0 - b).sqrt() + (a * (1.0 - a) * b).sqrt();
        (b / a).sqrt() * x - (b - a) * noise / divisor
    };
    let mut x = 1.0;
    let mut past: Vec<f64> = vec![];
    for from in (1..10).rev().map(|i| 100 * i) {
        let (middle, to) = (from - 50, from - 100);
        let v1 = model(from, x);
        past.insert(0, v1);
        let v = if past.len() <= 3 {
            let v2 = model(middle, step(x, from, middle, v1));
            let v3 = model(middle, step(x, from, middle, v2));
            let v4 = model(to, step(x, from, to, v3));
            (v1 + 2.0 * v2 + 2.0 * v3 + v4) / 6.0
        } else {
            (55.0 * past[0] - 59.0 * past[1] + 37.0 * past[2] - 9.0 * past[3]) / 24.0
        };
        x = step(x, from, to, v);
    }
    let field = Published {
        table,
        prediction: Prediction::V,
    };
    let pndm = |averaged| {
        let method = Pndm {
            warm_up: WarmUp::RungeKutta,
            averaged,
        };
        let spacing = Spacing::Leading { offset: 0 };
        let grid = TimeGrid::spaced(&field.table, spacing, 10, End::Last);
        let start = column(&[1.0]).reshape([1, 1, 1, 1]);
        values(integrate(&field, &method, start, &grid).reshape([1, 1]))[0]
    };
    let (v, noise) = (pndm(Averaged::V), pndm(Averaged::Noise));
    assert!((v / x - 1.0).abs() < 1e-9, "{v}, not {x}");
    assert!((v - noise).abs() > 1e-3, "{v} {noise}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Equivalences

#[test]
fn ddim_is_eulers_method_in_the_scaled_variable() {
    for schedule in schedules() {
        let field = gaussian(0.7, 0.5, schedule.clone());
        // From where the noise level is 20 to 0.01, in EDM's clock and in the schedule's own.
        let edm = Edm { sigma_max: 20.0 };
        let levels: Vec<f64> = (0..12)
            .map(|i| 20.0 * (0.01_f64 / 20.0).powf(f64::from(i) / 11.0))
            .collect();
        let own = |schedule: &dyn Schedule| {
            let time = |level: &f64| schedule.time_at_log_snr(-2.0 * level.ln());
            TimeGrid::new(levels.iter().map(time).collect()).expect("falling levels")
        };
        let (here, there) = (own(&*schedule), own(&edm));
        let y = column(&[-30.0, 4.0, 25.0]);
        let ends = |grid: &TimeGrid, i: usize| schedule.at(grid.times()[i]).alpha;
        let x = y.clone() * ends(&here, 0);
        let ddim = integrate(&field, &Ddim::DETERMINISTIC, x.clone(), &here) / ends(&here, 11);
        let euler_edm = EulerEdm {
            churn: Churn::default(),
            brownian: ZeroNoise,
        };
        let scaled = integrate(&field, &euler_edm, x, &here) / ends(&here, 11);
        let field = Rescheduled {
            field,
            schedule: edm,
        };
        let euler = integrate(&field, &EULER, y, &there);
        let what = format!("{schedule:?}");
        all_close(ddim, euler.clone(), 1e-8, &what);
        all_close(scaled, euler, 1e-8, &what);
    }
}

#[test]
fn the_ancestral_samplers_are_one() {
    for schedule in schedules() {
        let field = gaussian(0.7, 0.5, schedule.clone());
        let grid = TimeGrid::karras(&*schedule, (20.0, 0.02), 3.0, 12);
        let x = column(&[-1.0, 0.3, 2.0]);
        let brownian = increments(4);
        let ddim = integrate(&field, &Ddim { eta: 1.0, brownian }, x.clone(), &grid);
        let euler = EulerAncestral { eta: 1.0, brownian };
        let ddpm = Ddpm {
            variance: Variance::Small,
            brownian,
        };
        let sde = DpmSolverSde {
            order: 1,
            taper: None,
            brownian,
        };
        let what = format!("{schedule:?}");
        all_close(
            integrate(&field, &euler, x.clone(), &grid),
            ddim.clone(),
            1e-9,
            &what,
        );
        all_close(
            integrate(&field, &ddpm, x.clone(), &grid),
            ddim.clone(),
            1e-9,
            &what,
        );
        all_close(integrate(&field, &sde, x, &grid), ddim, 1e-9, &what);
    }
}

#[test]
fn euler_without_its_ancestral_noise_is_ddim_in_both_directions() {
    for schedule in schedules() {
        let field = gaussian(0.7, 0.5, schedule.clone());
        let grid = TimeGrid::log_snr(&*schedule, (20.0, 0.02), 12).until(0.99);
        let euler = EulerAncestral {
            eta: 0.0,
            brownian: ZeroNoise,
        };
        let x = column(&[-1.0, 0.3, 2.0]);
        for grid in [grid.clone(), grid.reversed()] {
            let ddim = integrate(&field, &Ddim::DETERMINISTIC, x.clone(), &grid);
            let euler = integrate(&field, &euler, x.clone(), &grid);
            all_close(euler, ddim, 1e-9, &format!("{schedule:?}"));
        }
    }
}

#[test]
fn first_orders_of_the_multistep_methods_are_ddim() {
    let field = gaussian(0.7, 0.5, VariancePreserving::default());
    let grid = Kind::LogSnr.grid(9);
    let x = column(&[-1.0, 0.3, 2.0]);
    let ddim = integrate(&field, &Ddim::DETERMINISTIC, x.clone(), &grid);
    let dpm = integrate(&field, &DpmSolver::of_order(1), x.clone(), &grid);
    all_close(dpm, ddim.clone(), 1e-12, "DPM-Solver++(1)");
    for extrapolation in [
        Extrapolation::Time,
        Extrapolation::Level,
        Extrapolation::LogLevel,
    ] {
        let deis = Deis {
            order: 1,
            extrapolation,
            taper: None,
        };
        all_close(
            integrate(&field, &deis, x.clone(), &grid),
            ddim.clone(),
            1e-11,
            "DEIS",
        );
    }
}

#[test]
fn ddim_inverts_itself_as_its_steps_shrink() {
    let field = GaussianMixture::new(
        column(&[-1.0, 0.8]),
        &[0.35, 0.65],
        &[0.4, 0.3],
        VariancePreserving::default(),
    );
    let x = column(&[-1.2, -0.4, 0.1, 0.9]);
    let misses: Vec<f64> = [40, 80, 160, 320]
        .iter()
        .map(|&n| {
            let grid = Kind::LogSnr.grid(n);
            let noise = integrate(
                &field,
                &Ddim::DETERMINISTIC,
                x.clone(),
                &grid.clone().reversed(),
            );
            let back = integrate(&field, &Ddim::DETERMINISTIC, noise, &grid);
            let squares = (back - x.clone()).powf_scalar(2.0);
            values(squares).iter().sum::<f64>().sqrt()
        })
        .collect();
    let slope = slope(&[40, 80, 160, 320], &misses);
    assert!((slope - 1.0).abs() < 0.15, "{misses:?}: {slope}");
}

#[test]
fn a_memory_survives_its_parts() {
    // A multistep method that is taken apart and put together after every step goes the same way.
    fn agrees<M: Method<B, Gaussian<B, VariancePreserving, 2>, 2>>(method: &M, what: &str) {
        let field = gaussian(0.7, 0.5, VariancePreserving::default());
        let grid = Kind::LogSnr.grid(8);
        let x = column(&[-1.0, 0.3]);
        let whole = integrate(&field, method, x.clone(), &grid);
        let (mut x, mut state) = (x.clone(), method.init(&field, grid.times()[0], &x));
        for (t, s) in grid.intervals() {
            (x, state) = method.step(&field, t, s, x, M::State::from_parts(state.into_parts()));
        }
        all_close(x, whole, 1e-15, what);
    }
    agrees(&DpmSolver::of_order(3), "DPM-Solver++");
    let unipc = UniPc {
        order: 3,
        variant: Variant::Bh1,
        taper: Some(8),
    };
    agrees(&unipc, "UniPC");
    agrees(&Deis::lms(4), "LMS");
    let pndm = Pndm {
        warm_up: WarmUp::RungeKutta,
        averaged: Averaged::Noise,
    };
    agrees(&pndm, "PNDM");
    let pc = PredictorCorrector {
        predictor: ReverseDiffusion {
            brownian: increments(1),
        },
        corrector: Langevin::default(),
        brownian: increments(2),
    };
    agrees(&pc, "predictor–corrector");
}

// ---------------------------------------------------------------------------------------------------------------------
// Orders, and closed forms

#[test]
fn biases_fall_at_their_orders_on_a_gaussian_and_on_a_mixture() {
    for (name, parts) in [
        ("Gaussian", Parts::gaussian()),
        ("mixture", Parts::mixture()),
    ] {
        for line in lines() {
            if line.is_stochastic && name == "mixture" {
                continue;
            }
            let grids = line.fine_grids();
            let errors = grids.map(|n| line.error(&parts, n));
            let slope = slope(&grids, &errors);
            // On a Gaussian some leading terms of an ODE method cancel: the third order of
            // dpmpp-3m, and of deis-3 in ln ρ.
            let may_exceed = name == "Gaussian" && !line.is_stochastic;
            assert!(
                slope > line.order - 0.15 && (may_exceed || slope < line.order + 0.15),
                "{} on a {name}: {errors:?}, slope {slope}",
                line.name
            );
        }
    }
}

#[test]
fn dpm_solver_has_the_published_errors_of_its_gain() {
    // Data N(0, ½²) under VP from s = 1 to 10⁻³, uniform in the log-SNR: relative error of the
    // factor that x is multiplied with.
    let field = gaussian(0.0, 0.5, VariancePreserving::default());
    let exact = field.schedule.at(END).std(0.5) / field.schedule.at(0.0).std(0.5);
    for (n, expected) in [(20, 1.30e-2), (40, 3.51e-3), (80, 8.90e-4), (160, 2.23e-4)] {
        let end = integrate(
            &field,
            &DpmSolver::of_order(2),
            column(&[1.0]),
            &Kind::LogSnr.grid(n),
        );
        let error = (values(end)[0] / exact - 1.0).abs();
        assert!(
            (error / expected - 1.0).abs() < 5e-3,
            "N = {n}: {error}, not {expected}"
        );
    }
}

#[test]
fn heun_edm_has_the_golden_gain_and_cost() {
    let field = gaussian(0.0, 0.5, Edm::default());
    let heun = HeunEdm {
        churn: Churn::default(),
        brownian: ZeroNoise,
    };
    let gain = |n: usize| {
        let counted = Counted::new(&field);
        let grid = TimeGrid::karras(&Edm::default(), (80.0, 0.002), 7.0, n);
        let end = values(integrate(&counted, &heun, column(&[1.0]), &grid))[0];
        assert_eq!(counted.evaluations(), 2 * n - 1);
        end
    };
    let exact = 0.5 / (80.0_f64.powi(2) + 0.25).sqrt();
    assert!((exact - 0.006_249_877_933).abs() < 1e-12);
    assert!((gain(18) - 0.006_595_307_963).abs() < 1e-12, "{}", gain(18));
    let ratio = (gain(72) - exact) / (gain(144) - exact);
    assert!((ratio - 4.0).abs() < 0.2, "{ratio}");
}

#[test]
fn gradients_through_edms_samplers_are_double() {
    // On N(0, ½²) the end is a multiple of the start, and the gradient of its sum is that multiple.
    fn held<M>(method: &M, what: &str)
    where
        M: Method<Autodiff<B>, Gaussian<Autodiff<B>, VariancePreserving, 2>, 2>,
    {
        let field = Gaussian {
            mean: Tensor::from_inner(column(&[0.0])),
            std: 0.5,
            schedule: VariancePreserving::default(),
        };
        let x = Tensor::<Autodiff<B>, 2>::from_inner(column(&[1.0])).require_grad();
        let end = integrate(&field, method, x.clone(), &Kind::LogSnr.grid(7));
        let gradient = x.grad(&end.clone().sum().backward()).expect("tracked");
        all_close(gradient, end.inner(), 1e-13, what);
    }
    let (churn, brownian) = (Churn::default(), ZeroNoise);
    held(&EulerEdm { churn, brownian }, "euler-edm");
    held(&HeunEdm { churn, brownian }, "heun-edm");
}

#[test]
fn ancestral_variances_are_the_published_ones() {
    // N(0, 1) with the exact ε on the linear table of 1000 steps; row k shows the noise of step k,
    // the last row the start.
    let field = gaussian(0.0, 1.0, BetaTable::default());
    let grid = TimeGrid::spaced(&field.schedule, Spacing::Trailing, 1000, End::Data);
    let mut start = vec![0.0; 1001];
    start[1000] = 1.0;
    for (variance, expected, digits) in [
        (Variance::Small, 0.991_067, 1e-6),
        (Variance::Large, 0.9999, 1e-4),
    ] {
        let sampler = Ddpm {
            variance,
            brownian: Impulses,
        };
        let ends = values(integrate(&field, &sampler, column(&start), &grid));
        let got: f64 = ends.iter().map(|v| v * v).sum();
        assert!((got - expected).abs() < digits, "{variance:?}: {got}");
    }
}

#[test]
fn standard_normal_data_do_not_move_under_vp() {
    let field = gaussian(0.0, 1.0, VariancePreserving::default());
    let x = column(&[-2.0, 0.5, 1.7]);
    assert!(
        values(field.velocity(0.4, x.clone()))
            .iter()
            .all(|v| v.abs() < 1e-12)
    );
    let end = integrate(&field, &RK4, x.clone(), &TimeGrid::uniform(0.0, 0.999, 50));
    all_close(end, x, 1e-12, "the probability flow");
}

#[test]
fn every_sampler_reaches_a_mixture() {
    // Mean, variance and the shares of both modes, from n draws: within five standard errors, and
    // what bias 200 steps leave.
    const N: usize = 40_000;
    let parts = Parts::mixture();
    let field = GaussianMixture::new(
        column(&[-1.0, 0.8]),
        &[0.35, 0.65],
        &[0.4, 0.3],
        VariancePreserving::default(),
    );
    let x0 = Noise::new(3).draws(Stream::Sampler, 0).normals_f64(N);
    let brownian = increments(7);
    let deterministic = UniPc {
        order: 2,
        variant: Variant::Bh2,
        taper: None,
    };
    let pc = PredictorCorrector {
        predictor: ReverseDiffusion { brownian },
        corrector: Langevin {
            steps: 1,
            ratio: 0.05,
        },
        brownian: increments(8),
    };
    let churned = HeunEdm {
        churn: Churn::spread(20.0, 200),
        brownian,
    };
    let grid = Kind::LogSnr.grid(200);
    let large = Ddpm {
        variance: Variance::Large,
        brownian,
    };
    let x = || column(&x0);
    let reached = [
        ("unipc", integrate(&field, &deterministic, x(), &grid)),
        ("ddpm", integrate(&field, &large, x(), &grid)),
        (
            "euler-ancestral",
            integrate(&field, &EulerAncestral { eta: 1.0, brownian }, x(), &grid),
        ),
        (
            "ddim η = ½",
            integrate(&field, &Ddim { eta: 0.5, brownian }, x(), &grid),
        ),
        (
            "dpmpp-sde",
            integrate(
                &field,
                &DpmSolverSde {
                    order: 2,
                    taper: None,
                    brownian,
                },
                x(),
                &grid,
            ),
        ),
        (
            "heun-edm with churn",
            integrate(&field, &churned, x(), &grid),
        ),
        (
            "reverse-diffusion",
            integrate(&field, &ReverseDiffusion { brownian }, x(), &grid),
        ),
        ("pc", integrate(&field, &pc, x(), &grid)),
    ];
    let n = N as f64;
    let (mean, square) = parts.0.iter().fold((0.0, 0.0), |(m, s), (w, mu, std)| {
        (m + w * mu, s + w * (mu * mu + std * std))
    });
    for (name, x) in reached {
        let x = values(x);
        let of = |f: &dyn Fn(f64) -> f64| x.iter().map(|&v| f(v)).sum::<f64>() / n;
        let bias = 0.02;
        let std = square.sqrt();
        assert!(
            (of(&|v| v) - mean).abs() < 5.0 * std / n.sqrt() + bias,
            "{name}"
        );
        let spread = (of(&|v| v.powi(4)) - square * square).sqrt();
        assert!(
            (of(&|v| v * v) - square).abs() < 5.0 * spread / n.sqrt() + bias,
            "{name}"
        );
        let left = of(&|v| f64::from(v < -0.1));
        // Of the left mode 1.2 % lie beyond −0.1, and of the right one 0.13 % below it.
        let share = 0.35 * 0.98778 + 0.65 * 0.00135;
        assert!(
            (left - share).abs() < 5.0 * 0.5 / n.sqrt() + bias,
            "{name}: {left} {share}"
        );
    }
}

#[test]
fn the_corrector_mends_what_the_predictor_gets_wrong() {
    // Eight steps of the predictor leave a wrong variance; three corrections after each bring it
    // nearer.
    const N: usize = 20_000;
    let field = gaussian(0.0, 0.5, VariancePreserving::default());
    let grid = Kind::LogSnr.grid(8);
    let x = column(&Noise::new(3).draws(Stream::Sampler, 0).normals_f64(N));
    let predictor = ReverseDiffusion {
        brownian: increments(7),
    };
    let exact = field.schedule.at(END).std(0.5).powi(2);
    let error = |x: Tensor<B, 2>| {
        let x = values(x);
        let square = x.iter().map(|v| v * v).sum::<f64>() / N as f64;
        (square / exact - 1.0).abs()
    };
    let alone = error(integrate(&field, &predictor, x.clone(), &grid));
    let corrected = PredictorCorrector {
        predictor,
        corrector: Langevin {
            steps: 3,
            ratio: 0.4,
        },
        brownian: increments(8),
    };
    let corrected = error(integrate(&field, &corrected, x, &grid));
    assert!(corrected < 0.5 * alone, "{corrected} {alone}");
}

// ---------------------------------------------------------------------------------------------------------------------
// What is refused

#[test]
fn what_a_schedule_cannot_serve_is_refused_by_name() {
    let grid = TimeGrid::uniform(0.0, 1.0, 10);
    let brownian = ZeroNoise;
    let ddpm = Ddpm {
        variance: Variance::Small,
        brownian,
    };
    let refused = |sampler: &dyn Fn(&dyn Denoiser<B, 2>) -> Option<String>,
                   field: &dyn Denoiser<B, 2>| {
        sampler(field).expect("refused")
    };
    fn by<S: Sampler>(
        sampler: S,
        grid: &TimeGrid,
    ) -> impl Fn(&dyn Denoiser<B, 2>) -> Option<String> {
        move |field| check(&sampler, field, grid).err().map(|e| e.to_string())
    }
    let ve = gaussian(0.0, 0.5, VarianceExploding::default());
    let linear = gaussian(0.0, 0.5, Linear::default());
    let vp = gaussian(0.0, 0.5, VariancePreserving::default());
    let message = refused(&by(ddpm, &grid), &ve);
    assert!(
        message.starts_with("ddpm needs α² + σ² = 1, and this schedule has 2501 at t = 0, where"),
        "{message}"
    );
    assert!(message.contains("heun-edm"), "{message}");
    let sub_vp = gaussian(0.0, 0.5, SubVariancePreserving::default());
    let message = refused(&by(ddpm, &grid), &sub_vp);
    assert!(
        message.contains("has 0.761 at t = 0.7, where it is farthest from it"),
        "{message}"
    );
    let message = refused(&by(DpmSolver::of_order(2), &grid), &linear);
    assert!(
        message.starts_with("dpmpp divides by the signal, and the schedule has none at t = 0"),
        "{message}"
    );
    assert!(by(ddpm, &grid)(&vp).is_none());

    // Back to noise, and from where there is none.
    let back = TimeGrid::uniform(0.9, 0.1, 10);
    let churn = Churn {
        gamma: 0.1,
        ..Churn::default()
    };
    let corrected = |eta| PredictorCorrector {
        predictor: Ddim { eta, brownian },
        corrector: Langevin::default(),
        brownian: increments(1),
    };
    for message in [
        refused(&by(ddpm, &back), &vp),
        refused(&by(Ddim { eta: 0.5, brownian }, &back), &vp),
        refused(&by(EulerAncestral { eta: 1.0, brownian }, &back), &vp),
        refused(&by(EulerEdm { churn, brownian }, &back), &vp),
        refused(&by(HeunEdm { churn, brownian }, &back), &vp),
        refused(
            &by(
                DpmSolverSde {
                    order: 2,
                    taper: None,
                    brownian,
                },
                &back,
            ),
            &vp,
        ),
        refused(&by(ReverseDiffusion { brownian }, &back), &vp),
        refused(&by(corrected(1.0), &back), &vp),
    ] {
        assert!(
            message.contains("adds noise, so it cannot run back from t = 0.9 to 0.1")
                && message.contains("eta = 0"),
            "{message}"
        );
    }
    let churn = Churn::default();
    assert!(by(Ddim { eta: 0.0, brownian }, &back)(&vp).is_none());
    assert!(by(EulerAncestral { eta: 0.0, brownian }, &back)(&vp).is_none());
    assert!(by(HeunEdm { churn, brownian }, &back)(&vp).is_none());
    assert!(by(DpmSolver::of_order(2), &back)(&vp).is_none());
    assert!(by(corrected(0.0), &back)(&vp).is_none());
    for back in [
        TimeGrid::uniform(1.0, 0.1, 10),
        TimeGrid::uniform(1.0, 0.0, 10),
    ] {
        let message = refused(&by(Ddim::DETERMINISTIC, &back), &vp);
        assert!(
            message.starts_with("ddim divides by the noise, and the schedule has none at t = 1"),
            "{message}"
        );
    }
    assert!(by(DpmSolver::of_order(2), &grid)(&ve).is_none());
    assert!(by(Ddim::DETERMINISTIC, &grid)(&linear).is_none());
    assert!(by(DpmSolverSingle, &TimeGrid::uniform(0.001, 1.0, 10))(&linear).is_none());

    // ε at zero SNR: the model itself says that it cannot.
    struct Blind(Gaussian<B, BetaTable, 2>);
    impl Denoiser<B, 2> for Blind {
        fn schedule(&self) -> &dyn Schedule {
            self.0.schedule()
        }
        fn is_defined(&self, t: f64) -> bool {
            self.schedule().at(t).alpha > 0.0
        }
        fn denoise(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
            self.0.denoise(t, x)
        }
    }
    let blind = Blind(gaussian(0.0, 0.5, BetaTable::default().zero_terminal_snr()));
    let message = refused(&by(Ddim::DETERMINISTIC, &grid), &blind);
    assert!(
        message.contains("(SNR 0)") && message.contains("prediction v"),
        "{message}"
    );
    assert!(by(Ddim::DETERMINISTIC, &grid)(&blind.0).is_none());
}

#[test]
fn steps_from_no_signal_to_no_noise_are_finite() {
    // Zero SNR at the start, clean data at the end: DDIM, DDPM and Euler-ancestral take both.
    let field = gaussian(0.7, 0.5, BetaTable::default().zero_terminal_snr());
    let grid = TimeGrid::spaced(&field.schedule, Spacing::Trailing, 50, End::Data);
    assert_eq!(field.schedule.at(grid.times()[0]).alpha, 0.0);
    let x = column(&Noise::new(3).draws(Stream::Sampler, 0).normals_f64(2000));
    let brownian = increments(7);
    let small = Ddpm {
        variance: Variance::Small,
        brownian,
    };
    for end in [
        integrate(&field, &Ddim::DETERMINISTIC, x.clone(), &grid),
        integrate(&field, &small, x.clone(), &grid),
        integrate(&field, &EulerAncestral { eta: 1.0, brownian }, x, &grid),
    ] {
        let mean = values(end).iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.7).abs() < 5.0 * 0.5 / 2000_f64.sqrt(), "{mean}");
    }
}
