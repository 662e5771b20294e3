//! Conditions of samples from a file beside them: vectors, sequences or images.
//!
//! `(x1_i, c_i)`: row i of the file is the condition of sample i, unless its first column names the
//! files of the samples
//!
//! Columns of vectors are standardised, and images go to [-1, 1], as the data they stand beside;
//! sequences are embeddings that another network has made, and stay as they are.

mod names;
mod read;

use super::error::shown;
use super::{DataSource, Dataset, DatasetError, Scaling};
use pyroclast_core::condition::Given;
use pyroclast_core::noise::Noise;
use pyroclast_data::PictureSet;
use read::Rows;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// A kind of condition beside the class, and the size of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionKind {
    /// A vector, such as attributes.
    Vectors {
        /// Its numbers.
        width: usize,
    },
    /// A sequence of vectors to attend to, such as encoded text.
    Sequences {
        /// The most tokens.
        tokens: usize,
        /// The numbers in each.
        width: usize,
    },
    /// An image beside the state, such as a low resolution.
    Images {
        /// Its channels.
        channels: usize,
        /// Its height.
        height: usize,
        /// Its width.
        width: usize,
    },
}

/// `vectors of 3 numbers`.
impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vectors { width: 1 } => write!(f, "vectors of 1 number"),
            Self::Vectors { width } => write!(f, "vectors of {width} numbers"),
            Self::Sequences { tokens, width } => {
                write!(f, "sequences of {tokens} tokens of {width} numbers")
            }
            Self::Images {
                channels,
                height,
                width,
            } => write!(f, "images of shape [{channels}, {height}, {width}]"),
        }
    }
}

impl ConditionKind {
    /// The kind of the conditions of some samples; none if they have at most classes.
    pub fn of(given: &Given) -> Option<Self> {
        let vectors = given.vectors.as_ref();
        let vectors = vectors.map(|rows| Self::Vectors {
            width: rows.width(),
        });
        let sequences = given.sequences.as_ref().map(|rows| {
            let [tokens, width] = rows.shape();
            Self::Sequences { tokens, width }
        });
        let images = given.images.as_ref().map(|rows| {
            let [channels, height, width] = rows.shape();
            Self::Images {
                channels,
                height,
                width,
            }
        });
        vectors.or(sequences).or(images)
    }

    /// The shape of the condition of one sample.
    pub fn shape(&self) -> Vec<usize> {
        match *self {
            Self::Vectors { width } => vec![width],
            Self::Sequences { tokens, width } => vec![tokens, width],
            Self::Images {
                channels,
                height,
                width,
            } => vec![channels, height, width],
        }
    }

    /// The numbers in the condition of one sample.
    fn dim(&self) -> usize {
        self.shape().iter().product()
    }

    fn given(&self, values: &[f32], lengths: &[usize]) -> Given {
        match *self {
            Self::Vectors { width } => Given::vectors(values, width),
            Self::Sequences { tokens, width } => Given::sequences(values, [tokens, width], lengths),
            Self::Images {
                channels,
                height,
                width,
            } => Given::images(values, [channels, height, width]),
        }
    }

    /// The conditions of no samples.
    pub(crate) fn of_none(&self) -> Given {
        self.given(&[], &[])
    }

    /// The scaling that suits these values, which come one row after the other.
    fn scaling(&self, values: &[f64]) -> Scaling {
        match *self {
            Self::Vectors { width } => Scaling::standardising(values, width),
            Self::Sequences { .. } => Scaling::identity(),
            Self::Images { .. } => {
                let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
                Scaling::ranging(&values)
            }
        }
    }
}

/// What a network is conditioned on: a number of classes, 0 for none, and a kind of condition
/// beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// The number of classes; 0 for none.
    pub classes: usize,
    /// The condition beside the class.
    pub beside: Option<ConditionKind>,
}

/// Classes and no more.
impl From<usize> for Conditions {
    fn from(classes: usize) -> Self {
        Self {
            classes,
            beside: None,
        }
    }
}

impl Conditions {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// The description of a file of conditions in the header of a model: enough to read another such
/// file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The kind and the size of one.
    pub kind: ConditionKind,
    /// The names of the columns of a table; empty if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The map from the units of the file to the model's scale.
    pub scaling: Scaling,
}

/// What is needed: `vectors of 2 numbers (age, height)`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match &self.columns[..] {
            [] => Ok(()),
            names => write!(f, " ({})", shown(names.join(", ").as_bytes())),
        }
    }
}

impl Condition {
    /// That of conditions which are on the model's scale.
    pub fn of(given: &Given) -> Option<Self> {
        ConditionKind::of(given).map(|kind| Self {
            kind,
            columns: Vec::new(),
            scaling: Scaling::identity(),
        })
    }

