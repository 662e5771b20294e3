//! A run that is interrupted ends with the same bits as one that was not, and loses nothing on the
//! way.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn_flex::{Flex, FlexDevice};
use pyroclast::core::network::Network;
use pyroclast::core::noise::Noise;
use pyroclast::models::Init;
use pyroclast::train::config::Config;
use pyroclast::train::learn::{
    Checkpoint, CheckpointError, Latest, Next, Outcome, Run, RunError, TrainError, Trainer, Watcher,
};
use pyroclast::train::model_file::tensor_file::TensorFileError;
use pyroclast::train::network::{Architecture, WithNetwork};
use pyroclast::train::task::Task;
use std::fs;
use std::path::Path;

fn config(preset: &str, steps: u64) -> Config {
    let mut settings = vec![
        format!("training.steps={steps}"),
        "training.batch=8".into(),
        "training.save-every=4".into(),
        "training.log-every=3".into(),
        "training.validate-every=5".into(),
        "sampling.steps=2".into(),
    ];
    settings.extend(match preset {
        "digits" => vec!["network.channels=8".into(), "network.dropout=0.2".into()],
        _ => vec!["data.size=100".into()],
    });
    Config::load(preset, &settings).expect("a preset")
}

/// Asks to stop after a step.
struct StopAfter(u64);

impl<N, const D: usize> Watcher<Trainer<Autodiff<Flex>, N, D>> for StopAfter {
    fn stepped(&mut self, trainer: &Trainer<Autodiff<Flex>, N, D>) -> Next {
        if trainer.step == self.0 {
            Next::Stop
        } else {
            Next::Continue
        }
    }
}

/// A training in a run's folder.
struct Go<'a> {
    run: &'a Run,
    config: &'a Config,
    task: Task,
    resume: bool,
    stop: u64,
}

impl WithNetwork<Autodiff<Flex>> for Go<'_> {
    type Output = Result<Outcome, TrainError>;

    fn with<N, const D: usize>(self, network: N) -> Self::Output
    where
        N: Network<Autodiff<Flex>, D> + AutodiffModule<Autodiff<Flex>>,
        N::InnerModule: Network<Flex, D>,
    {
        let mut trainer = self.config.trainer(network, self.task, &FlexDevice);
        if self.resume {
            self.run.restore(&mut trainer)?;
        }
        let mut recorder = self.config.recorder(self.run, StopAfter(self.stop));
        trainer.run(self.config.training.steps, &mut recorder)
    }
}

fn go(run: &Run, config: &Config, resume: bool, stop: u64) -> Result<Outcome, TrainError> {
    let noise = Noise::new(config.training.seed);
    let task = Task::load(&config.data, noise).expect("shipped data");
    let dataset = &task.training;
    let architecture = config.architecture(&dataset.shape, dataset.classes());
    let go = Go {
        run,
        config,
        resume,
        stop,
        task: task.clone(),
    };
    let mut init = Init::new(noise, &FlexDevice);
    architecture.expect("a network").build(&mut init, go)
}

fn create(path: &Path, config: &Config) -> Result<Run, RunError> {
    Run::create(path, Some(&config.to_toml()))
}

fn bytes(run: &Run) -> Vec<u8> {
    fs::read(run.newest().expect("a checkpoint")).expect("a readable checkpoint")
}

/// The snapshots of a run: their steps and bytes.
fn snapshots(run: &Run) -> Vec<(u64, Vec<u8>)> {
    let read = |path| fs::read(path).expect("a readable snapshot");
    (run.snapshots().into_iter())
        .map(|(step, path)| (step, read(path)))
        .collect()
}

fn resumes_exactly(preset: &str) {
    resumes_exactly_with(&config(preset, 11));
}

fn resumes_exactly_with(config: &Config) {
    let preset = &config.data.name;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = create(&folder.path().join("whole"), config).expect("a new run");
    assert_eq!(
        go(&whole, config, false, 0).expect("a run"),
        Outcome::Finished
    );
    for stop in [1, 4, 6, 10] {
        let path = folder.path().join(format!("stopped-{stop}"));
        let run = create(&path, config).expect("a new run");
        let outcome = go(&run, config, false, stop).expect("a run");
        assert_eq!(outcome, Outcome::Interrupted { step: stop });
        let run = Run::open(&path).expect("the run");
        let stored = Config::of_run(&run).expect("a configuration");
        assert_eq!(stored.as_ref(), Some(config));
        assert_eq!(
            go(&run, config, true, 0).expect("a resumed run"),
            Outcome::Finished
        );
        assert!(
            bytes(&run) == bytes(&whole),
            "{preset}, stopped after {stop}"
        );
        assert!(snapshots(&run) == snapshots(&whole), "stopped after {stop}");
        let steps = |run: &Run| {
            run.records()
                .last()
                .map(|record| (record.step, record.validation))
        };
        assert_eq!(steps(&run), steps(&whole));
    }
}

