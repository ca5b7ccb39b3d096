//! `wss` over TCP on the loopback interface: with tokio and in threads.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};
use sockless::{
    Accept, ClientRequest, CloseCode, Config, Message, ProtocolError,
    adapter::{
        ConnectOptions, Error, Settings,
        std_net::{self, MaybeTlsStream, Socket, TlsStream, WebSocket},
        tokio as async_net,
    },
    timers::{Due, Timeouts},
};
use tokio::runtime::Runtime;

pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// An authority, and the certificate of a server that it has signed.
pub(super) struct Tls {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Tls {
    fn new(names: &[&str], version: &'static SupportedProtocolVersion) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        Self::with(authority.der(), certificate.der(), &key, version)
    }

    /// The client trusts the authority, and the server has the certificate.
    fn with(
        authority: &CertificateDer<'static>,
        certificate: &CertificateDer<'static>,
        key: &KeyPair,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            client: Arc::new(client),
            server: Arc::new(server),
        }
    }

    /// For a server on this computer.
    pub(super) fn local() -> &'static Self {
        static LOCAL: OnceLock<Tls> = OnceLock::new();
        LOCAL.get_or_init(|| Self::new(&["localhost", "127.0.0.1"], &TLS13))
    }

    pub(super) fn options(&self) -> ConnectOptions {
        ConnectOptions::new().tls_config(Arc::clone(&self.client))
    }
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// What a server has seen of a client.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    server_name: Option<String>,
    alpn: Option<Vec<u8>>,
    /// The close code, after the closing handshake and `close_notify`.
    closed: CloseCode,
}

/// Echoes the messages of one client.
pub(super) fn echo(tcp: TcpStream, config: Arc<ServerConfig>) -> Result<WebSocket<TlsStream>, Error> {
    let mut ws = std_net::incoming(TlsStream::accept(tcp, config, LIMIT)?, Settings::new())?.accept(&Accept::new())?;
    while let Some(message) = ws.recv()? {
        ws.send(message)?;
    }
    Ok(ws)
}

fn echo_one(listener: TcpListener, config: &Arc<ServerConfig>) -> JoinHandle<Result<Seen, Error>> {
    let config = Arc::clone(config);
    thread::spawn(move || {
        let ws = echo(listener.accept()?.0, config)?;
        let closed = ws.close_status().unwrap().code();
        ws.get_ref().with_connection(|connection| {
            let rustls::Connection::Server(connection) = connection else {
                unreachable!()
            };
            Ok(Seen {
                server_name: connection.server_name().map(String::from),
                alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
                closed,
            })
        })
    })
}

fn seen(server_name: Option<&str>) -> Seen {
    Seen {
        server_name: server_name.map(String::from),
        alpn: Some(b"http/1.1".to_vec()),
        closed: CloseCode::NORMAL,
    }
}

/// R006: One call opens a `wss` connection, with SNI for a name and without for an address (RFC
/// 6066, section 3), and `http/1.1` by ALPN, whatever the configuration says.
#[test]
fn s4_1_wss_in_one_call_in_threads() {
    for version in [&TLS12, &TLS13] {
        let tls = Tls::new(&["localhost", "127.0.0.1"], version);
        let mut with_h2 = (*tls.client).clone();
        with_h2.alpn_protocols = vec![b"h2".to_vec()];
        let options = tls.options().tls_config(Arc::new(with_h2));
        for (host, server_name) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
            let (listener, port) = listen();
            let server = echo_one(listener, &tls.server);
            let request = ClientRequest::new(&format!("wss://{host}:{port}/")).unwrap();
            let (mut ws, response) = std_net::connect_with(&request, options.clone()).unwrap();
            assert_eq!(response.status(), 101);
            assert!(matches!(ws.get_ref(), MaybeTlsStream::Tls(_)));
            assert!(ws.get_ref().get_ref().nodelay().unwrap());
            let large = "x".repeat(1 << 20);
            for text in ["hello", "", &large] {
                ws.send(text).unwrap();
                assert_eq!(ws.recv().unwrap(), Some(Message::from(text)));
            }
            ws.close(CloseCode::NORMAL, "").unwrap();
            assert_eq!(ws.recv().unwrap(), None);
            assert_eq!(server.join().unwrap().unwrap(), seen(server_name));
        }
    }
}

/// R006: The same with tokio.
#[test]
fn s4_1_wss_in_one_call_with_tokio() {
    let runtime = Runtime::new().unwrap();
    let tls = Tls::local();
    for (host, server_name) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let (listener, port) = listen();
        let server = echo_one(listener, &tls.server);
        let request = ClientRequest::new(&format!("https://{host}:{port}/")).unwrap();
        runtime.block_on(async {
            let (mut ws, _response) = async_net::connect_with(&request, tls.options()).await.unwrap();
            assert!(matches!(ws.get_ref().0, async_net::MaybeTlsStream::Tls(_)));
            let large = "x".repeat(1 << 20);
            for text in ["hello", "", &large] {
                ws.send(text).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), Some(Message::from(text)));
            }
            ws.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), None);
        });
        assert_eq!(server.join().unwrap().unwrap(), seen(server_name));
    }
}

