//! The gradients of a module's parameters, summed over segments.

use super::seed::Chain;
use burn::backend::Autodiff;
use burn::backend::autodiff::grads::Gradients;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

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

/// What a backward pass has left at each parameter, which holds the seed too.
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

/// Where the parameters of a module lie in one flat vector: for solvers that integrate their gradients along.
pub(super) fn count<B: Backend, M: Module<B>>(module: &M) -> usize {
    struct Counter(usize);
    impl<B: Backend> ModuleVisitor<B> for Counter {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0 += param.val().shape().num_elements();
        }
    }
    let mut counter = Counter(0);
    module.visit(&mut counter);
    counter.0
}

/// The gradients of all parameters in the order of the module's fields; zeros where there is none.
pub(super) fn flat<B: Backend, M: Module<Autodiff<B>>>(
    module: &M,
    gradients: &Gradients,
) -> Vec<Tensor<B, 1>> {
    struct Flattener<'a, B: Backend> {
        gradients: &'a Gradients,
        parts: Vec<Tensor<B, 1>>,
    }
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Flattener<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            let value = param.val();
            let gradient =
                (value.grad(self.gradients)).unwrap_or_else(|| value.clone().inner().zeros_like());
            let n = gradient.shape().num_elements();
            self.parts.push(gradient.reshape([n]));
        }
    }
    let mut flattener = Flattener {
        gradients,
        parts: Vec::new(),
    };
    module.visit(&mut flattener);
    flattener.parts
}

/// The inverse of [`flat`], joined.
pub(super) fn unflat<B: Backend, M: Module<Autodiff<B>>>(
    module: &M,
    flat: Tensor<B, 1>,
) -> GradientsParams {
    struct Cutter<B: Backend> {
        flat: Tensor<B, 1>,
        offset: usize,
        found: GradientsParams,
    }
    impl<B: Backend> ModuleVisitor<Autodiff<B>> for Cutter<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            let shape = param.val().dims();
            let n = shape.iter().product();
            let part = self.flat.clone().narrow(0, self.offset, n).reshape(shape);
            self.offset += n;
            self.found.register(param.id, part);
        }
    }
    let mut cutter = Cutter {
        flat,
        offset: 0,
        found: GradientsParams::new(),
    };
    module.visit(&mut cutter);
    cutter.found
}
