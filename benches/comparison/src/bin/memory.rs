//! Measures the memory of an open, idle connection of a server, with the default settings of each
//! crate: `cargo run --release --bin memory`.
//!
//! Over a stream in memory, each connection receives one message of 125 bytes, sends it back, and
//! waits for the next one. Then the size of the value and the bytes of its heap are
//! counted. The stream has the size of a pointer and stands for a socket. The memory of the kernel
//! and of the executor is not counted. The figures do not depend on the load of the machine, so one
//! run is enough. `--csv FILE` writes them to a file.

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

/// A stream with one frame to read. It keeps the bytes that are written.
#[derive(Clone)]
struct MemoryStream(Rc<RefCell<Buffers>>);

struct Buffers {
    unread: Vec<u8>,
    written: Vec<u8>,
}

impl MemoryStream {
    fn new() -> Self {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let mut unread = vec![0x82, 0x80 | PAYLOAD.len() as u8];
        unread.extend(key);
        unread.extend(PAYLOAD.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        // Allocated here, so that it is not counted.
        let written = Vec::with_capacity(1 << 10);
        Self(Rc::new(RefCell::new(Buffers { unread, written })))
    }

    /// Asserts that the message was sent back and nothing else.
    fn verify(&self, name: &str) {
        let buffers = self.0.borrow();
        assert!(buffers.unread.is_empty(), "{name}");
        let (header, payload) = buffers.written.split_at(2);
        assert_eq!((header, payload), (&[0x82, 125][..], &PAYLOAD[..]), "{name}");
    }
}

impl Read for MemoryStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffers = self.0.borrow_mut();
        if buffers.unread.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(buffers.unread.len());
        buffer[..len].copy_from_slice(&buffers.unread[..len]);
        buffers.unread.drain(..len);
        Ok(len)
    }
}

impl Write for MemoryStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().read(buffer.initialize_unfilled()) {
            Ok(read) => buffer.advance(read),
            Err(_) => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryStream {
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

/// Polls a future once and asserts that it is pending.
async fn assert_pending<T>(future: impl Future<Output = T>) {
    let mut future = pin!(future);
    assert!(poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await);
}

/// `Connection` alone. The input buffer and the output buffer belong to the caller, who can share
/// them between connections.
async fn engine(mut stream: MemoryStream) -> impl Sized {
    let mut connection = Connection::upgraded_server(&Negotiated::default(), Config::default());
    let (mut buffer, mut out) = ([0; 1024], Vec::new());
    let read = stream.read(&mut buffer).unwrap();
    let mut input = &mut buffer[..read];
    let Some(Event::Binary(data)) = connection.receive(&mut input, &mut out).unwrap() else {
        panic!("no message");
    };
    connection.send_binary(&data, &mut out).unwrap();
    stream.write_all(&out).unwrap();
    connection
}

async fn tokio_adapter(stream: MemoryStream) -> impl Sized {
    let engine = Connection::upgraded_server(&Negotiated::default(), Config::default());
    let mut ws = adapter::tokio::upgraded(stream, engine, Config::default());
    let message = ws.recv().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
    assert_pending(ws.recv()).await;
    ws
}

async fn blocking_adapter(stream: MemoryStream) -> impl Sized {
    let engine = Connection::upgraded_server(&Negotiated::default(), Config::default());
    let mut ws = adapter::std_net::WebSocket::upgraded(stream, engine, Config::default());
    let message = ws.recv().unwrap().unwrap();
    ws.send(message).unwrap();
    assert!(ws.recv().is_err());
    ws
}

async fn fastwebsockets(stream: MemoryStream) -> impl Sized {
    use fastwebsockets::{FragmentCollector, Frame, Role, WebSocket};
    let mut ws = FragmentCollector::new(WebSocket::after_handshake(stream, Role::Server));
    let frame = ws.read_frame().await.unwrap();
    ws.write_frame(Frame::binary(frame.payload)).await.unwrap();
    assert_pending(ws.read_frame()).await;
    ws
}

async fn nexus(stream: MemoryStream) -> impl Sized {
    use nexus_web::ws::{Client, FrameReader, FrameWriter, Role};
    let reader = FrameReader::builder().role(Role::Server).build();
    let mut ws = Client::from_parts(stream, reader, FrameWriter::new(Role::Server));
    let message = ws.recv().unwrap().unwrap().into_owned();
    ws.send_binary(message.as_bytes()).unwrap();
    assert!(!matches!(ws.recv(), Ok(Some(_))));
    ws
}

/// The protocol type alone, as in `in_memory`. Its buffers belong to the caller.
async fn sockudo_protocol(mut stream: MemoryStream) -> impl Sized {
    use sockudo_ws::protocol::{Protocol, Role};
    let mut protocol = Protocol::new(Role::Server, 16 << 20, 16 << 20);
    let (mut buffer, mut out, mut messages) = ([0; 1024], BytesMut::new(), Vec::new());
    let read = stream.read(&mut buffer).unwrap();
    protocol
        .process_into(&mut BytesMut::from(&buffer[..read]), &mut messages)
        .unwrap();
    protocol.encode_message(&messages[0], &mut out).unwrap();
    stream.write_all(&out).unwrap();
    protocol
}

async fn sockudo_stream(stream: MemoryStream) -> impl Sized {
    use sockudo_ws::{Config, WebSocketStream};
    let mut ws = WebSocketStream::server(stream, Config::default());
    let message = ws.next().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
    assert_pending(ws.next()).await;
    ws
}

async fn tokio_websockets(stream: MemoryStream) -> impl Sized {
    use tokio_websockets::ServerBuilder;
    let mut ws = ServerBuilder::new().serve(stream);
    let message = ws.next().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
    assert_pending(ws.next()).await;
    ws
}

async fn tungstenite(stream: MemoryStream) -> impl Sized {
    use tungstenite::protocol::{Role, WebSocket};
    let mut ws = WebSocket::from_raw_socket(stream, Role::Server, None);
    let message = ws.read().unwrap();
    ws.send(message).unwrap();
    assert!(ws.read().is_err());
    ws
}

async fn yawc(stream: MemoryStream) -> impl Sized {
    use yawc::{Frame, Options, Role, WebSocket};
    let options = Options::default().with_utf8();
    let mut ws = WebSocket::from_stream(stream, Role::Server, options).unwrap();
    let frame = ws.next_frame().await.unwrap();
    let payload = Bytes::copy_from_slice(frame.payload());
    drop(frame);
    ws.send(Frame::binary(payload)).await.unwrap();
    assert_pending(ws.next_frame()).await;
    ws
}

struct Figure {
    name: &'static str,
    value: usize,
    heap: i64,
}

/// Measures the memory of a connection after one message.
fn count<F: Future<Output: Sized>>(name: &'static str, connect: impl Fn(MemoryStream) -> F) -> Figure {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let memory_stream = MemoryStream::new();
    // The first connection allocates the memory that the runtime and the thread share.
    drop(runtime.block_on(connect(MemoryStream::new())));
    let (stream, mut connection) = (memory_stream.clone(), None);
    let used = measure(|| connection = Some(runtime.block_on(connect(stream))));
    memory_stream.verify(name);
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
