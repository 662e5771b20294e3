//! Diffusions from the real binary: every process, every sampler, bounds, comparisons, and what is
//! refused.

mod place;

use place::{Place, QUICK, QUICK_DIGITS, QUICK_FILE};
use pyroclast_train::draw::MethodName;
use std::fs;

/// A chain whose noise is predicted.
const CHAIN: &str = "[path]\nschedule = \"ddpm\"\n[objective]\nprediction = \"noise\"\n";

/// A small run of a diffusion in `run`, on points: a chain, unless the settings say otherwise.
fn diffusion(place: &Place, settings: &str) {
    place.write(
        "points.toml",
        &format!("[data]\nname = \"moons\"\n{CHAIN}[network]\nkind = \"mlp\"\nwidth = 16\n[sampling]\nmethod = \"ddim\"\n"),
    );
    place.ok(&format!("train points.toml --out run {QUICK} {settings}"));
}

#[test]
fn every_diffusion_is_trained_in_every_prediction() {
    for schedule in ["ddpm", "vp", "cosine", "sub-vp", "ve", "edm"] {
        for prediction in [
            "velocity",
            "data",
            "noise",
            "score",
            "scaled-score",
            "v",
            "edm",
        ] {
            let place = Place::new();
            // The targets of velocity and score are infinite at an end of some schedules.
            let of_schedule = match schedule {
                "ddpm" => "path.schedule.ddpm.timesteps=50".to_owned(),
                name => format!("path.schedule={name} --set path.times.clip=0.01"),
            };
            diffusion(
                &place,
                &format!(
                    "--set {of_schedule} --set objective.prediction={prediction} \
                     --set objective.preconditioning=edm --set training.clip=1"
                ),
            );
            place.ok("sample run -n 3 --device flex --method ddim --steps 3 --out a.csv");
        }
    }
}

#[test]
fn every_sampler_samples() {
    let place = Place::new();
    diffusion(
        &place,
        "--set path.schedule.ddpm.timesteps=60 --set objective.variance=hybrid",
    );
    let out = |arguments: &str| {
        place.ok(&format!(
            "sample run -n 4 --device flex --out a.csv {arguments}"
        ));
        fs::read_to_string(place.path("a.csv")).expect("text")
    };
    let ddim = out("--method ddim --steps 5");
    for method in MethodName::for_any_model() {
        let samples = out(&format!("--method {method} --steps 5"));
        // Without churn, Euler's method in the noise level is DDIM.
        let is_ddim = [MethodName::DDIM, MethodName::EULER_EDM].contains(&method);
        assert!(is_ddim || samples != ddim, "{method} is not ddim");
    }
    for grid in [
        "uniform",
        "karras",
        "log-snr",
        "quadratic",
        "leading",
        "linspace",
        "trailing",
    ] {
        out(&format!("--method dpmpp-2m --steps 5 --grid {grid}"));
    }
    out("--method dpmpp-2m --grid 0,0.4,1");
    // Options reach the samplers.
    assert_ne!(out("--method ddim --steps 5 --eta 1"), ddim);
    assert_ne!(out("--method ddim --steps 5 --clip"), ddim);
    let heun = out("--method heun-edm --steps 5");
    assert_ne!(out("--method heun-edm --steps 5 --churn 2"), heun);
    assert_ne!(
        out("--method unipc --steps 5 --order 3"),
        out("--method unipc --steps 5 --order 1")
    );
    let (small, large) = (
        out("--method ddpm --steps 5 --variance small"),
        out("--method ddpm --steps 5 --variance large"),
    );
    assert!(small != large && large != out("--method ddpm --steps 5"));
    // With another schedule, other samples come from the same distribution.
    assert_ne!(out("--method ddim --steps 5 --schedule edm"), ddim);
}

