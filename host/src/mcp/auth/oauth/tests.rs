//! Tokens of an issuer of our own.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::jwks::KeySet;
use super::*;
use crate::event::Events;
use crate::event::samples::Kept;
use crate::event::sink::Dialer;
use crate::manifest::SkillName;
use crate::sandbox::network::SystemNetwork;
use crate::sandbox::network::gateway::Gateway;

const ISSUER: &str = "https://login.example.com";
pub(in crate::mcp::auth) const AUDIENCE: &str = "https://skills.example.com/mcp";

/// A clock that somebody turns on.
#[derive(Debug)]
pub(in crate::mcp::auth) struct Turned {
    start: Instant,
    by: Mutex<Duration>,
}

impl Turned {
    pub(in crate::mcp::auth) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: crate::time::system().monotonic(),
            by: Mutex::default(),
        })
    }

    pub(in crate::mcp::auth) fn by(&self, time: Duration) {
        *self.by.lock().unwrap() += time;
    }
}

impl Clock for Turned {
    fn wall(&self) -> Timestamp {
        NOW + *self.by.lock().unwrap()
    }

    fn monotonic(&self) -> Instant {
        self.start + *self.by.lock().unwrap()
    }
}

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn seconds(from_now: i64) -> i64 {
    NOW.as_second() + from_now
}

/// An issuer with a key of each kind.
pub(in crate::mcp::auth) struct Issuer {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    rsa: RsaPair,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    pub(in crate::mcp::auth) fn new() -> Self {
        Self {
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
            rsa: RsaPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    fn ec_jwk(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256",
            "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
    }

    pub(in crate::mcp::auth) fn jwks(&self) -> Value {
        let rsa: RsaPublicKeyComponents<Vec<u8>> = self.rsa.public_key().into();
        json!({"keys": [
            self.ec_jwk(),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encoded(self.ed.public_key())},
            {"kty": "RSA", "kid": "rsa", "n": encoded(rsa.n), "e": encoded(rsa.e)},
            {"kty": "oct", "kid": "secret", "k": encoded([7; 32])},
            {"kty": "of a later time", "kid": "new"},
        ]})
    }

    /// A token, signed as its header says.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let random = SystemRandom::new();
        let bytes = message.as_bytes();
        let signature = match header["alg"].as_str() {
            Some("ES256") => self.ec.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Some("EdDSA") => self.ed.sign(bytes).as_ref().to_vec(),
            Some("RS256") => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature)
                    .unwrap();
                signature
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", encoded(signature))
    }

    /// A token that is taken, of this subject and with these scopes.
    pub(in crate::mcp::auth) fn token(&self, subject: &str, scope: &str) -> String {
        let mut claims = good();
        claims["sub"] = json!(subject);
        claims["scope"] = json!(scope);
        self.signed(
            &json!({"alg": "ES256", "kid": "ec", "typ": "at+jwt"}),
            &claims,
        )
    }
}

fn good() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": seconds(600)})
}

pub(in crate::mcp::auth) fn settings(keys: KeySource) -> OauthSettings {
    OauthSettings::new(ISSUER.to_owned(), AUDIENCE.to_owned(), None, keys).unwrap()
}

pub(in crate::mcp::auth) fn surroundings(clock: &Arc<Turned>, kept: &Kept) -> Surroundings {
    let clock: Arc<dyn Clock> = Arc::<Turned>::clone(clock);
    let network = Arc::new(SystemNetwork::default());
    let gateway = Arc::new(Gateway::new(network.clone()));
    let events = Events::new(Box::new(kept.clone()), Vec::new(), Arc::clone(&clock));
    Surroundings {
        events: Arc::new(events.unwrap()),
        clock,
        dialer: Dialer::new(network, gateway),
    }
}

