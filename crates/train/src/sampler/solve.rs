//! One chunk of samples, by the method of the plan.

use super::method_name::{DenoisingName, Recipe, SdeName};
use super::{GridName, Plan, SampleError, Stepping};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Denoiser, LearnedVariance, VectorField};
use pyroclast_core::flow::Flow;
use pyroclast_core::noise::Noise;
use pyroclast_core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::sampler::{
    Churn, Ddim, Ddpm, DdpmLearned, Deis, DpmSolver, DpmSolverSde, DpmSolverSingle, EulerAncestral,
    EulerEdm, Extrapolation, HeunEdm, Langevin, Pndm, PredictorCorrector, ReverseDiffusion,
    Sampler, UniPc, Variant, WarmUp, check,
};
use pyroclast_solvers::{
    Adaptive, EulerMaruyama, Increments, Method, Shark, SolveError, Sra1, Statistics,
    StochasticHeun, TimeGrid, integrate_observed,
};

/// How far from an end without signal a grid starts that cannot start there.
const MARGIN: f64 = 1e-3;

/// Where a solve goes along.
pub(super) enum Way {
    /// A grid.
    Grid(TimeGrid),
    /// From one time to another, by steps of the solver's choice.
    Span(f64, f64),
}

impl Way {
    /// Where it starts.
    pub(super) fn start(&self) -> f64 {
        match self {
            Self::Grid(grid) => grid.times()[0],
            Self::Span(start, _) => *start,
        }
    }
}

/// The way of a plan, from the noisy end of what the field and the method can do to its clean end.
pub(super) fn way<B, F, N, const D: usize>(
    field: &F,
    flow: &Flow<N>,
    plan: &Plan,
) -> Result<Way, SampleError>
where
    B: Backend,
    F: Denoiser<B, D>,
{
    let schedule = field.schedule();
    let span = match plan.method.is_denoising() {
        // A sampler steps over what is singular at the clean end, and needs the data to be told at the noisy one.
        true => (first_time(field, plan), 1.0),
        false => match &plan.schedule {
            Some(schedule) => flow.objective.prediction.span(schedule),
            None => flow.span(),
        },
    };
    let (n, name) = match &plan.stepping {
        Stepping::Adaptive(_) => return Ok(Way::Span(span.0, span.1)),
        Stepping::Fixed(n, name) => (*n, name),
    };
    let table = plan.table.as_deref().filter(|_| plan.schedule.is_none());
    let explodes = schedule.at(1.0).alpha == 1.0 && schedule.at(0.0).alpha == 1.0;
    let name = match name {
        // Noise of many magnitudes wants its levels spaced by them, whatever takes the steps.
        GridName::Auto if explodes => &GridName::Karras,
        GridName::Auto if !plan.method.is_denoising() => &GridName::Uniform,
        GridName::Auto if table.is_some_and(|table| n <= table.steps()) => &GridName::Trailing,
        name => name,
    };
    let grid = name
        .grid(schedule, table, span, n)
        .map_err(SampleError::Grid)?;
    Ok(Way::Grid(grid))
}

/// t = 0, or a little later where there is no signal and the sampler or the model wants some.
fn first_time<B, F, const D: usize>(field: &F, plan: &Plan) -> f64
where
    B: Backend,
    F: Denoiser<B, D>,
{
    let takes_none = matches!(
        plan.method.recipe(),
        Recipe::Denoising(
            DenoisingName::Ddpm | DenoisingName::Ddim | DenoisingName::EulerAncestral
        )
    );
    let has_signal = field.schedule().at(0.0).alpha > 0.0;
    match has_signal || (takes_none && field.is_defined(0.0)) {
        true => 0.0,
        false => MARGIN,
    }
}

/// Carries source points along the way.
pub(super) fn solve<B, F, const D: usize>(
    field: &F,
    x0: Tensor<B, D>,
    way: &Way,
    plan: &Plan,
    first_row: usize,
    observe: &mut dyn FnMut(f64, &Tensor<B, D>),
) -> Result<(Tensor<B, D>, Statistics), SampleError>
where
    B: Backend,
    F: VectorField<B, D> + LearnedVariance<B, D>,
{
    let recipe = plan.method.recipe();
    let x = x0 * field.schedule().at(way.start()).sigma;
    let grid = match (way, recipe, &plan.stepping) {
        (Way::Grid(grid), _, _) => grid,
        (Way::Span(start, end), Recipe::Pair(pair), Stepping::Adaptive(control)) => {
            observe(*start, &x);
            let solution = Adaptive::new(*control).solve(field, &pair, x, (*start, *end));
            let solution = solution.map_err(SolveError::from)?;
            return Ok((solution.x, solution.statistics));
        }
        _ => return Err(SampleError::NotAdaptive(plan.method)),
    };
    // Chunks of one solve draw from streams that cannot meet, and so do a predictor and its corrector.
    let stream = |index: u64| Increments {
        noise: Noise::new(plan.seed),
        first: 1 + ((first_row as u64) << 32) + (index << 28),
    };
    let brownian = stream(0);
    let x = match recipe {
        Recipe::Plain(method) => integrate_observed(field, &method, x, grid, observe),
        Recipe::Pair(method) => integrate_observed(field, &method, x, grid, observe),
        Recipe::Sde(name) => {
            let sde = ReverseSde {
                field: ByReference(field),
                noise_level: NoiseLevel::Sigma(plan.noise_level),
            };
            match name {
                SdeName::EulerMaruyama => {
                    integrate_observed(&sde, &EulerMaruyama { brownian }, x, grid, observe)
                }
                SdeName::StochasticHeun => {
                    integrate_observed(&sde, &StochasticHeun { brownian }, x, grid, observe)
                }
                SdeName::Sra1 => integrate_observed(&sde, &Sra1 { brownian }, x, grid, observe),
                SdeName::Shark => integrate_observed(&sde, &Shark { brownian }, x, grid, observe),
            }
        }
        Recipe::Denoising(name) => {
            let by = denoise(field, name, Some(x), grid, plan, stream, observe)?;
            by.expect("a state that sets out arrives")
        }
    };
    let statistics = Statistics {
        steps: grid.steps(),
        ..Statistics::default()
    };
    Ok((x, statistics))
}

