//! Models as single files, from the real binary: exported, sampled elsewhere, scored, refused.

mod place;

use place::{Place, QUICK_DIGITS, QUICK_FILE};
use std::fs;

/// Points in units far from the model's, under names, in two classes.
fn table() -> String {
    let row = |i: u32| format!("{},{}.5,{}\n", i % 2, 1000 + i, (i * i) % 7);
    "kind,height,weight\n".replace("kind", "label") + &(0..40).map(row).collect::<String>()
}

/// A small run in `run`, of a table that is called `people.csv`.
fn trained() -> Place {
    let place = Place::new();
    place.write("people.csv", &table());
    place.write("people.toml", "[data]\nname = \"people.csv\"\n");
    place.ok(&format!(
        "train people.toml --out run {QUICK_FILE} --set training.ema-rates=[0.5]"
    ));
    place
}

/// Another folder, with nothing in it but a file of this one.
fn elsewhere(place: &Place, file: &str) -> Place {
    let other = Place::new();
    fs::copy(place.path(file), other.path(file)).expect("a writable folder");
    other
}

#[test]
fn a_model_file_in_an_empty_folder_samples_the_same_bits_as_the_run() {
    let place = trained();
    for weights in ["ema", "raw", "rate:0.5"] {
        let sample = "-n 30 --seed 3 --device flex --out s.npy";
        place.ok(&format!("sample run {sample} --weights {weights}"));
        let ran = place.ok(&format!(
            "export run --out m.safetensors --weights {weights}"
        ));
        assert!(
            ran.stdout
                .contains(&format!("people after 6 steps, {weights} weights"))
        );
        let other = elsewhere(&place, "m.safetensors");
        other.ok(&format!("sample m.safetensors {sample}"));
        let samples = |place: &Place| fs::read(place.path("s.npy")).expect("samples");
        assert!(samples(&place) == samples(&other), "{weights}");
    }
}

#[test]
fn a_model_of_images_is_one_file_too() {
    let place = Place::new();
    place.ok(&format!("train digits --out run {QUICK_DIGITS}"));
    place.ok("export run --out m.safetensors");
    let other = elsewhere(&place, "m.safetensors");
    let sample = "-n 3 --class 4 --steps 2 --device flex --out s.npy";
    place.ok(&format!("sample run {sample}"));
    other.ok(&format!("sample m.safetensors {sample}"));
    let samples = |place: &Place| fs::read(place.path("s.npy")).expect("samples");
    assert!(samples(&place) == samples(&other));
    // Pictures go into the current folder.
    other.ok("sample m.safetensors -n 3 --steps 2 --device flex");
    assert!(other.path("sample.png").exists());
    let compare = "-n 4 --evaluations 2 --methods ddim,dpmpp-2m --device flex";
    other.ok(&format!("compare m.safetensors {compare}"));
    // A step of rk4 takes four evaluations, and a method is compared once.
    let ran =
        other.ok("compare m.safetensors -n 4 --evaluations 1,4 --methods rk4,rk4 --device flex");
    let table = &ran.stdout;
    assert_eq!(table.matches("| rk4 | – | ").count(), 1, "{table}");
    let said = "rk4 takes 4 evaluations at least, more than 1";
    assert!(table.contains(said), "{table}");
    assert!(other.path("samplers.png").exists());
}

#[test]
fn a_model_of_labelled_data_without_its_labels_has_no_classes() {
    let place = Place::new();
    place.ok(&format!(
        "train digits --out run {QUICK_DIGITS} --set data.labels=false --set sampling.guidance=1"
    ));
    place.ok("sample run -n 2 --device flex --out s.npy");
    place.fails("sample run --class 3 --device flex", 2, &["has no classes"]);
}

