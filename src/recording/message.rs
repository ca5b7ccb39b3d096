//! The messages of a recording, as an application has seen them.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    Recording,
    entry::{CallLine, EventLine},
    field::Data,
    recorded_call::RecordedCall,
};
use crate::message::MessageKind;

/// A message that was sent or received.
pub(super) struct RecordedMessage {
    pub(super) at: Duration,
    pub(super) is_sent: bool,
    pub(super) kind: MessageKind,
    pub(super) payload: RecordedPayload,
}

pub(super) enum RecordedPayload {
    Bytes(Vec<u8>),
    /// This many bytes, which the recording does not have.
    Unknown(u64),
}

impl RecordedPayload {
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
struct Unfinished([Option<RecordedPayload>; 2]);

impl Recording<'_> {
    /// Returns each complete message.
    pub(super) fn messages(self) -> impl Iterator<Item = RecordedMessage> {
        let mut unfinished = Unfinished::default();
        self.calls().filter_map(move |recorded| unfinished.message(&recorded))
    }
}

impl Unfinished {
    fn message(&mut self, recorded: &RecordedCall<'_>) -> Option<RecordedMessage> {
        let (is_sent, kind, data, is_end) = match (&recorded.call, &recorded.event) {
            (_, Some(EventLine::Message(kind, data))) => (false, *kind, *data, true),
            (
                _,
                Some(EventLine::Chunk {
                    kind,
                    data,
                    message_end,
                }),
            ) => (false, *kind, *data, *message_end),
            _ if recorded.error.is_some() => return None,
            (
                CallLine::Send(kind, data)
                | CallLine::SendInPlace(kind, data)
                | CallLine::SendPrepared(kind, data)
                | CallLine::PreparedFrame(kind, data),
                _,
            ) => (true, *kind, *data, true),
            (CallLine::SendFragment(kind, data, fin, _) | CallLine::SendFragmentHeader(kind, data, fin), _) => {
                (true, *kind, *data, *fin)
            }
            (CallLine::SendHeader(kind, len), _) => {
                return Some(RecordedMessage {
                    at: recorded.at,
                    is_sent: true,
                    kind: *kind,
                    payload: RecordedPayload::Unknown(*len),
                });
            }
            _ => return None,
        };
        let slot = self.0.get_mut(usize::from(is_sent))?;
        let mut payload = slot.take().unwrap_or(RecordedPayload::Bytes(Vec::new()));
        payload.append(data);
        if !is_end {
            *slot = Some(payload);
            return None;
        }
        Some(RecordedMessage {
            at: recorded.at,
            is_sent,
            kind,
            payload,
        })
    }
}
