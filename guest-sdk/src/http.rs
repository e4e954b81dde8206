//! HTTP requests, as far as the operator granted them.
//!
//! Redirects are returned, not followed: the skill decides, and each hop is
//! judged anew.
//!
//! By default the host sends the request and hands over the whole response.
//! With the Cargo feature `wasi-http` the skill speaks `wasi:http` itself and
//! reads the body piece by piece; grants and limits are the same.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// A request to send.
///
/// # Defaults
///
/// No headers, no body, no credential, the time that the call has left, and at
/// most 1 MiB of response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) credential: Option<String>,
    pub(crate) max_body: usize,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Status code (RFC 9110, section 15).
    pub status: u16,
    /// Names and values, in the order of the response.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no response.
///
/// With `?` it becomes the tool's error: `denied` for [`Error::Denied`],
/// `unavailable` for [`Error::Timeout`] and [`Error::Connection`], `failed` for
/// the others, with the codes `too-large` and `invalid-request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No grant allows this request; the text is the rule that refused it.
    Denied(String),
    /// The request cannot be sent as it is.
    InvalidRequest(String),
    /// Nothing answered in time.
    Timeout,
    /// The response is larger than the host or [`Request::max_body`] allows.
    TooLarge,
    /// The connection failed.
    Connection(String),
}

impl Request {
    const MAX_BODY: usize = 1024 * 1024;

    /// A request with any method, in upper case, to an absolute `http` or
    /// `https` address.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            credential: None,
            max_body: Self::MAX_BODY,
        }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the body to JSON, and its media type.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] for a value that cannot be JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self, Error> {
        let body =
            serde_json::to_vec(body).map_err(|error| Error::InvalidRequest(error.to_string()))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Waits at most this long, within the deadline of the call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Lets the host add a credential, by its name in the manifest. Not with
    /// the feature `wasi-http`, which has no place for it.
    #[must_use]
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        self.credential = Some(name.into());
        self
    }

    /// Reads at most that many bytes of the response's body.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends the request and waits for the whole response.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no response. A status such as 404 is one.
    pub fn send(&self) -> Result<Response, Error> {
        let response = host::send(self)?;
        if response.body.len() > self.max_body {
            return Err(Error::TooLarge);
        }
        Ok(response)
    }

    /// The address to send to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The method, for example `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The value of the first header of that name, in any case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        first_header(&self.headers, name)
    }

    /// The body.
    #[must_use]
    pub fn body_bytes(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The name of the credential that the host is to add.
    #[must_use]
    pub fn credential_name(&self) -> Option<&str> {
        self.credential.as_deref()
    }
}

impl Response {
    /// A response, for tests.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Adds a header, for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The value of the first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first_header(&self.headers, name)
    }

    /// The body as text; what is no UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// What serde_json says about a body that is no `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

fn first_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(rule) => write!(formatter, "The request was denied: {rule}"),
            Self::InvalidRequest(reason) => {
                write!(formatter, "The request cannot be sent: {reason}")
            }
            Self::Timeout => formatter.write_str("Nothing answered in time."),
            Self::TooLarge => formatter.write_str("The response is larger than allowed."),
            Self::Connection(reason) => write!(formatter, "The connection failed: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
