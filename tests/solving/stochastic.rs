//! Stochastic equations: strong orders on one path, distributions in closed form, and the Brownian
//! motions that drive them.

use crate::support::{host, mean, slope, tensor};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use pyroclast::core::analytic::{Gaussian, GaussianMixture, Marginal};
use pyroclast::core::field::{Additive, Calculus, Counted, Diffusion, Ito, Sde, Stratonovich};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast::core::schedule::Linear;
use pyroclast::solvers::brownian::{Interval, Replays};
use pyroclast::solvers::{
    Adaptive, AdjustedLangevin, BrownianMotion, BrownianTree, Control, EmbeddedMethod,
    EulerMaruyama, Increments, LangevinDynamics, Method, Milstein, Shark, Sra1, StochasticHeun,
    TimeGrid, integrate,
};
use std::cell::RefCell;
use std::marker::PhantomData;

type N = NdArray<f64>;

/// `[n, 1]` draws of N(0, std²).
fn normals(n: usize, std: f64) -> Tensor<N, 2> {
    let mut draws = Noise::new(1).draws(Stream::Sampler, 0);
    draws.scaled_normal_tensor(std, [n, 1], &Default::default(), DType::F64)
}

/// An equation of a few lines.
struct Equation<B: Backend, C> {
    start: &'static [f64],
    drift: fn(f64, Tensor<B, 2>) -> Tensor<B, 2>,
    diffusion: fn(f64, &Tensor<B, 2>) -> Diffusion<B, 2>,
    /// Whether all coordinates of a sample share one W.
    is_scalar: bool,
    calculus: PhantomData<C>,
}

impl<B: Backend, C: Calculus> Sde<B, 2> for Equation<B, C> {
    type Calculus = C;

    fn drift(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        (self.drift)(t, x)
    }

    fn diffusion(&self, t: f64, x: &Tensor<B, 2>) -> Diffusion<B, 2> {
        (self.diffusion)(t, x)
    }

    fn brownian_shape(&self, [batch, width]: [usize; 2]) -> [usize; 2] {
        [batch, if self.is_scalar { 1 } else { width }]
    }
}

impl<B: Backend, C> Equation<B, C> {
    /// The start of each of `n` paths.
    fn starts(&self, n: usize) -> Tensor<B, 2> {
        tensor(self.start.repeat(n), [n, self.start.len()])
    }
}

const MU: f64 = 0.5;

/// `dX = µX dt + X dW`: `X = exp((µ − ½c)t + W)`, where c = 1 for Itô's calculus and 0 for
/// Stratonovich's.
fn growth<C: Calculus>() -> Equation<N, C> {
    Equation {
        start: &[1.0],
        drift: |_, x| x * MU,
        diffusion: |_, x| Diffusion::Diagonal(x.clone()),
        is_scalar: false,
        calculus: PhantomData,
    }
}

/// γ = a + ib of the spiral.
const GAMMA: (f64, f64) = (0.6, 0.8);

/// `dZ = µZ dt + γZ dW` with one W for both parts of the complex number Z:
/// `Z = exp((µ − ½cγ²)t + γW)`.
fn spiral<C: Calculus>() -> Equation<N, C> {
    Equation {
        start: &[1.0, 0.0],
        drift: |_, x| x * MU,
        diffusion: |_, x| {
            let (re, im) = (x.clone().narrow(1, 0, 1), x.clone().narrow(1, 1, 1));
            let (a, b) = GAMMA;
            let parts = vec![re.clone() * a - im.clone() * b, re * b + im * a];
            Diffusion::Diagonal(Tensor::cat(parts, 1))
        },
        is_scalar: true,
        calculus: PhantomData,
    }
}

/// `dX = (sin 3X + ½X·cos t) dt + (1 + ½sin t) dW`, which no closed form knows.
fn wave() -> Equation<N, Additive> {
    Equation {
        start: &[0.3],
        drift: |t, x| (x.clone() * 3.0).sin() + x * (0.5 * t.cos()),
        diffusion: |t, _| Diffusion::Level(1.0 + 0.5 * t.sin()),
        is_scalar: false,
        calculus: PhantomData,
    }
}

/// Paths that a strong error is averaged over.
const PATHS: usize = 1000;

/// The finest grid that a path on [0, 1] is asked on has 2^11 steps: so far all of its grids see
/// one path.
const FINEST: usize = 1 << 11;

fn tree() -> BrownianTree {
    BrownianTree::new(Noise::new(1), 0, (0.0, 1.0))
}

fn solve<C, M>(sde: &Equation<N, C>, method: &M, grid: &TimeGrid) -> Vec<f64>
where
    M: Method<N, Equation<N, C>, 2>,
{
    host(integrate(sde, method, sde.starts(PATHS), grid))
}

/// The end of the paths on `n` steps.
type Run = Box<dyn Fn(usize) -> Vec<f64>>;

fn run<C: 'static, M>(sde: Equation<N, C>, method: fn(BrownianTree) -> M) -> Run
where
    M: Method<N, Equation<N, C>, 2> + 'static,
{
    Box::new(move |n| solve(&sde, &method(tree()), &TimeGrid::uniform(0.0, 1.0, n)))
}

fn maruyama<W>(brownian: W) -> EulerMaruyama<W> {
    EulerMaruyama { brownian }
}
fn milstein<W>(brownian: W) -> Milstein<W> {
    Milstein { brownian }
}
fn heun<W>(brownian: W) -> StochasticHeun<W> {
    StochasticHeun { brownian }
}
fn sra1<W>(brownian: W) -> Sra1<W> {
    Sra1 { brownian }
}
fn shark<W>(brownian: W) -> Shark<W> {
    Shark { brownian }
}

/// The mean distance of the paths' ends.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let width = a.len() / PATHS;
    let pairs = a.chunks(width).zip(b.chunks(width));
    mean(pairs.map(|(a, b)| {
        let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    }))
}

