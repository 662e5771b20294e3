//! The table of a layout for one network: a rule per parameter.

use crate::array::{Array, Tensors};
use crate::rule::{RowOrder, Rule, Step};
use pyroclast_core::shown::shown;
use std::collections::BTreeSet;
use std::fmt;

/// The rules of one network in one layout.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    rules: Vec<Rule>,
    constants: Tensors,
    ignored: Vec<String>,
}

/// The difference between a file and the tensors that a network in a layout has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Misfit {
    /// The layout.
    pub layout: String,
    /// Keys that the file does not have.
    pub missing: Vec<String>,
    /// Keys of the file that the network does not have.
    pub unexpected: Vec<String>,
    /// Keys of another shape: that of the file, then the expected one.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Tensors that do not hold the values that they should.
    pub values: Vec<(String, String)>,
    /// The layout that has most of the file's keys, if it is another one.
    pub nearest: Option<&'static str>,
}

impl Misfit {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.shapes.is_empty()
            && self.values.is_empty()
    }
}

impl std::error::Error for Misfit {}

/// One line; of each kind of difference, the number and the first few.
impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        write!(f, "the weights do not fit the layout {}", self.layout)?;
        let mut part = |n: usize, what: &str, first: Vec<String>| {
            if n == 0 {
                return Ok(());
            }
            let more = if n > SHOWN { ", …" } else { "" };
            write!(f, "; {n} {what}: {}{more}", first.join(", "))
        };
        let keys = |list: &[String]| list.iter().take(SHOWN).map(|key| shown(key)).collect();
        part(self.missing.len(), "missing", keys(&self.missing))?;
        part(self.unexpected.len(), "unexpected", keys(&self.unexpected))?;
        let shape = |(key, found, expected): &(String, Vec<usize>, Vec<usize>)| {
            format!("{} is {found:?} and should be {expected:?}", shown(key))
        };
        let shapes = self.shapes.iter().take(SHOWN).map(shape).collect();
        part(self.shapes.len(), "of another shape", shapes)?;
        let values = self.values.iter().take(SHOWN);
        let values = values.map(|(key, reason)| format!("{}: {reason}", shown(key)));
        part(self.values.len(), "of other values", values.collect())?;
        match self.nearest {
            Some(nearest) => write!(f, "; they look like {nearest}"),
            None => Ok(()),
        }
    }
}

impl Table {
    /// A table without rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rules, in the order in which they were added.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Adds a rule.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// A tensor under another name.
    pub fn table(&mut self, ours: &str, theirs: &str, rows: usize, width: usize) {
        self.one(ours.into(), theirs.into(), vec![rows, width], Vec::new());
    }

    /// A vector under another name.
    pub fn vector(&mut self, ours: &str, theirs: &str, length: usize) {
        self.one(ours.into(), theirs.into(), vec![length], Vec::new());
    }

    /// A linear layer with bias; their weight is `[outputs, inputs]`.
    pub fn linear(&mut self, ours: &str, theirs: &str, inputs: usize, outputs: usize) {
        self.rows(ours, theirs, inputs, outputs, 0, RowOrder::Ours);
    }

    /// A matrix without bias; theirs is `[outputs, inputs]`.
    pub fn matrix(&mut self, ours: &str, theirs: &str, inputs: usize, outputs: usize) {
        let weight = (format!("{ours}.weight"), format!("{theirs}.weight"));
        self.one(
            weight.0,
            weight.1,
            vec![outputs, inputs],
            vec![Step::Transpose],
        );
    }

    /// A linear layer with bias; their weight is `[outputs, inputs]` with `trailing` axes of 1, and
    /// its rows are in the given order.
    pub fn rows(
        &mut self,
        ours: &str,
        theirs: &str,
        inputs: usize,
        outputs: usize,
        trailing: usize,
        order: RowOrder,
    ) {
        let rows: Vec<Step> = order.places(outputs).map(Step::Rows).into_iter().collect();
        let mut shape = vec![outputs, inputs];
        shape.resize(2 + trailing, 1);
        let mut steps = rows.clone();
        if trailing > 0 {
            steps.push(Step::Squeeze(trailing));
        }
        steps.push(Step::Transpose);
        self.one(
            format!("{ours}.weight"),
            format!("{theirs}.weight"),
            shape,
            steps,
        );
        let bias = (format!("{ours}.bias"), format!("{theirs}.bias"));
        self.one(bias.0, bias.1, vec![outputs], rows);
    }

