//! `wasi:random`: the kernel's randomness for all three interfaces, counted.
//! "Insecure" randomness of a generator in the host would tell a guest about
//! what others were given.

use wasmtime::Result;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use super::State;
use super::meter::{Budget, Exceeded, Meter};
use crate::policy::limits::Limits;

/// The randomness of one call.
#[derive(Debug)]
pub(super) struct Random {
    meter: Meter,
    at_once: u64,
}

/// A guest asked for more at once than it may.
#[derive(Debug, thiserror::Error)]
#[error("the skill may ask for no more than {0} random bytes at once")]
pub(crate) struct TooManyAtOnce(pub(crate) u64);

impl HasData for Random {
    type Data<'a> = &'a mut Self;
}

/// Replaces wasmtime-wasi's own.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    random::add_to_linker::<State, Random>(linker, |state| &mut state.random)?;
    insecure::add_to_linker::<State, Random>(linker, |state| &mut state.random)?;
    insecure_seed::add_to_linker::<State, Random>(linker, |state| &mut state.random)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Random {
    pub(super) fn new(limits: &Limits, meter: Meter) -> Self {
        Self {
            meter,
            at_once: limits.random,
        }
    }

    fn bytes(&self, wanted: u64) -> Result<Vec<u8>> {
        if wanted > self.at_once {
            return Err(TooManyAtOnce(self.at_once).into());
        }
        self.meter.spend(Budget::Random, wanted)?;
        let mut bytes = vec![0; super::bytes(wanted)];
        getrandom::fill(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&self) -> Result<u64> {
        self.take(u64::BITS)?;
        Ok(getrandom::u64()?)
    }

    fn take(&self, bits: u32) -> Result<(), Exceeded> {
        self.meter.spend(Budget::Random, u64::from(bits / 8))
    }
}

impl random::Host for Random {
    fn get_random_bytes(&mut self, wanted: u64) -> Result<Vec<u8>> {
        self.bytes(wanted)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.number()
    }
}

impl insecure::Host for Random {
    fn get_insecure_random_bytes(&mut self, wanted: u64) -> Result<Vec<u8>> {
        self.bytes(wanted)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.number()
    }
}

impl insecure_seed::Host for Random {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.number()?, self.number()?))
    }
}
