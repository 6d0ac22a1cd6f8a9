//! Fuzzes [`thalweg_fuzz::http`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thalweg_fuzz::http(data));
