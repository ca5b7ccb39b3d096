//! The servers with `sockless`.

use std::net::TcpListener;

use smol::LocalExecutor;
use sockless::{
    Accept, Config, Connection, Event,
    adapter::{
        Error,
        futures_io::Timer,
        poll::{Clock, Transport, WebSocket},
    },
};

use super::{bare::Session, tokio::serve};

pub struct Bare(Connection);

impl Default for Bare {
    fn default() -> Self {
        Self(Connection::server(Config::default()))
    }
}

impl Session for Bare {
    fn receive(&mut self, mut input: &mut [u8], out: &mut Vec<u8>) {
        while let Ok(Some(event)) = self.0.receive(&mut input, out) {
            // Sending fails once the connection is closing. Later messages are not answered.
            let _done = match event {
                Event::Request(request) => self.0.accept(&request, &Accept::new(), out).is_ok(),
                Event::Text(text) => self.0.send_text(&text, out).is_ok(),
                Event::Binary(data) => self.0.send_binary(&data, out).is_ok(),
                _ => true,
            };
        }
    }
}

async fn echo<T: Transport, C: Clock>(mut ws: WebSocket<T, C>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.feed(&message).await?;
        ws.recycle(message);
    }
    Ok(())
}

/// The same with the call for many short messages.
async fn echo_batches<T: Transport, C: Clock>(mut ws: WebSocket<T, C>) -> Result<(), Error> {
    while ws.recv_batch(|message, batch| batch.feed(message)).await?.is_some() {}
    Ok(())
}

pub fn tokio_batch(listener: TcpListener) {
    serve(listener, |tcp| async move {
        let ws = sockless::adapter::tokio::accept(tcp).await.unwrap();
        _ = echo_batches(ws).await;
    });
}

pub fn tokio(listener: TcpListener) {
    serve(listener, |tcp| async move {
        let ws = sockless::adapter::tokio::accept(tcp).await.unwrap();
        _ = echo(ws).await;
    });
}

pub fn smol(listener: TcpListener) {
    let listener = smol::Async::new(listener).unwrap();
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.get_ref().set_nodelay(true).unwrap();
            let clock = Timer::new(smol::Timer::at);
            executor
                .spawn(async {
                    let ws = sockless::adapter::futures_io::accept(tcp, clock).await.unwrap();
                    _ = echo(ws).await;
                })
                .detach();
        }
    }));
}
