//! Datasets from files: tables, arrays, and pictures.
//!
//! The name gives the format; `table` and `array` make samples of the contents.

use super::{DataSource, Dataset, DatasetError, Loading, array, table};
use pyroclast_data::{Layout, PictureSet, holds_pictures, inflate, read_arrays, recognise};
use std::fs;
use std::path::Path;

/// Emoji in colour that ship with the library: see [`Dataset::emoji`].
const EMOJI: &[u8] = include_bytes!("../../assets/emoji.zip");

impl Dataset {
    /// Reads vectors from a table, `.csv` or `.csv.gz`, or vectors or images from arrays, `.npy`,
    /// `.npz` or `.safetensors`, into memory.
    ///
    /// The values keep the units of the file: [`Dataset::scaling`] brings them to the model's
    /// scale.
    ///
    /// - csv: one sample per row, columns separated by commas, semicolons or tabs. The first row is
    ///   a header if none of its cells is a number, or if it names a column `label` or `class`. The
    ///   column of that name holds labels, whole numbers or words. Columns hold numbers or words
    ///   ([`Table`](super::Table)).
    /// - arrays: `[n, d]` vectors, `[n, height, width]`, `[n, channels, height, width]` or `[n,
    ///   height, width, channels]` images, of floats, integers or booleans, in C or Fortran order;
    ///   `x`, `images` or `arr_0` in an archive, with labels in `y`, `labels` or `arr_1`, or in
    ///   `x-labels.npy` beside `x.npy`.
    ///
    /// ```
    /// use pyroclast_train::dataset::Dataset;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("people.csv");
    /// std::fs::write(&path, "height,weight,class\n1.80,75,0\n1.65,60,1\n1.75,70,0\n")?;
    ///
    /// let people = Dataset::read(&path)?;
    /// assert_eq!((people.len(), people.dim(), people.classes()), (3, 2, 2));
    /// assert_eq!(people.columns, ["height", "weight"]);
    /// assert_eq!(people.row(1).as_ref(), [1.65, 60.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`DatasetError`]: the file cannot be read, has another format, holds fewer than two samples
    /// or samples of different sizes, or anything that is not a finite number.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DatasetError> {
        Self::read_as(path, &DataSource::default())
    }

    /// As [`Dataset::read`], with a source's column of labels, separator, decimals, kinds of
    /// columns, and way with missing values; its name is not used.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn read_as(path: impl AsRef<Path>, source: &DataSource) -> Result<Self, DatasetError> {
        let path = path.as_ref();
        let name = name(path);
        Ok(match recognise(path)? {
            Layout::Table => table::read(&text(path)?, path, &name, source)?,
            layout @ (Layout::Npy | Layout::Npz | Layout::Safetensors) => {
                array::dataset(read_arrays(path, layout)?, path, &name)?
            }
            _ => return Err(DatasetError::Pictures { path: path.into() }),
        })
    }
}

/// Data as it is loaded: the part to train on, the part that its source holds out, which may be
/// empty, and the pictures behind both, which are on the model's scale already.
pub(crate) struct Loaded {
    pub(crate) training: Dataset,
    pub(crate) held_out: Dataset,
    pub(crate) pictures: Option<PictureSet>,
}

impl Dataset {
    /// 1906 emoji in 9 classes, such as faces, food and flags: images of shape `[3, 32, 32]` in
    /// [-1, 1].
    ///
    /// Source: Noto Emoji by Google, from the npm package `emoji-datasource-google` 16.0.0, reduced
    /// from 64×64 by means, without variants of skin; Apache-2.0.
    ///
    /// # Errors
    /// [`DatasetError`]: the folder of decoded pictures cannot be written.
    pub fn emoji(loading: &Loading<'_>) -> Result<Self, DatasetError> {
        Ok(Self::pictures(&emoji(&DataSource::default(), loading)?).0)
    }
}

fn emoji(source: &DataSource, loading: &Loading<'_>) -> Result<PictureSet, DatasetError> {
    let (options, cache) = (source.options(), &loading.cache);
    Ok(PictureSet::open_zip(
        "emoji",
        EMOJI,
        &options,
        cache,
        loading.progress,
    )?)
}

/// Loads the data at the path that a source names, or the emoji.
pub(crate) fn load(source: &DataSource, loading: &Loading<'_>) -> Result<Loaded, DatasetError> {
    let of_pictures = |set: PictureSet| {
        let (training, held_out) = Dataset::pictures(&set);
        Loaded {
            training,
            held_out,
            pictures: Some(set),
        }
    };
    if source.name == "emoji" {
        return emoji(source, loading).map(of_pictures);
    }
    let path = Path::new(&source.name);
    let layout = recognise(path)?;
    if holds_pictures(path, layout)? {
        let (options, cache) = (source.options(), &loading.cache);
        return Ok(of_pictures(PictureSet::open(
            path,
            &options,
            cache,
            loading.progress,
        )?));
    }
    let training = Dataset::read_as(path, source)?;
    Ok(Loaded {
        held_out: training.select(&[]),
        training,
        pictures: None,
    })
}

/// The name of a file without its extension.
fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = file.strip_suffix(".gz").unwrap_or(&file);
    let end = plain.rfind('.').unwrap_or(plain.len());
    plain[..end].to_owned()
}

