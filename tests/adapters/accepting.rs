//! What the adapters do with requests before they accept one: foreign origins, and requests that
//! ask for no WebSocket. Every adapter, over scripted bytes.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
};

use sockless::{
    Accept, Config, ProtocolError,
    adapter::{Error, std_net},
    error::RequestError,
};
use support::{
    heads::{Answer, REQUEST_FIELDS, head, with},
    quoted,
};

/// A stream that has received some bytes and then the end, and keeps what is written.
#[derive(Debug)]
struct Script {
    input: io::Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Script {
    fn new(input: &[u8]) -> Self {
        Self {
            input: io::Cursor::new(input.to_vec()),
            written: Vec::new(),
        }
    }
}

impl Read for &mut Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf)
    }
}

impl Write for &mut Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a server answers a request.
#[derive(Clone, Copy, Debug)]
enum Decision<'a> {
    Accept(&'a Accept<'a>),
    /// With status 200 and the body "fine".
    Reject,
}

/// The result of each adapter, and what it has written.
fn decide(input: &[u8], config: &Config, decision: Decision<'_>) -> Vec<(Result<(), Error>, Vec<u8>)> {
    let mut script = Script::new(input);
    let incoming = std_net::Incoming::new(&mut script, config.clone());
    let blocking = incoming.and_then(|incoming| match decision {
        Decision::Accept(accept) => incoming.accept(accept).map(drop),
        Decision::Reject => incoming.reject(200, &[], b"fine"),
    });
    let mut results = vec![(blocking, script.written)];
    polled::decide(input, config, decision, &mut results);
    results
}

#[cfg(not(any(feature = "tokio", feature = "futures-io")))]
mod polled {
    pub(super) fn decide<T>(_: &[u8], _: &super::Config, _: super::Decision<'_>, _: &mut Vec<T>) {}
}

#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod polled {
    use std::{
        io,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use sockless::adapter::poll::{Incoming, Transport};

    use super::{Config, Decision, Error, Read, Script, Write};

    impl Transport for &mut Script {
        fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(self.read(buf))
        }

        fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(self.write(data))
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    pub(super) fn decide(
        input: &[u8],
        config: &Config,
        decision: Decision<'_>,
        results: &mut Vec<(Result<(), Error>, Vec<u8>)>,
    ) {
        let mut script = Script::new(input);
        let task = async {
            let incoming = Incoming::new(&mut script, (), config.clone()).await?;
            match decision {
                Decision::Accept(accept) => incoming.accept(accept).await.map(drop),
                Decision::Reject => incoming.reject(200, &[], b"fine").await,
            }
        };
        let Poll::Ready(result) = pin!(task).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the transport never waits");
        };
        results.push((result, script.written));
    }
}

/// R136 R045: Every adapter sends 403 to a page of a foreign origin, and the error says why.
#[test]
fn f79_an_adapter_refuses_a_foreign_origin() {
    let foreign = "https://evil.example";
    let input = head("GET / HTTP/1.1", &with(&REQUEST_FIELDS, "Origin", &[foreign]));
    let expected = RequestError::ForeignOrigin {
        origin: quoted(foreign),
    };
    for (result, written) in decide(&input, &Config::default(), Decision::Accept(&Accept::new())) {
        let error = result.expect_err("the request is not allowed");
        assert!(
            matches!(&error, Error::Protocol(error) if **error == ProtocolError::Request(expected)),
            "{error:?}"
        );
        let answer = Answer::read(&written);
        assert_eq!(answer.line, "HTTP/1.1 403 Forbidden");
        assert_eq!(answer.body, format!("{expected}\n").as_bytes());
        answer.assert_ends_the_connection();
    }
    // Said by name, it is accepted; so is the same origin, and a client that is no browser.
    let own = head(
        "GET / HTTP/1.1",
        &with(&REQUEST_FIELDS, "Origin", &["http://example.com"]),
    );
    let none = head("GET / HTTP/1.1", &REQUEST_FIELDS);
    for (input, accept) in [
        (&input, Accept::new().any_origin()),
        (&input, Accept::new().origins(&[foreign])),
        (&own, Accept::new()),
        (&none, Accept::new()),
    ] {
        for (result, written) in decide(input, &Config::default(), Decision::Accept(&accept)) {
            result.unwrap();
            assert!(written.starts_with(b"HTTP/1.1 101 "), "{}", written.escape_ascii());
        }
    }
}

/// R136: A server that names its hosts refuses other names, with every adapter.
#[test]
fn f83_an_adapter_refuses_a_host_that_is_not_listed() {
    let fields = with(&REQUEST_FIELDS, "Host", &["evil.example"]);
    let input = head("GET / HTTP/1.1", &with(&fields, "Origin", &["http://evil.example"]));
    let accept = Accept::new().hosts(&["localhost"]);
    for (result, written) in decide(&input, &Config::default(), Decision::Accept(&accept)) {
        let error = result.expect_err("the host is not listed");
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        assert_eq!(Answer::read(&written).line, "HTTP/1.1 403 Forbidden");
    }
}

/// Health checks reach the application through every adapter, and the answer to HEAD has no body.
#[test]
fn f78_an_adapter_passes_health_checks_on() {
    let host = [("Host", "example.com")];
    let config = Config::new().plain_requests(true);
    for (line, fields, body) in [
        ("GET / HTTP/1.1", &host[..], "fine"),
        ("HEAD / HTTP/1.1", &host, ""),
        ("OPTIONS * HTTP/1.1", &host, "fine"),
        ("GET / HTTP/1.0", &[], "fine"),
        ("HEAD / HTTP/1.0", &[], ""),
    ] {
        for (result, written) in decide(&head(line, fields), &config, Decision::Reject) {
            result.unwrap();
            let answer = Answer::read(&written);
            assert_eq!((answer.status, answer.one("Content-Length")), (200, "4"), "{line}");
            assert_eq!(answer.body, body.as_bytes(), "{line}");
        }
    }
}

/// R136: The short way to accept, of each adapter: 403 for a page of a foreign origin, 101 for a
/// client that is no browser.
#[test]
fn f79_the_short_way_to_accept_is_the_safe_one() {
    let accepts: [fn(TcpStream) -> Result<(), Error>; 3] = [
        |tcp| std_net::accept(tcp).map(drop),
        #[cfg(feature = "tokio")]
        |tcp| {
            tcp.set_nonblocking(true)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let tcp = tokio::net::TcpStream::from_std(tcp)?;
                sockless::adapter::tokio::accept(tcp).await.map(drop)
            })
        },
        #[cfg(not(feature = "tokio"))]
        |tcp| std_net::accept(tcp).map(drop),
        #[cfg(feature = "futures-io")]
        |tcp| {
            smol::block_on(async {
                let tcp = smol::net::TcpStream::try_from(tcp)?;
                sockless::adapter::futures_io::accept(tcp, ()).await.map(drop)
            })
        },
        #[cfg(not(feature = "futures-io"))]
        |tcp| std_net::accept(tcp).map(drop),
    ];
    for accept in accepts {
        for (origin, status) in [(&["https://evil.example"][..], "403"), (&[], "101")] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let input = head("GET / HTTP/1.1", &with(&REQUEST_FIELDS, "Origin", origin));
            client.write_all(&input).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let result = accept(listener.accept().unwrap().0);
            let mut written = Vec::new();
            client.read_to_end(&mut written).unwrap();
            assert_eq!(&written[9..12], status.as_bytes(), "{}", written.escape_ascii());
            assert_eq!(result.is_ok(), status == "101", "{result:?}");
        }
    }
}
