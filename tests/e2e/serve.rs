//! `skillhost serve --http`, as an operator starts and stops it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use skillhost_tests::pack;

use crate::desk::Desk;

/// Longer than anything takes that is waited for here.
const LONG: Duration = Duration::from_secs(60);

/// A desk with these guests installed, and what else the configuration says.
fn desk(guests: &[&str], more: &str) -> Desk {
    let desk = Desk::new();
    for guest in guests {
        let skill = desk.install(&pack::skill_name(guest), &pack::rust(guest));
        desk.key().sign_file(&skill, None).unwrap();
    }
    desk.configure(&format!("[trust]\npreset = \"permissive\"\n{more}"));
    desk
}

/// A host that serves, and what it has still to say.
struct Served {
    process: Child,
    says: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Served {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let mut process = desk.spawn_heard(arguments);
        let mut says = BufReader::new(process.stderr.take().unwrap());
        let mut told = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(says.read_line(&mut line).unwrap(), 0, "{told}");
            if let Some((_, address)) = line.split_once("listening at http://") {
                break address.trim().trim_end_matches("/mcp").to_owned();
            }
            told += &line;
        };
        Self {
            process,
            says,
            address,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a client of the host")]
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Begins to call a tool.
    fn call(&self, tool: &str, arguments: &Value) -> TcpStream {
        let params = json!({"name": tool, "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let body = body.to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = self.connect();
        stream.write_all((head + &body).as_bytes()).unwrap();
        stream
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.process);
        kill_process(process, signal).unwrap();
    }

    /// Its exit code, and what it said since it listens.
    fn end(mut self) -> (i32, String) {
        let mut told = String::new();
        self.says.read_to_string(&mut told).unwrap();
        (self.process.wait().unwrap().code().unwrap(), told)
    }
}

/// A server outlives no test, whatever comes of it.
impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn m01_what_others_would_reach_does_not_start() {
    let desk = desk(&["echo"], "");
    let override_on = [
        ("SKILLHOST_ENV", "development"),
        ("SKILLHOST_ALLOW_UNSIGNED", "true"),
    ];
    for (arguments, variables, told) in [
        (
            &["0.0.0.0:0"][..],
            &[][..],
            "nobody would have to prove who they are",
        ),
        (&["[::]:0"], &[], "nobody would have to prove who they are"),
        (
            &["0.0.0.0:0", "--no-auth"],
            &[],
            "nobody would have to prove who they are",
        ),
        (
            &["0.0.0.0:0"],
            &override_on,
            "nobody would have to prove who they are",
        ),
        (&["127.0.0.1:0"], &[], "would be let in"),
        (&[], &[], "would be let in"),
    ] {
        let arguments = [&["serve", "--http"], arguments].concat();
        let ran = desk.skillhost_seeing(variables, "", &arguments).code(2);
        assert!(ran.stderr.contains(told), "{arguments:?}: {ran:#?}");
        let hint = "hint: Make a key with `skillhost keys create NAME`";
        assert!(ran.stderr.contains(hint), "{arguments:?}: {ran:#?}");
    }
    let ran = desk.skillhost(&["serve", "--no-auth"]).code(2);
    assert!(ran.stderr.contains("--http"), "{ran:#?}");
    for wrong in ["localhost:8808", "127.0.0.1"] {
        let ran = desk.skillhost(&["serve", "--http", wrong]).code(2);
        assert!(ran.stderr.contains("write ADDRESS:PORT"), "{ran:#?}");
    }
}

#[test]
fn m19_a_signal_ends_the_host_and_a_second_one_at_once() {
    let desk = desk(&["echo", "sleep_forever"], "[http]\ndrain = \"1h\"\n");
    let served = Served::start(&desk, &["serve", "--http", "127.0.0.1:0", "--no-auth"]);
    let answer = rest(served.call("echo_echo", &json!({"text": "canary"})));
    assert!(answer.contains("\"canary\""), "{answer}");

    let mut sleeper = served.call("sleep-forever_sleep", &json!({}));
    sleeper
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let waits = sleeper.read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock, "it runs");
    sleeper.set_read_timeout(Some(LONG)).unwrap();
    served.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    served.signal(Signal::INT);
    let answer = rest(sleeper);
    assert!(
        answer.contains("\"dev.skillhost/kind\":\"Cancelled\""),
        "{answer}"
    );
    let (code, told) = served.end();
    assert_eq!(code, 0, "{told}");

    let audit = desk.audit();
    let named = |name: &str| -> Vec<&Value> {
        audit
            .iter()
            .filter(|record| record["event"] == name)
            .collect()
    };
    let kinds: Vec<&Value> = named("invocation.finished")
        .into_iter()
        .map(|record| &record["kind"])
        .collect();
    assert_eq!(kinds, [&Value::Null, &json!("Cancelled")]);
    assert_eq!(named("server.started")[0]["authentication"], "none");
    let stopped = named("server.stopped")[0];
    assert_eq!(
        (&stopped["running"], &stopped["cancelled"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let desk = desk(&["echo"], "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = desk
        .skillhost(&["serve", "--no-auth", "--http", &address])
        .code(2);
    assert!(ran.stderr.contains("hint: End what listens"), "{ran:#?}");
}

#[test]
fn the_configuration_says_where_to_listen_and_the_command_line_wins() {
    let desk = desk(&["echo"], "[http]\nlisten = \"127.0.0.2:0\"\n");
    for (arguments, host) in [
        (&["serve", "--http", "--no-auth"][..], "127.0.0.2:"),
        (
            &["serve", "--no-auth", "--http", "127.0.0.3:0"],
            "127.0.0.3:",
        ),
    ] {
        let served = Served::start(&desk, arguments);
        assert!(served.address.starts_with(host), "{}", served.address);
        let mut stream = served.connect();
        let head = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        assert!(rest(stream).starts_with("HTTP/1.1 200 "));
        served.signal(Signal::TERM);
        assert_eq!(served.end().0, 0);
    }
}
