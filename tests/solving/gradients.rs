//! Gradients through solves: tape = checkpoints = adjoint = closed form = finite differences.

use crate::support::{host, tensor};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, activation};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use pyroclast::core::field::{BatchField, Counted, Diffusion, Sde, Stratonovich, VectorField};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::solvers::gradient::{
    AtEvent, Gradients, Pullback, Rebased, at_event, at_events, backsolve, checkpointed,
    checkpointed_adaptive, cotangents, starting_at, tape, tape_adaptive, time_gradients,
};
use pyroclast::solvers::{
    Adaptive, BOGACKI_SHAMPINE, BrownianTree, Control, DOPRI5, Direction, EULER, EmbeddedMethod,
    Event, HEUN, Increments, Method, RK4, StochasticHeun, TSIT5, TimeGrid, integrate,
};

type N = NdArray<f64>;

fn number<B: Backend, const D: usize>(x: Tensor<B, D>) -> f64 {
    host(x)[0]
}

/// x' = θx.
#[derive(Module, Debug)]
struct Growth<B: Backend> {
    theta: Param<Tensor<B, 1>>,
}

impl<B: Backend> VectorField<B, 2> for Growth<B> {
    fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x * self.theta.val().unsqueeze()
    }
}

fn growth<B: Backend>(theta: f64) -> Growth<B> {
    Growth {
        theta: Param::from_tensor(tensor([theta], [1])),
    }
}

/// tanh(x·W + t·w + b)·V, which has no closed form.
#[derive(Module, Debug)]
struct Net<B: Backend> {
    inner: Param<Tensor<B, 2>>,
    time: Param<Tensor<B, 1>>,
    outer: Param<Tensor<B, 2>>,
    unused: Param<Tensor<B, 1>>,
}

impl<B: Backend> VectorField<B, 2> for Net<B> {
    fn velocity(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let hidden = x.clone().matmul(self.inner.val()) + (self.time.val() * t).unsqueeze();
        // x is used three times: the last bit shows in which order their gradients are added.
        activation::tanh(hidden).matmul(self.outer.val()) + x.clone() * -0.3 + x.sin() * 0.1
    }
}

fn net<B: Backend>(dtype: DType) -> Net<B> {
    let device = Default::default();
    let mut draws = Noise::new(3).draws(Stream::Init, 0);
    Net {
        inner: Param::from_tensor(draws.normal_tensor([2, 16], &device, dtype)),
        time: Param::from_tensor(draws.normal_tensor([16], &device, dtype)),
        outer: Param::from_tensor(draws.scaled_normal_tensor(0.3, [16, 2], &device, dtype)),
        unused: Param::from_tensor(draws.normal_tensor([4], &device, dtype)),
    }
}

fn start<B: Backend>(dtype: DType) -> Tensor<B, 2> {
    (Noise::new(4).draws(Stream::Sampler, 0)).normal_tensor([5, 2], &Default::default(), dtype)
}

fn loss<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 1> {
    (x.clone() * x.clone().sin() + x).sum()
}

#[test]
fn a_discrete_gradient_is_that_of_the_discrete_solution() {
    // Euler, 10 steps of 0.1 on y' = θy: y1 = y0·(1 + θh)¹⁰, so dy1/dθ = y0·(1 + θh)⁹ and not the
    // y0·e^θ of the exact solution.
    let (theta, y0) = (0.7, 1.3);
    let discrete = 2.389996976146202;
    let grid = TimeGrid::uniform(0.0, 1.0, 10);

    let field = growth::<Autodiff<N>>(theta);
    let x = tensor::<Autodiff<N>, 2>([y0], [1, 1]);
    let gradients = integrate(&field, &EULER, x, &grid).sum().backward();
    let tape = number(field.theta.grad(&gradients).expect("tracked"));
    assert!((tape - discrete).abs() < 1e-12, "{tape}");

    let x = tensor::<N, 2>([y0], [1, 1]);
    let ends = TimeGrid::uniform(0.0, 1.0, 1);
    let solved = checkpointed(&field, &EULER, x.clone(), &ends, 10);
    let (_, given) = cotangents(&solved.states, |x| x[1].clone().sum());
    let gradients = solved.pullback.apply(&given).expect("a replay");
    let replayed = number(of_theta(&gradients, &field));
    assert!((replayed - discrete).abs() < 1e-12, "{replayed}");

    let solved = backsolve(&field, &DOPRI5, x, &ends, Control::tolerance(1e-12)).expect("smooth");
    let gradients = solved.pullback.apply(&given).expect("smooth");
    let continuous = number(of_theta(&gradients, &field));
    assert!((continuous - 2.61787851971162).abs() < 1e-9, "{continuous}");
}

