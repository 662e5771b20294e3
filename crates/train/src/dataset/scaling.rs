//! The affine map between the units of the data and the scale of the model.
//!
//! `y = (x − shift)/scale`, column by column, and back `x = shift + scale·y`
//!
//! A schedule mixes data with standard normal noise, so its noise levels suit data of about unit
//! size.

use serde::{Deserialize, Serialize};

/// The affine map from the units of the data to the scale of the model, and back.
///
/// `y = (x − shift)/scale`, `x = shift + scale·y`
///
/// [`Dataset::scaling`](super::Dataset::scaling) chooses one for a dataset.
///
/// ```
/// use pyroclast_train::dataset::Scaling;
///
/// let mut x = [0.0, 10.0, 2.0, 30.0];
/// let scaling = Scaling::standardising(&x, 2);
/// scaling.apply(&mut x);
/// assert_eq!(x, [-1.0, -1.0, 1.0, 1.0]);
/// scaling.invert(&mut x);
/// assert_eq!(x, [0.0, 10.0, 2.0, 30.0]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The value that maps to 0: one per column, or a single one for all columns.
    pub shift: Vec<f32>,
    /// The positive distance from `shift` that maps to 1; as many values as `shift` has.
    pub scale: Vec<f32>,
}

impl Scaling {
    /// `Σ ln scale_i` over the columns of a sample: the amount by which a log-density on the
    /// model's scale exceeds the log-density in the units of the data.
    pub fn log_volume(&self, dim: usize) -> f64 {
        (self.scale.iter().cycle().take(dim))
            .map(|scale| f64::from(*scale).ln())
            .sum()
    }

    /// The map that changes nothing.
    pub fn identity() -> Self {
        Self {
            shift: vec![0.0],
            scale: vec![1.0],
        }
    }

