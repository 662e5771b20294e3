//! The subcommands, one file each.

pub(crate) mod classifier;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod distance;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod methods;
pub(crate) mod presets;
pub(crate) mod sample;
pub(crate) mod train;
