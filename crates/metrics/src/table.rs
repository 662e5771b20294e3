//! Tables: samples against data, column by column and together.
//!
//! `W1 = ∫|F⁻¹ − G⁻¹|` for numbers, `TV = ½·Σ|p_k − q_k|` for words; and the correlations between
//! columns
//!
//! Distances are on the model's scale, where columns of numbers have standard deviation 1.

use pyroclast_train::dataset::{Content, Table};

/// The scores of samples of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableScores {
    /// A score per column.
    pub columns: Vec<ColumnScore>,
    /// The mean over pairs of values of the absolute difference between the correlations of samples
    /// and of data, and between those of other data and of data.
    pub correlations: [f64; 2],
}

/// The score of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnScore {
    /// The name of the column.
    pub name: String,
    /// What is measured.
    pub distance: ColumnDistance,
    /// Of samples from data.
    pub score: f64,
    /// Of other data from data: the score of a perfect sampler.
    pub floor: f64,
}

/// A distance between the distributions of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnDistance {
    /// W1 of numbers, on the model's scale.
    Wasserstein,
    /// Total variation of words, or of empty cells.
    TotalVariation,
}

impl ColumnDistance {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasserstein => "W1",
            Self::TotalVariation => "TV",
        }
    }

    /// Its key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Wasserstein => "wasserstein",
            Self::TotalVariation => "total_variation",
        }
    }
}

/// Rows of a table on the model's scale, `[n, dim]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// What a model has drawn, as rows that the table can hold.
    pub samples: &'a [f32],
    /// As many rows of data.
    pub data: &'a [f32],
    /// As many other rows of data.
    pub other: &'a [f32],
}

/// Scores samples of a table.
///
/// # Panics
/// If samples, data and other data differ in number or are fewer than two.
pub fn table_scores(table: &Table, rows: Rows<'_>) -> TableScores {
    let dim = table.dim();
    assert_eq!(
        rows.samples.len(),
        rows.data.len(),
        "as many samples as data"
    );
    assert_eq!(
        rows.other.len(),
        rows.data.len(),
        "as many other data as data"
    );
    assert!(rows.data.len() >= 2 * dim, "at least two rows");
    let pairs = [(rows.samples, rows.data), (rows.other, rows.data)];
    let correlation = rows_correlations(rows.data, dim);
    let difference = |x: &[f32]| {
        let of_x = rows_correlations(x, dim);
        let sum: f64 = of_x
            .iter()
            .zip(&correlation)
            .map(|(a, b)| (a - b).abs())
            .sum();
        sum / correlation.len().max(1) as f64
    };
    TableScores {
        columns: columns(table, pairs, dim),
        correlations: pairs.map(|(x, _)| difference(x)),
    }
}

fn columns(table: &Table, pairs: [(&[f32], &[f32]); 2], dim: usize) -> Vec<ColumnScore> {
    let mut scores = Vec::new();
    for (at, column) in table.places() {
        let words = match &column.content {
            Content::Words(words) => words.len(),
            _ => 0,
        };
        let mut push = |name: String, distance, of: &dyn Fn(&[f32], &[f32]) -> f64| {
            let [score, floor] = pairs.map(|(x, y)| of(x, y));
            scores.push(ColumnScore {
                name,
                distance,
                score,
                floor,
            });
        };
        let variation = |range: std::ops::Range<usize>| {
            move |x: &[f32], y: &[f32]| {
                let share = |rows: &[f32], at| {
                    let ones = values(rows, dim, at).filter(|value| *value > 0.0).count();
                    ones as f64 / (rows.len() / dim) as f64
                };
                let gaps = range.clone().map(|at| (share(x, at) - share(y, at)).abs());
                gaps.sum::<f64>()
            }
        };
        let name = column.name.clone();
        if words > 0 {
            let half = |x: &[f32], y: &[f32]| variation(at..at + words)(x, y) / 2.0;
            push(name, ColumnDistance::TotalVariation, &half);
        } else {
            let of = |x: &[f32], y: &[f32]| wasserstein_1(x, y, dim, at);
            push(name, ColumnDistance::Wasserstein, &of);
        }
        if column.may_be_empty {
            let last = at + column.width() - 1;
            let name = format!("{} is empty", column.name);
            push(
                name,
                ColumnDistance::TotalVariation,
                &variation(last..last + 1),
            );
        }
    }
    scores
}

