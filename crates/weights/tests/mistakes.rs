//! Every mistake is one clear line, and takes neither memory nor time.

use pyroclast_weights::{Array, Config, Precision, Tensors, WeightsError, fit, read, write};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn network(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks")
        .join(file)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn line(error: &WeightsError) -> String {
    let message = error.to_string();
    assert!(!message.contains('\n') && message.len() < 1000, "{message}");
    message
}

/// The message for a file of these bytes.
fn refused(bytes: &[u8]) -> String {
    let folder = folder();
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).expect("a writable folder");
    line(&read(&path, None).expect_err("a file that is no good"))
}

/// An archive of these entries.
fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(*name, options).expect("an entry");
        zip.write_all(bytes).expect("an entry");
    }
    zip.finish().expect("an archive").into_inner()
}

/// The operations that make a tensor of this shape in storage `a`, which has six numbers.
fn tensor(shape: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
    let mut bytes =
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
        X\x01\0\0\0aX\x03\0\0\0cpuK\x06NtQK\x00"
            .to_vec();
    for [a, b] in [shape, strides] {
        bytes.extend_from_slice(&[b'K', a, b'K', b, 0x86]);
    }
    bytes.extend_from_slice(b"\x89NtR");
    bytes
}

/// `{'w': tensor}`
fn weights(rows: u8, columns: u8) -> Vec<u8> {
    let mut bytes = b"\x80\x02}X\x01\0\0\0w".to_vec();
    bytes.extend(tensor([rows, columns], [columns, 1]));
    bytes.extend_from_slice(b"s.");
    bytes
}

/// A dictionary in which 2000 keys have this tensor.
fn tied(tensor: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02}(".to_vec();
    for i in 0..2000 {
        bytes.extend_from_slice(b"X\x04\0\0\0");
        bytes.extend_from_slice(format!("{i:04}").as_bytes());
        if i == 0 {
            bytes.extend_from_slice(tensor);
            bytes.extend_from_slice(b"q\x00");
        } else {
            bytes.extend_from_slice(b"h\x00");
        }
    }
    bytes.extend_from_slice(b"u.");
    bytes
}

fn numbers() -> Vec<u8> {
    (0..6_u8).flat_map(|i| f32::from(i).to_le_bytes()).collect()
}

/// A file in PyTorch's format before 1.6.
fn old(object: &[u8], numbers: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
    ];
    bytes.extend_from_slice(b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.");
    bytes.extend_from_slice(object);
    bytes.extend_from_slice(b"\x80\x02]X\x01\0\0\0aa.");
    bytes.extend_from_slice(&6_u64.to_le_bytes());
    bytes.extend_from_slice(numbers);
    bytes
}

#[test]
fn files_of_both_formats_are_read() {
    let folder = folder();
    let path = folder.path().join("weights");
    let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &weights(2, 3)), ("x/data/a", &numbers())];
    for bytes in [
        old(&weights(2, 3), &numbers()),
        archive(&entries, CompressionMethod::Stored),
    ] {
        std::fs::write(&path, bytes).expect("a writable folder");
        let found = read(&path, None).expect("weights");
        let expected = (0..6_u8).map(f32::from).collect();
        assert_eq!(found.tensors["w"], Array::new(vec![2, 3], expected));
    }
}

#[test]
fn code_is_named_and_not_run() {
    let code = b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.";
    let stored = archive(&[("x/data.pkl", code)], CompressionMethod::Stored);
    for bytes in [&stored[..], code, &old(code, &numbers())] {
        let message = refused(bytes);
        assert!(message.contains("it calls os.system"), "{message}");
        assert!(message.contains("state_dict()"), "{message}");
    }
}

