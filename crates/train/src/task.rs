//! What a configuration's `[data]` names, loaded: training and held-out samples, the source, the scale.

use crate::dataset::{DataSource, Dataset, DatasetError, Scaling};
use crate::digest::hex;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::toy::Toy;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Points of a law of the plane that validate: as many as give the loss three digits.
const VALIDATION_POINTS: usize = 4096;
/// The step of [`Stream::Data`] from which test points are drawn; the training set is at 0 and the validation set at 1.
const TEST: u64 = 1 << 32;

/// Why a task cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A file cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// No data or source has this name.
    #[error("{key} = `{name}` is not known; there are {known}")]
    UnknownName {
        /// The key.
        key: &'static str,
        /// Its value.
        name: String,
        /// What there is.
        known: String,
    },
}

/// A learning task: data to train on, data that is held out, and the scale of both.
///
/// A [`Dataset`] in the units of the data is brought to the scale of the noise on the way.
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
    /// What is trained on, on the model's scale.
    pub training: Arc<Dataset>,
    /// What is held out.
    pub validation: Arc<Dataset>,
    /// From the data's units to the model's.
    pub scaling: Scaling,
    law: Option<Toy>,
}

impl Task {
    /// Loads what `data` names; the noise draws points of laws and decides what is held out.
    ///
    /// # Errors
    /// An unknown name, or a file that cannot be used.
    pub fn load(data: &DataSource, noise: Noise) -> Result<Self, TaskError> {
        if let Ok(law) = data.name.parse::<Toy>() {
            let points =
                |n, step| Arc::new(Dataset::toy(law, n, &mut noise.draws(Stream::Data, step)));
            return Ok(Self {
                training: points(data.size, 0),
                validation: points(VALIDATION_POINTS, 1),
                scaling: Scaling::identity(),
                law: Some(law),
            });
        }
        let (whole, is_file) = if data.name == "digits" {
            (Dataset::digits(), false)
        } else if Path::new(&data.name).extension().is_some() {
            (Dataset::read(&data.name)?, true)
        } else {
            let known = ["a .csv or .npy file", "digits"].into_iter();
            return Err(TaskError::UnknownName {
                key: "data.name",
                name: data.name.clone(),
                known: known.chain(Toy::names()).collect::<Vec<_>>().join(", "),
            });
        };
        let whole = match data.labels {
            true => whole,
            false => whole.unconditional(),
        };
        let parts = whole.split(data.validation, noise);
        Ok(match is_file {
            true => parts.into(),
            // The digits that ship are on the model's scale.
            false => Self::new(parts.0, parts.1, Scaling::identity()),
        })
    }

    /// Two disjoint sets of `n` data points each, the k-th such: fresh ones of a law, random rows of a finite dataset. The
    /// distance of one to the other is what a perfect sampler would score. Some laws deal their points out
    /// evenly (moons along their arcs, eight Gaussians among their centres), which makes this lower than independent draws reach.
    ///
    /// `n` is at most [`Task::most_test_points`].
    pub fn test_points(&self, n: usize, noise: Noise, k: u64) -> [Vec<f32>; 2] {
        if let Some(law) = self.law {
            return [0, 1].map(|i| law.sample(n, &mut noise.draws(Stream::Data, TEST + 2 * k + i)));
        }
        let (training, validation) = (&self.training, &self.validation);
        let rows = noise
            .draws(Stream::Data, TEST + k)
            .permutation(training.len() + validation.len());
        let gather = |rows: &[usize]| {
            let row = |&i: &usize| match i.checked_sub(training.len()) {
                Some(j) => validation.row(j),
                None => training.row(i),
            };
            rows.iter().flat_map(row).copied().collect()
        };
        [gather(&rows[..n]), gather(&rows[n..2 * n])]
    }

    /// A task of data on the model's scale, with the scaling that brought it there.
    pub fn new(training: Dataset, validation: Dataset, scaling: Scaling) -> Self {
        Self {
            training: Arc::new(training),
            validation: Arc::new(validation),
            scaling,
            law: None,
        }
    }

    /// The same data on the scale of a model that was trained on other data.
    ///
    /// # Panics
    /// If the scaling is for samples of another size.
    #[must_use]
    pub fn rescaled(mut self, scaling: &Scaling) -> Self {
        if self.scaling == *scaling {
            return self;
        }
        for part in [&mut self.training, &mut self.validation] {
            let part = Arc::make_mut(part);
            self.scaling.invert(&mut part.values);
            scaling.apply(&mut part.values);
        }
        self.scaling = scaling.clone();
        self
    }

    /// The SHA-256 of the data, training and held out, with its conditions, on the model's scale, and
    /// of that scale.
    ///
    /// Two tasks with the same digest hold the same data, split in the same way.
    pub fn digest(&self) -> String {
        let mut sha = Sha256::new();
        let mut part = |bytes: &[u8]| {
            sha.update((bytes.len() as u64).to_le_bytes());
            sha.update(bytes);
        };
        part(format!("{:?}", self.scaling).as_bytes());
        for data in [&self.training, &self.validation] {
            let values = data.values.iter().flat_map(|value| value.to_le_bytes());
            part(&values.collect::<Vec<u8>>());
            part(format!("{:?}", data.given).as_bytes());
        }
        hex(&sha.finalize())
    }

    /// How many test points a draw can hold.
    pub fn most_test_points(&self) -> usize {
        match self.law {
            Some(_) => usize::MAX,
            None => (self.training.len() + self.validation.len()) / 2,
        }
    }
}

/// All of it to train on, nothing held out.
impl From<Dataset> for Task {
    fn from(data: Dataset) -> Self {
        let nothing = data.select(&[]);
        (data, nothing).into()
    }
}

/// Data to train on and data that is held out. The scaling is that of the first.
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
