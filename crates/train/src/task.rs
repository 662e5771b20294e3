//! A learning task: training data, held-out data, and the scaling of both.

use crate::dataset::{
    Condition, DataSource, Dataset, DatasetError, Divided, Loading, Scaling, divided, load,
};
use crate::digest::hex;
use crate::latents::Latents;
use crate::model_file::DataInfo;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::shown::shown;
use pyroclast_core::toy::{Modes, Toy};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Validation points of a toy distribution: enough for three digits of the loss.
const VALIDATION_POINTS: usize = 4096;

/// Why a task cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A file cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// No data or source has this name.
    #[error(
        "{key} = `{}` is not known; give a file or a folder, or one of: {known}",
        shown(name)
    )]
    UnknownName {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        name: String,
        /// The known names, separated by commas.
        known: String,
    },
}

/// A learning task: data to train on, data that is held out, and the scaling of both.
///
/// Made from a [`Dataset`], or from a pair of training and held-out data, it brings the samples
/// from their own units to the scale of the noise.
///
/// ```
/// use pyroclast_core::noise::Noise;
/// use pyroclast_train::dataset::Dataset;
/// use pyroclast_train::task::Task;
///
/// let rows = Dataset::rows(&[1.0, 10.0, 3.0, 30.0, 5.0, 50.0, 7.0, 70.0], 2);
/// let task = Task::from(rows.split(0.25, Noise::new(0)));
/// assert_eq!((task.training.len(), task.validation.len()), (3, 1));
/// ```
#[derive(Debug, Clone)]
pub struct Task {
    /// The training data, on the model's scale.
    pub training: Arc<Dataset>,
    /// The held-out data, on the same scale; it may be empty.
    pub validation: Arc<Dataset>,
    /// The map from the data's units to the model's scale.
    pub scaling: Scaling,
    /// What the samples are latents of, if they are latents of pictures.
    pub latents: Option<Arc<Latents>>,
    /// The file of conditions that the samples have beside their classes, if there is one.
    pub condition: Option<Condition>,
    toy: Option<Toy>,
}

impl Task {
    /// Loads the data that `[data]` names.
    ///
    /// The noise draws the points of a toy distribution, and decides which samples of a file are
    /// held out.
    ///
    /// # Errors
    /// [`TaskError`]: an unknown name, or a file that cannot be used.
    pub fn load(data: &DataSource, noise: Noise) -> Result<Self, TaskError> {
        Self::load_by(data, noise, &Loading::default())
    }

    /// As [`Task::load`], with a folder for decoded pictures and a report of the progress.
    ///
    /// # Errors
    /// As [`Task::load`].
    pub fn load_by(
        data: &DataSource,
        noise: Noise,
        loading: &Loading<'_>,
    ) -> Result<Self, TaskError> {
        if let Ok(toy) = data.name.parse::<Toy>() {
            let points =
                |n, step| Arc::new(Dataset::toy(toy, n, &mut noise.draws(Stream::Data, step)));
            return Ok(Self {
                training: points(data.size, 0),
                validation: points(VALIDATION_POINTS, 1),
                scaling: Scaling::identity(),
                latents: None,
                condition: None,
                toy: Some(toy),
            });
        }
        let unlabelled = |part: Dataset| {
            if data.labels {
                part
            } else {
                part.unconditional()
            }
        };
        if data.name == "digits" {
            // The digits that ship with the library are on the model's scale already.
            let digits = unlabelled(Dataset::digits());
            let nothing = digits.select(&[]);
            let divided = divided(data, (digits, nothing), None, noise)?;
            return Ok(Self {
                condition: divided.condition,
                ..Self::new(divided.training, divided.held_out, Scaling::identity())
            });
        }
        let path = Path::new(&data.name);
        // A file that is not there is missed as a file.
        let is_named = path.extension().is_some() || path.components().count() > 1;
        if data.name != "emoji" && !is_named && !path.exists() {
            let known = ["digits", "emoji"].into_iter().chain(Toy::names());
            return Err(TaskError::UnknownName {
                key: "data.name",
                name: data.name.clone(),
                known: known.collect::<Vec<_>>().join(", "),
            });
        }
        let loaded = load(data, loading)?;
        let (training, held_out) = (unlabelled(loaded.training), unlabelled(loaded.held_out));
        let Divided {
            training,
            held_out,
            condition,
        } = divided(data, (training, held_out), loaded.pictures.as_ref(), noise)?;
        let task = if loaded.pictures.is_some() {
            Self::new(training, held_out, Dataset::scaling_of_pictures())
        } else {
            (training, held_out).into()
        };
        Ok(Self { condition, ..task })
    }

