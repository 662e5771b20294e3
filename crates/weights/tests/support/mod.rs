//! What the tests on networks of other projects share: their files, and how outputs are compared.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use pyroclast_weights::{Precision, Tensors, read, write};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of `assets/networks`.
pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks")
        .join(file)
}

/// Inputs and outputs of a network, in a file of safetensors.
pub(crate) struct Outputs(Vec<u8>);

impl Outputs {
    pub(crate) fn open(file: &str) -> Self {
        Self(std::fs::read(path(file)).expect("outputs"))
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("outputs")
    }

    /// The values and the shape of a tensor.
    pub(crate) fn floats(&self, key: &str) -> (Vec<f32>, Vec<usize>) {
        let file = self.file();
        let view = file.tensor(key).expect(key);
        let (chunks, _) = view.data().as_chunks::<4>();
        let values = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
        (values.collect(), view.shape().to_vec())
    }

    /// Images.
    pub(crate) fn images<B: Backend>(&self, key: &str, dtype: DType) -> Tensor<B, 4> {
        let (values, shape) = self.floats(key);
        let shape: [usize; 4] = shape.try_into().expect("images");
        let data = TensorData::new(values, shape).convert_dtype(dtype);
        Tensor::from_data(data, (&Default::default(), dtype))
    }

    /// The labels, if there are any.
    pub(crate) fn labels(&self) -> Option<Vec<i64>> {
        let file = self.file();
        let view = file.tensor("golden.y").ok()?;
        let (chunks, _) = view.data().as_chunks::<8>();
        Some(chunks.iter().map(|c| i64::from_le_bytes(*c)).collect())
    }

    /// The largest difference of each sample from the expected ones, in units of the deviation of
    /// the expected sample.
    pub(crate) fn differences<B: Backend>(&self, key: &str, found: Tensor<B, 4>) -> Vec<f64> {
        let found = found.into_data().convert::<f64>();
        let found: Vec<f64> = found.into_vec().expect("double precision");
        let (expected, shape) = self.floats(key);
        assert_eq!(found.len(), expected.len(), "{key}");
        let dim = found.len() / shape[0];
        let samples = found.chunks_exact(dim).zip(expected.chunks_exact(dim));
        samples
            .map(|(found, expected)| {
                let mean = expected.iter().map(|v| f64::from(*v)).sum::<f64>() / dim as f64;
                let square = |v: &f32| (f64::from(*v) - mean).powi(2);
                let deviation = (expected.iter().map(square).sum::<f64>() / dim as f64).sqrt();
                let pairs = found.iter().zip(expected);
                let differences = pairs.map(|(a, b)| (a - f64::from(*b)).abs());
                differences.fold(0.0, f64::max) / deviation
            })
            .collect()
    }
}

/// Shows differences and checks that each is less than `most`.
pub(crate) fn check(name: &str, differences: &[f64], most: f64) {
    let shown: Vec<String> = differences.iter().map(|d| format!("{d:.1e}")).collect();
    println!("{name}: {}", shown.join(" "));
    for difference in differences {
        assert!(*difference < most, "{name}: {difference}");
    }
}

/// Checks that two sets of tensors are the same to the bit.
pub(crate) fn same_bits(exported: &Tensors, theirs: &Tensors) {
    assert_eq!(exported.len(), theirs.len());
    for (key, tensor) in exported {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(tensor.shape, theirs[key].shape, "{key}");
        assert_eq!(bits(&tensor.values), bits(&theirs[key].values), "{key}");
    }
}

/// Type, shape and bytes of every tensor of a file of weights.
fn stored(path: &Path) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("a file");
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

/// Checks that a file of safetensors with these tensors is that file, apart from outputs.
pub(crate) fn same_file(exported: &Tensors, file: &str, precision: Option<Precision>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let again = folder.path().join("again.safetensors");
    let own = || read(&path(file), None).expect("weights").precision;
    let precision = precision.unwrap_or_else(own);
    write(&again, exported, precision).expect("a writable folder");
    assert_eq!(stored(&again), stored(&path(file)));
}
