//! `skillhost keys`, and whom `serve --http` lets in.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use skillhost_tests::{Says, pack};

use crate::desk::Desk;

/// What is tried while somebody is served.
const TRIES: usize = 10_000;

const TRUST: &str =
    "[trust]\nthreshold = 1\npreset = \"permissive\"\nsigners.author.keys = [\"author.pub\"]\n";

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "https://skills.example.com/mcp";

/// A home with two skills, `says` and `honest`, each with the tool `run`.
fn desk(more: &str) -> Desk {
    let desk = Desk::new();
    desk.write("config/skillhost/author.pub", desk.key().public().to_pem());
    desk.configure(&format!("{TRUST}{more}"));
    let skills = desk.path("data/skillhost/skills");
    fs::create_dir_all(&skills).unwrap();
    let _says = pack::write_signed(&skills, "says", &Says::new("hi").component(), desk.key());
    let _honest = pack::write_signed(&skills, "honest", &pack::text("honest"), desk.key());
    desk
}

/// A key for somebody; its text.
fn key(desk: &Desk, arguments: &[&str]) -> String {
    let made = desk
        .skillhost(&[&["keys", "create"], arguments].concat())
        .code(0);
    made.stdout.trim_end().to_owned()
}

/// A host that serves HTTP, ended when it is dropped.
struct Served {
    child: Child,
    address: SocketAddr,
    errors: BufReader<ChildStderr>,
}

impl Served {
    fn start(desk: &Desk) -> Self {
        let mut child = desk.spawn_heard(&["serve", "--http", "127.0.0.1:0"]);
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(errors.read_line(&mut line).unwrap(), 0, "{said}");
            if let Some((_, rest)) = line.split_once("listening at http://") {
                break rest.trim_end().trim_end_matches("/mcp").parse().unwrap();
            }
            said += &line;
        };
        Self {
            child,
            address,
            errors,
        }
    }

    fn client(&self) -> Client {
        Client::of(self.address)
    }

    /// Asks with a key or token; the status, and the answer as JSON.
    fn ask(&self, token: &str, method: &str, params: &Value) -> (u16, Value) {
        let answer = self.client().call(&bearer(token), method, params);
        (answer.status, answer.json())
    }

    /// What the host wrote until it ended.
    fn end(mut self) -> String {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let mut said = String::new();
        self.errors.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "a client of the host under test")]
    fn of(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            address,
            stream: BufReader::new(stream),
        }
    }

    fn call(&mut self, headers: &str, method: &str, params: &Value) -> Reply {
        let mut params = params.clone();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2025-11-25",
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send("POST", "/mcp", headers, &body.to_string())
    }

    /// A host that closes the connection gets the request again on another.
    fn send(&mut self, verb: &str, path: &str, headers: &str, body: &str) -> Reply {
        let address = self.address;
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nhost: {address}\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        for _ in 0..3 {
            if let Some(reply) = self.try_once(&request) {
                if reply
                    .headers
                    .get("connection")
                    .is_some_and(|it| it == "close")
                {
                    *self = Self::of(address);
                }
                return reply;
            }
            *self = Self::of(address);
        }
        panic!("no answer to {verb} {path}");
    }

    fn try_once(&mut self, request: &str) -> Option<Reply> {
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .ok()
            .filter(|read| *read > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(Reply {
            status,
            headers,
            body: String::from_utf8(body).ok()?,
        })
    }
}

