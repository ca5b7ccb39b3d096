//! Requests that are refused, and what is ignored.

use std::convert::Infallible;

use h2::{client::SendRequest, ext::Protocol};
use http::{HeaderMap, Method, Request, Response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use sockless_http2::client::{Error, Http2};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    Server,
    carrier::{config, run},
};

/// A client of HTTP/2 that sends what it is told to.
async fn raw_client(server: &Server) -> SendRequest<bytes::Bytes> {
    let (send, connection) = h2::client::handshake(server.tcp().await).await.unwrap();
    tokio::spawn(connection);
    send
}

/// A valid request.
fn request(server: &Server) -> Request<()> {
    Request::connect(format!("http://{}/raw", server.address))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

/// Returns the status, the headers and the body of the response. The stream stays open for a status
/// of 200, and its body is empty then.
async fn send(client: &SendRequest<bytes::Bytes>, request: Request<()>) -> (u16, HeaderMap, String) {
    let is_end = request.method() != Method::CONNECT;
    let mut client = client.clone().ready().await.unwrap();
    let (response, _stream) = client.send_request(request, is_end).unwrap();
    let (parts, mut recv) = response.await.unwrap().into_parts();
    let mut body = Vec::new();
    if parts.status != 200 {
        while let Some(data) = recv.data().await {
            body.extend_from_slice(&data.unwrap());
        }
    }
    (parts.status.as_u16(), parts.headers, String::from_utf8(body).unwrap())
}

/// R194 R196 R197 R204: A request that is not valid gets a response with a status, headers and the
/// error as its body. Other streams are unharmed.
#[test]
fn f58_invalid_requests_are_refused() {
    type Change = fn(&mut Request<()>);
    type Row = (&'static str, Change, u16, Option<(&'static str, &'static str)>);
    let rows: [Row; 8] = [
        ("valid", |_| {}, 200, None),
        (
            "no :protocol",
            |request| {
                request.extensions_mut().remove::<Protocol>();
            },
            400,
            None,
        ),
        (
            "unknown :protocol",
            |request| {
                request.extensions_mut().insert(Protocol::from_static("connect-udp"));
            },
            501,
            None,
        ),
        (
            "GET",
            |request| {
                *request.method_mut() = Method::GET;
                request.extensions_mut().remove::<Protocol>();
            },
            405,
            Some(("allow", "CONNECT")),
        ),
        (
            "a key, which is ignored",
            |request| {
                let headers = request.headers_mut();
                headers.insert("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
            },
            200,
            None,
        ),
        (
            "another version",
            |request| {
                request
                    .headers_mut()
                    .insert("sec-websocket-version", "8".parse().unwrap());
            },
            400,
            Some(("sec-websocket-version", "13")),
        ),
        (
            "another host",
            |request| {
                request.headers_mut().insert("host", "other.example".parse().unwrap());
            },
            400,
            None,
        ),
        (
            "a page of another origin",
            |request| {
                request
                    .headers_mut()
                    .insert("origin", "https://evil.example".parse().unwrap());
            },
            403,
            None,
        ),
    ];
    run(async {
        let server = Server::start();
        let client = raw_client(&server).await;
        for (name, change, status, header) in rows {
            let mut request = request(&server);
            change(&mut request);
            let (received, headers, body) = send(&client, request).await;
            assert_eq!(received, status, "{name}: {body}");
            assert!(!headers.contains_key("sec-websocket-accept"), "{name}");
            assert!(!headers.contains_key("connection"), "{name}");
            if let Some((field, value)) = header {
                assert_eq!(headers[field], value, "{name}");
            }
            assert_eq!(body.contains("RFC "), status != 200, "{name}: {body}");
        }
        assert_eq!(send(&client, request(&server)).await.0, 200);
    });
}

/// The client reports a refusal with its status, headers and body.
#[test]
fn a_refusal_is_reported() {
    run(async {
        let server = Server::start();
        let http2 = server.connect().await;
        let url = format!("ws://{}/echo", server.address);
        let request = sockless::ClientRequest::new(&url).unwrap();
        let request = request.origin("https://evil.example");
        let refused = http2.open(&request, config(true), crate::settings()).await;
        let Err(Error::Refused(response)) = refused else {
            panic!("not refused");
        };
        assert_eq!(response.status(), 403);
        let body = String::from_utf8(response.body().clone()).unwrap();
        assert!(body.contains("https://evil.example"), "{body}");
    });
}

/// R189 R190: A client does not send an extended CONNECT to a server that has not enabled it.
#[test]
fn a_server_that_does_not_enable_it_is_not_asked() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
            let builder = Builder::new(TokioExecutor::new());
            let _error = builder.serve_connection(TokioIo::new(tcp), service).await;
        });
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        assert!(matches!(Http2::connect(tcp).await, Err(Error::NotEnabled)));
    });
}

