//! Parity and speed on a GPU: kernels, training steps and sampling, one line of JSON per figure.
//!
//! `benches/gpu/run` builds it, runs it and sets PyTorch's figures beside it. By hand:
//! `cargo bench --features cuda --bench gpu -- parity kernels steps sampling`, with `--only NAME` to filter by name,
//! `--out FILE` to append to a file, and `--fusion` to run on burn's fusing backend (needs the feature `fusion`).

mod kernels;
mod networks;
mod parity;
mod report;

use burn::tensor::backend::Backend;
use report::Report;

#[cfg(feature = "cuda")]
type Gpu = burn_cubecl::CubeBackend<cubecl::cuda::CudaRuntime, f32, i32, u8>;
#[cfg(all(feature = "cuda", feature = "fusion"))]
type Fused = burn_fusion::Fusion<Gpu>;
#[cfg(not(feature = "cuda"))]
type Gpu = burn_cubecl::CubeBackend<cubecl::wgpu::WgpuRuntime, f32, i32, u32>;
#[cfg(all(not(feature = "cuda"), feature = "fusion"))]
type Fused = burn_fusion::Fusion<Gpu>;

fn run<B: Backend<FloatElem = f32>>(sections: &[String], report: &mut Report)
where
    B::Device: Default,
{
    let device = B::Device::default();
    for section in sections {
        match section.as_str() {
            "parity" => parity::run::<B>(&device, report),
            "kernels" => kernels::run::<B>(&device, report),
            "steps" => networks::steps::<B>(&device, report),
            "sampling" => networks::sampling::<B>(&device, report),
            other => panic!("there is no section {other}: parity, kernels, steps, sampling"),
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut sections, mut report, mut fusion) = (Vec::new(), Report::default(), false);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after the option");
        match argument.as_str() {
            // Cargo's own, to every bench.
            "--bench" => {}
            "--only" => report.only = Some(value()),
            "--out" => report.file = Some(value().into()),
            "--repetitions" => report.repetitions = value().parse().expect("a number"),
            "--fusion" => fusion = true,
            section => sections.push(section.to_owned()),
        }
    }
    if sections.is_empty() {
        sections = ["parity", "kernels", "steps", "sampling"]
            .map(String::from)
            .to_vec();
    }
    report.variant = match (cfg!(feature = "autotune"), fusion) {
        (true, false) => "autotune",
        (true, true) => "autotune, fusion",
        (false, false) => "no autotune",
        (false, true) => "no autotune, fusion",
    };
    if fusion {
        #[cfg(feature = "fusion")]
        run::<Fused>(&sections, &mut report);
        #[cfg(not(feature = "fusion"))]
        panic!("built without the feature fusion");
    } else {
        run::<Gpu>(&sections, &mut report);
    }
}
