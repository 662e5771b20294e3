//! Every setting acts, or is refused by its name.

mod place;

use place::{Place, QUICK, QUICK_FILE};
use std::fs;

/// Pairs of classes that lie apart.
fn labelled(place: &Place) {
    let rows: String = (0..60)
        .map(|i| format!("{},{},{}\n", f64::from(i).sin(), f64::from(i).cos(), i % 2))
        .collect();
    place.write("labelled.csv", &format!("a,b,label\n{rows}"));
    place.write(
        "labelled.toml",
        "[data]\nname = \"labelled.csv\"\n[network]\nkind = \"mlp\"\nwidth = 8\n",
    );
    let plain: String = (0..60)
        .map(|i| format!("{},{}\n", f64::from(i).sin(), i))
        .collect();
    place.write("plain.csv", &format!("a,b\n{plain}"));
    place.write(
        "plain.toml",
        "[data]\nname = \"plain.csv\"\n[network]\nkind = \"mlp\"\nwidth = 8\n",
    );
}

#[test]
fn keys_that_would_do_nothing_are_refused() {
    let place = Place::new();
    labelled(&place);
    for (source, set, part) in [
        ("digits", "data.size=50", "only a toy distribution"),
        ("plain.toml", "data.size=50", "only a toy distribution"),
        ("moons", "data.validation=0.2", "points of its own"),
        ("moons", "data.labels=false", "no labels"),
        ("digits", "network.heads=2", "set network.attention"),
        ("digits", "network.heads-up=2", "set network.attention"),
        ("digits", "network.head-channels=4", "set network.attention"),
        (
            "digits",
            "network.null-class=absent training.label-dropout=0.1",
            "nothing stands for a label",
        ),
        (
            "moons",
            "training.snapshot-every=5",
            "set training.ema-power",
        ),
        ("moons", "training.micro-batch=0", "give 1 to 512"),
        (
            "moons",
            "training.precision=bf16",
            "flex has no matrix units for bf16",
        ),
        (
            "moons",
            "training.checkpoint=true",
            "only the blocks of a unet or a dit",
        ),
        (
            "moons",
            "training.batch=8 training.micro-batch=9",
            "give 1 to 8",
        ),
        (
            "plain.toml",
            "data.validation=0 training.validate-every=7",
            "no data is held out",
        ),
        (
            "moons",
            "sampling.grid=0,0.5,1 sampling.steps=7",
            "the times of sampling.grid",
        ),
        ("moons", "sampling.variance=small", "that of a chain"),
        (
            "digits-ddpm",
            "sampling.variance=small",
            "has not learned one",
        ),
        ("moons", "training.label-dropout=0.5", "no labels to drop"),
        (
            "plain.toml",
            "training.label-dropout=0.5",
            "no labels to drop",
        ),
        (
            "moons",
            "path.coupling=class-ot",
            "no classes to pair within",
        ),
        (
            "moons",
            "objective.prediction=velocity-and-score",
            "set path.gamma=bridge",
        ),
        (
            "moons",
            "path.coupling.partial.mass=0",
            "give a share above 0",
        ),
        (
            "moons",
            "path.coupling.partial.mass=1.5",
            "give a share above 0",
        ),
        (
            "moons",
            "path.coupling.unbalanced.lambda=0",
            "give a positive number",
        ),
        (
            "moons",
            "path.gamma.bridge=0 path.coupling=unbalanced",
            "a scale above 0",
        ),
        ("moons", "sampling.guidance=2", "no classes to guide"),
        (
            "moons",
            "sampling.thresholding=true",
            "the pixels of an image",
        ),
        (
            "digits",
            "sampling.dynamic-thresholding-ratio=0.9",
            "set sampling.thresholding=true",
        ),
        (
            "digits",
            "sampling.sample-max-value=2",
            "set sampling.thresholding=true",
        ),
        (
            "digits",
            "sampling.clip=true sampling.thresholding=true",
            "set one of them",
        ),
        (
            "moons",
            "sampling.guidance-interval=[0.1,2]",
            "no classes to guide",
        ),
        (
            "moons",
            "sampling.guidance-rescale=0.5",
            "only guided images",
        ),
        (
            "labelled.toml",
            "sampling.guidance-rescale=0.5",
            "only guided images",
        ),
    ] {
        let set: Vec<String> = set.split(' ').map(|set| format!("--set {set}")).collect();
        let set = set.join(" ");
        let command = format!("train {source} --device flex --steps 1 --out run {set}");
        let key = set.rsplit(' ').next().unwrap_or_default();
        let key = key.split('=').next().unwrap_or_default();
        place.fails(&command, 2, &[key, part]);
        assert!(!place.path("run").exists(), "{command}");
    }
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let place = Place::new();
    place.trained();
    labelled(&place);
    place.ok(&format!("train labelled.toml --out classes {QUICK_FILE}"));
    place.ok(&format!(
        "train plain.toml --out bare {QUICK_FILE} --set data.validation=0"
    ));
    place.ok(&format!(
        "train moons --out chain {QUICK} --set path.coupling=independent \
         --set objective.prediction=v \
         --set path.schedule.ddpm.timesteps=20"
    ));
    place.write("a.csv", "1,2\n3,4\n5,6\n7,9\n");
    for (command, parts) in [
        (
            "sample run --guidance 2",
            ["--guidance", "needs a model with classes"],
        ),
        ("sample run --class 1", ["--class", "has no classes"]),
        ("sample run --thresholding", ["thresholding", "is a vector"]),
        (
            "sample run --sample-max-value 2",
            ["--thresholding", "required"],
        ),
        (
            "sample run --thresholding --clip",
            ["--thresholding", "--clip"],
        ),
        (
            "sample run --thresholding --dynamic-thresholding-ratio 1.5",
            ["dynamic-thresholding-ratio = 1.5", "0 to 1"],
        ),
        (
            "sample classes --guidance-interval 0.1,2",
            ["--guidance-interval", "guidance 1"],
        ),
        (
            "sample classes --guidance-rescale 0",
            ["--guidance-rescale", "guidance 1"],
        ),
        (
            "sample run --steps 5 --grid 0,0.5,1",
            ["--steps 5", "no effect"],
        ),
        ("sample run --method euler --eta 0.5", ["eta", "no option"]),
        (
            "sample run --method euler --noise-level 0.5",
            ["noise-level", "no option"],
        ),
        ("sample run --method heun --churn 5", ["churn", "no option"]),
        ("sample run --method ddim --order 2", ["order", "no option"]),
        (
            "sample run --method ddim --variance small",
            ["variance", "no option"],
        ),
        (
            "sample run --method heun --rtol 1e-3 --steps 4",
            ["--rtol", "--steps"],
        ),
        (
            "sample run --method euler --rtol 1e-3",
            ["euler", "number of steps"],
        ),
        (
            "sample run --rtol 1e-3 --grid uniform",
            ["--rtol", "--grid"],
        ),
        (
            "sample run --rtol 1e-3 --trajectory",
            ["--trajectory", "fixed number"],
        ),
        (
            "sample chain --method pc --corrector-steps 0 --corrector-ratio 0.1",
            ["--corrector-ratio", "no effect"],
        ),
        (
            "evaluate run -n 20 --bound-steps 20",
            ["--bound-steps", "no effect without a bound"],
        ),
        (
            "evaluate chain -n 20 --bounds 9 --bound-steps 20",
            ["--bound-steps", "chain"],
        ),
        (
            "evaluate run -n 20 --bound-terms x.csv",
            ["--bound-terms", "no bound"],
        ),
        (
            "evaluate bare -n 20 --likelihoods 5",
            ["--likelihoods", "held-out data"],
        ),
        (
            "evaluate bare -n 20 --bounds 5",
            ["--bounds", "held-out data"],
        ),
        (
            "evaluate run -n 20 --guidance 2",
            ["--guidance", "needs a model with classes"],
        ),
        (
            "compare run --guidance 2",
            ["--guidance", "needs a model with classes"],
        ),
        ("compare run --grid 0,0.5,1", ["0,0.5,1", "same steps"]),
        ("distance a.csv a.csv", ["--device flex", "no effect"]),
        ("train moons --new-data", ["--resume", "--new-data"]),
    ] {
        let command = format!("{command} --device flex");
        let parts: Vec<&str> = parts
            .iter()
            .copied()
            .filter(|part| *part != "--new-data")
            .collect();
        place.fails(&command, 2, &parts);
    }
}

