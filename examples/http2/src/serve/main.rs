//! An echo server on one TLS port: a page and WebSockets, over HTTP/1.1 and HTTP/2.
//!
//! ```text
//! cargo run --manifest-path examples/http2/Cargo.toml --bin serve -- --listen 127.0.0.1:9443
//! ```
//!
//! The certificate is made at start, for `localhost` and `127.0.0.1`. Browsers ask whether to
//! trust it. It prints over which version of HTTP and on which connection each WebSocket is opened,
//! and how it ends.

mod tls;

use std::{env, error::Error, future, net::SocketAddr, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header};
use sockless::{
    Accept, Config,
    adapter::{Settings, hyper},
    deflate::DeflateConfig,
};
use sockless_http2::server;
use tokio::net::TcpListener;

const USAGE: &str = "usage: serve [--listen ADDR] [--no-deflate]";
const PAGE: &str = include_str!("page.html");

/// Responds to a request on a connection: with a WebSocket, or with the page.
fn respond<B>(mut request: Request<B>, connection: u64, accept: &Accept<'_>, settings: Settings) -> Response<String> {
    match request.uri().path() {
        "/echo" => {
            let at = format!("{:?} on connection {connection}", request.version());
            match hyper::upgrade(&mut request, accept, settings) {
                Ok((response, upgrade)) => {
                    println!("{at}: a WebSocket is opened");
                    tokio::spawn(async move {
                        match echo(upgrade).await {
                            Ok(status) => println!("{at}: {status}"),
                            Err(error) => println!("{at}: {error}"),
                        }
                    });
                    response
                }
                Err(rejection) => {
                    println!("{at}: refused: {rejection}");
                    rejection.into_http()
                }
            }
        }
        "/" => {
            let mut response = Response::new(PAGE.to_owned());
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            response
        }
        _ => {
            let mut response = Response::new("not found\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// Serves a WebSocket. Returns how it was closed.
async fn echo(upgrade: hyper::Upgrade) -> Result<String, sockless::adapter::Error> {
    let mut ws = upgrade.await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?; // `recv` writes it before it waits
    }
    Ok(ws.close_status().map(ToString::to_string).unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (mut listen, mut deflate) = (SocketAddr::from(([127, 0, 0, 1], 9443)), Some(DeflateConfig::new()));
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        match name.as_str() {
            "--listen" => listen = args.next().ok_or(USAGE)?.parse()?,
            "--no-deflate" => deflate = None,
            _ => return Err(USAGE.into()),
        }
    }
    let tls = tls::acceptor(&["localhost", "127.0.0.1"])?;
    let listener = TcpListener::bind(listen).await?;
    let port = listener.local_addr()?.port();
    println!("listening on https://{}/", listener.local_addr()?);
    // Pages of this server under either name.
    let origins = [format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}")];
    let settings = Settings::new().config(Config::new().deflate(deflate));
    for connection in 1.. {
        let (tcp, tls) = (server::accept(&listener).await, tls.clone());
        let (origins, settings) = (origins.clone(), settings.clone());
        tokio::spawn(async move {
            let served = async {
                let tls = tokio::time::timeout(Duration::from_secs(10), tls.accept(tcp)).await??;
                let origins = origins.each_ref().map(String::as_str);
                let accept = Accept::new().origins(&origins);
                server::serve(tls, |request| {
                    future::ready(respond(request, connection, &accept, settings.clone()))
                })
                .await
            };
            if let Err(error) = served.await {
                eprintln!("connection {connection}: {error}");
            }
        });
    }
    Ok(())
}