fn of_theta(gradients: &Gradients<N, 2>, field: &Growth<Autodiff<N>>) -> Tensor<N, 1> {
    (gradients.parameters)
        .get::<N, 1>(field.theta.id)
        .expect("used")
}

#[test]
fn all_three_ways_find_the_gradients_of_an_exponential() {
    // y1 = y0·e^{ab}, b the length of the span.
    let (a, y0, from, to) = (0.8, 1.3, 0.2, 1.1);
    let b: f64 = to - from;
    let y1 = y0 * (a * b).exp();
    let control = Control::tolerance(1e-11);
    let field = growth::<Autodiff<N>>(a);
    let close = |got: f64, expected: f64, what: &str| {
        assert!((got - expected).abs() < 1e-8, "{what}: {got} {expected}");
    };

    let x = tensor::<Autodiff<N>, 2>([y0], [1, 1]).require_grad();
    let end = Adaptive::new(control)
        .solve(&field, &DOPRI5, x.clone(), (from, to))
        .expect("smooth");
    let gradients = end.x.sum().backward();
    close(
        number(x.grad(&gradients).expect("tracked")),
        y1 / y0,
        "tape, y0",
    );
    let at_theta = field.theta.grad(&gradients).expect("tracked");
    close(number(at_theta), b * y1, "tape, a");

    let x = tensor::<N, 2>([y0], [1, 1]);
    let times = TimeGrid::uniform(from, to, 1);
    let replay = checkpointed_adaptive(&field, &DOPRI5, x.clone(), &times, control);
    let replay = replay.expect("smooth");
    let adjoint = backsolve(&field, &DOPRI5, x.clone(), &times, control).expect("smooth");
    let one = [tensor([0.0], [1, 1]), tensor([1.0], [1, 1])];
    for (name, gradients) in [
        ("checkpoints", replay.pullback.apply(&one)),
        ("adjoint", adjoint.pullback.apply(&one)),
    ] {
        let gradients = gradients.expect("smooth");
        close(number(gradients.x.clone()), y1 / y0, name);
        close(number(of_theta(&gradients, &field)), b * y1, name);
        let states = [x.clone(), tensor([y1], [1, 1])];
        let at_times = time_gradients(&field.valid(), times.times(), &states, &one, &gradients);
        close(at_times[0], -a * y1, name);
        close(at_times[1], a * y1, name);
    }
}

fn listed<B: Backend>(gradients: Gradients<B, 2>, field: &Net<Autodiff<B>>) -> Vec<TensorData> {
    let Gradients { x, parameters, .. } = gradients;
    assert!(parameters.get::<B, 1>(field.unused.id).is_none());
    vec![
        x.into_data(),
        parameters
            .get::<B, 2>(field.inner.id)
            .expect("used")
            .into_data(),
        parameters
            .get::<B, 1>(field.time.id)
            .expect("used")
            .into_data(),
        parameters
            .get::<B, 2>(field.outer.id)
            .expect("used")
            .into_data(),
    ]
}

fn equal(a: &[TensorData], b: &[TensorData], what: &str) {
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let values = |x: &TensorData| x.clone().convert::<f64>().into_vec::<f64>().expect("f64");
        assert_eq!(values(a), values(b), "{what}, tensor {i}");
    }
}

/// The gradients of a loss of two states.
fn pulled<B: Backend>(
    states: &[Tensor<B, 2>],
    pullback: impl Pullback<B, 2>,
    field: &Net<Autodiff<B>>,
) -> Vec<TensorData> {
    let (_, given) = cotangents(states, |x| loss(x[1].clone()) + loss(x[2].clone()));
    listed(pullback.apply(&given).expect("smooth"), field)
}

