//! Networks that people train, and the products in them; on flex. Not a bench by itself: it does
//! one piece of work at a time, as `benches/peers/alternate.py` asks for it between two of
//! PyTorch's.
//!
//! Each line of the input is the name of a work and a number of repetitions. The answer is a line
//! with the seconds that they took. The first line of a name also builds the work and does it once.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use pyroclast::core::field::VectorField;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::kernels::{Activation, Window, attention, conv2d, join_pool, linear};
use pyroclast::models::{DiT, DiTConfig, Init, MlpConfig, UNet, UNetConfig};
use pyroclast::solvers::{HEUN, TimeGrid, integrate};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{AdamWConfig, Order, Trainer};
use pyroclast_allocator::{MiMalloc, keep_pages};
use std::hint::black_box;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type A = Autodiff<Flex>;
type Work = Box<dyn FnMut()>;

fn normals<B: Backend<Device = FlexDevice>, const D: usize>(
    shape: [usize; D],
    step: u64,
) -> Tensor<B, D> {
    let mut draws = Noise::new(0).draws(Stream::Source, step);
    draws.normal_tensor(shape, &FlexDevice, DType::F32)
}

/// A step of training on images, of which each has its own noise; perhaps with blocks computed
/// twice.
fn step<N>(network: N, shape: [usize; 3], count: usize, checkpoints: bool) -> Work
where
    N: Network<A, 4> + AutodiffModule<A> + 'static,
    N::InnerModule: Network<Flex, 4>,
{
    let noise = Noise::new(0);
    let size = count * shape.iter().product::<usize>();
    let data = Dataset::images(&noise.draws(Stream::Data, 0).normals(size), shape);
    let flow = Flow::velocity(network, Path::linear());
    let adamw = AdamWConfig {
        clip: 1.0,
        ..AdamWConfig::default()
    };
    let trainer = Trainer::new(flow, data, noise, &FlexDevice).batch(count);
    let mut trainer = trainer.learning_rate(1e-4).adamw(adamw);
    if checkpoints {
        trainer = trainer.checkpoint_activations();
    }
    let batch = trainer.batcher().batch(0, &mut Order::default());
    Box::new(move || {
        black_box(trainer.step(&batch).into_scalar());
    })
}

/// The velocity of images.
fn evaluation<N: Network<Flex, 4> + 'static>(network: N, shape: [usize; 3], count: usize) -> Work {
    let flow = Flow::velocity(network, Path::linear());
    let [channels, height, width] = shape;
    let x = normals([count, channels, height, width], 0);
    Box::new(move || {
        black_box(flow.unconditional().velocity(0.5, x.clone()).into_data());
    })
}

/// Heun in 20 steps.
fn sample<N: Network<Flex, D> + 'static, const D: usize>(network: N, shape: [usize; D]) -> Work {
    let flow = Flow::velocity(network, Path::linear());
    let (x, grid) = (normals(shape, 0), TimeGrid::uniform(0.0, 1.0, 20));
    Box::new(move || {
        let x = integrate(&flow.unconditional(), &HEUN, x.clone(), &grid);
        black_box(x.into_data());
    })
}

/// `act(x·W + b)` of x `[rows, inputs]`, without gradients or with both.
fn layer(sizes: [usize; 3], activation: Activation, trains: bool) -> Work {
    let [rows, inputs, outputs] = sizes;
    let (x, weight) = (normals::<A, 2>([rows, inputs], 0), [inputs, outputs]);
    let (weight, bias) = (normals::<A, 2>(weight, 1), normals::<A, 1>([outputs], 2));
    if trains {
        let (x, weight) = (x.require_grad(), weight.require_grad());
        let bias = bias.require_grad();
        return Box::new(move || {
            let y = linear(x.clone(), weight.clone(), bias.clone(), activation);
            black_box(y.backward());
        });
    }
    let (x, weight, bias) = (x.inner(), weight.inner(), bias.inner());
    Box::new(move || {
        let y = linear(x.clone(), weight.clone(), bias.clone(), activation);
        black_box(y);
    })
}

/// A product of matrices by burn alone, which is one by the crate `gemm`.
fn product([rows, inner, columns]: [usize; 3]) -> Work {
    let (a, b) = (
        normals::<Flex, 2>([rows, inner], 0),
        normals([inner, columns], 1),
    );
    Box::new(move || {
        black_box(a.clone().matmul(b.clone()));
    })
}

