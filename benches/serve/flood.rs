//! Wrong keys by the thousand, while somebody with a right one is served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::client::{Clients, head};
use super::figures;
use super::server::Server;

/// Connections of whoever tries keys.
const SOURCES: u64 = 16;

/// Has `attempts` wrong keys tried while an honest client calls. Each call of
/// that client is answered, or this panics; how long they took is printed beside
/// how long they take when nobody else is there.
pub(crate) fn flood(mut server: Server, attempts: u64, turn: Duration) {
    let Clients::Http(honest) = &server.clients else {
        unreachable!("it listens")
    };
    let address = honest.address();
    server.clients.call(1, turn);
    let quiet = figures(server.clients.call(1, turn));
    let (left, refused) = (AtomicU64::new(attempts), AtomicU64::new(0));
    let during = thread::scope(|scope| {
        for source in 0..SOURCES {
            let (left, refused) = (&left, &refused);
            scope.spawn(move || try_keys(address, source, left, refused));
        }
        let mut took = Vec::new();
        while left.load(Ordering::Relaxed) > 0 {
            took.extend(server.clients.call(1, Duration::from_millis(20)));
        }
        figures(took)
    });
    println!(
        "{attempts} wrong keys, {} refused: an honest client's p50 {:.1} us, p99 {:.1} us; alone {:.1} and {:.1}, ratios {:.2} and {:.2}",
        refused.load(Ordering::Relaxed),
        during.p50,
        during.p99,
        quiet.p50,
        quiet.p99,
        during.p50 / quiet.p50,
        during.p99 / quiet.p99,
    );
    assert_eq!(refused.into_inner(), attempts, "a wrong key was taken");
}

fn try_keys(address: SocketAddr, source: u64, left: &AtomicU64, refused: &AtomicU64) {
    let take = |left: u64| left.checked_sub(1);
    while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
        let key = format!("skh_{source:08}_{number:043}");
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "{}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}",
            head(address, Some(&key))
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // A connection that is cut off behind its answer is one that was refused.
        let _whole_or_not = stream.read_to_string(&mut answer);
        let is_refusal = ["401", "429", "503"]
            .iter()
            .any(|status| answer.starts_with(&format!("HTTP/1.1 {status}")));
        assert!(is_refusal, "{answer:?}");
        refused.fetch_add(1, Ordering::Relaxed);
    }
}