#[test]
fn bounds_are_printed_beside_likelihoods() {
    let place = Place::new();
    place.ok(&format!(
        "train digits-ddpm --out run {QUICK_DIGITS} --set path.schedule.ddpm.timesteps=8"
    ));
    let json = place
        .ok("evaluate run --device flex -n 8 --likelihoods 2 --bounds 5 --steps 2 --json --bound-terms terms.csv")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    // A network that has hardly learned anything has a bound above the 4.09 bits of 17 equally
    // likely levels; both are finite, though most pixels of a digit lie on the boundary of the
    // cube.
    let bits = |key: &str| report[key]["mean"].as_f64().expect("a number");
    assert!(bits("elbo_bits_per_dimension") > 4.09);
    assert!(bits("bits_per_dimension").is_finite());
    let text = fs::read_to_string(place.path("terms.csv")).expect("text");
    let terms: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        terms.len(),
        9,
        "the prior, seven steps, the reconstruction: {text}"
    );
    let sum: f64 = (terms.iter())
        .map(|line| {
            line.rsplit(',')
                .next()
                .and_then(|v| v.parse::<f64>().ok())
                .expect("a number")
        })
        .sum();
    assert!(
        (sum / bits("elbo_bits_per_dimension") - 1.0).abs() < 1e-4,
        "{sum}"
    );
    let ran = place.ok("evaluate run --device flex -n 8 --likelihoods 2 --bounds 5 --steps 2");
    assert!(
        ran.stdout.contains("variational bound (nats)"),
        "{}",
        ran.stdout
    );
    // There are as many bounds as likelihoods by default, so none of either.
    place.fails(
        "evaluate run --device flex -n 8 --likelihoods 0 --steps 2 --bound-terms t.csv",
        2,
        &["no bound to write", "--bounds 64"],
    );
    place.ok("evaluate run --device flex -n 8 --likelihoods 2 --steps 2 --bound-terms t.csv");
    place.fails(
        "evaluate run --device flex -n 8 --likelihoods 0 --bounds 0 --steps 2 --bound-terms t.csv",
        2,
        &["no bound to write", "--bounds 64"],
    );
    place.fails(
        "evaluate run --device flex -n 8 --likelihoods 0 --bounds 2 --steps 2 --bound-terms none/t.csv",
        2,
        &["there is no folder none; make it first"],
    );
}

#[test]
fn terms_of_a_bound_are_in_the_units_of_the_data() {
    let place = Place::new();
    // Columns of other spreads than one, so that the scaling has a volume; whole numbers have none.
    let rows = (0..60).map(|i| format!("{}.5,{}.5\n", 5 * (i % 7), 30 * (i % 11)));
    place.write("wide.csv", &format!("a,b\n{}", rows.collect::<String>()));
    place.write(
        "wide.toml",
        &format!("[data]\nname = \"wide.csv\"\n{CHAIN}[network]\nkind = \"mlp\"\nwidth = 16\n"),
    );
    place.ok(&format!(
        "train wide.toml --out run {QUICK_FILE} --set path.schedule.ddpm.timesteps=10"
    ));
    let json = place
        .ok("evaluate run --device flex -n 4 --likelihoods 0 --bounds 4 --steps 2 --json --bound-terms t.csv")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let bound = report["elbo"]["mean"].as_f64().expect("a number");
    let text = fs::read_to_string(place.path("t.csv")).expect("text");
    let sum: f64 = (text.lines().skip(1))
        .map(|line| line.rsplit(',').next().expect("a column"))
        .map(|value| value.parse::<f64>().expect("a number"))
        .sum();
    assert!((sum / bound - 1.0).abs() < 1e-4, "{sum} and {bound}");
}

#[test]
fn samplers_are_compared_in_a_table_and_a_picture() {
    let place = Place::new();
    place.ok(&format!("train digits-edm --out run {QUICK_DIGITS}"));
    let ran = place.ok(
        "compare run --device flex -n 8 --evaluations 2,4 --methods ddim,heun-edm --grid karras",
    );
    for part in [
        "| method | 2 evaluations | 4 evaluations |",
        "| ddim |",
        "| heun-edm |",
        "samplers.png",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(place.path("run/samplers.png").exists());
    let json = place
        .ok("compare run --device flex -n 8 --evaluations 15 --methods heun-edm --json")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["entries"][0]["steps"], 8);
    assert_eq!(report["entries"][0]["evaluations"], 15, "2N − 1");
    // Of the usual methods one needs another schedule, and is left out alone; a method by name is
    // not.
    let json = place
        .ok("compare run --device flex -n 8 --evaluations 2 --json")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["entries"].as_array().expect("a list").len(), 10);
    assert_eq!(report["left_out"][0]["method"], "ddpm");
    place.fails(
        "compare run --device flex -n 8 --methods ddim,ddpm",
        2,
        &["ddpm cannot be compared", "needs α² + σ² = 1", "--methods"],
    );
    place.fails(
        "compare run --device flex -n 8 --grid 0,0.5,1",
        2,
        &[
            "the times 0,0.5,1 give every budget the same steps",
            "--grid auto",
        ],
    );
}