#[test]
fn thresholding_scales_pixels_into_their_range() {
    let place = Place::new();
    place.ok("train digits --out run --device flex --steps 2 --set training.batch=8");
    let draw = |flags: &str| -> Vec<f32> {
        place.ok(&format!(
            "sample run -n 6 --method ddim --steps 3 --device flex --out x.npy {flags}"
        ));
        let file = fs::read(place.path("x.npy")).expect("samples");
        let (values, _) = file[file.len() - 6 * 64 * 4..].as_chunks::<4>();
        values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let largest = |x: &[f32]| x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let (free, clipped, scaled) = (draw(""), draw("--clip"), draw("--thresholding"));
    assert!(largest(&free) > 1.5 && largest(&clipped) <= 1.0 && largest(&scaled) <= 1.0);
    assert_ne!(clipped, scaled);
    // A bound of 1 leaves nothing to scale, and a lower quantile scales less.
    assert_eq!(clipped, draw("--thresholding --sample-max-value 1"));
    assert_ne!(
        scaled,
        draw("--thresholding --dynamic-thresholding-ratio 0.9")
    );
}

#[test]
fn bf16_is_for_devices_that_multiply_it() {
    let place = Place::new();
    place.ok("train moons --out run --device flex --steps 2 --set training.batch=8");
    for command in ["sample", "evaluate", "compare"] {
        let refused = format!("{command} run --device flex --precision bf16");
        place.fails(
            &refused,
            2,
            &["--precision bf16", "flex has no matrix units"],
        );
        let unknown = format!("{command} run --device flex --precision bf-16");
        place.fails(&unknown, 2, &["bf-16", "did you mean `bf16`?"]);
    }
    // A CPU multiplies in f32 whichever of the others is asked for.
    let draw = |precision: &str| {
        place.ok(&format!(
            "sample run -n 3 --steps 2 --device flex --precision {precision} --out x.npy"
        ));
        fs::read(place.path("x.npy")).expect("samples")
    };
    assert_eq!(draw("f32"), draw("tf32"));
}
