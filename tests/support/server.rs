//! An HTTP server on loopback that answers every request in one way, or by path.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These bytes, and then the end.
    Once(Vec<u8>),
    /// The first bytes, and then the second ones without end.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
    /// The first bytes, and then one more each time that this has passed.
    Trickle(Vec<u8>, Duration),
    /// What each path has of its own.
    ByPath(Files),
}

/// Replies by path, such as `/a/b.json`. Others are not found.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<String, Reply>>>);

impl Files {
    /// Answers at that path from now on.
    pub fn put(&self, path: &str, reply: Reply) {
        self.0.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Answers no longer at that path.
    pub fn remove(&self, path: &str) {
        self.0.lock().unwrap().remove(path);
    }

    /// The reply to a request that begins with `head`.
    fn reply(&self, head: &str) -> Reply {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let found = self.0.lock().unwrap().get(path).cloned();
        found.unwrap_or_else(|| Reply::head("404 Not Found", "content-length: 0\r\n\r\n"))
    }
}

impl Reply {
    /// Status 200 and that body.
    #[must_use]
    pub fn ok(body: &str) -> Self {
        Self::head(
            "200 OK",
            &format!("content-length: {}\r\n\r\n{body}", body.len()),
        )
    }

    /// A status line, and what follows it.
    #[must_use]
    pub fn head(status: &str, rest: &str) -> Self {
        Self::Once(format!("HTTP/1.1 {status}\r\n{rest}").into_bytes())
    }
}

/// A server that runs as long as the test's runtime.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<Connections>,
}

/// How many connections there were, and how many of them are open.
#[derive(Debug, Default)]
struct Connections {
    all: AtomicUsize,
    open: AtomicUsize,
}

impl Server {
    /// Starts listening on a free port.
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let connections: Arc<Connections> = Arc::default();
        let server = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::clone(&heads),
            connections: Arc::clone(&connections),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = serve(stream, reply.clone(), Arc::clone(&heads));
                tokio::spawn(count(served, Arc::clone(&connections)));
            }
        });
        server
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.all.load(Ordering::SeqCst)
    }

    /// Waits until no connection is open, for two seconds at most.
    pub async fn all_closed(&self) {
        let closed = async {
            while self.connections.open.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(2), closed).await;
        assert!(closed.is_ok(), "connections are left open");
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Request lines and headers of every request, in order.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn count(served: impl Future<Output = std::io::Result<()>>, connections: Arc<Connections>) {
    connections.all.fetch_add(1, Ordering::SeqCst);
    connections.open.fetch_add(1, Ordering::SeqCst);
    let _ = served.await;
    connections.open.fetch_sub(1, Ordering::SeqCst);
}

/// A client that goes away ends the answer; that is no failure of the test.
async fn serve(
    mut stream: TcpStream,
    reply: Reply,
    heads: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    let reply = match reply {
        Reply::ByPath(files) => files.reply(&head),
        other => other,
    };
    let length = declared_length(&head);
    heads.lock().unwrap().push(head);
    // Who closes a connection with a request unread on it takes back its answer.
    stream.read_exact(&mut vec![0; length]).await?;
    match reply {
        Reply::Once(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Endless(start, more) => {
            stream.write_all(&start).await?;
            loop {
                stream.write_all(&more).await?;
            }
        }
        Reply::Silence => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(drop)
        }
        Reply::Trickle(start, pause) => {
            stream.write_all(&start).await?;
            loop {
                tokio::time::sleep(pause).await;
                stream.write_all(b"x").await?;
            }
        }
        Reply::ByPath(_) => unreachable!("a path has a reply of its own"),
    }
}

/// How long the request says that its body is.
fn declared_length(head: &str) -> usize {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let declared = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    declared.map_or(0, |(_, length)| length.parse().unwrap())
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
