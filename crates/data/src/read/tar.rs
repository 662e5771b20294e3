//! Tars of pictures, compressed or not: with WebDataset's labels, or laid out as a folder.
//!
//! Files of one sample share their name up to its first dot: `000.png` and `000.cls`, whose text is
//! the class, a number or a word, or `000.json`, which has it under `label`, `class` or `cls`. A
//! folder of tars is one set in parts (shards), of which those named `val` or `test` are held out.

use super::place::{HELD_OUT_PART, TRAINING_PART};
use super::place::{is_held_out, places, stays_inside};
use super::{Item, Payload, Source};
use crate::error::DataError;
use crate::inflate::bounded;
use crate::label::Label;
use crate::one_line::one_line;
use crate::recognise::{is_hidden, is_picture, is_tar, plain_name, sorted_entries};
use flate2::read::MultiGzDecoder;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The most bytes that the pictures of an archive may have: they are held while it is read.
const MOST: u64 = 1 << 32;
/// The most bytes that the name of a class may have.
const WORD: usize = 256;
/// Where JSON may say the class of a sample.
const CLASS_KEYS: [&str; 3] = ["label", "class", "cls"];

/// The tars at a path: itself, or those in the folder.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut files = sorted_entries(path)?;
    files.retain(|file| is_tar(&plain_name(file)) && !is_hidden(&plain_name(file)));
    Ok(files)
}