fn checkpoints_equal_the_tape<B: Backend, M>(method: &M, name: &str, dtype: DType)
where
    M: for<'a, 'b> EmbeddedMethod<Autodiff<B>, Counted<'a, Rebased<'b, Net<Autodiff<B>>>>, 2>
        + for<'a> EmbeddedMethod<B, Counted<'a, Net<B>>, 2>,
{
    let field = net::<Autodiff<B>>(dtype);
    let x = || start::<B>(dtype);
    let times = TimeGrid::new(vec![0.0, 0.7, 2.0]).expect("a grid");
    for n in [1, 2, 7, 64] {
        let tape = tape(&field, method, x(), &times, n);
        let replay = checkpointed(&field, method, x(), &times, n);
        let tape = pulled(&tape.states, tape.pullback, &field);
        let replay = pulled(&replay.states, replay.pullback, &field);
        equal(&replay, &tape, &format!("{name}, {n} steps"));
    }
    let control = Control::tolerance(if dtype == DType::F64 { 1e-6 } else { 1e-4 });
    let tape = tape_adaptive(&field, method, x(), &times, control).expect("smooth");
    let replay = checkpointed_adaptive(&field, method, x(), &times, control).expect("smooth");
    assert_eq!(tape.statistics, replay.statistics, "{name}");
    let tape = pulled(&tape.states, tape.pullback, &field);
    let replay = pulled(&replay.states, replay.pullback, &field);
    equal(&replay, &tape, &format!("{name}, adaptive"));
}

#[test]
fn checkpoints_give_the_gradient_of_the_tape_to_the_bit() {
    for (pair, name) in [
        (HEUN, "heun"),
        (BOGACKI_SHAMPINE, "bosh3"),
        (DOPRI5, "dopri5"),
        (TSIT5, "tsit5"),
    ] {
        checkpoints_equal_the_tape::<Flex, _>(&pair, name, DType::F32);
        checkpoints_equal_the_tape::<Flex, _>(&pair, name, DType::F64);
        checkpoints_equal_the_tape::<N, _>(&pair, name, DType::F64);
    }
}

#[test]
fn the_adjoint_agrees_with_the_tape_up_to_its_tolerance() {
    let field = net::<Autodiff<N>>(DType::F64);
    let control = Control::tolerance(1e-9);
    let times = TimeGrid::new(vec![0.0, 0.7, 2.0]).expect("a grid");
    let x = || start::<N>(DType::F64);
    let tape = tape_adaptive(&field, &DOPRI5, x(), &times, control).expect("smooth");
    let adjoint = backsolve(&field, &DOPRI5, x(), &times, control).expect("smooth");
    let (_, given) = cotangents(&adjoint.states, |x| loss(x[1].clone()) + loss(x[2].clone()));
    let there = adjoint.pullback.apply(&given).expect("smooth");
    assert!(there.parameters.get::<N, 1>(field.unused.id).is_none());
    let adjoint = listed(there, &field);
    let tape = pulled(&tape.states, tape.pullback, &field);
    let tolerance = burn::tensor::Tolerance::<f64>::absolute(1e-6);
    for (adjoint, tape) in adjoint.iter().zip(&tape) {
        adjoint.assert_approx_eq(tape, tolerance);
    }
}

#[test]
fn burns_own_backward_gives_the_same_gradient() {
    // It sums in another order, so the last bits may differ.
    let field = net::<Autodiff<N>>(DType::F64);
    let times = TimeGrid::new(vec![0.0, 0.7, 2.0]).expect("a grid");
    let solved = tape(&field, &RK4, start::<N>(DType::F64), &times, 10);
    let ours = pulled(&solved.states, solved.pullback, &field);
    let x = start::<Autodiff<N>>(DType::F64).require_grad();
    let mut states = vec![x.clone()];
    for (from, to) in times.intervals() {
        let grid = TimeGrid::uniform(from, to, 10);
        states.push(integrate(
            &field,
            &RK4,
            states[states.len() - 1].clone(),
            &grid,
        ));
    }
    let gradients = (loss(states[1].clone()) + loss(states[2].clone())).backward();
    assert!(field.unused.grad(&gradients).is_none());
    let theirs = [
        x.grad(&gradients).expect("tracked").into_data(),
        field.inner.grad(&gradients).expect("tracked").into_data(),
        field.time.grad(&gradients).expect("tracked").into_data(),
        field.outer.grad(&gradients).expect("tracked").into_data(),
    ];
    let tolerance = burn::tensor::Tolerance::<f64>::absolute(1e-11);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        ours.assert_approx_eq(theirs, tolerance);
    }
}

