//! The page: files that are part of the program, as they are written. There is no step between the
//! files in `assets/` and the browser but gzip. What the page does it does by REST; it may not do
//! more than whoever is logged in.

mod assets;
mod serve;

pub use serve::{POLICY, routes};
