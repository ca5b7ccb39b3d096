//! The adapters for tokio and for `futures-io`, over streams with injected faults: short reads and
//! writes, spurious `Pending`, interruptions, failures.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use ::tokio::io::ReadBuf;
use sockless::{
    ClientRequest, Connection,
    adapter::{
        Error, Settings,
        futures_io::{self, Incoming, WebSocket},
        poll::Transport,
        tokio,
    },
    handshake::Response,
    timers::Timeouts,
};
use support::{
    faults::{self, Adapter},
    pipe::{PipeEnd, VirtualClock},
    polled, script,
};

/// The size of the write buffer of a stream.
const WRITE_BUFFER_SIZE: usize = 100;

/// An end of a pipe as a stream with a write buffer.
struct Stream {
    end: PipeEnd,
    write_buffer: Vec<u8>,
}

impl Stream {
    fn new(end: PipeEnd) -> Self {
        Self {
            end,
            write_buffer: Vec::new(),
        }
    }

    /// Writes the whole write buffer.
    fn poll_write_buffer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.write_buffer.is_empty() {
            let n = ready!(self.end.poll_write(cx, &self.write_buffer))?;
            self.write_buffer.drain(..n);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_buffered(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_buffer.len() >= WRITE_BUFFER_SIZE {
            ready!(self.poll_write_buffer(cx))?;
        }
        let n = data.len().min(WRITE_BUFFER_SIZE - self.write_buffer.len());
        self.write_buffer.extend_from_slice(&data[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_buffer(cx))?;
        self.end.poll_flush(cx)
    }

    /// Shuts down without a flush: the adapter must have flushed before.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.poll_shutdown(cx)
    }
}

impl ::tokio::io::AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = ready!(self.end.poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl ::tokio::io::AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_buffered(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_all(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

impl ::futures_io::AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.end.poll_read(cx, buf)
    }
}

impl ::futures_io::AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_buffered(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_all(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

struct Tokio;

impl Adapter for Tokio {
    type Transport = tokio::Io<Stream>;
    type Clock = tokio::Clock;

    fn upgraded(end: PipeEnd, _: VirtualClock, engine: Connection, settings: Settings) -> tokio::WebSocket<Stream> {
        tokio::upgraded(Stream::new(end), engine, settings)
    }

    async fn incoming(end: PipeEnd, _: VirtualClock, settings: Settings) -> Result<tokio::Incoming<Stream>, Error> {
        tokio::incoming(Stream::new(end), settings).await
    }

    async fn client(
        end: PipeEnd,
        _: VirtualClock,
        request: &ClientRequest,
        settings: Settings,
    ) -> Result<(tokio::WebSocket<Stream>, Response<'static>), Error> {
        tokio::client(Stream::new(end), request, settings).await
    }
}

struct FuturesIo;

impl Adapter for FuturesIo {
    type Transport = futures_io::Io<Stream>;
    type Clock = VirtualClock;

    fn upgraded(
        end: PipeEnd,
        clock: VirtualClock,
        engine: Connection,
        settings: Settings,
    ) -> WebSocket<Stream, VirtualClock> {
        futures_io::upgraded(Stream::new(end), clock, engine, settings)
    }

    async fn incoming(
        end: PipeEnd,
        clock: VirtualClock,
        settings: Settings,
    ) -> Result<Incoming<Stream, VirtualClock>, Error> {
        futures_io::incoming(Stream::new(end), clock, settings).await
    }

    async fn client(
        end: PipeEnd,
        clock: VirtualClock,
        request: &ClientRequest,
        settings: Settings,
    ) -> Result<(WebSocket<Stream, VirtualClock>, Response<'static>), Error> {
        futures_io::client(Stream::new(end), clock, request, settings).await
    }
}

/// R116 (F34): a tokio stream that ends or fails after any number of bytes: all complete
/// messages before that are received, and the end is reported once.
#[test]
fn f34_input_before_a_failure_is_received_on_tokio() {
    faults::input_ends_at_any_byte::<Tokio>(100);
}

/// R116 (F34): the same with a `futures-io` stream.
#[test]
fn f34_input_before_a_failure_is_received_on_futures_io() {
    faults::input_ends_at_any_byte::<FuturesIo>(100);
}

/// R116 (F34): the peer shuts down its sending direction after any number of bytes: the adapter
/// writes and flushes all output before it reports the end.
#[test]
fn f34_output_is_written_after_a_half_close_on_tokio() {
    faults::peer_half_closes_at_any_byte::<Tokio>();
}

/// R116 (F34): the same with a `futures-io` stream.
#[test]
fn f34_output_is_written_after_a_half_close_on_futures_io() {
    faults::peer_half_closes_at_any_byte::<FuturesIo>();
}

/// R116 (F34): writing to a tokio stream fails after any number of bytes: the adapter reads the
/// stream to its end.
#[test]
fn f34_input_after_a_write_failure_is_received_on_tokio() {
    faults::output_breaks_after_any_byte::<Tokio>();
}

/// R116 (F34): the same with a `futures-io` stream.
#[test]
fn f34_input_after_a_write_failure_is_received_on_futures_io() {
    faults::output_breaks_after_any_byte::<FuturesIo>();
}

/// R116 (F34): a tokio stream that ends or fails after any number of bytes of the handshake, in
/// both roles and directions: the handshake fails, and the stream is shut down. A complete
/// handshake opens the connection.
#[test]
fn f34_an_incomplete_handshake_fails_on_tokio() {
    faults::handshake_breaks_at_any_byte::<Tokio>();
}

/// R116 (F34): the same with a `futures-io` stream.
#[test]
fn f34_an_incomplete_handshake_fails_on_futures_io() {
    faults::handshake_breaks_at_any_byte::<FuturesIo>();
}

/// A refusal over tokio whose body ends with the stream is reported with its body.
#[test]
fn a_refusal_body_ends_with_the_stream_on_tokio() {
    faults::refusal_ends_with_the_transport::<Tokio>();
}

/// The same over `futures-io`.
#[test]
fn a_refusal_body_ends_with_the_stream_on_futures_io() {
    faults::refusal_ends_with_the_transport::<FuturesIo>();
}

/// F62: a refusal over tokio whose body breaks off is reported.
#[test]
fn f62_a_refusal_is_reported_whatever_ends_its_body_on_tokio() {
    faults::refusal_breaks_off::<Tokio>(false);
}

/// F62: the same over `futures-io`, also when the server is silent.
#[test]
fn f62_a_refusal_is_reported_whatever_ends_its_body_on_futures_io() {
    faults::refusal_breaks_off::<FuturesIo>(true);
}

/// One byte per second over `futures-io`, for longer than any deadline: everything is received, and
/// no deadline is missed.
#[test]
fn one_byte_per_second_misses_no_deadline_on_futures_io() {
    faults::bytes_arrive_slowly::<FuturesIo>(Timeouts::default());
}

/// The same over tokio, with its clock.
#[test]
fn one_byte_per_second_misses_no_deadline_on_tokio() {
    use ::tokio::io::AsyncWriteExt;

    let runtime = ::tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for role in support::ROLES {
        let input = script::peer_input(support::peer_of(role));
        let expected = script::complete_messages(role, &input);
        let (local, mut remote) = ::tokio::io::duplex(1000);
        let mut ws = tokio::upgraded(local, polled::engine(role, false), Settings::default());
        let peer = async {
            for byte in input {
                remote.write_all(&[byte]).await.unwrap();
                ::tokio::time::sleep(Duration::from_secs(1)).await;
            }
            drop(remote);
        };
        let receiving = async move { faults::receive_all(&mut ws).await };
        let ((), (received, error)) = runtime.block_on(async { ::tokio::join!(peer, receiving) });
        assert_eq!(received, expected);
        assert!(error.is_none(), "{error:?}");
    }
}
