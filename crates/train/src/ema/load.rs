//! The parameters of a run by choice.
//!
//! `θ, θ̄_d or θ̂_γ`, after the newest checkpoint's step

use super::{Averaged, Law, Profile, coefficients, relative_error};
use crate::checkpoint::{CheckpointError, Lists, PLAIN, read, upload};
use crate::config::Config;
use crate::parameters::Slot;
use crate::run::{Run, RunError};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::path::PathBuf;

/// The largest error of reconstructed weights, relative to their norm: beyond it another average would come out under the name of the one
/// that is asked for.
const LARGEST_ERROR: f64 = 0.1;

/// Why a run's parameters cannot be had as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AveragedError {
    /// The run does not keep this rate.
    #[error(
        "{run} keeps no average of rate {rate}; it has {known}; give one of them, or train with training.ema-rates=[{rate}]"
    )]
    NoRate {
        /// The folder.
        run: String,
        /// What was asked for.
        rate: f64,
        /// What there is.
        known: String,
    },
    /// The run keeps nothing that a power-function average could be made of.
    #[error(
        "{run} keeps no power-function averages, which power:{width} is made of; it has {known}; give one of them, or train with \
         training.ema-power=[0.05,0.1]"
    )]
    NoPower {
        /// The folder.
        run: String,
        /// What was asked for.
        width: f64,
        /// What there is.
        known: String,
    },
    /// The width is too far from those that are kept.
    #[error(
        "power:{width} cannot be made of the widths {kept} that {run} keeps, at {times} times: its weights would be {:.0} % off; give a width \
         nearer to those, or train with training.ema-power=[{width}]",
        100.0 * error
    )]
    FarPower {
        /// The folder.
        run: String,
        /// What was asked for.
        width: f64,
        /// What there is.
        kept: String,
        /// Snapshots that hold them, the checkpoint among them.
        times: usize,
        /// How far the nearest combination is, relative to the profile.
        error: f64,
    },
    /// A snapshot cannot be used.
    #[error("{path} cannot be used; remove it, and the average is made of the other snapshots")]
    Snapshot {
        /// The file.
        path: String,
        /// Why.
        source: CheckpointError,
    },
    /// The folder refuses.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The checkpoint refuses.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// The parameters of a run after the step of its newest checkpoint, in the order of the slots.
///
/// A power-function average is the least-squares combination of those in the snapshots before that step and in the checkpoint. It is refused
/// where even that differs from the average's weights by more than a tenth ([`relative_error`]).
///
/// Source: Karras et al. 2024, section 3.2.
///
/// # Panics
/// If the width of [`Averaged::Power`] is not in (0, 0.3].
///
/// # Errors
/// [`AveragedError`]: the run does not keep the average, nor what it could be made of, or a file is missing, damaged, foreign, or of
/// another network.
pub fn load<B: Backend>(
    run: &Run,
    config: &Config,
    choice: Averaged,
    slots: &[Slot],
    device: &B::Device,
) -> Result<Vec<Tensor<B, 1>>, AveragedError> {
    let path = run.latest()?;
    let bytes = read(&path)?;
    let lists = Lists::parse(&path, &bytes)?;
    lists.check_count(PLAIN.len(), slots)?;
    let laws = lists.laws()?;
    let folder = || run.folder().display().to_string();
    let values = match choice {
        Averaged::Ema => lists.list("ema", slots)?,
        Averaged::Raw => lists.list("model", slots)?,
        Averaged::Rate(rate) if rate == config.training.ema => lists.list("ema", slots)?,
        Averaged::Rate(rate) => {
            let law = Law::Rate(rate);
            if !laws.contains(&law) {
                return Err(AveragedError::NoRate {
                    run: folder(),
                    rate,
                    known: known(config, &laws),
                });
            }
            lists.list(&law.list(), slots)?
        }
        Averaged::Power(width) => {
            let kept: Vec<f64> = laws.iter().filter_map(power).collect();
            if kept.is_empty() {
                return Err(AveragedError::NoPower {
                    run: folder(),
                    width,
                    known: known(config, &laws),
                });
            }
            reconstruct(run, &lists, &kept, width, slots)?
        }
    };
    Ok(upload(values, device))
}