#[test]
fn sampling_does_not_read_the_data_again() {
    let place = trained();
    let sample = "sample run -n 30 --device flex --out";
    place.ok(&format!("{sample} before.csv"));
    let before = fs::read_to_string(place.path("before.csv")).expect("samples");
    // In the units of the data, under the names of its columns.
    assert!(before.starts_with("label,height,weight\n"), "{before}");
    let first = before.lines().nth(1).and_then(|row| row.split(',').nth(1));
    let height: f32 = first.and_then(|cell| cell.parse().ok()).expect("a number");
    assert!((900.0..1200.0).contains(&height), "{height}");
    for data in [Some("x,y\n1,2\n3,5\n9,9\n"), None] {
        match data {
            Some(text) => fs::write(place.path("people.csv"), text),
            None => fs::remove_file(place.path("people.csv")),
        }
        .expect("a writable folder");
        place.ok(&format!("{sample} after.csv"));
        let after = fs::read_to_string(place.path("after.csv")).expect("samples");
        assert_eq!(before, after);
        place.ok(&format!("{sample} after.png --trajectory"));
    }
}

#[test]
fn scoring_takes_the_data_and_says_where_it_has_changed() {
    let place = trained();
    place.ok("export run --out m.safetensors");
    let evaluate = "-n 10 --steps 2 --likelihoods 0 --json --device flex";
    let of = |model: &str| {
        let ran = place.ok(&format!("evaluate {model} {evaluate}"));
        let mut report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        report["seconds"] = serde_json::Value::Null;
        (report, ran.stderr)
    };
    let (run, said) = of("run");
    assert!(!said.contains("note"), "{said}");
    assert_eq!(of("m.safetensors").0, run);
    let more = table() + "1,1100.5,3\n";
    place.write("people.csv", &more);
    for model in ["run", "m.safetensors"] {
        let (_, said) = of(model);
        let expected = format!("people.csv is not the data that {model} was trained on");
        assert!(said.contains(&expected), "{said}");
    }
    place.write("people.csv", "x\n1\n2\n3\n4\n5\n");
    place.fails(
        &format!("evaluate m.safetensors {evaluate}"),
        1,
        &["samples of shape [1]", "trained on [2]"],
    );
    let other = elsewhere(&place, "m.safetensors");
    other.fails(
        &format!("evaluate m.safetensors {evaluate}"),
        1,
        &["people.csv"],
    );
}

#[test]
fn a_file_that_is_no_model_is_refused_in_one_line() {
    let place = trained();
    place.ok("export run --out m.safetensors");
    let whole = fs::read(place.path("m.safetensors")).expect("a model");
    // The bytes with a part of the header replaced by another of the same length.
    let edited = |from: &str, to: &str| {
        let at = whole
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.expect("part of the header");
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let mut flipped = whole.clone();
    let last = flipped.len() - 2;
    flipped[last] ^= 4;
    let empty = safetensors::serialize(
        Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new(),
        None,
    );
    for (bytes, part) in [
        (b"hello".to_vec(), "is damaged or not a safetensors file"),
        (
            whole[..whole.len() - 9].to_vec(),
            "is damaged or not a safetensors file",
        ),
        (empty.expect("no tensors"), "is not a model of this library"),
        (
            fs::read(place.path("run/checkpoints/step-00000006.safetensors")).expect("a file"),
            "is not a model of this library (it is a checkpoint)",
        ),
        (
            edited("\\\"format\\\":1", "\\\"format\\\":7"),
            "has format 7, written by pyroclast",
        ),
        (flipped, "do not match their digest"),
        (edited("height", "weight"), "do not match their digest"),
    ] {
        fs::write(place.path("bad.safetensors"), bytes).expect("a writable folder");
        let failed = place.fails(
            "sample bad.safetensors -n 3 --device flex --out s.npy",
            1,
            &["bad.safetensors", part],
        );
        assert_eq!(failed.lines().count(), 1, "{failed}");
        assert!(!place.path("s.npy").exists());
    }
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let place = trained();
    place.fails(
        "export run --out m.bin",
        2,
        &["--out m.bin does not end in .safetensors"],
    );
    place.fails(
        "export none --out m.safetensors",
        1,
        &["none does not exist"],
    );
    place.fails(
        "export run --out m.safetensors --weights rate:0.9",
        2,
        &["keeps no average of rate 0.9"],
    );
    place.fails(
        "export run --out none/m.safetensors",
        2,
        &["there is no folder none"],
    );
    assert!(!place.path("m.safetensors").exists());
    place.ok("export run --out m.safetensors");
    place.fails(
        "sample m.safetensors --weights raw --device flex",
        2,
        &["m.safetensors holds only the ema weights"],
    );
}