#[test]
fn the_limit_of_a_short_chain_has_its_steps() {
    let place = Place::new();
    place.ok(&format!(
        "train digits-ddpm --out run {QUICK_DIGITS} \
         --set path.schedule.ddpm.timesteps=20 --set path.schedule.ddpm.betas.linear.last=0.5 \
         --set objective.prediction=data --set objective.variance=none"
    ));
    // A chain of 20 indices is a limit of 20 steps.
    let json = place
        .ok("compare run --device flex -n 8 --evaluations 2,4 --methods ddim,dpmpp-2m --grid trailing --json")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["limit_steps"], 20);
    assert_eq!(report["entries"].as_array().expect("a list").len(), 4);
    place.fails(
        "compare run --device flex -n 8 --evaluations 4,40 --methods ddim --grid trailing",
        2,
        &["40 steps do not fit into 20 indices"],
    );
}

#[test]
fn what_does_not_go_together_is_refused_with_what_would() {
    let place = Place::new();
    place.write(
        "points.toml",
        &format!("[data]\nname = \"moons\"\n{CHAIN}[network]\nkind = \"mlp\"\n"),
    );
    for (settings, parts) in [
        (
            "--set path.schedule.ddpm.zero-terminal-snr=true",
            [
                "objective.prediction = noise",
                "where the SNR is zero, noise and score say nothing about the data; predict v",
            ],
        ),
        (
            "--set path.schedule=vp --set objective.variance=hybrid",
            ["objective.variance = hybrid", "set path.schedule=ddpm"],
        ),
        (
            "--set path.schedule.ddpm.betas.linear.last=0.9",
            ["no signal is left after step", "of 1000"],
        ),
        (
            "--set path.times.distribution=beta",
            ["path.times = beta", "leave path.times.distribution=uniform"],
        ),
        (
            "--set path.schedul=vp",
            ["unknown field `schedul`", "did you mean `schedule`?"],
        ),
    ] {
        place.fails(
            &format!("train points.toml --out r {QUICK} {settings}"),
            2,
            &parts,
        );
    }
    place.fails(
        &format!(
            "train moons --out r {QUICK} --set path.gamma=bridge --set objective.prediction=v"
        ),
        2,
        &["path.gamma = bridge", "objective.prediction=velocity"],
    );

    diffusion(
        &place,
        "--set path.schedule=ve --set objective.preconditioning=edm",
    );
    for (arguments, parts) in [
        (
            "sample run --device flex --method ddpm",
            vec![
                "ddpm needs α² + σ² = 1, and this schedule has 2501 at t = 0",
                "heun-edm",
            ],
        ),
        (
            "sample run --device flex --method ddim --grid trailing",
            vec!["the grid trailing takes indices of a chain", "karras"],
        ),
        (
            "sample run --device flex --method unipc --order 4",
            vec!["order = 4 is out of range for unipc; give 1 to 3"],
        ),
        (
            "sample run --device flex --method ddim --eta 2",
            vec!["eta = 2 is out of range for ddim; give 0 to 1"],
        ),
        (
            "sample run --device flex --grid karas",
            vec![
                "no grid is called `karas`",
                "did you mean `karras`?",
                "log-snr",
            ],
        ),
        (
            "sample run --device flex --guidance-interval 5,1",
            vec!["`5,1` is not an interval of noise levels", "0.2,5"],
        ),
        (
            "sample run --device flex --schedule cosin",
            vec!["did you mean `cosine`?", "trigonometric"],
        ),
        (
            "compare run --device flex",
            vec!["there is no classifier for moons", "pyroclast classifier"],
        ),
    ] {
        place.fails(arguments, 2, &parts);
    }
    // Zero SNR with a prediction that is defined there is served.
    let place = Place::new();
    diffusion(
        &place,
        "--set path.schedule.ddpm={timesteps=40,zero-terminal-snr=true} --set objective.prediction=v",
    );
    place.ok("sample run -n 3 --device flex --method ddpm --steps 40 --out a.csv");
    for grid in ["auto", "uniform", "trailing", "0,0.5,1"] {
        place.ok(&format!(
            "sample run -n 3 --device flex --method dpmpp-2m --grid {grid} --out b.csv"
        ));
    }
}

