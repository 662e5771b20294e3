//! A tensor that two operations take, whose gradients are added in the order of memory.
//!
//! burn adds them in the order of their shape, where neighbouring units would read far apart.

use super::order::Order;
use crate::tape::parts::Parted;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};

#[derive(Debug, Clone)]
pub(super) struct Fork;

impl<R, F, I, T> Parted<CubeBackend<R, F, I, T>> for Fork
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    fn forward(&self, x: CubeTensor<R>) -> Vec<CubeTensor<R>> {
        vec![x.clone(), x]
    }

    fn backward(&self, gradients: Vec<Option<CubeTensor<R>>>) -> CubeTensor<R> {
        let sum = gradients.into_iter().flatten().reduce(|a, b| {
            let order = Order::of(&a);
            let [a, b] = [a, b].map(|x| order.view(x));
            order.back(CubeBackend::<R, F, I, T>::float_add(a, b))
        });
        sum.expect("a value with a gradient")
    }
}
