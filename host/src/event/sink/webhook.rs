//! Events as JSON to a server, signed.
//!
//! A request has the form of Standard Webhooks 1.0: a body with `type`,
//! `timestamp` and `data`, which here is a list of events, and the headers
//! `webhook-id`, `webhook-timestamp` and `webhook-signature`. The signature is
//! HMAC-SHA256 over `ID.TIMESTAMP.BODY`. The id stays the same when a request is
//! sent again, so that a server can tell.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::dial::Target;
use super::post::{Poster, secret};
use super::queue::Line;
use super::settings::{SinkName, WebhookSettings};
use super::worker::{Tools, Undelivered};
use crate::error::{Error, Kind, Result};
use crate::invocation::InvocationId;
use crate::secret::{Secret, Secrets};
use crate::time::Clock;

/// What a body says that it is.
const TYPE: &str = "skillhost.events";

/// What a signing secret begins with that is Base64 behind it.
const ENCODED: &str = "whsec_";

/// A server that takes events.
#[derive(Debug)]
pub(super) struct Webhook {
    poster: Poster,
    target: Target,
    key: Option<hmac::Key>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// # Errors
    ///
    /// `ConfigInvalid` if a secret has no value, or one that cannot be used.
    pub(super) fn new(
        name: &SinkName,
        settings: WebhookSettings,
        secrets: &Secrets,
        tools: Tools,
    ) -> Result<Self> {
        let key = match &settings.secret {
            None => None,
            Some(secret_name) => {
                let secret = secret(name, secret_name, secrets)?;
                Some(key(secret).ok_or_else(|| not_encoded(name))?)
            }
        };
        let credential = settings.credential.as_ref();
        Ok(Self {
            poster: Poster::new(name, tools.dialer, credential, secrets)?,
            target: settings.target,
            key,
            clock: tools.clock,
        })
    }

    pub(super) async fn send(&self, batch: &[Line]) -> Result<(), Undelivered> {
        let undelivered = |cause: String| Undelivered {
            lost: batch.len(),
            cause,
        };
        let id = InvocationId::random().map_err(|error| undelivered(error.to_string()))?;
        let id = format!("msg_{id}");
        let body = self.body(batch);
        let sent = self
            .poster
            .send(&self.target, &body, || self.headers(&id, &body));
        sent.await
            .map(drop)
            .map_err(|failure| undelivered(failure.to_string()))
    }

    /// The events are JSON already, and are put together as they are.
    fn body(&self, batch: &[Line]) -> Bytes {
        let now = self.clock.wall();
        let mut body = format!(r#"{{"type":"{TYPE}","timestamp":"{now}","data":["#).into_bytes();
        for (index, line) in batch.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&line.json);
        }
        body.extend_from_slice(b"]}");
        body.into()
    }

    /// The time is that of this attempt: receivers refuse old ones.
    fn headers(&self, id: &str, body: &[u8]) -> HeaderMap {
        let timestamp = self.clock.wall().as_second().to_string();
        let signature = self.key.as_ref().map(|key| sign(key, id, &timestamp, body));
        let fields = [
            (header::CONTENT_TYPE, Some("application/json".to_owned())),
            (HeaderName::from_static("webhook-id"), Some(id.to_owned())),
            (
                HeaderName::from_static("webhook-timestamp"),
                Some(timestamp),
            ),
            (HeaderName::from_static("webhook-signature"), signature),
        ];
        let value = |text: String| HeaderValue::from_str(&text).ok();
        fields
            .into_iter()
            .filter_map(|(name, text)| Some((name, value(text?)?)))
            .collect()
    }
}

fn sign(key: &hmac::Key, id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut signing = hmac::Context::with_key(key);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        signing.update(part);
    }
    format!("v1,{}", STANDARD.encode(signing.sign()))
}

/// The key that a secret stands for: Base64 behind `whsec_`, or its own bytes.
fn key(secret: &Secret) -> Option<hmac::Key> {
    let text = secret.expose();
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    match text.strip_prefix(ENCODED) {
        None => Some(key(text.as_bytes())),
        Some(encoded) => {
            let bytes = zeroize::Zeroizing::new(STANDARD.decode(encoded).ok()?);
            Some(key(&bytes))
        }
    }
}

fn not_encoded(sink: &SinkName) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!("The secret that signs what sink `{sink}` sends is not Base64 behind `{ENCODED}`."),
    )
    .with_hint("Take it as its issuer shows it, or use one that does not begin so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(
            &key(&secret).unwrap(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            body,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_not_what_it_says_is_refused() {
        assert!(key(&Secret::new("whsec_no base64".to_owned()).unwrap()).is_none());
        assert!(key(&Secret::new("any other text".to_owned()).unwrap()).is_some());
    }
}
