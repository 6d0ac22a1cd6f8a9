//! Fuzzes [`thalweg_fuzz::instance`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thalweg_fuzz::instance(data));
