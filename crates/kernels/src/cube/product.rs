//! Products of matrices in the precision that is asked for.

use super::elementwise::{Work, empty_like};
use crate::precision::Precision;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::kernel::cast;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::client::ComputeClient;
use cubecl::ir::StorageType;
use cubecl::ir::features::TypeUsage;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::std::InputBinding;

/// A tensor as it enters products.
#[derive(Debug, Clone)]
pub(crate) struct Factor<R: CubeRuntime> {
    /// In bf16 where the device multiplies that.
    pub(super) x: CubeTensor<R>,
    precision: Precision,
}

impl<R: CubeRuntime> Factor<R> {
    /// Rounds once, for all products that it enters.
    pub(super) fn of(x: CubeTensor<R>, precision: Precision) -> Self {
        let x = match precision {
            Precision::Bf16 if multiplies_bf16(&x.client) => cast(x, DType::BF16),
            Precision::Bf16 => rounded(x),
            _ => x,
        };
        Self { x, precision }
    }

    /// Another view of the same numbers.
    pub(super) fn seen(&self, f: impl FnOnce(CubeTensor<R>) -> CubeTensor<R>) -> Self {
        Self {
            x: f(self.x.clone()),
            precision: self.precision,
        }
    }

    /// The numbers in single precision, as they were rounded.
    pub(super) fn single(&self) -> CubeTensor<R> {
        cast(self.x.clone(), DType::F32)
    }

    /// Whether matrix units have to be avoided: they would round it to TF32.
    pub(super) fn is_exact(&self) -> bool {
        self.precision == Precision::F32
    }

    /// `self·w`, in single precision.
    pub(super) fn times<F, I, T>(&self, w: &Self) -> CubeTensor<R>
    where
        F: FloatElement,
        I: IntElement,
        T: BoolElement,
        CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let [x, w] = [self, w].map(|factor| factor.x.clone());
        let (shape, last) = (x.shape(), x.shape().num_dims() - 1);
        if self.is_exact() {
            let mut shape = shape;
            shape[last] = w.shape()[last];
            return exactly(x, w, shape);
        }
        if x.dtype == DType::F32 {
            return CubeBackend::<R, F, I, T>::float_matmul(x, w);
        }
        let product = matmul(x, w, None, MatmulStrategy::Cube, DType::F32);
        product.expect("bf16, which the device multiplies")
    }
}

/// A product as an operation on the tape.
#[derive(Debug, Clone)]
pub(super) struct Product(pub(super) Precision);

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 2> for Product
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = [Factor<R>; 2];

    fn forward(&self, inputs: [CubeTensor<R>; 2]) -> (CubeTensor<R>, Self::Saved) {
        let [x, w] = inputs.map(|factor| Factor::of(factor, self.0));
        (x.times::<F, I, T>(&w), [x, w])
    }

    fn backward(
        &self,
        [x, w]: Self::Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 2],
    ) -> [Option<CubeTensor<R>>; 2] {
        let gradient = Factor::of(gradient, self.0);
        let turned = |factor: &Factor<R>| factor.seen(CubeBackend::<R, F, I, T>::float_transpose);
        let dx = wanted[0].then(|| gradient.times::<F, I, T>(&turned(&w)));
        let dw = wanted[1].then(|| turned(&x).times::<F, I, T>(&gradient));
        [dx, dw]
    }
}

/// Whether there are matrix units for bf16.
pub(super) fn multiplies_bf16<R: CubeRuntime>(client: &ComputeClient<R>) -> bool {
    let bf16: StorageType = DType::BF16.into();
    // CubeCL lists older units for bf16 too, but only those of Ampere and later can load it.
    let mut units = client.properties().features.matmul.mma.iter();
    let is_stored = client
        .properties()
        .type_usage(bf16)
        .contains(TypeUsage::Buffer);
    is_stored && units.any(|unit| unit.a_type == bf16)
}

/// A product without matrix units.
fn exactly<R: CubeRuntime>(x: CubeTensor<R>, w: CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    let (client, dtype) = (x.client.clone(), x.dtype);
    let out = empty_device_dtype(client.clone(), x.device.clone(), shape, dtype);
    let launch = |strategy: &Strategy| {
        let input = |x: &CubeTensor<R>| InputBinding::new(x.clone().binding(), dtype.into());
        let mut dtypes = MatmulElems::from_globals(&MatmulGlobalElems {
            lhs: dtype.into(),
            rhs: dtype.into(),
            out: dtype.into(),
        });
        let [x, w] = [&x, &w].map(input);
        launch_ref(strategy, &client, x, w, out.clone().binding(), &mut dtypes)
    };
    // Not `DoubleUnit`: with cubek 0.2 its products of some odd sizes are wrong.
    let done =
        launch(&Strategy::SimpleUnit(Default::default())).or_else(|_| launch(&Strategy::Naive));
    done.expect("a product by single units");
    out
}

/// The nearest numbers of bf16, in single precision.
fn rounded<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let (y, work) = (empty_like(&x), Work::of(&x));
    round::launch(
        &x.client.clone(),
        work.count,
        work.dim,
        x.into_linear_view(),
        y.clone().into_linear_view(),
    );
    y
}

/// To the nearest, ties to even: the upper half of the bits, with a carry from the lower half.
#[cube(launch)]
fn round(x: &LinearView<f32>, y: &mut LinearView<f32, ReadWrite>) {
    if !y.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    let bits = u32::reinterpret(x[ABSOLUTE_POS]);
    let even = (bits >> 16u32) & 1u32;
    let mut nearest = (bits + 0x7fffu32 + even) & 0xffff_0000u32;
    // No carry makes a number of what is none.
    if (bits & 0x7fff_ffffu32) > 0x7f80_0000u32 {
        nearest = bits;
    }
    y[ABSOLUTE_POS] = f32::reinterpret(nearest);
}
