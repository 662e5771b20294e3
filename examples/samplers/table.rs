//! Every sampler on laws whose denoiser is exact: what it makes of them, and how far that is from
//! the law.
//!
//! `error(N) = rms over quantiles u of |x_N(u) − F⁻¹(u)|` for deterministic samplers, which in one dimension have to carry the quantiles of the
//! noisy law to those of the clean one; `|√Var(x_N)/s − 1|` for stochastic ones on a Gaussian,
//! where they are linear

use burn::tensor::{DType, Tensor, TensorData};
use burn_ndarray::NdArray;
use pyroclast::core::analytic::{Gaussian, GaussianMixture};
use pyroclast::core::ddpm::Variance;
use pyroclast::core::field::Denoiser;
use pyroclast::core::schedule::{Schedule, VariancePreserving};
use pyroclast::solvers::brownian::Interval;
use pyroclast::solvers::sampler::{
    Averaged, Churn, Ddim, Ddpm, Deis, DpmSolver, DpmSolverSde, DpmSolverSingle, EulerAncestral,
    EulerEdm, Extrapolation, HeunEdm, Pndm, ReverseDiffusion, UniPc, Variant, WarmUp, ZeroNoise,
};
use pyroclast::solvers::{BrownianMotion, Method, TimeGrid, integrate};

/// The backend of the table, in double precision.
pub(crate) type B = NdArray<f64>;
/// Any exact law.
pub(crate) type Law = dyn Denoiser<B, 2>;

/// The clean end of the table's grids: one step before t = 1, so that no step is a last one.
pub(crate) const END: f64 = 0.999;

/// The quantiles that are carried.
const QUANTILES: usize = 19;

/// The schedule of the table.
pub(crate) const SCHEDULE: VariancePreserving = VariancePreserving {
    beta_min: 0.1,
    beta_max: 20.0,
};

/// The mixture `Σ w·N(μ, s²)`; one part is a Gaussian.
#[derive(Debug, Clone)]
pub(crate) struct Parts(pub(crate) Vec<(f64, f64, f64)>);

impl Parts {
    /// N(0, ½²).
    pub(crate) fn gaussian() -> Self {
        Self(vec![(1.0, 0.0, 0.5)])
    }

    /// Two modes, of different weight and width.
    pub(crate) fn mixture() -> Self {
        Self(vec![(0.35, -1.0, 0.4), (0.65, 0.8, 0.3)])
    }

    /// Its exact denoiser.
    pub(crate) fn law(&self) -> Box<Law> {
        match self.0[..] {
            [(_, mean, std)] => Box::new(Gaussian {
                mean: column(&[mean]),
                std,
                schedule: SCHEDULE,
            }),
            _ => {
                let of = |part: fn(&(f64, f64, f64)) -> f64| self.0.iter().map(part).collect();
                let (weights, means, stds): (Vec<f64>, Vec<f64>, Vec<f64>) =
                    (of(|p| p.0), of(|p| p.1), of(|p| p.2));
                Box::new(GaussianMixture::new(
                    column(&means),
                    &weights,
                    &stds,
                    SCHEDULE,
                ))
            }
        }
    }

