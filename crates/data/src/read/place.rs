//! Where a picture lies in a folder or an archive, and what that says of it.
//!
//! The class is the first directory below the root, or below `train` or `test`.

use crate::error::DataError;
use std::collections::BTreeSet;
use std::path::Path;

/// The parts of a split that are trained on.
const TRAINING: [&str; 2] = ["train", "training"];
/// The parts of a split that are held out.
const HELD_OUT: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// The folders that parts of a split are given.
pub(super) const TRAINING_PART: &str = "train/";
pub(super) const HELD_OUT_PART: &str = "test/";

/// Whether a word of the name of this file says that what it holds is held out.
pub(super) fn is_held_out(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| HELD_OUT.contains(&word))
}

/// Whether a name stays below the root.
pub(super) fn stays_inside(name: &str) -> bool {
    let is_rooted = name.starts_with(['/', '\\']) || name.contains(':');
    !is_rooted && !name.split(['/', '\\']).any(|part| part == "..")
}

/// A picture with what its place says.
#[derive(Debug, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) name: String,
    pub(super) class: Option<u32>,
    pub(super) what: T,
}

/// Pictures in their final order, with the names of their classes.
#[derive(Debug, PartialEq)]
pub(super) struct Places<T> {
    pub(super) pictures: Vec<Placed<T>>,
    pub(super) held_out: usize,
    pub(super) names: Option<Vec<String>>,
}

/// Sorts pictures by name, those that are held out last, and finds their classes.
pub(super) fn places<T>(mut found: Vec<(String, T)>, path: &Path) -> Result<Places<T>, DataError> {
    if found.is_empty() {
        return Err(DataError::NoPictures { path: path.into() });
    }
    // Archives often hold one folder with everything in it.
    let common = common_folder(&found);
    let first = |name: &str| {
        name[common..]
            .split_once('/')
            .map(|(part, _)| part.to_owned())
    };
    let parts: BTreeSet<Option<String>> = found.iter().map(|(name, _)| first(name)).collect();
    let is_part = |part: &Option<String>, known: &[&str]| {
        part.as_ref()
            .is_some_and(|part| known.contains(&part.to_lowercase().as_str()))
    };
    let is_split = parts.iter().any(|part| is_part(part, &TRAINING))
        && (parts.iter()).all(|part| is_part(part, &TRAINING) || is_part(part, &HELD_OUT));
    let is_held = |name: &str| is_split && is_part(&first(name), &HELD_OUT);
    found.sort_by(|(a, _), (b, _)| is_held(a).cmp(&is_held(b)).then_with(|| a.cmp(b)));
    let held_out = found.iter().filter(|(name, _)| is_held(name)).count();
    let below = |name: &str| {
        let inside = &name[common..];
        let inside = if is_split {
            inside.split_once('/').map_or("", |(_, rest)| rest)
        } else {
            inside
        };
        inside.split_once('/').map(|(class, _)| class.to_owned())
    };
    let classes: BTreeSet<String> = found.iter().filter_map(|(name, _)| below(name)).collect();
    if classes.len() < 2 {
        let pictures = found.into_iter().map(|(name, what)| Placed {
            name,
            class: None,
            what,
        });
        return Ok(Places {
            pictures: pictures.collect(),
            held_out,
            names: None,
        });
    }
    let names: Vec<String> = classes.into_iter().collect();
    let mut pictures = Vec::with_capacity(found.len());
    for (name, what) in found {
        let Some(class) = below(&name).and_then(|class| names.binary_search(&class).ok()) else {
            return Err(DataError::Unclassed {
                path: path.into(),
                name,
            });
        };
        pictures.push(Placed {
            name,
            class: Some(class as u32),
            what,
        });
    }
    Ok(Places {
        pictures,
        held_out,
        names: Some(names),
    })
}

/// The length of the folders that all names begin with, such as `photos/` but not `train/`.
fn common_folder<T>(found: &[(String, T)]) -> usize {
    let mut common = 0;
    let first = &found[0].0;
    while let Some(length) = first[common..].find('/') {
        let (part, next) = (&first[common..common + length], common + length + 1);
        let is_split = TRAINING
            .iter()
            .chain(&HELD_OUT)
            .any(|known| part.eq_ignore_ascii_case(known));
        if is_split
            || !found
                .iter()
                .all(|(name, _)| name.starts_with(&first[..next]))
        {
            break;
        }
        common = next;
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(names: &[&str]) -> Result<Places<()>, DataError> {
        places(
            names.iter().map(|name| ((*name).to_owned(), ())).collect(),
            Path::new("x"),
        )
    }

    fn order(places: &Places<()>) -> Vec<(&str, Option<u32>)> {
        (places.pictures.iter())
            .map(|placed| (placed.name.as_str(), placed.class))
            .collect()
    }

    #[test]
    fn classes_are_the_first_folders_in_the_order_of_their_names() {
        let found = placed(&["dog/2.png", "cat/deep/1.png", "dog/1.png"]).expect("two classes");
        assert_eq!(
            order(&found),
            [
                ("cat/deep/1.png", Some(0)),
                ("dog/1.png", Some(1)),
                ("dog/2.png", Some(1))
            ]
        );
        assert_eq!(found.names, Some(vec!["cat".to_owned(), "dog".to_owned()]));
    }

    #[test]
    fn one_folder_around_everything_is_no_class() {
        let found = placed(&["photos/b.png", "photos/a.png"]).expect("two pictures");
        assert_eq!(
            order(&found),
            [("photos/a.png", None), ("photos/b.png", None)]
        );
        let found = placed(&["set/dog/1.png", "set/cat/1.png"]).expect("two classes");
        assert_eq!(found.names.map(|names| names.len()), Some(2));
    }

    #[test]
    fn a_split_is_held_out_and_comes_last() {
        let found = placed(&[
            "test/a/1.png",
            "train/b/1.png",
            "train/a/1.png",
            "test/b/1.png",
        ])
        .expect("a split");
        assert_eq!(found.held_out, 2);
        assert_eq!(
            order(&found),
            [
                ("train/a/1.png", Some(0)),
                ("train/b/1.png", Some(1)),
                ("test/a/1.png", Some(0)),
                ("test/b/1.png", Some(1)),
            ]
        );
        // A class may be called test, too.
        let found = placed(&["test/1.png", "cat/1.png"]).expect("two classes");
        assert_eq!(
            (found.held_out, found.names.map(|names| names.len())),
            (0, Some(2))
        );
    }

    #[test]
    fn pictures_beside_the_folders_of_classes_are_refused() {
        let error = placed(&["a/1.png", "b/1.png", "1.png"]).expect_err("1.png has no class");
        assert!(error.to_string().contains("1.png"), "{error}");
        assert!(placed(&[]).is_err());
    }

    #[test]
    fn names_that_lead_out_are_seen() {
        for name in [
            "../x.png",
            "a/../../x.png",
            "/x.png",
            "C:/x.png",
            "a\\..\\x.png",
        ] {
            assert!(!stays_inside(name), "{name}");
        }
        assert!(stays_inside("a..b/x.png"));
    }
}
