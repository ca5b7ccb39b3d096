//! Frames and messages without compression: the engine, its input buffer, a relay, timers.

use std::{hint::black_box, num::NonZeroUsize, time::Duration};

use ::support::open;
use sockless::{
    Config, Connection, Delivery, Event, InputBuffer, MessageKind, PreparedMessage, ProtocolError, Relay, Role, State,
    timers::{Timeouts, Timers},
};

use super::{
    Order, Workload, linear,
    support::{Arriving, SEED, config, repeat},
};
use crate::RunMessages;

pub const ALL: &[Workload] = &[
    linear("binary message, byte by byte", "bytes", 8192, |n| {
        receive(message(n, 0), config(), 1, 1)
    }),
    linear("text of 3-byte characters, byte by byte", "characters", 4096, |n| {
        receive(text("道", n), config(), 1, 1)
    }),
    linear(
        "text of 3-byte characters, 2 bytes at a time",
        "characters",
        4096,
        |n| receive(text("道", n), config(), 2, 1),
    ),
    linear("binary message in chunks, byte by byte", "bytes", 4096, |n| {
        receive(message(n, 0), config().delivery(Delivery::Chunks), 1, n)
    }),
    linear(
        "binary message with `receive_whole`, byte by byte",
        "bytes",
        8192,
        receive_whole,
    ),
    linear("binary message with `InputBuffer`, byte by byte", "bytes", 8192, |n| {
        buffered(message(n, 0), 1, 1)
    }),
    linear("messages with `InputBuffer`, in one input", "messages", 1000, |n| {
        buffered(message(1, 0).repeat(n), usize::MAX, n)
    }),
    linear("messages of 1 byte, in one input", "messages", 2000, |n| {
        receive(message(1, 0).repeat(n), config(), 0, n)
    }),
    linear("messages of 1 byte, byte by byte", "messages", 1000, |n| {
        receive(message(1, 0).repeat(n), config(), 1, n)
    }),
    linear("fragments of 1 byte, in one input", "fragments", 2000, |n| {
        receive(message(n, 1), config(), 0, 1)
    }),
    linear("fragments of 1 byte, byte by byte", "fragments", 1000, |n| {
        receive(message(n, 1), config(), 1, 1)
    }),
    linear("empty fragments, in one input", "fragments", 2000, |n| {
        receive(empty_fragments(n), config(), 0, 1)
    }),
    linear("empty fragments, byte by byte", "fragments", 1000, |n| {
        receive(empty_fragments(n), config(), 1, 1)
    }),
    linear("announced length", "bytes announced", 1 << 20, announced).order(Order::Constant),
    linear("text that is invalid at its end", "bytes", 32768, invalid_text),
    linear("Pings, in one input", "Pings", 1000, |n| {
        receive(PING.repeat(n), config(), 0, n)
    }),
    linear("Pings, byte by byte", "Pings", 500, |n| {
        receive(PING.repeat(n), config(), 1, n)
    }),
    linear("Pings that the caller answers", "Pings", 500, manual_pongs),
    linear("Pings between the bytes of a message", "Pings", 500, pings_in_message),
    linear("Pongs that no Ping has asked for", "Pongs", 1000, |n| {
        receive(b"\x8A\x80abcd".repeat(n), config(), 0, n)
    }),
    linear(
        "Close frames after the first, byte by byte",
        "Close frames",
        1000,
        close_flood,
    ),
    linear(
        "Close frames that the caller does not answer",
        "Close frames",
        1000,
        |n| receive(CLOSE.repeat(n), config().auto_close(false), 1, 1),
    ),
    linear("bytes after a violation, byte by byte", "bytes", 4096, after_violation),
    linear("sending messages of 1 byte", "messages", 1000, |n| {
        send(Role::Server, move |end, out| {
            (0..n).try_for_each(|_| end.send_binary(b"a", out))
        })
    }),
    linear("sending messages of 1 byte, as a client", "messages", 1000, |n| {
        send(Role::Client, move |end, out| {
            (0..n).try_for_each(|_| end.send_binary(b"a", out))
        })
    }),
    linear("sending one message, as a client", "bytes", 65536, |n| {
        let data = vec![7; n];
        send(Role::Client, move |end, out| end.send_binary(&data, out))
    }),
    linear("sending fragments of 1 byte", "fragments", 1000, |n| {
        send(Role::Client, move |end, out| {
            (0..n).try_for_each(|_| end.send_fragment(MessageKind::Binary, b"a", false, out))
        })
    }),
    linear("sending text in fragments of 1 byte", "bytes", 1500, |n| {
        let text = "道".repeat(n / 3);
        send(Role::Client, move |end, out| {
            text.as_bytes()
                .iter()
                .try_for_each(|&byte| end.send_fragment(MessageKind::Text, &[byte], false, out))
        })
    }),
    linear(
        "sending a message that `fragment_size` divides",
        "bytes",
        16384,
        send_divided,
    ),
    linear("sending Pings", "Pings", 1000, |n| {
        send(Role::Client, move |end, out| {
            (0..n).try_for_each(|_| end.ping(b"12345678", out))
        })
    }),
    linear("broadcast", "receivers", 200, broadcast),
    linear("relay, byte by byte", "bytes", 4096, |n| relay(message(n, 0), 1)),
    linear("relay of messages of 1 byte, in one input", "messages", 1000, |n| {
        relay(message(1, 0).repeat(n), 0)
    }),
    linear("relay of Pings, in one input", "Pings", 1000, |n| {
        relay(PING.repeat(n), 0)
    }),
    linear("deadlines: bytes and Pongs", "bytes", 1000, timers),
];

