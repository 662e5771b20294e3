//! The random path between source and data that a model is trained on.
//!
//! `x_t = α(t)·x1 + σ(t)·x0 + γ(t)·z`, `u_t = α̇·x1 + σ̇·x0 + γ̇·z`, `z ~ N(0, I)`, `(x0, x1) ~ π`,
//! `t ~ p(t)`
//!
//! Source: Albergo, Boffi & Vanden-Eijnden 2023; Tong et al. 2024 for the bridge and the couplings.

mod gamma;
mod source;

pub use gamma::Gamma;
pub use source::{Distribution, Source};

use crate::coupling::{Coupling, Regularisation};
use crate::endpoints::Endpoints;
use crate::noise::Draws;
use crate::per_sample::PerSample;
use crate::schedule::{
    AnySchedule, BetaTable, Coefficients, Edm, Schedule, Trigonometric, VarianceExploding,
    VariancePreserving,
};
use crate::settings;
use crate::time_sampler::{TimeDistribution, TimeSampler};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{PathRow, path_sample};

/// How far training times keep from an end where the velocity is infinite (Song et al. 2021,
/// appendix C).
const MARGIN: f64 = 1e-5;
/// The same for a bridge, whose `γ̇` grows as `1/√t`.
const BRIDGE_MARGIN: f64 = 1e-3;

settings! {
    /// Everything that decides which paths a model is trained on: one value, owned by the
    /// [`Flow`](crate::flow::Flow).
    ///
    /// The default is `x_t = t·x1 + (1 − t)·x0` from `x0 ~ N(0, I)` to independent data, at uniform
    /// times.
    ///
    /// ```
    /// use pyroclast_core::path::{Gamma, Path};
    /// use pyroclast_core::schedule::{Schedule, Trigonometric};
    ///
    /// let bridge = Path::bridge(0.1);
    /// assert_eq!(bridge.gamma, Gamma::Bridge(0.1));
    ///
    /// let own = Path { gamma: Gamma::Constant(0.05), ..Path::new(Trigonometric) };
    /// assert_eq!(own.schedule.at(0.0).sigma, 1.0);
    /// ```
    #[derive(Clone, PartialEq)]
    pub struct Path {
        /// α and σ over time.
        schedule: AnySchedule = AnySchedule::default(),
        /// Noise between the endpoints.
        gamma: Gamma = Gamma::None,
        /// The distribution of x0.
        source: Source = Source::Normal,
        /// How x0 and x1 are paired.
        coupling: Coupling = Coupling::Independent,
        /// The distribution of t in training.
        times: TimeSampler = TimeSampler::default(),
    }
    where {
        coupling: Path::bridge_has_noise => "a bridge without noise has no regularisation of its own; give the \
            bridge a scale above 0, or the coupling a regularisation such as { fixed = 1.0 }",
    }
}

/// A batch of points on paths: everything that a loss reads.
///
/// # Shapes
/// - t and coefficients: one per sample
/// - x_t, d_x_t, endpoints: `[batch, …]`
#[derive(Debug, Clone)]
pub struct PathSample<B: Backend, const D: usize> {
    /// The times.
    pub t: Vec<f64>,
    /// α, σ and derivatives at those times.
    pub coefficients: Vec<Coefficients>,
    /// The points `x_t`.
    pub x_t: Tensor<B, D>,
    /// The conditional velocity `dx_t/dt` there.
    pub d_x_t: Tensor<B, D>,
    /// The endpoints of the paths.
    pub endpoints: Endpoints<B, D>,
    /// The noise between the endpoints, where γ is not 0.
    pub z: Option<Tensor<B, D>>,
}

impl Path {
    /// From N(0, I) to independent data under a schedule, at uniform times.
    pub fn new(schedule: impl Into<AnySchedule>) -> Self {
        Self {
            schedule: schedule.into(),
            ..Self::default()
        }
    }

    /// The straight path `x_t = t·x1 + (1 − t)·x0` with independent pairs (Lipman et al. 2023;
    /// rectified flow, Liu et al. 2023).
    pub fn linear() -> Self {
        Self::default()
    }

