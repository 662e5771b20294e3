//! How many kernels burn's operations alone would launch, beside ours.
//!
//! `cargo test --features wgpu --test launches_of_burn -- --ignored --nocapture` prints the table
//! of the documentation.

use burn_wgpu::Wgpu;
use counting::{Counting, Traffic};
use launches::{CASES, Record, WHAT, total};

#[path = "support/counting.rs"]
mod counting;
#[path = "support/launches.rs"]
mod launches;

/// Prints the table, with the kernels of each step.
#[test]
#[ignore = "takes minutes on software Vulkan"]
fn a_training_step_is_a_third_of_what_burn_alone_would_launch() {
    let record = Record::start();
    for case in &CASES {
        let (fused, _) = case.launches::<Wgpu>(&record);
        let (composed, traffic) = case.launches::<Counting<Wgpu>>(&record);
        for (i, what) in WHAT.iter().enumerate() {
            let [ours, alone] = [&fused, &composed].map(|launched| total(&launched[i]));
            let Traffic {
                waits,
                uploads,
                bytes,
            } = traffic[i];
            assert_eq!(waits, 0, "{}: a {what} waits for the device", case.name);
            println!("| {} | {what} | {ours} | {alone} |", case.name);
            println!("    burn alone uploads {uploads} tensors, {bytes} bytes");
            for (kernel, n) in &fused[i] {
                println!("    {n:4} {kernel}");
            }
        }
        assert!(3 * total(&fused[0]) <= total(&composed[0]), "{}", case.name);
    }
}
