use std::net::Ipv4Addr;
use std::sync::Mutex;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use tokio::net::UdpSocket;

use super::*;

/// How many lookups wait at once.
const LOOKUPS: usize = 100;

/// A network whose only name server is at that address.
fn asking(server: SocketAddr) -> SystemNetwork {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![connection]);
    let resolver = resolver(vec![server], ResolveHosts::Never).unwrap();
    SystemNetwork(Arc::new(OnceLock::from(Ok(resolver))))
}

async fn name_server() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// Files and threads of this process.
fn footprint() -> (usize, usize) {
    let count = |folder| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[tokio::test]
async fn r29_a_name_server_that_never_answers_pins_nothing() {
    let server = name_server().await;
    let network = asking(server.local_addr().unwrap());
    let (files, threads) = footprint();
    let lookups = (0..LOOKUPS).map(|number| {
        let network = network.clone();
        async move {
            let name = format!("stalled-{number}.test");
            tokio::time::timeout(Duration::from_millis(200), network.resolve(&name)).await
        }
    });
    let ended = futures_util::future::join_all(lookups).await;
    assert!(ended.iter().all(Result::is_err), "a lookup was answered");
    let (_, busy) = footprint();
    // Other tests of this process come and go; a thread for each name does not.
    assert!(
        busy < threads + LOOKUPS / 2,
        "{busy} threads, {threads} before"
    );

    // What was asked, was asked; and nothing waits for an answer any more.
    tokio::time::timeout(Duration::from_secs(10), async {
        while footprint().0 >= files + LOOKUPS / 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("descriptors of lookups that ended are closed");
}

#[tokio::test]
async fn names_are_asked_for_as_they_are_and_answers_are_not_kept() {
    let server = name_server().await;
    let network = asking(server.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answering = tokio::spawn(answer(server, Arc::clone(&asked)));
    for _ in 0..2 {
        let found = network.resolve("public.test").await.unwrap();
        assert_eq!(found, [IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34))]);
    }
    answering.abort();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 4, "two kinds of address, twice: {asked:?}");
    assert!(asked.iter().all(|name| name == "public.test"), "{asked:?}");
}

/// Answers each question for an IPv4 address, and every other one with nothing
/// (RFC 1035, section 4.1).
async fn answer(server: UdpSocket, asked: Arc<Mutex<Vec<String>>>) {
    let mut question = [0; 512];
    loop {
        let (length, from) = server.recv_from(&mut question).await.unwrap();
        let (name, end) = name_at_12(&question[..length]);
        asked.lock().unwrap().push(name);
        let is_v4 = question[end..end + 2] == [0, 1];
        let mut reply = Vec::from(&question[..2]);
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
        reply.extend(&question[12..end + 4]);
        if is_v4 {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34]);
        }
        server.send_to(&reply, from).await.unwrap();
    }
}

/// The name of the question, and where its type begins.
fn name_at_12(question: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] > 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}
