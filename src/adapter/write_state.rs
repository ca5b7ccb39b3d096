//! The progress of writing the output.
//!
//! The output is one buffer of frames. If the engine divides messages into fragments, a control
//! frame need not wait for all of a large message: it is kept apart, and written at the end of the
//! frame in progress (RFC 6455, section 5.4). For that, `boundary` says where a frame begins.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::mem;
use std::io::{self, ErrorKind};

use crate::{copy, frame::Header};

/// How much of an output buffer is written, and how the transport takes it.
#[derive(Debug, Default)]
pub(super) struct WriteState {
    /// How many bytes at the front of the buffer are written.
    written: usize,
    /// The transport may hold written bytes back until it is flushed.
    pub(super) is_unflushed: bool,
    /// The transport did not take everything when it was last written to.
    pub(super) is_stalled: bool,
    /// It took more after that.
    has_progressed: bool,
    /// The error after which nothing can be written any more.
    error: Option<Box<(ErrorKind, String)>>,
    /// Where the first frame begins that is not begun to be written. `None`: it is not known, and
    /// nothing is written between the frames of the buffer.
    boundary: Option<usize>,
    /// Control frames to write at the boundary. Those that are begun are written to their end.
    control: Vec<u8>,
    /// How many bytes at the front of `control` are written: less than all, unless it is empty.
    control_written: usize,
    /// Of two slices, the transport took the first one and nothing of the second: mostly, because
    /// it has no vectored writes.
    ignores_second_slice: bool,
}

impl WriteState {
    /// Returns what to write next. `max_len` limits it, to the end of a frame, if control frames
    /// can be written between frames.
    pub(super) fn next<'a>(&'a self, buf: &'a [u8], max_len: usize) -> &'a [u8] {
        if self.is_control_next(buf) {
            return self.unwritten_control();
        }
        let end = match self.boundary {
            None => buf.len(),
            Some(boundary) if !self.control.is_empty() => boundary,
            Some(boundary) => match self.written.saturating_add(max_len) {
                min if min < buf.len() => end_of_frame(buf, boundary, min),
                _ => buf.len(),
            },
        };
        buf.get(self.written..end.min(buf.len())).unwrap_or_default()
    }

    fn unwritten_control(&self) -> &[u8] {
        self.control.get(self.control_written..).unwrap_or_default()
    }

    fn is_control_next(&self, buf: &[u8]) -> bool {
        !self.control.is_empty() && (self.boundary == Some(self.written) || self.written == buf.len())
    }

    /// Returns how many bytes are not written yet.
    pub(super) fn unwritten_len(&self, buf: &[u8]) -> usize {
        buf.len() - self.written + self.unwritten_control().len()
    }

    /// Returns all that is not written yet, in the order in which it is to be written.
    pub(super) fn unwritten(&self, buf: &[u8]) -> Vec<u8> {
        let rest = buf.get(self.written..).unwrap_or_default();
        let before = match self.boundary {
            _ if self.is_control_next(buf) => 0,
            Some(boundary) => boundary - self.written,
            None => rest.len(),
        };
        let (before, after) = rest.split_at(before.min(rest.len()));
        [before, self.unwritten_control(), after].concat()
    }

    /// Returns whether there is anything to write or to flush.
    #[inline]
    pub(super) fn is_pending(&self, buf: &[u8]) -> bool {
        self.is_unflushed || self.unwritten_len(buf) > 0
    }

    /// Notes that the transport took `len` of the `offered` bytes that are [next](Self::next).
    #[inline]
    pub(super) fn advance(&mut self, len: usize, offered: usize, buf: &[u8]) {
        if self.is_control_next(buf) {
            // Not removed after each write: the rest would be moved once for each.
            self.control_written += len;
            if self.control_written == self.control.len() {
                self.control.clear();
                self.control_written = 0;
            }
        } else {
            self.written += len;
            if let Some(boundary) = &mut self.boundary {
                *boundary = end_of_frame(buf, *boundary, self.written);
            }
        }
        self.is_unflushed = true;
        self.has_progressed |= self.is_stalled;
        self.is_stalled = len < offered;
    }

    /// Notes that a frame begins at `at`, which is not before anything that is written.
    pub(super) const fn begin_frames(&mut self, at: usize) {
        // After an error, control frames must not be kept: they are never written.
        if self.boundary.is_none() && self.error.is_none() {
            self.boundary = Some(at);
        }
    }

    /// Returns whether control frames can be written between the frames of the buffer.
    pub(super) const fn is_interleaving(&self) -> bool {
        self.boundary.is_some()
    }

