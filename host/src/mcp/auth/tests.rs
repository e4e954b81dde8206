//! A door with keys, and with tokens.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http::request::Parts;
use serde_json::json;

use super::door::Door;
use super::oauth::tests::{Issuer, Turned, key_file, settings, surroundings};
use super::*;
use crate::config::AuthConfig;
use crate::error::Kind;
use crate::event::samples::Kept;
use crate::time::Clock;

struct Desk {
    folder: tempfile::TempDir,
    issuer: Issuer,
    clock: Arc<Turned>,
    kept: Kept,
    door: Door,
    /// How long answers were late.
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (issuer, clock, kept) = (Issuer::new(), Turned::new(), Kept::default());
        let config = AuthConfig {
            oauth: Some(settings(key_file(folder.path(), &issuer.jwks()))),
            ..AuthConfig::default()
        };
        let around = surroundings(&clock, &kept);
        let mut door = Door::open(&config, &folder.path().join("keys.json"), around).unwrap();
        let waits = Arc::<Mutex<Vec<Duration>>>::default();
        let waited = Arc::clone(&waits);
        door.sleep = Box::new(move |time| {
            waited.lock().unwrap().push(time);
            Box::pin(tokio::task::yield_now())
        });
        Self {
            folder,
            issuer,
            clock,
            kept,
            door,
            waits,
        }
    }

    fn file(&self) -> KeyFile {
        KeyFile::at(self.path())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn key(&self, change: impl FnOnce(&mut KeyTerms)) -> BearerKey {
        let mut terms = KeyTerms {
            holder: "ci".parse().unwrap(),
            created: self.clock.wall(),
            expires: None,
            tools: None,
            rate: None,
        };
        change(&mut terms);
        let key = BearerKey::generate().unwrap();
        self.file().create(&key, &terms).unwrap();
        key
    }

    async fn ask(&self, headers: &[&str]) -> Result<Caller, Refused> {
        self.ask_from("192.0.2.1:7", headers).await
    }

    async fn ask_from(&self, from: &str, headers: &[&str]) -> Result<Caller, Refused> {
        let from: SocketAddr = from.parse().unwrap();
        self.door.authenticate(&parts(headers), from).await
    }

    async fn with(&self, token: &str) -> Result<Caller, Refused> {
        self.ask(&[&format!("Bearer {token}")]).await
    }

    /// Forgets what failed.
    fn pause(&self) {
        self.clock.by(Duration::from_secs(2 * 3600));
    }
}

