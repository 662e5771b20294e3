//! Weights that solve a Vandermonde system.
//!
//! `Σ_i a_i·r_i^k = b_k, k = 0 … n − 1`

/// The a_i, by elimination with pivots; n is 2 or 3 here.
pub(super) fn solve(rates: &[f64], right: Vec<f64>) -> Vec<f64> {
    let n = rates.len();
    let mut rows: Vec<Vec<f64>> = (right.into_iter().enumerate())
        .map(|(k, b)| {
            let powers = rates.iter().map(|r| r.powi(k as i32));
            powers.chain([b]).collect()
        })
        .collect();
    for i in 0..n {
        let pivot = (i..n).max_by(|&a, &b| rows[a][i].abs().total_cmp(&rows[b][i].abs()));
        rows.swap(i, pivot.expect("some row is left"));
        let pivot = rows[i].clone();
        for row in rows.iter_mut().skip(i + 1) {
            let factor = row[i] / pivot[i];
            (row.iter_mut().zip(&pivot)).for_each(|(value, p)| *value -= factor * p);
        }
    }
    let mut found = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * found[j]).sum();
        found[i] = (rows[i][n] - known) / rows[i][i];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conditions_hold() {
        for rates in [vec![-1.3, 1.0], vec![-0.7, -1.9, 1.0]] {
            let right: Vec<f64> = (0..rates.len()).map(|k| 1.0 / (k as f64 + 2.0)).collect();
            let shares = solve(&rates, right.clone());
            for (k, b) in right.iter().enumerate() {
                let terms = shares.iter().zip(&rates).map(|(a, r)| a * r.powi(k as i32));
                assert!((terms.sum::<f64>() - b).abs() < 1e-14);
            }
        }
    }
}
