//! Translates configurations stored by version 0.1 to the current keys.
//!
//! That version wrote the parameter of a choice beside it (`weighting = "min-snr"` and
//! `weighting-parameter = 5`), and had `[diffusion]` in place of `[path]`. A stored configuration
//! is complete, so nothing has to be guessed.

use toml::{Table, Value};

/// The same configuration with the current keys; `None` if it has them already.
pub(super) fn converted(text: &str) -> Option<String> {
    let mut config: Table = toml::from_str(text).ok()?;
    let mut training = config.get("training")?.as_table()?.clone();
    let time = training.remove("time")?;
    let mut data = config.get("data")?.as_table()?.clone();
    let mut old_path = section(&config, "path");
    let diffusion = config.remove("diffusion");
    let diffusion = diffusion.as_ref().and_then(Value::as_table);

    let mut path = Table::new();
    let mut objective = Table::new();
    let location = training.remove("time-location");
    let scale = training.remove("time-scale");
    let distribution = match word(&time) {
        "beta" => named("beta", [("a", location), ("b", scale)]),
        name @ ("logit-normal" | "log-normal-sigma") => {
            named(name, [("mean", location), ("std", scale)])
        }
        _ => time,
    };
    let times = [
        ("distribution", Some(distribution)),
        (
            "clip",
            Some(training.remove("time-clip").unwrap_or(Value::Float(0.0))),
        ),
    ];
    path.insert("times".to_owned(), table(times));
    path.extend(
        data.remove("source")
            .map(|name| ("source".to_owned(), name)),
    );
    let parameter = training.remove("weighting-parameter");
    let weighting = training.remove("weighting")?;
    let weighting = match word(&weighting) {
        "min-snr" => named("min-snr", [("gamma", parameter)]),
        "edm" => named("edm", [("sigma-data", parameter)]),
        _ => weighting,
    };
    objective.insert("weighting".to_owned(), weighting);
    match diffusion {
        Some(diffusion) => {
            path.insert("schedule".to_owned(), process(diffusion));
            let sigma_data = || [("sigma-data", diffusion.get("sigma-data").cloned())];
            for (old, new) in [("prediction", "prediction"), ("input", "preconditioning")] {
                let value = match word(&diffusion[old]) {
                    "edm" => named("edm", sigma_data()),
                    "plain" => "none".into(),
                    name => name.into(),
                };
                objective.insert(new.to_owned(), value);
            }
            let variance = match word(&diffusion["variance"]) {
                "learned" => named("hybrid", [("weight", diffusion.get("vlb-weight").cloned())]),
                fixed => {
                    let mut sampling = section(&config, "sampling");
                    sampling.insert("variance".to_owned(), fixed.into());
                    config.insert("sampling".to_owned(), sampling.into());
                    "none".into()
                }
            };
            objective.insert("variance".to_owned(), variance);
        }
        None => {
            objective.extend(old_path.remove_entry("prediction"));
            path.insert("schedule".to_owned(), schedule(&old_path));
            let scale = old_path.remove("gamma-scale");
            let gamma = match (word(&old_path["gamma"]), scale) {
                (name @ ("constant" | "bridge"), Some(scale)) => table([(name, Some(scale))]),
                _ => "none".into(),
            };
            path.insert("gamma".to_owned(), gamma);
            let epsilon = old_path.remove("coupling-epsilon");
            let coupling = match (word(&old_path["coupling"]), epsilon) {
                ("sinkhorn", Some(epsilon)) => named("sinkhorn", [("fixed", Some(epsilon))]),
                (name, _) => name.into(),
            };
            path.insert("coupling".to_owned(), coupling);
        }
    }
    for (name, section) in [
        ("data", data),
        ("path", path),
        ("objective", objective),
        ("training", training),
    ] {
        config.insert(name.to_owned(), section.into());
    }
    toml::to_string(&config).ok()
}

/// The schedule of an old `[path]`.
fn schedule(path: &Table) -> Value {
    let (low, high) = (
        path.get("sigma-min").cloned(),
        path.get("sigma-max").cloned(),
    );
    match word(&path["schedule"]) {
        "linear" => named("linear", [("sigma-min", low)]),
        "polynomial" => named("polynomial", [("degree", path.get("degree").cloned())]),
        "ve" => named("ve", [("sigma-min", low), ("sigma-max", high)]),
        "edm" => named("edm", [("sigma-max", high)]),
        name => name.into(),
    }
}

