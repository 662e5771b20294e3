//! The newest checkpoint of a run, with any of the weights that can be had from it.
//!
//! `θ, θ̄_d or θ̂_γ`, after the step of the checkpoint

use super::average::{Law, Profile, coefficients, relative_error};
use super::checkpoint::{CHECKPOINT, CheckpointError, Lists, PLAIN, SNAPSHOT};
use super::run::{Run, RunError};
use super::weights::Weights;
use crate::latents::Latents;
use crate::model::Model;
use crate::model_file::tensor_file::HostTensor;
use crate::model_file::{ModelError, ModelFile, ModelHeader};
use crate::parameters::{Slot, device, slots, with_values};
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::flow::Flow;
use std::path::PathBuf;
use std::sync::Arc;

/// The largest error of reconstructed weights, relative to their norm. Beyond it the result would
/// be another average than the one that its name promises.
const LARGEST_ERROR: f64 = 0.1;

/// Why the weights that were asked for cannot be had from a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The run does not keep an average of this rate.
    #[error(
        "{run} keeps no average of rate {rate}; it has {known}; give one of them, or train with \
         training.ema-rates=[{rate}]"
    )]
    NoRate {
        /// The folder of the run.
        run: String,
        /// The rate that was asked for.
        rate: f64,
        /// The weights that the run has.
        known: String,
    },
    /// The run keeps no power-function averages to reconstruct one from.
    #[error(
        "{run} keeps no power-function averages to reconstruct power:{width} from; it has {known}; \
         give one of them, or train with training.ema-power=[0.05,0.1]"
    )]
    NoPower {
        /// The folder of the run.
        run: String,
        /// The width that was asked for.
        width: f64,
        /// The weights that the run has.
        known: String,
    },
    /// The width is too far from those that the run keeps.
    #[error(
        "power:{width} cannot be reconstructed from the widths {kept} that {run} keeps, saved \
         {times} times: its weights would be {:.0} % off; give a width nearer to those, or train \
         with training.ema-power=[{width}]",
        100.0 * error
    )]
    FarPower {
        /// The folder of the run.
        run: String,
        /// The width that was asked for.
        width: f64,
        /// The widths that the run keeps.
        kept: String,
        /// The number of files that hold them: the snapshots and the checkpoint.
        times: usize,
        /// The [`relative_error`] of the nearest combination.
        error: f64,
    },
    /// A snapshot cannot be used.
    #[error("{path} cannot be used; remove it to reconstruct the average from the other snapshots")]
    Snapshot {
        /// The file of the snapshot.
        path: String,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// The autoencoder of a run of latents cannot be used.
    #[error(transparent)]
    Autoencoder(#[from] ModelError),
    /// The folder of the run cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// The newest checkpoint of a run, read and checked.
#[derive(Debug)]
pub struct Latest {
    run: Run,
    lists: Lists,
}

impl Latest {
    /// Reads and checks the newest checkpoint of a run.
    ///
    /// # Errors
    /// [`WeightsError`]: there is none, it is damaged, or it is not a checkpoint.
    pub fn read(run: Run) -> Result<Self, WeightsError> {
        let lists = Lists::read(&run.newest()?, CHECKPOINT)?;
        Ok(Self { run, lists })
    }

    /// The path, the objective, the data and the steps of the model.
    pub fn header(&self) -> &ModelHeader {
        &self.lists.header.model
    }

    /// The number of parameters of the model.
    pub fn parameters(&self) -> u64 {
        let slots = self.lists.slots("model").into_iter();
        slots
            .map(|slot| slot.shape.iter().product::<usize>() as u64)
            .sum()
    }

    /// The model with these weights. They replace the parameters of `network`, which has to have
    /// the same structure.
    ///
    /// # Panics
    /// As [`Latest::weights`].
    ///
    /// # Errors
    /// As [`Latest::weights`].
    pub fn model<B: Backend, N: Module<B>>(
        &self,
        choice: Weights,
        network: N,
    ) -> Result<Model<N>, WeightsError> {
        let device = device::<B, N>(&network);
        let values = self.weights::<B>(choice, &slots::<B, N>(&network), &device)?;
        let header = self.header().clone();
        let network = with_values(network, values);
        let latents = self.latents()?;
        Ok(Model {
            flow: Flow::new(network, header.path, header.objective),
            about: header.about,
            weights: choice.to_string(),
            latents,
        })
    }

    /// The model with these weights as a file, ready to be saved. This needs no network.
    ///
    /// # Panics
    /// As [`Latest::weights`].
    ///
    /// # Errors
    /// As [`Latest::weights`].
    pub fn file(&self, choice: Weights) -> Result<ModelFile, WeightsError> {
        let slots = self.lists.slots("model");
        let values = self.values(choice, &slots)?;
        let tensor = |(slot, values): (Slot, Vec<f32>)| HostTensor {
            name: slot.name,
            shape: slot.shape,
            values,
        };
        let tensors = slots.into_iter().zip(values).map(tensor).collect();
        let header = self.header().clone();
        let file = ModelFile::new(header, choice.to_string(), tensors);
        Ok(match self.latents()? {
            Some(latents) => file.with_autoencoder(latents.autoencoder.clone()),
            None => file,
        })
    }

    /// The latents that it is a model of, with the autoencoder that the run keeps.
    ///
    /// # Errors
    /// [`WeightsError::Autoencoder`] if the run lacks it, or it is damaged.
    pub fn latents(&self) -> Result<Option<Arc<Latents>>, WeightsError> {
        let about = &self.header().about;
        if about.latents.is_none() {
            return Ok(None);
        }
        let autoencoder = Arc::new(ModelFile::open(self.run.autoencoder_path())?);
        Ok(Latents::of_model(about, &autoencoder))
    }

    /// The parameters after the step of the checkpoint, in the order of the slots.
    ///
    /// A power-function average is the least-squares combination of the averages in the checkpoint
    /// and in the snapshots before it. It is refused if its weights over the training differ from
    /// those asked for by more than a tenth ([`relative_error`]).
    ///
    /// Source: Karras et al. 2024, section 3.2.
    ///
    /// # Panics
    /// If the width of [`Weights::Power`] is not in (0, 0.3].
    ///
    /// # Errors
    /// [`WeightsError`]: the run neither keeps the average nor can reconstruct it, or a snapshot is
    /// damaged or of another network.
    pub fn weights<B: Backend>(
        &self,
        choice: Weights,
        slots: &[Slot],
        device: &B::Device,
    ) -> Result<Vec<Tensor<B, 1>>, WeightsError> {
        let one = |values: Vec<f32>| {
            let n = values.len();
            Tensor::from_data(TensorData::new(values, [n]), device)
        };
        let values = self.values(choice, slots)?;
        Ok(values.into_iter().map(one).collect())
    }

    fn values(&self, choice: Weights, slots: &[Slot]) -> Result<Vec<Vec<f32>>, WeightsError> {
        let lists = &self.lists;
        lists.check_count(PLAIN.len(), slots)?;
        let laws = lists.laws()?;
        let folder = || self.run.folder().display().to_string();
        let list = |name: &str| Ok(lists.list(name, slots)?);
        match choice {
            Weights::Ema => list("ema"),
            Weights::Raw => list("model"),
            Weights::Rate(rate) if lists.law()? == Law::Rate(rate) => list("ema"),
            Weights::Rate(rate) => {
                let law = Law::Rate(rate);
                if !laws.contains(&law) {
                    return Err(WeightsError::NoRate {
                        run: folder(),
                        rate,
                        known: known(lists.law()?, &laws),
                    });
                }
                list(&law.list())
            }
            Weights::Power(width) => {
                let kept: Vec<f64> = laws.iter().filter_map(power).collect();
                if kept.is_empty() {
                    return Err(WeightsError::NoPower {
                        run: folder(),
                        width,
                        known: known(lists.law()?, &laws),
                    });
                }
                // Before the first step there is no time to weight: all averages are the
                // parameters.
                match self.header().about.step {
                    0 => list("model"),
                    _ => reconstruct(&self.run, lists, &kept, width, slots),
                }
            }
        }
    }
}

fn power(law: &Law) -> Option<f64> {
    match law {
        Law::Power(width) => Some(*width),
        Law::Rate(_) => None,
    }
}

/// The names of the weights of a run with these averages.
fn known(main: Law, laws: &[Law]) -> String {
    let mut known = vec!["ema".to_owned(), "raw".into()];
    known.extend([main].iter().chain(laws).map(|law| match *law {
        Law::Rate(rate) => Weights::Rate(rate).to_string(),
        Law::Power(width) => Weights::Power(width).to_string(),
    }));
    let widths = laws.iter().any(|law| power(law).is_some());
    known.join(", ") + if widths { " and nearby widths" } else { "" }
}

/// The combination of the averages in the snapshots and in the checkpoint for this width, summed in
/// double precision.
fn reconstruct(
    run: &Run,
    checkpoint: &Lists,
    kept: &[f64],
    width: f64,
    slots: &[Slot],
) -> Result<Vec<Vec<f32>>, WeightsError> {
    let last = checkpoint.header.model.about.step;
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
        return Err(WeightsError::FarPower {
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
            WeightsError::Snapshot {
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
    let snapshot = Lists::read(path, SNAPSHOT)?;
    let found = snapshot.header.model.about.step;
    if found != step {
        return Err(snapshot.mismatch(format!("it was saved after step {found}, not {step}")));
    }
    add(sum, &snapshot, kept, x, slots)
}

/// Adds the power-function averages of a file, each times its coefficient.
fn add(
    sum: &mut [Vec<f64>],
    lists: &Lists,
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
