//! How a training tells how it goes, and how it is stopped.

use super::{Record, TrainError};

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// It was asked to stop.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
}

/// What a training does after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// The next step.
    Continue,
    /// Reads the loss off the device and shows it to [`Watcher::logged`]; then the next step.
    Log,
    /// The same, and then ends.
    Stop,
}

/// Watches a trainer `T` at work. Every method does nothing unless it is written.
///
/// `()` watches nothing.
///
/// ```
/// use pyroclast_train::learn::{Next, Record, TrainError, Watcher};
///
/// /// Prints each loss, and stops once it is small enough.
/// struct Until(f64, Next);
///
/// impl<T> Watcher<T> for Until {
///     fn stepped(&mut self, _: &T) -> Next {
///         self.1
///     }
///
///     fn logged(&mut self, _: &T, record: &Record) -> Result<(), TrainError> {
///         println!("{} {:?}", record.step, record.loss);
///         if record.loss.is_some_and(|loss| loss < self.0) {
///             self.1 = Next::Stop;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Watcher<T: ?Sized> {
    /// The training begins or resumes, and ends after `steps` steps in all.
    ///
    /// # Errors
    /// Whatever should end the training.
    fn started(&mut self, trainer: &T, steps: u64) -> Result<(), TrainError> {
        let _ = (trainer, steps);
        Ok(())
    }

    /// A step has been queued on the device.
    fn stepped(&mut self, trainer: &T) -> Next {
        let _ = trainer;
        Next::Continue
    }

    /// A loss has been read: every so many steps, after the last, and where [`Watcher::stepped`]
    /// asked for it.
    ///
    /// # Errors
    /// Whatever should end the training.
    fn logged(&mut self, trainer: &T, record: &Record) -> Result<(), TrainError> {
        let _ = (trainer, record);
        Ok(())
    }
}

impl<T: ?Sized> Watcher<T> for () {}
