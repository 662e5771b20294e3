//! Values of tensors on the host, read without waiting: in a browser nothing may wait for a device.

use burn::tensor::backend::{Backend, ExecutionError};
use burn::tensor::{Element, Tensor};

/// The device stopped before its values were read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the device has failed: {0}")]
pub struct DeviceError(String);

impl From<ExecutionError> for DeviceError {
    fn from(error: ExecutionError) -> Self {
        let (ExecutionError::WithContext { reason } | ExecutionError::Generic { reason, .. }) =
            error;
        // What follows the first line is a trace of the calls.
        let line = reason.lines().map(str::trim).find(|line| !line.is_empty());
        Self(line.unwrap_or("it gives no reason").to_owned())
    }
}

/// The values of a tensor, converted to this type, once the device has them.
pub(crate) async fn host<B: Backend, E: Element, const D: usize>(
    x: Tensor<B, D>,
) -> Result<Vec<E>, DeviceError> {
    let data = x.into_data_async().await?.convert::<E>();
    Ok(data.into_vec().expect("converted just now"))
}
