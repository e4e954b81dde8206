//! Memory: one sum over all memories and tables of a call.
//!
//! wasmtime's own `StoreLimits` counts each memory by itself, so a component
//! with a hundred memories gets a hundred times the limit.

use wasmtime::ResourceLimiter;

use crate::compile::{CORE_INSTANCES, MEMORIES, TABLES};

/// What an element of a table takes on a 64-bit host.
const TABLE_ELEMENT: u64 = 8;

/// Counts what the memories and tables of one store take.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: u64,
    used: u64,
    refused: bool,
}

impl Limiter {
    pub(super) const fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            refused: false,
        }
    }

    /// Memories and tables never shrink, so what is used now is the peak.
    pub(super) const fn peak(&self) -> u64 {
        self.used
    }

    pub(super) const fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, growth: u64) -> bool {
        let fits = growth <= self.limit - self.used;
        if fits {
            self.used += growth;
        } else {
            self.refused = true;
        }
        fits
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current) as u64;
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT)))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r09_memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(!limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.refused());
        assert!(limiter.table_growing(0, 50, None).unwrap());
        assert!(!limiter.table_growing(50, 51, None).unwrap());
        assert_eq!(limiter.peak(), 1000);
    }

    #[test]
    fn a_memory_that_reaches_its_own_maximum_is_not_a_limit_of_ours() {
        let mut limiter = Limiter::new(1000);
        assert!(!limiter.memory_growing(0, 600, Some(500)).unwrap());
        assert!(!limiter.refused());
    }
}
