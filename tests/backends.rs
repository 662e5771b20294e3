//! The same seed gives the same training curve and the same samples on every backend.
//!
//! One generic body; flex is the reference. Both start from the same parameters and see the same
//! batches, so what differs is the rounding of f32, which training amplifies: the bound is relative
//! 10⁻³ over 60 steps of an MLP and 6 of a UNet, and absolute 10⁻² on samples of unit scale.
//! Solvers, their gradients and densities agree to 10⁻³. wgpu runs where the feature is on and a
//! driver answers, software Vulkan too.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use pyroclast::core::condition::Given;
use pyroclast::core::field::{Additive, BatchField, Diffusion, Sde, VectorField};
use pyroclast::core::network::Network;
#[cfg(feature = "wgpu")]
use pyroclast::core::noise::Draws;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::per_sample::PerSample;
use pyroclast::models::Init;
use pyroclast::solvers::gradient::{Pullback, checkpointed, cotangents};
use pyroclast::solvers::likelihood::{log_density, normal_log_density};
use pyroclast::solvers::{
    Adaptive, BrownianTree, Control, DOPRI5, RK4, Shark, StochasticHeun, TSIT5, TimeGrid, Trace,
    integrate,
};
use pyroclast::train::config::Config;
use pyroclast::train::draw::{MethodName, Plan, option, sample};
use pyroclast::train::exchange::{Verify, model_file};
use pyroclast::train::learn::Order;
use pyroclast::train::model_file::Origin;
use pyroclast::train::network::WithNetwork;
use pyroclast::train::stored_model::StoredModel;
use pyroclast::train::task::Task;
use pyroclast::weights::{Convention, GOLDEN, Golden, autoencoder_differences, fit, read};

#[cfg(feature = "wgpu")]
#[path = "support/unet_gradients.rs"]
mod unet_gradients;

/// A short run.
struct Case {
    preset: &'static str,
    settings: &'static [&'static str],
    steps: u64,
}

const MLP: Case = Case {
    preset: "moons",
    // The SDE that samples needs the score, which independent pairs leave in the velocity.
    settings: &[
        "training.batch=64",
        "training.clip=1",
        "data.size=500",
        "path.coupling=independent",
    ],
    steps: 60,
};

/// ndarray's convolution backward is slow: a tiny network, with everything in it that a UNet can
/// have.
const UNET: Case = Case {
    preset: "digits",
    settings: &[
        "training.batch=4",
        "training.warm-up=1",
        "network.channels=8",
        "network.dropout=0.1",
        "network.attention=[4]",
    ],
    steps: 6,
};

/// Losses and samples.
type Outcome = (Vec<f32>, Vec<f32>);

fn run<B: Backend>(case: &Case, device: B::Device) -> Outcome {
    let settings: Vec<String> = case.settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::load(case.preset, &settings).expect("a preset");
    let task = Task::load(&config.data, Noise::new(5)).expect("shipped data");
    let mut init = Init::<Autodiff<B>>::new(Noise::new(5), &device);
    let dataset = &task.training;
    let x0 = config
        .path
        .source
        .for_sampling(20, dataset.dim(), Noise::new(6), 0);
    let given = match dataset.classes() {
        0 => Given::nothing(),
        classes => Given::labels(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].repeat(2), classes),
    };
    let mut plan = Plan {
        guidance: 1.5,
        ..Plan::new(MethodName::EULER_MARUYAMA, 8, 7)
    };
    plan.options.set(&option::NOISE_LEVEL, 0.5);
    let architecture = config.architecture(&dataset.shape, dataset.classes());
    let short = Short {
        config: &config,
        task: task.clone(),
        steps: case.steps,
        x0,
        given,
        plan,
        device: &device,
    };
    architecture
        .expect("a fitting network")
        .build(&mut init, short)
}

/// Some steps of training, and then samples.
struct Short<'a, B: Backend> {
    config: &'a Config,
    task: Task,
    steps: u64,
    x0: Vec<f32>,
    given: Given,
    plan: Plan,
    device: &'a B::Device,
}

