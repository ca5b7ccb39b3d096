//! A server: HTTP/1.1 and HTTP/2 on one port.

use std::{convert::Infallible, error::Error, pin::pin, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::sleep,
};

use crate::{CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW};

/// How long a client may take for its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// Returns the settings of both versions, with the deadlines that hyper keeps.
#[must_use]
pub fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10));
    builder
        .http2()
        .timer(TokioTimer::new())
        // SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 (RFC 8441, section 3).
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        // By default, the window of a stream is that of the connection: then one WebSocket that the
        // application does not read stalls all others.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // A connection whose peer has gone does not stay.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(30));
    builder
}

/// Serves one connection: TCP, or TLS. `respond` returns the response to each request.
///
/// # Errors
/// The transport has failed, or the client does not speak HTTP, or has sent no request for too
/// long.
pub async fn serve<T, F>(
    transport: T,
    respond: impl Fn(Request<Incoming>) -> F,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response<String>> + Send + 'static,
{
    let first = Notify::new();
    let service = service_fn(|request| {
        first.notify_one();
        let response = respond(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let builder = builder();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(transport), service);
    let mut connection = pin!(connection);
    // While hyper-util waits for the bytes that tell the versions apart, it has no deadline.
    tokio::select! {
        served = connection.as_mut() => return served,
        () = first.notified() => {}
        () = sleep(FIRST_REQUEST) => return Err(format!("no request within {FIRST_REQUEST:?}").into()),
    }
    connection.await
}

/// Accepts a connection, with TCP_NODELAY set. Waits after an error.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                if tcp.set_nodelay(true).is_ok() {
                    return tcp;
                }
            }
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                // There are no more sockets. An immediate retry would keep the processor busy.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
