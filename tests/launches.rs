//! How many kernels a GPU is given per step of training and of sampling.
//!
//! A small network on a large GPU waits for launches, not for arithmetic, so their number is held
//! here. CubeCL logs every kernel that it launches, and software Vulkan is enough to count them.
//! They depend on the depth of a network and not on its widths, so the networks are narrow.

use burn_wgpu::Wgpu;
use launches::{CASES, Record, WHAT, total};

#[path = "support/counting.rs"]
mod counting;
#[path = "support/launches.rs"]
mod launches;

#[test]
fn a_step_launches_no_more_than_its_budget() {
    let record = Record::start();
    for case in &CASES {
        let (launched, _) = case.launches::<Wgpu>(&record);
        for ((what, launched), budget) in WHAT.iter().zip(&launched).zip(case.budget) {
            let n = total(launched);
            assert!(
                n <= budget,
                "{}: a {what} is {n} launches: {launched:#?}",
                case.name
            );
        }
    }
}
