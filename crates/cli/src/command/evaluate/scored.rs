//! The scores of a model, in a table or as JSON.

use super::Subject;
use crate::say::{around, fixed, say};
use pyroclast_metrics::evaluate::{Named, Protocol, Scores, spreads};
use pyroclast_metrics::{ColumnScore, FEATURE_METRICS, Spread};
use pyroclast_train::draw::{GridName, Plan, Stepping};
use serde_json::{Map, Value, json};

/// A model with its scores.
pub(super) struct Scored<'a> {
    pub(super) subject: Subject<'a>,
    /// One for each repetition.
    pub(super) scores: Vec<Scores>,
    /// The network behind the scores of features.
    pub(super) features: Option<String>,
}

fn steps(plan: &Plan) -> String {
    match plan.stepping {
        Stepping::Fixed(_, GridName::Given(ref times)) => {
            format!("{} at {} given times", plan.method, times.len())
        }
        Stepping::Fixed(steps, _) => format!("{} {steps} steps", plan.method),
        Stepping::Adaptive(t) => format!("{} rtol {:e} atol {:e}", plan.method, t.rtol, t.atol),
    }
}

impl Scored<'_> {
    /// How the samples were drawn, and how often.
    pub(super) fn about(&self) -> String {
        let Protocol { n, plan, .. } = &self.subject.protocol;
        let seeds = self.scores.len();
        format!(
            "{n} samples against {n} data points, {}, weights {}, {seeds} seed{}",
            steps(plan),
            self.subject.stored.weights(),
            if seeds == 1 { "" } else { "s" }
        )
    }

    pub(super) fn print(&self) {
        let Self {
            subject, scores, ..
        } = self;
        let task = &subject.task;
        say!("{}: {}", task.training.name, self.about());
        for Named { key, name, value } in spreads(scores) {
            let Some(value) = value else {
                match key {
                    // Printed once for all metrics of features.
                    key if key == FEATURE_METRICS[0].key => {
                        let remedy = "see --features and --inception";
                        say!("{name:<28} not available without a classifier; {remedy}");
                    }
                    "nll" => match (task.training.table.as_ref()).and_then(|t| t.without_density())
                    {
                        Some(column) => say!(
                            "{name:<28} not available: column {:?} holds no real numbers",
                            column.name
                        ),
                        None => say!("{name:<28} not available, or not asked for"),
                    },
                    "npe" | "straightness" => say!("{name:<28} not available for this method"),
                    _ => {}
                }
                continue;
            };
            let std = value
                .std
                .map_or_else(String::new, |std| format!(", std {}", fixed(std, 4)));
            say!(
                "{name:<28} {:>10}{}{std}",
                fixed(value.mean, 4),
                interval(&value)
            );
        }
        for (column, [score, floor]) in columns(scores) {
            let name = format!("{} of {:?}", column.distance.name(), column.name);
            say!(
                "{name:<28} {:>10.4}, of a perfect sampler {:.4}",
                score.mean,
                floor.mean
            );
        }
        match scores.len() {
            1 => say!("±, or from … to …: 95 % intervals of one seed, from subsets or of shares"),
            n => say!("±: 95 % intervals of the means over {n} seeds; std: standard deviations"),
        }
        if let Some(features) = &self.features {
            say!("features: {features}");
        }
    }

    pub(super) fn as_json(&self) -> Map<String, Value> {
        let (subject, scores) = (&self.subject, &self.scores);
        let mut object = Map::new();
        object.insert("n".into(), json!(subject.protocol.n));
        object.insert("seeds".into(), json!(scores.len()));
        object.insert("method".into(), json!(subject.protocol.plan.method.name));
        object.insert("weights".into(), json!(subject.stored.weights()));
        object.insert("precision".into(), json!(subject.precision));
        if let Some(features) = &self.features {
            object.insert("features".into(), json!(features));
        }
        object.extend(by_key(spreads(scores)));
        let columns: Vec<Value> = (columns(scores).iter())
            .map(|(column, [score, floor])| {
                json!({
                    "name": column.name,
                    "distance": column.distance.key(),
                    "mean": score.mean,
                    "std": score.std,
                    "floor": floor.mean,
                })
            })
            .collect();
        if !columns.is_empty() {
            object.insert("columns".into(), Value::Array(columns));
        }
        object
    }
}

/// The interval of a score, after a space; nothing if it has none.
pub(super) fn interval(spread: &Spread) -> String {
    let interval = spread.interval;
    interval.map_or_else(String::new, |interval| {
        format!(" {}", around(spread.mean, interval, 4))
    })
}

/// Scores as JSON, by key.
pub(super) fn by_key(scores: Vec<Named<Spread>>) -> impl Iterator<Item = (String, Value)> {
    scores.into_iter().map(|Named { key, value, .. }| {
        let value = value.map(|value| {
            json!({
                "mean": value.mean,
                "std": value.std,
                "low": value.interval.map(|interval| interval.low),
                "high": value.interval.map(|interval| interval.high),
            })
        });
        (key.to_owned(), value.unwrap_or(Value::Null))
    })
}

/// Each column of a table, with the spread of its score and of that of a perfect sampler.
fn columns(scores: &[Scores]) -> Vec<(&ColumnScore, [Spread; 2])> {
    let tables: Vec<_> = scores.iter().filter_map(|s| s.table.as_ref()).collect();
    let Some(first) = tables.first() else {
        return Vec::new();
    };
    let spread = |i: usize, of: fn(&ColumnScore) -> f64| {
        let values: Vec<f64> = tables.iter().map(|table| of(&table.columns[i])).collect();
        Spread::of(&values)
    };
    (first.columns.iter().enumerate())
        .map(|(i, column)| (column, [spread(i, |c| c.score), spread(i, |c| c.floor)]))
        .collect()
}
