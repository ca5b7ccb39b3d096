//! tungstenite.

use bytes::Bytes;
use tungstenite::{
    Message,
    protocol::{Role, WebSocket},
};

use crate::{
    peer::{AnswerHandshake, Peer, Receive, Send},
    wire::Wire,
    work::{End, ReceiveWork, SendWork},
};

pub struct Tungstenite;

fn open(end: End, wire: Wire) -> WebSocket<Wire> {
    let role = match end {
        End::Server => Role::Server,
        End::Client => Role::Client,
    };
    WebSocket::from_raw_socket(wire, role, None)
}

impl Peer for Tungstenite {
    const NAME: &'static str = "tungstenite";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver(open(work.end, wire)))
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender(open(work.end, wire), work.payload().into()))
    }

    fn handshake() -> Option<AnswerHandshake> {
        Some(Box::new(|wire| drop(tungstenite::accept(wire).unwrap())))
    }
}

struct Receiver(WebSocket<Wire>);

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        for _ in 0..count {
            match self.0.read().unwrap() {
                Message::Text(text) => on_message(text.as_bytes()),
                Message::Binary(data) => on_message(&data),
                other => panic!("{other:?}"),
            }
        }
    }
}

struct Sender(WebSocket<Wire>, Bytes);

impl Send for Sender {
    #[inline]
    fn send(&mut self, count: u64, _: &[u8]) {
        for _ in 0..count {
            self.0.write(Message::Binary(self.1.clone())).unwrap();
        }
        self.0.flush().unwrap();
    }
}
