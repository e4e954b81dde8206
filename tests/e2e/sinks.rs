//! Where the command sends events, and where its numbers are.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use skillhost::sign::PrivateKey;
use skillhost_tests::{Inbox, Says, pack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::desk::{Desk, argument};

/// A skill of somebody whom nobody trusts.
fn strange(desk: &Desk) -> String {
    let key = PrivateKey::generate().unwrap();
    let folder = desk.path("strange");
    fs::create_dir_all(&folder).unwrap();
    let path = pack::write_signed(&folder, "says", &Says::new("hi").component(), &key);
    argument(&path).to_owned()
}

#[test]
fn a_variable_adds_a_file_of_what_matters() {
    let desk = Desk::new();
    let variables = [("SKILLHOST_SECURITY_LOG_FILE", "security/events.jsonl")];
    let good = desk.component("says", &Says::new("hi").component());
    desk.skillhost_seeing(&variables, "", &["run", &good])
        .code(0);
    let file = desk.path("security/events.jsonl");
    assert!(!file.exists(), "nothing happened that matters");
    desk.skillhost_seeing(&variables, "", &["run", &strange(&desk)])
        .code(3);
    let text = fs::read_to_string(&file).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events.iter().any(|event| event["event"] == "verify.failed"),
        "{text}"
    );
    assert!(
        events.iter().all(|event| event["severity"] != "info"),
        "{text}"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = desk.audit();
    let id = |event: &Value| (event["run"].clone(), event["sequence"].clone());
    let kept: Vec<_> = kept.iter().map(id).collect();
    assert!(
        events.iter().all(|event| kept.contains(&id(event))),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_adds_a_webhook_and_another_signs_it() {
    let desk = Desk::new();
    let inbox = Inbox::start(&[]).await;
    let url = format!("http://{}/hook", inbox.address());
    let webhook = ("SKILLHOST_SECURITY_WEBHOOK", url.as_str());
    let secret = ("SKILLHOST_SECURITY_WEBHOOK_SECRET", "SKH_CANARY_signing");
    let strange = strange(&desk);
    desk.skillhost_seeing(&[webhook], "", &["run", &strange])
        .code(3);
    let posts = inbox.posts();
    assert!(!posts.is_empty());
    let body: Value = serde_json::from_slice(&posts[0].body).unwrap();
    assert_eq!(body["data"][0]["event"], "verify.failed", "{body}");
    assert!(posts.iter().all(|post| {
        post.headers
            .iter()
            .all(|(name, _)| name != "webhook-signature")
    }));

    let ran = desk
        .skillhost_seeing(&[webhook, secret], "", &["run", &strange])
        .code(3);
    assert!(!ran.stderr.contains("SKH_CANARY"), "{ran:?}");
    let signed = inbox.posts().split_off(posts.len());
    assert!(!signed.is_empty());
    for post in signed {
        assert!(post.header("webhook-signature").starts_with("v1,"));
        let parts = [
            post.header("webhook-id").as_bytes(),
            post.header("webhook-timestamp").as_bytes(),
            &post.body,
        ];
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.1.as_bytes());
        let expected = aws_lc_rs::hmac::sign(&key, &parts.join(&b'.'));
        let expected = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, expected);
        assert_eq!(post.header("webhook-signature"), format!("v1,{expected}"));
    }
}

#[test]
fn a_variable_that_names_no_sink_is_refused() {
    let desk = Desk::new();
    for (variable, value) in [
        ("SKILLHOST_SECURITY_WEBHOOK", "http://siem.example.com/hook"),
        ("SKILLHOST_SECURITY_WEBHOOK", "https://10.0.0.5/hook"),
        ("SKILLHOST_SECURITY_WEBHOOK", "http://169.254.169.254/"),
        ("SKILLHOST_SECURITY_WEBHOOK", "siem"),
    ] {
        let ran = desk
            .skillhost_seeing(&[(variable, value)], "", &["list"])
            .code(2);
        assert!(ran.stderr.contains(variable), "{ran:?}");
    }
    desk.configure("[sink.security-log-file]\ntype = \"file\"\nfile = \"a\"\n");
    let variables = [("SKILLHOST_SECURITY_LOG_FILE", "b")];
    let ran = desk.skillhost_seeing(&variables, "", &["list"]).code(2);
    assert!(ran.stderr.contains("[sink.security-log-file]"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_sends_events_and_offers_numbers_until_it_ends() {
    let desk = Desk::new();
    let inbox = Inbox::start(&[]).await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let numbers = free.local_addr().unwrap();
    drop(free);
    let key = desk.key().public().to_pem();
    desk.write("config/skillhost/author.pub", key);
    desk.configure(&format!(
        "[trust]\nthreshold = 1\npreset = \"permissive\"\nsigners.author.keys = [\"author.pub\"]\n\
         [metrics]\nlisten = \"{numbers}\"\n\
         [sink.hook]\ntype = \"webhook\"\nurl = \"http://{}/\"\nallow-private = true\n\
         events = [\"invocation.*\"]\n\
         [sink.file]\ntype = \"file\"\nfile = \"events.jsonl\"\n",
        inbox.address()
    ));
    let skills = desk.path("data/skillhost/skills");
    fs::create_dir_all(&skills).unwrap();
    let _installed = pack::write_signed(&skills, "says", &Says::new("hi").component(), desk.key());
    let mut assistant = desk.serve(&[], &json!({}));
    let answer = assistant.call("says_run", &json!({}));
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let text = ask(numbers).await;
    assert!(
        text.contains(r#"skillhost_calls_total{skill="says",tool="run",outcome="ok",kind=""} 1"#),
        "{text}"
    );
    let _said = assistant.end();
    let posts = inbox.wait_for(1).await;
    let body: Value = serde_json::from_slice(&posts[0].body).unwrap();
    assert_eq!(body["data"][0]["event"], "invocation.started", "{body}");
    let kept = fs::read_to_string(desk.path("config/skillhost/events.jsonl")).unwrap();
    assert!(kept.lines().count() >= 3, "{kept}");
}

#[expect(clippy::disallowed_methods, reason = "whoever collects the numbers")]
async fn ask(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
