//! A training step and a fixed-grid solve never wait for the device.
//!
//! The tests run on burn's router in front of flex, with a client that counts how often a value is
//! read back or the device is waited for.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexDevice};
use counting::{Counting, Traffic};
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::Noise;
use pyroclast::core::path::Path;
use pyroclast::models::{Init, UNetConfig};
use pyroclast::solvers::likelihood::{log_density, normal_log_density};
use pyroclast::solvers::{Adaptive, Control, DOPRI5, TimeGrid, Trace, integrate};
use pyroclast::train::config::Config;
use pyroclast::train::learn::Order;
use pyroclast::train::network::WithNetwork;
use pyroclast::train::task::Task;
use std::sync::Mutex;

#[path = "support/counting.rs"]
mod counting;

/// The counters are those of the process, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

type B = Counting<Flex>;

fn waits(work: impl FnOnce()) -> usize {
    Traffic::of(work).waits
}

fn waits_of_steps(preset: &str, settings: &[&str]) -> [usize; 2] {
    let _turn = TURN.lock().expect("no test panics while it holds the turn");
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::load(preset, &settings).expect("a preset");
    let noise = Noise::new(0);
    let task = Task::load(&config.data, noise).expect("shipped data");
    let device = FlexDevice;
    let mut init = Init::<Autodiff<B>>::new(noise, &device);
    let dataset = &task.training;
    let architecture = config.architecture(&dataset.shape, dataset.classes());
    let steps = ThreeSteps(&config, task.clone());
    architecture
        .expect("a fitting network")
        .build(&mut init, steps)
}

/// The waits of three steps, and of reading the last loss.
struct ThreeSteps<'a>(&'a Config, Task);

impl WithNetwork<Autodiff<B>> for ThreeSteps<'_> {
    type Output = [usize; 2];

    fn with<N, const D: usize>(self, network: N) -> [usize; 2]
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let mut trainer = self.0.trainer(network, self.1, &FlexDevice);
        let (batcher, mut order) = (trainer.batcher(), Order::default());
        let mut loss = None;
        let training = waits(|| {
            for step in 0..3 {
                loss = Some(trainer.step(&batcher.batch(step, &mut order)));
            }
        });
        let reading = waits(|| {
            loss.take().expect("three steps").into_scalar();
        });
        [training, reading]
    }
}

#[test]
fn training_an_mlp_does_not_wait_until_the_loss_is_read() {
    assert_eq!(
        waits_of_steps("moons", &["training.batch=16", "training.clip=1"]),
        [0, 1]
    );
}

#[test]
fn further_averages_do_not_wait_either() {
    let averages = [
        "training.batch=16",
        "training.ema-rates=[0.99,0.9999]",
        "training.ema-power=[0.05,0.1]",
    ];
    assert_eq!(waits_of_steps("moons", &averages), [0, 1]);
}

#[test]
fn training_a_unet_does_not_wait_until_the_loss_is_read() {
    let small = [
        "training.batch=2",
        "network.channels=8",
        "network.dropout=0.1",
        "network.attention=[4]",
    ];
    assert_eq!(waits_of_steps("digits", &small), [0, 1]);
}

#[test]
fn a_fixed_grid_does_not_wait_and_an_adaptive_one_does_once_a_step() {
    let _turn = TURN.lock().expect("no test panics while it holds the turn");
    let device = FlexDevice;
    let mut init = Init::<B>::new(Noise::new(0), &device);
    let unet = UNetConfig {
        channels: 8,
        ..UNetConfig::new(1, [4, 4])
    };
    let flow = Flow::velocity(unet.init(&mut init), Path::linear());
    let x = || Tensor::<B, 4>::ones([2, 1, 4, 4], &device);
    let field = flow.unconditional::<B, 4>();
    let grid = TimeGrid::uniform(0.0, 1.0, 5);
    assert_eq!(waits(|| drop(integrate(&field, &DOPRI5, x(), &grid))), 0);
    let mut steps = 0;
    let adaptive = waits(|| {
        let solution = Adaptive::default().solve(&field, &DOPRI5, x(), (0.0, 1.0));
        steps = solution.expect("a smooth field").statistics.steps;
    });
    // Three norms for the starting step, then one error a step.
    assert_eq!(adaptive, 3 + steps);
}

#[test]
fn a_density_waits_once_a_step_too() {
    let _turn = TURN.lock().expect("no test panics while it holds the turn");
    let field = |_: f64, x: Tensor<Autodiff<B>, 2>| x.tanh();
    let x = Tensor::<B, 2>::ones([2, 3], &FlexDevice);
    let mut steps = 0;
    let waited = waits(|| {
        let found = log_density(
            &field,
            &DOPRI5,
            x,
            (0.0, 1.0),
            |x| normal_log_density(x, 1.0),
            Trace::Exact,
            Control::default(),
        );
        let statistics = found.expect("a smooth field").statistics;
        steps = statistics.steps + statistics.rejections;
    });
    // Three norms for the starting step, then one for both errors of a step.
    assert_eq!(waited, 3 + steps);
}
