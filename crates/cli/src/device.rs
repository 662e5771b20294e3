//! From the name of a device to a backend: the one `match` that instantiates the generic code.
//!
//! burn panics if the driver of a GPU is missing. Each device is therefore tried first on a
//! separate thread, and a panic becomes an error.

use crate::Usage;
use crate::args::Model;
use crate::group::local_rank;
use anyhow::{Result, anyhow};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::shown::shown;
use pyroclast_kernels::{Precision, multiplies_bf16};
use std::fmt;
use std::sync::{Arc, Mutex};

/// A computation that runs on any backend.
pub(crate) trait Job {
    /// Its result.
    type Output;

    /// Runs it on this device.
    fn run<B: Backend>(self, device: B::Device) -> Self::Output;
}

/// The name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The pure-Rust CPU backend.
    Flex,
    /// The reference backend for CPUs.
    NdArray,
    /// Any GPU, through Vulkan, Metal or DirectX.
    Wgpu,
    /// The NVIDIA GPU of this number.
    Cuda(usize),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

/// All devices, the fastest first.
pub(crate) const ALL: [Name; 4] = [Name::Cuda(0), Name::Wgpu, Name::Flex, Name::NdArray];

impl Name {
    fn parse(name: &str) -> Result<Self> {
        match name.split_once(':') {
            None => match name {
                "flex" => Ok(Self::Flex),
                "ndarray" => Ok(Self::NdArray),
                "wgpu" => Ok(Self::Wgpu),
                "cuda" => Ok(Self::Cuda(0)),
                _ => Err(unknown(name)),
            },
            Some(("cuda", "auto")) => Ok(Self::own_cuda()),
            Some(("cuda", n)) => n.parse().map(Self::Cuda).map_err(|_| unknown(name)),
            Some(_) => Err(unknown(name)),
        }
    }

    /// The NVIDIA GPU of this process among those of its machine: that of its number, or the only
    /// one that the process is shown.
    fn own_cuda() -> Self {
        let shown = std::env::var("CUDA_VISIBLE_DEVICES");
        let is_one = shown.is_ok_and(|shown| !shown.is_empty() && !shown.contains(','));
        Self::Cuda(if is_one { 0 } else { local_rank() })
    }

    /// A description of a few words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Flex => "CPU, fast, pure Rust",
            Self::NdArray => "CPU, the reference",
            Self::Wgpu => "any GPU through Vulkan, Metal or DirectX 12",
            Self::Cuda(_) => "NVIDIA GPUs",
        }
    }

    fn is_compiled(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::NdArray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda(_) => cfg!(feature = "cuda"),
        }
    }

    fn feature(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda(_) => "cuda",
        }
    }

    /// The reason why the device cannot be used; `None` if it works.
    pub(crate) fn problem(self) -> Option<String> {
        if !self.is_compiled() {
            return Some(format!(
                "not compiled in; rebuild with --features {}",
                self.feature()
            ));
        }
        self.probe().err().map(|reason| match self {
            Self::Wgpu => format!(
                "no GPU driver responds ({reason}); install one, such as Debian's \
                 mesa-vulkan-drivers"
            ),
            Self::Cuda(_) => format!(
                "no NVIDIA GPU responds ({reason}); install its driver, or use another device"
            ),
            _ => reason,
        })
    }

    #[allow(
        clippy::unnecessary_wraps,
        reason = "without a GPU feature nothing fails"
    )]
    fn probe(self) -> Result<(), String> {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu => attempt::<burn_wgpu::Wgpu>(burn_wgpu::WgpuDevice::DefaultDevice),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => attempt::<burn_cuda::Cuda>(burn_cuda::CudaDevice { index }),
            _ => Ok(()),
        }
    }

    /// Whether the device is faster than the CPU: a real GPU, not a CPU behind a graphics driver.
    fn is_accelerator(self) -> bool {
        match self {
            Self::Cuda(_) => self.problem().is_none(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => {
                use burn_wgpu::WgpuDevice::{DiscreteGpu, IntegratedGpu};
                [DiscreteGpu(0), IntegratedGpu(0)]
                    .into_iter()
                    .any(|device| attempt::<burn_wgpu::Wgpu>(device).is_ok())
            }
            _ => false,
        }
    }
}

fn unknown(name: &str) -> anyhow::Error {
    Usage(format!(
        "there is no device `{}`; devices: flex, ndarray, wgpu, cuda, cuda:N, \
         cuda:auto",
        shown(name)
    ))
    .into()
}

