//! N18 and X02 to X08: where secrets go, and where they do not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use skillhost::Kind::{AuditUnavailable, Denied, GuestFailed, Trapped};
use skillhost::config::Config;
use skillhost::error::Result;
use skillhost::event::{Event, Record, Sink};
use skillhost::log;
use skillhost::secret::{Secret, Secrets};
use skillhost::{Error, Setup};
use skillhost_tests::bench::{SECRET, invocation};
use skillhost_tests::{Bench, Called, Reply, Server, pack};

use crate::egress::Internet;

/// The value: no call may show it, as `tests/support/bench.rs` checks.
fn value() -> String {
    format!("{SECRET}/value+1")
}

/// A host that is configured so, and whose secrets have that value.
fn bench(configuration: &str) -> Bench {
    bench_with(configuration, |_| {})
}

fn bench_with(configuration: &str, change: impl FnOnce(&mut Setup)) -> Bench {
    let text =
        format!("{configuration}\n[secret.one]\nfile = \"one\"\n[secret.other]\nfile = \"o\"\n");
    let config = Config::parse(&text, Path::new("/skillhost.toml")).unwrap();
    Bench::with(|setup| {
        setup.skills.extend(config.policies);
        let one = ("one".parse().unwrap(), Secret::new(value()).unwrap());
        setup.secrets = Secrets::new([one]);
        change(setup);
    })
}

fn spilling() -> Bench {
    bench("[skill.spill]\nreveal = { token = \"one\", unset = \"other\" }")
}

/// A host that may send the credential to the first of these servers, and
/// requests to both.
fn sending(own: &Server, other: &Server, place: &str) -> Bench {
    let (own, other) = (origin(own), origin(other));
    let grants = |skill: &str| {
        format!(
            "[skill.{skill}]\nhttp = [\"{own}\", \"{other}\"]\ncredentials.token = {{ secret = \"one\", origin = \"{own}\", {place} }}\n"
        )
    };
    bench(&(grants("http-get") + &grants("http-get-wasi")))
}

const IN_HEADER: &str = r#"header = "Authorization", prefix = "Bearer ""#;

fn origin(server: &Server) -> String {
    format!("http://{}", server.address())
}

