//! What a file says about a model beside its parameters.

use crate::dataset::{DataSource, Dataset, Scaling};
use crate::draw::Sampling;
use crate::network::NetworkConfig;
use crate::task::Task;
use pyroclast_core::named::Setting;
use pyroclast_core::objective::Objective;
use pyroclast_core::path::Path;
use serde::{Deserialize, Serialize};

/// Everything that makes a model of a network: what it learned, where, and from which data.
///
/// Checkpoints and model files carry it in their headers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelHeader {
    /// The path that the model was trained on.
    pub path: Path,
    /// What it learned there.
    pub objective: Objective,
    /// The rest.
    pub about: About,
}

/// What is known about a model beside its network, path and objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What it was trained on.
    pub data: DataInfo,
    /// The configuration of its network; none for a network of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkConfig>,
    /// How samples are drawn where nothing else is asked for.
    #[serde(default)]
    pub sampling: Sampling,
    /// Training steps taken.
    pub step: u64,
    /// The seed of the training.
    pub seed: u64,
}

/// What is known about the data of a model: enough to give samples their units, shape and names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataInfo {
    /// What the data is called.
    pub name: String,
    /// The shape of one sample.
    pub shape: Vec<usize>,
    /// The names of the classes, in the order of their labels; empty where there are none.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The names of the coordinates; empty where the data names none.
    #[serde(default)]
    pub columns: Vec<String>,
    /// From the data's units to the model's.
    pub scaling: Scaling,
    /// The digest of the data ([`Task::digest`]), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How a configuration names the data; none for data that a program made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<DataSource>,
}

impl ModelHeader {
    /// What makes the header unusable, if anything does.
    pub(crate) fn problem(&self) -> Option<String> {
        let about = &self.about;
        let network = about.network.as_ref();
        let settings = [
            self.path.check("path"),
            self.objective.check("objective"),
            about.sampling.check("sampling"),
            network.map_or(Ok(()), |network| network.check("network")),
        ];
        let out_of_range = settings.into_iter().find_map(Result::err);
        out_of_range
            .map(|error| error.to_string())
            .or_else(|| about.data.problem())
    }
}

impl DataInfo {
    /// What is known about a dataset on the model's scale.
    pub fn of_dataset(dataset: &Dataset, scaling: &Scaling) -> Self {
        Self {
            name: dataset.name.clone(),
            shape: dataset.shape.clone(),
            classes: (0..dataset.classes()).map(|k| k.to_string()).collect(),
            columns: dataset.columns.clone(),
            scaling: scaling.clone(),
            digest: None,
            section: None,
        }
    }

    /// What is known about the data of a task.
    pub fn of_task(task: &Task) -> Self {
        Self {
            digest: Some(task.digest()),
            ..Self::of_dataset(&task.training, &task.scaling)
        }
    }

    /// The number of values in one sample.
    pub fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    /// A dataset of this name, shape and classes, without a sample in it.
    pub fn without_samples(&self) -> Dataset {
        let mut dataset = Dataset::new(&*self.name, Vec::new(), self.shape.clone());
        dataset.columns = self.columns.clone();
        match self.classes.len() {
            0 => dataset,
            classes => dataset.with_labels(&[], classes),
        }
    }

    fn problem(&self) -> Option<String> {
        let dim = self
            .shape
            .iter()
            .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        let Some(dim) = dim.filter(|&dim| dim > 0) else {
            return Some(format!("a sample of shape {:?} holds nothing", self.shape));
        };
        if !self.scaling.fits(dim) {
            return Some(format!(
                "its scaling is not one of samples of shape {:?}",
                self.shape
            ));
        }
        (!self.columns.is_empty() && self.columns.len() != dim).then(|| {
            format!(
                "{} names for the {dim} values of a sample",
                self.columns.len()
            )
        })
    }
}
