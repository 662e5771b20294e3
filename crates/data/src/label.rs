//! Labels of pictures: a class each, a vector each, or nothing.

use crate::error::DataError;
use std::collections::BTreeSet;
use std::path::Path;

/// What comes with each picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Labels {
    /// Nothing.
    #[default]
    Nothing,
    /// A class, from 0.
    Classes {
        /// The class of each picture.
        labels: Vec<u32>,
        /// The name of each class.
        names: Vec<String>,
    },
    /// A vector.
    Vectors {
        /// The numbers, `[n, width]`, row-major.
        values: Vec<f32>,
        /// The length of a vector.
        width: usize,
    },
}

impl Labels {
    /// The names of the classes; none without classes.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Classes { names, .. } => names,
            _ => &[],
        }
    }

    /// The class of each picture, if there are classes.
    pub fn classes(&self) -> Option<&[u32]> {
        match self {
            Self::Classes { labels, .. } => Some(labels),
            _ => None,
        }
    }
}

/// The label of one picture, as its source has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Label {
    /// The number of a class: into the names of the source if it has names.
    Number(i64),
    /// A vector.
    Vector(Vec<f32>),
}

/// Brings the labels of all pictures to one kind.
///
/// Numbers index the names that the source gives. Without names, the classes are the distinct
/// numbers in rising order, which become their names, so labels may start at 1 and have gaps.
pub(crate) fn unite(
    labels: Vec<Option<Label>>,
    names: Option<Vec<String>>,
    path: &Path,
) -> Result<Labels, DataError> {
    let wrong = |reason: String| DataError::Labels {
        path: path.into(),
        reason,
    };
    let labelled = labels.iter().flatten().count();
    if labelled == 0 {
        return Ok(Labels::Nothing);
    }
    if labelled < labels.len() {
        return Err(wrong(format!(
            "{} of {} pictures have no label; label all of them or none",
            labels.len() - labelled,
            labels.len()
        )));
    }
    let (mut numbers, mut vectors, mut width) = (Vec::new(), Vec::new(), None);
    for label in labels.into_iter().flatten() {
        match label {
            Label::Number(number) => numbers.push(number),
            Label::Vector(vector) if *width.get_or_insert(vector.len()) == vector.len() => {
                vectors.extend(vector);
            }
            Label::Vector(_) => return Err(wrong("label vectors differ in length".to_owned())),
        }
    }
    match width {
        None => classes(&numbers, names).map_err(wrong),
        Some(0) => Err(wrong("label vectors are empty".to_owned())),
        Some(width) if numbers.is_empty() => Ok(Labels::Vectors {
            values: vectors,
            width,
        }),
        Some(_) => Err(wrong("some labels are numbers and some vectors".to_owned())),
    }
}

fn classes(numbers: &[i64], names: Option<Vec<String>>) -> Result<Labels, String> {
    if let Some(number) = numbers.iter().find(|number| **number < 0) {
        return Err(format!(
            "the label {number} is negative; number the classes from 0"
        ));
    }
    let found: BTreeSet<i64> = numbers.iter().copied().collect();
    let (names, index): (Vec<String>, Vec<i64>) = match names {
        Some(names) => {
            let most = names.len() as i64;
            if let Some(number) = numbers.iter().find(|number| **number >= most) {
                return Err(format!(
                    "the label {number} is out of range; there are {most} classes, numbered from 0"
                ));
            }
            (names, (0..most).collect())
        }
        None => (
            found.iter().map(i64::to_string).collect(),
            found.iter().copied().collect(),
        ),
    };
    let labels = (numbers.iter())
        .map(|number| index.partition_point(|known| known < number) as u32)
        .collect();
    Ok(Labels::Classes { labels, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn united(labels: &[i64], names: Option<&[&str]>) -> Result<Labels, String> {
        let labels = labels.iter().map(|&n| Some(Label::Number(n))).collect();
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        unite(labels, names, Path::new("x")).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_with_gaps_become_classes_that_keep_their_names() {
        let Ok(Labels::Classes { labels, names }) = united(&[7, 1, 3, 1], None) else {
            panic!("numbers are classes");
        };
        assert_eq!(labels, [2, 0, 1, 0]);
        assert_eq!(names, ["1", "3", "7"]);
    }

    #[test]
    fn labels_that_are_no_class_are_named() {
        let text = united(&[0, 2], Some(&["cat", "dog"])).expect_err("there is no class 2");
        assert_eq!(
            text,
            "x: the label 2 is out of range; there are 2 classes, numbered from 0"
        );
        assert!(united(&[-1, 0], None).expect_err("negative").contains("-1"));
        let some = unite(vec![Some(Label::Number(0)), None], None, Path::new("x"));
        assert!(
            some.expect_err("one has none")
                .to_string()
                .contains("1 of 2")
        );
    }

    #[test]
    fn vectors_have_one_length() {
        let vectors = |all: &[&[f32]]| {
            let labels = all.iter().map(|v| Some(Label::Vector(v.to_vec())));
            unite(labels.collect(), None, Path::new("x"))
        };
        assert_eq!(
            vectors(&[&[1.0, 2.0], &[3.0, 4.0]]).expect("two of two"),
            Labels::Vectors {
                values: vec![1.0, 2.0, 3.0, 4.0],
                width: 2
            }
        );
        assert!(vectors(&[&[1.0], &[3.0, 4.0]]).is_err());
    }
}
