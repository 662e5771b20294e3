//! The network.

use super::block::{Block, EPSILON};
use super::config::{DiTConfig, SINUSOIDS, SecondHalf};
use super::positions::positions;
use crate::dual::Dual;
use crate::embedding::{ClassEmbedding, TimeEmbedding, VectorEmbedding};
use crate::init::Init;
use crate::inputs::{ImageCondition as Condition, Step, WITHOUT_DURATIONS, moving};
use crate::layer::with_image;
use crate::sequence::SequenceEmbedding;
use crate::stage::{Seen, alone, block};
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Images;
use pyroclast_core::network::{Direction, Network};
use pyroclast_core::noise::Draws;
use pyroclast_kernels::{Activation, to_tokens};

/// The deviation of the first weights of the embeddings.
const DEVIATION: f64 = 0.02;

/// A transformer for images, `[batch, channels, height, width]`, conditioned on any of a class,
/// attributes, an image and a sequence. If it learns a variance, its output has twice the channels.
#[derive(Module, Debug)]
pub struct DiT<B: Backend> {
    time: TimeEmbedding<B>,
    duration: Option<TimeEmbedding<B>>,
    classes: Option<ClassEmbedding<B>>,
    attributes: Option<VectorEmbedding<B>>,
    sequence: Option<SequenceEmbedding<B>>,
    patches: Conv2d<B>,
    blocks: Vec<Block<B>>,
    modulation: Linear<B>,
    head: Linear<B>,
    beside: usize,
    patch: usize,
    #[module(skip)]
    second_half: SecondHalf,
}

impl DiTConfig {
    /// Builds the network. Gates and last layer start at zero.
    ///
    /// # Panics
    /// If [`DiTConfig::problem`] finds a problem, which is then the message.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> DiT<B> {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        let width = self.width;
        let mut layer = |inputs: usize| init.normal_linear(inputs, width, DEVIATION);
        let layers = [layer(SINUSOIDS), layer(width)];
        let time = TimeEmbedding::of_layers(self.time, layers);
        let classes = (self.classes > 0).then(|| {
            let rows = ClassEmbedding::<B>::rows(self.classes, self.null_class);
            let table = init.normal_table(rows, width, DEVIATION);
            ClassEmbedding::of_table(table, self.classes, self.null_class)
        });
        let attributes = (self.attributes > 0).then(|| {
            let mut layer = |inputs: usize| init.normal_linear(inputs, width, DEVIATION);
            let layers = [layer(self.attributes + 1), layer(width)];
            VectorEmbedding::of_layers(self.attributes, layers)
        });
        let attends = self.sequence > 0;
        let sequence =
            attends.then(|| SequenceEmbedding::new(self.sequence, width, DEVIATION, init));
        let channels = self.image_channels + self.beside;
        let patches = init.patches(channels, width, self.patch);
        let hidden = self.hidden();
        let blocks = (0..self.depth).map(|_| Block::new(width, hidden, self.heads, attends, init));
        let blocks = blocks.collect();
        let modulation = init.zero_linear(width, 2 * width);
        let head = init.zero_linear(width, self.patch * self.patch * self.computed());
        // Drawn last, so that the other parameters are those of the network without it.
        let duration = self.durations.then(|| {
            let mut layer = |inputs: usize| init.normal_linear(inputs, width, DEVIATION);
            let layers = [layer(SINUSOIDS), layer(width)];
            TimeEmbedding::of_layers(self.time, layers)
        });
        DiT {
            time,
            duration,
            classes,
            attributes,
            sequence,
            patches,
            blocks,
            modulation,
            head,
            beside: self.beside,
            patch: self.patch,
            second_half: self.second_half,
        }
    }
}

