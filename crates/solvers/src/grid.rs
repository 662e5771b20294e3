//! Time grids: the steps of a fixed-grid solve.
//!
//! `t_0, t_1, …, t_n`, strictly monotone, forward or backward

use pyroclast_core::ddpm::{BetaTable, End, Spacing};
use pyroclast_core::schedule::Schedule;
use std::fmt;

/// Times of order 1 that differ by no more than this are equal up to the rounding of a schedule's
/// inverse.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// The times of a fixed-grid solve, the first and the last included.
///
/// ```
/// use pyroclast_core::schedule::VariancePreserving;
/// use pyroclast_solvers::TimeGrid;
///
/// let grid = TimeGrid::uniform(0.0, 1.0, 4);
/// assert_eq!(grid.times(), [0.0, 0.25, 0.5, 0.75, 1.0]);
///
/// // Finer towards the data, by Karras' levels of noise.
/// let grid = TimeGrid::karras(&VariancePreserving::default(), (80.0, 0.002), 7.0, 18);
/// assert_eq!(grid.steps(), 18);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TimeGrid(Vec<f64>);

/// Why a list of times is not a grid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// Fewer than two times.
    #[error("a time grid of {0} times has no step; give at least 2 times (1 step)")]
    Empty(usize),
    /// Two neighbours are equal, the direction changes, or a time is not finite.
    #[error(
        "times {0} and {1} break the direction of the grid; \
         give strictly increasing or decreasing times"
    )]
    NotMonotone(f64, f64),
}

impl TimeGrid {
    /// `n` equal steps from `start` to `end`: `t_i = start + i·(end − start)/n`.
    ///
    /// # Panics
    /// If `n` is 0, or `start` and `end` are equal or not finite.
    pub fn uniform(start: f64, end: f64, n: usize) -> Self {
        assert!(n > 0, "a grid has at least one step");
        assert!(
            start != end && (end - start).is_finite(),
            "no step leads from {start} to {end}"
        );
        let at = |i: usize| start + (end - start) * (i as f64 / n as f64);
        let mut times: Vec<f64> = (0..n).map(at).collect();
        times.push(end);
        Self(times)
    }

    /// Karras' grid of noise levels `ς = σ/α` from `high` down to `low`, and on to t = 1 if the
    /// schedule has no noise left there: n steps in all.
    ///
    /// `ς_i = (high^{1/ρ} + i/m·(low^{1/ρ} − high^{1/ρ}))^ρ`, `t_i` where the schedule's level is
    /// ς_i
    ///
    /// Source: Karras et al. 2022, eq. 5; they use ρ = 7, low = 0.002, high = 80. Levels beyond
    /// those of the schedule are moved to its endpoints.
    ///
    /// # Panics
    /// If `n` is 0; unless 0 < low < high; if both levels lie above those of the schedule, or both
    /// below; if `high` and the schedule's highest level are infinite; or if there are so many
    /// steps that the times of two levels are equal.
    pub fn karras(schedule: &dyn Schedule, levels: (f64, f64), rho: f64, n: usize) -> Self {
        let (high, low) = within(schedule, levels);
        let (first, last) = (high.powf(1.0 / rho), low.powf(1.0 / rho));
        Self::levels(schedule, n, |share| {
            -2.0 * rho * (first + share * (last - first)).ln()
        })
    }

    /// A grid that is uniform in the log-SNR from a noise level `ς = σ/α` to a lower one, and
    /// continues to t = 1 if the schedule has no noise left there: n steps in all. (Used by
    /// DPM-Solver, Lu et al. 2022.)
    ///
    /// # Panics
    /// As [`TimeGrid::karras`].
    pub fn log_snr(schedule: &dyn Schedule, levels: (f64, f64), n: usize) -> Self {
        let (high, low) = within(schedule, levels);
        let (first, last) = (high.ln(), low.ln());
        Self::levels(schedule, n, |share| -2.0 * (first + share * (last - first)))
    }

