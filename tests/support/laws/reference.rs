//! A slow and simple decoder of RFC 6455, with which the laws compare the engine.
//!
//! It takes all bytes that an open endpoint has received, and returns the expected events and the
//! expected error. It uses only the names of events and errors of the crate, and is written
//! differently on purpose: with offsets, with division instead of shifts, and with UTF-8 validation
//! from the first byte for each frame.

use sockless::{CloseFrame, Event, ProtocolError, Role};

/// The limits of the endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub message_size: u64,
    pub fragments: u32,
}

/// A frame, complete or cut off by the end of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, the reserved bits, and the opcode.
    pub first: u8,
    /// The length in the header.
    pub len: u64,
    pub key: Option<[u8; 4]>,
    /// The received part of the payload, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn opcode(&self) -> u8 {
        self.first % 16
    }

    pub fn fin(&self) -> bool {
        self.first >= 128
    }

    pub fn is_whole(&self) -> bool {
        self.payload.len() as u64 == self.len
    }
}

/// The expected outcome of an open endpoint that delivers messages.
#[derive(Debug, Default)]
pub struct Expected {
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
    /// The received part of the message in progress; of a text, its complete code points.
    pub unfinished: Vec<u8>,
}

/// The frames, and the first violation of a header (sections 5.1, 5.2, 5.4 and 5.5).
pub fn frames(receiver: Role, bytes: &[u8]) -> (Vec<Frame>, Option<ProtocolError>) {
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 0;
    loop {
        let data_frame = frames.iter().rev().find(|frame| frame.opcode() < 8);
        let in_message = data_frame.is_some_and(|frame| !frame.fin());
        let (len, size) = match header(receiver, in_message, &bytes[at..]) {
            Err(error) => return (frames, Some(error)),
            Ok(None) => return (frames, None),
            Ok(Some(found)) => found,
        };
        let start = at + size;
        let end = (start as u128 + u128::from(len)).min(bytes.len() as u128) as usize;
        let key = match receiver {
            Role::Server => Some([bytes[start - 4], bytes[start - 3], bytes[start - 2], bytes[start - 1]]),
            Role::Client => None,
        };
        let mut payload = bytes[start..end].to_vec();
        for i in 0..payload.len() {
            payload[i] ^= key.map_or(0, |key| key[i % 4]);
        }
        frames.push(Frame {
            first: bytes[at],
            len,
            key,
            payload,
        });
        at = end;
    }
}

/// The announced length of the payload and the size of the header. `None` if the header is
/// incomplete.
///
/// The rules are checked in the order of the bytes that break them.
fn header(receiver: Role, in_message: bool, bytes: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (fin, reserved, opcode) = (bytes[0] / 128, bytes[0] / 16 % 8, bytes[0] % 16);
    if reserved > 0 {
        return Err(crate::reserved_bits(bytes[0]));
    }
    if opcode == 0 && !in_message {
        return Err(ProtocolError::UnexpectedContinuation);
    }
    if (opcode == 1 || opcode == 2) && in_message {
        return Err(crate::interleaved_message(bytes[0]));
    }
    if (3..=7).contains(&opcode) || opcode >= 11 {
        return Err(crate::reserved_opcode(bytes[0]));
    }
    if opcode >= 8 && fin == 0 {
        return Err(crate::fragmented_control_frame(bytes[0]));
    }
    if bytes.len() < 2 {
        return Ok(None);
    }
    let (masked, short) = (bytes[1] / 128, bytes[1] % 128);
    if receiver == Role::Server && masked == 0 {
        return Err(ProtocolError::UnmaskedFrame);
    }
    if receiver == Role::Client && masked == 1 {
        return Err(ProtocolError::MaskedFrame);
    }
    if opcode >= 8 && short > 125 {
        return Err(crate::control_frame_too_long(bytes[0]));
    }
    let width = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    // The first byte decides about the most significant bit, and the sixth whether the length could
    // be shorter.
    if width == 8 && bytes.len() > 2 && bytes[2] >= 128 {
        return Err(ProtocolError::LengthOverflow);
    }
    if width == 8 && bytes.len() >= 8 && bytes[2..8].iter().all(|&byte| byte == 0) {
        return Err(crate::non_minimal_length(64));
    }
    if bytes.len() < 2 + width {
        return Ok(None);
    }
    let mut len = 0_u64;
    for i in 0..width {
        len = len * 256 + u64::from(bytes[2 + i]);
    }
    if width == 0 {
        len = u64::from(short);
    }
    if width == 2 && len < 126 {
        return Err(crate::non_minimal_length(16));
    }
    let size = 2 + width + 4 * usize::from(masked);
    Ok(if bytes.len() < size { None } else { Some((len, size)) })
}

