//! The columns of a table: what they hold, found by inspection or told.
//!
//! A column of numbers is one value of a sample, a column of K words K values, of which one is 1
//! and the others are 0.

use crate::dataset::Logarithm;
use crate::dataset::error::shown;
use pyroclast_core::named;
use pyroclast_core::named::{Kind, Setting};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The fewest numbers whose tails can be judged.
const FEWEST: usize = 100;
/// The distance between an outer percentile and the median, in units of the distance between the
/// quartiles, beyond which a tail is heavy: 1.7 for a normal distribution, 3.6 for an exponential
/// one, 6.4 for exp(N(0, 1)).
const HEAVY: f64 = 5.0;
/// Beyond this, double precision does not hold every integer.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

named! {
    /// How a column is learned.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum ColumnKind as "kind of column" {
        /// Numbers of any kind, standardised.
        "continuous" => Continuous,
        /// Numbers with heavy tails, such as incomes: standardised after a logarithm.
        "heavy-tailed" => HeavyTailed,
        /// Whole numbers: samples are rounded, and clamped to the range of the data.
        "integer" => Integer,
        /// Words, or numbers that are names: one value per word.
        "category" => Category,
        /// Not learned.
        "drop" => Drop,
    }
}

/// The kinds of columns by the names of the columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnKinds(pub BTreeMap<String, ColumnKind>);

impl Setting for ColumnKinds {
    fn kind() -> Kind {
        Kind::List(Box::new(ColumnKind::kind()))
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Content,
    /// Whether its cells may be empty: one more value of a sample is then 1 for an empty cell, and
    /// 0 for others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_empty: bool,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Content {
    /// Numbers.
    Numbers {
        /// For numbers with heavy tails, the centre and the unit of their [`Logarithm`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logarithm: Option<(f64, f64)>,
        /// For whole numbers, the least and the largest of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        whole: Option<(f64, f64)>,
    },
    /// These words, in order.
    Words(Vec<String>),
    /// The same in every row: the text, and its number (0 for a word).
    Constant(String, f64),
}

impl Column {
    /// The number of values of a sample that it takes.
    pub fn width(&self) -> usize {
        let own = match &self.content {
            Content::Words(words) => words.len(),
            _ => 1,
        };
        own + usize::from(self.may_be_empty)
    }

    /// The names of its values.
    pub(super) fn names(&self) -> Vec<String> {
        let name = &self.name;
        let mut names = match &self.content {
            Content::Words(words) => words.iter().map(|word| format!("{name}={word}")).collect(),
            _ => vec![name.clone()],
        };
        names.extend(self.may_be_empty.then(|| format!("{name} is empty")));
        names
    }

    /// Whether a density of its values has a meaning: those of whole numbers, words, empty cells
    /// and constants lie on points.
    pub fn has_density(&self) -> bool {
        !self.may_be_empty && matches!(&self.content, Content::Numbers { whole: None, .. })
    }

    /// The places of its values that are 0 or 1, from 0.
    pub(super) fn indicators(&self) -> std::ops::Range<usize> {
        match &self.content {
            Content::Words(_) => 0..self.width(),
            _ => 1..self.width(),
        }
    }

    pub(super) fn logarithm(&self, at: usize) -> Option<Logarithm> {
        match self.content {
            Content::Numbers {
                logarithm: Some((centre, unit)),
                ..
            } => Some(Logarithm { at, centre, unit }),
            _ => None,
        }
    }

    /// Moves values, as a model makes them, to the nearest that a cell can hold.
    pub(super) fn snap(&self, values: &mut [f64]) {
        match &self.content {
            Content::Numbers { whole, .. } => {
                if let &Some((low, high)) = whole {
                    // Adding 0 makes -0 plain.
                    values[0] = values[0].round().max(low).min(high) + 0.0;
                }
            }
            Content::Words(words) => {
                let largest = largest(&values[..words.len()]);
                for (k, value) in values[..words.len()].iter_mut().enumerate() {
                    *value = f64::from(u8::from(k == largest));
                }
            }
            Content::Constant(_, number) => values[0] = *number,
        }
        if self.may_be_empty {
            let last = self.width() - 1;
            values[last] = f64::from(u8::from(values[last] > 0.5));
        }
    }

