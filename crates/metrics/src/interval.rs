//! 95 % intervals of a score.
//!
//! `x̄ ± t_{.975, n−1}·s/√n` of repetitions, with Student's t (Student 1908);
//! `(p + z²/2n ± z·√(p(1 − p)/n + z²/4n²))/(1 + z²/n)`, `z = Φ⁻¹(.975)`, of a share (Wilson 1927)
//!
//! Neither draws new samples from a sample: a bootstrap repeats points, which moves W2 and the
//! Fréchet distance up by as much as the smaller sample that it is.

use pyroclast_core::noise::normal_quantile;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The probability below the upper end.
const UPPER: f64 = 0.975;

/// Degrees of freedom beyond which the inverse of the distribution function loses digits.
const MANY: f64 = 1000.0;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// An interval of the mean of independent values; `None` for fewer than two.
    ///
    /// ```
    /// use pyroclast_metrics::Interval;
    ///
    /// let of_five = Interval::of_mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("several values");
    /// assert!((of_five.high - 4.963_243).abs() < 1e-6); // 3 + 2.776·√(2.5/5)
    /// assert_eq!(Interval::of_mean(&[1.0]), None);
    /// ```
    pub fn of_mean(values: &[f64]) -> Option<Self> {
        let (mean, error) = mean_and_error(values)?;
        Some(Self::around(mean, error, values.len() - 1))
    }

    /// An interval of a share of `n` independent samples: Wilson's, which stays within [0, 1].
    ///
    /// ```
    /// use pyroclast_metrics::Interval;
    ///
    /// let all_of_ten = Interval::of_share(1.0, 10);
    /// assert!(all_of_ten.high == 1.0 && (all_of_ten.low - 0.722_467).abs() < 1e-6);
    /// ```
    ///
    /// Ranges: share in [0, 1], n at least 1.
    pub fn of_share(share: f64, n: usize) -> Self {
        let n = n as f64;
        let z = normal_quantile(UPPER);
        let square = z * z / n;
        let centre = (share + square / 2.0) / (1.0 + square);
        let half = z * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt() / (1.0 + square);
        Self {
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
        }
    }

    /// `value ± t_{.975, ν}·error`, for an error estimated with ν degrees of freedom.
    ///
    /// Range: freedom at least 1.
    pub fn around(value: f64, error: f64, freedom: usize) -> Self {
        let half = student_quantile(UPPER, freedom) * error;
        Self {
            low: value - half,
            high: value + half,
        }
    }

    /// Whether it contains a value.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The mean of independent values and its standard error; `None` for fewer than two.
pub(crate) fn mean_and_error(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (mean, (squares / (n - 1.0) / n).sqrt()))
}

/// The quantile of Student's t with ν degrees of freedom; for many of them by its expansion around
/// the normal one (Fisher & Cornish 1960), to 10⁻⁸.
fn student_quantile(p: f64, freedom: usize) -> f64 {
    let freedom = freedom as f64;
    if freedom > MANY {
        let z = normal_quantile(p);
        let square = z * z;
        let second = ((5.0 * square + 16.0) * square + 3.0) / (96.0 * freedom * freedom);
        return z * (1.0 + (square + 1.0) / (4.0 * freedom) + second);
    }
    let student = StudentsT::new(0.0, 1.0, freedom);
    student.expect("a positive freedom").inverse_cdf(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_student_are_those_of_the_tables() {
        // By mpmath; with one degree of freedom tan(.475π), with two 2·.475·√(2/(1 − .95²)).
        for (freedom, expected) in [
            (1, 12.706_204_736_174_7),
            (2, 4.302_652_729_749_46),
            (4, 2.776_445_105_197_8),
            (9, 2.262_157_162_798_2),
        ] {
            let got = student_quantile(UPPER, freedom);
            assert!((got - expected).abs() < 1e-10, "{freedom}: {got}");
        }
        // Both sides of the change to the expansion.
        let [below, above] = [1000, 1001].map(|freedom| student_quantile(UPPER, freedom));
        let slope = 2.37e-6; // (z³ + z)/(4·ν²)
        assert!((below - above - slope).abs() < 3e-8, "{below} {above}");
        assert_eq!(student_quantile(UPPER, usize::MAX), normal_quantile(UPPER));
    }

    #[test]
    fn a_share_has_the_interval_of_wilson() {
        let Interval { low, high } = Interval::of_share(0.9, 1000);
        assert!((low - 0.879_848_036_804_651_6).abs() < 1e-14, "{low}");
        assert!((high - 0.917_090_556_406_904_4).abs() < 1e-14, "{high}");
        for share in [0.0, 1.0] {
            let Interval { low, high } = Interval::of_share(share, 3);
            assert!(0.0 <= low && low < high && high <= 1.0, "{low} {high}");
        }
    }

    #[test]
    fn nineteen_of_twenty_intervals_contain_the_mean() {
        use pyroclast_core::noise::{Noise, Stream};
        // 2000 means of three normal numbers, each ± 4.30 s/√3.
        let mut draws = Noise::new(3).draws(Stream::Metric, 0);
        let inside = (0..2000)
            .filter(|_| {
                let found = Interval::of_mean(&draws.normals_f64(3));
                found.expect("three values").contains(0.0)
            })
            .count();
        let bound = 5.0 * (2000.0_f64 * 0.95 * 0.05).sqrt();
        assert!((inside as f64 - 1900.0).abs() < bound, "{inside}");
    }
}
