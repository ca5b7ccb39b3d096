//! WebSockets over HTTP/2.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
};

use http::{Request, Response, StatusCode};
use rustls::ServerConfig;
use sockless::{
    Accept, Config,
    adapter::{Error, Settings, hyper},
    deflate::DeflateConfig,
};
use sockless_http2::server;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    process::wscat,
    server::echo,
    tls::{certificate, server_config},
};

/// Sends everything back, over HTTP/1.1 and HTTP/2, and refuses the path `/refused`.
pub(crate) fn serve(tls: Option<Arc<ServerConfig>>) -> SocketAddr {
    let (sender, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let tcp = server::accept(&listener).await;
                tokio::spawn(serve_connection(tcp, tls.clone()));
            }
        });
    });
    address.recv().unwrap()
}

async fn serve_connection(tcp: TcpStream, tls: Option<Arc<ServerConfig>>) {
    let respond = |request| async { respond(request) };
    // How a connection ends is what the program reports.
    let _ended = match tls {
        Some(config) => match TlsAcceptor::from(config).accept(tcp).await {
            Ok(stream) => server::serve(stream, respond).await,
            Err(error) => Err(error.into()),
        },
        None => server::serve(tcp, respond).await,
    };
}

fn respond<B>(mut request: Request<B>) -> Response<String> {
    if request.uri().path() == "/refused" {
        let response = Response::builder().status(StatusCode::UNAUTHORIZED);
        let response = response.header("WWW-Authenticate", "Basic realm=\"x\"");
        return response.body("who are you?".to_owned()).unwrap();
    }
    let version = format!("{:?}", request.version());
    let config = Config::new().deflate(DeflateConfig::new().threshold(0));
    match hyper::upgrade(&mut request, &Accept::new(), Settings::new().config(config)) {
        Ok((response, upgrade)) => {
            tokio::spawn(greet_and_echo(upgrade, version));
            response
        }
        Err(rejection) => rejection.into_http(),
    }
}

async fn greet_and_echo(upgrade: hyper::Upgrade, version: String) -> Result<(), Error> {
    let mut ws = upgrade.await?;
    ws.send(version).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[test]
fn messages_are_exchanged_over_http2_with_compression_too() {
    let url = format!("ws://{}/", serve(None));
    for (args, expected) in [
        (&["--wait", "0", &url][..], "HTTP/1.1\nhello\n"),
        (&["--http2", "--wait", "0", &url], "HTTP/2.0\nhello\n"),
        (
            &["-v", "--http2", "--deflate", "--wait", "0", &url],
            "HTTP/2.0\nhello\n",
        ),
    ] {
        let run = wscat(args, "hello\n");
        assert_eq!(run.exits(0), expected);
        assert_eq!(
            run.stderr.contains("permessage-deflate"),
            args.contains(&"--deflate"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn http2_is_negotiated_in_tls() {
    let (key, [certificate, _]) = certificate();
    let config = server_config(certificate, key, &[b"h2", b"http/1.1"]);
    let url = format!("wss://localhost:{}/", serve(Some(config)).port());
    let run = wscat(&["-k", "-v", "--http2", "--wait", "0", &url], "hello\n");
    assert_eq!(run.exits(0), "HTTP/2.0\nhello\n");
    run.says("* TLS 1.3, h2, ").says("* status 200\n");
    assert_eq!(
        wscat(&["-k", "--wait", "0", &url], "hello\n").exits(0),
        "HTTP/1.1\nhello\n"
    );
}

#[test]
fn much_passes_over_http2_in_both_directions() {
    let url = format!("ws://{}/", serve(None));
    let input = format!("{}\n", "x".repeat(64 << 10)).repeat(100);
    let run = wscat(&["--http2", "--wait", "0", &url], input.clone());
    assert!(run.exits(0) == format!("HTTP/2.0\n{input}"), "all of it comes back");
}

#[test]
fn a_refusal_over_http2_is_shown_like_any_other() {
    let url = format!("ws://{}/refused", serve(None));
    let run = wscat(&["--http2", &url], "hello\n");
    assert_eq!(run.exits(5), "");
    run.says("* the server refused with status 401\n")
        .says("www-authenticate: Basic realm=\"x\"\n")
        .says("who are you?")
        .says("--user NAME:PASSWORD");
}

#[test]
fn a_server_without_http2_is_no_connection() {
    let run = wscat(&["--http2", &echo()], "hello\n");
    assert_eq!(run.exits(1), "");
    let (key, [certificate, _]) = certificate();
    let config = server_config(certificate, key, &[]);
    let url = format!("wss://localhost:{}/", serve(Some(config)).port());
    let run = wscat(&["-k", "--http2", &url], "hello\n");
    assert_eq!(run.exits(1), "");
    run.says("the server does not speak HTTP/2: try without --http2");
}