    /// A linear layer with bias, whose outputs are those of several layers of `[outputs, inputs]`
    /// with `trailing` axes of 1, one after another.
    pub fn stacked(
        &mut self,
        ours: &str,
        theirs: &[String],
        inputs: usize,
        outputs: usize,
        trailing: usize,
    ) {
        let keys = |part: &str| theirs.iter().map(|key| format!("{key}.{part}")).collect();
        let mut shape = vec![outputs, inputs];
        shape.resize(2 + trailing, 1);
        let mut steps = Vec::new();
        if trailing > 0 {
            steps.push(Step::Squeeze(trailing));
        }
        steps.push(Step::Transpose);
        self.add(Rule {
            ours: format!("{ours}.weight"),
            theirs: keys("weight"),
            shape,
            steps,
        });
        self.add(Rule {
            ours: format!("{ours}.bias"),
            theirs: keys("bias"),
            shape: vec![outputs],
            steps: Vec::new(),
        });
    }

    /// A convolution of `kernel`² with bias.
    pub fn conv(&mut self, ours: &str, theirs: &str, inputs: usize, outputs: usize, kernel: usize) {
        self.conv_without_bias(ours, theirs, inputs, outputs, kernel);
        self.vector(&format!("{ours}.bias"), &format!("{theirs}.bias"), outputs);
    }

    /// A convolution of `kernel`² without bias.
    pub fn conv_without_bias(
        &mut self,
        ours: &str,
        theirs: &str,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) {
        let (ours, theirs) = (format!("{ours}.weight"), format!("{theirs}.weight"));
        let shape = vec![outputs, inputs, kernel, kernel];
        self.one(ours, theirs, shape, Vec::new());
    }

    /// A group normalisation: our gamma and beta, their weight and bias.
    pub fn norm(&mut self, ours: &str, theirs: &str, channels: usize) {
        for (our, their) in [("gamma", "weight"), ("beta", "bias")] {
            self.vector(
                &format!("{ours}.{our}"),
                &format!("{theirs}.{their}"),
                channels,
            );
        }
    }

    /// A tensor of theirs with fixed values, which we compute. A file may lack it; an export has it.
    ///
    /// # Panics
    /// If there are more or fewer values than the shape holds.
    pub fn constant(&mut self, theirs: &str, shape: Vec<usize>, values: Vec<f32>) {
        self.constants
            .insert(theirs.to_owned(), Array::new(shape, values));
    }

    /// A key of theirs that does not matter and is not exported; `*` at its beginning or end stands
    /// for anything.
    pub fn ignore(&mut self, pattern: &str) {
        self.ignored.push(pattern.to_owned());
    }

    fn one(&mut self, ours: String, theirs: String, shape: Vec<usize>, steps: Vec<Step>) {
        self.add(Rule {
            ours,
            theirs: vec![theirs],
            shape,
            steps,
        });
    }

    /// What their tensors have and lack.
    pub fn compare(&self, theirs: &Tensors) -> Misfit {
        let mut misfit = Misfit::default();
        let mut known = BTreeSet::new();
        for rule in &self.rules {
            for key in &rule.theirs {
                known.insert(key.as_str());
                match theirs.get(key) {
                    None => misfit.missing.push(key.clone()),
                    Some(tensor) => misfit.check_shape(key, &tensor.shape, &rule.shape),
                }
            }
        }
        for (key, constant) in &self.constants {
            known.insert(key);
            if let Some(tensor) = theirs.get(key) {
                misfit.check_shape(key, &tensor.shape, &constant.shape);
                let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5;
                if !tensor.values.iter().zip(&constant.values).all(near) {
                    let reason = "it does not hold the fixed values of this layout".to_owned();
                    misfit.values.push((key.clone(), reason));
                }
            }
        }
        let unexpected = (theirs.keys())
            .filter(|key| !known.contains(key.as_str()))
            .filter(|key| !self.ignored.iter().any(|pattern| matches(pattern, key)));
        misfit.unexpected = unexpected.cloned().collect();
        misfit
    }

