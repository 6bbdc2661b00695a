//! The entry of libFuzzer; what is tried is in the library.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| causeway_fuzz::http2_session(data));

#[cfg(not(fuzzing))]
fn main() {}