/// The default device: a GPU that works, otherwise the CPU.
pub(crate) fn best() -> Result<Name> {
    let gpu = [Name::own_cuda(), Name::Wgpu];
    let cpu = [Name::Flex, Name::NdArray];
    (gpu.into_iter()
        .filter(|name| name.is_compiled() && name.is_accelerator()))
    .chain(cpu.into_iter().filter(|name| name.is_compiled()))
    .next()
    .ok_or_else(|| {
        let reasons = ALL.map(|name| format!("{name}: {}", name.problem().unwrap_or_default()));
        anyhow!("no device works ({})", reasons.join("; "))
    })
}

/// The device that a model is to run on, in its precision; an error if it does not work there.
pub(crate) fn of(model: &Model) -> Result<Name> {
    let name = choose(model.device.name.as_deref())?;
    let asked = format!("--precision {}", model.precision);
    check_precision(name, model.precision, &asked)?;
    Ok(name)
}

/// The device of this name, or the default; an error if it does not work.
pub(crate) fn choose(name: Option<&str>) -> Result<Name> {
    let Some(name) = name else {
        return best();
    };
    let name = Name::parse(name)?;
    match name.problem() {
        None => Ok(name),
        Some(problem) => Err(anyhow!("device {name}: {problem}")),
    }
}

/// Runs a job on a device that [`choose`] has accepted.
pub(crate) fn run_on<J: Job>(name: Name, job: J) -> J::Output {
    match name {
        #[cfg(feature = "flex")]
        Name::Flex => job.run::<burn_flex::Flex>(burn_flex::FlexDevice),
        #[cfg(feature = "ndarray")]
        Name::NdArray => job.run::<burn_ndarray::NdArray>(burn_ndarray::NdArrayDevice::Cpu),
        #[cfg(feature = "wgpu")]
        Name::Wgpu => job.run::<burn_wgpu::Wgpu>(burn_wgpu::WgpuDevice::DefaultDevice),
        #[cfg(feature = "cuda")]
        Name::Cuda(index) => job.run::<burn_cuda::Cuda>(burn_cuda::CudaDevice { index }),
        #[allow(
            unreachable_patterns,
            reason = "with all features every name has an arm"
        )]
        other => unreachable!("{other} is not compiled in, and `choose` refuses it"),
    }
}

/// The same with products in this precision.
pub(crate) fn run_in<J: Job>(precision: Precision, name: Name, job: J) -> J::Output {
    precision.within(|| run_on(name, job))
}

/// Refuses a precision, which is named by how it was asked for, on a device that it would slow down.
pub(crate) fn check_precision(name: Name, precision: Precision, asked: &str) -> Result<()> {
    struct IsFast;
    impl Job for IsFast {
        type Output = bool;

        fn run<B: Backend>(self, device: B::Device) -> bool {
            multiplies_bf16::<B>(&device)
        }
    }
    let is_gpu = matches!(name, Name::Wgpu | Name::Cuda(_));
    if cfg!(feature = "fusion") && is_gpu && precision != Precision::default() {
        return Err(Usage(format!(
            "{asked}: burn's fusion multiplies in a precision of its own; leave it out, or build \
             without the feature fusion"
        ))
        .into());
    }
    if precision != Precision::Bf16 || run_on(name, IsFast) {
        return Ok(());
    }
    Err(Usage(format!(
        "{asked}: {name} has no matrix units for bf16, and rounding would only cost time; leave it \
         out, or give --device cuda where there is an NVIDIA GPU of 2020 or later"
    ))
    .into())
}

/// Computes one number on a device, on a thread that may panic.
///
/// burn's devices have their own threads, so the message comes from the first thread that panics.
#[allow(dead_code, reason = "only GPUs are tried, and none may be compiled in")]
fn attempt<B: Backend>(device: B::Device) -> Result<(), String> {
    let message = Arc::new(Mutex::new(None));
    let seen = message.clone();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Ok(mut first) = seen.lock() {
            first.get_or_insert_with(|| panic.payload_as_str().map(str::to_owned));
        }
    }));
    let outcome = std::thread::spawn(move || {
        let two = Tensor::<B, 1>::ones([1], &device) + 1.0;
        two.into_data().convert::<f32>().into_vec::<f32>().ok()
    })
    .join();
    std::panic::set_hook(hook);
    match outcome {
        Ok(Some(values)) if values == [2.0] => Ok(()),
        Ok(_) => Err("it computes 1 + 1 incorrectly".into()),
        Err(_) => {
            let message = message.lock().ok().and_then(|mut first| first.take());
            let message = message.flatten();
            let message = message.unwrap_or_else(|| "it failed without a message".into());
            let line = message.lines().next().unwrap_or_default().trim();
            Err(line.chars().take(120).collect())
        }
    }
}
