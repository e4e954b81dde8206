//! A folder to begin a skill with.

mod sdk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};

/// The longest name of a skill, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The files of a fresh skill. `{{name}}` and `{{sdk}}` stand for the name of
/// the skill and the folder of the SDK as a TOML string.
const TEMPLATE: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.template")),
    ("skill.toml", include_str!("template/skill.toml.template")),
    ("src/lib.rs", include_str!("template/lib.rs.template")),
    ("README.md", include_str!("template/README.md.template")),
    (".gitignore", include_str!("template/gitignore.template")),
];

/// Where a fresh skill takes the SDK from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SdkSource {
    /// The SDK that belongs to this host, unpacked into the data folder.
    Embedded,
    /// A folder of the author's with the SDK in it.
    Folder(PathBuf),
}

/// Makes the folder `name` in `parent` with a skill that builds and passes its
/// tests, and returns the folder's path. All of it appears, or nothing.
///
/// The SDK of [`SdkSource::Embedded`] goes to `sdk/` in `data_dir`, once for
/// each version of it.
///
/// # Errors
///
/// [`NewError::InvalidName`] unless `name` has 1 to 64 lower-case letters,
/// digits and hyphens and begins with a letter; [`NewError::NotEmpty`] if there
/// is something in that folder; [`NewError::NoSdk`] if the given folder has no
/// SDK; [`NewError::NotUnicode`] and [`NewError::Files`] if a path cannot be used.
pub fn scaffold(
    parent: &Path,
    name: &str,
    sdk: SdkSource,
    data_dir: &Path,
) -> Result<PathBuf, NewError> {
    require_name(name)?;
    let folder = parent.join(name);
    require_free(&folder)?;
    let sdk = toml_string(&locate(sdk, data_dir)?)?;
    publish(&folder, |draft| {
        TEMPLATE.iter().try_for_each(|(path, text)| {
            let filled = text.replace("{{name}}", name).replace("{{sdk}}", &sdk);
            write_file(&draft.join(path), filled.as_bytes())
        })
    })?;
    Ok(folder)
}

fn require_name(name: &str) -> Result<(), NewError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    if begins_well && name.len() <= MAX_NAME_BYTES && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(NewError::InvalidName {
        name: name.to_owned(),
    })
}

fn require_free(folder: &Path) -> Result<(), NewError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(NewError::NotEmpty {
                folder: folder.to_owned(),
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(NewError::Files {
            path: folder.to_owned(),
            source,
        }),
    }
}

fn locate(sdk: SdkSource, data_dir: &Path) -> Result<PathBuf, NewError> {
    match sdk {
        SdkSource::Embedded => sdk::unpack(data_dir),
        SdkSource::Folder(folder) if folder.join("Cargo.toml").is_file() => absolute(&folder)
            .map_err(|source| NewError::Files {
                path: folder,
                source,
            }),
        SdkSource::Folder(folder) => Err(NewError::NoSdk { folder }),
    }
}

/// Quoted and escaped: a JSON string is a TOML string.
fn toml_string(path: &Path) -> Result<String, NewError> {
    let text = path.to_str().ok_or_else(|| NewError::NotUnicode {
        path: path.to_owned(),
    })?;
    Ok(serde_json::Value::from(text).to_string())
}

/// Fills a folder beside `folder` and renames it, so that nobody ever sees it
/// half full.
fn publish(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<(), NewError>,
) -> Result<(), NewError> {
    let parent = folder.parent().unwrap_or(folder);
    let files = |source| NewError::Files {
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(parent).map_err(files)?;
    let private = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(parent)
        .map_err(files)?;
    // One level down: the outer folder is closed to other users, this is not.
    let draft = private.path().join("draft");
    fill(&draft)?;
    fs::rename(&draft, folder).map_err(files)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), NewError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|source| NewError::Files {
            path: path.to_owned(),
            source,
        })
}

/// Why there is no fresh skill.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name cannot be that of a skill.
    #[error(
        "'{name}' cannot be the name of a skill: use 1 to 64 of a-z, 0-9 and '-', beginning with a letter"
    )]
    InvalidName {
        /// The name.
        name: String,
    },
    /// Something is in the way.
    #[error("{} is there already and not empty: choose another name, or remove it", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The given folder has no SDK.
    #[error("there is no Cargo.toml in {}: give the folder of the skillhost SDK", folder.display())]
    NoSdk {
        /// The folder.
        folder: PathBuf,
    },
    /// A path goes into `Cargo.toml` and is not Unicode.
    #[error("the path {} is not Unicode, which Cargo.toml needs: give another folder", path.display())]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// A file or folder could not be written.
    #[error("{} could not be written: {source}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_fresh_skill_depends_on_the_unpacked_sdk() {
        let (parent, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = scaffold(
            parent.path(),
            "find-lines",
            SdkSource::Embedded,
            data.path(),
        )
        .unwrap();
        assert_eq!(folder, parent.path().join("find-lines"));
        assert_eq!(names_in(parent.path()), ["find-lines"]);
        assert_eq!(
            names_in(&folder),
            [".gitignore", "Cargo.toml", "README.md", "skill.toml", "src"]
        );
        let sdk = sdk::unpack(data.path()).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("name = \"find-lines\"\n"), "{manifest}");
        assert!(
            manifest.contains(&format!("path = \"{}\"", sdk.display())),
            "{manifest}"
        );
        assert!(sdk.join("wit/world.wit").is_file());
    }

    #[test]
    fn no_placeholder_is_left() {
        let (parent, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = scaffold(parent.path(), "a", SdkSource::Embedded, data.path()).unwrap();
        for (path, _) in TEMPLATE {
            let text = fs::read_to_string(folder.join(path)).unwrap();
            assert!(
                !text.contains("{{name}}") && !text.contains("{{sdk}}"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("mine");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("notes"), "kept").unwrap();
        let error =
            scaffold(parent.path(), "mine", SdkSource::Embedded, parent.path()).unwrap_err();
        assert!(matches!(error, NewError::NotEmpty { folder: named } if named == folder));
        assert_eq!(names_in(&folder), ["notes"]);
    }

    #[test]
    fn an_empty_folder_is_filled() {
        let (parent, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(parent.path().join("mine")).unwrap();
        let folder = scaffold(parent.path(), "mine", SdkSource::Embedded, data.path()).unwrap();
        assert!(folder.join("src/lib.rs").is_file());
    }

    #[test]
    fn names_that_are_no_skill_names_are_refused() {
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for name in [
            "",
            "Upper",
            "1st",
            "-a",
            "under_score",
            "../up",
            "a/b",
            "é",
            &long,
        ] {
            let error = require_name(name).unwrap_err();
            assert!(matches!(error, NewError::InvalidName { name: told } if told == name));
        }
        for name in ["a", "a-1", &long[1..]] {
            require_name(name).unwrap();
        }
    }

    #[test]
    fn a_folder_without_the_sdk_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let sdk = SdkSource::Folder(parent.path().join("nothing"));
        let error = scaffold(parent.path(), "mine", sdk, parent.path()).unwrap_err();
        assert!(matches!(error, NewError::NoSdk { .. }));
        assert_eq!(names_in(parent.path()), Vec::<String>::new());
    }
}
