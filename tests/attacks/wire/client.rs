//! A client that writes bytes, whatever they are.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::LONG;

/// A connection, and what was read of it and not used.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// The head of a request to call something, without its length.
pub(super) const HEAD: &str = "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n";

/// A whole request, with these lines in its head as well.
pub(super) fn request(more: &str, body: &str) -> String {
    format!("{HEAD}{more}content-length: {}\r\n\r\n{body}", body.len())
}

/// A message that calls a tool.
pub(super) fn calling(tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

/// A message that begins as those of 2025 do.
pub(super) fn hello() -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string()
}

impl Client {
    pub(super) async fn connect(to: SocketAddr, source: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Little is taken by the kernel for a client that does not read.
        socket.set_recv_buffer_size(4096).unwrap();
        socket
            .bind(SocketAddr::new(source.parse().unwrap(), 0))
            .unwrap();
        Self {
            stream: socket.connect(to).await.unwrap(),
            read: Vec::new(),
        }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends as much as is taken; none once the host has closed.
    pub(super) async fn try_send(&mut self, bytes: &[u8]) -> Option<()> {
        let sent = tokio::time::timeout(LONG, self.stream.write_all(bytes)).await;
        sent.unwrap().ok()
    }

    pub(super) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.answer().await
    }

    pub(super) async fn call(&mut self, tool: &str, arguments: &Value) -> Reply {
        self.ask(request("", &calling(tool, arguments))).await
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> Reply {
        self.try_answer().await.unwrap()
    }

    /// The next answer; none if the connection ends instead.
    pub(super) async fn try_answer(&mut self) -> Option<Reply> {
        tokio::time::timeout(LONG, self.parse()).await.unwrap()
    }

    /// Waits until the host has closed the connection.
    pub(super) async fn closed(&mut self) {
        let rest = async { while self.more().await.is_some() {} };
        tokio::time::timeout(LONG, rest).await.unwrap();
    }

    async fn parse(&mut self) -> Option<Reply> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                break String::from_utf8(head).unwrap();
            }
            self.more().await?;
        };
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut reply = Reply {
            status,
            headers,
            body: String::new(),
        };
        let body = match reply.header("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()).await?,
            None if reply.header("transfer-encoding").is_some() => self.chunks().await?,
            None => Vec::new(),
        };
        reply.body = String::from_utf8(body).unwrap();
        Some(reply)
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match find(&self.read, b"\r\n") {
                    Some(end) => break end,
                    None => self.more().await?,
                }
            };
            let line: Vec<u8> = self.read.drain(..end + 2).collect();
            let text = std::str::from_utf8(&line).unwrap().trim();
            let length = usize::from_str_radix(text, 16).unwrap();
            let chunk = self.exactly(length + 2).await?;
            if length == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.more().await?;
        }
        Some(self.read.drain(..length).collect())
    }

    /// Reads more; none at the end.
    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.read).await;
        (read.unwrap_or(0) > 0).then_some(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body, or the last event of a stream.
    pub(super) fn json(&self) -> Value {
        let last = self
            .body
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: "));
        let text = last.unwrap_or(&self.body);
        serde_json::from_str(text).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }
}
