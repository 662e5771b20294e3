//! Latents of pictures as the moments of their distributions, read when they are asked for.
//!
//! `z = μ + s·ε, ε ~ N(0, I)`, or the mode `z = μ`, then `(z − shift)/scale`
//!
//! A row on disk is μ, then s, of the picture and, where pictures are mirrored, of its mirror
//! image: an encoder does not give the mirrored latent of a mirrored picture.

use super::rows::Rows;
use pyroclast_core::named;
use pyroclast_core::noise::Draws;
use pyroclast_data::Pixels;
use std::sync::Arc;

/// Bytes of a number.
const BYTES: usize = 4;

named! {
    /// What is taken of the distribution that an encoder gives.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Posterior as "choice of latents" {
        /// A sample, drawn anew in every batch.
        "sample" => Sample,
        /// Its mode, which is its mean.
        "mode" => Mode,
    }
}

impl Posterior {
    /// The standard deviation of what is taken, where that of the distribution is s.
    pub(crate) fn spread<T: Default>(self, s: T) -> T {
        match self {
            Self::Sample => s,
            Self::Mode => T::default(),
        }
    }
}

/// Some of the rows of a file of moments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moments {
    pixels: Pixels,
    rows: Rows,
    dim: usize,
    shift: f32,
    scale: f32,
    posterior: Posterior,
    digest: Arc<str>,
}

impl Moments {
    /// All rows of `[n, views, 2, dim]` numbers of four bytes, little-endian: of the pictures, or
    /// of them and their mirror images.
    ///
    /// # Panics
    /// If a row is of another size.
    pub(crate) fn new(
        pixels: Pixels,
        dim: usize,
        [shift, scale]: [f64; 2],
        posterior: Posterior,
        digest: &str,
    ) -> Self {
        let view = 2 * dim * BYTES;
        assert!(
            pixels.width() == view || pixels.width() == 2 * view,
            "one or two views"
        );
        Self {
            rows: Rows::Range(0..pixels.len()),
            pixels,
            dim,
            shift: shift as f32,
            scale: scale as f32,
            posterior,
            // Runs that learn samples resume by the digest of the file alone.
            digest: match posterior {
                Posterior::Sample => digest.into(),
                Posterior::Mode => format!("{digest}-{posterior}").into(),
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            rows: self.rows.select(rows),
            ..self.clone()
        }
    }

    /// The means of these rows, on the model's scale.
    pub(super) fn means(&self, rows: impl Iterator<Item = usize>) -> Vec<f32> {
        let mut out = Vec::new();
        for row in rows {
            let moments = self.read(row);
            out.extend(moments[..self.dim].iter().map(|mean| self.scaled(*mean)));
        }
        out
    }

    /// A latent of each of these rows, of its distribution; where there are two views and `flips`
    /// has a true, that of the mirror image.
    pub(super) fn drawn(&self, rows: &[usize], flips: &[bool], draws: &mut Draws) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() * self.dim);
        let noise = draws.normals(rows.len() * self.dim);
        for (i, (&row, noise)) in rows.iter().zip(noise.chunks_exact(self.dim)).enumerate() {
            let moments = self.read(row);
            let mirrored = flips.get(i) == Some(&true) && moments.len() > 2 * self.dim;
            let view = &moments[if mirrored { 2 * self.dim } else { 0 }..];
            let means_and_deviations = view[..self.dim].iter().zip(&view[self.dim..2 * self.dim]);
            out.extend(
                (means_and_deviations.zip(noise)).map(|((mean, deviation), noise)| {
                    self.scaled(mean + self.posterior.spread(*deviation) * noise)
                }),
            );
        }
        out
    }

    pub(super) fn digest(&self, part: &mut dyn FnMut(&[u8])) {
        part(self.digest.as_bytes());
        self.rows.digest(part);
    }

    fn scaled(&self, value: f32) -> f32 {
        (value - self.shift) / self.scale
    }

    fn read(&self, row: usize) -> Vec<f32> {
        let mut bytes = vec![0; self.pixels.width()];
        (self.pixels.read(self.rows.get(row), &mut bytes))
            .expect("an open file of moments can be read to its end");
        let words = bytes.chunks_exact(BYTES);
        words
            .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn a_mode_is_the_mean_and_a_sample_has_the_deviation() {
        // Rows of two numbers: means 3 and 5, deviations 2 and 0.
        let row: Vec<u8> = { [3.0_f32, 5.0, 2.0, 0.0].iter() }
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let n = 4000;
        let moments = |posterior| {
            let pixels = Pixels::in_memory(row.repeat(n), row.len());
            Moments::new(pixels, 2, [1.0, 2.0], posterior, "digest")
        };
        let rows: Vec<usize> = (0..n).collect();
        let drawn = |posterior| {
            let mut draws = Noise::new(0).draws(Stream::Data, 0);
            moments(posterior).drawn(&rows, &[], &mut draws)
        };
        assert_eq!(drawn(Posterior::Mode), [1.0, 2.0].repeat(n));
        let samples = drawn(Posterior::Sample);
        let squares = samples.chunks_exact(2).map(|row| {
            assert_eq!(row[1], 2.0);
            f64::from(row[0] - 1.0).powi(2)
        });
        let variance = squares.sum::<f64>() / n as f64;
        // Five standard errors of the variance of n normals.
        assert!(
            (variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(),
            "{variance}"
        );
        let digest = |posterior| {
            let mut all = Vec::new();
            moments(posterior).digest(&mut |part| all.extend_from_slice(part));
            all
        };
        assert_ne!(digest(Posterior::Mode), digest(Posterior::Sample));
    }
}
