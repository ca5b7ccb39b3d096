//! The floor: the least work of an echo server, without protocol checks and limits. The payload is
//! unmasked and copied as it arrives.

use comparison::floor_xor::xor;
use tungstenite::handshake::derive_accept_key;

use super::bare::Session;

#[derive(Default)]
pub struct Floor {
    open: bool,
    /// The beginning of an incomplete header.
    partial_header: Vec<u8>,
    /// The missing bytes of the payload.
    missing: usize,
    /// The mask key, rotated for the next byte.
    key: [u8; 4],
}

impl Session for Floor {
    fn receive(&mut self, mut input: &mut [u8], out: &mut Vec<u8>) {
        if !self.open {
            self.open = true;
            return accept(input, out);
        }
        while !input.is_empty() {
            if self.missing == 0 {
                let Some(used) = self.header(input, out) else { return };
                input = &mut input[used..];
            }
            let (payload, rest) = input.split_at_mut(self.missing.min(input.len()));
            xor(payload, self.key);
            out.extend_from_slice(payload);
            self.missing -= payload.len();
            self.key.rotate_left(payload.len() % 4);
            input = rest;
        }
    }
}

impl Floor {
    /// Decodes the header at the front and appends that of the echo. Returns the number of bytes of
    /// the input that it has. `None`: the header is not complete.
    fn header(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let before = self.partial_header.len();
        if before == 0
            && let Some(lengths) = parse(input)
        {
            return Some(self.begin(lengths, input, out));
        }
        self.partial_header
            .extend_from_slice(&input[..input.len().min(14 - before)]);
        let header = std::mem::take(&mut self.partial_header);
        let Some(lengths) = parse(&header) else {
            self.partial_header = header;
            return None;
        };
        Some(self.begin(lengths, &header, out) - before)
    }

    fn begin(&mut self, (header_len, len): (usize, usize), bytes: &[u8], out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(&bytes[..header_len - 4]);
        let second = out.len() + 5 - header_len;
        out[second] &= 0x7F;
        self.missing = len;
        self.key = bytes[header_len - 4..header_len].try_into().unwrap();
        header_len
    }
}

/// Returns the length of a client's header and of its payload.
fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header_len, len) = match bytes.get(1)? & 0x7F {
        126 => (8, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        127 => (14, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())),
        len => (6, u64::from(len)),
    };
    (bytes.len() >= header_len).then_some((header_len, len as usize))
}

/// Accepts a request that is complete.
pub fn accept(request: &[u8], out: &mut Vec<u8>) {
    let request = str::from_utf8(request).unwrap();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    out.extend_from_slice(format!("Sec-WebSocket-Accept: {}\r\n\r\n", derive_accept_key(key.as_bytes())).as_bytes());
}