/// The error of both adapters for a URL, with each server's own end of it.
fn errors(
    host: &str,
    options: &ConnectOptions,
    serve: impl Fn(TcpStream) -> Result<(), Error> + Send + 'static,
) -> [Error; 2] {
    let (listener, port) = listen();
    let request = ClientRequest::new(&format!("wss://{host}:{port}/")).unwrap();
    let server = thread::spawn(move || {
        for tcp in listener.incoming().take(2) {
            let _their_error = serve(tcp.unwrap());
        }
    });
    let in_threads = std_net::connect_with(&request, options.clone()).unwrap_err();
    let runtime = Runtime::new().unwrap();
    let with_tokio = runtime
        .block_on(async_net::connect_with(&request, options.clone()))
        .unwrap_err();
    server.join().unwrap();
    [in_threads, with_tokio]
}

/// R006: What is wrong with a certificate is said in words, and for which host: "the client MUST
/// _Fail the WebSocket Connection_" (RFC 6455, section 4.1).
#[test]
fn s4_1_an_invalid_certificate_has_a_readable_error() {
    let serve = |tcp| echo(tcp, Arc::clone(&Tls::local().server)).map(|_| ());
    // The default roots do not have the authority of this test.
    for error in errors("localhost", &ConnectOptions::new(), serve) {
        assert_eq!(
            error.to_string(),
            "the TLS handshake with \"localhost\" failed: the certificate is not signed by a trusted authority, see \
             ConnectOptions::tls_config: invalid peer certificate: UnknownIssuer (RFC 6455, section 4.1)"
        );
        assert!(matches!(&error, Error::Tls(error) if matches!(
            error.error(),
            rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
        )));
        assert_eq!(io::Error::from(error).kind(), ErrorKind::InvalidData);
    }
    // The authority is trusted, and the certificate has another name.
    let tls = Tls::new(&["example.com"], &TLS13);
    for host in ["localhost", "127.0.0.1"] {
        let config = Arc::clone(&tls.server);
        let serve = move |tcp| echo(tcp, Arc::clone(&config)).map(|_| ());
        for error in errors(host, &tls.options(), serve) {
            let text = error.to_string();
            let start =
                format!("the TLS handshake with \"{host}\" failed: invalid peer certificate: certificate not valid");
            assert!(text.starts_with(&start) && text.contains("\"example.com\""), "{text}");
        }
    }
}

/// R006: The certificate that `openssl req -x509` makes by default is that of an authority: a
/// client that trusts it does not take it for that of a server, and the error says so.
#[test]
fn s4_1_the_certificate_of_an_authority_is_not_that_of_a_server() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let tls = Tls::with(certificate.der(), certificate.der(), &key, &TLS13);
    let config = Arc::clone(&tls.server);
    let serve = move |tcp| echo(tcp, Arc::clone(&config)).map(|_| ());
    for error in errors("localhost", &tls.options(), serve) {
        assert_eq!(
            error.to_string(),
            "the TLS handshake with \"localhost\" failed: the certificate is that of an authority and not of a \
             server (basicConstraints has CA:TRUE): invalid peer certificate: Other(OtherError(CaUsedAsEndEntity)) \
             (RFC 6455, section 4.1)"
        );
    }
}

/// A server that speaks no TLS, or closes the connection, is said to.
#[test]
fn a_server_without_tls_has_a_readable_error() {
    let options = Tls::local().options();
    for error in errors("localhost", &options, |mut tcp| {
        let _read = tcp.read(&mut [0; 1024])?;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
        Ok(())
    }) {
        let text = error.to_string();
        assert!(
            text.starts_with("the TLS handshake with \"localhost\" failed: what the peer sent is not TLS: "),
            "{text}"
        );
    }
    for error in errors("localhost", &options, |mut tcp| {
        let _read = tcp.read(&mut [0; 4096])?;
        Ok(())
    }) {
        assert_eq!(
            error.to_string(),
            "the TLS handshake with \"localhost\" failed: the peer closed the connection"
        );
        assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof));
    }
    // It speaks HTTP/2 only.
    for error in errors("localhost", &options, |tcp| {
        let mut config = (*Tls::local().server).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        echo(tcp, Arc::new(config)).map(|_| ())
    }) {
        let text = error.to_string();
        assert!(text.contains("failed: the server does not speak HTTP/1.1: "), "{text}");
    }
}

