//! `pyroclast data`: shows what data holds, and converts it.

use crate::Usage;
use crate::args::{Data, DataCommand, DataConvert, DataInspect};
use crate::export::{check_file, check_picture, class_name, save_png};
use crate::loading::{check_table, one_source, with_progress};
use crate::say::{quoted, say};
use anyhow::{Context, Result, bail};
use pyroclast_core::noise::Noise;
use pyroclast_data::{DataError, PictureSet, holds_pictures, recognise, write_zip};
use pyroclast_plot::sheet;
use pyroclast_train::config::{Config, suitable};
use pyroclast_train::dataset::{DataSource, Dataset};
use pyroclast_train::numbered::Claimed;
use pyroclast_train::task::Task;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The number of pictures of a contact sheet, and of them in a row.
const SHEET: usize = 100;
const COLUMNS: usize = 10;
/// The number of classes, columns and skipped pictures that are printed.
const SHOWN: usize = 12;

pub(crate) fn run(arguments: Data) -> Result<ExitCode> {
    match arguments.command {
        DataCommand::Inspect(mut arguments) => {
            arguments.what = one_source(arguments.what, &arguments.more)?;
            inspect(&arguments)
        }
        DataCommand::Convert(mut arguments) => {
            arguments.what = one_source(arguments.what, &arguments.more)?;
            convert(&arguments)
        }
    }
}

fn source(what: &str, size: Option<u32>, skip_broken: bool, set: &[String]) -> Result<DataSource> {
    let mut assignments = set.to_vec();
    assignments.extend(size.map(|n| format!("data.resolution={n}")));
    assignments.extend(skip_broken.then(|| "data.skip-broken=true".to_owned()));
    if let Some(other) = assignments.iter().find(|text| !text.starts_with("data.")) {
        bail!(Usage(format!(
            "--set {} is no key of [data]; give one such as data.filter=box",
            quoted(other)
        )));
    }
    Ok(Config::data_at(what, &assignments)?)
}

/// The set of pictures that a source names; none if it names other data.
fn pictures(source: &DataSource) -> Result<Option<PictureSet>> {
    let path = Path::new(&source.name);
    if !holds_pictures(path, recognise(path)?)? {
        return Ok(None);
    }
    let open = with_progress(|loading| {
        let (options, progress) = (source.options(), loading.progress);
        Ok(PictureSet::open(path, &options, &loading.cache, progress)?)
    });
    open.map(Some)
}

