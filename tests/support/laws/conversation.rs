//! A valid sequence of messages and control frames from one endpoint, generated from raw bytes.

use sockless::{CloseFrame, Connection, Event, MessageKind, Role};

use super::options::Cursor;
use crate::frame;

/// The first and last code points of each length, and some common ones.
const CODE_POINTS: [char; 16] = [
    'a',
    '\0',
    '\u{7F}',
    '\u{80}',
    'ß',
    '\u{7FF}',
    '\u{800}',
    '€',
    '\u{D7FF}',
    '\u{E000}',
    '\u{FFFD}',
    '\u{FFFF}',
    '\u{10000}',
    '𝄞',
    '\u{10FFFF}',
    '~',
];

/// Close codes that either role may send.
const CLOSE_CODES: [u16; 8] = [1000, 1001, 1003, 1007, 1011, 1013, 3000, 4999];

/// The maximum number of calls. Longer conversations find no further failures.
const MAX_CALLS: usize = 40;

/// A call of a method that sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendCall {
    Message(MessageKind, Vec<u8>),
    /// A fragment of a message, and whether it is the last one.
    Fragment(MessageKind, Vec<u8>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame<'static>>),
}

/// The calls of one endpoint, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub calls: Vec<SendCall>,
}

impl Conversation {
    /// Generates calls until the bytes end, or with a Close frame.
    pub fn read(cursor: &mut Cursor<'_>) -> Self {
        let mut calls = Vec::new();
        // The unsent rest of the message in progress.
        let mut rest: Option<(MessageKind, Vec<u8>)> = None;
        let mut large = false;
        while !cursor.rest().is_empty() && calls.len() < MAX_CALLS {
            let choice = cursor.byte();
            let kind = if choice & 0x10 == 0 {
                MessageKind::Text
            } else {
                MessageKind::Binary
            };
            match (choice % 16, rest.take()) {
                (0..=3, None) => calls.push(SendCall::Message(kind, payload(kind, cursor, &mut large))),
                (4..=6, None) => rest = Some((kind, payload(kind, cursor, &mut large))),
                (0..=3, Some((kind, data))) => calls.push(SendCall::Fragment(kind, data, true)),
                (4..=9, Some((kind, mut data))) => {
                    let at = usize::from(cursor.byte()) * (data.len() + 1) / 256;
                    let rest_of_message = data.split_off(at);
                    calls.push(SendCall::Fragment(kind, data, false));
                    rest = Some((kind, rest_of_message));
                }
                (15, _) if choice >= 0xC0 => {
                    let code = CLOSE_CODES[usize::from(cursor.byte() % 8)];
                    let reason = String::from_utf8(payload(MessageKind::Text, cursor, &mut large)).unwrap();
                    let reason = reason.chars().take(30).collect::<String>();
                    let frame = CloseFrame::new(code, reason);
                    calls.push(SendCall::Close((choice & 0x10 > 0).then_some(frame)));
                    return Self { calls };
                }
                (control, in_progress) => {
                    rest = in_progress;
                    let mut data = payload(MessageKind::Binary, cursor, &mut large);
                    data.truncate(125);
                    calls.push(if control % 2 == 0 {
                        SendCall::Ping(data)
                    } else {
                        SendCall::Pong(data)
                    });
                }
            }
        }
        if let Some((kind, data)) = rest {
            calls.push(SendCall::Fragment(kind, data, true));
        }
        Self { calls }
    }

    /// Makes the calls on a connection.
    pub fn send(&self, connection: &mut Connection, out: &mut Vec<u8>) {
        for call in &self.calls {
            match call {
                SendCall::Message(MessageKind::Text, data) => {
                    connection.send_text(std::str::from_utf8(data).unwrap(), out)
                }
                SendCall::Message(MessageKind::Binary, data) => connection.send_binary(data, out),
                SendCall::Fragment(kind, data, fin) => connection.send_fragment(*kind, data, *fin, out),
                SendCall::Ping(data) => connection.ping(data, out),
                SendCall::Pong(data) => connection.pong(data, out),
                SendCall::Close(None) => connection.close(None, "", out),
                SendCall::Close(Some(frame)) => connection.close(frame.code, &frame.reason, out),
            }
            .unwrap();
        }
    }

