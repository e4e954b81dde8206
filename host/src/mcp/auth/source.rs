//! Where attempts come from, and a table of sources that never grows.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address, as far as one party has it for itself: of IPv6, the first 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl From<SocketAddr> for Source {
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => Self(IpAddr::V4(ip)),
            IpAddr::V6(ip) if ip.is_loopback() => Self(IpAddr::V6(ip)),
            IpAddr::V6(ip) => {
                let network = ip.to_bits() & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(ip) if !ip.is_loopback() => write!(f, "{ip}/64"),
            ip => write!(f, "{ip}"),
        }
    }
}

/// Places of one row: who is looked up is compared with so many.
const WAYS: usize = 8;

/// What is known of each of so many names. There is a place for each, and when
/// all in its row are taken, whoever was seen longest ago is forgotten. Which row
/// that is, nobody outside can tell.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    rows: Vec<Vec<Place<K, V>>>,
    hasher: RandomState,
    /// Counts look-ups.
    now: u64,
}

#[derive(Debug)]
struct Place<K, V> {
    name: K,
    value: V,
    seen: u64,
}

impl<K: Hash + Eq + Copy, V: Default> Table<K, V> {
    /// One with room for `places` names, in rows of eight.
    pub(super) fn new(places: usize) -> Self {
        let rows = (places / WAYS).max(1);
        Self {
            rows: std::iter::repeat_with(Vec::new).take(rows).collect(),
            hasher: RandomState::new(),
            now: 0,
        }
    }

    /// What is known of a name; nothing yet of one that is not there. None if the
    /// table has no rows.
    pub(super) fn of(&mut self, name: K) -> Option<&mut V> {
        self.now += 1;
        let now = self.now;
        let rows = u64::try_from(self.rows.len()).ok()?;
        let row = usize::try_from(self.hasher.hash_one(name) % rows).ok()?;
        let row = self.rows.get_mut(row)?;
        let at = match row.iter().position(|place| place.name == name) {
            Some(at) => at,
            None => make_room(row, name, now),
        };
        let place = row.get_mut(at)?;
        place.seen = now;
        Some(&mut place.value)
    }
}

fn make_room<K, V: Default>(row: &mut Vec<Place<K, V>>, name: K, now: u64) -> usize {
    let place = Place {
        name,
        value: V::default(),
        seen: now,
    };
    if row.len() < WAYS {
        row.push(place);
        return row.len() - 1;
    }
    let oldest = row.iter().enumerate().min_by_key(|(_, place)| place.seen);
    let at = oldest.map_or(0, |(at, _)| at);
    if let Some(oldest) = row.get_mut(at) {
        *oldest = place;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> String {
        Source::from(SocketAddr::new(address.parse().unwrap(), 1)).to_string()
    }

    #[test]
    fn m03_who_has_a_network_of_ipv6_is_one_source() {
        assert_eq!(source("192.0.2.7"), "192.0.2.7");
        assert_eq!(source("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::1"), "::1");
    }

    #[test]
    fn m03_a_million_sources_take_no_more_room_than_some() {
        let mut table: Table<u32, u32> = Table::new(256);
        for name in 0..1_000_000 {
            *table.of(name).unwrap() += 1;
        }
        let places: usize = table.rows.iter().map(Vec::len).sum();
        assert_eq!(places, 256);
        // Whoever was seen last is known.
        assert_eq!(*table.of(999_999).unwrap(), 1);
        assert!(table.rows.iter().all(|row| row.capacity() <= 2 * WAYS));
    }
}
