//! The blocking adapter over transports that are whimsical, and break.
#![cfg(feature = "std")]

mod support;

use std::io::{self, ErrorKind, Read, Write};

use sockless::{
    Config, Event, ProtocolError,
    adapter::{Error, Message, std_net::WebSocket},
    frame::Role,
};
use support::{feed, frame, frames, open, peer_of};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// A transport that gives and takes as a seed chooses: few bytes, an interruption, a timeout. At its end it is at its end,
/// or broken.
struct Whims {
    seed: u64,
    input: Vec<u8>,
    read: usize,
    end: Option<ErrorKind>,
    written: Vec<u8>,
}

impl Whims {
    /// How many bytes go through.
    fn ask(&mut self) -> io::Result<usize> {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match (self.seed >> 33) % 10 {
            0 => Err(ErrorKind::Interrupted.into()),
            1 => Err(ErrorKind::WouldBlock.into()),
            2 => Err(ErrorKind::TimedOut.into()),
            3 => Ok(1),
            n => Ok(usize::try_from(n * n * n).unwrap()),
        }
    }
}

impl Read for Whims {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = self.ask()?.min(buf.len());
        let rest = &self.input[self.read..];
        if rest.is_empty() {
            return self.end.map_or(Ok(0), |kind| Err(kind.into()));
        }
        let n = most.min(rest.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for Whims {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.ask()?.min(buf.len());
        self.written.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ask().map(drop)
    }
}

/// F34 F35 R116: whatever the transport does, when it ends or breaks after any number of bytes, everything before that
/// arrives, every reply leaves once, and there is one outcome.
#[test]
fn f34_a_transport_that_fails_at_any_byte_loses_nothing_before() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x81, "aé€😀".as_bytes()),
            frame(peer, 0x02, &[7; 300]),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, &[8; 100]),
            frame(peer, 0x82, &[9; 5000]),
            frame(peer, 0x88, &[3, 232]),
        ]
        .concat();
        for seed in 0..400_u64 {
            let cut = if seed % 8 == 0 {
                input.len()
            } else {
                (seed as usize * 7919) % input.len()
            };
            let end = [None, Some(ErrorKind::ConnectionReset)][seed as usize / 8 % 2];
            let whims = Whims {
                seed,
                input: input[..cut].to_vec(),
                read: 0,
                end,
                written: Vec::new(),
            };
            let mut ws = WebSocket::upgraded(whims, open(role, Config::default()), Config::default());
            let mut messages = Vec::new();
            let error = (0..100_000).find_map(|_| match ws.recv() {
                Ok(Some(message)) => {
                    messages.push(message);
                    None
                }
                Ok(None) => Some(None),
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
                Err(error) => Some(Some(error)),
            });
            let expected: Vec<_> = feed(&mut open(role, Config::default()), &input[..cut])
                .events
                .into_iter()
                .filter_map(|event| match event {
                    Event::Text(text) => Some(Message::Text(text.into_owned())),
                    Event::Binary(data) => Some(Message::Binary(data.into_owned())),
                    _ => None,
                })
                .collect();
            assert_eq!(messages, expected, "{seed}");
            match (error.expect("it ends"), end) {
                (None, _) => {
                    assert_eq!(cut, input.len(), "{seed}");
                    let replies = frames(role, &ws.get_ref().written);
                    assert_eq!(replies, [(0x8A, b"ping".to_vec()), (0x88, vec![3, 232])]);
                }
                (Some(Error::Io(error)), Some(kind)) => assert!(error.kind() == kind && cut < input.len()),
                (Some(Error::Protocol(ProtocolError::UnexpectedEof)), None) => assert!(cut < input.len()),
                other => panic!("{seed}: {other:?}"),
            }
        }
    }
}
