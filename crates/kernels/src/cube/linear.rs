//! A linear layer with its activation: the product and one launch forward; backward the products,
//! and one launch for everything before them, or two where there are many rows.
//!
//! `z = x·W`, `y = act(z + b)`; `dz = g·act'(z + b)`, `dx = dz·Wᵀ`, `dW = xᵀ·dz`, `db = Σ dz`
//!
//! The rows of all samples are one matrix. As a batch of small ones the products would leave most
//! of a GPU idle, and every sample would have a dW of its own.

use super::activation::{slope, value};
use super::columns::{Columns, Sizes, TEAMS, part, shared, sum_groups, sum_rows, total};
use super::elementwise::{Work, empty_like};
use super::product::Factor;
use crate::activation::Activation;
use crate::precision::Precision;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

#[derive(Debug, Clone)]
pub(super) struct Linear {
    pub(super) activation: Activation,
    pub(super) precision: Precision,
}

/// What the backward needs.
#[derive(Debug, Clone)]
pub(crate) struct Saved<R: CubeRuntime> {
    x: Factor<R>,
    weight: Factor<R>,
    /// `x·W` and b, where there is an activation.
    z: Option<[CubeTensor<R>; 2]>,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for Linear
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = Saved<R>;

    fn forward(&self, [x, weight, bias]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Saved<R>) {
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        let inputs = shape[last];
        let rows = shape.num_elements() / inputs;
        shape[last] = weight.shape()[1];
        let x = CubeBackend::<R, F, I, T>::float_reshape(x, Shape::from([rows, inputs]));
        let [x, weight] = [x, weight].map(|factor| Factor::of(factor, self.precision));
        let z = x.times::<F, I, T>(&weight);
        let (y, work) = (empty_like(&z), Work::of(&z));
        finish::launch(
            &z.client,
            work.count,
            work.dim,
            z.clone().into_linear_view(),
            bias.clone().into_linear_view(),
            y.clone().into_linear_view(),
            shape[last],
            self.activation,
        );
        let z = (self.activation != Activation::Identity).then_some([z, bias]);
        let y = CubeBackend::<R, F, I, T>::float_reshape(y, shape);
        (y, Saved { x, weight, z })
    }

    fn backward(
        &self,
        Saved { x, weight, z }: Saved<R>,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        type B<R, F, I, T> = CubeBackend<R, F, I, T>;
        let shape = gradient.shape();
        let [inputs, width] = [weight.x.shape()[0], weight.x.shape()[1]];
        let rows = x.x.shape()[0];
        let gradient = B::<R, F, I, T>::float_reshape(gradient, Shape::from([rows, width]));
        let (dz, db) = match z {
            None => {
                let db = wanted[2].then(|| sum_rows(gradient.clone()));
                (gradient, db)
            }
            Some([z, bias]) => {
                let columns = Columns::cut(rows, width);
                let (dz, sums) = (empty_like(&z), columns.sums(&z));
                pull::launch(
                    &z.client.clone(),
                    columns.count(&z),
                    Columns::dim(),
                    z.into_linear_view(),
                    bias.into_linear_view(),
                    gradient.into_linear_view(),
                    dz.clone().into_linear_view(),
                    sums.clone().into_linear_view(),
                    columns.sizes(),
                    self.activation,
                );
                (dz, wanted[2].then(|| sum_groups(sums)))
            }
        };
        let turned = |factor: &Factor<R>| factor.seen(B::<R, F, I, T>::float_transpose);
        let dz = Factor::of(dz, self.precision);
        let dx = wanted[0].then(|| {
            let mut shape = shape;
            let last = shape.num_dims() - 1;
            shape[last] = inputs;
            let dx = dz.times::<F, I, T>(&turned(&weight));
            B::<R, F, I, T>::float_reshape(dx, shape)
        });
        let dw = wanted[1].then(|| turned(&x).times::<F, I, T>(&dz));
        let db = db.map(|db| B::<R, F, I, T>::float_reshape(db, Shape::from([width])));
        [dx, dw, db]
    }
}

#[cube(launch)]
fn finish(
    z: &LinearView<f32>,
    bias: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    width: usize,
    #[comptime] activation: Activation,
) {
    if !y.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    y[ABSOLUTE_POS] = value(z[ABSOLUTE_POS] + bias[ABSOLUTE_POS % width], activation);
}

#[cube(launch)]
fn pull(
    z: &LinearView<f32>,
    bias: &LinearView<f32>,
    gradient: &LinearView<f32>,
    dz: &mut LinearView<f32, ReadWrite>,
    sums: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    #[comptime] activation: Activation,
) {
    let part = part(&sizes);
    let mut shared = shared::<f32>();
    let mut sum = 0.0f32;
    let mut shift = 0.0f32;
    if part.column < sizes.width {
        shift = bias[part.column];
    }
    for row in range_stepped(part.first, part.end, comptime![TEAMS]) {
        let at = row * sizes.width + part.column;
        let d = gradient[at] * slope(z[at] + shift, activation);
        dz[at] = d;
        sum += d;
    }
    let sum = total(sum, &mut shared);
    if part.writes {
        sums[part.group * sizes.width + part.column] = sum;
    }
}
