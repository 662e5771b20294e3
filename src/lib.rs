//! Flow matching and diffusion models on any burn backend: train, sample, evaluate.
//!
//! A flow carries noise to data: `dX = u_t(X) dt` from `x_0 ~ N(0, I)` to `x_1 ~ data`. Training
//! regresses a network on the velocity of random paths `x_t = α(t)·x1 + σ(t)·x0`; sampling
//! integrates the network. Everything is generic over burn's `Backend`, so the same code runs on a
//! CPU, on any GPU through wgpu, and on CUDA.
//!
//! One dependency is enough. It re-exports [`burn`], and its features choose the [`backend`]s:
//!
//! ```toml
//! [dependencies]
//! pyroclast = { version = "0.1", features = ["wgpu"] }
//! ```
//!
//! ```
//! use pyroclast::backend::Flex;
//! use pyroclast::burn::tensor::Tensor;
//! use pyroclast::solvers::{HEUN, TimeGrid, integrate};
//!
//! // dx/dt = −x, from x = 1 at t = 0 to x = 1/e at t = 1
//! let x0 = Tensor::<Flex, 2>::ones([1, 1], &Default::default());
//! let field = |_: f64, x: Tensor<Flex, 2>| x.neg();
//! let x1 = integrate(&field, &HEUN, x0, &TimeGrid::uniform(0.0, 1.0, 100));
//! assert!((x1.into_scalar() - (-1_f32).exp()).abs() < 1e-4);
//! ```
//!
//! burn's derive macros name the crate `burn`; a file that derives `Module` therefore says
//! `use pyroclast::burn;`.
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
//! - [`models`]: MLP, UNet, transformer and autoencoders
//! - [`solvers`]: ODE and SDE integrators
//! - [`train`]: datasets, the training loop, checkpoints, samplers
//! - [`weights`]: networks of other projects, from their files and back
//! - [`metrics`]: W2, Fréchet distance, likelihood and other scores

pub mod backend;
pub mod guides;

pub use burn;
pub use pyroclast_core as core;
pub use pyroclast_data as data;
pub use pyroclast_kernels as kernels;
pub use pyroclast_metrics as metrics;
pub use pyroclast_models as models;
pub use pyroclast_solvers as solvers;
pub use pyroclast_train as train;
pub use pyroclast_weights as weights;
