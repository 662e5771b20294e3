//! A table of numbers alone, such as the attributes of pictures.

use super::cells::{Cells, is_missing, number};
use crate::dataset::DatasetError;
use std::path::Path;

/// The names of the columns, if there are any, their number, and the cells, row by row.
pub(in crate::dataset) struct Plain {
    pub(in crate::dataset) names: Vec<String>,
    pub(in crate::dataset) columns: usize,
    pub(in crate::dataset) values: Vec<f64>,
    /// The cells of the first column, if they are names.
    pub(in crate::dataset) keys: Option<Vec<String>>,
}

/// Reads a table whose cells are all finite numbers, save those of a first column of names: cells
/// none of which is a number, or of which `are_names` says so. A column that counts the rows is
/// left out.
pub(in crate::dataset) fn plain(
    text: &[u8],
    path: &Path,
    are_names: &dyn Fn(&[String]) -> bool,
) -> Result<Plain, DatasetError> {
    let cells = Cells::read(text, path, None, |_| false)?;
    let decimal = cells.decimal_mark();
    let index = cells.index();
    let mut kept: Vec<usize> = (0..cells.columns)
        .filter(|column| Some(*column) != index)
        .collect();
    let is_word = |cell: &[u8]| number(cell, decimal).is_none() && !is_missing(cell);
    let keys = kept.first().filter(|_| kept.len() > 1).and_then(|&first| {
        let key = |row| String::from_utf8_lossy(cells.cell(row, first)).into_owned();
        let keys: Vec<String> = (0..cells.rows()).map(key).collect();
        let are_words = (0..cells.rows()).all(|row| is_word(cells.cell(row, first)));
        (are_words || are_names(&keys)).then_some(keys)
    });
    if keys.is_some() {
        kept.remove(0);
    }
    let mut values = Vec::with_capacity(cells.rows() * kept.len());
    for row in 0..cells.rows() {
        for &column in &kept {
            let cell = cells.cell(row, column);
            let place = || (path.into(), cells.line(row), cells.shown(row, column));
            match number(cell, decimal) {
                Some(value) if (value as f32).is_finite() => values.push(value),
                found => {
                    let (path, line, value) = place();
                    let (row, column) = (row + 1, column + 1);
                    return Err(match found {
                        None if !is_missing(cell) => DatasetError::NotANumber {
                            path,
                            line,
                            row,
                            column,
                            value,
                        },
                        _ => DatasetError::NotFinite {
                            path,
                            line,
                            row,
                            column,
                            value,
                        },
                    });
                }
            }
        }
    }
    let names = cells.names.as_ref().map_or_else(Vec::new, |names| {
        kept.iter().map(|&column| names[column].clone()).collect()
    });
    Ok(Plain {
        names,
        columns: kept.len(),
        values,
        keys,
    })
}
