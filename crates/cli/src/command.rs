//! One file a subcommand.

pub(crate) mod classifier;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod devices;
pub(crate) mod distance;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod presets;
pub(crate) mod sample;
pub(crate) mod train;

use crate::Usage;
use crate::args::Solver;
use anyhow::{Result, bail};
use pyroclast_solvers::Control;
use pyroclast_train::config::Config;
use pyroclast_train::sampler::{GridName, MethodName, Plan, Stepping};
use pyroclast_train::task::Task;

/// Refuses an option that the method does not read, rather than sample as if it had not been given.
fn check_options(solver: &Solver, method: MethodName, variance_is_read: bool) -> Result<()> {
    use MethodName as M;
    let pc = &[M::Pc][..];
    let readers: [(&str, bool, &[MethodName]); 7] = [
        ("eta", solver.eta.is_some(), &[M::Ddim, M::EulerAncestral]),
        ("churn", solver.churn.is_some(), &[M::HeunEdm, M::EulerEdm]),
        (
            "order",
            solver.order.is_some(),
            &[M::UniPc, M::UniPcBh1, M::Deis, M::Lms],
        ),
        (
            "variance",
            solver.variance.is_some() && !variance_is_read,
            &[M::Ddpm],
        ),
        (
            "noise-level",
            solver.noise_level.is_some(),
            &[M::EulerMaruyama, M::StochasticHeun, M::Sra1, M::Shark],
        ),
        ("corrector-steps", solver.corrector_steps.is_some(), pc),
        ("corrector-ratio", solver.corrector_ratio.is_some(), pc),
    ];
    for (flag, is_given, methods) in readers {
        if is_given && !methods.contains(&method) {
            let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
            bail!(Usage(format!(
                "--{flag} says nothing to {method}; leave it out, or give --method {}",
                names.join(" or ")
            )));
        }
    }
    Ok(())
}

/// Refuses guidance where a model has no classes to guide by.
fn check_guidance(solver: &Solver, task: &Task) -> Result<()> {
    let flags = [
        ("guidance", solver.guidance.is_some()),
        ("guidance-interval", solver.guidance_interval.is_some()),
        ("guidance-rescale", solver.guidance_rescale.is_some()),
    ];
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) if task.training.classes() == 0 => bail!(unguided(flag, task)),
        _ => Ok(()),
    }
}

fn unguided(flag: &str, task: &Task) -> Usage {
    Usage(format!(
        "--{flag} takes a model with classes, and that of {} has none; leave it out, or train on labelled data",
        task.training.name
    ))
}

/// How samples are drawn: what the command line says, and the configuration where it is silent.
///
/// `bounds_variance` says whether the variance is read by more than the method: by the bound of a chain.
fn plan(solver: &Solver, config: &Config, seed: u64, bounds_variance: bool) -> Result<Plan> {
    let usual = config.plan(seed);
    let stepping = match (solver.rtol, solver.atol) {
        (None, None) => {
            let steps = solver.steps.map_or(config.sampling.steps, |n| n as usize);
            let grid = solver.grid.clone();
            let grid = grid.unwrap_or(config.sampling.grid.clone());
            if let (Some(steps), GridName::Given(times)) = (solver.steps, &grid) {
                bail!(Usage(format!(
                    "--steps {steps} says nothing to the times {grid}, which make {} steps; leave it out, or give --grid auto",
                    times.len().saturating_sub(1)
                )));
            }
            Stepping::Fixed(steps, grid)
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
    check_options(
        solver,
        method,
        bounds_variance && config.path.schedule.table().is_some(),
    )?;
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
        ("noise-level", solver.noise_level.unwrap_or(0.0)),
        ("eta", solver.eta.unwrap_or(0.0)),
        ("churn", solver.churn.unwrap_or(0.0)),
        ("corrector-ratio", solver.corrector_ratio.unwrap_or(0.0)),
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
    let plan = Plan {
        method,
        stepping,
        guidance,
        guidance_interval: solver.guidance_interval.unwrap_or(usual.guidance_interval),
        guidance_rescale: rescale,
        clip: solver.clip || usual.clip,
        schedule: solver.schedule.clone(),
        variance: solver.variance.or(usual.variance),
        noise_level: solver.noise_level.unwrap_or(usual.noise_level),
        eta: solver.eta,
        churn: solver.churn.unwrap_or(usual.churn),
        order: solver.order.map(|order| order as usize),
        corrector: (
            solver.corrector_steps.map_or(usual.corrector.0, u64::from),
            solver.corrector_ratio.unwrap_or(usual.corrector.1),
        ),
        ..usual
    };
    let is_quiet = plan.noise_level == 0.0 && !method.is_denoising();
    if plan.is_stochastic() && !is_quiet && !config.path.knows_score() {
        bail!(Usage(format!(
            "{method} needs the score, which a velocity gives only where noise and data are paired independently; \
             train with path.coupling=independent, path.gamma=none and path.source=normal, or sample with an ODE method"
        )));
    }
    Ok(plan)
}
