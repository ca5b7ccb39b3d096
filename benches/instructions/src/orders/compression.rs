//! permessage-deflate.

use std::hint::black_box;

use ::support::{heads::request_and, params, upgraded, with_deflate};
use sockless::{Config, Connection, Delivery, Event, MessageKind, ProtocolError, Role, deflate::DeflateConfig};

use super::{
    Workload, linear,
    support::{Arriving, config, numbered, repeat, serve},
};
use crate::RunMessages;

pub const ALL: &[Workload] = &[
    linear("compression: offers that are declined", "offers", 500, |n| {
        let list = numbered(n, ", ", |index| {
            format!("permessage-deflate; server_max_window_bits={}", 16 + index % 84)
        });
        negotiate(&list)
    }),
    linear(
        "compression: offers of which the first is accepted",
        "offers",
        500,
        |n| {
            let list = numbered(n, ", ", |index| {
                format!("permessage-deflate; server_max_window_bits={}", 9 + index % 7)
            });
            negotiate(&list)
        },
    ),
    linear("compression: parameters of an offer", "parameters", 500, |n| {
        negotiate(&format!("permessage-deflate{}", "; client_max_window_bits".repeat(n)))
    }),
    linear("compression: message, byte by byte", "bytes, inflated", 32768, |n| {
        receive(&[n], true, 1, false)
    }),
    linear(
        "compression: message in chunks, byte by byte",
        "bytes, inflated",
        32768,
        |n| receive(&[n], true, 1, true),
    ),
    linear(
        "compression: message of zeros, in one input",
        "bytes, inflated",
        1 << 18,
        zeros,
    ),
    linear(
        "compression: messages of 100 bytes, in one input",
        "messages",
        200,
        |n| receive(&vec![100; n], true, 0, false),
    ),
    linear(
        "compression: messages of 100 bytes, without context takeover",
        "messages",
        200,
        |n| receive(&vec![100; n], false, 0, false),
    ),
    linear(
        "compression: fragments of 1 byte, byte by byte",
        "fragments",
        500,
        receive_fragments,
    ),
    linear(
        "compression: empty fragments, in one input",
        "fragments",
        2000,
        empty_fragments,
    ),
    linear(
        "compression: blocks that inflate to nothing",
        "blocks",
        100,
        empty_blocks,
    ),
    linear("compression: sending one message", "bytes", 65536, |n| send(&[n], true)),
    linear("compression: sending messages of 100 bytes", "messages", 200, |n| {
        send(&vec![100; n], true)
    }),
    linear(
        "compression: sending messages of 100 bytes, without context takeover",
        "messages",
        50,
        |n| send(&vec![100; n], false),
    ),
    linear("compression: sending one message in low memory", "bytes", 16384, |n| {
        send_in_low_memory(content(n))
    }),
    linear("compression: sending zeros in low memory", "bytes", 65536, |n| {
        send_in_low_memory(vec![0; n])
    }),
    linear(
        "compression: sending repeated bytes in low memory",
        "bytes",
        16384,
        |n| {
            // Places with the same three bytes, and matches that end shortly before the longest.
            let pattern = |at: usize| {
                if at.is_multiple_of(257) {
                    (at / 257) as u8
                } else {
                    (at % 3) as u8
                }
            };
            send_in_low_memory((0..n).map(pattern).collect())
        },
    ),
    linear(
        "compression: sending messages of 100 bytes in low memory, released",
        "messages",
        200,
        |n| {
            let deflate = low_memory().release(true);
            send_with(&vec![100; n], content(100), true, config().deflate(deflate))
        },
    ),
    linear(
        "compression: sending fragments of 1 byte",
        "fragments",
        500,
        send_fragments,
    ),
];

fn deflating() -> Config {
    config().deflate(DeflateConfig::new().threshold(0))
}

fn negotiate(list: &str) -> RunMessages {
    serve(
        &request_and(&format!("Sec-WebSocket-Extensions: {list}\r\n")),
        0,
        deflating(),
    )
}

fn open(role: Role, takeover: bool, config: Config) -> Connection {
    upgraded(role, &with_deflate(params(15, !takeover)), config)
}

/// Bytes of four values in no order that a compressor finds, and so of a quarter of the length.
fn content(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcd"[(state >> 30) as usize]
    };
    (0..len).map(|_| next()).collect()
}

fn compressed(lens: &[usize], takeover: bool) -> Vec<u8> {
    let mut client = open(Role::Client, takeover, deflating());
    let data = content(lens.iter().copied().max().unwrap_or(0));
    let mut out = Vec::new();
    for &len in lens {
        client.send_binary(&data[..len], &mut out).expect("an open connection");
    }
    out
}

