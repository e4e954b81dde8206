//! N12, N19: raw connections, each kind as a program would make them.

use std::io::{ErrorKind, Read, Result as IoResult, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use skillhost_sdk::prelude::*;

/// Sends a text over TCP and returns all that comes back.
#[tool]
fn exchange(address: String, text: String) -> Result<String> {
    let mut stream = connect(&address)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

/// Tries a connection to each address, and says what came of it.
#[tool]
fn probe(addresses: Vec<String>) -> Result<Vec<String>> {
    let try_one = |address: &String| outcome(connect(address).map(drop));
    Ok(addresses.iter().map(try_one).collect())
}

/// Connects that often and keeps all of it.
#[tool]
fn hold(address: String, count: usize) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    let mut try_one = || {
        let stream = connect(&address)?;
        kept.push(stream);
        Ok(())
    };
    Ok((0..count).map(|_| outcome(try_one())).collect())
}

/// Connects and closes that often.
#[tool]
fn reconnect(address: String, count: usize) -> Result<Vec<String>> {
    let try_one = |_| outcome(connect(&address).map(drop));
    Ok((0..count).map(try_one).collect())
}

/// Sends a datagram and returns the one that comes back.
#[tool]
fn datagram(address: String, text: String) -> Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(text.as_bytes(), address)?;
    let mut reply = [0; 1024];
    let (length, _) = socket.recv_from(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
}

/// Says what comes of a datagram to each address.
#[tool]
fn datagrams(addresses: Vec<String>) -> Result<Vec<String>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let send = |address: &String| outcome(socket.send_to(b"x", address).map(drop));
    Ok(addresses.iter().map(send).collect())
}

/// Accepts one connection and returns what it says.
#[tool]
fn accept(address: String) -> Result<String> {
    let (mut stream, _) = TcpListener::bind(address)?.accept()?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Says what comes of listening on each address.
#[tool]
fn listen(addresses: Vec<String>, udp: bool) -> Result<Vec<String>> {
    let try_one = |address: &String| {
        if udp {
            outcome(UdpSocket::bind(address).map(drop))
        } else {
            outcome(TcpListener::bind(address).map(drop))
        }
    };
    Ok(addresses.iter().map(try_one).collect())
}

/// The addresses of each name, or what went wrong.
#[tool]
fn resolve(names: Vec<String>) -> Result<Vec<String>> {
    Ok(names.iter().map(|name| addresses(name)).collect())
}

fn addresses(name: &str) -> String {
    match (name, 0).to_socket_addrs() {
        Ok(found) => {
            let found: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            found.join(" ")
        }
        Err(_error) => "none".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "that is what this guest is for")]
fn connect(address: &str) -> IoResult<TcpStream> {
    TcpStream::connect(address)
}

fn outcome(result: IoResult<()>) -> String {
    match result.map_err(|error| error.kind()) {
        Ok(()) => "ok".to_owned(),
        Err(ErrorKind::PermissionDenied) => "denied".to_owned(),
        Err(kind) => format!("{kind:?}"),
    }
}

skillhost_sdk::export!(
    exchange, probe, hold, reconnect, datagram, datagrams, accept, listen, resolve
);
