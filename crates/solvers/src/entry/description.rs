//! The description of a method: its names, order, cost and options. Everything that lists methods
//! reads it.

use super::cost::Cost;
use super::error::MethodError;
use super::option::{Options, Setting};
use super::settings::Settings;
use crate::requirement::{Requirement, Sampler};
use crate::runge_kutta::Tableau;
use pyroclast_core::noise::Noise;
use std::fmt;

/// The kind of a method: what it integrates, and how its steps are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Integrates the velocity on a fixed grid.
    Ode,
    /// Integrates the velocity on a fixed grid, or with steps that an error estimate chooses.
    AdaptiveOde,
    /// Integrates the SDE with the same marginals on a fixed grid.
    Sde,
    /// Steps with the denoised data on a fixed grid.
    Sampler,
    /// Jumps along a flow map that a model has learned, on a fixed grid.
    FlowMap,
}

impl Kind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Ode,
        Self::AdaptiveOde,
        Self::Sde,
        Self::Sampler,
        Self::FlowMap,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ode => "ODE method",
            Self::AdaptiveOde => "adaptive ODE method",
            Self::Sde => "SDE method",
            Self::Sampler => "diffusion sampler",
            Self::FlowMap => "flow-map method",
        })
    }
}

/// The description of a method: an entry of the table of methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The name of the method, in lower case with dashes.
    pub name: &'static str,
    /// Other names in use for it.
    pub aliases: &'static [&'static str],
    /// One line about the method.
    pub about: &'static str,
    /// What it integrates, and how its steps are chosen.
    pub kind: Kind,
    /// The order of its error in the step size: global for an ODE method, strong and with additive
    /// noise for an SDE method, of the bias for a sampler that adds noise.
    pub order: f64,
    /// The evaluations of the network that it needs, with default options.
    pub cost: Cost,
    /// The options that it has.
    pub options: &'static [Setting],
    /// Whether a comparison of samplers includes it by default.
    pub is_compared: bool,
}

/// A method of order 1 with one evaluation per step and no options.
pub(crate) const PLAIN: Description = Description {
    name: "",
    aliases: &[],
    about: "",
    kind: Kind::Ode,
    order: 1.0,
    cost: Cost::PerStep(1),
    options: &[],
    is_compared: false,
};

impl Description {
    /// The name, order and cost of the Runge–Kutta method with this tableau.
    pub(crate) const fn of(tableau: &Tableau) -> Self {
        Self {
            name: tableau.name,
            order: tableau.order as f64,
            cost: Cost::of(tableau),
            ..PLAIN
        }
    }

    /// The settings of this method with these options, for the first rows and one step.
    pub fn settings<'a>(&'a self, options: &'a Options, noise: Noise) -> Settings<'a> {
        Settings {
            taken: self.options,
            options,
            variance: None,
            steps: 1,
            noise,
            first_row: 0,
        }
    }

    /// Checks that this method has every option that is set, and accepts its value.
    ///
    /// # Errors
    /// [`MethodError::NoOption`] and [`MethodError::OutOfRange`].
    pub fn check(&self, options: &Options) -> Result<(), MethodError> {
        let method = self.name;
        for (option, value) in options.set_values() {
            let mut taken = self.options.iter();
            let Some(setting) = taken.find(|taken| taken.option.name == option.name) else {
                return Err(MethodError::NoOption { method, option });
            };
            if !setting.takes(value) {
                return Err(MethodError::OutOfRange {
                    method,
                    option: option.name,
                    value: value.to_string(),
                    range: setting.range(),
                });
            }
        }
        Ok(())
    }
}

/// The requirements of a method on the schedule, the grid and the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirements {
    /// The name of the method, for error messages.
    pub name: &'static str,
    /// The requirement of a sampler on the schedule; `None` for a method that uses the velocity.
    pub schedule: Option<Requirement>,
    /// Whether the method adds noise, which requires that the score is known.
    pub adds_noise: bool,
    /// Whether the method needs a field that knows its flow map.
    pub flow_map: bool,
}

impl Requirements {
    pub(crate) fn of_sampler(name: &'static str, sampler: &impl Sampler) -> Self {
        Self {
            name,
            schedule: Some(sampler.requirement()),
            adds_noise: sampler.adds_noise(),
            flow_map: false,
        }
    }

    pub(crate) fn of_flow_map(name: &'static str, adds_noise: bool) -> Self {
        Self {
            flow_map: true,
            ..Self::of_velocity(name, adds_noise)
        }
    }

    pub(crate) fn of_velocity(name: &'static str, adds_noise: bool) -> Self {
        Self {
            name,
            schedule: None,
            adds_noise,
            flow_map: false,
        }
    }
}

impl Sampler for Requirements {
    fn name(&self) -> &'static str {
        self.name
    }

    fn requirement(&self) -> Requirement {
        self.schedule.unwrap_or(Requirement::Any)
    }

    fn adds_noise(&self) -> bool {
        self.adds_noise
    }
}
