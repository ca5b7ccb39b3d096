//! An echo server for WebSockets over HTTP/3.
//!
//! ```text
//! cargo run --manifest-path examples/http3/Cargo.toml --bin serve -- --listen 127.0.0.1:4433
//! ```
//!
//! The certificate is made at start, for `localhost` and `127.0.0.1`; `--certificate FILE` writes
//! it, for clients that are to trust it. It prints how each WebSocket ends.

use std::{env, error::Error, future, net::SocketAddr};

use sockless::{Accept, Config, adapter::Settings, deflate::DeflateConfig};
use sockless_http3::{
    server::{self, Incoming},
    tls,
};

const USAGE: &str = "usage: serve [--listen ADDR] [--certificate FILE] [--deflate-threshold BYTES] [--no-deflate]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 4433));
    let (mut deflate, mut file) = (Some(DeflateConfig::new()), None);
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match name.as_str() {
            "--listen" => listen = value()?.parse()?,
            "--certificate" => file = Some(value()?),
            "--deflate-threshold" => deflate = Some(DeflateConfig::new().threshold(value()?.parse()?)),
            "--no-deflate" => deflate = None,
            _ => return Err(USAGE.into()),
        }
    }
    let certificate = tls::Certificate::new(&["localhost", "127.0.0.1"])?;
    if let Some(file) = file {
        std::fs::write(file, certificate.pem())?;
    }
    let endpoint = quinn::Endpoint::server(tls::server_config(&certificate)?, listen)?;
    println!("listening on https://{}/", endpoint.local_addr()?);
    let config = Config::new().deflate(deflate);
    while let Some(connecting) = endpoint.accept().await {
        let config = config.clone();
        tokio::spawn(async move {
            let peer = connecting.remote_address();
            let served = async {
                let connection = connecting.await?;
                let handle = move |incoming| handle(incoming, peer, config.clone());
                server::serve(connection, future::pending(), handle).await?;
                Ok::<_, Box<dyn Error + Send + Sync>>(())
            };
            if let Err(error) = served.await {
                // The peer may have closed the connection with any text.
                eprintln!("{peer}: {}", error.to_string().escape_debug());
            }
        });
    }
    Ok(())
}

/// Serves a request.
async fn handle(incoming: Incoming, peer: SocketAddr, config: Config) {
    let served = async {
        // Pages of the server's own origin, and clients that are no browsers.
        let mut ws = incoming.accept(&Accept::new(), config, Settings::new()).await?;
        while let Some(message) = ws.recv().await? {
            ws.feed(message).await?; // `recv` writes it before it waits
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(ws.close_status().map(ToString::to_string).unwrap_or_default())
    };
    match served.await {
        Ok(status) => println!("{peer}: {status}"),
        Err(error) => println!("{peer}: {}", error.to_string().escape_debug()),
    }
}
