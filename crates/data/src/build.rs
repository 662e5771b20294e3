//! Decoding a whole source: all cores decode, one writes, in the order of the source.

use crate::decode::{Background, Picture, Refusal, decode};
use crate::error::DataError;
use crate::fit::Fit;
use crate::label::{Label, Labels, unite};
use crate::read::{Item, Payload, Source};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Pictures that are decoded at a time: enough for all cores, few enough for the memory.
const CHUNK: usize = 256;

/// What was written.
pub(crate) struct Built {
    pub(crate) n: usize,
    pub(crate) shape: [usize; 3],
    pub(crate) labels: Labels,
    /// The names of files; empty for pictures of arrays.
    pub(crate) names: Vec<String>,
    pub(crate) held_out: usize,
    pub(crate) refused: Vec<(String, Refusal)>,
    pub(crate) digest: String,
}

/// How pictures become rows.
pub(crate) struct Recipe {
    pub(crate) fit: Fit,
    pub(crate) background: Background,
    pub(crate) skip_broken: bool,
}

/// Writes the pictures of a source as rows, `[n, channels, height, width]`, and says what they are.
pub(crate) fn build(
    source: Source<'_>,
    recipe: &Recipe,
    path: &Path,
    out: &mut File,
    progress: &dyn Fn(usize, Option<usize>),
) -> Result<Built, DataError> {
    let Source {
        mut items,
        total,
        held_out,
        names: classes,
    } = source;
    let first_held = total.map_or(usize::MAX, |total| total - held_out);
    let mut rows = Rows::new(out, path);
    let (mut labels, mut refused, mut seen, mut held) = (Vec::new(), Vec::new(), 0, 0);
    let mut names = Vec::new();
    loop {
        let chunk = items
            .by_ref()
            .take(CHUNK)
            .collect::<Result<Vec<Item>, _>>()?;
        if chunk.is_empty() {
            break;
        }
        let are_files = !matches!(chunk[0].payload, Payload::Pixels(_));
        let decoded: Vec<(String, Option<Label>, Result<Picture, Refusal>)> = chunk
            .into_par_iter()
            .map(|item| {
                let picture = item.payload.decoded(recipe.background);
                (
                    item.name,
                    item.label,
                    picture.map(|picture| recipe.fit.apply(picture)),
                )
            })
            .collect();
        for (name, label, picture) in decoded {
            match picture {
                Ok(picture) => {
                    rows.write(&name, picture)?;
                    labels.push(label);
                    names.extend(are_files.then_some(name));
                    held += usize::from(seen >= first_held);
                }
                Err(refusal) => refused.push((name, refusal)),
            }
            seen += 1;
        }
        progress(seen, total);
    }
    if !refused.is_empty() && !recipe.skip_broken {
        return Err(DataError::Refused {
            path: path.into(),
            total: seen,
            refused,
        });
    }
    let n = labels.len();
    if n < 2 {
        return Err(DataError::TooFew {
            path: path.into(),
            n,
        });
    }
    let labels = unite(labels, classes, path)?;
    let shape = rows.shape();
    Ok(Built {
        n,
        shape,
        labels,
        names,
        held_out: held,
        refused,
        digest: rows.finish()?,
    })
}

impl Payload {
    fn decoded(self, background: Background) -> Result<Picture, Refusal> {
        match self {
            Self::Pixels(picture) => Ok(picture.over(background)),
            Self::Encoded(bytes) => decode(&bytes, background),
            Self::File(path) => {
                let bytes = fs::read(&path).map_err(|error| Refusal::Broken(error.to_string()))?;
                decode(&bytes, background)
            }
        }
    }
}

/// The rows written so far: grey until the first picture in colour.
struct Rows<'a> {
    out: BufWriter<&'a mut File>,
    path: &'a Path,
    first: Option<(String, u32, u32)>,
    channels: usize,
    written: usize,
    planes: Vec<u8>,
}

impl<'a> Rows<'a> {
    fn new(out: &'a mut File, path: &'a Path) -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 20, out),
            path,
            first: None,
            channels: 1,
            written: 0,
            planes: Vec::new(),
        }
    }

    fn shape(&self) -> [usize; 3] {
        let (width, height) = (self.first.as_ref()).map_or((0, 0), |(_, w, h)| (*w, *h));
        [self.channels, height as usize, width as usize]
    }

    fn write(&mut self, name: &str, picture: Picture) -> Result<(), DataError> {
        let size = (picture.width, picture.height);
        match &self.first {
            None => self.first = Some((name.to_owned(), size.0, size.1)),
            Some((first, width, height)) if (*width, *height) != size => {
                return Err(DataError::MixedSizes {
                    path: self.path.into(),
                    first: first.clone(),
                    first_size: (*width, *height),
                    other: name.to_owned(),
                    other_size: size,
                });
            }
            Some(_) => {}
        }
        if picture.channels > self.channels {
            self.colour()?;
        }
        self.planes.clear();
        for channel in 0..self.channels {
            let channel = channel.min(picture.channels - 1);
            let plane = picture.data.iter().skip(channel).step_by(picture.channels);
            self.planes.extend(plane);
        }
        self.out
            .write_all(&self.planes)
            .map_err(DataError::io(self.path))?;
        self.written += 1;
        Ok(())
    }

    /// Gives the grey rows written so far three equal planes, from the last to the first, so that
    /// none is overwritten before it is read.
    fn colour(&mut self) -> Result<(), DataError> {
        use crate::pixels::read_exact_at;
        let io = DataError::io(self.path);
        self.out.flush().map_err(&io)?;
        let [_, height, width] = self.shape();
        let file = self.out.get_mut();
        let size = height * width;
        let mut plane = vec![0; size];
        for row in (0..self.written).rev() {
            read_exact_at(file, &mut plane, (row * size) as u64).map_err(&io)?;
            file.seek(SeekFrom::Start((3 * row * size) as u64))
                .map_err(&io)?;
            for _ in 0..3 {
                file.write_all(&plane).map_err(&io)?;
            }
        }
        file.seek(SeekFrom::Start((3 * self.written * size) as u64))
            .map_err(&io)?;
        self.channels = 3;
        Ok(())
    }

    /// Flushes, and returns the SHA-256 of all rows.
    fn finish(mut self) -> Result<String, DataError> {
        let io = DataError::io(self.path);
        self.out.flush().map_err(&io)?;
        let size = self.written * self.shape().iter().product::<usize>();
        let file = self.out.get_mut();
        file.seek(SeekFrom::Start(0)).map_err(&io)?;
        let mut sha = Sha256::new();
        std::io::copy(&mut std::io::Read::take(&mut **file, size as u64), &mut sha).map_err(&io)?;
        file.seek(SeekFrom::End(0)).map_err(&io)?;
        Ok(sha
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}
