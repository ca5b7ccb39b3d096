//! Sends every message back. axum routes requests, and one route is a WebSocket.
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

type Failure = Box<dyn Error + Send + Sync>;

/// The route. An extractor would do the same, and hold a `sockless::Request` made by `into_owned`.
async fn answer(State(config): State<Config>, mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    let request = match sockless::Request::from_http(&request) {
        Ok(request) => request,
        Err(error) => return (error.to_http(), format!("{error}\n")).into_response(),
    };
    // Here is the place to look at the origin and the subprotocols. The echo is for everybody.
    let Ok((response, negotiated)) = request.to_http_response(&Accept::new(), &config) else {
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

/// `upgrade` is ready when the answer is sent and HTTP has finished with the connection.
async fn echo(upgrade: OnUpgrade, engine: Connection) -> Result<(), Failure> {
    // An `Upgraded` gives what was read behind the request before anything else.
    let stream = TokioIo::new(upgrade.await?);
    let mut ws = adapter::tokio::upgraded(stream, engine, Settings::default());
    while let Some(message) = ws.recv().await? {
        // It is written before `recv` waits.
        ws.feed(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (listen, config) = options::parse(env::args().skip(1)).ok_or(options::USAGE)?;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    // `any`, so that it is `answer` that refuses other methods. This server has no deadline for a request: whoever needs
    // one gives the router to hyper, with the loop of the other example.
    let router = Router::new().route("/", any(answer)).with_state(config);
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            eprintln!("axum: {error}");
        }
    });
    Ok(axum::serve(listener, router).await?)
}
