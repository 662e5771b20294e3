//! `train` and `data` on folders, archives and tables, as a user would point them there.

#[path = "place/mod.rs"]
mod place;

use place::{Place, QUICK_FILE};
use pyroclast_data::{Labels, Options, PictureSet};
use pyroclast_plot::{Rgb, RgbImage, write_png};
use serde_json::Value;
use std::fs;

/// Picture i of a class: stripes whose width and colour say which.
fn picture(i: u32, class: u32, side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let stripe = (x + i + class * y) / (1 + class) % 2;
        Rgb([
            (stripe * 200) as u8,
            (40 * class + i) as u8,
            (i * 9 % 256) as u8,
        ])
    })
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_png(&mut bytes, image).expect("memory takes all bytes");
    bytes
}

/// A folder `photos` of two classes with `n` pictures each.
fn photos(place: &Place, n: u32, side: u32) {
    for (class, name) in ["cats", "dogs"].into_iter().enumerate() {
        let folder = place.path("photos").join(name);
        fs::create_dir_all(&folder).expect("made");
        for i in 0..n {
            let image = picture(i, class as u32, side);
            fs::write(folder.join(format!("{i}.png")), png(&image)).expect("written");
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one object")
}

/// The bytes of the numbers in an array file.
fn numbers(place: &Place, name: &str, width: usize) -> Vec<u8> {
    let file = fs::read(place.path(name)).expect("written");
    file[file.len() - 6 * 3 * 8 * 8 * width..].to_vec()
}

/// Six samples of a model of 3×8×8 pixels and two classes, in every format: the same pixels.
fn samples_of_pictures_are_pictures(place: &Place) {
    let draw = |rest: &str| place.ok(&format!("sample run -n 6 --seed 3 --device flex {rest}"));
    draw("--out u.npy --uint8");
    draw("--out f.npy");
    draw("--out drawn.zip");
    draw("--out drawn");
    let pixels = numbers(place, "u.npy", 1);
    let floats = numbers(place, "f.npy", 4);
    let floats = floats
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    assert!(floats.eq(pixels.iter().map(|&p| f32::from(p))));
    let rows = |name: &str| {
        let open = PictureSet::open(
            place.path(name),
            &Options::default(),
            place.path("cache"),
            &|_, _| {},
        );
        let set = open.expect("pictures");
        let mut all = vec![0; 6 * 3 * 8 * 8];
        for (i, row) in all.chunks_exact_mut(3 * 8 * 8).enumerate() {
            set.pixels.read(i, row).expect("six pictures");
        }
        (all, set.labels)
    };
    let names = ["cats", "dogs"].map(str::to_owned).to_vec();
    let labels = |labels: [u32; 6]| Labels::Classes {
        labels: labels.to_vec(),
        names: names.clone(),
    };
    assert_eq!(
        rows("drawn.zip"),
        (pixels.clone(), labels([0, 1, 0, 1, 0, 1]))
    );
    // A folder is read class by class.
    let image = |i: usize| pixels[i * 192..(i + 1) * 192].to_vec();
    let sorted = [0, 2, 4, 1, 3, 5].map(image).concat();
    assert_eq!(rows("drawn"), (sorted, labels([0, 0, 0, 1, 1, 1])));
    let fails = |rest: &str, message: &str| {
        place.fails(
            &format!("sample run -n 2 --device flex {rest}"),
            2,
            &[message],
        );
    };
    fails("--out drawn", "is not an empty folder");
    fails("--out a.csv --uint8", "--uint8 is for a .npy file");
    fails("--out a.gif", "not a known format");
    fails("--class dgos", "did you mean \"dogs\"?");
    draw("--class Dogs --out dogs");
    assert_eq!(
        fs::read_dir(place.path("dogs")).expect("a folder").count(),
        1
    );
}

const SMALL: &str = "--set network.channels=8 --set network.multipliers=[1,1]";

#[test]
fn a_folder_is_inspected_trained_on_sampled_and_resumed() {
    let place = Place::new();
    photos(&place, 12, 20);
    let seen = json(&place.ok("data inspect photos --size 8 --json").stdout);
    assert_eq!(seen["count"], 24);
    assert_eq!(seen["shape"], serde_json::json!([3, 8, 8]));
    assert_eq!(
        seen["classes"][1],
        serde_json::json!({ "name": "dogs", "count": 12 })
    );
    assert_eq!(seen["command"], "pyroclast train photos --size 8");
    assert!(place.path("photos-sheet.png").is_file());
    let first = place.ok(&format!(
        "train photos --size 8 --out run {QUICK_FILE} {SMALL}"
    ));
    assert!(
        first
            .stderr
            .contains("photos: 24 samples of shape [3, 8, 8], 2 classes")
    );
    assert!(
        first.stderr.contains("the preset digits"),
        "{}",
        first.stderr
    );
    // The model knows its classes and its levels, without the data.
    fs::rename(place.path("photos"), place.path("away")).expect("moved");
    place.ok("sample run -n 4 --out a.npy --device flex");
    place.fails(
        "sample run --class 2 --device flex",
        2,
        &["no class is called \"2\"; classes are 0 to 1: \"cats\", \"dogs\""],
    );
    samples_of_pictures_are_pictures(&place);
    fs::rename(place.path("away"), place.path("photos")).expect("moved");
    let more = format!("train photos --size 8 --out run {QUICK_FILE} {SMALL} --resume");
    place.ok(&more.replace("--steps 6", "--steps 8 --set training.learning-rate=0.0001"));
    place.fails(
        &more.replace("--steps 6", "--steps 9 --set training.ema=0.5"),
        2,
        &["ema = 0.99", "ema = 0.5"],
    );
    // A new picture changes the data.
    fs::write(place.path("photos/cats/new.png"), png(&picture(99, 0, 20))).expect("written");
    place.fails(
        &more.replace("--steps 6", "--steps 9"),
        2,
        &["has changed since"],
    );
    let report = fs::read_to_string(place.path("run/report.html")).expect("a report");
    assert!(report.contains("<svg") && report.contains("cats, dogs"));
    assert!(report.contains("data:image/png;base64,"));
    let events = fs::read_dir(place.path("run/tensorboard"))
        .expect("event files")
        .count();
    assert!(events >= 2, "{events} event files");
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).expect("metrics");
    let last = json(metrics.lines().last().expect("a line"));
    for key in [
        "gradient_norm",
        "samples_per_second",
        "waiting",
        "learning_rate",
    ] {
        assert!(
            last[key].as_f64().is_some_and(f64::is_finite),
            "{key}: {last}"
        );
    }
}

#[test]
fn what_is_converted_trains_as_the_folder_does() {
    let place = Place::new();
    photos(&place, 6, 8);
    place.ok("data convert photos --out photos.zip");
    for (what, out) in [("photos", "a"), ("photos.zip", "b")] {
        place.ok(&format!("train {what} --out {out} {QUICK_FILE} {SMALL}"));
        place.ok(&format!("sample {out} -n 5 --out {out}.npy --device flex"));
    }
    let of = |name: &str| fs::read(place.path(name)).expect("samples");
    assert_eq!(of("a.npy"), of("b.npy"));
    place.fails(
        "data inspect photos --out photos.jpg",
        2,
        &["does not end in .png"],
    );
    place.fails(
        "data convert photos --out photos.tar",
        2,
        &["does not end in .zip"],
    );
}

#[test]
fn data_that_cannot_be_used_is_answered_in_a_line() {
    let place = Place::new();
    photos(&place, 3, 8);
    place.write("photos/cats/broken.png", "no picture");
    place.fails(
        "train photos",
        1,
        &["1 of the 7 pictures", "cats/broken.png (broken"],
    );
    place.ok(&format!(
        "train photos --skip-broken --out run {QUICK_FILE} {SMALL}"
    ));
    fs::write(place.path("photos/cats/broken.png"), png(&picture(0, 0, 9))).expect("written");
    place.fails("train photos", 1, &["8×8", "9×9", "one size for all"]);
    fs::create_dir(place.path("empty")).expect("made");
    place.fails("train empty", 1, &["holds no picture"]);
    place.fails("train nothing", 2, &["no preset", "nothing"]);
    place.fails("train run", 2, &["is a run", "--resume"]);
    place.fails("train moons --preset emoji", 2, &["has its own network"]);
    place.fails(
        "train photos --size 8 --preset emojis",
        2,
        &["did you mean `emoji`?"],
    );
    place.write("d.csv", "a,b\n1,2\n3,5\n5,4\n2,2\n");
    place.fails(
        "train d.csv --size 8",
        2,
        &["data.resolution = 8", "no pictures"],
    );
    place.fails("train digits --set data.flip=1", 2, &["data.flip"]);
    place.fails(
        "data inspect d.csv --set training.batch=4",
        2,
        &["no key of [data]"],
    );
    place.fails(
        "data inspect digits --label x",
        2,
        &["data.label", "no", "leave it out"],
    );
    // Data that ships is meant by its name, whatever is called so in the current folder.
    fs::create_dir(place.path("moons")).expect("made");
    place.ok(&format!(
        "train moons --out moons/run {QUICK_FILE} --set data.size=200"
    ));
    place.write("x.txt", "text");
    place.fails("data inspect x.txt", 1, &["no data that is known"]);
}

#[test]
fn a_table_needs_no_configuration() {
    let place = Place::new();
    let rows: String = (0..60)
        .map(|i| format!("{},{}\n", f64::from(i) / 7.0, i * i % 11))
        .collect();
    place.write("d.csv", &format!("height,weight\n{rows}"));
    let seen = json(&place.ok("data inspect d.csv --json").stdout);
    assert_eq!(seen["columns"][0]["name"], "height");
    assert_eq!(seen["preset"], "table");
    let labelled = json(&place.ok("data inspect d.csv --label weight --json").stdout);
    assert_eq!(labelled["columns"].as_array().map(Vec::len), Some(1));
    assert_eq!(labelled["classes"].as_array().map(Vec::len), Some(6));
    let command = labelled["command"].as_str();
    assert!(command.is_some_and(|command| command.ends_with("--label weight")));
    let ran = place.ok(&format!("train d.csv --out run {QUICK_FILE}"));
    assert!(ran.stderr.contains("the preset table"), "{}", ran.stderr);
    place.ok("sample run -n 3 --out s.csv --device flex");
    let text = fs::read_to_string(place.path("s.csv")).expect("samples");
    assert!(text.starts_with("height,weight\n"), "{text}");
}

#[test]
fn a_sweep_trains_a_grid_once_and_goes_on_where_it_stopped() {
    let place = Place::new();
    let sweep = "sweep moons --set training.learning-rate=0.001,0.01 --seeds 2 --steps 4 \
                 --set training.batch=16 --set data.size=300 --out s -n 100 --device flex";
    let table = json(&place.ok(&format!("{sweep} --json")).stdout);
    assert_eq!(table["rows"].as_array().map(Vec::len), Some(2));
    let w2 = &table["rows"][1]["scores"]["w2"];
    assert_eq!(w2["values"].as_array().map(Vec::len), Some(2));
    assert!(w2["interval"].as_f64().is_some_and(|half| half > 0.0));
    // One run is lost: only it is trained again.
    let run = "s/training.learning-rate=0.01,training.batch=16,data.size=300,seed=1";
    fs::remove_dir_all(place.path(run)).expect("the run is there");
    let again = place.ok(sweep);
    assert_eq!(
        again.stderr.matches("training on").count(),
        1,
        "{}",
        again.stderr
    );
    assert!(
        again.stdout.contains("w2") && again.stdout.contains("±"),
        "{}",
        again.stdout
    );
    // What is asked for counts, and not that there is a run: more steps are taken, another network
    // is refused, and other samples are drawn.
    let row = |of: &str| {
        let table = json(&place.ok(&format!("{of} --json")).stdout);
        table["rows"][0]["scores"]["w2"]["values"].clone()
    };
    let (before, fewer) = (row(sweep), row(&sweep.replace("-n 100", "-n 50")));
    assert_ne!(before, fewer);
    let more = place.ok(&sweep.replace("--steps 4", "--steps 6"));
    assert_eq!(more.stderr.matches("training on").count(), 4);
    let refused = |sweep: &str, why: &str| {
        let ran = place.run(sweep);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        for part in [why, "was not trained, see above"] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    };
    refused(sweep, "has already taken 6 steps");
    let other = sweep.replace("sweep moons", "sweep scurve");
    refused(&other, "made with another configuration");
    place.fails("sweep moons --set batch", 2, &["does not set a key"]);
    place.fails(
        "sweep moons --set training.batch=16,none --out t",
        2,
        &["training.batch"],
    );
    assert!(!place.path("t").exists());
}

#[test]
fn only_tables_of_the_same_columns_are_compared() {
    let place = Place::new();
    let table = |name: &str, heading: &str, words: [&str; 2]| {
        let rows = (0..12).map(|i| format!("{}.5,{}\n", i, words[i % 2]));
        place.write(name, &(format!("{heading}\n") + &rows.collect::<String>()));
    };
    table("a.csv", "v,city", ["Oslo", "Rome"]);
    table("b.csv", "v,city", ["Paris", "Zagreb"]);
    table("c.csv", "w,city", ["Oslo", "Rome"]);
    place.ok("distance a.csv a.csv");
    place.fails(
        "distance a.csv b.csv",
        1,
        &["Oslo", "Paris", "in one order"],
    );
    place.fails(
        "distance a.csv c.csv",
        1,
        &["value 1", "is v in a.csv and w in c.csv"],
    );
}

#[test]
fn a_model_can_be_fine_tuned_on_other_data() {
    let place = Place::new();
    photos(&place, 6, 8);
    place.ok(&format!("train photos --out a {QUICK_FILE} {SMALL}"));
    place.ok(&format!(
        "train photos --out b --init-from a {QUICK_FILE} {SMALL} --seed 1"
    ));
    place.fails(
        &format!("train photos --out c --init-from a {QUICK_FILE} --set network.channels=16"),
        1,
        &["a"],
    );
    assert!(
        !place
            .path("c/checkpoints")
            .join("step-00000006.safetensors")
            .exists()
    );
}