fn tools(list: &Value) -> Vec<&str> {
    let tools = list["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{list}"));
    let mut names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_key_is_shown_once_listed_without_its_secret_and_revoked() {
    let desk = desk("");
    let listed = desk.skillhost(&["keys", "list"]).code(0);
    assert_eq!(listed.stdout, "");
    let ran = desk
        .skillhost(&["keys", "create", "ci", "--expires", "90 days"])
        .code(0);
    let text = ran.stdout.trim_end();
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    let [_, id, secret] = text.splitn(3, '_').collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    assert!(text.starts_with("skh_") && !ran.stderr.contains(secret));
    let arguments = [
        "--tools",
        "says/*",
        "--tools",
        "honest/run",
        "dev",
        "--rate",
        "60/min",
        "--json",
    ];
    let other = [&["keys", "create"][..], &arguments].concat();
    let other = desk.skillhost(&other).code(0).json();
    assert_eq!(other["tools"], json!(["says/*", "honest/run"]));
    assert!(other["key"].as_str().unwrap().starts_with("skh_"));

    let listed = desk.skillhost(&["keys", "list"]).code(0).stdout;
    let row = listed.lines().find(|row| row.starts_with(id)).unwrap();
    assert!(
        row.contains("  ci  ") && row.contains("expires") && row.contains("all tools"),
        "{row}"
    );
    let listed = desk.skillhost(&["keys", "list", "--json"]).code(0);
    assert_eq!(listed.json().as_array().unwrap().len(), 2);
    let file = desk.path("data/skillhost/bearer-keys.json");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let everywhere = format!("{}{:?}", fs::read_to_string(&file).unwrap(), listed);
    assert!(!everywhere.contains(secret), "{everywhere}");

    let nearly = format!("skh_1{id}_{secret}");
    for told in [
        desk.skillhost(&["keys", "revoke", &nearly]).code(2),
        desk.skillhost(&["keys", "revoke", text]).code(0),
        desk.skillhost(&["keys", "revoke", id]).code(2),
    ] {
        assert!(!told.stderr.contains(secret), "{told:?}");
    }
    let left = desk.skillhost(&["keys", "list", "--json"]).code(0).json();
    assert_eq!(left[0]["id"], other["id"]);
    for wrong in [
        &["keys", "create", "local"][..],
        &["keys", "create", "oauth.alice"],
        &["keys", "create", "Ci"],
        &["keys", "create", "ci", "--rate", "fast"],
        &["keys", "create", "ci", "--tools", "*/run"],
        &["keys", "create", "ci", "--expires", "0s"],
        &["keys", "revoke", "../../x"],
    ] {
        desk.skillhost(wrong).code(2);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = desk.skillhost(&["keys", "list", "--json"]).code(2).json();
    assert_eq!(refused["kind"], "ConfigInsecure", "{refused}");
}

#[test]
fn m16_a_log_is_offered_to_those_who_see_a_skill_that_has_one() {
    let desk = desk("[skill.says]\nlog-to-client = true\n");
    let sees = key(&desk, &["ci", "--tools", "says/*"]);
    let others = key(&desk, &["ci", "--tools", "honest/*"]);
    let served = Served::start(&desk);
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    let offered = |token: &str| {
        let (_, answer) = served.ask(token, "initialize", &hello);
        assert!(
            answer["result"]["capabilities"]["tools"].is_object(),
            "{answer}"
        );
        answer["result"]["capabilities"].get("logging").cloned()
    };
    let set = |token: &str| {
        let (_, answer) = served.ask(token, "logging/setLevel", &json!({"level": "info"}));
        answer["error"]["code"].clone()
    };
    assert_eq!((offered(&sees), set(&sees)), (Some(json!({})), Value::Null));
    assert_eq!((offered(&others), set(&others)), (None, json!(-32601)));
    served.end();
}

#[test]
fn m16_each_caller_sees_and_calls_what_its_key_allows_and_learns_of_nothing_else() {
    let desk = desk("[principal.dev]\ntools.deny = [\"honest/run\"]\n");
    let all = key(&desk, &["ci"]);
    let served = Served::start(&desk);
    let scoped = key(&desk, &["ci", "--tools", "says/*"]);
    let denied = key(&desk, &["dev"]);
    let list = |token: &str| served.ask(token, "tools/list", &json!({}));
    let call = |token: &str, tool: &str| {
        let params = json!({"name": tool, "arguments": {}});
        let (status, mut answer) = served.ask(token, "tools/call", &params);
        answer["error"]["status"] = json!(status);
        answer
    };
    assert_eq!(tools(&list(&all).1), ["honest_run", "says_run"]);
    assert_eq!(call(&all, "honest_run")["result"]["isError"], false);
    for token in [&scoped, &denied] {
        assert_eq!(tools(&list(token).1), ["says_run"]);
        assert_eq!(call(token, "says_run")["result"]["isError"], false);
        // What is hidden, what there is not, and what is suspended read the same.
        let mut answers = Vec::new();
        for (hidden, absent) in [
            ("honest_run", "absent_run"),
            ("honest_other", "honest_absent"),
        ] {
            let [hidden, absent] = [hidden, absent].map(|tool| {
                let answer = call(token, tool)["error"].to_string();
                answer.replace(tool, "TOOL")
            });
            assert_eq!(hidden, absent);
            answers.push(hidden);
        }
        assert!(
            answers[0].contains("There is no tool") && answers[0] == answers[1],
            "{answers:?}"
        );
    }
    desk.skillhost(&["suspend", "honest", "--reason", "Why not."])
        .code(0);
    let hidden = call(&scoped, "honest_run")["error"].to_string();
    assert!(
        hidden.contains("There is no tool `honest_run`."),
        "{hidden}"
    );
    served.end();
    let rejected: Vec<_> = desk
        .audit()
        .into_iter()
        .filter(|it| it["event"] == "request.rejected")
        .collect();
    assert!(rejected.iter().any(|it| {
        it["rule"]
            .as_str()
            .unwrap()
            .starts_with("the tools of the key ")
    }));
    assert!(
        rejected.iter().all(|it| it["kind"] == "Forbidden"),
        "{rejected:?}"
    );
}

#[test]
fn keys_count_and_lapse_while_the_host_serves() {
    let desk = desk("[auth]\n");
    let served = Served::start(&desk);
    let ask = |token: &str| served.ask(token, "tools/list", &json!({})).0;
    let text = key(&desk, &["ci"]);
    let id = text.split('_').nth(1).unwrap();
    assert_eq!(ask(&text), 200);
    let rated = key(&desk, &["ci", "--rate", "2/h"]);
    let call = || {
        let params = json!({"name": "says_run", "arguments": {}});
        served.ask(&rated, "tools/call", &params).1["result"]["_meta"]["dev.skillhost/kind"].clone()
    };
    assert_eq!(
        [call(), call(), call()],
        [json!(null), json!(null), json!("RateLimited")]
    );
    // Another key of the same caller has an account of its own.
    assert_eq!(ask(&text), 200);
    desk.skillhost(&["keys", "revoke", id]).code(0);
    assert_eq!(ask(&text), 401);
    let brief = key(&desk, &["ci", "--expires", "1s"]);
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask(&brief), 401);
    served.end();
    let log = desk.audit();
    let of = |event: &str| {
        log.iter()
            .filter(|it| it["event"] == event)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(
        of("auth.failed")
            .iter()
            .all(|it| it["source"] == "127.0.0.1" && it["method"] == "bearer")
    );
    assert_eq!(of("auth.failed").len(), 2);
    assert!(
        of("invocation.started")
            .iter()
            .all(|it| it["principal"] == "ci")
    );
}

#[test]
fn m03_ten_thousand_wrong_keys_lock_out_nobody_who_has_a_right_one() {
    let desk = desk("");
    let good = bearer(&key(&desk, &["ci"]));
    let served = Served::start(&desk);
    let (over, tried) = (AtomicBool::new(false), AtomicUsize::new(0));
    let call = json!({"name": "says_run", "arguments": {}});
    let be_served = |is_over: &dyn Fn() -> bool| {
        let (mut client, mut times) = (served.client(), Vec::new());
        while !is_over() || times.len() < 100 {
            let start = now();
            let answer = client.call(&good, "tools/call", &call);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["result"]["isError"], false, "{answer:?}");
            times.push(start.elapsed());
        }
        times.sort_unstable();
        (times.len(), times[times.len() * 99 / 100])
    };
    let _compiled = be_served(&|| true);
    let usual = be_served(&|| true);
    let statuses = thread::scope(|scope| {
        let attack = || {
            let (mut client, mut statuses) = (served.client(), Vec::new());
            loop {
                let number = tried.fetch_add(1, Ordering::Relaxed);
                if number >= TRIES {
                    return statuses;
                }
                let wrong = format!("skh_aaaaaaaa_{}{number:05}", "A".repeat(38));
                statuses.push(
                    client
                        .call(&bearer(&wrong), "tools/list", &json!({}))
                        .status,
                );
            }
        };
        let attackers: Vec<_> = (0..4).map(|_| scope.spawn(attack)).collect();
        let honest = scope.spawn(|| be_served(&|| over.load(Ordering::Relaxed)));
        let statuses: Vec<u16> = attackers
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect();
        over.store(true, Ordering::Relaxed);
        let attacked = honest.join().unwrap();
        assert!(usual.0 > 0 && attacked.0 > 0, "{usual:?}, {attacked:?}");
        statuses
    });
    assert_eq!(statuses.len(), TRIES);
    assert!(statuses.iter().all(|it| matches!(it, 401 | 429)));
    assert!(statuses.iter().filter(|it| **it == 401).count() <= 64);
    served.end();
    let log = desk.audit();
    let count = |event: &str| log.iter().filter(|it| it["event"] == event).count();
    assert!(
        (1..100).contains(&count("auth.failed")),
        "{}",
        count("auth.failed")
    );
    assert!(
        (1..100).contains(&count("auth.throttled")),
        "{}",
        count("auth.throttled")
    );
}

