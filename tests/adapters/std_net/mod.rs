//! The blocking adapter: over scripted transports with short reads and writes, and over TCP on the
//! loopback interface.

mod batch;
mod byte_streams;
mod deadlines;
mod faults;
mod halves;
mod halves_scripted;
mod handover;
mod handshake;
mod readers;
mod reading;
mod reunited;
mod shared_script;
mod tcp;
#[cfg(feature = "tracing")]
mod trace;
mod vectored;
mod writers;
mod writing;

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use sockless::{
    ClientRequest, CloseCode, Config, Message, ProtocolError, Role,
    adapter::{
        Error, Settings,
        std_net::{self, WebSocket},
    },
};
use support::{REQUEST, frame, open};

/// How long a test waits for the network before it fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A transport with scripted reads and writes. After the last scripted read it is at its end; after
/// the last scripted write it accepts everything.
#[derive(Debug, Default)]
struct ScriptedTransport {
    reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// The number of bytes that each write accepts.
    writes: VecDeque<Result<usize, ErrorKind>>,
    written: Vec<u8>,
    /// The number of successful writes.
    write_calls: usize,
}

impl ScriptedTransport {
    fn reading(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            reads: pieces.into_iter().map(Ok).collect(),
            ..Self::default()
        }
    }

    fn writing(writes: impl IntoIterator<Item = Result<usize, ErrorKind>>) -> Self {
        Self {
            writes: writes.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Read for ScriptedTransport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.reads.pop_front() {
            None => Ok(0),
            Some(Err(kind)) => Err(kind.into()),
            Some(Ok(mut bytes)) => {
                let rest = bytes.split_off(buf.len().min(bytes.len()));
                buf[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.reads.push_front(Ok(rest));
                }
                Ok(bytes.len())
            }
        }
    }
}

impl Write for ScriptedTransport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = match self.writes.pop_front() {
            None => buf.len(),
            Some(Ok(n)) => n.min(buf.len()),
            Some(Err(kind)) => return Err(kind.into()),
        };
        self.written.extend_from_slice(&buf[..n]);
        self.write_calls += 1;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a WebSocket over a scripted transport.
fn open_over(role: Role, script: ScriptedTransport) -> WebSocket<ScriptedTransport> {
    WebSocket::upgraded(script, open(role, Config::default()), Config::default())
}

fn close(sender: Role, code: u16) -> Vec<u8> {
    frame(sender, 0x88, &code.to_be_bytes())
}

fn io_kind(error: &Error) -> Option<ErrorKind> {
    match error {
        Error::Io(error) => Some(error.kind()),
        _ => None,
    }
}

/// Returns the code with which the peer closed, if that is the error.
fn closed_with<T>(result: &Result<T, Error>) -> Option<CloseCode> {
    match result {
        Err(Error::Closed(status)) => Some(status.code()),
        _ => None,
    }
}

/// Returns whether the error is a timeout of the transport.
fn is_timeout(error: &Error) -> bool {
    matches!(io_kind(error), Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn text(text: &str) -> Message<'static> {
    Message::from(text.to_owned())
}

fn binary(data: &[u8]) -> Message<'static> {
    Message::from(data.to_vec())
}

/// Returns the message or the protocol error. Panics at another error.
fn received(result: Result<Option<Message<'static>>, Error>) -> Result<Option<Message<'static>>, ProtocolError> {
    result.map_err(|error| match error {
        Error::Protocol(error) => *error,
        other => panic!("{other:?}"),
    })
}

/// Returns a listener on the loopback interface, and its URL.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// Accepts the next connection, with timeouts.
fn accept_tcp(listener: &TcpListener) -> TcpStream {
    let (tcp, _) = listener.accept().unwrap();
    with_timeouts(tcp)
}

fn with_timeouts(tcp: TcpStream) -> TcpStream {
    tcp.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    tcp.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
    tcp
}

/// Opens a connection over TCP. Returns the client and the server.
fn pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let (listener, url) = listen();
    thread::scope(|scope| {
        let server = scope.spawn(|| std_net::accept(accept_tcp(&listener)).unwrap());
        let tcp = with_timeouts(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let request = ClientRequest::new(&url).unwrap();
        let (client, _response) = std_net::client(tcp, &request, Settings::new()).unwrap();
        (client, server.join().unwrap())
    })
}

/// Reads a head and nothing after it.
fn read_head(tcp: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// Returns the TCP stream of a client whose handshake is done, and the server.
fn raw_client_and_server() -> (TcpStream, WebSocket<TcpStream>) {
    let (listener, _) = listen();
    let mut client = with_timeouts(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    client.write_all(REQUEST.as_bytes()).unwrap();
    let server = std_net::accept(accept_tcp(&listener)).unwrap();
    read_head(&mut client);
    (client, server)
}
