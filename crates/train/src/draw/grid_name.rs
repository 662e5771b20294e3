//! The time grid of a solve with a fixed number of steps, by name.

use pyroclast_core::ddpm::{BetaTable, End, Spacing};
use pyroclast_core::named::{self, UnknownName};
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::{TimeGrid, noise_levels};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Stable Diffusion 3's shift (Esser et al. 2024, §5.3.2).
const SHIFT: f64 = 3.0;
/// EDM's exponent (Karras et al. 2022, table 1).
const RHO: f64 = 7.0;
/// Times that are no further apart than this count as equal: a time that is computed from its noise
/// level has such an error.
const ROUNDING: f64 = 1e-12;

/// A time grid by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum GridName {
    /// Chooses by schedule and method: Karras' noise levels on EDM's and VE's schedules; trailing
    /// indices for diffusion samplers on a chain; uniform times otherwise.
    #[default]
    Auto,
    /// Equal steps of t.
    Uniform,
    /// Karras' noise levels, with ρ = 7 (Karras et al. 2022, table 1).
    Karras,
    /// Equal steps of the log-SNR.
    LogSnr,
    /// Steps of 1 − t that shrink towards the data.
    Quadratic,
    /// Equal steps of t, moved towards the noise by this shift (Esser et al. 2024, eq. 23).
    Shifted(f64),
    /// Karras' noise levels, each at the nearest index of a chain.
    KarrasIndices,
    /// Indices of a chain at equal distances, starting with the first.
    Leading,
    /// Indices of a chain evenly spaced from its last to its first.
    Linspace,
    /// Indices of a chain at equal distances, starting with the last.
    Trailing,
    /// The given times, rising in [0, 1].
    Given(Vec<f64>),
}

impl GridName {
    /// The names of all grids but [`GridName::Given`]. `shifted` has the shift 3, and `shifted:2`
    /// another.
    pub const NAMES: [&'static str; 10] = [
        "auto",
        "uniform",
        "karras",
        "log-snr",
        "quadratic",
        "shifted",
        "karras-indices",
        "leading",
        "linspace",
        "trailing",
    ];

    /// The grid of `n` steps within a span of times; endpoints outside the span are moved into it.
    ///
    /// # Errors
    /// A message: the grid needs a chain, `n` is larger than the number of its indices, or the
    /// times are not a grid or lie outside the span.
    pub(super) fn grid(
        &self,
        schedule: &dyn Schedule,
        table: Option<&BetaTable>,
        span: (f64, f64),
        n: usize,
    ) -> Result<TimeGrid, String> {
        let (start, end) = span;
        let levels = noise_levels::reached(schedule, span, noise_levels::EDM);
        // The last noise level is reached at the end of the span. The step from there to a clean t
        // = 1 lies outside the span, so one more step is asked for.
        let meets_end =
            end < 1.0 && levels.1 > noise_levels::EDM.1 && schedule.at(1.0).sigma == 0.0;
        let m = n + usize::from(meets_end);
        let chain = || {
            table.ok_or_else(|| {
                format!(
                    "the grid {self} takes indices of a chain, and this model has none; use \
                     uniform, karras, log-snr, quadratic or shifted"
                )
            })
        };
        let spaced = |spacing| {
            let table = chain()?;
            if n > table.steps() {
                return Err(format!(
                    "{n} steps do not fit into {} indices; take fewer steps, or use the grid \
                     uniform",
                    table.steps()
                ));
            }
            within(TimeGrid::spaced(table, spacing, n, End::Data), span)
        };
        match self {
            Self::Auto | Self::Uniform => Ok(TimeGrid::uniform(start, end, n)),
            Self::Karras => within(TimeGrid::karras(schedule, levels, RHO, m), span),
            Self::LogSnr => within(TimeGrid::log_snr(schedule, levels, m), span),
            Self::Quadratic => Ok(TimeGrid::quadratic(start, end, n)),
            &Self::Shifted(shift) => Ok(TimeGrid::shifted(start, end, shift, n)),
            Self::KarrasIndices => {
                let table = chain()?;
                // The lowest level is that of the chain's first index; clean data come after it.
                let last = end.min(table.time(0));
                let levels = noise_levels::reached(schedule, (start, last), noise_levels::EDM);
                let grid = within(TimeGrid::karras(schedule, levels, RHO, n), span)?;
                let grid = grid.rounded(table).map_err(|error| error.to_string())?;
                within(grid, span)
            }
            Self::Leading => spaced(Spacing::Leading { offset: 0 }),
            Self::Linspace => spaced(Spacing::Linspace),
            Self::Trailing => spaced(Spacing::Trailing),
            Self::Given(times) => {
                let grid = TimeGrid::new(times.clone()).map_err(|error| error.to_string())?;
                within(grid, span)
            }
        }
    }
}

/// A rising grid with its endpoints moved into the span. Times outside the span are dropped, and so
/// are times that equal an endpoint up to rounding.
fn within(grid: TimeGrid, (start, end): (f64, f64)) -> Result<TimeGrid, String> {
    let times = grid.times();
    let (first, last) = (times[0].max(start), times[grid.steps()].min(end));
    if last - first <= ROUNDING {
        return Err(format!(
            "no step from {} to {} lies in the range of this model and method, from {start} to \
             {end}; give times inside it",
            times[0],
            times[grid.steps()]
        ));
    }
    let inner = |t: &f64| first + ROUNDING < *t && *t < last - ROUNDING;
    let mut inside = vec![first];
    inside.extend(times.iter().copied().filter(inner));
    inside.push(last);
    TimeGrid::new(inside).map_err(|error| error.to_string())
}

