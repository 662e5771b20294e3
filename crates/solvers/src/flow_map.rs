//! Methods of few steps: jumps along a flow map, which a model has learned or a solver makes.
//!
//! `x_s = X(t, s, x_t)`
//!
//! A [`FlowMap`](pyroclast_core::flow_map::FlowMap) leads from noise to data at once; more steps
//! divide the way, and make up for errors of what was learned. [`SolvedMap`] is the map of any
//! velocity field, by a method for ODEs.

mod solved;

pub use solved::SolvedMap;

use crate::entry::{PLAIN, methods};

methods! {
    mod jump: Jump;
    /// Jumps from each time to the next along the flow map (Boffi et al. 2024; Geng et al. 2025).
    FLOW_MAP: FlowMap {
        name: "flow-map",
        aliases: &["mean-flow", "shortcut"],
        ..PLAIN
    } |_| Jump;

    mod renoise: Renoise;
    /// Jumps to the data from each time, and adds the noise of the next (Song et al. 2023).
    RENOISE: FlowMap {
        name: "renoise",
        aliases: &["consistency"],
        ..PLAIN
    } |s| Renoise { brownian: s.increments(0) };
}