impl<B: Backend> WithNetwork<Autodiff<B>> for Short<'_, B> {
    type Output = Outcome;

    fn with<N, const D: usize>(self, network: N) -> Outcome
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let mut trainer = self.config.trainer(network, self.task, self.device);
        let (batcher, mut order) = (trainer.batcher(), Order::default());
        let losses: Vec<_> = (0..self.steps)
            .map(|step| trainer.step(&batcher.batch(step, &mut order)))
            .collect();
        let host = |loss: burn::tensor::Tensor<B, 1>| {
            loss.into_data()
                .convert::<f32>()
                .into_vec::<f32>()
                .expect("f32")[0]
        };
        let samples = sample(
            &trainer.averaged(),
            &self.x0,
            &trainer.task.training.shape,
            &self.given,
            &self.plan,
            self.device,
            &mut |_, _, _| {},
        );
        (
            losses.into_iter().map(host).collect(),
            samples.expect("finite samples").values,
        )
    }
}

fn agree(a: &Outcome, b: &Outcome, name: &str) {
    for (step, (a, b)) in a.0.iter().zip(&b.0).enumerate() {
        assert!(
            ((a - b) / b).abs() < 1e-3,
            "{name}: loss {a}, not {b}, at step {step}"
        );
    }
    for (i, (a, b)) in a.1.iter().zip(&b.1).enumerate() {
        assert!(
            (a - b).abs() < 1e-2,
            "{name}: sample value {i} is {a}, not {b}"
        );
    }
}

fn all_backends_agree(case: &Case) {
    let reference = run::<burn_flex::Flex>(case, burn_flex::FlexDevice);
    assert!(
        reference
            .0
            .iter()
            .chain(&reference.1)
            .all(|v| v.is_finite())
    );
    let first = reference.0[0];
    assert!(
        *reference.0.last().expect("a step") < first,
        "training lowers the loss"
    );
    let again = run::<burn_flex::Flex>(case, burn_flex::FlexDevice);
    assert_eq!(again, reference, "flex repeats itself to the last bit");
    let ndarray = run::<burn_ndarray::NdArray>(case, Default::default());
    agree(&ndarray, &reference, "ndarray");
    #[cfg(feature = "wgpu")]
    agree(
        &run::<burn_wgpu::Wgpu>(case, Default::default()),
        &reference,
        "wgpu",
    );
    #[cfg(feature = "cuda")]
    agree(
        &run::<burn_cuda::Cuda>(case, Default::default()),
        &reference,
        "cuda",
    );
}

#[test]
fn an_mlp_trains_and_samples_alike_on_every_backend() {
    all_backends_agree(&MLP);
}

