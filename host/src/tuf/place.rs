//! The two files of an update on disk. They change together or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::file;

/// Where they are.
#[derive(Debug)]
pub(super) struct Place {
    trusted_root: PathBuf,
    metadata: PathBuf,
}

/// What is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) trusted_root: Option<Vec<u8>>,
    pub(super) metadata: Option<Vec<u8>>,
}

impl Place {
    pub(super) fn of(trusted_root: &Path) -> Self {
        Self {
            trusted_root: trusted_root.to_owned(),
            metadata: trusted_root.with_file_name("tuf").join("metadata.json"),
        }
    }

    pub(super) fn read(&self) -> Result<Content> {
        Ok(Content {
            trusted_root: read(&self.trusted_root)?,
            metadata: read(&self.metadata)?,
        })
    }

    /// Replaces `before` by `after`, unless another update was faster: its
    /// versions may be higher, and must not fall.
    pub(super) fn replace(&self, before: &Content, after: &Content) -> Result<()> {
        if self.read()? != *before {
            let message = "Another update of the trusted root has just ended.";
            return Err(Error::new(Kind::InvalidRequest, message)
                .with_hint("Nothing was changed by this one. Run it again."));
        }
        self.write(before, after)
    }

    /// The metadata first. If the process dies in between, the next update
    /// sees that the root is not the one that is signed for; the other way
    /// round, the repository could go back to the old metadata.
    fn write(&self, before: &Content, after: &Content) -> Result<()> {
        change(&self.metadata, &before.metadata, &after.metadata)?;
        let changed = change(
            &self.trusted_root,
            &before.trusted_root,
            &after.trusted_root,
        );
        if changed.is_err() {
            // What failed first is what is told.
            let _ = change(&self.metadata, &after.metadata, &before.metadata);
        }
        changed
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(unusable(path, &cause)),
    }
}

/// An equal file is left alone.
fn change(path: &Path, before: &Option<Vec<u8>>, after: &Option<Vec<u8>>) -> Result<()> {
    let done = match after {
        _ if before == after => Ok(()),
        Some(bytes) => file::replace(path, bytes),
        None => remove(path),
    };
    done.map_err(|cause| unusable(path, &cause))
}

/// With its folder, if that is empty then.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    if let Some(folder) = path.parent() {
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

fn unusable(path: &Path, cause: &io::Error) -> Error {
    let message = format!("{} cannot be used: {cause}.", path.display());
    Error::new(Kind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content {
            trusted_root: Some(text.into()),
            metadata: Some(text.into()),
        }
    }

    const NONE: Content = Content {
        trusted_root: None,
        metadata: None,
    };

    #[test]
    fn both_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&folder.path().join("trust/trusted_root.json"));
        assert_eq!(place.read().unwrap(), NONE);
        for (before, after) in [(NONE, content("1")), (content("1"), content("2"))] {
            place.replace(&before, &after).unwrap();
            assert_eq!(place.read().unwrap(), after);
        }
    }

    #[test]
    fn an_update_that_was_overtaken_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&folder.path().join("trusted_root.json"));
        place.replace(&NONE, &content("other")).unwrap();
        let error = place.replace(&NONE, &content("own")).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert_eq!(place.read().unwrap(), content("other"));
    }

    #[test]
    fn metadata_goes_back_when_the_root_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trusted_root.json");
        fs::create_dir_all(path.join("in the way")).unwrap();
        let place = Place::of(&path);
        place.write(&NONE, &content("1")).unwrap_err();
        assert!(!folder.path().join("tuf").exists());

        fs::create_dir(folder.path().join("tuf")).unwrap();
        fs::write(&place.metadata, "0").unwrap();
        let before = Content {
            metadata: Some("0".into()),
            ..NONE
        };
        place.write(&before, &content("1")).unwrap_err();
        assert_eq!(fs::read(&place.metadata).unwrap(), b"0");
    }
}
