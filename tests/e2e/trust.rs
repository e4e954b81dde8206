//! `trust update`, against a TUF repository on loopback.

use std::fs;

use serde_json::{Value, json};
use skillhost_tests::tuf::{Release, Repository, sign};

use crate::desk::{Desk, Ran, fields};

/// Where the command writes, below the desk.
const FILE: &str = "data/skillhost/trust/trusted_root.json";

/// A desk whose operator has the root metadata of a private repository.
struct Private {
    desk: Desk,
    repository: Repository,
}

impl Private {
    async fn new() -> Self {
        let (desk, repository) = (Desk::new(), Repository::start().await);
        desk.write("root.json", &repository.first_root);
        let private = Self { desk, repository };
        private.publish(2, None);
        private
    }

    fn publish(&self, version: u64, expired: Option<&'static str>) {
        self.repository.publish(&Release {
            expired,
            ..Release::new(version, trusted_root(version))
        });
    }

    fn update(&self, more: &[&str]) -> Ran {
        self.update_seeing(&[], more)
    }

    fn update_seeing(&self, variables: &[(&str, &str)], more: &[&str]) -> Ran {
        let url = self.repository.url();
        let update = ["trust", "update", "--url", &url, "--root", "root.json"];
        let arguments = [&update, more].concat();
        self.desk.skillhost_seeing(variables, "", &arguments)
    }

    /// The trusted root, if there is one.
    fn file(&self) -> Option<String> {
        fs::read_to_string(self.desk.path(FILE)).ok()
    }
}

/// The public instance's first log and nothing else, with an end that differs
/// by version.
fn trusted_root(version: u64) -> String {
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [{
            "baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==",
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2021-01-12T11:53:27Z", "end": format!("203{version}-01-01T00:00:00Z")},
            },
            "logId": {"keyId": "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0="},
        }],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_says_what_changed_and_until_when_it_holds() {
    let private = Private::new().await;
    let ran = private.update(&[]).code(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "ended    transparency log https://log.test until 2032-01-01"
    );
    let gone = "removed  certificate authority https://fulcio.sigstore.dev from 2022-04-13";
    assert!(lines.contains(&gone), "{ran:#?}");
    assert_eq!(private.file().unwrap(), trusted_root(2));

    let ran = private.update(&[]).code(0);
    assert_eq!(ran.stdout, "");
    let expected = "trusted_root.json has not changed; its metadata is valid until 2999-01-01.\n";
    assert!(ran.stderr.ends_with(expected), "{ran:#?}");

    private.publish(3, None);
    let ran = private.update(&[]).code(0);
    let ended = "ended    transparency log https://log.test until 2033-01-01\n";
    assert_eq!(ran.stdout, ended);
    let expected = "trusted_root.json is up to date; its metadata is valid until 2999-01-01.\n";
    assert!(ran.stderr.ends_with(expected), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_not_used_says_so() {
    let private = Private::new().await;
    let other = private.desk.path("other.json");
    private
        .desk
        .skillhost(&["keygen", "--out", "alice"])
        .code(0);
    private.desk.configure(&format!(
        "[trust]\npreset = \"permissive\"\nroot = \"{}\"\nsigners.alice.keys = [\"../../alice.pub\"]\n",
        other.display()
    ));
    let ran = private.update(&[]).code(0);
    let expected = format!("names {}, which stays in use instead.\n", other.display());
    assert!(ran.stderr.ends_with(&expected), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_told_as_json() {
    let private = Private::new().await;
    private.update(&[]).code(0);
    private.publish(3, None);
    let told = private.update(&["--json"]).code(0).json();
    assert_eq!(
        fields(&told),
        [
            "changes",
            "outcome",
            "root_version",
            "trusted_root",
            "valid_until"
        ]
    );
    let change = json!({
        "change": "ended", "part": "transparency log", "name": "https://log.test",
        "from": "2021-01-12T11:53:27Z", "until": "2033-01-01T00:00:00Z",
    });
    assert_eq!(told["changes"], json!([change]));
    assert_eq!(told["valid_until"], "2999-01-01T00:00:00Z");
    let path = private.desk.path(FILE);
    assert_eq!(told["trusted_root"], path.to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_three_is_a_repository_that_is_not_trusted() {
    let private = Private::new().await;
    private.publish(2, Some("timestamp"));
    let ran = private.update(&[]).code(3);
    assert_eq!(ran.stdout, "", "{ran:#?}");
    assert!(
        ran.stderr.contains("timestamp metadata expired"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("hint: Nothing was changed"), "{ran:#?}");
    assert!(!private.desk.path("data/skillhost/trust").exists());

    private.publish(3, None);
    private.update(&[]).code(0);
    private.publish(2, None);
    let failed = private.update(&["--json"]).code(3).json();
    assert_eq!(failed["kind"], "TrustRootInvalid");
    assert_eq!(private.file().unwrap(), trusted_root(3));
}

/// The root that is built in vouches for Sigstore alone.
#[tokio::test(flavor = "multi_thread")]
async fn s18_three_is_a_repository_of_others_without_a_root_of_its_own() {
    let private = Private::new().await;
    let url = private.repository.url();
    private
        .desk
        .skillhost(&["trust", "update", "--url", &url])
        .code(3);
    for text in ["", "{}", r#"{"signed": {}, "signatures": []}"#] {
        private.desk.write("root.json", text);
        private.update(&[]).code(3);
    }
    let root: Value = serde_json::from_slice(&private.repository.first_root).unwrap();
    let unsigned = sign(&root["signed"], &[&private.repository.online_key]);
    private.desk.write("root.json", unsigned);
    private.update(&[]).code(3);
    assert_eq!(private.file(), None);
    assert_eq!(private.repository.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_is_a_repository_that_cannot_be_reached() {
    let private = Private::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for url in [
        &nobody,
        "http://tuf.test",
        "tuf.test",
        "https://user@tuf.test",
    ] {
        let update = ["trust", "update", "--url", url, "--root", "root.json"];
        let ran = private.desk.skillhost(&update).code(2);
        assert!(ran.stderr.contains("hint: "), "{ran:#?}");
    }
    let url = private.repository.url();
    for arguments in [
        ["--root", "root.json"].as_slice(),
        &["--url", &url, "--root", "missing.json"],
        &["--url", &url, "--root", "/dev/zero"],
    ] {
        let update = [&["trust", "update"], arguments].concat();
        private.desk.skillhost(&update).code(2);
    }
    assert_eq!(
        (private.file(), private.repository.asked().len()),
        (None, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn n14_proxies_and_certificates_of_the_environment_do_not_count() {
    let private = Private::new().await;
    let key_log = private.desk.path("keys.log");
    let nobody = "http://127.0.0.1:1";
    let variables = [
        ("HTTP_PROXY", nobody),
        ("http_proxy", nobody),
        ("HTTPS_PROXY", nobody),
        ("ALL_PROXY", nobody),
        ("NO_PROXY", ""),
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSLKEYLOGFILE", key_log.to_str().unwrap()),
    ];
    private.update_seeing(&variables, &[]).code(0);
    assert_eq!(private.file().unwrap(), trusted_root(2));
    assert!(!key_log.exists());
}
