//! `report.html` in the folder of a run: its configuration, curves, pictures and scores in one file.

use crate::progress::minutes;
use crate::say::around;
use anyhow::{Context, Result};
use pyroclast_metrics::Interval;
use pyroclast_plot::{Page, Series};
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::learn::{Record, Run};
use pyroclast_train::model_file::DataInfo;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// The most pictures of a report.
const PICTURES: usize = 8;
/// The file in a run that holds the scores of its last evaluation.
const SCORES: &str = "evaluation.json";

/// Writes the report of a run with this configuration, and returns its path.
pub(crate) fn write(run: &Run, config: &str, data: &DataInfo) -> Result<PathBuf> {
    let records = run.records();
    let name = run.folder().file_name().unwrap_or(run.folder().as_os_str());
    let mut page = Page::new(&name.to_string_lossy());
    page.table(facts(&records, data));
    curves(&mut page, &records);
    let pictures = pictures(run);
    if !pictures.is_empty() {
        page.heading("Samples during training");
    }
    for picture in pictures {
        let png =
            fs::read(&picture).with_context(|| format!("cannot read {}", picture.display()))?;
        let name = picture.file_stem().unwrap_or_default().to_string_lossy();
        let step = name.trim_start_matches("step-").trim_start_matches('0');
        page.picture(&png, &format!("step {step}"));
    }
    if let Some(scores) = scores(run) {
        page.heading("Evaluation");
        page.table(
            scores
                .iter()
                .map(|(name, score)| (name.as_str(), shown(score))),
        );
    }
    page.heading("Configuration");
    page.verbatim(config);
    let path = run.folder().join("report.html");
    write_atomically(&path, page.finish().as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Keeps the scores of an evaluation for the report.
pub(crate) fn keep_scores(run: &Run, scores: &Value) -> Result<()> {
    let path = run.folder().join(SCORES);
    write_atomically(&path, format!("{scores:#}\n").as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn facts(records: &[Record], data: &DataInfo) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("data", data.name.clone()),
        ("shape of a sample", format!("{:?}", data.shape)),
    ];
    if !data.classes.is_empty() {
        facts.push(("classes", data.classes.join(", ")));
    }
    if let Some(last) = records.last() {
        facts.push(("steps", last.step.to_string()));
        facts.push(("time", minutes(last.seconds)));
    }
    let last = |of: fn(&Record) -> Option<f64>| records.iter().rev().find_map(of);
    if let Some(loss) = last(|record| record.validation) {
        facts.push(("validation loss", format!("{loss:.4}")));
    }
    if let Some(speed) = last(|record| record.samples_per_second) {
        facts.push(("samples per second", format!("{speed:.0}")));
    }
    facts
}

fn curves(page: &mut Page, records: &[Record]) {
    let of = |value: fn(&Record) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = records.iter();
        points
            .filter_map(|r| Some((r.step as f64, value(r)?)))
            .collect()
    };
    page.heading("Loss");
    let mut series = vec![Series::noisy("training", of(|r| r.loss))];
    let validation = of(|r| r.validation);
    if !validation.is_empty() {
        series.push(Series::measured("validation", validation));
    }
    page.chart(&series, ["step", "loss"]);
    for (heading, points) in [
        ("Norm of the gradient", of(|r| r.gradient_norm)),
        ("Learning rate", of(|r| r.learning_rate)),
        ("Samples per second", of(|r| r.samples_per_second)),
    ] {
        if !points.is_empty() {
            page.heading(heading);
            page.chart(&[Series::measured("", points)], ["step", heading]);
        }
    }
}

/// Pictures from the training, evenly spread, with the first and the last.
fn pictures(run: &Run) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.samples()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("step-") && name.ends_with(".png")
    });
    paths.sort();
    let (n, shown) = (paths.len(), paths.len().min(PICTURES));
    let spread = |i: usize| i * n.saturating_sub(1) / shown.saturating_sub(1).max(1);
    (0..shown).map(|i| paths[spread(i)].clone()).collect()
}

/// The scores of the last evaluation, without those that were not computed.
fn scores(run: &Run) -> Option<serde_json::Map<String, Value>> {
    let text = fs::read_to_string(run.folder().join(SCORES)).ok()?;
    let mut scores: serde_json::Map<String, Value> = serde_json::from_str(&text).ok()?;
    scores.retain(|_, score| !score.is_null());
    Some(scores)
}

/// A score as text: its mean and interval if it has them.
fn shown(score: &Value) -> String {
    let number = |key: &str| score.get(key).and_then(Value::as_f64);
    let interval = number("low").zip(number("high"));
    match (number("mean"), interval, score) {
        (Some(mean), Some((low, high)), _) => {
            format!("{mean:.4} {}", around(mean, Interval { low, high }, 4))
        }
        (Some(mean), None, _) => format!("{mean:.4}"),
        (.., Value::String(text)) => text.clone(),
        (.., other) => other.to_string(),
    }
}
