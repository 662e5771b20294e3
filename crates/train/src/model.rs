//! A trained model, ready to be sampled, and saved to one [file](crate::model_file).

use crate::dataset::Overflow;
use crate::draw::{Plan, SampleError, SamplingMethod, sample};
use crate::latents::Latents;
use crate::model_file::tensor_file::HostTensor;
use crate::model_file::{About, ModelError, ModelFile, ModelHeader};
use crate::parameters::{device, slots, values};
use burn::module::Module;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use std::path::Path;
use std::sync::Arc;

/// A trained model: a network with its path and objective, and a description of its data.
///
/// ```
/// use burn_ndarray::NdArray;
/// use pyroclast_core::condition::Given;
/// use pyroclast_core::flow::Flow;
/// use pyroclast_core::noise::Noise;
/// use pyroclast_core::path::Path;
/// use pyroclast_models::{Init, MlpConfig};
/// use pyroclast_train::dataset::{Dataset, Scaling};
/// use pyroclast_train::model::Model;
/// use pyroclast_train::model_file::{About, DataInfo};
///
/// let device = Default::default();
/// let network = |seed| {
///     let mut init = Init::<NdArray>::new(Noise::new(seed), &device);
///     MlpConfig::new(2).init(&mut init)
/// };
/// let points = Dataset::new("points", vec![0.0, 1.0, 2.0, 3.0], vec![2]);
/// let about = About {
///     data: DataInfo::of_dataset(&points, &Scaling::identity()),
///     network: None,
///     latents: None,
///     origin: None,
///     sampling: Default::default(),
///     step: 0,
///     seed: 0,
/// };
/// let model = Model::new(Flow::velocity(network(0), Path::optimal_transport()), about);
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("mine.safetensors");
/// model.save(&file)?;
///
/// // Another process needs only the type of the network and the file.
/// let loaded = Model::load(&file, network(1))?;
/// let samples = loaded.sample(10, &Given::nothing(), &loaded.plan(0))?;
/// assert_eq!(samples.len(), 10 * 2);
/// assert_eq!(loaded.flow.path, Path::optimal_transport());
/// assert_eq!(loaded.about.data.name, "points");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Model<N> {
    /// The network with its path and its objective.
    pub flow: Flow<N>,
    /// Its data, its defaults for sampling, and its training.
    pub about: About,
    /// The name of its weights among those of its run, such as `ema` or `power:0.1`.
    pub weights: String,
    /// The latents that it is a model of, if it is one of latents: its samples are decoded.
    pub latents: Option<Arc<Latents>>,
}

impl<N> Model<N> {
    /// The default plan for sampling, with noise of this seed.
    pub fn plan(&self, seed: u64) -> Plan {
        self.about.sampling.plan(&self.flow.objective, seed)
    }

    /// Draws `n` samples in the units of the data, rounded to single precision. Waits for the
    /// device.
    ///
    /// For numbers that single precision cannot hold, such as time stamps, [`sample`] gives samples
    /// on the model's scale, and [`Scaling::to_data`](crate::dataset::Scaling::to_data) brings them
    /// to the units of the data in double precision.
    ///
    /// # Shapes
    /// - given: `n` conditions, or nothing
    /// - result: `[n, dim]`, row-major
    ///
    /// # Errors
    /// [`SampleError`]: the plan does not suit the model, an adaptive solve stopped, or samples
    /// diverged.
    ///
    /// # Panics
    /// If `given` holds conditions, but not `n` of them.
    pub fn sample<B: Backend, M, const D: usize>(
        &self,
        n: usize,
        given: &Given,
        plan: &Plan<M>,
    ) -> Result<Vec<f32>, SampleError>
    where
        N: Network<B, D>,
        M: SamplingMethod<B, D>,
    {
        let (data, device) = (&self.about.data, self.device::<B>());
        let (source, noise) = (&self.flow.path.source, Noise::new(plan.seed));
        let x0 = source.for_sampling(n, self.about.state_dim(), noise, 0);
        let unseen = &mut |_, _, _: &_| {};
        let shape = self.about.state_shape();
        let samples = sample(&self.flow, &x0, shape, given, plan, &device, unseen)?;
        let samples = match &self.latents {
            Some(latents) => latents.decode::<B>(&samples.values, 0, &device)?,
            None => samples.values,
        };
        let values = (data.without_samples()).in_units(&samples, &data.scaling);
        let values = values.map_err(|Overflow(rows)| SampleError::NotFinite(rows))?;
        Ok(values.into_iter().map(|x| x as f32).collect())
    }

