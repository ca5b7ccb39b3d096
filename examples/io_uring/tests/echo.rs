//! The server as a process, and clients over the loopback interface.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use sockless::adapter::std_net::Socket;
use sockless::adapter::{Error, std_net};
use sockless::{CloseCode, Event, Message};

/// How long a call waits before the test fails.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_echo_uring"))
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ws://")
            .expect("the server listens");
        let address = address.trim_end_matches('/').to_owned();
        Self { child, address }
    }

    fn connect(&self) -> std_net::WebSocket<std_net::MaybeTlsStream> {
        let ws = std_net::connect(&format!("ws://{}/", self.address)).unwrap();
        ws.get_ref().set_read_timeout(Some(TIMEOUT)).unwrap();
        ws
    }

    fn connect_tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(&self.address).unwrap();
        tcp.set_read_timeout(Some(TIMEOUT)).unwrap();
        tcp
    }

    /// A connection without an engine, after the opening handshake.
    fn connect_raw(&self) -> TcpStream {
        let mut tcp = self.connect_tcp();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        tcp.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        tcp
    }

    fn open_sockets(&self) -> usize {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        targets
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// Waits until only the listener is left.
    fn wait_until_all_are_closed(&self) {
        let deadline = std::time::Instant::now() + TIMEOUT;
        while self.open_sockets() > 1 {
            assert!(std::time::Instant::now() < deadline, "{} sockets", self.open_sockets());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _result = self.child.kill();
        let _result = self.child.wait();
    }
}

fn payload(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251 + seed * 31) as u8).collect()
}

#[test]
fn messages_of_all_sizes_are_echoed_and_the_close_is_clean() {
    let server = Server::start();
    let mut ws = server.connect();
    for len in [
        0,
        1,
        125,
        126,
        4096,
        16 << 10,
        (16 << 10) + 1,
        65535,
        65536,
        1 << 20,
        3 << 20,
    ] {
        let message = payload(len, len);
        ws.send(&message[..]).unwrap();
        assert!(
            ws.recv().unwrap().unwrap() == Message::Binary(message.into()),
            "{len} bytes"
        );
    }
    ws.send("text: ä").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("text: ä".into())));
    ws.ping(b"ping").unwrap();
    assert_eq!(ws.recv_event().unwrap(), Some(Event::Pong(b"ping".into())));
    ws.close(CloseCode::NORMAL, "done").unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    let status = ws.close_status().unwrap();
    assert!(status.is_clean(), "{status}");
    drop(ws);
    server.wait_until_all_are_closed();
}

/// The server stops reading, goes on, and loses nothing.
#[test]
fn a_client_that_reads_late() {
    let server = Server::start();
    let (mut reader, writer) = server.connect().split().unwrap();
    let sizes = (0..400).map(|n| 1 << (n % 18));
    let messages: Vec<_> = sizes.enumerate().map(|(n, len)| payload(len, n)).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for message in &messages {
                writer.send(&message[..]).unwrap();
            }
        });
        thread::sleep(Duration::from_millis(300));
        for message in &messages {
            let received = reader.recv().unwrap().unwrap();
            assert!(received.as_bytes() == message, "a message of {} bytes", message.len());
        }
    });
}

/// Each connection gets its own messages, in order, with more connections than buffers.
#[test]
fn many_connections() {
    let server = Server::start();
    let mut all: Vec<_> = (0..500).map(|_| server.connect()).collect();
    for round in 0..5 {
        for (n, ws) in all.iter_mut().enumerate() {
            for part in 0..3 {
                ws.feed(payload(n * 10 + part, round)).unwrap();
            }
            ws.flush().unwrap();
        }
        for (n, ws) in all.iter_mut().enumerate() {
            for part in 0..3 {
                let received = ws.recv().unwrap().unwrap();
                assert!(received.as_bytes() == payload(n * 10 + part, round), "{round}: {n}");
            }
        }
    }
    for (n, mut ws) in all.into_iter().enumerate() {
        // Half of them just go.
        if n % 2 == 0 {
            ws.close(CloseCode::NORMAL, "").unwrap();
            assert_eq!(ws.recv().unwrap(), None);
        }
    }
    server.wait_until_all_are_closed();
    let mut ws = server.connect();
    ws.send("still here").unwrap();
    assert_eq!(ws.recv().unwrap(), Some("still here".into()));
}

/// The Close frame or the response arrives before the connection is closed.
#[test]
fn violations_have_their_answer() {
    let server = Server::start();
    let mut tcp = server.connect_raw();
    // A frame without a mask, and bytes after it.
    tcp.write_all(&[&[0x81, 1, b'x'][..], &[0; 4096]].concat()).unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    assert_eq!(
        answer[..4],
        [0x88, answer.len() as u8 - 2, 3, 0xEA],
        "a Close frame with 1002"
    );
    drop(tcp);

    let mut tcp = server.connect_tcp();
    tcp.write_all(b"nonsense\r\n\r\n").unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(tcp);
    server.wait_until_all_are_closed();
}

/// A client that has closed its sending side gets the rest of the output.
#[test]
fn a_half_closed_connection() {
    let server = Server::start();
    let mut tcp = server.connect_raw();
    let frame = [
        &[0x82, 0xFF][..],
        &(1u64 << 20).to_be_bytes(),
        &[0; 4],
        &payload(1 << 20, 0),
    ]
    .concat();
    let mut writer = tcp.try_clone().unwrap();
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..4 {
                writer.write_all(&frame).unwrap();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        thread::sleep(Duration::from_millis(200));
        tcp.read_to_end(&mut received).unwrap();
    });
    assert_eq!(received.len(), 4 * ((1 << 20) + 10));
    drop(tcp);
    server.wait_until_all_are_closed();
}

/// A client that only sends is not read any more, so the output of the server is bounded.
#[test]
fn a_client_that_does_not_read() {
    let server = Server::start();
    let mut tcp = server.connect_raw();
    tcp.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let frame = [&[0x82, 0xFE, 0x40, 0][..], &[0; 4], &payload(0x4000, 0)].concat();
    // The buffers of the two sockets have a few MiB.
    let is_full = (0..4096).any(|_| tcp.write_all(&frame).is_err());
    assert!(is_full, "the server has read 64 MiB");
}

#[test]
fn a_message_over_the_limit() {
    let server = Server::start();
    let mut tcp = server.connect_raw();
    tcp.write_all(&[&[0x82, 0xFF][..], &(1u64 << 40).to_be_bytes(), &[0; 4]].concat())
        .unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[2..4], 1009u16.to_be_bytes(), "{answer:?}");
    let mut ws = server.connect();
    let result = ws.send(payload(1 << 20, 1)).and_then(|()| ws.recv().map(drop));
    assert!(!matches!(result, Err(Error::Closed(_))), "{result:?}");
}
