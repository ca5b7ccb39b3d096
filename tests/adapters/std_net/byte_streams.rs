//! Binary messages as a stream of bytes, whole and in halves.

use std::{
    io::{self, ErrorKind, Read, Write},
    thread,
};

use sockless::{
    CloseCode, Config, Connection, Delivery, ProtocolError, Role,
    adapter::{
        Error,
        std_net::{ByteReader, ByteStream, ByteWriter, WebSocket},
    },
};
use support::{ROLES, frame, open, peer_of};

use super::{
    ScriptedTransport, close, pair,
    shared_script::{SharedScript, reads},
};
use crate::adapters::{begun_messages, engine};

const DELIVERIES: [Delivery; 2] = [Delivery::Chunks, Delivery::Messages];

/// A stream of bytes, or its halves.
#[allow(clippy::large_enum_variant, reason = "there are two of them")]
enum Bytes {
    Whole(ByteStream<SharedScript>),
    Halves(ByteReader<SharedScript, SharedScript>, ByteWriter<SharedScript>),
}

impl Bytes {
    fn all(role: Role, delivery: Delivery, script: impl Fn() -> SharedScript) -> [(Self, SharedScript); 2] {
        Self::over(|| open(role, Config::new().delivery(delivery)), script)
    }

    fn over(engine: impl Fn() -> Connection, script: impl Fn() -> SharedScript) -> [(Self, SharedScript); 2] {
        let (first, second) = (script(), script());
        let open = |script: &SharedScript| WebSocket::upgraded(script.clone(), engine(), Config::default());
        let (reader, writer) = open(&second).split_with(|stream| Ok((stream.clone(), stream))).unwrap();
        [
            (Self::Whole(open(&first).into_byte_stream()), first),
            (
                Self::Halves(reader.into_byte_reader(), writer.into_byte_writer()),
                second,
            ),
        ]
    }

    fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Whole(stream) => stream.shutdown(),
            Self::Halves(_, writer) => writer.shutdown(),
        }
    }
}

impl Read for Bytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Whole(stream) => stream.read(buf),
            Self::Halves(reader, _) => reader.read(buf),
        }
    }
}

impl Write for Bytes {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Whole(stream) => stream.write(data),
            Self::Halves(_, writer) => writer.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Whole(stream) => stream.flush(),
            Self::Halves(_, writer) => writer.flush(),
        }
    }
}

/// The bytes of all binary messages are read in order, whatever the messages, the fragments and the
/// reads; an empty message is not the end. The end is where the peer closes well.
#[test]
fn binary_messages_are_a_stream_of_bytes() {
    for (role, delivery) in ROLES
        .into_iter()
        .flat_map(|role| DELIVERIES.map(|delivery| (role, delivery)))
    {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x82, b"one"),
            frame(peer, 0x82, b""),
            frame(peer, 0x02, b"tw"),
            frame(peer, 0x89, b"?"),
            frame(peer, 0x80, b"o"),
            close(peer, 1000),
        ]
        .concat();
        for cut in [1, 2, 5, 1000] {
            for (mut stream, script) in Bytes::all(role, delivery, || reads(&input, cut)) {
                assert_eq!(stream.read(&mut []).unwrap(), 0);
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                assert_eq!(all, b"onetwo");
                assert_eq!(stream.read(&mut [0]).unwrap(), 0, "still at the end");
                assert_eq!(script.frames(role), [(0x8A, b"?".to_vec()), (0x88, vec![0x03, 0xE8])]);
            }
        }
    }
}

/// Any other end is an error, after all bytes before it: a stream that was cut off is not complete.
#[test]
fn a_stream_that_was_cut_off_is_an_error() {
    for delivery in DELIVERIES {
        let data = frame(Role::Client, 0x82, b"data");
        for (end, kind) in [
            (Vec::new(), ErrorKind::UnexpectedEof),
            (close(Role::Client, 1011), ErrorKind::ConnectionAborted),
            (frame(Role::Client, 0x83, b""), ErrorKind::InvalidData),
        ] {
            let input = [data.clone(), end].concat();
            for (mut stream, _) in Bytes::all(Role::Server, delivery, || reads(&input, 100)) {
                let mut all = Vec::new();
                assert_eq!(stream.read_to_end(&mut all).unwrap_err().kind(), kind);
                assert_eq!(all, b"data");
                let error = stream.read(&mut [0]).unwrap_err();
                assert_eq!(error.kind(), kind, "again");
                assert!(error.get_ref().unwrap().is::<Error>());
            }
        }
    }
}

/// A Close frame in the middle of a message is an error of all further reads, also if nothing of
/// the message was delivered before.
#[test]
fn a_close_frame_in_mid_message_is_an_error() {
    for (role, delivery) in ROLES
        .into_iter()
        .flat_map(|role| DELIVERIES.map(|delivery| (role, delivery)))
    {
        for &(first, payload) in begun_messages() {
            let peer = peer_of(role);
            let input = [frame(peer, first, payload), close(peer, 1000)].concat();
            let engine = || engine(role, Config::new().delivery(delivery));
            for (mut stream, _) in Bytes::over(engine, || reads(&input, 100)) {
                let mut all = Vec::new();
                for _ in 0..2 {
                    let Err(error) = stream.read_to_end(&mut all) else {
                        panic!("the end of the stream: {delivery:?} {first:#X} {payload:?}");
                    };
                    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                }
                if (delivery, first) == (Delivery::Chunks, 0x02) {
                    assert_eq!(all, payload);
                }
            }
        }
    }
}