pub(in crate::mcp::auth) fn key_file(folder: &Path, keys: &Value) -> KeySource {
    std::fs::write(folder.join("jwks.json"), keys.to_string()).unwrap();
    KeySource::parse("jwks.json", false, folder).unwrap()
}

struct Desk {
    folder: tempfile::TempDir,
    issuer: Issuer,
    kept: Kept,
    oauth: Oauth,
}

impl Desk {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut OauthSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (issuer, clock, kept) = (Issuer::new(), Turned::new(), Kept::default());
        let mut settings = settings(key_file(folder.path(), &issuer.jwks()));
        change(&mut settings);
        let oauth = Oauth::open(settings, &surroundings(&clock, &kept)).unwrap();
        Self {
            folder,
            issuer,
            kept,
            oauth,
        }
    }

    async fn judge(&self, token: &str) -> Result<String, Reason> {
        let holder = self.oauth.holder(token).await;
        holder.map(|caller| caller.principal.to_string())
    }

    async fn judge_signed(&self, header: Value, claims: &Value) -> Result<String, Reason> {
        self.judge(&self.issuer.signed(&header, claims)).await
    }

    /// What comes of a good token with these claims changed; null takes one out.
    async fn judge_with(&self, changed: Value) -> Result<String, Reason> {
        let mut claims = good();
        for (name, value) in changed.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().shift_remove(name);
            }
        }
        self.judge_signed(json!({"alg": "ES256", "kid": "ec"}), &claims)
            .await
    }
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_taken() {
    let desk = Desk::new();
    let alice = Ok("oauth.alice".to_owned());
    for (algorithm, kid) in [("ES256", "ec"), ("EdDSA", "ed"), ("RS256", "rsa")] {
        for header in [
            json!({"alg": algorithm, "kid": kid}),
            json!({"alg": algorithm}),
            json!({"alg": algorithm, "kid": kid, "typ": "at+JWT", "extra": 1}),
        ] {
            assert_eq!(
                desk.judge_signed(header.clone(), &good()).await,
                alice,
                "{header}"
            );
        }
    }
}

#[tokio::test]
async fn m17_what_a_token_claims_must_fit_in_each_part() {
    let desk = Desk::new();
    let alice = || Ok("oauth.alice".to_owned());
    for (changed, expected) in [
        (json!({}), alice()),
        (
            json!({"aud": ["https://other.example.com", AUDIENCE]}),
            alice(),
        ),
        (
            json!({"aud": "https://other.example.com"}),
            Err(Reason::Audience),
        ),
        (
            json!({"aud": ["https://other.example.com"]}),
            Err(Reason::Audience),
        ),
        (
            json!({"aud": format!("{AUDIENCE}/")}),
            Err(Reason::Audience),
        ),
        (json!({"aud": []}), Err(Reason::Audience)),
        (json!({"aud": {"a": AUDIENCE}}), Err(Reason::Audience)),
        (json!({"aud": null}), Err(Reason::Audience)),
        (
            json!({"iss": "https://evil.example.com"}),
            Err(Reason::Issuer),
        ),
        (json!({"iss": format!("{ISSUER}/")}), Err(Reason::Issuer)),
        (json!({"iss": [ISSUER]}), Err(Reason::Issuer)),
        (json!({"iss": null}), Err(Reason::Issuer)),
        (json!({"exp": seconds(-59)}), alice()),
        (json!({"exp": seconds(-60)}), Err(Reason::ExpiredToken)),
        (json!({"exp": -1}), Err(Reason::ExpiredToken)),
        (json!({"exp": 1_800_000_600.5}), alice()),
        (json!({"exp": "1800000600"}), Err(Reason::Claims)),
        (json!({"exp": 1e300}), Err(Reason::Claims)),
        (json!({"exp": null}), Err(Reason::Claims)),
        (json!({"nbf": seconds(60)}), alice()),
        (json!({"nbf": seconds(61)}), Err(Reason::EarlyToken)),
        (json!({"nbf": "soon"}), Err(Reason::Claims)),
        (json!({"sub": null}), Err(Reason::Subject)),
        (json!({"sub": ""}), Err(Reason::Subject)),
        (json!({"sub": 7}), Err(Reason::Subject)),
    ] {
        assert_eq!(
            desk.judge_with(changed.clone()).await,
            expected,
            "{changed}"
        );
    }
    let header = json!({"alg": "ES256", "kid": "ec"});
    for claims in [json!([]), json!("x"), json!(null)] {
        let judged = desk.judge_signed(header.clone(), &claims).await;
        assert_eq!(judged, Err(Reason::Claims));
    }
}

