//! Conditions beside the class, from the real binary: trained, sampled, guided, refused.

mod place;

use place::{Place, QUICK_FILE};
use pyroclast_data::{Array, Numbers, write_npz};
use std::fs::{self, File};

/// The samples of the data.
const N: usize = 40;

/// Writes an array by these names, whose entries follow from their places.
fn npz(place: &Place, file: &str, arrays: &[(&str, &[usize])]) {
    let arrays: Vec<(&str, Array)> = (arrays.iter())
        .map(|&(name, shape)| {
            let entries = 0..shape.iter().product::<usize>();
            let entries: Vec<f64> = match name {
                // The first and the last token of three count.
                "mask" => entries.map(|i| f64::from(u8::from(i % 3 != 1))).collect(),
                _ => entries.map(|i| ((i * i) as f64).sin()).collect(),
            };
            let array = Array {
                numbers: Numbers::Reals(entries),
                shape: shape.to_vec(),
            };
            (name, array)
        })
        .collect();
    let arrays: Vec<(&str, &Array)> = arrays.iter().map(|(name, array)| (*name, array)).collect();
    write_npz(File::create(place.path(file)).expect("a file"), &arrays).expect("a writable folder");
}

/// Images of 8×8, and a file of each kind of condition for them.
fn place() -> Place {
    let place = Place::new();
    npz(&place, "images.npz", &[("x", &[N, 1, 8, 8])]);
    let row = |i: usize| format!("{},{}.5\n", i % 7, 1_700_000_000 + i);
    let table = "age,born\n".to_owned() + &(0..N).map(row).collect::<String>();
    place.write("vectors.csv", &table);
    npz(
        &place,
        "tokens.npz",
        &[("x", &[N, 3, 5]), ("mask", &[N, 3])],
    );
    npz(&place, "beside.npz", &[("x", &[N, 2, 8, 8])]);
    place
}

const SMALL: &str = "--set network.channels=8 --set network.attention=[4]";
const KINDS: [&str; 3] = ["vectors.csv", "tokens.npz", "beside.npz"];

fn train(place: &Place, run: &str, more: &str) {
    place.ok(&format!(
        "train images.npz --out {run} {QUICK_FILE} {SMALL} {more}"
    ));
}

/// The options of the same training with two more steps.
fn longer() -> String {
    QUICK_FILE.replace("--steps 6", "--steps 8")
}

#[test]
fn a_model_file_with_a_condition_samples_the_same_bits_anywhere() {
    let place = place();
    for kind in KINDS {
        train(&place, "run", &format!("--condition {kind}"));
        place.ok("export run --out m.safetensors");
        let other = Place::new();
        for file in ["m.safetensors", kind] {
            fs::copy(place.path(file), other.path(file)).expect("a writable folder");
        }
        let sample = format!("--condition {kind} --guidance 2 --device flex --out");
        place.ok(&format!("sample run {sample} s.npy"));
        // Without -n, one sample per row of the file.
        let ran = other.ok(&format!("sample m.safetensors {sample} s.npy"));
        assert!(ran.stdout.starts_with("40 samples"), "{}", ran.stdout);
        let bytes = |place: &Place, file: &str| fs::read(place.path(file)).expect("samples");
        assert!(bytes(&place, "s.npy") == bytes(&other, "s.npy"), "{kind}");
        // The condition acts, through more than its dropping: guidance differs from none.
        place.ok(&format!(
            "sample run {sample} w.npy --guidance-interval 0.1,2"
        ));
        assert!(bytes(&place, "s.npy") != bytes(&place, "w.npy"), "{kind}");
        // The rows are cycled through.
        place.ok(&format!("sample run {sample} more.npy -n 45"));
        // The scores are of the conditions that the data has.
        place.ok("evaluate run -n 4 --steps 2 --likelihoods 2 --bounds 0 --device flex");
        // A run resumes, with its condition.
        let resumed = format!("--out run {} {SMALL} --condition {kind} --resume", longer());
        place.ok(&format!("train images.npz {resumed}"));
        fs::remove_dir_all(place.path("run")).expect("a run");
    }
}

