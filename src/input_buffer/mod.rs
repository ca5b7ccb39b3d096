//! The buffer between a transport and a connection.

mod kept_message;
mod room;

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use self::kept_message::KeptMessage;
use crate::{connection::Connection, error::ProtocolError, event::Event};

/// How many bytes are read at most between messages: what was read is still in the L1 cache
/// when it is unmasked. A message of 16 KiB is read at once, and so are 16 of 1 KiB, with their
/// headers.
const READ_LEN: usize = (16 << 10) + 16 * 8;

/// The buffer that a loop reads into, beside the [`Connection`] that takes the events from it.
///
/// A loop asks for [`room`](Self::room), reads into it, says how much was
/// [`filled`](Self::filled), and calls [`receive`](Self::receive) until it returns `None`:
///
/// ```
/// # use std::io::{self, Read, Write};
/// use sockless::{Accept, Connection, Event, InputBuffer};
///
/// fn echo(
///     ws: &mut Connection,
///     transport: &mut (impl Read + Write),
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     let (mut input, mut out) = (InputBuffer::new(), Vec::new());
///     loop {
///         let len = transport.read(input.room())?;
///         if len == 0 {
///             return Ok(ws.receive_eof().map(drop)?);
///         }
///         input.filled(len);
///         while let Some(event) = input.receive(ws, &mut out)? {
///             match event {
///                 Event::Request(request) => ws.accept(&request, &Accept::new(), &mut out)?,
///                 Event::Text(text) => ws.send_text(&text, &mut out)?,
///                 _ => {}
///             }
///         }
///         transport.write_all(&out)?;
///         out.clear();
///     }
/// }
/// # struct Pipe(io::Cursor<Vec<u8>>, Vec<u8>);
/// # impl Read for Pipe {
/// #     fn read(&mut self, room: &mut [u8]) -> io::Result<usize> { self.0.read(room) }
/// # }
/// # impl Write for Pipe {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.1.write(bytes) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let mut ws = Connection::upgraded_server(&Default::default(), Default::default());
/// # let bytes = b"\x81\x82\0\0\0\0Hi\x88\x80\0\0\0\0".to_vec();
/// # let mut pipe = Pipe(io::Cursor::new(bytes), Vec::new());
/// # echo(&mut ws, &mut pipe)?;
/// # assert_eq!(pipe.1, b"\x81\x02Hi\x88\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The events, the errors and the output are those of [`Connection::receive`], read for read, but
/// for the moment at which invalid text fails on a client. The other difference is what is
/// borrowed: a message in one frame that arrives in pieces stays in this
/// buffer until it is complete, and is borrowed from it. [`Connection::receive`] would copy it.
/// Fragmented and compressed messages are assembled by the connection, as always, and so is text
/// that is not ASCII, once more than 1 KiB of it has arrived and bytes are still missing: in the
/// buffer, it would have to be validated twice.
///
/// **Text** is validated as it arrives. It fails at the first byte that cannot be UTF-8, whether
/// the message is complete or not. On a client, a read that fills `room` postpones that to the next
/// read, which probably does not wait: text in bulk is validated once, when it is complete.
///
/// **Reads.** Between messages, `room` is at most 16 KiB and 128 bytes long. In a message that is
/// longer than that, it ends where the message ends, so that the next one begins at the front of
/// the buffer, and nothing has to be moved; in text, on a client, it is at most 64 KiB long.
///
/// **Memory.** A new buffer holds no heap. The first `room` allocates 16 KiB and 128 bytes. In a
/// longer message, the buffer grows to at most twice what has arrived of the message, and never
/// beyond its end, so [`max_message_size`](crate::Config::max_message_size) limits it, and
/// [`with_limit`](Self::with_limit). After the message, the next `room` shrinks the buffer to the
/// size that it began with; only if the message before it was that long too, the buffer keeps its
/// size until a read brings no such message. [`release`](Self::release) frees all of it.
pub struct InputBuffer {
    /// All bytes are initialised; those from `start` to `end` were filled and are not received.
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// The end of what `room` has returned.
    room_end: usize,
    /// While fewer bytes are unread, there is nothing to do for the message in `kept`. 0: there is
    /// none.
    wanted: usize,
    /// The longest frame that is kept until it is complete.
    max_len: usize,
    /// How much is read at a time between messages.
    read_len: usize,
    /// Something was read since `room` was called.
    has_read: bool,
    /// When `room` was called the last time, a message that is longer than a read had ended.
    had_long_message: bool,
    /// While `end` is before this, and nothing is received of the message in `kept`, there is room:
    /// the end of `room` stays as it is.
    settled_end: usize,
    kept: KeptMessage,
}

impl InputBuffer {
    /// Returns an empty buffer, which holds no heap.
    ///
    /// How long it may become, the [`max_message_size`](crate::Config::max_message_size) of the
    /// connection limits.
    #[must_use]
    pub const fn new() -> Self {
        // The longest allocation that there is.
        Self::with_limit(usize::MAX >> 1)
    }

