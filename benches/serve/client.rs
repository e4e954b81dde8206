//! Clients that call the echo, each again as soon as it has its answer. They do
//! as little as they can: they share the machine with the server.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// The most clients of one server.
pub(crate) const MAX_CLIENTS: usize = 64;

/// The revision of the protocol that most clients speak.
const VERSION: &str = "2025-11-25";

/// What every answer holds, and no failure.
const TEXT: &str = "hello";

/// All clients of one server.
pub(crate) enum Clients {
    Stdio(Pipes),
    Http(Connections),
}

impl Clients {
    /// Has so many of them call for that long; how long each call took.
    pub(crate) fn call(&mut self, clients: usize, time: Duration) -> Vec<Duration> {
        match self {
            Self::Stdio(pipes) => pipes.call(clients, time),
            Self::Http(connections) => connections.call(clients, time),
        }
    }
}

fn message(id: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo_echo","arguments":{{"text":"{TEXT}"}}}}}}"#
    )
}

#[track_caller]
fn check(answer: &str) {
    let is_good = answer.contains(TEXT) && !answer.contains(r#""isError":true"#);
    assert!(is_good, "{answer}");
}

/// The input and the output of a server. Its clients share them, as the calls
/// of one assistant do that come at once.
pub(crate) struct Pipes {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last_id: u64,
    line: String,
}

impl Pipes {
    /// Says hello.
    pub(crate) fn open(input: ChildStdin, output: ChildStdout) -> Self {
        let mut pipes = Self {
            input,
            output: BufReader::new(output),
            last_id: 0,
            line: String::new(),
        };
        pipes.send(&format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1"}}}}}}"#
        ));
        pipes.receive();
        pipes.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        pipes
    }

    fn call(&mut self, clients: usize, time: Duration) -> Vec<Duration> {
        let end = Instant::now() + time;
        let mut waiting = HashMap::new();
        let mut took = Vec::new();
        for _ in 0..clients {
            self.begin(&mut waiting);
        }
        while !waiting.is_empty() {
            self.receive();
            let start: Instant = waiting.remove(&self.id()).unwrap();
            took.push(start.elapsed());
            check(&self.line);
            if Instant::now() < end {
                self.begin(&mut waiting);
            }
        }
        took
    }

    fn begin(&mut self, waiting: &mut HashMap<u64, Instant>) {
        self.last_id += 1;
        waiting.insert(self.last_id, Instant::now());
        self.send(&message(self.last_id));
    }

    fn send(&mut self, message: &str) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).unwrap();
    }

    fn receive(&mut self) {
        self.line.clear();
        let read = self.output.read_line(&mut self.line).unwrap();
        assert_ne!(read, 0, "the server ended");
    }

    /// Which call the line answers.
    fn id(&self) -> u64 {
        let (_, rest) = self.line.split_once(r#""id":"#).unwrap();
        let digits = rest.split(|it: char| !it.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    }
}

/// A connection for each client. They last for one turn: a server does not keep
/// those for long on which nobody says anything.
pub(crate) struct Connections {
    runtime: Runtime,
    address: SocketAddr,
    key: Option<String>,
}

struct Connection {
    stream: TcpStream,
    head: String,
    received: Vec<u8>,
}

impl Connections {
    /// To a server that wants that key, if any.
    pub(crate) fn to(address: SocketAddr, key: Option<String>) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        Self {
            runtime,
            address,
            key,
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn call(&self, clients: usize, time: Duration) -> Vec<Duration> {
        self.runtime.block_on(async {
            let key = self.key.as_deref();
            let connections = (0..clients).map(|_| Connection::open(self.address, key));
            let mut connections = join_all(connections).await;
            let end = Instant::now() + time;
            let took = join_all(connections.iter_mut().map(|it| it.call(end))).await;
            took.into_iter().flatten().collect()
        })
    }
}

impl Connection {
    async fn open(address: SocketAddr, key: Option<&str>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            head: head(address, key),
            received: Vec::new(),
        }
    }

    async fn call(&mut self, end: Instant) -> Vec<Duration> {
        let mut took = Vec::new();
        while took.is_empty() || Instant::now() < end {
            let start = Instant::now();
            self.send(&message(1)).await;
            let answer = self.receive().await;
            took.push(start.elapsed());
            check(&answer);
        }
        took
    }

    async fn send(&mut self, message: &str) {
        let request = format!(
            "{}Content-Length: {}\r\n\r\n{message}",
            self.head,
            message.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    /// The next answer, its head included.
    async fn receive(&mut self) -> String {
        self.received.clear();
        loop {
            let read = self.stream.read_buf(&mut self.received).await.unwrap();
            assert_ne!(read, 0, "the server hung up");
            let text = str::from_utf8(&self.received).unwrap();
            if is_whole(text) {
                return text.to_owned();
            }
        }
    }
}

/// The head of a request, but for its length.
pub(crate) fn head(address: SocketAddr, key: Option<&str>) -> String {
    let key = key.map_or(String::new(), |key| {
        format!("Authorization: Bearer {key}\r\n")
    });
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\n{key}Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: {VERSION}\r\n"
    )
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().unwrap())
    });
    body.len() == length.unwrap()
}