    /// Standardises each column to mean 0 and standard deviation 1; a constant column becomes 0.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn standardising(values: &[f32], dim: usize) -> Self {
        assert!(dim > 0, "a sample has at least one column");
        let n = (values.len() / dim).max(1) as f64;
        let mut shift = vec![0.0_f64; dim];
        for row in values.chunks_exact(dim) {
            for (sum, &x) in shift.iter_mut().zip(row) {
                *sum += f64::from(x);
            }
        }
        shift.iter_mut().for_each(|sum| *sum /= n);
        let mut scale = vec![0.0_f64; dim];
        for row in values.chunks_exact(dim) {
            for ((sum, &mean), &x) in scale.iter_mut().zip(&shift).zip(row) {
                *sum += (f64::from(x) - mean).powi(2);
            }
        }
        scale.iter_mut().for_each(|sum| *sum = (*sum / n).sqrt());
        // The rounded mean of a constant column can miss its value by one unit in the last place,
        // which would count as a spread.
        for (column, scale) in scale.iter_mut().enumerate() {
            let mut column = values.chunks_exact(dim).map(|row| row[column]);
            let first = column.next();
            if column.all(|x| Some(x) == first) {
                *scale = 0.0;
            }
        }
        Self::of(&shift, &scale)
    }

    /// Maps the least of all values to -1 and the largest to 1: for images, whose pixels share one
    /// scale.
    pub fn ranging(values: &[f32]) -> Self {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if values.is_empty() {
            return Self::identity();
        }
        let (low, high) = (f64::from(low), f64::from(high));
        Self::of(&[(low + high) / 2.0], &[(high - low) / 2.0])
    }

    /// Whether the map is valid for samples of `dim` values. One read from a file may have been
    /// edited, or belong to other data.
    pub fn fits(&self, dim: usize) -> bool {
        let columns = self.shift.len();
        columns == self.scale.len()
            && (columns == 1 || columns == dim)
            && self.shift.iter().all(|shift| shift.is_finite())
            && self
                .scale
                .iter()
                .all(|&scale| scale.is_finite() && scale > 0.0)
    }

    /// Maps values to the model's scale, in place.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn apply(&self, values: &mut [f32]) {
        self.each(values, |x, shift, scale| (x - shift) / scale);
    }

    /// Maps values back to the units of the data, in place.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn invert(&self, values: &mut [f32]) {
        self.each(values, |y, shift, scale| shift + scale * y);
    }

    /// Maps each value in double precision: a column far from 0 loses digits in `x − shift`, and
    /// should not be rounded twice.
    fn each(&self, values: &mut [f32], map: impl Fn(f64, f64, f64) -> f64) {
        let columns = self.shift.len();
        assert!(
            columns > 0 && columns == self.scale.len() && values.len().is_multiple_of(columns),
            "{} values are not a whole number of rows of {columns} columns",
            values.len()
        );
        for row in values.chunks_exact_mut(columns) {
            for ((x, &shift), &scale) in row.iter_mut().zip(&self.shift).zip(&self.scale) {
                *x = map(f64::from(*x), f64::from(shift), f64::from(scale)) as f32;
            }
        }
    }

    /// Rounds to single precision. A scale that is then 0 would divide by zero, so it becomes 1.
    fn of(shift: &[f64], scale: &[f64]) -> Self {
        let positive = |&scale: &f64| {
            let scale = scale as f32;
            if scale.is_normal() { scale } else { 1.0 }
        };
        Self {
            shift: shift.iter().map(|&shift| shift as f32).collect(),
            scale: scale.iter().map(positive).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    fn columns(n: usize) -> Vec<f32> {
        let mut draws = Noise::new(2).draws(Stream::Data, 0);
        (0..n)
            .flat_map(|_| {
                [
                    1e6 + 20.0 * draws.normal(),
                    -3.0 + 1e-4 * draws.normal(),
                    0.1,
                ]
            })
            .map(|x| x as f32)
            .collect()
    }

    #[test]
    fn standardised_columns_have_mean_zero_and_deviation_one() {
        let n = 10_000;
        let mut values = columns(n);
        Scaling::standardising(&values, 3).apply(&mut values);
        for column in 0..3 {
            let x: Vec<f64> = values
                .iter()
                .skip(column)
                .step_by(3)
                .map(|&x| f64::from(x))
                .collect();
            let mean = x.iter().sum::<f64>() / n as f64;
            let square = x.iter().map(|x| x * x).sum::<f64>() / n as f64;
            let expected = if column == 2 { 0.0 } else { 1.0 };
            // The shift itself is rounded to single precision: at 10⁶ that is up to 1/32 of a unit,
            // 1/640 of the spread.
            assert!(mean.abs() < 2e-3, "column {column}: mean {mean}");
            assert!(
                (square - expected).abs() < 1e-4,
                "column {column}: {square}"
            );
        }
    }

    #[test]
    fn samples_map_back() {
        let values = columns(1000);
        let scaling = Scaling::standardising(&values, 3);
        let mut there = values.clone();
        scaling.apply(&mut there);
        assert_ne!(there, values);
        scaling.invert(&mut there);
        for (x, y) in values.iter().zip(&there) {
            assert!((x - y).abs() <= f32::EPSILON * x.abs(), "{x} {y}");
        }
    }

    #[test]
    fn a_constant_column_goes_to_zero_and_back() {
        // 0.1 has no exact mean over 3 rows; the largest number would overflow a sum in single
        // precision.
        for constant in [0.1, f32::MAX, f32::MIN_POSITIVE, 0.0] {
            let mut values = [constant; 3];
            let scaling = Scaling::standardising(&values, 1);
            assert_eq!(scaling.scale, [1.0]);
            scaling.apply(&mut values);
            assert_eq!(values, [0.0; 3]);
            scaling.invert(&mut values);
            assert_eq!(values, [constant; 3]);
        }
    }

    #[test]
    fn images_share_one_range() {
        let pixels = [0.0, 255.0, 51.0, 204.0];
        let mut values = pixels;
        let scaling = Scaling::ranging(&values);
        scaling.apply(&mut values);
        assert_eq!(values, [-1.0, 1.0, -0.6, 0.6]);
        scaling.invert(&mut values);
        for (x, y) in values.iter().zip(pixels) {
            assert!((x - y).abs() < 255.0 * f32::EPSILON, "{x} {y}");
        }
        let mut widest = [f32::MIN, f32::MAX];
        Scaling::ranging(&widest).apply(&mut widest);
        assert_eq!(widest, [-1.0, 1.0]);
    }

    #[test]
    fn no_data_means_no_change() {
        assert_eq!(Scaling::ranging(&[]), Scaling::identity());
        let mut values = [3.5, -2.0];
        Scaling::standardising(&[], 2).apply(&mut values);
        Scaling::identity().invert(&mut values);
        assert_eq!(values, [3.5, -2.0]);
    }

    #[test]
    fn a_scaling_survives_json_and_toml() {
        let scaling = Scaling::standardising(&columns(100), 3);
        let json = serde_json::to_string(&scaling).expect("plain numbers serialise");
        let back: Scaling = serde_json::from_str(&json).expect("as written");
        assert_eq!(back, scaling);
        let text = toml::to_string(&scaling).expect("plain numbers serialise");
        let back: Scaling = toml::from_str(&text).expect("as written");
        assert_eq!(back, scaling);
    }

    #[test]
    fn a_scaling_that_was_edited_does_not_fit() {
        let good = Scaling::standardising(&columns(100), 3);
        assert!(good.fits(3) && !good.fits(2));
        assert!(Scaling::identity().fits(64));
        for (shift, scale) in [
            (vec![0.0], vec![0.0]),
            (vec![0.0], vec![-1.0]),
            (vec![0.0], vec![f32::INFINITY]),
            (vec![f32::NAN], vec![1.0]),
            (vec![0.0], vec![1.0, 1.0]),
            (vec![], vec![]),
        ] {
            let scaling = Scaling { shift, scale };
            assert!(!scaling.fits(1), "{scaling:?}");
        }
    }
}
