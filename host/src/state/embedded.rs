//! One store: a redb database with one skill's entries.
//!
//! Values come from guests, so each commit is in two phases: redb's checksums
//! are not made to withstand somebody who chooses what is stored.

use std::fmt;
use std::ops::Bound;

use jiff::Timestamp;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageBackend, TableDefinition, WriteTransaction,
};

use super::{Change, Entry, MAX_PAGE, Page, Quota, Refused, Store, Stored};

/// Version, the millisecond since 1970 at which it is over, and the value, by
/// key.
const ENTRIES: TableDefinition<'_, &str, (u64, Option<u64>, &[u8])> =
    TableDefinition::new("entries");

/// Which entries are over when, in order.
const EXPIRIES: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("expiries");

/// Who signed every release that used the store.
const OWNERS: TableDefinition<'_, &str, ()> = TableDefinition::new("owners");

/// The numbers below, by name.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// The version that was given last.
const VERSION: &str = "version";

/// Bytes of all keys and values.
const BYTES: &str = "bytes";

/// The format of all this.
const FORMAT: &str = "format";

/// The format that this host reads and writes.
const CURRENT: u64 = 1;

/// Memory for pages of one store, in bytes.
const CACHE: usize = 1024 * 1024;

/// One skill's entries.
pub(super) struct Embedded(Database);

/// What a store holds, for its operator.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) owners: Vec<String>,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Embedded {
    /// Opens a database, or makes one in an empty place. Every page of it is
    /// read: what is broken is found now.
    pub(super) fn open(place: impl StorageBackend) -> Result<Self, DatabaseError> {
        let database = Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create_with_backend(place)?;
        Ok(Self(database))
    }

    /// Makes the tables of a new store.
    pub(super) fn begin(&self) -> Result<(), redb::Error> {
        self.change(|transaction| {
            transaction.open_table(ENTRIES)?;
            transaction.open_table(EXPIRIES)?;
            transaction.open_table(OWNERS)?;
            let mut numbers = transaction.open_table(NUMBERS)?;
            for (name, number) in [(FORMAT, CURRENT), (VERSION, 0), (BYTES, 0)] {
                numbers.insert(name, number)?;
            }
            Ok(())
        })
    }

    /// The format of what lies there.
    ///
    /// # Errors
    ///
    /// Those of redb for what is no store of this host at all.
    pub(super) fn is_current(&self) -> Result<bool, redb::Error> {
        let numbers = self.0.begin_read()?.open_table(NUMBERS)?;
        let format = numbers.get(FORMAT)?.map(|number| number.value());
        Ok(format == Some(CURRENT))
    }

    /// What it holds.
    pub(super) fn figures(&self) -> Result<Figures, redb::Error> {
        let transaction = self.0.begin_read()?;
        let numbers = transaction.open_table(NUMBERS)?;
        Ok(Figures {
            owners: names(&transaction.open_table(OWNERS)?)?,
            entries: transaction.open_table(ENTRIES)?.len()?,
            bytes: numbers.get(BYTES)?.map_or(0, |number| number.value()),
        })
    }

    /// Lets a release in that these have signed. Who signed no longer owns the
    /// store no longer, so that each owner has signed all that used it.
    ///
    /// # Errors
    ///
    /// The owners, if the release is none of theirs.
    pub(super) fn admit(&self, signers: &[&str]) -> Result<Result<(), Vec<String>>, redb::Error> {
        let owners = names(&self.0.begin_read()?.open_table(OWNERS)?)?;
        let signed = |owner: &String| signers.contains(&owner.as_str());
        if owners.is_empty() {
            self.change(|transaction| {
                let mut table = transaction.open_table(OWNERS)?;
                for signer in signers {
                    table.insert(*signer, ())?;
                }
                Ok::<_, redb::Error>(())
            })?;
        } else if !owners.iter().any(signed) {
            return Ok(Err(owners));
        } else if !owners.iter().all(signed) {
            self.change(|transaction| {
                let mut table = transaction.open_table(OWNERS)?;
                table.retain(|owner, ()| signers.contains(&owner))?;
                Ok::<_, redb::Error>(())
            })?;
        }
        Ok(Ok(()))
    }

    /// Forgets whose it is: the next release takes it over.
    pub(super) fn disown(&self) -> Result<(), redb::Error> {
        self.change(|transaction| {
            transaction.open_table(OWNERS)?.retain(|_, ()| false)?;
            Ok(())
        })
    }

    /// Removes every entry. Versions go on, so that one which somebody still
    /// holds fits nothing.
    pub(super) fn clear(&self) -> Result<(), redb::Error> {
        self.disown()?;
        self.change(|transaction| {
            transaction.open_table(ENTRIES)?.retain(|_, _| false)?;
            transaction.open_table(EXPIRIES)?.retain(|_, ()| false)?;
            transaction.open_table(NUMBERS)?.insert(BYTES, 0)?;
            Ok(())
        })
    }

    /// One change, durable when this returns.
    fn change<T, E: From<redb::Error>>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut transaction = self.0.begin_write().map_err(redb::Error::from)?;
        transaction.set_two_phase_commit(true);
        let changed = change(&transaction)?;
        transaction.commit().map_err(redb::Error::from)?;
        Ok(changed)
    }
}

