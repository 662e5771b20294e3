//! The processes of MPI's world as a group.
//!
//! A sum is a reduce-scatter and an all-gather of `2·(n − 1)/n` times the values per process: each
//! process gets the shares of all others in one part of the values, adds them in the order of the
//! ranks, and sends the sums to all. `MPI_Allreduce` moves as much, in an order of its own.

use anyhow::{Context, Result};
use mpi::collective::{CommunicatorCollectives, Root};
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::{Threading, Universe, initialize_with_threading};
use mpi::point_to_point::{Destination, Source};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::{Count, Rank};
use pyroclast_train::learn::Group;
use std::thread::panicking;

/// MPI between its first call and its last.
pub(super) struct Membership(Option<Universe>);

impl Membership {
    pub(super) fn new() -> Result<Self> {
        // The thread that trains is the one that calls MPI, and others make batches.
        let (universe, _) = initialize_with_threading(Threading::Funneled)
            .context("MPI cannot be started a second time")?;
        Ok(Self(Some(universe)))
    }

    /// Ends all processes.
    pub(super) fn abort(self, code: u8) -> ! {
        SimpleCommunicator::world().abort(i32::from(code))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // The last call waits for all processes, and they may wait for this one: after a panic the
        // launcher has to find that it ended without that call, and end them.
        if panicking() {
            std::mem::forget(self.0.take());
        }
    }
}

#[derive(Debug)]
pub(super) struct World;

impl Group for World {
    fn rank(&self) -> usize {
        SimpleCommunicator::world().rank() as usize
    }

    fn size(&self) -> usize {
        SimpleCommunicator::world().size() as usize
    }

    fn all_reduce(&self, values: &mut [f32]) {
        let (world, size) = (SimpleCommunicator::world(), self.size());
        let end = |processes: usize| values.len() * processes / size;
        let starts: Vec<Count> = (0..size).map(|rank| count(end(rank))).collect();
        let lengths: Vec<Count> = (0..size)
            .map(|rank| count(end(rank + 1) - end(rank)))
            .collect();
        let own = lengths[self.rank()] as usize;
        let mut shares = vec![0.0_f32; own * size];
        let sent = Partition::new(&*values, &lengths[..], &starts[..]);
        let of_each: Vec<Count> = (0..size).map(|rank| count(rank * own)).collect();
        let mut received = PartitionMut::new(&mut shares[..], vec![count(own); size], &of_each[..]);
        world.all_to_all_varcount_into(&sent, &mut received);
        let (sums, others) = shares.split_at_mut(own);
        if own > 0 {
            for share in others.chunks_exact(own) {
                sums.iter_mut().zip(share).for_each(|(sum, x)| *sum += x);
            }
        }
        let mut gathered = PartitionMut::new(values, &lengths[..], &starts[..]);
        world.all_gather_varcount_into(&*sums, &mut gathered);
    }

    fn broadcast(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let world = SimpleCommunicator::world();
        let root = world.process_at_rank(0);
        let mut length = bytes.len() as u64;
        root.broadcast_into(&mut length);
        bytes.resize(length as usize, 0);
        root.broadcast_into(&mut bytes[..]);
        bytes
    }

    fn to_leader(&self, from: usize, values: Vec<f32>) -> Vec<f32> {
        let world = SimpleCommunicator::world();
        match (from, self.rank()) {
            (0, 0) => values,
            (_, 0) => world.process_at_rank(from as Rank).receive_vec().0,
            (_, rank) if rank == from => {
                world.process_at_rank(0).send(&values[..]);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

/// A number of values as MPI takes it.
fn count(n: usize) -> Count {
    Count::try_from(n).expect("MPI takes less than 2^31 values at once")
}
