//! The layouts: how each project names and orders the tensors of a network.

mod adm;
mod autoencoder;
mod diffusers;
mod dit;
mod edm;
mod taesd;
mod unet;
mod written;

pub use written::{Written, export};

use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::table::{Misfit, Table, matches};
use pyroclast_core::named::UnknownName;
use pyroclast_core::shown::shown;
use pyroclast_models::{AutoencoderConfig, DiTConfig, TaesdConfig, UNetConfig};

/// Every layout, in the order in which they are listed.
pub const LAYOUTS: &[Layout] = &[
    adm::TORCHCFM,
    adm::FLOW_MATCHING,
    adm::GUIDED_DIFFUSION,
    edm::SONG,
    edm::DHARIWAL,
    diffusers::UNET_2D,
    dit::DIT,
    dit::SIT,
    autoencoder::DIFFUSERS,
    autoencoder::COMPVIS,
    taesd::TAESD,
    taesd::DIFFUSERS,
];

/// How a project names and orders the tensors of a network.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Keys that every file in this layout has; `*` at the beginning or end of one stands for
    /// anything.
    pub marks: &'static [&'static str],
    /// The network of these tensors. Their shapes determine most of it, the configuration the rest.
    pub fit: fn(&Tensors, &Config) -> Result<Fit, WeightsError>,
    /// How a network is written in it, by [`Fit::choices`] where there are several ways; `None` for
    /// one of another kind.
    pub write: fn(&Structure, &Config) -> Option<Written>,
}

/// A network that tensors in some layout belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The configuration of the network.
    pub structure: Structure,
    /// The rule of each of its parameters.
    pub table: Table,
    /// What neither the shapes nor the configuration determined, and was taken as that project
    /// usually has it; a sentence each.
    pub assumed: Vec<String>,
    /// Arguments of that project in which the same network is written in several ways, as these
    /// tensors have it.
    pub choices: Config,
}

/// The configuration of a network of some kind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Structure {
    /// A UNet.
    UNet(UNetConfig),
    /// A diffusion transformer.
    DiT(DiTConfig),
    /// An autoencoder of images.
    Autoencoder(AutoencoderConfig),
    /// A tiny autoencoder of images, or one half of it.
    Taesd(TaesdConfig),
}

impl Structure {
    /// The UNet, if it is one.
    pub fn unet(&self) -> Option<&UNetConfig> {
        match self {
            Self::UNet(unet) => Some(unet),
            Self::DiT(_) | Self::Autoencoder(_) | Self::Taesd(_) => None,
        }
    }
}

/// The layout of this name.
///
/// # Errors
/// [`WeightsError::NoLayout`], which lists all names.
pub fn by_name(name: &str) -> Result<&'static Layout, WeightsError> {
    let found = LAYOUTS.iter().find(|layout| layout.name == name);
    found.ok_or_else(|| {
        WeightsError::NoLayout(UnknownName {
            what: "layout",
            name: name.to_owned(),
            known: LAYOUTS.iter().map(|layout| layout.name).collect(),
        })
    })
}

/// The layouts whose marks these tensors have.
pub fn candidates(tensors: &Tensors) -> Vec<&'static Layout> {
    let marked = |layout: &&Layout| {
        let has = |mark: &&str| tensors.keys().any(|key| matches(mark, key));
        layout.marks.iter().all(has)
    };
    LAYOUTS.iter().filter(marked).collect()
}

/// The network of these tensors, in the named layout or in the only one that they can have, and its
/// parameters under our names.
///
/// # Errors
/// [`WeightsError`]: no such layout, or several that fit; a value that neither the tensors nor the
/// configuration determine; tensors that are missing, unexpected or of another shape.
pub fn fit(
    tensors: &Tensors,
    layout: Option<&str>,
    config: &Config,
) -> Result<(&'static Layout, Fit, Tensors), WeightsError> {
    let layout = match layout {
        Some(name) => by_name(name)?,
        None => match candidates(tensors)[..] {
            [one] => one,
            [] => {
                let first: Vec<&str> = tensors.keys().take(3).map(String::as_str).collect();
                let more = if tensors.len() > 3 { ", …" } else { "" };
                return Err(WeightsError::Unrecognised {
                    keys: shown(&format!("{}{more}", first.join(", "))),
                    known: names(LAYOUTS.iter()),
                });
            }
            ref several => {
                return Err(WeightsError::Layout {
                    reason: format!("the keys are those of {} layouts", several.len()),
                    known: names(several.iter().copied()),
                });
            }
        },
    };
    let fitted = has_marks(layout, tensors).and_then(|()| {
        let fit = (layout.fit)(tensors, config)?;
        let ours = fit.table.import(tensors)?;
        Ok((layout, fit, ours))
    });
    fitted.map_err(|error| match error {
        WeightsError::Misfit(mut misfit) => {
            let nearest = candidates(tensors).into_iter().map(|near| near.name);
            layout.name.clone_into(&mut misfit.layout);
            misfit.nearest = { nearest }.find(|name| *name != layout.name);
            WeightsError::Misfit(misfit)
        }
        other => other,
    })
}

/// Refuses tensors without the keys that every file in a layout has.
fn has_marks(layout: &Layout, tensors: &Tensors) -> Result<(), WeightsError> {
    let lacks = |mark: &&&str| !tensors.keys().any(|key| matches(mark, key));
    let missing = layout.marks.iter().filter(lacks);
    let missing: Vec<String> = missing.map(|mark| (*mark).to_owned()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(WeightsError::from(Misfit {
        missing,
        ..Misfit::default()
    }))
}

fn names<'a>(layouts: impl Iterator<Item = &'a Layout>) -> String {
    layouts
        .map(|layout| layout.name)
        .collect::<Vec<_>>()
        .join(", ")
}
