//! The scores of a repetition by name, and their spread over repetitions.

use crate::elbo::Elbo;
use crate::estimate::Estimate;
use crate::feature_metric::FEATURE_METRICS;
use crate::interval::Interval;
use crate::likelihood::Likelihood;
use crate::mode_coverage::{expected_divergence, expected_modes};
use crate::{ModeCoverage, Spread, TableScores, TwoSample};
use pyroclast_core::toy::Modes;

/// The scores of one repetition. Distances are on the model's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// W2 between samples and data.
    pub w2: Estimate,
    /// W2 between data and other data: what a perfect sampler scores at this n.
    pub w2_floor: f64,
    /// Sliced W2 between samples and data.
    pub sliced: Estimate,
    /// Sliced W2 between data and other data.
    pub sliced_floor: f64,
    /// Energy distance between samples and data.
    pub energy_distance: Estimate,
    /// MMD² with Gaussian kernels as long as the median distance between points of the data,
    /// between at most 2000 samples and as many points; `None` if most points of the data coincide.
    pub mmd: Option<Estimate>,
    /// Whether a classifier can tell samples from data, and other data from data: by their features
    /// if they are pictures, and by themselves otherwise. `None` for pictures without a network of
    /// features, and for a single sample.
    pub two_sample: Option<[TwoSample; 2]>,
    /// The modes of the data, if they are known, as samples and other data cover them.
    pub modes: Option<CoveredModes>,
    /// One entry per metric in [`FEATURE_METRICS`]; without values if there is no classifier.
    pub features: [FeatureScore; FEATURE_METRICS.len()],
    /// Normalised path energy; only for fixed steps.
    pub npe: Option<f64>,
    /// Straightness of the paths, 0 for straight ones; only for fixed steps.
    pub straightness: Option<f64>,
    /// The likelihood of held-out data, if the density of the source is known.
    pub likelihood: Option<Likelihood>,
    /// The variational bound of held-out data: an upper bound on their negative log-likelihood
    /// under the chain's own distribution.
    pub elbo: Option<Elbo>,
    /// The columns of a table, and their correlations; `None` for other data, and for a single
    /// sample.
    pub table: Option<TableScores>,
    /// The median distance to the nearest sample of the training data, of samples and of held-out
    /// data: [`nearest_distances`](crate::nearest_distances). `None` for points that are drawn anew
    /// for every batch.
    pub nearest: [Option<f64>; 2],
    /// Evaluations of the network per sample.
    pub evaluations: usize,
    /// Seconds of sampling.
    pub seconds: f64,
}

/// One metric of features.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeatureScore {
    /// The samples against data; `None` if there are too few of them.
    pub score: Option<Estimate>,
    /// Other data against data, if the metric reports it.
    pub floor: Option<f64>,
}

/// The modes of a mixture, and how they are covered.
#[derive(Debug, Clone, PartialEq)]
pub struct CoveredModes {
    /// The modes.
    pub modes: Modes,
    /// The number of samples, and of other data.
    pub n: usize,
    /// By the samples.
    pub by_samples: ModeCoverage,
    /// By other data.
    pub by_data: ModeCoverage,
}

/// A score by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T> {
    /// Its key in JSON.
    pub key: &'static str,
    /// Its label in a table, indented if it belongs to the score before it.
    pub name: String,
    /// The score.
    pub value: Option<T>,
}

/// The label of the score of a perfect sampler.
const FLOOR: &str = "  of a perfect sampler";

/// A list of scores by name.
#[derive(Default)]
struct List(Vec<Named<Estimate>>);

impl List {
    fn add(&mut self, key: &'static str, name: &str, value: impl Into<Option<Estimate>>) {
        self.0.push(Named {
            key,
            name: name.to_owned(),
            value: value.into(),
        });
    }

    /// A score that tells no interval by itself.
    fn plain(&mut self, key: &'static str, name: &str, value: impl Into<Option<f64>>) {
        self.add(key, name, value.into().map(Estimate::from));
    }
}

