//! The network.

use super::config::{ClassInput, Resample, UNetConfig};
use super::plan::{Change, LevelPlan, StagePlan};
use crate::attention::SelfAttention;
use crate::dual::Dual;
use crate::embedding::{ClassEmbedding, TimeEmbedding, VectorEmbedding};
use crate::init::Init;
use crate::inputs::{ImageCondition as Condition, Step, WITHOUT_DURATIONS, moving};
use crate::layer::{with_image, with_zeros_beyond};
use crate::norm::GroupNorm;
use crate::residual::{ResidualBlock, Resize};
use crate::sequence::{PixelsToSequence, SequenceEmbedding};
use crate::stage::{Seen, alone, block, taken_twice};
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::network::{Direction, Network};
use pyroclast_core::noise::Draws;
use pyroclast_kernels::{Activation, doubled};

/// The deviation of the first weights of the embedding of a sequence, as in a transformer.
const DEVIATION: f64 = 0.02;

/// A UNet for images, `[batch, channels, height, width]`, conditioned on any of a class,
/// attributes, an image and a sequence. If it learns a variance, its output has twice the channels.
#[derive(Module, Debug)]
pub struct UNet<B: Backend> {
    time: TimeEmbedding<B>,
    duration: Option<TimeEmbedding<B>>,
    classes: Option<ClassEmbedding<B>>,
    augmentation: Option<Linear<B>>,
    attributes: Option<VectorEmbedding<B>>,
    sequence: Option<SequenceEmbedding<B>>,
    beside: usize,
    stem: Conv2d<B>,
    down: Vec<Level<B>>,
    middle: Vec<Stage<B>>,
    up: Vec<Level<B>>,
    norm: GroupNorm<B>,
    head: Conv2d<B>,
    #[module(skip)]
    class_input: ClassInput,
}

/// A residual block, with or without attention after it, to the other pixels and to a sequence.
#[derive(Module, Debug)]
struct Stage<B: Backend> {
    block: ResidualBlock<B>,
    attention: Option<SelfAttention<B>>,
    sequence: Option<PixelsToSequence<B>>,
    skip_scale: f64,
}

/// The stages at one size, and what leads to the next: a convolution, a block, or neither.
#[derive(Module, Debug)]
struct Level<B: Backend> {
    stages: Vec<Stage<B>>,
    resize: Option<Conv2d<B>>,
    block: Option<ResidualBlock<B>>,
    #[module(skip)]
    change: Resize,
    #[module(skip)]
    resample: Resample,
}

