//! The memory of gradients. Of a solve: a tape's grows with the number of steps, checkpoints' with
//! its square root, the adjoint's not at all. Of a network whose blocks are computed twice: by the
//! inputs of blocks alone.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use peak_alloc::PeakAlloc;
use pyroclast::core::field::VectorField;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::models::{DiTConfig, Init, UNetConfig};
use pyroclast::solvers::gradient::{
    Pullback, backsolve, checkpointed, checkpointed_adaptive, cotangents, tape,
};
use pyroclast::solvers::{Control, DOPRI5, RK4, TimeGrid};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{Order, Trainer};

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
fn memory_grows_as_it_should() {
    of_solves();
    of_blocks();
}

/// The memory of a step on images of 16×16, once it has been taken before.
fn of_step<N>(network: N, batch: usize, checkpoints: bool) -> f64
where
    N: Network<Autodiff<Flex>, 4> + AutodiffModule<Autodiff<Flex>>,
    N::InnerModule: Network<Flex, 4>,
{
    let images = Noise::new(1).draws(Stream::Data, 0).normals(batch * 256);
    let images = Dataset::images(&images, [1, 16, 16]);
    let flow = Flow::velocity(network, Path::linear());
    let mut trainer = Trainer::new(flow, images, Noise::new(2), &FlexDevice).batch(batch);
    if checkpoints {
        trainer = trainer.checkpoint_activations();
    }
    let batch = trainer.batcher().batch(0, &mut Order::default());
    drop(trainer.step(&batch));
    peak(|| drop(trainer.step(&batch)))
}

/// The memory of a transformer's gradient at two depths, and of a UNet's.
fn of_blocks() {
    let [tokens, width, batch] = [256, 32, 8];
    let peaks = |checkpoints: bool| {
        [4, 16].map(|depth| {
            let config = DiTConfig {
                width,
                depth,
                heads: 2,
                patch: 1,
                ..DiTConfig::new(1, [16, 16])
            };
            let network = config.init(&mut Init::new(Noise::new(0), &FlexDevice));
            of_step(network, batch, checkpoints)
        })
    };
    // What a block adds, in tensors of the size of its input. Gradients of parameters are a fifth of
    // one.
    let added = |[few, many]: [f64; 2]| (many - few) / 12.0 / (4 * tokens * width * batch) as f64;
    let (whole, checkpointed) = (peaks(false), peaks(true));
    let (by_tape, by_inputs) = (added(whole), added(checkpointed));
    println!("{by_tape:.2} {by_inputs:.2}, {whole:?} {checkpointed:?}");
    assert!(by_tape > 8.0, "a block on the tape keeps {by_tape} inputs");
    assert!(
        by_inputs < 1.5,
        "a block that is computed twice keeps {by_inputs} inputs"
    );
    // Of a UNet, whose states are kept for the way up too.
    let config = UNetConfig {
        channels: 16,
        multipliers: vec![1.0, 1.0],
        blocks: 6,
        ..UNetConfig::new(1, [16, 16])
    };
    let [whole, checkpointed] = [false, true].map(|checkpoints| {
        let network = config.init(&mut Init::new(Noise::new(0), &FlexDevice));
        of_step(network, 32, checkpoints)
    });
    println!("{whole} {checkpointed}");
    assert!(checkpointed < 0.4 * whole, "{checkpointed} of {whole}");
}

fn of_solves() {
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
