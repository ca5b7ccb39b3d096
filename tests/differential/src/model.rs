//! A slow decoder that can have the known differences of a peer: the expected verdict for any set
//! of them. Without any, it does what sockless does.

use sockless::{Event, Role};
use support::laws::reference::may_become_text;

use crate::{
    case::Case,
    differences::{
        Difference::{
            Code1010Echoed, Code1014, CodesAfterOwnClose, ControlEndsCompression, InflatedFirst, LateSurrogates,
            LongLengths, NoCloseFrame, NoLimit, NoPongAfterOwnClose, ReasonEchoed, ReasonFirst, TopBit, WholeFrames,
            WholeHeaders,
        },
        Set,
    },
    messages::{Inflater, Message},
    verdict::Verdict,
};

const PROTOCOL: u16 = 1002;
const INVALID: u16 = 1007;
const TOO_BIG: u16 = 1009;

pub(crate) fn verdict(case: &Case, known: Set) -> Verdict {
    let mut model = Model {
        case,
        known,
        message: None,
        inflater: Inflater::new(case.deflate.is_some_and(|deflate| deflate.takeover), known),
        at: 0,
        verdict: Verdict::default(),
    };
    let stream = case.stream();
    let mut rest = &stream[..];
    while !rest.is_empty() && !model.verdict.has_ended() {
        let frame = Frame::parse(rest);
        model.at = stream.len() - rest.len();
        match model.violation(&frame) {
            Some(code) => model.fail(code),
            None if frame.end() > rest.len() as u128 => break,
            None => {
                rest = &rest[frame.end() as usize..];
                model.deliver(&frame);
            }
        }
    }
    model.verdict
}

/// A frame, of which some bytes have arrived. What has not arrived is zero.
pub(crate) struct Frame {
    pub(crate) first: u8,
    /// The length in the second byte.
    short: u8,
    is_masked: bool,
    pub(crate) len: u64,
    /// The offset after the length.
    unmasked_header: usize,
    /// The offset of the payload.
    header: usize,
    received: usize,
    /// The part of the payload that has arrived, unmasked.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut head = [0; 14];
        let known = bytes.len().min(14);
        head[..known].copy_from_slice(&bytes[..known]);
        let (short, is_masked) = (head[1] % 128, head[1] >= 128);
        let (width, len) = match short {
            126 => (2, u64::from(u16::from_be_bytes([head[2], head[3]]))),
            127 => (8, u64::from_be_bytes(std::array::from_fn(|i| head[2 + i]))),
            _ => (0, short.into()),
        };
        let unmasked_header = 2 + width;
        let header = unmasked_header + 4 * usize::from(is_masked);
        let available = usize::try_from(len).unwrap_or(usize::MAX);
        let payload = bytes.iter().skip(header).take(available);
        let key = if is_masked {
            &head[unmasked_header..header]
        } else {
            &[0]
        };
        Self {
            first: head[0],
            short,
            is_masked,
            len,
            unmasked_header,
            header,
            received: bytes.len(),
            payload: payload.zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect(),
        }
    }

    pub(crate) const fn opcode(&self) -> u8 {
        self.first % 16
    }

    /// Who sends such frames.
    pub(crate) const fn sender(&self) -> Role {
        if self.is_masked { Role::Client } else { Role::Server }
    }

    const fn is_control(&self) -> bool {
        self.opcode() >= 8
    }

    const fn fin(&self) -> bool {
        self.first >= 128
    }

    const fn rsv1(&self) -> bool {
        self.first & 0x40 > 0
    }

    /// The size of the whole frame.
    pub(crate) fn end(&self) -> u128 {
        self.header as u128 + u128::from(self.len)
    }
}

struct Model<'a> {
    case: &'a Case,
    known: Set,
    message: Option<Message>,
    inflater: Inflater,
    /// The offset of the frame in the stream.
    at: usize,
    verdict: Verdict,
}

