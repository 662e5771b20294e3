//! A network of ours in a layout, with what its project needs to build it.

use super::{Layout, Structure};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::table::{Misfit, Table};
use pyroclast_models::{Groups, TimeFeatures, UNetConfig};

/// How a network is written in a layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The rule of each of its parameters.
    pub table: Table,
    /// The arguments with which that project builds the same network.
    pub config: Config,
}

/// The tensors of a network in a layout, and the arguments with which that project builds it. The
/// same network comes back from both. `choices` are those of the [`Fit`](super::Fit) that the
/// network came from in this layout, or none.
///
/// The clock is not part of a layout: that project's network takes `τ = scale·t + offset` for our t
/// ([`TimeFeatures`]).
///
/// # Errors
/// [`WeightsError::NotWritable`] if the networks of that project cannot have a value of this one, or
/// the parameters are not those of the network.
pub fn export(
    layout: &Layout,
    structure: &Structure,
    choices: &Config,
    ours: &Tensors,
) -> Result<(Tensors, Config), WeightsError> {
    let refuse = |reason: String| WeightsError::NotWritable {
        layout: layout.name,
        reason,
    };
    let written = (layout.write)(structure, choices);
    let written = written.ok_or_else(|| refuse("its networks are of another kind".to_owned()))?;
    let Written { table, mut config } = written;
    config.set("layout", layout.name);
    let theirs = table
        .export(ours)
        .map_err(|misfit| refuse(first(&misfit)))?;
    let again = (layout.fit)(&theirs, &config).map_err(|error| refuse(error.to_string()))?;
    let differences = match (structure.unet(), again.structure.unet()) {
        (Some(own), Some(other)) => differences(own, other),
        _ if alike(structure, &again.structure) => Vec::new(),
        _ => vec![format!(
            "its network is {structure:?}, and there it is {:?}",
            again.structure
        )],
    };
    if differences.is_empty() {
        Ok((theirs, config))
    } else {
        Err(refuse(differences.join("; ")))
    }
}

/// The first parameter in which a network differs from one of the layout.
fn first(misfit: &Misfit) -> String {
    if let Some(name) = misfit.unexpected.first() {
        return format!("it has no place for {name}");
    }
    match (misfit.shapes.first(), misfit.missing.first()) {
        (Some((name, own, there)), _) => {
            format!("its {name} is {own:?}, and there it is {there:?}")
        }
        (None, Some(name)) => format!("this network has no {name}"),
        (None, None) => misfit.to_string(),
    }
}

/// Whether networks that are no UNets are the same, apart from the clock.
fn alike(own: &Structure, other: &Structure) -> bool {
    match (own, other) {
        (Structure::DiT(own), Structure::DiT(other)) => {
            let mut other = other.clone();
            other.time = TimeFeatures {
                scale: own.time.scale,
                offset: own.time.offset,
                ..other.time
            };
            if own.classes == 0 && other.classes == 0 {
                other.null_class = own.null_class;
            }
            *own == other
        }
        (Structure::Autoencoder(own), Structure::Autoencoder(other)) => {
            let mut other = other.clone();
            let groups = |rule: Groups| own.widths.iter().map(move |&width| rule.of(width));
            if groups(own.norm.groups).eq(groups(other.norm.groups)) {
                other.norm.groups = own.norm.groups;
            }
            *own == other
        }
        _ => own == other,
    }
}

/// Whether two rules make the same groups of all channels of a network.
fn normalises_alike(own: &UNetConfig, other: &UNetConfig) -> bool {
    let plan = own.plan();
    let levels = plan.down.iter().chain(&plan.up);
    let stages = levels.flat_map(|level| &level.stages).chain(&plan.middle);
    let blocks = stages.map(|stage| stage.block);
    let mut channels = blocks.flat_map(|block| [block.inputs, block.outputs]);
    own.norm.epsilon == other.norm.epsilon
        && channels.all(|c| own.norm.groups.of(c) == other.norm.groups.of(c))
}