fn values(rows: &[f32], dim: usize, at: usize) -> impl Iterator<Item = f32> + '_ {
    rows.iter().skip(at).step_by(dim).copied()
}

/// `W1` of one value of as many rows: the mean distance of the sorted values.
fn wasserstein_1(x: &[f32], y: &[f32], dim: usize, at: usize) -> f64 {
    let sorted = |rows| {
        let mut all: Vec<f32> = values(rows, dim, at).collect();
        all.sort_by(f32::total_cmp);
        all
    };
    let (x, y) = (sorted(x), sorted(y));
    let gaps = x.iter().zip(&y).map(|(a, b)| f64::from(a - b).abs());
    gaps.sum::<f64>() / x.len() as f64
}

/// The correlations between each pair of values, in order; 0 for one that does not vary.
fn rows_correlations(rows: &[f32], dim: usize) -> Vec<f64> {
    let n = (rows.len() / dim) as f64;
    let standardised = |at| -> Vec<f64> {
        let column: Vec<f64> = values(rows, dim, at).map(f64::from).collect();
        let mean = column.iter().sum::<f64>() / n;
        let square: f64 = column.iter().map(|x| (x - mean).powi(2)).sum();
        let size = if square > 0.0 { square.sqrt() } else { 1.0 };
        column.iter().map(|x| (x - mean) / size).collect()
    };
    let columns: Vec<Vec<f64>> = (0..dim).map(standardised).collect();
    let product = |a: usize, b: usize| -> f64 {
        let terms = columns[a].iter().zip(&columns[b]).map(|(x, y)| x * y);
        terms.sum()
    };
    (0..dim)
        .flat_map(|b| (0..b).map(move |a| (a, b)))
        .map(|(a, b)| product(a, b))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};
    use pyroclast_train::dataset::Column;

    /// Numbers and two words.
    fn table() -> Table {
        let column = |name: &str, content| Column {
            name: name.to_owned(),
            content,
            may_be_empty: false,
        };
        let numbers = Content::Numbers {
            logarithm: None,
            whole: None,
        };
        Table {
            columns: vec![
                column("x", numbers),
                column("word", Content::Words(vec!["a".into(), "b".into()])),
            ],
            label: None,
            separator: ',',
            decimal: '.',
            notes: Vec::new(),
        }
    }

    /// Rows whose number is `shift` larger, and whose word is `b` for a share of them.
    fn rows(n: usize, seed: u64, shift: f32, share: f32) -> Vec<f32> {
        let mut draws = Noise::new(seed).draws(Stream::Metric, 0);
        let x = draws.normals(n);
        let row = |(i, x): (usize, &f32)| {
            let is_b = (i as f32) < share * n as f32;
            let sign = if is_b { 1.0 } else { -1.0 };
            [x + shift, -sign, sign]
        };
        x.iter().enumerate().flat_map(row).collect()
    }

    fn scores(samples: &[f32]) -> TableScores {
        let (data, other) = (rows(600, 1, 0.0, 0.5), rows(600, 2, 0.0, 0.5));
        let rows = Rows {
            samples,
            data: &data,
            other: &other,
        };
        table_scores(&table(), rows)
    }

    #[test]
    fn fresh_data_scores_as_a_perfect_sampler() {
        let scores = scores(&rows(600, 3, 0.0, 0.5));
        assert!(scores.columns[0].score < 0.15, "{scores:?}");
        assert_eq!(scores.columns[1].score, 0.0);
        assert!(scores.correlations[0] < 0.1, "{scores:?}");
    }

    #[test]
    fn what_differs_is_found_in_its_column() {
        let scores = scores(&rows(600, 3, 3.0, 0.8));
        let [x, word] = &scores.columns[..] else {
            panic!("two columns")
        };
        assert_eq!(
            (x.name.as_str(), x.distance),
            ("x", ColumnDistance::Wasserstein)
        );
        assert!((x.score - 3.0).abs() < 0.2 && x.floor < 0.15, "{x:?}");
        assert_eq!(word.distance, ColumnDistance::TotalVariation);
        assert!((word.score - 0.3).abs() < 1e-9, "{word:?}");
    }
}
