//! nexus-web. Its parser accepts some violations of RFC 6455, such as lengths that are not in their
//! shortest form.

use nexus_web::ws::{ClientBuilder, FrameReader, FrameWriter, Role};

use crate::{
    peer::{AnswerHandshake, Peer, Receive, Send},
    wire::Wire,
    work::{End, ReceiveWork, SendWork},
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

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        // A message must fit into the buffer.
        let reader = FrameReader::builder()
            .role(role(work.end))
            .buffer_capacity((work.size + 64).max(work.buffer))
            .build();
        Some(Receiver { reader, wire })
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        let writer = FrameWriter::new(role(work.end));
        let out_len = writer.max_encoded_len(work.size) * work.batch as usize;
        Some(Sender {
            writer,
            wire,
            out: vec![0; out_len],
        })
    }

    fn handshake() -> Option<AnswerHandshake> {
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
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        let mut remaining = count as i64;
        while remaining > 0 {
            if self.reader.should_compact() {
                self.reader.compact();
            }
            self.reader.read_from(&mut self.wire).unwrap();
            while let Some(message) = self.reader.next().unwrap() {
                on_message(message.as_bytes());
                remaining -= 1;
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
        // `count` is larger than a batch only in the verification.
        let out_len = self.writer.max_encoded_len(payload.len()) * count as usize;
        if out_len > self.out.len() {
            self.out.resize(out_len, 0);
        }
        let mut used = 0;
        for _ in 0..count {
            used += self.writer.encode_binary(payload, &mut self.out[used..]);
        }
        self.wire.write_all(&self.out[..used]);
    }
}