async fn with_credential(bench: &Bench, url: &str) -> Called {
    let input = json!({"url": url});
    bench.call("http_get", "with-credential", input).await
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_a_credential_reaches_its_origin_and_no_other() {
    let own = Server::start(Reply::ok("hello")).await;
    let other = Server::start(Reply::ok("hello")).await;
    let bench = sending(&own, &other, IN_HEADER);
    let called = with_credential(&bench, &format!("{}/a?b=c", origin(&own))).await;
    assert_eq!(called.structured()["body"], "hello");
    let [head] = own.heads().try_into().unwrap();
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    let line = format!("authorization: Bearer {}\r\n", value());
    assert!(head.contains(&line), "{head}");

    let port = own.address().port();
    for url in [
        origin(&other),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1:{port}@{}/", other.address()),
        format!("https://127.0.0.1:{port}/"),
    ] {
        let called = with_credential(&bench, &url).await;
        assert!(called.answer.outcome.is_err(), "{url}");
    }
    let called = with_credential(&bench, &origin(&other)).await;
    called.expect(Denied, &["capability.denied"]);
    let event = called.event("capability.denied");
    assert_eq!(event["capability"], "secrets");
    assert_eq!(event["target"], format!("token for {}", origin(&other)));
    assert_eq!((own.heads().len(), other.heads().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_a_credential_does_not_follow_a_redirect() {
    let other = Server::start(Reply::ok("caught")).await;
    let away = format!("location: {}/\r\ncontent-length: 0\r\n\r\n", origin(&other));
    let own = Server::start(Reply::head("307 Temporary Redirect", &away)).await;
    let bench = sending(&own, &other, IN_HEADER);
    let called = with_credential(&bench, &origin(&own)).await;
    let answer = called.structured();
    assert_eq!(answer["status"], 307);
    let followed = with_credential(&bench, answer["location"].as_str().unwrap()).await;
    followed.expect(Denied, &["capability.denied"]);
    let input = json!({"authority": other.address().to_string()});
    let called = bench.call("http_get_wasi", "get", input).await;
    assert_eq!(called.text(), "200 6");
    let [head] = other.heads().try_into().unwrap();
    assert!(
        !head.contains(SECRET) && !head.contains("authorization"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_over_wasi_http_a_credential_is_added_to_requests_to_its_origin() {
    let own = Server::start(Reply::ok("hello")).await;
    let other = Server::start(Reply::ok("hello")).await;
    let bench = sending(&own, &other, r#"query = "key""#);
    let input = json!({"authority": own.address().to_string(), "path": "/p?q=1"});
    let called = bench.call("http_get_wasi", "get", input).await;
    assert_eq!(called.text(), "200 5");
    let [head] = own.heads().try_into().unwrap();
    let line = format!("GET /p?q=1&key={SECRET}%2Fvalue%2B1 HTTP/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    // Without its name, the buffered interface adds nothing.
    let input = json!({"url": origin(&own)});
    let called = bench.call("http_get", "send", input).await;
    assert_eq!(called.structured()["status"], 200);
    assert!(!own.heads()[1].contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_a_credential_that_was_not_granted_is_denied_with_the_grant_that_helps() {
    let internet = Internet::new(Reply::ok(""), &["http://public.test"]).await;
    let input = json!({"url": "http://public.test/"});
    let called = internet
        .bench
        .call("http_get", "with-credential", input)
        .await;
    called.expect(Denied, &["capability.denied"]);
    let grant = called.event("capability.denied")["grant"].to_string();
    assert!(
        grant.contains("[skill.http-get]") && grant.contains("credentials.token"),
        "{grant}"
    );
    assert_eq!(internet.server.heads(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_that_needs_a_secret_does_not_run_without() {
    let mut source = pack::source("http_get");
    let token = "token".parse().unwrap();
    source
        .capabilities
        .secrets
        .get_mut(&token)
        .unwrap()
        .optional = false;
    let component = pack::with_manifest(&skillhost_tests::guests::rust("http_get"), source);
    let bench = Bench::new();
    bench.load("http-get", &component).await.unwrap();
    let called = bench
        .invoke(invocation("http_get", "send", json!({"url": "x"})))
        .await;
    called.expect(Denied, &["policy.denied"]);
    assert_eq!(called.event("policy.denied")["capability"], "secrets");
    assert!(
        called.hint().contains("credentials.token"),
        "{}",
        called.hint()
    );
}

/// Loses what tells that a secret was read.
#[derive(Debug)]
struct Discreet;

impl Sink for Discreet {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        match record.event {
            Event::SecretRevealed { .. } => Err(Error::new(AuditUnavailable, "The disk is full.")),
            _ => Ok(()),
        }
    }
}

/// The skill reports its progress once it has the secret.
#[tokio::test(flavor = "multi_thread")]
async fn d02_a_secret_is_not_shown_unless_that_is_recorded() {
    let bench = bench_with("[skill.spill]\nreveal.token = \"one\"", |setup| {
        setup.audit = Box::new(Discreet);
    });
    bench.load("spill", &pack::rust("spill")).await.unwrap();
    let heard = Arc::new(AtomicBool::new(false));
    let listening = Arc::clone(&heard);
    let mut call = invocation("spill", "everywhere", json!({}));
    call.progress = Some(Arc::new(move |_| listening.store(true, Ordering::Relaxed)));
    let answer = bench.host().invoke(call).await;
    assert_eq!(answer.outcome.unwrap_err().kind(), AuditUnavailable);
    assert!(!heard.load(Ordering::Relaxed));
}

/// X05: each place but the answer, and each event that tells of it.
#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn spill() {
    let bench = spilling();
    bench.ensure_loaded("spill").await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let mut call = invocation("spill", "everywhere", json!({}));
    call.progress = Some(Arc::new(move |progress| {
        sink.lock().unwrap().push(progress.message);
    }));
    let called = bench.invoke(call).await;
    assert_eq!(called.text(), "done");
    assert_eq!(called.between(), ["secret.revealed", "secret.redacted"]);
    assert_eq!(called.event("secret.revealed")["secret"], "token");
    assert_eq!(called.event("secret.redacted")["count"], 7);
    assert_eq!(
        *heard.lock().unwrap(),
        [Some("doing [redacted]".to_owned())]
    );
    assert_eq!(
        called.answer.diagnostics.lines,
        [
            "info: message [redacted] field=[redacted] [redacted]=x",
            "stdout: out [redacted] [redacted]",
            "stderr: err [redacted]",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn x05_what_a_client_hears_of_a_log_is_without_secrets() {
    let bench = bench("[skill.spill]\nreveal.token = \"one\"\nlog-to-client = true");
    bench.ensure_loaded("spill").await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let mut call = invocation("spill", "everywhere", json!({}));
    call.log = Some(Arc::new(move |message| sink.lock().unwrap().push(message)));
    let called = bench.invoke(call).await;
    assert_eq!(called.text(), "done");
    let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let message = log::Message {
        level: log::Level::Info,
        text: "message [redacted]".to_owned(),
        fields: vec![field("field", "[redacted]"), field("[redacted]", "x")],
    };
    assert_eq!(*heard.lock().unwrap(), [message]);
    // Each once, as without anybody who hears; nobody hears of its progress here.
    assert_eq!(called.event("secret.redacted")["count"], 6);
    assert_eq!(
        called.answer.diagnostics.lines[0],
        "info: message [redacted] field=[redacted] [redacted]=x"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn x02_x05_no_failure_repeats_a_secret_whole_or_in_part() {
    let bench = spilling();
    for after in [0, 1990, 1999] {
        let called = bench.call("spill", "fail", json!({"after": after})).await;
        called.expect(GuestFailed, &["secret.revealed", "secret.redacted"]);
        let message = called.error().message();
        assert!(!message.contains("SKH"), "{message}");
    }
    let called = bench.call("spill", "crash", json!({})).await;
    called.expect(
        Trapped,
        &["secret.revealed", "secret.redacted", "guest.trapped"],
    );
    let message = called.error().message();
    assert_eq!(message, "The skill crashed: about [redacted].");
}

#[tokio::test(flavor = "multi_thread")]
async fn x05_a_secret_that_a_limit_cuts_in_two_is_taken_out() {
    let bench = bench("[skill.spill]\nreveal.token = \"one\"\nlimits.stdout = \"300 B\"");
    for before in [276, 285, 290, 296] {
        let called = bench.call("spill", "cut", json!({"before": before})).await;
        let lines = called.answer.diagnostics.lines.join("\n");
        assert!(lines.ends_with("xxx[redacted]"), "{before}: {lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x02_addresses_are_recorded_without_what_may_be_secret_in_them() {
    let bench = spilling();
    let called = bench.call("spill", "ask", json!({})).await;
    assert_eq!(called.text(), "done");
    let events = serde_json::to_string(&called.events).unwrap();
    assert!(!events.contains("SKH_OTHER"), "{events}");
    assert!(called.between().contains(&"egress.denied"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_to_those_alone_who_declare_them_and_were_granted_them() {
    let bench = spilling();
    let names = [
        "token",
        "token",
        "unset",
        "held-back",
        "injected",
        "one",
        "No Name",
    ];
    let called = bench.call("spill", "read", json!({"names": names})).await;
    let length = value().len().to_string();
    assert_eq!(
        called.structured(),
        json!([
            length,
            length,
            "NotSet",
            "NotGranted",
            "Undeclared",
            "Undeclared",
            "Undeclared"
        ])
    );
    let mut expected = vec!["secret.revealed"];
    expected.extend(["capability.denied"; 5]);
    assert_eq!(called.between(), expected);
    let grants: Vec<String> = called.events[3..]
        .iter()
        .map(|event| format!("{}: {}", event["target"], event["grant"]))
        .collect();
    assert!(grants[0].contains("reveal.held-back"), "{grants:?}");
    assert!(grants[1].contains("`use = "), "{grants:?}");
}

/// The answer is the skill's to give: whoever may see a secret may tell it.
#[tokio::test(flavor = "multi_thread")]
async fn x05_the_answer_of_a_skill_that_was_shown_a_secret_is_not_changed() {
    let bench = spilling();
    bench.ensure_loaded("spill").await;
    let answer = bench
        .host()
        .invoke(invocation("spill", "tell", json!({})))
        .await;
    let records = bench.records().of(&answer.invocation);
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(json["content"][0]["text"], value());
    assert!(!format!("{records:?} {:?}", answer.diagnostics).contains(&value()));
}

#[tokio::test(flavor = "multi_thread")]
async fn x08_a_skill_cannot_forge_lines_of_the_host() {
    let bench = spilling();
    let line = "a\r\nerror: b\u{1b}[2J\u{202e}\n{\"event\":\"verify.passed\"}";
    let called = bench.call("spill", "forge", json!({"line": line})).await;
    let lines = &called.answer.diagnostics.lines;
    assert_eq!(lines.len(), 4, "{lines:?}");
    for line in lines {
        assert!(
            line.starts_with("info: ") || line.starts_with("stdout: "),
            "{line}"
        );
        let forged = |character: char| character.is_control() || character == '\u{202e}';
        assert!(!line.contains(forged), "{line:?}");
    }
    assert_eq!(called.between(), Vec::<&str>::new());
}