    /// Returns an empty buffer that never becomes longer than `bytes`, or 16 KiB and 128 bytes if
    /// that is more, for a caller that receives what it has read before it reads more.
    ///
    /// A message that does not fit is assembled by the connection, within its own limit.
    #[must_use]
    pub const fn with_limit(bytes: usize) -> Self {
        Self {
            buf: Vec::new(),
            start: 0,
            end: 0,
            room_end: 0,
            wanted: 0,
            max_len: if bytes > READ_LEN { bytes } else { READ_LEN },
            read_len: READ_LEN,
            has_read: false,
            had_long_message: false,
            settled_end: 0,
            kept: KeptMessage::new(),
        }
    }

    /// Sets how much is read at a time between messages, if that is more than 16 KiB: for a
    /// transport of which each read is a system call, and a peer that sends much.
    #[cfg(feature = "std")]
    pub(crate) const fn set_read_len(&mut self, bytes: usize) {
        self.read_len = if bytes > READ_LEN { bytes } else { READ_LEN };
    }

    /// Returns the space to read into: initialised bytes, at least one.
    ///
    /// Call [`filled`](Self::filled) after the read, and then [`receive`](Self::receive) until it
    /// returns `None`.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        if !self.has_room() {
            self.make_room();
        }
        self.buf.get_mut(self.end..self.room_end).unwrap_or_default()
    }

    /// Notes that the first `len` bytes of [`room`](Self::room) were read. Of a `len` that is
    /// longer than it, the rest is ignored.
    pub fn filled(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.room_end);
        self.has_read |= len > 0;
    }

    /// Returns the next event of what was read. `connection` is the one that all bytes are for.
    ///
    /// `Ok(None)` means: read more. Replies are appended to `out`; write it before the next read,
    /// also after an error. The event borrows from this buffer and not from the connection, so the
    /// caller can send while it holds one.
    ///
    /// # Errors
    /// Those of [`Connection::receive`].
    // Measured, as for `Connection::receive`.
    #[inline(always)]
    pub fn receive<'b>(
        &'b mut self,
        connection: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        debug_assert_eq!(self.wanted, self.kept.wanted());
        let takes_whole_messages = connection.takes_whole_messages();
        if takes_whole_messages && self.unread_len() < self.wanted {
            return Ok(None);
        }
        let mut input = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        if takes_whole_messages && self.wanted == 0 {
            if let Some(payload) = connection.whole_payload(&mut input) {
                self.start = self.end - input.len();
                return connection.whole_message(payload, out);
            }
            // The last call of the loop for every read.
            if input.is_empty() {
                return Ok(None);
            }
        }
        self.settled_end = 0;
        self.kept.is_room_full = self.end == self.room_end;
        // A slot, as in `Connection::receive`.
        let mut event = None;
        let left = self.kept.receive(connection, input, self.max_len, out, &mut event);
        self.wanted = self.kept.wanted();
        match left {
            Ok(left) => {
                self.start = self.end - left;
                Ok(event)
            }
            Err(error) => {
                self.start = self.end;
                Err(error)
            }
        }
    }

    /// Returns the next event of what was read, as [`receive`](Self::receive) does, but leaves
    /// nothing in the buffer: the connection takes the beginning of an incomplete message.
    ///
    /// For a buffer that the next read uses for another connection.
    ///
    /// # Errors
    /// Those of [`Connection::receive`].
    pub fn receive_all<'b>(
        &'b mut self,
        connection: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let limit = self.restore();
        let mut input = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        let result = match limit {
            Some(limit) => connection.receive_with_limit(limit, &mut input, out),
            None => connection.receive(&mut input, out),
        };
        self.start = self.end - input.len();
        result
    }

    /// Returns how many bytes were read and are in no event.
    #[must_use]
    pub const fn unread_len(&self) -> usize {
        self.end - self.start
    }

    /// Returns the bytes that were read and are in no event.
    ///
    /// For a takeover of the transport: they follow
    /// [`Parts::unread`](crate::Parts::unread) of the connection.
    #[must_use]
    pub fn into_unread(mut self) -> Vec<u8> {
        self.restore();
        self.buf.truncate(self.end);
        self.buf.drain(..self.start);
        self.buf
    }

    /// Frees the memory, if nothing is unread; the next [`room`](Self::room) allocates it again.
    ///
    /// For a connection that is idle, as a transport says that has nothing to read.
    pub fn release(&mut self) {
        if self.start == self.end {
            *self = Self {
                read_len: self.read_len,
                ..Self::with_limit(self.max_len)
            };
        }
    }

    /// Undoes what was done with the payload of a message that is not complete. Returns the limit
    /// on its size, if there is one.
    fn restore(&mut self) -> Option<u64> {
        self.wanted = 0;
        let message = self.kept.message.take()?;
        message.restore(self.buf.get_mut(self.start..self.end).unwrap_or_default());
        Some(message.limit())
    }
}

impl Default for InputBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how many bytes are unread, and none of them: they may be secret.
impl fmt::Debug for InputBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputBuffer")
            .field("unread", &format_args!("{} bytes", self.unread_len()))
            .field("len", &self.buf.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::{InputBuffer, READ_LEN};

    /// An adapter can read more at a time, also after the memory was freed, and not less.
    #[test]
    fn the_length_of_a_read_can_be_raised() {
        for (bytes, expected) in [(READ_LEN + 1, READ_LEN + 1), (1, READ_LEN)] {
            let mut buffer = InputBuffer::new();
            buffer.set_read_len(bytes);
            assert_eq!(buffer.room().len(), expected);
            buffer.release();
            assert_eq!(buffer.room().len(), expected);
        }
    }
}
