//! Sends requests through `wasi:http`, written the way that no library would.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, OutgoingRequest, Scheme,
};

/// Sends a GET and reads the whole body.
#[tool(open_world)]
fn get(
    #[schema(default = "http")] scheme: String,
    authority: String,
    #[schema(default = "/")] path: String,
) -> Result<String> {
    let request = OutgoingRequest::new(Fields::new());
    let scheme = match scheme.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => Scheme::Other(scheme),
    };
    let refused = |()| Error::invalid_arguments("The address was refused as it is written.");
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(&authority)).map_err(refused)?;
    request.set_path_with_query(Some(&path)).map_err(refused)?;
    match send(request) {
        Ok(response) => Ok(format!("{} {}", response.status(), length(&response))),
        Err(code) => Err(Error::failed(format!("{code:?}"))),
    }
}

/// Sets a header that is the host's to set.
#[tool(open_world)]
fn set_header(name: String, value: String) -> Result<String> {
    match Fields::new().append(&name, value.as_bytes()) {
        Ok(()) => Ok("set".to_owned()),
        Err(error) => Err(Error::failed(format!("{error:?}"))),
    }
}

/// Adds that many fields of a hundred bytes to one message.
#[tool]
fn many_headers(count: usize) -> Result<usize> {
    let fields = Fields::new();
    for number in 0..count {
        let value = [b'x'; 90];
        fields
            .append(&format!("x-{number:07}"), &value)
            .map_err(|error| Error::failed(format!("{error:?} after {number}")))?;
    }
    Ok(count)
}

fn send(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    let pending = handle(request, None)?;
    pending.subscribe().block();
    let response = pending.get().and_then(Result::ok);
    response.unwrap_or(Err(ErrorCode::InternalError(None)))
}

/// Bytes of the body, or what cut it short.
fn length(response: &IncomingResponse) -> String {
    let body: Option<IncomingBody> = response.consume().ok();
    let Some(stream) = body.as_ref().and_then(|body| body.stream().ok()) else {
        return "no body".to_owned();
    };
    let mut bytes = 0;
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => bytes += chunk.len(),
            Err(wasip2::io::streams::StreamError::Closed) => return bytes.to_string(),
            Err(error) => return format!("{error:?}"),
        }
    }
}

skillhost_sdk::export!(get, set_header, many_headers);
