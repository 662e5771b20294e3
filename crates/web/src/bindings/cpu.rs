//! The module for the CPU.

use super::{WebRequest, numbers, sentence, showing};
use crate::Session;
use burn_flex::Flex;
use js_sys::{Float64Array, Function};
use wasm_bindgen::prelude::*;

/// A model in memory.
#[wasm_bindgen(js_name = Session)]
pub struct WebSession(Session);

#[wasm_bindgen(js_class = Session)]
impl WebSession {
    /// Reads and checks the bytes of a model file.
    pub fn open(name: &str, bytes: &[u8]) -> Result<Self, JsError> {
        Session::open(name, bytes).map(Self).map_err(sentence)
    }

    /// What the model is, as JSON.
    pub fn about(&self) -> Result<String, JsError> {
        let about = self.0.about::<Flex>(&Default::default());
        let json = |about| serde_json::to_string(&about).expect("plain values");
        about.map(json).map_err(sentence)
    }

    /// Draws samples, in the units of the data; `see` is called with the time and the values of
    /// every state, on the model's scale. The first number of the result is the number of
    /// evaluations per sample.
    pub fn sample(&self, request: &WebRequest, see: &Function) -> Result<Float64Array, JsError> {
        let (device, see) = (Default::default(), &mut showing(see));
        numbers(self.0.sample::<Flex>(&request.0, &device, see))
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