#[test]
fn options_that_nothing_would_read_are_refused() {
    let place = Place::new();
    diffusion(&place, "--set path.schedule.ddpm.timesteps=60");
    for (arguments, parts) in [
        (
            "--eta 0.5 --method heun",
            ["heun has no option eta", "use ddim or euler-ancestral"],
        ),
        (
            "--churn 2 --method ddim",
            ["ddim has no option churn", "use euler-edm or heun-edm"],
        ),
        (
            "--order 3 --method ddim",
            [
                "ddim has no option order",
                "unipc or unipc-bh1 or deis or lms",
            ],
        ),
        (
            "--variance small --method ddim",
            ["ddim has no option variance", "use ddpm"],
        ),
        (
            "--noise-level 0.5 --method ddpm",
            ["ddpm has no option noise-level", "euler-maruyama"],
        ),
        (
            "--corrector-steps 2 --method reverse-diffusion",
            ["has no option corrector-steps", "use pc"],
        ),
        (
            "--corrector-ratio 0.1 --method ddim",
            ["ddim has no option corrector-ratio", "use pc"],
        ),
        (
            "--steps 50 --grid 0,0.5,1",
            [
                "--steps 50 has no effect on the times 0,0.5,1",
                "--grid auto",
            ],
        ),
        (
            "--guidance 2",
            ["--guidance needs a model with classes", "moons has none"],
        ),
        (
            "--guidance-interval 1,5",
            [
                "--guidance-interval needs a model with classes",
                "leave it out",
            ],
        ),
        (
            "--guidance-rescale 0.5",
            [
                "--guidance-rescale needs a model with classes",
                "leave it out",
            ],
        ),
    ] {
        for command in ["sample", "evaluate"] {
            // The bound of a chain is taken of a variance, whatever samples.
            if command == "evaluate" && arguments.starts_with("--variance") {
                continue;
            }
            place.fails(
                &format!("{command} run --device flex {arguments}"),
                2,
                &parts,
            );
        }
    }
    place.ok("sample run -n 3 --device flex --method pc --corrector-steps 2 --corrector-ratio 0.1 --steps 3 --out a.csv");
    place.ok(
        "evaluate run -n 4 --device flex --variance small --steps 3 --likelihoods 0 --bounds 2",
    );
}

#[test]
fn ode_methods_stay_where_the_velocity_is_finite() {
    let place = Place::new();
    diffusion(&place, "--set path.schedule.ddpm.timesteps=60");
    for grid in ["trailing", "karras", "0,0.5,1"] {
        place.ok(&format!(
            "sample run -n 3 --device flex --method heun --grid {grid} --out a.csv"
        ));
    }
    // Karras' levels serve ODE methods as well as samplers.
    let place = Place::new();
    diffusion(
        &place,
        "--set path.schedule=edm --set objective.preconditioning=edm --set objective.prediction=edm",
    );
    let out = |grid: &str| {
        place.ok(&format!(
            "sample run -n 3 --device flex --method heun --steps 12 {grid} --out a.csv"
        ));
        fs::read_to_string(place.path("a.csv")).expect("text")
    };
    assert_eq!(out(""), out("--grid karras"));
    assert_ne!(out(""), out("--grid log-snr"));
    // Even times leave the first step most of the noise levels.
    place.fails(
        "sample run -n 3 --device flex --method heun --steps 12 --grid uniform --out a.csv",
        2,
        &["heun is no use with 12 steps"],
    );
}