    /// The straight path between pairs by optimal transport within the batch (OT-CFM; Tong et al.
    /// 2024).
    pub fn optimal_transport() -> Self {
        Self {
            coupling: Coupling::OptimalTransport,
            ..Self::linear()
        }
    }

    /// `α = sin(πt/2), σ = cos(πt/2)` (Albergo & Vanden-Eijnden 2023).
    pub fn trigonometric() -> Self {
        Self::new(Trigonometric)
    }

    /// The Schrödinger bridge of diffusion s, on minibatches: bridge noise between pairs from the
    /// entropic plan of ε = 2s².
    ///
    /// Source: Tong et al. 2024 (Schrödinger-bridge CFM). Range: s > 0.
    pub fn bridge(s: f64) -> Self {
        Self {
            gamma: Gamma::Bridge(s),
            coupling: Coupling::Sinkhorn(Regularisation::Auto),
            ..Self::linear()
        }
    }

    /// The variance-preserving diffusion with β from 0.1 to 20 (Song et al. 2021).
    pub fn variance_preserving() -> Self {
        Self::new(VariancePreserving::default())
    }

    /// The variance-exploding diffusion with σ from 50 to 0.01 (Song et al. 2021).
    pub fn variance_exploding() -> Self {
        Self::new(VarianceExploding::default())
    }

    /// EDM's diffusion, trained at `ln σ ~ N(−1.2, 1.2²)` (Karras et al. 2022, table 1).
    pub fn edm() -> Self {
        Self::new(Edm::default()).at_times(TimeDistribution::LogNormalSigma {
            mean: -1.2,
            std: 1.2,
        })
    }

    /// A discrete chain, trained at the times of its steps (Ho et al. 2020).
    pub fn chain(table: BetaTable) -> Self {
        Self::new(table)
    }

    /// The same path, trained at times of another distribution.
    #[must_use]
    pub fn at_times(mut self, distribution: TimeDistribution) -> Self {
        self.times.distribution = distribution;
        self
    }

    /// Whether a model's velocity determines the score, as an SDE needs it.
    ///
    /// `∇log p_t = −E[x0|x_t]/σ` holds where x0 ~ N(0, I) is independent of x1 and nothing is added
    /// between them. Transport of any kind, another source, and bridge noise each break it; where
    /// there is bridge noise, a model can learn the score itself
    /// ([`Flow::knows_score`](crate::flow::Flow::knows_score)).
    pub fn knows_score(&self) -> bool {
        self.coupling == Coupling::Independent
            && self.gamma == Gamma::None
            && self.source == Source::Normal
    }

    /// `n` training times, kept away from the ends by [`Path::clip`].
    pub fn times(&self, n: usize, draws: &mut Draws) -> Vec<f64> {
        let distribution = match (self.schedule.table(), self.times.distribution) {
            (Some(table), TimeDistribution::Uniform) => TimeDistribution::Index {
                steps: table.steps(),
            },
            (_, distribution) => distribution,
        };
        let sampler = TimeSampler {
            distribution,
            clip: Some(self.clip()),
        };
        sampler.sample(n, &self.schedule, draws)
    }

    /// ε of the training times `[ε, 1 − ε]`: what `times.clip` says, or else what keeps the loss
    /// finite.
    ///
    /// A bridge's `γ̇` is infinite at both ends, and `σ̇` of vp at the data; where ve ends, single
    /// precision has lost the noise. All other paths are trained at every time.
    pub fn clip(&self) -> f64 {
        let singular = match (self.gamma, &self.schedule) {
            (Gamma::Bridge(_), _) => BRIDGE_MARGIN,
            (_, AnySchedule::VariancePreserving(_) | AnySchedule::VarianceExploding(_)) => MARGIN,
            _ => 0.0,
        };
        self.times.clip.unwrap_or(singular)
    }