/// As a client sends them.
const PING: &[u8] = b"\x89\x84\0\0\0\0ping";
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xE8";

/// A binary message of a client, in fragments of `fragment_size` bytes; 0: in one frame.
fn message(len: usize, fragment_size: usize) -> Vec<u8> {
    let mut client = open(Role::Client, config().fragment_size(NonZeroUsize::new(fragment_size)));
    let mut out = Vec::new();
    client.send_binary(&vec![7; len], &mut out).expect("an open connection");
    out
}

fn text(character: &str, count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    open(Role::Client, config())
        .send_text(&character.repeat(count), &mut out)
        .expect("an open connection");
    out
}

/// A message of a client in `n` fragments, of which one has a byte.
fn empty_fragments(n: usize) -> Vec<u8> {
    let mut frames = b"\x02\x80abcd".to_vec();
    frames.extend(b"\0\x80abcd".repeat(n - 2));
    frames.extend(b"\x80\x81abcde");
    frames
}

/// A server that receives frames, of which this number of events follow.
fn receive(bytes: Vec<u8>, config: Config, piece: usize, expected: usize) -> RunMessages {
    let mut arriving = Arriving::new(bytes, piece);
    repeat(move || {
        let mut server = open(Role::Server, config.clone());
        let mut out = Vec::new();
        let events = arriving.receive(&mut server, &mut out, |_, event, _| {
            black_box(event);
        });
        assert_eq!(events, expected);
        black_box(out);
    })
}

fn receive_whole(n: usize) -> RunMessages {
    let bytes = message(n, 0);
    let mut buffer = vec![0; bytes.len()];
    repeat(move || {
        let mut server = open(Role::Server, config());
        let (mut filled, mut wanted, mut events, mut out) = (0, 0, 0, Vec::new());
        for byte in &bytes {
            buffer[filled] = *byte;
            filled += 1;
            if filled < wanted {
                continue;
            }
            let mut input = &mut buffer[..filled];
            while let Some(event) = server.receive_whole(&mut input, &mut out).expect("a valid peer") {
                black_box(event);
                events += 1;
            }
            wanted = input.len() + server.wanted(input);
            let rest = input.len();
            buffer.copy_within(filled - rest..filled, 0);
            filled = rest;
        }
        assert_eq!(events, 1);
    })
}

fn buffered(bytes: Vec<u8>, read: usize, expected: usize) -> RunMessages {
    repeat(move || {
        let mut server = open(Role::Server, config());
        let (mut buffer, mut events, mut out) = (InputBuffer::new(), 0, Vec::new());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let room = buffer.room();
            let (piece, after) = rest.split_at(rest.len().min(read).min(room.len()));
            room[..piece.len()].copy_from_slice(piece);
            rest = after;
            buffer.filled(piece.len());
            while let Some(event) = buffer.receive(&mut server, &mut out).expect("a valid peer") {
                black_box(event);
                events += 1;
            }
        }
        assert_eq!(events, expected);
    })
}

fn announced(n: usize) -> RunMessages {
    let mut header = b"\x82\xFF\0\0\0\0\0\0\0\0abcd".to_vec();
    header[2..10].copy_from_slice(&(n as u64).to_be_bytes());
    receive(header, config(), 1, 0)
}

