//! Sends requests through `wasi:http`, written the way that no library would.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
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

/// Asks for that many responses at once, keeps them all, and says how many came.
#[tool(open_world)]
fn flood(authority: String, count: usize) -> Result<Vec<String>> {
    let ask = |_| {
        let request = OutgoingRequest::new(Fields::new());
        let refused = |()| Error::invalid_arguments("The address was refused as it is written.");
        request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
        request.set_authority(Some(&authority)).map_err(refused)?;
        request.set_path_with_query(Some("/")).map_err(refused)?;
        handle(request, None).map_err(|code| Error::failed(format!("{code:?}")))
    };
    let pending = (0..count).map(ask).collect::<Result<Vec<_>>>()?;
    let mut answered = Vec::new();
    let mut kept = Vec::new();
    for response in &pending {
        response.subscribe().block();
        answered.push(match response.get().and_then(Result::ok) {
            Some(Ok(response)) => {
                kept.push(response);
                "ok".to_owned()
            }
            Some(Err(code)) => format!("{code:?}"),
            None => "gone".to_owned(),
        });
    }
    Ok(answered)
}

/// Sends a request whose body is never finished, and waits for the response.
#[tool(open_world)]
fn unfinished(authority: String) -> Result<String> {
    let request = post(&authority, Fields::new())?;
    let body = request.body();
    let answer = send(request);
    drop(body);
    Ok(outcome(answer))
}

/// Says that the body has so many bytes, and sends so many.
#[tool(open_world)]
fn declared(authority: String, declared: u64, sent: usize) -> Result<String> {
    let fields = Fields::new();
    let value = declared.to_string();
    let set = fields.append("content-length", value.as_bytes());
    set.map_err(|error| Error::failed(format!("{error:?}")))?;
    let request = post(&authority, fields)?;
    let body = request.body().map_err(|()| Error::failed("no body"))?;
    let pending = handle(request, None).map_err(|code| Error::failed(format!("{code:?}")))?;
    let written = body
        .write()
        .ok()
        .map(|stream| stream.blocking_write_and_flush(&vec![b'x'; sent]));
    let finished = OutgoingBody::finish(body, None);
    pending.subscribe().block();
    let answer = pending.get().and_then(Result::ok);
    let answer = answer.unwrap_or(Err(ErrorCode::InternalError(None)));
    Ok(format!(
        "{:?} {:?} {}",
        written.is_some_and(|it| it.is_ok()),
        finished.is_ok(),
        outcome(answer)
    ))
}

/// Sends a field behind the body.
#[tool(open_world)]
fn trailer(authority: String, name: String) -> Result<String> {
    let request = post(&authority, Fields::new())?;
    let body = request.body().map_err(|()| Error::failed("no body"))?;
    let trailers = Fields::from_list(&[(name, b"x".to_vec())]);
    let trailers = trailers.map_err(|error| Error::failed(format!("{error:?}")))?;
    let pending = handle(request, None).map_err(|code| Error::failed(format!("{code:?}")))?;
    let finished = OutgoingBody::finish(body, Some(trailers));
    pending.subscribe().block();
    Ok(format!("{}", finished.is_ok()))
}

/// Leaves that many requests with the host, each with a text of that length in
/// one place, and says how many texts were taken.
#[tool]
fn long_texts(place: String, bytes: usize, count: usize) -> Result<usize> {
    let text = "A".repeat(bytes);
    let mut kept = Vec::new();
    let mut taken = 0;
    for _ in 0..count {
        let request = OutgoingRequest::new(Fields::new());
        let set = match place.as_str() {
            "method" => request.set_method(&Method::Other(text.clone())),
            "scheme" => request.set_scheme(Some(&Scheme::Other(text.clone()))),
            "authority" => request.set_authority(Some(&text)),
            _ => request.set_path_with_query(Some(&format!("/{text}"))),
        };
        taken += usize::from(set.is_ok());
        kept.push(request);
    }
    Ok(taken)
}

fn post(authority: &str, fields: Fields) -> Result<OutgoingRequest> {
    let request = OutgoingRequest::new(fields);
    let refused = |()| Error::invalid_arguments("The request was refused as it is written.");
    request.set_method(&Method::Post).map_err(refused)?;
    request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some("/")).map_err(refused)?;
    Ok(request)
}

fn outcome(answer: Result<IncomingResponse, ErrorCode>) -> String {
    match answer {
        Ok(response) => response.status().to_string(),
        Err(code) => format!("{code:?}"),
    }
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

skillhost_sdk::export!(
    get,
    set_header,
    many_headers,
    flood,
    unfinished,
    declared,
    trailer,
    long_texts
);
