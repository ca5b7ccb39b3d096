//! Connecting over TCP on the loopback interface, where the first address does not answer: with
//! tokio and in threads.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use sockless::{
    ClientRequest,
    adapter::{Error, Settings, std_net, tokio as async_net},
    timers::{Due, Timeouts},
};
use tokio::{net::TcpSocket, runtime::Runtime};

use super::assert_handshake_timed_out;

const LIMIT: Duration = Duration::from_secs(60);

/// A listener whose queue is full: the system drops what asks for a further connection.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    fn new(runtime: &Runtime) -> Self {
        let _in_runtime = runtime.enter();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1).unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        let queue = (0..16)
            .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
            .collect::<Vec<_>>();
        assert!(queue.len() < 16, "the queue is not limited");
        Self {
            address,
            _listener: listener,
            _queue: queue,
        }
    }
}

/// F64: The first address does not answer, and the connection to the second one opens, in both
/// families. Without another address, the limit ends the attempt.
#[cfg(target_os = "linux")]
#[test]
fn f64_a_black_hole_does_not_block_the_next_address() {
    let runtime = Runtime::new().unwrap();
    let black_hole = BlackHole::new(&runtime);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let answering = listener.local_addr().unwrap();
    let addresses = [black_hole.address, answering];

    let tcp = std_net::connect_addresses(addresses, LIMIT).unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), answering);
    assert!(tcp.nodelay().unwrap());
    let tcp = std_net::connect_addresses(addresses, None).unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), answering);
    let tcp = runtime
        .block_on(async_net::connect_addresses(addresses, LIMIT))
        .unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), answering);
    assert!(tcp.nodelay().unwrap());

    let limit = Duration::from_millis(100);
    let timed_out = |error| matches!(error, Error::TimedOut { due: Due::Handshake, limit: set } if set == limit);
    for addresses in [vec![black_hole.address], vec![black_hole.address; 2]] {
        assert!(timed_out(
            std_net::connect_addresses(addresses.clone(), limit).unwrap_err()
        ));
        let connecting = async_net::connect_addresses(addresses, limit);
        assert!(timed_out(runtime.block_on(connecting).unwrap_err()));
    }
}

/// An error names the host and the port, and keeps its kind.
#[test]
fn a_host_that_cannot_be_reached_is_named() {
    let runtime = Runtime::new().unwrap();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for (host, shown) in [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("name\n.invalid", "name\\n.invalid"),
    ] {
        let connecting = async_net::connect_tcp(host, port, LIMIT);
        for error in [
            std_net::connect_tcp(host, port, LIMIT).unwrap_err(),
            std_net::connect_tcp(host, port, None).unwrap_err(),
            runtime.block_on(connecting).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("cannot connect to {shown}:{port}: ")),
                "{text}"
            );
            let Error::Io(error) = error else { panic!("{error:?}") };
            assert!(host != "127.0.0.1" || error.kind() == ErrorKind::ConnectionRefused);
        }
    }
    let url = format!("ws://127.0.0.1:{port}/");
    let error = std_net::connect(&url).unwrap_err();
    assert!(error.to_string().starts_with("cannot connect to 127.0.0.1:"), "{error}");
}

/// F64: A server with a name that takes the connection and does not answer is given up at the
/// limit. One that answers is reached.
///
/// That a slow resolver is given up, too, is not tested: the system's resolver is not slow here.
#[test]
fn f64_a_server_with_a_name_is_given_up_at_the_limit() {
    let runtime = Runtime::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://localhost:{}/", listener.local_addr().unwrap().port());
    let request = ClientRequest::new(&url).unwrap();
    let limit = Duration::from_millis(300);
    let settings = Settings::new().timeouts(Timeouts::none().handshake(limit));
    let error = std_net::connect_with(&request, settings.clone()).unwrap_err();
    assert_handshake_timed_out(&error);
    let error = runtime
        .block_on(async_net::connect_with(&request, settings))
        .unwrap_err();
    assert_handshake_timed_out(&error);

    let server = thread::spawn(move || {
        for tcp in listener.incoming().skip(2).take(2) {
            let mut tcp = tcp.unwrap();
            let mut byte = [0];
            tcp.read_exact(&mut byte).unwrap();
            tcp.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
            while tcp.read(&mut byte).is_ok_and(|len| len > 0) {}
        }
    });
    let settings = Settings::new().timeouts(Timeouts::none().handshake(LIMIT));
    let error = std_net::connect_with(&request, settings.clone()).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    let error = runtime
        .block_on(async_net::connect_with(&request, settings))
        .unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    server.join().unwrap();
}