    /// Our tensors from theirs.
    ///
    /// # Errors
    /// [`Misfit`]: everything that is missing, unexpected or of another shape.
    pub fn import(&self, theirs: &Tensors) -> Result<Tensors, Box<Misfit>> {
        let mut misfit = self.compare(theirs);
        if !misfit.is_empty() {
            return Err(Box::new(misfit));
        }
        let mut ours = Tensors::new();
        for rule in &self.rules {
            let parts: Vec<&Array> = rule.theirs.iter().map(|key| &theirs[key]).collect();
            match rule.import(&parts) {
                Ok(tensor) => {
                    ours.insert(rule.ours.clone(), tensor);
                }
                Err(reason) => misfit.values.push((rule.theirs.join(", "), reason)),
            }
        }
        if misfit.is_empty() {
            Ok(ours)
        } else {
            Err(Box::new(misfit))
        }
    }

    /// Their tensors from ours, the constants among them.
    ///
    /// # Errors
    /// [`Misfit`], which names our parameters.
    pub fn export(&self, ours: &Tensors) -> Result<Tensors, Box<Misfit>> {
        let mut misfit = Misfit::default();
        for rule in &self.rules {
            match ours.get(&rule.ours) {
                None => misfit.missing.push(rule.ours.clone()),
                Some(tensor) => misfit.check_shape(&rule.ours, &tensor.shape, &rule.our_shape()),
            }
        }
        let known: BTreeSet<&str> = self.rules.iter().map(|rule| &*rule.ours).collect();
        let unexpected = ours.keys().filter(|name| !known.contains(name.as_str()));
        misfit.unexpected = unexpected.cloned().collect();
        if !misfit.is_empty() {
            return Err(Box::new(misfit));
        }
        let mut theirs = self.constants.clone();
        for rule in &self.rules {
            let parts = rule.export(&ours[&rule.ours]);
            theirs.extend(rule.theirs.iter().cloned().zip(parts));
        }
        Ok(theirs)
    }
}

impl Misfit {
    pub(crate) fn check_shape(&mut self, key: &str, found: &[usize], expected: &[usize]) {
        if found != expected {
            self.shapes
                .push((key.to_owned(), found.to_vec(), expected.to_vec()));
        }
    }
}

/// Whether a key is one that a pattern stands for.
pub(crate) fn matches(pattern: &str, key: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => key.ends_with(end),
        (None, Some(start)) => key.starts_with(start),
        (None, None) => key == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new();
        table.linear("first", "mlp.0", 2, 3);
        table.norm("norm", "gn", 2);
        table.constant("freqs", vec![2], vec![1.0, 0.5]);
        table.ignore("*.num_updates");
        table
    }

    fn file() -> Tensors {
        let tensor = |shape: &[usize]| {
            let n = shape.iter().product::<usize>();
            Array::new(shape.to_vec(), (0..n).map(|i| i as f32).collect())
        };
        let shapes: [(&str, &[usize]); 6] = [
            ("mlp.0.weight", &[3, 2]),
            ("mlp.0.bias", &[3]),
            ("gn.weight", &[2]),
            ("gn.bias", &[2]),
            ("ema.num_updates", &[1]),
            ("freqs", &[2]),
        ];
        let mut file: Tensors = (shapes.iter())
            .map(|(key, shape)| ((*key).to_owned(), tensor(shape)))
            .collect();
        file.insert("freqs".into(), Array::new(vec![2], vec![1.0, 0.5]));
        file
    }

    #[test]
    fn a_table_gives_back_what_it_took() {
        let ours = table().import(&file()).expect("all tensors");
        assert_eq!(ours["first.weight"].shape, [2, 3]);
        assert_eq!(ours["first.weight"].values, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(ours["norm.beta"].values, [0.0, 1.0]);
        let mut expected = file();
        expected.remove("ema.num_updates");
        assert_eq!(table().export(&ours).expect("all parameters"), expected);
    }

    #[test]
    fn every_difference_is_listed_and_the_message_is_one_line() {
        let mut file = file();
        file.remove("mlp.0.bias");
        file.insert("other".into(), Array::new(vec![1], vec![0.0]));
        file.insert("gn.bias".into(), Array::new(vec![3], vec![0.0; 3]));
        file.insert("freqs".into(), Array::new(vec![2], vec![1.0, 0.6]));
        let misfit = table().import(&file).expect_err("four differences");
        assert_eq!(misfit.missing, ["mlp.0.bias"]);
        assert_eq!(misfit.unexpected, ["other"]);
        assert_eq!(misfit.shapes, [("gn.bias".into(), vec![3], vec![2])]);
        assert_eq!(misfit.values[0].0, "freqs");
        let message = misfit.to_string();
        for part in [
            "1 missing: mlp.0.bias",
            "1 unexpected: other",
            "gn.bias is [3]",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains('\n'));
    }
}