/// The first bytes of a client that encodes everything by itself: the preface and SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// HEADERS with END_HEADERS on a stream. All fields are literals that are not indexed (RFC 7541,
/// section 6.2.2).
fn headers_frame(stream: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let len = u8::try_from(block.len()).unwrap();
    [&[0, 0, len, 1, 4, 0, 0, 0, stream], &block[..]].concat()
}

/// Sends one request byte by byte as it is. Returns the type, the stream and the payload of the
/// first frame on that stream, or of GOAWAY.
async fn first_frame(server: &Server, stream: u8, fields: &[(&str, &str)]) -> (u8, u8, Vec<u8>) {
    let mut tcp = server.tcp().await;
    tcp.write_all(PREFACE).await.unwrap();
    tcp.write_all(&headers_frame(stream, fields)).await.unwrap();
    loop {
        let mut head = [0; 9];
        tcp.read_exact(&mut head).await.unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        tcp.read_exact(&mut payload).await.unwrap();
        if head[8] == stream || head[3] == 7 {
            return (head[3], head[8], payload);
        }
    }
}

/// R196: Requests that no client library sends: without one of the pseudo-headers, or with a header
/// of HTTP/1.1. Without `:authority`, this crate responds with status 400; `h2` resets the stream
/// of the others, and they never get to it.
#[test]
fn f58_malformed_requests_end_one_stream() {
    const RST_STREAM: u8 = 3;
    const HEADERS: u8 = 1;
    const GOAWAY: u8 = 7;
    const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
    /// `:status: 400` and `:status: 200` of the static table (RFC 7541, appendix A).
    const STATUS_400: u8 = 0x80 | 12;
    const STATUS_200: u8 = 0x80 | 8;
    let valid = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/raw"),
        ("sec-websocket-version", "13"),
    ];
    run(async {
        let server = Server::start();
        let (kind, _, payload) = first_frame(&server, 1, &valid).await;
        assert_eq!((kind, payload[0]), (HEADERS, STATUS_200));
        for (name, expected) in [
            (":method", RST_STREAM),
            (":scheme", RST_STREAM),
            (":authority", HEADERS),
            (":path", RST_STREAM),
        ] {
            let fields: Vec<_> = valid.into_iter().filter(|(field, _)| *field != name).collect();
            let (kind, stream, payload) = first_frame(&server, 1, &fields).await;
            assert_eq!((kind, stream), (expected, 1), "{name}: {payload:?}");
            let error = if kind == HEADERS {
                &[STATUS_400]
            } else {
                &PROTOCOL_ERROR[..]
            };
            assert!(payload.starts_with(error), "{name}: {payload:?}");
        }
        for added in [("upgrade", "websocket"), ("connection", "upgrade")] {
            let (kind, stream, payload) = first_frame(&server, 1, &[&valid[..], &[added]].concat()).await;
            assert_eq!((kind, stream), (RST_STREAM, 1), "{added:?}: {payload:?}");
        }
        // For h2, this is a violation of the whole connection.
        let unknown = [&valid[..], &[(":unknown", "x")]].concat();
        let (kind, _, payload) = first_frame(&server, 1, &unknown).await;
        assert_eq!((kind, &payload[4..]), (GOAWAY, &PROTOCOL_ERROR[..]));
    });
}