/// F64: The limit covers the TLS handshake: a server that is silent, or that sends a record byte by
/// byte for ever, is given up.
#[test]
fn f64_the_limit_covers_the_tls_handshake() {
    let limit = Duration::from_millis(500);
    let settings = Settings::new().timeouts(Timeouts::none().handshake(limit));
    let options = Tls::local().options().settings(settings);
    let serve: [fn(TcpStream) -> Result<(), Error>; 2] = [
        |mut tcp| {
            let _until_the_end = io::copy(&mut tcp, &mut io::sink());
            Ok(())
        },
        |mut tcp| {
            tcp.write_all(b"\x16\x03\x03\x10\x00\x02\x00\x0f\xfc")?;
            while tcp.write_all(b"\x03").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        },
    ];
    for serve in serve {
        for error in errors("localhost", &options, serve) {
            assert!(
                matches!(error, Error::TimedOut { due: Due::Handshake, limit: set } if set == limit),
                "{error:?}"
            );
        }
    }
}

/// A client that speaks no TLS does not become a WebSocket.
#[test]
fn a_client_without_tls_is_an_error_of_the_server() {
    let (listener, port) = listen();
    let client = thread::spawn(move || std_net::connect(&format!("ws://127.0.0.1:{port}/")).map(|_| ()));
    let tcp = listener.accept().unwrap().0;
    let error = TlsStream::accept(tcp, Arc::clone(&Tls::local().server), LIMIT).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the TLS handshake with the client failed: what the peer sent is not TLS: "),
        "{text}"
    );
    assert!(text.ends_with(" (RFC 6455, section 4.2.2)"), "{text}");
    // The alert is no HTTP response.
    let error = client.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Protocol(_)), "{error:?}");
}

/// Two ends of an open connection over TLS.
fn pair() -> (WebSocket<MaybeTlsStream>, WebSocket<TlsStream>) {
    let (listener, port) = listen();
    let server = thread::spawn(move || {
        let tls = TlsStream::accept(listener.accept()?.0, Arc::clone(&Tls::local().server), LIMIT)?;
        std_net::accept(tls)
    });
    let request = ClientRequest::new(&format!("wss://localhost:{port}/")).unwrap();
    let (client, _response) = std_net::connect_with(&request, Tls::local().options()).unwrap();
    (client, server.join().unwrap().unwrap())
}

/// Sends and receives in two threads, and joins the halves.
fn exchange<S: Socket + Send>(ws: WebSocket<S>, message: &[u8], count: usize) -> WebSocket<S> {
    let (mut reader, writer) = ws.split().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (0..count).for_each(|_| writer.send(message).unwrap()));
        for _ in 0..count {
            assert_eq!(reader.recv().unwrap(), Some(Message::from(message)));
        }
    });
    WebSocket::reunite(reader, writer).unwrap()
}

/// Both ends send more than all buffers hold before they would receive: with the halves in two
/// threads, neither waits for the other.
#[test]
fn halves_over_tls_read_and_write_at_the_same_time() {
    let (client, server) = pair();
    let message = vec![0xA5; 4 << 20];
    let (mut client, mut server) = thread::scope(|scope| {
        let client = scope.spawn(|| exchange(client, &message, 4));
        let server = exchange(server, &message, 4);
        (client.join().unwrap(), server)
    });
    client.send("whole again").unwrap();
    assert_eq!(server.recv().unwrap(), Some(Message::from("whole again")));
    server.close(CloseCode::GOING_AWAY, "").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(client.recv().unwrap(), None));
        assert_eq!(server.recv().unwrap(), None);
    });
}

/// The deadlines are kept over TLS: a peer that is silent after its handshake is noticed, and a
/// timeout of the application limits one call and loses nothing.
#[test]
fn deadlines_are_kept_over_tls() {
    let (mut client, mut server) = pair();
    let tcp = client.get_ref().get_ref().try_clone().unwrap();
    tcp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = client.recv().unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
        "{error:?}"
    );
    server.send("late").unwrap();
    tcp.set_read_timeout(None).unwrap();
    assert_eq!(client.recv().unwrap(), Some(Message::from("late")));

    let (listener, port) = listen();
    let silent = thread::spawn(move || {
        let tls = TlsStream::accept(listener.accept()?.0, Arc::clone(&Tls::local().server), LIMIT)?;
        let ws = std_net::accept(tls)?;
        // It reads no frame, and so answers no Ping.
        let _until_the_end = io::copy(&mut ws.into_parts().transport, &mut io::sink());
        Ok::<(), Error>(())
    });
    let request = ClientRequest::new(&format!("wss://localhost:{port}/")).unwrap();
    let pong = Duration::from_millis(100);
    let timeouts = Timeouts::none().ping(Duration::from_millis(50)).pong(pong);
    let options = Tls::local().options().settings(Settings::new().timeouts(timeouts));
    let (mut client, _response) = std_net::connect_with(&request, options).unwrap();
    let error = client.recv().unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { due: Due::Pong, limit } if limit == pong),
        "{error:?}"
    );
    silent.join().unwrap().unwrap();
}

