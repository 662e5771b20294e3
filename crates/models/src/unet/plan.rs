//! The blocks of a UNet, in the order in which they are built.

use super::config::{Resample, UNetConfig, UpAttention};
use crate::residual::{ResidualConfig, Resize};

/// The blocks of a UNet.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The way down, from the finest level.
    pub down: Vec<LevelPlan>,
    /// The middle.
    pub middle: [StagePlan; 2],
    /// The way up, from the coarsest level.
    pub up: Vec<LevelPlan>,
}

/// The blocks at one size, and what leads to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelPlan {
    /// How often images of this level have been halved.
    pub level: usize,
    /// The blocks.
    pub stages: Vec<StagePlan>,
    /// What changes the size after them.
    pub change: Option<Change>,
}

/// A block, with or without attention after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StagePlan {
    /// The block.
    pub block: ResidualConfig,
    /// The heads of the attention.
    pub heads: Option<usize>,
    /// The heads of the attention to a sequence.
    pub reads: Option<usize>,
}

/// What changes the size of an image between two levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A convolution from these channels to as many.
    Convolution(usize),
    /// Nothing with parameters.
    Plain,
    /// A block.
    Block(ResidualConfig),
}

impl UNetConfig {
    /// The blocks of this network.
    ///
    /// # Panics
    /// If [`UNetConfig::problem`] finds a problem, which is then the message.
    pub fn plan(&self) -> Plan {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        let widths = self.widths();
        let last = widths.len() - 1;
        let stage = |inputs: usize, outputs: usize, [attends, reads]: [bool; 2], up: bool| {
            let heads = if up { self.heads_up } else { None };
            let heads = heads.unwrap_or(self.heads);
            let heads = |is_there: bool| is_there.then(|| heads.of(outputs).expect("no problem"));
            StagePlan {
                block: self.block(inputs, outputs),
                heads: heads(attends),
                reads: heads(self.sequence > 0 && (attends || reads)),
            }
        };
        let change = |channels: usize, resize: Resize| match self.resample {
            Resample::Convolution | Resample::ConvolutionFromCorner => {
                Change::Convolution(channels)
            }
            Resample::Plain => Change::Plain,
            Resample::Blocks { .. } => Change::Block(self.resizing(channels, resize)),
        };
        let mut skips = vec![self.stem_width()];
        let mut current = self.stem_width();
        let mut down = Vec::new();
        for (level, &own) in widths.iter().enumerate() {
            let mut stages = Vec::new();
            for _ in 0..self.blocks {
                stages.push(stage(current, own, [self.attends(level), false], false));
                current = own;
                skips.push(own);
            }
            let change = (level < last).then(|| change(own, Resize::Halve));
            if change.is_some() {
                skips.push(own);
            }
            down.push(LevelPlan {
                level,
                stages,
                change,
            });
        }
        let middle = [
            stage(current, current, [self.middle_attends(), true], false),
            stage(current, current, [false; 2], false),
        ];
        let mut up = Vec::new();
        for (level, &own) in widths.iter().enumerate().rev() {
            let mut stages = Vec::new();
            for i in 0..=self.blocks {
                let skip = skips
                    .pop()
                    .expect("the way down left one skip for each block on the way up");
                let wanted = self.up_attention == UpAttention::Every || i == self.blocks;
                let attends = self.attends(level) && wanted;
                stages.push(stage(current + skip, own, [attends, false], true));
                current = own;
            }
            up.push(LevelPlan {
                level,
                stages,
                change: (level > 0).then(|| change(own, Resize::Double)),
            });
        }
        Plan { down, middle, up }
    }
}
