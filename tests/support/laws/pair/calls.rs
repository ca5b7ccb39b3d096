//! The calls of an application: when the RFC permits them, and what they write.

use sockless::{CloseCode, ClosedBy, MessageKind, PreparedMessage, Role, SendError, State, frame::Header};

use super::end::End;
use crate::{
    frames,
    known::{self, CloseBody, Item},
    laws::{
        conversation::{message_frames, opcode},
        options::Cursor,
        reference::{is_valid_code, may_become_text, truncate_to_code_points},
    },
};

/// What texts are made of: it has code points of every length.
const TEXT: &str = "aé€😀";

/// A frame that has to be written: its first byte, and its payload, unless it may be compressed.
pub(super) type ExpectedFrame = (u8, Option<Vec<u8>>);

/// A call that sends.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Message(MessageKind, Vec<u8>),
    InPlace(MessageKind, Vec<u8>),
    Prepared(MessageKind, Vec<u8>),
    Fragment(MessageKind, Vec<u8>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseBody),
    ReasonWithoutCode,
}

impl End {
    pub(super) fn read_call(&self, choice: u8, cursor: &mut Cursor<'_>) -> Call {
        let kind = if choice & 0x40 == 0 {
            MessageKind::Text
        } else {
            MessageKind::Binary
        };
        let size = cursor.byte();
        let len = match size {
            0..=199 => usize::from(size % 32),
            200..=239 => 120 + usize::from(size % 16),
            240..=253 => usize::from(size) * 5,
            254 => 65_535,
            255 => 65_536,
        };
        let is_damaged = choice & 0x20 != 0 && size % 4 == 0;
        let message = || {
            let mut data: Vec<u8> = TEXT.bytes().cycle().take(len).collect();
            truncate_to_code_points(true, &mut data);
            if is_damaged {
                data.push(0xFF);
            }
            data
        };
        match choice % 32 {
            15..=17 => Call::Message(kind, message()),
            18 => Call::InPlace(kind, message()),
            19 => Call::Prepared(kind, message()),
            20..=24 => {
                let from = self.sending.as_ref().map_or(0, |(_, data)| data.len());
                let mut data: Vec<u8> = TEXT.bytes().cycle().skip(from % TEXT.len()).take(len).collect();
                if is_damaged {
                    data.push(0xFF);
                }
                // Mostly of the kind of the message in progress.
                let kind = match &self.sending {
                    Some((kind, _)) if choice & 0x60 != 0x60 => *kind,
                    _ => kind,
                };
                Call::Fragment(kind, data, cursor.byte() % 3 == 0)
            }
            25 | 26 => Call::Ping(vec![size; len.min(127)]),
            27 => Call::Pong(vec![size; len.min(127)]),
            28 if choice & 0x60 == 0 => Call::ReasonWithoutCode,
            28 | 29 if choice & 0x20 != 0 => {
                let code = match size % 4 {
                    0 => u16::from_be_bytes(cursor.array()),
                    1 => 1000 + u16::from(cursor.byte() % 20),
                    2 => 2990 + u16::from(cursor.byte()) * 8,
                    _ => 1000,
                };
                Call::Close(Some((code, "x".repeat(len.min(130)))))
            }
            30 if choice & 0x60 == 0x60 => Call::Close(None),
            _ => Call::Fragment(kind, vec![b'a'; len.min(3)], false),
        }
    }

