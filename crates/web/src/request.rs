//! What is asked of a session.

use crate::SessionError;
use pyroclast_core::condition::Given;
use pyroclast_train::draw::{GridName, Plan, Stepping};
use pyroclast_train::stored_model::StoredModel;

/// How many samples to draw, and how. What it leaves out is as the model's file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The number of samples.
    pub n: usize,
    /// Their class; `None` for all classes in turn, or for a model without classes.
    pub class: Option<u32>,
    /// The name of the method.
    pub method: String,
    /// The number of steps.
    pub steps: usize,
    /// The weight of guidance; 1 is the conditional model.
    pub guidance: f64,
    /// The seed of the noise.
    pub seed: u64,
}

/// Samples, and their cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The samples in the units of the data, `[n, dim]`, row-major.
    pub samples: Vec<f64>,
    /// Evaluations of the network per sample.
    pub evaluations: usize,
}

impl Request {
    /// The largest number of steps.
    pub const MOST_STEPS: usize = 1000;
    /// The largest number of samples.
    pub const MOST_SAMPLES: usize = 20_000;
    /// The most numbers of all states of a draw that are read after it: 1 GiB.
    pub const MOST_NUMBERS: usize = 1 << 28;

    /// The plan of the model's file, with what is asked for.
    ///
    /// # Errors
    /// [`SessionError`]: a name or a number that the model or a page does not take.
    pub(crate) fn plan(&self, stored: &StoredModel) -> Result<Plan, SessionError> {
        let config = stored.config();
        let usual = config.plan(self.seed);
        if !(1..=Self::MOST_STEPS).contains(&self.steps) {
            return Err(SessionError::Steps(self.steps));
        }
        if !(1..=Self::MOST_SAMPLES).contains(&self.n) {
            return Err(SessionError::Samples(self.n));
        }
        if self.guidance != 1.0 && config.network.needs_class() {
            return Err(SessionError::Unguided(self.guidance));
        }
        let grid = match &usual.stepping {
            // The times of a model's own grid are as many as they are.
            Stepping::Fixed(_, GridName::Given(_)) | Stepping::Adaptive(_) => GridName::Auto,
            Stepping::Fixed(_, grid) => grid.clone(),
        };
        Ok(Plan {
            method: self.method.parse()?,
            stepping: Stepping::Fixed(self.steps, grid),
            guidance: self.guidance,
            ..usual
        })
    }

    /// The classes of the samples, as conditions.
    ///
    /// # Errors
    /// [`SessionError::Class`].
    pub(crate) fn given(&self, stored: &StoredModel) -> Result<Given, SessionError> {
        let classes = stored.header().about.data.classes.len();
        match self.class {
            Some(class) if class as usize >= classes => Err(SessionError::Class { class, classes }),
            Some(class) => Ok(Given::labels(&vec![class; self.n], classes)),
            None if classes == 0 => Ok(Given::nothing()),
            None => {
                let labels: Vec<u32> = (0..self.n).map(|i| (i % classes) as u32).collect();
                Ok(Given::labels(&labels, classes))
            }
        }
    }
}
