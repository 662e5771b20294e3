//! A table as a schedule: `α` linear in t from `√ᾱ_k` to `√ᾱ_{k−1}`, `σ = √(1 − α²)`

use super::BetaTable;
use crate::schedule::{Coefficients, Schedule};

/// One point of the table, with 1 − α beside α so that neither end loses digits.
struct Node {
    alpha: f64,
    /// 1 − α.
    loss: f64,
}

impl BetaTable {
    /// The point k + 1 = `count`: clean data at 0, step k after k + 1 steps.
    fn node(&self, count: usize) -> Node {
        match count.checked_sub(1) {
            None => Node {
                alpha: 1.0,
                loss: 0.0,
            },
            Some(k) => {
                let alpha = self.alpha_bar(k).sqrt();
                Node {
                    alpha,
                    loss: self.sigma_square(k) / (1.0 + alpha),
                }
            }
        }
    }
}

/// At a table's time the derivatives are those of the piece on its data side. At t = 1, σ = 0 and
/// σ̇ = −∞.
impl Schedule for BetaTable {
    fn at(&self, t: f64) -> Coefficients {
        let position = self.position(t);
        let noisier = position.ceil().max(1.0) as usize;
        let share = position - (noisier - 1) as f64;
        let (near, far) = (self.node(noisier - 1), self.node(noisier));
        let mix = |near: f64, far: f64| (1.0 - share) * near + share * far;
        let alpha = mix(near.alpha, far.alpha);
        let sigma = if share == 1.0 {
            self.sigma_square(noisier - 1).sqrt()
        } else {
            (mix(near.loss, far.loss) * (1.0 + alpha)).sqrt()
        };
        let rise = if alpha > 0.5 {
            far.loss - near.loss
        } else {
            near.alpha - far.alpha
        };
        let d_alpha = rise * self.steps() as f64;
        Coefficients {
            alpha,
            sigma,
            d_alpha,
            d_sigma: -alpha * d_alpha / sigma,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        // ᾱ = 1/(1 + e^{−l}), 1 − ᾱ = 1/(1 + eˡ); the smaller of the two places the level.
        let alpha_bar = 1.0 / (1.0 + (-l).exp());
        let sigma_square = 1.0 / (1.0 + l.exp());
        let alpha = alpha_bar.sqrt();
        let nearer = if l < 0.0 {
            self.alpha_bars().partition_point(|&a| a > alpha_bar)
        } else {
            self.sigma_squares().partition_point(|&s| s < sigma_square)
        };
        if nearer == self.steps() {
            return 0.0;
        }
        let (near, far) = (self.node(nearer), self.node(nearer + 1));
        let share = if l < 0.0 {
            (near.alpha - alpha) / (near.alpha - far.alpha)
        } else {
            (sigma_square / (1.0 + alpha) - near.loss) / (far.loss - near.loss)
        };
        1.0 - (nearer as f64 + share.clamp(0.0, 1.0)) / self.steps() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<BetaTable> {
        vec![
            BetaTable::default(),
            BetaTable::default().zero_terminal_snr(),
            BetaTable::cosine(1000),
            BetaTable::scaled_linear(1000, 0.00085, 0.012),
            BetaTable::sigmoid(49, 1e-3, 0.3),
            BetaTable::linear(1, 0.5, 0.5),
        ]
    }

    #[test]
    fn the_schedule_passes_through_the_table_to_the_last_bit() {
        for table in tables() {
            for k in 0..table.steps() {
                let c = table.at(table.time(k));
                assert_eq!(c.alpha, table.alpha_bar(k).sqrt(), "{table:?} {k}");
                assert_eq!(c.sigma, table.sigma_square(k).sqrt(), "{table:?} {k}");
            }
            let data = table.at(1.0);
            assert_eq!((data.alpha, data.sigma), (1.0, 0.0));
            assert_eq!(data.d_sigma, f64::NEG_INFINITY);
        }
    }

    #[test]
    fn signal_and_noise_share_a_variance_of_one() {
        for table in tables() {
            for i in 0..=10_000 {
                let c = table.at(f64::from(i) / 10_000.0);
                let sum = c.alpha * c.alpha + c.sigma * c.sigma;
                assert!((sum - 1.0).abs() < 1e-13, "{table:?} {i} {sum}");
            }
        }
    }

    #[test]
    fn the_noise_keeps_its_digits_next_to_the_data() {
        let table = BetaTable::default();
        let (slope, h) = (1000.0 * (1.0 - (1.0 - 1e-4_f64).sqrt()), 1e-9);
        let expected = (2.0 * slope * h).sqrt();
        let sigma = table.at(1.0 - h).sigma;
        // 1 − t has lost 10⁻⁷ of h already, and 1 + α is 2 to 5·10⁻¹¹.
        assert!((sigma / expected - 1.0).abs() < 1e-7, "{sigma} {expected}");
    }

    #[test]
    fn derivatives_are_those_of_the_piece_on_the_data_side() {
        for table in tables() {
            let cell = 1.0 / table.steps() as f64;
            for k in 0..table.steps() {
                let t = table.time(k);
                let (c, next) = (table.at(t), table.at(t + cell));
                let slope = (next.alpha - c.alpha) / cell;
                assert!((c.d_alpha - slope).abs() < 1e-9, "{table:?} {k}");
                // A central difference inside of the piece: h²/6 of the third derivative, and the
                // rounding of two σ.
                let (mid, h) = (t + 0.5 * cell, 1e-3 * cell);
                let (before, after) = (table.at(mid - h), table.at(mid + h));
                let c = table.at(mid);
                let slope = (after.sigma - before.sigma) / (2.0 * h);
                let bound = 1e-6 * c.d_sigma.abs() + 4.0 * f64::EPSILON / h;
                assert!((c.d_sigma - slope).abs() < bound, "{table:?} {k} {slope}");
            }
        }
    }

    #[test]
    fn the_time_of_a_log_snr_is_the_inverse() {
        for table in tables() {
            for i in 0..1000 {
                let t = (f64::from(i) + 0.37) / 1000.0;
                let back = table.time_at_log_snr(table.log_snr(t));
                assert!((back - t).abs() < 1e-11, "{table:?} {t} {back}");
            }
            for k in 0..table.steps() - 1 {
                let t = table.time(k);
                let back = table.time_at_log_snr(table.log_snr(t));
                assert!((back - t).abs() < 1e-11, "{table:?} {k} {back}");
            }
        }
    }

    #[test]
    fn levels_beyond_the_table_are_its_ends() {
        for table in tables() {
            for l in [f64::NEG_INFINITY, -1e3, -60.0] {
                assert!(table.time_at_log_snr(l) < 1e-9, "{table:?}");
            }
            for l in [f64::INFINITY, 1e3] {
                assert_eq!(table.time_at_log_snr(l), 1.0, "{table:?}");
            }
        }
    }

    #[test]
    fn zero_terminal_snr_is_finite_but_for_the_log_snr() {
        let table = BetaTable::default().zero_terminal_snr();
        let c = table.at(0.0);
        assert_eq!((c.alpha, c.sigma, c.d_sigma), (0.0, 1.0, 0.0));
        assert!(c.d_alpha > 0.0 && c.delta() == c.d_alpha);
        assert_eq!(table.log_snr(0.0), f64::NEG_INFINITY);
        assert_eq!(table.time_at_log_snr(f64::NEG_INFINITY), 0.0);
    }
}
