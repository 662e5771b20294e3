//! Where a fixed-grid solve puts its steps, by name.

use pyroclast_core::ddpm::{BetaTable, End, Spacing};
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::TimeGrid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// EDM's exponent (Karras et al. 2022, table 1).
const RHO: f64 = 7.0;
/// The noise levels σ/α that Karras' and the log-SNR grid lie between, where the schedule has them (Karras et al. 2022, table 1).
const LEVELS: (f64, f64) = (80.0, 0.002);

/// A time grid by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum GridName {
    /// The one that fits: Karras' on EDM's and VE's schedules, trailing indices on a chain, uniform elsewhere.
    #[default]
    Auto,
    /// Equal steps of t.
    Uniform,
    /// Karras' noise levels.
    Karras,
    /// Equal steps of the log-SNR.
    LogSnr,
    /// Steps of 1 − t that shrink towards the data.
    Quadratic,
    /// Every so many indices of a chain, from the first.
    Leading,
    /// Indices of a chain from its last to its first.
    Linspace,
    /// Every so many indices of a chain, from the last.
    Trailing,
    /// These times.
    Given(Vec<f64>),
}

impl GridName {
    /// The names.
    pub const NAMES: [&'static str; 8] = [
        "auto",
        "uniform",
        "karras",
        "log-snr",
        "quadratic",
        "leading",
        "linspace",
        "trailing",
    ];

    /// The grid of `n` steps.
    ///
    /// # Errors
    /// Why there is none: a chain's spacing without a chain, more steps than it has indices, times that are not a grid.
    pub(super) fn grid(
        &self,
        schedule: &dyn Schedule,
        table: Option<&BetaTable>,
        (start, end): (f64, f64),
        n: usize,
    ) -> Result<TimeGrid, String> {
        let level = |t: f64| {
            let c = schedule.at(t);
            c.sigma / c.alpha
        };
        let levels = (LEVELS.0.min(level(start)), LEVELS.1.max(level(end)));
        let spaced = |spacing| {
            let table = table.ok_or_else(|| {
                format!("the grid {self} is one of a chain's indices, and this model has none; use uniform, karras, log-snr or quadratic")
            })?;
            if n > table.steps() {
                return Err(format!(
                    "{n} steps do not fit into {} indices; take fewer, or --grid uniform",
                    table.steps()
                ));
            }
            Ok(TimeGrid::spaced(table, spacing, n, End::Data))
        };
        let until_end = |grid: TimeGrid| grid.until(end);
        match self {
            Self::Auto | Self::Uniform => Ok(TimeGrid::uniform(start, end, n)),
            Self::Karras => Ok(until_end(TimeGrid::karras(schedule, levels, RHO, n))),
            Self::LogSnr => Ok(until_end(TimeGrid::log_snr(schedule, levels, n))),
            Self::Quadratic => Ok(TimeGrid::quadratic(start, end, n)),
            Self::Leading => spaced(Spacing::Leading { offset: 0 }),
            Self::Linspace => spaced(Spacing::Linspace),
            Self::Trailing => spaced(Spacing::Trailing),
            Self::Given(times) => TimeGrid::new(times.clone()).map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Display for GridName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match self {
            Self::Auto => 0,
            Self::Uniform => 1,
            Self::Karras => 2,
            Self::LogSnr => 3,
            Self::Quadratic => 4,
            Self::Leading => 5,
            Self::Linspace => 6,
            Self::Trailing => 7,
            Self::Given(times) => {
                let times: Vec<String> = times.iter().map(f64::to_string).collect();
                return f.write_str(&times.join(","));
            }
        };
        f.write_str(Self::NAMES[index])
    }
}

impl FromStr for GridName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "auto" => Self::Auto,
            "uniform" => Self::Uniform,
            "karras" => Self::Karras,
            "log-snr" => Self::LogSnr,
            "quadratic" => Self::Quadratic,
            "leading" => Self::Leading,
            "linspace" => Self::Linspace,
            "trailing" => Self::Trailing,
            times => {
                let times: Result<Vec<f64>, _> =
                    times.split(',').map(|t| t.trim().parse()).collect();
                let unknown = || {
                    format!(
                        "there is no grid `{name}`; grids: {}, or rising times in [0, 1] such as 0,0.3,0.7,1",
                        Self::NAMES.join(", ")
                    )
                };
                let times: Vec<f64> = times.map_err(|_| unknown())?;
                let rise = times.windows(2).all(|w| w[0] < w[1]);
                if times.len() < 2 || !rise || times[0] < 0.0 || times[times.len() - 1] > 1.0 {
                    return Err(unknown());
                }
                Self::Given(times)
            }
        })
    }
}

impl TryFrom<String> for GridName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<GridName> for String {
    fn from(name: GridName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_read_back() {
        for name in GridName::NAMES {
            assert_eq!(name.parse::<GridName>().expect(name).to_string(), name);
        }
        let given: GridName = "0, 0.25,1".parse().expect("times");
        assert_eq!(given, GridName::Given(vec![0.0, 0.25, 1.0]));
        assert_eq!(given.to_string(), "0,0.25,1");
        for wrong in ["karas", "0.5", "0,0.5,0.2", "0,2", ""] {
            assert!(wrong.parse::<GridName>().is_err(), "{wrong}");
        }
    }
}