/// A text message is an error of all further reads, and closes the connection with 1003.
#[test]
fn text_is_an_error() {
    for delivery in DELIVERIES {
        let input = [
            frame(Role::Client, 0x82, b"data"),
            frame(Role::Client, 0x81, b"text"),
            frame(Role::Client, 0x82, b"more"),
        ]
        .concat();
        for (mut stream, script) in Bytes::all(Role::Server, delivery, || reads(&input, 100)) {
            let mut all = Vec::new();
            for _ in 0..2 {
                let error = stream.read_to_end(&mut all).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                assert!(error.to_string().contains("text"), "{error}");
            }
            assert_eq!(all, b"data");
            assert_eq!(script.frames(Role::Server), [(0x88, vec![0x03, 0xEB])]);
            assert_eq!(stream.write(b"late").unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    }
}

/// Each write is one binary message of at most 64 KiB; nothing is written for an empty write.
#[test]
fn each_write_is_a_message() {
    for role in ROLES {
        for (mut stream, script) in Bytes::all(role, Delivery::Chunks, SharedScript::default) {
            assert_eq!(stream.write(b"").unwrap(), 0);
            stream.write_all(b"one").unwrap();
            stream.write_all(&[7; 100_000]).unwrap();
            stream.flush().unwrap();
            stream.shutdown().unwrap();
            stream.shutdown().unwrap();
            let sent: Vec<(u8, usize)> = script
                .frames(role)
                .iter()
                .map(|(first, payload)| (*first, payload.len()))
                .collect();
            assert_eq!(sent, [(0x82, 3), (0x82, 65_536), (0x82, 34_464), (0x88, 2)]);
            assert_eq!(stream.write(b"late").unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    }
}

/// With a transport that times out anywhere, each byte is sent once, and a bounded number is held.
#[test]
fn a_stream_continues_after_a_timeout() {
    for n in [1, 100, 65_540] {
        let script = || {
            let writes = (0..10_000).map(|i| if i % 2 == 0 { Ok(n) } else { Err(ErrorKind::WouldBlock) });
            SharedScript::new(ScriptedTransport::writing(writes))
        };
        for (mut stream, script) in Bytes::all(Role::Server, Delivery::Chunks, script) {
            let data: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
            let mut rest = &data[..];
            while !rest.is_empty() {
                match stream.write(rest) {
                    Ok(len) => rest = &rest[len..],
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                let pending = match &stream {
                    Bytes::Whole(stream) => stream.get_ref().pending_bytes(),
                    Bytes::Halves(_, writer) => writer.get_ref().pending_bytes(),
                };
                assert!(pending <= (64 << 10) + (64 << 10) + 10, "{pending} bytes are held");
            }
            while let Err(error) = stream.shutdown() {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
            let mut sent = script.frames(Role::Server);
            assert_eq!(sent.pop().unwrap().0, 0x88);
            let all: Vec<u8> = sent.into_iter().flat_map(|(_, payload)| payload).collect();
            assert!(all == data, "{n}");
        }
    }
}

/// A transport that takes nothing once in a while: a write does not fail for bytes that it holds.
#[test]
fn a_stream_continues_after_a_write_of_zero_bytes() {
    for n in [1, 100, 65_540] {
        let script = || {
            let writes = (0..10_000).map(|i| Ok(if i % 2 == 0 { n } else { 0 }));
            SharedScript::new(ScriptedTransport::writing(writes))
        };
        for (mut stream, script) in Bytes::all(Role::Server, Delivery::Chunks, script) {
            let data: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
            let mut rest = &data[..];
            while !rest.is_empty() {
                match stream.write(rest) {
                    Ok(len) => rest = &rest[len..],
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WriteZero),
                }
            }
            while let Err(error) = stream.shutdown() {
                assert_eq!(error.kind(), ErrorKind::WriteZero);
            }
            let mut sent = script.frames(Role::Server);
            assert_eq!(sent.pop().unwrap().0, 0x88);
            let all: Vec<u8> = sent.into_iter().flat_map(|(_, payload)| payload).collect();
            assert!(all == data, "{n}: {} bytes", all.len());
        }
    }
}

/// A tunnel over TCP: both directions at the same time, and the end of one of them ends both well.
#[test]
fn a_tunnel_carries_bytes_in_both_directions() {
    const LEN: usize = 3 << 20;
    fn data(seed: u8) -> Vec<u8> {
        (0..LEN).map(|i| (i % 251) as u8 ^ seed).collect()
    }
    let (client, server) = pair();
    let ends = [client, server].map(|ws| {
        let (reader, writer) = ws.split().unwrap();
        (reader.into_byte_reader(), writer.into_byte_writer())
    });
    let [(mut from_server, mut to_server), (mut from_client, mut to_client)] = ends;
    thread::scope(|scope| {
        scope.spawn(move || {
            to_client.write_all(&data(1)).unwrap();
            to_client
        });
        scope.spawn(move || {
            let mut all = vec![0; LEN];
            from_client.read_exact(&mut all).unwrap();
            assert!(all == data(2));
            assert_eq!(from_client.read(&mut [0]).unwrap(), 0);
        });
        let writing = scope.spawn(move || {
            to_server.write_all(&data(2)).unwrap();
            to_server
        });
        let mut all = vec![0; LEN];
        from_server.read_exact(&mut all).unwrap();
        assert!(all == data(1));
        writing.join().unwrap().shutdown().unwrap();
        assert_eq!(from_server.read(&mut [0]).unwrap(), 0);
        assert_eq!(from_server.get_ref().close_status().unwrap().code(), CloseCode::NORMAL);
    });
    // Without a shutdown, the other end gets an error.
    let (client, server) = pair();
    let mut stream = server.into_byte_stream();
    drop(client.into_byte_stream());
    let error = stream.read(&mut [0]).unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref()).unwrap();
    assert!(
        matches!(inner, Error::Protocol(error) if **error == ProtocolError::UnexpectedEof),
        "{inner:?}"
    );
}
