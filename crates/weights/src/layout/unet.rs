//! What the layouts of UNets share: the blocks in order, and the rules of a block. Other layouts
//! take from here what they need.

use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::table::{Misfit, Table};
use pyroclast_models::{Change, ResidualConfig, StagePlan, UNetConfig};
use serde_json::{Value, json};

/// The way down, the middle or the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Down,
    Middle,
    Up,
}

/// A place in a UNet that has parameters, or none where images only change their size.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) way: Way,
    /// How often images have been halved there.
    pub(super) level: usize,
    /// Our name: of a stage, or of the level that changes its size.
    pub(super) ours: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A stage and its number within its level.
    Stage(StagePlan, usize),
    Change(Change),
}

/// All places of a network, in the order in which images pass them.
pub(super) fn sites(config: &UNetConfig) -> Vec<Site> {
    let plan = config.plan();
    let mut sites = Vec::new();
    let mut add = |way, level, ours: String, stages: &[StagePlan], change: Option<Change>| {
        for (i, stage) in stages.iter().enumerate() {
            let ours = match way {
                Way::Middle => format!("{ours}.{i}"),
                Way::Down | Way::Up => format!("{ours}.stages.{i}"),
            };
            let kind = Kind::Stage(*stage, i);
            sites.push(Site {
                way,
                level,
                ours,
                kind,
            });
        }
        sites.extend(change.map(|change| Site {
            way,
            level,
            ours,
            kind: Kind::Change(change),
        }));
    };
    for (i, level) in plan.down.iter().enumerate() {
        let name = format!("down.{i}");
        add(Way::Down, level.level, name, &level.stages, level.change);
    }
    let deepest = plan.down.len() - 1;
    add(Way::Middle, deepest, "middle".into(), &plan.middle, None);
    for (i, level) in plan.up.iter().enumerate() {
        let name = format!("up.{i}");
        add(Way::Up, level.level, name, &level.stages, level.change);
    }
    sites
}

/// The names that a layout gives to the layers of a residual block.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockKeys {
    pub(super) norm_in: &'static str,
    pub(super) conv_in: &'static str,
    pub(super) modulation: &'static str,
    pub(super) norm_out: &'static str,
    pub(super) conv_out: &'static str,
    pub(super) skip: &'static str,
}

impl BlockKeys {
    /// The rules of a block.
    pub(super) fn rules(self, table: &mut Table, ours: &str, theirs: &str, block: &ResidualConfig) {
        let our = |part: &str| format!("{ours}.{part}");
        let their = |part: &str| format!("{theirs}.{part}");
        let &ResidualConfig {
            inputs, outputs, ..
        } = block;
        table.norm(&our("norm_in"), &their(self.norm_in), inputs);
        table.conv(&our("conv_in"), &their(self.conv_in), inputs, outputs, 3);
        if block.embedding > 0 {
            let modulation = (our("modulation"), their(self.modulation));
            table.linear(
                &modulation.0,
                &modulation.1,
                block.embedding,
                block.modulations(),
            );
        }
        table.norm(&our("norm_out"), &their(self.norm_out), outputs);
        table.conv(&our("conv_out"), &their(self.conv_out), outputs, outputs, 3);
        if block.has_skip() {
            table.conv(&our("skip"), &their(self.skip), inputs, outputs, 1);
        }
    }
}

/// One side of a tensor; of a tensor without values, which may claim any, none.
pub(super) fn side(tensors: &Tensors, key: &str, axis: usize) -> Result<usize, WeightsError> {
    let tensor = tensors.get(key).filter(|tensor| !tensor.values.is_empty());
    let side = tensor.and_then(|tensor| tensor.shape.get(axis));
    side.copied().ok_or_else(|| {
        WeightsError::from(Misfit {
            layout: "of such a network".to_owned(),
            missing: vec![key.to_owned()],
            ..Misfit::default()
        })
    })
}

/// The multiplier that makes these channels of those of the network.
pub(super) fn multiplier(width: usize, channels: usize) -> f64 {
    let ratio = width as f64 / channels as f64;
    // The product is rounded down.
    if (ratio * channels as f64) as usize == width {
        ratio
    } else {
        ratio.next_up()
    }
}

