//! The adapters for tokio and for `futures-io`, over streams of theirs that are slow, whimsical, or break.

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
        Error,
        futures_io::{self, Incoming, WebSocket},
        poll::{Settings, Transport},
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

/// So much a stream keeps at most until it is flushed.
const KEPT: usize = 100;

/// An end of a pipe as a stream, which keeps what is written until it is flushed.
struct Stream {
    end: PipeEnd,
    kept: Vec<u8>,
}

impl Stream {
    fn new(end: PipeEnd) -> Self {
        Self { end, kept: Vec::new() }
    }

    /// Writes what was kept.
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let n = ready!(self.end.poll_write(cx, &self.kept))?;
            self.kept.drain(..n);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_keep(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.kept.len() >= KEPT {
            ready!(self.poll_kept(cx))?;
        }
        let n = data.len().min(KEPT - self.kept.len());
        self.kept.extend_from_slice(&data[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_kept(cx))?;
        self.end.poll_flush(cx)
    }

    /// It does not flush: whoever has something to say has done so.
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
        self.poll_keep(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_all(cx)
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
        self.poll_keep(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_all(cx)
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

/// R116 (F34 F35): whatever a stream of tokio's does, when it ends or breaks after any number of bytes, everything before
/// that arrives, and there is one outcome.
#[test]
fn f34_tokio_fails_at_any_byte() {
    faults::input_ends_at_any_byte::<Tokio>(100);
}

/// R116 (F34 F35): the same, with a stream of `futures-io`.
#[test]
fn f34_futures_io_fails_at_any_byte() {
    faults::input_ends_at_any_byte::<FuturesIo>(100);
}

/// R116 (F34 F35): the peer ends its sending direction after any number of bytes: all that was to be written is written and
/// flushed, before the end is reported.
#[test]
fn f34_tokio_half_closed_is_written_to_its_end() {
    faults::peer_half_closes_at_any_byte::<Tokio>();
}

/// R116 (F34 F35): the same, with a stream of `futures-io`.
#[test]
fn f34_futures_io_half_closed_is_written_to_its_end() {
    faults::peer_half_closes_at_any_byte::<FuturesIo>();
}

/// R116 (F34 F35): a stream of tokio's that breaks under what is written, after any number of bytes, is read to its end.
#[test]
fn f34_tokio_deaf_after_any_byte() {
    faults::output_breaks_after_any_byte::<Tokio>();
}

/// R116 (F34 F35): the same, with a stream of `futures-io`.
#[test]
fn f34_futures_io_deaf_after_any_byte() {
    faults::output_breaks_after_any_byte::<FuturesIo>();
}

/// R116 (F34 F35): a handshake over tokio that ends or breaks after any number of bytes is an error, in both roles and
/// directions, and leaves the stream; a whole one opens.
#[test]
fn f34_tokio_handshake_breaks_at_any_byte() {
    faults::handshake_breaks_at_any_byte::<Tokio>();
}

/// R116 (F34 F35): the same, with a stream of `futures-io`.
#[test]
fn f34_futures_io_handshake_breaks_at_any_byte() {
    faults::handshake_breaks_at_any_byte::<FuturesIo>();
}

/// A refusal over tokio whose body ends with the stream arrives with its body.
#[test]
fn a_tokio_refusal_ends_with_the_stream() {
    faults::refusal_ends_with_the_transport::<Tokio>();
}

/// The same over `futures-io`.
#[test]
fn a_futures_io_refusal_ends_with_the_stream() {
    faults::refusal_ends_with_the_transport::<FuturesIo>();
}

/// A byte every second over `futures-io`, for longer than any deadline: nothing is lost, nobody is given up.
#[test]
fn futures_io_drips() {
    faults::bytes_arrive_slowly::<FuturesIo>(Timeouts::default());
}

/// A byte every second over tokio, and its clock: nothing is lost, nobody is given up.
#[test]
fn tokio_drips() {
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
