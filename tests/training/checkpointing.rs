//! Activations that are computed again change no bit of a training.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use pyroclast::core::condition::{Condition, Given};
use pyroclast::core::few_step::FewStep;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::recompute::{Stages, passed_on, recorded, stage};
use pyroclast::kernels::Precision;
use pyroclast::models::{
    DiT, DiTConfig, Heads, Init, Modulation, Resample, UNet, UNetConfig, UpAttention,
};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{Order, Trainer};
use pyroclast::train::parameters::{as_leaves, gradients, slots, values};

type A = Autodiff<Flex>;

/// Adds noise to every parameter: behind those that start at zero no gradient comes through.
struct Shake(Draws);

impl<B: Backend> ModuleMapper<B> for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|old| {
            let noise = (self.0).normal_tensor(old.dims(), &old.device(), DType::F32);
            (old + noise * 0.1).detach().require_grad()
        })
    }
}

pub(super) fn shaken<N: Module<A>>(network: N) -> N {
    network.map(&mut Shake(Noise::new(2).draws(Stream::Init, 0)))
}

fn unet(config: &UNetConfig) -> UNet<A> {
    shaken(config.init(&mut Init::new(Noise::new(1), &FlexDevice)))
}

fn dit(config: &DiTConfig) -> DiT<A> {
    shaken(config.init(&mut Init::new(Noise::new(1), &FlexDevice)))
}

/// A UNet of three levels with attention at two of them, under every condition.
fn large() -> UNetConfig {
    UNetConfig {
        channels: 8,
        multipliers: vec![1.0, 2.0, 2.0],
        blocks: 2,
        attention: vec![4, 2],
        heads: Heads::Count(2),
        dropout: 0.2,
        classes: 3,
        attributes: 2,
        beside: 1,
        sequence: 3,
        ..UNetConfig::new(2, [8, 8])
    }
}

fn small_dit() -> DiTConfig {
    DiTConfig {
        width: 16,
        depth: 3,
        heads: 2,
        patch: 2,
        classes: 3,
        attributes: 2,
        beside: 1,
        sequence: 3,
        ..DiTConfig::new(2, [8, 8])
    }
}

fn bits<T: Backend>(tensors: &[Tensor<T, 1>]) -> Vec<Vec<u32>> {
    let bits = |tensor: &Tensor<T, 1>| {
        let values = tensor.to_data().to_vec::<f32>().expect("single precision");
        values.into_iter().map(f32::to_bits).collect()
    };
    tensors.iter().map(bits).collect()
}

/// The loss of a network, and the gradient of every parameter, as bits. The backward pass is taken
/// where the precision does not hold any more.
fn of_loss<N>(network: &N, precision: Precision, checkpoints: bool) -> (u32, Vec<Vec<u32>>)
where
    N: Network<A, 4>,
{
    let mut draws = Noise::new(3).draws(Stream::Source, 0);
    let given = Given::labels(&[0, 2, 1], 3)
        .and(Given::vectors(&draws.normals(6), 2))
        .and(Given::images(&draws.normals(3 * 64), [1, 8, 8]))
        .and(Given::sequences(&draws.normals(3 * 12), [4, 3], &[4, 2, 0]));
    let condition = N::Condition::upload(&given.dropped(&[false, false, true]), &FlexDevice);
    let mut image = || draws.normal_tensor::<A, 4>([3, 2, 8, 8], &FlexDevice, DType::F32);
    let (x, target) = (image(), image());
    let t = Tensor::from_data([0.1, 0.5, 0.9], &FlexDevice);
    let mut dropout = Noise::new(4).draws(Stream::Dropout, 0);
    let loss = || {
        let y = precision.within(|| network.forward_training(x, t, &condition, &mut dropout));
        (y - target).square().mean()
    };
    let (loss, stages): (Tensor<A, 1>, Stages<A>) = match checkpoints {
        true => recorded(loss),
        false => (loss(), Stages::default()),
    };
    let mut tape = loss.backward();
    stages.walk(&mut tape);
    let found = bits(&gradients::<A, N>(network, &mut tape));
    (loss.into_scalar().to_bits(), found)
}

#[track_caller]
fn check<N: Network<A, 4> + Module<A>>(what: &str, network: &N) {
    for precision in [Precision::F32, Precision::Bf16] {
        // Leaves of their own, since tapes that share leaves disturb each other where other threads
        // record too (burn 0.21).
        let of = |checkpoints| of_loss(&as_leaves(network), precision, checkpoints);
        let ((loss, plain), (again, found)) = (of(false), of(true));
        assert_eq!(loss, again, "{what} in {precision}: the loss");
        let slots = slots::<A, N>(network);
        for ((slot, plain), found) in slots.iter().zip(&plain).zip(&found) {
            assert!(
                plain.iter().any(|bits| *bits << 1 != 0),
                "{what}: {} has no gradient",
                slot.name
            );
            assert_eq!(plain, found, "{what} in {precision}: {}", slot.name);
        }
    }
}

