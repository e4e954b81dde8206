//! The settings that the operator chose for this skill.

use serde::de::DeserializeOwned;

use crate::reader::from_json;
use crate::{Error, Result, host};

/// The value of a setting; none if the operator did not set it and the schema
/// of the settings in `skill.toml` has no default for it.
///
/// # Errors
///
/// `failed` with the code `invalid-setting` for a value that is no `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(json) = host::setting(key) else {
        return Ok(None);
    };
    from_json(json.as_bytes()).map(Some).map_err(|error| {
        Error::failed(format!("The setting {key:?} is not usable: {error}")).code("invalid-setting")
    })
}
