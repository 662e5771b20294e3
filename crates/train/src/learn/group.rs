//! Processes that train one model together.
//!
//! `∇L = Σ_r (n_r/n)·∇L_r`, with L_r the loss of the n_r rows of the batch that process r works on
//!
//! Every process holds the whole model. The batch of a step is a pure function of the seed and the
//! step, of which a process makes rows of its own, or all where points are paired within the batch.
//! The gradients are added up in the order of the ranks. So all processes take the same step. Where
//! their number divides the batch, it is bit for bit the step of one process with the batch in as
//! many parts ([`Trainer::micro_batch`](super::Trainer::micro_batch)).

use super::Next;
use std::fmt::Debug;
use std::ops::Range;

/// The processes of a training, as one of them sees them: the process group of `torch.distributed`,
/// or the communicator of MPI.
///
/// All processes have to call the same methods in the same order.
pub trait Group: Debug + Send + Sync {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn size(&self) -> usize;

    /// Replaces each value by its sum over the processes, added in the order of the ranks: the same
    /// bits on every process. All pass as many values.
    fn all_reduce(&self, values: &mut [f32]);

    /// The bytes that process 0 passes, on every process. Process 0 need not wait for the others.
    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8>;

    /// On process 0 the values that process `from` passes; on the others nothing.
    fn to_leader(&self, from: usize, values: Vec<f32>) -> Vec<f32>;

    /// Whether this is process 0, which alone logs, validates, and writes files.
    fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// The rows of a batch of `n` that this process works on.
    fn rows(&self, n: usize) -> Range<usize> {
        let end = |processes: usize| n * processes / self.size();
        end(self.rank())..end(self.rank() + 1)
    }

    /// The most urgent wish of any process.
    fn agree(&self, wish: Next) -> Next {
        if self.size() == 1 {
            return wish;
        }
        let mut wishes = [Next::Log, Next::Stop].map(|next| f32::from(wish >= next));
        self.all_reduce(&mut wishes);
        match wishes.map(|count| count > 0.0) {
            [_, true] => Next::Stop,
            [true, false] => Next::Log,
            [false, false] => Next::Continue,
        }
    }
}

/// A process without others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_reduce(&self, _: &mut [f32]) {}

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn to_leader(&self, _: usize, values: Vec<f32>) -> Vec<f32> {
        values
    }
}

/// Does the same on all processes, first on process 0: the others find the files that it has made.
///
/// # Errors
/// That of the work. Where process 0 fails, the others wait until they are ended.
pub fn leader_first<T, E>(group: &dyn Group, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let wait = || group.broadcast(Vec::new());
    if !group.leads() {
        wait();
        return work();
    }
    let done = work()?;
    wait();
    Ok(done)
}
