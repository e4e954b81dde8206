//! Where trusted roots come from, and in whom trust in that place begins.

use std::fmt;

use sigstore_tuf::TrustedMetadataSet;
use url::{Host, Url};

use crate::error::{Error, Kind, Result};
use crate::policy::origin::{Origin, Scheme};
use crate::sandbox::network::is_localhost;

/// Sigstore's root metadata, version 16, as `sigstore-trust-root` 0.15.1 ships
/// it. Later versions are reached from it, each signed for by the one before.
const PUBLIC_GOOD_ROOT: &[u8] = include_bytes!("public_good_root.json");

/// No repository gets here, and the TUF library adds to versions unchecked.
const MAX_VERSION: u64 = 1 << 32;

/// A TUF repository, and the root metadata in which trust in it begins.
#[derive(Debug, Clone)]
pub struct Source {
    address: Address,
    root: Vec<u8>,
}

impl Source {
    /// The repository of Sigstore's public instance.
    pub const PUBLIC_GOOD: &str = "https://tuf-repo-cdn.sigstore.dev";

    /// Sigstore's public instance, or a mirror of it: trust begins in the root
    /// metadata that is built in.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if `url` is no address that is fetched from.
    pub fn public_good(url: &str) -> Result<Self> {
        Self::new(url, PUBLIC_GOOD_ROOT)
    }

    /// The repository at `url`, where trust begins in the root metadata `root`.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if `url` is no address that is fetched from: an
    /// `https` one, or `http` to this machine itself. `TrustRootInvalid` if
    /// `root` is not signed by as many of its own keys as it demands.
    pub fn new(url: &str, root: impl Into<Vec<u8>>) -> Result<Self> {
        let address = Address::parse(url).map_err(|problem| {
            Error::new(Kind::InvalidRequest, format!("{problem}."))
                .with_hint("Give an address such as https://tuf.example.com/repository.")
        })?;
        let root = root.into();
        check(&root).map_err(|problem| {
            let message = format!("The TUF root metadata is not valid: {problem}.");
            Error::new(Kind::TrustRootInvalid, message)
                .with_hint("Get the root.json of the repository from those who run it.")
        })?;
        Ok(Self { address, root })
    }

    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn root(&self) -> &[u8] {
        &self.root
    }
}

/// Its address.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { origin, path } = &self.address;
        write!(f, "{origin}{path}")
    }
}

fn check(root: &[u8]) -> Result<(), String> {
    let root = TrustedMetadataSet::from_root(root).map_err(|cause| super::chain(&cause))?;
    if root.root().version > MAX_VERSION {
        return Err(format!(
            "no repository has come to version {}",
            root.root().version
        ));
    }
    Ok(())
}

/// Where a repository is.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) origin: Origin,
    /// Begins and ends with `/`.
    pub(super) path: String,
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        let origin = Origin::of(text)?;
        if origin.scheme == Scheme::Http && !is_loopback(&origin) {
            return Err(format!(
                "`{text}` is not encrypted, which is for this machine's own addresses only"
            ));
        }
        let url = Url::parse(text).map_err(|cause| format!("`{text}` is no address: {cause}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("`{text}` carries more than a path"));
        }
        let path = format!("{}/", url.path().trim_end_matches('/'));
        Ok(Self { origin, path })
    }
}

/// Whether requests to it stay on this machine.
fn is_loopback(origin: &Origin) -> bool {
    is_localhost(&origin.host)
        || match origin.host {
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
            Host::Domain(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> Option<Kind> {
        Source::public_good(url).err().map(|error| error.kind())
    }

    /// Its signatures are real: canonical JSON and keys are read as Sigstore
    /// writes them.
    #[test]
    fn the_root_that_is_built_in_is_signed_by_its_own_keys() {
        let source = Source::public_good(Source::PUBLIC_GOOD).unwrap();
        let root = TrustedMetadataSet::from_root(source.root()).unwrap();
        assert_eq!(root.root().version, 16);
        assert!(root.root().consistent_snapshot);
        assert_eq!(source.to_string(), "https://tuf-repo-cdn.sigstore.dev/");
    }

    #[test]
    fn only_encrypted_addresses_and_this_machine_are_fetched_from() {
        for url in [
            "https://tuf.test",
            "https://tuf.test:8443/a/b/",
            "http://127.0.0.1:8080",
            "http://[::1]/",
            "http://localhost:8080/tuf",
        ] {
            assert_eq!(refused(url), None, "{url}");
        }
        for url in [
            "",
            "tuf.test",
            "http://tuf.test",
            "http://10.0.0.1",
            "http://127.0.0.1.test",
            "http://0.0.0.0",
            "ftp://tuf.test",
            "file:///etc/passwd",
            "https://user@tuf.test",
            "https://tuf.test/?query",
            "https://tuf.test/#part",
            "https://2130706433/",
        ] {
            assert_eq!(refused(url), Some(Kind::InvalidRequest), "{url}");
        }
    }

    #[test]
    fn root_metadata_that_does_not_sign_itself_is_refused() {
        let text = str::from_utf8(PUBLIC_GOOD_ROOT).unwrap();
        for root in [
            String::new(),
            "{}".to_owned(),
            text.replace("\"version\": 16", "\"version\": 17"),
            text.replace("\"threshold\": 3", "\"threshold\": 0"),
        ] {
            let error = Source::new(Source::PUBLIC_GOOD, root).unwrap_err();
            assert_eq!(error.kind(), Kind::TrustRootInvalid, "{error}");
        }
    }
}