    /// The device of the model's parameters.
    pub fn device<B: Backend>(&self) -> B::Device
    where
        N: Module<B>,
    {
        device::<B, N>(&self.flow.network)
    }

    /// The header of a file with this model.
    pub fn header(&self) -> ModelHeader {
        ModelHeader {
            path: self.flow.path.clone(),
            objective: self.flow.objective,
            about: self.about.clone(),
        }
    }

    /// A model with the network's parameters as they are; its weights are called `raw`.
    pub fn new(flow: Flow<N>, about: About) -> Self {
        Self {
            flow,
            about,
            weights: "raw".to_owned(),
            latents: None,
        }
    }

    /// Writes the model to one file, atomically. Waits for the device.
    ///
    /// # Errors
    /// [`ModelError`]: parameters that are not finite, a schedule of your own, which has no name to
    /// write, or a folder that cannot be written. The old file is untouched then.
    pub fn save<B: Backend>(&self, path: impl AsRef<Path>) -> Result<(), ModelError>
    where
        N: Module<B>,
    {
        self.file().save(path)
    }

    /// The model as the contents of a file. Waits for the device.
    pub fn file<B: Backend>(&self) -> ModelFile
    where
        N: Module<B>,
    {
        let network = &self.flow.network;
        let tensors = slots::<B, N>(network).into_iter().zip(values(network));
        let tensors: Vec<HostTensor> = tensors
            .map(|(slot, value)| HostTensor::of(slot.name, slot.shape, &value))
            .collect();
        let file = ModelFile::new(self.header(), self.weights.clone(), tensors);
        match &self.latents {
            Some(latents) => file.with_autoencoder(latents.autoencoder.clone()),
            None => file,
        }
    }

    /// Reads a model into a network of the same structure, and replaces the network's parameters.
    ///
    /// # Errors
    /// [`ModelError`]: the file is missing, damaged, edited, in a newer format, not a model, or of
    /// another network. Nothing is loaded then.
    pub fn load<B: Backend>(path: impl AsRef<Path>, network: N) -> Result<Self, ModelError>
    where
        N: Module<B>,
    {
        Self::of_file(&ModelFile::open(path)?, network)
    }

