//! The messages of a recording, as an application has seen them.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    Recording,
    entry::{Call, Event},
    field::Data,
    step::Step,
};
use crate::message::MessageKind;

/// A message that was sent or received.
pub(super) struct Message {
    pub(super) at: Duration,
    pub(super) is_sent: bool,
    pub(super) kind: MessageKind,
    pub(super) payload: Payload,
}

pub(super) enum Payload {
    Bytes(Vec<u8>),
    /// This many bytes, which the recording does not have.
    Unknown(u64),
}

impl Payload {
    fn append(&mut self, data: Data<'_>) {
        match (self, data.to_bytes()) {
            (Self::Bytes(bytes), Some(more)) => bytes.extend(more),
            (Self::Unknown(len), _) => *len = len.saturating_add(data.len()),
            (this, None) => {
                let Self::Bytes(bytes) = this else { return };
                *this = Self::Unknown((bytes.len() as u64).saturating_add(data.len()));
            }
        }
    }
}

/// The messages whose last fragment or chunk is not there yet: received, and sent.
#[derive(Default)]
struct Unfinished([Option<Payload>; 2]);

impl Recording<'_> {
    /// Returns each complete message.
    pub(super) fn messages(self) -> impl Iterator<Item = Message> {
        let mut unfinished = Unfinished::default();
        self.steps().filter_map(move |step| unfinished.message(&step))
    }
}

impl Unfinished {
    fn message(&mut self, step: &Step<'_>) -> Option<Message> {
        let (is_sent, kind, data, is_end) = match (&step.call, &step.event) {
            (_, Some(Event::Message(kind, data))) => (false, *kind, *data, true),
            (
                _,
                Some(Event::Chunk {
                    kind,
                    data,
                    message_end,
                }),
            ) => (false, *kind, *data, *message_end),
            _ if step.error.is_some() => return None,
            (
                Call::Send(kind, data)
                | Call::SendInPlace(kind, data)
                | Call::SendPrepared(kind, data)
                | Call::PreparedFrame(kind, data),
                _,
            ) => (true, *kind, *data, true),
            (Call::SendFragment(kind, data, fin, _) | Call::SendFragmentHeader(kind, data, fin), _) => {
                (true, *kind, *data, *fin)
            }
            (Call::SendHeader(kind, len), _) => {
                return Some(Message {
                    at: step.at,
                    is_sent: true,
                    kind: *kind,
                    payload: Payload::Unknown(*len),
                });
            }
            _ => return None,
        };
        let slot = self.0.get_mut(usize::from(is_sent))?;
        let mut payload = slot.take().unwrap_or(Payload::Bytes(Vec::new()));
        payload.append(data);
        if !is_end {
            *slot = Some(payload);
            return None;
        }
        Some(Message {
            at: step.at,
            is_sent,
            kind,
            payload,
        })
    }
}
