//! Flow matching and diffusion models on any burn backend: train, sample, evaluate.
//!
//! A flow carries noise to data: `dX = u_t(X) dt` from `x_0 ~ N(0, I)` to `x_1 ~ data`. Training regresses a network on the
//! velocity of random paths `x_t = α(t)·x1 + σ(t)·x0`; sampling integrates the network. Everything is generic over burn's
//! `Backend`, so the same code runs on a CPU, on any GPU through wgpu, and on CUDA.
//!
//! | here | in papers | is |
//! |---|---|---|
//! | `t` | t, 1 − t | time: 0 is noise, 1 is data |
//! | `x0`, `x1`, `x_t` | ε, x, z_t | source, data, a state on the path |
//! | `alpha`, `sigma` | α_t, σ_t | scales of signal and noise |
//! | `velocity` | u_t, v_θ | dX/dt |
//! | `denoise` | D_θ, x̂ | E[x1 given x_t] |
//! | `noise` | ε_θ | E[x0 given x_t] |
//! | `score` | s_θ | ∇ log p_t |
//! | `evaluations` | NFE | calls of the network |
//!
//! - [`core`]: schedules, paths, couplings, predictions, losses, noise, exact fields
//! - [`kernels`]: fused tensor operations with a fast CPU path
//! - [`models`]: MLP and UNet
//! - [`solvers`]: ODE and SDE integrators
//! - [`train`]: datasets, the training loop, checkpoints, samplers
//! - [`metrics`]: W2, Fréchet distance, likelihood and other scores

pub use pyroclast_core as core;
pub use pyroclast_kernels as kernels;
pub use pyroclast_metrics as metrics;
pub use pyroclast_models as models;
pub use pyroclast_solvers as solvers;
pub use pyroclast_train as train;