    /// The quantile of the noisy law at t, by bisection.
    pub(crate) fn quantile(&self, t: f64, u: f64) -> f64 {
        let c = SCHEDULE.at(t);
        let below = |x: f64| -> f64 {
            let part = |&(w, mean, std): &(f64, f64, f64)| {
                let spread = c.std(std);
                w * 0.5 * libm::erfc(-(x - c.alpha * mean) / spread / std::f64::consts::SQRT_2)
            };
            self.0.iter().map(part).sum()
        };
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if below(middle) < u {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

/// A column of states.
pub(crate) fn column(values: &[f64]) -> Tensor<B, 2> {
    let data = TensorData::new(values.to_vec(), [values.len(), 1]);
    Tensor::from_data(data, (&Default::default(), DType::F64))
}

/// The states of a column.
pub(crate) fn values(x: Tensor<B, 2>) -> Vec<f64> {
    x.into_data().to_vec().expect("f64 data")
}

/// A grid of n steps, of the kind that a sampler is meant for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Uniform in the log-SNR.
    LogSnr,
    /// Uniform in t.
    Uniform,
}

impl Kind {
    /// The grid from t = 0 to [`END`].
    pub(crate) fn grid(self, n: usize) -> TimeGrid {
        match self {
            Self::Uniform => TimeGrid::uniform(0.0, END, n),
            Self::LogSnr => {
                let (first, last) = (SCHEDULE.log_snr(0.0), SCHEDULE.log_snr(END));
                let at = |i: usize| {
                    SCHEDULE.time_at_log_snr(first + (last - first) * i as f64 / n as f64)
                };
                TimeGrid::new((0..=n).map(at).collect()).expect("log-SNRs rise")
            }
        }
    }
}

/// A sampler, with a motion for its noise.
type Run = Box<dyn Fn(&Law, Tensor<B, 2>, &TimeGrid, Impulses) -> Tensor<B, 2>>;

/// A line of the table.
pub(crate) struct Line {
    /// What the sampler is called.
    pub(crate) name: &'static str,
    /// The order of its bias.
    pub(crate) order: f64,
    /// Whether it adds noise.
    pub(crate) is_stochastic: bool,
    /// The grid of the line.
    pub(crate) kind: Kind,
    /// How many times 80 steps it takes until the leading term of the error leads.
    pub(crate) fineness: usize,
    run: Run,
}

/// Noise that is 1 in row k at step k, and 0 elsewhere: how each step's noise shows at the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Impulses;

impl BrownianMotion<B, 2> for Impulses {
    fn increment(&self, at: Interval, shape: [usize; 2], _: &Tensor<B, 2>) -> Tensor<B, 2> {
        let mut values = vec![0.0; shape[0]];
        values[at.step as usize] = (at.s - at.t).sqrt();
        column(&values)
    }

    fn increment_with_area(
        &self,
        at: Interval,
        shape: [usize; 2],
        like: &Tensor<B, 2>,
    ) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let w = self.increment(at, shape, like);
        (w.clone(), w.zeros_like())
    }
}

impl Line {
    fn new<M>(name: &'static str, order: f64, method: M) -> Self
    where
        M: Method<B, Law, 2> + 'static,
    {
        Self {
            name,
            order,
            is_stochastic: false,
            kind: Kind::LogSnr,
            fineness: 1,
            run: Box::new(move |law, x, grid, _| integrate(law, &method, x, grid)),
        }
    }

    fn noisy<M>(name: &'static str, order: f64, method: fn(Impulses) -> M) -> Self
    where
        M: Method<B, Law, 2> + 'static,
    {
        Self {
            name,
            order,
            is_stochastic: true,
            kind: Kind::LogSnr,
            fineness: 1,
            run: Box::new(move |law, x, grid, noise| integrate(law, &method(noise), x, grid)),
        }
    }

    fn uniform(self) -> Self {
        Self {
            kind: Kind::Uniform,
            ..self
        }
    }

    fn fine(self, fineness: usize) -> Self {
        Self { fineness, ..self }
    }

    /// The steps of four grids, each twice as fine as the one before, on which the leading term of
    /// the error leads.
    pub(crate) fn fine_grids(&self) -> [usize; 4] {
        [80, 160, 320, 640].map(|n| n * self.fineness)
    }

    /// How far the law that comes out is from the exact one, after n steps.
    pub(crate) fn error(&self, parts: &Parts, n: usize) -> f64 {
        let (law, grid) = (parts.law(), self.kind.grid(n));
        if self.is_stochastic {
            // Row k shows the noise of step k, and the last row the start: their squares add up to
            // the variance.
            let mut start = vec![0.0; n + 1];
            let c = SCHEDULE.at(0.0);
            start[n] = c.std(parts.0[0].2);
            let ends = values((self.run)(&*law, column(&start), &grid, Impulses));
            let variance: f64 = ends.iter().map(|v| v * v).sum();
            let exact = SCHEDULE.at(END).std(parts.0[0].2);
            return (variance.sqrt() / exact - 1.0).abs();
        }
        let at = |t: f64| -> Vec<f64> {
            let u = |i: usize| i as f64 / (QUANTILES + 1) as f64;
            (1..=QUANTILES).map(|i| parts.quantile(t, u(i))).collect()
        };
        let ends = values((self.run)(&*law, column(&at(0.0)), &grid, Impulses));
        let squares = ends.iter().zip(at(END)).map(|(x, y)| (x - y).powi(2));
        (squares.sum::<f64>() / QUANTILES as f64).sqrt()
    }
}

/// Minus the slope of log error over log n, by least squares.
pub(crate) fn slope(grids: &[usize], errors: &[f64]) -> f64 {
    let points: Vec<(f64, f64)> = (grids.iter().zip(errors))
        .map(|(&n, e)| ((n as f64).ln(), e.ln()))
        .collect();
    let n = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let cov: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    -cov / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

/// All lines.
pub(crate) fn lines() -> Vec<Line> {
    let unipc = |order, variant| UniPc {
        order,
        variant,
        taper: None,
    };
    let deis = |order, extrapolation| Deis {
        order,
        extrapolation,
        taper: None,
    };
    let heun = HeunEdm {
        churn: Churn::default(),
        brownian: ZeroNoise,
    };
    let euler = EulerEdm {
        churn: Churn::default(),
        brownian: ZeroNoise,
    };
    vec![
        Line::new("ddim (η = 0)", 1.0, Ddim::DETERMINISTIC),
        Line::new("euler-edm", 1.0, euler),
        Line::new("heun-edm", 2.0, heun),
        Line::new("dpmpp-2m", 2.0, DpmSolver::of_order(2)),
        Line::new("dpmpp-3m", 3.0, DpmSolver::of_order(3)),
        Line::new("dpmpp-2s", 2.0, DpmSolverSingle),
        Line::new("unipc-1 bh2", 2.0, unipc(1, Variant::Bh2)),
        Line::new("unipc-2 bh1", 3.0, unipc(2, Variant::Bh1)).fine(2),
        Line::new("unipc-2 bh2", 3.0, unipc(2, Variant::Bh2)).fine(2),
        Line::new("unipc-3 bh1", 4.0, unipc(3, Variant::Bh1)).fine(4),
        Line::new("unipc-3 bh2", 4.0, unipc(3, Variant::Bh2)).fine(4),
        Line::new("deis-2", 2.0, deis(2, Extrapolation::Time)),
        Line::new("deis-3", 3.0, deis(3, Extrapolation::Time)).fine(2),
        Line::new("deis-3 in ln ρ", 3.0, deis(3, Extrapolation::LogLevel)).fine(2),
        Line::new("lms-2", 2.0, Deis::lms(2)),
        // Finer still, the error of its first steps shows, which are of lower order.
        Line::new("lms-4", 4.0, Deis::lms(4)).fine(2),
        // Its error of order 2 is its transfer's, and so small that on coarser grids the formula's
        // of order 4 shows beside it.
        Line::new(
            "pndm",
            2.0,
            Pndm {
                warm_up: WarmUp::RungeKutta,
                averaged: Averaged::Noise,
            },
        )
        .uniform()
        .fine(32),
        Line::new(
            "plms",
            2.0,
            Pndm {
                warm_up: WarmUp::Multistep,
                averaged: Averaged::Noise,
            },
        )
        .uniform()
        .fine(32),
        Line::noisy("ddpm, small variance", 1.0, |brownian| Ddpm {
            variance: Variance::Small,
            brownian,
        }),
        Line::noisy("ddpm, large variance", 1.0, |brownian| Ddpm {
            variance: Variance::Large,
            brownian,
        }),
        Line::noisy("ddim (η = 1)", 1.0, |brownian| Ddim { eta: 1.0, brownian }),
        Line::noisy("euler-ancestral", 1.0, |brownian| EulerAncestral {
            eta: 1.0,
            brownian,
        }),
        Line::noisy("dpmpp-sde", 2.0, |brownian| DpmSolverSde {
            order: 2,
            taper: None,
            brownian,
        }),
        Line::noisy("reverse-diffusion", 1.0, |brownian| ReverseDiffusion {
            brownian,
        }),
    ]
}
