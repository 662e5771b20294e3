//! Losses, trainings and what they leave.
//!
//! One program, since most of its time is that of compiling the same networks.

mod averages;
mod checkpointing;
mod conditions;
mod few_step;
mod fuzz;
mod group;
mod linear_conditions;
mod losses;
mod precision;
mod resume;
