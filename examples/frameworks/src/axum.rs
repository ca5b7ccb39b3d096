//! An echo server with axum, which routes requests: one route is a WebSocket.
//!
//! ```text
//! cargo run --manifest-path examples/frameworks/Cargo.toml --bin axum -- --listen 127.0.0.1:9002
//! ```

mod options;

use std::{env, error::Error};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Router, http::StatusCode, routing::any, serve::ListenerExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sockless::adapter::{self, Settings};
use sockless::{Accept, Config, Connection};
use tokio::net::TcpListener;

type BoxError = Box<dyn Error + Send + Sync>;

/// Handles the route. An extractor would do the same, with a `sockless::Request` from `into_owned`.
async fn respond(State(config): State<Config>, mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    let request = match sockless::Request::from_http(&request) {
        Ok(request) => request,
        Err(error) => return (error.to_http(), format!("{error}\n")).into_response(),
    };
    // A server with subprotocols chooses one here.
    let accept = Accept::new();
    // By default, only pages of the server's own origin may connect. Others get status 403.
    if let Err(error) = request.check_origin(&accept) {
        return (error.to_http(), format!("{error}\n")).into_response();
    }
    let Ok((response, negotiated)) = request.to_http_response(&accept, &config) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let engine = Connection::upgraded_server(&negotiated, config);
    tokio::spawn(async {
        if let Err(error) = echo(upgrade, engine).await {
            eprintln!("axum: {error}");
        }
    });
    response.map(|()| Body::empty())
}

/// Serves one connection. `upgrade` completes after axum has sent the response.
async fn echo(upgrade: OnUpgrade, engine: Connection) -> Result<(), BoxError> {
    // An `Upgraded` first returns the bytes that were read after the request.
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

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (listen, config) = options::parse(env::args().skip(1)).ok_or(options::USAGE)?;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    // `any`, so that `respond` refuses other methods. `axum::serve` has no deadline for a request.
    // A server that needs one passes the router to hyper, with the loop of the other example.
    let router = Router::new().route("/", any(respond)).with_state(config);
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            eprintln!("axum: {error}");
        }
    });
    Ok(axum::serve(listener, router).await?)
}
