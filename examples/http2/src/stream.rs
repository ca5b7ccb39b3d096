//! A stream of HTTP/2 as a stream of bytes.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are written at a time. `h2` copies them.
const MAX_WRITE: usize = 64 << 10;

/// Both directions of a stream of HTTP/2, for a transport of a WebSocket.
///
/// **Flow control.** The peer may send again as much as was read, and no more. A write waits until
/// the peer, and the connection, have room for it. So a slow reader stalls its own stream only.
///
/// **The end.** END_STREAM is the orderly end. RST_STREAM and the loss of the connection are
/// errors (RFC 8441, section 5). To drop the stream before it was shut down sends RST_STREAM with
/// CANCEL.
#[derive(Debug)]
pub struct Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// What has arrived and was not read.
    received: Bytes,
    is_shut_down: bool,
}

impl Stream {
    /// Joins the two directions of a stream.
    #[must_use]
    pub const fn new(send: SendStream<Bytes>, recv: RecvStream) -> Self {
        Self {
            send,
            recv,
            received: Bytes::new(),
            is_shut_down: false,
        }
    }

    /// Sends RST_STREAM: to give the stream up at once, for another reason than CANCEL.
    pub fn reset(&mut self, reason: Reason) {
        self.is_shut_down = true;
        self.send.send_reset(reason);
    }

    /// Waits until something has arrived. `false`: the peer has ended its direction.
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.received.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => self.received = data,
                Some(Err(error)) => return Poll::Ready(end_of_stream(error).map(|()| false)),
                None => return Poll::Ready(Ok(false)),
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Waits until the peer and the connection have room for something, at most `len` bytes.
    fn poll_room(&mut self, len: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(len);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            }
        }
        Poll::Ready(Ok(self.send.capacity().min(len)))
    }
}

/// A peer that resets with NO_ERROR has said everything (RFC 9113, section 8.1).
fn end_of_stream(error: h2::Error) -> io::Result<()> {
    if error.is_reset() && h2::Error::reason(&error) == Some(Reason::NO_ERROR) {
        return Ok(());
    }
    Err(io_error(error))
}

pub(crate) fn io_error(error: h2::Error) -> io::Error {
    let kind = if error.is_reset() || error.is_go_away() {
        ErrorKind::ConnectionReset
    } else {
        ErrorKind::Other
    };
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| kind.into());
    }
    io::Error::new(kind, error)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !ready!(stream.poll_received(cx))? {
            return Poll::Ready(Ok(()));
        }
        let len = stream.received.len().min(buf.remaining());
        buf.put_slice(&stream.received[..len]);
        stream.received.advance(len);
        // This fails only if more is released than has arrived.
        stream.recv.flow_control().release_capacity(len).map_err(io_error)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let stream = self.get_mut();
        let len = ready!(stream.poll_room(data.len().min(MAX_WRITE), cx))?;
        let data = Bytes::copy_from_slice(&data[..len]);
        stream.send.send_data(data, false).map_err(io_error)?;
        Poll::Ready(Ok(len))
    }

    /// The task of the connection sends what was written.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends END_STREAM.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.is_shut_down {
            stream.is_shut_down = true;
            stream.send.send_data(Bytes::new(), true).map_err(io_error)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.is_shut_down {
            self.send.send_reset(Reason::CANCEL);
        }
    }
}
