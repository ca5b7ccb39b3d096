//! yawc. It has no handshake without hyper.

use bytes::Bytes;
use futures_util::SinkExt;
use yawc::{Frame, Options, Role, WebSocket};

use crate::{
    peer::{Peer, Receive, Send},
    wire::{Wire, block_on},
    work::{End, ReceiveWork, SendWork},
};

pub struct Yawc;

fn open(end: End, wire: Wire) -> WebSocket<Wire> {
    let role = match end {
        End::Server => Role::Server,
        End::Client => Role::Client,
    };
    let options = Options::default().with_utf8().with_limits(16 << 20, 32 << 20);
    WebSocket::from_stream(wire, role, options).unwrap()
}

impl Peer for Yawc {
    const NAME: &'static str = "yawc";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver(open(work.end, wire)))
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender(open(work.end, wire), work.payload().into()))
    }
}

struct Receiver(WebSocket<Wire>);

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        block_on(async {
            for _ in 0..count {
                on_message(self.0.next_frame().await.unwrap().payload());
            }
        });
    }
}

struct Sender(WebSocket<Wire>, Bytes);

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, _: &[u8]) {
        block_on(async {
            for _ in 0..count {
                self.0.feed(Frame::binary(self.1.clone())).await.unwrap();
            }
            self.0.flush().await.unwrap();
        });
    }
}