impl UNetConfig {
    /// Builds the network. The output convolution starts at zero.
    ///
    /// # Panics
    /// If [`UNetConfig::problem`] finds a problem, which is then the message.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> UNet<B> {
        let plan = self.plan();
        let (channels, embedding) = (self.channels, self.embedding());
        let time = TimeEmbedding::new(self.time, channels, embedding, init);
        let classes = (self.classes > 0).then(|| match self.class_input {
            ClassInput::Embedding => {
                ClassEmbedding::with_null(self.classes, embedding, self.null_class, init)
            }
            ClassInput::Features => {
                ClassEmbedding::of_unit_vectors(self.classes, channels, self.null_class, init)
            }
        });
        let augmentation = (self.augmentation > 0).then(|| Linear {
            bias: None,
            ..init.linear(self.augmentation, channels)
        });
        let attributes =
            (self.attributes > 0).then(|| VectorEmbedding::new(self.attributes, embedding, init));
        let sequence = (self.sequence > 0)
            .then(|| SequenceEmbedding::new(self.sequence, embedding, DEVIATION, init));
        let stem = init.conv(self.image_channels + self.beside, self.stem_width(), 3, 1);
        let levels = |plan: &[LevelPlan], change: Resize, init: &mut Init<'_, B>| -> Vec<_> {
            plan.iter()
                .map(|level| self.level(level, change, init))
                .collect()
        };
        let down = levels(&plan.down, Resize::Halve, init);
        let middle = { plan.middle.iter() }
            .map(|stage| self.stage(stage, init))
            .collect();
        let up = levels(&plan.up, Resize::Double, init);
        let finest = self.widths()[0];
        let head = init.zero_conv(finest, self.outputs(), 3);
        // Drawn last, so that the other parameters are those of the network without it.
        let duration =
            (self.durations).then(|| TimeEmbedding::new(self.time, channels, embedding, init));
        UNet {
            time,
            duration,
            classes,
            augmentation,
            attributes,
            sequence,
            beside: self.beside,
            stem,
            down,
            middle,
            up,
            norm: self.norm.init(finest, init.device()),
            head,
            class_input: self.class_input,
        }
    }

    fn stage<B: Backend>(&self, plan: &StagePlan, init: &mut Init<'_, B>) -> Stage<B> {
        let channels = plan.block.outputs;
        Stage {
            block: plan.block.init(init),
            attention: plan.heads.map(|heads| {
                let norm = self.norm.init(channels, init.device());
                SelfAttention::after(norm, channels, heads, init)
            }),
            sequence: plan.reads.map(|heads| {
                let norm = self.norm.init(channels, init.device());
                PixelsToSequence::new(norm, [channels, self.embedding()], heads, init)
            }),
            skip_scale: self.skip_scale,
        }
    }

    fn level<B: Backend>(
        &self,
        plan: &LevelPlan,
        change: Resize,
        init: &mut Init<'_, B>,
    ) -> Level<B> {
        let stages = { plan.stages.iter() }
            .map(|stage| self.stage(stage, init))
            .collect();
        let (mut resize, mut block) = (None, None);
        match plan.change {
            Some(Change::Convolution(channels)) => {
                resize = Some(match (change, self.resample) {
                    (Resize::Halve, Resample::ConvolutionFromCorner) => init.halving(channels),
                    (Resize::Halve, _) => init.conv(channels, channels, 3, 2),
                    _ => init.conv(channels, channels, 3, 1),
                });
            }
            Some(Change::Block(config)) => block = Some(config.init(init)),
            Some(Change::Plain) | None => {}
        }
        Level {
            stages,
            resize,
            block,
            change: if plan.change.is_some() {
                change
            } else {
                Resize::Keep
            },
            resample: self.resample,
        }
    }
}

impl<B: Backend> Stage<B> {
    /// Of a state, or of two of them side by side.
    fn forward(
        &self,
        states: Vec<Dual<B, 4>>,
        seen: &Seen<B>,
        draws: Option<&mut Draws>,
    ) -> Dual<B, 4> {
        let x = states.into_iter().reduce(|h, skip| h.beside(skip, 1));
        let x = x.expect("a state");
        let h = self.block.carry(x, seen.embedding.clone(), draws);
        let h = match &self.attention {
            Some(attention) => attention.carry(h).scaled(self.skip_scale),
            None => h,
        };
        match (&self.sequence, &seen.context) {
            (Some(sequence), Some(context)) => sequence.forward(h, context).scaled(self.skip_scale),
            _ => h,
        }
    }
}

impl<B: Backend> Level<B> {
    /// The image in the size of the next level.
    fn resized(
        &self,
        states: Vec<Dual<B, 4>>,
        seen: &Seen<B>,
        draws: Option<&mut Draws>,
    ) -> Dual<B, 4> {
        let x = states.into_iter().next().expect("a state");
        if let Some(block) = &self.block {
            return block.carry(x, seen.embedding.clone(), draws);
        }
        match (&self.resize, self.change) {
            (Some(conv), Resize::Halve) => {
                let x = match self.resample {
                    Resample::ConvolutionFromCorner => x.linearly(with_zeros_beyond),
                    _ => x,
                };
                x.convolve(conv)
            }
            (Some(conv), _) => x.linearly(doubled).convolve(conv),
            (None, change) => x.linearly(|x| change.apply(x)),
        }
    }
}