    /// The frames that the calls send, as [`message_frames`] has those of a message.
    pub fn frames(&self, max: usize) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut in_message = false;
        for call in &self.calls {
            match call {
                SendCall::Message(kind, data) => frames.extend(message_frames(*kind, data, max)),
                SendCall::Fragment(kind, data, last) => {
                    let fin = if *last { 0x80 } else { 0 };
                    frames.push((fin | if in_message { 0 } else { opcode(*kind) }, data.clone()));
                    in_message = !last;
                }
                SendCall::Ping(data) => frames.push((0x89, data.clone())),
                SendCall::Pong(data) => frames.push((0x8A, data.clone())),
                SendCall::Close(None) => frames.push((0x88, Vec::new())),
                SendCall::Close(Some(frame)) => {
                    let code = frame.code.0.to_be_bytes();
                    frames.push((0x88, [&code, frame.reason.as_bytes()].concat()));
                }
            }
        }
        frames
    }

    /// The frames as bytes, encoded without the crate.
    pub fn encoded_frames(&self, sender: Role) -> Vec<Vec<u8>> {
        let frames = self.frames(0);
        frames
            .iter()
            .map(|(first, payload)| frame(sender, *first, payload))
            .collect()
    }

    /// The events that the peer reports.
    pub fn events(&self) -> Vec<Event<'static>> {
        let mut collected = Vec::new();
        let mut events = Vec::new();
        let message = |kind: MessageKind, data: Vec<u8>| match kind {
            MessageKind::Text => Event::Text(String::from_utf8(data).unwrap().into()),
            MessageKind::Binary => Event::Binary(data.into()),
        };
        for call in &self.calls {
            match call {
                SendCall::Message(kind, data) => events.push(message(*kind, data.clone())),
                SendCall::Fragment(kind, data, last) => {
                    collected.extend_from_slice(data);
                    if *last {
                        events.push(message(*kind, std::mem::take(&mut collected)));
                    }
                }
                SendCall::Ping(data) => events.push(Event::Ping(data.clone().into())),
                SendCall::Pong(data) => events.push(Event::Pong(data.clone().into())),
                SendCall::Close(frame) => events.push(Event::Close(frame.clone())),
            }
        }
        events
    }

    /// The frames with which the peer answers automatically.
    pub fn replies(&self) -> Vec<(u8, Vec<u8>)> {
        let answer = |call: &SendCall| match call {
            SendCall::Ping(data) => Some((0x8A, data.clone())),
            SendCall::Close(frame) => {
                let code = frame.as_ref().map(|frame| frame.code.0.to_be_bytes().to_vec());
                Some((0x88, code.unwrap_or_default()))
            }
            _ => None,
        };
        self.calls.iter().filter_map(answer).collect()
    }
}

/// The frames of a message, as first bytes and payloads. One of more than `max` bytes is
/// fragmented, unless `max` is 0.
pub fn message_frames(kind: MessageKind, data: &[u8], max: usize) -> Vec<(u8, Vec<u8>)> {
    if max == 0 || data.len() <= max {
        return vec![(0x80 | opcode(kind), data.to_vec())];
    }
    let last = (data.len() - 1) / max;
    let frames = data.chunks(max).enumerate().map(|(i, piece)| {
        let fin = if i == last { 0x80 } else { 0 };
        (fin | if i == 0 { opcode(kind) } else { 0 }, piece.to_vec())
    });
    frames.collect()
}

pub fn opcode(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Text => 1,
        MessageKind::Binary => 2,
    }
}

/// A payload: mostly short, often with a length around a limit of the length forms, and at most
/// once in a conversation with 64 KiB.
fn payload(kind: MessageKind, cursor: &mut Cursor<'_>, large: &mut bool) -> Vec<u8> {
    let [size, a, b] = cursor.array();
    let len = match size {
        0..=191 => usize::from(size % 24),
        192..=239 => 122 + usize::from(size % 8),
        240..=253 => usize::from(size) * 8,
        _ if std::mem::replace(large, true) => 0,
        254 => 65_535,
        255 => 65_536,
    };
    match kind {
        MessageKind::Binary => (0..len).map(|i| a.wrapping_add(b.wrapping_mul(i as u8))).collect(),
        MessageKind::Text => {
            let chars = [a % 16, a / 16, b % 16, b / 16].map(|i| CODE_POINTS[usize::from(i)]);
            let mut text = String::new();
            for char in chars.iter().cycle() {
                if text.len() >= len {
                    break;
                }
                text.push(*char);
            }
            text.into_bytes()
        }
    }
}
