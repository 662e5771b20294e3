//! The range of noise levels `σ/α` that a grid covers.

use pyroclast_core::schedule::Schedule;

/// The highest and the lowest level of EDM (Karras et al. 2022, table 1).
pub const EDM: (f64, f64) = (80.0, 0.002);

/// The part of the levels from `high` down to `low` that a schedule reaches between two times.
///
/// With `ς = σ/α`: `min(high, ς(start))` and `max(low, ς(end))`. If the schedule lies entirely
/// above or below that interval, its own levels, over at most as many decades.
pub fn reached(
    schedule: &dyn Schedule,
    (start, end): (f64, f64),
    (high, low): (f64, f64),
) -> (f64, f64) {
    let level = |t: f64| {
        let c = schedule.at(t);
        c.sigma / c.alpha
    };
    let (first, last) = (level(start), level(end));
    match (high.min(first), low.max(last)) {
        (top, bottom) if bottom < top => (top, bottom),
        _ => (first, last.max(first * low / high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::schedule::{Edm, VarianceExploding, VariancePreserving};

    #[test]
    fn levels_fall_on_every_schedule() {
        let of = |schedule: &dyn Schedule| reached(schedule, (0.0, 1.0), EDM);
        assert_eq!(of(&Edm::default()), EDM);
        let high = VarianceExploding {
            sigma_min: 90.0,
            sigma_max: 100.0,
        };
        let (first, last) = of(&high);
        assert!((first / 100.0 - 1.0).abs() < 1e-12 && (last / 90.0 - 1.0).abs() < 1e-12);
        assert_eq!(of(&Edm { sigma_max: 0.001 }).0, 0.001);
        let (beta_min, beta_max) = (1e-6, 1e-6);
        for schedule in [
            &VariancePreserving { beta_min, beta_max } as &dyn Schedule,
            &Edm { sigma_max: 0.001 },
        ] {
            let (first, last) = of(schedule);
            assert!(
                0.0 < last && last < first && first <= 0.002,
                "{first} to {last}"
            );
        }
    }
}