fn receive(lens: &[usize], takeover: bool, piece: usize, is_chunked: bool) -> RunMessages {
    let mut arriving = Arriving::new(compressed(lens, takeover), piece);
    let total: usize = lens.iter().sum();
    let delivery = if is_chunked {
        Delivery::Chunks
    } else {
        Delivery::Messages
    };
    repeat(move || {
        let mut server = open(Role::Server, takeover, deflating().delivery(delivery));
        let mut received = 0;
        arriving.receive(&mut server, &mut Vec::new(), |_, event, _| match black_box(event) {
            Event::Binary(data) => received += data.len(),
            Event::Chunk(chunk) => received += chunk.as_bytes().len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(received, total);
    })
}

fn zeros(n: usize) -> RunMessages {
    let mut out = Vec::new();
    open(Role::Client, true, deflating())
        .send_binary(&vec![0; n], &mut out)
        .expect("an open connection");
    assert!(out.len() < n / 100);
    let mut arriving = Arriving::new(out, 0);
    repeat(move || {
        let mut server = open(Role::Server, true, deflating());
        arriving.receive(&mut server, &mut Vec::new(), |_, event, _| match event {
            Event::Binary(data) => assert_eq!(data.len(), n),
            other => panic!("{other:?}"),
        });
    })
}

/// A message of a client in fragments of one byte.
fn fragments(data: &[u8]) -> Vec<u8> {
    let mut client = open(Role::Client, true, deflating());
    let mut out = Vec::new();
    for (at, byte) in data.iter().enumerate() {
        client
            .send_fragment(MessageKind::Binary, &[*byte], at + 1 == data.len(), &mut out)
            .expect("an open connection");
    }
    out
}

fn send_fragments(n: usize) -> RunMessages {
    let data = content(n);
    repeat(move || {
        black_box(fragments(&data));
    })
}

fn receive_fragments(n: usize) -> RunMessages {
    let mut arriving = Arriving::new(fragments(&content(n)), 1);
    repeat(move || {
        let mut server = open(Role::Server, true, deflating());
        let events = arriving.receive(&mut server, &mut Vec::new(), |_, _, _| {});
        assert_eq!(events, 1);
    })
}

fn empty_fragments(n: usize) -> RunMessages {
    let mut frames = b"\x42\x80abcd".to_vec();
    frames.extend(b"\0\x80abcd".repeat(n));
    let mut arriving = Arriving::new(frames, 0);
    repeat(move || {
        let mut server = open(Role::Server, true, deflating());
        assert_eq!(arriving.receive(&mut server, &mut Vec::new(), |_, _, _| {}), 0);
    })
}

/// Frames of empty stored blocks, which a mask of zeros does not change; a back end that limits
/// their number ends the connection.
fn empty_blocks(n: usize) -> RunMessages {
    let mut frames = Vec::new();
    for index in 0..n {
        frames.extend(if index == 0 {
            b"\x42\x85\0\0\0\0"
        } else {
            b"\0\x85\0\0\0\0"
        });
        frames.extend(b"\0\0\0\xFF\xFF");
    }
    let mut arriving = Arriving::new(frames, 0);
    repeat(move || {
        let mut server = open(Role::Server, true, deflating());
        let mut input = arriving.pieces().next().expect("the frames");
        let result = server.receive(&mut input, &mut Vec::new()).map_err(|error| *error);
        assert!(
            matches!(result, Ok(None) | Err(ProtocolError::TooManyDeflateBlocks)),
            "{result:?}"
        );
    })
}

fn low_memory() -> DeflateConfig {
    DeflateConfig::new().threshold(0).low_memory(true)
}

/// At the level with the longest search.
fn send_in_low_memory(data: Vec<u8>) -> RunMessages {
    send_with(&[data.len()], data, true, config().deflate(low_memory().level(9)))
}

fn send(lens: &[usize], takeover: bool) -> RunMessages {
    let data = content(lens.iter().copied().max().unwrap_or(0));
    send_with(lens, data, takeover, deflating())
}

fn send_with(lens: &[usize], data: Vec<u8>, takeover: bool, config: Config) -> RunMessages {
    let lens = lens.to_vec();
    repeat(move || {
        let mut client = open(Role::Client, takeover, config.clone());
        let mut out = Vec::new();
        for &len in &lens {
            client.send_binary(&data[..len], &mut out).expect("an open connection");
        }
        black_box(out);
    })
}
