//! Times and differences, written as they are measured so that a run that is cut short loses nothing.

use burn::tensor::backend::Backend;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long one repetition lasts at least.
const REPETITION: Duration = Duration::from_millis(60);
/// How long warming up may take, compiling and tuning included.
const WARM_UP: usize = 3;

pub(crate) struct Report {
    pub(crate) variant: &'static str,
    pub(crate) only: Option<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) repetitions: usize,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            variant: "",
            only: None,
            file: None,
            repetitions: 7,
        }
    }
}

impl Report {
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }

    /// The seconds of `work`, which queues what it does, on an idle machine.
    pub(crate) fn time<B: Backend>(
        &mut self,
        name: &str,
        precision: &str,
        device: &B::Device,
        mut work: impl FnMut(),
    ) {
        if !self.wants(name) {
            return;
        }
        let wait = || B::sync(device).expect("the device answers");
        let start = Instant::now();
        work();
        wait();
        let first = start.elapsed();
        for _ in 0..WARM_UP {
            work();
        }
        wait();
        let start = Instant::now();
        work();
        wait();
        let count = (REPETITION.as_secs_f64() / start.elapsed().as_secs_f64()).ceil() as usize;
        let mut seconds: Vec<f64> = (0..self.repetitions)
            .map(|_| {
                let start = Instant::now();
                (0..count).for_each(|_| work());
                wait();
                start.elapsed().as_secs_f64() / count as f64
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        self.line(&format!(
            r#"{{"name": "{name}", "precision": "{precision}", "variant": "{}", "median": {median:e}, "least": {:e}, "most": {:e}, "first": {:.3}}}"#,
            self.variant,
            seconds[0],
            seconds[seconds.len() - 1],
            first.as_secs_f64(),
        ));
    }

    /// The relative difference ‖a − b‖/‖b‖ of a result and its reference.
    pub(crate) fn difference(&mut self, name: &str, precision: &str, a: &[f32], b: &[f32]) {
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
        let error = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let size = norm(&mut b.iter().map(|b| f64::from(*b)));
        let difference = if a.len() == b.len() {
            error / size
        } else {
            f64::INFINITY
        };
        self.line(&format!(
            r#"{{"name": "{name}", "precision": "{precision}", "variant": "{}", "difference": {difference:e}}}"#,
            self.variant
        ));
    }

    fn line(&self, line: &str) {
        println!("{line}");
        if let Some(path) = &self.file {
            let file = OpenOptions::new().create(true).append(true).open(path);
            writeln!(file.expect("a file to append to"), "{line}").expect("space for a line");
        }
    }
}
