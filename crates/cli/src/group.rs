//! The processes of a command: one, or those that MPI's launcher has started together.

#[cfg(feature = "mpi")]
mod world;

use crate::say;
use anyhow::Result;
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
    let joined = joined(started())?;
    if !joined.group.leads() {
        say::hush();
    }
    Ok(joined)
}

#[cfg(feature = "mpi")]
fn joined(started: usize) -> Result<Joined> {
    Ok(match started {
        0 => Joined {
            group: Arc::new(Alone),
            world: None,
        },
        _ => Joined {
            // MPI has to run before its world is asked.
            world: Some(world::Membership::new()?),
            group: Arc::new(world::World),
        },
    })
}

#[cfg(not(feature = "mpi"))]
fn joined(started: usize) -> Result<Joined> {
    match started {
        0 | 1 => Ok(Joined {
            group: Arc::new(Alone),
        }),
        _ => Err(anyhow::anyhow!(
            "MPI has started {started} processes, and this command is built without it: each would \
             do all of the work; rebuild with --features mpi, or start one"
        )),
    }
}

/// The number of processes that the launcher of an MPI says it has started; 0 without one.
fn started() -> usize {
    let number = |name: &str| env::var(name).ok()?.parse().ok();
    // mpirun of Open MPI; MPICH and Intel's.
    let size = number("OMPI_COMM_WORLD_SIZE").or_else(|| number("PMI_SIZE"));
    // Slurm's srun, and whatever else speaks PMIx.
    let by_pmix = || {
        env::var_os("PMIX_RANK")?;
        Some(number("SLURM_STEP_NUM_TASKS").unwrap_or(1))
    };
    size.or_else(by_pmix).unwrap_or(0)
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
