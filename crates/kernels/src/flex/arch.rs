//! The vectors of the processor at hand.

/// The widest vectors that the processor has.
#[inline(always)]
pub(super) fn arch() -> pulp::Arch {
    #[cfg(test)]
    if let Some(arch) = tests::FORCED.get() {
        return arch;
    }
    pulp::Arch::new()
}

#[cfg(test)]
mod tests {
    use crate::{Activation, Grouping, Window, conv2d, group_norm, linear};
    use burn::backend::Autodiff;
    use burn::tensor::backend::Backend;
    use burn::tensor::{DType, Tensor, TensorData};
    use burn_flex::{Flex, FlexDevice};
    use pulp::Arch;
    use std::cell::Cell;

    type A = Autodiff<Flex>;

    thread_local! {
        /// Vectors to run on instead of the widest.
        pub(super) static FORCED: Cell<Option<Arch>> = const { Cell::new(None) };
    }

    fn values(data: TensorData) -> Vec<f64> {
        data.convert::<f64>().into_vec().expect("converted before")
    }

    /// Numbers in (−½, ½) from a formula.
    fn numbers<B: Backend, const D: usize>(
        shape: [usize; D],
        seed: usize,
        dtype: DType,
    ) -> Tensor<B, D> {
        let at = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 10_007) as f64 / 10_007.0 - 0.5;
        let values: Vec<f64> = (0..shape.iter().product()).map(at).collect();
        let data = TensorData::new(values, shape).convert_dtype(dtype);
        Tensor::from_data(data, (&Default::default(), dtype))
    }

    /// The results of every kernel that uses tiles, with its gradients.
    fn outcomes(dtype: DType) -> Vec<Vec<f64>> {
        let mut all = Vec::new();
        for (x, [outputs, side], stride) in [
            ([3, 17, 8, 8], [22, 3], 1),
            ([1, 33, 4, 6], [64, 3], 1),
            ([9, 16, 2, 2], [17, 3], 1),
            ([2, 5, 7, 6], [6, 3], 1),
            ([3, 9, 8, 8], [1, 3], 2),
            ([2, 3, 5, 5], [9, 1], 1),
        ] {
            let weight = [outputs, x[1], side, side];
            let x = numbers::<A, 4>(x, 0, dtype).require_grad();
            let weight = numbers::<A, 4>(weight, 1, dtype).require_grad();
            let bias = numbers::<A, 1>([outputs], 2, dtype).require_grad();
            let window = Window {
                stride,
                padding: side / 2,
            };
            let y = conv2d(x.clone(), weight.clone(), bias.clone(), window);
            let gain = Tensor::<A, 2>::ones([1, outputs], &FlexDevice).cast(dtype);
            let grouping = Grouping {
                groups: 1,
                epsilon: 1e-5,
                silu: true,
            };
            let y = group_norm(y, gain.clone(), gain, grouping);
            all.push(values(y.to_data()));
            let gradients = (y.clone() * y).sum().backward();
            let leaves = [
                x.grad(&gradients).map(Tensor::into_data),
                weight.grad(&gradients).map(Tensor::into_data),
                bias.grad(&gradients).map(Tensor::into_data),
            ];
            all.extend(leaves.map(|leaf| values(leaf.expect("tracked"))));
        }
        let rows = numbers::<Flex, 2>([13, 9], 3, dtype);
        let weight = numbers::<Flex, 2>([9, 37], 4, dtype);
        let bias = numbers::<Flex, 1>([37], 5, dtype);
        let y = linear(rows, weight, bias, Activation::Silu);
        all.push(values(y.to_data()));
        all
    }

    fn on(arch: Arch, dtype: DType) -> Vec<Vec<f64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("a thread can be started").install(|| {
            FORCED.set(Some(arch));
            outcomes(dtype)
        })
    }

    #[test]
    fn vectors_of_any_width_give_the_same() {
        let narrower = [
            Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            pulp::x86::V3::try_new().map(Arch::V3),
        ];
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-12)] {
            let widest = on(Arch::new(), dtype);
            for arch in narrower.into_iter().flatten() {
                for (i, (a, b)) in on(arch, dtype).iter().zip(&widest).enumerate() {
                    let size = b.iter().fold(0.0_f64, |m, b| m.max(b.abs()));
                    for (a, b) in a.iter().zip(b) {
                        assert!((a - b).abs() <= tolerance * size, "{arch:?}, {i}: {a}, {b}");
                    }
                }
            }
        }
    }
}