    /// How a call has to fail now, if it has to.
    pub(super) fn refusal(&self, call: &Call) -> Option<SendError> {
        let has_close = self.close_sent.is_some() || self.close_received.is_some();
        match self.expected_state() {
            State::Opening => return Some(SendError::NotOpen),
            State::Closed => return Some(SendError::Closing),
            State::Open | State::Closing => {}
        }
        let is_too_late = match call {
            // "an endpoint MAY send the remaining fragments before sending a Close frame" (RFC
            // 6455, section 5.5.1)
            Call::Fragment(..) if self.sending.is_some() => self.close_sent.is_some(),
            Call::Pong(_) => self.close_received.is_some(),
            Call::Close(_) | Call::ReasonWithoutCode => self.close_sent.is_some(),
            _ => has_close,
        };
        if is_too_late {
            return Some(SendError::Closing);
        }
        match call {
            Call::Message(..) | Call::InPlace(..) | Call::Prepared(..) if self.sending.is_some() => {
                Some(SendError::MessageInProgress)
            }
            Call::InPlace(MessageKind::Text, data) if std::str::from_utf8(data).is_err() => {
                Some(SendError::InvalidUtf8)
            }
            Call::Fragment(kind, ..) if self.sending.as_ref().is_some_and(|(begun, _)| begun != kind) => {
                Some(SendError::KindChanged)
            }
            Call::Fragment(MessageKind::Text, data, fin) => {
                let begun = self.sending.as_ref().map_or(&[][..], |(_, data)| data);
                let text = [begun, data].concat();
                let is_valid = if *fin {
                    std::str::from_utf8(&text).is_ok()
                } else {
                    may_become_text(&text)
                };
                (!is_valid).then_some(SendError::InvalidUtf8)
            }
            Call::Ping(payload) | Call::Pong(payload) if payload.len() > 125 => {
                Some(SendError::ControlFrameTooLong { len: payload.len() })
            }
            Call::ReasonWithoutCode => Some(SendError::ReasonWithoutCode),
            Call::Close(Some((code, reason))) => {
                let may_be_sent = *code != 1010 || self.role == Role::Client;
                if !may_be_sent || !is_valid_code(*code) {
                    Some(SendError::InvalidCloseCode { code: CloseCode(*code) })
                } else if reason.len() > 123 {
                    Some(SendError::ReasonTooLong { len: reason.len() })
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Makes a call, and checks its result and what it writes.
    pub(super) fn call(&mut self, call: &Call) {
        let refusal = self.refusal(call);
        let before = refusal.map(|_| known::shown(&self.engine));
        let len = self.out.len();
        let result = self.make(call);
        if let Some(error) = refusal {
            // Texts of these calls are `str`, which is always UTF-8.
            if let Some(result) = result {
                assert_eq!(result, Err(error), "{call:?}");
            }
            assert_eq!(self.out.len(), len, "a refused call writes nothing");
            assert_eq!(
                Some(known::shown(&self.engine)),
                before,
                "a refused call changes nothing"
            );
            return;
        }
        let Some(result) = result else {
            return;
        };
        assert_eq!(result, Ok(()), "{call:?}");
        let expected = self.note(call);
        self.check_frames(len, expected.as_deref());
    }

    /// `None` if the types do not let the call be made.
    pub(super) fn make(&mut self, call: &Call) -> Option<Result<(), SendError>> {
        let (engine, out) = (&mut self.engine, &mut self.out);
        Some(match call {
            Call::Message(MessageKind::Text, data) => engine.send_text(std::str::from_utf8(data).ok()?, out),
            Call::Message(MessageKind::Binary, data) => engine.send_binary(data, out),
            Call::InPlace(kind, data) => {
                let mut buf = [&[0; Header::MAX_LEN], &data[..]].concat();
                let before = buf.clone();
                match engine.send_in_place(*kind, &mut buf) {
                    Ok(frame) => {
                        out.extend_from_slice(frame);
                        Ok(())
                    }
                    Err(error) => {
                        assert_eq!(buf, before, "a refused call leaves the buffer as it is");
                        Err(error)
                    }
                }
            }
            Call::Prepared(kind, data) => {
                let message = match kind {
                    MessageKind::Text => PreparedMessage::text(std::str::from_utf8(data).ok()?),
                    MessageKind::Binary => PreparedMessage::binary(data),
                };
                engine.send_prepared(&message, out)
            }
            Call::Fragment(kind, data, fin) => engine.send_fragment(*kind, data, *fin, out),
            Call::Ping(payload) => engine.ping(payload, out),
            Call::Pong(payload) => engine.pong(payload, out),
            Call::Close(None) => engine.close(None, "", out),
            Call::Close(Some((code, reason))) => engine.close(CloseCode(*code), reason, out),
            Call::ReasonWithoutCode => engine.close(None, "x", out),
        })
    }

    /// Notes what a call does that was accepted. Returns the frames that it has to write. `None`:
    /// their number depends on the compressed length.
    pub(super) fn note(&mut self, call: &Call) -> Option<Vec<ExpectedFrame>> {
        let compressed = self.settings.compressed;
        Some(match call {
            Call::Message(kind, data) => {
                self.sent.push_back(Item::Message(*kind, data.clone()));
                if compressed {
                    return None;
                }
                let frames = message_frames(*kind, data, self.settings.fragment_size.into()).into_iter();
                frames.map(|(first, payload)| (first, Some(payload))).collect()
            }
            Call::InPlace(kind, data) | Call::Prepared(kind, data) => {
                self.sent.push_back(Item::Message(*kind, data.clone()));
                let may_be_compressed = compressed && matches!(call, Call::Prepared(..));
                vec![(0x80 | opcode(*kind), (!may_be_compressed).then(|| data.clone()))]
            }
            Call::Fragment(kind, data, fin) => {
                let first = if self.sending.is_some() { 0 } else { opcode(*kind) };
                let sending = self.sending.get_or_insert_with(|| (*kind, Vec::new()));
                sending.1.extend_from_slice(data);
                if *fin {
                    self.sent
                        .extend(self.sending.take().map(|(kind, data)| Item::Message(kind, data)));
                }
                let fin = if *fin { 0x80 } else { 0 };
                vec![(fin | first, (!compressed).then(|| data.clone()))]
            }
            Call::Ping(payload) => {
                self.sent.push_back(Item::Ping(payload.clone()));
                vec![(0x89, Some(payload.clone()))]
            }
            Call::Pong(payload) => {
                self.sent.push_back(Item::Pong(payload.clone()));
                vec![(0x8A, Some(payload.clone()))]
            }
            Call::Close(body) => vec![self.note_close(body.clone())],
            Call::ReasonWithoutCode => Vec::new(),
        })
    }

    pub(super) fn note_close(&mut self, body: CloseBody) -> ExpectedFrame {
        let payload = body
            .as_ref()
            .map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
        self.sent.push_back(Item::Close(body.clone()));
        self.close_sent = Some(body);
        self.closed_by.get_or_insert(ClosedBy::Us);
        (0x88, Some(payload.unwrap_or_default()))
    }

    /// Checks the frames that were written from an offset on.
    pub(super) fn check_frames(&self, from: usize, expected: Option<&[ExpectedFrame]>) {
        let written = frames(self.role, &self.out[from..]);
        let Some(expected) = expected else {
            return;
        };
        assert_eq!(written.len(), expected.len());
        for ((first, payload), (expected_first, expected)) in written.iter().zip(expected) {
            match expected {
                Some(expected) => assert_eq!((first, payload), (expected_first, expected)),
                None => assert_eq!(first & !0x40, *expected_first),
            }
        }
    }
}
