//! A client through a SOCKS5 proxy (RFC 1928): a crate for SOCKS opens the tunnel, and the opening
//! handshake takes place inside of it.
//!
//! ```text
//! cargo run --release --bin socks -- --user ann:secret 127.0.0.1:1080 ws://echo.example/
//! ```
//!
//! `sockless` has HTTP proxies itself: `adapter::ConnectOptions::proxy`.

use std::{process::ExitCode, time::Duration};

use sockless::{
    ClientRequest, CloseCode, Config, Message,
    adapter::tokio::{self as ws, WebSocket},
};
use sockless_applications::{AnyError, Args, run_async, usage};
use tokio::{net::TcpStream, time::timeout};
use tokio_socks::tcp::Socks5Stream;

const HELP: &str = "\
Sends a message through a SOCKS5 proxy, and prints the answer.

usage: socks [--user NAME:PASSWORD] [--message TEXT] PROXY URL

  PROXY                 the proxy, such as 127.0.0.1:1080
  URL                   the server, such as ws://echo.example/; the proxy resolves its name
  --user NAME:PASSWORD  the credentials for the proxy
  --message TEXT        what to send (hello)";

/// How long the proxy may take to open the tunnel.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    run_async("socks", HELP, application)
}

async fn application(mut args: Args) -> Result<(), AnyError> {
    let user = args.option("--user", String::new())?;
    let message = args.option("--message", "hello".to_owned())?;
    let proxy: String = args.next("the proxy")?;
    let url: String = args.next("the URL")?;
    args.end()?;
    let request = ClientRequest::new(&url)?;
    if request.is_secure() {
        // With a crate for TLS, connect the tunnel to `request.host()`, and pass on that stream.
        return Err(usage("this example has no TLS: the URL has to begin with ws"));
    }

    let mut ws = connect(&proxy, &user, &request).await?;
    ws.send(message).await?;
    match ws.recv().await? {
        Some(Message::Text(text)) => println!("{text}"),
        Some(Message::Binary(data)) => println!("{} bytes", data.len()),
        None => return Err("the server has closed the connection".into()),
    }
    ws.close(CloseCode::NORMAL, "").await?;
    while ws.recv().await?.is_some() {} // until the closing handshake is complete
    Ok(())
}

/// Connects to the server of a request through a proxy. `user` is empty, or `NAME:PASSWORD`.
async fn connect(proxy: &str, user: &str, request: &ClientRequest) -> Result<WebSocket<TcpStream>, AnyError> {
    let server = (request.host(), request.port());
    let opening = async {
        match user.split_once(':') {
            Some((name, password)) => Socks5Stream::connect_with_password(proxy, server, name, password).await,
            None => Socks5Stream::connect(proxy, server).await,
        }
    };
    let opened = timeout(OPEN_TIMEOUT, opening)
        .await
        .map_err(|_| format!("the proxy {proxy} has not opened the tunnel within {OPEN_TIMEOUT:?}"))?;
    let tunnel = opened
        .map_err(|error| format!("the proxy {proxy}: {error}"))?
        .into_inner();
    tunnel.set_nodelay(true)?;
    // The limit on the opening handshake is in the settings.
    let (ws, _response) = ws::client(tunnel, request, Config::new()).await?;
    Ok(ws)
}
