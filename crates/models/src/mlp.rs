//! A multilayer perceptron on `[x, t]`.
//!
//! `h_0 = [x, e(t), e(y), c]`, `h_{i+1} = act(W_i·h_i + b_i)`, `output = W_L·h_L + b_L`, with a
//! class y and attributes c; `e(r − t)` beside `e(t)` where steps have a duration

use crate::dual::Dual;
use crate::embedding::{ClassEmbedding, TimeFeatures};
use crate::init::Init;
use crate::inputs::{Step, WITHOUT_DURATIONS, moving};
use crate::size::Size;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::{Labels, Vectors};
use pyroclast_core::network::{Direction, Network};
use pyroclast_core::noise::Draws;
use pyroclast_kernels::Activation;

/// How the time enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimeInput {
    /// As one more coordinate.
    #[default]
    Plain,
    /// As this many sinusoidal features (an even number).
    Sinusoids(usize),
}

/// The shape of an [`Mlp`].
#[derive(Debug, Clone, PartialEq)]
pub struct MlpConfig {
    /// The number of coordinates of a point.
    pub dim: usize,
    /// Units per hidden layer.
    pub width: usize,
    /// The number of hidden layers, at least 1.
    pub depth: usize,
    /// The activation after each hidden layer.
    pub activation: Activation,
    /// How the time enters.
    pub time: TimeInput,
    /// Classes to condition on; 0 for none.
    pub classes: usize,
    /// Numbers in the vector of attributes to condition on; 0 for none.
    pub attributes: usize,
    /// Whether the network also predicts a variance, or the score of a bridge, which doubles its
    /// outputs.
    pub learns_variance: bool,
    /// Whether the duration of a step enters beside its time.
    pub durations: bool,
}

impl MlpConfig {
    /// The network of the 2-D benchmark of Tong et al. 2024: three hidden layers of 64 units,
    /// SELU, and the time as it is.
    pub fn new(dim: usize) -> Self {
        Self {
            dim,
            width: 64,
            depth: 3,
            activation: Activation::Selu,
            time: TimeInput::Plain,
            classes: 0,
            attributes: 0,
            learns_variance: false,
            durations: false,
        }
    }

    /// The size of the network, counted without building it.
    pub fn size(&self) -> Size {
        let (width, depth) = (self.width as u64, self.depth as u64);
        let (inputs, outputs) = self.ends();
        let classes = self.classes as u64;
        let embedded = match classes {
            0 => Size::default(),
            classes => Size::default().table(classes.saturating_add(1), width),
        };
        let further = Size::default().linear(width, width);
        embedded
            .linear(inputs, width)
            .and(further.times(depth.saturating_sub(1)))
            .linear(width, outputs)
    }

    /// The inputs of the first layer, and the outputs of the last.
    fn ends(&self) -> (u64, u64) {
        let time = match self.time {
            TimeInput::Plain => 1,
            TimeInput::Sinusoids(n) => n,
        };
        let times = if self.durations { 2 * time } else { time };
        let embedded = if self.classes > 0 { self.width } else { 0 };
        // One more input says whether there are attributes.
        let attributes = match self.attributes {
            0 => 0,
            numbers => numbers + 1,
        };
        let outputs = self.dim * if self.learns_variance { 2 } else { 1 };
        let inputs = self.dim + times + embedded + attributes;
        (inputs as u64, outputs as u64)
    }

    /// Builds the network.
    ///
    /// # Panics
    /// If `depth` or `width` is 0, or the number of sinusoids is odd.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> Mlp<B> {
        assert!(
            self.depth > 0 && self.width > 0,
            "an MLP needs at least one hidden layer and one unit"
        );
        let classes =
            (self.classes > 0).then(|| ClassEmbedding::new(self.classes, self.width, init));
        let (mut inputs, outputs) = self.ends();
        let width = self.width as u64;
        let mut layers = Vec::with_capacity(self.depth + 1);
        for _ in 0..self.depth {
            layers.push(init.linear(inputs as usize, self.width));
            inputs = width;
        }
        layers.push(init.linear(inputs as usize, outputs as usize));
        Mlp {
            layers,
            classes,
            attributes: self.attributes,
            activation: self.activation,
            time: self.time,
            durations: self.durations,
        }
    }
}