/// The expected events and error (sections 5.4 to 5.6, 7.1.5, 7.4, 8.1 and 10.4).
pub fn receive(receiver: Role, bytes: &[u8], limits: Limits) -> Expected {
    let mut expected = Expected::default();
    let (frames, header_error) = frames(receiver, bytes);
    let (mut is_text, mut announced, mut fragments) = (false, 0_u128, 0_u64);
    for frame in frames {
        let is_whole = frame.is_whole();
        match frame.opcode() {
            0..=2 => {
                if frame.opcode() > 0 {
                    is_text = frame.opcode() == 1;
                    announced = 0;
                    fragments = 0;
                }
                announced += u128::from(frame.len);
                fragments += 1;
                if announced > u128::from(limits.message_size) {
                    expected.error = Some(crate::too_big(u64::try_from(announced).unwrap(), limits.message_size));
                } else if fragments > u64::from(limits.fragments) {
                    expected.error = Some(ProtocolError::TooManyFragments {
                        limit: limits.fragments,
                    });
                } else {
                    expected.unfinished.extend(&frame.payload);
                    if is_text && !may_become_text(&expected.unfinished) {
                        expected.error = Some(ProtocolError::InvalidUtf8);
                    } else if is_whole && frame.fin() {
                        match std::str::from_utf8(&expected.unfinished) {
                            _ if !is_text => expected.events.push(Event::Binary(expected.unfinished.clone().into())),
                            Ok(text) => expected.events.push(Event::Text(text.to_owned().into())),
                            Err(_) => expected.error = Some(ProtocolError::InvalidUtf8),
                        }
                        if expected.error.is_none() {
                            expected.unfinished.clear();
                        }
                    }
                }
            }
            // An incomplete control frame is not reported.
            _ if !is_whole => {}
            9 => expected.events.push(Event::Ping(frame.payload.into())),
            10 => expected.events.push(Event::Pong(frame.payload.into())),
            _ => match close(&frame.payload) {
                Ok(frame) => expected.events.push(Event::Close(frame)),
                Err(error) => expected.error = Some(error),
            },
        }
        if expected.error.is_some() || matches!(expected.events.last(), Some(Event::Close(_))) {
            truncate_to_code_points(is_text, &mut expected.unfinished);
            return expected;
        }
    }
    expected.error = header_error;
    truncate_to_code_points(is_text, &mut expected.unfinished);
    expected
}

/// Whether `bytes` can be continued to valid UTF-8.
pub fn may_become_text(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// Truncates a text to the complete code points at its front.
pub fn truncate_to_code_points(is_text: bool, bytes: &mut Vec<u8>) {
    if is_text {
        let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        bytes.truncate(valid);
    }
}

fn close(body: &[u8]) -> Result<Option<CloseFrame<'static>>, ProtocolError> {
    if body.is_empty() {
        return Ok(None);
    }
    if body.len() == 1 {
        return Err(ProtocolError::TruncatedCloseCode);
    }
    let code = u16::from(body[0]) * 256 + u16::from(body[1]);
    if !is_valid_code(code) {
        return Err(ProtocolError::InvalidCloseCode { code: code.into() });
    }
    match String::from_utf8(body[2..].to_vec()) {
        Ok(reason) => Ok(Some(CloseFrame::new(code, reason))),
        Err(_) => Err(ProtocolError::InvalidCloseReason),
    }
}

/// Whether a Close frame may have a code (section 7.4).
pub fn is_valid_code(code: u16) -> bool {
    match code {
        // Registered codes, except 1004 (reserved), 1005 and 1006 (for local use).
        1000..=1014 => code != 1004 && code != 1005 && code != 1006,
        // Codes of libraries and of applications.
        3000..=4999 => true,
        _ => false,
    }
}

/// The close code that reports an error to the peer (section 7.4.1).
pub fn close_code(error: ProtocolError) -> u16 {
    match error {
        ProtocolError::InvalidUtf8 | ProtocolError::InvalidCloseReason => 1007,
        ProtocolError::TooManyFragments { .. } => 1008,
        ProtocolError::MessageTooBig { .. } => 1009,
        _ => 1002,
    }
}
