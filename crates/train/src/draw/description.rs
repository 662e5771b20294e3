//! What is known of a method before it runs: everything that lists methods reads this.

use super::{Cost, Setting};
use pyroclast_solvers::Tableau;
use pyroclast_solvers::sampler::{Requirement, Sampler};
use std::fmt;

/// What a method integrates, and how it finds its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The velocity, on a fixed grid.
    Ode,
    /// The velocity, on a fixed grid or by steps that an error estimate chooses.
    AdaptiveOde,
    /// The SDE that has the same marginals, on a fixed grid.
    Sde,
    /// The denoiser, on a fixed grid.
    Sampler,
}

impl Kind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Ode, Self::AdaptiveOde, Self::Sde, Self::Sampler];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ode => "ODE method",
            Self::AdaptiveOde => "adaptive ODE method",
            Self::Sde => "SDE method",
            Self::Sampler => "diffusion sampler",
        })
    }
}

/// An entry of the table of methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// Other names that the field has for it.
    pub aliases: &'static [&'static str],
    /// What it is, in a line.
    pub about: &'static str,
    /// What it integrates.
    pub kind: Kind,
    /// The order of its error in the step: global for an ODE, strong and with additive noise for an
    /// SDE, of the bias for a sampler that adds noise.
    pub order: f64,
    /// Evaluations of the network, with default options.
    pub cost: Cost,
    /// The options that it takes.
    pub options: &'static [Setting],
    /// Whether a comparison of samplers includes it unless others are asked for.
    pub is_compared: bool,
}

/// A method of order 1 with one evaluation per step and no options.
pub(super) const PLAIN: Description = Description {
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
    /// What a tableau tells of its method.
    pub(super) const fn of(tableau: &Tableau) -> Self {
        Self {
            name: tableau.name,
            order: tableau.order as f64,
            cost: Cost::of(tableau),
            ..PLAIN
        }
    }
}

/// What a method asks of the schedule and the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirements {
    /// Its name, for the error.
    pub name: &'static str,
    /// What a sampler asks of the schedule; none for a method on the velocity.
    pub schedule: Option<Requirement>,
    /// Whether it adds noise, which takes the score.
    pub adds_noise: bool,
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
