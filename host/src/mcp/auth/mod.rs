//! Who makes a request over HTTP: by a bearer key of `skillhost keys`, or by a
//! token of OAuth 2.1.
//!
//! What is sent to prove that goes no further than this module: it reaches no
//! skill, no event, no message and no other server.

mod door;
mod file;
mod header;
mod key;
mod keys;
mod oauth;
mod reason;
mod source;
mod telling;
mod throttle;
mod watched;

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

pub use self::door::door;
pub(crate) use self::file::{KeyFile, KeyTerms, holder};
pub(crate) use self::key::is_key;
pub use self::key::{BearerKey, KeyId};
pub use self::oauth::{KeySource, OauthSettings};
use super::caller::Caller;
use crate::invocation::Principal;

/// Says who makes a request, before anything else is done for it.
pub trait Authenticate: Send + Sync {
    /// Whose request it is.
    ///
    /// # Errors
    ///
    /// What the client is told instead.
    fn authenticate<'a>(
        &'a self,
        request: &'a Parts,
        from: SocketAddr,
    ) -> BoxFuture<'a, Result<Caller, Refused>>;

    /// How callers prove who they are: `none`, `keys`, `oauth`, or `keys and
    /// oauth`.
    fn methods(&self) -> &'static str;

    /// Whether anybody has to.
    fn authenticates(&self) -> bool {
        self.methods() != NONE
    }

    /// What is answered to a `GET` of that path by whoever it may be, such as the
    /// metadata of a protected resource (RFC 9728); none: nothing.
    fn page(&self, _path: &str) -> Option<Page> {
        None
    }
}

/// Nobody has to prove who they are.
const NONE: &str = "none";

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its media type.
    pub media_type: &'static str,
    /// What it says.
    pub body: Bytes,
}

/// The answer to a request of somebody who is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// 401, 403, 429, or 503 if nobody can tell now.
    pub status: StatusCode,
    /// What would let them in (RFC 6750, section 3).
    pub challenge: Option<HeaderValue>,
    /// Seconds until another attempt is looked at.
    pub retry_after: Option<u64>,
    /// In one sentence, without what they sent.
    pub message: String,
}

/// Takes whoever comes for [`Principal::Loopback`]. Only for an address that
/// other machines do not reach.
#[derive(Debug, Clone, Copy)]
pub struct NoAuthentication;

impl Authenticate for NoAuthentication {
    fn authenticate<'a>(
        &'a self,
        _request: &'a Parts,
        _from: SocketAddr,
    ) -> BoxFuture<'a, Result<Caller, Refused>> {
        Box::pin(async { Ok(Caller::new(Principal::Loopback)) })
    }

    fn methods(&self) -> &'static str {
        NONE
    }
}

#[cfg(test)]
mod tests;