/// Strong order: `E|X_h − X| ~ h^order`, over five dyadic steps on the same paths.
fn has_strong_order(name: &str, order: f64, run: &Run, exact: &[f64]) {
    let grids = (4..9).map(|level| 1 << level);
    let slope = slope(grids.map(|n| (1.0 / n as f64, distance(&run(n), exact))));
    assert!((slope - order).abs() < 0.25, "{name}: {slope}, not {order}");
}

/// `Z = exp((µ − ½cγ²) + γW)` at t = 1, both parts.
fn exponentials((a, b): (f64, f64), correction: f64) -> Vec<[f64; 2]> {
    let w = increment(&tree(), 0.0, 1.0, PATHS);
    let of = |w: &f64| {
        let re = MU - 0.5 * correction * (a * a - b * b) + a * w;
        let im = -correction * a * b + b * w;
        [re.exp() * im.cos(), re.exp() * im.sin()]
    };
    w.iter().map(of).collect()
}

#[test]
fn multiplicative_noise_is_solved_with_the_strong_order_of_the_method() {
    let exact = |correction| -> Vec<f64> {
        let z = exponentials((1.0, 0.0), correction);
        z.into_iter().map(|[re, _]| re).collect()
    };
    let (ito, stratonovich) = (exact(1.0), exact(0.0));
    let lines: [(&str, f64, Run, &[f64]); 4] = [
        ("Euler–Maruyama", 0.5, run(growth::<Ito>(), maruyama), &ito),
        ("Milstein, Itô", 1.0, run(growth::<Ito>(), milstein), &ito),
        (
            "Milstein, Stratonovich",
            1.0,
            run(growth::<Stratonovich>(), milstein),
            &stratonovich,
        ),
        (
            "Heun",
            1.0,
            run(growth::<Stratonovich>(), heun),
            &stratonovich,
        ),
    ];
    for (name, order, run, exact) in &lines {
        has_strong_order(name, *order, run, exact);
    }
}

#[test]
fn scalar_noise_is_solved_with_the_strong_order_of_the_method() {
    let exact = |correction| exponentials(GAMMA, correction).concat();
    let (ito, stratonovich) = (exact(1.0), exact(0.0));
    let lines: [(&str, f64, Run, &[f64]); 4] = [
        ("Euler–Maruyama", 0.5, run(spiral::<Ito>(), maruyama), &ito),
        ("Milstein, Itô", 1.0, run(spiral::<Ito>(), milstein), &ito),
        (
            "Milstein, Stratonovich",
            1.0,
            run(spiral::<Stratonovich>(), milstein),
            &stratonovich,
        ),
        (
            "Heun",
            1.0,
            run(spiral::<Stratonovich>(), heun),
            &stratonovich,
        ),
    ];
    for (name, order, run, exact) in &lines {
        has_strong_order(name, *order, run, exact);
    }
}

#[test]
fn additive_noise_is_solved_with_the_strong_order_of_the_method() {
    // The two methods of order 1.5 are checked against each other: they would have to share a wrong
    // limit. The reference's own error is (2⁸/2¹¹)^1.5 = 4 % of the finest error.
    let by_sra1 = run(wave(), sra1)(FINEST);
    let by_shark = run(wave(), shark)(FINEST);
    let lines: [(&str, f64, Run, &[f64]); 5] = [
        ("Euler–Maruyama", 1.0, run(wave(), maruyama), &by_sra1),
        ("Milstein", 1.0, run(wave(), milstein), &by_sra1),
        ("Heun", 1.0, run(wave(), heun), &by_sra1),
        ("SRA1", 1.5, run(wave(), sra1), &by_shark),
        ("ShARK", 1.5, run(wave(), shark), &by_sra1),
    ];
    for (name, order, run, exact) in &lines {
        has_strong_order(name, *order, run, exact);
    }
}

#[test]
fn a_solve_along_a_path_returns_to_its_start() {
    fn slope_of<C, M>(sde: &Equation<N, C>, method: fn(BrownianTree) -> M) -> f64
    where
        M: Method<N, Equation<N, C>, 2>,
    {
        slope((4..9).map(|level| {
            let grid = TimeGrid::uniform(0.0, 1.0, 1 << level);
            let x = sde.starts(PATHS);
            let end = integrate(sde, &method(tree()), x.clone(), &grid);
            let back = integrate(sde, &method(tree()), end, &grid.reversed());
            (0.5_f64.powi(level), distance(&host(back), &host(x)))
        }))
    }
    for (name, order, slope) in [
        ("Heun", 1.0, slope_of(&growth::<Stratonovich>(), heun)),
        ("SRA1", 1.5, slope_of(&wave(), sra1)),
        ("ShARK", 1.5, slope_of(&wave(), shark)),
    ] {
        // Both directions have the order. If the errors in both directions cancel, as ShARK's do,
        // the end is closer than that.
        assert!(slope > order - 0.25, "{name}: {slope}, not {order}");
    }
}

/// `−X dt + 2 dW` in two coordinates with one W, or in one.
fn relaxation<B: Backend>(start: &'static [f64]) -> Equation<B, Additive> {
    Equation {
        start,
        drift: |_, x| -x,
        diffusion: |_, _| Diffusion::Level(2.0),
        is_scalar: true,
        calculus: PhantomData,
    }
}

fn shares_its_noise<B: Backend, M>(name: &str, method: fn(BrownianTree) -> M)
where
    M: Method<B, Equation<B, Additive>, 2>,
{
    let grid = TimeGrid::uniform(0.0, 1.0, 8);
    let of = |start| {
        let sde = relaxation::<B>(start);
        host(integrate(&sde, &method(tree()), sde.starts(3), &grid))
    };
    let (both, one, other) = (of(&[1.0, -0.5]), of(&[1.0]), of(&[-0.5]));
    for i in 0..3 {
        assert_eq!(both[2 * i..2 * i + 2], [one[i], other[i]], "{name}");
    }
}

