//! Tensors of a module by name.

use crate::array::{Array, Tensors};
use crate::table::Misfit;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use std::collections::BTreeSet;

/// The module with its parameters replaced by the tensors of their names, which are paths of
/// fields, such as `layers.0.weight`.
///
/// # Errors
/// [`Misfit`]: a parameter has no tensor, or one of another shape; a tensor has no parameter.
pub fn load<B: Backend, M: Module<B>>(module: M, tensors: &Tensors) -> Result<M, Box<Misfit>> {
    let mut writer = Writer {
        path: Vec::new(),
        tensors,
        seen: BTreeSet::new(),
        misfit: Misfit {
            layout: "of the network itself".to_owned(),
            ..Misfit::default()
        },
    };
    let module = module.map(&mut writer);
    let Writer {
        seen, mut misfit, ..
    } = writer;
    let unexpected = tensors.keys().filter(|name| !seen.contains(*name));
    misfit.unexpected = unexpected.cloned().collect();
    if misfit.is_empty() {
        Ok(module)
    } else {
        Err(Box::new(misfit))
    }
}

/// The parameters of a module by name. Waits for the device.
pub fn tensors_of<B: Backend, M: Module<B>>(module: &M) -> Tensors {
    let mut reader = Reader {
        path: Vec::new(),
        found: Tensors::new(),
    };
    module.visit(&mut reader);
    reader.found
}

/// The module with its parameters in another type of floating-point numbers.
pub fn cast<B: Backend, M: Module<B>>(module: M, dtype: DType) -> M {
    struct Cast(DType);

    impl<B: Backend> ModuleMapper<B> for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            param.map(|tensor| tensor.cast(self.0))
        }
    }

    module.map(&mut Cast(dtype))
}

struct Writer<'a> {
    path: Vec<String>,
    tensors: &'a Tensors,
    seen: BTreeSet<String>,
    misfit: Misfit,
}

impl<B: Backend> ModuleMapper<B> for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let name = self.path.join(".");
        let shape = param.val().dims();
        let param = match self.tensors.get(&name) {
            None => {
                self.misfit.missing.push(name.clone());
                param
            }
            Some(tensor) if tensor.shape != shape => {
                self.misfit.check_shape(&name, &tensor.shape, &shape);
                param
            }
            Some(tensor) => param.map(|old| {
                let data = TensorData::new(tensor.values.clone(), Shape::from(shape));
                let data = data.convert_dtype(old.dtype());
                let new = Tensor::from_data(data, (&old.device(), old.dtype()));
                new.set_require_grad(old.is_require_grad())
            }),
        };
        self.seen.insert(name);
        param
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

struct Reader {
    path: Vec<String>,
    found: Tensors,
}

impl<B: Backend> ModuleVisitor<B> for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        let shape = value.dims().to_vec();
        let values = value.into_data().convert::<f32>().into_vec::<f32>();
        let values = values.expect("converted to f32 just now");
        let tensor = Array::new(shape, values);
        self.found.insert(self.path.join("."), tensor);
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;
    use pyroclast_models::{Init, Mlp, MlpConfig};

    fn network(seed: u64) -> Mlp<NdArray> {
        let device = Default::default();
        MlpConfig::new(2).init(&mut Init::new(Noise::new(seed), &device))
    }

    #[test]
    fn tensors_move_from_one_module_to_another() {
        let tensors = tensors_of::<NdArray, _>(&network(1));
        let moved = load::<NdArray, _>(network(2), &tensors).expect("the same structure");
        assert_eq!(tensors_of::<NdArray, _>(&moved), tensors);
    }

    #[test]
    fn tensors_of_another_module_are_refused_by_name() {
        let mut tensors = tensors_of::<NdArray, _>(&network(1));
        tensors.remove("layers.0.bias");
        tensors.insert("more".into(), Array::new(vec![1], vec![0.0]));
        tensors.insert("layers.1.bias".into(), Array::new(vec![1], vec![0.0]));
        let misfit = load::<NdArray, _>(network(2), &tensors).expect_err("three differences");
        assert_eq!(misfit.missing, ["layers.0.bias"]);
        assert_eq!(misfit.unexpected, ["more"]);
        assert_eq!(misfit.shapes, [("layers.1.bias".into(), vec![1], vec![64])]);
    }
}