/// Whether the method of a plan can go this way on this field.
pub(super) fn serve<B, F, const D: usize>(
    field: &F,
    way: &Way,
    plan: &Plan,
) -> Result<(), SampleError>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    match (way, plan.method.recipe()) {
        (Way::Grid(grid), Recipe::Denoising(name)) => {
            let stream = |_| Increments {
                noise: Noise::new(plan.seed),
                first: 0,
            };
            denoise(field, name, None, grid, plan, stream, &mut |_, _| {}).map(|_| ())
        }
        (Way::Grid(_), _) | (Way::Span(..), Recipe::Pair(_)) => Ok(()),
        (Way::Span(..), _) => Err(SampleError::NotAdaptive(plan.method)),
    }
}

/// By a sampler on the denoiser. Without a state it is only checked, and none comes back.
fn denoise<B, F, const D: usize>(
    field: &F,
    name: DenoisingName,
    x: Option<Tensor<B, D>>,
    grid: &TimeGrid,
    plan: &Plan,
    stream: impl Fn(u64) -> Increments,
    observe: &mut dyn FnMut(f64, &Tensor<B, D>),
) -> Result<Option<Tensor<B, D>>, SampleError>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    let brownian = stream(0);
    let churn = Churn::spread(plan.churn, grid.steps());
    let order = |usual: usize, most: usize, known: &'static str| match plan.order {
        None => Ok(usual),
        Some(order) if (1..=most).contains(&order) => Ok(order),
        Some(order) => Err(SampleError::Order {
            method: plan.method,
            order,
            known,
        }),
    };
    let unipc = |variant| -> Result<UniPc, SampleError> {
        Ok(UniPc {
            order: order(2, 3, "1, 2 and 3")?,
            variant,
            taper: Some(grid.steps() as u64),
        })
    };
    let mut run = Run {
        field,
        x,
        grid,
        observe,
    };
    match name {
        DenoisingName::Ddpm => match plan.variance {
            Some(variance) => run.by(&Ddpm { variance, brownian }),
            None => run.by(&DdpmLearned { brownian }),
        },
        DenoisingName::Ddim => {
            let eta = plan.eta.unwrap_or(0.0);
            run.by(&Ddim { eta, brownian })
        }
        DenoisingName::EulerAncestral => {
            let eta = plan.eta.unwrap_or(1.0);
            run.by(&EulerAncestral { eta, brownian })
        }
        DenoisingName::EulerEdm => run.by(&EulerEdm { churn, brownian }),
        DenoisingName::HeunEdm => run.by(&HeunEdm { churn, brownian }),
        DenoisingName::Multistep(order) => run.by(&DpmSolver { order }),
        DenoisingName::Singlestep => run.by(&DpmSolverSingle),
        DenoisingName::MultistepSde => run.by(&DpmSolverSde { order: 2, brownian }),
        DenoisingName::UniPc => run.by(&unipc(Variant::Bh2)?),
        DenoisingName::UniPcBh1 => run.by(&unipc(Variant::Bh1)?),
        DenoisingName::Deis => run.by(&Deis {
            order: order(3, 4, "1, 2, 3 and 4")?,
            extrapolation: Extrapolation::Time,
        }),
        DenoisingName::Lms => run.by(&Deis::lms(order(4, 4, "1, 2, 3 and 4")?)),
        DenoisingName::Pndm => run.by(&Pndm {
            warm_up: WarmUp::RungeKutta,
        }),
        DenoisingName::Plms => run.by(&Pndm {
            warm_up: WarmUp::Multistep,
        }),
        DenoisingName::ReverseDiffusion => run.by(&ReverseDiffusion { brownian }),
        DenoisingName::Pc => {
            let (steps, ratio) = plan.corrector;
            run.by(&PredictorCorrector {
                predictor: ReverseDiffusion { brownian },
                corrector: Langevin { steps, ratio },
                brownian: stream(1),
            })
        }
    }
}

/// What a sampler is run on.
struct Run<'a, B: Backend, F, const D: usize> {
    field: &'a F,
    x: Option<Tensor<B, D>>,
    grid: &'a TimeGrid,
    observe: &'a mut dyn FnMut(f64, &Tensor<B, D>),
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> Run<'_, B, F, D> {
    fn by<M>(&mut self, sampler: &M) -> Result<Option<Tensor<B, D>>, SampleError>
    where
        M: Sampler + Method<B, F, D>,
    {
        check(sampler, self.field, self.grid)?;
        let x = self.x.take();
        let observe = |t: f64, x: &Tensor<B, D>| (self.observe)(t, x);
        Ok(x.map(|x| integrate_observed(self.field, sampler, x, self.grid, observe)))
    }
}

/// A field that is lent to an SDE.
struct ByReference<'a, F>(&'a F);

impl<B: Backend, F: VectorField<B, D>, const D: usize> VectorField<B, D> for ByReference<'_, F> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.velocity(t, x)
    }
}

impl<B: Backend, F: Denoiser<B, D>, const D: usize> Denoiser<B, D> for ByReference<'_, F> {
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }
}