    /// The text of the cell with these values.
    pub(super) fn cell(&self, values: &[f64]) -> String {
        let mut values = values.to_vec();
        self.snap(&mut values);
        if self.may_be_empty && values[self.width() - 1] == 1.0 {
            return String::new();
        }
        match &self.content {
            Content::Numbers { .. } => values[0].to_string(),
            Content::Words(words) => words[largest(&values[..words.len()])].clone(),
            Content::Constant(text, _) => text.clone(),
        }
    }

    /// Whether nothing in it contradicts itself. One read from a file may have been edited.
    pub(super) fn is_valid(&self) -> bool {
        match &self.content {
            &Content::Numbers { logarithm, whole } => {
                logarithm.is_none_or(|(centre, unit)| {
                    centre.is_finite() && unit.is_finite() && unit > 0.0
                }) && whole.is_none_or(|(low, high)| low <= high)
            }
            Content::Words(words) => !words.is_empty(),
            Content::Constant(_, number) => number.is_finite(),
        }
    }
}

/// The place of the largest value, the first of several.
fn largest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, k| if values[k] > values[best] { k } else { best })
}

/// What a column of numbers holds, by inspection unless a kind is given. The texts of the cells
/// tell whole numbers from measurements such as `2.0`.
pub(super) fn numbers(
    numbers: &[f64],
    text: &str,
    texts_are_whole: bool,
    kind: Option<ColumnKind>,
) -> Content {
    let first = numbers.first().copied().unwrap_or(0.0);
    if kind.is_none() && numbers.iter().all(|&x| x == first) {
        return Content::Constant(text.to_owned(), first);
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    let are_whole = (sorted.iter()).all(|x| x.fract() == 0.0 && x.abs() < LARGEST_INTEGER);
    let whole = match kind {
        Some(ColumnKind::Continuous) => None,
        Some(ColumnKind::Integer) => Some((low.round(), high.round())),
        _ => (are_whole && texts_are_whole).then_some((low, high)),
    };
    let logarithm = match kind {
        None if is_heavy(&sorted) => Some(logarithm(&sorted)),
        Some(ColumnKind::HeavyTailed) => Some(logarithm(&sorted)),
        _ => None,
    };
    Content::Numbers { logarithm, whole }
}

/// The number below which a share of sorted numbers lies.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn is_heavy(sorted: &[f64]) -> bool {
    let at = |share| quantile(sorted, share);
    let tail = (at(0.99) - at(0.5)).max(at(0.5) - at(0.01));
    sorted.len() >= FEWEST && at(0.75) > at(0.25) && tail > HEAVY * (at(0.75) - at(0.25))
}

/// The centre and unit of a logarithm: 0 and the median for numbers of at least 0, otherwise the
/// median and half the distance between the quartiles.
fn logarithm(sorted: &[f64]) -> (f64, f64) {
    let at = |share| quantile(sorted, share);
    let (centre, unit) = if sorted[0] >= 0.0 {
        (0.0, at(0.5))
    } else {
        (at(0.5), (at(0.75) - at(0.25)) / 2.0)
    };
    let far = (sorted.iter()).fold(0.0_f64, |far, x| far.max((x - centre).abs()));
    let usable = |unit: f64| unit.is_normal() && unit > 0.0;
    let units = [unit, far, 1.0];
    (
        centre,
        units.into_iter().find(|&u| usable(u)).unwrap_or(1.0),
    )
}

