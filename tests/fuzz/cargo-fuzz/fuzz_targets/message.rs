#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| skillhost_fuzz::message(data));