#[test]
fn a_condition_is_a_key_that_a_run_keeps() {
    let place = place();
    let toml = "[data]\nname = \"images.npz\"\ncondition = \"vectors.csv\"\n[network]\n\
        kind = \"dit\"\nwidth = 16\ndepth = 1\nheads = 2\n";
    place.write("mine.toml", toml);
    place.ok(&format!("train mine.toml --out run {QUICK_FILE}"));
    let kept = fs::read_to_string(place.path("run/config.toml")).expect("a configuration");
    let path = place.path("vectors.csv");
    let path = path.to_string_lossy();
    assert!(kept.contains(&format!("condition = \"{path}\"")), "{kept}");
    // A change of the file is a change of the data.
    let table = fs::read_to_string(&*path).expect("a table");
    place.write("vectors.csv", &table.replace("6,", "9,"));
    let longer = longer();
    place.fails(
        &format!("train mine.toml --out run {longer} --resume"),
        2,
        &["has changed since"],
    );
    place.ok(&format!(
        "train mine.toml --out run {longer} --resume --new-data"
    ));
}

#[test]
fn columns_are_read_by_name_and_one_row_is_enough() {
    let place = place();
    train(&place, "run", "--condition vectors.csv");
    place.write("one.csv", "age,born\n3,1700000010\n");
    place.write("swapped.csv", "born,age\n1700000010,3\n");
    place.write("plain.csv", "3,1700000010\n");
    place.write("other.csv", "4,1700000010\n");
    let drawn = |condition: &str| {
        place.ok(&format!(
            "sample run --condition {condition} -n 3 --device flex --out s.npy"
        ));
        fs::read(place.path("s.npy")).expect("samples")
    };
    let one = drawn("one.csv");
    assert!(one == drawn("swapped.csv") && one == drawn("plain.csv"));
    assert!(one != drawn("other.csv"));
}

#[test]
fn a_table_of_points_is_conditioned_on_vectors() {
    let place = place();
    let rows = |i: usize| format!("{},{}\n", i % 5, (i * i) % 7);
    place.write(
        "points.csv",
        &("x,y\n".to_owned() + &(0..N).map(rows).collect::<String>()),
    );
    let train = format!("train points.csv --out run {QUICK_FILE}");
    place.fails(
        &format!("{train} --condition tokens.npz"),
        2,
        &["not on sequences of 3 tokens of 5 numbers"],
    );
    place.ok(&format!("{train} --condition vectors.csv"));
    place.ok("sample run --condition vectors.csv --device flex --out s.csv");
}

#[test]
fn what_does_not_fit_is_a_line_that_names_both() {
    let place = place();
    let short: String = (0..N - 1).map(|i| format!("{i}\n")).collect();
    place.write("short.csv", &format!("age\n{short}"));
    npz(&place, "small.npz", &[("x", &[N, 1, 4, 4])]);
    npz(
        &place,
        "masked.npz",
        &[("x", &[N, 3, 5]), ("mask", &[N, 4])],
    );
    npz(&place, "deep.npz", &[("x", &[N, 1, 1, 4, 4])]);
    npz(&place, "nameless.npz", &[("y", &[N, 3])]);
    let train = format!("train images.npz --out no {QUICK_FILE} {SMALL} --condition");
    for (file, parts) in [
        ("short.csv", &["39 rows", "40 samples"][..]),
        ("small.npz", &["4×4", "8×8"]),
        ("masked.npz", &["[40, 4]", "[40, 3]"]),
        ("deep.npz", &["[40, 1, 1, 4, 4]"]),
        ("nameless.npz", &["no array x"]),
        ("nothing.csv", &["nothing.csv does not exist"]),
    ] {
        place.fails(&format!("{train} {file}"), 1, parts);
    }
    let flipped = format!("{train} beside.npz --set data.flip=true");
    place.fails(&flipped, 2, &["data.flip"]);
    place.fails(
        &format!("train moons --out no {QUICK_FILE} --condition vectors.csv"),
        2,
        &["data.condition"],
    );
}

