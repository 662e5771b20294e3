//! diffusers' `scheduler_config.json`: the chain that a network beside it was trained on.

use super::ExchangeError;
use pyroclast_weights::Config as Arguments;
use std::path::{Path, PathBuf};

/// The file, relative to the folder of a model or of a pipeline.
const FILES: [&str; 2] = ["scheduler_config.json", "scheduler/scheduler_config.json"];

/// The description of the chain in a folder as diffusers writes it, if there is one.
pub fn scheduler_of(folder: &Path) -> Option<PathBuf> {
    let files = FILES.iter().map(|file| folder.join(file));
    { files }.find(|file| file.is_file())
}

/// What such a description says, as assignments for [`model_file`](super::model_file).
///
/// # Errors
/// [`ExchangeError::Weights`] for a value that no chain here can have.
pub fn scheduler_settings(config: &Arguments) -> Result<Vec<String>, ExchangeError> {
    let mut set = Vec::new();
    let mut chain =
        |key: &str, value: String| set.push(format!("path.schedule.ddpm.{key}={value}"));
    if let Some(steps) = config.count("num_train_timesteps")? {
        chain("timesteps", steps.to_string());
    }
    let (first, last) = (config.number("beta_start")?, config.number("beta_end")?);
    if config.get("trained_betas").is_some() {
        let remedy = "only null is known; give the numbers by --set path.schedule.ddpm.betas";
        return Err(config.refuse("trained_betas", remedy).into());
    }
    match config.text("beta_schedule")?.unwrap_or("linear") {
        name @ ("linear" | "scaled_linear") => {
            let name = name.replace('_', "-");
            // diffusers' defaults.
            let (first, last) = (first.unwrap_or(1e-4), last.unwrap_or(0.02));
            chain(&format!("betas.{name}.first"), format!("{first:?}"));
            chain(&format!("betas.{name}.last"), format!("{last:?}"));
        }
        "squaredcos_cap_v2" => chain("betas", "cosine".to_owned()),
        _ => {
            let remedy = "only linear, scaled_linear and squaredcos_cap_v2 are known";
            return Err(config.refuse("beta_schedule", remedy).into());
        }
    }
    if config.flag("rescale_betas_zero_snr")? == Some(true) {
        chain("zero-terminal-snr", "true".to_owned());
    }
    let prediction = match config.text("prediction_type")?.unwrap_or("epsilon") {
        "epsilon" => "noise",
        "sample" => "data",
        "v_prediction" => "v",
        _ => {
            let remedy = "only epsilon, sample and v_prediction are known";
            return Err(config.refuse("prediction_type", remedy).into());
        }
    };
    set.push(format!("objective.prediction={prediction}"));
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use pyroclast_core::prediction::Prediction;
    use pyroclast_core::schedule::{AnySchedule, BetaTable};

    fn read(json: &str) -> Result<(AnySchedule, Prediction), String> {
        let arguments = Arguments::parse(json).expect("an object");
        let set = scheduler_settings(&arguments).map_err(|error| error.to_string())?;
        let text = "[data]\nname = \"digits\"\n[path.schedule]\nddpm = {}";
        let config = Config::parse(text, "test", &set).expect("known keys");
        Ok((config.path.schedule, config.objective.prediction))
    }

    #[test]
    fn chains_are_those_of_their_schedulers() {
        let scaled = r#"{"beta_schedule": "scaled_linear", "beta_start": 0.00085,
            "beta_end": 0.012, "prediction_type": "v_prediction"}"#;
        let table = BetaTable::scaled_linear(1000, 0.000_85, 0.012);
        assert_eq!(read(scaled), Ok((table.into(), Prediction::V)));
        let usual = r#"{"num_train_timesteps": 1000}"#;
        assert_eq!(
            read(usual),
            Ok((BetaTable::default().into(), Prediction::Noise))
        );
        let cosine = r#"{"num_train_timesteps": 50, "beta_schedule": "squaredcos_cap_v2",
            "rescale_betas_zero_snr": true, "prediction_type": "sample"}"#;
        let table = BetaTable::cosine(50).zero_terminal_snr();
        assert_eq!(read(cosine), Ok((table.into(), Prediction::Data)));
        for (json, part) in [
            (
                r#"{"beta_schedule": "laplace"}"#,
                "beta_schedule = \"laplace\"",
            ),
            (r#"{"prediction_type": "flow"}"#, "only epsilon"),
            (r#"{"trained_betas": [0.1]}"#, "only null is known"),
        ] {
            let message = read(json).expect_err(json);
            assert!(message.contains(part), "{message}");
        }
    }
}
