//! A chat assistant: speaks MCP 2025-11-25 to a server that it starts.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// Nothing that is waited for takes nearly so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and what it says.
#[derive(Debug)]
pub struct Assistant {
    server: Child,
    input: Option<ChildStdin>,
    answers: Receiver<Value>,
    errors: Option<JoinHandle<String>>,
    requests: u64,
    /// What was said and not asked for, and was not waited for yet.
    unasked: VecDeque<Value>,
}

impl Assistant {
    /// Starts the server and says hello, with these fields more than are
    /// needed.
    pub fn start(command: &mut Command, more: &Value) -> Self {
        let mut assistant = Self::spawn(command);
        let mut hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        merge(&mut hello, more);
        let answer = assistant.request("initialize", &hello);
        assert_eq!(
            answer["result"]["protocolVersion"], "2025-11-25",
            "{answer}"
        );
        assistant.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assistant
    }

    /// Starts the server, and says nothing yet.
    pub fn spawn(command: &mut Command) -> Self {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut server = piped.spawn().unwrap();
        let (send, answers) = channel();
        let output = BufReader::new(server.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines() {
                let message = serde_json::from_str(&line.unwrap()).unwrap();
                // The test may have seen enough.
                let _ = send.send(message);
            }
        });
        let mut stderr = server.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self {
            input: server.stdin.take(),
            server,
            answers,
            errors: Some(errors),
            requests: 0,
            unasked: VecDeque::new(),
        }
    }

    /// Calls a tool; the whole answer.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// Asks anything, and waits for the answer.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.answers.recv_timeout(PATIENCE).unwrap();
            if message["id"] == id {
                return message;
            }
            self.unasked.push_back(message);
        }
    }

    /// The next notification of that name; none if it does not come within that
    /// time.
    pub fn notified(&mut self, method: &str, within: Duration) -> Option<Value> {
        let is_meant = |message: &Value| message["method"] == method;
        if let Some(at) = self.unasked.iter().position(is_meant) {
            return self.unasked.remove(at);
        }
        loop {
            let message = self.answers.recv_timeout(within).ok()?;
            if is_meant(&message) {
                return Some(message);
            }
            self.unasked.push_back(message);
        }
    }

    /// Starts the server without a hello, as in the revision of 2026-07-28.
    pub fn without_hello(command: &mut Command) -> Self {
        Self::spawn(command)
    }

    /// Calls a tool, and gives these results to what the server asks meanwhile;
    /// the answer, and what was asked. What is asked when there are none left has
    /// no result.
    pub fn call_answering(
        &mut self,
        tool: &str,
        arguments: &Value,
        results: &[Value],
    ) -> (Value, Vec<Value>) {
        self.requests += 1;
        let id = self.requests;
        let params = json!({"name": tool, "arguments": arguments});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
        let (mut asked, mut results) = (Vec::new(), results.iter());
        loop {
            let message = self.answers.recv_timeout(PATIENCE).unwrap();
            if message.get("method").is_none() && message["id"] == id {
                return (message, asked);
            }
            if message.get("method").is_none() || message.get("id").is_none() {
                continue;
            }
            if let Some(result) = results.next() {
                self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
            }
            asked.push(message);
        }
    }

    /// Says something, and waits for nothing.
    pub fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{message}").unwrap();
        input.flush().unwrap();
    }

    /// Writes these bytes, whatever they are.
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    /// The next message that is no notification.
    pub fn heard(&mut self) -> Value {
        loop {
            let earlier = self.unasked.pop_front();
            let message = earlier.unwrap_or_else(|| self.answers.recv_timeout(PATIENCE).unwrap());
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    /// The server's process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.server.id()
    }

    /// Says good-bye; what the server wrote on standard error. It must have
    /// ended well.
    #[must_use]
    pub fn end(self) -> String {
        self.rest().1
    }

    /// Says good-bye; the messages that nobody read yet, notifications aside,
    /// and what the server wrote on standard error. It must have ended well.
    #[must_use]
    pub fn rest(mut self) -> (Vec<Value>, String) {
        self.input = None;
        let status = self.server.wait().unwrap();
        let errors = self.errors.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {errors}");
        let unasked = std::mem::take(&mut self.unasked);
        let all = unasked.into_iter().chain(self.answers.iter());
        let rest = all.filter(|it| it.get("method").is_none()).collect();
        (rest, errors)
    }
}

/// A server outlives no test, whatever comes of it.
impl Drop for Assistant {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn merge(object: &mut Value, more: &Value) {
    let object = object.as_object_mut().unwrap();
    object.extend(more.as_object().cloned().unwrap_or_default());
}
