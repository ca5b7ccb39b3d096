//! Sends every message back. hyper speaks HTTP, then the connection is ours.
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

type Failure = Box<dyn Error + Send + Sync>;

/// Answers a request; one for a WebSocket begins a task.
async fn answer(mut request: Request<Incoming>, config: &Config) -> Result<Response<String>, Failure> {
    let upgrade = hyper::upgrade::on(&mut request);
    let request = match sockless::Request::from_http(&request) {
        Ok(request) => request,
        Err(error) => return Ok(error.to_http().map(|()| format!("{error}\n"))),
    };
    // Here is the place to look at the path, the origin, the subprotocols. The echo is for everybody.
    let (response, negotiated) = request.to_http_response(&Accept::new(), config)?;
    let engine = Connection::upgraded_server(&negotiated, config.clone());
    tokio::spawn(async {
        if let Err(error) = echo(upgrade, engine).await {
            eprintln!("hyper: {error}");
        }
    });
    Ok(response.map(|()| String::new()))
}

/// `upgrade` is ready when hyper has sent the answer and has finished with the connection.
async fn echo(upgrade: OnUpgrade, engine: Connection) -> Result<(), Failure> {
    // An `Upgraded` gives what hyper has read behind the request before anything else.
    let stream = TokioIo::new(upgrade.await?);
    let mut ws = adapter::tokio::upgraded(stream, engine, Settings::default());
    while let Some(message) = ws.recv().await? {
        // It is written before `recv` waits.
        ws.feed(message).await?;
    }
    Ok(())
}

async fn serve(tcp: TcpStream, config: Config) -> Result<(), Failure> {
    tcp.set_nodelay(true)?;
    http1::Builder::new()
        // Until the upgrade, deadlines are a matter of hyper's.
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(tcp), service_fn(|request| answer(request, &config)))
        .with_upgrades()
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
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
                // Out of sockets: trying again at once would only keep the processor busy.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