#[test]
fn an_mlp_resumes_to_the_last_bit() {
    resumes_exactly("moons");
}

#[test]
fn a_unet_with_dropout_resumes_to_the_last_bit() {
    resumes_exactly("digits");
}

/// A run with rates and power-function averages; its checkpoints are every four steps, its
/// snapshots every three.
fn averaged() -> Config {
    let mut config = config("moons", 11);
    config.training.ema_rates = vec![0.5, 0.999_9];
    config.training.ema_power = vec![0.05, 0.1];
    config.training.snapshot_every = 3;
    config
}

#[test]
fn further_averages_resume_to_the_last_bit() {
    resumes_exactly_with(&averaged());
}

#[test]
fn snapshots_newer_than_the_checkpoint_are_taken_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = averaged();
    let run = create(&folder.path().join("run"), &config).expect("a new run");
    go(&run, &config, false, 0).expect("a run");
    let (end, taken) = (bytes(&run), snapshots(&run));
    let steps: Vec<u64> = taken.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [3, 6, 9, 11], "all are kept, the last step's too");
    // As after SIGKILL in another life of the run, which snapshots at other steps.
    fs::remove_file(run.checkpoint_path(11)).expect("the newest checkpoint");
    fs::copy(run.snapshot_path(9), run.snapshot_path(10)).expect("a stale snapshot");
    fs::write(run.folder().join("ema/.pyroclast-x"), "half").expect("a leftover");
    go(&run, &config, true, 0).expect("a resumed run");
    assert!(bytes(&run) == end && snapshots(&run) == taken);
    assert!(!run.folder().join("ema/.pyroclast-x").exists());
}

#[test]
fn further_averages_leave_the_run_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (plain, averaged) = (config("moons", 11), averaged());
    let end = |name: &str, config: &Config| {
        let run = create(&folder.path().join(name), config).expect("a new run");
        go(&run, config, false, 0).expect("a run");
        load(&run.newest().expect("a checkpoint"), config).expect("its own network")
    };
    let (a, b) = (end("plain", &plain), end("averaged", &averaged));
    assert!(a.averages.is_empty() && b.averages.len() == 4);
    let lists = |c: Checkpoint<Flex>| {
        [c.model, c.average.values, c.first, c.second]
            .into_iter()
            .flatten()
    };
    for (x, y) in lists(a).zip(lists(b)) {
        assert_eq!(x.into_data(), y.into_data());
    }
}

