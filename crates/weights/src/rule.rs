//! A rule: one parameter of ours from one or more tensors of theirs, and back.
//!
//! `ours = s_n(…s_1(rows of theirs, stacked))`, `theirs = split(s_1⁻¹(…s_n⁻¹(ours)))`
//!
//! Rules move numbers and never compute any, so a round trip keeps every bit.

use crate::array::Array;

/// How one parameter is made from tensors of another layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The name of our parameter.
    pub ours: String,
    /// Their keys; the rows of several are stacked.
    pub theirs: Vec<String>,
    /// The shape of each of theirs.
    pub shape: Vec<usize>,
    /// What is done to the stacked rows, in this order.
    pub steps: Vec<Step>,
}

/// One invertible change of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Drops this many axes of length 1 from the end: a convolution of 1×1 becomes a matrix.
    Squeeze(usize),
    /// `[outputs, inputs] → [inputs, outputs]`.
    Transpose,
    /// Row i of ours is row `order[i]` of theirs.
    Rows(Vec<usize>),
    /// Drops the last row, which must hold zeros.
    DropZeroRow,
}

/// The order of the 3·C rows of the layer that computes queries, keys and values of h heads with
/// d channels each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// Ours: `{q, k, v}·h·d + head·d + channel`; also the newer order of guided-diffusion, and
    /// that of timm.
    Ours,
    /// `head·3·d + {q, k, v}·d + channel`: guided-diffusion's legacy order.
    HeadsFirst {
        /// h.
        heads: usize,
    },
    /// `head·3·d + channel·3 + {q, k, v}`: EDM's order.
    Interleaved {
        /// h.
        heads: usize,
    },
}

impl RowOrder {
    /// For each of our `rows` rows, its place in theirs; `None` if the orders are the same.
    ///
    /// # Panics
    /// If the rows are not three per channel of each head.
    pub(crate) fn places(self, rows: usize) -> Option<Vec<usize>> {
        let (heads, interleaved) = match self {
            Self::Ours => return None,
            Self::HeadsFirst { heads } => (heads, false),
            Self::Interleaved { heads } => (heads, true),
        };
        assert!(
            heads > 0 && rows.is_multiple_of(3 * heads),
            "{rows} rows are not queries, keys and values of {heads} heads"
        );
        let depth = rows / (3 * heads);
        let place = |row: usize| {
            let (part, head, channel) = (row / (heads * depth), row / depth % heads, row % depth);
            if interleaved {
                head * 3 * depth + channel * 3 + part
            } else {
                head * 3 * depth + part * depth + channel
            }
        };
        Some((0..rows).map(place).collect())
    }
}

impl Rule {
    /// Our parameter from theirs, one tensor for each key.
    ///
    /// # Errors
    /// A message if a row that must hold zeros does not.
    ///
    /// # Panics
    /// If a tensor does not have the rule's shape.
    pub(crate) fn import(&self, theirs: &[&Array]) -> Result<Array, String> {
        let mut values = Vec::with_capacity(theirs.iter().map(|t| t.values.len()).sum());
        for tensor in theirs {
            assert_eq!(tensor.shape, self.shape, "checked before");
            values.extend_from_slice(&tensor.values);
        }
        let mut stacked = Array::new(self.stacked(), values);
        for step in &self.steps {
            stacked = step.apply(stacked)?;
        }
        Ok(stacked)
    }

    /// Their tensors from our parameter, one for each key.
    ///
    /// # Panics
    /// If the parameter does not have [our shape](Self::our_shape).
    pub(crate) fn export(&self, ours: &Array) -> Vec<Array> {
        assert_eq!(ours.shape, self.our_shape(), "checked before");
        let mut stacked = ours.clone();
        for step in self.steps.iter().rev() {
            stacked = step.undo(stacked);
        }
        let size = self.shape.iter().product::<usize>();
        (0..self.theirs.len())
            .map(|i| {
                let values = stacked.values[i * size..(i + 1) * size].to_vec();
                Array::new(self.shape.clone(), values)
            })
            .collect()
    }

    /// The shape of our parameter.
    pub fn our_shape(&self) -> Vec<usize> {
        let mut shape = self.stacked();
        for step in &self.steps {
            step.change(&mut shape);
        }
        shape
    }

    /// The shape of all their rows.
    fn stacked(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows *= self.theirs.len();
        }
        shape
    }
}

