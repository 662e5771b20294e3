//! What JavaScript calls: a [`Session`](crate::Session) on one backend. One module is for the CPU,
//! and answers everything; one for GPUs only draws samples.

// What is exported to JavaScript has to be public, and no crate can reach it.
#![allow(unreachable_pub)]

#[cfg(not(feature = "webgpu"))]
mod cpu;
#[cfg(feature = "webgpu")]
mod gpu;

use crate::{Drawn, Request, SessionError};
use js_sys::{Float32Array, Float64Array, Function};
use wasm_bindgen::prelude::*;

/// An error, as the sentence that the page shows.
fn sentence(error: SessionError) -> JsError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    JsError::new(&text)
}

/// A request as a page makes it: a negative class asks for all classes in turn.
#[wasm_bindgen(js_name = Request)]
pub struct WebRequest(Request);

#[wasm_bindgen(js_class = Request)]
impl WebRequest {
    /// A request.
    #[wasm_bindgen(constructor)]
    pub fn new(
        n: usize,
        class: i32,
        method: String,
        steps: usize,
        guidance: f64,
        seed: u32,
    ) -> Self {
        Self(Request {
            n,
            class: u32::try_from(class).ok(),
            method,
            steps,
            guidance,
            seed: u64::from(seed),
        })
    }
}

/// Tells JavaScript every state of a draw: its time and its values.
fn showing(see: &Function) -> impl FnMut(f64, &[f32]) {
    |t, values| {
        // What the page does with a state cannot stop the draw.
        let _ = see.call2(&JsValue::NULL, &t.into(), &Float32Array::from(values));
    }
}

/// The evaluations per sample, then the samples in the units of the data.
fn numbers(drawn: Result<Drawn, SessionError>) -> Result<Float64Array, JsError> {
    let drawn = drawn.map_err(sentence)?;
    let numbers = Float64Array::new_with_length(drawn.samples.len() as u32 + 1);
    numbers.set_index(0, drawn.evaluations as f64);
    numbers.set(&Float64Array::from(&drawn.samples[..]), 1);
    Ok(numbers)
}