/// A convolution of 3×3 of images with as many rows as columns, without gradients or with all.
fn convolution([batch, channels, outputs, side]: [usize; 4], trains: bool) -> Work {
    let x = normals::<A, 4>([batch, channels, side, side], 0);
    let weight = normals::<A, 4>([outputs, channels, 3, 3], 1);
    let bias = normals::<A, 1>([outputs], 2);
    let window = Window {
        stride: 1,
        padding: 1,
    };
    if trains {
        let (x, weight) = (x.require_grad(), weight.require_grad());
        let bias = bias.require_grad();
        return Box::new(move || {
            let y = conv2d(x.clone(), weight.clone(), bias.clone(), window);
            black_box(y.backward());
        });
    }
    let (x, weight, bias) = (x.inner(), weight.inner(), bias.inner());
    Box::new(move || {
        black_box(conv2d(x.clone(), weight.clone(), bias.clone(), window));
    })
}

/// Attention, from three leaves, without gradients or with all.
fn attend([batch, heads, tokens, depth]: [usize; 4], trains: bool) -> Work {
    let parts = [0, 1, 2].map(|i| normals::<A, 4>([batch, heads, tokens, depth], i));
    let scale = 1.0 / (depth as f64).sqrt();
    if trains {
        let [q, k, v] = parts.map(Tensor::require_grad);
        return Box::new(move || {
            black_box(attention(q.clone(), k.clone(), v.clone(), scale).backward());
        });
    }
    let [q, k, v] = parts.map(Tensor::inner);
    Box::new(move || {
        black_box(attention(q.clone(), k.clone(), v.clone(), scale));
    })
}

/// Sizes as a name has them, such as `4096x512x512`.
fn sizes<const N: usize>(text: &str) -> [usize; N] {
    let sizes = text.split('x').map(|n| n.parse().expect("a number"));
    let sizes: Vec<usize> = sizes.collect();
    sizes.try_into().expect("as many sizes as the work has")
}

fn cifar<B: Backend<Device = FlexDevice>>() -> UNet<B> {
    UNetConfig::torchcfm_cifar10().init(&mut Init::new(Noise::new(0), &FlexDevice))
}

fn dit<B: Backend<Device = FlexDevice>>() -> DiT<B> {
    DiTConfig::small(4, [8, 8], 2).init(&mut Init::new(Noise::new(0), &FlexDevice))
}

/// The work of this name; `benches/peers/networks.py` has the same.
fn work(name: &str) -> Work {
    let (kind, of) = name.split_once('/').expect("a kind and what it is of");
    let mut init = Init::<Flex>::new(Noise::new(0), &FlexDevice);
    match (kind, of) {
        ("train", "torchcfm-cifar10-batch-16") => step(cifar(), [3, 32, 32], 16, false),
        ("checkpoint", "torchcfm-cifar10-batch-16") => step(cifar(), [3, 32, 32], 16, true),
        ("evaluate", "torchcfm-cifar10-batch-16") => evaluation(cifar(), [3, 32, 32], 16),
        ("train", "dit-s-2-batch-32") => step(dit(), [4, 8, 8], 32, false),
        ("checkpoint", "dit-s-2-batch-32") => step(dit(), [4, 8, 8], 32, true),
        ("evaluate", "dit-s-2-batch-32") => evaluation(dit(), [4, 8, 8], 32),
        ("sample", "one-point") => sample(MlpConfig::new(2).init(&mut init), [1, 2]),
        ("sample", "one-digit") => {
            let config = UNetConfig {
                classes: 10,
                ..UNetConfig::new(1, [8, 8])
            };
            sample(config.init(&mut init), [1, 1, 8, 8])
        }
        ("product", of) => product(sizes(of)),
        ("linear", of) => layer(sizes(of), Activation::Identity, false),
        ("linear-silu", of) => layer(sizes(of), Activation::Silu, false),
        ("train-linear", of) => layer(sizes(of), Activation::Identity, true),
        ("train-linear-silu", of) => layer(sizes(of), Activation::Silu, true),
        ("conv", of) => convolution(sizes(of), false),
        ("train-conv", of) => convolution(sizes(of), true),
        ("attention", of) => attend(sizes(of), false),
        ("train-attention", of) => attend(sizes(of), true),
        _ => panic!("no work is called {name}"),
    }
}

fn main() {
    // Among all benches, nobody asks for anything.
    if !std::env::args().any(|argument| argument == "by-turns") {
        return;
    }
    keep_pages();
    join_pool();
    let mut current: Option<(String, Work)> = None;
    for line in stdin().lock().lines() {
        let line = line.expect("lines of text");
        let (name, count) = line.split_once(' ').expect("a name and a number");
        if current.as_ref().is_none_or(|(built, _)| built != name) {
            current.take();
            let mut built = work(name);
            built();
            current = Some((name.to_owned(), built));
        }
        let (_, work) = current.as_mut().expect("built above");
        let count: usize = count.parse().expect("a number of repetitions");
        let start = Instant::now();
        (0..count).for_each(|_| work());
        println!("{}", start.elapsed().as_secs_f64());
        stdout().flush().expect("someone reads");
    }
}
