//! What skills log, told to clients: to whom the operator lets them, and of their
//! own calls. In both revisions of MCP, over standard input and over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost_tests::{Assistant, pack};

use crate::desk::Desk;

const LEAVE: &str = "[skill.log-forever]\nlog-to-client = true\n";

const LINES: &str = "log-forever_log-lines";
const FORGE: &str = "log-forever_forge";

/// A home with one skill, which logs, and with this in the configuration.
fn desk(more: &str) -> Desk {
    let desk = Desk::new();
    desk.configure(&format!("[trust]\npreset = \"permissive\"\n{more}"));
    fs::create_dir_all(desk.path("data/skillhost/skills")).unwrap();
    desk.component(
        "data/skillhost/skills/log-forever",
        &pack::rust("log_forever"),
    );
    desk
}

/// A client of 2025-11-25, and what it was told in the hello.
fn greeted(desk: &Desk) -> (Assistant, Value) {
    let mut assistant = desk.serve_without_hello();
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    let answer = assistant.request("initialize", &hello);
    assistant.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    (assistant, answer["result"]["capabilities"].clone())
}

/// What was told before the last answer.
fn heard(assistant: &mut Assistant) -> Vec<Value> {
    std::iter::from_fn(|| assistant.notified("notifications/message", Duration::ZERO))
        .map(|message| message["params"].clone())
        .collect()
}

fn set_level(assistant: &mut Assistant, level: &str) -> Value {
    assistant.request("logging/setLevel", &json!({"level": level}))
}

fn info(text: &str) -> Value {
    json!({"level": "info", "logger": "log-forever", "data": {"message": text}})
}

fn forged() -> Value {
    let text = r#"first\nsecond \u{1b}[2J\r{"event":"skill.loaded"}"#;
    json!({"level": "error", "logger": "log-forever", "data": {"message": text}})
}

#[test]
fn a_client_hears_the_log_of_its_own_calls_in_order_and_within_limits() {
    let desk = desk(LEAVE);
    let (mut assistant, offered) = greeted(&desk);
    assert_eq!(offered["logging"], json!({}));

    assistant.call(LINES, &json!({"lines": 100}));
    let expected: Vec<_> = (0..100).map(|line| info(&format!("line {line}"))).collect();
    assert_eq!(heard(&mut assistant), expected);
    assistant.call(LINES, &json!({"lines": 10_000}));
    let lines = heard(&mut assistant);
    assert_eq!((lines.len(), &lines[199]), (200, &info("line 199")));
    assistant.call(FORGE, &json!({}));
    assert_eq!(heard(&mut assistant), [forged()]);

    assert_eq!(set_level(&mut assistant, "warning")["result"], json!({}));
    assistant.call(LINES, &json!({"lines": 3}));
    assistant.call(FORGE, &json!({}));
    assert_eq!(heard(&mut assistant), [forged()]);
    let wrong = set_level(&mut assistant, "loud");
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
    assert_eq!(set_level(&mut assistant, "emergency")["result"], json!({}));
    assistant.call(FORGE, &json!({}));
    assert_eq!(heard(&mut assistant), [Value::Null; 0]);
    let _ = assistant.end();
}

#[test]
fn without_the_operators_leave_nobody_hears_a_log_or_is_offered_one() {
    for more in ["", "[skill.other]\nlog-to-client = true\n"] {
        let desk = desk(more);
        let (mut assistant, offered) = greeted(&desk);
        assert_eq!(offered.get("logging"), None);
        for level in ["debug", "loud"] {
            let answer = set_level(&mut assistant, level);
            assert_eq!(answer["error"]["code"], -32601, "{answer}");
        }
        assistant.call(LINES, &json!({"lines": 3}));
        assert_eq!(heard(&mut assistant), [Value::Null; 0]);
        let _ = assistant.end();
    }
}

/// The parameters of a request of 2026-07-28 that wants to hear from there on.
fn of_2026(mut params: Value, level: &Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if !level.is_null() {
        params["_meta"]["io.modelcontextprotocol/logLevel"] = level.clone();
    }
    params
}

#[test]
fn a_client_of_2026_hears_what_each_request_asks_for() {
    let call = json!({"name": LINES, "arguments": {"lines": 2}});
    for (more, told) in [(LEAVE, 2), ("", 0)] {
        let desk = desk(more);
        let mut assistant = desk.serve_without_hello();
        for (level, told) in [
            (Value::Null, 0),
            (json!("debug"), told),
            (json!("info"), told),
            (json!("error"), 0),
            (json!("loud"), 0),
            (Value::Null, 0),
        ] {
            let answer = assistant.request("tools/call", &of_2026(call.clone(), &level));
            assert_eq!(answer["result"]["isError"], false, "{level}: {answer}");
            assert_eq!(heard(&mut assistant).len(), told, "{level}");
        }
        let level = of_2026(json!({"level": "debug"}), &Value::Null);
        let answer = assistant.request("logging/setLevel", &level);
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
        let _ = assistant.end();
    }
}

/// A host that serves HTTP to anybody on this machine.
struct Served {
    process: Child,
    address: String,
}

impl Served {
    fn start(desk: &Desk) -> Self {
        let mut process = desk.serve_http();
        let mut says = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = says.find_map(|line| {
            let line = line.unwrap();
            let rest = line.strip_prefix("listening at http://")?;
            Some(rest.trim_end_matches("/mcp").to_owned())
        });
        // A server whose standard error nobody reads stands still.
        std::thread::spawn(move || says.for_each(drop));
        Self {
            process,
            address: address.unwrap(),
        }
    }

    /// Begins to ask something, as a client of 2025-11-25.
    #[expect(clippy::disallowed_methods, reason = "a client of the host under test")]
    fn ask(&self, method: &str, params: &Value) -> TcpStream {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (address, body) = (&self.address, body.to_string());
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
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

/// All messages of an answer, which is one or a stream of events.
fn messages(mut stream: TcpStream) -> Vec<Value> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let messages: Vec<_> = answer
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)).ok())
        .filter(Value::is_object)
        .collect();
    assert_ne!(messages, [Value::Null; 0], "{answer}");
    messages
}

#[test]
fn m18_nobody_hears_the_log_of_anothers_call() {
    let desk = desk(LEAVE);
    let served = Served::start(&desk);
    let call = |tool: &str, arguments: &Value| {
        served.ask("tools/call", &json!({"name": tool, "arguments": arguments}))
    };
    for _ in 0..5 {
        let mine = call(LINES, &json!({"lines": 20}));
        let yours = call(FORGE, &json!({}));
        let (mine, yours) = (messages(mine), messages(yours));
        let told = |of: &[Value]| -> Vec<Value> {
            let mut told = of.iter().map(|it| it["params"].clone()).collect::<Vec<_>>();
            assert_eq!(told.pop(), Some(Value::Null), "the answer is the last");
            told
        };
        let lines: Vec<_> = (0..20).map(|line| info(&format!("line {line}"))).collect();
        assert_eq!(told(&mine), lines);
        assert_eq!(told(&yours), [forged()]);
    }
    // A level is taken, and no other request knows of it.
    let taken = messages(served.ask("logging/setLevel", &json!({"level": "emergency"})));
    assert_eq!(taken[0]["result"], json!({}), "{taken:?}");
    let wrong = messages(served.ask("logging/setLevel", &json!({"level": "loud"})));
    assert_eq!(wrong[0]["error"]["code"], -32602, "{wrong:?}");
    let answer = messages(call(FORGE, &json!({})));
    assert_eq!(answer.len(), 2, "{answer:?}");
}