    /// Pairs of a row of `x0` and a row of `x1`: [`Coupling::pairs`], where an entropic plan has the
    /// regularisation of the path's bridge unless it has one of its own.
    ///
    /// # Panics
    /// As [`Coupling::pairs`].
    pub fn pairs(
        &self,
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: Option<&[u32]>,
        draws: &mut Draws,
    ) -> Vec<(usize, usize)> {
        self.resolved_coupling().pairs(x0, x1, dim, labels, draws)
    }

    fn resolved_coupling(&self) -> Coupling {
        let of_bridge = match self.gamma {
            Gamma::Bridge(s) => Regularisation::of_bridge(s),
            _ => Regularisation::Auto,
        };
        match self.coupling {
            Coupling::Sinkhorn(Regularisation::Auto) => Coupling::Sinkhorn(of_bridge),
            Coupling::Unbalanced {
                epsilon: Regularisation::Auto,
                lambda,
            } => Coupling::Unbalanced {
                epsilon: of_bridge,
                lambda,
            },
            ref coupling => coupling.clone(),
        }
    }

    fn bridge_has_noise(&self) -> bool {
        let of_bridge = matches!(
            self.coupling,
            Coupling::Sinkhorn(Regularisation::Auto)
                | Coupling::Unbalanced {
                    epsilon: Regularisation::Auto,
                    ..
                }
        );
        !of_bridge || self.gamma != Gamma::Bridge(0.0)
    }

    /// The state `σ(t)·x0` that sampling starts from at time t: VE and EDM start wide.
    pub fn start<B: Backend, const D: usize>(&self, t: f64, x0: Tensor<B, D>) -> Tensor<B, D> {
        x0 * self.schedule.at(t).sigma
    }

