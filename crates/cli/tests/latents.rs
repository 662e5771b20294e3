//! Latents from the real binary: an autoencoder, a model of its latents, and what is drawn of it.

mod place;

use place::Place;
use serde_json::Value;
use std::fs;

/// An autoencoder of emoji of 16×16 that makes one pixel of four, after a few steps.
const AUTOENCODER: &str = "train emoji-vae --out vae --size 16 --steps 4 --device flex \
    --set training.batch=4 --set network.widths=[8,8] --set training.log-every=2";

/// A model of its latents.
const LATENT: &str = "train emoji --size 16 --steps 4 --device flex --set training.batch=4 \
    --set network.channels=8 --set network.multipliers=[1,1] --set training.log-every=2 \
    --set sampling.steps=2 --set training.cosine=false";

fn json(place: &Place, command: &str) -> Value {
    serde_json::from_str(&place.ok(command).stdout).expect("JSON")
}

#[test]
fn a_model_of_latents_is_trained_and_sampled_anywhere() {
    let place = Place::new();
    place.ok(AUTOENCODER);
    let scores = json(&place, "evaluate vae -n 20 --json");
    assert!(scores["psnr"].as_f64().expect("a number") > 3.0);
    assert!(scores["bits_per_dimension"].as_f64().expect("a number") > 0.0);
    let refused = ["an autoencoder, which draws no samples", "leave --eta out"];
    place.fails("evaluate vae --eta 1", 2, &refused);

    place.ok(&format!(
        "{LATENT} --out run --set data.latents=vae --set data.flip=true"
    ));
    assert!(place.path("run/autoencoder.safetensors").exists());
    place.ok("sample run -n 6 --out a.npy --uint8 --seed 3");
    let bytes = fs::read(place.path("a.npy")).expect("samples");
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    assert!(header.contains("(6, 3, 16, 16"), "{header}");

    // The file holds the autoencoder: neither the run nor the first autoencoder is needed.
    place.ok("export run --out m.safetensors");
    fs::remove_dir_all(place.path("run")).expect("the run");
    fs::remove_dir_all(place.path("vae")).expect("the autoencoder");
    place.ok("sample m.safetensors -n 6 --out b.npy --uint8 --seed 3");
    assert!(fs::read(place.path("b.npy")).expect("samples") == bytes);
    place.ok("sample m.safetensors -n 2 --trajectory --out p.png");
    assert!(place.path("p.gif").exists());
    place.ok("sample m.safetensors -n 2 --tile 16 --out c.npy");
    // So does the file of a page.
    place.ok("page m.safetensors --out site");
    place.ok("sample site/emoji.safetensors -n 2 --out d.npy");
}

#[test]
fn a_run_of_latents_resumes_as_if_it_had_not_been_interrupted() {
    let place = Place::new();
    place.ok(AUTOENCODER);
    let latent = format!("{LATENT} --set data.latents=vae");
    place.ok(&format!("{latent} --out whole"));
    place.ok(&format!(
        "{} --out part",
        latent.replace("--steps 4", "--steps 2")
    ));
    // The run keeps its autoencoder.
    fs::rename(place.path("vae"), place.path("gone")).expect("a folder");
    place.ok(&format!(
        "{} --out part --resume",
        latent.replace("--set data.latents=vae", "")
    ));
    let newest = |run: &str| {
        fs::read(
            place
                .path(run)
                .join("checkpoints/step-00000004.safetensors"),
        )
        .expect("a checkpoint")
    };
    let sampled = |run: &str| {
        place.ok(&format!("sample {run} -n 3 --out {run}.npy --seed 1"));
        fs::read(place.path(&format!("{run}.npy"))).expect("samples")
    };
    assert!(!newest("part").is_empty() && sampled("part") == sampled("whole"));
}

#[test]
fn what_has_no_latents_is_said_in_a_line() {
    let place = Place::new();
    place.ok(AUTOENCODER);
    place.fails(
        "sample vae",
        2,
        &["vae is an autoencoder", "data.latents=vae"],
    );
    place.fails("compare vae", 2, &["is an autoencoder"]);
    place.fails("page vae --out site", 1, &["vae is an autoencoder"]);
    place.fails("evaluate vae --steps 5", 2, &["leave --steps out"]);
    place.fails(
        "train moons --set data.latents=vae",
        2,
        &["data.latents", "only pictures have latents"],
    );
    place.fails(
        "train emoji --set training.posterior=mode",
        2,
        &["training.posterior", "set data.latents"],
    );
    place.fails(
        "train emoji --set data.latents=nothing",
        1,
        &["data.latents = nothing"],
    );
    place.trained();
    place.fails(
        "train emoji --set data.latents=run",
        1,
        &["is no autoencoder", "emoji-vae"],
    );
    place.fails(
        "train emoji --size 15 --set data.latents=vae",
        1,
        &["[3, 15, 15]", "2×2"],
    );
    place.fails(
        "sample run --tile 64",
        2,
        &["--tile is for a model of latents"],
    );
    place.fails(
        "train emoji-vae --set path.schedule=vp",
        2,
        &["an autoencoder has no path"],
    );
    place.fails(
        "train moons --set path.times.distribution=data",
        2,
        &["only an autoencoder"],
    );
}

#[test]
fn an_autoencoder_of_another_project_decodes_what_is_trained_on_it() {
    let place = Place::new();
    let networks = format!("{}/tests/networks", env!("CARGO_MANIFEST_DIR"));
    place.ok(&format!(
        "import {networks}/diffusers_autoencoder_kl.safetensors --out vae.safetensors"
    ));
    let run = LATENT.replace("multipliers=[1,1]", "multipliers=[1]");
    place.ok(&format!(
        "{run} --out run --set data.latents=vae.safetensors"
    ));
    place.ok("sample run -n 2 --out a.npy");
    place.fails(
        &format!("import {networks}/dit.safetensors --layout dit --latents run/config.toml"),
        1,
        &["--latents"],
    );
}
