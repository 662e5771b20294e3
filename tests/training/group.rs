//! Several processes train the model that one process trains. Here a process is a thread.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexDevice};
use pyroclast::core::few_step::FewStep;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::models::{Init, MlpConfig, UNetConfig};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{
    Group, Next, Outcome, Record, TrainError, Trainer, Watcher, leader_first,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

type A = Autodiff<Flex>;

const BATCH: usize = 12;
const STEPS: u64 = 20;

/// What the threads of a group share.
#[derive(Debug)]
struct Shared {
    barrier: Barrier,
    values: Mutex<Vec<Vec<f32>>>,
    bytes: Mutex<Vec<u8>>,
}

/// A thread as a process of a group.
#[derive(Debug)]
struct Member {
    rank: usize,
    size: usize,
    shared: Arc<Shared>,
}

impl Group for Member {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_reduce(&self, values: &mut [f32]) {
        self.shared.values.lock().expect("no panic")[self.rank] = values.to_vec();
        self.shared.barrier.wait();
        {
            let all = self.shared.values.lock().expect("no panic");
            for (i, value) in values.iter_mut().enumerate() {
                let others = all[1..].iter().map(|own| own[i]);
                *value = others.fold(all[0][i], |sum, own| sum + own);
            }
        }
        self.shared.barrier.wait();
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.leads() {
            *self.shared.bytes.lock().expect("no panic") = bytes;
        }
        self.shared.barrier.wait();
        let bytes = self.shared.bytes.lock().expect("no panic").clone();
        self.shared.barrier.wait();
        bytes
    }

    fn to_leader(&self, from: usize, values: Vec<f32>) -> Vec<f32> {
        if self.rank == from {
            self.shared.values.lock().expect("no panic")[from] = values;
        }
        self.shared.barrier.wait();
        let found = match self.leads() {
            true => self.shared.values.lock().expect("no panic")[from].clone(),
            false => Vec::new(),
        };
        self.shared.barrier.wait();
        found
    }
}

/// Runs the same on every process of a group, and returns what each found.
fn together<T: Send>(size: usize, work: impl Fn(Arc<dyn Group>) -> T + Sync) -> Vec<T> {
    let shared = Arc::new(Shared {
        barrier: Barrier::new(size),
        values: Mutex::new(vec![Vec::new(); size]),
        bytes: Mutex::default(),
    });
    let member = |rank| Member {
        rank,
        size,
        shared: shared.clone(),
    };
    thread::scope(|scope| {
        let start = |rank| {
            let (member, work) = (Arc::new(member(rank)), &work);
            scope.spawn(move || work(member))
        };
        let threads: Vec<_> = (0..size).map(start).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|found| found.expect("no panic")).collect()
    })
}

/// The losses that a training reads, and whether it was told that it ends early.
#[derive(Default)]
struct Seen {
    losses: Vec<f64>,
    validations: usize,
    stop_after: Option<u64>,
    stopped: bool,
}

impl<N, const D: usize> Watcher<Trainer<A, N, D>> for Seen {
    fn stepped(&mut self, trainer: &Trainer<A, N, D>) -> Next {
        match self.stop_after == Some(trainer.step) {
            true => Next::Stop,
            false => Next::Continue,
        }
    }

    fn logged(&mut self, _: &Trainer<A, N, D>, record: &Record) -> Result<(), TrainError> {
        self.losses.extend(record.loss);
        self.validations += usize::from(record.validation.is_some());
        Ok(())
    }

    fn stopped(&mut self, _: &Trainer<A, N, D>) -> Result<(), TrainError> {
        self.stopped = true;
        Ok(())
    }
}

/// What a training ends with: its averages and first moments, and the losses that it read.
#[derive(Debug, PartialEq)]
struct End {
    state: Vec<f32>,
    losses: Vec<f64>,
}

fn trained<N, const D: usize>(mut trainer: Trainer<A, N, D>) -> End
where
    N: Network<A, D> + AutodiffModule<A>,
    N::InnerModule: Network<Flex, D>,
{
    let mut seen = Seen::default();
    trainer.run(STEPS, &mut seen).expect("a training");
    let values = |tensor: &Tensor<Flex, 1>| tensor.to_data().into_vec::<f32>().expect("f32");
    let state = trainer
        .average
        .values
        .iter()
        .chain(&trainer.optimizer.first);
    End {
        state: state.flat_map(values).collect(),
        losses: seen.losses,
    }
}

/// Checks that groups of several sizes train to the bits of one process with a batch in as many
/// parts, and to rounding of one with the batch whole.
fn check<N, const D: usize>(what: &str, trainer: impl Fn() -> Trainer<A, N, D> + Sync)
where
    N: Network<A, D> + AutodiffModule<A>,
    N::InnerModule: Network<Flex, D>,
{
    let trainer = || trainer().batch(BATCH).log_every(5);
    let whole = trained(trainer());
    for size in [2, 3, 4] {
        let parts = trained(trainer().micro_batch(BATCH / size));
        let found = together(size, |group| trained(trainer().group(group)));
        for end in &found {
            assert!(*end == parts, "{what} by {size}: other bits than in parts");
        }
        let size_of = |values: &[f32]| values.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let apart = found[0].state.iter().zip(&whole.state);
        let apart: Vec<f32> = apart.map(|(a, b)| a - b).collect();
        let error = size_of(&apart) / size_of(&whole.state);
        assert!(error < 1e-6, "{what} by {size}: {error:e} from one process");
    }
}

