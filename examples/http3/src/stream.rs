//! A request stream of HTTP/3 as a stream of bytes.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use http3::error::Code;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    quic::varint,
    request::{Error, Receiver, put_data_header},
};

/// How much of a write becomes one DATA frame, in bytes.
const MAX_WRITE: usize = 16 << 10;

/// Both directions of a request stream after its headers, for a transport of a WebSocket.
///
/// **Flow control.** The peer may send again as much as was read, and no more. A write waits until
/// the peer, and the connection, have room for the one before. So a slow reader stalls its own
/// stream only.
///
/// **The end.** FIN is the orderly end. RESET_STREAM and the loss of the connection are errors (RFC
/// 9220, section 3). To drop the stream before it was shut down sends RESET_STREAM and STOP_SENDING
/// with H3_REQUEST_CANCELLED.
pub struct Stream {
    send: quinn::SendStream,
    recv: Receiver,
    /// A DATA frame, as far as it is not written.
    unwritten: BytesMut,
    is_shut_down: bool,
    /// Keeps the connection of a client open.
    _connection: Option<Arc<dyn Send + Sync>>,
}

impl Stream {
    /// Joins the two directions of a stream. Its headers are exchanged first.
    pub(crate) fn new(send: quinn::SendStream, recv: Receiver, connection: Option<Arc<dyn Send + Sync>>) -> Self {
        Self {
            send,
            recv,
            unwritten: BytesMut::new(),
            is_shut_down: false,
            _connection: connection,
        }
    }

    pub(crate) const fn receiver(&mut self) -> &mut Receiver {
        &mut self.recv
    }

    /// Sends whole frames.
    pub(crate) async fn send_frames(&mut self, frames: &[u8]) -> Result<(), Error> {
        Ok(self.send.write_all(frames).await?)
    }

    /// Ends both directions at once, for another reason than H3_REQUEST_CANCELLED.
    pub fn reset(&mut self, code: Code) {
        self.is_shut_down = true;
        // It has ended already, or it was reset before.
        let _closed = self.send.reset(varint(code));
        self.recv.stop(code);
    }

    /// Writes what is left of the last DATA frame.
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let written = Pin::new(&mut self.send).poll_write(cx, &self.unwritten);
            let len = ready!(written).map_err(Error::from)?;
            self.unwritten.advance(len);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let data = match ready!(stream.recv.poll_data(cx)) {
            Ok(data) => data,
            // A peer that resets without an error has said everything (RFC 9114, section 8.1).
            Err(Error::Reset(Code::H3_NO_ERROR)) => return Poll::Ready(Ok(())),
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let len = data.len().min(buf.remaining());
        buf.put_slice(&data[..len]);
        stream.recv.consume(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let stream = self.get_mut();
        ready!(stream.poll_unwritten(cx))?;
        let len = data.len().min(MAX_WRITE);
        put_data_header(len, &mut stream.unwritten);
        stream.unwritten.extend_from_slice(&data[..len]);
        // It has taken the data, whether QUIC has room for it or not. An error is reported by the
        // next call.
        let _written = stream.poll_unwritten(cx);
        Poll::Ready(Ok(len))
    }

    /// QUIC sends what was written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unwritten(cx)
    }

    /// Sends FIN.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.is_shut_down {
            ready!(stream.poll_unwritten(cx))?;
            stream.is_shut_down = true;
            stream.send.finish().map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_shut_down {
            self.recv.stop(Code::H3_NO_ERROR);
        } else {
            self.reset(Code::H3_REQUEST_CANCELLED);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            send,
            unwritten,
            is_shut_down,
            ..
        } = self;
        f.debug_struct("Stream")
            .field("id", &send.id())
            .field("unwritten_bytes", &unwritten.len())
            .field("is_shut_down", is_shut_down)
            .finish_non_exhaustive()
    }
}
