//! Columns that double precision cannot hold.
//!
//! `σ < 2¹⁰·ulp(µ)`: samples in the units of the data would be rounded to a few values

use super::DatasetError;
use std::path::Path;

/// The spread that a column needs, in units of the last place of its mean.
const LEVELS: f64 = 1024.0;

/// Checks that the columns of `[n, dim]` values, row-major, can be told from their means.
///
/// # Errors
/// [`DatasetError::LostDigits`] for the first column that varies, and by too little for its size.
pub(super) fn check(
    values: &[f64],
    dim: usize,
    path: &Path,
    names: &[String],
) -> Result<(), DatasetError> {
    let n = (values.len() / dim).max(1) as f64;
    for column in 0..dim {
        let of = || values.iter().skip(column).step_by(dim);
        let mean = of().sum::<f64>() / n;
        let variance = of().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let first = values.get(column);
        let is_constant = of().all(|x| Some(x) == first);
        let last_place = mean.abs() * f64::EPSILON;
        if !is_constant && variance.sqrt() < LEVELS * last_place {
            return Err(DatasetError::LostDigits {
                path: path.into(),
                column: match names.get(column) {
                    Some(name) => format!("`{name}`"),
                    None => (column + 1).to_string(),
                },
                mean,
                std: variance.sqrt(),
            });
        }
    }
    Ok(())
}
