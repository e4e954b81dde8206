//! Fetching the files of a TUF repository: GET over HTTP/1.1, one connection
//! for each, no redirects, nothing from the environment.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sigstore_tuf::Repository;
use sigstore_tuf::transport::FetchFuture;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::Host;

use super::source::Address;
use crate::policy::origin::{Origin, Scheme};
use crate::sandbox::network::tls::{Stream, encrypt};
use crate::sandbox::network::{Network, is_localhost};

const AGENT: &str = concat!("skillhost/", env!("CARGO_PKG_VERSION"));

/// The largest status line with headers, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Header fields of one response.
const MAX_HEADERS: usize = 128;

/// The longest file name, in bytes.
const MAX_NAME: usize = 255;

/// The wire to one repository.
pub(super) struct Transport {
    address: Address,
    network: Arc<dyn Network>,
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("it has no {0}")]
    Absent(String),
    #[error("it answers with status {1} when asked for {0}")]
    Status(String, StatusCode),
    #[error("{0} is larger than {1} bytes")]
    TooLarge(String, u64),
    #[error("{0:?} is no name of a file")]
    Name(String),
}

impl Failure {
    /// Whether the repository did what an honest one does not.
    pub(super) const fn is_hostile(&self) -> bool {
        matches!(self, Self::TooLarge(..) | Self::Name(_))
    }
}

/// The failure of the wire in an error of the TUF library, if that is its cause.
pub(super) fn failure(error: &sigstore_tuf::Error) -> Option<&Failure> {
    std::error::Error::source(error)?.downcast_ref()
}

impl Repository for Transport {
    /// A root version that is not there is how a chain of roots ends; all other
    /// files that are asked for must be there.
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move {
            match self.get("", name, max_length).await {
                Err(Failure::Absent(_)) if is_versioned_root(name) => Ok(None),
                fetched => reported(fetched),
            }
        })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { reported(self.get("targets/", path, max_length).await) })
    }
}

fn reported(fetched: Result<Vec<u8>, Failure>) -> sigstore_tuf::Result<Option<Vec<u8>>> {
    fetched
        .map(Some)
        .map_err(|failure| sigstore_tuf::Error::transport_with_source("not fetched", failure))
}

fn is_versioned_root(name: &str) -> bool {
    name.strip_suffix(".root.json")
        .is_some_and(|version| version.parse::<u64>().is_ok())
}

impl Transport {
    pub(super) fn new(address: &Address, network: Arc<dyn Network>) -> Self {
        Self {
            address: address.clone(),
            network,
        }
    }

    async fn get(&self, folder: &str, name: &str, max: u64) -> Result<Vec<u8>, Failure> {
        if !is_plain(name) {
            return Err(Failure::Name(name.to_owned()));
        }
        let request = self.request(folder, name)?;
        let stream = self.dial().await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Ends with this request, however that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(failed)?;
        body(response, name, max).await
    }

    fn request(&self, folder: &str, name: &str) -> Result<Request<Empty<Bytes>>, Failure> {
        Request::get(format!("{}{folder}{name}", self.address.path))
            .header(header::HOST, host(&self.address.origin)?)
            .header(header::USER_AGENT, AGENT)
            .body(Empty::new())
            .map_err(failed)
    }

    async fn dial(&self) -> Result<Box<dyn Stream>, Failure> {
        let Origin { scheme, host, .. } = &self.address.origin;
        let stream = self.connect().await.map_err(failed)?;
        match scheme {
            Scheme::Http => Ok(Box::new(stream)),
            Scheme::Https => Ok(Box::new(encrypt(host, stream).await.map_err(failed)?)),
        }
    }

    /// Tries the addresses in turn.
    async fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for ip in self.addresses().await? {
            let address = SocketAddr::new(ip, self.address.origin.port);
            match self.network.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(cause) => failure = cause,
            }
        }
        Err(failure)
    }

    /// `localhost` is never looked up: it may be dialled without TLS.
    async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        let host = &self.address.origin.host;
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        match host {
            Host::Domain(name) => self.network.resolve(name).await,
            Host::Ipv4(ip) => Ok(vec![(*ip).into()]),
            Host::Ipv6(ip) => Ok(vec![(*ip).into()]),
        }
    }
}

/// Part of names comes from metadata. They stay in the folder that is asked
/// for, and in the path of the request.
fn is_plain(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'%');
    (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

/// The port is left out if it is the scheme's own.
fn host(origin: &Origin) -> Result<HeaderValue, Failure> {
    let text = origin.to_string();
    let authority = text.split_once("//").map_or("", |(_, authority)| authority);
    HeaderValue::from_str(authority).map_err(failed)
}

/// The body, if there is one of at most `max` bytes. Object stores answer 403
/// for what is not there.
async fn body(response: Response<Incoming>, name: &str, max: u64) -> Result<Vec<u8>, Failure> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
            return Err(Failure::Absent(name.to_owned()));
        }
        other => return Err(Failure::Status(name.to_owned(), other)),
    }
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(cause) if cause.is::<LengthLimitError>() => {
            Err(Failure::TooLarge(name.to_owned(), max))
        }
        Err(cause) => Err(failed(cause)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn failed(cause: impl ToString) -> Failure {
    Failure::Connection(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for name in [
            "1.root.json",
            "timestamp.json",
            "ab12.trusted_root.json",
            "3..%2F..%2Frole.json",
        ] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            "..",
            "../x",
            ".hidden",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a b",
            "a\r\nb",
            "ü",
            &"a".repeat(256),
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn only_a_root_version_may_be_absent() {
        assert!(is_versioned_root("17.root.json"));
        for name in [
            "root.json",
            "timestamp.json",
            "1.x.root.json",
            "-1.root.json",
        ] {
            assert!(!is_versioned_root(name), "{name}");
        }
    }
}
