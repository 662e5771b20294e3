//! Sizes that no machine has are refused in one line before anything is allocated, and what can be
//! written part by part need not fit into memory.

mod place;

use place::{Place, QUICK};
use std::fs;

#[test]
fn a_training_that_fits_no_machine_is_refused() {
    let place = Place::new();
    let huge = 1 << 28;
    let memory = "of memory, and this machine has";
    for (preset, set, parts) in [
        (
            "moons",
            format!("training.batch={huge}"),
            [memory, "batches of 268435456"],
        ),
        (
            "moons",
            format!("network.width={huge}"),
            ["EiB of memory", "smaller network"],
        ),
        (
            "moons",
            format!("network.depth={huge}"),
            ["TiB of memory", "smaller network"],
        ),
        (
            "digits",
            format!("network.channels={huge}"),
            ["16 EiB", "smaller network"],
        ),
        (
            "digits",
            format!("network.blocks={huge}"),
            ["PiB of memory", "smaller network"],
        ),
        (
            "digits",
            "network.blocks=1000000000".into(),
            ["network.blocks = 1000000000", "give"],
        ),
        (
            "moons",
            "training.steps=9223372036854775807".into(),
            ["training.steps = 9223372036854775807", "at most 2^40"],
        ),
        (
            "digits",
            "network.multipliers=[4611686018427387904]".into(),
            ["268435456 channels", "network"],
        ),
        (
            "digits",
            "network.multipliers=[9223372036854775807]".into(),
            ["268435456 channels", "network"],
        ),
    ] {
        let command = format!("train {preset} --device flex --out run --set {set}");
        place.fails(&command, 2, &parts);
        assert!(!place.path("run").exists(), "{set}");
    }
    let rates: Vec<String> = (0..200_000).map(|i| format!("0.{i}1")).collect();
    place.write(
        "rates.toml",
        &format!(
            "[data]\nname = \"moons\"\n[training]\nema-rates = [{}]\n",
            rates.join(",")
        ),
    );
    let line = place.fails(
        "train rates.toml --device flex",
        2,
        &["up to 32 different decays"],
    );
    assert!(line.len() < 1000, "{} bytes", line.len());
}

#[test]
fn draws_and_scores_that_fit_no_machine_are_refused() {
    let place = Place::new();
    place.ok(&format!(
        "train moons --out run {QUICK} --set path.coupling=independent \
         --set objective.prediction=v \
         --set path.schedule=vp --set path.times.clip=0.01"
    ));
    for command in [
        "sample run -n 4294967295 --steps 1",
        "sample run -n 4294967295 --steps 1 --out x.safetensors",
        "sample run -n 4 --steps 4294967295",
        "sample run -n 400000000 --steps 50 --trajectory --out x.npy",
        "evaluate run -n 4294967295",
        "evaluate run -n 50 --bounds 64 --bound-steps 4294967295",
        "evaluate run -n 50 --steps 4294967295",
    ] {
        place.fails(&format!("{command} --device flex"), 2, &["GiB of memory"]);
    }
    let row = vec!["1"; 100_000].join(",") + "\n";
    place.write("wide.csv", &row.repeat(4));
    place.fails(
        "distance wide.csv wide.csv",
        1,
        &["the covariance of 100000 numbers per row", "GiB of memory"],
    );
}

#[test]
fn a_stream_of_samples_is_the_draw_that_is_held() {
    let place = Place::new();
    place.trained();
    // Several parts of a million values each, the last of them incomplete.
    let n = 1_100_000;
    let draw = |file: &str| {
        place.ok(&format!(
            "sample run -n {n} --steps 1 --device flex --seed 3 --out {file}"
        ));
        fs::read(place.path(file)).expect("samples")
    };
    let (held, streamed) = (draw("x.safetensors"), draw("x.npy"));
    let bytes = n * 2 * 4;
    assert!(held[held.len() - bytes..] == streamed[streamed.len() - bytes..]);
    // A smaller draw is the beginning of a larger one.
    place.ok("sample run -n 3000 --steps 1 --device flex --seed 3 --out y.npy");
    let few = fs::read(place.path("y.npy")).expect("samples");
    let (few, all) = (
        &few[few.len() - 3000 * 8..],
        &streamed[streamed.len() - bytes..],
    );
    assert!(few == &all[..3000 * 8]);
    let left = fs::read_dir(place.path("")).expect("a folder").flatten();
    let hidden = left.filter(|file| file.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn a_draw_that_fails_leaves_no_file() {
    let place = Place::new();
    place.trained();
    place.fails(
        "sample run -n 5 --method ddpm --device flex --out x.csv",
        2,
        &["ddpm"],
    );
    let left = fs::read_dir(place.path("")).expect("a folder").flatten();
    let names: Vec<_> = left.map(|file| file.file_name()).collect();
    assert_eq!(names, ["run"]);
}
