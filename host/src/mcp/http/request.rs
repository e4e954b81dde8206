//! What a request brings: a head of the form that MCP has, and a body that is
//! read up to its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{HeaderValue, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::refusals::Broken;

/// Of how many bytes a body is read without copying them together first.
const FIRST: usize = 16 * 1024;

/// Whether the body is JSON as it is: of the media type that a page of another
/// site cannot send without leave, and not compressed, so that it is as large as
/// it looks.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = media_type.as_bytes().split(|byte| *byte == b';').next();
    essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// Whether the body has to be unpacked, which it is not.
pub(super) fn is_packed(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|it: &HeaderValue| !it.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether a body is sent in no other coding than `chunked`, which is all that is
/// read here: another one is a proxy's that reads more into it, or an attempt to
/// have two servers see two requests. With a length besides, `hyper` reads chunks,
/// and nothing after them.
pub(super) fn is_plainly_sent(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Why a body is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoBody {
    /// It is larger than its limit.
    TooLarge,
    /// It took longer than it may.
    TooSlow,
    /// The client went away, or what it sent is no body.
    Broken,
}

impl NoBody {
    /// What the client is told.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    /// Which limit it is.
    pub(super) const fn broken(&self) -> Broken {
        let (limit, reason) = match self {
            Self::TooLarge => ("body", "The body of the request is too large."),
            Self::TooSlow => ("body-timeout", "The body of the request took too long."),
            Self::Broken => ("body", "The body of the request is not whole."),
        };
        Broken { limit, reason }
    }
}

/// The body, of at most `limit` bytes, within `time`.
pub(super) async fn collect<B>(body: B, limit: u64, time: Duration) -> Result<Bytes, NoBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = body.size_hint().lower();
    if declared > limit {
        return Err(NoBody::TooLarge);
    }
    let collected = timeout(time, frames(body, limit)).await;
    collected.unwrap_or(Err(NoBody::TooSlow))
}

async fn frames<B>(mut body: B, limit: u64) -> Result<Bytes, NoBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_gone| NoBody::Broken)?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if whole.len().saturating_add(bytes.len()) > limit {
            return Err(NoBody::TooLarge);
        }
        if whole.is_empty() && bytes.len() <= FIRST && body.is_end_stream() {
            return Ok(bytes);
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| value.parse().unwrap());
        values.map(|value| (name.clone(), value)).collect()
    }

    #[test]
    fn m06_only_json_is_taken() {
        for (types, expected) in [
            (&["application/json"][..], true),
            (&["Application/JSON; charset=utf-8"], true),
            (&["text/plain"], false),
            (&["application/x-www-form-urlencoded"], false),
            (&["multipart/form-data; boundary=application/json"], false),
            (&["text/plain; application/json"], false),
            (&["application/jsonx"], false),
            (&["application/json, text/plain"], false),
            (&["application/json", "text/plain"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(
                is_json(&headers(&header::CONTENT_TYPE, types)),
                expected,
                "{types:?}"
            );
        }
    }

    #[test]
    fn m09_nothing_is_unpacked() {
        for (encodings, expected) in [
            (&[][..], false),
            (&["identity"], false),
            (&["gzip"], true),
            (&["identity", "br"], true),
            (&["identity, gzip"], true),
            (&[""], true),
        ] {
            let headers = headers(&header::CONTENT_ENCODING, encodings);
            assert_eq!(is_packed(&headers), expected, "{encodings:?}");
        }
    }

    #[test]
    fn m09_a_body_is_sent_in_chunks_or_whole() {
        for (codings, expected) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["gzip, chunked"], false),
            (&["identity, chunked"], false),
            (&["chunked, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["gzip", "chunked"], false),
            (&[""], false),
        ] {
            let headers = headers(&header::TRANSFER_ENCODING, codings);
            assert_eq!(is_plainly_sent(&headers), expected, "{codings:?}");
        }
    }

    #[tokio::test]
    async fn m09_a_body_ends_at_its_limit() {
        for (length, expected) in [(0, true), (100, true), (101, false)] {
            let body = Full::new(Bytes::from(vec![b'x'; length]));
            let collected = collect(body, 100, TIME).await.map(|body| body.len());
            let expected = if expected {
                Ok(length)
            } else {
                Err(NoBody::TooLarge)
            };
            assert_eq!(collected, expected);
        }
        let chunk = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'x'; 7])));
        let endless = StreamBody::new(Box::pin(stream::repeat_with(chunk)));
        assert_eq!(collect(endless, 100, TIME).await, Err(NoBody::TooLarge));
    }

    #[tokio::test]
    async fn m10_a_body_that_trickles_has_its_time() {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))),
                (),
            ))
        });
        let short = Duration::from_millis(20);
        let collected = collect(StreamBody::new(Box::pin(drops)), u64::MAX, short).await;
        assert_eq!(collected, Err(NoBody::TooSlow));
    }
}
