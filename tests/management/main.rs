//! The connector as a product, apart from what runs: its store.

mod store;
mod storm;
