//! The real binary: what it prints, the files it leaves, its exit codes, every error message.

mod place;

use place::{Place, QUICK, QUICK_DIGITS, QUICK_FILE};
use pyroclast_train::draw::{Kind, MethodName};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn checkpoints(run: &Path) -> usize {
    let entries = fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|e| e.file_name().to_string_lossy().starts_with("step-"))
        .count()
}

fn newest(run: &Path) -> Vec<u8> {
    let entries = fs::read_dir(run.join("checkpoints")).expect("checkpoints");
    let path = entries
        .map(|e| e.expect("an entry").path())
        .max()
        .expect("a checkpoint");
    fs::read(path).expect("a readable file")
}

#[test]
fn methods_are_listed_as_the_page_of_samplers_lists_them() {
    let place = Place::new();
    let listed = place.ok("methods").stdout;
    for method in MethodName::ALL {
        assert!(
            listed.contains(&format!("\n  {method} ")),
            "{method}: {listed}"
        );
        let described = place.ok(&format!("methods {method}")).stdout;
        for setting in method.options {
            let option = format!("--{setting}");
            assert!(described.contains(&option), "{option}: {described}");
        }
    }
    let page = include_str!("../../../docs/samplers.md");
    assert!(
        page.contains(&listed),
        "docs/samplers.md lists other methods than:\n{listed}"
    );
    let help = place.ok("sample --help").stdout;
    assert!(help.contains("ddim: 0 to 1, 0 by default"), "{help}");
    place.fails(
        "methods dpmpp",
        2,
        &["no method is called `dpmpp`", "dpmpp-2m"],
    );
}

#[test]
fn a_run_leaves_what_it_promises() {
    let place = Place::new();
    let ran = place.ok(&format!("train moons {QUICK}"));
    assert!(ran.stdout.contains("run      runs/moons"), "{}", ran.stdout);
    assert!(ran.stderr.contains("step 6/6"), "{}", ran.stderr);
    for file in [
        "config.toml",
        "metrics.jsonl",
        "loss.png",
        "samples/step-00000006.png",
    ] {
        assert!(place.path("runs/moons").join(file).exists(), "{file}");
    }
    assert_eq!(checkpoints(&place.path("runs/moons")), 2);
    // The same again goes elsewhere, and to the same numbers.
    place.ok(&format!("train moons {QUICK}"));
    assert!(newest(&place.path("runs/moons")) == newest(&place.path("runs/moons-2")));
}

