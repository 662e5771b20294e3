//! Guides for common beginnings. Their programs are compiled and run as tests.

#[doc = include_str!("../docs/guides/your-data.md")]
pub mod your_data {}

#[doc = include_str!("../docs/guides/your-network.md")]
pub mod your_network {}

#[doc = include_str!("../docs/guides/your-solver.md")]
pub mod your_solver {}

#[doc = include_str!("../docs/guides/from-pytorch.md")]
pub mod from_pytorch {}

#[doc = include_str!("../docs/guides/latents.md")]
pub mod latents {}

#[doc = include_str!("../docs/guides/few-steps.md")]
pub mod few_steps {}

#[doc = include_str!("../docs/guides/bridges.md")]
pub mod bridges {}

#[doc = include_str!("../docs/guides/web-page.md")]
pub mod web_page {}
