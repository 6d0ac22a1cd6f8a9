//! Fuzzes [`thalweg_fuzz::genesis`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thalweg_fuzz::genesis(data));