fn points() -> Dataset {
    let values = Noise::new(2).draws(Stream::Data, 0).normals(2 * 40);
    let labels: Vec<u32> = (0..40).map(|row| row % 3).collect();
    Dataset::rows(&values, 2).with_labels(&labels, 3)
}

fn of_points(config: MlpConfig, path: Path, objective: Objective) -> Trainer<A, impl Points, 2> {
    let config = MlpConfig {
        width: 16,
        classes: 3,
        ..config
    };
    let network = config.init::<A>(&mut Init::new(Noise::new(0), &FlexDevice));
    let flow = Flow::new(network, path, objective);
    Trainer::new(flow, points(), Noise::new(1), &FlexDevice)
}

/// A network of points.
trait Points: Network<A, 2> + AutodiffModule<A, InnerModule: Network<Flex, 2>> {}

impl<N: Network<A, 2> + AutodiffModule<A, InnerModule: Network<Flex, 2>>> Points for N {}

#[test]
fn a_group_takes_the_steps_of_one_process() {
    use pyroclast::core::prediction::Prediction;
    check("flow matching", || {
        let objective = Objective::new(Prediction::Velocity);
        of_points(MlpConfig::new(2), Path::optimal_transport(), objective)
    });
    check("a shortcut model", || {
        let method: FewStep = "shortcut".parse().expect("a training");
        let config = MlpConfig {
            durations: true,
            ..MlpConfig::new(2)
        };
        let objective = Objective::new(method.prediction().expect("a training"));
        of_points(config, Path::linear(), objective).few_step(method)
    });
    check("a UNet with dropout", || {
        let config = UNetConfig {
            channels: 4,
            multipliers: vec![1.0],
            dropout: 0.3,
            ..UNetConfig::new(1, [4, 4])
        };
        let network = config.init::<A>(&mut Init::new(Noise::new(0), &FlexDevice));
        let values = Noise::new(2).draws(Stream::Data, 0).normals(16 * 20);
        let images = Dataset::images(&values, [1, 4, 4]);
        let flow = Flow::velocity(network, Path::linear());
        Trainer::new(flow, images, Noise::new(1), &FlexDevice)
    });
}

fn velocity() -> Trainer<A, impl Points, 2> {
    use pyroclast::core::prediction::Prediction;
    let objective = Objective::new(Prediction::Velocity);
    of_points(MlpConfig::new(2), Path::linear(), objective)
}

#[test]
fn the_wish_of_one_process_ends_the_training_of_all() {
    let found = together(3, |group| {
        let stops = group.rank() == 2;
        let mut seen = Seen {
            stop_after: stops.then_some(7),
            ..Seen::default()
        };
        let mut trainer = velocity().batch(BATCH).group(group);
        let outcome = trainer.run(STEPS, &mut seen).expect("a training");
        (outcome, seen.stopped)
    });
    assert_eq!(found, [(Outcome::Interrupted { step: 7 }, true); 3]);
}

#[test]
fn only_the_first_process_validates() {
    let found = together(2, |group| {
        let data = (points(), points());
        let network = MlpConfig {
            classes: 3,
            ..MlpConfig::new(2)
        };
        let network = network.init::<A>(&mut Init::new(Noise::new(0), &FlexDevice));
        let flow = Flow::velocity(network, Path::linear());
        let trainer = Trainer::new(flow, data, Noise::new(1), &FlexDevice);
        let mut trainer = trainer.batch(BATCH).validate_every(2).group(group);
        let mut seen = Seen::default();
        trainer.run(4, &mut seen).expect("a training");
        seen.validations
    });
    assert_eq!(found, [2, 0]);
}

#[test]
fn processes_that_do_not_fit_together_are_refused() {
    // No step is taken, so that the first does not wait for a process that has refused.
    let starts = |change: f32| {
        together(2, |group| {
            let mut trainer = velocity().batch(BATCH).group(group.clone());
            if !group.leads() {
                // As if it had read another checkpoint.
                trainer.optimizer.first[0] = trainer.optimizer.first[0].clone() + change;
            }
            match trainer.run(0, &mut Seen::default()) {
                Ok(Outcome::Finished) => None,
                Err(TrainError::Apart { rank }) => Some(rank),
                other => panic!("{other:?}"),
            }
        })
    };
    assert_eq!(starts(0.0), [None, None]);
    assert_eq!(starts(1e-6), [None, Some(1)]);
    let found = together(3, |group| {
        let mut trainer = velocity().batch(2).group(group);
        let error = trainer
            .run(STEPS, &mut Seen::default())
            .expect_err("2 rows");
        error.to_string()
    });
    for message in found {
        assert!(message.starts_with("a batch of 2 gives none of its rows to some of 3 processes"));
    }
}

#[test]
fn the_first_process_works_before_the_others() {
    let done = AtomicBool::new(false);
    let found = together(4, |group| {
        leader_first(&*group, || match group.leads() {
            true => {
                thread::sleep(std::time::Duration::from_millis(50));
                done.store(true, Ordering::SeqCst);
                Ok::<_, ()>(true)
            }
            false => Ok(done.load(Ordering::SeqCst)),
        })
    });
    assert_eq!(found, [Ok(true); 4]);
}