#[test]
fn a_unet_trains_and_samples_alike_on_every_backend() {
    all_backends_agree(&UNET);
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_drops_the_same_elements_as_the_host() {
    use pyroclast::kernels::{dropout, dropout_by_words};
    let p = 0.3;
    // Whole batches and parts, from even and odd places on.
    for (before, rows) in [(0, 0..4), (7, 0..4), (10, 1..3)] {
        let mut draws = Noise::new(3)
            .draws(Stream::Dropout, 5)
            .of_rows(rows.clone(), 4);
        for _ in 0..before {
            draws.bits();
        }
        let n = 11 * rows.len();
        let (words, uniforms) = (draws.clone().words(n), draws.uniforms(n));
        let ones = |device| Tensor::<burn_wgpu::Wgpu, 1>::ones([n], device);
        let on_gpu = dropout_by_words(&ones(&Default::default()), words, p).expect("a GPU");
        let ones = Tensor::<burn_flex::Flex, 1>::ones([n], &burn_flex::FlexDevice);
        let on_host = dropout(ones, &uniforms, p);
        assert_eq!(on_gpu.into_data(), on_host.into_data());
    }
}

/// x·W·(1 + t), turned.
#[derive(Module, Debug)]
struct Turn<B: Backend> {
    weight: Param<Tensor<B, 2>>,
}

impl<B: Backend> VectorField<B, 2> for Turn<B> {
    fn velocity(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x.matmul(self.weight.val()).sin() * (1.0 + t)
    }
}

impl<B: Backend> BatchField<B, 2> for Turn<B> {
    fn velocities(&self, t: &[f64], x: Tensor<B, 2>, _: &[usize]) -> Tensor<B, 2> {
        let times = PerSample::like(&x).tensor(t.iter().map(|t| 1.0 + t));
        x.matmul(self.weight.val()).sin() * times
    }
}

impl<B: Backend> Sde<B, 2> for Turn<B> {
    type Calculus = Additive;

    fn drift(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.velocity(t, x)
    }

    fn diffusion(&self, t: f64, _: &Tensor<B, 2>) -> Diffusion<B, 2> {
        Diffusion::Level(0.3 + t)
    }
}

/// What every kind of solver makes of the same field and the same points.
fn solved<B: Backend>(device: B::Device) -> Vec<f32> {
    let host = |x: Tensor<B, 2>| {
        x.into_data()
            .convert::<f32>()
            .into_vec::<f32>()
            .expect("f32")
    };
    let mut draws = Noise::new(8).draws(Stream::Init, 0);
    let weight = draws.normal_tensor::<Autodiff<B>, 2>([2, 2], &device, DType::F32);
    let tracked = Turn {
        weight: Param::from_tensor(weight),
    };
    let field = tracked.valid();
    let x = draws.normal_tensor::<B, 2>([6, 2], &device, DType::F32);
    let (span, control) = ((0.0, 1.0), Control::tolerance(1e-5));
    let mut out = Vec::new();

    let times = [0.3, 1.0, 0.0];
    let joint = Adaptive::new(control)
        .saving(times)
        .solve(&field, &TSIT5, x.clone(), span);
    out.extend(
        joint
            .expect("smooth")
            .saved
            .into_iter()
            .flat_map(|(_, x)| host(x)),
    );
    let each =
        Adaptive::new(control)
            .per_sample()
            .saving(times)
            .solve(&field, &DOPRI5, x.clone(), span);
    let each = each.expect("a span");
    assert_eq!(each.failures(), 0);
    out.extend(each.saved.into_iter().flat_map(|(_, x)| host(x)));

    let tree = || BrownianTree::new(Noise::new(9), 0, span);
    let grid = TimeGrid::uniform(0.0, 1.0, 16);
    out.extend(host(integrate(
        &field,
        &Shark { brownian: tree() },
        x.clone(),
        &grid,
    )));
    let heun = StochasticHeun { brownian: tree() };
    let adaptive = Adaptive::tolerance(0.05).solve(&field, &heun, x.clone(), span);
    out.extend(host(adaptive.expect("smooth").x));

    let ends = TimeGrid::uniform(0.0, 1.0, 1);
    let solved = checkpointed(&tracked, &RK4, x.clone(), &ends, 8);
    let (_, given) = cotangents(&solved.states, |x| x[1].clone().square().sum());
    let gradients = solved.pullback.apply(&given).expect("a replay");
    out.extend(host(gradients.x));
    let weight = gradients.parameters.get::<B, 2>(tracked.weight.id);
    out.extend(host(weight.expect("used")));

    let density = log_density(
        &tracked,
        &DOPRI5,
        x,
        span,
        |x| normal_log_density(x, 1.0),
        Trace::Exact,
        control,
    );
    out.extend(host(density.expect("smooth").log_density.unsqueeze()));
    out
}

#[test]
fn solvers_gradients_and_densities_agree_on_every_backend() {
    let reference = solved::<burn_flex::Flex>(burn_flex::FlexDevice);
    let close = |name: &str, other: Vec<f32>| {
        assert_eq!(other.len(), reference.len());
        for (i, (a, b)) in other.iter().zip(&reference).enumerate() {
            assert!((a - b).abs() < 1e-3, "{name}: number {i} is {a}, not {b}");
        }
    };
    close(
        "ndarray",
        solved::<burn_ndarray::NdArray>(Default::default()),
    );
    #[cfg(feature = "wgpu")]
    close("wgpu", solved::<burn_wgpu::Wgpu>(Default::default()));
    #[cfg(feature = "cuda")]
    close("cuda", solved::<burn_cuda::Cuda>(Default::default()));
}

/// The largest difference from what a network of another project gave there, in standard deviations
/// of its output.
fn imported<B: Backend>(file: &str, layout: &str, device: &B::Device) -> f64 {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/networks");
    let outputs = folder.join(file).with_extension("safetensors");
    let (golden, config) = (Golden::read(&outputs, "output"), read(&outputs, None));
    let (golden, config) = (golden.expect("outputs"), config.expect("outputs").config);
    let mut checkpoint = read(&folder.join(file), None).expect("weights");
    { &mut checkpoint.tensors }.retain(|key, _| !key.starts_with(GOLDEN));
    let (layout, fit, tensors) =
        fit(&checkpoint.tensors, Some(layout), &config).expect("weights of this layout");
    let differences = match Convention::of_layout(layout.name) {
        None => {
            let steps = autoencoder_differences::<B>(&fit.structure, &tensors, &golden, device);
            { steps.expect("an autoencoder").into_iter() }
                .flat_map(|(_, differences)| differences)
                .collect()
        }
        Some(convention) => {
            let origin = Origin {
                file: file.into(),
                layout: layout.name.into(),
                convention: convention.name.into(),
                choices: Default::default(),
            };
            let model = model_file(&fit, tensors, convention, origin, "ema", &[]);
            let stored = StoredModel::of_file(model.expect("a model"), &folder);
            let stored = stored.expect("a model");
            let found = stored.with_model::<Autodiff<B>, _>(device, Verify(&golden));
            found.expect("a network").expect("outputs")
        }
    };
    differences.into_iter().fold(0.0, f64::max)
}

#[test]
fn networks_of_other_projects_give_their_outputs_on_every_backend() {
    // Tensor cores multiply in TF32, which is no measure of a network.
    for (file, layout) in [
        ("torchcfm_unet.safetensors", "torchcfm"),
        ("torchcfm_unet_f32.safetensors", "torchcfm"),
        ("torchcfm_checkpoint.pt", "torchcfm"),
        ("guided_diffusion_adm.safetensors", "guided-diffusion"),
        ("diffusers_unet2d.safetensors", "diffusers-unet"),
        ("dit.safetensors", "dit"),
        ("dit_legacy.pt", "dit"),
        (
            "diffusers_autoencoder_kl.safetensors",
            "diffusers-autoencoder-kl",
        ),
        (
            "diffusers_autoencoder_tiny.safetensors",
            "diffusers-autoencoder-tiny",
        ),
    ] {
        let check = |backend: &str, found: f64, most: f64| {
            println!("{file} on {backend}: {found:.1e}");
            assert!(found < most, "{file} on {backend}: {found}");
        };
        check(
            "flex",
            imported::<burn_flex::Flex>(file, layout, &burn_flex::FlexDevice),
            1e-4,
        );
        check(
            "ndarray",
            imported::<burn_ndarray::NdArray>(file, layout, &Default::default()),
            1e-4,
        );
        #[cfg(feature = "wgpu")]
        check(
            "wgpu",
            imported::<burn_wgpu::Wgpu>(file, layout, &Default::default()),
            1e-3,
        );
    }
}

/// A million numbers, the first and the last of a stream of many among them, and of rows of a batch.
#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_draws_the_normal_numbers_of_the_host() {
    fn drawn<B: Backend>(draws: &mut Draws, std: f64, n: usize) -> Vec<f32> {
        let device = Default::default();
        let x: Tensor<B, 2> = draws.scaled_normal_tensor(std, [3, n / 3], &device, DType::F32);
        x.into_data().into_vec().expect("single precision")
    }
    let mut worst = 0.0_f32;
    let mut compare = |mut draws: Draws, std: f64, n: usize| {
        let mut on_gpu = draws.clone();
        // A second draw starts where the first ended, on an odd word.
        for n in [n, 999] {
            let expected = drawn::<burn_flex::Flex>(&mut draws, std, n);
            let got = drawn::<burn_wgpu::Wgpu>(&mut on_gpu, std, n);
            for (a, b) in got.iter().zip(&expected) {
                let off = (a - b).abs() / b.abs();
                assert!(off < 1e-6, "{a} and {b} differ by {off:e}");
                worst = worst.max(off);
            }
        }
        assert_eq!(draws, on_gpu);
    };
    for (seed, step) in [(0, 0), (u64::MAX, u64::MAX >> 16)] {
        compare(Noise::new(seed).draws(Stream::Source, step), 1.0, 500_001);
    }
    compare(Noise::new(1).draws(Stream::Sampler, 2), 0.3, 3);
    let rows = Noise::new(1).draws(Stream::Bridge, 2).of_rows(2..5, 9);
    compare(rows, 1.0, 30_003);
    println!("a GPU's normal numbers differ from the host's by at most {worst:.1e}");
}