fn power(law: &Law) -> Option<f64> {
    match law {
        Law::Power(width) => Some(*width),
        Law::Rate(_) => None,
    }
}

/// What can be asked of a run with these averages.
fn known(config: &Config, laws: &[Law]) -> String {
    let mut known = vec!["ema".to_owned(), "raw".into()];
    known.push(Averaged::Rate(config.training.ema).to_string());
    known.extend(laws.iter().map(|law| match *law {
        Law::Rate(rate) => Averaged::Rate(rate).to_string(),
        Law::Power(width) => Averaged::Power(width).to_string(),
    }));
    let widths = laws.iter().any(|law| power(law).is_some());
    known.join(", ") + if widths { " and widths near" } else { "" }
}

/// The combination of the snapshots, and of the checkpoint's own averages, for another width. It is summed in double precision.
fn reconstruct(
    run: &Run,
    checkpoint: &Lists<'_>,
    kept: &[f64],
    width: f64,
    slots: &[Slot],
) -> Result<Vec<Vec<f32>>, AveragedError> {
    let last = checkpoint.header.step;
    let before: Vec<(u64, PathBuf)> = (run.snapshots().into_iter())
        .filter(|(step, _)| *step < last)
        .collect();
    let steps = before.iter().map(|(step, _)| *step).chain([last]);
    let profiles: Vec<Profile> = steps
        .flat_map(|t| kept.iter().map(move |&width| Profile::of_width(width, t)))
        .collect();
    let target = Profile::of_width(width, last);
    let x = coefficients(&profiles, &target);
    let error = relative_error(&profiles, &x, &target);
    if error > LARGEST_ERROR {
        let kept: Vec<String> = kept.iter().map(f64::to_string).collect();
        return Err(AveragedError::FarPower {
            run: run.folder().display().to_string(),
            width,
            kept: kept.join(" and "),
            times: before.len() + 1,
            error,
        });
    }
    let (x, own) = x.split_at(before.len() * kept.len());
    let mut sum: Vec<Vec<f64>> = (slots.iter())
        .map(|slot| vec![0.0; slot.shape.iter().product()])
        .collect();
    for ((step, path), x) in before.iter().zip(x.chunks_exact(kept.len())) {
        add_snapshot(&mut sum, (*step, path), kept, x, slots).map_err(|source| {
            AveragedError::Snapshot {
                path: path.display().to_string(),
                source,
            }
        })?;
    }
    add(&mut sum, checkpoint, kept, own, slots)?;
    let single = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
    Ok(sum.into_iter().map(single).collect())
}

fn add_snapshot(
    sum: &mut [Vec<f64>],
    (step, path): (u64, &PathBuf),
    kept: &[f64],
    x: &[f64],
    slots: &[Slot],
) -> Result<(), CheckpointError> {
    let bytes = read(path)?;
    let snapshot = Lists::parse(path, &bytes)?;
    let found = snapshot.header.step;
    if found != step {
        return Err(snapshot.mismatch(format!("it was saved after step {found}, not {step}")));
    }
    add(sum, &snapshot, kept, x, slots)
}

/// Adds the power-function averages of a file, each times its coefficient.
fn add(
    sum: &mut [Vec<f64>],
    lists: &Lists<'_>,
    kept: &[f64],
    x: &[f64],
    slots: &[Slot],
) -> Result<(), CheckpointError> {
    for (width, x) in kept.iter().zip(x) {
        let values = lists.list(&Law::Power(*width).list(), slots)?;
        for (sum, values) in sum.iter_mut().zip(values) {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += x * f64::from(value);
            }
        }
    }
    Ok(())
}