#[test]
fn one_level_of_noise_is_shared_by_all_coordinates() {
    fn on<B: Backend>() {
        shares_its_noise::<B, _>("Euler–Maruyama", maruyama);
        shares_its_noise::<B, _>("Milstein", milstein);
        shares_its_noise::<B, _>("Heun", heun);
        shares_its_noise::<B, _>("SRA1", sra1);
        shares_its_noise::<B, _>("ShARK", shark);
    }
    on::<N>();
    on::<Flex>();
}

/// The number of samples of a distribution, for bounds of 5σ/√n.
const SAMPLES: usize = 20_000;

/// The number where samples are cheap, or where the bound has to be narrow.
const MANY: usize = 100_000;

/// Checks that the mean of a sample whose values have the standard deviation `std` lies within five
/// standard errors.
fn has_mean(x: impl Iterator<Item = f64>, expected: f64, std: f64, what: &str) {
    let (mut n, mut sum) = (0.0_f64, 0.0);
    for v in x {
        n += 1.0;
        sum += v;
    }
    let (got, bound) = (sum / n, 5.0 * std / n.sqrt());
    assert!(
        (got - expected).abs() < bound,
        "{what}: {got}, not {expected} ± {bound}"
    );
}

/// Checks a normal sample's mean and variance.
fn is_normal(x: &[f64], mean: f64, variance: f64, what: &str) {
    has_mean(x.iter().copied(), mean, variance.sqrt(), what);
    let squares = x.iter().map(|v| (v - mean).powi(2));
    has_mean(squares, variance, 2_f64.sqrt() * variance, what);
}

fn increments(seed: u64) -> Increments {
    Increments {
        noise: Noise::new(seed),
        first: 1,
    }
}

#[test]
fn relaxation_has_its_moments() {
    // dX = −θX dt + σ dW at t = 1, n = 20 000. Euler–Maruyama's bias is below 0.3h in the mean and
    // 0.2h in the variance: 0.002 for h = 1/128, a tenth of the bounds, which are 0.02 and 0.014.
    // That of the others is O(h²), below 0.001 for h = 1/16.
    let (theta, sigma, x0) = (1.0_f64, 0.8_f64, 1.5);
    let sde = Equation::<N, Additive> {
        start: &[1.5],
        drift: |_, x| -x,
        diffusion: |_, _| Diffusion::Level(0.8),
        is_scalar: false,
        calculus: PhantomData,
    };
    let variance = sigma * sigma * (1.0 - (-2.0 * theta).exp()) / (2.0 * theta);
    let run = |method: &dyn Fn(&TimeGrid) -> Tensor<N, 2>, steps, name: &str| {
        let x = host(method(&TimeGrid::uniform(0.0, 1.0, steps)));
        is_normal(&x, x0 * (-theta).exp(), variance, name);
    };
    let x = sde.starts(SAMPLES);
    let start = || x.clone();
    run(
        &|grid| integrate(&sde, &maruyama(increments(1)), start(), grid),
        128,
        "Euler–Maruyama",
    );
    run(
        &|grid| integrate(&sde, &heun(increments(2)), start(), grid),
        16,
        "Heun",
    );
    run(
        &|grid| integrate(&sde, &sra1(increments(3)), start(), grid),
        16,
        "SRA1",
    );
    run(
        &|grid| integrate(&sde, &shark(increments(4)), start(), grid),
        16,
        "ShARK",
    );
}

#[test]
fn growth_has_its_moments() {
    // dX = µX dt + σX dW at t = 1, n = 20 000: E Xᵏ = exp(kµ + ½k(k − 1)σ²). With σ = 0.4 the
    // fourth moment that the bound of the second needs is one that a sample of this size sees.
    // Relative to the moment, the bias is ½µ²h for the mean and below ½h for the second: 0.001 and
    // 0.004 for h = 1/128, of bounds of 0.015 and 0.034.
    let sigma = 0.4_f64;
    let sde = Equation::<N, Ito> {
        start: &[1.0],
        drift: |_, x| x * MU,
        diffusion: |_, x| Diffusion::Diagonal(x.clone() * 0.4),
        is_scalar: false,
        calculus: PhantomData,
    };
    let moment = |k: f64| (k * MU + 0.5 * k * (k - 1.0) * sigma * sigma).exp();
    let grid = TimeGrid::uniform(0.0, 1.0, 128);
    let x = sde.starts(SAMPLES);
    for (name, end) in [
        (
            "Euler–Maruyama",
            integrate(&sde, &maruyama(increments(5)), x.clone(), &grid),
        ),
        (
            "Milstein",
            integrate(&sde, &milstein(increments(6)), x, &grid),
        ),
    ] {
        let end = host(end);
        for k in [1.0, 2.0] {
            let std = (moment(2.0 * k) - moment(k).powi(2)).sqrt();
            has_mean(end.iter().map(|x| x.powf(k)), moment(k), std, name);
        }
    }
}

fn interval(t: f64, s: f64) -> Interval {
    Interval { t, s, step: 0 }
}

fn increment(tree: &BrownianTree, t: f64, s: f64, n: usize) -> Vec<f64> {
    let like = tensor::<N, 2>(vec![0.0], [1, 1]);
    host(tree.increment(interval(t, s), [n, 1], &like))
}

fn with_area(
    brownian: &impl BrownianMotion<N, 2>,
    interval: Interval,
    n: usize,
) -> (Vec<f64>, Vec<f64>) {
    let like = tensor::<N, 2>(vec![0.0], [1, 1]);
    let (w, h) = brownian.increment_with_area(interval, [n, 1], &like);
    (host(w), host(h))
}

