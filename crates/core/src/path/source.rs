//! The distribution that paths start from: `x0 ~ p0`

use crate::named::{Choice, Kind, Setting, UnknownName};
use crate::noise::{Draws, Noise, Stream};
use crate::toy::Toy;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error, Serialize, Serializer};
use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;

/// A distribution to draw source points from.
pub trait Distribution: Debug + Send + Sync {
    /// `n` points of `dim` coordinates each, row-major. The same draws give the same points.
    fn points(&self, n: usize, dim: usize, draws: &mut Draws) -> Vec<f32>;
}

/// The distribution of x0.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Source {
    /// `x0 ~ N(0, I)`.
    #[default]
    Normal,
    /// A toy distribution of the plane, for points of two coordinates.
    Toy(Toy),
    /// A distribution of the user's own.
    Custom(Arc<dyn Distribution>),
}

impl Source {
    /// `n` source points of `dim` coordinates each, row-major.
    ///
    /// # Panics
    /// If a toy distribution is asked for points of other than two coordinates.
    pub fn points(&self, n: usize, dim: usize, draws: &mut Draws) -> Vec<f32> {
        match self {
            Self::Normal => draws.normals(n * dim),
            Self::Toy(toy) => {
                assert_eq!(dim, 2, "a toy distribution has two coordinates");
                toy.sample(n, draws)
            }
            Self::Custom(distribution) => distribution.points(n, dim, draws),
        }
    }
}

impl Source {
    /// Source points for the k-th draw of samples: `[n, dim]`, row-major.
    ///
    /// # Panics
    /// As [`Source::points`].
    pub fn for_sampling(&self, n: usize, dim: usize, noise: Noise, k: u64) -> Vec<f32> {
        self.points(n, dim, &mut noise.draws(Stream::Sampler, k << 48))
    }

    /// The points of [`Source::for_sampling`], `rows` at a time. Normal points are drawn when they
    /// are asked for; those of other distributions depend on how many there are, so they are drawn
    /// all at once.
    ///
    /// # Panics
    /// As [`Source::points`], and if `rows` is 0.
    pub fn for_sampling_in_parts(
        &self,
        n: usize,
        dim: usize,
        noise: Noise,
        k: u64,
        rows: usize,
    ) -> impl Iterator<Item = Vec<f32>> + use<> {
        let mut draws = noise.draws(Stream::Sampler, k << 48);
        let whole = match self {
            Self::Normal => None,
            other => Some(other.points(n, dim, &mut draws)),
        };
        (0..n).step_by(rows).map(move |first| {
            let values = rows.min(n - first) * dim;
            match &whole {
                Some(points) => points[first * dim..][..values].to_vec(),
                None => draws.normals(values),
            }
        })
    }
}

/// Distributions of the user's own are equal where they are the same value in memory.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Normal, Self::Normal) => true,
            (Self::Toy(a), Self::Toy(b)) => a == b,
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// `normal`, also called `gaussian`, or the name of a toy distribution.
impl FromStr for Source {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "normal" | "gaussian" => Ok(Self::Normal),
            name => name.parse().map(Self::Toy).map_err(|_| UnknownName {
                what: "source",
                name: name.to_owned(),
                known: std::iter::once("normal").chain(Toy::names()).collect(),
            }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.pad("normal"),
            Self::Toy(toy) => fmt::Display::fmt(toy, f),
            Self::Custom(_) => f.pad("custom"),
        }
    }
}

impl Setting for Source {
    fn kind() -> Kind {
        let normal = Choice {
            name: "normal",
            aliases: &["gaussian"],
            about: "`x0 ~ N(0, I)`.",
            parameters: None,
        };
        match Toy::kind() {
            Kind::Choice(toys) => Kind::Choice(std::iter::once(normal).chain(toys).collect()),
            other => other,
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Custom(_) => Err(S::Error::custom(
                "a source of your own has no name to be written by",
            )),
            named => serializer.serialize_str(&named.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_points_of_a_whole() {
        for source in [Source::Normal, Source::Toy(Toy::Moons)] {
            let noise = Noise::new(3);
            let parts = source.for_sampling_in_parts(11, 2, noise, 1, 4);
            let parts: Vec<Vec<f32>> = parts.collect();
            assert_eq!(parts.len(), 3);
            assert_eq!(parts.concat(), source.for_sampling(11, 2, noise, 1));
        }
    }
}
