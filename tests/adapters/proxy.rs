//! Connecting through a proxy on the loopback interface: with tokio and in threads.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use sockless::{
    ClientRequest, CloseCode, Message,
    adapter::{ConnectOptions, Error, Settings, std_net, tokio as async_net},
    proxy::{Proxy, ProxyError},
    timers::Timeouts,
};
use tokio::runtime::Runtime;

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves one client of a proxy that demands a user name and a password: opens the tunnel that it
/// asks for, and carries the bytes.
fn serve(mut client: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut reader = BufReader::new(client.try_clone()?);
    while !head.ends_with(b"\r\n\r\n") {
        reader.read_until(b'\n', &mut head)?;
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ');
    assert_eq!(words.next(), Some("CONNECT"));
    let target = words.next().unwrap();
    assert_eq!(lines.next(), Some(&*format!("Host: {target}")));
    // "user:pass"
    if lines.next() != Some("Proxy-Authorization: Basic dXNlcjpwYXNz") {
        return client.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
              Content-Length: 8\r\n\r\nwho are you",
        );
    }
    let Ok(mut server) = TcpStream::connect(target) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\nnowhere");
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    thread::scope(|scope| {
        let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
        scope.spawn(move || {
            let _failed = io::copy(&mut from_server, &mut to_client);
            let _closed = to_client.shutdown(Shutdown::Write);
        });
        let _failed = io::copy(&mut reader, &mut server);
        let _closed = server.shutdown(Shutdown::Write);
        Ok(())
    })
}

/// A proxy for `count` clients.
fn start(count: usize, serve: fn(TcpStream) -> io::Result<()>) -> (thread::JoinHandle<()>, u16) {
    let (listener, address) = listen();
    let proxy = thread::spawn(move || {
        for tcp in listener.incoming().take(count) {
            serve(tcp.unwrap()).unwrap();
        }
    });
    (proxy, address.port())
}

fn options(proxy: u16) -> ConnectOptions {
    ConnectOptions::new().proxy(Proxy::new(&format!("http://user:pass@127.0.0.1:{proxy}")).unwrap())
}

/// Exchanges a message over each adapter.
fn check_echo(url: &str, options: &ConnectOptions) {
    let request = ClientRequest::new(url).unwrap();
    let large = "x".repeat(1 << 20);
    let (mut ws, _response) = std_net::connect_with(&request, options.clone()).unwrap();
    ws.send(&*large).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from(&*large)));
    ws.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    Runtime::new().unwrap().block_on(async {
        let (mut ws, _response) = async_net::connect_with(&request, options.clone()).await.unwrap();
        ws.send(&*large).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Message::from(&*large)));
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
    });
}

/// The limit for connecting limits no later call: the socket has no timeout of its own then, which
/// a connection would take for its owner's.
#[test]
fn f64_the_limit_ends_with_the_handshake() {
    let (listener, address) = listen();
    let server = thread::spawn(move || drop(std_net::accept(listener.accept().unwrap().0).unwrap()));
    let (proxy, port) = start(1, serve);
    let request = ClientRequest::new(&format!("ws://{address}/")).unwrap();
    let (ws, _response) = std_net::connect_with(&request, options(port)).unwrap();
    let stream = ws.into_parts().transport;
    let timeouts = (
        stream.get_ref().read_timeout().unwrap(),
        stream.get_ref().write_timeout().unwrap(),
    );
    assert_eq!(timeouts, (None, None));
    drop(stream);
    server.join().unwrap();
    proxy.join().unwrap();
}

/// R202: A `ws` connection through a proxy.
#[test]
fn rfc8441_s7_a_tunnel_and_the_handshake_inside() {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        for tcp in listener.incoming().take(2) {
            let mut ws = std_net::accept(tcp.unwrap()).unwrap();
            while let Some(message) = ws.recv().unwrap() {
                ws.send(message).unwrap();
            }
        }
    });
    let (proxy, port) = start(2, serve);
    check_echo(&format!("ws://{address}/"), &options(port));
    server.join().unwrap();
    proxy.join().unwrap();
}

/// R006 R202: A `wss` connection through a proxy: the certificate is the server's.
#[cfg(feature = "tokio-rustls")]
#[test]
fn s4_1_tls_through_a_tunnel() {
    use super::tls::{Tls, echo};

    let tls = Tls::local();
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        for tcp in listener.incoming().take(2) {
            echo(tcp.unwrap(), tls.server.clone()).unwrap();
        }
    });
    let (proxy, port) = start(2, serve);
    let options = options(port).tls_config(tls.client.clone());
    check_echo(&format!("wss://localhost:{}/", address.port()), &options);
    server.join().unwrap();
    proxy.join().unwrap();
}

/// The errors of the adapters, through proxies that serve so.
fn errors(url: &str, options: fn(u16) -> ConnectOptions, serve: fn(TcpStream) -> io::Result<()>) -> [Error; 2] {
    let request = ClientRequest::new(url).unwrap();
    let (proxy, port) = start(2, serve);
    let in_threads = std_net::connect_with(&request, options(port)).unwrap_err();
    let runtime = Runtime::new().unwrap();
    let with_tokio = runtime
        .block_on(async_net::connect_with(&request, options(port)))
        .unwrap_err();
    proxy.join().unwrap();
    [in_threads, with_tokio]
}