fn names(table: &impl ReadableTable<&'static str, ()>) -> Result<Vec<String>, redb::Error> {
    let name = |entry: Result<(redb::AccessGuard<'_, &str>, _), _>| Ok(entry?.0.value().to_owned());
    table.iter()?.map(name).collect()
}

impl Store for Embedded {
    fn get(&self, key: &str, now: Timestamp) -> Result<Option<Entry>, Refused> {
        let read = || -> Result<_, redb::Error> {
            let entries = self.0.begin_read()?.open_table(ENTRIES)?;
            let entry = entries.get(key)?;
            Ok(entry.and_then(|entry| {
                let (version, until, value) = entry.value();
                lives(until, millis(now)).then(|| Entry {
                    value: value.to_vec(),
                    version,
                })
            }))
        };
        Ok(read()?)
    }

    fn set(&self, change: &Change<'_>, quota: &Quota, now: Timestamp) -> Result<Stored, Refused> {
        let size = size(change.key, change.value);
        if change.key.len() > quota.key || size > quota.bytes {
            return Err(Refused::QuotaExceeded);
        }
        let now = millis(now);
        self.change(|transaction| {
            let mut bytes = purge(transaction, now)?;
            let before = bytes;
            let removed = remove(transaction, change.key)?;
            let (current, freed) = removed.unwrap_or_default();
            if change.expect.is_some_and(|expected| expected != current) {
                return Err(Refused::Conflict);
            }
            bytes = bytes.saturating_sub(freed).saturating_add(size);
            // What is over a quota that was lowered may still shrink.
            if bytes > quota.bytes && bytes > before {
                return Err(Refused::QuotaExceeded);
            }
            let until = change.ttl_ms.map(|ttl| now.saturating_add(ttl));
            let version = insert(transaction, change, until, bytes)?;
            let entries = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
            if removed.is_none() && entries.len().map_err(redb::Error::from)? > quota.entries {
                return Err(Refused::QuotaExceeded);
            }
            Ok(Stored { version, bytes })
        })
    }

    fn delete(&self, key: &str, now: Timestamp) -> Result<(), Refused> {
        let is_there = || -> Result<_, redb::Error> {
            let entries = self.0.begin_read()?.open_table(ENTRIES)?;
            Ok(entries.get(key)?.is_some())
        };
        if !is_there()? {
            return Ok(());
        }
        self.change(|transaction| {
            let bytes = purge(transaction, millis(now))?;
            let freed = remove(transaction, key)?.map_or(0, |(_, freed)| freed);
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(BYTES, bytes.saturating_sub(freed))?;
            Ok::<_, redb::Error>(())
        })?;
        Ok(())
    }

    fn keys(&self, page: &Page<'_>, now: Timestamp) -> Result<Vec<String>, Refused> {
        let after = page.after.filter(|after| *after >= page.prefix);
        let from = after.map_or(Bound::Included(page.prefix), Bound::Excluded);
        let limit = usize::try_from(page.limit.min(MAX_PAGE)).unwrap_or_default();
        let now = millis(now);
        let read = || -> Result<_, redb::Error> {
            let entries = self.0.begin_read()?.open_table(ENTRIES)?;
            let mut keys = Vec::new();
            for entry in entries.range::<&str>((from, Bound::Unbounded))? {
                let (key, entry) = entry?;
                if keys.len() == limit || !key.value().starts_with(page.prefix) {
                    break;
                }
                if lives(entry.value().1, now) {
                    keys.push(key.value().to_owned());
                }
            }
            Ok(keys)
        };
        Ok(read()?)
    }
}

/// Removes what is over; the bytes of what is left.
fn purge(transaction: &WriteTransaction, now: u64) -> Result<u64, redb::Error> {
    let mut over = Vec::new();
    for entry in transaction
        .open_table(EXPIRIES)?
        .range(..(now.saturating_add(1), ""))?
    {
        over.push(entry?.0.value().1.to_owned());
    }
    let mut freed = 0_u64;
    for key in over {
        let removed = remove(transaction, &key)?;
        freed = freed.saturating_add(removed.map_or(0, |(_, freed)| freed));
    }
    let mut numbers = transaction.open_table(NUMBERS)?;
    let bytes = numbers.get(BYTES)?.map_or(0, |number| number.value());
    let left = bytes.saturating_sub(freed);
    if freed > 0 {
        numbers.insert(BYTES, left)?;
    }
    Ok(left)
}

/// Removes an entry; its version and size.
fn remove(transaction: &WriteTransaction, key: &str) -> Result<Option<(u64, u64)>, redb::Error> {
    let mut entries = transaction.open_table(ENTRIES)?;
    let Some(entry) = entries.remove(key)? else {
        return Ok(None);
    };
    let (version, until, value) = entry.value();
    if let Some(until) = until {
        transaction.open_table(EXPIRIES)?.remove((until, key))?;
    }
    Ok(Some((version, size(key, value))))
}

/// Inserts an entry, after which the store holds so many bytes; its version.
fn insert(
    transaction: &WriteTransaction,
    change: &Change<'_>,
    until: Option<u64>,
    bytes: u64,
) -> Result<u64, redb::Error> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    let last = numbers.get(VERSION)?.map_or(0, |number| number.value());
    let version = last.saturating_add(1);
    numbers.insert(VERSION, version)?;
    numbers.insert(BYTES, bytes)?;
    let mut entries = transaction.open_table(ENTRIES)?;
    entries.insert(change.key, (version, until, change.value))?;
    if let Some(until) = until {
        let mut expiries = transaction.open_table(EXPIRIES)?;
        expiries.insert((until, change.key), ())?;
    }
    Ok(version)
}

fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() as u64).saturating_add(value.len() as u64)
}

fn lives(until: Option<u64>, now: u64) -> bool {
    until.is_none_or(|until| until > now)
}

/// Milliseconds since 1970.
fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond()).unwrap_or_default()
}

impl From<redb::Error> for Refused {
    fn from(cause: redb::Error) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