impl<B: Backend> UNet<B> {
    /// The output for images that were augmented as these numbers say, `[batch, augmentation]`.
    /// Without dropout.
    ///
    /// # Panics
    /// If the network does not take such numbers.
    pub fn forward_augmented(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        condition: &Condition<B>,
        augmentation: Tensor<B, 2>,
    ) -> Tensor<B, 4> {
        assert!(
            self.augmentation.is_some(),
            "this network takes no numbers of augmentation"
        );
        let (x, step) = (x.into(), Step::at(t));
        self.run(x, step, condition, Some(augmentation), None).value
    }

    /// The embedding of time, duration, class, augmentation and attributes, after the SiLU that all
    /// blocks share.
    fn embed(
        &self,
        step: Step<B>,
        (labels, (attributes, _)): &Condition<B>,
        augmentation: Option<Tensor<B, 2>>,
    ) -> Dual<B, 2> {
        let [batch] = step.t.dims();
        let mut features = self.time.carry_features(step.t.clone());
        if let (Some(layer), Some(augmentation)) = (&self.augmentation, augmentation) {
            features = features.plus(layer.forward(augmentation).into());
        }
        let before = self.class_input == ClassInput::Features;
        if let Some(classes) = self.classes.as_ref().filter(|_| before) {
            features = features.plus(classes.forward(labels, batch).into());
        }
        let mut embedding = self.time.carry(features);
        if let Some(classes) = self.classes.as_ref().filter(|_| !before) {
            embedding = embedding.plus(classes.forward(labels, batch).into());
        }
        if let Some(embed) = &self.attributes {
            embedding = embedding.plus(embed.forward(attributes, batch).into());
        }
        if let Some(duration) = &self.duration {
            let features = duration.carry_features(step.lasting());
            embedding = embedding.plus(duration.carry(features));
        }
        embedding.activated(Activation::Silu)
    }

    fn run(
        &self,
        x: Dual<B, 4>,
        step: Step<B>,
        condition: &Condition<B>,
        augmentation: Option<Tensor<B, 2>>,
        mut draws: Option<&mut Draws>,
    ) -> Dual<B, 4> {
        let own = condition.clone();
        let embedding = alone(self, step, move |unet: &Self, step| {
            unet.embed(step, &own, augmentation.clone())
        });
        let (_, (_, (beside, sequences))) = condition;
        let [batch, ..] = x.dims();
        let context = self.sequence.as_ref();
        let context = context.map(|embed| embed.forward(sequences, batch));
        let mut seen = Seen { embedding, context };
        let own = beside.clone();
        let mut h = alone(self, x, move |unet: &Self, x: Dual<B, 4>| {
            with_image(x, &own, unet.beside).convolve(&unet.stem)
        });
        let mut skips = Vec::new();
        let mut keep = |h: Dual<B, 4>| {
            let [h, skip] = taken_twice(h);
            skips.push(skip);
            h
        };
        h = keep(h);
        for level in &self.down {
            for stage in &level.stages {
                let draws = draws.as_deref_mut();
                h = keep(block(stage, vec![h], &mut seen, draws, Stage::forward));
            }
            if level.change != Resize::Keep {
                let draws = draws.as_deref_mut();
                h = keep(block(level, vec![h], &mut seen, draws, Level::resized));
            }
        }
        for stage in &self.middle {
            let draws = draws.as_deref_mut();
            h = block(stage, vec![h], &mut seen, draws, Stage::forward);
        }
        for level in &self.up {
            for stage in &level.stages {
                let skip = skips
                    .pop()
                    .expect("each stage on the way up was built for one skip");
                let draws = draws.as_deref_mut();
                h = block(stage, vec![h, skip], &mut seen, draws, Stage::forward);
            }
            if level.change != Resize::Keep {
                let draws = draws.as_deref_mut();
                h = block(level, vec![h], &mut seen, draws, Level::resized);
            }
        }
        alone(self, h, |unet: &Self, h: Dual<B, 4>| {
            unet.norm.carry(h, true).convolve(&unet.head)
        })
    }
}

impl<B: Backend> Network<B, 4> for UNet<B> {
    type Condition = Condition<B>;

    fn forward(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
    ) -> Tensor<B, 4> {
        self.run(x.into(), Step::at(t), condition, None, None).value
    }

