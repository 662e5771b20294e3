//! Networks of other projects, from the real binary: imported, verified, sampled, exported,
//! refused.

mod place;

use burn_flex::Flex;
use place::Place;
use pyroclast_core::noise::Noise;
use pyroclast_models::{Init, TaesdConfig, TaesdParts};
use pyroclast_weights::{Precision, Structure, by_name, export, tensors_of, write_with};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of another project, what importing it takes, and what it is.
struct Golden {
    arguments: &'static str,
    layout: &'static str,
    convention: &'static str,
    part: &'static str,
}

const GOLDEN: [Golden; 8] = [
    Golden {
        arguments: "torchcfm_unet.safetensors --verify torchcfm_unet.safetensors",
        layout: "torchcfm",
        convention: "flow-matching",
        part: "",
    },
    Golden {
        arguments: "torchcfm_unet_f32.safetensors --verify torchcfm_unet_f32.safetensors",
        layout: "torchcfm",
        convention: "flow-matching",
        part: "",
    },
    Golden {
        arguments: "torchcfm_checkpoint.pt --config torchcfm_checkpoint.safetensors \
                    --verify torchcfm_checkpoint.safetensors",
        layout: "torchcfm",
        convention: "flow-matching",
        part: "ema_model",
    },
    Golden {
        arguments: "torchcfm_checkpoint.pt --layout torchcfm --with image_size=8 \
                    --with num_head_channels=16 --part net_model \
                    --verify torchcfm_checkpoint.safetensors --verify-output output_net",
        layout: "torchcfm",
        convention: "flow-matching",
        part: "net_model",
    },
    Golden {
        arguments: "guided_diffusion_adm.safetensors --verify guided_diffusion_adm.safetensors",
        layout: "guided-diffusion",
        convention: "ddpm",
        part: "",
    },
    Golden {
        arguments: "dit.safetensors --layout dit --verify dit.safetensors",
        layout: "dit",
        convention: "ddpm",
        part: "",
    },
    Golden {
        arguments: "dit_legacy.pt --config dit_legacy.safetensors --layout dit \
                    --verify dit_legacy.safetensors",
        layout: "dit",
        convention: "ddpm",
        part: "ema",
    },
    Golden {
        arguments: "diffusers_unet2d.safetensors --layout diffusers-unet \
                    --verify diffusers_unet2d.safetensors",
        layout: "diffusers-unet",
        convention: "ddpm",
        part: "",
    },
];

fn network(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks")
        .join(file)
}

/// A folder with all networks.
fn networks() -> Place {
    let place = Place::new();
    for file in [
        "diffusers_autoencoder_kl.safetensors",
        "diffusers_autoencoder_tiny.safetensors",
        "diffusers_unet2d.safetensors",
        "dit.safetensors",
        "dit_legacy.pt",
        "dit_legacy.safetensors",
        "guided_diffusion_adm.safetensors",
        "torchcfm_checkpoint.pt",
        "torchcfm_checkpoint.safetensors",
        "torchcfm_unet.safetensors",
        "torchcfm_unet_f32.safetensors",
    ] {
        fs::copy(network(file), place.path(file)).expect("a writable folder");
    }
    place
}

