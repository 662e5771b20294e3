//! Two models of the same data, and how their scores differ.

use super::Subject;
use super::scored::{Scored, by_key, interval};
use crate::Usage;
use crate::say::{fixed, say};
use anyhow::{Result, bail};
use pyroclast_metrics::Spread;
use pyroclast_metrics::evaluate::{Named, differences, spreads};
use pyroclast_train::model_file::DataInfo;
use serde_json::{Map, Value, json};

/// Refuses models of different data, whose scores have nothing in common.
pub(super) fn check_same_data(ours: &Subject, theirs: &Subject) -> Result<()> {
    let [one, other] = [ours, theirs].map(|subject| subject.task.info());
    let differs = if one.shape != other.shape || one.digest != other.digest {
        "data"
    } else if one.scaling != other.scaling {
        "scalings of the data"
    } else {
        return Ok(());
    };
    let about = |subject: &Subject, data: &DataInfo| {
        let shape = &data.shape;
        format!("{} of {}, {shape:?}", subject.path.display(), data.name)
    };
    bail!(Usage(format!(
        "--against compares models of different {differs}: {}, and {}; give two of the same",
        about(ours, &one),
        about(theirs, &other)
    )))
}

/// Prints the scores that two models both have, and how they differ.
pub(super) fn print_differences(ours: &Scored, theirs: &Scored) {
    say!("{}", ours.subject.task.training.name);
    let models = [("A", ours), ("B", theirs)];
    for (letter, model) in models {
        say!(
            "{letter} {}: {}",
            model.subject.path.display(),
            model.about()
        );
    }
    say!("{:<28} {:>10} {:>10} {:>10}", "", "A", "B", "A − B");
    let [ours_by_name, theirs_by_name] = [ours, theirs].map(|model| spreads(&model.scores));
    for difference in differences(&ours.scores, &theirs.scores) {
        let Named { key, name, value } = difference;
        let Some(value) = value else { continue };
        let mean = |of: &[Named<Spread>]| {
            let found = of.iter().find(|score| score.key == key);
            let spread = found.and_then(|score| score.value.as_ref());
            fixed(spread.map_or(f64::NAN, |spread| spread.mean), 4)
        };
        let scores = [mean(&ours_by_name), mean(&theirs_by_name)];
        // Of what is told of the data alone, such as the score of a perfect sampler.
        let difference = match value.mean == 0.0 && value.std.unwrap_or(0.0) == 0.0 {
            true => String::new(),
            false => format!(" {:>10}{}", fixed(value.mean, 4), interval(&value)),
        };
        say!("{name:<28} {:>10} {:>10}{difference}", scores[0], scores[1]);
    }
    match ours.scores.len() {
        1 => say!("of one seed a difference has no interval; ask for more with --seeds 5"),
        n => say!("±: 95 % intervals of the differences over {n} seeds, of equal noise and data"),
    }
    if let Some(features) = &ours.features {
        say!("features: {features}");
    }
}

/// The scores of one model as JSON, with those of the other and the differences.
pub(super) fn differences_as_json(ours: &Scored, theirs: &Scored) -> Map<String, Value> {
    let mut against = theirs.as_json();
    against.insert("model".into(), json!(theirs.subject.path));
    let differences = by_key(differences(&ours.scores, &theirs.scores)).collect();
    let mut object = ours.as_json();
    object.insert("against".into(), Value::Object(against));
    object.insert("differences".into(), Value::Object(differences));
    object
}