    /// Reads conditions of this kind from a file, in its units, and brings them to the model's
    /// scale. Columns of a table that have the names of these, in any order, are read by name.
    ///
    /// # Errors
    /// [`DatasetError`]: the file cannot be read, or its conditions have another kind or size.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Given, DatasetError> {
        let path = path.as_ref();
        let mut rows = Rows::read(path, &|_| false)?;
        rows.in_order(&self.columns);
        let other = |found: String, remedy: &str| DatasetError::Condition {
            path: path.into(),
            reason: format!("it holds {found}, and the model takes {self}; {remedy}"),
        };
        if rows.kind != self.kind {
            return Err(other(rows.kind.to_string(), "give those"));
        }
        if !rows.columns.is_empty() && !self.columns.is_empty() && rows.columns != self.columns {
            let found = format!("the columns {}", rows.columns.join(", "));
            return Err(other(found, "name them so"));
        }
        Ok(rows.given(&self.scaling))
    }

    /// Conditions on the scale of these that another scaling brought to its own.
    pub(crate) fn rescaled(&self, given: &Given, own: &Scaling) -> Given {
        let moved = |values: &[f32]| self.scaling.to_model(&own.to_data_unchecked(values));
        match self.kind {
            ConditionKind::Vectors { .. } => {
                let rows = given.vectors.iter().flat_map(|rows| rows.rows());
                self.kind
                    .given(&moved(&rows.flatten().copied().collect::<Vec<_>>()), &[])
            }
            ConditionKind::Images { .. } => {
                let values = given.images.as_ref().map_or(&[][..], |rows| rows.values());
                self.kind.given(&moved(values), &[])
            }
            ConditionKind::Sequences { .. } => given.clone(),
        }
    }

    /// Why this description cannot be used; `None` if it can.
    pub(crate) fn problem(&self) -> Option<String> {
        let shape = self.kind.shape();
        let dim = (shape.iter()).try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        match dim.filter(|&dim| dim > 0) {
            Some(dim) if self.scaling.fits(dim) => None,
            Some(_) => Some(format!("the scaling of its condition does not fit {self}")),
            None => Some(format!("a condition of shape {shape:?} is empty")),
        }
    }
}

impl Dataset {
    /// What these samples are conditioned on.
    pub fn conditions(&self) -> Conditions {
        Conditions {
            classes: self.classes(),
            beside: ConditionKind::of(&self.given),
        }
    }
}

/// Data that is divided into a part to train on and one that is held out, both with the conditions
/// of a file, if the source names one.
pub(crate) struct Divided {
    pub(crate) training: Dataset,
    pub(crate) held_out: Dataset,
    pub(crate) condition: Option<Condition>,
}

/// Divides data as [`Dataset::split`] does, unless its source has already held out a part, which is
/// not empty then, and gives each sample the condition in its row. Rows of the file count the
/// samples to train on, then those that are held out, or have the names of the pictures.
///
/// The scaling of the conditions is fitted to the training part.
pub(crate) fn divided(
    source: &DataSource,
    (training, held_out): (Dataset, Dataset),
    pictures: Option<&PictureSet>,
    noise: Noise,
) -> Result<Divided, DatasetError> {
    let (first, n) = (training.len(), training.len() + held_out.len());
    let (training, held_out, [kept, held]) = if held_out.is_empty() {
        let [kept, held] = training.split_rows(source.validation, noise);
        let parts = (training.select(&kept), training.select(&held));
        (parts.0, parts.1, [kept, held])
    } else {
        let rows = [(0..first).collect(), (first..n).collect()];
        (training, held_out, rows)
    };
    if source.condition.is_empty() {
        return Ok(Divided {
            training,
            held_out,
            condition: None,
        });
    }
    let path = Path::new(&source.condition);
    let wrong = |reason: String| DatasetError::Condition {
        path: path.into(),
        reason,
    };
    if let Some(own) = ConditionKind::of(&training.given) {
        return Err(wrong(format!(
            "{} has labels of its own that are {own}; leave one of them out (data.labels=false, or \
             no data.condition)",
            source.name
        )));
    }
    let names = pictures.map(PictureSet::file_names).transpose();
    let names = names.map_err(|error| DatasetError::Unreadable {
        path: source.name.clone().into(),
        source: error,
    })?;
    let names = names.flatten();
    let mut rows = Rows::read(path, &|keys| {
        { names.as_ref() }.is_some_and(|names| names::matched(keys, names).is_ok())
    })?;
    if let Some(keys) = rows.take_names() {
        let names = names.ok_or_else(|| {
            let first = shown(keys[0].as_bytes());
            wrong(format!(
                "its first column holds names such as {first}, and the samples of {} have none; \
                 leave it out",
                source.name
            ))
        })?;
        rows.select(&names::matched(&keys, &names).map_err(wrong)?);
    }
    if rows.len() != n {
        return Err(wrong(format!(
            "it has {} rows, and {} has {n} samples; give one row per sample, in their order",
            rows.len(),
            source.name
        )));
    }
    if let (ConditionKind::Images { height, width, .. }, [_, rows, columns]) =
        (rows.kind, &training.shape[..])
        && (height, width) != (*rows, *columns)
    {
        return Err(wrong(format!(
            "its images are {height}×{width}, and the samples of {} are {rows}×{columns}; resize \
             them to that",
            source.name
        )));
    }
    let condition = Condition {
        kind: rows.kind,
        scaling: rows.kind.scaling(&rows.values(kept.iter().copied())),
        columns: rows.columns.clone(),
    };
    let given = rows.given(&condition.scaling);
    Ok(Divided {
        training: training.with(given.select(&kept)),
        held_out: held_out.with(given.select(&held)),
        condition: Some(condition),
    })
}
