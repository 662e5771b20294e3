//! The processes of a command: one, or those that MPI's launcher has started together.

#[cfg(feature = "mpi")]
mod world;

use crate::say;
use anyhow::{Result, anyhow};
use pyroclast_train::learn::{Alone, Group};
use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// How long a process waits with its error: all have the same one often, and that of the first is
/// enough. The launcher gives the others a second to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// This process among those of the command. Dropping it without a panic leaves the group, once all
/// the others do.
pub(crate) struct Joined {
    pub(crate) group: Arc<dyn Group>,
    #[cfg(feature = "mpi")]
    world: Option<world::Membership>,
}

/// Joins the processes that were started together. All but the first print nothing from here on but
/// an error.
///
/// # Errors
/// Several were started, and the command is built without MPI: each would do all of the work.
pub(crate) fn join() -> Result<Joined> {
    let alone = Joined {
        group: Arc::new(Alone),
        #[cfg(feature = "mpi")]
        world: None,
    };
    let Some(started) = started() else {
        return Ok(alone);
    };
    #[cfg(feature = "mpi")]
    if started > 0 {
        let world = world::Membership::new()?;
        let group: Arc<dyn Group> = Arc::new(world::World);
        if !group.leads() {
            say::hush();
        }
        return Ok(Joined {
            group,
            world: Some(world),
        });
    }
    match started {
        0 | 1 => Ok(alone),
        _ => Err(anyhow!(
            "MPI has started {started} processes, and this command is built without it: each would \
             do all of the work; rebuild with --features mpi, or start one"
        )),
    }
}

/// The number of processes that the launcher of an MPI says it has started; `None` without one.
fn started() -> Option<usize> {
    // Open MPI; MPICH and Intel's.
    let names = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];
    names
        .iter()
        .find_map(|name| env::var(name).ok()?.parse().ok())
}

/// The number of this process among those of its machine.
pub(crate) fn local_rank() -> usize {
    // Open MPI, Intel's MPI, MPICH, and Slurm.
    let names = [
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "MPI_LOCALRANKID",
        "PMI_LOCAL_RANK",
        "SLURM_LOCALID",
    ];
    let rank = names
        .iter()
        .find_map(|name| env::var(name).ok()?.parse().ok());
    rank.unwrap_or(0)
}

impl Joined {
    /// Reports an error and ends this process, and with it those of the group.
    pub(crate) fn fail(self, error: &anyhow::Error, code: u8) -> ExitCode {
        let rank = self.group.rank();
        if rank > 0 {
            sleep(PATIENCE);
            say::aloud(format_args!("error: process {rank}: {error:#}"));
        } else {
            say::aloud(format_args!("error: {error:#}"));
        }
        #[cfg(feature = "mpi")]
        if let Some(world) = self.world {
            world.abort(code);
        }
        ExitCode::from(code)
    }
}
