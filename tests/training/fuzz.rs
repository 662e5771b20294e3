//! Every reader on thousands of damaged files: an answer or one line of error, and never a panic.

use pyroclast::backend::{Autodiff, Flex};
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::core::{flow::Flow, path::Path as RandomPath};
use pyroclast::models::{Init, MlpConfig};
use pyroclast::train::config::{Config, presets};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::Trainer;
use pyroclast::train::model_file::ModelFile;
use std::cell::RefCell;
use std::fs;
use std::path::Path;

/// Damaged files per reader.
const FILES: u64 = 10_000;

/// Up to four changes: bits flipped, bytes replaced, pieces removed, repeated or cut off.
fn damaged(whole: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let mut below = |n: usize| (draws.uniform() * n as f64) as usize;
    for _ in 0..=below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = below(bytes.len());
        let end = (at + 1 + below(8)).min(bytes.len());
        match below(6) {
            0 => bytes[at] ^= 1 << below(8),
            1 => bytes[at] = below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            4 => bytes.truncate(at),
            _ => bytes[at] = b"{}[]()<>'\",:;=.-+eE0129 \n\t#"[below(27)],
        }
    }
    bytes
}

/// Reads damaged copies of a file, each under the file's name.
fn fuzz(name: &str, whole: &[u8], read: impl Fn(&Path) -> Option<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    let mut refused = 0;
    for k in 0..FILES {
        let bytes = damaged(whole, &mut Noise::new(7).draws(Stream::Data, k));
        // Some file systems flush a file that is cut to nothing and written again.
        let _ = fs::remove_file(&path);
        fs::write(&path, &bytes).expect("a writable folder");
        if let Some(error) = read(&path) {
            refused += 1;
            assert!(!error.trim().contains('\n'), "{name}, file {k}: {error}");
        }
    }
    assert!(refused > FILES / 10, "{name}: only {refused} are refused");
}

fn error<T, E: std::fmt::Display>(found: Result<T, E>) -> Option<String> {
    found.err().map(|error| error.to_string())
}

#[test]
fn tables_never_panic() {
    let text = "a,b,label\n0.5,1e3,0\n-2.25,7,1\n\"3\",4.5,0\n1,2,1\n";
    fuzz("x.csv", text.as_bytes(), |path| error(Dataset::read(path)));
}

#[test]
fn arrays_never_panic() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2, 3), }";
    let padded = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.as_bytes());
    bytes.extend((0..24).flat_map(|i| (i as f32).to_le_bytes()));
    fuzz("x.npy", &bytes, |path| error(Dataset::read(path)));
}

#[test]
fn configurations_never_panic() {
    for preset in presets().iter().take(2) {
        fuzz("x.toml", preset.text.as_bytes(), |path| {
            let name = path.to_str().expect("a plain name");
            error(Config::load(name, &[]))
        });
    }
}

#[test]
fn models_and_checkpoints_never_panic() {
    let (device, noise) = (Default::default(), Noise::new(0));
    let config = MlpConfig {
        width: 4,
        depth: 1,
        ..MlpConfig::new(2)
    };
    let network = config.init(&mut Init::<Autodiff<Flex>>::new(noise, &device));
    let flow = Flow::velocity(network, RandomPath::linear());
    let data = Dataset::rows(&[0.0, 1.0, 2.0, 3.0], 2);
    let mut trainer = Trainer::new(flow, data, noise, &device).batch(2);
    trainer.run(1, &mut ()).expect("a step");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [model, checkpoint] = ["model", "checkpoint"].map(|name| folder.path().join(name));
    trainer.model().save(&model).expect("a writable folder");
    trainer.save(&checkpoint).expect("a writable folder");
    let trainer = RefCell::new(trainer);
    let bytes = |path| fs::read(path).expect("saved just now");
    fuzz("m.safetensors", &bytes(&model), |path| {
        error(ModelFile::open(path))
    });
    fuzz("c.safetensors", &bytes(&checkpoint), |path| {
        error(trainer.borrow_mut().restore(path))
    });
}
