//! What the parts of the data path cost by themselves, without sockets. Compare two commits on one
//! idle machine with `cargo bench --bench parts -- --save-baseline NAME` and `--baseline NAME`.

// Like tests, benches stop at the first surprise.
#![allow(clippy::unwrap_used, missing_docs)]

mod frames;
mod memory;
mod records;
mod requests;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    parts,
    requests::mapping_lookup,
    requests::connect_head,
    records::seal_and_open,
    frames::frames_in_and_out,
    frames::guard,
    memory::pipe,
    memory::session_table,
    memory::histogram,
    memory::buffer_pool,
);
criterion_main!(parts);
