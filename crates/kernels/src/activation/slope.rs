//! The derivative of an activation, for tangents that are carried along.

use super::gelu_tanh::{CUBE, SLOPE};
use super::selu;
use crate::activation::Activation;
use burn::tensor::Tensor;
use burn::tensor::activation::tanh;
use burn::tensor::backend::Backend;
use std::f64::consts::{FRAC_1_SQRT_2, TAU};

impl Activation {
    /// The derivative of the function at each number of a tensor.
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn_ndarray::NdArray;
    /// use pyroclast_kernels::Activation;
    ///
    /// let x = Tensor::<NdArray, 1>::from_data([-1.0, 2.0], &Default::default());
    /// let slope = Activation::Relu.slope(x).into_data().to_vec::<f32>().unwrap();
    /// assert_eq!(slope, [0.0, 1.0]);
    /// ```
    pub fn slope<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Identity => x.ones_like(),
            Self::Selu => {
                let below = x.clone().lower_equal_elem(0.0);
                // Without the bound, the exponential of a large number would be infinite.
                let slope = x.clone().clamp_max(0.0).exp() * selu::BELOW;
                x.full_like(selu::SCALE).mask_where(below, slope)
            }
            Self::Silu => {
                // burn's sigmoid computes in single precision.
                let s = ((x.clone() * -1.0).exp() + 1.0).recip();
                s.clone() * (x * (s * -1.0 + 1.0) + 1.0)
            }
            Self::Gelu => {
                let density = (x.clone().square() * -0.5).exp() * TAU.sqrt().recip();
                ((x.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5 + x * density
            }
            Self::GeluTanh => {
                let square = x.clone().square();
                let y = tanh((square.clone() * CUBE + 1.0) * x.clone() * SLOPE);
                let inner = (square * (3.0 * CUBE) + 1.0) * SLOPE;
                (y.clone() + 1.0) * 0.5 + x * (y.square() * -1.0 + 1.0) * inner * 0.5
            }
            Self::Relu => {
                let dtype = x.dtype();
                x.greater_elem(0.0).float().cast(dtype)
            }
            Self::Tanh => tanh(x).square() * -1.0 + 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    #[test]
    fn it_is_the_slope_of_the_function() {
        let device = Default::default();
        let x = [-9.0, -1.3, -0.2, 0.4, 2.0, 30.0];
        let x = Tensor::<NdArray, 1>::from_data(x, (&device, DType::F64));
        for (name, activation) in Activation::ALL {
            let h = 1e-5;
            let [up, down] = [h, -h].map(|h| activation.forward(x.clone() + h));
            let difference = (up - down) * (0.5 / h);
            let errors = (activation.slope(x.clone()) - difference).abs().into_data();
            for error in errors.iter::<f64>() {
                assert!(error < 1e-9, "{name}: {error}");
            }
        }
    }
}
