//! Fuzzes [`thalweg_fuzz::pbft`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thalweg_fuzz::pbft(data));