/// Times on [0, 1], on cells and between them, the ends among them.
const TIMES: [f64; 10] = [0.0, 0.1, 0.125, 0.37, 0.5, 0.501, 0.75, 0.8125, 0.97, 1.0];

fn tree_of(path: u32) -> BrownianTree {
    BrownianTree::new(Noise::new(3), path, (0.0, 1.0))
}

#[test]
fn increments_of_a_path_add_up() {
    let tree = tree_of(0);
    let n = 50;
    for (i, &a) in TIMES.iter().enumerate() {
        for (j, &b) in TIMES.iter().enumerate().skip(i + 1) {
            for &c in &TIMES[j + 1..] {
                let (w_ab, h_ab) = with_area(&tree, interval(a, b), n);
                let (w_bc, h_bc) = with_area(&tree, interval(b, c), n);
                let (w_ac, h_ac) = with_area(&tree, interval(a, c), n);
                for i in 0..n {
                    assert!((w_ab[i] + w_bc[i] - w_ac[i]).abs() < 1e-12);
                    // Chen: ∫_a^c (W_r − W_a) dr = ∫_a^b (W_r − W_a) dr + ∫_b^c (W_r − W_b) dr + (c
                    // − b)·(W_b − W_a).
                    let left = (b - a) * (h_ab[i] + 0.5 * w_ab[i]);
                    let right = (c - b) * (h_bc[i] + 0.5 * w_bc[i]);
                    let both = (c - a) * (h_ac[i] + 0.5 * w_ac[i]);
                    let chen = left + right + (c - b) * w_ab[i];
                    assert!((chen - both).abs() < 1e-12, "{a} {b} {c}");
                }
            }
        }
    }
}

#[test]
fn the_area_is_the_integral_of_the_path() {
    let (t, s, cells, n) = (0.25, 0.75, 512, 20);
    let tree = BrownianTree::new(Noise::new(4), 0, (0.0, 1.0));
    let (w, h) = with_area(&tree, interval(t, s), n);
    let at = |i: i32| t + (s - t) * f64::from(i) / f64::from(cells);
    // By the trapezoidal rule from the path's values alone, and with the areas within the cells.
    let (mut rule, mut exact) = (vec![0.0; n], vec![0.0; n]);
    for i in 0..cells {
        let before = increment(&tree, t, at(i), n);
        let (within, areas) = with_area(&tree, interval(at(i), at(i + 1)), n);
        for k in 0..n {
            let mean = (before[k] + 0.5 * within[k]) / f64::from(cells);
            rule[k] += mean;
            exact[k] += mean + areas[k] / f64::from(cells);
        }
    }
    // The rule's error is the mean of 512 areas ~ N(0, (s − t)/512/12).
    let std = ((s - t) / 12.0).sqrt() / f64::from(cells);
    for k in 0..n {
        let mean = 0.5 * w[k] + h[k];
        assert!((exact[k] - mean).abs() < 1e-12);
        assert!((rule[k] - mean).abs() < 5.0 * std);
    }
}

#[test]
fn a_path_is_the_same_in_any_order_of_queries() {
    let n = 7;
    let mut queries = Vec::new();
    for &t in &TIMES {
        queries.extend(TIMES.iter().map(|&s| interval(t, s)));
    }
    let fresh: Vec<_> = (queries.iter())
        .map(|&query| with_area(&tree_of(0), query, n))
        .collect();
    let mut orders: Vec<Vec<usize>> = vec![(0..queries.len()).collect()];
    orders.push((0..queries.len()).rev().collect());
    for step in 0..3 {
        let mut draws = Noise::new(1).draws(Stream::Order, step);
        orders.push(draws.permutation(queries.len()));
    }
    for order in orders {
        let tree = tree_of(0);
        for i in order {
            assert_eq!(
                with_area(&tree, queries[i], n),
                fresh[i],
                "{:?}",
                queries[i]
            );
        }
    }
    // A query for another number of elements leaves no trace either.
    let tree = tree_of(0);
    let alone = with_area(&tree_of(0), interval(0.1, 0.37), 3);
    assert_eq!(with_area(&tree, interval(0.1, 0.97), n).0.len(), n);
    assert_eq!(with_area(&tree, interval(0.1, 0.37), 3), alone);
}

#[test]
fn an_interval_backward_has_the_opposite_increment_and_the_same_area() {
    // H is the mean of W_r − W_t minus ½W. From the other end, the mean falls by W and −½W rises by
    // W.
    for (t, s) in [(0.25, 0.75), (0.1, 0.37), (0.501, 1.0)] {
        let there = with_area(&tree_of(0), interval(t, s), 50);
        let back = with_area(&tree_of(0), interval(s, t), 50);
        for i in 0..50 {
            assert_eq!(back.0[i], -there.0[i]);
            assert!((back.1[i] - there.1[i]).abs() < 1e-12);
        }
    }
    let (w, h) = with_area(&tree_of(0), interval(0.37, 0.37), 2);
    assert_eq!((w, h), (vec![0.0; 2], vec![0.0; 2]));
}

#[test]
fn within_an_interval_a_path_has_its_distribution_given_the_ends_and_the_area() {
    let (w, h) = with_area(&tree_of(0), interval(0.0, 1.0), MANY);
    for theta in [0.1, 0.5, 0.8] {
        // Its mean is the parabola θW + 6θ(1 − θ)H.
        let within = increment(&tree_of(0), 0.0, theta, MANY);
        let mean = |k: usize| theta * (w[k] + 6.0 * (1.0 - theta) * h[k]);
        let off: Vec<f64> = (0..MANY).map(|k| within[k] - mean(k)).collect();
        // W and H explain θ² + 3θ²(1 − θ)² of the variance θ.
        let spread = theta * (1.0 - theta);
        let variance = spread - 3.0 * spread * spread;
        is_normal(&off, 0.0, variance, "within");
        uncorrelated(&off, &w, (variance, 1.0), "within and W");
        uncorrelated(&off, &h, (variance, 1.0 / 12.0), "within and H");
    }
}

