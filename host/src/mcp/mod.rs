//! MCP (Model Context Protocol) → [`Invocation`](crate::Invocation).
//!
//! [`serve_stdio`] offers the tools of every loaded skill to the program that
//! started this process. The protocol, in all of its revisions that are in
//! use, is `rmcp`'s; this module says which tools there are, passes calls to
//! [`Host::invoke`](crate::Host::invoke), and turns answers into results.

mod ask;
mod auth;
mod caller;
mod changes;
#[cfg(test)]
mod fixture;
mod http;
mod logs;
pub mod message;
pub(crate) mod names;
mod pages;
mod result;
mod server;
mod stdio;
mod stop;
mod tasks;
mod tools;
mod words;

pub use self::auth::{
    Authenticate, BearerKey, KeyId, KeySource, NoAuthentication, OauthSettings, Page, Refused, door,
};
pub(crate) use self::auth::{KeyFile, KeyTerms, holder, is_key};
pub use self::caller::Caller;
pub use self::http::{
    ADDRESS, Exposure, HostName, HttpLimits, HttpSettings, MIN_HEAD, PageOrigin, TlsFiles,
    serve_http,
};
pub use self::names::ListedName;
pub(crate) use self::pages::Outputs;
pub use self::pages::Paging;
pub use self::stdio::serve_stdio;
pub use self::stop::Stop;
pub use self::tasks::TaskUse;
pub(crate) use self::tasks::Tasks;
pub(crate) use self::tools::Definitions;
use crate::error::{Error, Kind};

fn compiles_without_limits() -> Error {
    Error::new(
        Kind::ConfigInsecure,
        "A host that compiles in its own process is not served.",
    )
    .with_hint("Name another worker in `Setup::compile`.")
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Internal, "The host failed while it served.").with_internal(cause)
}