#[test]
fn a_checkpoint_of_an_earlier_layout_is_named_as_such() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config("moons", 2);
    let run = create(&folder.path().join("run"), &config).expect("a new run");
    go(&run, &config, false, 0).expect("a run");
    let header = r#"{"version":1,"step":2,"seed":0,"config":""}"#.to_owned();
    let metadata = std::collections::HashMap::from([("pyroclast".to_owned(), header)]);
    let none = Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new();
    let bytes = safetensors::serialize(none, Some(metadata)).expect("no tensors");
    let path = run.newest().expect("a checkpoint");
    fs::write(&path, bytes).expect("a writable file");
    let error = load(&path, &config).expect_err("an earlier layout");
    assert!(
        error.to_string().contains("by an earlier version"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_with_other_averages_is_not_resumed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = averaged();
    let run = create(&folder.path().join("run"), &config).expect("a new run");
    go(&run, &config, false, 4).expect("a run");
    let mut other = config;
    other.training.ema_rates = vec![0.5];
    let error = go(&run, &other, true, 0).expect_err("another configuration");
    assert!(error.to_string().contains("keeps the averages"), "{error}");
}

#[test]
fn a_run_that_lost_its_last_steps_resumes_from_the_checkpoint_before() {
    // As after SIGKILL: steps 9 to 11 were taken and logged, but the newest checkpoint is that of
    // step 8.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config("moons", 11);
    let run = create(&folder.path().join("run"), &config).expect("a new run");
    go(&run, &config, false, 0).expect("a run");
    let end = bytes(&run);
    fs::remove_file(run.checkpoint_path(11)).expect("the newest checkpoint");
    fs::write(run.folder().join("checkpoints/.pyroclast-x"), "half").expect("a leftover");
    assert_eq!(
        go(&run, &config, true, 0).expect("a resumed run"),
        Outcome::Finished
    );
    assert!(bytes(&run) == end);
    let steps: Vec<u64> = run.records().iter().map(|record| record.step).collect();
    assert_eq!(
        steps,
        [3, 4, 5, 6, 8, 9, 10, 11],
        "each step is logged once"
    );
    assert!(!run.folder().join("checkpoints/.pyroclast-x").exists());
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_begins_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config("moons", 5);
    let whole = create(&folder.path().join("whole"), &config).expect("a new run");
    go(&whole, &config, false, 0).expect("a run");
    let run = create(&folder.path().join("killed"), &config).expect("a new run");
    assert_eq!(
        go(&run, &config, true, 0).expect("a resumed run"),
        Outcome::Finished
    );
    assert!(bytes(&run) == bytes(&whole));
}

#[test]
fn a_run_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config("moons", 2);
    let path = folder.path().join("run");
    create(&path, &config).expect("a new run");
    let error = create(&path, &config).expect_err("the folder is taken");
    assert!(matches!(error, RunError::Occupied(_)), "{error}");
    fs::create_dir(folder.path().join("other")).expect("a folder");
    fs::write(folder.path().join("other/thesis.tex"), "x").expect("a file");
    let error = create(&folder.path().join("other"), &config).expect_err("not ours");
    assert!(matches!(error, RunError::Occupied(_)), "{error}");
    assert!(
        !folder.path().join("other/checkpoints").exists(),
        "nothing is left in a foreign folder"
    );
}

fn load(path: &Path, config: &Config) -> Result<Checkpoint<Flex>, CheckpointError> {
    let device = FlexDevice;
    let mut init = Init::<Flex>::new(Noise::new(0), &device);
    let Architecture::Mlp(mlp) = config.architecture(&[2], 0).expect("an MLP") else {
        panic!("points are learned by an MLP");
    };
    let network = mlp.init(&mut init);
    Checkpoint::load(
        path,
        &pyroclast::train::parameters::slots::<Flex, _>(&network),
        &device,
    )
}

#[test]
fn a_truncated_or_foreign_checkpoint_is_named_as_such() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config("moons", 2);
    let run = create(&folder.path().join("run"), &config).expect("a new run");
    go(&run, &config, false, 0).expect("a run");
    let path = run.newest().expect("a checkpoint");
    let whole = fs::read(&path).expect("a readable checkpoint");
    assert_eq!(
        load(&path, &config)
            .expect("its own network")
            .header
            .about
            .step,
        2
    );

    let wider = Config::load("moons", &["network.width=32".into()]).expect("a preset");
    let error = load(&path, &wider).expect_err("another network");
    assert!(error.to_string().contains("layers.0.weight"), "{error}");

    for length in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("a writable file");
        let error = load(&path, &config).expect_err("a cut-off file");
        assert!(
            matches!(error, CheckpointError::Damaged { .. }),
            "{length}: {error}"
        );
        assert!(
            Latest::read(run.clone()).is_err(),
            "a damaged checkpoint is not passed over in silence"
        );
    }
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]);
    let foreign = safetensors::serialize([("x", view.expect("one number"))], None).expect("bytes");
    fs::write(&path, foreign).expect("a writable file");
    let error = load(&path, &config).expect_err("somebody else's file");
    assert!(
        matches!(
            error,
            CheckpointError::File(TensorFileError::Foreign { .. })
        ),
        "{error}"
    );
}

#[test]
fn a_loss_that_runs_away_stops_the_run_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = config("moons", 400);
    config.training.save_every = 1;
    config.training.log_every = 1;
    config.training.learning_rate = 1e30;
    let run = create(&folder.path().join("run"), &config).expect("a new run");
    let error = go(&run, &config, false, 0).expect_err("no network stands this rate");
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    assert!(Latest::read(run.clone()).is_ok());
}