    /// Takes control frames: to be written at the next boundary, or at the end of the buffer.
    #[inline]
    pub(super) fn take_control(&mut self, control: &mut Vec<u8>, buf: &mut Vec<u8>) {
        if control.is_empty() {
            return;
        }
        if self.is_interleaving() {
            if self.control_written > self.control.len() / 2 {
                self.control.drain(..self.control_written);
                self.control_written = 0;
            }
            self.control.append(control);
        } else {
            buf.append(control);
        }
    }

    /// Returns whether a payload that is not copied to the buffer can be written after it. That the
    /// transport has no vectored writes shows when it is first written to so.
    pub(super) const fn can_borrow(&self) -> bool {
        !self.ignores_second_slice && !self.is_interleaving() && self.error.is_none()
    }

    /// Removes what is written from the buffer.
    #[inline]
    pub(super) fn remove_written(&mut self, buf: &mut Vec<u8>) {
        let written = mem::take(&mut self.written);
        buf.drain(..written);
        self.boundary = match self.boundary {
            Some(boundary) if !buf.is_empty() || !self.control.is_empty() => Some(boundary - written),
            _ => None,
        };
        if self.control.is_empty() {
            self.control = Vec::new();
        }
    }

    /// Returns whether the transport took bytes after it had stalled, since this was last called.
    pub(super) const fn take_progress(&mut self) -> bool {
        mem::replace(&mut self.has_progressed, false)
    }

    /// Notes that nothing can be written any more, and drops the buffer. The first error counts.
    pub(super) fn fail(&mut self, error: &io::Error, buf: &mut Vec<u8>) {
        self.error
            .get_or_insert_with(|| Box::new((error.kind(), error.to_string())));
        self.written = 0;
        self.is_unflushed = false;
        self.boundary = None;
        self.control = Vec::new();
        self.control_written = 0;
        *buf = Vec::new();
    }

    /// Returns whether nothing can be written any more.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) const fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Returns the error after which nothing can be written.
    #[inline]
    pub(super) fn check(&self) -> io::Result<()> {
        match self.error.as_deref() {
            None => Ok(()),
            Some((kind, text)) => Err(io::Error::new(*kind, &text[..])),
        }
    }
}

/// The output while it is written, and a payload after it that is not copied to it: see
/// [`WriteState::can_borrow`].
///
/// When it is dropped, the rest of the payload is appended to the output. So whatever ends the
/// writing, a full transport, an error or a panic, the frame is whole, and no byte of it is written
/// twice.
pub(super) struct Unwritten<'a> {
    pub(super) state: &'a mut WriteState,
    buf: &'a mut Vec<u8>,
    payload: &'a [u8],
}

impl<'a> Unwritten<'a> {
    pub(super) const fn new(state: &'a mut WriteState, buf: &'a mut Vec<u8>, payload: &'a [u8]) -> Self {
        Self { state, buf, payload }
    }

    /// Returns what to write next, as [`WriteState::next`] does, and the payload that follows it.
    #[inline]
    pub(super) fn next(&self, max_len: usize) -> (&[u8], &[u8]) {
        (self.state.next(self.buf, max_len), self.payload)
    }

    /// Notes that the transport took `len` of the bytes that are [next](Self::next), which were
    /// `first_len` bytes and the payload.
    #[inline]
    pub(super) fn advance(&mut self, len: usize, first_len: usize) {
        if self.payload.is_empty() {
            self.state.advance(len.min(first_len), first_len, self.buf);
        } else {
            self.advance_to_payload(len, first_len);
        }
    }

    fn advance_to_payload(&mut self, len: usize, first_len: usize) {
        self.state.advance(len.min(first_len), first_len, self.buf);
        if len == first_len {
            self.state.ignores_second_slice = true;
        } else if let Some((_, rest)) = self.payload.split_at_checked(len.saturating_sub(first_len)) {
            self.payload = rest;
            self.state.is_stalled = !rest.is_empty();
        } else {
            self.payload = &[];
        }
    }

    /// Returns the bytes that are not written yet.
    pub(super) fn len(&self) -> usize {
        self.state.unwritten_len(self.buf) + self.payload.len()
    }
}

impl Drop for Unwritten<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.payload.is_empty() {
            if self.state.unwritten_len(self.buf) == 0 {
                self.state.remove_written(self.buf);
            }
            copy::append(self.payload, self.buf);
        }
    }
}

/// Returns the error of a transport that took nothing of `len` bytes.
#[cold]
pub(super) fn write_zero(len: usize) -> io::Error {
    let text = format!("the transport took none of {len} bytes");
    io::Error::new(ErrorKind::WriteZero, text)
}