/// The text of a table, inflated if its name says so.
pub(super) fn text(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let bytes = fs::read(path).map_err(|source| DatasetError::Unreadable {
        path: path.into(),
        source,
    })?;
    if bytes.is_empty() {
        return Err(DatasetError::Empty { path: path.into() });
    }
    if path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gz"))
    {
        Ok(inflate(&bytes, path)?)
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use npyz::WriterBuilder;
    use std::io::Write;
    use tempfile::TempDir;

    fn folder() -> TempDir {
        tempfile::tempdir().expect("the system's temporary folder can be written")
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("memory takes all bytes");
        encoder.finish().expect("memory takes all bytes")
    }

    fn read(file: &str, bytes: &[u8]) -> Result<Dataset, DatasetError> {
        let folder = folder();
        let path = folder.path().join(file);
        fs::write(&path, bytes).expect("a fresh folder can be written");
        Dataset::read(path)
    }

    /// The message without the folder, whose name differs from run to run.
    fn message(file: &str, bytes: &[u8]) -> String {
        let text = read(file, bytes)
            .expect_err("the file is broken")
            .to_string();
        let start = text.find(file).expect("the message names the file");
        text[start..].to_owned()
    }

    #[test]
    fn the_same_numbers_come_from_every_format() {
        let text = b"1.5,-2\n0,3e2\n7,8\n";
        let mut numpy = Vec::new();
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[3, 2])
            .writer(&mut numpy)
            .begin_nd()
            .expect("memory takes all bytes");
        writer
            .extend([1.5_f32, -2.0, 0.0, 300.0, 7.0, 8.0])
            .expect("memory takes all bytes");
        writer.finish().expect("six entries fill the shape");
        let expected = [1.5, -2.0, 0.0, 300.0, 7.0, 8.0];
        for (file, bytes) in [
            ("points.csv", text.to_vec()),
            ("points.CSV", text.to_vec()),
            ("points.csv.gz", gzip(text)),
            ("points.npy", numpy),
        ] {
            let data = read(file, &bytes).expect(file);
            assert_eq!(data.reals().as_ref(), expected, "{file}");
            assert_eq!((data.name.as_str(), &data.shape[..]), ("points", &[2][..]));
        }
    }

    #[test]
    fn several_gzip_members_are_one_file() {
        let joined = [gzip(b"1,2\n"), gzip(b"3,4\n")].concat();
        let data = read("points.csv.gz", &joined).expect("two members of one row each");
        assert_eq!(data.values().as_ref(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_a_remedy() {
        let whole = gzip(b"1,2\n3,4\n");
        for (file, bytes, expected) in [
            (
                "points.txt",
                b"1,2\n3,4\n".as_slice(),
                "points.txt is no data that is known; give a folder of pictures, or a",
            ),
            ("points.csv.gz", b"1,2\n3,4\n", "points.csv.gz is damaged: "),
            ("points.csv.gz", b"1,2\n3,4\n", "points.csv.gz is damaged: "),
            (
                "points.csv.gz",
                &whole[..whole.len() - 4],
                "points.csv.gz is damaged: ",
            ),
            (
                "points.csv",
                b"",
                "points.csv is empty; write one sample per row, its numbers separated by commas",
            ),
            (
                "points.npy",
                b"",
                "points.npy is not a numpy array (it does not begin as one); write it with",
            ),
            (
                "pictures.zip",
                b"PK",
                "pictures.zip holds pictures; give a .csv",
            ),
        ] {
            let text = message(file, bytes);
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_told_from_one_that_cannot_be_read() {
        let folder = folder();
        let missing = folder.path().join("nothing.csv");
        let error = Dataset::read(&missing).expect_err("there is no such file");
        assert_eq!(
            error.to_string(),
            format!("{} does not exist; check the path", missing.display())
        );
    }

    #[test]
    fn pictures_are_on_the_models_scale_and_keep_their_classes() {
        let folder = folder();
        let source = DataSource {
            name: "emoji".to_owned(),
            resolution: 8,
            ..DataSource::default()
        };
        let loading = Loading {
            cache: folder.path().into(),
            ..Loading::default()
        };
        let Loaded {
            training, held_out, ..
        } = load(&source, &loading).expect("the emoji ship with the library");
        assert_eq!((training.len(), held_out.len()), (1906, 0));
        assert_eq!(training.shape, [3, 8, 8]);
        assert_eq!(
            (training.classes(), training.class_names[2].as_str()),
            (9, "Flags")
        );
        let values = training.values();
        assert!(values.iter().all(|x| x.abs() <= 1.0) && values.contains(&1.0));
        assert!((training.bin().expect("levels") - 2.0 / 255.0).abs() < 1e-7);
        // A split reads the same pictures.
        let (kept, held) = training.split(0.1, pyroclast_core::noise::Noise::new(0));
        assert_eq!((kept.len(), held.len()), (1715, 191));
        assert_eq!(
            kept.row(0),
            training.row(if kept.row(0) == training.row(0) { 0 } else { 1 })
        );
        let units = kept.clone().unscaled(&Dataset::scaling_of_pictures());
        let levels = units.row(7);
        assert!(
            levels
                .iter()
                .all(|x| (x - x.round()).abs() < 1e-4 && (0.0..=255.0).contains(x))
        );
    }
}
