//! The kernel's list of TCP sockets, which tells what a process still holds.

use std::fs;

/// One TCP socket that a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub local_port: u16,
    pub remote_port: u16,
    state: u8,
    timer: u8,
}

impl Held {
    /// A connection is being opened.
    pub fn is_connecting(self) -> bool {
        self.state == 2
    }

    /// Its silence is timed: a dead peer will be noticed.
    pub fn has_keepalive(self) -> bool {
        self.timer == 2
    }

    /// It waits for connections.
    pub fn is_listening(self) -> bool {
        self.state == 10
    }
}

/// All TCP sockets of this machine that a process holds, on either end of `port`. Those that the
/// kernel keeps for a while after their process closed them are left out.
pub fn held_sockets(port: u16) -> Vec<Held> {
    let lists = ["/proc/net/tcp", "/proc/net/tcp6"].map(|list| fs::read_to_string(list).unwrap());
    let rows = lists.iter().flat_map(|list| list.lines().skip(1));
    let held = rows.filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let port = |field: &str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
        let held = Held {
            local_port: port(fields.get(1)?)?,
            remote_port: port(fields.get(2)?)?,
            state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
            timer: u8::from_str_radix(fields.get(5)?.split_once(':')?.0, 16).ok()?,
        };
        // No inode: no process has it open.
        (*fields.get(9)? != "0").then_some(held)
    });
    held.filter(|held| held.local_port == port || held.remote_port == port).collect()
}