#[test]
fn samples_come_in_every_format() {
    let place = Place::new();
    place.trained();
    for (file, magic) in [
        ("a.png", &b"\x89PNG"[..]),
        ("a.npy", b"\x93NUMPY"),
        ("a.csv", b"x0,x1\n"),
    ] {
        place.ok(&format!("sample run -n 30 --device flex --out {file}"));
        let bytes = fs::read(place.path(file)).expect("a file");
        assert!(bytes.starts_with(magic), "{file}");
    }
    let csv = fs::read_to_string(place.path("a.csv")).expect("text");
    assert_eq!(csv.lines().count(), 31);
    place.ok("sample run -n 30 --device flex --out a.safetensors");
    let bytes = fs::read(place.path("a.safetensors")).expect("a file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let samples = tensors.tensor("samples").expect("the samples");
    assert_eq!(samples.shape(), [30, 2]);
    // The csv and the safetensors are the same samples.
    let first = f32::from_le_bytes(samples.data()[..4].try_into().expect("four bytes"));
    let line = csv.lines().nth(1).expect("a row");
    assert_eq!(
        line.split(',').next().and_then(|v| v.parse::<f32>().ok()),
        Some(first)
    );
    let ran = place.ok("sample run -n 20 --device flex --trajectory --steps 5 --method heun");
    assert!(ran.stdout.contains("10 evaluations each"), "{}", ran.stdout);
    let gif = fs::read(place.path("run/samples/sample.gif")).expect("a trajectory");
    assert!(gif.starts_with(b"GIF89a"));
}

#[test]
fn every_method_samples() {
    let place = Place::new();
    place.ok(&format!(
        "train moons --out run {QUICK} --set path.coupling=independent"
    ));
    for method in MethodName::for_any_model() {
        // The linear path does not preserve the variance, which DDPM needs.
        if method == MethodName::DDPM {
            continue;
        }
        place.ok(&format!(
            "sample run -n 5 --device flex --method {method} --steps 12 --out {method}.csv"
        ));
    }
    for method in MethodName::of(Kind::AdaptiveOde) {
        place.ok(&format!(
            "sample run -n 5 --device flex --method {method} --rtol 1e-3 --out {method}-a.csv"
        ));
    }
    let read = |file: &str| fs::read_to_string(place.path(file)).expect("text");
    assert_ne!(read("euler.csv"), read("heun.csv"));
    assert_ne!(read("euler.csv"), read("euler-maruyama.csv"));
    // No noise is no noise.
    place.ok("sample run -n 5 --device flex --method euler-maruyama --noise-level 0 --steps 12 --out still.csv");
    assert_eq!(read("euler.csv"), read("still.csv"));
    // Methods with a stage at t = 1 meet σ = 0 there, where clipped data has no noise end of its
    // own.
    for method in ["heun", "rk4", "dopri5"] {
        place.ok(&format!(
            "sample run -n 5 --device flex --method {method} --clip --steps 3 --out {method}-c.csv"
        ));
        assert_ne!(
            read(&format!("{method}.csv")),
            read(&format!("{method}-c.csv"))
        );
    }
}

#[test]
fn classes_and_guidance_are_obeyed() {
    let place = Place::new();
    place.ok(&format!("train digits --out run {QUICK_DIGITS}"));
    let out = |arguments: &str| {
        place.ok(&format!(
            "sample run -n 3 --device flex --steps 2 --out a.csv {arguments}"
        ));
        fs::read_to_string(place.path("a.csv")).expect("text")
    };
    let sevens = out("--class 7");
    assert!(
        sevens.lines().skip(1).all(|line| line.starts_with("7,")),
        "{sevens}"
    );
    assert!(out("").lines().nth(2).expect("a row").starts_with("1,"));
    // A network whose output started at zero has hardly learned its classes: only equality is
    // meaningful.
    assert_eq!(out("--class 7 --seed 3"), out("--class 7 --seed 3"));
    assert_ne!(out("--class 7 --seed 3"), out("--class 7 --seed 4"));
    assert_ne!(out("--class 7 --guidance 0"), out("--class 7 --guidance 5"));
    place.fails(
        "sample run --device flex --class 10",
        2,
        &["there is no class 10", "0 to 9"],
    );
    let json = place
        .ok("evaluate run --device flex -n 20 --steps 2 --json")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["n"], 20);
    // Digits are compared by the classifier that ships.
    let mean = |key: &str| report[key]["mean"].as_f64().expect("a number");
    assert!(mean("frechet") > mean("frechet_floor") && mean("frechet_floor") > 0.0);
    assert!(mean("kid").is_finite());
    assert!((0.0..=1.0).contains(&mean("precision")) && (0.0..=1.0).contains(&mean("recall")));
}

/// The small run with further averages.
const AVERAGED: &str = "--set training.ema-rates=[0.2,0.1] --set training.ema-power=[0.05,0.1] \
    --set training.snapshot-every=2 --set training.learning-rate=0.1";

#[test]
fn any_average_of_a_run_can_be_sampled_and_scored() {
    let place = Place::new();
    place.ok(&format!("train moons --out run {QUICK} {AVERAGED}"));
    let snapshots: Vec<bool> = (1..=6)
        .map(|k| {
            place
                .path(&format!("run/ema/step-{k:08}.safetensors"))
                .exists()
        })
        .collect();
    assert_eq!(snapshots, [false, true, false, true, false, true]);
    let sampled = |weights: &str| {
        place.ok(&format!(
            "sample run -n 9 --device flex --out s.csv {weights}"
        ));
        fs::read_to_string(place.path("s.csv")).expect("text")
    };
    let ema = sampled("");
    assert_eq!(sampled("--weights ema"), ema);
    assert_eq!(
        sampled("--weights rate:0.999"),
        ema,
        "the rate of training.ema"
    );
    let mut seen = vec![ema];
    for weights in [
        "raw",
        "rate:0.2",
        "rate:0.1",
        "power:0.05",
        "power:0.07",
        "power:0.1",
    ] {
        let samples = sampled(&format!("--weights {weights}"));
        assert!(!seen.contains(&samples), "{weights}");
        seen.push(samples);
    }
    let evaluate = "evaluate run -n 20 --likelihoods 0 --device flex --weights power:0.12";
    let ran = place.ok(evaluate);
    assert!(ran.stdout.contains("weights power:0.12"), "{}", ran.stdout);
    let json = place.ok(&format!("{evaluate} --json")).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["weights"], "power:0.12");

    place.fails(
        "sample run --device flex --weights rate:0.99",
        2,
        &[
            "no average of rate 0.99;",
            "it has ema, raw, rate:0.999, rate:0.2, rate:0.1, power:0.05, power:0.1 and nearby widths;",
            "training.ema-rates=[0.99]",
        ],
    );
    // Three snapshots of two widths do not tell the widest average.
    place.fails(
        "sample run --device flex --weights power:0.3",
        2,
        &[
            "power:0.3 cannot be reconstructed from the widths 0.05 and 0.1 that run keeps, saved 3 times",
            "103 % off",
            "training.ema-power=[0.3]",
        ],
    );
    let damaged = place.path("run/ema/step-00000002.safetensors");
    fs::write(&damaged, "hello").expect("a writable file");
    place.fails(
        "sample run --device flex --weights power:0.12",
        1,
        &[
            "step-00000002.safetensors cannot be used; remove it",
            "damaged",
        ],
    );
    // The remedy works.
    fs::remove_file(&damaged).expect("the damaged file");
    place.ok("sample run -n 9 --device flex --out s.csv --weights power:0.12");
}

