//! What an end receives, and what it has to write for that.

use std::collections::VecDeque;

use allocation_counter::measure;
use sockless::{ClosedBy, Event, MessageKind, ProtocolError, State};

use super::{calls::ExpectedFrame, end::End};
use crate::known::{Item, Opening, body_of};

impl End {
    /// Receives bytes of the other end, which has sent the items.
    pub(super) fn receive(&mut self, mut bytes: Vec<u8>, expected: &mut VecDeque<Item>) {
        let len = self.out.len();
        let arrived = bytes.len() + self.engine.assembled_len();
        let mut input = &mut bytes[..];
        let mut replies = Vec::new();
        loop {
            self.out.reserve(64 << 10);
            let (engine, out) = (&mut self.engine, &mut self.out);
            let mut result = Ok(None);
            let heap = measure(|| result = engine.receive(&mut input, out));
            let bound = 3 * arrived as u64 + (if self.settings.compressed { 8 << 20 } else { 80 << 10 });
            assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
            match result {
                Ok(None) => break,
                Ok(Some(event)) => self.take(event.into_owned(), expected, &mut replies),
                Err(error) => panic!("an honest end finds no violation: {error:?}"),
            }
        }
        assert!(input.is_empty(), "`None` means that the input is empty");
        if self.opening == Opening::Accepted && self.out.len() > len {
            self.check_frames(len, Some(&replies));
        } else {
            assert!(replies.is_empty());
        }
    }

    pub(super) fn take(
        &mut self,
        event: Event<'static>,
        expected: &mut VecDeque<Item>,
        replies: &mut Vec<ExpectedFrame>,
    ) {
        assert!(
            self.close_received.is_none() && self.error.is_none(),
            "no event after the end"
        );
        let item = match event {
            Event::Request(request) => {
                self.request = Some(request);
                self.opening = Opening::Deciding;
                return;
            }
            Event::Open(_) => {
                self.opening = Opening::Accepted;
                return;
            }
            Event::Refused(refusal) => {
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"no"[..], true));
                self.opening = Opening::Refused;
                return;
            }
            Event::Chunk(chunk) => {
                self.receiving.extend_from_slice(chunk.as_bytes());
                if !chunk.message_end {
                    return;
                }
                Item::Message(chunk.kind(), std::mem::take(&mut self.receiving))
            }
            Event::Text(text) => Item::Message(MessageKind::Text, text.into_owned().into_bytes()),
            Event::Binary(data) => Item::Message(MessageKind::Binary, data.into_owned()),
            Event::Ping(payload) => Item::Ping(payload.into_owned()),
            Event::Pong(payload) => Item::Pong(payload.into_owned()),
            Event::Close(frame) => Item::Close(body_of(frame.as_ref())),
            event => panic!("{event:?}"),
        };
        assert_eq!(
            Some(&item),
            expected.pop_front().as_ref(),
            "what is sent arrives in order"
        );
        match item {
            Item::Ping(payload) if self.settings.auto_pong => {
                self.sent.push_back(Item::Pong(payload.clone()));
                replies.push((0x8A, Some(payload)));
            }
            Item::Close(body) => {
                self.closed_by.get_or_insert(ClosedBy::Peer);
                self.close_received = Some(body.clone());
                if self.close_sent.is_none() && self.settings.auto_close {
                    // What a server may receive and not send (RFC 6455, section 7.4.1).
                    let echo = body.map(|(code, _)| (if code == 1010 { 1000 } else { code }, String::new()));
                    replies.push(self.note_close(echo));
                }
            }
            Item::Ping(_) | Item::Pong(_) | Item::Message(..) => {}
        }
    }

    pub(super) fn end_input(&mut self) {
        self.input_ended = true;
        let before = self.expected_state();
        let result = self.engine.receive_eof();
        let expected = match before {
            _ if self.error.is_some() => self.error,
            State::Closed => None,
            State::Opening => {
                if let Ok(Some(Event::Refused(_))) = result {
                    self.opening = Opening::Refused;
                    return;
                }
                Some(ProtocolError::HandshakeEof)
            }
            State::Open | State::Closing => Some(ProtocolError::UnexpectedEof),
        };
        assert_eq!(result.map_err(|error| *error), expected.map_or(Ok(None), Err));
        if before != State::Closed {
            self.error = expected;
            self.closed_by.get_or_insert(ClosedBy::Transport);
        }
    }
}
