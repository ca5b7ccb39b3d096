//! The connections and streams of `quinn` for the crate `http3`, as `h3-quinn` is for `h3`.
//!
//! `http3` uses only the streams in one direction. Request streams are passed on: see
//! [`Connection::poll_accept_bidi`].

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

/// How many bytes are read at a time.
const READ_SIZE: usize = 1 << 10;

/// How much a peer may send on a stream in one direction. `http3` keeps the longest frame that it
/// is given, and the frames of a connection, apart from those of requests, are few and short.
const MAX_READ: usize = 1 << 20;

/// Returns an error code for QUIC.
pub(crate) fn varint(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX)
}

type Waiting<T> = Option<Pin<Box<dyn Future<Output = Result<T, ConnectionError>> + Send>>>;

/// Polls the future that waits, or begins one.
fn poll_waiting<T, F>(
    waiting: &mut Waiting<T>,
    begin: impl FnOnce() -> F,
    cx: &mut Context<'_>,
) -> Poll<Result<T, ConnectionErrorIncoming>>
where
    F: Future<Output = Result<T, ConnectionError>> + Send + 'static,
{
    let future = waiting.get_or_insert_with(|| Box::pin(begin()));
    let result = ready!(future.as_mut().poll(cx));
    *waiting = None;
    Poll::Ready(result.map_err(connection_error))
}

/// A connection of QUIC.
pub struct Connection {
    connection: quinn::Connection,
    incoming: Waiting<(quinn::SendStream, quinn::RecvStream)>,
    incoming_uni: Waiting<quinn::RecvStream>,
    opener: Opener,
}

impl Connection {
    /// Takes a connection whose handshake is done.
    #[must_use]
    pub fn new(connection: quinn::Connection) -> Self {
        Self {
            opener: Opener::new(connection.clone()),
            connection,
            incoming: None,
            incoming_uni: None,
        }
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let Self {
            connection,
            incoming_uni,
            ..
        } = self;
        let begin = || {
            let connection = connection.clone();
            async move { connection.accept_uni().await }
        };
        poll_waiting(incoming_uni, begin, cx).map_ok(RecvStream::new)
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, ConnectionErrorIncoming>> {
        let Self {
            connection, incoming, ..
        } = self;
        let begin = || {
            let connection = connection.clone();
            async move { connection.accept_bi().await }
        };
        poll_waiting(incoming, begin, cx).map_ok(BidiStream::new)
    }

    fn opener(&self) -> Opener {
        self.opener.clone()
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.close(code, reason);
    }
}

/// Opens streams of a connection.
pub struct Opener {
    connection: quinn::Connection,
    opening: Waiting<(quinn::SendStream, quinn::RecvStream)>,
    opening_uni: Waiting<quinn::SendStream>,
}

impl Opener {
    const fn new(connection: quinn::Connection) -> Self {
        Self {
            connection,
            opening: None,
            opening_uni: None,
        }
    }
}

impl Clone for Opener {
    fn clone(&self) -> Self {
        Self::new(self.connection.clone())
    }
}

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        let Self {
            connection, opening, ..
        } = self;
        let begin = || {
            let connection = connection.clone();
            async move { connection.open_bi().await }
        };
        poll_waiting(opening, begin, cx).map_ok(BidiStream::new).map_err(lost)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        let Self {
            connection,
            opening_uni,
            ..
        } = self;
        let begin = || {
            let connection = connection.clone();
            async move { connection.open_uni().await }
        };
        poll_waiting(opening_uni, begin, cx)
            .map_ok(SendStream::new)
            .map_err(lost)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(varint(code), reason);
    }
}

/// A stream in both directions: that of a request.
pub struct BidiStream {
    send: SendStream,
    recv: RecvStream,
}

impl BidiStream {
    fn new((send, recv): (quinn::SendStream, quinn::RecvStream)) -> Self {
        Self {
            send: SendStream::new(send),
            recv: RecvStream::new(recv),
        }
    }

    /// Returns the two directions.
    #[must_use]
    pub fn into_parts(self) -> (quinn::SendStream, quinn::RecvStream) {
        (self.send.stream, self.recv.stream)
    }
}

impl quic::RecvStream for BidiStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.recv.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl quic::SendStream<Bytes> for BidiStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// The direction of a stream in which the peer sends.
pub struct RecvStream {
    stream: quinn::RecvStream,
    /// For a read; at most [`READ_SIZE`] bytes.
    buffer: BytesMut,
    /// How much may still be read.
    left: usize,
}

impl RecvStream {
    fn new(stream: quinn::RecvStream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            left: MAX_READ,
        }
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.left == 0 {
            let error = format!("the peer has sent more than {MAX_READ} bytes on a stream of the connection");
            return Poll::Ready(Err(StreamErrorIncoming::Unknown(error.into())));
        }
        self.buffer.resize(READ_SIZE.min(self.left), 0);
        let len = ready!(self.stream.poll_read(cx, &mut self.buffer)).map_err(read_error)?;
        self.left -= len;
        let data = self.buffer.split_to(len).freeze();
        Poll::Ready(Ok((len > 0).then_some(data)))
    }

    fn stop_sending(&mut self, error_code: u64) {
        let code = VarInt::from_u64(error_code).unwrap_or(VarInt::MAX);
        // It has ended already, or it was stopped before.
        let _closed = self.stream.stop(code);
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

/// The direction of a stream in which this end sends.
pub struct SendStream {
    stream: quinn::SendStream,
    /// What is not written yet.
    writing: Option<WriteBuf<Bytes>>,
}

impl SendStream {
    const fn new(stream: quinn::SendStream) -> Self {
        Self { stream, writing: None }
    }
}

impl quic::SendStream<Bytes> for SendStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data.chunk())).map_err(write_error)?;
                data.advance(written);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            let error = "data is sent before the stream is ready".to_owned();
            return Err(lost(ConnectionErrorIncoming::InternalError(error)));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        ready!(self.poll_ready(cx))?;
        Poll::Ready(
            self.stream
                .finish()
                .map_err(|error| StreamErrorIncoming::Unknown(error.into())),
        )
    }

    fn reset(&mut self, reset_code: u64) {
        let code = VarInt::from_u64(reset_code).unwrap_or(VarInt::MAX);
        // It has ended already, or it was reset before.
        let _closed = self.stream.reset(code);
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

/// Both crates have the numbers of RFC 9000, section 2.1.
fn stream_id(id: quinn::StreamId) -> StreamId {
    let id = VarInt::from(id).into_inner();
    StreamId::try_from(id).expect("a stream id of quinn")
}

fn lost(error: ConnectionErrorIncoming) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming {
        connection_error: error,
    }
}

fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => ConnectionErrorIncoming::ApplicationClose {
            error_code: close.error_code.into_inner(),
        },
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

fn read_error(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into_inner(),
        },
        ReadError::ConnectionLost(error) => lost(connection_error(error)),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}

fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into_inner(),
        },
        WriteError::ConnectionLost(error) => lost(connection_error(error)),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}