#[test]
fn intervals_of_any_length_have_their_distribution_and_add_up() {
    // Down to a step of 10⁻¹², at a time that halving does not reach. Between two times that it
    // does not reach, H comes from pieces of all lengths.
    let tree = BrownianTree::new(Noise::new(6), 0, (0.0, 1.0));
    for h in [0.1, 1e-3, 1e-6, 1e-9, 1e-12] {
        let (t, m, s) = (0.3, 0.3 + 0.375 * h, 0.3 + h);
        let what = |name: &str| format!("{name} over {h:e}");
        let (w, area) = with_area(&tree, interval(t, s), MANY);
        let (a, b) = (m - t, s - m);
        let (w_left, area_left) = with_area(&tree, interval(t, m), MANY);
        let (w_right, area_right) = with_area(&tree, interval(m, s), MANY);
        is_normal(&w, 0.0, h, &what("W"));
        is_normal(&area, 0.0, h / 12.0, &what("H"));
        uncorrelated(&w, &area, (h, h / 12.0), &what("W and H"));
        is_normal(&w_left, 0.0, a, &what("W of a part"));
        is_normal(&area_left, 0.0, a / 12.0, &what("H of a part"));
        is_normal(&w_right, 0.0, b, &what("W of a part"));
        uncorrelated(&w_left, &w_right, (a, b), &what("two parts"));
        uncorrelated(
            &area_left,
            &area_right,
            (a / 12.0, b / 12.0),
            &what("two areas"),
        );
        // Times are rounded to 2⁻⁴⁸, which is 10⁻² of the shortest step and moves the part of the
        // mean that Chen's relation takes from the left increment.
        let bound = (1e-12 + 0.5_f64.powi(48) / h) * 10.0 * h.sqrt();
        for k in 0..MANY {
            assert!((w_left[k] + w_right[k] - w[k]).abs() < 1e-12 * h.sqrt());
            let left = a * (area_left[k] + 0.5 * w_left[k]);
            let right = b * (area_right[k] + 0.5 * w_right[k]) + b * w_left[k];
            let mean = area[k] + 0.5 * w[k];
            assert!(((left + right) / h - mean).abs() < bound, "{h:e}");
        }
    }
}

fn uncorrelated(a: &[f64], b: &[f64], variances: (f64, f64), what: &str) {
    let products = a.iter().zip(b).map(|(a, b)| a * b);
    has_mean(products, 0.0, (variances.0 * variances.1).sqrt(), what);
}

#[test]
fn increments_and_areas_have_their_distribution() {
    // n = 100 000 elements: the bound on a variance is 5·√2/√n = 2 %.
    for (start, end, cuts) in [
        (0.0, 1.0, vec![0.0, 0.25, 0.5, 0.5625, 1.0]),
        (0.0, 1.0, vec![0.02, 0.33, 0.56, 0.999]),
        (-0.3, 2.1, vec![-0.3, 0.4, 0.9, 2.1]),
    ] {
        let tree = BrownianTree::new(Noise::new(5), 2, (start, end));
        let steps: Vec<_> = (cuts.windows(2))
            .map(|cut| {
                let h = cut[1] - cut[0];
                let (w, area) = with_area(&tree, interval(cut[0], cut[1]), MANY);
                let what = format!("from {} to {}", cut[0], cut[1]);
                is_normal(&w, 0.0, h, &format!("W {what}"));
                is_normal(&area, 0.0, h / 12.0, &format!("H {what}"));
                uncorrelated(&w, &area, (h, h / 12.0), &format!("W and H {what}"));
                (h, w, area)
            })
            .collect();
        for (i, (h, w, area)) in steps.iter().enumerate() {
            for (k, w_there, area_there) in &steps[i + 1..] {
                uncorrelated(w, w_there, (*h, *k), "W and W");
                uncorrelated(w, area_there, (*h, k / 12.0), "W and H");
                uncorrelated(area, w_there, (h / 12.0, *k), "H and W");
                uncorrelated(area, area_there, (h / 12.0, k / 12.0), "H and H");
            }
        }
    }
}

#[test]
fn a_seed_and_a_number_determine_a_path() {
    let of = |seed, path, t, s| {
        let tree = BrownianTree::new(Noise::new(seed), path, (0.0, 1.0));
        increment(&tree, t, s, MANY)
    };
    for (t, s) in [(0.0, 1.0), (0.25, 0.5), (0.1, 0.37)] {
        let base = of(1, 0, t, s);
        assert_eq!(of(1, 0, t, s), base);
        for (seed, path) in [(1, 1), (1, 1 << 31), (2, 0)] {
            let other = of(seed, path, t, s);
            uncorrelated(&base, &other, (s - t, s - t), "two paths");
        }
    }
}

#[test]
fn a_path_is_the_same_on_every_backend() {
    fn on<B: Backend>(t: f64, s: f64, dtype: DType) -> (TensorData, TensorData) {
        let like = tensor::<B, 2>(vec![0.0], [1, 1]).cast(dtype);
        let (w, h) = tree_of(0).increment_with_area(interval(t, s), [4, 3], &like);
        let alone: Tensor<B, 2> = tree_of(0).increment(interval(t, s), [4, 3], &like);
        assert_eq!(alone.into_data(), w.clone().into_data());
        assert_eq!(w.dtype(), dtype);
        (w.into_data(), h.into_data())
    }
    for (t, s) in [(0.0, 1.0), (0.25, 0.3125), (0.1, 0.37), (0.97, 0.5)] {
        let exact = on::<N>(t, s, DType::F64);
        assert_eq!(on::<Flex>(t, s, DType::F64), exact);
        let rounded = (exact.0.convert::<f32>(), exact.1.convert::<f32>());
        assert_eq!(on::<Flex>(t, s, DType::F32), rounded);
        assert_eq!(on::<NdArray<f32>>(t, s, DType::F32), rounded);
    }
}

