//! Requests that are refused, and what is ignored.

use bytes::Bytes;
use sockless_http3::{
    client::{Error, Http3},
    quic,
    request::{Error as StreamError, Fields, headers_frame},
};

use crate::{
    Raw, Server, VALID,
    carrier::{config, run},
    endpoints,
};

type Header = (&'static str, &'static str);

/// The valid request, with other values in place of its own; an empty one leaves the field out.
fn changed(changes: &[Header]) -> Vec<Header> {
    let mut fields: Vec<Header> = VALID.to_vec();
    for (name, value) in changes {
        match fields.iter().position(|(known, _)| known == name) {
            Some(at) if value.is_empty() => {
                fields.remove(at);
            }
            Some(at) => fields[at].1 = value,
            None => fields.push((name, value)),
        }
    }
    fields
}

/// Returns the response and its body.
async fn exchange(raw: &Raw, fields: &[Header]) -> (Fields, String) {
    let (_send, mut recv) = raw.send(&headers_frame(fields.iter().copied()).unwrap()).await;
    let response = recv.headers().await.unwrap().unwrap();
    let mut body = Vec::new();
    while response.status() != Some(200) {
        let len = std::future::poll_fn(|cx| {
            recv.poll_data(cx).map_ok(|data| {
                body.extend_from_slice(data);
                data.len()
            })
        });
        let len = len.await.unwrap();
        if len == 0 {
            break;
        }
        recv.consume(len);
    }
    (response, String::from_utf8(body).unwrap())
}

/// R203 R204: A request that is not valid gets a response with a status, headers and the error as
/// its body. An unknown `:protocol` gets 501. Other streams are unharmed.
#[test]
fn f58_invalid_requests_are_refused() {
    type Row = (&'static [Header], u16, Option<Header>);
    let rows: [Row; 12] = [
        (&[], 200, None),
        (&[(":protocol", "")], 400, None),
        (&[(":protocol", "connect-udp")], 501, None),
        (&[(":protocol", "of-the-future")], 501, None),
        (
            &[(":method", "GET"), (":protocol", "")],
            405,
            Some(("allow", "CONNECT")),
        ),
        (&[(":authority", "")], 400, None),
        (&[(":path", "")], 400, None),
        // Ignored: proxies pass it on.
        (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")], 200, None),
        (
            &[("sec-websocket-version", "8")],
            400,
            Some(("sec-websocket-version", "13")),
        ),
        (&[("connection", "upgrade")], 400, None),
        (&[("host", "other.example")], 400, None),
        (&[("origin", "https://evil.example")], 403, None),
    ];
    run(async {
        let server = Server::start();
        let raw = server.raw().await;
        for (changes, status, header) in rows {
            let (response, body) = exchange(&raw, &changed(changes)).await;
            assert_eq!(response.status(), Some(status), "{changes:?}: {body}");
            assert_eq!(response.header("sec-websocket-accept"), None);
            if let Some((name, value)) = header {
                assert_eq!(response.header(name), Some(value.as_bytes()), "{changes:?}");
            }
            assert_eq!(body.contains("RFC "), status != 200, "{changes:?}: {body}");
        }
        raw.check().await;
    });
}

/// A list of fields that no message of HTTP/3 has ends its stream with H3_MESSAGE_ERROR (RFC 9114,
/// section 4.1.2), and no other.
#[test]
fn f58_malformed_requests_end_one_stream() {
    run(async {
        let server = Server::start();
        let raw = server.raw().await;
        for added in [
            ("Origin", "https://localhost"),
            ("x-a", "b\r\nx-c: d"),
            ("", "x"),
            (":late", "x"),
        ] {
            let fields = VALID.into_iter().chain([added]);
            let (_send, mut recv) = raw.send(&headers_frame(fields).unwrap()).await;
            let error = recv.headers().await.unwrap_err();
            let StreamError::Reset(code) = error else {
                panic!("{added:?}: {error}");
            };
            assert_eq!(code.to_string(), "H3_MESSAGE_ERROR", "{added:?}");
        }
        raw.check().await;
    });
}

/// The client reports a refusal with its status, headers and body.
#[test]
fn a_refusal_is_reported() {
    run(async {
        let server = Server::start();
        let http3 = server.connect().await;
        let request = server.request("/echo").origin("https://evil.example");
        let refused = http3.open(&request, config(true), crate::settings()).await;
        let Err(Error::Refused(refusal)) = refused else {
            panic!("not refused");
        };
        assert_eq!(refusal.status, 403);
        let body = String::from_utf8(refusal.body.clone()).unwrap();
        assert!(body.contains("https://evil.example"), "{body}");
    });
}

/// R203: A client does not send an extended CONNECT to a server that has not sent setting 0x08 with
/// the value 1.
#[test]
fn a_server_that_does_not_enable_it_is_not_asked() {
    run(async {
        let (server, client) = endpoints();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let connection = server.accept().await.unwrap().await.unwrap();
            let connection = quic::Connection::new(connection);
            let mut http3 = http3::server::Connection::<_, Bytes>::new(connection).await.unwrap();
            let _closed = http3.accept().await;
        });
        let connected = Http3::connect(&client, address, "localhost").await;
        assert!(matches!(connected, Err(Error::NotEnabled)));
    });
}

/// A client does not connect to a server whose certificate it does not trust.
#[test]
fn an_unknown_certificate_is_refused() {
    run(async {
        let (server, _) = endpoints();
        let (_, client) = endpoints();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let _refused = server.accept().await.unwrap().await;
        });
        let Err(Error::Io(error)) = Http3::connect(&client, address, "localhost").await else {
            panic!("connected, or another error");
        };
        assert!(error.to_string().contains("certificate"), "{error}");
    });
}
