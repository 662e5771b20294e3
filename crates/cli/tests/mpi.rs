//! Several processes of MPI train the model that one process trains. The launcher is Open MPI's
//! `mpirun`.

mod place;

use place::Place;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const POINTS: &str =
    "moons --device flex --set training.batch=64 --set data.size=500 --set sampling.steps=4";
const DIGITS: &str = "digits --device flex --set network.channels=8 --set training.batch=8 \
    --set sampling.steps=2";

/// Starts the command as so many processes.
fn start(place: &Place, processes: usize, arguments: &str) -> Child {
    Command::new("mpirun")
        .args(["--oversubscribe", "-n", &processes.to_string()])
        .arg(assert_cmd::cargo::cargo_bin!("pyroclast"))
        .args(arguments.split_whitespace())
        .current_dir(place.path(""))
        // A container often has no other user.
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mpirun of Open MPI")
}

fn run(place: &Place, processes: usize, arguments: &str) {
    let output = start(place, processes, arguments).wait_with_output();
    let output = output.expect("it ends");
    assert!(output.status.success(), "{arguments}: {}", errors(&output));
}

fn train(place: &Place, processes: usize, arguments: &str) {
    run(place, processes, &format!("train {arguments}"));
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A tensor with its name.
type Named = (String, Vec<f32>);

/// All numbers of a checkpoint by their names.
fn state(checkpoint: &Path) -> Vec<Named> {
    let bytes = fs::read(checkpoint).expect("a checkpoint");
    let tensors = SafeTensors::deserialize(&bytes).expect("a checkpoint");
    let mut state: Vec<_> = (tensors.iter())
        .map(|(name, tensor)| {
            assert_eq!(tensor.dtype(), Dtype::F32);
            let numbers = tensor.data().chunks_exact(4);
            let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
            (name.to_owned(), numbers.map(number).collect())
        })
        .collect();
    state.sort_by(|(a, _): &Named, (b, _)| a.cmp(b));
    state
}

fn last(place: &Place, run: &str, step: u64) -> Vec<Named> {
    state(&place.path(&format!("{run}/checkpoints/step-{step:08}.safetensors")))
}

/// The step of the newest checkpoint, if there is one.
fn saved(place: &Place, run: &str) -> Option<u64> {
    let files = fs::read_dir(place.path(run).join("checkpoints")).ok()?;
    let steps = files.flatten().filter_map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
        step.parse().ok()
    });
    steps.max()
}

/// The largest difference of two states: of parameters relative to the largest number of the
/// tensor, of moments to that of all first or all second ones. The gradient of a bias is a sum
/// whose terms may cancel, so the size of its own moment says nothing of the rounding.
fn apart(a: &[Named], b: &[Named]) -> f32 {
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, f32::max);
    let size = |of: &dyn Fn(&str) -> bool| {
        let tensors = b.iter().filter(|(name, _)| of(name));
        largest(&mut tensors.flat_map(|(_, x)| x).map(|x| x.abs()))
    };
    let of_tensor = |((name, a), (other, b)): (&Named, &Named)| {
        assert_eq!(name, other);
        let kind = name.split('.').next().expect("a name");
        let size = match kind {
            "first" | "second" => size(&|name| name.split('.').next() == Some(kind)),
            _ => size(&|other| other == name),
        };
        largest(&mut a.iter().zip(b).map(|(a, b)| (a - b).abs())) / size.max(f32::MIN_POSITIVE)
    };
    largest(&mut a.iter().zip(b).map(of_tensor))
}

#[test]
fn processes_take_the_steps_of_one() {
    let place = Place::new();
    for (name, source, batch, processes) in [("points", POINTS, 64, 2), ("digits", DIGITS, 8, 4)] {
        let (together, parts, whole) = (
            format!("{name}-together"),
            format!("{name}-parts"),
            format!("{name}-whole"),
        );
        let steps = 20;
        train(
            &place,
            processes,
            &format!("{source} --steps {steps} --out {together}"),
        );
        let part = batch / processes;
        place.ok(&format!(
            "train {source} --steps {steps} --out {parts} --set training.micro-batch={part}"
        ));
        place.ok(&format!("train {source} --steps {steps} --out {whole}"));
        let ours = last(&place, &together, steps);
        assert!(
            ours == last(&place, &parts, steps),
            "{name}: other bits than in parts"
        );
        let error = apart(&ours, &last(&place, &whole, steps));
        assert!(error < 1e-6, "{name}: {error:e} from one process");
        // What the first process writes, it writes once.
        let metrics = place.path(&format!("{together}/metrics.jsonl"));
        let metrics = fs::read_to_string(metrics).expect("metrics");
        assert_eq!(metrics.lines().count(), 1, "{metrics}");
        for file in ["config.toml", "loss.png", "report.html"] {
            assert!(place.path(&format!("{together}/{file}")).exists(), "{file}");
        }
    }
}