    fn forward_training(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
        dropout: &mut Draws,
    ) -> Tensor<B, 4> {
        let (x, step) = (x.into(), Step::at(t));
        self.run(x, step, condition, None, Some(dropout)).value
    }

    fn forward_over(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, 4> {
        assert!(self.duration.is_some(), "{}", WITHOUT_DURATIONS);
        let (x, step) = (x.into(), Step::of(t, duration));
        self.run(x, step, condition, None, dropout).value
    }

    fn tangent_over(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        direction: &Direction<B, 4>,
    ) -> Option<(Tensor<B, 4>, Tensor<B, 4>)> {
        assert!(self.duration.is_some(), "{}", WITHOUT_DURATIONS);
        let (x, step) = moving(x, (t, duration), direction);
        Some(self.run(x, step, condition, None, None).both().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unet::Heads;
    use burn::module::{ModuleMapper, ModuleVisitor, Param};
    use burn::tensor::{DType, TensorData};
    use burn_ndarray::NdArray;
    use pyroclast_core::condition::{Condition as _, Given};
    use pyroclast_core::noise::{Noise, Stream};

    const FNV: u64 = 0xcbf2_9ce4_8422_2325;

    fn hash(state: u64, items: impl Iterator<Item = u64>) -> u64 {
        items.fold(state, |state, item| {
            (state ^ item).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// The hashes of the names and of the bits of all parameters, in their order.
    struct Hashes {
        path: Vec<String>,
        names: u64,
        bits: u64,
    }

    impl ModuleVisitor<NdArray> for Hashes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<NdArray, D>>) {
            let name = self.path.join(".") + "\n";
            self.names = hash(self.names, name.bytes().map(u64::from));
            let values: Vec<f32> = param.val().into_data().to_vec().expect("single precision");
            self.bits = hash(self.bits, values.iter().map(|v| u64::from(v.to_bits())));
        }

        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
    }

    /// Adds noise to every parameter, since those that start at zero hide the others.
    struct Shake(Draws);

    impl ModuleMapper<NdArray> for Shake {
        fn map_float<const D: usize>(
            &mut self,
            param: Param<Tensor<NdArray, D>>,
        ) -> Param<Tensor<NdArray, D>> {
            param.map(|old| {
                let noise = self.0.normal_tensor(old.dims(), &old.device(), DType::F32);
                old + noise * 0.2
            })
        }
    }

    #[test]
    fn a_network_of_defaults_is_the_one_that_files_hold() {
        let device = Default::default();
        let config = UNetConfig {
            channels: 8,
            attention: vec![4],
            heads: Heads::Count(2),
            classes: 3,
            attributes: 2,
            beside: 1,
            learns_variance: true,
            ..UNetConfig::new(1, [8, 8])
        };
        let network: UNet<NdArray> = config.init(&mut Init::new(Noise::new(7), &device));
        let mut hashes = Hashes {
            path: Vec::new(),
            names: FNV,
            bits: FNV,
        };
        network.visit(&mut hashes);
        // From the version before the other UNets of the field: a change breaks every saved model.
        assert_eq!(hashes.names, 0x5578_27ff_0d7f_e98b);
        assert_eq!(hashes.bits, 0x323e_6f33_c6b9_7ed2);
        let mut shake = Shake(Noise::new(9).draws(Stream::Source, 0));
        let network = network.map(&mut shake);
        let mut draws = Noise::new(8).draws(Stream::Source, 0);
        let x = TensorData::new(draws.normals(128), [2, 1, 8, 8]);
        let given = Given::labels(&[1, 2], 3)
            .and(Given::vectors(&[0.5, -1.0, 0.25, 2.0], 2))
            .and(Given::images(&draws.normals(128), [1, 8, 8]));
        let y = network.forward(
            Tensor::from_data(x, &device),
            Tensor::from_data([0.3, 0.9], &device),
            &super::Condition::upload(&given, &device),
        );
        let y: Vec<f32> = y.into_data().to_vec().expect("single precision");
        // The last bits depend on the processor's instructions.
        let expected = [
            0.165_480_2,
            -0.464_567_6,
            -0.025_586_493,
            0.288_360_63,
            1.302_417_2,
            1.275_196_8,
        ];
        for (found, expected) in y.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-6, "{found} {expected}");
        }
    }

    #[test]
    fn an_image_conditions_the_network_and_is_zero_where_dropped() {
        let device = Default::default();
        let config = UNetConfig {
            channels: 4,
            beside: 1,
            ..UNetConfig::new(1, [2, 2])
        };
        let mut init = Init::new(Noise::new(0), &device);
        let mut network: UNet<NdArray> = config.init(&mut init);
        // The last convolution starts at zero, which would hide everything before it.
        network.head = init.conv(4, 1, 3, 1);
        let output = |given: &Given| -> Vec<f32> {
            let x = Tensor::from_data([[[[0.1, 0.2], [0.3, 0.4]]]], &device);
            let t = Tensor::from_data([0.4], &device);
            let y = network.forward(x, t, &super::Condition::upload(given, &device));
            y.into_data().to_vec().expect("single precision")
        };
        let image = Given::images(&[1.0, 2.0, 3.0, 4.0], [1, 2, 2]);
        assert_ne!(output(&image), output(&Given::nothing()));
        assert_eq!(output(&image.dropped(&[true])), output(&Given::nothing()));
    }

    #[test]
    fn every_condition_acts_and_none_is_as_if_dropped() {
        let config = UNetConfig {
            channels: 8,
            heads: Heads::Count(2),
            classes: 3,
            attributes: 2,
            beside: 1,
            sequence: 3,
            ..UNetConfig::new(1, [4, 4])
        };
        // Pixels attend to the sequence even where they do not attend to each other.
        for config in [
            config.clone(),
            UNetConfig {
                attention: vec![4, 2],
                ..config
            },
        ] {
            let device = Default::default();
            let network: UNet<NdArray> = config.init(&mut Init::new(Noise::new(7), &device));
            let network = network.map(&mut Shake(Noise::new(9).draws(Stream::Source, 0)));
            let mut draws = Noise::new(8).draws(Stream::Source, 0);
            let x: Tensor<NdArray, 4> = draws.normal_tensor([1, 1, 4, 4], &device, DType::F32);
            let output = |given: &Given| -> Vec<f32> {
                let condition = super::Condition::upload(given, &device);
                let t = Tensor::from_data([0.4], &device);
                let y = network.forward(x.clone(), t, &condition);
                y.into_data().to_vec().expect("single precision")
            };
            let parts = [
                Given::labels(&[1], 3),
                Given::vectors(&[0.5, -1.0], 2),
                Given::images(&draws.normals(16), [1, 4, 4]),
                Given::sequences(&draws.normals(6), [2, 3], &[2]),
            ];
            let nothing = output(&Given::nothing());
            let all = parts.iter().cloned().fold(Given::nothing(), Given::and);
            // Zeros of weight zero are added for the tokens that were dropped.
            let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near(&output(&all.dropped(&[true])), &nothing));
            for one in &parts {
                assert!(!near(&output(one), &nothing), "{one:?}");
            }
        }
    }

    #[test]
    fn a_token_that_does_not_count_has_no_influence_bit_for_bit() {
        let config = UNetConfig {
            channels: 8,
            attention: vec![4, 2],
            sequence: 3,
            ..UNetConfig::new(1, [4, 4])
        };
        let device = Default::default();
        let network: UNet<NdArray> = config.init(&mut Init::new(Noise::new(7), &device));
        let network = network.map(&mut Shake(Noise::new(9).draws(Stream::Source, 0)));
        crate::sequence::check_mask(|sequences| {
            let mut draws = Noise::new(8).draws(Stream::Source, 0);
            let x = draws.normal_tensor([2, 1, 4, 4], &device, DType::F32);
            let t = Tensor::from_data([0.4, 0.7], &device);
            let condition = (
                Default::default(),
                (Default::default(), (Default::default(), sequences)),
            );
            network.forward(x, t, &condition)
        });
    }
}
