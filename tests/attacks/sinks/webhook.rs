//! Events as JSON to a server.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use skillhost::event::sink::{Credential, Destination, SinkSettings, Target, WebhookSettings};
use skillhost_tests::{FakeNetwork, Inbox, Post};

use super::{
    SIGNING, assert_no_secret, bench, call, call_secretly, close, number, over, recorded, sink,
    told,
};

fn webhook(url: &str, allow_private: bool) -> SinkSettings {
    let to = WebhookSettings {
        target: Target::parse(url, allow_private).unwrap(),
        secret: Some("signing".parse().unwrap()),
        credential: Some(Credential {
            header: http::header::AUTHORIZATION,
            prefix: "Bearer ".to_owned(),
            secret: "canary".parse().unwrap(),
        }),
    };
    sink("hook", Destination::Webhook(to))
}

/// Verifies as a receiver does, by the specification of Standard Webhooks.
fn opened(post: &Post) -> Value {
    let key = STANDARD
        .decode(SIGNING.strip_prefix("whsec_").unwrap())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [
        post.header("webhook-id").as_bytes(),
        post.header("webhook-timestamp").as_bytes(),
        &post.body,
    ];
    let signature = post
        .header("webhook-signature")
        .strip_prefix("v1,")
        .unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    hmac::verify(&key, &signed.join(&b'.'), &signature).unwrap();
    serde_json::from_slice(&post.body).unwrap()
}

fn events(posts: &[Post]) -> Vec<Value> {
    let data = posts.iter().map(|post| opened(post)["data"].clone());
    data.flat_map(|data| data.as_array().unwrap().clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_webhook_gets_what_was_recorded_signed_and_without_secrets() {
    let inbox = Inbox::start(&[]).await;
    let hook = webhook(&format!("http://{}/hook?a=b", inbox.address()), true);
    let bench = bench(vec![hook], |_| {}).await;
    call(&bench).await;
    call_secretly(&bench).await;
    close(&bench);
    let posts = inbox.posts();
    assert_eq!(events(&posts), recorded(&bench));
    for post in &posts {
        assert_eq!(post.line, "POST /hook?a=b");
        assert_eq!(post.header("content-type"), "application/json");
        assert!(post.header("webhook-id").starts_with("msg_"));
        assert!(post.header("authorization").starts_with("Bearer "));
        assert_eq!(opened(post)["type"], "skillhost.events");
        assert_no_secret(&post.body);
    }
    let text = String::from_utf8(posts.last().unwrap().body.clone()).unwrap();
    assert!(text.contains("UnknownTool"), "{text}");
    assert_eq!(told(&bench, "hook"), 0);
    let delivered = recorded(&bench).len() as u64;
    assert_eq!(
        number(&bench, "skillhost_sink_delivered_total{sink=\"hook\"}"),
        delivered
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_what_is_not_taken_for_now_is_sent_again_under_the_same_id() {
    let inbox = Inbox::start(&["503 Busy\r\nretry-after: 1"]).await;
    let hook = webhook(&format!("http://{}/", inbox.address()), true);
    let bench = bench(vec![hook], |_| {}).await;
    let posts = inbox.wait_for(2).await;
    let (first, second) = (&posts[0], &posts[1]);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    let [before, after] =
        [first, second].map(|post| post.header("webhook-timestamp").parse::<i64>().unwrap());
    assert!(after > before, "{before} {after}");
    opened(second);
    close(&bench);
    assert_eq!(told(&bench, "hook"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_what_is_refused_or_redirected_is_lost_and_counted() {
    for answer in ["400 No", "302 Found\r\nlocation: http://127.0.0.1:1/"] {
        let inbox = Inbox::start(&[answer; 100]).await;
        let hook = webhook(&format!("http://{}/", inbox.address()), true);
        let bench = bench(vec![hook], |_| {}).await;
        call(&bench).await;
        close(&bench);
        let lost = recorded(&bench).len() as u64;
        assert!(told(&bench, "hook") >= lost, "{answer}");
        let ids: std::collections::BTreeSet<_> = inbox
            .posts()
            .iter()
            .map(|post| post.header("webhook-id").to_owned())
            .collect();
        assert_eq!(ids.len(), inbox.posts().len(), "sent again after {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_no_event_goes_to_an_address_that_nobody_meant() {
    for addresses in [
        &["10.0.0.5"][..],
        &["169.254.169.254"],
        &["127.0.0.1"],
        &["93.184.216.34", "192.168.0.1"],
        &["::ffff:169.254.169.254"],
    ] {
        let network = Arc::new(FakeNetwork::default());
        network.name("hook.test", addresses);
        let hook = webhook("https://hook.test/", false);
        let bench = bench(vec![hook], over(&network)).await;
        call(&bench).await;
        close(&bench);
        assert!(network.resolved().contains(&"hook.test".to_owned()));
        assert_eq!(network.dialled(), [], "{addresses:?}");
        assert!(told(&bench, "hook") >= recorded(&bench).len() as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_no_event_goes_to_the_host_itself_or_to_a_metadata_service() {
    let inbox = Inbox::start(&[]).await;
    let hook = webhook(&format!("http://{}/", inbox.address()), true);
    let bench = bench(vec![hook], |_| {}).await;
    inbox.wait_for(1).await;
    let before = inbox.posts().len();
    let _own = bench.host().protect(inbox.address());
    call(&bench).await;
    close(&bench);
    assert_eq!(inbox.posts().len(), before);
    assert!(told(&bench, "hook") > 0);
    for url in ["http://169.254.169.254/", "https://[fd00:ec2::254]/"] {
        assert!(Target::parse(url, true).is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_webhook_whose_secret_has_no_value_does_not_start() {
    let mut setup = skillhost::Setup::new(
        skillhost_tests::bench::trust(&skillhost::sign::PrivateKey::generate().unwrap()),
        Box::new(skillhost_tests::Records::default()),
    );
    setup.queued_sinks = vec![webhook("https://hook.test/", false)];
    let error = skillhost::Host::new(setup).unwrap_err();
    assert_eq!(error.kind(), skillhost::Kind::ConfigInvalid);
    assert!(error.message().contains("`signing`"), "{error}");
    assert_eq!(json!(error.kind()), "ConfigInvalid");
}