#[test]
fn m02_m04_what_was_sent_to_get_in_is_nowhere_to_be_found() {
    let desk = desk("");
    let text = key(&desk, &["ci"]);
    let served = Served::start(&desk);
    let wrong = format!("{}B", &text[..text.len() - 1]);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let mut client = served.client();
    let mut send = |path: &str, headers: &str| client.send("POST", path, headers, &body);
    assert_eq!(send("/mcp", &bearer(&text)).status, 200);
    let mut replies = Vec::new();
    for (path, headers) in [
        ("/mcp".to_owned(), bearer(&wrong)),
        (
            "/mcp".to_owned(),
            format!("{}{}", bearer(&text), bearer(&text)),
        ),
        ("/mcp".to_owned(), "authorization: null\r\n".to_owned()),
        ("/mcp".to_owned(), format!("authorization: {text}\r\n")),
    ] {
        let reply = send(&path, &headers);
        assert_eq!(reply.status, 401, "{path} {headers} {reply:?}");
        assert!(
            reply.headers["www-authenticate"].contains("invalid_token"),
            "{reply:?}"
        );
        replies.push(reply);
    }
    assert!(replies.iter().all(|reply| reply.body == replies[0].body));
    let in_address = send(&format!("/mcp?access_token={text}"), &bearer(&text));
    assert_eq!(in_address.status, 400, "{in_address:?}");
    replies.push(in_address);
    let missing = send("/mcp", "");
    assert_eq!(
        (missing.status, missing.headers["www-authenticate"].as_str()),
        (401, "Bearer realm=\"skillhost\"")
    );
    let said = served.end();
    let secret = &text.splitn(3, '_').last().unwrap()[..20];
    assert!(!said.contains(secret), "{said}");
    assert!(!format!("{replies:?}").contains(secret));
    for file in desk.files().into_iter().filter(|file| file.is_file()) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|it| it == secret.as_bytes());
        assert!(!found, "{}", file.display());
    }
}

