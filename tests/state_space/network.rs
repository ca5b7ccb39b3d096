//! One direction of the network: what an end has written, and how much of it has arrived.

use std::fmt;

use sockless::Role;

use support::role_name;

use super::explore::{Violation, require};

pub(super) const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame that was written, read without the crate.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) first: u8,
    pub(super) payload: Vec<u8>,
    pub(super) key: Option<[u8; 4]>,
    /// Where the payload begins, and where the frame ends, in all that was written.
    pub(super) payload_start: usize,
    pub(super) end: usize,
}

impl Frame {
    pub(super) const fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    pub(super) const fn is_last(&self) -> bool {
        self.first & FIN != 0
    }

    /// Reads the frame that begins at `start`. The lengths in these conversations have seven bits.
    fn read(bytes: &[u8], start: usize, sender: Role) -> Option<Self> {
        let [first, second, rest @ ..] = bytes.get(start..)? else {
            return None;
        };
        if (*second & 0x80 != 0) != (sender == Role::Client) || *second & 0x7F > 125 {
            return None;
        }
        let (key, rest) = match sender {
            Role::Client => rest.split_first_chunk::<4>().map(|(key, rest)| (Some(*key), rest))?,
            Role::Server => (None, rest),
        };
        let len = usize::from(*second & 0x7F);
        let mask = key.unwrap_or_default();
        let payload = rest.get(..len)?.iter().zip(mask.iter().cycle());
        let payload_start = bytes.len() - rest.len();
        Some(Self {
            first: *first,
            payload: payload.map(|(byte, mask)| byte ^ mask).collect(),
            key,
            payload_start,
            end: payload_start + len,
        })
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.opcode() {
            CONTINUATION => "Continuation",
            TEXT => "Text",
            BINARY => "Binary",
            CLOSE => "Close",
            PING => "Ping",
            PONG => "Pong",
            _ => "frame with a reserved opcode",
        })?;
        if !self.is_last() {
            f.write_str(" without FIN")?;
        }
        if self.first & RSV1 != 0 {
            f.write_str(" with RSV1")?;
        }
        match (self.opcode(), &self.payload[..]) {
            (_, []) => Ok(()),
            (CLOSE, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                write!(f, " {code} \"{}\"", reason.escape_ascii())
            }
            (_, payload) => write!(f, " \"{}\"", payload.escape_ascii()),
        }
    }
}

/// All that one end writes.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) sender: Role,
    /// Everything that was ever written; a call that sends appends to it.
    pub(super) written: Vec<u8>,
    /// How much of it has arrived.
    pub(super) delivered: usize,
    /// Where the frames begin: after the head of the opening handshake.
    pub(super) head: Option<usize>,
    pub(super) frames: Vec<Frame>,
    /// The direction ends after this many bytes: more is lost.
    pub(super) ends_at: Option<usize>,
    /// The receiver has been told of the end.
    pub(super) end_delivered: bool,
}

impl Direction {
    pub(super) const fn new(sender: Role) -> Self {
        Self {
            sender,
            written: Vec::new(),
            delivered: 0,
            head: None,
            frames: Vec::new(),
            ends_at: None,
            end_delivered: false,
        }
    }

    /// How many bytes are on the way.
    pub(super) fn in_flight(&self) -> usize {
        self.ends_at.unwrap_or(self.written.len()) - self.delivered
    }

    /// Whether the end of the direction is the next that arrives.
    pub(super) fn end_is_next(&self) -> bool {
        self.ends_at == Some(self.delivered) && !self.end_delivered
    }

    /// Takes bytes that arrive.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let from = self.delivered;
        self.delivered += len;
        self.written[from..self.delivered].to_vec()
    }

    /// Reads the frames that were written since the last call; they are whole. Returns the index of
    /// the first of them.
    pub(super) fn read_frames(&mut self) -> Result<usize, Violation> {
        let known = self.frames.len();
        let mut start = self.frames.last().map(|frame| frame.end).or(self.head).unwrap_or(0);
        while start < self.written.len() {
            let Some(frame) = Frame::read(&self.written, start, self.sender) else {
                let bytes = self.written[start..].escape_ascii();
                return Err(Violation::new(
                    "a call writes whole frames",
                    format!("\"{bytes}\" is no frame of the {}", role_name(self.sender)),
                ));
            };
            let is_fresh = frame.key.is_none() || self.frames.iter().all(|other| other.key != frame.key);
            require(is_fresh, "every frame has a fresh mask key", || frame.to_string())?;
            start = frame.end;
            self.frames.push(frame);
        }
        Ok(known)
    }

    /// The frames that have arrived as a whole.
    pub(super) fn arrived(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| frame.end <= self.delivered)
    }
}