fn report(place: &Place, command: &str) -> Value {
    let ran = place.ok(&format!("{command} --json --device flex"));
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn networks_become_models_that_give_the_outputs_that_they_had() {
    let place = networks();
    for Golden {
        arguments,
        layout,
        convention,
        part,
    } in GOLDEN
    {
        let report = report(&place, &format!("import {arguments} --out m.safetensors"));
        assert_eq!(report["layout"], *layout, "{arguments}");
        assert_eq!(report["convention"], *convention, "{arguments}");
        assert_eq!(report["part"], *part, "{arguments}");
        let differences = report["differences"].as_array().expect("a list");
        assert_eq!(differences.len(), 3);
        for difference in differences {
            assert!(difference.as_f64().expect("a number") <= 1e-4, "{report}");
        }
        // The model needs no option to be sampled from, and no note is due about it.
        let ran = place.ok("sample m.safetensors -n 2 --steps 2 --device flex --out s.npy");
        assert!(!ran.stderr.contains("note"), "{}", ran.stderr);
        place.ok("sample m.safetensors -n 2 --steps 2 --device flex");
        assert!(place.path("sample.png").exists());
        fs::remove_file(place.path("sample.png")).expect("a picture");
        // It can be verified again.
        let (_, verify) = arguments.split_once("--verify").expect("a file of outputs");
        place.ok(&format!(
            "import m.safetensors --device flex --verify{verify}"
        ));
    }
}

#[test]
fn autoencoders_give_the_latents_and_images_that_they_gave() {
    let place = networks();
    for (file, layout, steps) in [
        (
            "diffusers_autoencoder_kl.safetensors",
            "diffusers-autoencoder-kl",
            &["latent", "moments", "output"][..],
        ),
        (
            "diffusers_autoencoder_tiny.safetensors",
            "diffusers-autoencoder-tiny",
            &["latent", "output"],
        ),
    ] {
        let report = report(&place, &format!("import {file} --verify {file}"));
        assert_eq!(report["layout"], layout);
        let differences = report["differences"].as_object().expect("by name");
        assert_eq!(differences.keys().collect::<Vec<_>>(), steps);
        for difference in differences
            .values()
            .flat_map(|all| all.as_array().expect("a list"))
        {
            assert!(difference.as_f64().expect("a number") <= 1e-4, "{report}");
        }
        let said = place.ok(&format!("import {file} --verify {file} --device flex"));
        assert!(
            said.stdout.contains("differences of latent"),
            "{}",
            said.stdout
        );
        place.fails(
            &format!("import {file} --convention edm"),
            2,
            &["is an autoencoder", "leave --convention out"],
        );
        // Written, it is for the latents of other models, and goes back as it came. Pictures that
        // are named score it.
        place.ok(&format!(
            "import {file} --data emoji --set data.resolution=16 --out m.safetensors"
        ));
        let scores = place.ok("evaluate m.safetensors -n 4 --json").stdout;
        let scores: Value = serde_json::from_str(&scores).expect("JSON");
        assert!(scores["psnr"].as_f64().expect("a number") > 0.0, "{scores}");
        let has_rate = !scores["bits_per_dimension"].is_null();
        assert_eq!(has_rate, layout == "diffusers-autoencoder-kl", "{scores}");
        place.ok(&format!(
            "export m.safetensors --layout {layout} --out back.safetensors"
        ));
        let (before, after) = (place.path(file), place.path("back.safetensors"));
        assert!(stored(&after) == stored(&before), "{file}");
        place.fails(
            &format!("import {file} --verify dit.safetensors --device flex"),
            1,
            &["golden.latent"],
        );
    }
}

#[test]
fn a_network_of_latents_is_decoded_by_its_autoencoder() {
    let place = networks();
    place.ok("import diffusers_autoencoder_kl.safetensors --out vae.safetensors");
    place.ok(
        "import dit.safetensors --layout dit --latents vae.safetensors --verify dit.safetensors \
         --out d.safetensors",
    );
    place.ok("sample d.safetensors -n 2 --steps 2 --device flex --out s.npy");
    let samples = fs::read(place.path("s.npy")).expect("samples");
    let header = String::from_utf8_lossy(&samples[..128]).into_owned();
    assert!(header.contains("(2, 3, 16, 16"), "{header}");
    place.fails(
        "import torchcfm_unet.safetensors --latents vae.safetensors",
        2,
        &["--latents", "4 channels, and these have 3"],
    );
}

#[test]
fn what_is_recognised_is_said() {
    let place = networks();
    let ran = place.ok("import guided_diffusion_adm.safetensors --device flex");
    for part in [
        "layout       guided-diffusion",
        "convention   ddpm: the noise of a chain",
        "time there   the index k",
        "UNet for samples of [3, 16, 16], 10 classes, 274310 parameters",
        "resample = { blocks = { project = false } }",
        "head-channels = 16",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let said = place.ok("import torchcfm_checkpoint.pt --config torchcfm_checkpoint.safetensors");
    assert!(
        said.stdout
            .contains("from ema_model (also there: net_model)"),
        "{}",
        said.stdout
    );
}

/// Type, shape and bytes of every tensor of a file but the outputs.
fn stored(path: &Path) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("a file of weights");
    let tensors = file.iter().filter(|(key, _)| !key.starts_with("golden."));
    tensors
        .map(|(key, view)| {
            let dtype = format!("{:?}", view.dtype());
            let tensor = (dtype, view.shape().to_vec(), view.data().to_vec());
            (key.to_owned(), tensor)
        })
        .collect()
}

#[test]
fn what_was_imported_is_exported_to_the_byte_and_imported_again_without_options() {
    let place = networks();
    for (file, layout, precision) in [
        ("torchcfm_unet.safetensors", "torchcfm", "f16"),
        ("torchcfm_unet_f32.safetensors", "torchcfm", "f32"),
        (
            "guided_diffusion_adm.safetensors",
            "guided-diffusion",
            "f32",
        ),
        ("diffusers_unet2d.safetensors", "diffusers-unet", "f32"),
    ] {
        place.ok(&format!("import {file} --out m.safetensors --device flex"));
        place.ok(&format!(
            "export m.safetensors --layout {layout} --precision {precision} --out back.safetensors"
        ));
        let (before, after) = (place.path(file), place.path("back.safetensors"));
        assert!(stored(&after) == stored(&before), "{file}");
        let again = report(&place, &format!("import back.safetensors --verify {file}"));
        assert_eq!(again["layout"], *layout);
    }
}

#[test]
fn a_model_that_was_trained_here_is_written_for_another_project() {
    let place = Place::new();
    let set = "--set network.layout=ddpmpp-cifar10 --set network.channels=8 \
        --set network.multipliers=[2,2] --set network.blocks=1 --set network.attention=[4] \
        --set training.label-dropout=0.1";
    place.ok(&format!(
        "train digits --out run --steps 2 --set training.batch=4 --set sampling.steps=2 \
         --device flex {set}"
    ));
    let ran = place.ok("export run --layout edm-ddpmpp --out edm.safetensors");
    assert!(
        ran.stdout.contains("in the layout edm-ddpmpp"),
        "{}",
        ran.stdout
    );
    let tensors = stored(&place.path("edm.safetensors"));
    assert_eq!(tensors["enc.8x8_conv.weight"].1, [8, 1, 3, 3]);
    assert_eq!(
        tensors["enc.4x4_down.conv0.resample_filter"].1,
        [1, 1, 2, 2]
    );
    let ran = place.ok("import edm.safetensors --out m.safetensors --device flex");
    assert!(ran.stdout.contains("convention   edm"), "{}", ran.stdout);
    place.ok("sample m.safetensors -n 2 --class 3 --device flex --out s.npy");
}

#[test]
fn the_convention_can_be_another_one() {
    let place = networks();
    let from = "torchcfm_unet_f32.safetensors --device flex --out m.safetensors";
    for convention in ["flow-matching", "ddpm", "iddpm", "edm", "vp", "ve"] {
        place.ok(&format!("import {from} --convention {convention}"));
        place.ok("sample m.safetensors -n 1 --steps 18 --device flex --out s.npy");
    }
    place.ok(&format!(
        "import {from} --convention ddpm --set objective.prediction=v \
         --set path.schedule.ddpm.timesteps=100 --set sampling.steps=3"
    ));
    place.ok("sample m.safetensors -n 1 --device flex --out s.npy");
    for (options, parts) in [
        ("--convention emd", ["did you mean `edm`?", "flow-matching"]),
        ("--set training.steps=3", ["training.steps", "leave it out"]),
        ("--set objective.predicton=v", ["predicton", "prediction"]),
        ("--set network.channels=3", ["network", "channels"]),
        (
            "--convention ve --set path.schedule=edm",
            ["--convention ve", "ln(σ/2)"],
        ),
    ] {
        place.fails(&format!("import {from} {options}"), 2, &parts);
    }
    place.fails(
        "import guided_diffusion_adm.safetensors --convention edm",
        2,
        &["--convention edm", "twice the channels", "ddpm or iddpm"],
    );
}

#[test]
fn a_pipeline_of_diffusers_brings_its_chain() {
    let place = networks();
    fs::create_dir_all(place.path("pipeline/unet")).expect("a writable folder");
    fs::create_dir_all(place.path("pipeline/scheduler")).expect("a writable folder");
    let weights = "pipeline/unet/diffusion_pytorch_model.safetensors";
    fs::copy(network("diffusers_unet2d.safetensors"), place.path(weights)).expect("a folder");
    place.write("pipeline/model_index.json", "{}");
    let config = r#"{"_class_name": "UNet2DModel", "sample_size": 16, "freq_shift": 1,
        "flip_sin_to_cos": false, "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "downsample_padding": 0,
        "attention_head_dim": null, "norm_num_groups": 16, "norm_eps": 1e-06}"#;
    place.write("pipeline/unet/config.json", config);
    place.write(
        "pipeline/scheduler/scheduler_config.json",
        r#"{"num_train_timesteps": 500, "beta_schedule": "squaredcos_cap_v2"}"#,
    );
    let ran = place.ok("import pipeline --out m.safetensors --device flex");
    for part in [
        "path.schedule.ddpm.betas=cosine",
        "offset = 499.0",
        "scale = -500.0",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    // The clock of the chain is the network's, whatever its length.
    place.ok("import m.safetensors --device flex --verify diffusers_unet2d.safetensors");
    place.write(
        "pipeline/scheduler/scheduler_config.json",
        r#"{"beta_schedule": "x"}"#,
    );
    place.fails(
        "import pipeline --device flex",
        1,
        &["scheduler_config.json", "only linear, scaled_linear"],
    );
}

#[test]
fn a_network_of_known_classes_is_not_guided() {
    let place = networks();
    place.ok("import guided_diffusion_adm.safetensors --out m.safetensors --device flex");
    let sample = "sample m.safetensors --steps 2 --device flex --out s.npy -n 2";
    place.ok(&format!("{sample} --class 4"));
    place.fails(
        &format!("{sample} --guidance 2"),
        2,
        &["--guidance 2", "known classes only"],
    );
    place.fails(
        "compare m.safetensors --guidance 2 --device flex",
        2,
        &["--guidance 2", "known classes only"],
    );
}

#[test]
fn a_model_is_evaluated_on_the_data_that_was_named() {
    let place = Place::new();
    place.ok(
        "train digits --out run --steps 2 --set training.batch=4 --device flex \
         --set network.layout=torchcfm-cifar10 --set network.channels=32 \
         --set network.multipliers=[1] --set network.blocks=1 --set network.attention=[8] \
         --set network.head-channels=16 --set data.labels=false --set sampling.guidance=1",
    );
    place.ok("export run --layout torchcfm --out theirs.safetensors");
    place.ok("import theirs.safetensors --data digits --out m.safetensors --device flex");
    let ran =
        place.ok("evaluate m.safetensors -n 8 --steps 2 --likelihoods 0 --device flex --json");
    assert!(ran.stdout.contains("\"w2\""), "{}", ran.stdout);
    place.ok("import theirs.safetensors --out bare.safetensors --device flex");
    place.fails(
        "evaluate bare.safetensors -n 8 --device flex",
        1,
        &["does not record where its data is"],
    );
}

#[test]
fn outputs_of_another_network_are_told_apart() {
    let place = networks();
    let from =
        "import torchcfm_checkpoint.pt --config torchcfm_checkpoint.safetensors --device flex";
    // The outputs of the last step's weights, not of the averages.
    let message = place.fails(
        &format!(
            "{from} --out m.safetensors --verify torchcfm_checkpoint.safetensors \
             --verify-output output_net"
        ),
        1,
        &["more than 1e-4", "m.safetensors is not written"],
    );
    assert!(!place.path("m.safetensors").exists(), "{message}");
    place.fails(
        &format!("{from} --verify torchcfm_unet.safetensors"),
        1,
        &["golden.x has shape [3, 3, 16, 16]", "[n, 3, 8, 8]"],
    );
    place.fails(
        &format!("{from} --verify torchcfm_checkpoint.safetensors --verify-output latent"),
        2,
        &["has no golden.latent"],
    );
    place.fails(
        &format!("{from} --verify none.safetensors"),
        1,
        &["none.safetensors"],
    );
    place.fails(
        "import guided_diffusion_adm.safetensors --device flex \
         --verify torchcfm_unet_f32.safetensors",
        1,
        &["golden.y", "is missing"],
    );
}

/// A pickle that asks for `os.system("ls")`.
const CODE: &[u8] = b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.";

#[test]
fn every_mistake_is_a_line() {
    let place = networks();
    fs::write(place.path("code.pt"), CODE).expect("a writable folder");
    let whole = fs::read(place.path("torchcfm_checkpoint.pt")).expect("a checkpoint");
    fs::write(place.path("cut.pt"), &whole[..whole.len() / 2]).expect("a writable folder");
    fs::write(place.path("text.pt"), "# Weights\n").expect("a writable folder");
    fs::create_dir(place.path("folder")).expect("a writable folder");
    fs::copy(
        network("diffusers_unet2d.safetensors"),
        place.path("folder/diffusion_pytorch_model.safetensors"),
    )
    .expect("a writable folder");
    place.write("list.json", "[1, 2]");
    let adm = "guided_diffusion_adm.safetensors";
    for (arguments, code, parts) in [
        ("folder", 1, ["folder without", "config.json"]),
        ("code.pt", 1, ["holds Python code", "os.system"]),
        ("cut.pt", 1, ["cut.pt is damaged", ""]),
        (
            "text.pt",
            1,
            ["neither a safetensors file nor", "# Weights"],
        ),
        ("none.pt", 1, ["cannot read none.pt", ""]),
        (
            "torchcfm_checkpoint.safetensors",
            1,
            ["holds outputs alone", "give the file of the weights"],
        ),
        (
            "torchcfm_checkpoint.pt",
            2,
            ["3 layouts", "flow-matching, guided-diffusion, by --layout"],
        ),
        (
            "torchcfm_checkpoint.pt --layout torchcfm",
            2,
            ["the size of the images", "--with image_size=VALUE"],
        ),
        (
            "torchcfm_checkpoint.pt --layout torchcfm --with image_size=8",
            2,
            ["the number of attention heads", "--with num_heads=VALUE"],
        ),
        (
            "torchcfm_checkpoint.pt --part ema",
            2,
            [
                "under \"ema\"",
                "net_model, ema_model; give one of them as --part",
            ],
        ),
        (
            "torchcfm_unet.safetensors --layout torchfm",
            2,
            ["no layout is called `torchfm`", "did you mean `torchcfm`?"],
        ),
        (
            "diffusers_unet2d.safetensors --layout torchcfm",
            1,
            [
                "4 missing: time_embed.0.weight",
                "they look like diffusers-unet",
            ],
        ),
        (
            "torchcfm_unet.safetensors --with image_size",
            2,
            ["--with image_size", "ARGUMENT=VALUE"],
        ),
        (
            "torchcfm_unet.safetensors --with dim=[3,17,17]",
            1,
            ["17×17", "cannot be halved"],
        ),
        (
            "torchcfm_unet.safetensors --with num_heads=x --with num_head_channels=-1",
            2,
            ["num_heads = \"x\"", "give a whole number"],
        ),
        (
            "torchcfm_unet.safetensors --config list.json",
            2,
            ["--config", "not a JSON object"],
        ),
        (
            "torchcfm_unet.safetensors --out m.bin",
            2,
            ["--out m.bin", ".safetensors"],
        ),
        (
            "torchcfm_unet.safetensors --out ./torchcfm_unet.safetensors",
            2,
            ["is the file that is read", "give another name"],
        ),
        (
            "torchcfm_unet.safetensors --out none/m.safetensors",
            2,
            ["there is no folder none", "make it first"],
        ),
    ] {
        let message = place.fails(&format!("import {arguments} --device flex"), code, &parts);
        assert!(!message.contains('\u{1b}'), "{message}");
    }
    // A tensor too few, one too many and one of another shape, each listed.
    let bytes = fs::read(place.path(adm)).expect("a file");
    let text = String::from_utf8_lossy(&bytes[..20_000]).into_owned();
    assert!(text.contains("\"out.2.bias\""));
    let at = |part: &[u8]| {
        bytes
            .windows(part.len())
            .position(|w| w == part)
            .expect("a key")
    };
    let mut other = bytes.clone();
    let place_of_key = at(b"\"out.2.bias\"");
    other[place_of_key..place_of_key + 12].copy_from_slice(b"\"out.3.bias\"");
    fs::write(place.path("other.safetensors"), other).expect("a writable folder");
    let message = place.fails(
        "import other.safetensors --device flex",
        1,
        &["1 missing: out.2.bias", "1 unexpected: out.3.bias"],
    );
    assert!(message.contains("missing: out.2.bias"), "{message}");
}

#[test]
fn what_a_layout_cannot_hold_is_named() {
    let place = networks();
    place.ok("import torchcfm_unet_f32.safetensors --out m.safetensors --device flex");
    for (layout, code, part) in [
        ("edm-ddpmpp", 1, "no place for down.0.resize.bias"),
        (
            "diffusers-unet",
            1,
            "its stem.weight is [32, 3, 3, 3], and there it is [8, 3, 3, 3]",
        ),
        ("torchfm", 2, "did you mean `torchcfm`?"),
    ] {
        place.fails(
            &format!("export m.safetensors --layout {layout} --out x.safetensors"),
            code,
            &[layout, part],
        );
        assert!(!place.path("x.safetensors").exists());
    }
    place.fails(
        "export m.safetensors --layout torchcfm --precision f8 --out x.safetensors",
        2,
        &["--precision f8"],
    );
    place.fails(
        "export m.safetensors --layout torchcfm --loader --out x.safetensors",
        2,
        &["--loader"],
    );
    place.fails(
        "import m.safetensors --device flex",
        2,
        &["is a model of this library already"],
    );
    place.trained();
    place.fails(
        "export run --layout torchcfm --out x.safetensors",
        1,
        &["a multilayer perceptron"],
    );
}

#[test]
fn a_model_of_ours_comes_with_a_script_that_reads_it() {
    let place = networks();
    place.ok("import torchcfm_unet_f32.safetensors --out m.safetensors --device flex");
    let ran = place.ok("export m.safetensors --out n.safetensors --loader");
    assert!(ran.stdout.contains("loader: n.py"), "{}", ran.stdout);
    let script = fs::read_to_string(place.path("n.py")).expect("a script");
    assert!(
        script.contains("def load(path=\"n.safetensors\")"),
        "{script}"
    );
    // Where there is a Python with NumPy, it is run.
    let python = std::process::Command::new("python3")
        .args(["-c", "import numpy"])
        .output();
    if !python.is_ok_and(|output| output.status.success()) {
        return;
    }
    let output = std::process::Command::new("python3")
        .arg("n.py")
        .current_dir(place.path(""))
        .output()
        .expect("Python runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("stem.weight [32, 3, 3, 3]"), "{printed}");
    assert!(printed.contains("\"kind\": \"unet\""), "{printed}");
}

#[test]
fn the_halves_of_a_tiny_autoencoder_leave_as_they_came() {
    let place = networks();
    let half = |parts| TaesdConfig {
        width: 4,
        parts,
        ..TaesdConfig::new()
    };
    let layout = by_name("taesd").expect("a layout");
    for (file, config) in [
        ("e.safetensors", half(TaesdParts::Encoder)),
        ("d.safetensors", half(TaesdParts::Decoder)),
    ] {
        let device = Default::default();
        let network = config.init(&mut Init::<Flex>::new(Noise::new(1), &device));
        let (structure, nothing) = (Structure::Taesd(config), Default::default());
        let written = export(layout, &structure, &nothing, &tensors_of(&network));
        let (tensors, config) = written.expect("its own layout");
        let written = write_with(&place.path(file), &tensors, Precision::F32, &config);
        written.expect("a writable folder");
    }
    place.ok("import e.safetensors --decoder d.safetensors --out m.safetensors");
    let back = "export m.safetensors --layout taesd --out x.safetensors";
    place.ok(&format!("{back} --decoder y.safetensors"));
    for (before, after) in [("e", "x"), ("d", "y")] {
        let [before, after] =
            [before, after].map(|name| stored(&place.path(&format!("{name}.safetensors"))));
        assert!(before == after);
    }
    place.fails(back, 2, &["separate files", "--decoder"]);
    place.fails(
        &format!("{back} --decoder ./x.safetensors"),
        2,
        &["--decoder ./x.safetensors", "another name"],
    );
    place.fails(
        &format!("{back} --decoder m.safetensors"),
        2,
        &["--decoder m.safetensors", "the file that is read"],
    );
    place.ok("import dit.safetensors --layout dit --out n.safetensors");
    place.fails(
        "export n.safetensors --layout dit --out z.safetensors --decoder y.safetensors",
        2,
        &["only the halves", "leave --decoder out"],
    );
}