#[tokio::test]
async fn m17_no_token_chooses_how_it_is_checked() {
    let desk = Desk::new();
    let stranger = Issuer::new();
    let own = stranger.ec_jwk();
    let es256 = |more: Value| {
        let mut header = json!({"alg": "ES256", "kid": "ec"});
        header
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        header
    };
    for (header, expected) in [
        (json!({"alg": "none"}), Reason::Algorithm),
        (json!({"alg": "None", "kid": "ec"}), Reason::Algorithm),
        (json!({"alg": "", "kid": "ec"}), Reason::Algorithm),
        (json!({"alg": "HS256", "kid": "secret"}), Reason::Algorithm),
        (json!({"alg": "RS384", "kid": "rsa"}), Reason::Algorithm),
        (json!({"alg": "ES256K", "kid": "ec"}), Reason::Algorithm),
        // A key of the issuer for another algorithm.
        (json!({"alg": "ES256", "kid": "rsa"}), Reason::UnknownKey),
        (json!({"alg": "RS256", "kid": "ec"}), Reason::UnknownKey),
        (json!({"alg": "EdDSA", "kid": "secret"}), Reason::UnknownKey),
        (
            json!({"alg": "ES256", "kid": "stranger"}),
            Reason::UnknownKey,
        ),
        (json!({"alg": "ES256", "kid": ""}), Reason::UnknownKey),
        (json!({"alg": "ES256", "kid": "../ec"}), Reason::UnknownKey),
        // Keys that the token brings, or points to.
        (es256(json!({"jwk": own})), Reason::Signature),
        (
            es256(json!({"jku": "https://evil.example.com/jwks"})),
            Reason::Signature,
        ),
        (
            es256(json!({"x5u": "https://evil.example.com/x5u"})),
            Reason::Signature,
        ),
        (es256(json!({"x5c": ["AAAA"]})), Reason::Signature),
        (es256(json!({"crit": ["exp"]})), Reason::Critical),
        (es256(json!({"crit": []})), Reason::Critical),
        (es256(json!({"typ": "logout+jwt"})), Reason::Type),
        (es256(json!({"typ": "dpop+jwt"})), Reason::Type),
    ] {
        let token = stranger.signed(&header, &good());
        assert_eq!(desk.judge(&token).await, Err(expected), "{header}");
    }
}

#[tokio::test]
async fn m17_hmac_with_what_everybody_knows_is_no_signature() {
    use aws_lc_rs::hmac;
    let desk = Desk::new();
    let rsa: RsaPublicKeyComponents<Vec<u8>> = desk.issuer.rsa.public_key().into();
    let der =
        AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(desk.issuer.rsa.public_key());
    let public = [
        rsa.n,
        der.unwrap().as_ref().to_vec(),
        desk.issuer.ec.public_key().as_ref().to_vec(),
        vec![7; 32],
    ];
    for (known, kid) in public.iter().zip(["rsa", "rsa", "ec", "secret"]) {
        let header = json!({"alg": "HS256", "kid": kid});
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(good().to_string())
        );
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, known),
            message.as_bytes(),
        );
        let token = format!("{message}.{}", encoded(tag));
        assert_eq!(desk.judge(&token).await, Err(Reason::Algorithm), "{kid}");
    }
}