#[test]
fn noise_of_any_size_is_trained_and_scored() {
    for settings in [
        "--set path.schedule.edm.sigma-max=0.001",
        "--set path.schedule.ve={sigma-min=90,sigma-max=100}",
        "--set path.schedule.vp={beta-min=1e-6,beta-max=1e-6}",
    ] {
        let place = Place::new();
        diffusion(
            &place,
            &format!(
                "{settings} --set objective.preconditioning=edm --set objective.prediction=edm"
            ),
        );
        place.ok("evaluate run --device flex -n 4 --steps 2 --likelihoods 0 --bounds 2");
    }
}

#[test]
fn path_energy_is_that_of_the_schedule_sampled_under() {
    let place = Place::new();
    place.ok(&format!("train moons --out run {QUICK}"));
    // Paths from 80 times the noise are long, and so is the way that they have to go: the one is
    // measured by the other.
    let json = place
        .ok("evaluate run --device flex -n 50 --likelihoods 0 --method euler --schedule edm --json")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let npe = report["npe"]["mean"].as_f64().expect("a number");
    assert!(npe.abs() < 5.0, "{npe}");
}

#[test]
fn the_score_of_a_bridge_is_learned_and_sampled_by_sdes() {
    let place = Place::new();
    place.ok(&format!("train moons-sf2m --out run {QUICK}"));
    let drawn = |arguments: &str| {
        place.ok(&format!(
            "sample run -n 6 --device flex --steps 5 --out a.csv {arguments}"
        ));
        fs::read_to_string(place.path("a.csv")).expect("text")
    };
    let ode = drawn("--method euler");
    let sde = drawn("--method euler-maruyama");
    assert_ne!(ode, sde);
    assert_ne!(sde, drawn("--method euler-maruyama --noise-level 3"));
    assert_eq!(ode, drawn("--method euler-maruyama --noise-level 0"));
    for method in ["heun", "dopri5", "stochastic-heun", "sra1", "shark", "ddim"] {
        drawn(&format!("--method {method}"));
    }
    // A model file knows the score too.
    place.ok("export run --out m.safetensors");
    place.ok("sample m.safetensors -n 3 --method shark --steps 3 --out b.csv");
    place.ok("evaluate run -n 64 --likelihoods 0 --method euler-maruyama --steps 5");
    // The noise of a diffusion's sampler is not that of a bridge.
    for (arguments, part) in [
        (
            "--method euler-ancestral",
            "prediction = velocity-and-score",
        ),
        ("--method ddim --eta 1", "prediction = velocity-and-score"),
        ("--method euler-maruyama --clip", "leave them out"),
        ("--method shark --schedule vp", "leave them out"),
    ] {
        place.fails(
            &format!("sample run -n 3 --steps 5 --out c.csv {arguments}"),
            2,
            &["adds noise", part],
        );
    }
    // Without it there is only the ODE.
    place.ok(&format!(
        "train moons-sf2m --out flow {QUICK} --set objective.prediction=velocity"
    ));
    place.fails(
        "sample flow -n 3 --steps 5 --method euler-maruyama --out c.csv",
        2,
        &["adds noise, which needs the score"],
    );
}

#[test]
fn couplings_that_leave_points_over_are_trained() {
    let place = Place::new();
    for (run, set) in [
        ("a", "path.coupling=unbalanced"),
        ("b", "path.coupling.unbalanced.lambda=2"),
        (
            "c",
            "path.coupling={ unbalanced = { epsilon = { fixed = 0.5 }, lambda = 3 } }",
        ),
        ("d", "path.coupling=partial"),
        ("e", "path.coupling.partial.mass=0.6"),
    ] {
        let set = set.replace(' ', "");
        place.ok(&format!("train moons --out {run} {QUICK} --set {set}"));
        place.ok(&format!("sample {run} -n 3 --steps 3 --out {run}.csv"));
    }
}