impl<B: Backend> DiT<B> {
    /// The embedding of time, duration, class and attributes, after the SiLU that all blocks share.
    fn embed(&self, step: Step<B>, condition: &Condition<B>) -> Dual<B, 2> {
        let (labels, (attributes, _)) = condition;
        let [batch] = step.t.dims();
        let embed = |embedding: &TimeEmbedding<B>, t: Dual<B, 1>| {
            embedding.carry(embedding.carry_features(t))
        };
        let mut embedding = embed(&self.time, step.t.clone());
        if let Some(classes) = &self.classes {
            embedding = embedding.plus(classes.forward(labels, batch).into());
        }
        if let Some(embed) = &self.attributes {
            embedding = embedding.plus(embed.forward(attributes, batch).into());
        }
        if let Some(duration) = &self.duration {
            embedding = embedding.plus(embed(duration, step.lasting()));
        }
        embedding.activated(Activation::Silu)
    }

    /// The image whose patches are these tokens: `[batch, rows·columns, patch·patch·channels]`,
    /// where a token is its patch row by row, with the channels of a pixel side by side.
    fn assembled(&self, tokens: Tensor<B, 3>, [rows, columns]: [usize; 2]) -> Tensor<B, 4> {
        let ([batch, _, numbers], patch) = (tokens.dims(), self.patch);
        let channels = numbers / (patch * patch);
        let pixels: Tensor<B, 6> = tokens.reshape([batch, rows, columns, patch, patch, channels]);
        let pixels = pixels.permute([0, 5, 1, 3, 2, 4]);
        pixels.reshape([batch, channels, rows * patch, columns * patch])
    }

    /// The tokens of an image and of the one beside it, with their positions.
    fn tokens(&self, x: Dual<B, 4>, image: &Images<B>) -> Dual<B, 3> {
        let x = with_image(x, image, self.beside).convolve(&self.patches);
        let [_, dim, rows, columns] = x.dims();
        let (device, dtype) = (x.value.device(), x.value.dtype());
        let tokens = x.linearly(to_tokens);
        Dual {
            value: tokens.value + positions([rows, columns], dim, &device, dtype),
            ..tokens
        }
    }

    /// The numbers of the output's patches.
    fn numbers(&self, h: Dual<B, 3>, seen: &Seen<B>) -> Dual<B, 3> {
        let modulation = (seen.embedding.clone()).dense(&self.modulation, Activation::Identity);
        let [shift, scale] = modulation.split();
        let h = h.layer_norm(scale, shift, EPSILON);
        h.dense(&self.head, Activation::Identity)
    }

    fn run(&self, x: Dual<B, 4>, step: Step<B>, condition: &Condition<B>) -> Dual<B, 4> {
        let own = condition.clone();
        let embedding = alone(self, step, move |dit: &Self, step| dit.embed(step, &own));
        let (_, (_, (image, sequences))) = condition;
        let [batch, channels, height, width] = x.dims();
        let context = self.sequence.as_ref();
        let context = context.map(|embed| embed.forward(sequences, batch));
        let mut seen = Seen { embedding, context };
        let own = image.clone();
        let mut h = alone(self, x, move |dit: &Self, x| dit.tokens(x, &own));
        for layer in &self.blocks {
            h = block(layer, vec![h], &mut seen, None, |layer, mut h, seen, _| {
                layer.forward(h.remove(0), seen)
            });
        }
        let grid = [height, width].map(|side| side / self.patch);
        let y = block(self, vec![h], &mut seen, None, |dit, mut h, seen, _| {
            dit.numbers(h.remove(0), seen)
        });
        let y = y.linearly(|tokens| self.assembled(tokens, grid));
        match self.second_half {
            SecondHalf::Absent | SecondHalf::Variance => y,
            SecondHalf::Dropped => y.linearly(|y| y.narrow(1, 0, channels)),
        }
    }
}

impl<B: Backend> Network<B, 4> for DiT<B> {
    type Condition = Condition<B>;

    fn forward(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
    ) -> Tensor<B, 4> {
        self.run(x.into(), Step::at(t), condition).value
    }

