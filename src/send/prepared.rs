//! A message that is encoded once for many connections.

use alloc::{boxed::Box, vec::Vec};
#[cfg(not(feature = "std"))]
use core::cell::OnceCell as Once;
use core::fmt;
#[cfg(feature = "std")]
use std::sync::OnceLock as Once;

use super::Sender;
use crate::{
    copy,
    deflate::{Deflater, DirectionParams},
    error::SendError,
    frame::{
        header::Header,
        wire::{self, FirstByte},
    },
    message::{Message, MessageKind},
    role::Role,
};

/// How many sizes of a DEFLATE window there are (RFC 7692, section 7.1.2).
const WINDOW_SIZES: usize = 8;

/// A message for many connections: encoded once, compressed at most once for each size of the
/// window.
///
/// [`Connection::send_prepared`](crate::Connection::send_prepared) appends its frame to the output
/// of a connection, which is a copy and nothing else on a server.
/// [`Connection::prepared_frame`](crate::Connection::prepared_frame) returns the frame, for a
/// vectored write without a copy. A client copies the payload with a fresh mask (RFC 6455, section
/// 5.3).
///
/// ```
/// use sockless::{Config, Connection, PreparedMessage, handshake::Negotiated};
///
/// let server = || Connection::upgraded_server(&Negotiated::default(), Config::default());
/// let mut connections = [(server(), Vec::new()), (server(), Vec::new())];
///
/// let news = PreparedMessage::text("news for all");
/// for (connection, out) in &mut connections {
///     match connection.send_prepared(&news, out) {
///         Ok(()) => {}
///         // The connection is closing, for example: the others get the message.
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// assert_eq!(connections[0].1, b"\x81\x0Cnews for all");
/// ```
///
/// # Compression
///
/// The message is compressed when the first connection needs it that has negotiated
/// permessage-deflate (RFC 7692), at the level of that connection, and the compressed frame is kept
/// for the others. The rules are those of any message: it is not compressed below the threshold of
/// the connection, nor if `Connection::set_compression` turned that off, nor if it does not get
/// smaller. It refers to nothing that was sent before, so that it is the same for all connections.
///
/// **With context takeover**, what the connection compresses later refers to what it has compressed
/// before, and a prepared message would come between the two. So it is sent compressed as long as
/// the connection has compressed nothing of its own, and uncompressed from then on. A connection
/// that only takes part in broadcasts always gets it compressed, and never needs a deflater.
///
/// # Threads
///
/// With the feature `std`, it is `Sync`: threads can share it, in an `Arc`. Without, it is not.
#[derive(Clone)]
pub struct PreparedMessage {
    kind: MessageKind,
    frame: Frame,
    /// For each size of the window, once it is needed: the frame, if it is smaller.
    compressed: [Once<Option<Frame>>; WINDOW_SIZES],
}

/// Prepares a message, for example one that was received and goes to everybody else.
impl From<&Message<'_>> for PreparedMessage {
    fn from(message: &Message<'_>) -> Self {
        Self::new(message.kind(), message.as_bytes())
    }
}

/// A frame of a server.
#[derive(Clone)]
struct Frame {
    first: FirstByte,
    header_len: usize,
    bytes: Box<[u8]>,
}

impl Frame {
    fn new(first: FirstByte, payload: &[u8]) -> Self {
        let mut header = [0; Header::MAX_LEN];
        let header_len = wire::write(first, None, payload.len() as u64, &mut header);
        let mut bytes = Vec::with_capacity(header_len + payload.len());
        bytes.extend_from_slice(header.get(..header_len).unwrap_or_default());
        copy::append(payload, &mut bytes);
        Self {
            first,
            header_len,
            bytes: bytes.into_boxed_slice(),
        }
    }

    fn payload(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
}

impl PreparedMessage {
    /// Prepares a text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(MessageKind::Text, text.as_bytes())
    }

    /// Prepares a binary message.
    #[must_use]
    pub fn binary(data: &[u8]) -> Self {
        Self::new(MessageKind::Binary, data)
    }

    fn new(kind: MessageKind, payload: &[u8]) -> Self {
        Self {
            kind,
            frame: Frame::new(first_byte(kind), payload),
            compressed: [const { Once::new() }; WINDOW_SIZES],
        }
    }

    /// Returns whether it is text or binary.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload, uncompressed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.payload()
    }

    /// The compressed frame, if the message gets smaller.
    fn compressed(&self, params: DirectionParams) -> Option<&Frame> {
        let slot = self.compressed.get(params.window_index())?;
        slot.get_or_init(|| self.compress(params)).as_ref()
    }

    #[cold]
    fn compress(&self, params: DirectionParams) -> Option<Frame> {
        let payload = Deflater::deflate_alone(params, self.payload());
        let is_smaller = payload.len() < self.payload().len();
        is_smaller.then(|| Frame::new(first_byte(self.kind).with_rsv1(), &payload))
    }
}

const fn first_byte(kind: MessageKind) -> FirstByte {
    FirstByte::new(kind.opcode(), true)
}

/// Shows how long the payload is, and no byte of it: it may be secret.
impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMessage")
            .field("kind", &self.kind)
            .field("payload", &format_args!("{} bytes", self.payload().len()))
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// A message that was prepared.
    #[inline]
    pub(crate) fn prepared(&mut self, message: &PreparedMessage, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.check_between_messages()?;
        let frame = self.choose_frame(message);
        match self.role() {
            Role::Server => copy::append(&frame.bytes, out),
            Role::Client => self.frame(frame.first, frame.payload(), out),
        }
        Ok(())
    }

    /// The frame of a message that was prepared.
    #[inline]
    pub(crate) fn prepared_frame<'m>(&self, message: &'m PreparedMessage) -> Result<&'m [u8], SendError> {
        if self.role() == Role::Client {
            return Err(SendError::MaskRequired);
        }
        self.check_between_messages()?;
        Ok(&self.choose_frame(message).bytes)
    }

    #[inline]
    fn choose_frame<'m>(&self, message: &'m PreparedMessage) -> &'m Frame {
        let params = self.compressed.params_of_prepared(message.payload().len());
        params
            .and_then(|params| message.compressed(params))
            .unwrap_or(&message.frame)
    }
}