#[test]
fn a_killed_process_ends_all_and_any_number_resumes() {
    let place = Place::new();
    let settings = format!("{POINTS} --set training.save-every=50");
    let steps = 4000;
    let all = format!("train {settings} --steps {steps} --out run");
    let launcher = start(&place, 2, &all);
    let clock = Instant::now();
    while saved(&place, "run").is_none_or(|step| step < 100) {
        assert!(clock.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = launcher.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.expect("the processes of mpirun");
    let victim = children.split_whitespace().last().expect("a process");
    let killed = Command::new("kill").args(["-9", victim]).status();
    assert!(killed.expect("a kill").success());
    let clock = Instant::now();
    let output = launcher.wait_with_output().expect("it ends");
    assert!(clock.elapsed() < Duration::from_secs(10));
    assert!(!output.status.success());
    // Two processes resume to what two that were never killed end with.
    run(&place, 2, &format!("{all} --resume"));
    train(
        &place,
        2,
        &format!("{settings} --steps {steps} --out whole"),
    );
    assert!(last(&place, "run", steps) == last(&place, "whole", steps));
    // Other numbers of processes go on from there.
    for processes in [1, 3] {
        let until = steps + 10 * processes as u64;
        let more = format!("{settings} --steps {until} --out run --resume");
        train(&place, processes, &more);
        last(&place, "run", until);
    }
}

#[test]
fn processes_draw_the_samples_of_one() {
    let place = Place::new();
    let independent = "--set path.coupling=independent";
    place.ok(&format!(
        "train {POINTS} {independent} --steps 20 --out run"
    ));
    // A short part for the third, a process without one, and a second turn.
    for (processes, n, plan) in [
        (3, 9000, "heun --steps 4"),
        (4, 9000, "euler-maruyama --steps 4"),
        (2, 1_200_000, "euler --steps 1"),
    ] {
        let draw = format!("sample run -n {n} --method {plan} --device flex");
        place.ok(&format!("{draw} --out one.npy"));
        run(&place, processes, &format!("{draw} --out several.npy"));
        let bytes = |name: &str| fs::read(place.path(name)).expect("samples");
        assert!(bytes("one.npy") == bytes("several.npy"), "{plan}");
    }
}

/// Checks that two values have the same form and numbers, up to a relative difference.
fn agree(name: &str, ours: &Value, theirs: &Value, most: f64) {
    match (ours, theirs) {
        // How long it took.
        _ if name == "seconds" => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys = |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(a), keys(b), "{name}");
            a.iter()
                .for_each(|(key, value)| agree(key, value, &b[key], most));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{name}");
            a.iter().zip(b).for_each(|(a, b)| agree(name, a, b, most));
        }
        (Value::Number(a), Value::Number(b)) => {
            let [a, b] = [a, b].map(|x| x.as_f64().expect("a number"));
            let apart = (a - b).abs();
            assert!(apart <= most * (b.abs() + 1e-3), "{name}: {a} and {b}");
        }
        (a, b) => assert_eq!(a, b, "{name}"),
    }
}

#[test]
fn processes_score_as_one_does() {
    let place = Place::new();
    let independent = "--set path.coupling=independent";
    place.ok(&format!(
        "train {POINTS} {independent} --steps 20 --out run"
    ));
    // Chunks stay together where steps or noise are theirs: two here, and so a process without one.
    // Means over paths are added up in another order.
    for (processes, plan, most) in [
        (2, "-n 500 --method heun --steps 4 --seeds 2", 1e-4),
        (3, "-n 2500 --method dopri5 --rtol 1e-3 --atol 1e-3", 1e-12),
        (2, "-n 2500 --method euler-maruyama --steps 4", 1e-12),
    ] {
        let evaluate = format!("evaluate run {plan} --likelihoods 20 --json --device flex");
        let one = place.ok(&evaluate).stdout;
        let several = start(&place, processes, &evaluate).wait_with_output();
        let several = several.expect("it ends");
        assert!(several.status.success(), "{}", errors(&several));
        let several = String::from_utf8(several.stdout).expect("JSON");
        let [one, several] = [one, several].map(|text| {
            serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
        });
        assert!(!one["w2"].is_null(), "{one}");
        agree("scores", &several, &one, most);
    }
}

#[test]
fn mistakes_of_all_are_one_line() {
    let place = Place::new();
    place.ok(&format!("train {POINTS} --steps 1 --out run"));
    for (arguments, part, code) in [
        ("train no-such-preset", "no-such-preset", 2),
        ("train moons --steps", "--steps", 2),
        (
            "train moons --set training.batch=2 --steps 5",
            "a batch of 2 gives none of its rows",
            1,
        ),
        (
            "sample run --trajectory",
            "--trajectory is for one process",
            2,
        ),
        ("presets", "only `train`, `sample` and `evaluate` share", 2),
    ] {
        let output = start(&place, 3, arguments).wait_with_output();
        let output = output.expect("it ends");
        let errors = errors(&output);
        let said = errors.lines().filter(|line| line.starts_with("error"));
        let said: Vec<&str> = said.collect();
        assert!(
            said.len() == 1 && said[0].contains(part),
            "{arguments}: {errors}"
        );
        assert_eq!(output.status.code(), Some(code), "{errors}");
    }
}
