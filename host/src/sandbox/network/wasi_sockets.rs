//! `wasi:sockets` for skills that ask for raw connections: wasmtime-wasi's
//! sockets under our judge, each counted while it is open, and a name lookup of
//! our own. wasmtime-wasi's is never linked: it asks the system's resolver for
//! any name.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::vec;

use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, LinkOptions, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sockets::{
    instance_network, network, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, Pollable, SocketResult, TcpSocket, UdpSocket,
    subscribe,
};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

use super::super::State;
use super::reach::Unresolved;
use super::sockets::{Lookup, Sockets};

// Interfaces of which parts are ours; the version is wasmtime-wasi's.
const TCP: &str = "wasi:sockets/tcp@0.2.12";
const CREATE_TCP: &str = "wasi:sockets/tcp-create-socket@0.2.12";
const UDP: &str = "wasi:sockets/udp@0.2.12";
const CREATE_UDP: &str = "wasi:sockets/udp-create-socket@0.2.12";
const NAMES: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// What a function of these interfaces returns.
type Answer<T> = std::result::Result<T, ErrorCode>;

type Accepted = (
    Resource<TcpSocket>,
    Resource<DynInputStream>,
    Resource<DynOutputStream>,
);

/// Offers the whole of `wasi:sockets`. Whether any of it may be used, the grant
/// decides at each use.
pub(in crate::sandbox) fn link(linker: &mut Linker<State>) -> Result<()> {
    tcp::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    tcp_create_socket::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    udp::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    udp_create_socket::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    instance_network::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    network::add_to_linker::<State, WasiSockets>(linker, &LinkOptions::default(), State::sockets)?;
    linker.allow_shadowing(true);
    count_tcp(linker)?;
    count_udp(linker)?;
    linker.allow_shadowing(false);
    link_names(linker)
}

fn count_tcp(linker: &mut Linker<State>) -> Result<()> {
    linker.instance(CREATE_TCP)?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, State>, (family,): (IpAddressFamily,)| {
            let state = store.data_mut();
            Ok((state.opened(
                |state| state.sockets().create_tcp_socket(family),
                Resource::rep,
            )?,))
        },
    )?;
    let mut tcp = linker.instance(TCP)?;
    tcp.func_wrap(
        "[method]tcp-socket.accept",
        |mut store: StoreContextMut<'_, State>, (listener,): (Resource<TcpSocket>,)| {
            let state = store.data_mut();
            let accept = |state: &mut State| state.sockets().accept(listener);
            Ok((state.opened(accept, |accepted: &Accepted| accepted.0.rep())?,))
        },
    )?;
    tcp.resource(
        "tcp-socket",
        ResourceType::host::<TcpSocket>(),
        |mut store, socket| {
            let state = store.data_mut();
            state.open.remove(&socket);
            tcp::HostTcpSocket::drop(&mut state.sockets(), Resource::new_own(socket))
        },
    )
}

fn count_udp(linker: &mut Linker<State>) -> Result<()> {
    linker.instance(CREATE_UDP)?.func_wrap_async(
        "create-udp-socket",
        |mut store: StoreContextMut<'_, State>, (family,): (IpAddressFamily,)| {
            Box::new(async move {
                let state = store.data_mut();
                let Some(open) = state.room() else {
                    return Ok((Err(ErrorCode::NewSocketLimit),));
                };
                let created = state.sockets().create_udp_socket(family).await;
                if let Ok(socket) = &created {
                    state.open.insert(socket.rep(), open);
                }
                Ok((answer(created)?,))
            })
        },
    )?;
    linker.instance(UDP)?.resource(
        "udp-socket",
        ResourceType::host::<UdpSocket>(),
        |mut store, socket| {
            let state = store.data_mut();
            state.open.remove(&socket);
            udp::HostUdpSocket::drop(&mut state.sockets(), Resource::new_own(socket))
        },
    )
}

fn answer<T>(result: SocketResult<T>) -> Result<Answer<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

impl State {
    fn room(&self) -> Option<super::reach::Open> {
        self.raw.as_ref().and_then(|sockets| sockets.open())
    }

    /// Counts the socket that `open` makes until it is closed.
    fn opened<T>(
        &mut self,
        open: impl FnOnce(&mut Self) -> SocketResult<T>,
        socket: impl FnOnce(&T) -> u32,
    ) -> Result<Answer<T>> {
        let Some(room) = self.room() else {
            return Ok(Err(ErrorCode::NewSocketLimit));
        };
        let made = answer(open(self))?;
        if let Ok(made) = &made {
            self.open.insert(socket(made), room);
        }
        Ok(made)
    }

    fn look_up(&mut self, name: &str) -> Result<Answer<Resource<Names>>> {
        let Some(sockets) = &self.raw else {
            return Ok(Err(ErrorCode::AccessDenied));
        };
        let names = match sockets.look_up(name) {
            Lookup::Known(addresses) => Names::Known(addresses.into_iter()),
            Lookup::Ask(name) => Names::Waiting(Box::pin(ask(Arc::clone(sockets), name))),
            Lookup::Denied => return Ok(Err(ErrorCode::AccessDenied)),
            Lookup::Invalid => return Ok(Err(ErrorCode::InvalidArgument)),
        };
        Ok(Ok(self.table.push(names)?))
    }
}

fn link_names(linker: &mut Linker<State>) -> Result<()> {
    let mut names = linker.instance(NAMES)?;
    names.resource(
        "resolve-address-stream",
        ResourceType::host::<Names>(),
        |mut store, names| {
            let names: Resource<Names> = Resource::new_own(names);
            store.data_mut().table.delete(names)?;
            Ok(())
        },
    )?;
    names.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, State>, (network, name): (Resource<Network>, String)| {
            let state = store.data_mut();
            state.table.get(&network)?;
            Ok((state.look_up(&name)?,))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: StoreContextMut<'_, State>, (names,): (Resource<Names>,)| {
            Ok((store.data_mut().table.get_mut(&names)?.next(),))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, State>, (names,): (Resource<Names>,)| {
            let pollable: Resource<DynPollable> = subscribe(&mut store.data_mut().table, names)?;
            Ok((pollable,))
        },
    )
}

/// What becomes known of a name.
type Found = std::result::Result<Vec<IpAddr>, Unresolved>;

async fn ask(sockets: Arc<Sockets>, name: String) -> Found {
    sockets.ask(&name).await
}

/// The addresses of one name, one after the other.
enum Names {
    Waiting(Pin<Box<dyn Future<Output = Found> + Send>>),
    Known(vec::IntoIter<IpAddr>),
    Failed(ErrorCode),
}

impl Names {
    fn next(&mut self) -> Answer<Option<IpAddress>> {
        let mut context = Context::from_waker(Waker::noop());
        match self.poll(&mut context) {
            Poll::Pending => Err(ErrorCode::WouldBlock),
            Poll::Ready(()) => match self {
                Self::Known(addresses) => Ok(addresses.next().map(IpAddress::from)),
                Self::Failed(code) => Err(*code),
                Self::Waiting(_) => Err(ErrorCode::WouldBlock),
            },
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(lookup) = self {
            *self = match ready!(lookup.as_mut().poll(context)) {
                Ok(addresses) => Self::Known(addresses.into_iter()),
                Err(Unresolved::Late) => Self::Failed(ErrorCode::TemporaryResolverFailure),
                // To the guest there is no difference.
                Err(Unresolved::Missing | Unresolved::Refused(..)) => {
                    Self::Failed(ErrorCode::NameUnresolvable)
                }
            };
        }
        Poll::Ready(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Names {
    async fn ready(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }
}