    /// The model of a file with this network, whose parameters are replaced by those of the file.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] if the parameters are those of another network.
    pub fn of_file<B: Backend>(file: &ModelFile, network: N) -> Result<Self, ModelError>
    where
        N: Module<B>,
    {
        let network = file.load_into::<B, N>(network)?;
        let ModelHeader {
            path,
            objective,
            about,
        } = file.header().clone();
        Ok(Self {
            flow: Flow::new(network, path, objective),
            about,
            weights: file.weights().to_owned(),
            latents: Latents::of_file(file),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Dataset, Scaling};
    use crate::model_file::DataInfo;
    use crate::parameters::with_values;
    use burn_ndarray::NdArray;
    use pyroclast_core::coupling::Coupling;
    use pyroclast_core::noise::Noise;
    use pyroclast_core::objective::Objective;
    use pyroclast_core::path::Path as RandomPath;
    use pyroclast_core::schedule::{Linear, Schedule};
    use pyroclast_models::{Init, Mlp, MlpConfig};
    use std::sync::Arc;

    fn network(width: usize, seed: u64) -> Mlp<NdArray> {
        let device = Default::default();
        let config = MlpConfig {
            width,
            ..MlpConfig::new(2)
        };
        config.init(&mut Init::new(Noise::new(seed), &device))
    }

    /// A model of two named columns, on a path whose numbers have no short decimal form.
    fn model() -> Model<Mlp<NdArray>> {
        let mut points = Dataset::new("points", vec![0.1, 1e7, 2.0 / 3.0, -1e-7], vec![2]);
        points.columns = vec!["a".into(), "b, with a comma".into()];
        let scaling = Scaling::standardising(&points.reals(), 2);
        let about = About {
            data: DataInfo::of_dataset(&points, &scaling),
            latents: None,
            network: None,
            origin: None,
            sampling: Default::default(),
            step: 7,
            seed: u64::MAX,
        };
        let path = RandomPath {
            coupling: Coupling::OptimalTransport,
            ..RandomPath::new(Linear {
                sigma_min: 0.1 + 0.2,
            })
        };
        Model::new(
            Flow::new(network(8, 0), path, Objective::edm(1.0 / 3.0)),
            about,
        )
    }

    fn saved() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("m.safetensors");
        model().save(&path).expect("a writable folder");
        (folder, path)
    }

    #[test]
    fn a_model_reads_back_bit_for_bit() {
        let (_folder, path) = saved();
        let (before, after) = (model(), Model::load(&path, network(8, 1)).expect("a model"));
        assert_eq!(after.flow.path, before.flow.path);
        assert_eq!(after.flow.objective, before.flow.objective);
        assert_eq!(after.about, before.about);
        let parameters = |model: &Model<Mlp<NdArray>>| -> Vec<_> {
            let values = values(&model.flow.network).into_iter();
            values.map(|value| value.into_data()).collect()
        };
        assert_eq!(parameters(&after), parameters(&before));
        // Saved again, it is the same file.
        let again = path.with_file_name("again.safetensors");
        after.save(&again).expect("a writable folder");
        let bytes = |path| std::fs::read(path).expect("a file");
        assert!(bytes(&path) == bytes(&again));
    }

    #[test]
    fn another_network_is_refused() {
        let (_folder, path) = saved();
        let error = Model::load(&path, network(9, 1)).expect_err("wider");
        let message = error.to_string();
        assert!(
            message.ends_with("layers.0.weight is [3, 8], and the network has [3, 9]"),
            "{message}"
        );
    }

    #[test]
    fn a_header_that_contradicts_itself_is_refused() {
        let (_folder, path) = saved();
        for (change, part) in [
            (
                (|about: &mut About| about.data.shape = vec![0]) as fn(&mut About),
                "shape [0] is empty",
            ),
            (|about| about.data.shape = vec![usize::MAX, 2], "is empty"),
            (
                |about| about.data.scaling.scale = vec![0.0, 1.0],
                "its scaling does not fit",
            ),
            (
                |about| about.data.columns = vec!["a".into()],
                "1 names for the 2 values",
            ),
            (|about| about.sampling.steps = 0, "sampling.steps = 0"),
        ] {
            let mut model = model();
            change(&mut model.about);
            model.save(&path).expect("a writable folder");
            let error = Model::load(&path, network(8, 1)).expect_err("a bad header");
            let message = error.to_string();
            assert!(
                message.contains(part) && !message.contains('\n'),
                "{message}"
            );
        }
    }

    #[test]
    fn parameters_that_are_not_finite_are_not_saved() {
        let (_folder, path) = saved();
        let before = std::fs::read(&path).expect("a file");
        let mut model = model();
        let broken = values(&model.flow.network)
            .into_iter()
            .map(|v| v / 0.0)
            .collect();
        model.flow.network = with_values(model.flow.network, broken);
        let error = model.save(&path).expect_err("infinite parameters");
        assert!(error.to_string().contains("layers.0."), "{error}");
        assert!(std::fs::read(&path).expect("a file") == before);
    }

    #[test]
    fn a_schedule_of_the_users_own_cannot_be_written() {
        let (_folder, path) = saved();
        let mut model = model();
        let own: Arc<dyn Schedule> = Arc::new(Linear::default());
        model.flow.path.schedule = own.into();
        let error = model.save(&path).expect_err("no name to write");
        assert!(
            error.to_string().contains("of your own has no name"),
            "{error}"
        );
    }
}
