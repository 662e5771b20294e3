//! The plan for sampling: from the command line, with defaults from the configuration.

use crate::Usage;
use crate::args::Solver;
use anyhow::{Result, bail};
use pyroclast_solvers::Control;
use pyroclast_train::config::Config;
use pyroclast_train::draw::option::Value;
use pyroclast_train::draw::{
    GridName, MethodName, Plan, SampleError, Stepping, Thresholding, option,
};
use pyroclast_train::task::Task;

/// The plan for sampling: the arguments, and the configuration for all that they leave out.
///
/// With `bounds_variance`, --variance also sets the variance for the bound of a chain, so it is
/// accepted with any method.
pub(crate) fn plan(
    solver: &Solver,
    config: &Config,
    seed: u64,
    bounds_variance: bool,
) -> Result<Plan> {
    let usual = config.plan(seed);
    let stepping = stepping(solver, &usual)?;
    let method = match (solver.method, &stepping) {
        (Some(method), _) => method,
        (None, Stepping::Adaptive(_)) => MethodName::DOPRI5,
        (None, Stepping::Fixed(..)) => usual.method,
    };
    let thresholding = solver.thresholding.then(|| Thresholding {
        ratio: (solver.dynamic_thresholding_ratio).unwrap_or(Thresholding::RATIO),
        most: solver.sample_max_value.unwrap_or(f64::INFINITY),
    });
    let mut plan = Plan {
        method,
        options: solver.options.0.clone(),
        stepping,
        guidance: solver.guidance.unwrap_or(usual.guidance),
        guidance_interval: solver.guidance_interval.unwrap_or(usual.guidance_interval),
        guidance_rescale: solver.guidance_rescale.unwrap_or(usual.guidance_rescale),
        // What is asked for here replaces what the configuration says.
        clip: solver.clip || (usual.clip && !solver.thresholding),
        thresholding: thresholding.or(usual.thresholding.filter(|_| !solver.clip)),
        schedule: solver.schedule.clone(),
        ..usual
    };
    if bounds_variance && config.path.schedule.table().is_some() {
        let asked = plan.options.take(&option::VARIANCE);
        plan.variance = asked.and_then(option::variance).or(plan.variance);
    }
    plan.check().map_err(usage)?;
    check_unguided(config, plan.guidance)?;
    let steps = plan.options.get(&option::CORRECTOR_STEPS);
    if steps == Some(Value::Number(0.0)) && plan.options.get(&option::CORRECTOR_RATIO).is_some() {
        bail!(Usage(
            "--corrector-ratio has no effect without a step of the corrector; leave it out, or give \
             more --corrector-steps"
                .into()
        ));
    }
    plan.check_score(&config.path, &config.objective())
        .map_err(usage)?;
    Ok(plan)
}

/// Refuses guidance for a network that knows no sample without a class.
pub(crate) fn check_unguided(config: &Config, guidance: f64) -> Result<()> {
    if guidance != 1.0 && config.network.needs_class() {
        bail!(Usage(format!(
            "--guidance {guidance} compares samples of a class with those of none, and this \
             network was made for known classes only; leave it out"
        )));
    }
    Ok(())
}

fn usage(error: SampleError) -> Usage {
    Usage(error.to_string())
}

fn stepping(solver: &Solver, usual: &Plan) -> Result<Stepping> {
    if solver.rtol.is_some() || solver.atol.is_some() {
        let default = Control::default();
        return Ok(Stepping::Adaptive(Control {
            rtol: solver.rtol.unwrap_or(default.rtol),
            atol: solver.atol.unwrap_or(default.atol),
            ..default
        }));
    }
    let Stepping::Fixed(steps, grid) = &usual.stepping else {
        return Ok(usual.stepping.clone());
    };
    let grid = solver.grid.as_ref().unwrap_or(grid);
    if let (Some(steps), GridName::Given(times)) = (solver.steps, grid) {
        bail!(Usage(format!(
            "--steps {steps} has no effect on the times {grid}, which give {} steps; leave it \
             out, or give --grid auto",
            times.len().saturating_sub(1)
        )));
    }
    let steps = solver.steps.map_or(*steps, |n| n as usize);
    Ok(Stepping::Fixed(steps, grid.clone()))
}

/// Refuses guidance for a model without classes, and what guidance of weight 1 leaves as it is.
pub(crate) fn check_guidance(solver: &Solver, plan: &Plan, task: &Task) -> Result<()> {
    let flags = [
        ("guidance", solver.guidance.is_some()),
        ("guidance-interval", solver.guidance_interval.is_some()),
        ("guidance-rescale", solver.guidance_rescale.is_some()),
    ];
    let given = || flags.iter().filter(|(_, is_given)| *is_given);
    if !task.training.conditions().any() {
        if let Some((flag, _)) = given().next() {
            bail!(unguided(flag, task));
        }
        return Ok(());
    }
    if solver.guidance_rescale.is_some_and(|share| share > 0.0) && !task.training.is_image() {
        bail!(Usage(format!(
            "--guidance-rescale compares the spreads of the pixels of an image, and a sample of {} \
             is a vector; leave it out",
            task.training.name
        )));
    }
    match given().find(|(flag, _)| *flag != "guidance") {
        Some((flag, _)) if plan.guidance == 1.0 => bail!(Usage(format!(
            "--{flag} has no effect on samples of guidance 1, the conditional model's; give \
             --guidance too, or leave it out"
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn unguided(flag: &str, task: &Task) -> Usage {
    Usage(format!(
        "--{flag} needs a model with classes, and that of {} has none; leave it out, or train on \
         labelled data",
        task.training.name
    ))
}
