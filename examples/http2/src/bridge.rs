//! Bridges between HTTP/1.1 and HTTP/2, with an end of this crate on the side of HTTP/2: what tests
//! WebSockets over HTTP/1.1 tests them over HTTP/2.
//!
//! ```text
//! bridge server [--listen ADDR]   HTTP/1.1 in, HTTP/2, an echo server
//! bridge client URL               the echo client of the Autobahn Testsuite, HTTP/2, HTTP/1.1 out
//! ```
//!
//! A bridge translates the opening handshake and passes the bytes after it on, whatever they are.

use std::{convert::Infallible, env, error::Error, future, net::SocketAddr};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sockless::{
    Accept, ClientRequest, Config, Message,
    adapter::{self, Settings, hyper as ws, tokio::Io},
    deflate::DeflateConfig,
};
use sockless_http2::{
    client::{self, Http2},
    server,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

const USAGE: &str = "usage: bridge server [--listen ADDR] | bridge client URL";
/// The limit on received messages, in bytes: twice the largest message of the suite.
const MAX_MESSAGE_SIZE: u64 = 32 << 20;

type BoxError = Box<dyn Error + Send + Sync>;

fn config() -> Config {
    Config::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        .deflate(DeflateConfig::new().threshold(0))
}

/// Returns a response to something that has failed, and says so.
fn failed(status: StatusCode, error: &dyn Error) -> Response<String> {
    eprintln!("bridge: {status}: {error}");
    let mut response = Response::new(format!("{error}\n"));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Passes the bytes of two connections on until both directions have ended.
async fn pass_on(a: &mut (impl AsyncRead + AsyncWrite + Unpin), b: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    // What has failed on one side is dropped on both.
    let _error = copy_bidirectional(a, b).await;
}

/// HTTP/1.1 in, HTTP/2 out: responds to a request with what the server over HTTP/2 responds.
async fn forward_to_http2(mut request: Request<Incoming>, http2: Http2, address: SocketAddr) -> Response<String> {
    let offered = match sockless::Request::from_http(&request) {
        Ok(offered) => offered,
        Err(error) => return error.to_http().map(|()| format!("{error}\n")),
    };
    let url = format!("ws://{address}{}", offered.target());
    // A key and its answer are of this side only.
    let accepted = offered.to_http_response(&Accept::new().any_origin(), &Config::new());
    let forwarded = ClientRequest::new(&url).map(|url| url.forwarding(&offered));
    let (mut response, forwarded) = match (accepted, forwarded) {
        (Ok((response, _)), Ok(forwarded)) => (response, forwarded),
        (Err(error), _) | (_, Err(error)) => return failed(StatusCode::INTERNAL_SERVER_ERROR, &error),
    };
    let (mut stream, chosen, _) = match http2.open_stream(&forwarded, &Config::new()).await {
        Ok(opened) => opened,
        Err(client::Error::Refused(refused)) => return (*refused).map(|body| String::from_utf8_lossy(&body).into()),
        Err(error) => return failed(StatusCode::BAD_GATEWAY, &error),
    };
    for name in [header::SEC_WEBSOCKET_PROTOCOL, header::SEC_WEBSOCKET_EXTENSIONS] {
        if let Some(value) = chosen.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            pass_on(&mut TokioIo::new(upgraded), &mut stream).await;
        }
    });
    response.map(|()| String::new())
}

/// HTTP/2 in, HTTP/1.1 out: responds to a request with what the server at `base` responds.
async fn forward_to_http1(mut request: Request<Incoming>, base: String) -> Response<String> {
    let offered = match ws::request(&request) {
        Ok(offered) => offered,
        Err(error) => return error.to_http_connect().map(|()| format!("{error}\n")),
    };
    let connected = async {
        let forwarded = ClientRequest::new(&format!("{base}{}", offered.target()))?.forwarding(&offered);
        let (ws, response) = adapter::tokio::connect_with(&forwarded, Settings::new()).await?;
        let accept = Accept::new().any_origin().forwarding(&response);
        let (response, _) = offered.to_http_response(&accept, &Config::new())?;
        Ok::<_, adapter::Error>((ws, response))
    };
    let (ws, response) = match connected.await {
        Ok(connected) => connected,
        Err(error) => return failed(StatusCode::BAD_GATEWAY, &error),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // The bytes that were read together with the response are frames.
        let parts = ws.into_parts();
        let Io(mut tcp) = parts.transport;
        if let Ok(upgraded) = upgrade.await {
            let mut stream = TokioIo::new(upgraded);
            if stream.write_all(&parts.unread).await.is_ok() {
                pass_on(&mut stream, &mut tcp).await;
            }
        }
    });
    response.map(|()| String::new())
}

/// Starts a server over HTTP/2 on a free port. Returns a connection to it, and its address.
async fn start<F>(
    respond: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> Result<(Http2, SocketAddr), BoxError>
where
    F: Future<Output = Response<String>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let tcp = server::accept(&listener).await;
            tokio::spawn(server::serve(tcp, respond.clone()));
        }
    });
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok((Http2::connect(tcp).await?, address))
}

fn echo(mut request: Request<Incoming>) -> Response<String> {
    match ws::upgrade(
        &mut request,
        &Accept::new().any_origin(),
        Settings::new().config(config()),
    ) {
        Ok((response, upgrade)) => {
            tokio::spawn(async {
                let mut ws = upgrade.await?;
                while let Some(message) = ws.recv().await? {
                    ws.feed(message).await?;
                }
                Ok::<_, adapter::Error>(())
            });
            response
        }
        Err(rejection) => rejection.into_http(),
    }
}

async fn run_server(listen: &str) -> Result<(), BoxError> {
    let (http2, address) = start(|request| future::ready(echo(request))).await?;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (tcp, http2) = (server::accept(&listener).await, http2.clone());
        let service = service_fn(move |request| {
            let response = forward_to_http2(request, http2.clone(), address);
            async { Ok::<_, Infallible>(response.await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
        tokio::spawn(connection.with_upgrades());
    }
}

/// Opens a WebSocket over HTTP/2 and sends every message back, or keeps the first one.
async fn converse(http2: &Http2, url: &str, is_echo: bool) -> Result<Option<Message<'static>>, BoxError> {
    let (mut ws, _) = http2.open(&ClientRequest::new(url)?, config(), Settings::new()).await?;
    let mut first = None;
    while let Some(message) = ws.recv().await? {
        if is_echo {
            ws.feed(message).await?;
        } else {
            first.get_or_insert(message);
        }
    }
    Ok(first)
}

async fn run_client(base: &str) -> Result<(), BoxError> {
    let base = base.trim_end_matches('/').to_owned();
    let (http2, address) = start(move |request| forward_to_http1(request, base.clone())).await?;
    let url = |target: &str| format!("ws://{address}/{target}");
    let Some(Message::Text(count)) = converse(&http2, &url("getCaseCount"), false).await? else {
        return Err("the server did not send the number of cases".into());
    };
    for case in 1..=count.trim().parse::<u32>()? {
        // In many cases the server breaks the protocol. Then an error is correct.
        match converse(&http2, &url(&format!("runCase?case={case}&agent=sockless")), true).await {
            Ok(_) => println!("case {case} of {count}: closed"),
            Err(error) => println!("case {case} of {count}: {error}"),
        }
    }
    converse(&http2, &url("updateReports?agent=sockless"), false).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => run_server("127.0.0.1:9002").await,
        ["server", "--listen", listen] => run_server(listen).await,
        ["client", base] => run_client(base).await,
        _ => Err(USAGE.into()),
    }
}