fn inspect(arguments: &DataInspect) -> Result<ExitCode> {
    let what = &arguments.what;
    let label = arguments.label.iter();
    let label = label.map(|label| format!("data.label={label:?}"));
    let set: Vec<String> = arguments.set.iter().cloned().chain(label).collect();
    let source = source(what, arguments.size, arguments.skip_broken, &set)?;
    if let Some(out) = &arguments.out {
        check_picture(out)?;
    }
    let set = if source.is_path() {
        pictures(&source)?
    } else {
        None
    };
    let task = with_progress(|loading| Ok(Task::load_by(&source, Noise::new(0), loading)?))?;
    check_table(&source, &task)?;
    let mut facts = facts(&task.clone().in_the_units_of_the_data());
    if let Some(set) = &set {
        let duplicates = set
            .duplicates()
            .with_context(|| format!("cannot read {what}"))?;
        facts.insert("duplicates".to_owned(), json!(duplicates.len()));
        facts.insert("held-out".to_owned(), json!(set.held_out));
        facts.insert("skipped".to_owned(), json!(set.skipped));
    }
    let mut command = vec![format!("pyroclast train {}", quoted(what))];
    command.extend(arguments.size.map(|n| format!("--size {n}")));
    command.extend(arguments.skip_broken.then(|| "--skip-broken".to_owned()));
    let label = arguments.label.iter();
    command.extend(label.map(|label| format!("--label {}", quoted(label))));
    let set = arguments.set.iter();
    command.extend(set.map(|set| format!("--set {}", quoted(set))));
    let command = command.join(" ");
    let preset = if source.is_path() {
        suitable(&task.training.shape)
    } else {
        what
    };
    facts.insert("preset".to_owned(), json!(preset));
    facts.insert("command".to_owned(), json!(command));
    let sheet = contact_sheet(&task, what, arguments.out.as_deref())?;
    facts.insert("sheet".to_owned(), json!(sheet));
    if arguments.json {
        say!("{}", Value::Object(facts));
    } else {
        print(&facts, &task.training);
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is to say of any data.
fn facts(task: &Task) -> serde_json::Map<String, Value> {
    let (training, held) = (&task.training, &task.validation);
    let mut counts = vec![0_usize; training.classes()];
    for part in [training, held] {
        for &label in part.labels().into_iter().flatten() {
            counts[label as usize] += 1;
        }
    }
    let classes: Vec<Value> = (counts.iter().enumerate())
        .map(|(class, count)| json!({ "name": class_name(training, class as u32), "count": count }))
        .collect();
    let facts = json!({
        "name": training.name,
        "count": training.len() + held.len(),
        "shape": training.shape,
        "classes": classes,
    });
    let Value::Object(mut facts) = facts else {
        unreachable!("an object was written")
    };
    if training.is_image() {
        let rows = training.len().min(10_000);
        // Picture by picture: together they may not fit into memory.
        let range = (0..rows).fold((f32::INFINITY, f32::NEG_INFINITY), |range, row| {
            let pixels = training.row(row);
            (pixels.iter()).fold(range, |(low, high), &x| (low.min(x), high.max(x)))
        });
        let (low, high) = range;
        facts.insert("range".to_owned(), json!([low, high]));
    } else {
        let (dim, parts) = (training.dim(), [training.reals(), held.reals()]);
        let columns = (0..dim).map(|column| {
            let of = || {
                let all = parts
                    .iter()
                    .flat_map(|part| part.iter().skip(column).step_by(dim));
                all.copied()
            };
            let (low, high) = of().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
                (a.min(x), b.max(x))
            });
            let n = of().count().max(1) as f64;
            let mean = of().sum::<f64>() / n;
            let variance = of().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let [low, high] = [low, high].map(|x| rounded_beside(x, low.abs().max(high.abs())));
            let name = training.columns.get(column).cloned();
            json!({
                "name": name.unwrap_or_else(|| format!("x{column}")),
                "range": [low, high],
                "mean": mean,
                "std": variance.sqrt(),
            })
        });
        facts.insert("columns".to_owned(), columns.collect());
        if let Some(table) = &training.table {
            let kinds: Vec<String> = table.to_string().lines().map(str::to_owned).collect();
            facts.insert("kinds".to_owned(), json!(kinds));
        }
    }
    facts
}

/// A number with the digits that single precision has beside the largest of its column: values were
/// brought to the model's scale and back.
fn rounded_beside(x: f64, largest: f64) -> f64 {
    if !(largest > 0.0 && largest.is_finite()) {
        return x;
    }
    let digits = 6 - largest.log10().floor() as i32;
    let text = format!("{x:.*}", digits.clamp(0, 300) as usize);
    // Zero has no sign.
    text.parse().unwrap_or(x) + 0.0
}

/// A sheet of pictures, spread evenly over the data; nothing for other data.
fn contact_sheet(task: &Task, what: &str, out: Option<&Path>) -> Result<Option<PathBuf>> {
    let dataset = &task.training;
    let [channels, height, width] = dataset.shape[..] else {
        return Ok(None);
    };
    // Rows of one class each, or pictures spread over all.
    let labels = dataset.labels().unwrap_or_default();
    let classes = dataset.classes();
    let shown = classes.min(SHEET / COLUMNS);
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for k in 0..shown {
        let class = (k * classes / shown) as u32;
        let of: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        if of.len() >= COLUMNS {
            rows.extend((0..COLUMNS).map(|i| of[i * of.len() / COLUMNS]));
            names.push(class_name(dataset, class));
        }
    }
    if rows.is_empty() {
        let n = dataset.len().min(SHEET);
        rows = (0..n).map(|i| i * dataset.len() / n).collect();
    }
    let values = dataset.gather(&rows);
    let title = format!(
        "{}: {} pictures",
        dataset.name,
        dataset.len() + task.validation.len()
    );
    let picture = sheet(&values, [channels, height, width], COLUMNS, &title, &names);
    if let Some(out) = out {
        save_png(out, &picture)?;
        return Ok(Some(out.to_owned()));
    }
    let name = Path::new(what).file_stem().unwrap_or(what.as_ref());
    let base = PathBuf::from(format!("{}-sheet", name.to_string_lossy()));
    let claimed = Claimed::new(&base, ".png")
        .with_context(|| format!("cannot write {}.png", base.display()))?;
    save_png(claimed.path(), &picture)?;
    Ok(Some(claimed.path().to_owned()))
}

