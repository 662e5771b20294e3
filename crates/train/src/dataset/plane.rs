//! Laws of the plane that flow-matching papers learn, as sources and as targets.
//!
//! `x1 ∈ ℝ²`, n points at a time, from noise alone: the same draws give the same points
//!
//! The laws of the benchmark of Tong et al. 2024 come in the paper's own scales; the others fill about [-4, 4]², as in
//! Grathwohl et al. 2019 (FFJORD).

mod checkerboard;
mod eight_gaussians;
mod moons;
mod pinwheel;
mod rings;
mod s_curve;
mod spiral;
mod swiss_roll;

use super::{Dataset, DatasetError};
use pyroclast_core::noise::Draws;
use std::fmt;
use std::str::FromStr;

/// A law of the plane. Below, `N` is standard normal noise in ℝ², and `u ~ U(0, 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Plane {
    /// The standard normal law `N`.
    Gaussian,
    /// Two interleaved half circles, `(2p − (1, 0))` with `p = (cos θ, sin θ) + .05·N` on one half of the points and
    /// `p = (1 − cos θ, ½ − sin θ) + .05·N` on the other, θ evenly spaced over [0, π].
    ///
    /// Source: scikit-learn's `make_moons`; scaled as in Tong et al. 2024.
    Moons,
    /// `7·(p − m)/s` with p the half circles of [`Plane::Moons`] before scaling, .1 in place of .05, and m = 3/8 and s = .723
    /// the mean and deviation of all coordinates together, so that the moons keep their shape.
    ///
    /// The source of the moons→8gaussians task of Tong et al. 2024, after De Bortoli et al. 2021. The moments are the law's,
    /// in closed form.
    WideMoons,
    /// `5·c + N`, with c the eight points of the unit circle at multiples of π/4, equally often.
    ///
    /// The target of the N→8gaussians task of Tong et al. 2024.
    EightGaussians,
    /// `3·(4·c + ½·N)`, with c as in [`Plane::EightGaussians`] but drawn for each point by itself.
    ///
    /// The target of the moons→8gaussians task of Tong et al. 2024, after De Bortoli et al. 2021.
    WideEightGaussians,
    /// `1.5·((sin t, sign(t)·(cos t − 1)) + .05·N)`, `t = 3π(u − ½)`.
    ///
    /// Source: scikit-learn's `make_s_curve` without its depth; scaled as in Tong et al. 2024.
    SCurve,
    /// Uniform on the squares `(i, j)`, i + j even, of a 4×4 board over [-4, 4]².
    ///
    /// Source: Grathwohl et al. 2019.
    Checkerboard,
    /// Five bent arms, `2·R(−φ)·(r, .1·z)`, `r = 1 + .3·z'`, `φ = 2πk/5 + ¼·e^r`, R the rotation, z and z' normal, k uniform.
    ///
    /// Source: Johnson et al. 2016; as in Grathwohl et al. 2019.
    Pinwheel,
    /// Four circles about 0 of radii .75, 1.5, 2.25 and 3, equally likely, plus `.08·N`.
    ///
    /// Source: Grathwohl et al. 2019.
    Rings,
    /// Two arms, `±θ/3·(−cos θ, sin θ) + .1·N`, `θ = 3π√u`.
    ///
    /// Source: Grathwohl et al. 2019, without the uniform jitter.
    Spiral,
    /// `t/5·(cos t, sin t) + .2·N`, `t = 3π/2·(1 + 2u)`.
    ///
    /// Source: scikit-learn's `make_swiss_roll` without its depth; scaled as in Grathwohl et al. 2019.
    SwissRoll,
}

impl Plane {
    /// Every law.
    pub const ALL: [Self; 11] = [
        Self::Gaussian,
        Self::Moons,
        Self::WideMoons,
        Self::EightGaussians,
        Self::WideEightGaussians,
        Self::SCurve,
        Self::Checkerboard,
        Self::Pinwheel,
        Self::Rings,
        Self::Spiral,
        Self::SwissRoll,
    ];