#[tokio::test]
async fn m02_what_is_nearly_a_token_is_none() {
    let desk = Desk::new();
    let token = desk.issuer.token("alice", "");
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{token}");
    };
    let twice = encoded(r#"{"alg":"none","alg":"ES256","kid":"ec"}"#);
    for (near, expected) in [
        (format!("{header}.{claims}"), Reason::NoToken),
        (
            format!("{header}.{claims}.{signature}.{signature}"),
            Reason::NoToken,
        ),
        (format!("{header}.{claims}."), Reason::Signature),
        (
            format!("{header}.{claims}.{}", encoded([0; 64])),
            Reason::Signature,
        ),
        (
            format!("{header}.{claims}.{signature}AA"),
            Reason::Signature,
        ),
        (format!("{header}.{claims}.{signature}="), Reason::Signature),
        (
            format!("{header}.{}.{signature}", encoded("{}")),
            Reason::Signature,
        ),
        (format!("{twice}.{claims}.{signature}"), Reason::NoToken),
        (
            format!("{}.{claims}.{signature}", encoded("[]")),
            Reason::NoToken,
        ),
        (format!(".{claims}.{signature}"), Reason::NoToken),
        ("null".to_owned(), Reason::NoToken),
        ("..".to_owned(), Reason::NoToken),
    ] {
        assert_eq!(desk.judge(&near).await, Err(expected), "{near}");
    }
}

#[tokio::test]
async fn m16_scopes_allow_the_tools_that_the_operator_names_for_them() {
    let desk = Desk::with(|settings| {
        for (scope, tools) in [("notes", vec!["notes/*"]), ("stats", vec!["stats/count"])] {
            let tools = tools.iter().map(|tool| tool.parse().unwrap());
            settings
                .add_scope(scope.to_owned(), tools.collect())
                .unwrap();
        }
        settings.set_required_scope("mcp".to_owned()).unwrap();
    });
    let skill: SkillName = "notes".parse().unwrap();
    for (scope, expected) in [
        ("", Err(Reason::Scope)),
        ("mcp", Err(Reason::Scope)),
        ("notes", Err(Reason::Scope)),
        ("notesmcp", Err(Reason::Scope)),
        ("mcp other", Err(Reason::Scope)),
        ("notes mcp", Ok(())),
        ("mcp  stats   notes", Ok(())),
    ] {
        let judged = desk.oauth.holder(&desk.issuer.token("alice", scope)).await;
        assert_eq!(
            judged.as_ref().map(|_| ()).map_err(|it| *it),
            expected,
            "{scope}"
        );
        if let Ok(caller) = judged {
            let shown = format!("{:?}", caller.scope.unwrap());
            assert!(shown.contains(skill.as_str()), "{shown}");
            assert_eq!(shown.contains("count"), scope.contains("stats"), "{shown}");
        }
    }
    let listed = json!({"scope": null, "scp": ["mcp", "notes"]});
    assert_eq!(desk.judge_with(listed).await, Ok("oauth.alice".to_owned()));
}

#[tokio::test]
async fn a_file_of_keys_is_read_anew_when_it_changes_and_kept_when_it_breaks() {
    let desk = Desk::new();
    let second = Issuer::new();
    let (old, new) = (desk.issuer.token("alice", ""), second.token("bob", ""));
    assert_eq!(desk.judge(&new).await, Err(Reason::Signature));
    key_file(desk.folder.path(), &second.jwks());
    assert_eq!(desk.judge(&new).await, Ok("oauth.bob".to_owned()));
    assert_eq!(desk.judge(&old).await, Err(Reason::Signature));
    key_file(desk.folder.path(), &json!({"keys": []}));
    for _ in 0..3 {
        assert_eq!(desk.judge(&new).await, Ok("oauth.bob".to_owned()));
    }
    assert_eq!(desk.kept.names(), ["config.insecure"], "it is said once");
}