impl Scores {
    /// Every score by name, in the order of a report.
    pub fn named(&self) -> Vec<Named<Estimate>> {
        let mut all = List::default();
        all.add("w2", "W2", self.w2);
        all.plain("w2_floor", FLOOR, self.w2_floor);
        all.add("sliced_w2", "sliced W2", self.sliced);
        all.plain("sliced_w2_floor", FLOOR, self.sliced_floor);
        all.add("energy_distance", "energy distance", self.energy_distance);
        all.add("mmd", "MMD² (Gaussian kernel)", self.mmd);
        if let Some([samples, other]) = &self.two_sample {
            all.add("c2st", "two-sample accuracy (C2ST)", samples.accuracy);
            all.plain("c2st_floor", FLOOR, other.accuracy.value);
            all.add("c2st_auc", "  area under the curve", samples.auc);
        }
        if let Some(found) = &self.modes {
            self.name_modes(found, &mut all);
        }
        for (metric, found) in FEATURE_METRICS.iter().zip(&self.features) {
            let name = format!("{} of features", metric.name);
            all.add(metric.key, &name, found.score);
            if let Some(key) = metric.floor_key {
                all.plain(key, FLOOR, found.floor);
            }
        }
        if let Some(table) = &self.table {
            let [samples, other] = table.correlations;
            all.plain("correlation_difference", "correlation difference", samples);
            all.plain("correlation_difference_floor", FLOOR, other);
        }
        let [drawn, held_out] = self.nearest;
        all.plain("nearest", "distance to training data", drawn);
        all.plain("nearest_held_out", "  of held-out data", held_out);
        all.plain("npe", "normalised path energy", self.npe);
        let straightness = "straightness (0: straight)";
        all.plain("straightness", straightness, self.straightness);
        let bound = self.elbo.as_ref().map(|elbo| &elbo.total);
        for ([nats, error, bits], name, found) in [
            (
                ["nll", "nll_error", "bits_per_dimension"],
                "NLL of held-out data (nats)",
                self.likelihood.as_ref(),
            ),
            (
                ["elbo", "elbo_error", "elbo_bits_per_dimension"],
                "variational bound (nats)",
                bound,
            ),
        ] {
            let mean = |found: &Likelihood| Estimate {
                value: found.nats,
                interval: (found.samples > 1)
                    .then(|| Interval::around(found.nats, found.standard_error, found.samples - 1)),
            };
            all.add(nats, name, found.map(mean));
            let name = "  its standard error";
            all.plain(error, name, found.map(|found| found.standard_error));
            let found = found.and_then(|found| found.bits_per_dimension);
            all.plain(bits, "  bits per dimension", found);
        }
        let evaluations = self.evaluations as f64;
        all.plain("evaluations", "evaluations per sample", evaluations);
        all.plain("seconds", "seconds of sampling", self.seconds);
        all.0
    }

    fn name_modes(&self, found: &CoveredModes, all: &mut List) {
        let CoveredModes { modes, n, .. } = found;
        let [samples, data] = [&found.by_samples, &found.by_data];
        let name = format!("modes hit, of {}", modes.weights.len());
        all.plain("modes_hit", &name, samples.hit as f64);
        all.plain("modes_hit_floor", FLOOR, expected_modes(modes, *n));
        let name = "samples within 3σ of a mode";
        all.add("high_quality", name, samples.high_quality);
        all.plain("high_quality_floor", FLOOR, data.high_quality.value);
        let name = "KL of the shares of modes";
        all.plain("mode_divergence", name, samples.divergence);
        all.plain(
            "mode_divergence_floor",
            FLOOR,
            expected_divergence(modes, *n),
        );
    }
}

/// How the scores of one model differ from those of another, repetition by repetition: theirs
/// subtracted from ours. What both share in a repetition, its noise and its data, is in neither the
/// differences nor their spread, so that the interval of a difference is often far narrower than
/// those of the scores.
///
/// The names are those of our scores; a score that some repetition lacks has no difference.
///
/// # Panics
/// If there is no repetition, or not as many of both.
pub fn differences(ours: &[Scores], theirs: &[Scores]) -> Vec<Named<Spread>> {
    assert_eq!(
        ours.len(),
        theirs.len(),
        "repetitions are compared in pairs"
    );
    let [ours, theirs] = [ours, theirs]
        .map(|scores| -> Vec<Vec<Named<Estimate>>> { scores.iter().map(Scores::named).collect() });
    let value = |named: &[Named<Estimate>], key: &str| {
        let found = named.iter().find(|score| score.key == key)?;
        found.value.map(|estimate| estimate.value)
    };
    let of = |key: &str| -> Option<Spread> {
        let pairs = ours.iter().zip(&theirs);
        let each = pairs.map(|(ours, theirs)| Some(value(ours, key)? - value(theirs, key)?));
        let found: Option<Vec<f64>> = each.collect();
        Some(Spread::of(&found?))
    };
    (ours[0].iter())
        .map(|score| Named {
            key: score.key,
            name: score.name.clone(),
            value: of(score.key),
        })
        .collect()
}

/// The spread of every score over repetitions; none for a score that some repetition lacks. A
/// single repetition has the intervals that it tells by itself.
///
/// # Panics
/// If there is no repetition.
pub fn spreads(repetitions: &[Scores]) -> Vec<Named<Spread>> {
    let named: Vec<Vec<Named<Estimate>>> = repetitions.iter().map(Scores::named).collect();
    let of = |i: usize| -> Option<Spread> {
        let found: Option<Vec<Estimate>> = named.iter().map(|scores| scores[i].value).collect();
        Some(match found?[..] {
            [Estimate { value, interval }] => Spread {
                mean: value,
                std: None,
                interval,
            },
            ref several => {
                let values: Vec<f64> = several.iter().map(|found| found.value).collect();
                Spread::of(&values)
            }
        })
    };
    (named[0].iter().enumerate())
        .map(|(i, first)| Named {
            key: first.key,
            name: first.name.clone(),
            value: of(i),
        })
        .collect()
}
