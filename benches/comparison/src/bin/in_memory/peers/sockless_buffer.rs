//! `sockless`, with its `InputBuffer`.

use std::borrow::Cow;

use sockless::{Connection, Event, InputBuffer};

use super::sockless::{Sender, open};
use crate::{
    peer::{Peer, Receive, Send},
    wire::Wire,
    work::{ReceiveWork, SendWork},
};

pub struct SocklessBuffer;

impl Peer for SocklessBuffer {
    const NAME: &'static str = "sockless, `InputBuffer`";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver {
            connection: open(work.end),
            wire,
            input: InputBuffer::new(),
            out: Vec::new(),
        })
    }

    fn sender(_: &SendWork, _: Wire) -> Option<impl Send + 'static> {
        None::<Sender>
    }
}

struct Receiver {
    connection: Connection,
    wire: Wire,
    input: InputBuffer,
    out: Vec<u8>,
}

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        let mut remaining = count as i64;
        while remaining > 0 {
            let read = self.wire.read_into(self.input.room());
            self.input.filled(read);
            while let Some(event) = self.input.receive(&mut self.connection, &mut self.out).unwrap() {
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
        }
    }
}