/// The schedule of an old `[diffusion]`.
fn process(diffusion: &Table) -> Value {
    let old = |key: &str| diffusion.get(key).cloned();
    let rates = |min, max| [(min, old("beta-min")), (max, old("beta-max"))];
    match word(&diffusion["process"]) {
        "ddpm" => {
            let betas = match word(&diffusion["betas"]) {
                "cosine" => "cosine".into(),
                name => named(name, rates("first", "last")),
            };
            named(
                "ddpm",
                [
                    ("timesteps", old("timesteps")),
                    ("betas", Some(betas)),
                    ("zero-terminal-snr", old("zero-terminal-snr")),
                ],
            )
        }
        name @ ("vp" | "sub-vp") => named(name, rates("beta-min", "beta-max")),
        "vp-cosine" => "cosine".into(),
        "ve" => named(
            "ve",
            [
                ("sigma-min", old("sigma-min")),
                ("sigma-max", old("sigma-max")),
            ],
        ),
        name => named(name, [("sigma-max", old("sigma-max"))]),
    }
}

fn section(config: &Table, name: &str) -> Table {
    let section = config.get(name).and_then(Value::as_table);
    section.cloned().unwrap_or_default()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A table of the parameters that have a value.
fn table<const N: usize>(parameters: [(&str, Option<Value>); N]) -> Value {
    let set = |(key, value): (&str, Option<Value>)| Some((key.to_owned(), value?));
    Value::Table(parameters.into_iter().filter_map(set).collect())
}

/// `{ name = { parameters } }`.
fn named<const N: usize>(name: &str, parameters: [(&str, Option<Value>); N]) -> Value {
    table([(name, Some(table(parameters)))])
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use pyroclast_core::coupling::{Coupling, Regularisation};
    use pyroclast_core::objective::VarianceLoss;
    use pyroclast_core::path::{Gamma, Source};
    use pyroclast_core::preconditioning::Preconditioning;
    use pyroclast_core::prediction::Prediction;
    use pyroclast_core::schedule::{Schedule, VarianceExploding};
    use pyroclast_core::time_sampler::TimeDistribution;
    use pyroclast_core::toy::Toy;
    use pyroclast_core::weighting::Weighting;

    const TRAINING: &str = "[training]\nsteps = 7\ntime = \"logit-normal\"\ntime-location = 0.5\ntime-scale = 2.0\n\
         time-clip = 0.01\nweighting = \"min-snr\"\nweighting-parameter = 3.0\n";

    #[test]
    fn an_old_path_reads_as_it_was() {
        let text = format!(
            "[data]\nname = \"moons\"\nsource = \"wide-moons\"\n[path]\nschedule = \"ve\"\nsigma-max = 9.0\ndegree = 2.0\n\
             coupling = \"sinkhorn\"\ncoupling-epsilon = 0.25\ngamma = \"bridge\"\ngamma-scale = 0.3\n\
             prediction = \"velocity\"\n{TRAINING}"
        );
        let config = Config::stored(&text, "old").expect("an old run");
        let path = &config.path;
        let schedule = VarianceExploding {
            sigma_max: 9.0,
            ..Default::default()
        };
        assert_eq!(path.schedule, schedule.into());
        assert_eq!(path.source, Source::Toy(Toy::WideMoons));
        assert_eq!(path.gamma, Gamma::Bridge(0.3));
        assert_eq!(
            path.coupling,
            Coupling::Sinkhorn(Regularisation::Fixed(0.25))
        );
        let (mean, std) = (0.5, 2.0);
        assert_eq!(
            path.times.distribution,
            TimeDistribution::LogitNormal { mean, std }
        );
        assert_eq!((path.times.clip, config.training.steps), (Some(0.01), 7));
        assert_eq!(config.objective.weighting, Weighting::MinSnr { gamma: 3.0 });
        let again = Config::stored(&config.to_toml(), "new").expect("today's keys");
        assert_eq!(config, again);
    }

    #[test]
    fn an_old_diffusion_reads_as_it_was() {
        let uniform = TRAINING
            .replace("logit-normal", "uniform")
            .replace("0.01", "0.0");
        let text = format!(
            "[data]\nname = \"digits\"\n[diffusion]\nprocess = \"ddpm\"\nprediction = \"edm\"\ninput = \"plain\"\n\
             sigma-data = 0.75\ntimesteps = 50\nbetas = \"linear\"\nbeta-max = 0.5\nzero-terminal-snr = true\n\
             variance = \"learned\"\nvlb-weight = 0.002\n[network]\nkind = \"unet\"\n{uniform}"
        );
        let config = Config::stored(&text, "old").expect("an old run");
        let table = config.path.schedule.table().expect("a chain");
        assert_eq!((table.steps(), table.at(0.0).alpha), (50, 0.0));
        assert_eq!(
            config.objective.prediction,
            Prediction::Edm { sigma_data: 0.75 }
        );
        assert_eq!(config.objective.preconditioning, Preconditioning::None);
        let (weight, decoder) = (0.002, None);
        assert_eq!(
            config.objective.variance,
            VarianceLoss::Hybrid { weight, decoder }
        );
    }
}
