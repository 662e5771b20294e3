//! Tables of text: columns of numbers and of words, and samples as rows of the same table.
//!
//! `row ↦ x ∈ ℝᵈ` and back: numbers are themselves, K words are K values of which one is 1, and a
//! cell that may be empty has one value more

mod cells;
mod column;
mod plain;
mod read;

pub use column::{Column, ColumnKind, ColumnKinds, Content};
pub(super) use plain::plain;
pub use read::Missing;
pub(super) use read::read;

use super::Logarithm;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The columns that are described one by one.
const SHOWN: usize = 32;

/// The columns of a table, and how it is written: what turns samples back into its rows.
///
/// ```
/// use pyroclast_train::dataset::Dataset;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("pets.csv");
/// std::fs::write(&path, "pet,age,label\ncat,3,old\ndog,1,young\ncat,2,young\n")?;
///
/// let pets = Dataset::read(&path)?;
/// assert_eq!(pets.columns, ["pet=cat", "pet=dog", "age"]);
/// let table = pets.table.as_ref().expect("it was read from a table");
/// let text = table.heading(true) + &table.lines(&[0.2, 0.9, 2.7], Some(&[1]), &pets.class_names);
/// assert_eq!(text, "pet,age,label\ndog,3,young\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The columns in their order, without those of labels and those that are left out.
    pub columns: Vec<Column>,
    /// The column of labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelColumn>,
    /// What stands between cells.
    pub separator: char,
    /// What stands before decimals.
    pub decimal: char,
    /// What was left out when the table was read.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// The column of labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelColumn {
    /// Its name.
    pub name: String,
    /// The number of other columns before it.
    pub at: usize,
}

impl Table {
    /// The number of values of a sample.
    pub fn dim(&self) -> usize {
        self.columns.iter().map(Column::width).sum()
    }

    /// Each column with the place of its first value in a sample.
    pub fn places(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().scan(0, |next, column| {
            let at = *next;
            *next += column.width();
            Some((at, column))
        })
    }

    /// The first column whose values have no density, such as one of words: the samples then have
    /// none.
    pub fn without_density(&self) -> Option<&Column> {
        self.columns.iter().find(|column| !column.has_density())
    }

    /// Moves samples, as a model makes them, to the nearest that the table can hold: whole numbers
    /// in the range of the data, one word, a cell that is empty or is not.
    ///
    /// # Shapes
    /// - samples: `[n, dim]` in the units of the data, row-major
    pub fn snap(&self, samples: &mut [f64]) {
        for sample in samples.chunks_exact_mut(self.dim()) {
            for (at, column) in self.places() {
                column.snap(&mut sample[at..at + column.width()]);
            }
        }
    }

    /// The first line: the names of the columns, with that of the labels if there are any.
    pub fn heading(&self, labelled: bool) -> String {
        let names = self.columns.iter().map(|column| column.name.clone());
        let label = self.label.as_ref().filter(|_| labelled);
        self.line(names.collect(), label.map(|label| label.name.clone()))
    }

    /// These samples as lines of the table, without the first. Labels are left out where there are
    /// none; `classes` are their names.
    ///
    /// # Shapes
    /// - samples: `[n, dim]` in the units of the data, row-major
    /// - labels: `[n]`
    pub fn lines(&self, samples: &[f64], labels: Option<&[u32]>, classes: &[String]) -> String {
        let of_sample = |(i, sample): (usize, &[f64])| {
            let cells = self.places().map(|(at, column)| {
                let cell = column.cell(&sample[at..at + column.width()]);
                match column.content {
                    Content::Numbers { .. } if self.decimal != '.' => {
                        cell.replace('.', &self.decimal.to_string())
                    }
                    _ => cell,
                }
            });
            let class = labels.map(|labels| {
                let class = labels[i] as usize;
                let name = classes.get(class).cloned();
                name.unwrap_or_else(|| class.to_string())
            });
            self.line(cells.collect(), class)
        };
        samples
            .chunks_exact(self.dim())
            .enumerate()
            .map(of_sample)
            .collect()
    }

    /// A line of these cells, with the label at its place.
    fn line(&self, mut cells: Vec<String>, of_label: Option<String>) -> String {
        if let (Some(label), Some(cell)) = (&self.label, of_label) {
            cells.insert(label.at.min(cells.len()), cell);
        }
        let cells: Vec<String> = cells.iter().map(|cell| self.quoted(cell)).collect();
        let line = cells.join(&self.separator.to_string());
        // A line of nothing would not be read.
        if line.is_empty() {
            "\"\"\n".to_owned()
        } else {
            line + "\n"
        }
    }

    /// A cell with quotes if it needs them.
    fn quoted(&self, cell: &str) -> String {
        if cell.contains([self.separator, '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    }

    /// The logarithms that columns with heavy tails take.
    pub(super) fn logarithms(&self) -> Vec<Logarithm> {
        (self.places())
            .filter_map(|(at, column)| column.logarithm(at))
            .collect()
    }

    /// The places of the values of a sample that are 0 or 1.
    pub(super) fn indicators(&self) -> impl Iterator<Item = usize> {
        (self.places()).flat_map(|(at, column)| column.indicators().map(move |i| at + i))
    }

    /// Whether it describes samples of `dim` values. One read from a file may have been edited.
    pub fn fits(&self, dim: usize) -> bool {
        let count = (self.columns.iter()).try_fold(0_usize, |n, c| n.checked_add(c.width()));
        count == Some(dim) && self.columns.iter().all(Column::is_valid)
    }
}

impl fmt::Display for Table {
    /// A line per column, for the first of many, after what was left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        if self.decimal != '.' {
            writeln!(f, "decimals follow a `{}`", self.decimal)?;
        }
        let mut shown = self.columns.iter().take(SHOWN);
        shown.try_for_each(|column| writeln!(f, "{column}"))?;
        match self.columns.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more columns"),
        }
    }
}

#[cfg(test)]
mod tests;
