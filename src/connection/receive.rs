//! Receiving, and the replies to it: Pongs, and Close frames after those of the peer and after
//! violations.

use alloc::{boxed::Box, vec::Vec};
use core::mem;

use super::{Connection, recorded::if_recorded};
use crate::{
    close::{CloseFrame, ClosedBy},
    error::ProtocolError,
    event::Event,
    frame::opcode::Opcode,
    receive::{Path, Pieces},
    state::{Phase, Signal, State},
};

impl Connection {
    /// Takes the next event off the front of `input`, which shrinks as it is consumed.
    ///
    /// `Ok(None)` means exactly: `input` is empty. Payload is unmasked in place. A whole message
    /// inside one `input` is borrowed from it; a message that spans inputs, is fragmented or was
    /// compressed is owned. Replies are appended to `out`.
    ///
    /// Call it until it returns `None` or an error, then write `out`, in either case. Once the
    /// connection is [`Closed`](crate::State::Closed), input is discarded.
    ///
    /// # Errors
    /// Returns the rule that the peer broke, after everything before that was delivered. The Close
    /// frame or HTTP response for the peer is in `out`. Later calls return the same error. It is
    /// boxed, because a larger result would cost every message.
    // An event that a call returns goes through memory; measured.
    #[inline(always)]
    pub fn receive<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        self.receive_with::<false>(input, out)
    }

    /// Takes the next event off the front of `input`, as [`receive`](Self::receive) does, but
    /// leaves the beginning of an incomplete message there, so that the message is borrowed, and
    /// not copied, once it is complete.
    ///
    /// `Ok(None)` means: keep what is left of `input`, which may be nothing, read more after it,
    /// and call again with all of it. If there is no room to read more, or nothing more will
    /// arrive, pass it to [`receive`](Self::receive), which takes everything. What is left is not
    /// in [`Parts::unread`](crate::Parts::unread), and was not examined: text that is not UTF-8 is
    /// found when all of it is there. Fragments, compressed messages and control frames are taken
    /// as they arrive.
    ///
    /// ```
    /// use sockless::{Config, Connection, Event, handshake::Negotiated};
    ///
    /// # let seed = [0; 32];
    /// # let mut reads = vec![&b"\x82\x03a"[..], b"bc\x82", b"\x01d"];
    /// let negotiated = Negotiated::default();
    /// let mut connection = Connection::upgraded_client(&negotiated, Config::default(), seed);
    /// let (mut buffer, mut filled, mut wanted, mut out) = ([0; 1024], 0, 0, Vec::new());
    /// # let mut messages = Vec::new();
    /// # let mut transport = reads.drain(..);
    /// # let mut read = |room: &mut [u8]| {
    /// #     let bytes = transport.next().unwrap_or_default();
    /// #     room[..bytes.len()].copy_from_slice(bytes);
    /// #     bytes.len()
    /// # };
    /// loop {
    ///     let n = read(&mut buffer[filled..]);
    ///     # if n == 0 { break }
    ///     filled += n;
    ///     if filled < wanted && filled < buffer.len() {
    ///         continue;
    ///     }
    ///     let mut input = &mut buffer[..filled];
    ///     while let Some(event) = connection.receive_whole(&mut input, &mut out)? {
    ///         let Event::Binary(data) = event else { continue };
    ///         # messages.push(data.into_owned());
    ///     }
    ///     while input.len() == 1024 {
    ///         // The message is longer than the buffer.
    ///         connection.receive(&mut input, &mut out)?;
    ///     }
    ///     // Here `out` is written.
    ///     let left = input.len();
    ///     wanted = left + connection.wanted(input);
    ///     buffer.copy_within(filled - left..filled, 0);
    ///     filled = left;
    /// }
    /// # assert_eq!(messages, [&b"abc"[..], b"d"]);
    /// # Ok::<(), Box<sockless::ProtocolError>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive).
    // Measured, as for `receive`.
    #[inline(always)]
    pub fn receive_whole<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        self.receive_with::<true>(input, out)
    }

    /// Returns at least how many bytes have to arrive after `left` before they can lead to an
    /// event: more than 0.
    ///
    /// `left` is what [`receive_whole`](Self::receive_whole) has left, which may be nothing, and
    /// what was read since. The result is all that is missing in the message, once its length is
    /// there; or, in a message of which pieces were taken because it is fragmented or longer than
    /// the buffer, all that is missing in its frame. Together with the length of `left` it is at
    /// most `usize::MAX`.
    ///
    /// Wait for that many bytes, or until the buffer is full. An earlier call only finds a
    /// violation earlier: in the first byte of a header, in a length before all of the header has
    /// arrived, or, where pieces were taken, text that is not UTF-8.
    #[must_use]
    #[inline]
    pub fn wanted(&self, left: &[u8]) -> usize {
        self.assert_path();
        let missing = match self.path {
            Path::Whole => self.receiver.missing_bytes(left).unwrap_or(1),
            Path::Pieces => self
                .receiver
                .missing_bytes_of_frame()
                .saturating_sub(left.len() as u64)
                .max(1),
            Path::General => 1,
        };
        let countable = usize::MAX - left.len();
        usize::try_from(missing).map_or(countable, |missing| missing.min(countable))
    }

    /// Tells the connection that the transport has ended: a read returned no bytes, or an error.
    ///
    /// Returns `Ok(None)` after a complete closing handshake. Returns an event if what the
    /// connection waits for ends with the transport, as the body of a refusal may.
    ///
    /// A client that stops waiting, because of a deadline or a reset, calls it too, so that it gets
    /// a refusal whose head has arrived. Its body is then incomplete, whatever
    /// [`is_complete`](crate::handshake::Refusal::is_complete) says of a body that ends with the
    /// transport.
    ///
    /// # Errors
    /// Returns [`UnexpectedEof`](ProtocolError::UnexpectedEof) or
    /// [`HandshakeEof`](ProtocolError::HandshakeEof) if the connection is lost, or the peer closed
    /// the transport too early (RFC 6455, section 7.1.5); or the error with which the connection
    /// failed before.
    pub fn receive_eof(&mut self) -> Result<Option<Event<'static>>, Box<ProtocolError>> {
        if_recorded!(self, self.receive_eof_recorded());
        if let Some(error) = self.failure() {
            return Err(error);
        }
        if self.phase == Phase::Closed {
            return Ok(None);
        }
        let refusal = self.opening.as_ref().and_then(|opening| opening.refusal.as_ref());
        if let Some((_, body)) = refusal {
            let is_complete = body.ends_with_transport();
            return Ok(self.refused(is_complete));
        }
        let error = match self.state() {
            State::Opening => ProtocolError::HandshakeEof,
            State::Open | State::Closing | State::Closed => ProtocolError::UnexpectedEof,
        };
        Err(self.fail(error, &mut Vec::new()))
    }

    #[inline(always)]
    fn receive_with<'b, const WHOLE: bool>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        self.assert_path();
        match self.path {
            Path::Whole => match self.receiver.whole_message(input) {
                // The last call of the loop for every read.
                Ok(None) if input.is_empty() => return Ok(None),
                Ok(None) if WHOLE && self.receiver.missing_bytes(input).is_some() => return Ok(None),
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.fail(error.into(), out)),
            },
            Path::Pieces => {
                if let [byte] = **input {
                    if self.receiver.receive_byte(byte) {
                        *input = &mut [];
                        return Ok(None);
                    }
                }
                match self.receiver.receive_pieces(input) {
                    Pieces::Consumed => return Ok(None),
                    Pieces::Ended(message) => {
                        self.update_path();
                        return Ok(Some(message.into()));
                    }
                    Pieces::Failed(error) => return Err(self.fail(*error, out)),
                    Pieces::FrameEnded => {}
                }
            }
            Path::General => {}
        }
        // A slot instead of one more `Result`, which would be moved in wider steps than it was
        // written in: a load that waits for several stores is what a small message costs.
        let mut event = None;
        if self.receive_into(input, out, &mut event)? {
            Ok(event)
        } else {
            Ok(None)
        }
    }

    /// A path that is not up to date would skip a rule.
    #[inline(always)]
    fn assert_path(&self) {
        debug_assert_eq!(
            self.path,
            self.compute_path(),
            "the path of the connection is not up to date"
        );
    }

    /// The general path, which is the only one while there is a recorder. The event, if there is
    /// one, is in `slot`.
    #[inline(never)]
    fn receive_into<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
        slot: &mut Option<Event<'b>>,
    ) -> Result<bool, Box<ProtocolError>> {
        if_recorded!(
            self,
            self.receive_recorded(input, out).map(|event| {
                *slot = event;
                slot.is_some()
            })
        );
        if self.path == Path::Whole {
            match self.receiver.whole_compressed(input) {
                Ok(None) => {}
                Ok(event) => {
                    *slot = event;
                    return Ok(true);
                }
                Err(error) => return Err(self.fail(error, out)),
            }
        }
        let result = if self.takes_frames() {
            self.receive_frames(input, out)
        } else {
            self.receive_any(input, out)
        };
        // As a `match` on the whole and not with `?`, which would move the event once more.
        let is_some = match result {
            Ok(None) => false,
            Ok(event) => {
                *slot = event;
                true
            }
            Err(error) => return Err(error),
        };
        self.update_path();
        Ok(is_some)
    }

    /// The general path for input in any phase.
    #[inline(never)]
    fn receive_any<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        match self.phase {
            Phase::AwaitingRequest => self.receive_request(input, out),
            Phase::Deciding => self.receive_early(input, out),
            Phase::AwaitingResponse => self.receive_response(input, out),
            Phase::Open | Phase::CloseSent => match self.replay_early(out)? {
                Some(event) => Ok(Some(event)),
                None => self.receive_frames(input, out),
            },
            // "further data received is discarded" (section 1.4), and after a failure (section
            // 7.1.7)
            Phase::CloseReceived | Phase::Closed => {
                mem::take(input);
                match self.failure() {
                    Some(error) => Err(error),
                    None => Ok(None),
                }
            }
        }
    }

    /// The general path for input of a connection that receives frames.
    #[inline(never)]
    pub(super) fn receive_frames<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let event = match self.receiver.receive(input) {
            Ok(None) => return Ok(None),
            Ok(Some(event)) => event,
            Err(error) => return Err(self.fail(error, out)),
        };
        match &event {
            // "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless
            // it already received a Close frame." (section 5.5.2)
            Event::Ping(payload) if self.auto_pong => {
                // It cannot fail: a control payload that was received is short enough to send.
                let _sent = self.sender.control(Opcode::Pong, payload, out);
            }
            Event::Close(frame) => {
                mem::take(input);
                self.close_received(frame.as_ref(), out);
            }
            _ => {}
        }
        Ok(Some(event))
    }

    /// "If an endpoint receives a Close frame and did not previously send a Close frame, the
    /// endpoint MUST send a Close frame in response", typically with the same code (RFC 6455,
    /// section 5.5.1).
    fn close_received(&mut self, frame: Option<&CloseFrame<'_>>, out: &mut Vec<u8>) {
        self.close_status_mut(ClosedBy::Peer).received = Some(frame.cloned().map(CloseFrame::into_owned));
        self.signal(Signal::CloseReceived);
        if self.phase == Phase::CloseReceived && self.auto_close {
            let _sent = self.send_close(frame.map(CloseFrame::echo), out);
        }
    }
}
