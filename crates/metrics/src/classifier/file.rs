//! A classifier as one safetensors file: its parameters by name, and a header that says what it was
//! trained on.

use super::{About, ClassifierError, Trained};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::noise::Noise;
use pyroclast_models::{Classifier, ClassifierConfig, Init};
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::parameters::{Slot, slots, values, with_values};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// The key of the header's metadata.
const KEY: &str = "pyroclast-classifier";

impl<B: Backend> Trained<B> {
    /// Writes the classifier, atomically and in single precision. Waits for the device.
    ///
    /// # Errors
    /// [`ClassifierError::Write`] and [`ClassifierError::NotFinite`]. A file that was at `path`
    /// before is then unchanged.
    pub fn save(&self, path: &Path) -> Result<(), ClassifierError> {
        let mut tensors: Vec<(Slot, Vec<u8>)> = Vec::new();
        for (slot, value) in slots(&self.network).into_iter().zip(values(&self.network)) {
            let numbers = value.into_data().convert::<f32>().into_vec::<f32>();
            let numbers = numbers.expect("converted to f32 just now");
            if numbers.iter().any(|v| !v.is_finite()) {
                return Err(ClassifierError::NotFinite);
            }
            let bytes = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((slot, bytes));
        }
        let views = tensors.iter().map(|(slot, bytes)| {
            let view = TensorView::new(Dtype::F32, slot.shape.clone(), bytes);
            let view = view.expect("a flattened parameter has the elements of its shape");
            (&slot.name, view)
        });
        let about = serde_json::to_string(&self.about).expect("the header holds plain values");
        let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), about)])))
            .expect("the names are distinct and the shapes fit");
        write_atomically(path, &bytes).map_err(|source| ClassifierError::Write {
            path: path.display().to_string(),
            source,
        })
    }

    /// Reads a classifier.
    ///
    /// # Errors
    /// [`ClassifierError`], if the file is missing, damaged, or not a classifier.
    pub fn load(path: &Path, device: &B::Device) -> Result<Self, ClassifierError> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes, &name, device),
            Err(source) => Err(ClassifierError::Read { path: name, source }),
        }
    }

    /// The classifier in the bytes of a file; `name` is only for messages.
    ///
    /// # Errors
    /// [`ClassifierError::Foreign`].
    pub fn parse(bytes: &[u8], name: &str, device: &B::Device) -> Result<Self, ClassifierError> {
        parse(bytes, device).map_err(|reason| ClassifierError::Foreign {
            path: name.to_owned(),
            reason,
        })
    }
}

fn parse<B: Backend>(bytes: &[u8], device: &B::Device) -> Result<Trained<B>, String> {
    let damaged = |error: safetensors::SafeTensorError| format!("it is damaged: {error}");
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let about = (header.metadata().as_ref())
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| format!("its header has no `{KEY}`"))?;
    let about: About = serde_json::from_str(about).map_err(|error| error.to_string())?;
    let dim = about
        .shape
        .iter()
        .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
    if !matches!(about.shape.len(), 1 | 3)
        || !dim.is_some_and(|dim| dim > 0 && about.scaling.fits(dim))
    {
        return Err(format!(
            "its samples of shape {:?} do not fit its scaling",
            about.shape
        ));
    }
    let config = ClassifierConfig::new(&about.shape, about.classes);
    // Before the network is allocated: a header may ask for any size.
    let held = (tensors.tensors().iter())
        .map(|(_, view)| {
            view.shape()
                .iter()
                .map(|&side| side as u64)
                .fold(1, u64::saturating_mul)
        })
        .fold(0, u64::saturating_add);
    let needed = config.size().parameters;
    if needed > held {
        return Err(format!(
            "it holds {held} numbers, and a network for {} classes of samples of shape {:?} has \
             {needed}",
            about.classes, about.shape
        ));
    }
    let network: Classifier<B> = config.init(&mut Init::new(Noise::new(0), device));
    let slots = slots(&network);
    if tensors.len() != slots.len() {
        return Err(format!(
            "it holds {} tensors, and the network has {}",
            tensors.len(),
            slots.len()
        ));
    }
    let values: Result<Vec<_>, String> = slots
        .iter()
        .map(|slot| {
            let values = tensor(&tensors, slot)?;
            let n = values.len();
            Ok(Tensor::from_data(TensorData::new(values, [n]), device))
        })
        .collect();
    Ok(Trained {
        network: with_values(network, values?),
        about,
    })
}