impl fmt::Display for GridName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match self {
            Self::Auto => 0,
            Self::Uniform => 1,
            Self::Karras => 2,
            Self::LogSnr => 3,
            Self::Quadratic => 4,
            &Self::Shifted(shift) if shift != SHIFT => return write!(f, "shifted:{shift}"),
            Self::Shifted(_) => 5,
            Self::KarrasIndices => 6,
            Self::Leading => 7,
            Self::Linspace => 8,
            Self::Trailing => 9,
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
            "shifted" => Self::Shifted(SHIFT),
            "karras-indices" => Self::KarrasIndices,
            "leading" => Self::Leading,
            "linspace" => Self::Linspace,
            "trailing" => Self::Trailing,
            times => {
                if let Some(shift) = times.strip_prefix("shifted:") {
                    let shift = shift.trim().parse::<f64>().ok();
                    let positive = shift.filter(|shift| *shift > 0.0 && shift.is_finite());
                    let shift = positive.ok_or_else(|| {
                        format!("`{name}` has no positive shift; give one such as shifted:3")
                    })?;
                    return Ok(Self::Shifted(shift));
                }
                let times: Result<Vec<f64>, _> =
                    times.split(',').map(|t| t.trim().parse()).collect();
                let unknown = || {
                    let unknown = UnknownName {
                        what: "grid",
                        name: name.to_owned(),
                        known: Self::NAMES.to_vec(),
                    };
                    format!("{unknown}, or rising times in [0, 1] such as 0,0.3,0.7,1")
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

impl named::Setting for GridName {
    fn kind() -> named::Kind {
        named::Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::schedule::{Edm, VarianceExploding, VariancePreserving};

    #[test]
    fn names_and_times_read_back() {
        for name in GridName::NAMES {
            assert_eq!(name.parse::<GridName>().expect(name).to_string(), name);
        }
        let shifted: GridName = "shifted:1.5".parse().expect("a shift");
        assert_eq!(shifted, GridName::Shifted(1.5));
        assert_eq!(shifted.to_string(), "shifted:1.5");
        assert!("shifted:0".parse::<GridName>().is_err());
        let given: GridName = "0, 0.25,1".parse().expect("times");
        assert_eq!(given, GridName::Given(vec![0.0, 0.25, 1.0]));
        assert_eq!(given.to_string(), "0,0.25,1");
        for wrong in ["karas", "0.5", "0,0.5,0.2", "0,2", ""] {
            assert!(wrong.parse::<GridName>().is_err(), "{wrong}");
        }
    }
    #[test]
    fn every_grid_lies_within_the_span_and_has_its_steps() {
        let table = BetaTable::linear(1000, 1e-4, 0.02).zero_terminal_snr();
        let vp = VariancePreserving::default();
        let spans = [(0.0, 1.0), (1e-3, 1.0), (0.0, 0.999), (1e-3, 0.999)];
        let given = "0,0.2,0.4,0.6,0.8,1".parse::<GridName>().expect("times");
        let names = GridName::NAMES.map(|name| name.parse::<GridName>().expect(name));
        for name in names.iter().chain([&given]) {
            for schedule in [&table as &dyn Schedule, &vp] {
                for span in spans {
                    for n in [2, 5, 40] {
                        let grid = name.grid(schedule, Some(&table), span, n);
                        let grid = grid.expect("a grid");
                        let times = grid.times();
                        assert!(
                            span.0 <= times[0] && times[grid.steps()] <= span.1,
                            "{name} in {span:?}: {grid}"
                        );
                        // The last index of these grids is the endpoint of the shorter spans, which
                        // leaves one step fewer.
                        let last = matches!(
                            name,
                            GridName::Leading | GridName::Linspace | GridName::KarrasIndices
                        );
                        let steps = if name == &given {
                            5
                        } else {
                            n - usize::from(last && span.1 < 1.0)
                        };
                        assert_eq!(grid.steps(), steps, "{name} in {span:?}");
                    }
                }
            }
        }
        // A grid that starts without signal starts at the start of the span.
        let trailing = GridName::Trailing.grid(&table, Some(&table), (1e-3, 1.0), 4);
        assert_eq!(
            trailing.expect("a grid").times(),
            [1e-3, 0.25, 0.5, 0.75, 1.0]
        );
        let late = GridName::Given(vec![0.9995, 1.0]);
        let error = late.grid(&vp, None, (0.0, 0.999), 1).expect_err("outside");
        assert!(error.contains("from 0 to 0.999; give times"), "{error}");
    }

    #[test]
    fn schedules_of_any_noise_have_grids_of_noise_levels() {
        let schedules: [&dyn Schedule; 3] = [
            &Edm { sigma_max: 0.001 },
            &VarianceExploding {
                sigma_min: 90.0,
                sigma_max: 100.0,
            },
            &VariancePreserving {
                beta_min: 1e-6,
                beta_max: 1e-6,
            },
        ];
        for schedule in schedules {
            for name in [GridName::Karras, GridName::LogSnr] {
                let grid = name.grid(schedule, None, (0.0, 1.0), 7);
                assert_eq!(grid.expect("a grid").steps(), 7);
            }
        }
    }
}
