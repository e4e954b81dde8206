//! An HTTP server on loopback that answers every request in one way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

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
}

impl Server {
    /// Starts listening on a free port.
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let server = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::clone(&heads),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, reply.clone(), Arc::clone(&heads)));
            }
        });
        server
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

/// A client that goes away ends the answer; that is no failure of the test.
async fn serve(
    mut stream: TcpStream,
    reply: Reply,
    heads: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    heads.lock().unwrap().push(head);
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
    }
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
