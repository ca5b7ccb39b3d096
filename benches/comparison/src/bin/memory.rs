//! What an open, idle connection of a server holds, with each crate as it comes: `cargo run --release --bin memory`.
//!
//! Over a stream in memory, each receives one message of 125 bytes, sends it back, and waits for the next one in vain. What
//! it holds then is counted: the size of the value, and what its heap came to. The stream is as large as a pointer; it
//! stands for a socket. What a kernel or an executor holds beside it does not count. Bytes do not depend on the machine's
//! mood, so once is enough. `--csv FILE` writes the table's figures to a file.

use std::{
    cell::RefCell,
    fmt::Write as _,
    fs,
    future::poll_fn,
    io::{self, Read, Write},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sockless::{Config, Connection, Event, adapter, handshake::Negotiated};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PAYLOAD: [u8; 125] = [b'x'; 125];

/// A stream that brings one frame and then nothing, and keeps what is written.
#[derive(Clone)]
struct Line(Rc<RefCell<Ends>>);

struct Ends {
    unread: Vec<u8>,
    written: Vec<u8>,
}

impl Line {
    fn new() -> Self {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let mut unread = vec![0x82, 0x80 | PAYLOAD.len() as u8];
        unread.extend(key);
        unread.extend(PAYLOAD.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        // Room, so that nothing of it is counted.
        let written = Vec::with_capacity(1 << 10);
        Self(Rc::new(RefCell::new(Ends { unread, written })))
    }

    /// The frame, sent back without a mask, and nothing else.
    fn verify(&self, name: &str) {
        let ends = self.0.borrow();
        assert!(ends.unread.is_empty(), "{name}");
        let (header, payload) = ends.written.split_at(2);
        assert_eq!((header, payload), (&[0x82, 125][..], &PAYLOAD[..]), "{name}");
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.0.borrow_mut();
        if ends.unread.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(ends.unread.len());
        buffer[..len].copy_from_slice(&ends.unread[..len]);
        ends.unread.drain(..len);
        Ok(len)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().read(buffer.initialize_unfilled()) {
            Ok(read) => buffer.advance(read),
            Err(_) => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls once what has nothing to come to.
async fn waits<T>(future: impl Future<Output = T>) {
    let mut future = pin!(future);
    assert!(poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await);
}

/// `Connection` alone; what it reads into and what it writes are the caller's, for as many connections as there are.
async fn engine(mut line: Line) -> impl Sized {
    let mut connection = Connection::upgraded_server(&Negotiated::default(), Config::default());
    let (mut buffer, mut out) = ([0; 1024], Vec::new());
    let read = line.read(&mut buffer).unwrap();
    let mut input = &mut buffer[..read];
    let Some(Event::Binary(data)) = connection.receive(&mut input, &mut out).unwrap() else {
        panic!("a message");
    };
    connection.send_binary(&data, &mut out).unwrap();
    line.write_all(&out).unwrap();
    connection
}

async fn tokio_adapter(line: Line) -> impl Sized {
    let engine = Connection::upgraded_server(&Negotiated::default(), Config::default());
    let mut ws = adapter::tokio::upgraded(line, engine, Config::default());
    let message = ws.recv().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
    waits(ws.recv()).await;
    ws
}

async fn blocking_adapter(line: Line) -> impl Sized {
    let engine = Connection::upgraded_server(&Negotiated::default(), Config::default());
    let mut ws = adapter::std_net::WebSocket::upgraded(line, engine, Config::default());
    let message = ws.recv().unwrap().unwrap();
    ws.send(message).unwrap();
    assert!(ws.recv().is_err());
    ws
}

async fn fastwebsockets(line: Line) -> impl Sized {
    use fastwebsockets::{FragmentCollector, Frame, Role, WebSocket};
    let mut ws = FragmentCollector::new(WebSocket::after_handshake(line, Role::Server));
    let frame = ws.read_frame().await.unwrap();
    ws.write_frame(Frame::binary(frame.payload)).await.unwrap();
    waits(ws.read_frame()).await;
    ws
}

async fn nexus(line: Line) -> impl Sized {
    use nexus_web::ws::{Client, FrameReader, FrameWriter, Role};
    let reader = FrameReader::builder().role(Role::Server).build();
    let mut ws = Client::from_parts(line, reader, FrameWriter::new(Role::Server));
    let message = ws.recv().unwrap().unwrap().into_owned();
    ws.send_binary(message.as_bytes()).unwrap();
    assert!(!matches!(ws.recv(), Ok(Some(_))));
    ws
}

/// As in the bench: the protocol alone, its buffers the caller's.
async fn sockudo_protocol(mut line: Line) -> impl Sized {
    use sockudo_ws::protocol::{Protocol, Role};
    let mut protocol = Protocol::new(Role::Server, 16 << 20, 16 << 20);
    let (mut buffer, mut out, mut messages) = ([0; 1024], BytesMut::new(), Vec::new());
    let read = line.read(&mut buffer).unwrap();
    protocol
        .process_into(&mut BytesMut::from(&buffer[..read]), &mut messages)
        .unwrap();
    protocol.encode_message(&messages[0], &mut out).unwrap();
    line.write_all(&out).unwrap();
    protocol
}

async fn sockudo_stream(line: Line) -> impl Sized {
    use sockudo_ws::{Config, WebSocketStream};
    let mut ws = WebSocketStream::server(line, Config::default());
    let message = ws.next().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
    waits(ws.next()).await;
    ws
}

async fn tokio_websockets(line: Line) -> impl Sized {
    use tokio_websockets::ServerBuilder;
    let mut ws = ServerBuilder::new().serve(line);
    let message = ws.next().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
    waits(ws.next()).await;
    ws
}

async fn tungstenite(line: Line) -> impl Sized {
    use tungstenite::protocol::{Role, WebSocket};
    let mut ws = WebSocket::from_raw_socket(line, Role::Server, None);
    let message = ws.read().unwrap();
    ws.send(message).unwrap();
    assert!(ws.read().is_err());
    ws
}

async fn yawc(line: Line) -> impl Sized {
    use yawc::{Frame, Options, Role, WebSocket};
    let options = Options::default().with_utf8();
    let mut ws = WebSocket::from_stream(line, Role::Server, options).unwrap();
    let frame = ws.next_frame().await.unwrap();
    let payload = Bytes::copy_from_slice(frame.payload());
    drop(frame);
    ws.send(Frame::binary(payload)).await.unwrap();
    waits(ws.next_frame()).await;
    ws
}

struct Figure {
    name: &'static str,
    value: usize,
    heap: i64,
}

/// What is left when a connection has done its work.
fn count<F: Future<Output: Sized>>(name: &'static str, connect: impl Fn(Line) -> F) -> Figure {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let line = Line::new();
    // What the runtime and the thread keep for all connections is made by the first.
    drop(runtime.block_on(connect(Line::new())));
    let (theirs, mut connection) = (line.clone(), None);
    let used = measure(|| connection = Some(runtime.block_on(connect(theirs))));
    line.verify(name);
    Figure {
        name,
        value: connection.as_ref().map_or(0, size_of_val),
        heap: used.bytes_current,
    }
}

fn main() {
    let figures = [
        count("sockless", engine),
        count("sockless, tokio adapter", tokio_adapter),
        count("sockless, blocking adapter", blocking_adapter),
        count("sockudo-ws, protocol alone", sockudo_protocol),
        count("fastwebsockets", fastwebsockets),
        count("tokio-websockets", tokio_websockets),
        count("sockudo-ws", sockudo_stream),
        count("yawc", yawc),
        count("tungstenite", tungstenite),
        count("nexus-web", nexus),
    ];
    let mut csv = String::from("peer,value,heap\n");
    println!("| an idle connection | value, bytes | heap, bytes |\n|---|--:|--:|");
    for Figure { name, value, heap } in &figures {
        println!("| {name} | {value} | {heap} |");
        writeln!(csv, "\"{name}\",{value},{heap}").unwrap();
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [] => {}
        [flag, path] if flag == "--csv" => fs::write(path, csv).expect("the file can be written"),
        _ => panic!("--csv FILE"),
    }
}
