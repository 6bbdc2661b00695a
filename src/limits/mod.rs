//! Every bound of Causeway: its unit and why that value. Going over one sheds, counts and names the
//! reason; nothing waits without an end and nothing grows with traffic.

mod bounds;
mod kubernetes;
mod management;
mod records;

pub use bounds::*;
pub use kubernetes::*;
pub use management::*;
pub use records::*;
