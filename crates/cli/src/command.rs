//! One file a subcommand.

pub(crate) mod classifier;
pub(crate) mod devices;
pub(crate) mod distance;
pub(crate) mod evaluate;
pub(crate) mod presets;
pub(crate) mod sample;
pub(crate) mod train;

use crate::Usage;
use crate::args::Solver;
use anyhow::{Result, bail};
use pyroclast_solvers::Control;
use pyroclast_train::config::Config;
use pyroclast_train::sampler::{MethodName, Plan, Stepping};

/// How samples are drawn: what the command line says, and the configuration where it is silent.
fn plan(solver: &Solver, config: &Config, seed: u64) -> Result<Plan> {
    let stepping = match (solver.rtol, solver.atol) {
        (None, None) => Stepping::Fixed(solver.steps.map_or(config.sampling.steps, |n| n as usize)),
        (rtol, atol) => {
            let default = Control::default();
            Stepping::Adaptive(Control {
                rtol: rtol.unwrap_or(default.rtol),
                atol: atol.unwrap_or(default.atol),
                ..default
            })
        }
    };
    let adapts = matches!(stepping, Stepping::Adaptive(_));
    let method = match solver.method {
        Some(method) if adapts && !method.is_adaptive() => {
            let error = pyroclast_train::sampler::SampleError::NotAdaptive(method);
            bail!(Usage(error.to_string()));
        }
        Some(method) => method,
        None if adapts => MethodName::Dopri5,
        None => config.sampling.method,
    };
    if !(solver.noise_level >= 0.0 && solver.noise_level.is_finite()) {
        bail!(Usage(format!(
            "--noise-level {} is not a finite number of 0 or more",
            solver.noise_level
        )));
    }
    let guidance = solver.guidance.unwrap_or(config.sampling.guidance);
    if !guidance.is_finite() {
        bail!(Usage(format!(
            "--guidance {guidance} is not a finite number"
        )));
    }
    if method.is_stochastic() && solver.noise_level > 0.0 && !config.knows_score() {
        bail!(Usage(format!(
            "{method} needs the score, which a velocity gives only where noise and data are paired independently; \
             train with path.coupling=independent, path.gamma=none and data.source=normal, or sample with an ODE method"
        )));
    }
    Ok(Plan {
        method,
        stepping,
        guidance,
        noise_level: solver.noise_level,
        seed,
    })
}
