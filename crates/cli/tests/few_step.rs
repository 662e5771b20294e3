//! Models of few steps from the real binary: trained with and without a teacher, resumed, sampled,
//! and what is refused.

mod place;

use place::Place;
use std::fs;

/// Points by a small network, after a few steps.
const QUICK: &str = "--steps 6 --device flex --set training.batch=16 --set network.width=8 \
    --set data.size=200 --set training.log-every=2 --set training.save-every=2";

#[test]
fn every_training_runs_and_samples_in_one_step() {
    let place = Place::new();
    place.ok(&format!("train moons --out teacher {QUICK}"));
    for method in [
        "mean-flow",
        "shortcut",
        "semigroup",
        "lagrangian",
        "eulerian",
        "consistency-training",
        "continuous-consistency",
    ] {
        for (name, teacher) in [("scratch", ""), ("taught", "--teacher teacher")] {
            let run = format!("{method}-{name}");
            place.ok(&format!(
                "train moons --out {run} {QUICK} --set few-step.method={method} {teacher}"
            ));
            place.ok(&format!(
                "sample {run} -n 7 --method flow-map --steps 1 --out a.csv"
            ));
            let rows = fs::read_to_string(place.path("a.csv")).expect("samples");
            assert_eq!(rows.lines().count(), 7 + 1, "{run}: {rows}");
            // Its velocity is that of any model.
            place.ok(&format!(
                "sample {run} -n 3 --method heun --steps 3 --out b.csv"
            ));
        }
    }
    for (method, drawn) in [("reflow", "heun"), ("distillation", "flow-map")] {
        let pairs = format!("--set path.coupling=given --set few-step.method.{method}.pairs=40");
        place.ok(&format!(
            "train moons --out {method} {QUICK} {pairs} --teacher teacher"
        ));
        assert!(place.path(method).join("pairs/00000.safetensors").exists());
        place.ok(&format!(
            "sample {method} -n 3 --method {drawn} --steps 1 --out {method}.csv"
        ));
    }
    // A consistency model jumps to the data, again and again if asked to.
    place.ok(&format!(
        "train moons --out independent {QUICK} --set path.coupling=independent"
    ));
    place.ok(&format!(
        "train moons --out cd {QUICK} --set few-step.method=cd --teacher independent \
         --set path.coupling=independent"
    ));
    place.ok("sample cd -n 3 --method renoise --steps 2 --out f.csv");
    // On the noise of EDM, from scratch and with a teacher, whatever that has learned on.
    let clock = "--set objective.prediction=consistency --set objective.preconditioning=edm \
                 --set path.schedule=edm --set path.coupling=independent";
    place.ok(&format!(
        "train moons --out edm {QUICK} --set path.schedule=edm --set path.coupling=independent \
         --set objective.prediction=edm --set objective.preconditioning=edm"
    ));
    for (method, teacher) in [
        ("ict", ""),
        ("ict", "--teacher edm"),
        ("cd", "--teacher edm"),
    ] {
        let run = format!("clock-{method}{}", teacher.len());
        place.ok(&format!(
            "train moons --out {run} {QUICK} {clock} --set few-step.method={method} {teacher}"
        ));
        place.ok(&format!(
            "sample {run} -n 3 --method flow-map --steps 1 --out h.csv"
        ));
        place.ok(&format!(
            "sample {run} -n 3 --method renoise --steps 3 --out i.csv"
        ));
        place.ok(&format!(
            "sample {run} -n 3 --method ddim --steps 3 --out j.csv"
        ));
        place.fails(
            &format!("sample {run} -n 3 --method flow-map --steps 2 --out k.csv"),
            2,
            &["knows where the flow ends"],
        );
    }
    place.fails(
        &format!("train moons --out no {QUICK} {clock} --set few-step.method=mean-flow"),
        2,
        &["objective.prediction", "consistency-training"],
    );
    place.fails(
        "train moons --out no --set few-step.method=ict --set objective.prediction=consistency",
        2,
        &[
            "objective.preconditioning",
            "set objective.preconditioning=edm",
        ],
    );
    place.fails(
        "train moons --out no --set objective.prediction=consistency",
        2,
        &["objective.prediction", "few-step.method"],
    );
    // New noise after a jump needs pairs that are independent, and those of a teacher are not.
    place.fails(
        "sample distillation -n 3 --method renoise --steps 2 --out g.csv",
        2,
        &["renoise", "score"],
    );
    // A model file knows what it is.
    place.ok("export mean-flow-scratch --out m.safetensors");
    place.ok("sample m.safetensors -n 3 --method flow-map --steps 2 --out c.csv");
    // And one of images.
    place.ok(
        "train digits-mean-flow --out images --steps 2 --device flex --set training.batch=4 \
         --set network.channels=8",
    );
    place.ok("sample images -n 2 --out d.png");
    place.ok(
        "train digits-shortcut --out small --steps 2 --device flex --set training.batch=8 \
         --set network.channels=8",
    );
    place.ok("sample small -n 2 --steps 4 --out e.png");
}

