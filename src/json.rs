//! JSON, byte for byte as it came.

use crate::error::Error;
use serde::de::IgnoredAny;
use std::fmt;

/// A body that was checked to be JSON, byte for byte as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// `text`, if it is JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] when it is not.
    pub fn parse(text: Vec<u8>) -> Result<Json, Error> {
        let text = String::from_utf8(text).map_err(|error| Error::Json(error.to_string()))?;
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(IgnoredAny) => Ok(Json(text)),
            Err(error) => Err(Error::Json(error.to_string())),
        }
    }

    /// The bytes, as the upstream sent them.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The same as text: JSON is UTF-8 (RFC 8259, section 8.1).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes themselves.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").field(&self.0).finish()
    }
}
