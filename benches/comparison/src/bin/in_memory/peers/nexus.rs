//! nexus-web. Its parser accepts what RFC 6455 forbids (lengths that are not minimal, for one).

use nexus_web::ws::{ClientBuilder, FrameReader, FrameWriter, Role};

use crate::{
    peer::{Answer, Peer, Receive, Send},
    wire::Wire,
    work::{End, Receiving, Sending},
};

pub struct Nexus;

const fn role(end: End) -> Role {
    match end {
        End::Server => Role::Server,
        End::Client => Role::Client,
    }
}

impl Peer for Nexus {
    const NAME: &'static str = "nexus-web";

    fn receiver(work: &Receiving, wire: Wire) -> impl Receive + 'static {
        // A message has to fit.
        let reader = FrameReader::builder()
            .role(role(work.end))
            .buffer_capacity((work.size + 64).max(work.buffer))
            .build();
        Receiver { reader, wire }
    }

    fn sender(work: &Sending, wire: Wire) -> impl Send + 'static {
        let writer = FrameWriter::new(role(work.end));
        let room = writer.max_encoded_len(work.size) * work.batch as usize;
        Sender {
            writer,
            wire,
            out: vec![0; room],
        }
    }

    fn handshake() -> Option<Answer> {
        Some(Box::new(|wire| {
            drop(ClientBuilder::new().buffer_capacity(4096).accept(wire).unwrap())
        }))
    }
}

struct Receiver {
    reader: FrameReader,
    wire: Wire,
}

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut see: impl FnMut(&[u8])) {
        let mut rest = count as i64;
        while rest > 0 {
            if self.reader.should_compact() {
                self.reader.compact();
            }
            self.reader.read_from(&mut self.wire).unwrap();
            while let Some(message) = self.reader.next().unwrap() {
                see(message.as_bytes());
                rest -= 1;
            }
        }
    }
}

struct Sender {
    writer: FrameWriter,
    wire: Wire,
    out: Vec<u8>,
}

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        // More than a batch is asked for only when this is verified.
        let room = self.writer.max_encoded_len(payload.len()) * count as usize;
        if room > self.out.len() {
            self.out.resize(room, 0);
        }
        let mut used = 0;
        for _ in 0..count {
            used += self.writer.encode_binary(payload, &mut self.out[used..]);
        }
        self.wire.put(&self.out[..used]);
    }
}