fn print(facts: &serde_json::Map<String, Value>, dataset: &Dataset) {
    let text = |key: &str| facts[key].as_str().unwrap_or_default().to_owned();
    let count = facts["count"].as_u64().unwrap_or_default();
    let line = |name: &str, text: String| say!("{name:<12}{text}");
    line("name", text("name"));
    match dataset.shape[..] {
        [channels, height, width] => {
            let colour = match channels {
                1 => "grey",
                3 => "RGB",
                _ => "of several channels",
            };
            line("pictures", format!("{count}, {width}×{height}, {colour}"));
            let bound = |i: usize| facts["range"][i].as_f64().unwrap_or_default();
            let rounded = |x: f64| (x * 1e4).round() / 1e4;
            line(
                "values",
                format!("{} to {}", rounded(bound(0)), rounded(bound(1))),
            );
        }
        _ => match dataset.dim() {
            1 => line("rows", format!("{count}, 1 column")),
            columns => line("rows", format!("{count}, {columns} columns")),
        },
    }
    let classes = facts["classes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if !classes.is_empty() {
        let shown = classes.iter().take(SHOWN).map(|class| {
            format!(
                "{} ({})",
                class["name"].as_str().unwrap_or_default(),
                class["count"]
            )
        });
        let more = classes.len().saturating_sub(SHOWN);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let shown = shown.collect::<Vec<_>>().join(", ");
        line("classes", format!("{}: {shown}{more}", classes.len()));
    }
    let columns = facts.get("columns").and_then(Value::as_array);
    let columns = columns.map(Vec::as_slice).unwrap_or_default();
    for column in columns.iter().take(SHOWN) {
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        line(
            "column",
            format!(
                "{}: {:.4} ± {:.4}, from {} to {}",
                column["name"].as_str().unwrap_or_default(),
                number(&column["mean"]),
                number(&column["std"]),
                column["range"][0],
                column["range"][1]
            ),
        );
    }
    if columns.len() > SHOWN {
        let more = columns.len() - SHOWN;
        line("", format!("and {more} more, which --json lists"));
    }
    let kinds = facts.get("kinds").and_then(Value::as_array);
    for kind in kinds.into_iter().flatten() {
        line("kind", kind.as_str().unwrap_or_default().to_owned());
    }
    let number = |key: &str| facts.get(key).and_then(Value::as_u64).unwrap_or_default();
    if number("held-out") > 0 {
        line(
            "held out",
            format!("{} in a folder or file of their own", number("held-out")),
        );
    }
    if number("duplicates") > 0 {
        line(
            "duplicates",
            format!("{} equal an earlier picture", number("duplicates")),
        );
    }
    let skipped = facts.get("skipped").and_then(Value::as_array);
    for skipped in skipped.into_iter().flatten().take(SHOWN) {
        let part = |key: &str| skipped[key].as_str().unwrap_or_default().to_owned();
        line("skipped", format!("{} ({})", part("name"), part("reason")));
    }
    if let Some(sheet) = facts["sheet"].as_str() {
        line("sheet", sheet.to_owned());
    }
    line("preset", text("preset"));
    line("train with", text("command"));
}

fn convert(arguments: &DataConvert) -> Result<ExitCode> {
    let out = arguments.out.as_path();
    if out.extension().is_none_or(|end| end != "zip") {
        bail!(Usage(format!(
            "--out {} does not end in .zip, the format of converted pictures",
            out.display()
        )));
    }
    check_file(out)?;
    let what = &arguments.what;
    let source = source(what, arguments.size, arguments.skip_broken, &arguments.set)?;
    let Some(set) = pictures(&source)? else {
        bail!(DataError::NoPictures { path: what.into() });
    };
    with_progress(|loading| Ok(write_zip(&set, out, loading.progress)?))?;
    if arguments.json {
        say!("{}", json!({ "count": set.len(), "file": out }));
    } else {
        say!("{} pictures: {}", set.len(), out.display());
    }
    Ok(ExitCode::SUCCESS)
}