/// Numbers as JSON, whole ones without a point.
pub(super) fn numbers(values: &[f64]) -> Value {
    let number = |&value: &f64| {
        if value.fract() == 0.0 && value < 1e9 {
            Value::from(value as u64)
        } else {
            Value::from(value)
        }
    };
    values.iter().map(number).collect()
}

/// The number of rows or columns of a tensor that a network may lack; 0 if it does.
pub(super) fn side_if_any(
    tensors: &Tensors,
    key: &str,
    axis: usize,
) -> Result<usize, WeightsError> {
    if tensors.contains_key(key) {
        side(tensors, key, axis)
    } else {
        Ok(0)
    }
}

/// The heights of the levels that attend, of images of this height.
pub(super) fn heights(height: usize, attends: impl IntoIterator<Item = bool>) -> Vec<usize> {
    let levels = attends.into_iter().zip(0_u32..);
    let attending = levels.filter(|&(attends, _)| attends);
    attending
        .map(|(_, level)| height.checked_shr(level).unwrap_or(0))
        .collect()
}

/// What [`image_size`] reads: a number where height and width are equal.
pub(super) fn written_size([height, width]: [usize; 2]) -> Value {
    match height == width {
        true => json!(height),
        false => json!([height, width]),
    }
}

/// The height and width in the configuration: a number under `key` for both, or a list that ends
/// with them.
pub(super) fn image_size(config: &Config, key: &'static str) -> Result<[usize; 2], WeightsError> {
    const WHAT: &str = "the size of the images";
    let Some(value) = config.get(key) else {
        return Err(WeightsError::Undetermined { what: WHAT, key });
    };
    if value.is_array() {
        if let Some(&[.., height, width]) = config.counts(key)?.as_deref() {
            return Ok([height, width]);
        }
        return Err(config.refuse(key, "give height and width"));
    }
    match config.count(key)? {
        Some(side) => Ok([side; 2]),
        None => Err(WeightsError::Undetermined { what: WHAT, key }),
    }
}

/// The configuration, if its network can be built.
pub(super) fn checked(unet: UNetConfig) -> Result<UNetConfig, WeightsError> {
    match unet.problem() {
        None => Ok(unet),
        Some(reason) => Err(WeightsError::Impossible { reason }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::array::{Array, Tensors};
    use crate::config::Config;
    use crate::layout::{Layout, Structure};
    use crate::table::Table;
    use pyroclast_models::{Size, UNetConfig};

    /// Tensors for all parameters of a table, of numbers that are all different.
    pub(in crate::layout) fn numbered(table: &Table) -> Tensors {
        let mut next = 0.0;
        let mut tensor = |shape: Vec<usize>| {
            let values = (0..shape.iter().product()).map(|_: usize| {
                next += 1.0;
                next
            });
            let values = values.collect();
            Array::new(shape, values)
        };
        { table.rules().iter() }
            .map(|rule| (rule.ours.clone(), tensor(rule.our_shape())))
            .collect()
    }

    /// That a layout recovers a configuration from the tensors that its table exports, and these
    /// tensors, which have as many numbers as the network; returns them.
    pub(in crate::layout) fn recovers(
        layout: &Layout,
        unet: &UNetConfig,
        table: &Table,
        json: &str,
    ) -> Tensors {
        let structure = Structure::UNet(unet.clone());
        recovers_structure(layout, &structure, table, json, unet.size())
    }

    /// The same of a network of any kind.
    pub(in crate::layout) fn recovers_structure(
        layout: &Layout,
        structure: &Structure,
        table: &Table,
        json: &str,
        size: Size,
    ) -> Tensors {
        let ours = numbered(table);
        let theirs = table.export(&ours).expect("all parameters");
        let config = Config::parse(json).expect("an object");
        let fit = (layout.fit)(&theirs, &config).expect("a network");
        assert_eq!(fit.structure, *structure);
        assert_eq!(fit.table.import(&theirs).expect("all tensors"), ours);
        let numbers: usize = ours.values().map(|tensor| tensor.values.len()).sum();
        assert_eq!(numbers as u64, size.parameters);
        theirs
    }
}