#[test]
fn an_average_that_a_run_does_not_keep_is_answered_with_those_it_does() {
    let place = Place::new();
    place.trained();
    assert!(!place.path("run/ema").exists());
    place.ok("sample run -n 9 --device flex --out s.csv --weights raw");
    place.fails(
        "evaluate run --device flex --weights power:0.12",
        2,
        &[
            "run keeps no power-function averages to reconstruct power:0.12 from; it has ema, raw, rate:0.999;",
            "training.ema-power=[0.05,0.1]",
        ],
    );
    place.fails(
        "sample run --device flex --weights mean",
        2,
        &["no average `mean`", "ema, raw, rate:R"],
    );
    place.fails(
        "sample run --device flex --weights power:0.4",
        2,
        &["`0.4` where a relative width from 0.01 to 0.3"],
    );
    place.fails(
        "train moons --set training.ema-rates=[0.9,0.9]",
        2,
        &[
            "training.ema-rates = [0.9, 0.9]",
            "different decays in [0, 1)",
        ],
    );
    place.fails(
        "train moons --set training.ema-power=[0.5]",
        2,
        &["training.ema-power = [0.5]", "from 0.01 to 0.3"],
    );
}

#[test]
fn evaluation_prints_every_metric() {
    let place = Place::new();
    place.trained();
    let ran = place.ok("evaluate run -n 50 --seeds 2 --device flex");
    for metric in [
        "W2",
        "perfect sampler",
        "sliced W2",
        "energy distance",
        "MMD²",
        "two-sample accuracy (C2ST)",
        "normalised path energy",
        "straightness",
        "NLL of held-out data (nats)",
        "its standard error",
        "evaluations",
        "seconds",
        "±",
        ", std ",
        "95 % intervals of the means over 2 seeds",
    ] {
        assert!(ran.stdout.contains(metric), "{metric}: {}", ran.stdout);
    }
    let json = place
        .ok("evaluate run -n 50 --seeds 2 --json --device flex")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(report["w2"]["mean"].as_f64().expect("a number") > 0.0);
    assert!(report["w2_floor"]["mean"].as_f64() < report["w2"]["mean"].as_f64());
    assert!(
        report["nll"]["mean"]
            .as_f64()
            .expect("a number")
            .is_finite()
    );
    assert!(
        report["bits_per_dimension"].is_null(),
        "points have no bins"
    );
    assert!(report["frechet"].is_null(), "nor a classifier");
    assert!(
        ran.stdout
            .contains("not available without a classifier; see --features"),
        "{}",
        ran.stdout
    );
    let rows: String = (0..40)
        .map(|i| format!("{},{},{i}\n", i / 20, i / 20))
        .collect();
    place.write("p.csv", &format!("label,x,y\n{rows}"));
    place.ok("classifier p.csv --out p.safetensors --steps 5 --device flex");
    let ran = place.ok("evaluate run -n 50 --features p.safetensors --device flex");
    for metric in [
        "Fréchet distance of features",
        "KID of",
        "precision of",
        "recall of",
        "density of",
        "coverage of",
    ] {
        assert!(ran.stdout.contains(metric), "{metric}: {}", ran.stdout);
    }
    place.ok("classifier digits --out d.safetensors --steps 1 --device flex");
    place.fails(
        "evaluate run -n 50 --features d.safetensors --device flex",
        2,
        &["d.safetensors is a classifier of samples of shape [1, 8, 8], but moons has [2]"],
    );
    let ran = place.ok("evaluate run -n 50 --likelihoods 0 --device flex");
    assert!(
        ran.stdout.contains("not available, or not asked for"),
        "{}",
        ran.stdout
    );
    let json = place
        .ok("evaluate run -n 200 --rtol 1e-3 --json --device flex")
        .stdout;
    let single: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(single["npe"].is_null());
    // One seed has no deviation, but intervals of its own; two have both.
    for (report, key) in [
        (&single, "w2"),
        (&single, "mmd"),
        (&single, "c2st"),
        (&report, "w2"),
    ] {
        let number = |part: &str| report[key][part].as_f64();
        let (low, high) = (number("low").expect(key), number("high").expect(key));
        let mean = number("mean").expect("a number");
        assert!(low < mean && mean < high, "{key}: {report}");
        assert_eq!(number("std").is_some(), report["seeds"] == 2, "{report}");
    }
    place.ok(&format!("train 8gaussians --out modes {QUICK}"));
    let ran = place.ok("evaluate modes -n 50 --likelihoods 0 --device flex");
    for part in ["modes hit, of 8", "samples within 3σ", "from subsets"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn two_models_are_evaluated_on_equal_noise_and_data() {
    let place = Place::new();
    place.trained();
    place.ok(&format!(
        "train moons --out faster {QUICK} --set training.learning-rate=0.01"
    ));
    let evaluate = "evaluate run --against faster -n 50 --likelihoods 0 --device flex";
    let ran = place.ok(&format!("{evaluate} --seeds 2"));
    for part in [
        "A run: 50 samples",
        "B faster: ",
        "A − B",
        "±",
        "over 2 seeds",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let report = |command: &str| -> serde_json::Value {
        let ran = place.ok(&format!("{command} --json"));
        serde_json::from_str(&ran.stdout).expect("JSON")
    };
    let both = report(evaluate);
    assert_eq!(both["seeds"], 5);
    let single = |run: &str| {
        report(&format!(
            "evaluate {run} -n 50 --likelihoods 0 --device flex --seeds 5"
        ))
    };
    let mean = |report: &serde_json::Value| report["w2"]["mean"].as_f64().expect("a number");
    // Each model has the scores that it has alone, and the difference is theirs.
    assert_eq!(mean(&both), mean(&single("run")));
    assert_eq!(mean(&both["against"]), mean(&single("faster")));
    let difference = mean(&both["differences"]);
    let expected = mean(&both) - mean(&both["against"]);
    assert!(
        (difference - expected).abs() < 1e-12,
        "{difference} {expected}"
    );
    assert_eq!(both["differences"]["w2_floor"]["mean"], 0.0, "equal data");
    // A model differs from itself by nothing.
    let same = report("evaluate run --against run -n 50 --likelihoods 0 --device flex --seeds 2");
    for part in ["mean", "std", "low", "high"] {
        assert_eq!(same["differences"]["sliced_w2"][part], 0.0, "{part}");
    }
    let one = place.ok(&format!("{evaluate} --seeds 1"));
    assert!(
        one.stdout
            .contains("has no interval; ask for more with --seeds 5")
    );
    place.ok(&format!("train 8gaussians --out other {QUICK}"));
    let other = "evaluate run --against other -n 50 --device flex";
    place.fails(
        other,
        2,
        &["models of different data: run of moons, [2], and other of 8gau"],
    );
    place.fails(
        "evaluate run --against none -n 50 --device flex",
        1,
        &["none"],
    );
}

/// The text of a file with `n` rows of `dim` numbers about `centre`.
fn waves(n: usize, dim: usize, centre: f64) -> String {
    let value = |i: usize, j: usize| centre + ((i * dim + j) as f64 * 1.7).sin();
    (0..n)
        .map(|i| {
            let row: Vec<String> = (0..dim).map(|j| value(i, j).to_string()).collect();
            row.join(",") + "\n"
        })
        .collect()
}

#[test]
fn features_of_files_are_compared_as_they_are() {
    let place = Place::new();
    // At 0, 1, 2, 3 and at 5, 6, 7, 8: μ differs by 5 and Σ not at all; each is out of the other's
    // reach.
    place
        .write("a.csv", "0\n1\n2\n3\n")
        .write("b.csv", "5\n6\n7\n8\n");
    let json = |arguments: &str| -> serde_json::Value {
        serde_json::from_str(&place.ok(&format!("{arguments} --json")).stdout).expect("JSON")
    };
    let report = json("distance a.csv b.csv");
    let number = |key: &str| report[key].as_f64().expect("a number");
    assert!((number("frechet") - 25.0).abs() < 1e-9, "{report}");
    assert_eq!(
        (&report["real"], &report["fake"], &report["features"]),
        (&4.into(), &4.into(), &1.into())
    );
    // Means of (xy + 1)³ over pairs x ≠ x' of a, of b, and over all pairs, worked out with exact
    // fractions.
    assert!((number("kid") - KID).abs() < 1e-9 * KID, "{report}");
    // b's balls have radius 3 at its ends: 5 − 3 reaches 2 and 3 of a; 3 + 3 reaches 5 and 6 of b.
    assert_eq!((number("precision"), number("recall")), (0.5, 0.5));
    let ran = place.ok("distance a.csv a.csv");
    for line in [
        "a.csv: 4 rows against 4 of a.csv, 1 features",
        "Fréchet distance                 0.000000",
        "KID",
        "precision                        1.000000",
        "recall                           1.000000",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
}

/// The unbiased distance of {0, 1, 2, 3} and {5, 6, 7, 8} under the kernel (xy + 1)³.
const KID: f64 = 245_009.0 / 3.0;

#[test]
fn arrays_and_tables_have_the_same_distance() {
    use npyz::WriterBuilder;
    let place = Place::new();
    place
        .write("a.csv", &waves(30, 4, 0.0))
        .write("b.csv", &waves(20, 4, 0.5));
    let values = waves(20, 4, 0.5).replace('\n', ",");
    let values = values.split(',').filter_map(|v| v.parse::<f32>().ok());
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[20, 2, 2])
        .writer(&mut bytes)
        .begin_nd()
        .expect("memory takes all bytes");
    writer.extend(values).expect("memory takes all bytes");
    writer.finish().expect("the entries fill the shape");
    fs::write(place.path("b.npy"), bytes).expect("a writable folder");
    let of = |arguments: &str| place.ok(&format!("distance {arguments} --json")).stdout;
    assert_eq!(of("a.csv b.csv"), of("a.csv b.npy"));
    assert_ne!(of("a.csv b.csv"), of("a.csv a.csv"));
}

#[test]
fn files_that_cannot_be_compared_are_named() {
    let place = Place::new();
    place
        .write("four.csv", &waves(9, 4, 0.0))
        .write("five.csv", &waves(9, 5, 0.0))
        .write("three.csv", &waves(3, 4, 0.0))
        .write("one.csv", "1,2\n")
        .write("nan.csv", "1,2\n3,NaN\n")
        .write(
            "wide.csv",
            &format!("{}\n", ["3e38"; 64].join(",")).repeat(4),
        )
        .write("words.safetensors", "hello");
    place.fails(
        "distance four.csv five.csv",
        1,
        &["four.csv has 4 numbers per row, and five.csv has 5; give samples of the same shape"],
    );
    place.fails(
        "distance four.csv three.csv",
        1,
        &["three.csv has 3 rows", "give 4 or more"],
    );
    place.fails("distance one.csv four.csv", 1, &["one.csv has 1 row"]);
    place.fails(
        "distance nan.csv four.csv",
        1,
        &["nan.csv:2: row 2, column 2 is NaN", "replace it"],
    );
    place.fails(
        "distance none.csv four.csv",
        1,
        &["none.csv does not exist; check the path"],
    );
    place.fails(
        "distance four.csv four.csv --features-of digits --device flex",
        1,
        &[
            "four.csv has 4 numbers per row, but the classifier of digits needs 64",
            "[1, 8, 8]",
        ],
    );
    place.fails(
        "distance wide.csv wide.csv --features-of digits --device flex",
        1,
        &[
            "row 1 of wide.csv has a feature of",
            "in the units of digits",
        ],
    );
    place.fails(
        "distance four.csv four.csv --classifier words.safetensors --device flex",
        1,
        &[
            "words.safetensors is not a classifier",
            "train one on labelled data",
        ],
    );
    place.fails(
        "distance four.csv four.csv --classifier none.safetensors --device flex",
        1,
        &["cannot read none.safetensors"],
    );
    place.fails(
        "distance four.csv four.csv --features-of letters",
        2,
        &["letters", "digits"],
    );
    place.fails(
        "distance four.csv four.csv --features-of digits --classifier c.safetensors",
        2,
        &["cannot be used with"],
    );
}

#[test]
fn a_classifier_is_trained_and_compares() {
    let place = Place::new();
    let ran = place.ok("classifier digits --out a.safetensors --steps 30 --device flex");
    for line in [
        "accuracy   ",
        "of 359 held-out samples",
        "classifier a.safetensors",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(
        ran.stderr
            .contains("1797 samples of shape [1, 8, 8], 10 classes")
            && ran.stderr.contains("step 30/30"),
        "{}",
        ran.stderr
    );
    // The same seed, the same bytes.
    place.ok("classifier digits --out b.safetensors --steps 30 --device flex");
    let read = |file: &str| fs::read(place.path(file)).expect("a file");
    assert!(read("a.safetensors") == read("b.safetensors"));
    place.ok("classifier digits --out b.safetensors --steps 30 --seed 1 --device flex");
    assert!(read("a.safetensors") != read("b.safetensors"));
    // Waves are not digits; how unlike depends on the classifier.
    place
        .write("x.csv", &waves(20, 64, 0.0))
        .write("y.csv", &waves(20, 64, 0.3));
    let of = |arguments: &str| -> serde_json::Value {
        let ran = place.ok(&format!(
            "distance x.csv y.csv --json --device flex {arguments}"
        ));
        serde_json::from_str(&ran.stdout).expect("JSON")
    };
    let (shipped, own) = (of("--features-of digits"), of("--classifier a.safetensors"));
    assert_eq!(
        (&shipped["features"], &own["features"]),
        (&64.into(), &64.into())
    );
    let frechet = |report: &serde_json::Value| report["frechet"].as_f64().expect("a number");
    assert!(frechet(&shipped) > 0.0 && frechet(&own) > 0.0);
    assert_ne!(frechet(&shipped), frechet(&own));
}

#[test]
fn tables_with_labels_are_classified_as_images_or_vectors() {
    let place = Place::new();
    let row = |i: usize| {
        let values: Vec<String> = (0..12).map(|j| (i % 2 * j).to_string()).collect();
        format!("{},{}\n", i % 2, values.join(","))
    };
    let header: Vec<String> = (0..12).map(|j| format!("p{j}")).collect();
    let rows: String = (0..40).map(row).collect();
    place.write("t.csv", &format!("label,{}\n{rows}", header.join(",")));
    for shape in ["", "--shape 1,3,4", "--shape 3,2,2"] {
        let ran = place.ok(&format!(
            "classifier t.csv {shape} --out c.safetensors --steps 20 --device flex"
        ));
        assert!(
            ran.stdout.contains("accuracy   100.00 % of 8"),
            "{}",
            ran.stdout
        );
    }
    let ran = place.ok("classifier emoji --size 8 --out e.safetensors --steps 2 --device flex");
    assert!(ran.stdout.contains("held-out samples"), "{}", ran.stdout);
    place.fails(
        "classifier t.csv --shape 1,5,5 --out d.safetensors",
        2,
        &["--shape 1,5,5 is not the shape of an image of 12 values"],
    );
    place.write("plain.csv", "1,2\n3,4\n");
    place.fails(
        "classifier plain.csv --out d.safetensors",
        1,
        &["`plain` has no labels", "a column named label"],
    );
    place.fails(
        "classifier none.csv --out d.safetensors",
        1,
        &["none.csv does not exist"],
    );
    place.fails(
        "classifier letters --out d.safetensors",
        2,
        &[
            "no labelled data is called `letters`",
            "pictures in classes, or a .csv file",
        ],
    );
    place.fails(
        "classifier digits --out d.npz",
        2,
        &["--out d.npz does not end in .safetensors"],
    );
    place.fails(
        "classifier digits --out nowhere/d.safetensors",
        2,
        &["there is no folder nowhere; make it first"],
    );
    place.fails("classifier digits --out d.safetensors --steps 0", 2, &["0"]);
    assert!(!place.path("d.safetensors").exists());
}

#[test]
fn the_keys_of_a_configuration_are_explained() {
    let place = Place::new();
    let all = place.ok("config --explain").stdout;
    for part in [
        "training.batch = 512",
        "Pairs in a batch.",
        "path.schedule = ",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let one = place.ok("config --explain objective.weighting").stdout;
    assert!(one.contains("min-snr") && one.contains("The ceiling γ on the SNR."));
    place.fails(
        "config --explain training.bach",
        2,
        &["no key `training.bach`", "did you mean `training.batch`?"],
    );
}

#[test]
fn presets_and_devices_are_listed() {
    let place = Place::new();
    let presets = place.ok("presets").stdout;
    assert!(presets.contains("digits") && presets.contains("moons-8gaussians"));
    assert!(presets.contains("MeanFlow") && presets.contains("for moons, 8gaussians"));
    // What is shown can be trained from.
    place.write("mine.toml", &place.ok("presets moons").stdout);
    let ran = place.ok(&format!("train mine.toml {QUICK}"));
    assert!(ran.stdout.contains("runs/mine"), "{}", ran.stdout);
    let both = place.ok("presets moons-sf2m").stdout;
    for line in [
        "name = \"moons\"",
        "sinkhorn = \"auto\"",
        "bridge = 0.1",
        "prediction = \"velocity-and-score\"",
        "width = 64",
    ] {
        assert!(both.contains(line), "{line}: {both}");
    }
    place.write("both.toml", &both);
    place.ok(&format!("train both.toml {QUICK}"));
    let devices = place.ok("devices").stdout;
    for device in ["flex", "ndarray", "wgpu", "cuda"] {
        assert!(devices.contains(device), "{devices}");
    }
    assert!(devices.contains("ready, the default"), "{devices}");
}

#[test]
fn any_table_of_vectors_can_be_learned() {
    let place = Place::new();
    let rows: String = (0..60)
        .map(|i| format!("{},{},{}\n", i, 1000 + i * i, -i))
        .collect();
    place
        .write("v.csv", &rows)
        .write("c.toml", "[data]\nname = \"v.csv\"\n");
    place.ok(&format!("train c.toml --out run {}", QUICK_FILE));
    place.ok("sample run -n 7 --device flex --out s.csv");
    let samples = fs::read_to_string(place.path("s.csv")).expect("text");
    // In the units of the file: the second column lies in the thousands.
    let second = |line: &str| line.split(',').nth(1).and_then(|v| v.parse::<f32>().ok());
    assert!(
        samples
            .lines()
            .skip(1)
            .all(|line| second(line).expect("a number") > 100.0),
        "{samples}"
    );
    place.ok("evaluate run --device flex");
    place.fails(
        "evaluate run --device flex -n 31",
        2,
        &["-n 31 is more than half"],
    );
}

#[test]
fn what_is_not_known_is_named_with_what_is() {
    let place = Place::new();
    place.trained();
    place.fails(
        "train moon",
        2,
        &[
            "no preset is called `moon`",
            "did you mean `moons`?",
            "no such file",
        ],
    );
    place.fails(
        "train moons --device tpu",
        2,
        &["no device `tpu`", "flex, ndarray, wgpu, cuda"],
    );
    place.fails(
        "train moons --set training.bach=3",
        2,
        &["unknown field `bach`"],
    );
    place.fails(
        "train moons --set training.batch",
        2,
        &["section.key=value"],
    );
    place.fails(
        "train moons --set data.name=mooons",
        2,
        &["data.name = `mooons`", "moons"],
    );
    place.fails(
        "train moons --set path.source=gausian",
        2,
        &["no source is called `gausian`", "did you mean `gaussian`?"],
    );
    place.fails(
        "train moons --set network.kind=unet",
        2,
        &["a UNet takes images"],
    );
    place.fails(
        "sample run --method eular",
        2,
        &[
            "no method is called `eular`",
            "did you mean `euler`?",
            "euler, midpoint",
        ],
    );
    place.fails(
        "sample run --method rk4 --rtol 1e-3",
        2,
        &["rk4 does not estimate its error"],
    );
    place.fails(
        "sample run --out a.jpg",
        2,
        &["a.jpg", ".png, .npy, .npz, .csv, .safetensors or .zip"],
    );
    place.fails("sample run --class 1", 2, &["has no classes"]);
    place.fails("sample run --rtol -1 --device flex", 1, &["rtol = -1"]);
    // Moons are learned with optimal transport.
    place.fails(
        "sample run --method euler-maruyama",
        2,
        &["needs the score", "coupling = independent"],
    );
    place.fails("sample nowhere", 1, &["nowhere does not exist"]);
    place.fails("presets moon", 2, &["did you mean `moons`?"]);
    place.fails(
        "presets moons-meanflow",
        2,
        &[
            "did you mean `moons-mean-flow`?",
            "-consistency, -mean-flow",
        ],
    );
    place.fails(
        "train digits-edm-shortcut",
        2,
        &["objective.prediction = edm"],
    );
    assert!(
        !place.path("runs").exists(),
        "a refused run leaves no folder"
    );
}

#[test]
fn zero_of_anything_is_refused() {
    let place = Place::new();
    place.trained();
    place.fails("sample run -n 0", 2, &["0"]);
    place.fails("sample run --steps 0", 2, &["0"]);
    place.fails("train moons --steps 0", 2, &["0"]);
    place.fails("evaluate run -n 0", 2, &["0"]);
    place.fails("evaluate run --seeds 0", 2, &["0"]);
    place.fails(
        "train moons --set training.steps=0",
        2,
        &["training.steps = 0", "at least 1"],
    );
    place.fails(
        "train moons --set training.batch=0",
        2,
        &["training.batch = 0"],
    );
}

#[test]
fn bad_files_are_named_with_the_place_in_them() {
    let place = Place::new();
    place.write(
        "broken.toml",
        "[data]\nname = \"moons\"\n[training\nsteps = 3\n",
    );
    place.fails("train broken.toml", 2, &["broken.toml", "line 3"]);
    let with = |csv: &str| {
        place
            .write("d.csv", csv)
            .write("c.toml", "[data]\nname = \"d.csv\"\n");
    };
    with("");
    place.fails("train c.toml", 1, &["d.csv", "empty"]);
    with("1,2\n3,4,5\n");
    place.fails("train c.toml", 1, &["d.csv", "row 2", "3 columns"]);
    with("1,2\n3,NaN\n");
    place.fails("train c.toml", 1, &["d.csv", "row 2, column 2", "NaN"]);
    with("1,2\n3,x\n");
    place.fails("train c.toml", 1, &["`x`", "not a number"]);
    place.write("c.toml", "[data]\nname = \"none.csv\"\n");
    place.fails("train c.toml", 1, &["none.csv does not exist"]);
    assert!(
        !place.path("runs").exists(),
        "a refused run leaves no folder"
    );
}

#[test]
fn damaged_runs_are_told_apart() {
    let place = Place::new();
    place.trained();
    let path = place.path("run/checkpoints/step-00000006.safetensors");
    let whole = fs::read(&path).expect("a checkpoint");
    fs::write(&path, &whole[..whole.len() / 2]).expect("a writable file");
    place.fails(
        "sample run --device flex",
        1,
        &["damaged", "earlier checkpoint"],
    );
    place.fails(
        &format!("train moons --out run --resume {QUICK}"),
        1,
        &["damaged"],
    );
    fs::write(&path, "hello").expect("a writable file");
    place.fails(
        "sample run --device flex",
        1,
        &["damaged or not a safetensors"],
    );
    // The remedy works: without the damaged file, the run goes on to the same end.
    fs::remove_file(&path).expect("the damaged file");
    place.ok(&format!("train moons --out run --resume {QUICK}"));
    assert!(fs::read(&path).expect("a checkpoint") == whole);
}

#[test]
fn a_run_is_neither_overwritten_nor_resumed_as_another() {
    let place = Place::new();
    place.trained();
    let before = newest(&place.path("run"));
    place.fails(
        &format!("train moons --out run {QUICK}"),
        1,
        &["run is not empty", "--resume"],
    );
    place.fails(
        "train moons --out run --resume --seed 1",
        2,
        &["another configuration"],
    );
    assert!(newest(&place.path("run")) == before);
    place.ok(&format!(
        "train moons --out run --resume {}",
        QUICK.replace("--steps 6", "--steps 9")
    ));
    assert!(
        place
            .path("run/checkpoints/step-00000009.safetensors")
            .exists()
    );
    // In parts that do not divide the batch: it is the same batch.
    place.ok(&format!(
        "train moons --out run --resume {} --set training.micro-batch=5",
        QUICK.replace("--steps 6", "--steps 12")
    ));
    let config = fs::read_to_string(place.path("run/config.toml")).expect("a configuration");
    assert!(config.contains("micro-batch = 5\n"), "{config}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.write("file", "");
    place.fails(
        &format!("train moons --out file/run {QUICK}"),
        1,
        &["file/run"],
    );
}

/// A file system of 100 kB, for as long as the test has the right to mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_last_checkpoint() {
    let place = Place::new();
    let disk = place.path("disk");
    fs::create_dir(&disk).expect("a folder");
    let mount = |arguments: &[&str]| {
        std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(&disk)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // A checkpoint of this network takes some 150 kB: two fit, and a third, written before one is
    // removed, does not.
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs"]) {
        return;
    }
    let arguments = format!(
        "train moons --out disk/run {} --set training.save-every=1",
        QUICK.replace("--steps 6", "--steps 60")
    );
    let ran = place.run(&arguments);
    let kept = checkpoints(&place.path("disk/run"));
    let inspected = kept > 0
        && place
            .run("sample disk/run -n 5 --device flex --out s.csv")
            .code
            == 0;
    assert!(mount(&["umount", "-l"]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("No space left on device"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(
        inspected,
        "{kept} checkpoints are kept, and the newest is whole"
    );
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

#[cfg(unix)]
const LONG: &str = "train moons --out run --steps 4000 --device flex --set training.batch=16 \
    --set training.save-every=50 --set data.size=200 --set sampling.steps=4 --set path.coupling=independent";

#[cfg(unix)]
fn wait_for_checkpoint(run: &Path) {
    let start = Instant::now();
    while checkpoints(run) == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no checkpoint in a minute"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let place = Place::new();
    place.ok(&LONG.replace("--out run", "--out whole"));
    let mut child = place.spawn(LONG);
    for pause in [0, 70, 130] {
        wait_for_checkpoint(&place.path("run"));
        std::thread::sleep(Duration::from_millis(pause));
        signal(&child, "KILL");
        child.wait().expect("the killed process");
        child = place.spawn(&format!("{LONG} --resume"));
    }
    assert!(child.wait().expect("the last process").success());
    assert!(newest(&place.path("run")) == newest(&place.path("whole")));
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_says_how_to_resume() {
    let place = Place::new();
    let child = place.spawn(LONG);
    wait_for_checkpoint(&place.path("run"));
    signal(&child, "INT");
    let output = child.wait_with_output().expect("the interrupted process");
    assert_eq!(output.status.code(), Some(130));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The command that it prints is the one that resumes it.
    let printed = (text.lines())
        .find_map(|line| line.trim().strip_prefix("pyroclast "))
        .expect("a command")
        .replace("training.steps=4000", "training.steps=4001");
    let step: u64 = text
        .split("after step ")
        .nth(1)
        .and_then(|t| t.split(',').next()?.parse().ok())
        .expect("a step");
    assert!(
        place
            .path(&format!("run/checkpoints/step-{step:08}.safetensors"))
            .exists()
    );
    place.ok(&printed);
}