#[test]
#[should_panic(expected = "t = 1.5 lies outside the Brownian path, which runs from 0 to 1")]
fn a_path_ends_where_its_span_does() {
    increment(&tree_of(0), 0.5, 1.5, 1);
}

#[test]
#[should_panic(expected = "t = -0.25 lies outside the Brownian path, which runs from 0 to 1")]
fn a_path_begins_where_its_span_does() {
    increment(&tree_of(0), -0.25, 0.5, 1);
}

#[test]
fn increments_of_a_grid_are_those_of_their_step() {
    let brownian = increments(7);
    let of = |first, step| {
        let brownian = Increments { first, ..brownian };
        let (t, s) = (0.2, 0.6);
        with_area(&brownian, Interval { t, s, step }, MANY)
    };
    let (w, h) = of(1, 3);
    assert_eq!(of(1, 3), (w.clone(), h.clone()));
    assert_eq!(of(4, 0), (w.clone(), h.clone()));
    let like = tensor::<N, 2>(vec![0.0], [1, 1]);
    let third = Interval {
        t: 0.2,
        s: 0.6,
        step: 3,
    };
    assert_eq!(host(brownian.increment(third, [MANY, 1], &like)), w);
    is_normal(&w, 0.0, 0.4, "W");
    is_normal(&h, 0.0, 0.4 / 12.0, "H");
    uncorrelated(&w, &h, (0.4, 0.4 / 12.0), "W and H");
    let (w_next, h_next) = of(1, 4);
    uncorrelated(&w, &w_next, (0.4, 0.4), "two steps' W");
    uncorrelated(&h, &h_next, (0.4 / 12.0, 0.4 / 12.0), "two steps' H");
    uncorrelated(
        &h,
        &w_next,
        (0.4 / 12.0, 0.4),
        "a step's H and the next one's W",
    );
}

fn backward<C, M: Method<N, Equation<N, C>, 2>>(sde: &Equation<N, C>, method: &M) {
    solve(sde, method, &TimeGrid::uniform(1.0, 0.0, 4));
}

#[test]
#[should_panic(expected = "an Itô equation is solved forward in time, not from 1 to 0.75")]
fn euler_maruyama_does_not_run_backward() {
    backward(&growth::<Ito>(), &maruyama(tree()));
}

#[test]
#[should_panic(expected = "Milstein's method runs forward in time, not from 1 to 0.75")]
fn milstein_does_not_run_backward() {
    backward(&growth::<Ito>(), &milstein(tree()));
}

#[test]
#[should_panic(expected = "increments of a grid run forward in time, not from 1 to 0.75")]
fn increments_of_a_grid_do_not_run_backward() {
    backward(&growth::<Stratonovich>(), &heun(increments(1)));
}

/// An equation that records when its diffusion is evaluated: methods that estimate an error
/// evaluate it once at each end of a step that they try.
struct Noted<F> {
    sde: F,
    times: RefCell<Vec<f64>>,
}

impl<B: Backend, F: Sde<B, 2>> Sde<B, 2> for Noted<F> {
    type Calculus = F::Calculus;

    fn drift(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.sde.drift(t, x)
    }

    fn diffusion(&self, t: f64, x: &Tensor<B, 2>) -> Diffusion<B, 2> {
        self.times.borrow_mut().push(t);
        self.sde.diffusion(t, x)
    }
}

/// Paths of an adaptive solve, which share its steps.
const FEW: usize = 50;

/// The path that adaptive solves follow.
fn adapted() -> BrownianTree {
    BrownianTree::new(Noise::new(1), 1, (0.0, 1.0))
}

fn rms(a: &[f64], b: &[f64]) -> f64 {
    mean(a.iter().zip(b).map(|(a, b)| (a - b).powi(2))).sqrt()
}

/// Solves with tolerances of 10⁻² and 10⁻⁴ and checks the ends against the exact ones. The step is
/// proportional to the tolerance to the power of 1/error order, and the error to the step to the
/// power of the strong order, which is the same power: a hundredth of the tolerance gives about a
/// hundredth of the error, and at most a thirtieth.
fn adapts<C, M>(
    name: &str,
    sde: fn() -> Equation<N, C>,
    method: fn(BrownianTree) -> M,
    exact: &[f64],
) where
    C: Calculus,
    M: Method<N, Noted<Equation<N, C>>, 2>,
    M: for<'a> EmbeddedMethod<N, Counted<'a, Noted<Equation<N, C>>>, 2>,
{
    let errors = [1e-2, 1e-4].map(|tolerance| {
        let noted = Noted {
            sde: sde(),
            times: RefCell::default(),
        };
        let control = Control {
            // Far too long, so it is rejected.
            first_step: Some(0.5),
            max_steps: 100_000,
            ..Control::tolerance(tolerance)
        };
        let x = noted.sde.starts(FEW);
        let solution =
            Adaptive::new(control).solve(&noted, &method(adapted()), x.clone(), (0.0, 1.0));
        let solution = solution.expect("a smooth equation");
        let statistics = solution.statistics;
        assert!(statistics.rejections > 0, "{name}: {statistics:?}");

        // Rejected steps leave no trace: the kept ones alone, on a fresh path, end at the same
        // numbers.
        let tried = noted.times.take();
        let starts: Vec<f64> = tried.iter().copied().step_by(2).chain([1.0]).collect();
        let mut kept = starts.clone();
        kept.dedup();
        assert_eq!(kept.len() - 1, statistics.steps, "{name}");
        assert_eq!(starts.len() - kept.len(), statistics.rejections, "{name}");
        let grid = TimeGrid::new(kept).expect("it runs forward");
        let end = host(integrate(&noted, &method(adapted()), x, &grid));
        let got = host(solution.x);
        assert_eq!(got, end, "{name}");
        rms(&got, exact)
    });
    assert!(errors[1] < errors[0] / 30.0, "{name}: {errors:?}");
}

