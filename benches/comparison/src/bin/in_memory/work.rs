//! The workloads: messages to receive, messages to send, and handshakes.

use std::fmt;

use support::heads::{BROWSER_REQUEST, REQUEST};
pub use support::{content::Content, heads::ACCEPT};

use crate::wire::{READ, Wire};

/// The default size of the input buffer of the crates that leave it to the caller: half of the L1
/// cache, and a frame header.
pub const BUFFER: usize = (16 << 10) + 14;
/// The approximate length of the stream before it repeats.
const STREAM_LEN: usize = 256 << 10;

#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Server,
    Client,
}

#[derive(Clone, Copy)]
pub struct ReceiveWork {
    pub end: End,
    pub content: Content,
    pub size: usize,
    /// The length of the payload of a frame. `None`: each message is one frame.
    pub frame: Option<usize>,
    /// The maximum length of a read.
    pub read: usize,
    /// The size of the input buffer, if the crate leaves it to the caller.
    pub buffer: usize,
}

#[derive(Clone, Copy)]
pub struct SendWork {
    pub end: End,
    pub size: usize,
    /// The number of messages between two flushes.
    pub batch: u64,
}

#[derive(Clone, Copy)]
pub enum Work {
    Receive(ReceiveWork),
    Send(SendWork),
    /// The opening handshake of a server, with the head of the request.
    Handshake(&'static str),
}

/// The rows of the table, the most important first.
pub fn all() -> Vec<Work> {
    use {Content::*, End::*};
    let receive = |end, content, size| {
        Work::Receive(ReceiveWork {
            end,
            content,
            size,
            frame: None,
            read: READ,
            buffer: BUFFER,
        })
    };
    let in_pieces = |content, size, frame, read| {
        Work::Receive(ReceiveWork {
            end: Server,
            content,
            size,
            frame,
            read,
            buffer: BUFFER,
        })
    };
    let send = |end, size, batch| Work::Send(SendWork { end, size, batch });
    let mut all = Vec::new();
    all.extend([16, 125, 1 << 10, 15 << 10, 16 << 10, 17 << 10, 1 << 20].map(|size| receive(Server, Binary, size)));
    for content in [Ascii, Chinese] {
        all.extend([125, 1 << 10, 16 << 10].map(|size| receive(Server, content, size)));
    }
    all.push(receive(Server, Ascii, 1 << 20));
    all.extend([16, 125, 1 << 10, 16 << 10, 1 << 20].map(|size| receive(Client, Binary, size)));
    all.push(receive(Client, Ascii, 1 << 20));
    all.extend([
        in_pieces(Binary, 64 << 10, Some(1 << 10), READ),
        in_pieces(Mixed, 64 << 10, Some(1 << 10), READ),
        in_pieces(Binary, 1 << 10, None, 1460),
        in_pieces(Binary, 16 << 10, None, 1460),
        in_pieces(Binary, 1 << 20, None, 1460),
        in_pieces(Ascii, 1 << 20, None, 1460),
        // One frame per read: the header of six bytes and the payload.
        in_pieces(Binary, 125, None, 131),
        in_pieces(Binary, 125, None, 1),
        send(Server, 16, 1),
    ]);
    for end in [Server, Client] {
        all.extend([16, 125, 1 << 10].map(|size| send(end, size, 16)));
        all.push(send(end, 16 << 10, 1));
    }
    all.extend([REQUEST, BROWSER_REQUEST].map(Work::Handshake));
    all
}

/// The workloads of the plots: more sizes in every role, and more lengths of a read.
pub fn curves() -> Vec<Work> {
    let sizes = [16, 125, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    let receive = |end, size, read| {
        Work::Receive(ReceiveWork {
            end,
            content: Content::Binary,
            size,
            frame: None,
            read,
            buffer: BUFFER,
        })
    };
    let mut curves = Vec::new();
    for end in [End::Server, End::Client] {
        curves.extend(sizes.map(|size| receive(end, size, READ)));
        curves.extend(sizes.map(|size| Work::Send(SendWork { end, size, batch: 1 })));
    }
    for size in [1 << 10, 16 << 10] {
        // The sizes above include the longest reads.
        curves.extend([1, 16, 64, 256, 1460, 4 << 10, 16 << 10].map(|read| receive(End::Server, size, read)));
    }
    curves
}

/// Messages of some sizes, each with input buffers of some sizes.
pub fn buffers() -> Vec<Work> {
    let mut buffers = Vec::new();
    for size in [16, 125, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20] {
        for buffer in [4, 8, 16, 32, 64, 128, 256] {
            buffers.push(Work::Receive(ReceiveWork {
                end: End::Server,
                content: Content::Binary,
                size,
                frame: None,
                read: READ,
                buffer: buffer << 10,
            }));
        }
    }
    buffers
}

impl ReceiveWork {
    pub fn kind_bits(&self) -> u8 {
        if self.content == Content::Binary { 2 } else { 1 }
    }

    /// Returns the number of messages before the stream repeats.
    pub fn messages(&self) -> usize {
        (STREAM_LEN / (self.size + 14)).max(2)
    }

    pub fn message(&self, index: usize) -> Vec<u8> {
        self.content.message(index, self.size)
    }

    /// Returns a transport with the stream.
    pub fn wire(&self) -> Wire {
        let mut stream = Vec::new();
        for index in 0..self.messages() {
            let message = self.message(index);
            let frame = self.frame.unwrap_or(self.size);
            let last = self.size.div_ceil(frame) - 1;
            for (at, payload) in message.chunks(frame).enumerate() {
                let first = if at == 0 { self.kind_bits() } else { 0 } | if at == last { 0x80 } else { 0 };
                let key = (self.end == End::Server).then(|| (index as u32).wrapping_mul(0x9E37_79B9).to_le_bytes());
                write_frame(first, payload, key, &mut stream);
            }
        }
        Wire::new(stream, self.read)
    }
}

/// Encodes a frame (RFC 6455, section 5.2) without any of the crates.
fn write_frame(first: u8, payload: &[u8], key: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..126 => out.extend([first, masked | len as u8]),
        len @ 126..65536 => {
            out.extend([first, masked | 126]);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.extend([first, masked | 127]);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let key = key.inspect(|key| out.extend(key)).unwrap_or_default();
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Decodes the frame at the front. Returns its payload and the bytes after it. Panics unless the
/// frame has the given first byte and is masked as given.
pub fn read_frame(bytes: &[u8], first: u8, masked: bool) -> (Vec<u8>, &[u8]) {
    assert_eq!(bytes[0], first);
    assert_eq!(bytes[1] & 0x80 != 0, masked);
    let (len, rest) = match bytes[1] & 0x7F {
        126 => (u64::from(u16::from_be_bytes([bytes[2], bytes[3]])), &bytes[4..]),
        127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()), &bytes[10..]),
        len => (u64::from(len), &bytes[2..]),
    };
    let (key, rest) = if masked { rest.split_at(4) } else { (&[0; 4][..], rest) };
    let (payload, rest) = rest.split_at(len as usize);
    (
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect(),
        rest,
    )
}

impl SendWork {
    pub fn payload(&self) -> Vec<u8> {
        Content::Binary.message(0, self.size)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receive(work) => {
                let content = match work.content {
                    Content::Binary => "binary",
                    Content::Ascii => "ASCII text",
                    Content::Chinese => "Chinese text",
                    Content::Mixed => "mixed text",
                };
                write!(f, "{} receives {content} {}", work.end, Size(work.size))?;
                if let Some(frame) = work.frame {
                    write!(f, " in {} frames", work.size.div_ceil(frame))?;
                }
                match work.read {
                    READ => Ok(()),
                    1 => write!(f, ", one byte at a time"),
                    read if read == work.size + 6 => write!(f, ", one frame a read"),
                    read => write!(f, ", {read} B at a time"),
                }?;
                match work.buffer {
                    BUFFER => Ok(()),
                    buffer => write!(f, ", into {} KiB", buffer >> 10),
                }
            }
            Self::Send(SendWork { end, size, batch: 1 }) => write!(f, "{end} sends {}, each flushed", Size(*size)),
            Self::Send(SendWork { end, size, batch }) => write!(f, "{end} sends {}, flushed by {batch}", Size(*size)),
            Self::Handshake(REQUEST) => write!(f, "server handshake, short"),
            Self::Handshake(_) => write!(f, "server handshake, browser"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            size if size >= 1 << 20 => write!(f, "{} MiB", size >> 20),
            size if size >= 1 << 10 => write!(f, "{} KiB", size >> 10),
            size => write!(f, "{size} B"),
        }
    }
}