    /// The times of n + 1 log-SNRs, or of n of them followed by the end of the schedule.
    fn levels(schedule: &dyn Schedule, n: usize, log_snr: impl Fn(f64) -> f64) -> Self {
        assert!(n > 0, "a grid has at least one step");
        let ends_clean = schedule.at(1.0).sigma == 0.0;
        let points = if ends_clean { n } else { n + 1 };
        let last = (points - 1).max(1) as f64;
        let mut times: Vec<f64> = (0..points)
            .map(|i| schedule.time_at_log_snr(log_snr(i as f64 / last)))
            .collect();
        if ends_clean {
            times.push(1.0);
        }
        Self::new(times).expect("distinct noise levels of a schedule are distinct times")
    }

    /// The same without the time before the last, for a method that would make nothing of a step
    /// from little noise to none. One step is left as it is.
    #[must_use]
    pub fn without_least_noise(mut self) -> Self {
        if self.steps() > 1 {
            self.0.remove(self.steps() - 1);
        }
        self
    }

    /// n steps whose distance `1 − t` from the data falls quadratically, so that they are finer
    /// there.
    ///
    /// `√(1 − t_i) = √(1 − start) + i/n·(√(1 − end) − √(1 − start))`
    ///
    /// Source: Song, Meng & Ermon 2021 (DDIM), appendix D.2, the quadratic choice of τ.
    ///
    /// # Panics
    /// If `n` is 0, or unless start < end ≤ 1.
    pub fn quadratic(start: f64, end: f64, n: usize) -> Self {
        assert!(n > 0, "a grid has at least one step");
        assert!(
            start < end && end <= 1.0,
            "a quadratic grid runs from t = {start} to a later time of at most 1, not {end}"
        );
        let (first, last) = ((1.0 - start).sqrt(), (1.0 - end).sqrt());
        let at = |i: usize| 1.0 - (first + (last - first) * (i as f64 / n as f64)).powi(2);
        let mut times: Vec<f64> = (0..n).map(at).collect();
        times[0] = start;
        times.push(end);
        Self(times)
    }

    /// n steps from `start` to `end`, moved towards the noise: for shift s > 1 more of them are
    /// taken where there is much noise, as large images need.
    ///
    /// `1 − u' = s·(1 − u)/(1 + (s − 1)·(1 − u))` of uniform u, with u = 0 at `start` and 1 at
    /// `end`
    ///
    /// Source: Esser et al. 2024 (Stable Diffusion 3), eq. 23, where the clock 1 − u is 1 at the
    /// noise; they use s = 3. Black Forest Labs 2024 (Flux) take s = e^μ, with μ by the size of the
    /// image. s = 1 is the uniform grid.
    ///
    /// # Panics
    /// As [`TimeGrid::uniform`]; if `shift` is not positive and finite.
    pub fn shifted(start: f64, end: f64, shift: f64, n: usize) -> Self {
        assert!(
            shift > 0.0 && shift.is_finite(),
            "a shift of {shift} is no positive number"
        );
        let moved = |noise: f64| shift * noise / (1.0 + (shift - 1.0) * noise);
        let Self(mut times) = Self::uniform(0.0, 1.0, n);
        for u in &mut times {
            *u = start + (end - start) * (1.0 - moved(1.0 - *u));
        }
        (times[0], times[n]) = (start, end);
        Self::new(times).unwrap_or_else(|_| Self::uniform(start, end, n))
    }

    /// The same grid with each time moved to the nearest of a table's, or to clean data. Times that
    /// meet become one, so that there may be fewer steps.
    ///
    /// A network that has seen only the indices of its chain is then asked about nothing else
    /// (diffusers rounds its Karras grids in this way).
    ///
    /// # Errors
    /// If all times meet.
    pub fn rounded(self, table: &BetaTable) -> Result<Self, GridError> {
        let steps = table.steps() as f64;
        let mut times = self.0;
        for t in &mut times {
            *t = (*t * steps).round().clamp(0.0, steps) / steps;
        }
        times.dedup();
        Self::new(times)
    }