/// The reader of a tar, compressed if its name says so.
pub(super) fn reader(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    Ok(if name.ends_with("gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

/// The name up to the first dot of its last part: the sample that a file belongs to.
fn sample(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |at| at + 1);
    let end = name[start..].find('.').map_or(name.len(), |at| start + at);
    &name[..end]
}

/// The class of a sample, as its file says it.
enum Class {
    Number(i64),
    Word(String),
}

/// Reads the class of a sample from its own file: `None` if that is about something else, a reason
/// if it is no class.
fn class_of(name: &str, bytes: &[u8]) -> Option<Result<Class, String>> {
    let text = String::from_utf8_lossy(bytes);
    let of_text = |text: &str| match text.parse() {
        Ok(number) => Class::Number(number),
        Err(_) => Class::Word(text.to_owned()),
    };
    if name.ends_with(".cls") {
        let text = text.trim();
        return Some(match is_word(text) {
            true => Ok(of_text(text)),
            false => Err("it is neither a whole number nor a word".to_owned()),
        });
    }
    let read: serde_json::Value = serde_json::from_str(&text).ok()?;
    let said = |key: &&str| read.get(*key).filter(|value| !value.is_null());
    let key = CLASS_KEYS.iter().find(|key| said(key).is_some())?;
    let value = said(key)?;
    Some(match (value.as_i64(), value.as_str()) {
        (Some(number), _) => Ok(Class::Number(number)),
        (_, Some(word)) if is_word(word) => Ok(Class::Word(word.to_owned())),
        _ => Err(format!("`{key}` is neither a whole number nor a word")),
    })
}

fn is_word(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= WORD
}

/// What the tars of a set hold.
#[derive(Default)]
struct Contents {
    /// Pictures by name.
    pictures: Vec<(String, Vec<u8>)>,
    /// The class of each sample, or why it is none, and the file that says it.
    classes: HashMap<String, (Result<Class, String>, String)>,
    size: u64,
}

impl Contents {
    /// Adds a tar of the set at `root`, under names in which those of its files are replaced.
    fn add(
        &mut self,
        path: &Path,
        root: &Path,
        renamed: impl Fn(&str) -> String,
    ) -> Result<(), DataError> {
        let damaged = |error: std::io::Error| DataError::damaged(path, error);
        let mut archive = ::tar::Archive::new(reader(path)?);
        for entry in archive.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = name.strip_prefix("./").unwrap_or(&name);
            if !stays_inside(name) {
                return Err(DataError::Escapes {
                    path: path.into(),
                    name: one_line(name),
                });
            }
            let is_json = name.ends_with(".json");
            let is_class = (is_json || name.ends_with(".cls")) && !is_hidden(name);
            if !is_class && !is_picture(name) {
                continue;
            }
            let name = renamed(name);
            let bytes = bounded(entry, MOST - self.size, path).map_err(|error| match error {
                DataError::TooLarge { .. } => DataError::TooLarge {
                    path: root.into(),
                    limit: MOST,
                },
                error => error,
            })?;
            self.size += bytes.len() as u64;
            if !is_class {
                self.pictures.push((name, bytes));
                continue;
            }
            let class = class_of(&name, &bytes);
            let of = sample(&name).to_owned();
            // Text of a class alone goes before what else is known of a sample.
            if let Some(class) = class
                && !(is_json && self.classes.contains_key(&of))
            {
                self.classes.insert(of, (class, name));
            }
        }
        Ok(())
    }
}

/// Opens the tars of a set, which lie at this path.
pub(super) fn open<'a>(files: &[PathBuf], path: &'a Path) -> Result<Source<'a>, DataError> {
    let mut contents = Contents::default();
    let held_out = files.iter().filter(|file| is_held_out(file)).count();
    let is_split = (1..files.len()).contains(&held_out);
    for (index, file) in files.iter().enumerate() {
        // The names of samples may start again in each, and their folders are still what they are.
        contents.add(file, path, |name| {
            if files.len() == 1 {
                return name.to_owned();
            }
            let (folders, own) = name.split_at(name.rfind('/').map_or(0, |at| at + 1));
            let part = match (is_split, is_held_out(file)) {
                (true, true) => HELD_OUT_PART,
                (true, false) => TRAINING_PART,
                _ => "",
            };
            format!("{part}{folders}{index:06}-{own}")
        })?;
    }
    let Contents {
        pictures, classes, ..
    } = contents;
    let mut places = places(pictures, path)?;
    let pictured: Vec<&str> = places.pictures.iter().map(|p| sample(&p.name)).collect();
    // Files of a sample that has no picture say nothing.
    let used = || pictured.iter().filter_map(|sample| classes.get(*sample));
    let words: BTreeSet<&String> = used()
        .filter_map(|(class, _)| match class {
            Ok(Class::Word(word)) => Some(word),
            _ => None,
        })
        .collect();
    let words: Vec<String> = words.into_iter().cloned().collect();
    let mut numbers = HashMap::new();
    for sample in &pictured {
        let Some((class, name)) = classes.get(*sample) else {
            continue;
        };
        let wrong = |reason: String| DataError::Labels {
            path: path.into(),
            reason: format!("{} {reason}", one_line(name)),
        };
        let number = match class {
            Err(reason) => return Err(wrong(format!("says no class: {reason}"))),
            Ok(Class::Number(_)) if !words.is_empty() => {
                return Err(wrong(format!(
                    "has a number, and `{}` is a word; give all classes as one or the other",
                    one_line(&words[0])
                )));
            }
            Ok(Class::Number(number)) => *number,
            Ok(Class::Word(word)) => words.partition_point(|known| known < word) as i64,
        };
        numbers.insert((*sample).to_owned(), number);
    }
    if !numbers.is_empty() {
        places.names = (!words.is_empty()).then_some(words);
        for placed in &mut places.pictures {
            placed.class = None;
        }
    }
    let (total, held_out, names) = (places.pictures.len(), places.held_out, places.names.clone());
    let items = places.pictures.into_iter().map(move |placed| {
        let class = placed.class.map(i64::from);
        let number = numbers.get(sample(&placed.name)).copied().or(class);
        Ok(Item {
            label: number.map(Label::Number),
            name: placed.name,
            payload: Payload::Encoded(placed.what),
        })
    });
    Ok(Source {
        items: Box::new(items),
        total: Some(total),
        held_out,
        names,
    })
}
