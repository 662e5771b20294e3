//! The map between the units of the data and the scale of the model.
//!
//! `y = (g(x) − shift)/scale`, value by value, and back `x = g⁻¹(shift + scale·y)`: g is the
//! identity, or a logarithm for values with heavy tails
//!
//! A schedule mixes data with standard normal noise, so its noise levels suit data of about unit
//! size.

use serde::{Deserialize, Serialize};

/// The map from the units of the data to the scale of the model, and back: affine, and for values
/// with heavy tails a logarithm before that.
///
/// `y = (g(x) − shift)/scale`, `x = g⁻¹(shift + scale·y)`
///
/// All of it is in double precision: a column far from 0 loses nothing before its mean is taken
/// off. [`Dataset::scaling`](super::Dataset::scaling) chooses one for a dataset.
///
/// ```
/// use pyroclast_train::dataset::Scaling;
///
/// // Time stamps, which single precision holds to within a minute.
/// let x = [1.7e9, 10.0, 1.7e9 + 2.0, 30.0];
/// let scaling = Scaling::standardising(&x, 2);
/// let y = scaling.to_model(&x);
/// assert_eq!(y, [-1.0, -1.0, 1.0, 1.0]);
/// assert_eq!(scaling.to_data(&y)?, x);
/// # Ok::<(), pyroclast_train::dataset::Overflow>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The value that maps to 0: one per value of a sample, or a single one for all.
    pub shift: Vec<f64>,
    /// The positive distance from `shift` that maps to 1; as many values as `shift` has.
    pub scale: Vec<f64>,
    /// The values that take a logarithm first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logarithms: Vec<Logarithm>,
}

/// The logarithm of one value of a sample: `g(x) = sign(x − c)·ln(1 + |x − c|/u)`, which is nearly
/// linear within `u` of `c` and monotone everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logarithm {
    /// The place of the value in a sample, from 0.
    pub at: usize,
    /// The centre c.
    pub centre: f64,
    /// The distance u from the centre beyond which values are compressed.
    pub unit: f64,
}

impl Logarithm {
    /// `g(x)`.
    fn of(&self, x: f64) -> f64 {
        let x = (x - self.centre) / self.unit;
        x.abs().ln_1p().copysign(x)
    }

    /// `g⁻¹(y)`.
    fn inverse(&self, y: f64) -> f64 {
        self.centre + (self.unit * y.abs().exp_m1()).copysign(y)
    }
}

/// Samples that are too large for a number in the units of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} samples are too large for a number in the units of the data; sample with more steps, or \
     train longer"
)]
pub struct Overflow(pub usize);

impl Scaling {
    /// The constant part of [`Scaling::log_volume`], `Σ ln scale_i + Σ ln u_j`.
    fn constant_log_volume(&self, dim: usize) -> f64 {
        let affine: f64 = (self.scale.iter().cycle().take(dim))
            .map(|scale| scale.ln())
            .sum();
        let logarithms = self.logarithms.iter().map(|logarithm| logarithm.unit.ln());
        affine + logarithms.sum::<f64>()
    }

    /// `ln |det dx/dy|` of each sample: the amount by which its log-density on the model's scale
    /// exceeds the log-density in the units of the data.
    ///
    /// `Σ ln scale_i`, and for each logarithm `ln u + |g|` more.
    ///
    /// # Shapes
    /// - samples: `[n, dim]` on the model's scale, row-major
    /// - result: `[n]`
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn log_volume(&self, samples: &[f32], dim: usize) -> Vec<f64> {
        let constant = self.constant_log_volume(dim);
        let of = |sample: &[f32]| {
            let bent = self.logarithms.iter().map(|logarithm| {
                let (shift, scale) = self.affine(logarithm.at);
                (shift + scale * f64::from(sample[logarithm.at])).abs()
            });
            constant + bent.sum::<f64>()
        };
        samples.chunks_exact(dim).map(of).collect()
    }

    /// The map that changes nothing.
    pub fn identity() -> Self {
        Self::affine_of(vec![0.0], vec![1.0])
    }

    /// The affine map with this shift and scale.
    pub fn affine_of(shift: Vec<f64>, scale: Vec<f64>) -> Self {
        Self {
            shift,
            scale,
            logarithms: Vec::new(),
        }
    }

