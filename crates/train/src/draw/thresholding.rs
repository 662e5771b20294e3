//! The values of dynamic thresholding.

use super::SampleError;

/// Dynamic thresholding of the denoised data: `x̂1 ← clamp(x̂1, −s, s)/s`, where s is a quantile of
/// `|x̂1|` per sample, at least 1 ([`Thresholded`](pyroclast_core::guidance::Thresholded)).
///
/// Source: Saharia et al. 2022 (Imagen), §2.3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholding {
    /// p of the quantile, in [0, 1].
    pub ratio: f64,
    /// The largest s, 1 or more; infinite for no bound.
    pub most: f64,
}

impl Thresholding {
    /// Imagen's p, which is diffusers' `dynamic_thresholding_ratio` as well.
    pub const RATIO: f64 = 0.995;

    /// Checks both values.
    ///
    /// # Errors
    /// [`SampleError::ThresholdingRatio`], [`SampleError::SampleMaxValue`].
    pub(super) fn check(self) -> Result<(), SampleError> {
        if !(0.0..=1.0).contains(&self.ratio) {
            return Err(SampleError::ThresholdingRatio(self.ratio));
        }
        // A comparison that an undefined number fails.
        if self.most >= 1.0 {
            Ok(())
        } else {
            Err(SampleError::SampleMaxValue(self.most))
        }
    }
}

/// Imagen's quantile, without a bound.
impl Default for Thresholding {
    fn default() -> Self {
        Self {
            ratio: Self::RATIO,
            most: f64::INFINITY,
        }
    }
}
