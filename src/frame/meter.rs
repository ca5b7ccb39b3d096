//! Counts what passes through a connection, from its bytes.

use super::{header::Header, opcode::Opcode};

/// What has passed in one direction of a connection: see [`Meter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Traffic {
    /// The messages whose last frame is complete.
    pub messages: u64,
    /// The frames of any kind whose header is complete.
    pub frames: u64,
    /// The Ping frames among them.
    pub pings: u64,
    /// The Pong frames among them.
    pub pongs: u64,
    /// The bytes of complete headers, mask keys included, and of the payloads so far.
    pub wire_bytes: u64,
    /// The payload bytes of text, binary and continuation frames so far: compressed, if their
    /// message is.
    pub payload_bytes: u64,
    /// What [`Meter::add_message_bytes`] was told: the bytes of messages before they were
    /// compressed, or after they were inflated. `payload_bytes / message_bytes` is how small
    /// compression makes them.
    pub message_bytes: u64,
}

/// Counts the messages, frames and bytes of one direction of a connection.
///
/// It is separate from the connection, which it makes neither larger nor slower: the caller passes
/// it the bytes of frames, those that were read before the engine takes them, and those of the
/// output before they are cleared. It reads headers and skips payloads, so it does not matter how
/// the bytes are cut, and whether they are masked. It checks nothing and never allocates.
///
/// It counts up to the end of a Close frame, as nothing follows that, and up to a header that no
/// endpoint may send.
///
/// ```
/// use sockless::{Config, Connection, Event, frame::Meter, handshake::Negotiated};
///
/// let mut server = Connection::upgraded_server(&Negotiated::default(), Config::default());
/// let (mut received, mut sent) = (Meter::new(), Meter::new());
/// # let negotiated = Negotiated::default();
/// # let mut client = Connection::upgraded_client(&negotiated, Config::default(), [0; 32]);
/// # let (mut bytes, mut out) = (Vec::new(), Vec::new());
/// # client.send_text("hello", &mut bytes)?;
/// # client.ping(b"?", &mut bytes)?;
/// // Here `bytes` was read.
/// received.add(&bytes);
/// let mut input = &mut bytes[..];
/// while let Some(event) = server.receive(&mut input, &mut out)? {
///     if let Event::Text(text) = event {
///         received.add_message_bytes(text.len() as u64);
///     }
/// }
/// sent.add(&out);
/// // Here `out` is written and cleared.
/// let traffic = received.traffic();
/// assert_eq!((traffic.messages, traffic.frames, traffic.pings), (1, 2, 1));
/// assert_eq!(traffic.wire_bytes, 6 + 5 + 6 + 1);
/// assert_eq!(sent.traffic().pongs, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The opening handshake is not made of frames. The caller begins once the connection is open:
/// after [`Event::Open`](crate::Event::Open), and when it has accepted a request, with what is left
/// of the input then. The round-trip time is in [`Timers`](crate::timers::Timers), which has the
/// clock.
#[derive(Clone, Debug)]
pub struct Meter {
    traffic: Traffic,
    /// The beginning of a header that is not complete.
    stash: [u8; Header::MAX_LEN],
    stashed: u8,
    /// The payload bytes that are missing in the frame in progress.
    remaining: u64,
    /// Of the frame in progress.
    opcode: Opcode,
    fin: bool,
    has_ended: bool,
}

impl Meter {
    /// Returns a meter that has counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            traffic: Traffic::default(),
            stash: [0; Header::MAX_LEN],
            stashed: 0,
            remaining: 0,
            opcode: Opcode::Continuation,
            fin: false,
            has_ended: false,
        }
    }

    /// Returns what was counted so far.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Counts the next bytes of the direction, which may begin and end anywhere in a frame.
    pub fn add(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while !bytes.is_empty() && !self.has_ended {
            if self.remaining > 0 {
                self.add_payload(&mut bytes);
            } else {
                self.add_header(&mut bytes);
            }
        }
    }

    /// Counts bytes of messages as the application sees them: of those that were sent, before they
    /// were compressed; of those received, after they were inflated.
    pub const fn add_message_bytes(&mut self, len: u64) {
        self.traffic.message_bytes = self.traffic.message_bytes.saturating_add(len);
    }

    fn add_payload(&mut self, bytes: &mut &[u8]) {
        let len = skip(bytes, self.remaining);
        self.remaining -= len;
        self.traffic.wire_bytes += len;
        if !self.opcode.is_control() {
            self.traffic.payload_bytes += len;
        }
        if self.remaining == 0 {
            self.end_frame();
        }
    }

    fn add_header(&mut self, bytes: &mut &[u8]) {
        if self.stashed == 0 {
            match Header::decode(bytes) {
                Ok(Some((header, used))) => {
                    skip(bytes, used as u64);
                    return self.begin_frame(&header, used);
                }
                Ok(None) => {}
                Err(_) => return self.has_ended = true,
            }
        }
        // A header that the end of the bytes cuts.
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            if let Some(slot) = self.stash.get_mut(usize::from(self.stashed)) {
                *slot = byte;
                self.stashed += 1;
            }
            match Header::decode(self.stash.get(..self.stashed.into()).unwrap_or_default()) {
                Ok(Some((header, used))) => {
                    self.stashed = 0;
                    return self.begin_frame(&header, used);
                }
                Ok(None) => {}
                Err(_) => return self.has_ended = true,
            }
        }
    }

    fn begin_frame(&mut self, header: &Header, header_len: usize) {
        self.traffic.frames += 1;
        self.traffic.wire_bytes += header_len as u64;
        match header.opcode {
            Opcode::Ping => self.traffic.pings += 1,
            Opcode::Pong => self.traffic.pongs += 1,
            Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Close => {}
        }
        self.opcode = header.opcode;
        self.fin = header.fin;
        self.remaining = header.len;
        if self.remaining == 0 {
            self.end_frame();
        }
    }

    const fn end_frame(&mut self) {
        if matches!(self.opcode, Opcode::Close) {
            self.has_ended = true;
        } else if self.fin && !self.opcode.is_control() {
            self.traffic.messages += 1;
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes at most `n` bytes off the front of `bytes`, and returns how many.
fn skip(bytes: &mut &[u8], n: u64) -> u64 {
    let len = usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = bytes.get(len..).unwrap_or_default();
    len as u64
}
