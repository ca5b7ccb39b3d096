//! The floor: the least work that is possible in this harness, without protocol checks and limits.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1_smol::Sha1;

use comparison::floor_xor::xor;

use crate::{
    peer::{AnswerHandshake, Peer, Receive, Send},
    wire::{READ, Wire},
    work::{Content, End, ReceiveWork, SendWork},
};

pub struct Floor;

impl Peer for Floor {
    const NAME: &'static str = "floor";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver {
            wire,
            masked: work.end == End::Server,
            text: work.content != Content::Binary,
            buffer: vec![0; work.buffer],
            kept: 0,
            wanted: 0,
            missing: 0,
            key: [0; 4],
            fin: false,
            message: Vec::new(),
        })
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender {
            wire,
            masked: work.end == End::Client,
            vectored: work.end == End::Server && work.size >= 4 << 10,
            key: 1,
            out: Vec::new(),
        })
    }

    fn handshake() -> Option<AnswerHandshake> {
        let mut head = vec![0; READ];
        let mut out = Vec::new();
        Some(Box::new(move |wire| {
            let read = wire.read_into(&mut head);
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            assert!(request.parse(&head[..read]).unwrap().is_complete());
            let key = request.headers.iter().find(|header| header.name == "Sec-WebSocket-Key");
            let mut sha = Sha1::new();
            sha.update(key.unwrap().value);
            sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let mut accept = [0; 28];
            STANDARD.encode_slice(sha.digest().bytes(), &mut accept).unwrap();
            out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
            out.extend_from_slice(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ");
            out.extend_from_slice(&accept);
            out.extend_from_slice(b"\r\n\r\n");
            wire.write_all(&out);
            out.clear();
        }))
    }
}

struct Receiver {
    wire: Wire,
    masked: bool,
    text: bool,
    buffer: Vec<u8>,
    /// The number of bytes in the buffer, which are the beginning of a frame.
    kept: usize,
    /// The number of bytes that are needed to continue.
    wanted: usize,
    /// The missing bytes of a frame that is longer than the buffer.
    missing: usize,
    key: [u8; 4],
    fin: bool,
    /// The message in progress, unless it is one frame in the buffer.
    message: Vec<u8>,
}

/// Decodes the header at the front. Returns FIN, the length of the payload, the mask key, and the
/// length of the header.
#[inline]
fn header(bytes: &[u8], masked: bool) -> Option<(bool, usize, [u8; 4], usize)> {
    let (&[first, second], after) = bytes.split_first_chunk()?;
    let (len, after, header_len) = match second & 0x7F {
        126 => {
            let (len, after) = after.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), after, 4)
        }
        127 => {
            let (len, after) = after.split_first_chunk()?;
            (u64::from_be_bytes(*len) as usize, after, 10)
        }
        len => (usize::from(len), after, 2),
    };
    if masked {
        Some((first & 0x80 != 0, len, *after.first_chunk()?, header_len + 4))
    } else {
        Some((first & 0x80 != 0, len, [0; 4], header_len))
    }
}

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        let mut remaining = count as i64;
        while remaining > 0 {
            let filled = self.kept + self.wire.read_into(&mut self.buffer[self.kept..]);
            let full = self.buffer.len();
            if filled < self.wanted && filled < full {
                self.kept = filled;
                continue;
            }
            let mut input = &mut self.buffer[..filled];
            (self.kept, self.wanted) = (0, 0);
            while !input.is_empty() {
                if self.missing > 0 {
                    let len = self.missing.min(input.len());
                    let (data, after) = std::mem::take(&mut input).split_at_mut(len);
                    input = after;
                    self.missing -= len;
                    let key = self.key;
                    self.key.rotate_left(len % 4);
                    append(&mut self.message, data, self.masked.then_some(key));
                    if self.missing == 0 && self.fin {
                        validate(self.text, &self.message);
                        on_message(&self.message);
                        self.message.clear();
                        remaining -= 1;
                    }
                    continue;
                }
                match header(input, self.masked) {
                    Some((fin, len, key, header_len)) if header_len + len <= input.len() => {
                        let (frame, after) = std::mem::take(&mut input).split_at_mut(header_len + len);
                        input = after;
                        let data = &mut frame[header_len..];
                        if fin && self.message.is_empty() {
                            if self.masked {
                                xor(data, key);
                            }
                            validate(self.text, data);
                            on_message(data);
                            remaining -= 1;
                            continue;
                        }
                        append(&mut self.message, data, self.masked.then_some(key));
                        if fin {
                            validate(self.text, &self.message);
                            on_message(&self.message);
                            self.message.clear();
                            remaining -= 1;
                        }
                    }
                    Some((fin, len, key, header_len)) if header_len + len > full => {
                        (self.fin, self.missing, self.key) = (fin, len, key);
                        input = &mut std::mem::take(&mut input)[header_len..];
                    }
                    found => {
                        self.kept = input.len();
                        self.wanted = found.map_or(self.kept + 1, |(_, len, _, header_len)| header_len + len);
                        break;
                    }
                }
            }
            self.buffer.copy_within(filled - self.kept..filled, 0);
        }
    }
}

#[inline]
fn append(message: &mut Vec<u8>, data: &[u8], mask: Option<[u8; 4]>) {
    let start = message.len();
    message.extend_from_slice(data);
    if let Some(key) = mask {
        xor(&mut message[start..], key);
    }
}

#[inline]
fn validate(text: bool, data: &[u8]) {
    if text {
        // The standard library is faster for short ASCII text.
        if data.len() < 128 && data[..8.min(data.len())].is_ascii() {
            assert!(std::str::from_utf8(data).is_ok());
        } else {
            assert!(simdutf8::basic::from_utf8(data).is_ok());
        }
    }
}

struct Sender {
    wire: Wire,
    masked: bool,
    vectored: bool,
    key: u32,
    out: Vec<u8>,
}

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        for _ in 0..count {
            let masked = if self.masked { 0x80 } else { 0 };
            match payload.len() {
                len @ 0..126 => self.out.extend_from_slice(&[0x82, masked | len as u8]),
                len @ 126..65536 => {
                    let [high, low] = (len as u16).to_be_bytes();
                    self.out.extend_from_slice(&[0x82, masked | 126, high, low]);
                }
                len => {
                    self.out.extend_from_slice(&[0x82, masked | 127]);
                    self.out.extend_from_slice(&(len as u64).to_be_bytes());
                }
            }
            if self.vectored {
                self.wire.write_all(&self.out);
                self.wire.write_all(payload);
                self.out.clear();
                continue;
            }
            if self.masked {
                self.key = self.key.wrapping_mul(0x9E37_79B9).wrapping_add(1);
                let key = self.key.to_ne_bytes();
                self.out.extend_from_slice(&key);
                let start = self.out.len();
                self.out.extend_from_slice(payload);
                xor(&mut self.out[start..], key);
            } else {
                self.out.extend_from_slice(payload);
            }
        }
        self.wire.write_all(&self.out);
        self.out.clear();
    }
}
