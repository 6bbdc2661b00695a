//! Who was lent how much: counted on the frames themselves, apart from the sessions.

use std::collections::{HashMap, VecDeque};

use super::frames::{Frame, What};

/// The windows of RFC 9113 §6.9.2 before anybody says otherwise.
const WINDOW_AT_START: u64 = 65_535;

/// The data of one direction and the credit for it, which flows the other way.
pub(crate) struct Ledger {
    /// Connection window the receiver was built with.
    pub(crate) announced: u64,
    /// Credit of the connection: given by the receiver, and of that, arrived at the sender.
    granted: u64,
    granted_seen: u64,
    emitted: u64,
    delivered: u64,
    streams: HashMap<u32, Entry>,
    /// Stream windows announced and not yet acknowledged.
    unacknowledged: VecDeque<Option<u32>>,
    stream_window: u64,
    stream_window_max: u64,
}

/// One stream's share.
#[derive(Default, Clone)]
pub(crate) struct Entry {
    credit_seen: u64,
    emitted: u64,
    pub(crate) delivered: u64,
    pub(crate) end_delivered: bool,
    pub(crate) reset_delivered: bool,
}

impl Ledger {
    pub(crate) fn new(announced: u64) -> Self {
        Self {
            announced,
            granted: WINDOW_AT_START,
            granted_seen: WINDOW_AT_START,
            emitted: 0,
            delivered: 0,
            streams: HashMap::new(),
            unacknowledged: VecDeque::new(),
            stream_window: WINDOW_AT_START,
            stream_window_max: WINDOW_AT_START,
        }
    }

    /// A frame left the sender of the data.
    pub(crate) fn sender_emitted(&mut self, frame: &Frame) -> Result<(), String> {
        match frame.what {
            What::Data { bytes, .. } => {
                let entry = self.streams.entry(frame.stream).or_default();
                entry.emitted += bytes;
                self.emitted += bytes;
                let (stream, window) = (frame.stream, self.stream_window);
                if bytes > 0 && entry.emitted > window + entry.credit_seen {
                    return Err(format!("stream {stream} was sent more than its window {window}"));
                }
                if self.emitted > self.granted_seen {
                    return Err("more was sent than the connection's window".to_owned());
                }
            }
            What::SettingsAck => {
                if let Some(Some(window)) = self.unacknowledged.pop_front() {
                    self.stream_window = window.into();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A frame of the sender of the data reached the receiver.
    pub(crate) fn receiver_got(&mut self, frame: &Frame) {
        let entry = self.streams.entry(frame.stream).or_default();
        match frame.what {
            What::Data { bytes, ends } => {
                entry.delivered += bytes;
                entry.end_delivered |= ends;
                self.delivered += bytes;
            }
            What::Reset => entry.reset_delivered = true,
            _ => {}
        }
    }

    /// A frame left the receiver of the data.
    pub(crate) fn receiver_emitted(&mut self, frame: &Frame) {
        match frame.what {
            What::Credit { bytes } if frame.stream == 0 => self.granted += bytes,
            What::Settings { window } => {
                self.unacknowledged.push_back(window);
                self.stream_window_max = self.stream_window_max.max(window.unwrap_or(0).into());
            }
            _ => {}
        }
    }

    /// A frame of the receiver of the data reached the sender.
    pub(crate) fn sender_got(&mut self, frame: &Frame) {
        if let What::Credit { bytes } = frame.what {
            match frame.stream {
                0 => self.granted_seen += bytes,
                stream => self.streams.entry(stream).or_default().credit_seen += bytes,
            }
        }
    }

    pub(crate) fn entry(&self, stream: u32) -> Entry {
        self.streams.get(&stream).cloned().unwrap_or_default()
    }

    /// Credit + in flight + received and not released is never more than the window. `released`
    /// says how much of a stream's data its reader has let go, if there is a reader.
    pub(crate) fn check(&self, released: impl Fn(u32) -> Option<u64>) -> Result<(), String> {
        let mut unreleased = 0;
        for (stream, entry) in &self.streams {
            let Some(released) = released(*stream) else { continue };
            let held = entry.delivered - released;
            if held > self.stream_window_max {
                return Err(format!("stream {stream} holds {held} bytes, beyond any window"));
            }
            unreleased += held;
        }
        let (credit, in_flight) = (self.granted - self.emitted, self.emitted - self.delivered);
        let lent = credit + in_flight + unreleased;
        // Before the receiver has said anything the sender has the window of the start.
        if lent > self.announced {
            let window = self.announced;
            return Err(format!("{credit} + {in_flight} + {unreleased} > window {window}"));
        }
        Ok(())
    }

    /// What the sender may still send.
    pub(crate) fn credit(&self) -> u64 {
        self.granted_seen - self.emitted
    }

    /// Whether the whole window is the sender's again.
    pub(crate) fn is_whole(&self) -> bool {
        self.granted_seen == self.granted
            && self.emitted == self.delivered
            && self.credit() == self.announced
    }

    /// Whether every announced stream window is in force, the last at `window`.
    pub(crate) fn has_stream_window(&self, window: u64) -> bool {
        self.unacknowledged.is_empty() && self.stream_window == window
    }
}

impl std::fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "window {}, granted {} (seen {}), emitted {}, delivered {}, stream window {}",
            self.announced,
            self.granted,
            self.granted_seen,
            self.emitted,
            self.delivered,
            self.stream_window
        )
    }
}