    /// The indices of a table, spaced for n evaluations. With [`End::Data`] there is a step from
    /// each index; with [`End::Last`] there are n − 1 steps, and the last index is the end.
    ///
    /// # Panics
    /// If `n` is 0 or more than the table has indices, or 1 with [`End::Last`].
    pub fn spaced(table: &BetaTable, spacing: Spacing, n: usize, end: End) -> Self {
        let indices = spacing.indices(table.steps(), n);
        Self::new(table.times(&indices, end)).expect("the indices of a table fall")
    }

    /// The same number of steps, ending at `end` if the grid went beyond it, for fields that are
    /// singular at t = 1.
    ///
    /// The times before `end` stay, and times equal to `end` up to rounding become one. If that
    /// leaves m < n steps, time i of n is the one at position i·m/n among them, interpolated
    /// linearly.
    ///
    /// # Panics
    /// If the grid starts at `end` up to rounding, or after it.
    pub fn until(mut self, end: f64) -> Self {
        let (start, n) = (self.0[0], self.steps());
        let before = |t: f64| end - t > ROUNDING * end.abs().max(1.0);
        assert!(
            before(start),
            "no step of a grid from {start} ends at {end}"
        );
        if self.0[n] <= end {
            return self;
        }
        self.0.retain(|&t| before(t));
        self.0.push(end);
        let kept = self.steps();
        if kept == n {
            return self;
        }
        let at = |i: usize| {
            let (k, rest) = (i * kept / n, i * kept % n);
            self.0[k] + (self.0[k + 1] - self.0[k]) * (rest as f64 / n as f64)
        };
        let mut times: Vec<f64> = (0..n).map(at).collect();
        times.push(end);
        Self(times)
    }

    /// A grid from a list of times.
    ///
    /// # Errors
    /// If there are fewer than two times, or they are not strictly monotone.
    pub fn new(times: Vec<f64>) -> Result<Self, GridError> {
        let [first, second, ..] = times[..] else {
            return Err(GridError::Empty(times.len()));
        };
        let forward = second > first;
        match times
            .windows(2)
            .find(|w| !(w[1] != w[0] && (w[1] > w[0]) == forward && (w[1] - w[0]).is_finite()))
        {
            Some(w) => Err(GridError::NotMonotone(w[0], w[1])),
            None => Ok(Self(times)),
        }
    }

    /// The times.
    pub fn times(&self) -> &[f64] {
        &self.0
    }

    /// The number of steps, at least 1.
    pub fn steps(&self) -> usize {
        self.0.len() - 1
    }

    /// The steps, as (from, to).
    pub fn intervals(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.0.windows(2).map(|w| (w[0], w[1]))
    }

    /// The same times in the other direction.
    pub fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }
}

/// Noise levels, high and low, moved into the range of a schedule.
fn within(schedule: &dyn Schedule, (high, low): (f64, f64)) -> (f64, f64) {
    assert!(
        0.0 < low && low < high,
        "noise levels must be 0 < low < high, not {low} and {high}"
    );
    let level = |t: f64| {
        let c = schedule.at(t);
        c.sigma / c.alpha
    };
    let (most, least) = (level(0.0), level(1.0));
    let (first, last) = (high.min(most), low.max(least));
    assert!(
        last < first && first.is_finite(),
        "no step leads from a noise level of {high} to {low}: the schedule has {most} to {least}"
    );
    (first, last)
}

