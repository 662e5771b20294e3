//! The parameters of a module as a list of flat tensors.
//!
//! `θ = (θ_1, …, θ_P)`, in the order of the module's fields
//!
//! The optimizer, the moving averages and the checkpoints work on such lists. Only this file
//! traverses burn's modules.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

/// The name of a parameter in a module, and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The path of fields, such as `layers.0.weight`.
    pub name: String,
    /// Its shape in the module; in a list the parameter is flat.
    pub shape: Vec<usize>,
}

/// The slots of a module's parameters, in the order of its fields.
pub fn slots<B: Backend, M: Module<B>>(module: &M) -> Vec<Slot> {
    struct Namer {
        path: Vec<String>,
        slots: Vec<Slot>,
    }
    impl<B: Backend> ModuleVisitor<B> for Namer {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.slots.push(Slot {
                name: self.path.join("."),
                shape: param.val().dims().to_vec(),
            });
        }

        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
    }
    let mut namer = Namer {
        path: Vec::new(),
        slots: Vec::new(),
    };
    module.visit(&mut namer);
    namer.slots
}

/// The device of a network's parameters; the default device if it has none.
pub fn device<B: Backend, N: Module<B>>(network: &N) -> B::Device {
    network.devices().into_iter().next().unwrap_or_default()
}

/// The values of a module's parameters, each flattened, in the order of [`slots`].
pub fn values<B: Backend, M: Module<B>>(module: &M) -> Vec<Tensor<B, 1>> {
    struct Reader<B: Backend>(Vec<Tensor<B, 1>>);
    impl<B: Backend> ModuleVisitor<B> for Reader<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0.push(flat(param.val()));
        }
    }
    let mut reader = Reader(Vec::new());
    module.visit(&mut reader);
    reader.0
}

/// The module with its parameters replaced by these values, in the order of [`slots`].
///
/// # Panics
/// If the values are not one tensor of the right size per parameter.
pub fn with_values<B: Backend, M: Module<B>>(module: M, values: Vec<Tensor<B, 1>>) -> M {
    struct Writer<B: Backend>(std::vec::IntoIter<Tensor<B, 1>>);
    impl<B: Backend> ModuleMapper<B> for Writer<B> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let value = self.0.next().expect("one value per parameter");
            param.map(|old| {
                // A parameter is a leaf of the tape; the new one is tracked if the old one was.
                let tracked = old.is_require_grad();
                value
                    .reshape(old.shape())
                    .detach()
                    .set_require_grad(tracked)
            })
        }
    }
    let mut writer = Writer(values.into_iter());
    let module = module.map(&mut writer);
    assert!(writer.0.next().is_none(), "one parameter per value");
    module
}

/// The module with the same values as new leaves of the tape.
pub fn as_leaves<B: AutodiffBackend, M: Module<B>>(module: &M) -> M {
    let values = values(module).into_iter().map(Tensor::inner);
    with_values(module.clone(), values.map(Tensor::from_inner).collect())
}

/// The values of a module's parameters, each flattened, in the order of [`slots`], on the inner
/// backend; and the module without them.
///
/// If the caller keeps no clone of the module, nothing else holds the values then, and an optimizer
/// can write over them. What is left of the module are the shapes, for [`with_values`] to fill.
pub fn taken<B: AutodiffBackend, M: Module<B>>(module: M) -> (Vec<Tensor<B::InnerBackend, 1>>, M) {
    struct Taker<B: AutodiffBackend>(Vec<Tensor<B::InnerBackend, 1>>);
    impl<B: AutodiffBackend> ModuleMapper<B> for Taker<B> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            param.map(|value| {
                let tracked = value.is_require_grad();
                let value = value.inner();
                // Not zeros, which would be a launch per parameter on a GPU.
                let nothing = Tensor::<B::InnerBackend, D>::empty([1; D], &value.device());
                let nothing = Tensor::from_inner(nothing.expand(value.shape()));
                self.0.push(flat(value));
                nothing.set_require_grad(tracked)
            })
        }
    }
    let mut taker = Taker::<B>(Vec::new());
    let module = module.map(&mut taker);
    (taker.0, module)
}

/// The gradients of a module's parameters, each flattened, in the order of [`slots`], on the inner
/// backend.
///
/// The gradient of a parameter that the loss does not depend on is zero. `gradients` loses those
/// that are returned.
pub fn gradients<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    gradients: &mut B::Gradients,
) -> Vec<Tensor<B::InnerBackend, 1>> {
    struct Collector<'a, B: AutodiffBackend> {
        gradients: &'a mut B::Gradients,
        found: Vec<Tensor<B::InnerBackend, 1>>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Collector<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let value = param.val();
            let gradient = value.grad_remove(self.gradients);
            self.found
                .push(flat(gradient.unwrap_or_else(|| value.inner().zeros_like())));
        }
    }
    let mut collector = Collector::<B> {
        gradients,
        found: Vec::new(),
    };
    module.visit(&mut collector);
    collector.found
}

fn flat<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    let n = x.shape().num_elements();
    x.reshape([n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;
    use pyroclast_models::{Init, Mlp, MlpConfig};

    fn network(seed: u64) -> Mlp<NdArray> {
        let device = Default::default();
        let mut init = Init::new(Noise::new(seed), &device);
        MlpConfig::new(2).init(&mut init)
    }

    #[test]
    fn what_is_taken_can_be_put_back() {
        let device = Default::default();
        let mut init = Init::<Autodiff<NdArray>>::new(Noise::new(3), &device);
        let network = MlpConfig::new(2).init(&mut init);
        let data = |values: Vec<Tensor<NdArray, 1>>| {
            let data = values.into_iter().map(|x| x.into_data());
            data.collect::<Vec<_>>()
        };
        let before = values(&network).into_iter().map(Tensor::inner).collect();
        let (before, shapes) = (data(before), slots(&network));
        let (taken, emptied) = taken(network);
        assert_eq!(slots(&emptied), shapes);
        let tracked = taken.into_iter().map(Tensor::from_inner).collect();
        let network = with_values(emptied, tracked);
        let after = values(&network).into_iter().map(Tensor::inner).collect();
        assert_eq!(data(after), before);
        // The parameters are leaves of the tape again.
        let loss = values(&network)[0].clone().sum();
        let found = gradients::<Autodiff<NdArray>, _>(&network, &mut loss.backward());
        assert!(found[0].clone().into_data().iter::<f32>().all(|g| g == 1.0));
    }

    #[test]
    fn slots_are_named_by_their_fields() {
        let slots = slots::<NdArray, _>(&network(0));
        assert_eq!(slots.len(), 8);
        assert_eq!(slots[0].name, "layers.0.weight");
        assert_eq!(slots[0].shape, [3, 64]);
        assert_eq!(slots[7].name, "layers.3.bias");
    }

    #[test]
    fn values_move_from_one_module_to_another() {
        let (a, b) = (network(1), network(2));
        let moved = with_values(b, values(&a));
        for (x, y) in values(&a).into_iter().zip(values(&moved)) {
            assert_eq!(x.into_data(), y.into_data());
        }
    }
}
