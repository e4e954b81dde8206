//! The guest SDK that belongs to this host.

use std::path::{Path, PathBuf, absolute};

use aws_lc_rs::digest::{Context, SHA256};

use super::{NewError, publish, write_file};

/// Paths in the SDK and the bytes of the files.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Unpacks the SDK, unless that very version is there already, and returns its
/// folder.
pub(super) fn unpack(data_dir: &Path) -> Result<PathBuf, NewError> {
    let data_dir = absolute(data_dir).map_err(|source| NewError::Files {
        path: data_dir.to_owned(),
        source,
    })?;
    let folder = data_dir.join("sdk").join(version());
    if folder.is_dir() {
        return Ok(folder);
    }
    let published = publish(&folder, |draft| {
        FILES
            .iter()
            .try_for_each(|(path, bytes)| write_file(&draft.join(path), bytes))
    });
    // Another process may have been faster; what it unpacked is the same.
    if folder.is_dir() {
        Ok(folder)
    } else {
        published.map(|()| folder)
    }
}

/// Changes with each byte of the SDK: skills that exist keep theirs.
fn version() -> String {
    let mut digest = Context::new(&SHA256);
    for (path, bytes) in FILES {
        digest.update(path.as_bytes());
        digest.update(&[0]);
        digest.update(&bytes.len().to_le_bytes());
        digest.update(bytes);
    }
    let digest = digest.finish();
    let short: String = digest
        .as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}-{short}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn unpacks_once() {
        let data = tempfile::tempdir().unwrap();
        let folder = unpack(data.path()).unwrap();
        for (path, bytes) in FILES {
            assert_eq!(fs::read(folder.join(path)).unwrap(), *bytes, "{path}");
        }
        fs::write(folder.join("marker"), "").unwrap();
        assert_eq!(unpack(data.path()).unwrap(), folder);
        assert!(folder.join("marker").is_file());
        assert_eq!(fs::read_dir(data.path().join("sdk")).unwrap().count(), 1);
    }

    #[test]
    fn holds_the_macros_and_the_contract() {
        for needed in [
            "Cargo.toml",
            "src/lib.rs",
            "macros/Cargo.toml",
            "macros/src/lib.rs",
            "wit/world.wit",
        ] {
            assert!(FILES.iter().any(|(path, _)| *path == needed), "{needed}");
        }
        assert!(FILES.iter().all(|(path, _)| !path.contains("target/")));
    }
}
