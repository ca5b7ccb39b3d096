//! What an end receives, and what it has to write for that.

use std::mem;

use sockless::{ClosedBy, Event, MessageKind, ProtocolError, State};

use support::{
    known::{CloseBody, Item, Opening, body_of},
    role_name,
};

use super::{
    calls::{Call, Expected},
    endpoint::Endpoint,
    explore::{Violation, require, require_equal},
};

impl Endpoint {
    /// Receives bytes, which an honest end has sent.
    pub(super) fn receive(&mut self, mut bytes: Vec<u8>) -> Result<(), Violation> {
        let (mut input, mut replies) = (&mut bytes[..], Vec::new());
        loop {
            match self.engine.receive(&mut input, &mut self.output.written) {
                Ok(None) => break,
                Ok(Some(event)) => self.take_event(event, &mut replies)?,
                Err(error) => return Err(self.no_error(&error)),
            }
        }
        require(input.is_empty(), "`None` means that the input is empty", String::new)?;
        self.check_written(&replies)
    }

    fn no_error(&self, error: &ProtocolError) -> Violation {
        let end = role_name(self.role);
        Violation::new("honest ends find no violation", format!("the {end} fails: {error:?}"))
    }

    fn take_event(&mut self, event: Event<'_>, replies: &mut Vec<Expected>) -> Result<(), Violation> {
        require(
            self.close_received.is_none() && self.error.is_none(),
            "no event follows a Close frame or a failure",
            || format!("{event:?}"),
        )?;
        match event {
            Event::Request(request) => {
                self.request = Some(request.into_owned());
                self.opening = Opening::Deciding;
            }
            Event::Open(_) => self.opening = Opening::Accepted,
            Event::Refused(refusal) => {
                let rule = "a refusal arrives whole";
                require_equal(
                    &(&refusal.body[..], refusal.is_complete),
                    &(&b"no"[..], true),
                    rule,
                    "its body",
                )?;
                self.opening = Opening::Refused;
            }
            Event::Text(text) => {
                let text = text.into_owned().into_bytes();
                self.received.push(Item::Message(MessageKind::Text, text));
            }
            Event::Binary(data) => {
                self.received
                    .push(Item::Message(MessageKind::Binary, data.into_owned()));
            }
            Event::Chunk(chunk) => {
                self.chunks.extend_from_slice(chunk.as_bytes());
                if chunk.message_end {
                    self.received
                        .push(Item::Message(chunk.kind(), mem::take(&mut self.chunks)));
                }
            }
            Event::Ping(payload) => {
                self.received.push(Item::Ping(payload.to_vec()));
                if self.settings.manual {
                    self.pings.push_back(payload.into_owned());
                } else {
                    replies.push(Expected::pong(payload.into_owned()));
                }
            }
            Event::Pong(payload) => self.received.push(Item::Pong(payload.into_owned())),
            Event::Close(frame) => self.take_close(body_of(frame.as_ref()), replies),
            other => return Err(Violation::new("an event of this version", format!("{other:?}"))),
        }
        Ok(())
    }

    fn take_close(&mut self, body: CloseBody, replies: &mut Vec<Expected>) {
        self.received.push(Item::Close(body.clone()));
        self.closed_by.get_or_insert(ClosedBy::Peer);
        self.close_received = Some(body);
        if self.close_sent.is_none() && !self.settings.manual {
            let echo = self.close_body(Call::CloseAnswer);
            replies.push(Expected::close(echo.as_ref()));
            self.close_sent = Some(echo);
        }
    }

    /// Tells the connection that its input has ended. `refusal_begun`: the head of a refusal has
    /// arrived.
    pub(super) fn receive_end(&mut self, refusal_begun: bool) -> Result<(), Violation> {
        let result = self.engine.receive_eof();
        let rule = "the end of the transport is reported as it is";
        let expected = match (self.error, self.expected_state()) {
            (Some(error), _) => Some(error),
            (None, State::Closed) => None,
            (None, State::Opening) if refusal_begun => {
                self.opening = Opening::Refused;
                return require(matches!(result, Ok(Some(Event::Refused(_)))), rule, || {
                    format!("{result:?}, where a refusal has begun")
                });
            }
            (None, State::Opening) => Some(ProtocolError::HandshakeEof),
            (None, State::Open | State::Closing) => Some(ProtocolError::UnexpectedEof),
        };
        if expected.is_some() {
            self.error = expected;
            self.closed_by.get_or_insert(ClosedBy::Transport);
        }
        let result = result.map_err(|error| *error);
        require_equal(&result, &expected.map_or(Ok(None), Err), rule, role_name(self.role))
    }
}
