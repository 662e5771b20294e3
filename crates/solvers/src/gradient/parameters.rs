//! The gradients of a module's parameters, summed over segments.
//!
//! `∂L/∂θ = Σ_segments ∂L/∂θ`

use super::chain::Chain;
use burn::backend::Autodiff;
use burn::backend::autodiff::grads::Gradients;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::collections::HashSet;

/// Seeds each parameter with what has been found for it so far.
pub(super) fn seed<B: Backend, M: Module<Autodiff<B>>>(
    chain: Chain<B>,
    module: &M,
    found: &GradientsParams,
) -> Chain<B> {
    struct Seeder<'a, B: Backend> {
        chain: Option<Chain<B>>,
        found: &'a GradientsParams,
    }
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Seeder<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            if let Some(gradient) = self.found.get::<B, D>(param.id) {
                let chain = self.chain.take().expect("put back each time");
                self.chain = Some(chain.add(&param.val(), gradient));
            }
        }
    }
    let mut seeder = Seeder {
        chain: Some(chain),
        found,
    };
    module.visit(&mut seeder);
    seeder.chain.expect("put back each time")
}

/// The gradient of each parameter after a backward pass, which includes the seed.
pub(super) fn collect<B: Backend, M: Module<Autodiff<B>>>(
    module: &M,
    gradients: &Gradients,
) -> GradientsParams {
    struct Collector<'a> {
        gradients: &'a Gradients,
        found: GradientsParams,
    }
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Collector<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            if let Some(gradient) = param.val().grad(self.gradients) {
                self.found.register(param.id, gradient);
            }
        }
    }
    let mut collector = Collector {
        gradients,
        found: GradientsParams::new(),
    };
    module.visit(&mut collector);
    collector.found
}

/// The number of entries of all parameters that take gradients.
pub(super) fn count<B: Backend, M: Module<Autodiff<B>>>(module: &M) -> usize {
    struct Counter(usize);
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Counter {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            let value = param.val();
            if value.is_require_grad() {
                self.0 += value.shape().num_elements();
            }
        }
    }
    let mut counter = Counter(0);
    module.visit(&mut counter);
    counter.0
}

/// The gradients of those parameters in the order of the module's fields, zeros where there is
/// none. Notes in `used` which were found.
pub(super) fn flat<B: Backend, M: Module<Autodiff<B>>>(
    module: &M,
    gradients: &Gradients,
    used: &mut HashSet<ParamId>,
) -> Vec<Tensor<B, 1>> {
    struct Flattener<'a, B: Backend> {
        gradients: &'a Gradients,
        used: &'a mut HashSet<ParamId>,
        parts: Vec<Tensor<B, 1>>,
    }
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Flattener<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            let value = param.val();
            if !value.is_require_grad() {
                return;
            }
            let gradient = match value.grad(self.gradients) {
                Some(gradient) => {
                    self.used.insert(param.id);
                    gradient
                }
                None => value.inner().zeros_like(),
            };
            let n = gradient.shape().num_elements();
            self.parts.push(gradient.reshape([n]));
        }
    }
    let mut flattener = Flattener {
        gradients,
        used,
        parts: Vec::new(),
    };
    module.visit(&mut flattener);
    flattener.parts
}

/// The inverse of [`flat`] on a joined list, for the parameters that were found.
pub(super) fn unflat<B: Backend, M: Module<Autodiff<B>>>(
    module: &M,
    flat: Tensor<B, 1>,
    used: &HashSet<ParamId>,
) -> GradientsParams {
    struct Cutter<'a, B: Backend> {
        flat: Tensor<B, 1>,
        used: &'a HashSet<ParamId>,
        offset: usize,
        found: GradientsParams,
    }
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Cutter<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            let value = param.val();
            if !value.is_require_grad() {
                return;
            }
            let n = value.shape().num_elements();
            if self.used.contains(&param.id) {
                let part = self.flat.clone().narrow(0, self.offset, n);
                self.found.register(param.id, part.reshape(value.dims()));
            }
            self.offset += n;
        }
    }
    let mut cutter = Cutter {
        flat,
        used,
        offset: 0,
        found: GradientsParams::new(),
    };
    module.visit(&mut cutter);
    cutter.found
}
