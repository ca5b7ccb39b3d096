//! A connection and its halves as a `Stream` and a `Sink` of messages.

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{
    Clock, Reader, Transport, WebSocket, Writer,
    access::{Access, Unsplit},
    read_loop::poll_item,
    waiting::Interest,
};
use crate::{
    Message,
    adapter::{AsMessage, Error},
};

impl<T: Transport + Unpin, C: Clock + Unpin> Stream for WebSocket<T, C> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Unsplit { socket, input } = &mut *self.get_mut().unsplit;
        poll_item(&mut Access::Unsplit(socket), input, cx)
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> FusedStream for WebSocket<T, C> {
    fn is_terminated(&self) -> bool {
        self.unsplit.socket.is_stream_ended()
    }
}

impl<M: AsMessage, T: Transport + Unpin, C: Clock + Unpin> Sink<M> for WebSocket<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut()
            .unsplit
            .socket
            .poll_ready(Interest::Ready, cx)
            .map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        let message = message.as_message();
        Ok(self.get_mut().unsplit.socket.append(|driver| driver.feed(message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut()
            .unsplit
            .socket
            .poll_flush(Interest::Flush, cx)
            .map_err(Into::into)
    }

    /// Sends a Close frame with code 1000, if none was sent yet. It does not wait for the Close
    /// frame of the peer: the stream does.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().unsplit.socket.poll_close(Interest::Close, cx)
    }
}

impl<T: Transport, C: Clock> Stream for Reader<T, C> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { shared, input } = self.get_mut();
        poll_item(&mut Access::Half(shared), input, cx)
    }
}

impl<M: AsMessage, T: Transport, C: Clock> Sink<M> for Writer<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_ready(self.interest, cx).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        // Before the socket is locked: this is code of the application.
        let message = message.as_message();
        Ok(self.socket().append(|driver| driver.feed(message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_flush(self.interest, cx).map_err(Into::into)
    }

    /// Sends a Close frame, like that of [`WebSocket`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_close(self.interest, cx)
    }
}
