//! `pyroclast sweep`: trains a grid of configurations in turn, and prints one table.
//!
//! Every run is a process of its own with a folder of its own, so a sweep that was interrupted goes
//! on where it stopped: finished runs are not trained again.

use super::train::absolute;
use crate::Usage;
use crate::args::Sweep;
use crate::say::{note, quoted, say};
use anyhow::{Context, Result, bail};
use pyroclast_metrics::Spread;
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::config::{Config, is_data};
use pyroclast_train::learn::{Latest, Run};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The most runs of a sweep: more are a slip in a list of values.
const MOST: usize = 10_000;

/// A configuration of the grid: its assignments, `key=value`.
type Point = Vec<String>;

pub(crate) fn run(arguments: Sweep) -> Result<ExitCode> {
    let points = grid(&arguments.set)?;
    if !is_data(&arguments.source) {
        for point in &points {
            Config::load(&arguments.source, point)?;
        }
    }
    let runs = points.len().saturating_mul(arguments.seeds as usize);
    if runs > MOST {
        bail!(Usage(format!(
            "this sweep has {runs} runs; at most {MOST} are trained, so give fewer values"
        )));
    }
    let stem = Path::new(&arguments.source).file_stem().unwrap_or_default();
    let usual = || PathBuf::from("runs").join(format!("{}-sweep", stem.to_string_lossy()));
    let folder = arguments.out.clone().unwrap_or_else(usual);
    let mut table: Vec<(Point, BTreeMap<String, Vec<f64>>)> = Vec::new();
    let mut done = 0;
    for point in points {
        let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for seed in 0..u64::from(arguments.seeds) {
            done += 1;
            let out = folder.join(name(&point, seed));
            note!("run {done}/{runs}: {}", out.display());
            for (score, value) in scored(&arguments, &point, seed, &out)? {
                scores.entry(score).or_default().push(value);
            }
        }
        table.push((point, scores));
    }
    if arguments.json {
        say!("{}", as_json(&table));
    } else {
        print(&table);
    }
    Ok(ExitCode::SUCCESS)
}

/// All combinations of the values of `key=value,value` assignments.
fn grid(sets: &[String]) -> Result<Vec<Point>> {
    let mut points = vec![Vec::new()];
    for set in sets {
        let Some((key, values)) = set.split_once('=') else {
            bail!(Usage(format!(
                "--set {} does not set a key; write it as section.key=value,value",
                quoted(set)
            )));
        };
        let values = split(values);
        points = (points.iter())
            .flat_map(|point: &Point| {
                values.iter().map(move |value| {
                    point
                        .iter()
                        .cloned()
                        .chain([format!("{key}={value}")])
                        .collect()
                })
            })
            .collect();
    }
    Ok(points)
}

/// The values of a list, at its commas outside brackets and quotes.
fn split(values: &str) -> Vec<String> {
    let (mut parts, mut depth, mut is_quoted) = (vec![String::new()], 0_u32, false);
    for letter in values.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '[' | '{' if !is_quoted => depth += 1,
            ']' | '}' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        match parts.last_mut() {
            Some(last) if letter != ',' || depth > 0 || is_quoted => last.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts
}

/// The folder of a run within the sweep.
fn name(point: &Point, seed: u64) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || "=.-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let mut parts: Vec<String> = point
        .iter()
        .map(|set| set.chars().map(safe).collect())
        .collect();
    parts.push(format!("seed={seed}"));
    parts.join(",")
}

/// Trains a run unless it is finished as it is asked for, evaluates it, and returns its scores.
fn scored(
    arguments: &Sweep,
    point: &Point,
    seed: u64,
    out: &Path,
) -> Result<BTreeMap<String, f64>> {
    let kept = out.join("evaluation.json");
    let mut assignments = point.clone();
    assignments.push(format!("training.seed={seed}"));
    assignments.extend(arguments.steps.map(|n| format!("training.steps={n}")));
    if !is_finished(out, &arguments.source, &assignments) {
        let mut command = itself()?;
        command.arg("train").arg(&arguments.source);
        for set in &assignments {
            command.args(["--set", set]);
        }
        command.arg("--out").arg(out);
        command.args(
            arguments
                .device
                .name
                .iter()
                .flat_map(|name| ["--device", name]),
        );
        if Run::open(out).is_ok() {
            command.arg("--resume");
        }
        finish(command.stdout(Stdio::null()), out)?;
        let _ = std::fs::remove_file(&kept);
    }
    // What the evaluation was asked for: it may have had to take fewer.
    let (asked, n) = (out.join(".evaluated"), format!("{:?}", arguments.n));
    let is_as_asked = std::fs::read_to_string(&asked).is_ok_and(|of| of == n);
    if !kept.is_file() || !is_as_asked {
        let mut command = itself()?;
        command.arg("evaluate").arg(out).arg("--json");
        command.args(
            arguments
                .n
                .iter()
                .flat_map(|n| ["-n".into(), n.to_string()]),
        );
        command.args(
            arguments
                .device
                .name
                .iter()
                .flat_map(|name| ["--device", name]),
        );
        finish(command.stdout(Stdio::null()), out)?;
        write_atomically(&asked, n.as_bytes())
            .with_context(|| format!("cannot write {}", asked.display()))?;
    }
    let text = std::fs::read_to_string(&kept)
        .with_context(|| format!("cannot read {}", kept.display()))?;
    let scores: Map<String, Value> = serde_json::from_str(&text)
        .with_context(|| format!("{} is no evaluation; remove it", kept.display()))?;
    let number = |score: &Value| score.get("mean").unwrap_or(score).as_f64();
    Ok((scores.iter())
        .filter(|(_, score)| score.is_object())
        .filter_map(|(name, score)| Some((name.clone(), number(score)?)))
        .collect())
}