/// The values in which the network of a layout differs from the one that is to be written.
fn differences(own: &UNetConfig, other: &UNetConfig) -> Vec<String> {
    // Several values may say the same: of the other one, those of the own are taken.
    let mut other = other.clone();
    if own.stem_width() == other.stem_width() {
        other.stem = own.stem;
    }
    if own.classes == 0 && other.classes == 0 {
        (other.class_input, other.null_class) = (own.class_input, own.null_class);
    }
    other.time = TimeFeatures {
        scale: own.time.scale,
        offset: own.time.offset,
        ..other.time
    };
    if normalises_alike(own, &other) {
        other.norm = own.norm;
    }
    let with_own_norm = UNetConfig {
        norm: own.norm,
        ..other.clone()
    };
    if with_own_norm.problem().is_none() && with_own_norm.plan() == own.plan() {
        (other.heads, other.heads_up) = (own.heads, own.heads_up);
        (other.middle, other.up_attention) = (own.middle, own.up_attention);
    }
    macro_rules! compared {
        ($($field:ident),*) => {
            [$((
                stringify!($field),
                format!("{:?}", own.$field),
                format!("{:?}", other.$field),
            )),*]
        };
    }
    let fields = compared![
        image_channels,
        image_size,
        channels,
        multipliers,
        blocks,
        attention,
        heads,
        heads_up,
        middle,
        up_attention,
        dropout,
        norm,
        time,
        modulation,
        resample,
        stem,
        skip_scale,
        classes,
        class_input,
        null_class,
        augmentation,
        attributes,
        beside,
        sequence,
        learns_variance,
        durations
    ];
    { fields.into_iter() }
        .filter(|(_, own, other)| own != other)
        .map(|(field, own, other)| format!("its {field} is {own}, and there it is {other}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::by_name;
    use crate::module::tensors_of;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;
    use pyroclast_models::{Heads, Init, NAMED_UNETS, Normalisation};

    /// The layouts whose projects can build each of the named networks, in their order.
    const LAYOUTS: [&[&str]; 5] = [
        &[
            "torchcfm",
            "flow-matching",
            "guided-diffusion",
            "diffusers-unet",
        ],
        &["torchcfm", "flow-matching", "guided-diffusion"],
        // flow_matching has a row for "no class".
        &["torchcfm", "guided-diffusion", "diffusers-unet"],
        &["edm-ddpmpp"],
        &["diffusers-unet"],
    ];

    /// A named network, made small.
    fn small(i: usize) -> UNetConfig {
        UNetConfig {
            image_size: [16, 16],
            channels: 32,
            multipliers: vec![1.0, 1.0],
            blocks: 1,
            attention: vec![8],
            heads: match (NAMED_UNETS[i].config)().heads {
                Heads::OfChannels(_) => Heads::OfChannels(16),
                one @ Heads::Count(_) => one,
            },
            ..(NAMED_UNETS[i].config)()
        }
    }

    fn written(layout: &str, unet: &UNetConfig) -> Result<(Tensors, Config), String> {
        let device = Default::default();
        let ours = tensors_of(&unet.init::<NdArray>(&mut Init::new(Noise::new(0), &device)));
        let layout = by_name(layout).expect("a layout");
        let structure = Structure::UNet(unet.clone());
        export(layout, &structure, &Config::default(), &ours).map_err(|error| error.to_string())
    }

    #[test]
    fn a_network_is_written_where_it_can_be_built_and_refused_elsewhere() {
        for (i, homes) in LAYOUTS.iter().enumerate() {
            let name = NAMED_UNETS[i].name;
            for layout in crate::layout::LAYOUTS {
                let layout = layout.name;
                let outcome = written(layout, &small(i)).map(|_| ());
                assert_eq!(
                    outcome.is_ok(),
                    homes.contains(&layout),
                    "{name}: {outcome:?}"
                );
                if let Err(message) = outcome {
                    let why = [
                        "there it is",
                        "no place for",
                        "this network has no",
                        "of another kind",
                        "cannot be split",
                    ];
                    assert!(why.iter().any(|why| message.contains(why)), "{message}");
                    assert!(
                        message.contains(layout) && !message.contains('\n'),
                        "{message}"
                    );
                }
            }
        }
    }

    #[test]
    fn values_that_say_the_same_are_no_difference() {
        let same = UNetConfig {
            channels: 128,
            norm: Normalisation {
                groups: Groups::Divisor,
                epsilon: 1e-5,
            },
            heads: Heads::Count(8),
            ..small(0)
        };
        written("torchcfm", &same).expect("32 groups, and 8 heads of 16 channels");
        let message = written(
            "torchcfm",
            &UNetConfig {
                channels: 64,
                ..same.clone()
            },
        );
        let message = message.expect_err("16 groups");
        assert!(message.contains("its norm is"), "{message}");
        let message = written(
            "torchcfm",
            &UNetConfig {
                attributes: 3,
                ..same.clone()
            },
        );
        let message = message.expect_err("no attributes there");
        assert!(message.contains("no place for attributes."), "{message}");
        let message = written(
            "torchcfm",
            &UNetConfig {
                sequence: 3,
                ..same
            },
        );
        let message = message.expect_err("no sequence there");
        assert!(message.contains(".sequence.attention."), "{message}");
    }
}
