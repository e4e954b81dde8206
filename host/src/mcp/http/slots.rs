//! Places that are taken and given back: so many in all, and so many for each
//! source, so that one cannot take them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::sync::watch;

/// Places that are taken and given back.
#[derive(Debug)]
pub(super) struct Slots {
    all: u32,
    each: u32,
    held: watch::Sender<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: u32,
    by_source: HashMap<IpAddr, u32>,
}

/// Which limit leaves no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Source,
}

impl Slots {
    pub(super) fn new(all: NonZeroU32, each: NonZeroU32) -> Arc<Self> {
        Arc::new(Self {
            all: all.get(),
            each: each.get(),
            held: watch::Sender::default(),
        })
    }

    /// A place for somebody of that source.
    pub(super) fn take(self: &Arc<Self>, source: IpAddr) -> Result<Slot, Full> {
        let mut taken = Ok(());
        self.held.send_if_modified(|held| {
            taken = held.take(source, self.all, self.each);
            taken.is_ok()
        });
        taken.map(|()| Slot {
            slots: Arc::clone(self),
            source,
        })
    }

    /// Ends when none is taken.
    pub(super) async fn all_free(&self) {
        let mut held = self.held.subscribe();
        // The sender is here, so that it cannot be gone.
        let _free = held.wait_for(|held| held.all == 0).await;
    }
}

impl Held {
    fn take(&mut self, source: IpAddr, all: u32, each: u32) -> Result<(), Full> {
        if self.all >= all {
            return Err(Full::All);
        }
        let own = self.by_source.entry(source).or_default();
        if *own >= each {
            return Err(Full::Source);
        }
        *own = own.saturating_add(1);
        self.all = self.all.saturating_add(1);
        Ok(())
    }

    fn give_back(&mut self, source: IpAddr) {
        self.all = self.all.saturating_sub(1);
        if let Some(own) = self.by_source.get_mut(&source) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    source: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots
            .held
            .send_modify(|held| held.give_back(self.source));
    }
}

/// What counts as one source: an IPv4 address, or the 64 bits of an IPv6 address
/// that a network is given; whoever has one has all of it.
pub(super) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(all: u32, each: u32) -> Arc<Slots> {
        Slots::new(all.try_into().unwrap(), each.try_into().unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        source(text.parse().unwrap())
    }

    #[tokio::test]
    async fn m11_one_source_does_not_take_all_places() {
        let slots = slots(3, 2);
        let [greedy, honest] = [ip("10.0.0.1"), ip("10.0.0.2")];
        let first = slots.take(greedy).unwrap();
        let second = slots.take(greedy).unwrap();
        assert_eq!(slots.take(greedy).unwrap_err(), Full::Source);
        let third = slots.take(honest).unwrap();
        assert_eq!(slots.take(honest).unwrap_err(), Full::All);
        drop(first);
        let first = slots.take(greedy).unwrap();
        drop((first, second, third));
        slots.all_free().await;
        assert!(slots.held.borrow().by_source.is_empty());
    }

    #[test]
    fn m11_a_network_is_one_source() {
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_eq!(ip("::ffff:10.0.0.1"), ip("10.0.0.1"));
        assert_ne!(ip("10.0.0.1"), ip("10.0.0.2"));
    }
}