fn assert_refused(error: Error, status: u16, body: &str, is_complete: bool) {
    let Error::Proxy(ProxyError::Refused(refusal)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (refusal.response.status(), &*refusal.body, refusal.is_complete),
        (status, body.as_bytes(), is_complete)
    );
}

/// A refusal has the status and the start of the body.
#[test]
fn a_refusal_of_a_proxy_is_surfaced() {
    let anonymous = |port: u16| {
        let proxy = Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap();
        ConnectOptions::new().proxy(proxy)
    };
    for error in errors("ws://127.0.0.1:1/", anonymous, serve) {
        assert_refused(error, 407, "who are ", true);
    }
    for error in errors("ws://127.0.0.1:1/", options, serve) {
        assert_eq!(
            error.to_string(),
            "the proxy refused the tunnel with status 502 instead of 2xx (RFC 9110, section 9.3.6)"
        );
        assert_refused(error, 502, "nowhere", true);
    }
}

/// F62: A refusal whose body breaks off, or does not end within the limit, is the outcome.
#[test]
fn f62_a_refusal_that_breaks_off_is_surfaced() {
    let limited = |port| {
        let timeouts = Timeouts::none().handshake(Duration::from_secs(2));
        options(port).settings(Settings::new().timeouts(timeouts))
    };
    for error in errors("ws://127.0.0.1:1/", limited, |mut tcp| {
        tcp.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nno")?;
        let _until_the_end = io::copy(&mut tcp, &mut io::sink());
        Ok(())
    }) {
        assert_refused(error, 403, "no", false);
    }
    for error in errors("ws://127.0.0.1:1/", options, |mut tcp| {
        let _request = tcp.read(&mut [0; 1024])?;
        tcp.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nno")
    }) {
        assert_refused(error, 403, "no", false);
    }
}

/// F64: The limit covers the proxy's answer.
#[test]
fn f64_the_limit_covers_the_proxy() {
    let limited = |port| {
        let timeouts = Timeouts::none().handshake(Duration::from_millis(500));
        options(port).settings(Settings::new().timeouts(timeouts))
    };
    let serve: [fn(TcpStream) -> io::Result<()>; 2] = [
        |mut tcp| {
            let _until_the_end = io::copy(&mut tcp, &mut io::sink());
            Ok(())
        },
        |mut tcp| {
            tcp.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
            while tcp.write_all(b"y").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        },
    ];
    for serve in serve {
        for error in errors("ws://127.0.0.1:1/", limited, serve) {
            super::assert_handshake_timed_out(&error);
        }
    }
}

/// What is no proxy, and one that goes away.
#[test]
fn garbage_and_an_early_end_are_precise_errors() {
    for error in errors("ws://127.0.0.1:1/", options, |mut tcp| {
        let _request = tcp.read(&mut [0; 1024])?;
        tcp.write_all(b"\x05\x00")
    }) {
        assert!(
            matches!(error, Error::Proxy(ProxyError::InvalidFirstByte { byte: 5 })),
            "{error:?}"
        );
        assert_eq!(io::Error::from(error).kind(), ErrorKind::InvalidData);
    }
    for error in errors("ws://127.0.0.1:1/", options, |mut tcp| {
        let _request = tcp.read(&mut [0; 1024])?;
        tcp.write_all(b"HTTP/1.1 200 OK\r\n")
    }) {
        assert!(matches!(error, Error::Proxy(ProxyError::UnexpectedEof)), "{error:?}");
        assert_eq!(io::Error::from(error).kind(), ErrorKind::UnexpectedEof);
    }
}

/// What came through the tunnel together with the proxy's answer is not lost: the response of a
/// server that refuses before it is asked.
#[test]
fn bytes_after_the_answer_are_received() {
    for error in errors("ws://127.0.0.1:1/", options, |mut tcp| {
        let _request = tcp.read(&mut [0; 1024])?;
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")?;
        let _until_the_end = io::copy(&mut tcp, &mut io::sink());
        Ok(())
    }) {
        let Error::Refused(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!((refusal.response.status(), &*refusal.body), (503, &b"no"[..]));
    }
}

/// The same with TLS: an alert that came with the answer.
#[cfg(feature = "tokio-rustls")]
#[test]
fn records_after_the_answer_are_received() {
    for error in errors("wss://127.0.0.1:1/", options, |mut tcp| {
        let _request = tcp.read(&mut [0; 1024])?;
        // Alert, fatal: unrecognized_name
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n\x15\x03\x03\0\x02\x02\x70")?;
        let _until_the_end = io::copy(&mut tcp, &mut io::sink());
        Ok(())
    }) {
        assert!(
            matches!(&error, Error::Tls(error) if matches!(
                error.error(),
                rustls::Error::AlertReceived(rustls::AlertDescription::UnrecognisedName)
            )),
            "{error:?}"
        );
    }
}