#[test]
fn gradients_have_the_same_bits() {
    check("a UNet", &unet(&large()));
    let other = UNetConfig {
        modulation: Modulation::ScaleShift,
        resample: Resample::Blocks { project: false },
        up_attention: UpAttention::Last,
        ..large()
    };
    check("a UNet that changes sizes by blocks", &unet(&other));
    check("a transformer", &dit(&small_dit()));
}

/// The parameters after three steps, as bits.
fn trained<N>(network: N, method: FewStep, checkpoints: bool, part: Option<usize>) -> Vec<Vec<u32>>
where
    N: Network<A, 4> + AutodiffModule<A>,
    N::InnerModule: Network<Flex, 4>,
{
    let values_of = Noise::new(5).draws(Stream::Data, 0).normals(2 * 64 * 20);
    let labels: Vec<u32> = (0..20).map(|row| row % 3).collect();
    let images = Dataset::images(&values_of, [2, 8, 8]).with_labels(&labels, 3);
    let prediction = method.prediction().unwrap_or(Prediction::Velocity);
    let flow = Flow::new(network, Path::linear(), Objective::new(prediction));
    let trainer = Trainer::new(flow, images, Noise::new(1), &FlexDevice).batch(6);
    let mut trainer = trainer.few_step(method);
    if let Some(pairs) = part {
        trainer = trainer.micro_batch(pairs);
    }
    if checkpoints {
        trainer = trainer.checkpoint_activations();
    }
    let mut order = Order::default();
    for k in 0..3 {
        let batch = trainer.batcher().batch(k, &mut order);
        let _ = trainer.step(&batch);
    }
    bits(&values(&trainer.flow.network.valid()))
}

#[test]
fn steps_have_the_same_bits() {
    for part in [None, Some(4)] {
        let of = |checkpoints| trained(unet(&large()), FewStep::None, checkpoints, part);
        assert_eq!(of(false), of(true), "a UNet in parts of {part:?}");
        let of = |checkpoints| trained(dit(&small_dit()), FewStep::None, checkpoints, part);
        assert_eq!(of(false), of(true), "a transformer in parts of {part:?}");
    }
}

#[test]
fn steps_of_any_duration_have_the_same_bits() {
    let config = DiTConfig {
        durations: true,
        ..small_dit()
    };
    for name in [
        "mean-flow",
        "shortcut",
        "semigroup",
        "lagrangian",
        "eulerian",
        "consistency-training",
        "continuous-consistency",
    ] {
        let method = name.parse().expect("a training");
        let of = |checkpoints| trained(dit(&config), method, checkpoints, None);
        assert_eq!(of(false), of(true), "{name}");
    }
}

#[test]
fn a_frozen_part_stays_as_it_is() {
    // Nothing that enters the first stages is trained, or nothing of the first block is.
    struct Freeze(usize);
    impl ModuleMapper<A> for Freeze {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
            let is_frozen = self.0 > 0;
            self.0 = self.0.saturating_sub(1);
            param.map(|value| value.set_require_grad(!is_frozen))
        }
    }
    let all = slots::<A, _>(&dit(&small_dit())).len();
    for frozen in [1, all / 2, all - 1] {
        let network = dit(&small_dit()).map(&mut Freeze(frozen));
        assert_eq!(
            of_loss(&network, Precision::Tf32, false),
            of_loss(&network, Precision::Tf32, true),
            "{frozen}"
        );
    }
}

#[test]
fn a_loss_that_fails_ends_its_recording() {
    let tripled = |x: Tensor<A, 1>| stage(&None::<UNet<A>>, x, None, |_, x, _| x * 3.0);
    let failed = std::panic::catch_unwind(|| recorded::<A, ()>(|| panic!("on purpose")));
    assert!(failed.is_err());
    // Nothing is recorded any more: the tape reaches through both stages.
    let x = Tensor::<A, 1>::from_data([2.0], &FlexDevice).require_grad();
    let y = tripled(tripled(passed_on(x.clone())));
    let gradient = x.grad(&y.backward()).expect("a tape").into_scalar();
    assert_eq!(gradient, 9.0);
    // Of other backends nothing is recorded.
    let inner = Tensor::<Flex, 1>::from_data([2.0], &FlexDevice);
    let (twice, stages) =
        recorded::<A, _>(|| stage(&None::<UNet<Flex>>, inner, None, |_, x, _| x * 2.0));
    assert_eq!((twice.into_scalar(), stages.len()), (4.0, 0));
    // What is recorded has its gradient when the stages have been walked.
    let (y, stages) = recorded::<A, _>(|| tripled(tripled(x.clone())));
    assert_eq!(stages.len(), 2);
    let mut tape = y.backward();
    assert!(x.grad(&tape).is_none());
    stages.walk(&mut tape);
    assert_eq!(x.grad(&tape).expect("a walk").into_scalar(), 9.0);
}
