//! `[http]`: how the host is reached over HTTP, and how much of it anybody may
//! take.

use std::io::Read;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use zeroize::Zeroizing;

use super::read::{Unreadable, check_folder, is_exposed, open};
use super::trust::Page;
use crate::error::{Error, Kind, Result};
use crate::mcp::{HttpLimits, HttpSettings, MIN_HEAD, TlsFiles};
use crate::policy::limits::{parse_size, parse_timeout};

/// The largest file of a private key, in bytes.
const MAX_KEY: u64 = 64 * 1024;

/// The largest limits, in bytes.
const MAX_BODY: u64 = 1 << 30;
const MAX_HEAD: u64 = 1 << 20;

/// As it stands in a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct HttpTable {
    #[serde(deserialize_with = "address")]
    listen: Option<SocketAddr>,
    hosts: Vec<Spanned<String>>,
    origins: Vec<Spanned<String>>,
    cors: Option<Spanned<bool>>,
    plaintext: bool,
    tls: Option<TlsTable>,
    #[serde(deserialize_with = "body")]
    body: Option<u64>,
    #[serde(deserialize_with = "head")]
    header_bytes: Option<u64>,
    #[serde(deserialize_with = "time")]
    header_timeout: Option<Duration>,
    #[serde(deserialize_with = "time")]
    body_timeout: Option<Duration>,
    #[serde(deserialize_with = "time")]
    write_timeout: Option<Duration>,
    #[serde(deserialize_with = "time")]
    idle_timeout: Option<Duration>,
    connections: Option<NonZeroU32>,
    connections_per_source: Option<NonZeroU32>,
    requests: Option<NonZeroU32>,
    requests_per_source: Option<NonZeroU32>,
    #[serde(deserialize_with = "time")]
    drain: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    certificate: PathBuf,
    key: PathBuf,
}

/// An address as `--http` takes it.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address = text.parse();
    address
        .map(Some)
        .map_err(|_cause| D::Error::custom("write ADDRESS:PORT, such as 127.0.0.1:8808"))
}

impl HttpTable {
    /// Paths are relative to the folder of the configuration.
    pub(super) fn read(self, page: &Page<'_>) -> Result<HttpSettings> {
        let origins = parsed(&self.origins, page)?;
        let cors = self.cors.as_ref().filter(|cors| *cors.get_ref());
        if let (Some(cors), true) = (cors, self.origins.is_empty()) {
            let problem = "`cors` tells browsers that the pages of `origins` may read answers; name them there";
            return Err(page.invalid_at(cors.span().start, problem));
        }
        Ok(HttpSettings {
            listen: self.listen,
            hosts: parsed(&self.hosts, page)?,
            origins,
            cors: cors.is_some(),
            plaintext: self.plaintext,
            limits: self.limits(),
            tls: self.tls.map(|tls| tls.read(page.folder())),
        })
    }

    fn limits(&self) -> HttpLimits {
        let usual = HttpLimits::default();
        HttpLimits {
            body: self.body.unwrap_or(usual.body),
            header_bytes: self.header_bytes.unwrap_or(usual.header_bytes),
            header_timeout: self.header_timeout.unwrap_or(usual.header_timeout),
            body_timeout: self.body_timeout.unwrap_or(usual.body_timeout),
            write_timeout: self.write_timeout.unwrap_or(usual.write_timeout),
            idle_timeout: self.idle_timeout.unwrap_or(usual.idle_timeout),
            connections: self.connections.unwrap_or(usual.connections),
            connections_per_source: self
                .connections_per_source
                .unwrap_or(usual.connections_per_source),
            requests: self.requests.unwrap_or(usual.requests),
            requests_per_source: self
                .requests_per_source
                .unwrap_or(usual.requests_per_source),
            drain: self.drain.unwrap_or(usual.drain),
        }
    }
}

impl TlsTable {
    fn read(self, folder: &Path) -> TlsFiles {
        TlsFiles {
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
        }
    }
}

fn parsed<T>(texts: &[Spanned<String>], page: &Page<'_>) -> Result<Vec<T>>
where
    T: FromStr<Err = String>,
{
    let parse = |text: &Spanned<String>| {
        let parsed = text.get_ref().parse();
        parsed.map_err(|problem: String| page.invalid_at(text.span().start, problem))
    };
    texts.iter().map(parse).collect()
}

/// The private key in a file that only this user and perhaps a group may read.
///
/// # Errors
///
/// `ConfigInsecure` if others may read or write it, `ConfigInvalid` if it cannot
/// be read.
pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<String>> {
    let unreadable = |unreadable: Unreadable| unreadable.into_error("private key", path);
    check_folder(path).map_err(unreadable)?;
    let failed = |cause| unreadable(Unreadable::File(cause));
    let file = open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if is_exposed(&metadata) {
        return Err(unreadable(Unreadable::Exposed));
    }
    if metadata.mode() & 0o007 != 0 {
        return Err(Error::new(
            Kind::ConfigInsecure,
            format!("The private key {} may be read by others.", path.display()),
        )
        .with_hint(format!("Run `chmod o-rwx {}`.", path.display())));
    }
    let capacity = usize::try_from(metadata.len().min(MAX_KEY)).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(capacity.saturating_add(1)));
    file.take(MAX_KEY)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, |text| match parse_size(text)? {
        size @ 1..=MAX_BODY => Ok(size),
        _ => Err(format!(
            "`{text}` is out of range; a body has 1 byte to 1 GiB"
        )),
    })
}

fn head<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, |text| match parse_size(text)? {
        size @ MIN_HEAD..=MAX_HEAD => Ok(size),
        _ => Err(format!(
            "`{text}` is out of range; a head has 8 KiB to 1 MiB"
        )),
    })
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    text(deserializer, parse_timeout)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Config;

    fn parse(lines: &str) -> Result<HttpSettings> {
        let text = format!("[http]\n{lines}");
        let path = Path::new("/etc/skillhost/skillhost.toml");
        Config::parse(&text, path).map(|config| config.http)
    }

    #[test]
    fn what_is_not_written_is_as_usual() {
        assert_eq!(parse("").unwrap(), HttpSettings::default());
        let settings =
            parse("body = \"1MiB\"\nrequests = 7\ntls = { certificate = \"a\", key = \"/b\" }\n")
                .unwrap();
        let expected = HttpSettings {
            tls: Some(TlsFiles {
                certificate: "/etc/skillhost/a".into(),
                key: "/b".into(),
            }),
            limits: HttpLimits {
                body: 1 << 20,
                requests: 7.try_into().unwrap(),
                ..HttpLimits::default()
            },
            ..HttpSettings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_key_that_others_may_read_or_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "x").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o640, None),
            (0o644, Some(Kind::ConfigInsecure)),
            (0o660, Some(Kind::ConfigInsecure)),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_key(&path).err();
            assert_eq!(refused.map(|error| error.kind()), expected, "{mode:o}");
        }
        let missing = read_key(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), Kind::ConfigInvalid);
    }
}
