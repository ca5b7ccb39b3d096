//! An echo server with axum, which routes requests: one route is a WebSocket, over HTTP/1.1 and
//! HTTP/2.
//!
//! ```text
//! cargo run --manifest-path examples/frameworks/Cargo.toml --bin axum -- --listen 127.0.0.1:9002
//! ```

mod options;

use std::{env, error::Error};

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Router, routing::any, serve::ListenerExt};
use sockless::adapter::{self, Settings, hyper};
use sockless::{Accept, Config};
use tokio::net::TcpListener;

/// Handles the route. A server with subprotocols chooses one with `hyper::request`.
async fn respond(State(config): State<Config>, mut request: Request) -> Response {
    // By default, only pages of the server's own origin may connect. Others get status 403.
    match hyper::upgrade(&mut request, &Accept::new(), Settings::new().config(config)) {
        Ok((response, upgrade)) => {
            tokio::spawn(async {
                if let Err(error) = echo(upgrade).await {
                    eprintln!("axum: {error}");
                }
            });
            response
        }
        Err(rejection) => rejection.into_http(),
    }
}

/// Serves one connection. `upgrade` completes after axum has sent the response.
async fn echo(upgrade: hyper::Upgrade) -> Result<(), adapter::Error> {
    let mut ws = upgrade.await?;
    // `None` if the client closed with success. An error if it closed with another code, or if the
    // connection failed or was lost.
    while let Some(message) = ws.recv().await? {
        // `recv` writes it before it waits.
        ws.feed(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (listen, config) = options::parse(env::args().skip(1)).ok_or(options::USAGE)?;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    // `any`, so that `respond` refuses other methods: over HTTP/2, the method is CONNECT.
    // `axum::serve` has no deadline for a request, and the default limits of HTTP/2. A server that
    // needs others passes the router to hyper, with the loop of the other example.
    let router = Router::new().route("/", any(respond)).with_state(config);
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            eprintln!("axum: {error}");
        }
    });
    Ok(axum::serve(listener, router).await?)
}
