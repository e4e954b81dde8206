//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pace::{Pace, Paced, Slow};
use super::refusals::Broken;
use super::route::Front;
use super::slots::{Full, Slot, source};

/// Fields of a request's head.
const MAX_FIELDS: usize = 64;

/// What somebody is told for whom there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

const SLOW_HEAD: Broken = Broken {
    limit: "header-timeout",
    reason: "The head of a request took too long.",
};

const SLOW_TAKING: Broken = Broken {
    limit: "write-timeout",
    reason: "The client did not take its answer in time.",
};

const NO_HEAD: Broken = Broken {
    limit: "header-bytes",
    reason: "The head of a request is too large, or none of HTTP/1.1.",
};

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Who it is.
    pub(super) from: SocketAddr,
    /// What counts as one source of it.
    pub(super) source: IpAddr,
    /// The address of this host that it reached.
    pub(super) own: IpAddr,
}

/// Serves a connection until its client goes, is too slow, or the host ends.
pub(super) async fn converse(front: Arc<Front>, stream: TcpStream, from: SocketAddr, _place: Slot) {
    // Small answers would wait 40 ms for the client's acknowledgement.
    let _slower = stream.set_nodelay(true);
    let Ok(own) = stream.local_addr() else {
        return;
    };
    let peer = Peer {
        from,
        source: source(from.ip()),
        own: own.ip().to_canonical(),
    };
    let Some(tls) = &front.tls else {
        return speak(front, stream, peer).await;
    };
    let shaken = tls.acceptor().accept(stream);
    match timeout(front.settings.limits.header_timeout, shaken).await {
        Ok(Ok(stream)) => speak(front, stream, peer).await,
        Ok(Err(cause)) => tracing::debug!(%cause, "no TLS with a client"),
        Err(_too_slow) => front.refusals.wire(peer.source, SLOW_HEAD),
    }
}

async fn speak<S>(front: Arc<Front>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let pace = Pace::new(front.settings.limits);
    let stream = TokioIo::new(Paced::new(stream, Arc::clone(&pace)));
    let head = usize::try_from(front.settings.limits.header_bytes).unwrap_or(usize::MAX);
    let answers = service_fn(|request| {
        let (front, serving) = (Arc::clone(&front), pace.serve());
        async move { Ok::<_, Infallible>(front.answer(request, peer, serving).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(head)
            .max_headers(MAX_FIELDS)
            .serve_connection(stream, answers)
    );
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = front.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    let broken = match (pace.broken(), ended) {
        (Some(Slow::Head), _) => SLOW_HEAD,
        (Some(Slow::Taking), _) => SLOW_TAKING,
        (None, Err(cause)) if cause.is_parse() => NO_HEAD,
        (Some(Slow::Idle), _) | (None, _) => return,
    };
    front.refusals.wire(peer.source, broken);
}

impl Front {
    /// A place for a connection.
    pub(super) fn place(&self, from: SocketAddr) -> Result<Slot, Full> {
        self.connections.take(source(from.ip()))
    }

    /// Tells somebody for whom there is no place to come again. It takes no time
    /// and no place: what cannot be written at once is not.
    pub(super) fn turn_away(&self, stream: TcpStream, from: SocketAddr, full: Full) {
        let (limit, reason) = match full {
            Full::All => ("connections", "There are as many connections as are taken."),
            Full::Source => (
                "connections-per-source",
                "There are as many connections of this source as are taken.",
            ),
        };
        self.refusals
            .wire(source(from.ip()), Broken { limit, reason });
        if let (None, Ok(mut stream)) = (&self.tls, stream.into_std()) {
            let _told = stream.write(NO_PLACE);
        }
    }
}
