//! Linear combinations of tensors.

use crate::order::in_order;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The linear combination of a tensor and weighted terms, in one pass over memory.
///
/// `y = x + Σ_i w_i·k_i`
///
/// Terms of weight 0 are left out. The sum is taken from left to right. On flex it has the bits of
/// the composed operations, and is written over x if nothing else holds x. On GPUs, where no
/// gradient is wanted, four terms take one launch, and products and sums may be rounded together.
///
/// # Shapes
/// - x, every k and the output: all the same
///
/// # Panics
/// If a shape or a float type differs.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::combine;
///
/// let of = |x: [f32; 2]| Tensor::<Flex, 1>::from_floats(x, &Default::default());
/// // A step of Heun's method, from two slopes.
/// let (x, k1, k2) = (of([0.0, 1.0]), of([2.0, 2.0]), of([4.0, 0.0]));
/// let y = combine(x, &[(0.25, &k1), (0.25, &k2)]);
/// assert_eq!(y.into_data(), TensorData::from([1.5_f32, 1.5]));
/// ```
pub fn combine<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    terms: &[(f64, &Tensor<B, D>)],
) -> Tensor<B, D> {
    for (_, k) in terms {
        assert_eq!(k.dims(), x.dims(), "every term has the shape of x");
        assert_eq!(k.dtype(), x.dtype(), "every term has the float type of x");
    }
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::combine(x, terms);
    }
    let terms = terms.iter().filter(|(w, _)| *w != 0.0);
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_untracked::<B>(&[x.dtype()]) && x.shape().num_elements() > 0 {
        let terms: Vec<_> = terms.copied().collect();
        return match terms.is_empty() {
            true => x,
            false => crate::cube::combine(x, &terms),
        };
    }
    terms.fold(x, |sum, (w, k)| {
        in_order([sum, (*k).clone()], |[sum, k]| match *w {
            1.0 => sum + k,
            w => sum + k * w,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::tensor::{Distribution, TensorData};
    use burn_flex::Flex;
    use burn_ndarray::NdArray;

    fn data(seed: usize, shape: [usize; 2]) -> TensorData {
        let n = shape[0] * shape[1];
        let value = |i: usize| ((i * 37 + seed * 101) % 97) as f32 / 48.0 - 1.0;
        TensorData::new((0..n).map(value).collect::<Vec<_>>(), shape)
    }

    fn combined<B: Backend>(shape: [usize; 2], transpose: bool) -> TensorData {
        let tensor = |seed| {
            let x = Tensor::<B, 2>::from_data(data(seed, shape), &Default::default());
            if transpose { x.transpose() } else { x }
        };
        let (x, k) = (tensor(0), [tensor(1), tensor(2), tensor(3)]);
        combine(x, &[(0.25, &k[0]), (0.0, &k[1]), (-1.5, &k[2])]).into_data()
    }

    #[test]
    fn the_fused_sum_is_the_composed_one_to_the_bit() {
        for shape in [[3, 5], [700, 301]] {
            for transpose in [false, true] {
                let (fused, composed) = (
                    combined::<Flex>(shape, transpose),
                    combined::<NdArray>(shape, transpose),
                );
                assert_eq!(fused, composed);
            }
        }
    }

    #[test]
    fn its_gradient_is_its_weights() {
        type A = Autodiff<Flex>;
        let device = Default::default();
        let leaf = |seed| Tensor::<A, 2>::from_data(data(seed, [4, 3]), &device).require_grad();
        let (x, a, b) = (leaf(0), leaf(1), leaf(2));
        let cotangent = Tensor::<A, 2>::from_data(data(9, [4, 3]), &device);
        // The same tensor twice: its two shares add up.
        let y = combine(x.clone(), &[(2.0, &a), (3.0, &b), (0.5, &a)]);
        let grads = (y * cotangent.clone()).sum().backward();
        let cotangent = cotangent.inner();
        let close = |got: Option<Tensor<Flex, 2>>, factor: f64| {
            let got = got.expect("a tracked leaf").into_data();
            let expected = (cotangent.clone() * factor).into_data();
            got.assert_approx_eq::<f32>(&expected, burn::tensor::Tolerance::absolute(1e-6));
        };
        close(x.grad(&grads), 1.0);
        close(a.grad(&grads), 2.5);
        close(b.grad(&grads), 3.0);
    }

    #[test]
    fn what_nobody_else_holds_is_overwritten() {
        let device = Default::default();
        let address = |x: &Tensor<Flex, 1>| {
            let primitive = x.clone().into_primitive().tensor();
            primitive.bytes().as_ptr()
        };
        let x = Tensor::<Flex, 1>::from_floats([1.0, 2.0, 3.0], &device);
        let k = Tensor::<Flex, 1>::from_floats([1.0, 1.0, 1.0], &device);
        let held = x.clone();
        let y = combine(x, &[(2.0, &k)]);
        assert_ne!(address(&y), address(&held));
        assert_eq!(held.into_data(), TensorData::from([1.0_f32, 2.0, 3.0]));
        let before = address(&y);
        let z = combine(y, &[(2.0, &k)]);
        assert_eq!(address(&z), before);
        assert_eq!(z.into_data(), TensorData::from([5.0_f32, 6.0, 7.0]));
    }

    #[test]
    fn a_part_of_a_tensor_leaves_the_rest_as_it_is() {
        let device = Default::default();
        let whole = Tensor::<Flex, 1>::from_floats([1.0, 2.0, 3.0, 4.0], &device);
        let part = whole.narrow(0, 1, 2);
        let k = Tensor::<Flex, 1>::from_floats([10.0, 20.0], &device);
        let sum = combine(part, &[(1.0, &k)]);
        assert_eq!(sum.into_data(), TensorData::from([12.0_f32, 23.0]));
    }

    #[test]
    fn many_terms_are_as_good_as_few() {
        type A = Autodiff<Flex>;
        let device = Default::default();
        let x = Tensor::<A, 1>::from_floats([1.0, 2.0], &device).require_grad();
        let k = Tensor::<A, 1>::from_floats([0.5, 1.0], &device).require_grad();
        let terms = vec![(2.0, &k); 40];
        let y = combine(x.clone(), &terms);
        assert_eq!(y.to_data(), TensorData::from([41.0_f32, 82.0]));
        let grads = y.sum().backward();
        let at_k = k.grad(&grads).expect("tracked").into_data();
        assert_eq!(at_k, TensorData::from([80.0_f32, 80.0]));
        assert!(x.grad(&grads).is_some());
    }

    #[test]
    fn nothing_is_tracked_that_needs_no_gradient() {
        type A = Autodiff<Flex>;
        let device = Default::default();
        let x = Tensor::<A, 2>::random([2, 2], Distribution::Default, &device);
        let k = x.clone().require_grad();
        assert!(!combine(x.clone(), &[(1.0, &x)]).is_require_grad());
        let grads = combine(x, &[(1.0, &k)]).sum().backward();
        assert!(k.grad(&grads).is_some());
    }
}
