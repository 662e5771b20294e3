//! What a page shows of a model before it draws samples.

use serde::Serialize;

/// What a model is, and how it may be sampled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    /// The name of its data.
    pub name: String,
    /// The shape of one sample: `[dim]`, or `[channels, height, width]`.
    pub shape: Vec<usize>,
    /// The names of its classes; empty without classes.
    pub classes: Vec<String>,
    /// Whether samples may be guided: a network that knows samples only of a class has nothing to
    /// guide by.
    pub is_guided: bool,
    /// Whether the density of the samples can be computed: it has two numbers, and noise is normal.
    pub has_density: bool,
    /// The number of its parameters.
    pub parameters: u64,
    /// The method that it is sampled with by default.
    pub method: String,
    /// The default number of steps.
    pub steps: usize,
    /// The default weight of guidance.
    pub guidance: f64,
    /// The methods that run on this model with steps of a fixed grid.
    pub methods: Vec<MethodAbout>,
}

/// A method in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodAbout {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
}
