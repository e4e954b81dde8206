//! How long the texts are that a guest leaves with the host before it sends a
//! request. They need no grant and no fuel, and are held for as long as the
//! guest likes, so each has an end.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method, Scheme};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::super::State;
use super::egress::MAX_METHOD;

/// The interface whose setters are ours; the version is wasmtime-wasi-http's.
const TYPES: &str = "wasi:http/types@0.2.12";

/// The longest scheme, in bytes: `https` is all that is dialled.
const MAX_SCHEME: usize = 16;

/// The longest authority, in bytes: a name has up to 253, and a port 5.
const MAX_AUTHORITY: usize = 300;

type Request = Resource<HostOutgoingRequest>;

/// As a setter of the interface answers: refused, for no stated reason.
type Set = std::result::Result<(), ()>;

/// Replaces wasmtime-wasi-http's own setters.
pub(in crate::sandbox) fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, State>, (request, method): (Request, Method)| {
            let state = store.data_mut();
            Ok((state.set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: StoreContextMut<'_, State>, (request, scheme): (Request, Option<Scheme>)| {
            let length = match &scheme {
                Some(Scheme::Other(scheme)) => scheme.len(),
                _ => 0,
            };
            set(store.data_mut(), length, MAX_SCHEME, |mut http| {
                http.set_scheme(request, scheme)
            })
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, State>, (request, authority): (Request, Option<String>)| {
            let length = authority.as_ref().map_or(0, String::len);
            set(store.data_mut(), length, MAX_AUTHORITY, |mut http| {
                http.set_authority(request, authority)
            })
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, State>, (request, path): (Request, Option<String>)| {
            let state = store.data_mut();
            let length = path.as_ref().map_or(0, String::len);
            let longest = super::super::bytes(state.egress.limits.headers);
            set(state, length, longest, |mut http| {
                http.set_path_with_query(request, path)
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Sets a text of at most `longest` bytes.
fn set(
    state: &mut State,
    length: usize,
    longest: usize,
    set: impl FnOnce(WasiHttpCtxView<'_>) -> Result<Set>,
) -> Result<(Set,)> {
    if length > longest {
        return Ok((Err(()),));
    }
    Ok((set(state.http())?,))
}

impl State {
    fn set_method(&mut self, request: Request, method: Method) -> Result<Set> {
        if let Method::Other(name) = &method
            && name.len() > MAX_METHOD
        {
            self.egress.long_method(name.len());
            return Ok(Err(()));
        }
        self.http().set_method(request, method)
    }
}
