//! `sockless`, with its adapter for tokio.

use sockless::{
    Config,
    adapter::{
        poll::{Clock, Transport, WebSocket},
        tokio::upgraded,
    },
};

use super::sockless::open;
use crate::{
    peer::{Peer, Receive, Send},
    wire::{Wire, block_on},
    work::{ReceiveWork, SendWork},
};

pub struct SocklessTokio;

impl Peer for SocklessTokio {
    const NAME: &'static str = "sockless, tokio";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver(upgraded(wire, open(work.end), Config::default())))
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender(upgraded(wire, open(work.end), Config::default())))
    }
}

struct Receiver<T, C>(WebSocket<T, C>);

impl<T: Transport, C: Clock> Receive for Receiver<T, C> {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        block_on(async {
            for _ in 0..count {
                let message = self.0.recv().await.unwrap().unwrap();
                on_message(message.as_bytes());
                self.0.recycle(message);
            }
        });
    }
}

struct Sender<T, C>(WebSocket<T, C>);

impl<T: Transport, C: Clock> Send for Sender<T, C> {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        block_on(async {
            if count == 1 {
                return self.0.send(payload).await.unwrap();
            }
            for _ in 0..count {
                self.0.feed(payload).await.unwrap();
            }
            self.0.flush().await.unwrap();
        });
    }
}
