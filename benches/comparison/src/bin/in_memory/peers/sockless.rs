//! `sockless`, with `receive_whole`.

use std::borrow::Cow;

use sockless::{Accept, Config, Connection, Event, MessageKind, State, handshake::Negotiated};

use crate::{
    peer::{AnswerHandshake, Peer, Receive, Send},
    wire::{READ, Wire},
    work::{End, ReceiveWork, SendWork},
};

pub struct Sockless;

/// The payload length from which a server uses a vectored write.
const VECTORED: usize = 4 << 10;

pub(super) fn open(end: End) -> Connection {
    let (negotiated, config) = (Negotiated::default(), Config::default());
    match end {
        End::Server => Connection::upgraded_server(&negotiated, config),
        End::Client => Connection::upgraded_client(&negotiated, config, [7; 32]),
    }
}

impl Peer for Sockless {
    const NAME: &'static str = "sockless";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver {
            connection: open(work.end),
            wire,
            buffer: vec![0; work.buffer],
            kept: 0,
            wanted: 0,
            out: Vec::new(),
        })
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender {
            connection: open(work.end),
            vectored: work.end == End::Server && work.size >= VECTORED,
            wire,
            out: Vec::new(),
        })
    }

    fn handshake() -> Option<AnswerHandshake> {
        let mut buffer = vec![0; READ];
        let mut out = Vec::new();
        Some(Box::new(move |wire| {
            let mut connection = Connection::server(Config::default());
            while connection.state() != State::Open {
                let read = wire.read_into(&mut buffer);
                let mut input = &mut buffer[..read];
                while let Some(event) = connection.receive(&mut input, &mut out).unwrap() {
                    if let Event::Request(request) = event {
                        connection.accept(&request, &Accept::new(), &mut out).unwrap();
                    }
                }
                wire.write_all(&out);
                out.clear();
            }
        }))
    }
}

struct Receiver {
    connection: Connection,
    wire: Wire,
    buffer: Vec<u8>,
    /// The number of bytes in the buffer, which are the beginning of a message.
    kept: usize,
    /// The number of bytes that are needed to continue.
    wanted: usize,
    out: Vec<u8>,
}

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        let mut remaining = count as i64;
        while remaining > 0 {
            let filled = self.kept + self.wire.read_into(&mut self.buffer[self.kept..]);
            let is_full = filled == self.buffer.len();
            if filled < self.wanted && !is_full {
                self.kept = filled;
                continue;
            }
            let mut input = &mut self.buffer[..filled];
            loop {
                // `receive` assembles a message that is longer than the buffer.
                let event = if is_full && input.len() == filled {
                    self.connection.receive(&mut input, &mut self.out)
                } else {
                    self.connection.receive_whole(&mut input, &mut self.out)
                };
                let Some(event) = event.unwrap() else {
                    break;
                };
                match &event {
                    Event::Text(text) => on_message(text.as_bytes()),
                    Event::Binary(data) => on_message(data),
                    other => panic!("{other:?}"),
                }
                remaining -= 1;
                if let Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_)) = event {
                    self.connection.recycle(event);
                }
            }
            self.kept = input.len();
            self.wanted = self.kept + self.connection.wanted(input);
            if self.kept > 0 {
                self.buffer.copy_within(filled - self.kept..filled, 0);
            }
        }
    }
}

pub(super) struct Sender {
    connection: Connection,
    vectored: bool,
    wire: Wire,
    out: Vec<u8>,
}

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        if self.vectored {
            for _ in 0..count {
                let len = payload.len() as u64;
                self.connection
                    .send_header(MessageKind::Binary, len, &mut self.out)
                    .unwrap();
                // The two parts of one vectored write.
                self.wire.write_all(&self.out);
                self.wire.write_all(payload);
                self.out.clear();
            }
            return;
        }
        for _ in 0..count {
            self.connection.send_binary(payload, &mut self.out).unwrap();
        }
        self.wire.write_all(&self.out);
        self.out.clear();
    }
}
