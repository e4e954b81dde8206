//! A server on loopback that takes what is posted to it, and answers as it was
//! told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything that is posted takes.
const LONG: Duration = Duration::from_secs(20);

/// One request.
#[derive(Debug, Clone)]
pub struct Post {
    /// Method and path.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// What was posted.
    pub body: Vec<u8>,
}

impl Post {
    /// The value of a header.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it == name);
        &found
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
            .1
    }
}

/// The server, as long as the test's runtime.
#[derive(Debug)]
pub struct Inbox {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Inbox {
    /// Answers the first requests with these statuses and headers, as in `503
    /// Busy\r\nretry-after: 1`, and all further ones with 200.
    pub async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inbox = Self {
            address: listener.local_addr().unwrap(),
            posts: Arc::default(),
        };
        let posts = Arc::clone(&inbox.posts);
        let answers = answers.to_vec();
        let mut answers = answers.into_iter();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.next().unwrap_or("200 OK");
                tokio::spawn(take(stream, answer, Arc::clone(&posts)));
            }
        });
        inbox
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was posted so far.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// Waits for that many requests.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub async fn wait_for(&self, count: usize) -> Vec<Post> {
        let enough = async {
            while self.posts().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let came = tokio::time::timeout(LONG, enough).await;
        assert!(came.is_ok(), "{} of {count} came", self.posts().len());
        self.posts()
    }
}

/// A client that goes away is no failure of the test.
async fn take(
    mut stream: TcpStream,
    answer: &str,
    posts: Arc<Mutex<Vec<Post>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let line = lines.next().unwrap().replace(" HTTP/1.1", "");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    posts.lock().unwrap().push(Post {
        line,
        headers,
        body,
    });
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