#[test]
fn a_loss_of_several_times_agrees_with_finite_differences() {
    let field = net::<Autodiff<N>>(DType::F64);
    let times = TimeGrid::new(vec![0.1, 0.5, 0.6, 1.4]).expect("a grid");
    let weighted = |states: &[Tensor<Autodiff<N>, 2>]| {
        let parts = states.iter().enumerate();
        parts
            .map(|(i, x)| loss(x.clone()) * (1.0 + i as f64))
            .reduce(|a, b| a + b)
            .expect("states")
    };
    let value = |field: &Net<Autodiff<N>>, x: Tensor<N, 2>, times: &TimeGrid| {
        let solved = checkpointed(field, &RK4, x, times, 20);
        number(cotangents(&solved.states, weighted).0)
    };
    let x = start::<N>(DType::F64);
    let solved = checkpointed(&field, &RK4, x.clone(), &times, 20);
    let (_, given) = cotangents(&solved.states, weighted);
    let gradients = solved.pullback.apply(&given).expect("a replay");

    let at_times = time_gradients(
        &field.valid(),
        times.times(),
        &solved.states,
        &given,
        &gradients,
    );

    let h = 1e-5;
    let nudge = |parameter: &Tensor<N, 2>, by: f64| {
        let mut values: Vec<f64> = parameter.to_data().to_vec().expect("f64");
        values[3] += by;
        tensor::<N, 2>(&values, parameter.dims())
    };
    let slope = |up: f64, down: f64| (up - down) / (2.0 * h);
    let at_x = slope(
        value(&field, nudge(&x, h), &times),
        value(&field, nudge(&x, -h), &times),
    );
    let got: Vec<f64> = gradients.x.to_data().to_vec().expect("f64");
    assert!((got[3] - at_x).abs() < 1e-7, "{} {at_x}", got[3]);

    let with = |by: f64| Net {
        inner: Param::initialized(
            field.inner.id,
            Tensor::from_inner(nudge(&field.inner.val().inner(), by)).require_grad(),
        ),
        ..field.clone()
    };
    let at_inner = slope(
        value(&with(h), x.clone(), &times),
        value(&with(-h), x.clone(), &times),
    );
    let got = gradients
        .parameters
        .get::<N, 2>(field.inner.id)
        .expect("used");
    let got: Vec<f64> = got.to_data().to_vec().expect("f64");
    assert!((got[3] - at_inner).abs() < 1e-7, "{} {at_inner}", got[3]);

    for i in 0..4 {
        let moved = |by: f64| {
            let mut list = times.times().to_vec();
            list[i] += by;
            TimeGrid::new(list).expect("a grid")
        };
        let expected = slope(
            value(&field, x.clone(), &moved(h)),
            value(&field, x.clone(), &moved(-h)),
        );
        let got = at_times[i];
        assert!((got - expected).abs() < 1e-6, "time {i}: {got} {expected}");
    }
    // The adjoint solves for states of its own, and so its gradient at the start differs.
    let adjoint = backsolve(&field, &DOPRI5, x, &times, Control::tolerance(1e-9)).expect("smooth");
    let there = adjoint.pullback.apply(&given).expect("smooth");
    let adjoint = time_gradients(
        &field.valid(),
        times.times(),
        &adjoint.states,
        &given,
        &there,
    );
    for (a, b) in adjoint.iter().zip(&at_times) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn a_solve_that_stops_keeps_the_states_before_it() {
    // y' = θy grows too far for six steps.
    let field = growth::<Autodiff<N>>(3.0);
    let times = TimeGrid::new(vec![0.0, 0.01, 50.0]).expect("a grid");
    let control = Control {
        max_steps: 6,
        ..Control::tolerance(1e-10)
    };
    let x = || tensor::<N, 2>([1.0], [1, 1]);
    let stopped = [
        backsolve(&field, &DOPRI5, x(), &times, control).expect_err("too few"),
        checkpointed_adaptive(&field, &DOPRI5, x(), &times, control).expect_err("too few"),
    ];
    for stopped in stopped {
        let saved = &stopped.partial.saved;
        assert_eq!(saved.len(), 2);
        assert!((number(saved[1].1.clone()) - 0.03_f64.exp()).abs() < 1e-9);
    }
}

#[test]
fn an_optimizer_of_burn_takes_the_gradients() {
    use burn::optim::{Optimizer, SgdConfig};
    let mut field = growth::<Autodiff<N>>(0.1);
    let mut optimizer = SgdConfig::new().init::<Autodiff<N>, Growth<Autodiff<N>>>();
    let ends = TimeGrid::uniform(0.0, 1.0, 1);
    for _ in 0..60 {
        let x = tensor::<N, 2>([1.0], [1, 1]);
        let solved = checkpointed(&field, &RK4, x, &ends, 10);
        let (_, given) = cotangents(&solved.states, |x| (x[1].clone() - 2.0).square().sum());
        let gradients = solved.pullback.apply(&given).expect("a replay");
        field = optimizer.step(0.05, field, gradients.parameters);
    }
    // e^θ = 2.
    let theta = number(field.valid().theta.val());
    assert!((theta - 2_f64.ln()).abs() < 1e-4, "{theta}");
}

#[test]
fn checkpoints_cost_one_more_solve_of_forward_passes() {
    // A solve costs n evaluations. On the tape, a backward pass costs about two more each, so 3n in
    // all; checkpoints evaluate n again, so 4n.
    let field = net::<Autodiff<Flex>>(DType::F32);
    let ends = TimeGrid::uniform(0.0, 2.0, 1);
    let n = 100;
    let counted = Counted::new(&field);
    let x = start::<Autodiff<Flex>>(DType::F32);
    integrate(&counted, &RK4, x, &TimeGrid::uniform(0.0, 2.0, n));
    assert_eq!(counted.evaluations(), 4 * n);
    let solved = checkpointed(&field, &RK4, start::<Flex>(DType::F32), &ends, n);
    assert_eq!(solved.statistics.evaluations, 4 * n);
    let (_, given) = cotangents(&solved.states, |x| loss(x[1].clone()));
    let gradients = solved.pullback.apply(&given).expect("a replay");
    assert_eq!(gradients.evaluations, 4 * n);
}

/// dX = u_t(X) dt + softplus(X·s) dW, both learned.
impl<B: Backend> Sde<B, 2> for Net<B> {
    type Calculus = Stratonovich;

    fn drift(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.velocity(t, x)
    }

    fn diffusion(&self, _: f64, x: &Tensor<B, 2>) -> Diffusion<B, 2> {
        let scale = self.time.val().narrow(0, 0, 2).unsqueeze();
        Diffusion::Diagonal(activation::softplus(x.clone() * scale, 1.0))
    }
}

fn stochastic_gradients<W: Copy>(brownian: W)
where
    StochasticHeun<W>: for<'a, 'b> Method<N, Counted<'a, Net<N>>, 2>
        + Method<Autodiff<N>, Net<Autodiff<N>>, 2>
        + for<'a, 'b> Method<Autodiff<N>, Counted<'a, Rebased<'b, Net<Autodiff<N>>>>, 2>,
{
    let field = net::<Autodiff<N>>(DType::F64);
    let method = StochasticHeun { brownian };
    let times = TimeGrid::uniform(0.0, 1.0, 1);
    let solved = checkpointed(&field, &method, start::<N>(DType::F64), &times, 32);
    let (_, given) = cotangents(&solved.states, |x| loss(x[1].clone()));
    let gradients = solved.pullback.apply(&given).expect("a replay");
    let x = start::<Autodiff<N>>(DType::F64).require_grad();
    let end = integrate(&field, &method, x.clone(), &TimeGrid::uniform(0.0, 1.0, 32));
    let tape = loss(end).backward();
    let theirs = [
        x.grad(&tape).expect("tracked").into_data(),
        field.inner.grad(&tape).expect("tracked").into_data(),
        field.time.grad(&tape).expect("tracked").into_data(),
        field.outer.grad(&tape).expect("tracked").into_data(),
    ];
    let tolerance = burn::tensor::Tolerance::<f64>::absolute(1e-10);
    for (ours, theirs) in listed(gradients, &field).iter().zip(&theirs) {
        ours.assert_approx_eq(theirs, tolerance);
    }
}

#[test]
fn a_stochastic_solve_is_replayed_along_its_own_path() {
    let noise = Noise::new(6);
    stochastic_gradients(Increments { noise, first: 3 });
    let tree = BrownianTree::new(noise, 0, (0.0, 1.0));
    stochastic_gradients(&tree);
}

/// `(h, v)` in free fall.
#[derive(Module, Debug)]
struct Fall<B: Backend> {
    gravity: Param<Tensor<B, 1>>,
}

impl<B: Backend> VectorField<B, 2> for Fall<B> {
    fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let v = x.narrow(1, 1, 1);
        let down = -self.gravity.val().reshape([1, 1]) * v.ones_like();
        Tensor::cat(vec![v, down], 1)
    }
}

