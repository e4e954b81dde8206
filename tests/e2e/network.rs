//! What of the machine's network settings counts for a skill: nothing.

use serde_json::json;
use skillhost_tests::{Reply, Server};

use crate::desk::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn n14_proxies_and_certificates_of_the_environment_do_not_count_for_skills() {
    let server = Server::start(Reply::ok("direct")).await;
    let proxy = Server::start(Reply::ok("proxied")).await;
    let desk = Desk::new();
    let guest = desk.guest("http_get");
    let key_log = desk.path("keys.log");
    let by_proxy = format!("http://{}", proxy.address());
    let variables = [
        ("HTTP_PROXY", by_proxy.as_str()),
        ("http_proxy", &by_proxy),
        ("HTTPS_PROXY", &by_proxy),
        ("ALL_PROXY", &by_proxy),
        ("NO_PROXY", ""),
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/dev/null"),
        ("SSLKEYLOGFILE", key_log.to_str().unwrap()),
        ("RES_OPTIONS", "timeout:60"),
        ("LOCALDOMAIN", "evil.test"),
        ("HOSTALIASES", "/dev/null"),
    ];
    let origin = format!("http://{}", server.address());
    let input = json!({"url": format!("{origin}/")}).to_string();
    let ran = desk
        .skillhost_seeing(
            &variables,
            "",
            &[
                "run",
                &guest,
                "send",
                "--input",
                &input,
                "--allow-http",
                &origin,
            ],
        )
        .code(0);
    assert_eq!(ran.json()["body"], "direct", "{ran:#?}");
    assert_eq!(proxy.connections(), 0);
    assert!(!key_log.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn n12_raw_connections_are_allowed_by_option_and_by_configuration() {
    let server = Server::start(Reply::ok("hello")).await;
    let desk = Desk::new();
    let guest = desk.guest("raw_sockets");
    let address = server.address().to_string();
    let input = json!({"address": address, "text": "GET / HTTP/1.0\r\n\r\n"}).to_string();
    let run = ["run", &guest, "exchange", "--input", &input];
    let ran = desk.skillhost(&run).code(4);
    let option = format!("--allow-tcp {address}");
    assert!(ran.stderr.contains(&option), "{ran:#?}");

    let ran = desk
        .skillhost(&[&run[..], &["--allow-tcp", &address]].concat())
        .code(0);
    assert!(ran.stdout.ends_with("hello\n"), "{ran:#?}");

    desk.configure(&format!("[skill.raw-sockets]\ntcp = [\"{address}\"]\n"));
    let ran = desk.skillhost(&run).code(0);
    assert!(ran.stdout.ends_with("hello\n"), "{ran:#?}");

    let ran = desk.skillhost(&["inspect", &guest]).code(0);
    assert!(
        ran.stdout
            .contains("sockets, tcp to *:*, udp to *:*, listening on 127.83.19.1:8123"),
        "{ran:#?}"
    );
}

#[test]
fn n03_a_metadata_service_is_refused_in_options_and_configuration() {
    let desk = Desk::new();
    let guest = desk.guest("http_get");
    for option in [
        ["--allow-http", "http://169.254.169.254"],
        ["--allow-tcp", "169.254.169.254:80"],
        ["--allow-udp", "[fd00:ec2::254]:53"],
    ] {
        let ran = desk
            .skillhost(&[&["run", &guest, "send"][..], &option].concat())
            .code(2);
        assert!(ran.stderr.contains("metadata service"), "{ran:#?}");
    }
    desk.configure("[skill.http-get]\nhttp = [\"http://metadata.google.internal\"]\n");
    let ran = desk.skillhost(&["run", &guest, "send"]).code(2);
    assert!(ran.stderr.contains("metadata service"), "{ran:#?}");
}
