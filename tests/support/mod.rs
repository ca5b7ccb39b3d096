//! What the tests share: bytes of frames made by hand, a way to feed them in any cut, an in-memory pair.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it"
)]

pub mod pair;

use sockless::{Agreed, Config, Connection, Endpoint, Event, ProtocolError, frame::Role};

/// The key that frames made by [`frame`] are masked with.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as `sender` sends it, written down without help of the crate: `first` is its first byte (FIN, reserved bits,
/// opcode), the length is in its shortest form.
pub fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let form = if len < 126 {
        Length::Short
    } else if len < 65_536 {
        Length::Medium
    } else {
        Length::Long
    };
    let mut bytes = header(first, sender == Role::Client, form, len as u64);
    if sender == Role::Client {
        bytes.extend_from_slice(&KEY);
        bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// How a length is written (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 7 bits
    Short,
    /// 7 + 16 bits
    Medium,
    /// 7 + 64 bits
    Long,
}

/// A header without its key, the length in any form.
pub fn header(first: u8, masked: bool, form: Length, len: u64) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match form {
        Length::Short => bytes.push(mask | u8::try_from(len).unwrap()),
        Length::Medium => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        Length::Long => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&len.to_be_bytes());
        }
    }
    bytes
}

/// The frames in `bytes`, sent by `sender`, taken apart without help of the crate: first byte and payload.
pub fn frames(sender: Role, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(
            second & 0x80 != 0,
            sender == Role::Client,
            "masked by a client, and by nobody else"
        );
        let (len, rest) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (
                usize::try_from(u64::from_be_bytes(rest[..8].try_into().unwrap())).unwrap(),
                &rest[8..],
            ),
            short => (usize::from(short), rest),
        };
        let (key, rest) = if sender == Role::Client {
            rest.split_at(4)
        } else {
            (&[0; 4][..], rest)
        };
        let payload = rest[..len]
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        frames.push((*first, payload));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    frames
}

/// The other end.
pub fn peer_of(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// An open connection.
pub fn open(role: Role, config: Config) -> Connection {
    let endpoint = match role {
        Role::Server => Endpoint::Server,
        Role::Client => Endpoint::Client { seed: [7; 32] },
    };
    Connection::upgraded(endpoint, &Agreed::default(), config)
}

/// What became of some input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
    pub out: Vec<u8>,
}

/// Feeds `input` in one piece.
pub fn feed(connection: &mut Connection, input: &[u8]) -> Outcome {
    feed_cut(connection, input, &[])
}

/// Feeds `input` byte by byte.
pub fn feed_bytewise(connection: &mut Connection, input: &[u8]) -> Outcome {
    let cuts: Vec<usize> = (1..input.len()).collect();
    feed_cut(connection, input, &cuts)
}

/// Feeds `input` cut at the given offsets, which ascend. Every request is accepted. Stops at the first error.
pub fn feed_cut(connection: &mut Connection, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut piece = input[from..to].to_vec();
        from = to;
        let mut rest = &mut piece[..];
        loop {
            match connection.receive(&mut rest, &mut outcome.out) {
                Ok(Some(event)) => {
                    if let Event::Request(request) = &event {
                        connection
                            .accept(request, &sockless::Accept::new(), &mut outcome.out)
                            .unwrap();
                    }
                    outcome.events.push(event.into_owned());
                }
                Ok(None) => {
                    assert!(rest.is_empty(), "`None` means that the input is empty");
                    break;
                }
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
    outcome
}