fn parts(headers: &[&str]) -> Parts {
    let mut request = Request::post("/mcp");
    for header in headers {
        request = request.header("authorization", *header);
    }
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn keys_count_from_when_they_are_made_until_they_are_revoked() {
    let desk = Desk::new();
    let key = desk.key(|_| {});
    let text = key.danger_text();
    assert_eq!(desk.with(text).await.unwrap().principal.as_str(), "ci");
    let mode = fs::metadata(desk.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = fs::read_to_string(desk.path()).unwrap();
    assert!(
        !written.contains(text.splitn(3, '_').last().unwrap()),
        "{written}"
    );
    let second = desk.key(|terms| terms.holder = "dev".parse().unwrap());
    assert_eq!(
        desk.with(second.danger_text())
            .await
            .unwrap()
            .principal
            .as_str(),
        "dev"
    );
    desk.file().revoke(key.id()).unwrap().unwrap();
    assert_eq!(
        desk.with(text).await.unwrap_err().status,
        StatusCode::UNAUTHORIZED
    );
    assert!(desk.with(second.danger_text()).await.is_ok());
    assert!(desk.file().revoke(key.id()).unwrap().is_none());
}

#[tokio::test]
async fn a_key_that_has_expired_is_named_on_record_and_to_nobody() {
    let desk = Desk::new();
    let end = desk.clock.wall() + Duration::from_secs(60);
    let key = desk.key(|terms| terms.expires = Some(end));
    assert!(desk.with(key.danger_text()).await.is_ok());
    desk.clock.by(Duration::from_secs(60));
    let expired = desk.with(key.danger_text()).await.unwrap_err();
    let unknown = desk
        .with(BearerKey::generate().unwrap().danger_text())
        .await;
    assert_eq!(expired, unknown.unwrap_err());
    let events = desk.kept.all();
    assert_eq!(events[0]["event"], "auth.failed");
    assert_eq!(events[0]["key"], key.id().to_string());
    assert_eq!(events[0]["source"], "192.0.2.1");
    assert_eq!(events[1].get("key"), None, "{}", events[1]);
}

#[tokio::test]
async fn m02_whatever_is_wrong_the_answer_is_the_same() {
    let desk = Desk::new();
    let key = desk.key(|_| {});
    let text = key.danger_text();
    let good = format!("Bearer {text}");
    // Another character of the secret, whatever it is.
    let (head, tail) = text.split_at(20);
    let changed = if tail.starts_with('A') { 'B' } else { 'A' };
    let near = format!("Bearer {head}{changed}{}", &tail[1..]);
    let other = format!("Bearer {}", BearerKey::generate().unwrap().danger_text());
    let of_its_id = format!("Bearer skh_{}_{}", key.id(), "A".repeat(43));
    let refused = desk.ask(&["Bearer null"]).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let challenge = refused.challenge.as_ref().unwrap().to_str().unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    for headers in [
        &[""][..],
        &["null"],
        &["Bearer"],
        &["Bearer "],
        &["Bearer undefined"],
        &[text],
        &["Basic YTpi"],
        &[&near],
        &[&other],
        &[&of_its_id],
        &[&good, &good],
        &[&good, "Bearer null"],
        &["Bearer null", &good],
    ] {
        desk.pause();
        assert_eq!(desk.ask(headers).await.unwrap_err(), refused, "{headers:?}");
    }
    let missing = desk.ask(&[]).await.unwrap_err();
    assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
    let challenge = missing.challenge.unwrap();
    assert!(
        !challenge.to_str().unwrap().contains("error"),
        "{challenge:?}"
    );
    let scheme = format!("bEARER {text}");
    assert!(desk.ask(&[&scheme]).await.is_ok());
}

#[tokio::test]
async fn m03_whoever_has_a_valid_key_is_let_in_whatever_others_try() {
    let desk = Desk::new();
    let key = desk.key(|_| {});
    let mut answers = std::collections::BTreeMap::new();
    for number in 0..10_000_u32 {
        let from = format!("10.0.{}.{}:1", number / 4 % 256, number % 4);
        let wrong = format!("Bearer skh_{}_{}", key.id(), "B".repeat(43));
        let refused = desk.ask_from(&from, &[&wrong]).await.unwrap_err();
        *answers.entry(refused.status.as_u16()).or_insert(0) += 1;
        if number % 100 == 0 {
            // From an address of those who are locked out, too.
            assert!(
                desk.ask_from(&from, &[&format!("Bearer {}", key.danger_text())])
                    .await
                    .is_ok()
            );
            assert!(desk.with(&desk.issuer.token("alice", "")).await.is_ok());
        }
    }
    let shown = format!("{answers:?}");
    assert_eq!(answers.values().sum::<i32>(), 10_000, "{shown}");
    assert!(answers[&429] > 9_000, "{shown}");
    let names = desk.kept.names();
    let throttled = |event: &serde_json::Value| event["event"] == "auth.throttled";
    let scopes: Vec<_> = desk.kept.all().into_iter().filter(throttled).collect();
    assert!(
        scopes.iter().any(|event| event["scope"] == "all"),
        "{names:?}"
    );
    // The clock stands still: one second of events.
    assert!(names.iter().filter(|name| *name == "auth.failed").count() <= 50);
}

#[tokio::test]
async fn m03_a_source_that_fails_is_answered_late_and_then_told_to_wait() {
    let desk = Desk::new();
    for _ in 0..5 {
        let refused = desk.ask(&["Bearer null"]).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let refused = desk.ask(&["Bearer null"]).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((refused.retry_after, refused.challenge), (Some(2), None));
    let waits: Vec<_> = desk
        .waits
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600]);
    let event = desk.kept.all().pop().unwrap();
    assert_eq!(event["event"], "auth.throttled");
    assert_eq!(
        (&event["scope"], &event["wait_ms"]),
        (&json!("source"), &json!(2000))
    );
    let other = desk.ask_from("192.0.2.2:7", &["Bearer null"]).await;
    assert_eq!(other.unwrap_err().status, StatusCode::UNAUTHORIZED);
    // Whoever only asks what to send is told, and counts for nothing.
    for _ in 0..100 {
        let refused = desk.ask(&[]).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn m03_answers_that_wait_are_so_many_at_a_time() {
    let desk = Arc::new(Desk::new());
    let asks = (0..200_u8).map(|last| {
        let desk = Arc::clone(&desk);
        async move {
            let refused = desk
                .ask_from(&format!("192.0.2.{last}:1"), &["Bearer null"])
                .await;
            refused.unwrap_err().status
        }
    });
    let answers = futures_util::future::join_all(asks).await;
    let late = answers.iter().filter(|it| **it == StatusCode::UNAUTHORIZED);
    assert_eq!(late.count(), 64);
}

#[tokio::test]
async fn m04_m17_no_key_and_no_token_is_shown_in_any_form() {
    let desk = Desk::new();
    let key = desk.key(|_| {});
    let token = desk.issuer.token("alice", "");
    let secret = key.danger_text().splitn(3, '_').last().unwrap().to_owned();
    let mut seen = String::new();
    for sent in [
        key.danger_text(),
        &format!("{}A", key.danger_text()),
        &token,
        &format!("{token}A"),
    ] {
        seen += &format!("{:?}", desk.with(sent).await);
        seen += &format!("{:?}", desk.ask(&[sent]).await);
    }
    seen += &format!("{:?} {key:?}", desk.kept.all());
    seen += &format!("{:?}", desk.file().read().unwrap());
    assert!(!desk.kept.all().is_empty());
    for part in token.split('.').chain([secret.as_str()]) {
        assert!(!seen.contains(part), "{part} in {seen}");
    }
}

#[tokio::test]
async fn a_file_of_keys_that_others_may_use_or_that_is_broken_lets_nobody_in() {
    let desk = Desk::new();
    let key = desk.key(|_| {});
    assert!(desk.with(key.danger_text()).await.is_ok());
    let set = |mode| fs::set_permissions(desk.path(), fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o666] {
        set(mode);
        assert_eq!(
            desk.file().read().unwrap_err().kind(),
            Kind::ConfigInsecure,
            "{mode:o}"
        );
        assert!(desk.with(key.danger_text()).await.is_err(), "{mode:o}");
    }
    set(0o600);
    assert!(desk.with(key.danger_text()).await.is_ok());
    let good = fs::read(desk.path()).unwrap();
    for broken in [
        "{",
        r#"{"format": 2, "keys": {}}"#,
        r#"{"format": 1, "keys": {"A": {}}}"#,
        r#"{"format": 1, "keys": {"abcdefgh": {"holder": "local", "sha256": "00", "created": "2026-01-01T00:00:00Z"}}}"#,
    ] {
        fs::write(desk.path(), broken).unwrap();
        assert_eq!(
            desk.file().read().unwrap_err().kind(),
            Kind::ConfigInvalid,
            "{broken}"
        );
        assert!(desk.with(key.danger_text()).await.is_err(), "{broken}");
    }
    fs::write(desk.path(), good).unwrap();
    assert!(desk.with(key.danger_text()).await.is_ok());
    let insecure = desk
        .kept
        .names()
        .into_iter()
        .filter(|it| it == "config.insecure");
    assert_eq!(insecure.count(), 2, "each time once");
    fs::remove_file(desk.path()).unwrap();
    assert!(desk.with(key.danger_text()).await.is_err());
}

#[test]
fn nobody_gets_a_key_under_the_name_of_a_token() {
    assert!(holder("ci").is_ok() && holder("oauth").is_ok());
    for taken in ["oauth.alice", "oauth-00", "local", "stdio", "default", "A"] {
        assert!(holder(taken).is_err(), "{taken}");
    }
}
