//! What a tunnel is, without its sockets: sizes and states of the two pipes of a stream, the phases
//! of a session with their deadlines, the slab that holds sessions, the pool of warm connections
//! and the reconnect back-off. Time comes in as an argument; nothing here does I/O.

mod backoff;
mod budget;
mod ending;
mod fleet;
mod id;
mod memory;
mod pipe;
mod pool;
mod session;
mod stream;
mod table;
mod vitals;

pub use backoff::Backoff;
pub use budget::{Budget, Loan};
pub use ending::Ending;
pub use fleet::{Fleet, PLACE_TIMEOUT, Vessel};
pub use id::{BadId, SessionId};
pub use memory::{Held, Memory};
pub use pipe::{Pipe, Stride};
pub use pool::WarmPool;
pub use session::{Phase, Session};
pub use stream::{Direction, Stream, Timeouts};
pub use table::{Key, Table};
pub use vitals::{Pulse, Vitals};
