//! The least work: no rules, no limits, nothing but what moves the bytes. Payload is unmasked as it arrives, and what is left
//! of a frame that was cut is a count and a key.

use comparison::floor_xor::xor;
use tungstenite::handshake::derive_accept_key;

use super::bare::Session;

#[derive(Default)]
pub struct Floor {
    open: bool,
    /// The beginning of a header that was cut.
    head: Vec<u8>,
    /// Of the payload that has not come yet.
    left: usize,
    /// As the next byte needs it.
    key: [u8; 4],
}

impl Session for Floor {
    fn receive(&mut self, mut input: &mut [u8], out: &mut Vec<u8>) {
        if !self.open {
            self.open = true;
            return shake_hands(input, out);
        }
        while !input.is_empty() {
            if self.left == 0 {
                let Some(used) = self.header(input, out) else { return };
                input = &mut input[used..];
            }
            let (payload, rest) = input.split_at_mut(self.left.min(input.len()));
            xor(payload, self.key);
            out.extend_from_slice(payload);
            self.left -= payload.len();
            self.key.rotate_left(payload.len() % 4);
            input = rest;
        }
    }
}

impl Floor {
    /// Answers the header at the front; returns how much of the input it was. `None`: it is not complete yet.
    fn header(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let before = self.head.len();
        if before == 0
            && let Some(head) = parse(input)
        {
            return Some(self.begin(head, input, out));
        }
        self.head.extend_from_slice(&input[..input.len().min(14 - before)]);
        let head = std::mem::take(&mut self.head);
        let Some(parsed) = parse(&head) else {
            self.head = head;
            return None;
        };
        Some(self.begin(parsed, &head, out) - before)
    }

    fn begin(&mut self, (head, len): (usize, usize), bytes: &[u8], out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(&bytes[..head - 4]);
        let second = out.len() + 5 - head;
        out[second] &= 0x7F;
        self.left = len;
        self.key = bytes[head - 4..head].try_into().unwrap();
        head
    }
}

/// The lengths of a client's header and of its payload.
fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, len) = match bytes.get(1)? & 0x7F {
        126 => (8, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        127 => (14, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())),
        len => (6, u64::from(len)),
    };
    (bytes.len() >= head).then_some((head, len as usize))
}

/// Answers a request that comes whole.
pub fn shake_hands(request: &[u8], out: &mut Vec<u8>) {
    let request = str::from_utf8(request).unwrap();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    out.extend_from_slice(format!("Sec-WebSocket-Accept: {}\r\n\r\n", derive_accept_key(key.as_bytes())).as_bytes());
}