impl<B: Backend> BatchField<B, 2> for Fall<B> {
    fn velocities(&self, t: &[f64], x: Tensor<B, 2>, _: &[usize]) -> Tensor<B, 2> {
        self.velocity(t[0], x)
    }
}

type A = Autodiff<N>;

const GRAVITY: f64 = 9.81;
const HEIGHT: f64 = 3.0;
const SPEED: f64 = 2.0;

fn fall() -> Fall<A> {
    Fall {
        gravity: Param::from_tensor(tensor([GRAVITY], [1])),
    }
}

fn height(_: Tensor<A, 1>, x: Tensor<A, 2>) -> Tensor<A, 1> {
    x.narrow(1, 0, 1).squeeze_dim(1)
}

fn until_the_ground() -> Adaptive<'static, A, 2> {
    Adaptive::tolerance(1e-9).until(Event::of_tensors(height, Direction::Falling))
}

/// The ball's first touch, from a state on the tape.
fn touch(fall: &Fall<A>, x: Tensor<A, 2>, t: f64) -> (f64, AtEvent<A, 2>) {
    let solution = until_the_ground().solve(fall, &DOPRI5, x, (t, t + 10.0));
    let solution = solution.expect("a parabola");
    assert_eq!(solution.event, Some(0));
    (solution.t, at_event(&solution, fall, height))
}

