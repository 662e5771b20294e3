//! A table goes to the model's scale, through an exact sampler, and comes back with its header, kinds
//! and distributions.

use burn_flex::Flex;
use pyroclast::core::analytic::Dataset as ExactField;
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::core::schedule::Linear;
use pyroclast::solvers::{HEUN, TimeGrid, integrate};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::task::Task;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::support::host;

const ROWS: usize = 3000;
const SAMPLES: usize = 1500;
const HEADER: &str = "when,member,visits,income,city,height,score,age";

/// Time stamps, a flag, counts, incomes with a heavy tail, words, and numbers that depend on each
/// other.
fn table() -> String {
    let mut draws: Draws = Noise::new(5).draws(Stream::Data, 0);
    let mut text = format!("{HEADER}\n");
    for _ in 0..ROWS {
        let z = draws.normals(4);
        let u = [draws.uniform(), draws.uniform(), draws.uniform()];
        let member = u[0] < 0.3;
        let city = match u[1] {
            u if u < 0.5 => "Paris",
            u if u < 0.8 => "Rome",
            _ => "Oslo",
        };
        let visits = -(1.0 - u[2]).ln() * if member { 15.0 } else { 5.0 };
        let income = (10.0 + 1.2 * f64::from(z[0])).exp();
        let height = 170.0 + 8.0 * f64::from(z[1]) + if city == "Oslo" { 5.0 } else { 0.0 };
        let score = 0.5 * height + f64::from(z[2]);
        let _ = writeln!(
            text,
            "{},{},{},{income:.2},{city},{height:.1},{score:.3},{}",
            1_700_000_000 + (40_000.0 * f64::from(z[3])) as i64,
            u8::from(member),
            visits as u32,
            18 + (visits * 3.0) as u32 % 60
        );
    }
    text
}

/// The cells of each column.
fn columns(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let mut columns = BTreeMap::new();
    for line in lines {
        for (name, cell) in names.iter().zip(line.split(',')) {
            let column: &mut Vec<String> = columns.entry((*name).to_owned()).or_default();
            column.push(cell.to_owned());
        }
    }
    columns
}

fn numbers(cells: &[String]) -> Vec<f64> {
    let number = |cell: &String| cell.parse().expect("a number");
    let mut numbers: Vec<f64> = cells.iter().map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// How many standard errors the share of `x` at most this value is from that of `y`.
fn deviation(x: &[f64], y: &[f64], value: f64) -> f64 {
    let share = |rows: &[f64]| rows.partition_point(|v| *v <= value) as f64 / rows.len() as f64;
    let p = share(y).clamp(0.01, 0.99);
    let error = (p * (1.0 - p) / x.len() as f64).sqrt();
    (share(x) - share(y)).abs() / error
}

#[test]
fn an_exact_sampler_gives_the_table_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("people.csv");
    let before = table();
    fs::write(&path, &before).expect("written");
    let read = Dataset::read(&path).expect("a table");
    let task = Task::from(read.split(0.0, Noise::new(0)));
    let dataset = &task.training;
    let table = dataset.table.as_ref().expect("it was read from a table");

    let points =
        burn::tensor::TensorData::new(dataset.values().into_owned(), [ROWS, dataset.dim()]);
    let device = Default::default();
    let field = ExactField::<Flex, _, 2>::new(
        burn::tensor::Tensor::from_data(points, &device),
        Linear::default(),
    );
    let x0 = Noise::new(1)
        .draws(Stream::Metric, 0)
        .normals(SAMPLES * dataset.dim());
    let x0 = burn::tensor::TensorData::new(x0, [SAMPLES, dataset.dim()]);
    let x0 = burn::tensor::Tensor::from_data(x0, &device);
    // Off t = 1, where the posterior is a point mass.
    let grid = TimeGrid::uniform(0.0, 0.995, 40);
    let samples = host(integrate(&field, &HEUN, x0, &grid));
    let samples: Vec<f32> = samples.into_iter().map(|x| x as f32).collect();
    let values = dataset.in_units(&samples, &task.scaling).expect("finite");
    let after = table.heading(false) + &table.lines(&values, None, &[]);

    assert_eq!(after.lines().next(), Some(HEADER));
    let (before, after) = (columns(&before), columns(&after));
    for name in [
        "when", "member", "visits", "income", "height", "score", "age",
    ] {
        let (x, y) = (numbers(&after[name]), numbers(&before[name]));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let variance = y.iter().map(|v| (v - mean(&y)).powi(2)).sum::<f64>() / y.len() as f64;
        let error = (variance / x.len() as f64).sqrt();
        let off = (mean(&x) - mean(&y)).abs() / error;
        assert!(
            off < 5.0,
            "the mean of {name} is off by {off} standard errors"
        );
        for share in [0.05, 0.25, 0.5, 0.75, 0.95] {
            let quantile = y[(share * y.len() as f64) as usize];
            let off = deviation(&x, &y, quantile);
            assert!(
                off < 5.0,
                "quantile {share} of {name} is off by {off} standard errors"
            );
        }
        if ["when", "member", "visits", "age"].contains(&name) {
            assert!(x.iter().all(|v| v.fract() == 0.0), "{name} is whole");
        }
    }
    // Time stamps keep their spread: single precision would hold every 128th second.
    let seconds: std::collections::BTreeSet<&String> = after["when"].iter().collect();
    assert!(seconds.len() > SAMPLES / 2, "{} time stamps", seconds.len());
    for city in ["Paris", "Rome", "Oslo"] {
        let share = |cells: &[String]| {
            cells.iter().filter(|cell| *cell == city).count() as f64 / cells.len() as f64
        };
        let (p, q) = (share(&before["city"]), share(&after["city"]));
        let error = (p * (1.0 - p) / SAMPLES as f64).sqrt();
        assert!((p - q).abs() < 5.0 * error, "{city}: {q} for {p}");
    }
    assert!(
        after["city"]
            .iter()
            .all(|cell| before["city"].contains(cell))
    );
}
