//! The description of a model in the header of its file.

use crate::dataset::{Condition, Conditions, DataSource, Dataset, Scaling, Table};
use crate::draw::Sampling;
use crate::latents::LatentInfo;
use crate::network::NetworkConfig;
use pyroclast_core::named::Setting;
use pyroclast_core::objective::Objective;
use pyroclast_core::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The description of a model in the headers of checkpoints and model files: all but the
/// parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelHeader {
    /// The path that the model was trained on.
    pub path: Path,
    /// The prediction that it learned, and the loss that it was trained with.
    pub objective: Objective,
    /// Its data, its network, its defaults for sampling, and its training.
    pub about: About,
}

/// The description of a model's data, network, default sampling and training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The data that it was trained on.
    pub data: DataInfo,
    /// The latents that it was trained on in place of pictures: samples of it are decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents: Option<LatentInfo>,
    /// The configuration of its network; `None` for a network of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkConfig>,
    /// Where the weights come from, if they were trained in another project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The default way to draw samples.
    #[serde(default)]
    pub sampling: Sampling,
    /// The number of training steps taken.
    pub step: u64,
    /// The seed of the training.
    pub seed: u64,
}

/// Where weights come from that were trained in another project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The name of the file or folder.
    pub file: String,
    /// The layout of the tensors in it.
    pub layout: String,
    /// The convention of their training.
    pub convention: String,
    /// Arguments of that project in which the same network is written in several ways.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub choices: Map<String, Value>,
}

/// The description of a model's data: enough to give samples their units, shape and names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataInfo {
    /// The name of the dataset.
    pub name: String,
    /// The shape of one sample.
    pub shape: Vec<usize>,
    /// The names of the classes, in the order of their labels; empty without classes.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The names of the coordinates; empty if the data does not name them.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The table that the data was read from; `None` for other data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// Whether samples are pictures of 8 bits: in the units of the data, their pixels are rounded
    /// to whole numbers from 0 to 255.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub eight_bit: bool,
    /// The map from the units of the data to the model's scale.
    pub scaling: Scaling,
    /// The condition that the samples have beside their classes; `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The digest of the data ([`Task::digest`](crate::task::Task::digest)), if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The `[data]` section that loads the data; `None` for data in the memory of a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<DataSource>,
}

impl About {
    /// The shape of the state of the flow: of a latent, or of a sample itself.
    pub fn state_shape(&self) -> &[usize] {
        match &self.latents {
            Some(latents) => &latents.shape,
            None => &self.data.shape,
        }
    }

    /// The number of values of the state of the flow.
    pub fn state_dim(&self) -> usize {
        self.state_shape().iter().product()
    }
}

impl ModelHeader {
    /// The first thing that makes the header unusable, if there is one.
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
            .or_else(|| about.latents.as_ref().and_then(LatentInfo::problem))
    }
}

impl DataInfo {
    /// The description of a dataset that this scaling has brought to the model's scale.
    pub fn of_dataset(dataset: &Dataset, scaling: &Scaling) -> Self {
        Self {
            name: dataset.name.clone(),
            shape: dataset.shape.clone(),
            classes: match &dataset.class_names[..] {
                [] => (0..dataset.classes()).map(|k| k.to_string()).collect(),
                names => names.to_vec(),
            },
            columns: dataset.columns.clone(),
            table: dataset.table.as_deref().cloned(),
            eight_bit: dataset.eight_bit,
            scaling: scaling.clone(),
            condition: Condition::of(&dataset.given),
            digest: None,
            section: None,
        }
    }

    /// The number of values in one sample.
    pub fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    /// What the samples are conditioned on.
    pub fn conditions(&self) -> Conditions {
        Conditions {
            classes: self.classes.len(),
            beside: self.condition.as_ref().map(|condition| condition.kind),
        }
    }

    /// A dataset of this name, shape and conditions, without samples.
    pub fn without_samples(&self) -> Dataset {
        let mut dataset = Dataset::new(&*self.name, Vec::new(), self.shape.clone());
        dataset.columns = self.columns.clone();
        dataset.table = self.table.clone().map(Arc::new);
        dataset.eight_bit = self.eight_bit;
        dataset.class_names = self.classes.clone();
        if let Some(condition) = &self.condition {
            dataset.given = condition.kind.of_none();
        }
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
            return Some(format!("a sample of shape {:?} is empty", self.shape));
        };
        if !self.scaling.fits(dim) {
            return Some(format!(
                "its scaling does not fit samples of shape {:?}",
                self.shape
            ));
        }
        if self.table.as_ref().is_some_and(|table| !table.fits(dim)) {
            return Some(format!(
                "its table does not fit samples of shape {:?}",
                self.shape
            ));
        }
        if let Some(problem) = self.condition.as_ref().and_then(Condition::problem) {
            return Some(problem);
        }
        (!self.columns.is_empty() && self.columns.len() != dim).then(|| {
            format!(
                "{} names for the {dim} values of a sample",
                self.columns.len()
            )
        })
    }
}
