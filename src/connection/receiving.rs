//! Receiving, but for the straight line.

use alloc::vec::Vec;

use super::{Connection, take_all};
use crate::{
    close::{CloseCode, CloseFrame},
    closure::ClosedBy,
    error::ProtocolError,
    event::Event,
    frame::Opcode,
    state::{Phase, Signal},
};

impl Connection {
    /// What [`receive`](Self::receive) does when there is no whole message at hand. The event, if there is one, is in
    /// `slot`.
    #[inline(never)]
    pub(super) fn receive_into<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
        slot: &mut Option<Event<'b>>,
    ) -> Result<bool, ProtocolError> {
        let result = if self.phase.receives_frames() && self.opening.is_none() {
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
        self.line = self.next_line();
        Ok(is_some)
    }

    /// Whatever the phase is.
    #[inline(never)]
    fn receive_any<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match self.phase {
            Phase::AwaitingRequest => self.receive_request(input, out),
            Phase::Deciding => self.receive_early(input, out),
            Phase::AwaitingResponse => self.receive_response(input, out),
            Phase::Open | Phase::CloseSent => {
                if self.opening.is_some() {
                    if let Some(event) = self.replay_early(out)? {
                        return Ok(Some(event));
                    }
                }
                if self.phase.receives_frames() {
                    return self.receive_frames(input, out);
                }
                take_all(input);
                Ok(None)
            }
            // "further data received is discarded" (section 1.4), and after a failure (section 7.1.7)
            Phase::CloseReceived | Phase::Closed => {
                take_all(input);
                match self.failed {
                    Some(error) => Err(error),
                    None => Ok(None),
                }
            }
        }
    }

    /// The frames of a connection that receives them.
    #[inline(never)]
    pub(super) fn receive_frames<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let event = match self.receiver.receive(input) {
            Ok(None) => return Ok(None),
            Ok(Some(event)) => event,
            Err(error) => return Err(self.fail(error, out)),
        };
        match &event {
            // "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received
            // a Close frame." (section 5.5.2)
            Event::Ping(payload) if self.auto_pong => {
                // A control payload that was received is one that may be sent.
                let _sent = self.sender.control(Opcode::Pong, payload, out);
            }
            Event::Close(frame) => {
                take_all(input);
                self.close_received(frame.as_ref(), out);
            }
            _ => {}
        }
        Ok(Some(event))
    }

    /// "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close
    /// frame in response", typically with the same code (section 5.5.1).
    fn close_received(&mut self, frame: Option<&CloseFrame<'_>>, out: &mut Vec<u8>) {
        self.closure_mut(ClosedBy::Peer).received = Some(frame.cloned().map(CloseFrame::into_owned));
        self.signal(Signal::CloseReceived);
        if self.phase == Phase::CloseReceived && self.auto_close {
            let echo = match frame {
                // The one code that a server may receive and not send.
                Some(frame) if frame.code == CloseCode::MANDATORY_EXTENSION => Some(CloseCode::NORMAL),
                frame => frame.map(|frame| frame.code),
            };
            let _sent = self.send_close(echo.map(|code| CloseFrame::new(code, "")), out);
        }
    }
}
