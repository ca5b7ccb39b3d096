//! The workloads: what is received, sent, or answered.

use std::fmt;

use support::heads::{BROWSER_REQUEST, REQUEST};
pub use support::{content::Content, heads::ACCEPT};

use crate::wire::Wire;

/// What one read of a kernel copies at most.
pub const READ: usize = 64 << 10;
/// What is read into where that is for the harness to choose: what the nearest cache holds twice, and the header of a frame.
pub const BUFFER: usize = (16 << 10) + 14;
/// About how much a cyclic image holds.
const IMAGE: usize = 256 << 10;

#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Server,
    Client,
}

#[derive(Clone, Copy)]
pub struct Receiving {
    pub end: End,
    pub content: Content,
    pub size: usize,
    /// The payload of each frame, if a message is several.
    pub frame: Option<usize>,
    /// How many bytes a read brings at most.
    pub read: usize,
    /// How large the buffer is that is read into, where that is for the harness to choose.
    pub buffer: usize,
}

#[derive(Clone, Copy)]
pub struct Sending {
    pub end: End,
    pub size: usize,
    /// How many messages are sent before they are flushed.
    pub batch: u64,
}

#[derive(Clone, Copy)]
pub enum Work {
    Receive(Receiving),
    Send(Sending),
    /// A server's side of the opening handshake; the head of the request.
    Handshake(&'static str),
}

/// The rows of the table, the most important first.
pub fn all(buffer: usize) -> Vec<Work> {
    use {Content::*, End::*};
    let receive = |end, content, size| {
        Work::Receive(Receiving {
            end,
            content,
            size,
            frame: None,
            read: READ,
            buffer,
        })
    };
    let cut = |content, size, frame, read| {
        Work::Receive(Receiving {
            end: Server,
            content,
            size,
            frame,
            read,
            buffer,
        })
    };
    let send = |end, size, batch| Work::Send(Sending { end, size, batch });
    let mut all = Vec::new();
    all.extend([16, 125, 1 << 10, 16 << 10, 1 << 20].map(|size| receive(Server, Binary, size)));
    for content in [Ascii, Chinese] {
        all.extend([125, 1 << 10, 16 << 10].map(|size| receive(Server, content, size)));
    }
    all.extend([16, 125, 1 << 10, 16 << 10].map(|size| receive(Client, Binary, size)));
    all.extend([
        cut(Binary, 64 << 10, Some(1 << 10), READ),
        cut(Mixed, 64 << 10, Some(1 << 10), READ),
        cut(Binary, 1 << 10, None, 1460),
        cut(Binary, 16 << 10, None, 1460),
        // One frame a read: its header of six bytes and its payload.
        cut(Binary, 125, None, 131),
        cut(Binary, 125, None, 1),
        send(Server, 16, 1),
    ]);
    for end in [Server, Client] {
        all.extend([16, 125, 1 << 10].map(|size| send(end, size, 16)));
        all.push(send(end, 16 << 10, 1));
    }
    all.extend([REQUEST, BROWSER_REQUEST].map(Work::Handshake));
    all
}

/// What curves are drawn from: sizes in every role, and how finely a stream may be cut.
pub fn curves(buffer: usize) -> Vec<Work> {
    let sizes = [16, 125, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    let receive = |end, size, read| {
        Work::Receive(Receiving {
            end,
            content: Content::Binary,
            size,
            frame: None,
            read,
            buffer,
        })
    };
    let mut curves = Vec::new();
    for end in [End::Server, End::Client] {
        curves.extend(sizes.map(|size| receive(end, size, READ)));
        curves.extend(sizes.map(|size| Work::Send(Sending { end, size, batch: 1 })));
    }
    for size in [1 << 10, 16 << 10] {
        // In the longest reads, it is received already.
        curves.extend([1, 16, 64, 256, 1460, 4 << 10, 16 << 10].map(|read| receive(End::Server, size, read)));
    }
    curves
}

impl Receiving {
    pub fn kind_bits(&self) -> u8 {
        if self.content == Content::Binary { 2 } else { 1 }
    }

    /// How many messages the image holds.
    pub fn messages(&self) -> usize {
        (IMAGE / (self.size + 14)).max(2)
    }

    pub fn message(&self, index: usize) -> Vec<u8> {
        self.content.message(index, self.size)
    }

    /// The stream, again and again.
    pub fn wire(&self) -> Wire {
        let mut image = Vec::new();
        for index in 0..self.messages() {
            let message = self.message(index);
            let frame = self.frame.unwrap_or(self.size);
            let last = self.size.div_ceil(frame) - 1;
            for (at, payload) in message.chunks(frame).enumerate() {
                let first = if at == 0 { self.kind_bits() } else { 0 } | if at == last { 0x80 } else { 0 };
                let key = (self.end == End::Server).then(|| (index as u32).wrapping_mul(0x9E37_79B9).to_le_bytes());
                write_frame(first, payload, key, &mut image);
            }
        }
        Wire::new(image, self.read)
    }
}

/// As RFC 6455, section 5.2, has it; so that no crate judges itself.
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

/// The payload of the frame at the front, which has to be a whole message of the kind and masked or not; and what
/// follows it.
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

impl Sending {
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
                }
            }
            Self::Send(Sending { end, size, batch: 1 }) => write!(f, "{end} sends {}, each flushed", Size(*size)),
            Self::Send(Sending { end, size, batch }) => write!(f, "{end} sends {}, flushed by {batch}", Size(*size)),
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
