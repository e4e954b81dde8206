//! `[secret.NAME]`: where secrets come from, and reading them, once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Value};
use zeroize::Zeroizing;

use super::Config;
use super::environment::Variables;
use super::read::{Unreadable, check_folder, is_exposed, open};
use super::trust::Page;
use crate::error::{Error, Kind, Result};
use crate::manifest::SecretName;
use crate::policy::secret::{CredentialGrant, Place, credential_origin};
pub(super) use crate::policy::secret::{header_name, header_prefix};
use crate::secret::{MAX_SECRET, Secret, Secrets};

/// Where the host reads a secret. Never a value: configurations are shown,
/// copied and kept under version control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file, of which one line end at the end is no part.
    File(PathBuf),
    /// A variable of the environment that the host was started with.
    Variable(String),
}

/// Reads `[secret]`. What stands there by mistake is not repeated: it may be
/// the value.
pub(super) fn sources(
    tables: BTreeMap<String, Spanned<Value>>,
    page: &Page<'_>,
) -> Result<BTreeMap<SecretName, SecretSource>> {
    let source = |(name, value): (String, Spanned<Value>)| {
        let at = value.span().start;
        let wrong = |problem: String| page.invalid_at(at, problem);
        let name: SecretName = name.parse().map_err(wrong)?;
        let source = source(value.as_ref(), page.folder()).ok_or_else(|| {
            wrong(format!(
                "`[secret.{name}]` is `file = \"PATH\"` or `env = \"VARIABLE\"`, one of them, and never a value"
            ))
        })?;
        Ok((name, source))
    };
    tables.into_iter().map(source).collect()
}

fn source(value: &Value, folder: &Path) -> Option<SecretSource> {
    let mut fields = value.as_table()?.iter();
    let (key, value) = fields.next()?;
    let value = value.as_str().filter(|text| !text.is_empty())?;
    let source = match key.as_str() {
        "file" => SecretSource::File(folder.join(value)),
        "env" if !value.contains(['=', '\0']) => SecretSource::Variable(value.to_owned()),
        _ => return None,
    };
    fields.next().is_none().then_some(source)
}

/// A credential under `[skill.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialTable {
    secret: SecretName,
    origin: String,
    header: Option<String>,
    prefix: Option<String>,
    query: Option<String>,
}

impl CredentialTable {
    pub(super) fn read(self) -> Result<CredentialGrant, String> {
        Ok(CredentialGrant {
            secret: self.secret,
            origin: credential_origin(&self.origin)?,
            place: Place::of(self.header, self.prefix, self.query)?,
        })
    }
}

/// A secret that a skill is to get, which must be one of `[secret]`.
pub(super) fn known(
    name: &SecretName,
    sources: &BTreeMap<SecretName, SecretSource>,
) -> Result<(), String> {
    if sources.contains_key(name) {
        return Ok(());
    }
    Err(format!("there is no `[secret.{name}]`"))
}

impl Config {
    /// Variables of the environment that hold secrets.
    pub(super) fn secret_variables(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().filter_map(|source| match source {
            SecretSource::Variable(name) => Some(name.as_str()),
            SecretSource::File(_) => None,
        })
    }

    /// Reads every secret, once. Those whose file or variable is not there have
    /// no value, and are returned as well.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` for a file that others may read or write,
    /// `ConfigInvalid` for one that cannot be read, and for a value that is too
    /// short or no text.
    pub(crate) fn read_secrets(&self, variables: &Variables) -> Result<(Secrets, Vec<SecretName>)> {
        let (mut values, mut missing) = (Vec::new(), Vec::new());
        for (name, source) in &self.secrets {
            let value = match source {
                SecretSource::File(path) => read_secret(path)?,
                SecretSource::Variable(variable) => variables.get(variable).cloned(),
            };
            match value {
                None => missing.push(name.clone()),
                Some(value) => values.push((name.clone(), secret(name, value)?)),
            }
        }
        Ok((Secrets::new(values), missing))
    }
}

fn secret(name: &SecretName, mut value: Zeroizing<String>) -> Result<Secret> {
    Secret::new(std::mem::take(&mut *value)).map_err(|problem| {
        Error::new(
            Kind::ConfigInvalid,
            format!("The value of the secret `{name}` is not taken: {problem}."),
        )
        .with_hint("Use a longer one, as services issue them.")
    })
}

/// The value in a file; none if there is no file.
fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>> {
    match read_file(path) {
        Ok(value) => Ok(Some(value)),
        Err(Refused::Unreadable(Unreadable::File(cause)))
            if cause.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(Refused::Unreadable(unreadable)) => Err(unreadable.into_error("secret file", path)),
        Err(Refused::Shown) => Err(Error::new(
            Kind::ConfigInsecure,
            format!("The secret file {} may be read by others.", path.display()),
        )
        .with_hint(format!("Run `chmod o-rwx {}`.", path.display()))),
    }
}

enum Refused {
    Unreadable(Unreadable),
    /// Others may read it.
    Shown,
}

impl From<io::Error> for Refused {
    fn from(cause: io::Error) -> Self {
        Self::Unreadable(Unreadable::File(cause))
    }
}

/// Like [`read_trusted`](super::read_trusted), and nobody else may read it. A
/// group may: its bits are where access control lists stand, with which systemd
/// hands over credentials.
fn read_file(path: &Path) -> Result<Zeroizing<String>, Refused> {
    check_folder(path).map_err(Refused::Unreadable)?;
    let file = open(path)?;
    let metadata = file.metadata()?;
    if is_exposed(&metadata) {
        return Err(Refused::Unreadable(Unreadable::Exposed));
    }
    if metadata.mode() & 0o007 != 0 {
        return Err(Refused::Shown);
    }
    Ok(read_text(file)?)
}

/// Reads into memory that is wiped, and that is large enough: growing would
/// leave a copy behind.
fn read_text(file: fs::File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET + 3));
    let limit = (MAX_SECRET + 3) as u64;
    file.take(limit).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n');
    let line = line.map(|line| line.strip_suffix('\r').unwrap_or(line));
    let end = line.map_or(text.len(), str::len);
    text.truncate(end);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Option<Zeroizing<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read_secret(&path)
    }

    #[test]
    fn x04_a_secret_file_is_read_without_its_last_line_end() {
        for (text, expected) in [
            ("SKH_CANARY", "SKH_CANARY"),
            ("SKH_CANARY\n", "SKH_CANARY"),
            ("SKH_CANARY\r\n", "SKH_CANARY"),
            ("SKH\nCANARY\n\n", "SKH\nCANARY\n"),
            (" SKH_CANARY ", " SKH_CANARY "),
        ] {
            assert_eq!(read(text, 0o600).unwrap().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn x04_a_secret_file_that_others_may_read_or_write_is_refused() {
        for (mode, expected) in [
            (0o600, None),
            (0o640, None),
            (0o644, Some(Kind::ConfigInsecure)),
            (0o604, Some(Kind::ConfigInsecure)),
            (0o620, Some(Kind::ConfigInsecure)),
        ] {
            let refused = read("SKH_CANARY", mode).err();
            assert_eq!(refused.map(|error| error.kind()), expected, "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_no_value_and_a_folder_is_none_either() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_secret(&folder.path().join("none")).unwrap().is_none());
        let error = read_secret(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::ConfigInvalid);
    }
}
