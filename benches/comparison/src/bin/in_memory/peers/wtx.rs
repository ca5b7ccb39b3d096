//! wtx. It writes every frame at once, so there is a buffer before the wire. A client masks the
//! payload of its caller, who needs a copy.

use std::{cell::RefCell, rc::Rc};

use wtx::{
    collection::Vector,
    rng::Xorshift64,
    stream::{StreamReader, StreamWriter},
    web_socket::{Frame, OpCode, WebSocket, WebSocketBuffer, WebSocketPayloadOrigin},
};

use crate::{
    peer::{Peer, Receive, Send},
    wire::{Ring, Wire, block_on},
    work::{End, ReceiveWork, SendWork},
};

pub struct Wtx;

type Socket<const IS_CLIENT: bool> = WebSocket<(), Xorshift64, Stream, WebSocketBuffer, IS_CLIENT>;

fn open<const IS_CLIENT: bool>(wire: Wire, batch: Option<Batch>) -> Socket<IS_CLIENT> {
    let stream = Stream { wire, batch };
    WebSocket::new((), false, Xorshift64::new(7), stream, WebSocketBuffer::new())
}

/// What is written between two flushes. It is shared, because a `WebSocket` gives no access to its
/// stream.
type Batch = Rc<RefCell<Vec<u8>>>;

/// The two ends are of two types.
enum Ends<S, C> {
    Server(S),
    Client(C),
}

impl Peer for Wtx {
    const NAME: &'static str = "wtx";

    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static> {
        Some(match work.end {
            End::Server => Ends::Server(Receiver(open::<false>(wire, None), Vector::new())),
            End::Client => Ends::Client(Receiver(open::<true>(wire, None), Vector::new())),
        })
    }

    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static> {
        let batch = (work.batch > 1).then(|| (Batch::default(), wire.ring()));
        let written = batch.as_ref().map(|(batch, _)| Rc::clone(batch));
        let payload = work.payload();
        Some(match work.end {
            End::Server => Ends::Server(Sender(open::<false>(wire, written), batch, payload)),
            End::Client => Ends::Client(Sender(open::<true>(wire, written), batch, payload)),
        })
    }
}

struct Stream {
    wire: Wire,
    batch: Option<Batch>,
}

impl StreamReader for Stream {
    #[inline]
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.wire.read_into(bytes))
    }
}

impl StreamWriter for Stream {
    #[inline]
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.write_all_vectored(&[bytes]).await
    }

    #[inline]
    async fn write_all_vectored(&mut self, parts: &[&[u8]]) -> wtx::Result<()> {
        for part in parts {
            match &self.batch {
                Some(batch) => batch.borrow_mut().extend_from_slice(part),
                None => self.wire.write_all(part),
            }
        }
        Ok(())
    }
}

struct Receiver<const IS_CLIENT: bool>(Socket<IS_CLIENT>, Vector<u8>);

impl<const IS_CLIENT: bool> Receive for Receiver<IS_CLIENT> {
    #[inline]
    fn receive(&mut self, count: u64, mut on_message: impl FnMut(&[u8])) {
        block_on(async {
            for _ in 0..count {
                let read = self.0.read_frame(&mut self.1, WebSocketPayloadOrigin::Adaptive);
                on_message(read.await.unwrap().payload());
                self.1.clear();
            }
        });
    }
}

impl<S: Receive, C: Receive> Receive for Ends<S, C> {
    #[inline]
    fn receive(&mut self, count: u64, on_message: impl FnMut(&[u8])) {
        match self {
            Self::Server(server) => server.receive(count, on_message),
            Self::Client(client) => client.receive(count, on_message),
        }
    }
}

struct Sender<const IS_CLIENT: bool>(Socket<IS_CLIENT>, Option<(Batch, Rc<RefCell<Ring>>)>, Vec<u8>);

impl<const IS_CLIENT: bool> Send for Sender<IS_CLIENT> {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        block_on(async {
            for _ in 0..count {
                if IS_CLIENT {
                    self.2.copy_from_slice(payload);
                }
                let mut frame = Frame::<_, IS_CLIENT>::new_fin(OpCode::Binary, &mut self.2[..]);
                self.0.write_frame(&mut frame).await.unwrap();
            }
        });
        if let Some((batch, ring)) = &self.1 {
            ring.borrow_mut().write_all(&batch.borrow());
            batch.borrow_mut().clear();
        }
    }
}

impl<S: Send, C: Send> Send for Ends<S, C> {
    #[inline]
    fn send(&mut self, count: u64, payload: &[u8]) {
        match self {
            Self::Server(server) => server.send(count, payload),
            Self::Client(client) => client.send(count, payload),
        }
    }
}
