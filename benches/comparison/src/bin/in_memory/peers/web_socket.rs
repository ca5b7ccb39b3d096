//! web-socket. It reads each part of a header by itself, so there is a `BufReader` before the wire,
//! and writes every frame at once, so there is a `BufWriter`. It delivers frames, not messages, and
//! does not validate text, so it has binary messages in one frame alone.

use tokio::io::{BufReader, BufWriter};
use web_socket::{Event, WebSocket};

use crate::{
    peer::{Peer, Receive, Send},
    wire::{Wire, block_on},
    work::{Content, End, ReceiveWork, SendWork},
};

pub struct WebSocketCrate;

fn open<S>(end: End, stream: S) -> WebSocket<S> {
    match end {
        End::Server => WebSocket::server(stream),
        End::Client => WebSocket::client(stream),
    }
}

impl Peer for WebSocketCrate {
    const NAME: &'static str = "web-socket";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        let is_supported = work.content == Content::Binary && work.frame.is_none();
        is_supported.then(|| Receiver(open(work.end, BufReader::with_capacity(work.buffer, wire))))
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender(open(work.end, wire.buffered(work.batch))))
    }
}

struct Receiver(WebSocket<BufReader<Wire>>);

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        block_on(async {
            for _ in 0..count {
                match self.0.recv().await.unwrap() {
                    Event::Data { data, .. } => on_message(&data),
                    other => panic!("{other:?}"),
                }
            }
        });
    }
}

struct Sender(WebSocket<BufWriter<Wire>>);

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        block_on(async {
            for _ in 0..count {
                self.0.send(payload).await.unwrap();
            }
            self.0.flash().await.unwrap();
        });
    }
}
