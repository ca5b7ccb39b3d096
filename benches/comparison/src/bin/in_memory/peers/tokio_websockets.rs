//! tokio-websockets.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{ClientBuilder, Message, ServerBuilder, WebSocketStream};

use crate::{
    peer::{AnswerHandshake, Peer, Receive, Send},
    wire::{Wire, block_on},
    work::{End, ReceiveWork, SendWork},
};

pub struct TokioWebsockets;

fn open(end: End, wire: Wire) -> WebSocketStream<Wire> {
    match end {
        End::Server => ServerBuilder::new().serve(wire),
        End::Client => ClientBuilder::new().take_over(wire),
    }
}

impl Peer for TokioWebsockets {
    const NAME: &'static str = "tokio-websockets";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver(open(work.end, wire)))
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender(open(work.end, wire), work.payload().into()))
    }

    fn handshake() -> Option<AnswerHandshake> {
        Some(Box::new(|wire| {
            drop(block_on(ServerBuilder::new().accept(wire)).unwrap())
        }))
    }
}

struct Receiver(WebSocketStream<Wire>);

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        block_on(async {
            for _ in 0..count {
                let message = self.0.next().await.unwrap().unwrap();
                on_message(message.as_payload());
            }
        });
    }
}

struct Sender(WebSocketStream<Wire>, Bytes);

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, _: &[u8]) {
        block_on(async {
            for _ in 0..count {
                self.0.feed(Message::binary(self.1.clone())).await.unwrap();
            }
            self.0.flush().await.unwrap();
        });
    }
}