    /// The k-th draw of two disjoint sets of `n` data points each: new points of a toy
    /// distribution, or random rows of a finite dataset.
    ///
    /// The distance between the two sets is the score of a perfect sampler. Some toy distributions
    /// spread their points evenly (moons along their arcs, eight Gaussians among their centres),
    /// which makes that distance smaller than between independent draws.
    ///
    /// # Shapes
    /// - result: two times `[n, dim]`, row-major
    ///
    /// # Panics
    /// If `n` is larger than [`Task::most_test_points`].
    pub fn test_points(&self, n: usize, noise: Noise, k: u64) -> [Vec<f32>; 2] {
        let noise = noise.fork("test");
        if let Some(toy) = self.toy {
            return [0, 1].map(|i| toy.sample(n, &mut noise.draws(Stream::Data, 2 * k + i)));
        }
        let (training, validation) = (&self.training, &self.validation);
        let rows = noise
            .draws(Stream::Data, k)
            .permutation(training.len() + validation.len());
        let gather = |rows: &[usize]| {
            let row = |&i: &usize| match i.checked_sub(training.len()) {
                Some(j) => validation.row(j),
                None => training.row(i),
            };
            rows.iter().flat_map(|i| row(i).into_owned()).collect()
        };
        [gather(&rows[..n]), gather(&rows[n..2 * n])]
    }

    /// A task of data that is on the model's scale already, with the scaling that brought it there.
    pub fn new(training: Dataset, validation: Dataset, scaling: Scaling) -> Self {
        Self {
            training: Arc::new(training),
            validation: Arc::new(validation),
            scaling,
            latents: None,
            condition: None,
            toy: None,
        }
    }

    /// The same data on another scale, such as that of a model trained on other data.
    ///
    /// # Panics
    /// If the scaling is for samples of another size.
    #[must_use]
    pub fn rescaled(mut self, scaling: &Scaling) -> Self {
        if self.scaling == *scaling {
            return self;
        }
        for part in [&mut self.training, &mut self.validation] {
            let own = std::mem::replace(part, Arc::new(Dataset::new("", Vec::new(), vec![1])));
            let own = Arc::unwrap_or_clone(own);
            *part = Arc::new(own.unscaled(&self.scaling).scaled(scaling));
        }
        self.scaling = scaling.clone();
        self
    }

    /// The same data with its conditions on the scale of those of a model that was trained on other
    /// data.
    #[must_use]
    pub fn conditioned_as(mut self, condition: Option<&Condition>) -> Self {
        let (Some(own), Some(other)) = (&self.condition, condition) else {
            return self;
        };
        if own.scaling == other.scaling || own.kind != other.kind {
            return self;
        }
        for part in [&mut self.training, &mut self.validation] {
            let data = Arc::make_mut(part);
            let moved = other.rescaled(&data.given, &own.scaling);
            data.given = data.given.clone().and(moved);
        }
        self.condition = Some(other.clone());
        self
    }

    /// The same data in its own units.
    #[must_use]
    pub fn in_the_units_of_the_data(self) -> Self {
        let identity = Scaling::identity();
        self.rescaled(&identity)
    }

    /// The description of the data, with its digest: of the pictures, if these are latents of some.
    pub fn info(&self) -> DataInfo {
        if let Some(latents) = &self.latents {
            return latents.pixels.clone();
        }
        let data = DataInfo::of_dataset(&self.training, &self.scaling);
        DataInfo {
            digest: Some(self.digest()),
            condition: self.condition.clone().or(data.condition),
            ..data
        }
    }

    /// The SHA-256 of the training and the held-out data on the model's scale, their conditions,
    /// and the scaling, in hexadecimal digits.
    ///
    /// Two tasks with the same digest hold the same data, split in the same way.
    pub fn digest(&self) -> String {
        let mut sha = Sha256::new();
        let mut part = |bytes: &[u8]| {
            sha.update((bytes.len() as u64).to_le_bytes());
            sha.update(bytes);
        };
        let Scaling {
            shift,
            scale,
            logarithms,
        } = &self.scaling;
        // As it was written before there were logarithms: digests are stored.
        part(format!("Scaling {{ shift: {shift:?}, scale: {scale:?} }}").as_bytes());
        if !logarithms.is_empty() {
            part(format!("{logarithms:?}").as_bytes());
        }
        for data in [&self.training, &self.validation] {
            data.digest(&mut part);
        }
        hex(&sha.finalize())
    }

    /// Whether test points are drawn anew, from a toy distribution, and not picked from the data.
    pub fn is_endless(&self) -> bool {
        self.toy.is_some()
    }

    /// The modes of a toy distribution that is a mixture of Gaussians.
    pub fn modes(&self) -> Option<Modes> {
        self.toy.and_then(Toy::modes)
    }

    /// The largest `n` of [`Task::test_points`]: half of a finite dataset, no limit for a toy
    /// distribution.
    pub fn most_test_points(&self) -> usize {
        match self.toy {
            Some(_) => usize::MAX,
            None => (self.training.len() + self.validation.len()) / 2,
        }
    }
}

/// Trains on all of the data, and holds nothing out.
impl From<Dataset> for Task {
    fn from(data: Dataset) -> Self {
        let nothing = data.select(&[]);
        (data, nothing).into()
    }
}

/// Trains on the first dataset and holds out the second. The scaling is fitted to the first alone.
impl From<(Dataset, Dataset)> for Task {
    fn from((training, validation): (Dataset, Dataset)) -> Self {
        let scaling = training.scaling();
        Self::new(
            training.scaled(&scaling),
            validation.scaled(&scaling),
            scaling,
        )
    }
}