#[test]
fn adaptive_steps_keep_to_the_path_and_meet_their_tolerance() {
    let w = increment(&adapted(), 0.0, 1.0, FEW);
    let exact: Vec<f64> = w.iter().map(|w| (MU + w).exp()).collect();
    adapts("Heun", growth::<Stratonovich>, heun, &exact);
    let grid = TimeGrid::uniform(0.0, 1.0, 1 << 13);
    let exact = host(integrate(
        &wave(),
        &sra1(adapted()),
        wave().starts(FEW),
        &grid,
    ));
    adapts("ShARK", wave, shark, &exact);
}

/// The distribution of a linear path, whose score stays finite at t = 1, where it has no noise.
fn two_modes() -> GaussianMixture<N, Linear, 2> {
    let means = tensor(vec![-1.5, 1.5], [2, 1]);
    let schedule = Linear::default();
    GaussianMixture::new(means, &[0.3, 0.7], &[0.7, 0.7], schedule)
}

#[test]
fn adjusted_langevin_samples_a_mixture_exactly() {
    let field = two_modes();
    let target = Marginal {
        field: &field,
        t: 1.0,
    };
    let sampler = AdjustedLangevin {
        step: 1.5,
        noise: Noise::new(2),
        first: 1,
    };
    // n = 20 000 chains from N(0, 2²), half of them on each side: their share has to move from ½.
    let chains = sampler.run(&target, normals(SAMPLES, 2.0), 120);
    assert!(
        (0.3..1.0).contains(&chains.acceptance),
        "{}",
        chains.acceptance
    );
    let x = host(chains.x);
    let s2 = 0.7_f64 * 0.7 + 1e-6;
    let centre = 0.7 * 1.5 - 0.3 * 1.5;
    // Central moments of the mixture: Σ w·(d² + s²) and Σ w·(d⁴ + 6d²s² + 3s⁴), with d from the
    // centre to the component.
    let modes = [(0.3, -1.5 - centre), (0.7, 1.5 - centre)];
    let moment = |of: &dyn Fn(f64) -> f64| modes.iter().map(|&(w, d)| w * of(d * d)).sum::<f64>();
    let variance = moment(&|d2| d2 + s2);
    let fourth = moment(&|d2| d2 * d2 + 6.0 * d2 * s2 + 3.0 * s2 * s2);
    has_mean(x.iter().copied(), centre, variance.sqrt(), "mean");
    let squares = x.iter().map(|x| (x - centre).powi(2));
    let std = (fourth - variance * variance).sqrt();
    has_mean(squares, variance, std, "variance");
    // 0.7·Φ(1.5/s) + 0.3·Φ(−1.5/s).
    let share: f64 = 0.6935750506321308;
    let right = x.iter().map(|&x| f64::from(u8::from(x > 0.0)));
    has_mean(right, share, (share * (1.0 - share)).sqrt(), "share");
}

/// N(0, 1) in each coordinate: the distribution of the source.
fn standard() -> Gaussian<N, Linear, 2> {
    Gaussian {
        mean: tensor(vec![0.0], [1, 1]),
        std: 0.5,
        schedule: Linear::default(),
    }
}

#[test]
fn adjusted_langevin_is_exact_where_the_unadjusted_is_biased() {
    let field = standard();
    let target = Marginal {
        field: &field,
        t: 0.0,
    };
    let (h, steps) = (1.0, 50);
    let sampler = AdjustedLangevin {
        step: h,
        noise: Noise::new(3),
        first: 1,
    };
    let chains = sampler.run(&target, normals(SAMPLES, 2.0), steps);
    is_normal(&host(chains.x), 0.0, 1.0, "adjusted");

    // x' = (1 − ½h)x + √h·ξ is a Gaussian chain: its variance is h/(1 − (1 − ½h)²) = 1/(1 − ¼h),
    // and after 50 halvings nothing is left of the start.
    let dynamics = LangevinDynamics { target, level: 1.0 };
    let grid = TimeGrid::uniform(0.0, h * steps as f64, steps);
    let method = maruyama(increments(4));
    let x = integrate(&dynamics, &method, normals(SAMPLES, 2.0), &grid);
    is_normal(&host(x), 0.0, 1.0 / (1.0 - 0.25 * h), "unadjusted");
}

#[test]
fn adjusted_langevin_in_more_dimensions_moves_each_chain_as_a_whole() {
    // A chain is accepted as a whole: after one step all coordinates of a row have moved, or none
    // has.
    let field = standard();
    let target = Marginal {
        field: &field,
        t: 0.0,
    };
    let sampler = AdjustedLangevin {
        step: 1.5,
        noise: Noise::new(3),
        first: 1,
    };
    let start = normals(SAMPLES, 1.0).reshape([SAMPLES / 4, 4]);
    let chains = sampler.run(&target, start.clone(), 1);
    let (before, after) = (host(start.clone()), host(chains.x));
    let rows = before.chunks(4).zip(after.chunks(4));
    let moved = rows.map(|(a, b)| a.iter().zip(b).filter(|(a, b)| a != b).count());
    let moved: Vec<usize> = moved.collect();
    assert!(moved.iter().all(|&count| count == 0 || count == 4));
    let share = moved.iter().filter(|&&count| count == 4).count() as f64 / moved.len() as f64;
    assert!((share - chains.acceptance).abs() < 1e-12);
    assert!((0.3..1.0).contains(&share), "{share}");
    let chains = sampler.run(&target, start, 50);
    is_normal(&host(chains.x), 0.0, 1.0, "four coordinates");
}