fn invalid_text(n: usize) -> RunMessages {
    let mut bytes = text("a", n);
    let last = bytes.len() - 1;
    bytes[last] ^= 0xFF;
    let mut arriving = Arriving::new(bytes, 0);
    repeat(move || {
        let mut server = open(Role::Server, config());
        let mut input = arriving.pieces().next().expect("the message");
        let error = server.receive(&mut input, &mut Vec::new()).map_err(|error| *error);
        assert!(matches!(error, Err(ProtocolError::InvalidUtf8)), "{error:?}");
    })
}

fn manual_pongs(n: usize) -> RunMessages {
    let mut arriving = Arriving::new(PING.repeat(n), 1);
    repeat(move || {
        let mut server = open(Role::Server, config().auto_pong(false));
        let mut out = Vec::new();
        arriving.receive(&mut server, &mut out, |server, event, out| match event {
            Event::Ping(payload) => server.pong(&payload, out).expect("an open connection"),
            other => panic!("{other:?}"),
        });
        assert_eq!(out.len(), n * 6);
    })
}

fn pings_in_message(n: usize) -> RunMessages {
    let mut bytes = b"\x02\x81abcde".to_vec();
    for _ in 0..n {
        bytes.extend(PING);
        bytes.extend(b"\0\x81abcde");
    }
    receive(bytes, config(), 1, n)
}

fn close_flood(n: usize) -> RunMessages {
    let mut arriving = Arriving::new(CLOSE.repeat(n), 1);
    repeat(move || {
        let mut server = open(Role::Server, config());
        let mut out = Vec::new();
        let events = arriving.receive(&mut server, &mut out, |_, _, _| {});
        assert_eq!((events, server.state(), out.len()), (1, State::Closed, 4));
    })
}

fn after_violation(n: usize) -> RunMessages {
    let mut arriving = Arriving::new(vec![0xFF; n], 1);
    repeat(move || {
        let mut server = open(Role::Server, config());
        let mut out = Vec::new();
        let results = arriving
            .pieces()
            .map(|mut input| server.receive(&mut input, &mut out).is_err());
        assert_eq!(results.filter(|is_error| *is_error).count(), n);
    })
}

/// `work` sends to `out`.
fn send<E: std::fmt::Debug>(
    role: Role,
    work: impl Fn(&mut Connection, &mut Vec<u8>) -> Result<(), E> + 'static,
) -> RunMessages {
    repeat(move || {
        let mut out = Vec::new();
        work(&mut open(role, config()), &mut out).expect("an open connection");
        black_box(out);
    })
}

fn send_divided(n: usize) -> RunMessages {
    let data = vec![7; n];
    repeat(move || {
        let mut client = open(Role::Client, config().fragment_size(NonZeroUsize::new(64)));
        let mut out = Vec::new();
        client.send_binary(&data, &mut out).expect("an open connection");
        assert_eq!(out.len(), n + n / 64 * 6);
    })
}

fn broadcast(n: usize) -> RunMessages {
    let mut receivers: Vec<Connection> = (0..n).map(|_| open(Role::Server, config())).collect();
    repeat(move || {
        let message = PreparedMessage::binary(&[7; 1000]);
        let mut out = Vec::new();
        for receiver in &mut receivers {
            receiver.send_prepared(&message, &mut out).expect("an open connection");
        }
        assert_eq!(out.len(), n * 1004);
    })
}

fn relay(bytes: Vec<u8>, piece: usize) -> RunMessages {
    let mut arriving = Arriving::new(bytes, piece);
    repeat(move || {
        let mut relay = Relay::new(&config(), SEED);
        let (mut to_server, mut back) = (Vec::new(), Vec::new());
        for mut input in arriving.pieces() {
            relay
                .forward(Role::Client, &mut input, &mut to_server, &mut back)
                .expect("a valid peer");
        }
        assert!(black_box(to_server).len() > 1000);
    })
}

fn timers(n: usize) -> RunMessages {
    repeat(move || {
        let second = Duration::from_secs(1);
        let mut now = Duration::ZERO;
        let mut timers = Timers::new(Timeouts::new().idle(second * 60), now);
        timers.opened(now);
        let mut due = 0;
        for _ in 0..n {
            now += second;
            timers.received(now);
            let _unknown = timers.pong(b"12345678", now);
            timers.written(now);
            due += u32::from(black_box(&mut timers).handle_timeout(now).is_some());
        }
        assert_eq!(due, 0);
        black_box(timers);
    })
}
