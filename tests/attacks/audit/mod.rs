//! The audit log: damage to its files, processes that share it or are killed,
//! and disks without room.

mod damage;
mod disk;
mod processes;