impl fmt::Display for TimeGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps from {} to {}",
            self.steps(),
            self.0[0],
            self.0[self.steps()]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise_levels;
    use pyroclast_core::schedule::{Edm, Linear, VarianceExploding, VariancePreserving};

    #[test]
    fn a_uniform_grid_ends_exactly() {
        for n in [1, 3, 7, 49, 1000] {
            let grid = TimeGrid::uniform(0.1, 0.7, n);
            assert_eq!(grid.steps(), n);
            assert_eq!(grid.times()[n], 0.7);
        }
    }

    #[test]
    fn karras_grid_has_the_published_levels() {
        // Karras et al. 2022: σ_0 = 80, σ_{n−1} = 0.002, σ_n = 0, and no level twice.
        let grid = TimeGrid::karras(&Edm::default(), (80.0, 0.002), 7.0, 18);
        let sigma: Vec<f64> = grid.times().iter().map(|t| 80.0 * (1.0 - t)).collect();
        assert_eq!(sigma[0], 80.0);
        assert!((sigma[17] - 0.002).abs() < 1e-10);
        assert_eq!(sigma[18], 0.0);
        assert!(sigma.windows(2).all(|w| w[1] < w[0]));
        let second =
            (80_f64.powf(1.0 / 7.0) * 16.0 / 17.0 + 0.002_f64.powf(1.0 / 7.0) / 17.0).powi(7);
        assert!((sigma[1] - second).abs() < 1e-9);
    }

    #[test]
    fn levels_are_met_on_any_schedule() {
        let level = |c: pyroclast_core::schedule::Coefficients| c.sigma / c.alpha;
        let schedules: [&dyn Schedule; 3] = [
            &VariancePreserving::default(),
            &VarianceExploding::default(),
            &Linear::default(),
        ];
        for schedule in schedules {
            let karras = TimeGrid::karras(schedule, (40.0, 0.02), 7.0, 10);
            let log = TimeGrid::log_snr(schedule, (40.0, 0.02), 10);
            for grid in [&karras, &log] {
                assert_eq!(grid.steps(), 10);
                assert!((level(schedule.at(grid.times()[0])) / 40.0 - 1.0).abs() < 1e-9);
            }
            let ends_clean = schedule.at(1.0).sigma == 0.0;
            let lowest = if ends_clean { 9 } else { 10 };
            assert!((level(schedule.at(log.times()[lowest])) / 0.02 - 1.0).abs() < 1e-9);
            assert_eq!(log.times()[10] == 1.0, ends_clean);
            let steps: Vec<f64> = log.times()[..=lowest]
                .windows(2)
                .map(|w| schedule.log_snr(w[1]) - schedule.log_snr(w[0]))
                .collect();
            assert!(steps.iter().all(|h| (h / steps[0] - 1.0).abs() < 1e-9));
        }
    }

    #[test]
    fn levels_beyond_the_schedules_own_are_moved_to_its_endpoints() {
        let schedule = VarianceExploding::default();
        for grid in [
            TimeGrid::karras(&schedule, (80.0, 0.002), 7.0, 18),
            TimeGrid::log_snr(&schedule, (80.0, 0.002), 18),
        ] {
            assert_eq!(grid.steps(), 18);
            assert!(grid.times()[0].abs() < 1e-12 && (grid.times()[18] - 1.0).abs() < 1e-12);
        }
        let own = TimeGrid::karras(&schedule, (50.0, 0.01), 7.0, 18);
        let wide = TimeGrid::karras(&schedule, (80.0, 0.002), 7.0, 18);
        for (own, wide) in own.times().iter().zip(wide.times()) {
            assert!((own - wide).abs() < 1e-12, "{own} {wide}");
        }
    }

    #[test]
    #[should_panic(expected = "no step leads from a noise level of 80 to 60")]
    fn two_levels_beyond_the_same_end_are_no_grid() {
        TimeGrid::karras(&VarianceExploding::default(), (80.0, 60.0), 7.0, 18);
    }

    #[test]
    fn a_grid_cut_at_one_of_its_times_keeps_its_steps() {
        let schedules: [&dyn Schedule; 3] = [
            &VariancePreserving::default(),
            &Linear::default(),
            &Edm::default(),
        ];
        for schedule in schedules {
            let c = schedule.at(0.999);
            for n in [2, 3, 10, 50] {
                for grid in [
                    TimeGrid::karras(schedule, (70.0, c.sigma / c.alpha), 7.0, n),
                    TimeGrid::log_snr(schedule, (70.0, c.sigma / c.alpha), n),
                ] {
                    let start = grid.times()[0];
                    let cut = grid.until(0.999);
                    assert_eq!((cut.steps(), cut.times()[0]), (n, start), "{schedule:?}");
                    assert_eq!(cut.times()[n], 0.999);
                    assert!(cut.intervals().all(|(t, s)| s - t > 1e-9), "{cut:?}");
                }
            }
        }
    }

    #[test]
    fn a_cut_grid_keeps_its_times_or_is_spread_over_them() {
        let times = |times: &[f64]| TimeGrid::new(times.to_vec()).expect("rising times");
        let grid = times(&[0.0, 0.5, 0.75, 1.0]);
        assert_eq!(grid.clone().until(1.0), grid);
        assert_eq!(grid.clone().until(0.9), times(&[0.0, 0.5, 0.75, 0.9]));
        assert_eq!(
            grid.until(0.75),
            times(&[0.0, 1.0 / 3.0, 0.5 + 0.25 / 3.0, 0.75])
        );
    }

    #[test]
    fn a_quadratic_grid_is_finer_towards_the_data() {
        let grid = TimeGrid::quadratic(0.0, 1.0, 4);
        assert_eq!(grid.times(), [0.0, 0.4375, 0.75, 0.9375, 1.0]);
    }

    #[test]
    fn a_shifted_grid_has_the_published_times() {
        // Esser et al. 2024, eq. 23, with s = 3 and four steps: 1, 9/10, 3/4, 1/2, 0 in their
        // clock.
        let grid = TimeGrid::shifted(0.0, 1.0, 3.0, 4);
        let published = [1.0, 0.9, 0.75, 0.5, 0.0];
        for (t, noise) in grid.times().iter().zip(published) {
            assert!((1.0 - t - noise).abs() < 1e-15, "{grid:?}");
        }
        let even = TimeGrid::shifted(0.001, 0.999, 1.0, 7);
        for (a, b) in (even.times().iter()).zip(TimeGrid::uniform(0.001, 0.999, 7).times()) {
            assert!((a - b).abs() < 1e-15);
        }
        // It undoes itself.
        let back = TimeGrid::shifted(0.0, 1.0, 1.0 / 3.0, 4);
        for (a, b) in (back.times().iter().rev()).zip([1.0, 0.9, 0.75, 0.5, 0.0]) {
            assert!((a - b).abs() < 1e-15, "{back:?}");
        }
    }

    #[test]
    fn a_rounded_grid_has_only_times_of_the_table() {
        let table = BetaTable::default();
        let levels = noise_levels::reached(&table, (0.0, table.time(0)), noise_levels::EDM);
        let grid = TimeGrid::karras(&table, levels, 7.0, 20);
        let rounded = grid.clone().rounded(&table).expect("a grid");
        assert_eq!(rounded.steps(), 20);
        assert_eq!(rounded.times()[20], 1.0);
        for (t, exact) in rounded.times()[..20].iter().zip(grid.times()) {
            assert!(table.index(*t).is_some(), "{t} is no time of the table");
            assert!((t - exact).abs() <= 0.0005 + 1e-12);
        }
        // Times that meet become one.
        let close = TimeGrid::new(vec![0.1001, 0.1002, 0.5]).expect("rising");
        assert_eq!(close.rounded(&table).expect("a grid").times(), [0.1, 0.5]);
        let same = TimeGrid::new(vec![0.1001, 0.1002]).expect("rising");
        assert!(same.rounded(&table).is_err());
    }

    #[test]
    fn times_that_turn_back_are_no_grid() {
        assert_eq!(TimeGrid::new(vec![]), Err(GridError::Empty(0)));
        assert_eq!(
            TimeGrid::new(vec![0.0, 0.5, 0.5]),
            Err(GridError::NotMonotone(0.5, 0.5))
        );
        assert_eq!(
            TimeGrid::new(vec![1.0, 0.5, 0.7]),
            Err(GridError::NotMonotone(0.5, 0.7))
        );
        assert!(TimeGrid::new(vec![0.0, f64::NAN]).is_err());
        assert!(TimeGrid::new(vec![1.0, 0.5, 0.0]).is_ok());
    }
}