/// Returns where the first frame begins that begins at `min` or later; `boundary` is where one
/// begins. After the last frame, that is the end of the buffer.
fn end_of_frame(buf: &[u8], mut boundary: usize, min: usize) -> usize {
    while boundary < min {
        let frame = buf.get(boundary..).unwrap_or_default();
        let Ok(Some((header, header_len))) = Header::decode(frame) else {
            return buf.len();
        };
        let payload_len = usize::try_from(header.len).unwrap_or(usize::MAX);
        boundary = boundary.saturating_add(header_len).saturating_add(payload_len);
    }
    boundary
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::num::NonZeroUsize;

    use super::*;
    use crate::{Config, Connection, Role, handshake::Negotiated};

    fn engine(role: Role) -> Connection {
        let config = Config::new().fragment_size(NonZeroUsize::new(10));
        match role {
            Role::Server => Connection::upgraded_server(&Negotiated::default(), config),
            Role::Client => Connection::upgraded_client(&Negotiated::default(), config, [1; 32]),
        }
    }

    /// F73: Control frames that come at any time during a fragmented message are written whole,
    /// between fragments, after at most one of them; whatever the transport takes at a time.
    #[test]
    fn f73_control_frames_leave_between_fragments() {
        for (role, max_len) in [
            (Role::Server, usize::MAX),
            (Role::Client, usize::MAX),
            (Role::Server, 25),
        ] {
            for taken in 1..40 {
                for at in 0..150 {
                    let mut engine = engine(role);
                    let (mut buf, mut state, mut written) = (Vec::new(), WriteState::default(), Vec::new());
                    state.begin_frames(0);
                    engine.send_binary(&[7; 95], &mut buf).unwrap();
                    let mut control = Vec::new();
                    engine.pong(b"one", &mut control).unwrap();
                    engine.pong(b"two", &mut control).unwrap();
                    let (mut waited, control_len) = (None, control.len());
                    while state.is_pending(&buf) {
                        if written.len() >= at && !control.is_empty() {
                            waited = Some(written.len());
                            state.take_control(&mut control, &mut buf);
                        }
                        let rest = state.unwritten(&buf);
                        let next = state.next(&buf, max_len);
                        if next.is_empty() {
                            break;
                        }
                        assert!(rest.starts_with(next));
                        assert_eq!(rest.len(), state.unwritten_len(&buf));
                        let len = next.len().min(taken);
                        written.extend_from_slice(&next[..len]);
                        let offered = next.len();
                        state.advance(len, offered, &buf);
                        if taken % 2 == 0 {
                            state.remove_written(&mut buf);
                        }
                    }
                    let Some(waited) = waited else {
                        assert!(at > 100);
                        continue;
                    };
                    let (mut data, mut pongs, mut rest) = (0, Vec::new(), &written[..]);
                    while let Some((header, used)) = Header::decode(rest).unwrap() {
                        let len = usize::try_from(header.len).unwrap();
                        if header.opcode.is_control() {
                            pongs.push(written.len() - rest.len());
                        } else {
                            data += len;
                        }
                        rest = &rest[used + len..];
                    }
                    assert_eq!((data, rest.len(), pongs.len()), (95, 0, 2));
                    assert_eq!(pongs[1] - pongs[0], control_len / 2, "together");
                    assert!(pongs[0] - waited <= 16, "at {waited}, written at {}", pongs[0]);
                }
            }
        }
    }

    /// F07: what is left of the control frames is not moved at each write.
    #[test]
    fn f07_control_frames_are_not_moved_for_each_write() {
        let (mut state, mut buf) = (WriteState::default(), Vec::new());
        state.begin_frames(0);
        state.take_control(&mut (0..100).collect(), &mut buf);
        let first = state.next(&buf, 10).as_ptr();
        for written in 0..99_u8 {
            assert_eq!(state.next(&buf, 10).first(), Some(&written));
            assert_eq!(state.unwritten_len(&buf), 100 - usize::from(written));
            state.advance(1, 100 - usize::from(written), &buf);
        }
        assert_eq!(state.next(&buf, 10).as_ptr().addr(), first.addr() + 99);
        // More comes before all is written.
        state.take_control(&mut vec![100], &mut buf);
        assert_eq!(
            (state.next(&buf, 10), state.unwritten(&buf)),
            (&[99, 100][..], vec![99, 100])
        );
        state.advance(2, 2, &buf);
        assert!(state.next(&buf, 10).is_empty());
        assert_eq!(state.unwritten_len(&buf), 0);
    }

    /// Without fragments, control frames are written after the output.
    #[test]
    fn control_frames_follow_the_output() {
        let (mut buf, mut state) = (vec![1, 2, 3], WriteState::default());
        state.take_control(&mut vec![4], &mut buf);
        assert_eq!(state.next(&buf, 1), [1, 2, 3, 4]);
    }
}