    /// The names of all laws, as the command line takes them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::name)
    }

    /// The name of this law.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Moons => "moons",
            Self::WideMoons => "wide-moons",
            Self::EightGaussians => "8gaussians",
            Self::WideEightGaussians => "wide-8gaussians",
            Self::SCurve => "scurve",
            Self::Checkerboard => "checkerboard",
            Self::Pinwheel => "pinwheel",
            Self::Rings => "rings",
            Self::Spiral => "spiral",
            Self::SwissRoll => "swissroll",
        }
    }

    /// `n` points, in random order where a law deals them out evenly.
    ///
    /// # Shapes
    /// - result: `[n, 2]`, row-major
    pub fn sample(self, n: usize, draws: &mut Draws) -> Vec<f32> {
        let points = match self {
            Self::Gaussian => return draws.normals(2 * n),
            Self::Moons => moons::sample(n, draws),
            Self::WideMoons => moons::sample_wide(n, draws),
            Self::EightGaussians => eight_gaussians::sample(n, draws),
            Self::WideEightGaussians => eight_gaussians::sample_wide(n, draws),
            Self::SCurve => s_curve::sample(n, draws),
            Self::Checkerboard => checkerboard::sample(n, draws),
            Self::Pinwheel => pinwheel::sample(n, draws),
            Self::Rings => rings::sample(n, draws),
            Self::Spiral => spiral::sample(n, draws),
            Self::SwissRoll => swiss_roll::sample(n, draws),
        };
        points.into_iter().flatten().map(|x| x as f32).collect()
    }

    /// `n` points as a dataset named after the law.
    pub fn dataset(self, n: usize, draws: &mut Draws) -> Dataset {
        Dataset::new(self.name(), self.sample(n, draws), vec![2])
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Plane {
    type Err = DatasetError;

    fn from_str(name: &str) -> Result<Self, DatasetError> {
        Self::ALL
            .into_iter()
            .find(|law| law.name() == name)
            .ok_or_else(|| DatasetError::UnknownPlane {
                name: name.to_owned(),
                known: Self::names().collect::<Vec<_>>().join(", "),
            })
    }
}

/// A point of the plane; laws compute in double precision and round once.
type Point = [f64; 2];

/// `p + std·N`.
fn blurred([x, y]: Point, std: f64, draws: &mut Draws) -> Point {
    [x + std * draws.normal(), y + std * draws.normal()]
}

/// The points in random order, so that any part of a sample that was dealt out evenly looks like the whole.
fn shuffled(points: &[Point], draws: &mut Draws) -> Vec<Point> {
    let order = draws.permutation(points.len());
    order.into_iter().map(|i| points[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    /// The noise of a test, by seed.
    pub(super) fn draws(seed: u64) -> Draws {
        Noise::new(seed).draws(Stream::Data, 0)
    }

    /// Holds the mean of `f` over the points against the law's, within five standard errors.
    pub(super) fn has_mean(points: &[Point], f: impl Fn(Point) -> f64, expected: f64) {
        let n = points.len() as f64;
        let mean = points.iter().map(|&p| f(p)).sum::<f64>() / n;
        let square = points.iter().map(|&p| f(p).powi(2)).sum::<f64>() / n;
        let bound = 5.0 * ((square - mean * mean) / n).sqrt();
        assert!(
            (mean - expected).abs() < bound,
            "{mean} is not {expected} ± {bound}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_points() {
        for law in Plane::ALL {
            let points = law.sample(100, &mut draws(1));
            assert_eq!(points, law.sample(100, &mut draws(1)), "{law}");
            assert_ne!(points, law.sample(100, &mut draws(2)), "{law}");
        }
    }

    #[test]
    fn any_number_of_points_can_be_had() {
        for law in Plane::ALL {
            for n in [0, 1, 2, 3, 1001] {
                let data = law.dataset(n, &mut draws(1));
                assert_eq!((data.values.len(), data.len()), (2 * n, n), "{law}");
                assert!(data.values.iter().all(|x| x.is_finite()), "{law}");
                assert_eq!(data.name, law.name());
            }
        }
    }

    #[test]
    fn a_cursor_gives_new_points_every_time() {
        for law in Plane::ALL {
            let mut draws = draws(1);
            assert_ne!(
                law.sample(50, &mut draws),
                law.sample(50, &mut draws),
                "{law}"
            );
        }
    }

    #[test]
    fn a_part_of_a_sample_looks_like_the_whole() {
        // Laws that deal their points out evenly would fail here without a shuffle: n = 4000, five standard errors.
        for law in Plane::ALL {
            let points = law.sample(8000, &mut draws(3));
            let (first, second) = points.split_at(8000);
            let moments = |part: &[f32], axis: usize| {
                let x: Vec<f64> = part
                    .iter()
                    .skip(axis)
                    .step_by(2)
                    .map(|&x| f64::from(x))
                    .collect();
                let mean = x.iter().sum::<f64>() / 4000.0;
                (
                    mean,
                    x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0,
                )
            };
            for axis in 0..2 {
                let ((a, var_a), (b, var_b)) = (moments(first, axis), moments(second, axis));
                assert!(
                    (a - b).abs() < 5.0 * ((var_a + var_b) / 4000.0).sqrt(),
                    "{law} {a} {b}"
                );
            }
        }
    }

    #[test]
    fn names_and_laws_correspond() {
        for law in Plane::ALL {
            assert_eq!(law.name().parse::<Plane>().expect("its own name"), law);
        }
        assert_eq!(Plane::names().count(), Plane::ALL.len());
        assert_eq!(format!("[{:>6}]", Plane::Moons), "[ moons]");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "mons".parse::<Plane>().expect_err("there is no such law");
        assert_eq!(
            error.to_string(),
            "no law is called `mons`; choose one of gaussian, moons, wide-moons, 8gaussians, wide-8gaussians, scurve, \
             checkerboard, pinwheel, rings, spiral, swissroll"
        );
    }
}
