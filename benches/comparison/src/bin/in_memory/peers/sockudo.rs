//! sockudo-ws: its protocol type without its stream type, which is faster.

use bytes::{Bytes, BytesMut};
use sockudo_ws::{
    handshake::server_handshake,
    protocol::{Message, Protocol, Role},
};

use crate::{
    peer::{AnswerHandshake, Peer, Receive, Send},
    wire::{Wire, block_on},
    work::{End, ReceiveWork, SendWork},
};

pub struct Sockudo;

const LIMIT: usize = 16 << 20;

fn open(end: End) -> Protocol {
    let role = match end {
        End::Server => Role::Server,
        End::Client => Role::Client,
    };
    Protocol::new(role, LIMIT, LIMIT)
}

impl Peer for Sockudo {
    const NAME: &'static str = "sockudo-ws";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver {
            protocol: open(work.end),
            wire,
            max_read: work.buffer,
            buffer: BytesMut::with_capacity(work.buffer),
            messages: Vec::new(),
        })
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender {
            protocol: open(work.end),
            wire,
            message: Message::Binary(Bytes::from(work.payload())),
            out: BytesMut::new(),
        })
    }

    fn handshake() -> Option<AnswerHandshake> {
        Some(Box::new(|wire| drop(block_on(server_handshake(wire)).unwrap())))
    }
}

struct Receiver {
    protocol: Protocol,
    wire: Wire,
    max_read: usize,
    buffer: BytesMut,
    messages: Vec<Message>,
}

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        let mut remaining = count as i64;
        while remaining > 0 {
            self.wire.append_to(&mut self.buffer, self.max_read);
            self.protocol
                .process_into(&mut self.buffer, &mut self.messages)
                .unwrap();
            for message in self.messages.drain(..) {
                on_message(message.as_bytes());
                remaining -= 1;
            }
        }
    }
}

struct Sender {
    protocol: Protocol,
    wire: Wire,
    message: Message,
    out: BytesMut,
}

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, _: &[u8]) {
        for _ in 0..count {
            self.protocol.encode_message(&self.message, &mut self.out).unwrap();
        }
        self.wire.write_all(&self.out);
        self.out.clear();
    }
}