#[test]
fn what_is_no_file_of_weights_is_said_to_be_none() {
    for (bytes, part) in [
        (&b""[..], "it is empty"),
        (
            b"# Weights\n\nThey are elsewhere.",
            "it begins with \"# Weights",
        ),
        (b"\x80\x02}.", "a pickle that PyTorch did not write"),
        (
            &archive(&[("readme", b"x")], CompressionMethod::Stored),
            "an archive without data.pkl",
        ),
        (
            &archive(&[("x/data.pkl", b"\x80\x02}.")], CompressionMethod::Stored),
            "holds no weights; it has no tensor",
        ),
    ] {
        let message = refused(bytes);
        assert!(message.contains(part), "{message}");
    }
    let folder = folder();
    let message = line(&read(folder.path(), None).expect_err("an empty folder"));
    assert!(message.contains("is a folder without"), "{message}");
    let message = line(&read(&folder.path().join("none"), None).expect_err("no file"));
    assert!(message.contains("cannot read"), "{message}");
}

#[test]
fn claims_beyond_the_file_are_damage() {
    let stored = |entries: &[(&str, &[u8])]| archive(entries, CompressionMethod::Stored);
    for (bytes, part) in [
        (
            stored(&[("x/data.pkl", &weights(3, 3)), ("x/data/a", &numbers())]),
            "exceeds its storage of 6 numbers",
        ),
        (
            stored(&[
                ("x/data.pkl", &weights(2, 3)),
                ("x/data/a", &numbers()[1..]),
            ]),
            "exceeds its storage",
        ),
        (stored(&[("x/data.pkl", &weights(2, 3))]), "x/data/a"),
        (
            archive(
                &[("x/data.pkl", &weights(2, 3)), ("x/data/a", &numbers())],
                CompressionMethod::Deflated,
            ),
            "is compressed",
        ),
        (old(&weights(2, 3), &numbers()[1..]), "is cut off"),
        (
            old(&weights(7, 1), &numbers()),
            "exceeds its storage of 6 numbers",
        ),
    ] {
        let message = refused(&bytes);
        assert!(
            message.contains("damaged") && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn tied_weights_are_read_as_long_as_they_are_not_far_larger_than_the_file() {
    let file = |tensor: &[u8]| {
        let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &tied(tensor)), ("x/data/a", &numbers())];
        archive(&entries, CompressionMethod::Stored)
    };
    let folder = folder();
    let path = folder.path().join("weights");
    std::fs::write(&path, file(&tensor([2, 3], [1, 2]))).expect("a writable folder");
    let found = read(&path, None).expect("tied weights").tensors;
    assert_eq!(found.len(), 2000);
    assert_eq!(found["1999"].values, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    // Strides of 0 make 40,000 numbers of one.
    let message = refused(&file(&tensor([200, 200], [0, 0])));
    assert!(
        message.contains("have 80000000 numbers, more than its bytes"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for file in ["torchcfm_checkpoint.pt", "diffusers_unet2d.safetensors"] {
        let bytes = std::fs::read(network(file)).expect("a file");
        for n in [1, 7, 100, 5_000, bytes.len() / 2, bytes.len() - 1] {
            refused(&bytes[..n]);
        }
    }
    let bytes = old(&weights(2, 3), &numbers());
    for n in 0..bytes.len() {
        refused(&bytes[..n]);
    }
}

#[test]
fn a_part_that_is_not_there_is_named_with_those_that_are() {
    let file = network("torchcfm_checkpoint.pt");
    let found = read(&file, None).expect("a checkpoint");
    assert_eq!(
        (found.part.as_str(), &found.others[..]),
        ("ema_model", &["net_model".into()][..])
    );
    let message = line(&read(&file, Some("ema")).expect_err("no such part"));
    assert!(
        message.contains("under \"ema\"; it has the parts net_model, ema_model"),
        "{message}"
    );
}

fn diffusers() -> (Tensors, Config) {
    let mut found = read(&network("diffusers_unet2d.safetensors"), None).expect("a network");
    found.tensors.retain(|key, _| !key.starts_with("golden."));
    (found.tensors, found.config)
}

#[test]
fn folders_and_parts_of_a_model_are_put_together() {
    let (tensors, _) = diffusers();
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    let half = tensors.len() / 2;
    let shard = |skip, n| -> Tensors {
        { tensors.iter() }
            .skip(skip)
            .take(n)
            .map(|(key, tensor)| (key.clone(), tensor.clone()))
            .collect()
    };
    write(&file("a.safetensors"), &shard(0, half), Precision::F32).expect("a writable folder");
    write(
        &file("b.safetensors"),
        &shard(half, usize::MAX),
        Precision::F32,
    )
    .expect("a folder");
    let place = |(i, key): (usize, &String)| {
        let name = if i < half {
            "a.safetensors"
        } else {
            "b.safetensors"
        };
        format!("\"{key}\": \"{name}\"")
    };
    let map: Vec<String> = tensors.keys().enumerate().map(place).collect();
    let index = format!("{{\"weight_map\": {{{}}}}}", map.join(", "));
    let name = "diffusion_pytorch_model.safetensors.index.json";
    std::fs::write(file(name), &index).expect("a writable folder");
    let message = line(&read(folder.path(), None).expect_err("no configuration"));
    assert!(message.contains("without config.json"), "{message}");
    std::fs::write(file("config.json"), "{\"norm_eps\": 0.5}").expect("a writable folder");
    let found = read(folder.path(), None).expect("a folder of a model");
    assert_eq!(found.tensors, tensors);
    assert_eq!(
        found.config.number("norm_eps").expect("a number"),
        Some(0.5)
    );
    let outside = index.replace("a.safetensors", "../a.safetensors");
    std::fs::write(file(name), outside).expect("a writable folder");
    let message = line(&read(folder.path(), None).expect_err("a file elsewhere"));
    assert!(message.contains("not a file beside it"), "{message}");
}

#[test]
fn weights_in_another_layout_name_the_one_that_they_look_like() {
    let (mut tensors, config) = diffusers();
    let error = fit(&tensors, Some("torchcfm"), &config).expect_err("diffusers' keys");
    let message = line(&error);
    assert!(
        message.contains("4 missing: time_embed.0.weight"),
        "{message}"
    );
    assert!(
        message.contains("they look like diffusers-unet"),
        "{message}"
    );
    tensors.remove("conv_out.bias");
    tensors.insert("more".into(), Array::new(vec![1], vec![0.0]));
    let message = line(&fit(&tensors, None, &config).expect_err("another network"));
    assert!(
        message.contains("1 missing: conv_out.bias; 1 unexpected: more"),
        "{message}"
    );
    let message = line(&fit(&tensors, None, &Config::default()).expect_err("no configuration"));
    assert!(message.contains("give `down_block_types`"), "{message}");
    let message = line(&fit(&tensors, Some("dalle"), &config).expect_err("no such layout"));
    assert!(message.contains("no layout is called `dalle`"), "{message}");
    let message = line(&fit(&Tensors::new(), None, &config).expect_err("no keys"));
    assert!(
        message.contains("the keys are those of no layout"),
        "{message}"
    );
    let other = read(&network("guided_diffusion_adm.safetensors"), None).expect("a network");
    let message = line(&fit(&other.tensors, None, &other.config).expect_err("several"));
    assert!(
        message.contains("name one of torchcfm, flow-matching, guided-diffusion"),
        "{message}"
    );
}

#[test]
fn a_value_that_no_network_here_can_have_is_named() {
    let (tensors, _) = diffusers();
    for (text, part) in [
        (
            "\"center_input_sample\": true",
            "center_input_sample = true",
        ),
        (
            "\"norm_num_groups\": 5",
            "32 channels cannot be normalised in Fixed(5) groups",
        ),
        (
            "\"attention_head_dim\": \"x\"",
            "attention_head_dim = \"x\"",
        ),
        ("\"downsample_padding\": 2", "only 0 and 1 are known"),
        ("\"sample_size\": 17", "17×17 cannot be halved 1 times"),
    ] {
        let text = format!(
            "{{\"sample_size\": 16, \"down_block_types\": [\"DownBlock2D\", \"AttnDownBlock2D\"], \
             \"up_block_types\": [\"AttnUpBlock2D\", \"UpBlock2D\"], {text}}}"
        );
        let config = Config::parse(&text).expect("an object");
        let message = line(&fit(&tensors, None, &config).expect_err(part));
        assert!(message.contains(part), "{message}");
    }
}
