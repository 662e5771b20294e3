//! The Inception network whose features FID compares.
//!
//! `x ∈ [−1, 1]^[n, 3, 299, 299] ↦ φ(x) ∈ ℝ^2048`
//!
//! Source: Szegedy et al. 2016, in the form whose weights TensorFlow published on 2015-12-05. They
//! differ from torchvision's network in four places: averages of 3×3 leave out the padding, the
//! last block takes a maximum in its pooled branch, and there is neither an auxiliary output nor a
//! change of the input's scale.

use burn::tensor::Tensor;
use burn::tensor::TensorData;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::ConvOptions;

/// Numbers per image that the network computes.
const FEATURES: usize = 2048;
/// The height and width of its input.
const SIDE: usize = 299;
/// ε of its batch norms.
const EPSILON: f64 = 1e-3;

/// A part of the network. Parts follow each other; the chains of a fork are concatenated.
enum Part {
    Conv(Convolution),
    /// The largest of 3×3.
    Most {
        stride: usize,
        padding: usize,
    },
    /// The mean of 3×3, without the padding.
    Mean,
    Fork(Vec<Vec<Part>>),
}

/// A convolution without bias, a batch norm and a ReLU.
struct Convolution {
    name: String,
    channels: usize,
    kernel: [usize; 2],
    stride: usize,
    padding: [usize; 2],
}

/// A convolution that keeps the size.
fn conv(name: &str, channels: usize, kernel: [usize; 2]) -> Part {
    Part::Conv(Convolution {
        name: name.to_owned(),
        channels,
        kernel,
        stride: 1,
        padding: kernel.map(|k| k / 2),
    })
}

/// A 3×3 convolution without padding.
fn valid(name: &str, channels: usize, stride: usize) -> Part {
    Part::Conv(Convolution {
        name: name.to_owned(),
        channels,
        kernel: [3, 3],
        stride,
        padding: [0, 0],
    })
}

const HALVED: Part = Part::Most {
    stride: 2,
    padding: 0,
};

const ONE: [usize; 2] = [1, 1];
const THREE: [usize; 2] = [3, 3];
const WIDE: [usize; 2] = [1, 7];
const HIGH: [usize; 2] = [7, 1];

/// Blocks at 35×35.
fn block_a(pooled: usize) -> Vec<Vec<Part>> {
    vec![
        vec![conv("branch1x1", 64, ONE)],
        vec![
            conv("branch5x5_1", 48, ONE),
            conv("branch5x5_2", 64, [5, 5]),
        ],
        vec![
            conv("branch3x3dbl_1", 64, ONE),
            conv("branch3x3dbl_2", 96, THREE),
            conv("branch3x3dbl_3", 96, THREE),
        ],
        vec![Part::Mean, conv("branch_pool", pooled, ONE)],
    ]
}

/// From 35×35 to 17×17.
fn block_b() -> Vec<Vec<Part>> {
    vec![
        vec![valid("branch3x3", 384, 2)],
        vec![
            conv("branch3x3dbl_1", 64, ONE),
            conv("branch3x3dbl_2", 96, THREE),
            valid("branch3x3dbl_3", 96, 2),
        ],
        vec![HALVED],
    ]
}

/// Blocks at 17×17, whose inner convolutions have this many channels.
fn block_c(inner: usize) -> Vec<Vec<Part>> {
    vec![
        vec![conv("branch1x1", 192, ONE)],
        vec![
            conv("branch7x7_1", inner, ONE),
            conv("branch7x7_2", inner, WIDE),
            conv("branch7x7_3", 192, HIGH),
        ],
        vec![
            conv("branch7x7dbl_1", inner, ONE),
            conv("branch7x7dbl_2", inner, HIGH),
            conv("branch7x7dbl_3", inner, WIDE),
            conv("branch7x7dbl_4", inner, HIGH),
            conv("branch7x7dbl_5", 192, WIDE),
        ],
        vec![Part::Mean, conv("branch_pool", 192, ONE)],
    ]
}

/// From 17×17 to 8×8.
fn block_d() -> Vec<Vec<Part>> {
    vec![
        vec![conv("branch3x3_1", 192, ONE), valid("branch3x3_2", 320, 2)],
        vec![
            conv("branch7x7x3_1", 192, ONE),
            conv("branch7x7x3_2", 192, WIDE),
            conv("branch7x7x3_3", 192, HIGH),
            valid("branch7x7x3_4", 192, 2),
        ],
        vec![HALVED],
    ]
}

