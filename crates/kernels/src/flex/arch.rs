//! The vectors of the processor at hand.

/// The widest that it has.
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
    use burn::tensor::{DType, Distribution, Tensor, TensorData};
    use burn_flex::{Flex, FlexDevice};
    use pulp::Arch;
    use std::cell::Cell;

    type A = Autodiff<Flex>;

    thread_local! {
        /// Vectors to run on in place of the widest.
        pub(super) static FORCED: Cell<Option<Arch>> = const { Cell::new(None) };
    }

    fn values(data: TensorData) -> Vec<f64> {
        data.convert::<f64>().into_vec().expect("converted before")
    }

    /// The outcome of every kernel that has a tile, and its gradients.
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
            <A as burn::tensor::backend::Backend>::seed(&FlexDevice, 7);
            let draw = |shape: [usize; 4]| {
                let x = Tensor::<A, 4>::random(shape, Distribution::Default, &FlexDevice);
                x.cast(dtype).require_grad()
            };
            let (x, weight) = (draw(x), draw([outputs, x[1], side, side]));
            let bias = draw([outputs, 1, 1, 1]);
            let window = Window {
                stride,
                padding: side / 2,
            };
            let y = conv2d(
                x.clone(),
                weight.clone(),
                bias.clone().reshape([outputs]),
                window,
            );
            let gain = Tensor::<A, 2>::ones([1, outputs], &FlexDevice).cast(dtype);
            let grouping = Grouping {
                groups: 1,
                epsilon: 1e-5,
                silu: true,
            };
            let y = group_norm(y, gain.clone(), gain, grouping);
            all.push(values(y.to_data()));
            let gradients = (y.clone() * y).sum().backward();
            for leaf in [x, weight, bias] {
                all.push(values(leaf.grad(&gradients).expect("tracked").to_data()));
            }
        }
        let rows = Tensor::<Flex, 2>::random([13, 9], Distribution::Default, &FlexDevice);
        let weight = Tensor::<Flex, 2>::random([9, 37], Distribution::Default, &FlexDevice);
        let bias = Tensor::<Flex, 1>::random([37], Distribution::Default, &FlexDevice);
        let (rows, weight, bias) = (rows.cast(dtype), weight.cast(dtype), bias.cast(dtype));
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
