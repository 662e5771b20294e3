//! The module for GPUs, by WebGPU.

use super::{WebRequest, numbers, sentence, showing};
use crate::Session;
use burn_wgpu::graphics::WebGpu as Browser;
use burn_wgpu::{WebGpu, WgpuDevice, init_setup_async};
use js_sys::{Float64Array, Function};
use std::cell::OnceCell;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

thread_local! {
    /// The device of the worker, which is set up once.
    static DEVICE: OnceCell<WgpuDevice> = const { OnceCell::new() };
}

#[wasm_bindgen]
extern "C" {
    /// The worker's own function, which is told why the device went away.
    #[wasm_bindgen(js_name = pyroclastLost)]
    fn lost(reason: &str);
}

/// Sets up the GPU that the browser prefers.
///
/// It is a trap if the browser has no GPU for pages.
#[wasm_bindgen]
pub async fn start() {
    let device = WgpuDevice::DefaultDevice;
    let setup = init_setup_async::<Browser>(&device, Default::default()).await;
    setup
        .device
        .set_device_lost_callback(|_, reason| lost(&reason));
    // Where memory is short or a kernel is refused, buffers stay as they were: no samples.
    let refused = |error: wgpu_29::Error| lost(&error.to_string());
    setup.device.on_uncaptured_error(Arc::new(refused));
    DEVICE.with(|cell| cell.set(device)).expect("one start");
}

/// A model in memory.
#[wasm_bindgen(js_name = Session)]
pub struct WebSession(Session);

#[wasm_bindgen(js_class = Session)]
impl WebSession {
    /// Reads and checks the bytes of a model file.
    pub fn open(name: &str, bytes: &[u8]) -> Result<Self, JsError> {
        Session::open(name, bytes).map(Self).map_err(sentence)
    }

    /// As for the CPU, in a promise. The device has to be there.
    pub async fn sample(
        &self,
        request: &WebRequest,
        see: Function,
    ) -> Result<Float64Array, JsError> {
        let device = DEVICE.with(|cell| cell.get().cloned()).unwrap_or_default();
        let see = &mut showing(&see);
        numbers(
            self.0
                .sample_async::<WebGpu>(&request.0, &device, see)
                .await,
        )
    }
}
