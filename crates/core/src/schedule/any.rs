//! A schedule chosen at run time.

use super::{AnySchedule, BetaTable, Coefficients, Linear, Schedule};
use std::sync::Arc;

/// The list of schedules: their files, the enum, the call through it, and the way into it.
macro_rules! schedules {
    ($($(#[doc = $doc:literal])* $name:literal => $file:ident::$schedule:ident,)*) => {
        $(mod $file;)*
        $(pub use $file::$schedule;)*

        crate::named! {
            /// Any schedule, as one type.
            ///
            /// ```
            /// use pyroclast_core::schedule::{AnySchedule, Linear, Schedule};
            ///
            /// let schedule = AnySchedule::from(Linear { sigma_min: 0.1 });
            /// assert_eq!(schedule.at(1.0).sigma, 0.1);
            ///
            /// let named: AnySchedule = "edm".parse().unwrap();
            /// assert_eq!(named.at(0.0).sigma, 80.0);
            /// ```
            #[derive(Clone)]
            pub enum AnySchedule as "schedule" {
                $(
                    $(#[doc = $doc])*
                    $name => $schedule(schedule: $schedule = $schedule::default()),
                )*
            } else {
                /// A schedule of the user's own.
                Custom(std::sync::Arc<dyn Schedule>)
            }
        }

        impl AnySchedule {
            fn get(&self) -> &dyn Schedule {
                match self {
                    $(Self::$schedule(schedule) => schedule,)*
                    Self::Custom(schedule) => schedule,
                }
            }
        }

        /// Schedules of the user's own are equal where they are the same value in memory.
        impl PartialEq for AnySchedule {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$schedule(a), Self::$schedule(b)) => a == b,)*
                    (Self::Custom(a), Self::Custom(b)) => std::sync::Arc::ptr_eq(a, b),
                    _ => false,
                }
            }
        }

        $(impl From<$schedule> for AnySchedule {
            fn from(schedule: $schedule) -> Self {
                Self::$schedule(schedule)
            }
        })*
    };
}

impl AnySchedule {
    /// The table of a discrete chain, where the schedule is one.
    pub fn table(&self) -> Option<&BetaTable> {
        match self {
            Self::BetaTable(table) => Some(table),
            _ => None,
        }
    }
}

/// The linear path.
impl Default for AnySchedule {
    fn default() -> Self {
        Linear::default().into()
    }
}

impl From<Arc<dyn Schedule>> for AnySchedule {
    fn from(schedule: Arc<dyn Schedule>) -> Self {
        Self::Custom(schedule)
    }
}

impl Schedule for AnySchedule {
    fn at(&self, t: f64) -> Coefficients {
        self.get().at(t)
    }

    fn log_snr(&self, t: f64) -> f64 {
        self.get().log_snr(t)
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        self.get().time_at_log_snr(l)
    }
}