#[test]
fn the_level_of_langevin_dynamics_is_its_speed() {
    // With g the drift and the variance are g² times as large: g²·h/g² = h.
    let field = standard();
    let run = |level: f64| {
        let target = Marginal {
            field: &field,
            t: 0.3,
        };
        let dynamics = LangevinDynamics { target, level };
        let grid = TimeGrid::uniform(0.0, 2.0 / (level * level), 10);
        let method = maruyama(increments(4));
        host(integrate(&dynamics, &method, normals(100, 2.0), &grid))
    };
    for (a, b) in run(1.0).iter().zip(run(3.0)) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

#[test]
fn methods_of_higher_order_reach_the_marginals_in_fewer_steps() {
    // Euler–Maruyama needs 400 steps for a bias below 0.01 (tests/solving/marginals.rs). These show none
    // with 40: the bounds are those of n = 100 000 samples alone, 0.008 for the mean and 0.006 for
    // the variance.
    let (start, end, steps) = (0.02_f64, 0.999_f64, 40);
    let law = |t: f64| (1.5 * t, (0.5 * t).powi(2) + (1.0 - t).powi(2));
    for (seed, noise_level) in [NoiseLevel::Constant(0.7), NoiseLevel::Sigma(1.0)]
        .into_iter()
        .enumerate()
    {
        let name = format!("{noise_level:?}");
        let sde = ReverseSde {
            field: Gaussian {
                mean: tensor(vec![1.5], [1, 1]),
                std: 0.5,
                schedule: Linear::default(),
            },
            noise_level,
        };
        let (centre, variance) = law(start);
        let x = normals(MANY, variance.sqrt()) + centre;
        let grid = TimeGrid::uniform(start, end, steps);
        let brownian = increments(20 + seed as u64);
        let ends = [
            ("Heun", integrate(&sde, &heun(brownian), x.clone(), &grid)),
            ("SRA1", integrate(&sde, &sra1(brownian), x.clone(), &grid)),
            ("ShARK", integrate(&sde, &shark(brownian), x.clone(), &grid)),
        ];
        let (centre, variance) = law(end);
        for (method, x) in ends {
            is_normal(&host(x), centre, variance, &format!("{method}, {name}"));
        }
        // On the same grid Euler–Maruyama exceeds them.
        let x = host(integrate(&sde, &maruyama(brownian), x, &grid));
        let got = mean(x.iter().map(|x| (x - centre).powi(2)));
        let bound = 5.0 * variance * (2.0 / MANY as f64).sqrt();
        assert!((got - variance).abs() > bound, "{name}: {got}");
    }
}

#[test]
fn the_noise_of_a_sample_does_not_depend_on_how_many_there_are() {
    let like = Tensor::<N, 2>::zeros([1, 1], &Default::default());
    let step = Interval {
        t: 0.1,
        s: 0.4,
        step: 3,
    };
    let tree = |_| BrownianTree::new(Noise::new(5), 0, (0.0, 1.0));
    let increments = |_| Increments {
        noise: Noise::new(5),
        first: 0,
    };
    fn first<W: BrownianMotion<N, 2>>(
        w: W,
        step: Interval,
        n: usize,
        like: &Tensor<N, 2>,
    ) -> [f64; 4] {
        let (w, h) = w.increment_with_area(step, [n, 2], like);
        let (w, h) = (host(w), host(h));
        [w[0], w[1], h[0], h[1]]
    }
    for n in [2, 5, 100] {
        assert_eq!(
            first(tree(n), step, n, &like),
            first(tree(1), step, 1, &like)
        );
        assert_eq!(
            first(increments(n), step, n, &like),
            first(increments(1), step, 1, &like)
        );
    }
}

#[test]
fn a_marginal_is_copied_whatever_its_field() {
    fn is_copy<T: Copy>() {}
    is_copy::<Marginal<'_, GaussianMixture<N, Linear, 2>>>();
}

#[test]
fn adaptive_steps_end_where_the_tree_is_quick_to_find() {
    let tree = BrownianTree::new(Noise::new(3), 0, (-1.0, 3.0));
    for (t, s) in [
        (-1.0, 2.9),
        (0.3, 0.7),
        (0.7, 0.3),
        (1.0, 1.0 + 1e-7),
        (3.0, -0.1),
    ] {
        let end = tree.landing(t, s);
        let share = (end - t) / (s - t);
        assert!(
            (15.0 / 16.0..=1.0).contains(&share),
            "{t} to {s} ends at {end}"
        );
        // It is a whole number of cells, none longer than a sixteenth of the step.
        let cells = |parts: i32| (end + 1.0) / 4.0 * 2_f64.powi(parts);
        let parts = (0..=48).find(|&parts| cells(parts).fract() == 0.0);
        let finest = (64.0 / (s - t).abs()).log2().ceil() as i32;
        assert!(
            parts.is_some_and(|parts| parts <= finest),
            "{parts:?} {finest}"
        );
        // Rounding of another backend does not move it.
        assert_eq!(tree.landing(t, s + (s - t) * 1e-9), end);
    }
    let tree = BrownianTree::new(Noise::new(3), 0, (0.0, 1.0));
    let heun = StochasticHeun { brownian: &tree };
    let solution = Adaptive::tolerance(0.05)
        .dense()
        .solve(
            &growth::<Stratonovich>(),
            &heun,
            normals(4, 1.0),
            (0.0, 1.0),
        )
        .expect("smooth");
    let steps = solution.steps(0);
    assert!(steps.len() > 3, "{} steps", steps.len());
    let is_coarse = |s: f64| (s * 2_f64.powi(16)).fract() == 0.0;
    assert!(steps.iter().all(|(_, s)| is_coarse(*s)), "{steps:?}");
}