    /// The points at times `t` on the paths between `endpoints`; `z` is the noise between them,
    /// read only where γ is not 0.
    ///
    /// # Shapes
    /// - t: one time per row of `endpoints.x1`; z: as `ends.x1`
    ///
    /// # Panics
    /// If shapes differ, or if γ is not 0 and there is no z.
    pub fn sample<B: Backend, const D: usize>(
        &self,
        endpoints: Endpoints<B, D>,
        mut z: Option<Tensor<B, D>>,
        t: &[f64],
    ) -> PathSample<B, D> {
        let coefficients: Vec<_> = t.iter().map(|&t| self.schedule.at(t)).collect();
        let rows: Vec<_> = (coefficients.iter())
            .map(|c| PathRow {
                data: [c.alpha, c.d_alpha],
                noise: [c.sigma, c.d_sigma],
            })
            .collect();
        let [mut x_t, mut d_x_t] = path_sample(&endpoints.x0, &endpoints.x1, &rows);
        if self.gamma == Gamma::None {
            z = None;
        } else {
            let z = z
                .clone()
                .expect("a path with γ > 0 is sampled with its noise z");
            let per_sample = PerSample::like(&endpoints.x1);
            let gamma = |pick: fn((f64, f64)) -> f64| -> Tensor<B, D> {
                per_sample.tensor(t.iter().map(|&t| pick(self.gamma.at(t))))
            };
            x_t = x_t + z.clone() * gamma(|g| g.0);
            if !matches!(self.gamma, Gamma::Constant(_)) {
                d_x_t = d_x_t + z * gamma(|g| g.1);
            }
        }
        PathSample {
            t: t.to_vec(),
            coefficients,
            x_t,
            d_x_t,
            endpoints,
            z,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::Pairing;
    use crate::noise::{Noise, Stream};
    use crate::schedule::{Cosine, Linear, Polynomial};
    use std::sync::Arc;

    /// Ones, paired in reverse.
    #[derive(Debug)]
    struct Mine;

    impl Distribution for Mine {
        fn points(&self, n: usize, dim: usize, _: &mut Draws) -> Vec<f32> {
            vec![1.0; n * dim]
        }
    }

    impl Pairing for Mine {
        fn pairs(
            &self,
            x0: &[f32],
            _: &[f32],
            dim: usize,
            _: Option<&[u32]>,
            _: &mut Draws,
        ) -> Vec<(usize, usize)> {
            (0..x0.len() / dim).rev().enumerate().collect()
        }
    }

    fn draws() -> Draws {
        Noise::new(1).draws(Stream::Time, 0)
    }

    fn named_paths() -> Vec<Path> {
        vec![
            Path::linear(),
            Path::optimal_transport(),
            Path::trigonometric(),
            Path::bridge(0.3),
            Path::variance_preserving(),
            Path::variance_exploding(),
            Path::edm(),
            Path::chain(BetaTable::scaled_linear(40, 0.001, 0.2).zero_terminal_snr()),
            Path::chain(BetaTable::new(vec![0.1, 0.2, 0.3]).expect("a table")),
            Path::new(Cosine),
            Path {
                source: Source::Toy(crate::toy::Toy::Moons),
                ..Path::new(Polynomial { degree: 3.0 })
            },
        ]
    }

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        for path in named_paths() {
            let text = serde_json::to_string(&path).expect("named values");
            let again: Path = serde_json::from_str(&text).expect(&text);
            assert_eq!(again, path, "{text}");
        }
        let short: Path = serde_json::from_str(r#"{"coupling": "ot"}"#).expect("an alias");
        assert_eq!(short, Path::optimal_transport());
    }

    #[test]
    fn parts_of_ones_own_are_used_and_have_no_name() {
        let own = Path {
            source: Source::Custom(Arc::new(Mine)),
            coupling: Coupling::Custom(Arc::new(Mine)),
            ..Path::new(Arc::new(Linear::default()) as Arc<dyn Schedule>)
        };
        assert_eq!(own.source.points(2, 3, &mut draws()), [1.0; 6]);
        let pairs = own.pairs(&[0.0; 3], &[0.0; 3], 1, None, &mut draws());
        assert_eq!(pairs, [(0, 2), (1, 1), (2, 0)]);
        assert_eq!(own.schedule.at(0.25).alpha, 0.25);
        for path in [
            Path::new(own.schedule.clone()),
            Path {
                source: own.source.clone(),
                ..Path::linear()
            },
            Path {
                coupling: own.coupling.clone(),
                ..Path::linear()
            },
        ] {
            let error = serde_json::to_string(&path)
                .expect_err("no name")
                .to_string();
            assert!(error.contains("of your own has no name"), "{error}");
        }
    }

    #[test]
    fn a_chain_is_trained_at_its_own_times() {
        let table = BetaTable::default();
        for t in Path::chain(table.clone()).times(100, &mut draws()) {
            assert!(table.exact_index(t).is_some(), "{t}");
        }
    }

    #[test]
    fn times_keep_off_the_ends_where_a_path_is_singular_there() {
        let bridge = Path {
            gamma: Gamma::Bridge(0.3),
            ..Path::linear()
        };
        for (path, clip) in [
            (bridge.clone(), BRIDGE_MARGIN),
            (Path::bridge(0.3), BRIDGE_MARGIN),
            (Path::variance_preserving(), MARGIN),
            (Path::variance_exploding(), MARGIN),
            (Path::linear(), 0.0),
            (Path::edm(), 0.0),
            (Path::chain(BetaTable::default()), 0.0),
        ] {
            assert_eq!(path.clip(), clip, "{path:?}");
            let times = path.times(10_000, &mut draws());
            assert!(times.iter().all(|t| (clip..=1.0 - clip).contains(t)));
        }
        let mut own = bridge;
        own.times.clip = Some(0.0);
        assert_eq!(own.clip(), 0.0);
    }

    #[test]
    fn only_independent_pairs_from_noise_determine_the_score() {
        let known = named_paths()
            .iter()
            .filter(|path| path.knows_score())
            .count();
        assert_eq!(known, named_paths().len() - 3);
    }

    #[test]
    fn sampling_starts_as_wide_as_the_schedule() {
        let x0 = Tensor::<burn_ndarray::NdArray, 2>::ones([1, 1], &Default::default());
        assert_eq!(Path::edm().start(0.0, x0).into_scalar(), 80.0);
    }
}
