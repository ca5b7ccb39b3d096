//! `tunnel`: TCP through a WebSocket.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use sockless::{Config, adapter::std_net};

use crate::process::Process;

const TUNNEL: &str = env!("CARGO_BIN_EXE_tunnel");

/// A tunnel to a TCP server.
struct Tunnel {
    client: Process,
    _server: Process,
    listener: TcpListener,
    address: String,
}

impl Tunnel {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let (server, url) = Process::serve(TUNNEL, &["server", "--to", &to]);
        let (client, address) = Process::serve(TUNNEL, &["client", &url]);
        Self {
            client,
            _server: server,
            listener,
            address,
        }
    }

    /// Returns both ends of a connection.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(&self.address).unwrap();
        let (far, _) = self.listener.accept().unwrap();
        for tcp in [&near, &far] {
            tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        }
        (near, far)
    }
}

fn read_all(mut tcp: &TcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    tcp.read_to_end(&mut data).unwrap();
    data
}

#[test]
fn bytes_in_both_directions_at_once() {
    let tunnel = Tunnel::start();
    let (near, far) = tunnel.connect();
    let data: Vec<u8> = (0..5_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    thread::scope(|scope| {
        for (mut from, mut to) in [(&near, &far), (&far, &near)] {
            let data = &data;
            scope.spawn(move || from.write_all(data).unwrap());
            scope.spawn(move || {
                let mut received = vec![0; data.len()];
                to.read_exact(&mut received).unwrap();
                assert!(received == *data);
            });
        }
    });
}

/// Whichever end closes: what it has sent before arrives, then the end.
#[test]
fn the_end_of_a_connection_arrives() {
    let tunnel = Tunnel::start();
    for near_closes in [true, false] {
        let (near, far) = tunnel.connect();
        let (mut closing, other) = if near_closes { (near, far) } else { (far, near) };
        closing.write_all(&[7; 100_000]).unwrap();
        closing.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&other), [7; 100_000]);
        drop(other);
        assert_eq!(read_all(&closing), []);
    }
}

/// A connection that is cut off does not look complete.
#[test]
fn a_reset_is_no_end() {
    let tunnel = Tunnel::start();
    let (mut near, mut far) = tunnel.connect();
    far.write_all(b"unread").unwrap();
    near.write_all(b"some").unwrap();
    far.read_exact(&mut [0; 4]).unwrap();
    near.peek(&mut [0; 6]).unwrap();
    // With unread bytes, this is a reset.
    drop(near);
    let error = far.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_tcp_server_that_is_not_there_is_named_at_the_client() {
    let tunnel = Tunnel::start();
    let Tunnel {
        client,
        _server,
        listener,
        address,
    } = tunnel;
    let to = listener.local_addr().unwrap();
    drop(listener);
    let error = TcpStream::connect(address).unwrap().read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    client.wait_for_error(&format!("with status 502 instead of 101: {to}: Connection refused"), 1);
}

/// What a server says cannot control the terminal.
#[test]
fn a_refusal_is_escaped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let incoming = std_net::incoming(tcp, Config::new()).unwrap();
        incoming.reject(403, &[], b"no \x1b]0;title\x07\n").unwrap();
    });
    let (client, address) = Process::serve(TUNNEL, &["client", &url]);
    let _tcp = TcpStream::connect(address).unwrap();
    client.wait_for_error(r"no \u{1b}]0;title\u{7}", 1);
    server.join().unwrap();
}