/// The derivatives of a number of the first touch by h0, v0 and the gravity.
fn derivatives(of: impl FnOnce(&Fall<A>, f64, AtEvent<A, 2>) -> Tensor<A, 1>) -> [f64; 3] {
    let fall = fall();
    let x = tensor::<A, 2>([HEIGHT, SPEED], [1, 2]).require_grad();
    let (t, at) = touch(&fall, x.clone(), 0.0);
    let gradients = of(&fall, t, at).backward();
    let by_x = host(x.grad(&gradients).expect("the start counts"));
    let by_gravity = (fall.gravity.val().grad(&gradients)).map_or(0.0, number);
    [by_x[0], by_x[1], by_gravity]
}

fn agree(got: [f64; 3], expected: [f64; 3]) {
    for (a, b) in got.iter().zip(expected) {
        assert!((a - b).abs() < 1e-9, "{got:?}, not {expected:?}");
    }
}

#[test]
fn the_time_and_state_of_an_event_have_their_gradients() {
    // t = (v0 + s)/G with s = √(v0² + 2Gh0), where the height is 0 and the velocity −s.
    let s = (SPEED * SPEED + 2.0 * GRAVITY * HEIGHT).sqrt();
    let t = (SPEED + s) / GRAVITY;
    let by_time = [
        1.0 / s,
        (1.0 + SPEED / s) / GRAVITY,
        HEIGHT / (s * GRAVITY) - t / GRAVITY,
    ];
    agree(derivatives(|_, _, at| at.t), by_time);
    let entry = |at: AtEvent<A, 2>, i| at.x.narrow(1, i, 1).squeeze_dim(1);
    agree(derivatives(|_, _, at| entry(at, 0)), [0.0; 3]);
    let by_speed = [-GRAVITY / s, -SPEED / s, -HEIGHT / s];
    agree(derivatives(|_, _, at| entry(at, 1)), by_speed);

    // The values are those of the solve.
    let (found, at) = touch(&fall(), tensor([HEIGHT, SPEED], [1, 2]), 0.0);
    assert_eq!(number(at.t), found);
    assert!((found - t).abs() < 1e-9);
    assert!((host(at.x)[1] + s).abs() < 1e-9);
}