/// An issuer whose keys lie in a file.
struct Issuer(EcdsaKeyPair);

impl Issuer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn keys(&self) -> String {
        let point = self.0.public_key().as_ref();
        let (x, y) = (
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..]),
        );
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": x, "y": y}]}).to_string()
    }

    fn token(&self, audience: &str, scope: &str) -> String {
        let ends = Timestamp::now().as_second() + 600;
        let claims =
            json!({"iss": ISSUER, "aud": audience, "sub": "Alice", "exp": ends, "scope": scope});
        let parts = [json!({"alg": "ES256", "kid": "a"}), claims];
        let message = parts
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let signature = self
            .0
            .sign(&SystemRandom::new(), message.as_bytes())
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[test]
fn m17_a_token_is_taken_for_this_audience_and_goes_no_further() {
    let issuer = Issuer::new();
    let desk = desk(&format!(
        "[auth.oauth]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks = \"jwks.json\"\n\
         required-scope = \"mcp\"\nscopes.\"says\" = [\"says/*\"]\n"
    ));
    desk.write("config/skillhost/jwks.json", issuer.keys());
    let served = Served::start(&desk);
    let list = |token: &str| {
        served
            .client()
            .call(&bearer(token), "tools/list", &json!({}))
    };
    let page = served
        .client()
        .send("GET", "/.well-known/oauth-protected-resource/mcp", "", "");
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.json()["resource"], AUDIENCE);
    assert_eq!(page.json()["authorization_servers"], json!([ISSUER]));

    let good = issuer.token(AUDIENCE, "mcp says");
    assert_eq!(tools(&list(&good).json()), ["says_run"]);
    let called = served.ask(
        &good,
        "tools/call",
        &json!({"name": "says_run", "arguments": {}}),
    );
    assert_eq!(called.1["result"]["isError"], false, "{called:?}");
    for (token, status, challenge) in [
        (
            issuer.token("https://other.example.com", "mcp says"),
            401,
            "error=\"invalid_token\"",
        ),
        (
            Issuer::new().token(AUDIENCE, "mcp says"),
            401,
            "error=\"invalid_token\"",
        ),
        (
            issuer.token(AUDIENCE, "says"),
            403,
            "error=\"insufficient_scope\", scope=\"mcp says\"",
        ),
    ] {
        let refused = list(&token);
        assert_eq!(refused.status, status, "{refused:?}");
        let said = &refused.headers["www-authenticate"];
        assert!(
            said.contains(challenge) && said.contains("resource_metadata="),
            "{said}"
        );
    }
    let said = served.end();
    let log = format!("{said}{:?}", desk.audit());
    assert!(
        log.contains("\"oauth-") && log.contains("another audience"),
        "{log}"
    );
    assert!(good.split('.').all(|part| !log.contains(part)), "{log}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is printed of a test, and decides nothing"
)]
fn now() -> Instant {
    Instant::now()
}