/// A multilayer perceptron for points, `[batch, dim]`. If it learns a variance, its
/// output is twice as wide.
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    layers: Vec<Linear<B>>,
    classes: Option<ClassEmbedding<B>>,
    attributes: usize,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    time: TimeInput,
    durations: bool,
}

/// A class, and attributes.
type Condition<B> = (Labels<B>, Vectors<B>);

impl TimeInput {
    /// What enters for each time: `[batch]` → `[batch, features]`.
    fn of<B: Backend>(self, t: Dual<B, 1>) -> Dual<B, 2> {
        match self {
            Self::Plain => t.linearly(|t| t.unsqueeze_dim(1)),
            Self::Sinusoids(n) => TimeFeatures::default().carry(t, n),
        }
    }
}

impl<B: Backend> Mlp<B> {
    fn run(&self, x: Dual<B, 2>, step: Step<B>, (labels, attributes): &Condition<B>) -> Dual<B, 2> {
        let (batch, device, dtype) = (x.dims()[0], x.value.device(), x.value.dtype());
        let mut h = x.beside(self.time.of(step.t.clone()), 1);
        if self.durations {
            h = h.beside(self.time.of(step.lasting()), 1);
        }
        if let Some(classes) = &self.classes {
            h = h.beside(classes.forward(labels, batch).into(), 1);
        }
        if self.attributes > 0 {
            let flagged = attributes.flagged(batch, self.attributes, &device);
            h = h.beside(flagged.cast(dtype).into(), 1);
        }
        let last = self.layers.len() - 1;
        for layer in &self.layers[..last] {
            h = h.dense(layer, self.activation);
        }
        h.dense(&self.layers[last], Activation::Identity)
    }
}

impl<B: Backend> Network<B, 2> for Mlp<B> {
    type Condition = Condition<B>;

    fn forward(
        &self,
        x: Tensor<B, 2>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
    ) -> Tensor<B, 2> {
        self.run(x.into(), Step::at(t), condition).value
    }

    fn forward_over(
        &self,
        x: Tensor<B, 2>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        _: Option<&mut Draws>,
    ) -> Tensor<B, 2> {
        assert!(self.durations, "{}", WITHOUT_DURATIONS);
        self.run(x.into(), Step::of(t, duration), condition).value
    }

    fn tangent_over(
        &self,
        x: Tensor<B, 2>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        direction: &Direction<B, 2>,
    ) -> Option<(Tensor<B, 2>, Tensor<B, 2>)> {
        assert!(self.durations, "{}", WITHOUT_DURATIONS);
        let (x, step) = moving(x, (t, duration), direction);
        Some(self.run(x, step, condition).both().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_core::condition::{Condition, Given};
    use pyroclast_core::noise::Noise;

    #[test]
    fn attributes_matter_and_dropped_ones_count_as_absent() {
        let device = Default::default();
        let config = MlpConfig {
            classes: 3,
            attributes: 2,
            ..MlpConfig::new(2)
        };
        let network: Mlp<NdArray> = config.init(&mut Init::new(Noise::new(0), &device));
        let output = |given: &Given| -> Vec<f32> {
            let x = Tensor::from_data([[0.3, -0.7], [0.3, -0.7]], &device);
            let t = Tensor::from_data([0.4, 0.4], &device);
            let y = network.forward(x, t, &Condition::upload(given, &device));
            y.into_data().to_vec().expect("single precision")
        };
        let given = Given::labels(&[2, 2], 3).and(Given::vectors(&[0.5, 1.0, 0.0, 0.0], 2));
        let both = output(&given);
        assert_ne!(both[..2], both[2..]);
        let dropped = output(&given.dropped(&[true, true]));
        assert_eq!(dropped, output(&Given::nothing()));
        assert_ne!(dropped[2..], both[2..]);
    }
}