/// The values of a parameter, if it is there and finite.
fn tensor(tensors: &SafeTensors<'_>, slot: &Slot) -> Result<Vec<f32>, String> {
    let Slot { name, shape } = slot;
    let view = tensors
        .tensor(name)
        .map_err(|_| format!("it has no {name}"))?;
    if view.shape() != shape || view.dtype() != Dtype::F32 {
        return Err(format!(
            "{name} is {:?} {:?}, and the network has {shape:?} F32",
            view.shape(),
            view.dtype()
        ));
    }
    let (chunks, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = chunks.iter().map(|c| f32::from_le_bytes(*c)).collect();
    match values.iter().find(|v| !v.is_finite()) {
        Some(value) => Err(format!("{name} holds {value}")),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_train::dataset::Scaling;

    type B = NdArray<f32>;

    fn classifier(shape: &[usize]) -> Trained<B> {
        let device = Default::default();
        let mut init = Init::new(Noise::new(5), &device);
        Trained {
            network: ClassifierConfig::new(shape, 3).init(&mut init),
            about: About {
                data: "shapes".into(),
                shape: shape.to_vec(),
                classes: 3,
                accuracy: 0.75,
                held_out: 8,
                steps: 1,
                seed: 5,
                scaling: Scaling::identity(),
            },
        }
    }

    fn reason(bytes: &[u8]) -> String {
        let found = Trained::<B>::parse(bytes, "c.safetensors", &Default::default());
        let text = found.expect_err("the file is broken").to_string();
        let inner = text
            .strip_prefix("c.safetensors is not a classifier (")
            .and_then(|text| text.strip_suffix("); train one on labelled data and save it"));
        inner.expect("the name, the reason, the remedy").to_owned()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c.safetensors");
        for shape in [&[2, 6, 5][..], &[9]] {
            let saved = classifier(shape);
            saved.save(&path).expect("a writable folder");
            let loaded = Trained::<B>::load(&path, &Default::default()).expect("a classifier");
            assert_eq!(loaded.about, saved.about);
            for (a, b) in values(&saved.network).iter().zip(values(&loaded.network)) {
                assert_eq!(a.to_data(), b.into_data());
            }
        }
    }

    #[test]
    fn a_header_of_any_size_is_refused_before_it_is_allocated() {
        for (shape, classes) in [
            (vec![9], 1 << 60),
            (vec![1 << 40], 3),
            (vec![1, 1 << 20, 1 << 20], 1 << 50),
        ] {
            let mut large = classifier(&[9]);
            (large.about.shape, large.about.classes) = (shape, classes);
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("c.safetensors");
            large.save(&path).expect("a writable folder");
            let reason = reason(&std::fs::read(&path).expect("a file"));
            assert!(reason.starts_with("it holds 835 numbers"), "{reason}");
        }
    }

    #[test]
    fn a_file_that_is_no_classifier_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c.safetensors");
        classifier(&[9]).save(&path).expect("a writable folder");
        let whole = std::fs::read(&path).expect("a file");
        assert!(reason(&whole[..whole.len() / 2]).starts_with("it is damaged"));
        assert!(reason(b"hello").starts_with("it is damaged"));
        let other = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None);
        assert_eq!(
            reason(&other.expect("no tensors")),
            "its header has no `pyroclast-classifier`"
        );
        // Of the same length as the original, and of another shape.
        let edited = |from: &str, to: &str| {
            let mut places = whole.windows(from.len());
            let at = places.position(|part| part == from.as_bytes());
            let at = at.expect("part of the header");
            let mut bytes = whole.clone();
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        assert_eq!(
            reason(&edited("shape\\\":[9]", "shape\\\":[8]")),
            "hidden.weight is [9, 64] F32, and the network has [8, 64] F32"
        );
        assert_eq!(
            reason(&edited("classes\\\":3", "classes\\\":9")),
            "it holds 835 numbers, and a network for 9 classes of samples of shape [9] has 1225"
        );
        assert_eq!(
            reason(&edited("shape\\\":[9]", "shape\\\":[0]")),
            "its samples of shape [0] do not fit its scaling"
        );
        let missing = folder.path().join("none.safetensors");
        let error = Trained::<B>::load(&missing, &Default::default()).expect_err("no such file");
        assert_eq!(
            error.to_string(),
            format!("cannot read {}", missing.display())
        );
    }
}
