//! fastwebsockets. It writes every frame at once, so there is a `BufWriter` before the wire.

use fastwebsockets::{FragmentCollector, Frame, Payload, Role, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter};

use crate::{
    peer::{Peer, Receive, Send},
    wire::{Wire, block_on},
    work::{End, ReceiveWork, SendWork},
};

pub struct Fastwebsockets;

fn open<S: AsyncRead + AsyncWrite + Unpin>(end: End, stream: S) -> WebSocket<S> {
    let role = match end {
        End::Server => Role::Server,
        End::Client => Role::Client,
    };
    WebSocket::after_handshake(stream, role)
}

impl Peer for Fastwebsockets {
    const NAME: &'static str = "fastwebsockets";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(Receiver(FragmentCollector::new(open(work.end, wire))))
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        Some(Sender(open(work.end, wire.buffered(work.batch))))
    }
}

struct Receiver(FragmentCollector<Wire>);

impl Receive for Receiver {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        block_on(async {
            for _ in 0..count {
                on_message(&self.0.read_frame().await.unwrap().payload);
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
                self.0
                    .write_frame(Frame::binary(Payload::Borrowed(payload)))
                    .await
                    .unwrap();
            }
            self.0.flush().await.unwrap();
        });
    }
}