#[test]
fn samples_of_other_conditions_are_refused() {
    let place = place();
    train(&place, "run", "--condition vectors.csv");
    place.write("words.csv", "age\nold\n");
    place.write("wide.csv", "1,2,3\n");
    place.write("named.csv", "age,height\n1,2\n");
    let sample = "sample run --device flex --out s.npy";
    place.fails(
        sample,
        2,
        &["vectors of 2 numbers (age, born)", "--condition FILE"],
    );
    place.fails(
        "page run --out site",
        1,
        &["run is conditioned on vectors of 2 numbers (age, born), which a page cannot ask for"],
    );
    for (file, parts) in [
        (
            "wide.csv",
            &["vectors of 3 numbers", "vectors of 2 numbers"][..],
        ),
        ("named.csv", &["age, height", "age, born"]),
        ("tokens.npz", &["sequences of 3 tokens of 5 numbers"]),
        ("words.csv", &["`old`, which is not a number"]),
    ] {
        place.fails(&format!("{sample} --condition {file}"), 1, parts);
    }
    train(&place, "plain", "");
    place.fails(
        "sample plain --condition vectors.csv --device flex",
        2,
        &["takes no condition"],
    );
}

#[test]
fn rows_of_a_table_are_matched_by_the_names_of_pictures() {
    let place = Place::new();
    let picture = |i: u8| {
        let image = image::GrayImage::from_fn(8, 8, |x, y| image::Luma([i * 9 + (x * y) as u8]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        let written = image.write_to(&mut bytes, image::ImageFormat::Png);
        written.expect("a picture");
        bytes.into_inner()
    };
    for i in 0..20_u8 {
        fs::create_dir_all(place.path(&format!("photos/{}", i % 2))).expect("a folder");
        let path = place.path(&format!("photos/{}/{i:02}.png", i % 2));
        fs::write(path, picture(i)).expect("a file");
    }
    // In the order of the paths: the even ones first.
    let order: Vec<u8> = (0..20).step_by(2).chain((1..20).step_by(2)).collect();
    let values: String = order
        .iter()
        .map(|&i| format!("{i},{}\n", u32::from(i).pow(2)))
        .collect();
    place.write("ordered.csv", &format!("a,b\n{values}"));
    // In another order, by name, with a picture that is not there.
    let named = |i: u8| format!("{i:02}.png,{i},{}\n", u32::from(i).pow(2));
    let values: String = (0..21).rev().map(named).collect();
    place.write("named.csv", &format!("image_id,a,b\n{values}"));
    // The same training, and so the same samples.
    let samples = |table: &str| {
        place.ok(&format!(
            "train photos --condition {table}.csv --out {table} {QUICK_FILE} {SMALL}"
        ));
        place.ok(&format!(
            "sample {table} --condition ordered.csv -n 3 --device flex --out s.npy"
        ));
        fs::read(place.path("s.npy")).expect("samples")
    };
    let ordered = samples("ordered");
    assert!(samples("named") == ordered);
    // Numbers are names too, if all pictures have them.
    let values: String = (0..20)
        .rev()
        .map(|i| format!("{i:02},{i},{}\n", u32::pow(i, 2)))
        .collect();
    place.write("numbered.csv", &format!("image_id,a,b\n{values}"));
    assert!(samples("numbered") == ordered);
    let drawn = |table: &str| {
        place.ok(&format!(
            "sample ordered --condition {table}.csv -n 3 --device flex --out s.npy"
        ));
        fs::read(place.path("s.npy")).expect("samples")
    };
    place.write("few.csv", "a,b\n19,361\n18,324\n17,289\n");
    assert!(drawn("numbered") == drawn("few"));

    place.write("short.csv", "image_id,a\n00.png,1\n02.png,2\n");
    place.fails(
        "train photos --condition short.csv --out other",
        1,
        &["short.csv", "no row for 0/04.png"],
    );
    place.write("words.csv", "image_id,a\nx,1\ny,2\n");
    npz(&place, "images.npz", &[("x", &[2, 1, 8, 8])]);
    place.fails(
        "train images.npz --condition words.csv --out other",
        1,
        &["names such as x", "have none"],
    );
}
