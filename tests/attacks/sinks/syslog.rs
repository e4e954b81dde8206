//! Events as messages of syslog.

use serde_json::Value;
use skillhost::event::sink::{Address, Destination, SinkSettings, SyslogSettings};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket, UnixDatagram};

use super::{assert_no_secret, bench, call, call_secretly, close, recorded, sink, told};

fn daemon(address: &str) -> SinkSettings {
    let to = SyslogSettings {
        address: Address::parse(address, true).unwrap(),
        facility: "local3".parse().unwrap(),
    };
    sink("syslog", Destination::Syslog(to))
}

/// The event of a message, whose parts are those of RFC 5424.
fn read(message: &str) -> Value {
    let (head, json) = message.split_once("] ").unwrap();
    let event: Value = serde_json::from_str(json).unwrap();
    let parts: Vec<&str> = head.splitn(7, ' ').collect();
    let severity = match event["severity"].as_str().unwrap() {
        "high" => 2,
        "warning" => 4,
        _ => 6,
    };
    assert_eq!(parts[0], format!("<{}>1", 19 * 8 + severity), "{message}");
    let microseconds: jiff::Timestamp = parts[1].parse().unwrap();
    let nanoseconds: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(microseconds.as_microsecond(), nanoseconds.as_microsecond());
    assert_eq!(
        (parts[3], parts[5]),
        ("skillhost", event["event"].as_str().unwrap())
    );
    assert_eq!(parts[4], std::process::id().to_string());
    assert!(parts[6].starts_with("[skillhost@32473 run=\""), "{message}");
    let sequence = format!(" sequence=\"{}\"", event["sequence"]);
    assert!(parts[6].contains(&sequence), "{message}");
    if let Some(skill) = event["skill"].as_str() {
        assert!(
            parts[6].contains(&format!(" skill=\"{skill}\"")),
            "{message}"
        );
    }
    assert_no_secret(message.as_bytes());
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_daemon_gets_what_was_recorded_over_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    let bench = bench(vec![daemon(&address)], |_| {}).await;
    call(&bench).await;
    call_secretly(&bench).await;
    close(&bench);
    let mut events = Vec::new();
    let mut datagram = vec![0; 65_536];
    while let Ok(length) = socket.try_recv(&mut datagram) {
        events.push(read(std::str::from_utf8(&datagram[..length]).unwrap()));
    }
    assert_eq!(events, recorded(&bench));
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_daemon_gets_what_was_recorded_over_a_socket_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    let reading = tokio::spawn(async move {
        let mut events = Vec::new();
        let mut datagram = vec![0; 65_536];
        loop {
            let length = socket.recv(&mut datagram).await.unwrap();
            let event = read(std::str::from_utf8(&datagram[..length]).unwrap());
            let is_last = event["kind"] == "UnknownTool" && event["event"] == "invocation.finished";
            events.push(event);
            if is_last {
                return events;
            }
        }
    });
    let bench = bench(vec![daemon(&format!("unix:{}", path.display()))], |_| {}).await;
    call(&bench).await;
    call_secretly(&bench).await;
    close(&bench);
    assert_eq!(reading.await.unwrap(), recorded(&bench));
    assert_eq!(told(&bench, "syslog"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_daemon_gets_what_was_recorded_over_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let reading = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    let bench = bench(vec![daemon(&address)], |_| {}).await;
    call(&bench).await;
    call_secretly(&bench).await;
    close(&bench);
    let text = reading.await.unwrap();
    let (mut rest, mut events) = (text.as_str(), Vec::new());
    while let Some((length, message)) = rest.split_once(' ') {
        let (message, more) = message.split_at(length.parse().unwrap());
        events.push(read(message));
        rest = more;
    }
    assert_eq!(events, recorded(&bench));
}