#[test]
fn keys_that_are_not_for_signatures_are_passed_over() {
    let issuer = Issuer::new();
    let ec = |more: Value| {
        let mut jwk = issuer.ec_jwk();
        jwk.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"keys": [jwk]}).to_string()
    };
    let taken = |text: &str| KeySet::parse(text.as_bytes()).is_ok();
    assert!(taken(&ec(json!({}))));
    assert!(taken(&ec(json!({"key_ops": ["verify"]}))));
    assert!(!taken(&ec(json!({"use": "enc"}))));
    assert!(!taken(&ec(json!({"key_ops": ["sign"]}))));
    assert!(!taken(&ec(json!({"crv": "P-521"}))));
    assert!(!taken(&ec(json!({"x": "!"}))));
    assert!(!taken("{") && !taken("[]") && !taken(r#"{"keys": {}}"#));
    let many = vec![issuer.ec_jwk(); 65];
    assert!(!taken(&json!({"keys": many}).to_string()));
}

/// Answers with keys, and counts how often.
fn serve_keys(keys: Arc<Mutex<String>>) -> (String, Arc<AtomicUsize>) {
    use std::io::Read;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/jwks", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            count.fetch_add(1, Ordering::SeqCst);
            let body = keys.lock().unwrap().clone();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (address, asked)
}

#[tokio::test]
async fn m03_made_up_ids_fetch_the_issuers_keys_once_a_minute() {
    let (first, second) = (Issuer::new(), Issuer::new());
    let keys = Arc::new(Mutex::new(String::new()));
    let (address, asked) = serve_keys(Arc::clone(&keys));
    let source = KeySource::parse(&address, true, Path::new(".")).unwrap();
    let (clock, kept) = (Turned::new(), Kept::default());
    let oauth = Oauth::open(settings(source), &surroundings(&clock, &kept)).unwrap();
    let count = || asked.load(Ordering::SeqCst);
    assert_eq!(count(), 0, "nothing is sent before a token comes");

    let token = first.token("alice", "");
    assert_eq!(oauth.holder(&token).await.unwrap_err(), Reason::NoKeys);
    *keys.lock().unwrap() = first.jwks().to_string();
    clock.by(Duration::from_secs(5));
    assert!(oauth.holder(&token).await.is_ok());
    assert_eq!(count(), 2);
    for number in 0..1000 {
        let header = json!({"alg": "ES256", "kid": format!("made-up-{number}")});
        let made_up = first.signed(&header, &good());
        assert_eq!(
            oauth.holder(&made_up).await.unwrap_err(),
            Reason::UnknownKey
        );
    }
    assert_eq!(count(), 2);
    // An issuer that breaks takes nothing away.
    *keys.lock().unwrap() = "x".repeat(1 << 20);
    clock.by(Duration::from_secs(61));
    let unknown = first.signed(&json!({"alg": "ES256", "kid": "x"}), &good());
    assert_eq!(
        oauth.holder(&unknown).await.unwrap_err(),
        Reason::UnknownKey
    );
    assert!(oauth.holder(&token).await.is_ok());
    assert_eq!(count(), 3);
    // A key that is new is found when a token names it.
    let mut rotated = first.jwks();
    let mut jwk = second.ec_jwk();
    jwk["kid"] = json!("next");
    rotated["keys"].as_array_mut().unwrap().push(jwk);
    *keys.lock().unwrap() = rotated.to_string();
    clock.by(Duration::from_secs(61));
    let next = second.signed(&json!({"alg": "ES256", "kid": "next"}), &good());
    assert!(oauth.holder(&next).await.is_ok());
    assert_eq!(count(), 4);
}

#[tokio::test]
async fn m03_whoever_hangs_up_keeps_the_keys_from_nobody() {
    use futures_util::FutureExt;
    let issuer = Issuer::new();
    let keys = Arc::new(Mutex::new(issuer.jwks().to_string()));
    let (address, asked) = serve_keys(keys);
    let source = KeySource::parse(&address, true, Path::new(".")).unwrap();
    let (clock, kept) = (Turned::new(), Kept::default());
    let oauth = Oauth::open(settings(source), &surroundings(&clock, &kept)).unwrap();
    let made_up = issuer.signed(&json!({"alg": "ES256", "kid": "made-up"}), &good());
    for _ in 0..3 {
        // It is asked for once, and then given up.
        assert!(oauth.holder(&made_up).now_or_never().is_none());
    }
    assert!(oauth.holder(&issuer.token("alice", "")).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn settings_that_would_trust_too_much_are_refused() {
    let file = || KeySource::File("jwks.json".into());
    let made = |issuer: &str, audience: &str, resource: Option<&str>| {
        OauthSettings::new(issuer.to_owned(), audience.to_owned(), resource, file()).is_ok()
    };
    assert!(made(ISSUER, AUDIENCE, None));
    assert!(made(ISSUER, "api://default", Some(AUDIENCE)));
    assert!(made(
        "http://127.0.0.1:9/",
        "http://localhost:8808/mcp",
        None
    ));
    assert!(!made("http://login.example.com", AUDIENCE, None));
    assert!(!made("", AUDIENCE, None) && !made(ISSUER, "", Some(AUDIENCE)));
    assert!(!made(ISSUER, "api://default", None));
    assert!(!made(ISSUER, AUDIENCE, Some("https://a.example.com/?x=1")));
    let mut settings = settings(file());
    for wrong in ["none", "HS256", "HS512", "rs256", ""] {
        assert!(
            settings.set_algorithms(&[wrong.to_owned()]).is_err(),
            "{wrong}"
        );
    }
    assert!(settings.set_algorithms(&[]).is_err());
    assert!(settings.set_algorithms(&["PS256".to_owned()]).is_ok());
    assert!(settings.set_leeway(Duration::from_secs(301)).is_err());
    assert!(settings.set_required_scope("a b".to_owned()).is_err());
    assert!(settings.add_scope("a\"".to_owned(), Vec::new()).is_err());
    assert!(KeySource::parse("http://login.example.com/jwks", true, Path::new(".")).is_err());
    assert!(KeySource::parse("https://10.0.0.1/jwks", false, Path::new(".")).is_err());
    assert!(KeySource::parse("http://127.0.0.1/jwks", false, Path::new(".")).is_err());
}

#[test]
fn clients_are_told_where_tokens_come_from() {
    let mut settings = settings(KeySource::File("jwks.json".into()));
    settings.set_required_scope("mcp".to_owned()).unwrap();
    settings
        .add_scope("notes:read".to_owned(), Vec::new())
        .unwrap();
    let resource = Resource::of(&settings);
    let path = "/.well-known/oauth-protected-resource";
    for path in [path.to_owned(), format!("{path}/mcp")] {
        let page: Value = serde_json::from_slice(&resource.page(&path).unwrap()).unwrap();
        assert_eq!(
            page,
            json!({"resource": AUDIENCE, "authorization_servers": [ISSUER],
                "bearer_methods_supported": ["header"], "resource_name": "skillhost",
                "scopes_supported": ["mcp", "notes:read"]})
        );
    }
    assert!(resource.page("/mcp").is_none() && resource.page(&format!("{path}/x")).is_none());
    let metadata = format!("Bearer resource_metadata=\"https://skills.example.com{path}/mcp\"");
    for (reason, error) in [
        (Reason::Missing, ""),
        (Reason::Audience, ", error=\"invalid_token\""),
        (Reason::Scope, ", error=\"insufficient_scope\""),
    ] {
        let challenge = resource.challenge(reason).unwrap();
        let expected = format!("{metadata}{error}, scope=\"mcp notes:read\"");
        assert_eq!(challenge.to_str().unwrap(), expected);
    }
}
