//! A relay, and what does the same with two connections.
//!
//! They are a program of their own (`--features relay`): where a relay is linked, the compiler
//! inlines the decoder in other places, which changes the counts of the other paths by some
//! percent.

use std::hint::black_box;

use sockless::{Config, Delivery, Event, Relay, Role};

use super::{PERIOD, RunMessages, open};

/// Frames of a client, as they arrive.
fn masked_stream(size: usize) -> Vec<u8> {
    let mut client = open("client", Config::default());
    let mut stream = Vec::new();
    for _ in 0..PERIOD {
        client
            .send_binary(&vec![7; size], &mut stream)
            .expect("an open connection");
    }
    stream
}

/// Passes the frames of a client on to a server, in reads of 64 KiB.
pub fn relay(size: usize) -> RunMessages {
    let stream = masked_stream(size);
    let mut relay = Relay::new(&Config::default(), [7; 32]);
    let (mut buffer, mut to_server, mut back) = (vec![0; 64 << 10], Vec::new(), Vec::new());
    Box::new(move |count| {
        for _ in 0..count / PERIOD {
            for piece in stream.chunks(buffer.len()) {
                buffer[..piece.len()].copy_from_slice(piece);
                let mut input = &mut buffer[..piece.len()];
                to_server.clear();
                relay
                    .forward(Role::Client, &mut input, &mut to_server, &mut back)
                    .expect("valid frames");
                assert_eq!(black_box(&to_server).len(), piece.len());
            }
        }
    })
}

/// The same with two connections: one that unmasks what has arrived, and one that masks it.
pub fn unmask_then_mask(size: usize) -> RunMessages {
    let stream = masked_stream(size);
    let config = || Config::new().delivery(Delivery::Chunks);
    let (mut server, mut client) = (open("server", config()), open("client", config()));
    let (mut buffer, mut to_server, mut back) = (vec![0; 64 << 10], Vec::new(), Vec::new());
    Box::new(move |count| {
        for _ in 0..count / PERIOD {
            for piece in stream.chunks(buffer.len()) {
                buffer[..piece.len()].copy_from_slice(piece);
                let mut input = &mut buffer[..piece.len()];
                to_server.clear();
                while let Some(event) = server.receive(&mut input, &mut back).expect("valid frames") {
                    let Event::Chunk(chunk) = event else {
                        panic!("{event:?}")
                    };
                    client
                        .send_fragment(chunk.kind(), chunk.as_bytes(), chunk.message_end, &mut to_server)
                        .expect("an open connection");
                }
                black_box(&to_server);
            }
        }
    })
}
