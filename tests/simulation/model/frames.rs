//! Reads the frames that pass a point of the pipe.

/// A frame that has passed as a whole.
pub(crate) struct Frame {
    pub(crate) stream: u32,
    pub(crate) what: What,
}

pub(crate) enum What {
    Data {
        bytes: u64,
        ends: bool,
    },
    Reset,
    /// The initial stream window, if it is among the settings.
    Settings {
        window: Option<u32>,
    },
    SettingsAck,
    GoAway {
        code: u32,
    },
    Credit {
        bytes: u64,
    },
    Other,
}

const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;

/// Walks over the bytes of one direction.
pub(crate) struct Walker {
    skip: usize,
    head: Vec<u8>,
    payload: Vec<u8>,
    /// Bytes of the payload that are still missing.
    missing: usize,
}

impl Walker {
    pub(crate) fn new(has_preface: bool) -> Self {
        let skip = if has_preface { PREFACE_BYTES } else { 0 };
        Self { skip, head: Vec::new(), payload: Vec::new(), missing: 0 }
    }

    /// The frames that end within these bytes.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.head.len() < HEAD_BYTES {
                let taken = (HEAD_BYTES - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if self.head.len() < HEAD_BYTES {
                    break;
                }
                self.missing = number(&self.head[..3]) as usize;
            }
            let taken = self.missing.min(bytes.len());
            if self.head[3] != 0 {
                self.payload.extend_from_slice(&bytes[..taken]);
            }
            self.missing -= taken;
            bytes = &bytes[taken..];
            if self.missing == 0 {
                frames.push(self.frame());
                self.head.clear();
                self.payload.clear();
            }
        }
        frames
    }

    /// RFC 9113 §6.
    fn frame(&self) -> Frame {
        let (kind, flags) = (self.head[3], self.head[4]);
        let what = match kind {
            0x0 => What::Data { bytes: u64::from(number(&self.head[..3])), ends: flags & 0x1 != 0 },
            0x1 if flags & 0x1 != 0 => What::Data { bytes: 0, ends: true },
            0x3 => What::Reset,
            0x4 if flags & 0x1 != 0 => What::SettingsAck,
            0x4 => What::Settings {
                window: self
                    .payload
                    .chunks_exact(6)
                    .find(|setting| number(&setting[..2]) == 0x4)
                    .map(|setting| number(&setting[2..])),
            },
            0x7 => What::GoAway { code: number(&self.payload[4..8]) },
            0x8 => What::Credit { bytes: u64::from(number(&self.payload)) },
            _ => What::Other,
        };
        Frame { stream: number(&self.head[5..]) & 0x7fff_ffff, what }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