    /// Standardises each column to mean 0 and standard deviation 1; a constant column becomes 0.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn standardising(values: &[f64], dim: usize) -> Self {
        Self::standardising_logarithms(values, dim, Vec::new())
    }

    /// As [`Scaling::standardising`], after the logarithms of some columns.
    ///
    /// # Panics
    /// If `dim` is 0, or there is no column for a logarithm.
    pub fn standardising_logarithms(
        values: &[f64],
        dim: usize,
        logarithms: Vec<Logarithm>,
    ) -> Self {
        assert!(dim > 0, "a sample has at least one column");
        let mut scaling = Self {
            shift: vec![0.0; dim],
            scale: vec![1.0; dim],
            logarithms,
        };
        let n = (values.len() / dim).max(1) as f64;
        for column in 0..dim {
            let logarithm = scaling.logarithm(column);
            let of = || {
                let column = values.iter().skip(column).step_by(dim);
                column.map(|&x| logarithm.map_or(x, |logarithm| logarithm.of(x)))
            };
            let Some(first) = of().next() else { continue };
            // The rounded mean of a constant column can miss its value by one unit in the last
            // place, which would count as a spread.
            let (shift, std) = if of().all(|x| x == first) {
                (first, 1.0)
            } else {
                let mean = of().sum::<f64>() / n;
                let variance = of().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                (mean, variance.sqrt())
            };
            scaling.shift[column] = shift;
            // Squares of the smallest numbers are 0.
            scaling.scale[column] = if std.is_normal() { std } else { 1.0 };
        }
        scaling
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
        // Rounded: the levels of pixels then stay where they have always been.
        let single = |x: f64| f64::from(x as f32);
        let scale = single((high - low) / 2.0);
        let scale = if scale.is_normal() { scale } else { 1.0 };
        Self::affine_of(vec![single((low + high) / 2.0)], vec![scale])
    }

    /// Whether the map is valid for samples of `dim` values. One read from a file may have been
    /// edited, or belong to other data.
    pub fn fits(&self, dim: usize) -> bool {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let columns = self.shift.len();
        columns == self.scale.len()
            && (columns == 1 || columns == dim)
            && self.shift.iter().all(|shift| shift.is_finite())
            && self.scale.iter().all(|&scale| positive(scale))
            && (self.logarithms.iter()).all(|logarithm| {
                logarithm.at < columns && logarithm.centre.is_finite() && positive(logarithm.unit)
            })
    }

    /// Whether all values of a sample share one map, as the pixels of images do. Single precision
    /// then holds them in the units of the data.
    pub fn is_shared(&self) -> bool {
        self.shift.len() == 1
    }

    /// Values on the model's scale.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn to_model(&self, values: &[f64]) -> Vec<f32> {
        let mut mapped = values.to_vec();
        self.each(&mut mapped, |x, shift, scale, logarithm| {
            (logarithm.map_or(x, |logarithm| logarithm.of(x)) - shift) / scale
        });
        mapped.into_iter().map(|y| y as f32).collect()
    }

    /// Values in the units of the data, in double precision.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Errors
    /// [`Overflow`]: the number of samples that hold a value which no number can be; where all
    /// values share one map, no number in single precision.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn to_data(&self, values: &[f32]) -> Result<Vec<f64>, Overflow> {
        let mapped = self.to_data_unchecked(values);
        let is_number = |x: &f64| {
            if self.is_shared() {
                (*x as f32).is_finite()
            } else {
                x.is_finite()
            }
        };
        let rows = mapped.chunks_exact(self.shift.len());
        match rows.filter(|row| !row.iter().all(is_number)).count() {
            0 => Ok(mapped),
            rows => Err(Overflow(rows)),
        }
    }

    /// Maps values to the model's scale, in place.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn apply(&self, values: &mut [f32]) {
        let reals: Vec<f64> = values.iter().copied().map(f64::from).collect();
        values.copy_from_slice(&self.to_model(&reals));
    }

    /// Maps values back to the units of the data, in place, and rounds them to single precision:
    /// [`Scaling::to_data`] does not.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn invert(&self, values: &mut [f32]) {
        let mapped = self.to_data_unchecked(values);
        for (value, mapped) in values.iter_mut().zip(mapped) {
            *value = mapped as f32;
        }
    }

    pub(super) fn to_data_unchecked(&self, values: &[f32]) -> Vec<f64> {
        let mut mapped: Vec<f64> = values.iter().copied().map(f64::from).collect();
        self.each(&mut mapped, Self::inverse);
        mapped
    }

    fn inverse(y: f64, shift: f64, scale: f64, logarithm: Option<&Logarithm>) -> f64 {
        let x = shift + scale * y;
        logarithm.map_or(x, |logarithm| logarithm.inverse(x))
    }

    fn affine(&self, column: usize) -> (f64, f64) {
        (self.shift[column], self.scale[column])
    }

    fn logarithm(&self, column: usize) -> Option<&Logarithm> {
        self.logarithms
            .iter()
            .find(|logarithm| logarithm.at == column)
    }

    /// Maps each value.
    fn each(&self, values: &mut [f64], map: impl Fn(f64, f64, f64, Option<&Logarithm>) -> f64) {
        let columns = self.shift.len();
        assert!(
            columns > 0 && columns == self.scale.len() && values.len().is_multiple_of(columns),
            "{} values are not a whole number of rows of {columns} columns",
            values.len()
        );
        for column in 0..columns {
            let ((shift, scale), logarithm) = (self.affine(column), self.logarithm(column));
            for x in values.iter_mut().skip(column).step_by(columns) {
                *x = map(*x, shift, scale, logarithm);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    fn columns(n: usize) -> Vec<f64> {
        let mut draws = Noise::new(2).draws(Stream::Data, 0);
        (0..n)
            .flat_map(|_| {
                [
                    1e6 + 20.0 * draws.normal(),
                    -3.0 + 1e-4 * draws.normal(),
                    0.1,
                ]
            })
            .collect()
    }

    #[test]
    fn standardised_columns_have_mean_zero_and_deviation_one() {
        let values = columns(4000);
        let scaling = Scaling::standardising(&values, 3);
        let mapped = scaling.to_model(&values);
        for column in 0..2 {
            let of = || {
                mapped
                    .iter()
                    .skip(column)
                    .step_by(3)
                    .copied()
                    .map(f64::from)
            };
            let mean = of().sum::<f64>() / 4000.0;
            let variance = of().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0;
            assert!(mean.abs() < 1e-5, "{mean}");
            assert!((variance - 1.0).abs() < 1e-4, "{variance}");
        }
        assert!(mapped.iter().skip(2).step_by(3).all(|&x| x == 0.0));
    }

    #[test]
    fn samples_map_back() {
        let values = columns(1000);
        let scaling = Scaling::standardising(&values, 3);
        let back = scaling.to_data(&scaling.to_model(&values)).expect("small");
        for (i, (x, y)) in values.iter().zip(&back).enumerate() {
            let spread = scaling.scale[i % 3];
            assert!((x - y).abs() <= 1e-6 * spread, "{x} {y}");
        }
    }

    #[test]
    fn a_column_far_from_zero_keeps_its_spread() {
        let values: Vec<f64> = (0..100).map(|i| 1.7e9 + f64::from(i) / 7.0).collect();
        let scaling = Scaling::standardising(&values, 1);
        let back = scaling.to_data(&scaling.to_model(&values)).expect("small");
        for (x, y) in values.iter().zip(&back) {
            assert!((x - y).abs() < 1e-6 * scaling.scale[0], "{x} {y}");
        }
    }

    #[test]
    fn a_logarithm_maps_back_and_has_its_volume() {
        let values = [-4e6, -3.0, 0.0, 2.0, 5.0, 8.0, 90.0, 7e7];
        let logarithm = Logarithm {
            at: 0,
            centre: 2.0,
            unit: 3.0,
        };
        let scaling = Scaling::standardising_logarithms(&values, 1, vec![logarithm]);
        assert!(scaling.fits(1));
        let mapped = scaling.to_model(&values);
        assert!(mapped.is_sorted());
        let back = scaling.to_data(&mapped).expect("small");
        for (x, y) in values.iter().zip(&back) {
            assert!((x - y).abs() <= 2e-5 * (x.abs() + 3.0), "{x} {y}");
        }
        // dx/dy by central differences of the map itself.
        let volumes = scaling.log_volume(&mapped, 1);
        for ((x, y), volume) in values.iter().zip(&mapped).zip(volumes) {
            // The slope has a kink at the centre.
            if *x == 2.0 {
                continue;
            }
            let h = 1.0 / 1024.0;
            let ends = scaling.to_data(&[y - h, y + h]).expect("small");
            let slope = (ends[1] - ends[0]) / f64::from((y + h) - (y - h));
            assert!((slope.ln() - volume).abs() < 1e-3, "{y}: {slope} {volume}");
        }
    }

    #[test]
    fn samples_that_no_number_can_hold_are_counted() {
        let logarithm = Logarithm {
            at: 1,
            centre: 0.0,
            unit: 1.0,
        };
        let scaling = Scaling {
            logarithms: vec![logarithm],
            ..Scaling::affine_of(vec![0.0, 0.0], vec![1.0, 1.0])
        };
        let samples = [0.0, 1.0, 0.0, 800.0, 0.0, -900.0];
        assert_eq!(scaling.to_data(&samples), Err(Overflow(2)));
        let widest = Scaling::affine_of(vec![0.0], vec![f64::from(f32::MAX)]);
        assert_eq!(widest.to_data(&[0.5, 1.1]), Err(Overflow(1)));
    }

    #[test]
    fn a_constant_column_goes_to_zero_and_back() {
        // 0.1 has no exact mean over 3 rows.
        for constant in [0.1, f64::from(f32::MAX), f64::MIN_POSITIVE, 0.0] {
            let values = [constant; 3];
            let scaling = Scaling::standardising(&values, 1);
            assert_eq!(scaling.scale, [1.0]);
            let mapped = scaling.to_model(&values);
            assert_eq!(mapped, [0.0; 3]);
            assert_eq!(scaling.to_data(&mapped), Ok(values.to_vec()));
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
        let logarithm = Logarithm {
            at: 1,
            centre: 0.1,
            unit: 1.0 / 3.0,
        };
        for logarithms in [vec![], vec![logarithm]] {
            let scaling = Scaling::standardising_logarithms(&columns(100), 3, logarithms);
            let json = serde_json::to_string(&scaling).expect("plain numbers serialise");
            let back: Scaling = serde_json::from_str(&json).expect("as written");
            assert_eq!(back, scaling);
            let text = toml::to_string(&scaling).expect("plain numbers serialise");
            let back: Scaling = toml::from_str(&text).expect("as written");
            assert_eq!(back, scaling);
        }
    }

    #[test]
    fn a_scaling_of_earlier_versions_is_affine() {
        let text = r#"{"shift":[0.1,3.0],"scale":[1.5,2.0]}"#;
        let scaling: Scaling = serde_json::from_str(text).expect("as written then");
        assert_eq!(scaling, Scaling::affine_of(vec![0.1, 3.0], vec![1.5, 2.0]));
    }

    #[test]
    fn a_scaling_that_was_edited_does_not_fit() {
        let good = Scaling::standardising(&columns(100), 3);
        assert!(good.fits(3) && !good.fits(2));
        assert!(Scaling::identity().fits(64));
        for (shift, scale) in [
            (vec![0.0], vec![0.0]),
            (vec![0.0], vec![-1.0]),
            (vec![0.0], vec![f64::INFINITY]),
            (vec![f64::NAN], vec![1.0]),
            (vec![0.0], vec![1.0, 1.0]),
            (vec![], vec![]),
        ] {
            let scaling = Scaling::affine_of(shift, scale);
            assert!(!scaling.fits(1), "{scaling:?}");
        }
        for (at, centre, unit) in [(1, 0.0, 1.0), (0, f64::NAN, 1.0), (0, 0.0, 0.0)] {
            let scaling = Scaling {
                logarithms: vec![Logarithm { at, centre, unit }],
                ..Scaling::identity()
            };
            assert!(!scaling.fits(1), "{scaling:?}");
        }
    }
}