#[test]
fn jumps_are_compared_with_other_methods() {
    let place = Place::new();
    place.ok(
        "train digits-shortcut --out run --steps 2 --device flex --set training.batch=8 \
         --set network.channels=8",
    );
    let compared = |arguments: &str| {
        let compare = "compare run --device flex -n 8 --json";
        let ran = place.ok(&format!("{compare} {arguments}"));
        serde_json::from_str::<serde_json::Value>(&ran.stdout).expect("JSON")
    };
    let report = compared("--evaluations 2 --methods flow-map,heun-edm");
    let entries = report["entries"].as_array().expect("a list");
    for entry in entries {
        assert!(entry["frechet_to_data"].as_f64() > Some(0.0), "{entry}");
    }
    // Without --methods, where the model has a flow map; and it has none for three equal steps.
    let of_two = compared("--evaluations 2");
    let names = |report: &serde_json::Value| {
        let entries = report["entries"].as_array().expect("a list");
        let names = entries.iter().map(|entry| entry["method"].to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert!(names(&of_two).contains("flow-map"), "{of_two}");
    let of_three = compared("--evaluations 3");
    assert!(!names(&of_three).contains("flow-map"), "{of_three}");
    assert!(of_three["left_out"].to_string().contains("flow-map"));
}

#[test]
fn markovian_fitting_goes_back_and_forth() {
    let place = Place::new();
    let bridge = "--set path.gamma.bridge=0.5";
    let first = "--set objective.prediction=velocity-and-score --set path.coupling=independent";
    let given = "--set path.coupling=given";
    place.ok(&format!("train moons --out one {QUICK} {bridge} {first}"));
    let next = |start: &str, teacher: &str, out: &str| {
        let method = format!(
            "few-step.method={{markovian-fitting={{start=\"{start}\",pairs=600,steps=4}}}}"
        );
        format!(
            "train moons {QUICK} {bridge} {given} --set {method} --teacher {teacher} --out {out}"
        )
    };
    place.ok(&next("data", "one", "two"));
    place.ok(&next("source", "two", "three"));
    assert!(place.path("three/pairs/00001.safetensors").exists());
    place.ok("sample three -n 3 --method euler-maruyama --steps 4 --out a.csv");
    // Pairs that were made are read again: a damaged file is noticed.
    place.ok(&format!("{} --resume", next("source", "two", "three")));
    // A teacher without a score, or of other bridges.
    place.ok(&format!("train moons --out plain {QUICK} {bridge}"));
    place.fails(
        &next("data", "plain", "no"),
        1,
        &["has not learned the score", "velocity-and-score"],
    );
    let other = next("data", "one", "no").replace("bridge=0.5", "bridge=0.4");
    place.fails(&other, 1, &["has not learned the score"]);
    let flat = next("data", "one", "no").replace("path.gamma.bridge=0.5", "path.gamma=none");
    place.fails(&flat, 2, &["few-step.method", "set path.gamma=bridge"]);
}

#[test]
fn a_run_with_a_teacher_resumes_as_if_it_had_not_been_interrupted() {
    let place = Place::new();
    place.ok(&format!("train moons --out teacher {QUICK}"));
    let train =
        format!("train moons {QUICK} --set few-step.method=lagrangian --set training.cosine=false");
    place.ok(&format!("{train} --teacher teacher --out whole"));
    let shorter = train.replace("--steps 6", "--steps 4");
    let shorter = format!("{shorter} --teacher teacher --out part");
    place.ok(&shorter);
    // The same command resumes it, from a path as it was typed.
    place.ok(&format!("{shorter} --resume"));
    // The run keeps its teacher.
    fs::rename(place.path("teacher"), place.path("gone")).expect("a folder");
    place.ok(&format!("{train} --out part --resume"));
    let sampled = |run: &str| {
        place.ok(&format!("sample {run} -n 3 --out {run}.csv --seed 1"));
        fs::read_to_string(place.path(&format!("{run}.csv"))).expect("samples")
    };
    assert_eq!(sampled("part"), sampled("whole"));
}

#[test]
fn a_teacher_may_predict_anything() {
    let place = Place::new();
    for prediction in ["data", "noise", "score", "v", "edm"] {
        let independent = "--set path.coupling=independent";
        place.ok(&format!(
            "train moons --out {prediction} {QUICK} {independent} \
             --set objective.prediction={prediction}"
        ));
        // Levels of noise stand at both ends, where some of them tell no velocity.
        place.ok(&format!(
            "train moons --out of-{prediction} {QUICK} {independent} --teacher {prediction} \
             --set few-step.method.cd.levels=2"
        ));
        place.ok(&format!(
            "sample of-{prediction} -n 3 --method flow-map --steps 1 --out a.csv"
        ));
    }
}

#[test]
fn every_method_is_a_variant_of_a_preset() {
    let place = Place::new();
    place.ok(&format!("train scurve {QUICK}"));
    for variant in ["sb-cfm", "sf2m", "shortcut", "mean-flow", "consistency"] {
        place.ok(&format!("train scurve-{variant} {QUICK}"));
        place.ok(&format!("sample runs/scurve-{variant} -n 3 --out a.csv"));
    }
    // The teacher is the run of the preset, which the run of the variant keeps.
    let reflow = format!("train scurve-reflow {QUICK} --set few-step.method.reflow.pairs=40");
    place.ok(&reflow);
    place.ok("sample runs/scurve-reflow -n 3 --out a.csv");
    fs::rename(place.path("runs/scurve"), place.path("runs/gone")).expect("a folder");
    place.ok(&format!("{reflow} --resume"));
    place.fails(&reflow, 1, &["train it first: pyroclast train scurve"]);
    // A sweep takes them as it takes presets.
    place.ok("sweep scurve-shortcut --steps 2 --device flex -n 20 \
         --set training.batch=16 --set network.width=4");
    assert!(place.path("runs/scurve-shortcut-sweep").exists());
}

#[test]
fn what_does_not_go_together_is_refused_in_one_line() {
    let place = Place::new();
    place.ok(&format!("train moons --out plain {QUICK}"));
    place.ok(&format!(
        "train moons --out trigonometric {QUICK} --set path.schedule=trigonometric"
    ));
    place.ok(&format!(
        "train moons --out shortcut {QUICK} --set few-step.method.shortcut.steps=8"
    ));
    place.ok(
        "train digits --out digits --steps 1 --device flex --set training.batch=2 \
         --set network.channels=8",
    );
    place.ok(&format!(
        "train moons --out bridge {QUICK} --set path.gamma.bridge=0.2"
    ));
    let train = format!("train moons {QUICK} --set few-step.method=lagrangian");
    let digits = "train digits --steps 1 --device flex --set few-step.method";
    for (command, code, parts) in [
        (
            format!("{train} --teacher digits"),
            1,
            &["digits", "[1, 8, 8]", "[2]"][..],
        ),
        (
            format!("{train} --teacher trigonometric"),
            1,
            &["path.schedule=trigonometric", "path.schedule.linear"],
        ),
        (
            format!("{train} --teacher bridge"),
            1,
            &["bridge", "set path.gamma.bridge=0.2"],
        ),
        (
            format!("train moons-reflow {QUICK}"),
            1,
            &["runs/moons is not there", "pyroclast train moons"],
        ),
        (
            format!("{train} --teacher nowhere"),
            1,
            &["few-step.teacher", "nowhere"],
        ),
        (
            format!("train moons {QUICK} --teacher plain"),
            2,
            &["few-step.teacher", "set few-step.method too"],
        ),
        (
            format!("{train} --set objective.prediction=noise"),
            2,
            &["objective.prediction = noise", "average velocity"],
        ),
        (
            format!("{train} --set path.schedule=vp"),
            2,
            &["path.schedule = vp", "finite at both ends"],
        ),
        (
            format!("{train} --set path.schedule=edm"),
            2,
            &["path.schedule = edm", "use linear or trigonometric"],
        ),
        (
            format!(
                "train moons {QUICK} --set few-step.method=reflow --set path.schedule=ve \
                 --set path.coupling=given --teacher plain"
            ),
            2,
            &["path.schedule = ve", "use linear or trigonometric"],
        ),
        (
            format!("train moons {QUICK} --set objective.prediction=average-velocity"),
            2,
            &["objective.prediction", "few-step.method"],
        ),
        (
            format!("train moons {QUICK} --set few-step.method.mean-flow.guidance=2"),
            2,
            &["few-step.method.mean-flow.guidance", "no classes"],
        ),
        (
            format!("train moons {QUICK} --set few-step.method.shortcut.steps=6"),
            2,
            &["few-step.method.shortcut.steps = 6", "power of two"],
        ),
        (
            format!(
                "train moons {QUICK} --set few-step.method.ct.first=9 \
                 --set few-step.method.ct.last=4"
            ),
            2,
            &["few-step.method", "at least as many"],
        ),
        (
            format!("train moons {QUICK} --set few-step.method=cd"),
            2,
            &["few-step.method", "give --teacher MODEL"],
        ),
        (
            format!("train moons {QUICK} --set few-step.method=reflow"),
            2,
            &["few-step.method", "give --teacher MODEL"],
        ),
        (
            format!("train moons {QUICK} --set few-step.method=reflow --teacher plain"),
            2,
            &["path.coupling", "set path.coupling=given"],
        ),
        (
            format!(
                "train moons {QUICK} --set few-step.method=cd --teacher plain \
                 --set path.coupling=independent"
            ),
            1,
            &["plain", "set path.coupling=optimal-transport"],
        ),
        (
            format!(
                "train moons {QUICK} --set few-step.method=ct --teacher plain \
                 --set path.coupling=given"
            ),
            2,
            &["path.coupling = given", "follows the pairs"],
        ),
        (
            format!("train moons {QUICK} --set path.coupling=given"),
            2,
            &["path.coupling", "only a teacher gives pairs"],
        ),
        (
            format!(
                "train moons {QUICK} --set few-step.method.lagrangian.derivative=difference \
                 --set network.sinusoids=8 --teacher plain"
            ),
            2,
            &["network.sinusoids = 8", "too fast"],
        ),
        (
            format!("{digits}.mean-flow.derivative=difference"),
            2,
            &["network.time.scale = 1000", "scale=10"],
        ),
        (
            "sample plain --method flow-map --steps 1".to_owned(),
            2,
            &["flow-map needs a model", "few-step.method"],
        ),
        (
            "sample shortcut --method flow-map --steps 3".to_owned(),
            2,
            &["a model of shortcuts", "1, 2, 4"],
        ),
        (
            "sample shortcut --method flow-map --grid 1,0".to_owned(),
            2,
            &["`1,0`", "rising times in [0, 1]"],
        ),
        (
            "sample shortcut --method flow-map --steps 1 --clip".to_owned(),
            2,
            &["flow-map needs a model", "without guidance, clipping"],
        ),
        (
            // Pairs by transport leave the score unknown.
            "sample shortcut --method renoise --steps 2".to_owned(),
            2,
            &["renoise adds noise"],
        ),
    ] {
        place.fails(&command, code, parts);
    }
}