/// Blocks at 8×8, by what they pool with.
fn block_e(pool: Part) -> Vec<Vec<Part>> {
    let both = |name: &str| {
        let one = |end: &str, kernel| vec![conv(&format!("{name}{end}"), 384, kernel)];
        Part::Fork(vec![one("a", [1, 3]), one("b", [3, 1])])
    };
    vec![
        vec![conv("branch1x1", 320, ONE)],
        vec![conv("branch3x3_1", 384, ONE), both("branch3x3_2")],
        vec![
            conv("branch3x3dbl_1", 448, ONE),
            conv("branch3x3dbl_2", 384, THREE),
            both("branch3x3dbl_3"),
        ],
        vec![pool, conv("branch_pool", 192, ONE)],
    ]
}

/// A block under its name.
fn mixed(name: &str, mut chains: Vec<Vec<Part>>) -> Part {
    fn prefix(name: &str, chains: &mut [Vec<Part>]) {
        for part in chains.iter_mut().flatten() {
            match part {
                Part::Conv(own) => own.name = format!("{name}.{}", own.name),
                Part::Fork(inner) => prefix(name, inner),
                Part::Most { .. } | Part::Mean => {}
            }
        }
    }
    prefix(name, &mut chains);
    Part::Fork(chains)
}

/// The whole network.
fn network() -> Vec<Part> {
    vec![
        valid("Conv2d_1a_3x3", 32, 2),
        valid("Conv2d_2a_3x3", 32, 1),
        conv("Conv2d_2b_3x3", 64, THREE),
        HALVED,
        conv("Conv2d_3b_1x1", 80, ONE),
        valid("Conv2d_4a_3x3", 192, 1),
        HALVED,
        mixed("Mixed_5b", block_a(32)),
        mixed("Mixed_5c", block_a(64)),
        mixed("Mixed_5d", block_a(64)),
        mixed("Mixed_6a", block_b()),
        mixed("Mixed_6b", block_c(128)),
        mixed("Mixed_6c", block_c(160)),
        mixed("Mixed_6d", block_c(160)),
        mixed("Mixed_6e", block_c(192)),
        mixed("Mixed_7a", block_d()),
        mixed("Mixed_7b", block_e(Part::Mean)),
        mixed(
            "Mixed_7c",
            block_e(Part::Most {
                stride: 1,
                padding: 1,
            }),
        ),
    ]
}

/// Visits the convolutions in order, each with the channels of its input; returns the channels of
/// the output.
fn visit<E>(
    parts: &[Part],
    mut channels: usize,
    see: &mut impl FnMut(&Convolution, usize) -> Result<(), E>,
) -> Result<usize, E> {
    for part in parts {
        match part {
            Part::Conv(own) => {
                see(own, channels)?;
                channels = own.channels;
            }
            Part::Fork(chains) => {
                let mut sum = 0;
                for chain in chains {
                    sum += visit(chain, channels, see)?;
                }
                channels = sum;
            }
            Part::Most { .. } | Part::Mean => {}
        }
    }
    Ok(channels)
}

/// The Inception network whose features FID compares, with weights.
///
/// The batch norms are part of the convolutions: `W·x·s + (β − μ·s)`, `s = γ/√(v + 10⁻³)`.
#[derive(Debug, Clone)]
pub struct Inception<B: Backend> {
    /// Kernels and biases, in the order of [`visit`].
    convolutions: Vec<(Tensor<B, 4>, Tensor<B, 1>)>,
}

impl<B: Backend> Inception<B> {
    /// Numbers per image that the network computes.
    pub const FEATURES: usize = FEATURES;
    /// The height and width of its input.
    pub const SIDE: usize = SIDE;

    /// The network with the weights that `tensor` gives for a name and a shape, such as
    /// `Mixed_5b.branch1x1.conv.weight` and `[64, 192, 1, 1]`: the names of pytorch-fid.
    ///
    /// # Errors
    /// The first error of `tensor`.
    pub fn with_weights<E>(
        mut tensor: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
        device: &B::Device,
    ) -> Result<Self, E> {
        let mut convolutions = Vec::new();
        visit(&network(), 3, &mut |conv: &Convolution, channels| {
            let [height, width] = conv.kernel;
            let shape = [conv.channels, channels, height, width];
            let kernel = tensor(&format!("{}.conv.weight", conv.name), &shape)?;
            let mut norm = |name: &str| tensor(&format!("{}.bn.{name}", conv.name), &shape[..1]);
            let (gain, offset) = (norm("weight")?, norm("bias")?);
            let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
            let scale = |i: usize| f64::from(gain[i]) / (f64::from(variance[i]) + EPSILON).sqrt();
            let each = kernel.len() / conv.channels;
            let kernel = (kernel.iter().enumerate())
                .map(|(i, w)| (f64::from(*w) * scale(i / each)) as f32)
                .collect();
            let bias = (0..conv.channels)
                .map(|i| (f64::from(offset[i]) - f64::from(mean[i]) * scale(i)) as f32)
                .collect();
            convolutions.push((
                Tensor::from_data(TensorData::new::<f32, _>(kernel, shape), device),
                Tensor::from_data(TensorData::new::<f32, _>(bias, [conv.channels]), device),
            ));
            Ok(())
        })?;
        Ok(Self { convolutions })
    }

