//! A server with `yawc` for the client with `sockless`, over HTTP/1.1 and HTTP/2. It has some of
//! the paths of `../../server.py`:
//!
//! * `/echo/ID` echoes.
//! * `/deflate/SETTINGS/ID` echoes with compression. Its first message has what the response says
//!   of extensions. The settings are not read.
//! * `/script/ID` executes the commands in text messages: `ping PAYLOAD` and `close CODE REASON`.
//! * `/refuse/401` refuses the handshake.

use std::{convert::Infallible, error::Error, time::Duration};

use bytes::Bytes;
use futures::SinkExt;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, header, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{net::TcpListener, time::timeout};
use yawc::{CompressionLevel, Frame, HttpWebSocket, OpCode, Options, WebSocket, close::CloseCode};

/// The maximum time without input from a client.
const TIMEOUT: Duration = Duration::from_secs(20);

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http2().enable_connect_protocol();
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(tcp), service_fn(respond));
            if let Err(error) = connection.await {
                eprintln!("{error}");
            }
        });
    }
}

async fn respond(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/refuse/401" {
        let response = Response::builder()
            .status(401)
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"interop\"");
        return Ok(response.body("authentication required\n".into()).unwrap());
    }
    // Messages of 1 MiB.
    let mut options = Options::default().with_limits(4 << 20, 8 << 20).with_utf8();
    let is_compressed = path.starts_with("/deflate/");
    if is_compressed {
        options = options.with_compression_level(CompressionLevel::default());
    }
    let (response, upgrade) = match WebSocket::upgrade_with_options(&mut request, options) {
        Ok(upgraded) => upgraded,
        Err(error) => {
            let response = Response::builder().status(400).body(error.to_string().into());
            return Ok(response.unwrap());
        }
    };
    let extensions = response.headers().get(header::SEC_WEBSOCKET_EXTENSIONS);
    let extensions = extensions.map_or("nothing".into(), |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    });
    tokio::spawn(async move {
        let served = async {
            let mut ws = upgrade.await?;
            if is_compressed {
                ws.send(Frame::text(extensions)).await?;
            }
            serve(&mut ws, path.starts_with("/script/")).await
        };
        if let Err(error) = served.await {
            eprintln!("{error}");
        }
    });
    Ok(response.map(|_| Full::default()))
}

async fn serve(ws: &mut HttpWebSocket, is_script: bool) -> Result<(), BoxError> {
    loop {
        let frame = timeout(TIMEOUT, ws.next_frame()).await??;
        match frame.opcode() {
            OpCode::Text if is_script => execute(ws, frame.as_str()).await?,
            OpCode::Text | OpCode::Binary => ws.send(frame).await?,
            OpCode::Pong if is_script => {
                let payload = String::from_utf8_lossy(frame.payload()).into_owned();
                ws.send(Frame::text(format!("pong {payload}"))).await?;
            }
            // The crate answers it while it is polled.
            OpCode::Close => {
                while ws.next_frame().await.is_ok() {}
                return Ok(());
            }
            _ => {}
        }
    }
}

async fn execute(ws: &mut HttpWebSocket, command: &str) -> Result<(), BoxError> {
    let (command, argument) = command.split_once(' ').unwrap_or((command, ""));
    match command {
        "ping" => ws.send(Frame::ping(argument.to_owned())).await?,
        "close" => {
            let (code, reason) = argument.split_once(' ').unwrap_or((argument, ""));
            ws.send(Frame::close(CloseCode::from(code.parse::<u16>()?), reason))
                .await?;
        }
        _ => ws.send(Frame::close(CloseCode::Policy, "unknown command")).await?,
    }
    Ok(())
}
