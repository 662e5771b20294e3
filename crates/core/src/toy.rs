//! Toy distributions of the plane, as sources and as data.
//!
//! `x1 ∈ ℝ²`, n points at a time, from noise alone: the same draws give the same points
//!
//! Those of the benchmark of Tong et al. 2024 come in the paper's own scales; the others fill about
//! [-4, 4]², as in Grathwohl et al. 2019 (FFJORD). To add one, write its file and its entry here.

mod checkerboard;
mod eight_gaussians;
mod gaussian;
mod moons;
mod pinwheel;
mod rings;
mod s_curve;
mod spiral;
mod swiss_roll;

use crate::noise::Draws;

/// The list of distributions: the enum, their names, and the way to their points.
macro_rules! toys {
    ($($(#[doc = $doc:literal])* $name:literal => $Toy:ident, $sample:path;)*) => {
        crate::named! {
            /// A toy distribution. Below, `N` is standard normal noise in ℝ², and `u ~ U(0, 1)`.
            ///
            /// ```
            /// use pyroclast_core::noise::{Noise, Stream};
            /// use pyroclast_core::toy::Toy;
            ///
            /// let points = Toy::Moons.sample(100, &mut Noise::new(0).draws(Stream::Data, 0));
            /// assert_eq!(points.len(), 200); // [100, 2], row-major
            /// ```
            #[derive(Clone, Copy, PartialEq, Eq, Hash)]
            pub enum Toy as "toy distribution" {
                $($(#[doc = $doc])* $name => $Toy,)*
            }
        }

        impl Toy {
            /// Every toy distribution.
            pub const ALL: &[Self] = &[$(Self::$Toy),*];

            /// `n` points, in random order where a distribution spaces them evenly.
            ///
            /// # Shapes
            /// - result: `[n, 2]`, row-major
            pub fn sample(self, n: usize, draws: &mut Draws) -> Vec<f32> {
                let points = match self {
                    $(Self::$Toy => $sample(n, draws),)*
                };
                points.into_iter().flatten().map(|x| x as f32).collect()
            }
        }
    };
}

toys! {
    /// The standard normal distribution `N`.
    "gaussian" => Gaussian, gaussian::sample;
    /// Two interleaved half circles, `(2p − (1, 0))` with `p = (cos θ, sin θ) + .05·N` on one half
    /// of the points and `p = (1 − cos θ, ½ − sin θ) + .05·N` on the other, θ evenly spaced over
    /// [0, π].
    ///
    /// Source: scikit-learn's `make_moons`; scaled as in Tong et al. 2024.
    "moons" => Moons, moons::sample;
    /// `7·(p − m)/s` with p the half circles of [`Toy::Moons`] before scaling, .1 in place of .05,
    /// and m = 3/8 and s = .723 the mean and deviation of all coordinates together, so that the
    /// moons keep their shape.
    ///
    /// The source of the moons→8gaussians task of Tong et al. 2024, after De Bortoli et al. 2021.
    /// The moments are the distribution's, in closed form.
    "wide-moons" => WideMoons, moons::sample_wide;
    /// `5·c + N`, with c the eight points of the unit circle at multiples of π/4, equally often.
    ///
    /// The target of the N→8gaussians task of Tong et al. 2024.
    "8gaussians" => EightGaussians, eight_gaussians::sample;
    /// `3·(4·c + ½·N)`, with c as in [`Toy::EightGaussians`] but drawn for each point
    /// independently.
    ///
    /// The target of the moons→8gaussians task of Tong et al. 2024, after De Bortoli et al. 2021.
    "wide-8gaussians" => WideEightGaussians, eight_gaussians::sample_wide;
    /// `1.5·((sin t, sign(t)·(cos t − 1)) + .05·N)`, `t = 3π(u − ½)`.
    ///
    /// Source: scikit-learn's `make_s_curve` without its depth; scaled as in Tong et al. 2024.
    "scurve" => SCurve, s_curve::sample;
    /// Uniform on the squares `(i, j)`, i + j even, of a 4×4 board over [-4, 4]².
    ///
    /// Source: Grathwohl et al. 2019.
    "checkerboard" => Checkerboard, checkerboard::sample;
    /// Five bent arms, `2·R(−φ)·(r, .1·z)`, `r = 1 + .3·z'`, `φ = 2πk/5 + ¼·e^r`, R the rotation, z
    /// and z' normal, k uniform.
    ///
    /// Source: Johnson et al. 2016; as in Grathwohl et al. 2019.
    "pinwheel" => Pinwheel, pinwheel::sample;
    /// Four circles about 0 of radii .75, 1.5, 2.25 and 3, equally likely, plus `.08·N`.
    ///
    /// Source: Grathwohl et al. 2019.
    "rings" => Rings, rings::sample;
    /// Two arms, `±θ/3·(−cos θ, sin θ) + .1·N`, `θ = 3π√u`.
    ///
    /// Source: Grathwohl et al. 2019, without the uniform jitter.
    "spiral" => Spiral, spiral::sample;
    /// `t/5·(cos t, sin t) + .2·N`, `t = 3π/2·(1 + 2u)`.
    ///
    /// Source: scikit-learn's `make_swiss_roll` without its depth; scaled as in Grathwohl et al.
    /// 2019.
    "swissroll" => SwissRoll, swiss_roll::sample;
}

/// The modes of a distribution: `Σ_k w_k·N(c_k, std²·I)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Modes {
    /// The centres c.
    pub centres: Vec<[f64; 2]>,
    /// The weights w, which sum to 1.
    pub weights: Vec<f64>,
    /// The standard deviation around a centre, per axis.
    pub std: f64,
}

impl Toy {
    /// The modes, if it is a mixture of Gaussians.
    pub fn modes(self) -> Option<Modes> {
        match self {
            Self::EightGaussians => Some(eight_gaussians::modes()),
            Self::WideEightGaussians => Some(eight_gaussians::wide_modes()),
            _ => None,
        }
    }
}

/// A point of the plane; distributions compute in double precision and round once.
type Point = [f64; 2];

/// `p + std·N`.
fn blurred([x, y]: Point, std: f64, draws: &mut Draws) -> Point {
    [x + std * draws.normal(), y + std * draws.normal()]
}

/// The points in random order, so that any part of a sample that was dealt out evenly looks like
/// the whole.
fn shuffled(points: &[Point], draws: &mut Draws) -> Vec<Point> {
    let order = draws.permutation(points.len());
    order.into_iter().map(|i| points[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Stream};

    /// The noise of a test, by seed.
    pub(super) fn draws(seed: u64) -> Draws {
        Noise::new(seed).draws(Stream::Data, 0)
    }

    /// Checks the mean of `f` over the points against the exact one, within five standard errors.
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
        for &toy in Toy::ALL {
            let points = toy.sample(100, &mut draws(1));
            assert_eq!(points, toy.sample(100, &mut draws(1)), "{toy}");
            assert_ne!(points, toy.sample(100, &mut draws(2)), "{toy}");
        }
    }

    #[test]
    fn any_number_of_points_can_be_had() {
        for &toy in Toy::ALL {
            for n in [0, 1, 2, 3, 1001] {
                let points = toy.sample(n, &mut draws(1));
                assert_eq!(points.len(), 2 * n, "{toy}");
                assert!(points.iter().all(|x| x.is_finite()), "{toy}");
            }
        }
    }

    #[test]
    fn a_cursor_gives_new_points_every_time() {
        for &toy in Toy::ALL {
            let mut draws = draws(1);
            assert_ne!(
                toy.sample(50, &mut draws),
                toy.sample(50, &mut draws),
                "{toy}"
            );
        }
    }

    #[test]
    fn a_part_of_a_sample_looks_like_the_whole() {
        // Distributions that space their points evenly would fail here without a shuffle: n = 4000,
        // five standard errors.
        for &toy in Toy::ALL {
            let points = toy.sample(8000, &mut draws(3));
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
                    "{toy} {a} {b}"
                );
            }
        }
    }

    #[test]
    fn every_toy_has_its_own_name() {
        for &toy in Toy::ALL {
            assert_eq!(toy.to_string().parse::<Toy>().expect("its own name"), toy);
        }
        assert_eq!(Toy::names().count(), Toy::ALL.len());
        assert_eq!(format!("[{:>6}]", Toy::Moons), "[ moons]");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "mons".parse::<Toy>().expect_err("there is no such toy");
        assert_eq!(
            error.to_string(),
            "no toy distribution is called `mons`; did you mean `moons`? there are gaussian, moons, \
             wide-moons, 8gaussians, wide-8gaussians, scurve, checkerboard, pinwheel, rings, spiral, swissroll"
        );
    }
}
