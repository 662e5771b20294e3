//! A file of conditions: one row per sample.
//!
//! `table | [n] | [n, d] ↦ vectors`, `[n, tokens, width] ↦ sequences`,
//! `[n, channels, height, width] ↦ images`

use super::ConditionKind;
use crate::dataset::file::text;
use crate::dataset::table::plain;
use crate::dataset::{DatasetError, Scaling};
use pyroclast_core::condition::Given;
use pyroclast_data::{Array, Layout, read_arrays, read_npz_arrays, recognise, unravel};
use std::path::Path;

/// The rows of a file of conditions, in its units.
pub(super) struct Rows {
    pub(super) kind: ConditionKind,
    /// The names of the columns of a table; empty for other files.
    pub(super) columns: Vec<String>,
    /// `[n, shape of the kind]`, row-major; the tokens of a sequence that count come first.
    values: Vec<f64>,
    /// The tokens of each sequence that count; empty for other kinds.
    lengths: Vec<usize>,
    /// The names in the first column of a table, if it has some.
    names: Option<Vec<String>>,
}

impl Rows {
    /// Reads a `.csv`, `.npy` or `.npz` file. `are_names` tells whether the first column of a table
    /// holds the names of samples though there are numbers in it.
    pub(super) fn read(
        path: &Path,
        are_names: &dyn Fn(&[String]) -> bool,
    ) -> Result<Self, DatasetError> {
        let wrong = |reason: String| DatasetError::Condition {
            path: path.into(),
            reason,
        };
        let (array, mask) = match recognise(path)? {
            Layout::Table => return Self::of_table(path, are_names),
            layout @ Layout::Npy => (read_arrays(path, layout)?.samples, None),
            Layout::Npz => match read_npz_arrays(path, ["x", "mask"])? {
                [Some(array), mask] => (array, mask),
                [None, _] => {
                    let reason = "the archive has no array x; write it by numpy.savez(FILE, x=…), \
                        of sequences with mask=…";
                    return Err(wrong(reason.to_owned()));
                }
            },
            _ => {
                let reason = "give a .csv of numbers, after names of pictures if they have \
                    some, a .npy, or a .npz with x and mask";
                return Err(wrong(reason.to_owned()));
            }
        };
        let array = match array.shape.len() {
            4 => array.channels_first(),
            _ => array,
        };
        let shape = array.shape.clone();
        let kind = match shape[..] {
            [_] => ConditionKind::Vectors { width: 1 },
            [_, width] => ConditionKind::Vectors { width },
            [_, tokens, width] => ConditionKind::Sequences { tokens, width },
            [_, channels, height, width] => ConditionKind::Images {
                channels,
                height,
                width,
            },
            _ => {
                return Err(wrong(format!(
                    "it has shape {shape:?}; give vectors [n, d], sequences [n, tokens, width] or \
                     images [n, channels, height, width]"
                )));
            }
        };
        if shape.contains(&0) {
            return Err(wrong(format!("it has shape {shape:?}, which is empty")));
        }
        let dim = kind.dim();
        let values = array.into_reals();
        if let Some(at) = values.iter().position(|&value| !(value as f32).is_finite()) {
            let mut index = unravel(at % dim, &shape[1..]);
            index.insert(0, at / dim);
            return Err(DatasetError::EntryNotFinite {
                path: path.into(),
                index,
                value: values[at] as f32,
            });
        }
        let mut rows = Self {
            kind,
            columns: Vec::new(),
            values,
            lengths: Vec::new(),
            names: None,
        };
        match (kind, mask) {
            (ConditionKind::Sequences { tokens, width }, mask) => {
                let mask = mask.map(|mask| flags(mask, [shape[0], tokens]));
                let mask = mask.transpose().map_err(wrong)?;
                rows.count_first([tokens, width], mask);
            }
            (_, Some(_)) => {
                return Err(wrong(format!(
                    "it has a mask, which is for the tokens of sequences, and x holds {kind}; \
                     leave it out"
                )));
            }
            (_, None) => {}
        }
        Ok(rows)
    }

    fn of_table(path: &Path, are_names: &dyn Fn(&[String]) -> bool) -> Result<Self, DatasetError> {
        let table = plain(&text(path)?, path, are_names)?;
        if table.columns == 0 || table.values.is_empty() {
            return Err(DatasetError::Empty { path: path.into() });
        }
        Ok(Self {
            kind: ConditionKind::Vectors {
                width: table.columns,
            },
            columns: table.names,
            values: table.values,
            lengths: Vec::new(),
            names: table.keys,
        })
    }

    /// Moves the tokens that count to the front of each sequence: attention does not see an order.
    fn count_first(&mut self, [tokens, width]: [usize; 2], mask: Option<Vec<bool>>) {
        let n = self.len();
        let Some(mask) = mask else {
            self.lengths = vec![tokens; n];
            return;
        };
        for (row, mask) in mask.chunks_exact(tokens).enumerate() {
            let counting = (0..tokens).filter(|&token| mask[token]);
            let start = row * tokens;
            let mut length = 0;
            for token in counting {
                let from = (start + token) * width;
                let to = (start + length) * width;
                self.values.copy_within(from..from + width, to);
                length += 1;
            }
            self.lengths.push(length);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.kind.dim()
    }

    /// The values of some rows, in the units of the file.
    pub(super) fn values(&self, rows: impl Iterator<Item = usize>) -> Vec<f64> {
        let dim = self.kind.dim();
        rows.flat_map(|row| &self.values[row * dim..(row + 1) * dim])
            .copied()
            .collect()
    }

    /// The names in the first column of a table, if it has some.
    pub(super) fn take_names(&mut self) -> Option<Vec<String>> {
        self.names.take()
    }

    /// Keeps these rows, in this order; not of sequences.
    pub(super) fn select(&mut self, rows: &[usize]) {
        self.values = self.values(rows.iter().copied());
    }

    /// The columns of these names alone, in this order, if the table has all of them.
    pub(super) fn in_order(&mut self, names: &[String]) {
        let place = |name: &String| self.columns.iter().position(|own| own == name);
        let places: Option<Vec<usize>> = names.iter().map(place).collect();
        let Some(places) = places.filter(|places| !places.is_empty()) else {
            return;
        };
        self.values = (self.values.chunks_exact(self.columns.len()))
            .flat_map(|row| places.iter().map(|&place| row[place]))
            .collect();
        self.columns = names.to_vec();
        self.kind = ConditionKind::Vectors {
            width: places.len(),
        };
    }

    /// The conditions on the scale of the model.
    pub(super) fn given(&self, scaling: &Scaling) -> Given {
        let values = scaling.to_model(&self.values);
        self.kind.given(&values, &self.lengths)
    }
}

/// Which tokens count: a mask of zeros and ones, `[n, tokens]`.
fn flags(mask: Array, expected: [usize; 2]) -> Result<Vec<bool>, String> {
    if mask.shape != expected {
        return Err(format!(
            "its mask has shape {:?}; give {expected:?}, a flag for each token of x",
            mask.shape
        ));
    }
    let flags = mask.into_reals();
    match flags.iter().find(|flag| **flag != 0.0 && **flag != 1.0) {
        Some(flag) => Err(format!(
            "its mask holds {flag}; give 1 for a token that counts, and 0 for one that does not"
        )),
        None => Ok(flags.into_iter().map(|flag| flag == 1.0).collect()),
    }
}
