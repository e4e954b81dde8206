//! X06: leaves a mark in its memory, and looks for marks of earlier calls.
#![cfg(target_family = "wasm")]

use core::arch::wasm32::{memory_grow, memory_size};

use skillhost_sdk::prelude::*;

const PAGE: usize = 65_536;
const PAGES: usize = 512;

/// Fills new memory with a mark.
#[tool]
fn leave(mark: u8) -> Result<usize> {
    let start = grow()?;
    for offset in 0..PAGES * PAGE {
        // SAFETY: the pages were just added to this memory, and nothing uses them.
        unsafe { (start as *mut u8).add(offset).write_volatile(mark) };
    }
    Ok(PAGES)
}

/// Counts the bytes of new memory that are not zero.
#[tool]
fn find() -> Result<usize> {
    let start = grow()?;
    let bytes = (0..PAGES * PAGE).filter(|offset| {
        // SAFETY: the pages were just added to this memory, and nothing uses them.
        let byte = unsafe { (start as *const u8).add(*offset).read_volatile() };
        byte != 0
    });
    Ok(bytes.count())
}

fn grow() -> Result<usize> {
    let start = memory_size(0) * PAGE;
    match memory_grow(0, PAGES) {
        usize::MAX => Err(Error::failed("The memory does not grow.")),
        _ => Ok(start),
    }
}

skillhost_sdk::export!(leave, find);
