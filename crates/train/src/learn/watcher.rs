//! Observing a training, and stopping it.

use super::{Record, TrainError};

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps have been taken.
    Finished,
    /// A watcher stopped it: its own or, of several processes, that of another.
    Interrupted {
        /// The steps taken.
        step: u64,
    },
}

/// What a training does after a step, as its watcher decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// Takes the next step.
    Continue,
    /// Reads the loss from the device and passes it to [`Watcher::logged`], then takes the next
    /// step.
    Log,
    /// Reads the loss and passes it to [`Watcher::logged`], then ends the training with
    /// [`Watcher::stopped`].
    Stop,
}

/// Observes a trainer `T`, and may stop it. Every method has a default that does nothing.
///
/// `()` is a watcher that does nothing.
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
    /// Called before the first step of a training that ends after `steps` steps in all, including
    /// those taken before it was resumed.
    ///
    /// # Errors
    /// Any error ends the training.
    fn started(&mut self, trainer: &T, steps: u64) -> Result<(), TrainError> {
        let _ = (trainer, steps);
        Ok(())
    }

    /// Called after every step. The device may still be working on it.
    fn stepped(&mut self, trainer: &T) -> Next {
        let _ = trainer;
        Next::Continue
    }

    /// Called when a loss has been read: at the intervals that the trainer was given, after the
    /// last step, and when [`Watcher::stepped`] asked for it.
    ///
    /// # Errors
    /// Any error ends the training.
    fn logged(&mut self, trainer: &T, record: &Record) -> Result<(), TrainError> {
        let _ = (trainer, record);
        Ok(())
    }

    /// Called last where a training ends before its last step because a watcher asked for it: this
    /// one or, of several processes, that of another.
    ///
    /// # Errors
    /// Any error ends the training.
    fn stopped(&mut self, trainer: &T) -> Result<(), TrainError> {
        let _ = trainer;
        Ok(())
    }
}

impl<T: ?Sized> Watcher<T> for () {}
