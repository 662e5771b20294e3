//! The table of methods. An entry holds the description of a method and the closure that makes it.
//!
//! Parsing, help, error messages and documentation all use this table. To add a method, write its
//! file in `pyroclast-solvers` and an entry here.

use super::description::{Description, Kind, PLAIN, Requirements};
use super::option::{
    AVERAGED, CHURN, CORRECTOR_RATIO, CORRECTOR_STEPS, ETA, NOISE_LEVEL, ORDER, TAPER, VARIANCE,
};
use super::sampling_method::{Described, SamplingMethod, Solve, Solved};
use super::with_noise::WithNoise;
use super::{AnyDdpm, Cost, MethodName, SampleError, Settings};
use burn::tensor::backend::Backend;
use pyroclast_solvers::sampler::*;
use pyroclast_solvers::{sde::*, tableau::*};

/// The number of steps from which no order falls towards the end unless it is asked to. It is
/// diffusers' too.
const MANY: usize = 15;

/// An entry is `NAME: Kind { fields, ..base } maker`; the comment above it is its `about`.
macro_rules! methods {
    ($(
        #[doc = $about:literal]
        $id:ident: $kind:ident { $($field:ident: $value:expr,)* ..$base:expr } $make:expr;
    )*) => {
        impl MethodName {
            $(
                #[doc = $about]
                pub const $id: Self = {
                    #[allow(clippy::needless_update, reason = "an entry may set every field")]
                    static DESCRIPTION: Description = Description {
                        about: $about,
                        kind: Kind::$kind,
                        $($field: $value,)*
                        ..$base
                    };
                    Self(&DESCRIPTION)
                };
            )*

            /// All methods, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];
        }

        impl Described for MethodName {
            fn description(&self) -> &Description {
                self
            }

            fn requirements(&self, settings: &Settings<'_>) -> Requirements {
                $(if *self == Self::$id {
                    return methods!(@requirements $kind, self.name, made(settings, $make));
                })*
                unreachable!("a name is made by the table alone")
            }
        }

        impl<B: Backend, const D: usize> SamplingMethod<B, D> for MethodName {
            fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, SampleError> {
                $(if *self == Self::$id {
                    let method = made(solve.settings, $make);
                    return methods!(@solve $kind, solve, method);
                })*
                unreachable!("a name is made by the table alone")
            }
        }
    };
    (@requirements Sampler, $name:expr, $method:expr) => {
        Requirements::of_sampler($name, &$method)
    };
    (@requirements Sde, $name:expr, $method:expr) => {
        Requirements::of_velocity($name, $method.noise_level > 0.0)
    };
    (@requirements $ode:ident, $name:expr, $method:expr) => {
        Requirements::of_velocity($name, false)
    };
    (@solve AdaptiveOde, $solve:ident, $method:ident) => { $solve.adaptive(&$method) };
    (@solve $fixed:ident, $solve:ident, $method:ident) => { $solve.fixed(&$method) };
}

fn made<M>(settings: &Settings<'_>, make: impl Fn(&Settings<'_>) -> M) -> M {
    make(settings)
}

impl Requirements {
    fn of_sampler(name: &'static str, sampler: &impl Sampler) -> Self {
        Self {
            name,
            schedule: Some(sampler.requirement()),
            adds_noise: sampler.adds_noise(),
        }
    }

    fn of_velocity(name: &'static str, adds_noise: bool) -> Self {
        Self {
            name,
            schedule: None,
            adds_noise,
        }
    }
}

/// An SDE method, with its noise level as an option.
const SDE: Description = Description {
    options: &[NOISE_LEVEL.or(1.0)],
    ..PLAIN
};

