//! Tables of columns of every kind, through the command: training, samples, evaluation.

mod place;

use place::{Place, QUICK_FILE};
use pyroclast_core::noise::{Noise, Stream};
use std::fmt::Write;
use std::fs;

const HEADER: &str = "when,member,visits,income,city,height,species,shop";

/// A table of 8 columns of every kind.
fn visits(n: usize) -> String {
    let mut text = format!("{HEADER}\n");
    let mut draws = Noise::new(8).draws(Stream::Data, 0);
    for i in 0..n {
        let mut normal = || draws.normal();
        let when = 1.7e9 + 5.0 * normal();
        let member = u8::from(normal() > 1.0);
        let visits = (2.0 + normal().abs() * 3.0).round();
        let income = 31_000.0 * (1.3 * normal()).exp();
        let city = ["Berlin", "\"Paris, Texas\"", "Oslo"][i % 3];
        let height = 1.7 + 0.1 * normal();
        let species = ["cat", "dog"][i % 2];
        writeln!(
            text,
            "{when},{member},{visits},{income:.2},{city},{height:.3},{species},north"
        )
        .expect("memory takes all text");
    }
    text
}

#[test]
fn samples_of_a_table_are_rows_of_the_same_table() {
    let place = Place::new();
    place.write("visits.csv", &visits(300));
    let ran = place.ok(&format!(
        "train visits.csv --label species --out run {QUICK_FILE}"
    ));
    for part in [
        "when: continuous",
        "member: integer, whole numbers from 0 to 1",
        "income: heavy-tailed, ln(1 + |x|/",
        "city: 3 categories: Berlin, Oslo, Paris, Texas",
        "shop: always north",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    // The model file holds all of it.
    place.ok("export run --out m.safetensors");
    fs::remove_file(place.path("visits.csv")).expect("the data");
    place.ok("sample m.safetensors -n 200 --device flex --out a.csv");
    let text = fs::read_to_string(place.path("a.csv")).expect("text");
    assert_eq!(text.lines().next(), Some(HEADER));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<Vec<String>> = (reader.records())
        .map(|row| {
            row.expect("a whole row")
                .iter()
                .map(str::to_owned)
                .collect()
        })
        .collect();
    assert_eq!(rows.len(), 200);
    let number = |cell: &String| cell.parse::<f64>().expect("a number");
    for row in &rows {
        assert!(["0", "1"].contains(&row[1].as_str()), "{row:?}");
        assert!(
            (2.0..20.0).contains(&number(&row[2])) && !row[2].contains('.'),
            "{row:?}"
        );
        assert!(
            ["Berlin", "Paris, Texas", "Oslo"].contains(&row[4].as_str()),
            "{row:?}"
        );
        assert!(["cat", "dog"].contains(&row[6].as_str()), "{row:?}");
        assert_eq!(row[7], "north");
    }
    // Time stamps keep their spread: no two are the same, and their digits are not of single
    // precision, which would leave multiples of 128 s.
    let mut stamps: Vec<f64> = rows.iter().map(|row| number(&row[0])).collect();
    stamps.sort_by(f64::total_cmp);
    stamps.dedup();
    assert!(stamps.len() > 190, "{}", stamps.len());
    assert!((stamps[100] - 1.7e9).abs() < 20.0, "{}", stamps[100]);
}

#[test]
fn a_table_is_evaluated_column_by_column() {
    let place = Place::new();
    place.write("visits.csv", &visits(200));
    place.ok(&format!(
        "train visits.csv --label species --out run {QUICK_FILE}"
    ));
    let ran = place.ok("evaluate run -n 50 --device flex --steps 2 --method euler --json");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let columns = report["columns"].as_array().expect("columns");
    let of = |name: &str| {
        let column = columns.iter().find(|column| column["name"] == name);
        column.expect("a column")["distance"]
            .as_str()
            .expect("text")
    };
    assert_eq!((of("when"), of("city")), ("wasserstein", "total_variation"));
    for key in [
        "c2st",
        "correlation_difference",
        "nearest",
        "nearest_held_out",
    ] {
        assert!(report[key]["mean"].is_number(), "{key}: {report}");
    }
    // Words have no density.
    assert!(report["nll"].is_null(), "{report}");
    let ran = place.ok("evaluate run -n 50 --device flex --steps 2 --method euler");
    for part in [
        "W1 of \"when\"",
        "TV of \"city\"",
        "column \"member\" holds no real numbers",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn bad_tables_are_refused_in_one_line() {
    let place = Place::new();
    place
        .write("gap.csv", "x,y\n1,2\n,3\n")
        .write("plain.csv", &visits(20));
    place.fails(
        "train gap.csv",
        1,
        &["gap.csv:3: row 2, column 1 is empty", "data.missing"],
    );
    place.fails(
        "train plain.csv --label kind",
        1,
        &["plain.csv has no column `kind`; it has when, member"],
    );
    place.fails(
        "train plain.csv --set data.columns.income=heavy",
        2,
        &["no kind of column is called `heavy`", "heavy-tailed"],
    );
    place.fails(
        "train plain.csv --set data.missing=keep",
        2,
        &["refuse, drop, mean"],
    );
    place.fails(
        "train plain.csv --set data.separator=x",
        2,
        &["data.separator"],
    );
    place.fails(
        "train moons --label species",
        2,
        &["data.label says how a table is read, and moons is none"],
    );
}
