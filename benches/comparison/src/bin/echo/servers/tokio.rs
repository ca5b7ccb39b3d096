//! The servers on tokio's current-thread runtime.

use std::net::TcpListener;

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::{Config, WebSocketStream, handshake::server_handshake};
use tokio::{net::TcpStream, runtime::Builder};

/// Runs a task for each connection.
pub fn serve<F: Future<Output = ()> + Send + 'static>(listener: TcpListener, echo: fn(TcpStream) -> F) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            tokio::spawn(echo(tcp));
        }
    });
}

/// A message of one of the crates.
trait Message {
    fn is_data(&self) -> bool;
}

impl Message for tungstenite::Message {
    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }
}

impl Message for tokio_websockets::Message {
    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }
}

impl Message for sockudo_ws::Message {
    fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }
}

/// The loop of the documentation of the crates: every message is flushed.
async fn flush_each<S, M, E>(mut ws: S)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
    M: Message,
{
    while let Some(Ok(message)) = ws.next().await {
        if message.is_data() && ws.send(message).await.is_err() {
            return;
        }
    }
}

/// Receives the messages that have arrived, 64 at most, and flushes the echoes together.
async fn batched<S, M, E>(ws: S)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
    M: Message,
{
    let mut ws = ws.ready_chunks(64);
    while let Some(batch) = ws.next().await {
        for message in batch {
            let Ok(message) = message else { return };
            if message.is_data() && ws.feed(message).await.is_err() {
                return;
            }
        }
        if ws.flush().await.is_err() {
            return;
        }
    }
}

pub fn tungstenite(listener: TcpListener) {
    serve(listener, |tcp| async move {
        flush_each(tokio_tungstenite::accept_async(tcp).await.unwrap()).await;
    });
}

pub fn tungstenite_batched(listener: TcpListener) {
    serve(listener, |tcp| async move {
        batched(tokio_tungstenite::accept_async(tcp).await.unwrap()).await;
    });
}

pub fn websockets(listener: TcpListener) {
    serve(listener, |tcp| async move {
        let server = tokio_websockets::ServerBuilder::new();
        flush_each(server.accept(tcp).await.unwrap().1).await;
    });
}

pub fn websockets_batched(listener: TcpListener) {
    serve(listener, |tcp| async move {
        let server = tokio_websockets::ServerBuilder::new();
        batched(server.accept(tcp).await.unwrap().1).await;
    });
}

pub fn sockudo(listener: TcpListener) {
    serve(listener, |mut tcp| async move {
        server_handshake(&mut tcp).await.unwrap();
        flush_each(WebSocketStream::server(tcp, Config::default())).await;
    });
}

pub fn sockudo_batched(listener: TcpListener) {
    serve(listener, |mut tcp| async move {
        server_handshake(&mut tcp).await.unwrap();
        batched(WebSocketStream::server(tcp, Config::default())).await;
    });
}

/// fastwebsockets writes every message at once. It has no handshake without hyper.
pub fn fastwebsockets(listener: TcpListener) {
    serve(listener, |mut tcp| async move {
        server_handshake(&mut tcp).await.unwrap();
        let mut ws = FragmentCollector::new(WebSocket::after_handshake(tcp, Role::Server));
        while let Ok(frame) = ws.read_frame().await {
            let is_data = matches!(frame.opcode, OpCode::Text | OpCode::Binary);
            if is_data && ws.write_frame(frame).await.is_err() {
                return;
            }
        }
    });
}