impl fmt::Display for Column {
    /// `income: heavy-tailed, ln(1 + |x|/31200)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        write!(f, "{}: ", shown(self.name.as_bytes()))?;
        match &self.content {
            Content::Numbers { logarithm, whole } => {
                f.write_str(match (logarithm, whole) {
                    (Some(_), _) => "heavy-tailed",
                    (None, Some(_)) => "integer",
                    (None, None) => "continuous",
                })?;
                match logarithm {
                    Some((0.0, unit)) => write!(f, ", ln(1 + |x|/{unit})")?,
                    Some((c, unit)) => write!(f, ", ±ln(1 + |x - {c}|/{unit})")?,
                    None => {}
                }
                if let Some((low, high)) = whole {
                    write!(f, ", whole numbers from {low} to {high}")?;
                }
            }
            Content::Words(words) => {
                let first: Vec<String> = (words.iter().take(SHOWN))
                    .map(|word| {
                        if word.is_empty() {
                            "(empty)".to_owned()
                        } else {
                            shown(word.as_bytes())
                        }
                    })
                    .collect();
                write!(f, "{} categories: {}", words.len(), first.join(", "))?;
                if words.len() > SHOWN {
                    write!(f, " and {} more", words.len() - SHOWN)?;
                }
            }
            Content::Constant(text, _) => {
                write!(f, "always {}", shown(text.as_bytes()))?;
            }
        }
        if self.may_be_empty {
            f.write_str(", may be empty")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    fn found(values: &[f64]) -> Content {
        numbers(values, "", true, None)
    }

    #[test]
    fn tails_and_whole_numbers_are_told_from_the_numbers() {
        let normal: Vec<f64> = (Noise::new(3).draws(Stream::Data, 0).normals(2000).iter())
            .map(|&x| f64::from(x))
            .collect();
        let plain = Content::Numbers {
            logarithm: None,
            whole: None,
        };
        assert_eq!(found(&normal), plain);
        let incomes: Vec<f64> = normal.iter().map(|x| 3e4 * (1.2 * x).exp()).collect();
        let Content::Numbers {
            logarithm: Some((centre, unit)),
            whole: None,
        } = found(&incomes)
        else {
            panic!("incomes have a heavy tail");
        };
        assert!(centre == 0.0 && (2.5e4..3.5e4).contains(&unit), "{unit}");
        let cubes: Vec<f64> = normal.iter().map(|x| x.powi(3)).collect();
        assert!(
            matches!(found(&cubes), Content::Numbers { logarithm: Some((c, _)), .. } if c != 0.0)
        );
        let counts: Vec<f64> = normal.iter().map(|x| (3.0 * x).round() + 20.0).collect();
        assert!(matches!(
            found(&counts),
            Content::Numbers { logarithm: None, whole: Some((low, high)) } if low < high
        ));
        assert_eq!(
            numbers(&counts, "", true, Some(ColumnKind::Continuous)),
            plain
        );
        assert_eq!(
            numbers(&[3.0; 4], "3.0", false, None),
            Content::Constant("3.0".to_owned(), 3.0)
        );
    }

    #[test]
    fn values_go_to_the_nearest_cell() {
        let column = |content, may_be_empty| Column {
            name: "x".to_owned(),
            content,
            may_be_empty,
        };
        let counts = Content::Numbers {
            logarithm: None,
            whole: Some((0.0, 9.0)),
        };
        let counts = column(counts, true);
        for (values, cell) in [
            ([3.4, 0.2], "3"),
            ([-0.4, -1.0], "0"),
            ([11.0, 0.5], "9"),
            ([4.0, 0.51], ""),
        ] {
            assert_eq!(counts.cell(&values), cell);
        }
        let words = column(Content::Words(vec!["a".into(), "b, c".into()]), false);
        assert_eq!(words.cell(&[0.3, 0.4]), "b, c");
        assert_eq!(words.cell(&[0.3, -4.0]), "a");
        assert_eq!(words.names(), ["x=a", "x=b, c"]);
        assert!(!words.has_density() && !counts.has_density());
    }
}
