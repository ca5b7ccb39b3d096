//! Messages of the model: plain, or compressed (RFC 7692).

use support::laws::{
    inflate::TAIL,
    rfc1951::{self, End},
};

use crate::differences::{
    Difference::{EndNotChecked, FinalBlockEnds, LateEmptyCode},
    Set,
};

/// The message in progress.
#[derive(Clone, Default)]
pub(crate) struct Message {
    pub(crate) is_text: bool,
    pub(crate) announced: u128,
    /// The payload, inflated if it is compressed.
    pub(crate) payload: Vec<u8>,
    /// The payload that is compressed.
    pub(crate) compressed: Option<Vec<u8>>,
    /// The last frame was a control frame, after which a peer looks at RSV1 again.
    pub(crate) is_interrupted: bool,
}

/// Inflates the messages of a connection.
pub(crate) struct Inflater {
    known: Set,
    takeover: bool,
    /// What was inflated so far: the messages with their tails.
    stream: Vec<u8>,
    /// The bytes to which that inflates.
    delivered: usize,
    /// Nothing is inflated any more.
    has_ended: bool,
}

/// What a message inflates to.
struct Step {
    /// The data, with that of the messages before.
    stream: Vec<u8>,
    output: Vec<u8>,
    end: End,
}

impl Inflater {
    pub(crate) const fn new(takeover: bool, known: Set) -> Self {
        Self {
            known,
            takeover,
            stream: Vec::new(),
            delivered: 0,
            has_ended: false,
        }
    }

    /// Adds the payload of a frame to a message. `is_last` if it is complete, and the last frame.
    /// Returns whether it is valid DEFLATE data.
    pub(crate) fn add(&self, message: &mut Message, payload: &[u8], is_last: bool) -> bool {
        let Some(compressed) = &mut message.compressed else {
            message.payload.extend_from_slice(payload);
            return true;
        };
        compressed.extend_from_slice(payload);
        let Some(step) = self.inflate(compressed, is_last) else {
            return false;
        };
        message.payload = step.output[self.delivered..].to_vec();
        true
    }

    /// Takes the message for one that is not compressed from now on.
    pub(crate) fn interrupt(&mut self, message: &mut Message) {
        message.is_interrupted = true;
        if let Some(compressed) = message.compressed.take() {
            self.keep(&compressed, false);
        }
    }

    /// Ends a message.
    pub(crate) fn end(&mut self, message: &Message) {
        let Some(compressed) = &message.compressed else {
            return;
        };
        self.keep(compressed, true);
        if !self.takeover {
            *self = Self::new(false, self.known);
        }
    }

    fn keep(&mut self, compressed: &[u8], is_last: bool) {
        let step = self.inflate(compressed, is_last).expect("the data is checked");
        self.has_ended = is_last && matches!(step.end, End::Stream(_)) && self.known.has(FinalBlockEnds);
        (self.stream, self.delivered) = (step.stream, step.output.len());
    }

    /// Inflates a message, or a part of it. `None` if it is not valid (RFC 7692, section 7.2.2).
    fn inflate(&self, compressed: &[u8], is_last: bool) -> Option<Step> {
        let is_lenient = self.known.has(EndNotChecked);
        let step = |stream: Vec<u8>| {
            let (output, end) = inflate(&stream, self.known);
            Step { stream, output, end }
        };
        let part = step([&self.stream, compressed].concat());
        if part.end == End::Error || self.has_ended {
            return None;
        }
        let needs_tail = !matches!(part.end, End::Stream(_)) && (is_lenient || !compressed.is_empty());
        if !is_last || !needs_tail {
            return Some(part);
        }
        let whole = step([&part.stream[..], &TAIL].concat());
        let is_valid = match whole.end {
            End::Error | End::Full => false,
            End::Inside => is_lenient,
            End::Block | End::Stream(_) => true,
        };
        is_valid.then_some(whole)
    }
}

/// Inflates `data`. After a block with BFINAL a new stream begins, which may refer to the output of
/// the one before (RFC 7692, section 7.2.3.4).
fn inflate(data: &[u8], known: Set) -> (Vec<u8>, End) {
    let (mut output, mut at) = (Vec::new(), 0);
    loop {
        let late_empty_code = known.has(LateEmptyCode);
        let stream = rfc1951::inflate(&data[at..], &output, 1 << 15, usize::MAX, true, late_empty_code);
        output.extend(stream.plain);
        match stream.end {
            End::Stream(len) if at + len < data.len() && !known.has(FinalBlockEnds) => at += len,
            end => return (output, end),
        }
    }
}
