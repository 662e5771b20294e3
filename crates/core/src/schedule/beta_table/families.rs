//! The tables of the literature: `β` linear, scaled linear, cosine and sigmoid over the steps, and
//! zero terminal SNR.

use super::{BetaTable, TableError};
use crate::named::{FINITE, Kind, OutOfRange, POSITIVE, Range, Setting};
use crate::{named, settings};
use std::f64::consts::FRAC_PI_2;

/// The offset of the cosine table (Nichol & Dhariwal 2021, §3.2).
const OFFSET: f64 = 0.008;
/// The largest β of the cosine table, which would end at 1 (Nichol & Dhariwal 2021, §3.2).
const CEILING: f64 = 0.999;
/// The sigmoid table spans the logistic function from −6 to 6.
const SPAN: f64 = 6.0;

/// A share of noise.
const BETA: Range<f64> = Range {
    holds: |beta| *beta > 0.0 && *beta <= 1.0,
    remedy: "give a beta in (0, 1]",
};

settings! {
    /// What a table is made of.
    #[derive(Clone, PartialEq)]
    pub struct Chain {
        /// Steps of the chain.
        timesteps: usize = 1000 => Range {
            holds: |n| (2..=1_000_000).contains(n),
            remedy: "give 2 to 1000000 steps",
        },
        /// How β rises along the chain.
        betas: Betas = Betas::Linear { first: 1e-4, last: 0.02 },
        /// Rescale the chain so that it ends without signal (Lin et al. 2024).
        zero_terminal_snr: bool = false,
    }
}

named! {
    /// How β rises along a chain of T steps.
    #[derive(Clone, PartialEq)]
    pub enum Betas as "family of betas" {
        /// `β_k = first + k/(T − 1)·(last − first)` (Ho et al. 2020).
        "linear" => Linear {
            /// The least β.
            first: f64 = 1e-4 => BETA,
            /// The largest β.
            last: f64 = 0.02 => BETA,
        },
        /// `√β_k = √first + k/(T − 1)·(√last − √first)` (latent diffusion; Rombach et al. 2022).
        "scaled-linear" => ScaledLinear {
            /// The least β.
            first: f64 = 0.000_85 => BETA,
            /// The largest β.
            last: f64 = 0.012 => BETA,
        },
        /// ᾱ along a squared cosine (Nichol & Dhariwal 2021).
        "cosine" => Cosine,
        /// β along a logistic function (GeoDiff; Xu et al. 2022).
        "sigmoid" => Sigmoid {
            /// The least β.
            first: f64 = 1e-4 => BETA,
            /// The largest β.
            last: f64 = 0.02 => BETA,
        },
        /// ᾱ along a logistic function (Chen 2023).
        "sigmoid-alpha-bar" => SigmoidAlphaBar {
            /// Where the logistic function starts.
            start: f64 = -3.0 => FINITE,
            /// Where it ends, after `start`.
            end: f64 = 3.0 => FINITE,
            /// Its temperature τ: above 1 the chain is nearer to a linear ᾱ.
            temperature: f64 = 1.0 => POSITIVE,
        },
        /// These numbers, one per step.
        "given" => Given(values: Vec<f64> = Vec::new()),
    }
}

impl Betas {
    /// The β of T steps.
    fn values(&self, steps: usize) -> Vec<f64> {
        let each = |beta: &dyn Fn(usize) -> f64| (0..steps).map(beta).collect();
        match self {
            &Self::Linear { first, last } => each(&|k| spaced(first, last, k, steps)),
            &Self::ScaledLinear { first, last } => {
                each(&|k| spaced(first.sqrt(), last.sqrt(), k, steps).powi(2))
            }
            Self::Cosine => {
                let angle =
                    |k: usize| (k as f64 / steps as f64 + OFFSET) / (1.0 + OFFSET) * FRAC_PI_2;
                each(&|k| {
                    let (before, after) = (angle(k), angle(k + 1));
                    // cos²a − cos²b = sin(b − a)·sin(b + a), without the cancellation of the first
                    // steps.
                    let difference = (after - before).sin() * (after + before).sin();
                    (difference / before.cos().powi(2)).min(CEILING)
                })
            }
            &Self::Sigmoid { first, last } => each(&|k| {
                let z = spaced(-SPAN, SPAN, k, steps);
                first + (last - first) / (1.0 + (-z).exp())
            }),
            &Self::SigmoidAlphaBar {
                start,
                end,
                temperature,
            } => {
                let z = |k: usize| spaced(start, end, k, steps + 1) / temperature;
                // logistic(b) − logistic(a) without the cancellation where they are close.
                let rise = |a: f64, b: f64| {
                    (0.5 * (b - a)).sinh() / (2.0 * (0.5 * a).cosh() * (0.5 * b).cosh())
                };
                each(&|k| (rise(z(k), z(k + 1)) / rise(z(k), z(steps))).min(CEILING))
            }
            Self::Given(values) => values.clone(),
        }
    }
}

