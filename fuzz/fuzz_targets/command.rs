//! Fuzzes [`thalweg_fuzz::command`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thalweg_fuzz::command(data));