#[test]
fn a_second_bounce_has_the_gradient_of_both() {
    // A bounce that keeps the share e of the speed: t2 = t1 + 2es/G, and the velocity is −es.
    let e = 0.7;
    let again = |fall: &Fall<A>, t: f64, at: AtEvent<A, 2>| {
        let turned = at.x.clone().narrow(1, 1, 1) * -e;
        let x = Tensor::cat(vec![at.x.narrow(1, 0, 1), turned], 1);
        let x = starting_at(fall, t, &at.t, x);
        touch(fall, x, t).1
    };
    let s = (SPEED * SPEED + 2.0 * GRAVITY * HEIGHT).sqrt();
    let slopes = [GRAVITY / s, SPEED / s, HEIGHT / s];
    let by_time = [
        (1.0 + 2.0 * e) * slopes[0] / GRAVITY,
        (1.0 + (1.0 + 2.0 * e) * slopes[1]) / GRAVITY,
        ((1.0 + 2.0 * e) * slopes[2] - (SPEED + (1.0 + 2.0 * e) * s) / GRAVITY) / GRAVITY,
    ];
    agree(derivatives(|fall, t, at| again(fall, t, at).t), by_time);
    let speed = |fall: &Fall<A>, t, at| again(fall, t, at).x.narrow(1, 1, 1).squeeze_dim(1);
    agree(derivatives(speed), slopes.map(|slope| -e * slope));
}

#[test]
fn an_event_may_depend_on_time_and_on_parameters() {
    // A floor that rises with speed c: t = (v0 − c + s)/G with s = √((v0 − c)² + 2Gh0).
    let fall = fall();
    let rise = 0.5;
    let c = tensor::<A, 1>([rise], [1]).require_grad();
    let above = |t: Tensor<A, 1>, x: Tensor<A, 2>| height(t.clone(), x) - t * c.clone();
    let x = tensor::<A, 2>([HEIGHT, SPEED], [1, 2]).require_grad();
    let solution = Adaptive::tolerance(1e-9)
        .until(Event::of_tensors(above, Direction::Falling))
        .solve(&fall, &DOPRI5, x.clone(), (0.0, 10.0))
        .expect("a parabola");
    let gradients = at_event(&solution, &fall, above).t.backward();
    let away = SPEED - rise;
    let s = (away * away + 2.0 * GRAVITY * HEIGHT).sqrt();
    let by_speed = (1.0 + away / s) / GRAVITY;
    let by_x = host(x.grad(&gradients).expect("used"));
    let by_c = number(c.grad(&gradients).expect("used"));
    agree([by_x[0], by_x[1], by_c], [1.0 / s, by_speed, -by_speed]);
}

#[test]
fn each_sample_has_the_gradient_of_its_own_event() {
    let fall = fall();
    // The last ball is still up when the span ends.
    let heights = [1.0, 3.0, 50.0];
    let start = heights.map(|h| [h, 0.0]).concat();
    let end = 1.0;
    let solve = || {
        let x = tensor::<A, 2>(&start, [3, 2]).require_grad();
        let adaptive = until_the_ground().per_sample();
        let solution = adaptive.solve(&fall, &DOPRI5, x.clone(), (0.0, end));
        (x, at_events(&solution.expect("a span"), &fall, height))
    };
    let (x, at) = solve();
    let by_time = host(x.grad(&at.t.sum().backward()).expect("used"));
    let (x, at) = solve();
    let speeds = at.x.narrow(1, 1, 1).sum();
    let by_speed = host(x.grad(&speeds.backward()).expect("used"));
    for (i, h) in heights.into_iter().enumerate() {
        let s = (2.0 * GRAVITY * h).sqrt();
        let expected = match i {
            2 => [0.0, 0.0, 0.0, 1.0],
            _ => [1.0 / s, 1.0 / GRAVITY, -GRAVITY / s, 0.0],
        };
        let got = [
            by_time[2 * i],
            by_time[2 * i + 1],
            by_speed[2 * i],
            by_speed[2 * i + 1],
        ];
        for (a, b) in got.iter().zip(expected) {
            assert!((a - b).abs() < 1e-9, "ball {i}: {got:?}, not {expected:?}");
        }
    }
}

#[test]
fn a_solve_without_an_event_ends_at_a_constant_time() {
    let fall = fall();
    let x = tensor::<A, 2>([HEIGHT, SPEED], [1, 2]).require_grad();
    let solution = until_the_ground().solve(&fall, &DOPRI5, x.clone(), (0.0, 0.5));
    let at = at_event(&solution.expect("a parabola"), &fall, height);
    let gradients = (at.x.narrow(1, 0, 1).sum() + at.t).backward();
    // h = h0 + v0·t − ½Gt².
    let by_x = host(x.grad(&gradients).expect("used"));
    assert!((by_x[0] - 1.0).abs() < 1e-12 && (by_x[1] - 0.5).abs() < 1e-12);
}
