//! A network against the outputs that it had in its own project.

use crate::model::Model;
use crate::network::NetworkConfig;
use crate::stored_model::WithModel;
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::network::Network;
use pyroclast_weights::{GOLDEN, Golden, cast};

/// Why outputs are not those of a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// The inputs are not samples of the model.
    #[error(
        "{GOLDEN}x has shape {found:?}, and the network takes [n, {}]",
        list(expected)
    )]
    Shape {
        /// The shape of the inputs.
        found: Vec<usize>,
        /// The shape of a sample.
        expected: Vec<usize>,
    },
    /// The outputs have another size than those of the network.
    #[error("{0}")]
    Output(String),
    /// Something that the network takes is missing, or it takes none of it.
    #[error("{0}")]
    Input(String),
}

fn list(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    sides.join(", ")
}

/// Runs a model's network on the inputs of another project, and gives the largest difference of
/// each sample's output, in standard deviations of the output there.
///
/// The time in the file is that project's, which the network's sinusoids are of:
/// `τ = scale·t + offset`.
#[derive(Debug, Clone, Copy)]
pub struct Verify<'a>(pub &'a Golden);

impl<B: AutodiffBackend> WithModel<B> for Verify<'_> {
    type Output = Result<Vec<f64>, GoldenError>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let golden = self.0;
        let (data, n) = (&model.about.data, golden.len());
        let input = |message: &str| GoldenError::Input(format!("{GOLDEN}{message}"));
        let shape: Option<[usize; D]> = golden.x.shape.clone().try_into().ok();
        let Some(shape) = shape.filter(|shape| shape[1..] == *model.about.state_shape()) else {
            return Err(GoldenError::Shape {
                found: golden.x.shape.clone(),
                expected: model.about.state_shape().to_vec(),
            });
        };
        let times = golden.t.as_ref().ok_or_else(|| {
            input("t, the times of the inputs, is missing; give a file that has it")
        })?;
        let clock = (model.about.network.as_ref()).and_then(NetworkConfig::time);
        let (scale, offset) = clock.map_or((1.0, 0.0), |time| (time.scale, time.offset));
        let needs_class = model
            .about
            .network
            .as_ref()
            .is_some_and(NetworkConfig::needs_class);
        let classes = data.classes.len() as u32;
        let given = match &golden.y {
            None if classes > 0 && needs_class => {
                return Err(input("y, the classes of the inputs, is missing"));
            }
            None => Given::nothing(),
            Some(_) if classes == 0 => {
                return Err(input("y holds classes, and the network has none"));
            }
            Some(labels) => {
                if let Some(width) = golden.classes.filter(|&width| width != classes as usize) {
                    let message =
                        format!("y has rows of {width}, and the network {classes} classes");
                    return Err(input(&message));
                }
                // The number of classes stands for "no class".
                let label = |label: &Option<u32>| label.unwrap_or(classes);
                let labels: Vec<u32> = labels.iter().map(label).collect();
                let most = if needs_class { classes - 1 } else { classes };
                if let Some(label) = labels.iter().find(|label| **label > most) {
                    let message = format!("y holds the class {label}; classes are 0 to {most}");
                    return Err(input(&message));
                }
                let none: Vec<bool> = labels.iter().map(|label| *label == classes).collect();
                let known: Vec<u32> = labels.iter().map(|label| label % classes).collect();
                Given::labels(&known, classes as usize).dropped(&none)
            }
        };
        let device = model.device::<B>();
        let dtype = golden.dtype::<B::InnerBackend>(&device);
        let network = cast(model.flow.network.valid(), dtype);
        let x = TensorData::new(golden.x.values.clone(), shape).convert_dtype(dtype);
        let x = Tensor::<B::InnerBackend, D>::from_data(x, (&device, dtype));
        let times: Vec<f64> = times.iter().map(|time| (time - offset) / scale).collect();
        let times = TensorData::new(times, [n]).convert_dtype(dtype);
        let t = Tensor::from_data(times, (&device, dtype));
        let condition = Condition::upload(&given, &device);
        let output = network.forward(x, t, &condition).into_data();
        let output = output.convert::<f64>().into_vec::<f64>();
        let output = output.expect("converted to f64 just now");
        golden.differences(&output).map_err(GoldenError::Output)
    }
}
