//! From a method's name to a method.

use pyroclast_solvers::tableau::Tableau;
use pyroclast_solvers::{
    BOGACKI_SHAMPINE, DOPRI5, DOPRI8, EULER, EmbeddedRk, ExplicitRk, HEUN, MIDPOINT, RALSTON, RK4,
    TSIT5,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The methods by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MethodName {
    /// Euler's method.
    Euler,
    /// The explicit midpoint method.
    Midpoint,
    /// Heun's method 2(1).
    Heun,
    /// Ralston's method 2(1).
    Ralston,
    /// The classical Runge–Kutta method.
    Rk4,
    /// Bogacki–Shampine 3(2).
    Bosh3,
    /// Dormand–Prince 5(4).
    Dopri5,
    /// Tsitouras 5(4).
    Tsit5,
    /// Dormand–Prince 8(7).
    Dopri8,
    /// Euler–Maruyama, which adds noise.
    EulerMaruyama,
    /// Heun's method with noise.
    StochasticHeun,
    /// SRA1, which adds noise.
    Sra1,
    /// ShARK, which adds noise.
    Shark,
    /// Ancestral sampling.
    Ddpm,
    /// DDIM, deterministic unless η > 0.
    Ddim,
    /// Euler's method with ancestral noise.
    EulerAncestral,
    /// Euler's method in EDM's variables, with churn.
    EulerEdm,
    /// EDM's Heun sampler, with churn.
    HeunEdm,
    /// DPM-Solver++(2M).
    #[serde(rename = "dpmpp-2m")]
    Dpmpp2m,
    /// DPM-Solver++(3M).
    #[serde(rename = "dpmpp-3m")]
    Dpmpp3m,
    /// DPM-Solver++(2S).
    #[serde(rename = "dpmpp-2s")]
    Dpmpp2s,
    /// DPM-Solver++(2M) for the reverse SDE.
    #[serde(rename = "dpmpp-sde")]
    DpmppSde,
    /// UniPC with B2.
    #[serde(rename = "unipc")]
    UniPc,
    /// UniPC with B1.
    #[serde(rename = "unipc-bh1")]
    UniPcBh1,
    /// tAB-DEIS.
    Deis,
    /// Linear multistep in the noise level, ρAB-DEIS.
    Lms,
    /// PNDM: PLMS after Runge–Kutta steps.
    Pndm,
    /// PLMS alone.
    Plms,
    /// The reverse-diffusion predictor.
    ReverseDiffusion,
    /// The same with a Langevin corrector.
    Pc,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recipe {
    /// A Runge–Kutta method on the velocity.
    Plain(ExplicitRk),
    /// One that can choose its steps.
    Pair(EmbeddedRk),
    /// A method for the SDE that has the same marginals.
    Sde(SdeName),
    /// A sampler on the denoiser.
    Denoising(DenoisingName),
}

/// The SDE methods.
#[derive(Debug, Clone, Copy)]
pub(super) enum SdeName {
    EulerMaruyama,
    StochasticHeun,
    Sra1,
    Shark,
}

/// The diffusion samplers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DenoisingName {
    Ddpm,
    Ddim,
    EulerAncestral,
    EulerEdm,
    HeunEdm,
    Multistep(usize),
    Singlestep,
    MultistepSde,
    UniPc,
    UniPcBh1,
    Deis,
    Lms,
    Pndm,
    Plms,
    ReverseDiffusion,
    Pc,
}

impl MethodName {
    /// All of them: ODE methods, SDE methods, diffusion samplers.
    pub const ALL: [Self; 30] = [
        Self::Euler,
        Self::Midpoint,
        Self::Heun,
        Self::Ralston,
        Self::Rk4,
        Self::Bosh3,
        Self::Dopri5,
        Self::Tsit5,
        Self::Dopri8,
        Self::EulerMaruyama,
        Self::StochasticHeun,
        Self::Sra1,
        Self::Shark,
        Self::Ddpm,
        Self::Ddim,
        Self::EulerAncestral,
        Self::EulerEdm,
        Self::HeunEdm,
        Self::Dpmpp2m,
        Self::Dpmpp3m,
        Self::Dpmpp2s,
        Self::DpmppSde,
        Self::UniPc,
        Self::UniPcBh1,
        Self::Deis,
        Self::Lms,
        Self::Pndm,
        Self::Plms,
        Self::ReverseDiffusion,
        Self::Pc,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::EulerMaruyama => "euler-maruyama",
            Self::StochasticHeun => "stochastic-heun",
            Self::Sra1 => "sra1",
            Self::Shark => "shark",
            Self::Ddpm => "ddpm",
            Self::Ddim => "ddim",
            Self::EulerAncestral => "euler-ancestral",
            Self::EulerEdm => "euler-edm",
            Self::HeunEdm => "heun-edm",
            Self::Dpmpp2m => "dpmpp-2m",
            Self::Dpmpp3m => "dpmpp-3m",
            Self::Dpmpp2s => "dpmpp-2s",
            Self::DpmppSde => "dpmpp-sde",
            Self::UniPc => "unipc",
            Self::UniPcBh1 => "unipc-bh1",
            Self::Deis => "deis",
            Self::Lms => "lms",
            Self::Pndm => "pndm",
            Self::Plms => "plms",
            Self::ReverseDiffusion => "reverse-diffusion",
            Self::Pc => "pc",
            _ => match self.recipe() {
                Recipe::Plain(method) => method.0.name,
                Recipe::Pair(pair) => pair.method.0.name,
                _ => unreachable!("every other method is named above"),
            },
        }
    }

    pub(super) fn recipe(self) -> Recipe {
        use DenoisingName as D;
        match self {
            Self::Euler => Recipe::Plain(EULER),
            Self::Midpoint => Recipe::Plain(MIDPOINT),
            Self::Rk4 => Recipe::Plain(RK4),
            Self::Heun => Recipe::Pair(HEUN),
            Self::Ralston => Recipe::Pair(RALSTON),
            Self::Bosh3 => Recipe::Pair(BOGACKI_SHAMPINE),
            Self::Dopri5 => Recipe::Pair(DOPRI5),
            Self::Tsit5 => Recipe::Pair(TSIT5),
            Self::Dopri8 => Recipe::Pair(DOPRI8),
            Self::EulerMaruyama => Recipe::Sde(SdeName::EulerMaruyama),
            Self::StochasticHeun => Recipe::Sde(SdeName::StochasticHeun),
            Self::Sra1 => Recipe::Sde(SdeName::Sra1),
            Self::Shark => Recipe::Sde(SdeName::Shark),
            Self::Ddpm => Recipe::Denoising(D::Ddpm),
            Self::Ddim => Recipe::Denoising(D::Ddim),
            Self::EulerAncestral => Recipe::Denoising(D::EulerAncestral),
            Self::EulerEdm => Recipe::Denoising(D::EulerEdm),
            Self::HeunEdm => Recipe::Denoising(D::HeunEdm),
            Self::Dpmpp2m => Recipe::Denoising(D::Multistep(2)),
            Self::Dpmpp3m => Recipe::Denoising(D::Multistep(3)),
            Self::Dpmpp2s => Recipe::Denoising(D::Singlestep),
            Self::DpmppSde => Recipe::Denoising(D::MultistepSde),
            Self::UniPc => Recipe::Denoising(D::UniPc),
            Self::UniPcBh1 => Recipe::Denoising(D::UniPcBh1),
            Self::Deis => Recipe::Denoising(D::Deis),
            Self::Lms => Recipe::Denoising(D::Lms),
            Self::Pndm => Recipe::Denoising(D::Pndm),
            Self::Plms => Recipe::Denoising(D::Plms),
            Self::ReverseDiffusion => Recipe::Denoising(D::ReverseDiffusion),
            Self::Pc => Recipe::Denoising(D::Pc),
        }
    }

    /// Whether the method estimates its error, and so can choose its steps.
    pub fn is_adaptive(self) -> bool {
        matches!(self.recipe(), Recipe::Pair(_))
    }

    /// Whether the method adds noise of its own accord, which needs the score. (DDIM does with η > 0, EDM's samplers with churn.)
    pub fn is_stochastic(self) -> bool {
        use DenoisingName as D;
        match self.recipe() {
            Recipe::Plain(_) | Recipe::Pair(_) => false,
            Recipe::Sde(_) => true,
            Recipe::Denoising(name) => matches!(
                name,
                D::Ddpm | D::EulerAncestral | D::MultistepSde | D::ReverseDiffusion | D::Pc
            ),
        }
    }

    /// Whether the method works on the denoiser, from x̂1 or x̂0, rather than on the velocity.
    pub fn is_denoising(self) -> bool {
        matches!(self.recipe(), Recipe::Denoising(_))
    }

    /// The steps whose evaluations come nearest to a budget without passing it, and at least one: what a comparison at equal cost takes.
    ///
    /// `ends_clean` says whether the last step goes to σ = 0, where some methods spare an evaluation. PC's corrector takes one step a
    /// predictor's.
    pub fn steps_for(self, evaluations: usize, ends_clean: bool) -> usize {
        use DenoisingName as D;
        let stages = |tableau: &Tableau| match tableau.first_same_as_last {
            // The last stage is the next step's first: once more at the start is all that it costs.
            true => evaluations.saturating_sub(1) / (tableau.b.len() - 1),
            false => evaluations / tableau.b.len(),
        };
        let spared = usize::from(ends_clean);
        let steps = match self.recipe() {
            Recipe::Plain(method) => stages(method.0),
            Recipe::Pair(pair) => stages(pair.method.0),
            Recipe::Sde(SdeName::EulerMaruyama) => evaluations,
            Recipe::Sde(_) => evaluations / 2,
            // The step to σ = 0 costs one.
            Recipe::Denoising(D::HeunEdm | D::Singlestep | D::Pc) => (evaluations + spared) / 2,
            // Up to three steps of four evaluations come first; the step to σ = 0 is none of them.
            Recipe::Denoising(D::Pndm) => match evaluations {
                n @ 0..=12 => (n + 3 * spared) / 4,
                n => n - 9,
            },
            Recipe::Denoising(_) => evaluations,
        };
        steps.max(1)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MethodName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        (Self::ALL.into_iter().find(|m| m.name() == name))
            .ok_or_else(|| format!("there is no method `{name}`; methods: {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_configuration_is_that_of_the_command_line() {
        for method in MethodName::ALL {
            let json = serde_json::to_string(&method).expect("a word");
            assert_eq!(json, format!("\"{method}\""));
            assert_eq!(method.name().parse(), Ok(method));
        }
    }
}
