//! The memory of gradients: a tape's grows with the number of steps, checkpoints' with its square
//! root, the adjoint's not at all.

use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use peak_alloc::PeakAlloc;
use pyroclast::core::field::VectorField;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::solvers::gradient::{
    Pullback, backsolve, checkpointed, checkpointed_adaptive, cotangents, tape,
};
use pyroclast::solvers::{Control, DOPRI5, RK4, TimeGrid};

/// Counts every byte that this program has allocated.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[derive(Module, Debug)]
struct Net<B: Backend> {
    inner: Param<Tensor<B, 2>>,
    outer: Param<Tensor<B, 2>>,
}

impl<B: Backend> VectorField<B, 2> for Net<B> {
    fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x.matmul(self.inner.val()).tanh().matmul(self.outer.val())
    }
}

/// The largest number of bytes allocated while `work` ran, beyond those before it.
fn peak(work: impl FnOnce()) -> f64 {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    (ALLOCATOR.peak_usage() - before) as f64
}

// There is one test, since the memory of another running at the same time would be counted too.
#[test]
fn memory_grows_with_the_square_root_of_the_steps() {
    let device = Default::default();
    let mut draws = Noise::new(0).draws(Stream::Init, 0);
    let mut param =
        |shape| Param::from_tensor(draws.scaled_normal_tensor(0.1, shape, &device, DType::F32));
    let field = Net::<Autodiff<Flex>> {
        inner: param([16, 32]),
        outer: param([32, 16]),
    };
    // A state is 64 kB, so that it is larger than the bookkeeping of a step.
    let x = (Noise::new(1).draws(Stream::Sampler, 0)).normal_tensor::<Flex, 2>(
        [1024, 16],
        &device,
        DType::F32,
    );
    let times = TimeGrid::uniform(0.0, 1.0, 1);
    let square = |x: &[Tensor<Autodiff<Flex>, 2>]| x[1].clone().square().sum();
    let by_tape = |n| {
        peak(|| {
            let solved = tape(&field, &RK4, x.clone(), &times, n);
            let (_, given) = cotangents(&solved.states, square);
            drop(solved.pullback.apply(&given).expect("a tape"));
        })
    };
    let by_checkpoints = |n| {
        peak(|| {
            let solved = checkpointed(&field, &RK4, x.clone(), &times, n);
            let (_, given) = cotangents(&solved.states, square);
            drop(solved.pullback.apply(&given).expect("a replay"));
        })
    };
    let steps_of = |dt_max: f64| Control {
        dt_max,
        ..Control::default()
    };
    let by_adaptive_checkpoints = |n: usize| {
        peak(|| {
            let control = steps_of(1.0 / n as f64);
            let solved = checkpointed_adaptive(&field, &DOPRI5, x.clone(), &times, control);
            let solved = solved.expect("smooth");
            assert!(solved.statistics.steps >= n);
            let (_, given) = cotangents(&solved.states, square);
            drop(solved.pullback.apply(&given).expect("a replay"));
        })
    };
    let by_adjoint = |n: usize| {
        peak(|| {
            let control = steps_of(1.0 / n as f64);
            let solved = backsolve(&field, &DOPRI5, x.clone(), &times, control).expect("smooth");
            let (_, given) = cotangents(&solved.states, square);
            drop(solved.pullback.apply(&given).expect("smooth"));
        })
    };
    by_tape(4);
    let growth = |memory: &dyn Fn(usize) -> f64| {
        // Four times the steps, twice.
        let points: Vec<f64> = [16, 64, 256].map(memory).to_vec();
        println!("{points:?}");
        (points[2] / points[0]).ln() / 16_f64.ln()
    };
    let tape = growth(&by_tape);
    let checkpoints = growth(&by_checkpoints);
    let adaptive = growth(&by_adaptive_checkpoints);
    let adjoint = growth(&by_adjoint);
    println!("{tape:.3} {checkpoints:.3} {adaptive:.3} {adjoint:.3}");
    assert!(
        (tape - 1.0).abs() < 0.1,
        "the tape's memory grows like n^{tape}"
    );
    // One half, less what does not grow, and up to what is wasted just after the stride has
    // doubled.
    for power in [checkpoints, adaptive] {
        assert!(
            (0.3..0.6).contains(&power),
            "that of checkpoints grows like n^{power}"
        );
    }
    assert!(
        adjoint.abs() < 0.1,
        "that of the adjoint grows like n^{adjoint}"
    );
}
