//! One GET of the host itself, by the rules of what is sent.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dial::{Dialer, Target};

const AGENT: &str = concat!("skillhost/", env!("CARGO_PKG_VERSION"));

/// How long it may take, from the look-up to the end of the answer.
const REQUEST: Duration = Duration::from_secs(5);

/// The largest status line with headers, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// What stands at a target, of at most `max` bytes. Redirects are not followed:
/// where they lead to, nobody granted.
///
/// # Errors
///
/// What went wrong, as part of a sentence.
pub(crate) async fn get(dialer: &Dialer, target: &Target, max: usize) -> Result<Bytes, String> {
    let got = timeout(REQUEST, exchange(dialer, target, max)).await;
    got.unwrap_or_else(|_elapsed| Err(format!("no answer within {} s", REQUEST.as_secs())))
}

async fn exchange(dialer: &Dialer, target: &Target, max: usize) -> Result<Bytes, String> {
    let request = Request::get(&target.path)
        .header(header::HOST, target.origin.authority())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|cause| cause.to_string())?;
    let stream = dialer.dial(target).await;
    let stream = stream.map_err(|cause| format!("the connection failed: {cause}"))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|cause| cause.to_string())?;
    // Ends with this request, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await;
    let response = response.map_err(|cause| cause.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!(
            "the server answers with status {}",
            response.status()
        ));
    }
    let body = Limited::new(response.into_body(), max).collect().await;
    let body =
        body.map_err(|_cause| format!("the answer is larger than {max} bytes, or breaks off"))?;
    Ok(body.to_bytes())
}