impl Step {
    fn change(&self, shape: &mut Vec<usize>) {
        match self {
            Self::Squeeze(n) => {
                let kept = shape.len() - n;
                assert!(shape[kept..].iter().all(|&side| side == 1), "axes of one");
                shape.truncate(kept);
            }
            Self::Transpose => shape.swap(0, 1),
            Self::Rows(_) => {}
            Self::DropZeroRow => shape[0] -= 1,
        }
    }

    fn apply(&self, mut from: Array) -> Result<Array, String> {
        let before = from.shape.clone();
        self.change(&mut from.shape);
        let width = row_width(&before);
        match self {
            Self::Squeeze(_) => {}
            Self::Transpose => from.values = transposed(&from.values, before[0], before[1]),
            Self::Rows(order) => {
                let row = |&i: &usize| &from.values[i * width..(i + 1) * width];
                from.values = order.iter().flat_map(row).copied().collect();
            }
            Self::DropZeroRow => {
                let last = from.values.split_off((before[0] - 1) * width);
                if let Some(value) = last.iter().find(|value| value.to_bits() != 0) {
                    return Err(format!("its last row holds {value} and should be zero"));
                }
            }
        }
        Ok(from)
    }

    fn undo(&self, mut from: Array) -> Array {
        let before = from.shape.clone();
        let width = row_width(&before);
        match self {
            Self::Squeeze(n) => from.shape.extend(std::iter::repeat_n(1, *n)),
            Self::Transpose => {
                from.shape.swap(0, 1);
                from.values = transposed(&from.values, before[0], before[1]);
            }
            Self::Rows(order) => {
                let mut values = vec![0.0; from.values.len()];
                for (row, &i) in from.values.chunks_exact(width).zip(order) {
                    values[i * width..(i + 1) * width].copy_from_slice(row);
                }
                from.values = values;
            }
            Self::DropZeroRow => {
                from.shape[0] += 1;
                from.values.extend(std::iter::repeat_n(0.0, width));
            }
        }
        from
    }
}

fn row_width(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(shape: &[usize], from: usize) -> Array {
        let n = shape.iter().product::<usize>();
        Array::new(shape.to_vec(), (from..from + n).map(|i| i as f32).collect())
    }

    fn round_trip(rule: &Rule, theirs: &[Array]) -> Array {
        let ours = rule
            .import(&theirs.iter().collect::<Vec<_>>())
            .expect("these tensors");
        assert_eq!(ours.shape, rule.our_shape());
        assert_eq!(rule.export(&ours), theirs);
        ours
    }

    #[test]
    fn stacked_parts_are_split_again() {
        let rule = Rule {
            ours: "qkv.weight".into(),
            theirs: ["q", "k", "v"].map(String::from).to_vec(),
            shape: vec![2, 2, 1, 1],
            steps: vec![Step::Squeeze(2), Step::Transpose],
        };
        let theirs = [0, 4, 8].map(|from| counting(&[2, 2, 1, 1], from));
        let ours = round_trip(&rule, &theirs);
        // [inputs, outputs]: the first inputs of q, k and v, then the second ones.
        let expected = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11].map(|i: usize| i as f32);
        assert_eq!((ours.shape, ours.values), (vec![2, 6], expected.to_vec()));
    }

    #[test]
    fn rows_of_each_order_come_to_their_places() {
        // Two heads of two channels; a row's value is its place in theirs.
        for (order, expected) in [
            (
                RowOrder::HeadsFirst { heads: 2 },
                [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11],
            ),
            (
                RowOrder::Interleaved { heads: 2 },
                [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11],
            ),
        ] {
            let rule = Rule {
                ours: "qkv.bias".into(),
                theirs: vec!["qkv.bias".into()],
                shape: vec![12],
                steps: vec![Step::Rows(order.places(12).expect("another order"))],
            };
            let ours = round_trip(&rule, &[counting(&[12], 0)]);
            assert_eq!(ours.values, expected.map(|i: usize| i as f32), "{order:?}");
        }
        assert_eq!(RowOrder::Ours.places(12), None);
    }

    #[test]
    fn a_last_row_of_zeros_is_dropped_and_any_other_refused() {
        let rule = Rule {
            ours: "classes".into(),
            theirs: vec!["label_emb".into()],
            shape: vec![3, 2],
            steps: vec![Step::DropZeroRow],
        };
        let mut theirs = counting(&[3, 2], 1);
        assert!(rule.import(&[&theirs]).is_err());
        theirs.values[4..].fill(0.0);
        assert_eq!(round_trip(&rule, &[theirs]).shape, [2, 2]);
    }
}
