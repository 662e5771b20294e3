//! What JavaScript calls: a [`Session`](crate::Session) on the CPU backend.

// What is exported to JavaScript has to be public, and no crate can reach it.
#![allow(unreachable_pub)]

use crate::{Request, Session, SessionError};
use burn_flex::Flex;
use js_sys::{Float32Array, Float64Array, Function};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// A model in memory.
#[wasm_bindgen(js_name = Session)]
pub struct WebSession(Session);

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

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values")
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

#[wasm_bindgen(js_class = Session)]
impl WebSession {
    /// Reads and checks the bytes of a model file.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, bytes: &[u8]) -> Result<Self, JsError> {
        Session::open(name, bytes).map(Self).map_err(sentence)
    }

    /// What the model is, as JSON.
    pub fn about(&self) -> Result<String, JsError> {
        let about = self.0.about::<Flex>(&Default::default());
        about.map(|about| json(&about)).map_err(sentence)
    }

    /// Draws samples, in the units of the data; `see` is called with the time and the values of
    /// every state, on the model's scale. The first number of the result is the number of
    /// evaluations per sample.
    pub fn sample(&self, request: &WebRequest, see: &Function) -> Result<Float64Array, JsError> {
        let show = &mut |t: f64, values: &[f32]| {
            // What the page does with a state cannot stop the draw.
            let _ = see.call2(&JsValue::NULL, &t.into(), &Float32Array::from(values));
        };
        let drawn = self.0.sample::<Flex>(&request.0, &Default::default(), show);
        let drawn = drawn.map_err(sentence)?;
        let numbers = Float64Array::new_with_length(drawn.samples.len() as u32 + 1);
        numbers.set_index(0, drawn.evaluations as f64);
        numbers.set(&Float64Array::from(&drawn.samples[..]), 1);
        Ok(numbers)
    }

    /// The velocity at points on the model's scale.
    pub fn velocity(
        &self,
        request: &WebRequest,
        t: f64,
        points: &[f32],
    ) -> Result<Vec<f32>, JsError> {
        let device = Default::default();
        let found = self.0.velocity::<Flex>(&request.0, t, points, &device);
        found.map_err(sentence)
    }

    /// The log-density of the samples at points of the plane.
    pub fn log_density(
        &self,
        request: &WebRequest,
        points: &[f32],
        tolerance: f64,
    ) -> Result<Vec<f64>, JsError> {
        let device = Default::default();
        let found = self
            .0
            .log_density::<Flex>(&request.0, points, tolerance, &device);
        found.map_err(sentence)
    }
}
