//! An echo server with hyper, which handles HTTP until the upgrade.
//!
//! ```text
//! cargo run --manifest-path examples/frameworks/Cargo.toml --bin hyper -- --listen 127.0.0.1:9002
//! ```

mod options;

use std::{env, error::Error, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use sockless::adapter::{self, Settings};
use sockless::{Accept, Config, Connection};
use tokio::net::{TcpListener, TcpStream};

type BoxError = Box<dyn Error + Send + Sync>;

/// Responds to a request. A request for a WebSocket starts a task.
async fn respond(mut request: Request<Incoming>, config: &Config) -> Result<Response<String>, BoxError> {
    let upgrade = hyper::upgrade::on(&mut request);
    let request = match sockless::Request::from_http(&request) {
        Ok(request) => request,
        Err(error) => return Ok(error.to_http().map(|()| format!("{error}\n"))),
    };
    // A server with more than one path checks it here, and chooses a subprotocol.
    let accept = Accept::new();
    // By default, only pages of the server's own origin may connect. Others get status 403.
    if let Err(error) = request.check_origin(&accept) {
        return Ok(error.to_http().map(|()| format!("{error}\n")));
    }
    let (response, negotiated) = request.to_http_response(&accept, config)?;
    let engine = Connection::upgraded_server(&negotiated, config.clone());
    tokio::spawn(async {
        if let Err(error) = echo(upgrade, engine).await {
            eprintln!("hyper: {error}");
        }
    });
    Ok(response.map(|()| String::new()))
}

/// Serves one connection. `upgrade` completes after hyper has sent the response.
async fn echo(upgrade: OnUpgrade, engine: Connection) -> Result<(), BoxError> {
    // An `Upgraded` first returns the bytes that hyper has read after the request.
    let stream = TokioIo::new(upgrade.await?);
    let mut ws = adapter::tokio::upgraded(stream, engine, Settings::default());
    // `None` if the client closed with success. An error if it closed with another code, or if the
    // connection failed or was lost.
    while let Some(message) = ws.recv().await? {
        // `recv` writes it before it waits.
        ws.feed(message).await?;
    }
    Ok(())
}

async fn serve(tcp: TcpStream, config: Config) -> Result<(), BoxError> {
    tcp.set_nodelay(true)?;
    http1::Builder::new()
        // Until the upgrade, hyper keeps the deadlines.
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(tcp), service_fn(|request| respond(request, &config)))
        .with_upgrades()
        .await?;
    Ok(())
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
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
