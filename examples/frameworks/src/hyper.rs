//! An echo server with hyper, which handles HTTP/1.1 and HTTP/2 until the upgrade.
//!
//! ```text
//! cargo run --manifest-path examples/frameworks/Cargo.toml --bin hyper -- --listen 127.0.0.1:9002
//! ```

mod options;

use std::{convert::Infallible, env, error::Error, pin::pin, time::Duration};

use http::{Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use sockless::adapter::{self, Settings, hyper as ws};
use sockless::{Accept, Config};
use tokio::net::{TcpListener, TcpStream};
use tokio::{sync::Notify, time::sleep};

type BoxError = Box<dyn Error + Send + Sync>;

/// Responds to a request. A request for a WebSocket starts a task.
fn respond<B>(mut request: Request<B>, config: Config) -> Response<String> {
    // A server with more than one path checks it here, and chooses a subprotocol with
    // `ws::request`. By default, only pages of the server's own origin may connect. Others get
    // status 403.
    match ws::upgrade(&mut request, &Accept::new(), Settings::new().config(config)) {
        Ok((response, upgrade)) => {
            tokio::spawn(async {
                if let Err(error) = echo(upgrade).await {
                    eprintln!("hyper: {error}");
                }
            });
            response
        }
        Err(rejection) => rejection.into_http(),
    }
}

/// Serves one connection. `upgrade` completes after hyper has sent the response.
async fn echo(upgrade: ws::Upgrade) -> Result<(), adapter::Error> {
    let mut ws = upgrade.await?;
    // `None` if the client closed with success. An error if it closed with another code, or if the
    // connection failed or was lost.
    while let Some(message) = ws.recv().await? {
        // `recv` writes it before it waits.
        ws.feed(message).await?;
    }
    Ok(())
}

/// Serves HTTP/1.1 or HTTP/2, as the client chooses. `examples/http2` says what its limits mean.
async fn serve(tcp: TcpStream, config: Config) -> Result<(), BoxError> {
    tcp.set_nodelay(true)?;
    let mut builder = Builder::new(TokioExecutor::new());
    // Until the upgrade, hyper keeps the deadlines.
    let deadline = Duration::from_secs(10);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(deadline);
    builder
        .http2()
        .timer(TokioTimer::new())
        // A connection whose peer has gone does not stay.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(30))
        .enable_connect_protocol()
        .initial_stream_window_size(64 << 10)
        // More than the windows of all streams, of which hyper allows 200 at a time: WebSockets
        // that nobody reads do not stall the others.
        .initial_connection_window_size(16 << 20);
    let first = Notify::new();
    let service = service_fn(|request| {
        first.notify_one();
        let response = respond(request, config.clone());
        async { Ok::<_, Infallible>(response) }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(tcp), service));
    // Until hyper-util knows the version, it has no deadline.
    tokio::select! {
        served = connection.as_mut() => return served,
        () = first.notified() => {}
        () = sleep(deadline) => return Err(format!("no request within {deadline:?}").into()),
    }
    connection.await
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (listen, config) = options::parse(env::args().skip(1)).ok_or(options::USAGE)?;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let served = serve(tcp, config.clone());
                tokio::spawn(async move {
                    if let Err(error) = served.await {
                        eprintln!("hyper: {peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("hyper: {error}");
                // There are no more sockets. An immediate retry would keep the processor busy.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
