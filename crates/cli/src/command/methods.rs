//! `pyroclast methods`: lists the sampling methods, or describes one.

use crate::args::Methods;
use crate::say::say;
use anyhow::Result;
use pyroclast_solvers::sampler::Requirement;
use pyroclast_train::draw::{Kind, MethodName, Plan};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Methods) -> Result<ExitCode> {
    match arguments.name {
        None if arguments.json => {
            let methods: Vec<Value> = MethodName::ALL.iter().copied().map(as_json).collect();
            say!("{}", json!({ "methods": methods }));
        }
        Some(method) if arguments.json => say!("{}", as_json(method)),
        None => list(),
        Some(method) => describe(method),
    }
    Ok(ExitCode::SUCCESS)
}

/// All methods, by kind.
fn list() {
    for kind in Kind::ALL {
        say!("{}s, {}", kind, about(kind));
        say!("  {:<18}{:<7}evaluations", "", "order");
        for method in MethodName::of(kind) {
            say!(
                "  {:<18}{:<7}{:<18}{}",
                method.name,
                method.order,
                method.cost.to_string(),
                method.about.trim_start()
            );
        }
        say!();
    }
    say!("Evaluations of the network are per step. `pyroclast methods NAME` tells more of one.");
}

fn as_json(method: MethodName) -> Value {
    let options: Vec<Value> = (method.options.iter())
        .map(|setting| {
            json!({
                "name": setting.option.name,
                "about": setting.option.about,
                "default": setting.default.map(|value| value.to_string()),
                "range": setting.range(),
            })
        })
        .collect();
    json!({
        "name": method.name,
        "aliases": method.aliases,
        "kind": method.kind.to_string(),
        "order": method.order,
        "evaluations": method.cost.to_string(),
        "about": method.about.trim_start(),
        "options": options,
    })
}

fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::Ode => "on the velocity, by a number of steps",
        Kind::AdaptiveOde => "on the velocity, by a number of steps or by --rtol and --atol",
        Kind::Sde => "on the SDE that has the model's marginals",
        Kind::Sampler => "on the denoised data",
        Kind::FlowMap => "along a learned flow map",
    }
}

fn describe(method: MethodName) {
    say!("{method}: {}\n", method.about.trim_start());
    say!("kind         {}, {}", method.kind, about(method.kind));
    if !method.aliases.is_empty() {
        say!("aliases      {}", method.aliases.join(", "));
    }
    say!("order        {}", method.order);
    say!("evaluations  {} per step", method.cost);
    let plan = Plan::new(method, 1, 0);
    let requirements = plan.requirements();
    let needs = match requirements.schedule {
        _ if requirements.flow_map => "a model that has learned its flow map (few-step.method)",
        Some(Requirement::VariancePreserving) => "a schedule with α² + σ² = 1",
        Some(Requirement::Signal) => "some signal where the grid starts",
        _ => "any schedule",
    };
    let noise = if requirements.adds_noise {
        "; it adds noise, so the score of the model has to be known"
    } else {
        ""
    };
    say!("needs        {needs}{noise}");
    for setting in method.options {
        say!("\n--{setting}\n    {}", setting.option.about);
    }
}
