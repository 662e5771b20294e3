//! Which models a page can show.

use crate::SessionError;
use pyroclast_train::model_file::ModelHeader;
use pyroclast_train::network::NetworkConfig;
use pyroclast_train::stored_model::StoredModelError;

/// Refuses a model that a page cannot sample; errors call it `name`.
///
/// # Errors
/// [`SessionError`]: only the program that trained the network can build it, it draws no samples,
/// or it has a condition that a page cannot ask for.
pub fn check(name: &str, header: &ModelHeader) -> Result<(), SessionError> {
    let about = &header.about;
    let name = || name.to_owned();
    match &about.network {
        None => return Err(StoredModelError::OwnNetwork(name()).into()),
        Some(network) if NetworkConfig::is_autoencoder(network) => {
            return Err(SessionError::Autoencoder(name()));
        }
        Some(_) => {}
    }
    match &about.data.condition {
        Some(condition) => Err(SessionError::Condition {
            name: name(),
            condition: condition.to_string(),
        }),
        None => Ok(()),
    }
}
