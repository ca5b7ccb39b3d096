//! One side of a valid conversation, made from raw bytes: what is sent, frame by frame, and what has to arrive.

use sockless::{CloseFrame, Connection, Event, MessageKind, Role};

use super::options::Cursor;
use crate::frame;

/// Code points at the borders of each length, and some of everyday use.
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

/// Codes that either end may send.
const CLOSE_CODES: [u16; 8] = [1000, 1001, 1003, 1007, 1011, 1013, 3000, 4999];

/// Longer conversations show nothing new.
const MAX_STEPS: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Message(MessageKind, Vec<u8>),
    /// A fragment of a message, and whether it is the last.
    Fragment(MessageKind, Vec<u8>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame<'static>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub steps: Vec<Step>,
}

impl Conversation {
    /// Takes steps off the front of the bytes, until they end or a Close comes.
    pub fn read(cursor: &mut Cursor<'_>) -> Self {
        let mut steps = Vec::new();
        // The message in progress: what is not sent of it yet.
        let mut rest: Option<(MessageKind, Vec<u8>)> = None;
        let mut large = false;
        while !cursor.rest().is_empty() && steps.len() < MAX_STEPS {
            let choice = cursor.byte();
            let kind = if choice & 0x10 == 0 {
                MessageKind::Text
            } else {
                MessageKind::Binary
            };
            match (choice % 16, rest.take()) {
                (0..=3, None) => steps.push(Step::Message(kind, payload(kind, cursor, &mut large))),
                (4..=6, None) => rest = Some((kind, payload(kind, cursor, &mut large))),
                (0..=3, Some((kind, data))) => steps.push(Step::Fragment(kind, data, true)),
                (4..=9, Some((kind, mut data))) => {
                    let at = usize::from(cursor.byte()) * (data.len() + 1) / 256;
                    let behind = data.split_off(at);
                    steps.push(Step::Fragment(kind, data, false));
                    rest = Some((kind, behind));
                }
                (15, _) if choice >= 0xC0 => {
                    let code = CLOSE_CODES[usize::from(cursor.byte() % 8)];
                    let reason = String::from_utf8(payload(MessageKind::Text, cursor, &mut large)).unwrap();
                    let reason = reason.chars().take(30).collect::<String>();
                    let frame = CloseFrame::new(code, reason);
                    steps.push(Step::Close((choice & 0x10 > 0).then_some(frame)));
                    return Self { steps };
                }
                (even, in_progress) => {
                    rest = in_progress;
                    let mut data = payload(MessageKind::Binary, cursor, &mut large);
                    data.truncate(125);
                    steps.push(if even % 2 == 0 {
                        Step::Ping(data)
                    } else {
                        Step::Pong(data)
                    });
                }
            }
        }
        if let Some((kind, data)) = rest {
            steps.push(Step::Fragment(kind, data, true));
        }
        Self { steps }
    }

    /// Sends everything through the crate.
    pub fn send(&self, connection: &mut Connection, out: &mut Vec<u8>) {
        for step in &self.steps {
            match step {
                Step::Message(MessageKind::Text, data) => connection.send_text(std::str::from_utf8(data).unwrap(), out),
                Step::Message(MessageKind::Binary, data) => connection.send_binary(data, out),
                Step::Fragment(kind, data, fin) => connection.send_fragment(*kind, data, *fin, out),
                Step::Ping(data) => connection.ping(data, out),
                Step::Pong(data) => connection.pong(data, out),
                Step::Close(None) => connection.close(None, "", out),
                Step::Close(Some(frame)) => connection.close(frame.code, &frame.reason, out),
            }
            .unwrap();
        }
    }

    /// The frames that this is, first bytes and payloads, if messages over `max` bytes are cut; 0: they are not.
    pub fn frames(&self, max: usize) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut in_message = false;
        for step in &self.steps {
            match step {
                Step::Message(kind, data) if max > 0 && data.len() > max => {
                    let last = (data.len() - 1) / max;
                    for (i, piece) in data.chunks(max).enumerate() {
                        let fin = if i == last { 0x80 } else { 0 };
                        frames.push((fin | if i == 0 { opcode(*kind) } else { 0 }, piece.to_vec()));
                    }
                }
                Step::Message(kind, data) => frames.push((0x80 | opcode(*kind), data.clone())),
                Step::Fragment(kind, data, last) => {
                    let fin = if *last { 0x80 } else { 0 };
                    frames.push((fin | if in_message { 0 } else { opcode(*kind) }, data.clone()));
                    in_message = !last;
                }
                Step::Ping(data) => frames.push((0x89, data.clone())),
                Step::Pong(data) => frames.push((0x8A, data.clone())),
                Step::Close(None) => frames.push((0x88, Vec::new())),
                Step::Close(Some(frame)) => {
                    let code = frame.code.0.to_be_bytes();
                    frames.push((0x88, [&code, frame.reason.as_bytes()].concat()));
                }
            }
        }
        frames
    }

    /// The frames as bytes, made by hand.
    pub fn wire(&self, sender: Role) -> Vec<Vec<u8>> {
        let frames = self.frames(0);
        frames
            .iter()
            .map(|(first, payload)| frame(sender, *first, payload))
            .collect()
    }

    /// What arrives.
    pub fn events(&self) -> Vec<Event<'static>> {
        let mut collected = Vec::new();
        let mut events = Vec::new();
        let message = |kind: MessageKind, data: Vec<u8>| match kind {
            MessageKind::Text => Event::Text(String::from_utf8(data).unwrap().into()),
            MessageKind::Binary => Event::Binary(data.into()),
        };
        for step in &self.steps {
            match step {
                Step::Message(kind, data) => events.push(message(*kind, data.clone())),
                Step::Fragment(kind, data, last) => {
                    collected.extend_from_slice(data);
                    if *last {
                        events.push(message(*kind, std::mem::take(&mut collected)));
                    }
                }
                Step::Ping(data) => events.push(Event::Ping(data.clone().into())),
                Step::Pong(data) => events.push(Event::Pong(data.clone().into())),
                Step::Close(frame) => events.push(Event::Close(frame.clone())),
            }
        }
        events
    }

    /// The frames that answer it automatically.
    pub fn replies(&self) -> Vec<(u8, Vec<u8>)> {
        let answer = |step: &Step| match step {
            Step::Ping(data) => Some((0x8A, data.clone())),
            Step::Close(frame) => {
                let code = frame.as_ref().map(|frame| frame.code.0.to_be_bytes().to_vec());
                Some((0x88, code.unwrap_or_default()))
            }
            _ => None,
        };
        self.steps.iter().filter_map(answer).collect()
    }
}

fn opcode(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Text => 1,
        MessageKind::Binary => 2,
    }
}

/// Mostly short; often where the form of the length changes; once in a conversation it may have 64 KiB.
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
