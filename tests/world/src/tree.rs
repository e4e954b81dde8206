//! Merkle trees, as RFC 6962, section 2.1 defines them.

use crate::encode::sha256;

pub(crate) type Hash = [u8; 32];

/// A tree of a few entries, one of them ours. Seven leaves, ours the sixth: its
/// path has hashes on both sides, and one that skips a level.
#[derive(Clone, Debug)]
pub(crate) struct Tree(Vec<Hash>);

pub(crate) const SIZE: u64 = 7;
pub(crate) const INDEX: u64 = 5;

impl Tree {
    pub(crate) fn around(entry: &[u8]) -> Self {
        Self((0..SIZE).map(|index| leaf(index, entry)).collect())
    }

    pub(crate) fn root(&self) -> Hash {
        root(&self.0)
    }

    /// The hashes that lead from our leaf to the root, lowest first.
    pub(crate) fn path(&self) -> Vec<Hash> {
        path(&self.0, 5)
    }
}

fn leaf(index: u64, ours: &[u8]) -> Hash {
    let others = format!("the entry of somebody else, number {index}");
    let entry = if index == INDEX {
        ours
    } else {
        others.as_bytes()
    };
    sha256(&[&[0], entry].concat())
}

fn root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    sha256(&[&[1], root(left).as_slice(), &root(right)].concat())
}

fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, sibling) = if index < left.len() {
        (path(left, index), right)
    } else {
        (path(right, index - left.len()), left)
    };
    below.push(root(sibling));
    below
}

/// The largest power of two that is smaller than `size`.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}
