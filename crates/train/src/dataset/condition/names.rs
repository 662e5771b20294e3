//! Rows of a table that have the names of pictures.
//!
//! A row may call a picture by its path, or by any end of it, with or without what follows the last
//! point: `train/cat/1.png` is also `cat/1.png`, `1.png` and `1`.

use crate::dataset::error::shown;
use std::collections::HashMap;

/// The row of each picture.
///
/// # Errors
/// A message: two rows have the same name, a picture has no row, or two pictures have the same.
pub(super) fn matched(keys: &[String], pictures: &[String]) -> Result<Vec<usize>, String> {
    let shown = |text: &str| shown(text.as_bytes());
    let mut rows = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        let key = key.trim_start_matches("./");
        if let Some(earlier) = rows.insert(key, row) {
            return Err(format!(
                "{} is in rows {} and {}; give one row per picture, or, if it is no name of one, \
                 write words as columns of 0 and 1",
                shown(key),
                earlier + 1,
                row + 1
            ));
        }
    }
    let mut taken: Vec<Option<&str>> = vec![None; keys.len()];
    let mut found = Vec::with_capacity(pictures.len());
    for picture in pictures {
        let Some(row) = names_of(picture).find_map(|name| rows.get(name).copied()) else {
            return Err(format!(
                "it has no row for {}, and its first row is for {}; name pictures by their paths, \
                 or the ends of them",
                shown(picture),
                shown(&keys[0])
            ));
        };
        if let Some(other) = taken[row].replace(picture) {
            return Err(format!(
                "its row {} is for both {} and {}; give more of their paths",
                shown(&keys[row]),
                shown(other),
                shown(picture)
            ));
        }
        found.push(row);
    }
    Ok(found)
}

/// Everything that a picture may be called, from the whole path to the shortest.
fn names_of(path: &str) -> impl Iterator<Item = &str> {
    let starts = path.match_indices('/').map(|(at, _)| at + 1);
    [0].into_iter().chain(starts).flat_map(|start| {
        let name = &path[start..];
        let stem = name.rfind('.').filter(|&at| at > 0);
        [Some(name), stem.map(|at| &name[..at])]
            .into_iter()
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn pictures_are_found_by_the_ends_of_their_paths() {
        let pictures = strings(&["train/cat/1.png", "train/dog/1.png", "train/dog/b.2.jpg"]);
        for keys in [
            ["cat/1", "dog/1", "b.2"],
            ["train/cat/1.png", "./train/dog/1.png", "train/dog/b.2"],
            ["cat/1.png", "dog/1.png", "b.2.jpg"],
        ] {
            let mut keys = strings(&keys);
            assert_eq!(matched(&keys, &pictures), Ok(vec![0, 1, 2]));
            // Other orders, and rows of pictures that are not there.
            keys.insert(0, "elsewhere".into());
            keys.swap(1, 3);
            assert_eq!(matched(&keys, &pictures), Ok(vec![3, 2, 1]));
        }
    }

    #[test]
    fn what_does_not_match_is_named() {
        let pictures = strings(&["a/1.png", "b/1.png"]);
        for (keys, part) in [
            (&["1.png", "2.png"][..], "both a/1.png and b/1.png"),
            (&["a/1", "c/1"], "no row for b/1.png"),
            (&["a/1", "b/1", "a/1"], "a/1 is in rows 1 and 3"),
        ] {
            let message = matched(&strings(keys), &pictures).expect_err(part);
            assert!(message.contains(part), "{message}");
        }
    }
}