/// Whether a run has taken all its steps, by the configuration that is asked for. If it has another
/// one, `pyroclast train --resume` says so.
fn is_finished(out: &Path, source: &str, assignments: &[String]) -> bool {
    let Ok(run) = Run::open(out) else {
        return false;
    };
    let Ok(Some(config)) = Config::of_run(&run) else {
        return false;
    };
    let asked = match is_data(source) {
        // The preset was chosen by the data, and what is asked for is set beside it.
        true => Config::parse(&config.to_toml(), source, assignments).map(|mut asked| {
            asked.data.name = source.to_owned();
            asked
        }),
        false => Config::load(source, assignments),
    };
    let is_asked_for = asked.is_ok_and(|mut asked| absolute(&mut asked).is_ok() && asked == config);
    let steps = config.training.steps;
    is_asked_for && Latest::read(run).is_ok_and(|latest| latest.header().about.step == steps)
}

fn itself() -> Result<Command> {
    let path = std::env::current_exe().context("the program cannot find itself")?;
    Ok(Command::new(path))
}

fn finish(command: &mut Command, out: &Path) -> Result<()> {
    let status = command
        .status()
        .context("cannot start a run of the sweep")?;
    if status.success() {
        return Ok(());
    }
    if status.code() == Some(2) {
        bail!(Usage(format!(
            "{} was not trained, see above",
            out.display()
        )));
    }
    let code = status
        .code()
        .map_or("a signal".to_owned(), |code| format!("code {code}"));
    bail!(
        "the run in {} ended with {code}; run the same command again to go on",
        out.display()
    )
}

/// The mean of values, and half of its 95 % interval if there are two or more.
fn interval(values: &[f64]) -> (f64, Option<f64>) {
    let Spread { mean, interval, .. } = Spread::of(values);
    (mean, interval.map(|interval| interval.high - mean))
}

/// Whether a score tells runs apart: costs and floors are in the JSON.
fn is_shown(name: &str) -> bool {
    !matches!(name, "evaluations" | "seconds") && !name.ends_with("_floor")
}

fn print(table: &[(Point, BTreeMap<String, Vec<f64>>)]) {
    let all = table.iter().flat_map(|(_, scores)| scores.keys());
    let mut names: Vec<&String> = all.filter(|name| is_shown(name)).collect();
    names.sort();
    names.dedup();
    let label = |point: &Point| {
        if point.is_empty() {
            "(as it is)".to_owned()
        } else {
            point.join(" ")
        }
    };
    let width = table
        .iter()
        .map(|(point, _)| label(point).chars().count())
        .max()
        .unwrap_or(0);
    let heads: Vec<String> = names.iter().map(|name| format!("{name:>20}")).collect();
    say!("{:width$}{}", "", heads.concat());
    for (point, scores) in table {
        let cells = names.iter().map(|name| {
            let Some(values) = scores.get(*name) else {
                return format!("{:>20}", "");
            };
            let text = match interval(values) {
                (mean, Some(half)) => format!("{mean:.4} ± {half:.4}"),
                (mean, None) => format!("{mean:.4}"),
            };
            format!("{text:>20}")
        });
        say!("{:width$}{}", label(point), cells.collect::<String>());
    }
    if table
        .iter()
        .flat_map(|(_, scores)| scores.values())
        .any(|values| values.len() > 1)
    {
        say!("means and 95 % intervals over the seeds");
    }
}

fn as_json(table: &[(Point, BTreeMap<String, Vec<f64>>)]) -> Value {
    let rows = table.iter().map(|(point, scores)| {
        let scores: Map<String, Value> = (scores.iter())
            .map(|(name, values)| {
                let (mean, half) = interval(values);
                (
                    name.clone(),
                    json!({ "mean": mean, "interval": half, "values": values }),
                )
            })
            .collect();
        json!({ "set": point, "scores": scores })
    });
    json!({ "rows": rows.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_holds_every_combination() {
        let sets = [
            "training.batch=8,16".to_owned(),
            "network.multipliers=[1,2],[1]".to_owned(),
        ];
        let points = grid(&sets).expect("two keys");
        assert_eq!(points.len(), 4);
        assert_eq!(points[1], ["training.batch=8", "network.multipliers=[1]"]);
        assert_eq!(grid(&[]).expect("no key"), [Point::new()]);
        assert!(grid(&["batch".to_owned()]).is_err());
        assert_eq!(split(r#""a,b",c"#), [r#""a,b""#, "c"]);
    }

    #[test]
    fn intervals_are_given_by_their_halves() {
        // Two values 1 apart: s = 1/√2, s/√2 = 1/2, and t = 12.7062.
        let (mean, half) = interval(&[1.0, 2.0]);
        assert_eq!(mean, 1.5);
        assert!((half.expect("two values") - 6.353_102_368_087_35).abs() < 1e-9);
        assert_eq!(interval(&[3.0]), (3.0, None));
    }
}
