//! Fuzzes [`thalweg_fuzz::step`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thalweg_fuzz::step(data));