/// Ho et al. 2020: 1000 steps, β linear from 10⁻⁴ to 0.02.
impl Default for BetaTable {
    fn default() -> Self {
        Self::linear(1000, 1e-4, 0.02)
    }
}

/// Why a chain has no table.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum ChainError {
    /// A value is out of range.
    Range(#[from] OutOfRange),
    /// The β are no table.
    Table(#[from] TableError),
}

impl TryFrom<Chain> for BetaTable {
    type Error = ChainError;

    fn try_from(chain: Chain) -> Result<Self, ChainError> {
        chain.check("ddpm")?;
        let betas = chain.betas.values(chain.timesteps);
        let rescale = chain.zero_terminal_snr;
        let table = Self::of_chain(chain, betas)?;
        let steps = table.steps();
        // A subnormal ᾱ has lost its digits, and with them the posterior of the steps after it.
        let signals = &table.alpha_bars()[..steps - 1];
        if let Some(index) = signals.iter().position(|&a| a < f64::MIN_POSITIVE) {
            return Err(TableError::NoSignal { index, steps }.into());
        }
        Ok(if rescale {
            table.zero_terminal_snr()
        } else {
            table
        })
    }
}

impl From<BetaTable> for Chain {
    fn from(table: BetaTable) -> Self {
        table.chain
    }
}

impl Setting for BetaTable {
    fn kind() -> Kind {
        Chain::kind()
    }

    fn check(&self, key: &str) -> Result<(), OutOfRange> {
        self.chain.check(key)
    }
}

impl BetaTable {
    /// β linear in k.
    ///
    /// `β_k = first + k/(T − 1)·(last − first)`
    ///
    /// Source: Ho et al. 2020, §4: T = 1000, 10⁻⁴ to 0.02.
    ///
    /// # Panics
    /// If [`BetaTable::new`] refuses the β.
    pub fn linear(steps: usize, first: f64, last: f64) -> Self {
        Self::made(steps, Betas::Linear { first, last })
    }

    /// √β linear in k.
    ///
    /// `√β_k = √first + k/(T − 1)·(√last − √first)`
    ///
    /// Source: Rombach et al. 2022 (latent diffusion): T = 1000, 0.00085 to 0.012.
    ///
    /// # Panics
    /// If [`BetaTable::new`] refuses the β.
    pub fn scaled_linear(steps: usize, first: f64, last: f64) -> Self {
        Self::made(steps, Betas::ScaledLinear { first, last })
    }

    /// ᾱ along a squared cosine.
    ///
    /// `β_k = min(1 − f(k + 1)/f(k), .999)`, `f(k) = cos²((k/T + .008)/1.008·π/2)`
    ///
    /// Source: Nichol & Dhariwal 2021, eq. 17. ᾱ is the product of the clipped 1 − β, so it leaves
    /// the cosine at the last step.
    ///
    /// # Panics
    /// If `steps` is 0.
    pub fn cosine(steps: usize) -> Self {
        Self::made(steps, Betas::Cosine)
    }

    /// β along a logistic function.
    ///
    /// `β_k = first + (last − first)/(1 + e^{−z})`, `z` from −6 to 6
    ///
    /// Source: Xu et al. 2022 (GeoDiff), their released code's schedule: β nearly constant at both
    /// ends.
    ///
    /// # Panics
    /// If [`BetaTable::new`] refuses the β.
    pub fn sigmoid(steps: usize, first: f64, last: f64) -> Self {
        Self::made(steps, Betas::Sigmoid { first, last })
    }

    /// ᾱ along a logistic function.
    ///
    /// `ᾱ(u) = (S(z_1) − S(z_u))/(S(z_1) − S(z_0))`, `S` the logistic function,
    /// `z_u = (start + u·(end − start))/τ`, `β_k = min(1 − ᾱ((k + 1)/T)/ᾱ(k/T), .999)`
    ///
    /// Source: Chen 2023 (On the importance of noise scheduling for diffusion models), algorithm 1:
    /// −3, 3, and τ from .3 to 1.5; smaller τ suits small images.
    ///
    /// # Panics
    /// If [`BetaTable::new`] refuses the β, as it does unless start < end and τ > 0.
    pub fn sigmoid_alpha_bar(steps: usize, start: f64, end: f64, temperature: f64) -> Self {
        let betas = Betas::SigmoidAlphaBar {
            start,
            end,
            temperature,
        };
        Self::made(steps, betas)
    }

    /// The table shifted and stretched so that nothing is left of the data after its last step.
    ///
    /// `√ᾱ'_k = (√ᾱ_k − √ᾱ_{T−1})·√ᾱ_0/(√ᾱ_0 − √ᾱ_{T−1})`
    ///
    /// Source: Lin et al. 2024, algorithm 1. The first ᾱ is kept, the last is 0 and its β 1. A
    /// table of one step becomes β = 1.
    ///
    /// At t = 0 the noise does not determine the data: predict data, velocity or v.
    pub fn zero_terminal_snr(self) -> Self {
        let last = self.steps() - 1;
        // √ᾱ_{k−1} − √ᾱ_k from β_k, and √ᾱ_k − √ᾱ_{T−1} as a sum of these, neither with a
        // cancellation.
        let fall = |k: usize| {
            let beta = self.beta(k);
            self.alpha_bar(k - 1).sqrt() * beta / (1.0 + (1.0 - beta).sqrt())
        };
        let mut betas = self.betas().to_vec();
        betas[last] = 1.0;
        let mut left = if last > 0 { fall(last) } else { 0.0 };
        for k in (1..last).rev() {
            let (after, before) = (left, left + fall(k));
            betas[k] = fall(k) * (before + after) / (before * before);
            left = before;
        }
        let chain = Chain {
            zero_terminal_snr: true,
            ..self.chain
        };
        Self::of_chain(chain, betas).unwrap_or_else(|error| panic!("{error}"))
    }

    fn made(timesteps: usize, betas: Betas) -> Self {
        let values = betas.values(timesteps);
        let chain = Chain {
            timesteps,
            betas,
            zero_terminal_snr: false,
        };
        Self::of_chain(chain, values).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The k-th of n evenly spaced numbers from `first` to `last`, both included; the first alone if n
/// is 1.
fn spaced(first: f64, last: f64, k: usize, n: usize) -> f64 {
    if k == 0 {
        return first;
    }
    first + (last - first) * (k as f64 / (n - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, expected: f64, tolerance: f64) {
        assert!(
            (got / expected - 1.0).abs() < tolerance,
            "{got:e} instead of {expected:e}"
        );
    }

    #[test]
    fn the_linear_table_has_the_papers_numbers() {
        let table = BetaTable::default();
        assert_eq!((table.steps(), table.beta(0)), (1000, 1e-4));
        close(table.beta(999), 0.02, 1e-15);
        close(table.alpha_bar(999), 4.035829765e-05, 1e-9);
    }

    #[test]
    fn the_cosine_table_has_the_papers_numbers() {
        let table = BetaTable::cosine(1000);
        close(table.beta(0), 4.1284224822e-05, 1e-10);
        close(table.alpha_bar(499), 0.49384359, 1e-8);
        assert_eq!(table.beta(999), CEILING);
        // Integer division in k/T makes all but one of them 0.
        let inner = table.betas().iter().filter(|b| **b > 0.0 && **b < CEILING);
        assert_eq!(inner.count(), 999);
    }

    #[test]
    fn the_cosine_table_follows_the_cosine_up_to_its_clipped_step() {
        use crate::schedule::{Cosine, Schedule};
        let table = BetaTable::cosine(1000);
        for k in 0..999 {
            let alpha = Cosine.at(table.time(k)).alpha;
            close(table.alpha_bar(k), alpha * alpha, 1e-10);
        }
    }

    #[test]
    fn the_scaled_linear_table_ends_at_the_noise_level_of_latent_diffusion() {
        let table = BetaTable::scaled_linear(1000, 0.00085, 0.012);
        close(table.beta(0), 0.00085, 1e-14);
        close(table.beta(999), 0.012, 1e-14);
        let mid = ((0.00085_f64.sqrt() + 0.012_f64.sqrt()) / 2.0).powi(2);
        close((table.beta(499) * table.beta(500)).sqrt(), mid, 1e-6);
        let level = |k| (table.sigma_square(k) / table.alpha_bar(k)).sqrt();
        close(level(0), (0.00085_f64 / 0.99915).sqrt(), 1e-14);
        close(level(999), 14.6146, 1e-5);
    }

    #[test]
    fn the_sigmoid_table_is_symmetric_about_its_middle() {
        let table = BetaTable::sigmoid(1001, 1e-4, 0.02);
        close(table.beta(500), (1e-4 + 0.02) / 2.0, 1e-14);
        close(table.beta(0), 1e-4 + 0.0199 / (1.0 + 6.0_f64.exp()), 1e-14);
        for k in 0..500 {
            close(table.beta(k) + table.beta(1000 - k), 0.0201, 1e-13);
        }
    }

    #[test]
    fn the_sigmoid_alpha_bar_table_follows_the_papers_function() {
        // Chen 2023, algorithm 1, sigmoid_schedule.
        let logistic = |z: f64| 1.0 / (1.0 + (-z).exp());
        for (start, end, tau) in [(-3.0, 3.0, 1.0), (0.0, 3.0, 0.3), (-3.0, 3.0, 1.5)] {
            let table = BetaTable::sigmoid_alpha_bar(1000, start, end, tau);
            let (first, last) = (logistic(start / tau), logistic(end / tau));
            for k in [0, 1, 250, 500, 900, 998] {
                let u = (k + 1) as f64 / 1000.0;
                let z = (u * (end - start) + start) / tau;
                let expected = (last - logistic(z)) / (last - first);
                close(table.alpha_bar(k), expected, 1e-9);
            }
            assert_eq!(table.beta(999), CEILING);
        }
    }

    #[test]
    fn a_table_of_one_step_is_its_first_beta() {
        assert_eq!(BetaTable::linear(1, 0.3, 0.9).betas(), [0.3]);
        assert_eq!(
            BetaTable::linear(1, 0.3, 0.9).zero_terminal_snr().betas(),
            [1.0]
        );
    }

    #[test]
    fn zero_terminal_snr_shifts_and_stretches_the_signal() {
        for table in [
            BetaTable::default(),
            BetaTable::scaled_linear(1000, 0.00085, 0.012),
            BetaTable::sigmoid(200, 1e-4, 0.05),
            BetaTable::linear(2, 0.1, 0.2),
        ] {
            let zeroed = table.clone().zero_terminal_snr();
            let root = |k| table.alpha_bar(k).sqrt();
            let last = table.steps() - 1;
            assert_eq!(zeroed.alpha_bar(0), table.alpha_bar(0));
            assert_eq!((zeroed.alpha_bar(last), zeroed.beta(last)), (0.0, 1.0));
            for k in 0..last {
                let expected = (root(k) - root(last)) * root(0) / (root(0) - root(last));
                close(zeroed.alpha_bar(k).sqrt(), expected, 1e-11);
            }
        }
    }

    #[test]
    fn zero_terminal_snr_twice_is_once() {
        let once = BetaTable::default().zero_terminal_snr();
        let twice = once.clone().zero_terminal_snr();
        for k in 0..1000 {
            close(twice.beta(k), once.beta(k), 1e-11);
        }
    }

    #[test]
    #[should_panic(expected = "beta = 0 at step 0 is outside of (0, 1]")]
    fn a_table_without_noise_is_refused() {
        BetaTable::linear(10, 0.0, 0.1);
    }
}