    fn forward_over(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        _: Option<&mut Draws>,
    ) -> Tensor<B, 4> {
        assert!(self.duration.is_some(), "{}", WITHOUT_DURATIONS);
        self.run(x.into(), Step::of(t, duration), condition).value
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
        Some(self.run(x, step, condition).both().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::module::{ModuleMapper, ModuleVisitor, Param};
    use burn::tensor::DType;
    use burn::tensor::backend::AutodiffBackend;
    use burn_ndarray::NdArray;
    use pyroclast_core::condition::{Condition as _, Given};
    use pyroclast_core::noise::{Draws, Noise, Stream};

    /// Adds noise to every parameter, since those that start at zero hide the others.
    struct Shake(Draws);

    impl<B: Backend> ModuleMapper<B> for Shake {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            param.map(|old| {
                let noise = self.0.normal_tensor(old.dims(), &old.device(), DType::F32);
                (old.clone() + noise * 0.1)
                    .detach()
                    .set_require_grad(old.is_require_grad())
            })
        }
    }

    fn shaken(config: &DiTConfig) -> DiT<NdArray> {
        let device = Default::default();
        let network = config.init(&mut Init::new(Noise::new(1), &device));
        network.map(&mut Shake(Noise::new(2).draws(Stream::Source, 0)))
    }

    fn output(network: &DiT<NdArray>, x: &Tensor<NdArray, 4>, given: &Given) -> Vec<f32> {
        let device = Default::default();
        let t = Tensor::from_data([0.4], &device);
        let condition = super::Condition::upload(given, &device);
        let y = network.forward(x.clone(), t, &condition);
        y.into_data().to_vec().expect("single precision")
    }

    #[test]
    fn every_condition_acts_and_none_is_as_if_dropped() {
        let config = DiTConfig {
            width: 16,
            depth: 1,
            heads: 2,
            classes: 3,
            attributes: 2,
            beside: 1,
            sequence: 3,
            ..DiTConfig::new(2, [4, 6])
        };
        let network = shaken(&config);
        let mut draws = Noise::new(3).draws(Stream::Source, 0);
        let x = draws.normal_tensor([1, 2, 4, 6], &Default::default(), DType::F32);
        let given = Given::labels(&[1], 3)
            .and(Given::vectors(&[0.5, -1.0], 2))
            .and(Given::images(&draws.normals(24), [1, 4, 6]))
            .and(Given::sequences(&draws.normals(6), [2, 3], &[2]));
        let nothing = output(&network, &x, &Given::nothing());
        assert_eq!(nothing.len(), 48);
        assert_eq!(output(&network, &x, &given.dropped(&[true])), nothing);
        for one in [
            Given::labels(&[1], 3),
            Given::vectors(&[0.5, -1.0], 2),
            Given::images(&[1.0; 24], [1, 4, 6]),
            Given::sequences(&[1.0; 3], [1, 3], &[1]),
        ] {
            assert_ne!(output(&network, &x, &one), nothing);
        }
    }

    #[test]
    fn tokens_beyond_the_end_of_a_sequence_do_not_count() {
        let config = DiTConfig {
            width: 16,
            depth: 2,
            heads: 2,
            sequence: 3,
            ..DiTConfig::new(1, [4, 4])
        };
        let network = shaken(&config);
        let mut draws = Noise::new(3).draws(Stream::Source, 0);
        let x = draws.normal_tensor([1, 1, 4, 4], &Default::default(), DType::F32);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let tokens = draws.normals(6);
        let of = |values: &[f32], count: usize, length: usize| {
            output(
                &network,
                &x,
                &Given::sequences(values, [count, 3], &[length]),
            )
        };
        let two = of(&tokens, 2, 2);
        let padded = [&tokens[..], &[0.0; 9]].concat();
        assert!(near(&of(&padded, 5, 2), &two));
        // Nor does the order of those that do.
        let swapped = [&tokens[3..], &tokens[..3]].concat();
        assert!(near(&of(&swapped, 2, 2), &two));
        assert!(!near(&of(&padded, 5, 3), &two));
        let nothing = output(&network, &x, &Given::nothing());
        assert!(near(&of(&padded, 5, 0), &nothing));
    }

    #[test]
    fn a_token_that_does_not_count_has_no_influence_bit_for_bit() {
        let config = DiTConfig {
            width: 16,
            depth: 2,
            heads: 2,
            sequence: 3,
            ..DiTConfig::new(1, [4, 4])
        };
        let (network, device) = (shaken(&config), Default::default());
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

    #[test]
    fn every_parameter_has_a_gradient() {
        type A = Autodiff<NdArray>;

        /// Names of parameters without a gradient that is finite and not zero.
        struct Without<'a> {
            path: Vec<String>,
            gradients: &'a <A as AutodiffBackend>::Gradients,
            found: Vec<String>,
        }

        impl ModuleVisitor<A> for Without<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<A, D>>) {
                let gradient = param.val().grad(self.gradients);
                let largest = gradient.map_or(0.0, |g| g.abs().max().into_scalar());
                if !(largest > 0.0 && largest.is_finite()) {
                    self.found.push(self.path.join("."));
                }
            }

            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }

            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }
        }

        let config = DiTConfig {
            width: 16,
            depth: 2,
            heads: 2,
            classes: 3,
            attributes: 2,
            sequence: 3,
            ..DiTConfig::new(1, [4, 4])
        };
        let device = Default::default();
        let network: DiT<A> = config.init(&mut Init::new(Noise::new(1), &device));
        let network = network.map(&mut Shake(Noise::new(2).draws(Stream::Source, 0)));
        let mut draws = Noise::new(3).draws(Stream::Source, 0);
        let x = draws.normal_tensor([2, 1, 4, 4], &device, DType::F32);
        let given = Given::labels(&[1, 2], 3)
            .and(Given::vectors(&[0.5, -1.0, 0.2, 0.1], 2))
            .and(Given::sequences(&draws.normals(12), [2, 3], &[1, 2]));
        let t = Tensor::from_data([0.4, 0.7], &device);
        let y = network.forward(x, t, &super::Condition::upload(&given, &device));
        let gradients = y.square().sum().backward();
        let mut without = Without {
            path: Vec::new(),
            gradients: &gradients,
            found: Vec::new(),
        };
        network.visit(&mut without);
        assert_eq!(without.found, Vec::<String>::new());
    }

    #[test]
    fn a_patch_returns_to_its_place() {
        // Through the identity, the tokens of an image are the numbers of its patches.
        let config = DiTConfig {
            width: 12,
            heads: 1,
            ..DiTConfig::new(3, [4, 6])
        };
        let network = shaken(&config);
        let device = Default::default();
        let mut draws = Noise::new(5).draws(Stream::Source, 0);
        let image: Tensor<NdArray, 4> = draws.normal_tensor([2, 3, 4, 6], &device, DType::F32);
        let of_patch = |b: usize, i: usize, j: usize| {
            let patch = image.clone().narrow(0, b, 1).narrow(2, 2 * i, 2);
            let patch = patch.narrow(3, 2 * j, 2).permute([0, 2, 3, 1]);
            patch.reshape([1, 1, 12])
        };
        let mut rows = Vec::new();
        for b in 0..2 {
            let places = (0..2).flat_map(|i| (0..3).map(move |j| (i, j)));
            let tokens = places.map(|(i, j)| of_patch(b, i, j)).collect();
            rows.push(Tensor::cat(tokens, 1));
        }
        let assembled = network.assembled(Tensor::cat(rows, 0), [2, 3]);
        assert_eq!(assembled.into_data(), image.into_data());
    }

    #[test]
    fn a_second_half_is_a_variance_or_dropped() {
        let config = |second_half| DiTConfig {
            width: 16,
            depth: 1,
            heads: 2,
            second_half,
            ..DiTConfig::new(2, [4, 4])
        };
        let device = Default::default();
        let mut draws = Noise::new(3).draws(Stream::Source, 0);
        let x = draws.normal_tensor([1, 2, 4, 4], &device, DType::F32);
        let of = |half| output(&shaken(&config(half)), &x, &Given::nothing());
        let both = of(SecondHalf::Variance);
        let kept = of(SecondHalf::Dropped);
        assert_eq!((both.len(), kept.len()), (64, 32));
        assert_eq!(kept, both[..32]);
        assert_eq!(of(SecondHalf::Absent).len(), 32);
    }
}