impl Model<'_> {
    /// The code of the violation that is found first in the bytes that have arrived.
    fn violation(&self, frame: &Frame) -> Option<u16> {
        let mut found: Vec<_> = self.inflated_first(frame).into_iter().collect();
        found.extend(self.header_rules(frame));
        found.extend(self.limit_rules(frame));
        if frame.is_control() {
            found.extend(self.close_rule(frame));
        } else {
            found.extend(self.payload_rule(frame));
        }
        // Of several at the same byte, the first in the list.
        found.retain(|&(end, _)| end <= frame.received as u128);
        found.into_iter().min_by_key(|&(end, _)| end).map(|(_, code)| code)
    }

    /// The broken rules of a header, each with the number of bytes that show it.
    fn header_rules(&self, frame: &Frame) -> Vec<(u128, u16)> {
        let mut found = Vec::new();
        let mut check = |is_broken: bool, bytes: usize, of_headers: u128, of_frames: u128| {
            let end = if self.known.has(WholeFrames) {
                of_frames
            } else if self.known.has(WholeHeaders) {
                of_headers
            } else {
                bytes as u128
            };
            if is_broken {
                found.push((end, PROTOCOL));
            }
        };
        let (whole, header, length) = (frame.end(), frame.header as u128, frame.unmasked_header as u128);
        let opcode = frame.opcode();
        check(matches!(opcode, 3..=7 | 11..), 1, 2, header);
        let permitted = if self.case.deflate.is_some() && matches!(opcode, 1 | 2) {
            4
        } else {
            0
        };
        check((frame.first / 16 % 8) & !permitted > 0, 1, length, whole);
        let first_of_payload = header + u128::from(frame.len.min(1));
        let is_expected = match opcode {
            0 => self.message.is_some(),
            1 | 2 => self.message.is_none(),
            _ => true,
        };
        check(!is_expected, 1, first_of_payload, whole);
        check(frame.is_control() && !frame.fin(), 1, 2, whole);
        check(frame.sender() == self.case.role, 2, length, whole);
        let long_lengths = self.known.has(LongLengths);
        let is_long = if long_lengths {
            frame.len > 125
        } else {
            frame.short > 125
        };
        check(frame.is_control() && is_long, 2, 2, whole);
        if !self.known.has(TopBit) {
            check(frame.len >= 1 << 63, 3, length, header);
        }
        check(
            !long_lengths && frame.short == 127 && frame.len < 1 << 16,
            8,
            length,
            whole,
        );
        check(!long_lengths && frame.short == 126 && frame.len < 126, 4, length, whole);
        found
    }

    /// A message that begins inside of another one, which is compressed, if its first piece cannot
    /// be inflated.
    fn inflated_first(&self, frame: &Frame) -> Option<(u128, u16)> {
        let mut message = self.message.clone()?;
        if message.is_interrupted && frame.rsv1() {
            message.compressed = Some(Vec::new());
        }
        if !self.known.has(InflatedFirst) || !matches!(frame.opcode(), 1 | 2) {
            return None;
        }
        let header = self.at + frame.header;
        let end = header + usize::from(frame.len > 0);
        let mut cuts = self.case.cuts(self.at + frame.received).into_iter();
        let piece_end = cuts.find(|&cut| cut >= end).unwrap_or(self.at + frame.received);
        let len = frame.payload.len().min(piece_end.saturating_sub(header));
        let is_last = frame.fin() && len as u64 == frame.len;
        let is_valid = self.inflater.add(&mut message, &frame.payload[..len], is_last);
        (!is_valid).then_some(((end - self.at) as u128, INVALID))
    }

    fn limit_rules(&self, frame: &Frame) -> Vec<(u128, u16)> {
        let mut found = Vec::new();
        let limit = u128::from(self.case.limit);
        let header = frame.header as u128;
        let announced = self.message.as_ref().map_or(0, |message| message.announced) + u128::from(frame.len);
        if self.known.has(WholeFrames) && u128::from(frame.len) > limit {
            found.push((header, TOO_BIG));
        }
        if !frame.is_control() && announced > limit && !self.known.has(NoLimit) {
            let end = if self.known.has(WholeFrames) {
                frame.end()
            } else {
                header
            };
            found.push((end, TOO_BIG));
        }
        found
    }

    /// Text that is not UTF-8 (section 8.1), or data that cannot be inflated.
    fn payload_rule(&self, frame: &Frame) -> Option<(u128, u16)> {
        let mut message = self.in_message(frame);
        let before = message.payload.len();
        let is_compressed = message.compressed.is_some();
        let is_last = frame.fin() && frame.end() <= frame.received as u128;
        let now = frame.end().min(frame.received as u128);
        if !self.inflater.add(&mut message, &frame.payload, is_last) {
            return Some((now.max(frame.header as u128 + u128::from(frame.len.min(1))), INVALID));
        }
        let text = &message.payload[..];
        let valid = match std::str::from_utf8(text) {
            Err(error) if message.is_text => error.valid_up_to(),
            _ => return None,
        };
        let mut invalid = (valid..=text.len()).find(|&end| !may_become_text(&text[valid..end]));
        if self.known.has(LateSurrogates) && matches!(text[valid..], [0xED, 0xA0..=0xBF, ..]) {
            invalid = Some(valid + 3).filter(|&end| end <= text.len());
        }
        let end = match invalid {
            Some(_) if is_compressed => now,
            Some(end) if !self.known.has(WholeFrames) => (frame.header + end - before) as u128,
            Some(_) => frame.end(),
            None if frame.fin() => frame.end(),
            None => return None,
        };
        Some((end, INVALID))
    }

    /// The message of a data frame, before its payload.
    fn in_message(&self, frame: &Frame) -> Message {
        let is_compressed = self.case.deflate.is_some() && frame.rsv1();
        self.message.clone().unwrap_or_else(|| Message {
            is_text: frame.opcode() == 1,
            compressed: is_compressed.then(Vec::new),
            ..Message::default()
        })
    }

    /// The body of a Close frame (sections 5.5.1 and 7.4).
    fn close_rule(&self, frame: &Frame) -> Option<(u128, u16)> {
        let violation = match &frame.payload[..] {
            _ if frame.opcode() != 8 => None,
            [] => None,
            [_] => Some(PROTOCOL),
            [high, low, reason @ ..] => {
                let is_valid = self.is_valid_code(u16::from_be_bytes([*high, *low]));
                let is_text = std::str::from_utf8(reason).is_ok();
                match (is_valid, is_text) {
                    (true, true) => None,
                    (false, true) => Some(PROTOCOL),
                    (true, false) => Some(INVALID),
                    (false, false) if self.known.has(ReasonFirst) => Some(INVALID),
                    (false, false) => Some(PROTOCOL),
                }
            }
        };
        Some((frame.end(), violation?))
    }

    const fn is_valid_code(&self, code: u16) -> bool {
        if self.case.closes_first && self.known.has(CodesAfterOwnClose) {
            return true;
        }
        match code {
            1014 => !self.known.has(Code1014),
            1000..=1003 | 1007..=1013 | 3000..=4999 => true,
            _ => false,
        }
    }

    fn fail(&mut self, code: u16) {
        self.verdict.violation = Some(code);
        if !self.case.closes_first && !self.known.has(NoCloseFrame) {
            self.reply(0x88, code.to_be_bytes().to_vec());
        }
    }

    fn reply(&mut self, first: u8, payload: Vec<u8>) {
        self.verdict.replies.push((first, payload));
    }

    /// A valid frame.
    fn deliver(&mut self, frame: &Frame) {
        match frame.opcode() {
            8 => self.deliver_close(frame.payload.clone()),
            9 => {
                if !self.case.closes_first || !self.known.has(NoPongAfterOwnClose) {
                    self.reply(0x8A, frame.payload.clone());
                }
                self.verdict.events.push(Event::Ping(frame.payload.clone().into()));
            }
            10 => self.verdict.events.push(Event::Pong(frame.payload.clone().into())),
            _ => self.deliver_data(frame),
        }
        if frame.is_control() && self.known.has(ControlEndsCompression) {
            if let Some(message) = &mut self.message {
                self.inflater.interrupt(message);
            }
        }
    }

    fn deliver_data(&mut self, frame: &Frame) {
        let mut message = self.in_message(frame);
        message.is_interrupted = false;
        message.announced += u128::from(frame.len);
        self.inflater.add(&mut message, &frame.payload, frame.fin());
        if !frame.fin() {
            self.message = Some(message);
            return;
        }
        self.message = None;
        self.inflater.end(&message);
        if message.is_text {
            self.verdict
                .text(String::from_utf8(message.payload).expect("text is checked"));
        } else {
            self.verdict.events.push(Event::Binary(message.payload.into()));
        }
    }

    fn deliver_close(&mut self, body: Vec<u8>) {
        let [high, low, reason @ ..] = &body[..] else {
            self.verdict.events.push(Event::Close(None));
            return self.answer_close(body);
        };
        let code = u16::from_be_bytes([*high, *low]);
        self.verdict
            .close(code, String::from_utf8(reason.to_vec()).expect("a reason is checked"));
        let code = if code == 1010 && !self.known.has(Code1010Echoed) {
            1000
        } else {
            code
        };
        let reason: &[u8] = if self.known.has(ReasonEchoed) { reason } else { &[] };
        self.answer_close([&code.to_be_bytes()[..], reason].concat());
    }

    fn answer_close(&mut self, body: Vec<u8>) {
        if !self.case.closes_first {
            self.reply(0x88, body);
        }
    }
}
