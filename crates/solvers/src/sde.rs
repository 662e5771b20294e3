//! Methods for stochastic differential equations.
//!
//! `dX = f_t(X) dt + g_t(X) dW`
//!
//! The compiler checks that a method can solve an equation: Euler–Maruyama takes Itô equations,
//! Heun's method Stratonovich ones, [`Sra1`] and [`Shark`] additive noise, and [`Milstein`] either
//! calculus.

mod embedded;
mod with_noise;

pub use with_noise::WithNoise;

use crate::entry::option::NOISE_LEVEL;
use crate::entry::{Cost, Description, PLAIN, methods};

/// An SDE method, with its noise level as an option.
const SDE: Description = Description {
    options: &[NOISE_LEVEL.or(1.0)],
    ..PLAIN
};

methods! {
    mod euler_maruyama: EulerMaruyama;
    /// Euler–Maruyama.
    EULER_MARUYAMA: Sde {
        name: "euler-maruyama",
        ..SDE
    } |s| WithNoise::of(s, EulerMaruyama { brownian: s.increments(0) });

    mod milstein: Milstein;

    mod stochastic_heun: StochasticHeun;
    /// Heun's method with noise.
    STOCHASTIC_HEUN: Sde {
        name: "stochastic-heun",
        cost: Cost::PerStep(2),
        ..SDE
    } |s| WithNoise::of(s, StochasticHeun { brownian: s.increments(0) });

    mod sra1: Sra1;
    /// SRA1 (Rößler 2010), for additive noise.
    SRA1: Sde {
        name: "sra1",
        order: 1.5,
        cost: Cost::PerStep(2),
        ..SDE
    } |s| WithNoise::of(s, Sra1 { brownian: s.increments(0) });

    mod shark: Shark;
    /// ShARK (Foster et al. 2023), for additive noise.
    SHARK: Sde {
        name: "shark",
        order: 1.5,
        cost: Cost::PerStep(2),
        ..SDE
    } |s| WithNoise::of(s, Shark { brownian: s.increments(0) });
}