/// A peer that reads nothing: that the socket has not taken all is reported by the next call, which
/// does not wait for the socket again.
#[test]
fn a_write_that_stalls_is_waited_for_once() {
    let (_client, server) = pair();
    let mut stream = server.into_parts().transport;
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    // Until the buffers of both sockets are full.
    let (error, waited) = loop {
        stream.get_ref().set_nonblocking(true).unwrap();
        assert_eq!(stream.write(&[0; 16 << 10]).unwrap(), 16 << 10);
        stream.get_ref().set_nonblocking(false).unwrap();
        let started = Instant::now();
        if let Err(error) = stream.flush() {
            break (error, started.elapsed());
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(waited < LIMIT / 2, "{waited:?}");
}

/// A message in fragments over TLS, to a peer that begins to read after a write has timed out: the
/// write is tried again until the deadline, and all of the message arrives.
#[test]
fn a_write_of_fragments_that_stalls_is_continued() {
    const LEN: usize = 12 << 20;
    let ping = Duration::from_secs(1);
    let (listener, port) = listen();
    let server = thread::spawn(move || {
        let tls = TlsStream::accept(listener.accept()?.0, Arc::clone(&Tls::local().server), LIMIT)?;
        let settings = Settings::new()
            .config(Config::new().fragment_size(NonZeroUsize::new(20_000)))
            .timeouts(Timeouts::none().ping(ping));
        std_net::incoming(tls, settings)?.accept(&Accept::new())
    });
    let request = ClientRequest::new(&format!("wss://localhost:{port}/")).unwrap();
    let settings = Settings::new().config(Config::new().max_message_size(LEN as u64));
    let options = Tls::local().options().settings(settings);
    let (mut client, _response) = std_net::connect_with(&request, options).unwrap();
    let mut server = server.join().unwrap().unwrap();
    let tcp = server.get_ref().get_ref().try_clone().unwrap();
    let sending = thread::spawn(move || server.send(vec![7; LEN]).map(|()| server));
    // The first attempt has most of the time until the Ping, the second one has the rest.
    while !sending.is_finished() && tcp.write_timeout().unwrap().is_none_or(|timeout| timeout > ping / 4) {
        thread::sleep(Duration::from_millis(1));
    }
    let received = client.recv();
    let _server = sending.join().unwrap().unwrap();
    assert_eq!(received.unwrap().unwrap().as_bytes(), vec![7; LEN]);
}

/// The peer's records arrive byte by byte, for longer than the deadline: the deadline ends the
/// call.
#[test]
fn a_record_that_does_not_end_does_not_delay_a_deadline() {
    let (listener, port) = listen();
    let dripping = thread::spawn(move || {
        let tls = TlsStream::accept(listener.accept().unwrap().0, Arc::clone(&Tls::local().server), LIMIT).unwrap();
        let mut tcp = tls.get_ref().try_clone().unwrap();
        tcp.write_all(b"\x17\x03\x03\x3f\xff").unwrap();
        while tcp.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut tls = TlsStream::connect(tcp, "localhost", Arc::clone(&Tls::local().client), LIMIT).unwrap();
    let timeout = Some(Duration::from_millis(100));
    tls.set_read_timeout(timeout).unwrap();
    let error = tls.read(&mut [0; 16]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error:?}"
    );
    assert_eq!(tls.read_timeout().unwrap(), timeout, "it is as it was set");
    tls.shutdown(Shutdown::Both).unwrap();
    drop(tls);
    dripping.join().unwrap();
}

/// The transport ends without `close_notify` and without a Close frame: the error says so. With a
/// Close frame before it, the end is clean.
#[test]
fn an_end_without_close_notify_is_an_error_unless_a_close_frame_came() {
    let (mut client, server) = pair();
    server.get_ref().get_ref().shutdown(Shutdown::Both).unwrap();
    let error = client.recv().unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof),
        "{error:?}"
    );

    let (mut client, server) = pair();
    server.get_ref().shutdown(Shutdown::Write).unwrap();
    let error = client.recv().unwrap_err();
    assert!(
        matches!(&error, Error::Protocol(error) if **error == ProtocolError::UnexpectedEof),
        "{error:?}"
    );

    let (mut client, mut server) = pair();
    client.close(CloseCode::NORMAL, "").unwrap();
    let answered = thread::spawn(move || {
        // The Close frame of the client, which is answered before the call returns.
        server.recv_event().unwrap().unwrap();
        server.get_ref().get_ref().shutdown(Shutdown::Both).unwrap();
    });
    assert_eq!(client.recv().unwrap(), None);
    answered.join().unwrap();
}