    /// The features of images: the mean over the last 8×8 pixels.
    ///
    /// # Shapes
    /// - x: `[n, 3, 299, 299]`, in [−1, 1]
    /// - result: `[n, 2048]`
    pub fn features(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let mut convolutions = self.convolutions.iter();
        let last = forward(&network(), x, &mut convolutions);
        let [n, channels, height, width] = last.dims();
        last.reshape([n, channels, height * width])
            .mean_dim(2)
            .reshape([n, channels])
    }
}

fn forward<'a, B: Backend>(
    parts: &[Part],
    mut x: Tensor<B, 4>,
    weights: &mut impl Iterator<Item = &'a (Tensor<B, 4>, Tensor<B, 1>)>,
) -> Tensor<B, 4> {
    for part in parts {
        x = match part {
            Part::Conv(conv) => {
                let (kernel, bias) = weights.next().expect("one for each convolution");
                let options = ConvOptions::new([conv.stride; 2], conv.padding, [1, 1], 1);
                relu(conv2d(x, kernel.clone(), Some(bias.clone()), options))
            }
            Part::Most { stride, padding } => {
                max_pool2d(x, THREE, [*stride; 2], [*padding; 2], ONE, false)
            }
            Part::Mean => avg_pool2d(x, THREE, ONE, ONE, false, false),
            Part::Fork(chains) => {
                let ends = (chains.iter()).map(|chain| forward(chain, x.clone(), weights));
                Tensor::cat(ends.collect(), 1)
            }
        };
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    #[test]
    fn the_names_and_numbers_are_those_of_the_published_file() {
        let mut shapes = BTreeMap::new();
        let channels = visit(&network(), 3, &mut |conv: &Convolution, channels| {
            let [height, width] = conv.kernel;
            let shape = [conv.channels, channels, height, width];
            assert!(shapes.insert(conv.name.clone(), shape).is_none());
            Ok::<_, Infallible>(())
        });
        assert_eq!(channels, Ok(FEATURES));
        assert_eq!(shapes.len(), 94);
        assert_eq!(shapes["Mixed_6e.branch7x7dbl_4"], [192, 192, 7, 1]);
        assert_eq!(shapes["Mixed_7c.branch3x3dbl_3b"], [384, 384, 3, 1]);
        assert_eq!(shapes["Mixed_7a.branch3x3_1"], [192, 768, 1, 1]);
        // torchvision's inception_v3 has 21,785,568 parameters without its classifier and its
        // auxiliary output.
        let parameters: usize = (shapes.values())
            .map(|shape| shape.iter().product::<usize>() + 2 * shape[0])
            .sum();
        assert_eq!(parameters, 21_785_568);
    }

    /// Convolutions that pass the mean of their channels on, under norms that change nothing: what
    /// is left are the pools and the paddings.
    #[test]
    fn means_are_those_of_the_pixels_without_the_padding() {
        let device = Default::default();
        let network = Inception::<NdArray>::with_weights(
            |name: &str, shape: &[usize]| {
                let size: usize = shape.iter().product();
                Ok::<_, Infallible>(match name.rsplit('.').next() {
                    Some("running_var") => vec![1.0 - EPSILON as f32; size],
                    Some("running_mean" | "bias") => vec![0.0; size],
                    _ if shape.len() == 1 => vec![1.0; size],
                    // The middle of each kernel.
                    _ => {
                        let window = shape[2] * shape[3];
                        let mut kernel = vec![0.0; size];
                        for (at, w) in kernel.iter_mut().enumerate() {
                            if at % window == window / 2 {
                                *w = 1.0 / shape[1] as f32;
                            }
                        }
                        kernel
                    }
                })
            },
            &device,
        )
        .expect("all tensors");
        let features = network.features(Tensor::full([1, 3, SIDE, SIDE], 0.7, &device));
        assert_eq!(features.dims(), [1, FEATURES]);
        // With padding in the averages, pixels at the borders would be darker by a tenth or more;
        // single precision loses 10⁻⁵ over the depth of the network.
        for value in features.into_data().to_vec::<f32>().expect("f32") {
            assert!((value - 0.7).abs() < 1e-4, "{value}");
        }
    }
}
