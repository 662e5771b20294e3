//! One file a subcommand.

pub(crate) mod classifier;
pub(crate) mod compare;
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
use pyroclast_train::config::{Config, Path};
use pyroclast_train::sampler::{MethodName, Plan, Stepping};

/// How samples are drawn: what the command line says, and the configuration where it is silent.
fn plan(solver: &Solver, config: &Config, seed: u64) -> Result<Plan> {
    let usual = config.plan(seed);
    let stepping = match (solver.rtol, solver.atol) {
        (None, None) => {
            let steps = solver.steps.map_or(config.sampling.steps, |n| n as usize);
            let grid = solver.grid.clone();
            Stepping::Fixed(steps, grid.unwrap_or(config.sampling.grid.clone()))
        }
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
    let guidance = solver.guidance.unwrap_or(usual.guidance);
    if !guidance.is_finite() {
        bail!(Usage(format!(
            "--guidance {guidance} is not a finite number"
        )));
    }
    let rescale = solver.guidance_rescale.unwrap_or(usual.guidance_rescale);
    if !(0.0..=1.0).contains(&rescale) {
        bail!(Usage(format!(
            "--guidance-rescale {rescale} is not a share from 0 to 1"
        )));
    }
    for (flag, value) in [
        ("noise-level", solver.noise_level),
        ("eta", solver.eta.unwrap_or(0.0)),
        ("churn", solver.churn),
        ("corrector-ratio", solver.corrector_ratio),
    ] {
        if !(value >= 0.0 && value.is_finite()) {
            bail!(Usage(format!(
                "--{flag} {value} is not a finite number of 0 or more"
            )));
        }
    }
    if let (MethodName::Ddim, Some(eta)) = (method, solver.eta)
        && eta > 1.0
    {
        bail!(Usage(format!(
            "--eta {eta} would be more noise than a step of ddim has; give 0 to 1"
        )));
    }
    let schedule = solver.schedule.map(|schedule| {
        let path = Path {
            schedule,
            ..Path::default()
        };
        path.schedule()
    });
    let plan = Plan {
        method,
        stepping,
        guidance,
        guidance_interval: solver.guidance_interval.unwrap_or(usual.guidance_interval),
        guidance_rescale: rescale,
        clip: solver.clip || usual.clip,
        schedule,
        variance: solver.variance.or(usual.variance),
        noise_level: solver.noise_level,
        eta: solver.eta,
        churn: solver.churn,
        order: solver.order.map(|order| order as usize),
        corrector: (u64::from(solver.corrector_steps), solver.corrector_ratio),
        ..usual
    };
    let is_quiet = plan.noise_level == 0.0 && !method.is_denoising();
    if plan.is_stochastic() && !is_quiet && !config.knows_score() {
        bail!(Usage(format!(
            "{method} needs the score, which a velocity gives only where noise and data are paired independently; \
             train with path.coupling=independent, path.gamma=none and data.source=normal, or sample with an ODE method"
        )));
    }
    Ok(plan)
}