methods! {
    /// Euler's method.
    EULER: Ode {
        ..Description::of(EULER.0)
    } |_| EULER;

    /// The explicit midpoint method.
    MIDPOINT: Ode {
        ..Description::of(MIDPOINT.0)
    } |_| MIDPOINT;

    /// The classical Runge–Kutta method.
    RK4: Ode {
        ..Description::of(RK4.0)
    } |_| RK4;

    /// Heun's method 2(1), the trapezoidal rule.
    HEUN: AdaptiveOde {
        aliases: &["heun2"],
        ..Description::of(HEUN.method.0)
    } |_| HEUN;

    /// Ralston's method 2(1), with the smallest error of its order.
    RALSTON: AdaptiveOde {
        ..Description::of(RALSTON.method.0)
    } |_| RALSTON;

    /// Bogacki–Shampine 3(2).
    BOSH3: AdaptiveOde {
        aliases: &["rk23", "ode23"],
        ..Description::of(BOGACKI_SHAMPINE.method.0)
    } |_| BOGACKI_SHAMPINE;

    /// Dormand–Prince 5(4).
    DOPRI5: AdaptiveOde {
        aliases: &["rk45", "ode45"],
        ..Description::of(DOPRI5.method.0)
    } |_| DOPRI5;

    /// Tsitouras 5(4).
    TSIT5: AdaptiveOde {
        ..Description::of(TSIT5.method.0)
    } |_| TSIT5;

    /// Dormand–Prince 8(7).
    DOPRI8: AdaptiveOde {
        ..Description::of(DOPRI8.method.0)
    } |_| DOPRI8;

    /// Euler–Maruyama.
    EULER_MARUYAMA: Sde {
        name: "euler-maruyama",
        ..SDE
    } |s| WithNoise::of(s, EulerMaruyama { brownian: s.increments(0) });

    /// Heun's method with noise.
    STOCHASTIC_HEUN: Sde {
        name: "stochastic-heun",
        cost: Cost::PerStep(2),
        ..SDE
    } |s| WithNoise::of(s, StochasticHeun { brownian: s.increments(0) });

    /// SRA1 (Rößler 2010), for additive noise.
    SRA1: Sde {
        name: "sra1",
        order: 1.5,
        cost: Cost::PerStep(2),
        ..SDE
    } |s| WithNoise::of(s, Sra1 { brownian: s.increments(0) });

    /// ShARK (Foster et al. 2023), for additive noise.
    SHARK: Sde {
        name: "shark",
        order: 1.5,
        cost: Cost::PerStep(2),
        ..SDE
    } |s| WithNoise::of(s, Shark { brownian: s.increments(0) });

    /// Ancestral sampling of a chain (Ho et al. 2020).
    DDPM: Sampler {
        name: "ddpm",
        options: &[VARIANCE.or_the_models()],
        is_compared: true,
        ..PLAIN
    } AnyDdpm::of;

    /// DDIM (Song et al. 2021), deterministic unless eta > 0.
    DDIM: Sampler {
        name: "ddim",
        options: &[ETA.or(0.0).up_to(1.0)],
        is_compared: true,
        ..PLAIN
    } |s| Ddim { eta: s.number(&ETA), brownian: s.increments(0) };

    /// Euler's method with ancestral noise.
    EULER_ANCESTRAL: Sampler {
        name: "euler-ancestral",
        aliases: &["euler-a"],
        options: &[ETA.or(1.0)],
        ..PLAIN
    } |s| EulerAncestral { eta: s.number(&ETA), brownian: s.increments(0) };

    /// Euler's method in the noise level, with churn (Karras et al. 2022).
    EULER_EDM: Sampler {
        name: "euler-edm",
        options: &[CHURN.or(0.0)],
        ..PLAIN
    } |s| EulerEdm { churn: s.churn(), brownian: s.increments(0) };

    /// Heun's method in the noise level, with churn: EDM's sampler (Karras et al. 2022).
    HEUN_EDM: Sampler {
        name: "heun-edm",
        aliases: &["edm"],
        order: 2.0,
        cost: Cost::SparedAtTheEnd(2),
        options: &[CHURN.or(0.0)],
        is_compared: true,
        ..PLAIN
    } |s| HeunEdm { churn: s.churn(), brownian: s.increments(0) };

    /// DPM-Solver++(2M) (Lu et al. 2022): two-step.
    DPMPP_2M: Sampler {
        name: "dpmpp-2m",
        aliases: &["dpm-solver++"],
        order: 2.0,
        options: &[TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| DpmSolver { order: 2, taper: s.taper() };

    /// DPM-Solver++(3M): three-step.
    DPMPP_3M: Sampler {
        name: "dpmpp-3m",
        order: 3.0,
        options: &[TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| DpmSolver { order: 3, taper: s.taper() };

    /// DPM-Solver++(2S) (Lu et al. 2022): single-step.
    DPMPP_2S: Sampler {
        name: "dpmpp-2s",
        order: 2.0,
        cost: Cost::SparedAtTheEnd(2),
        is_compared: true,
        ..PLAIN
    } |_| DpmSolverSingle;

    /// SDE-DPM-Solver++(2M): two-step, for the reverse SDE.
    DPMPP_SDE: Sampler {
        name: "dpmpp-sde",
        aliases: &["dpmpp-2m-sde"],
        order: 2.0,
        options: &[TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| DpmSolverSde { order: 2, taper: s.taper(), brownian: s.increments(0) };

    /// UniPC with B2 (Zhao et al. 2023).
    UNIPC: Sampler {
        name: "unipc",
        aliases: &["unipc-bh2"],
        order: 3.0,
        options: &[ORDER.or(2.0).from(1.0).up_to(3.0), TAPER.or_word("always")],
        is_compared: true,
        ..PLAIN
    } |s| unipc(s, Variant::Bh2);

    /// UniPC with B1 (Zhao et al. 2023).
    UNIPC_BH1: Sampler {
        name: "unipc-bh1",
        order: 3.0,
        options: &[ORDER.or(2.0).from(1.0).up_to(3.0), TAPER.or_word("always")],
        ..PLAIN
    } |s| unipc(s, Variant::Bh1);

    /// tAB-DEIS (Zhang & Chen 2023): polynomials in the time.
    DEIS: Sampler {
        name: "deis",
        aliases: &["tab-deis"],
        order: 3.0,
        options: &[ORDER.or(3.0).from(1.0).up_to(4.0), TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| Deis {
        order: s.whole(&ORDER),
        extrapolation: Extrapolation::Time,
        taper: s.taper(),
    };

    /// Linear multistep: polynomials in the noise level.
    LMS: Sampler {
        name: "lms",
        aliases: &["rhoab-deis"],
        order: 4.0,
        options: &[ORDER.or(4.0).from(1.0).up_to(4.0), TAPER.or_word("never")],
        is_compared: true,
        ..PLAIN
    } |s| Deis { taper: s.taper(), ..Deis::lms(s.whole(&ORDER)) };

    /// PNDM (Liu et al. 2022): four-step, after three Runge–Kutta steps.
    PNDM: Sampler {
        name: "pndm",
        order: 2.0,
        cost: Cost::WarmUp { steps: 3, each: 4 },
        options: &[AVERAGED.or_word("noise")],
        is_compared: true,
        ..PLAIN
    } |s| Pndm { warm_up: WarmUp::RungeKutta, averaged: s.averaged() };

    /// PNDM without its Runge–Kutta steps.
    PLMS: Sampler {
        name: "plms",
        order: 2.0,
        options: &[AVERAGED.or_word("noise")],
        ..PLAIN
    } |s| Pndm { warm_up: WarmUp::Multistep, averaged: s.averaged() };

    /// The reverse-diffusion predictor (Song et al. 2021).
    REVERSE_DIFFUSION: Sampler {
        name: "reverse-diffusion",
        ..PLAIN
    } |s| ReverseDiffusion { brownian: s.increments(0) };

    /// Reverse diffusion with a Langevin corrector (Song et al. 2021).
    PC: Sampler {
        name: "pc",
        aliases: &["predictor-corrector"],
        cost: Cost::SparedAtTheEnd(2),
        options: &[CORRECTOR_STEPS.or(1.0), CORRECTOR_RATIO.or(0.16)],
        ..PLAIN
    } |s| PredictorCorrector {
        predictor: ReverseDiffusion { brownian: s.increments(0) },
        corrector: Langevin {
            steps: s.whole(&CORRECTOR_STEPS) as u64,
            ratio: s.number(&CORRECTOR_RATIO),
        },
        brownian: s.increments(1),
    };
}

fn unipc(settings: &Settings<'_>, variant: Variant) -> UniPc {
    UniPc {
        order: settings.whole(&ORDER),
        variant,
        taper: settings.taper(),
    }
}

impl Settings<'_> {
    fn churn(&self) -> Churn {
        Churn::spread(self.number(&CHURN), self.steps)
    }

    /// The number of steps, if the order should fall over the last of them.
    fn taper(&self) -> Option<u64> {
        let falls = match self.word(&TAPER) {
            "always" => true,
            "never" => false,
            _ => self.steps < MANY,
        };
        falls.then_some(self.steps as u64)
    }

    fn averaged(&self) -> Averaged {
        match self.word(&AVERAGED) {
            "v" => Averaged::V,
            _ => Averaged::Noise,
        }
    }
}
