//! TCP through a WebSocket: the binary messages of each connection are a stream of bytes.
//!
//! ```text
//! cargo run --release --bin tunnel -- server --to 127.0.0.1:22
//! cargo run --release --bin tunnel -- client ws://127.0.0.1:9012/ --listen 127.0.0.1:2222
//! ssh -p 2222 127.0.0.1
//! ```
//!
//! A WebSocket has no end of one direction. So when one side of a TCP connection has sent all, both
//! directions are closed: this tunnel is for protocols in which both sides are done then.

use std::{
    io::{self, ErrorKind},
    process::ExitCode,
    time::Duration,
};

use sockless::{
    Accept, ClientRequest, Config, Delivery,
    adapter::{self, Error},
};
use sockless_applications::{AnyError, Args, bind, run_async, serve_each, usage};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink},
    net::TcpStream,
    time::timeout,
};

const HELP: &str = "\
Carries TCP connections through WebSockets.

usage: tunnel server [--listen ADDRESS] --to ADDRESS
       tunnel client [--listen ADDRESS] URL

  server            accepts WebSockets, and connects each to a TCP server
  client            accepts TCP connections, and connects each to the tunnel's server

  --listen ADDRESS  where to listen (127.0.0.1:9012 for the server, 127.0.0.1:9013 for the client);
                    with port 0, on a free port
  --to ADDRESS      the TCP server";

/// How long a TCP connection may take to end after the WebSocket.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    run_async("tunnel", HELP, application)
}

async fn application(mut args: Args) -> Result<(), AnyError> {
    let listen = Some(args.option("--listen", String::new())?).filter(|listen| !listen.is_empty());
    let to = args.option("--to", String::new())?;
    let command = args.next::<String>("the command")?;
    match command.as_str() {
        "server" if to.is_empty() => Err(usage("--to is missing")),
        "server" => {
            args.end()?;
            let listener = bind(&listen.unwrap_or("127.0.0.1:9012".into())).await?;
            println!("listening on ws://{}/", listener.local_addr()?);
            serve_each("tunnel", listener, |tcp| from_websocket(tcp, to.clone())).await;
            Ok(())
        }
        "client" => {
            let url = args.next::<String>("the URL")?;
            args.end()?;
            let listener = bind(&listen.unwrap_or("127.0.0.1:9013".into())).await?;
            println!("listening on {}", listener.local_addr()?);
            serve_each("tunnel", listener, |tcp| to_websocket(tcp, url.clone())).await;
            Ok(())
        }
        _ => Err(usage(format!("there is no command {command:?}"))),
    }
}

/// The server: connects to the TCP server before it accepts, so that a client hears of a failure.
async fn from_websocket(stream: TcpStream, to: String) -> Result<(), AnyError> {
    let incoming = adapter::tokio::incoming(stream, config()).await?;
    // Pages of other origins are refused. Otherwise any page that a user of this machine visits
    // could talk to the TCP server.
    let accept = Accept::new();
    if let Err(error) = incoming.request().check_origin(&accept) {
        incoming.reject(403, &[], format!("{error}\n").as_bytes()).await?;
        return Err(error.into());
    }
    let tcp = match connect(&to).await {
        Ok(tcp) => tcp,
        Err(error) => {
            incoming.reject(502, &[], format!("{error}\n").as_bytes()).await?;
            return Err(error);
        }
    };
    carry(tcp, incoming.accept(&accept).await?).await
}

/// The client.
async fn to_websocket(tcp: TcpStream, url: String) -> Result<(), AnyError> {
    let request = ClientRequest::new(&url)?;
    let error: AnyError = match adapter::tokio::connect_with(&request, config()).await {
        Ok((ws, _response)) => return carry(tcp, ws).await,
        // The server says why.
        Err(Error::Refused(refusal)) => {
            let reason = String::from_utf8_lossy(&refusal.body);
            // It is for a terminal, and may have any bytes.
            let reason = reason.trim_end().escape_debug().to_string();
            format!("{}: {reason}", Error::Refused(refusal)).into()
        }
        Err(error) => error.into(),
    };
    tcp.set_zero_linger()?;
    Err(error)
}

async fn connect(to: &str) -> Result<TcpStream, AnyError> {
    let tcp = TcpStream::connect(to).await.map_err(|error| format!("{to}: {error}"))?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// A message is passed on as it arrives, and not when it is whole.
fn config() -> Config {
    Config::new().delivery(Delivery::Chunks)
}

/// Carries bytes in both directions until one side is done, or fails.
///
/// A failure of one side is one for the other: the WebSocket is dropped without a Close frame, and
/// the TCP connection is reset. So no end takes what was cut off for complete.
async fn carry<S>(mut tcp: TcpStream, ws: adapter::tokio::WebSocket<S>) -> Result<(), AnyError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let result = carry_both(&mut tcp, ws.into_byte_stream()).await;
    if result.is_err() {
        // Dropped with this option, it is reset.
        tcp.set_zero_linger()?;
    }
    Ok(result?)
}

async fn carry_both<S>(tcp: &mut TcpStream, stream: adapter::tokio::ByteStream<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_tcp, mut to_tcp) = tcp.split();
    let (mut from_ws, mut to_ws) = tokio::io::split(stream);
    let receiving = async {
        copy(&mut from_ws, &mut to_tcp).await?;
        to_tcp.shutdown().await
    };
    let sending = async {
        copy(&mut from_tcp, &mut to_ws).await?;
        // Sends a Close frame. The answer ends `receiving`.
        to_ws.shutdown().await
    };
    tokio::pin!(receiving);
    tokio::select! {
        received = &mut receiving => received?,
        sent = sending => {
            match sent {
                // The other end has closed while this one was sending.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                sent => sent?,
            }
            receiving.await?;
        }
    }
    // A socket that is dropped with unread bytes is reset, which can destroy what was written.
    let _discarded = timeout(CLOSE_TIMEOUT, copy(&mut from_tcp, &mut sink())).await;
    Ok(())
}
