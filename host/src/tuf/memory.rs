//! What updates remember: metadata that was verified, so that a repository
//! cannot go back to an earlier state.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sigstore_tuf::MetadataStore;

use super::TRUSTED_ROOT;
use super::place::Content;
use crate::error::{Error, Kind, Result};

/// Texts under the names that the TUF library gives them. Names are keys of one
/// JSON object and no paths, whatever a repository puts into them.
type Texts = BTreeMap<String, String>;

/// What the last update remembered, and what this one adds. Nothing of it is
/// trusted: the library verifies anew from the first root.
#[derive(Debug)]
pub(super) struct Memory {
    texts: Mutex<Texts>,
    /// Serves as the library's copy of the target, which it compares with the
    /// hash that is signed.
    trusted_root: Option<Vec<u8>>,
}

impl Memory {
    /// What is on disk. Metadata that cannot be read is forgotten: refusing it
    /// would leave the operator without updates.
    pub(super) fn of(content: &Content) -> Self {
        let texts = content.metadata.as_deref().map(serde_json::from_slice);
        let texts = texts.transpose().unwrap_or_else(|cause| {
            tracing::warn!(%cause, "what trust updates remember cannot be read, and is begun anew");
            None
        });
        Self {
            texts: Mutex::new(texts.unwrap_or_default()),
            trusted_root: content.trusted_root.clone(),
        }
    }

    /// As it is written to disk.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(&*self.lock()).map_err(|cause| {
            Error::new(Kind::Internal, "Metadata cannot be written as JSON.").with_internal(cause)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetadataStore for Memory {
    fn load(&self, name: &str) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        if name.strip_prefix("targets/") == Some(TRUSTED_ROOT) {
            return Ok(self.trusted_root.clone());
        }
        Ok(self.lock().get(name).map(|text| text.clone().into_bytes()))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> sigstore_tuf::Result<()> {
        if is_remembered(name)
            && let Ok(text) = str::from_utf8(bytes)
        {
            self.lock().insert(name.to_owned(), text.to_owned());
        }
        Ok(())
    }
}

/// Only what the library asks for again: versions that later ones must not
/// fall below.
fn is_remembered(name: &str) -> bool {
    matches!(name, "timestamp.json" | "snapshot.json" | "targets.json")
        || name.starts_with("root_history/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(metadata: Option<&str>) -> Memory {
        Memory::of(&Content {
            trusted_root: Some(b"root".to_vec()),
            metadata: metadata.map(|text| text.as_bytes().to_vec()),
        })
    }

    #[test]
    fn what_is_remembered_is_read_again() {
        let first = memory(None);
        for name in [
            "timestamp.json",
            "root_history/2.root.json",
            "root.json",
            "5.snapshot.json",
            "..%2Frole.json",
            "targets/../x",
        ] {
            first.store(name, b"{}").unwrap();
        }
        let again = memory(Some(&String::from_utf8(first.to_bytes().unwrap()).unwrap()));
        let names: Vec<String> = again.lock().keys().cloned().collect();
        assert_eq!(names, ["root_history/2.root.json", "timestamp.json"]);
        assert_eq!(again.load("timestamp.json").unwrap().unwrap(), b"{}");
        assert_eq!(
            again.load("targets/trusted_root.json").unwrap().unwrap(),
            b"root"
        );
    }

    #[test]
    fn metadata_that_cannot_be_read_is_forgotten() {
        for text in ["", "{", "[]", r#"{"timestamp.json": 1}"#] {
            assert_eq!(memory(Some(text)).to_bytes().unwrap(), b"{}", "{text}");
        }
    }
}
