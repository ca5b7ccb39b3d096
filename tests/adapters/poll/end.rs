//! One end of a connection, whole or in halves, with the calls that both have.

use std::io;

use sockless::{
    CloseCode, Event, Message, MessageKind, PreparedMessage, SendError,
    adapter::{
        Error,
        poll::{Clock, MessageReader, MessageWriter, Reader, Writer},
    },
};
use support::{
    pipe::{PipeEnd, VirtualClock},
    polled::Ws,
};

pub(super) type PipeReader<'a> = MessageReader<'a, PipeEnd, VirtualClock>;
pub(super) type PipeWriter<'a> = MessageWriter<'a, PipeEnd, VirtualClock>;

pub(super) enum End {
    Whole(Ws),
    Halves(Reader<PipeEnd, VirtualClock>, Writer<PipeEnd, VirtualClock>),
}

/// Calls the same function of the whole connection, or of the half that has it.
macro_rules! call {
    ($end:expr, reader.$($call:tt)+) => {
        match $end {
            End::Whole(ws) => ws.$($call)+,
            End::Halves(reader, _) => reader.$($call)+,
        }
    };
    ($end:expr, writer.$($call:tt)+) => {
        match $end {
            End::Whole(ws) => ws.$($call)+,
            End::Halves(_, writer) => writer.$($call)+,
        }
    };
}

impl End {
    pub(super) fn new(ws: Ws, in_halves: bool) -> Self {
        if !in_halves {
            return Self::Whole(ws);
        }
        let (reader, writer) = ws.split();
        Self::Halves(reader, writer)
    }

    pub(super) async fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
        call!(self, reader.recv().await)
    }

    pub(super) async fn recv_with<R>(&mut self, function: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>, Error> {
        call!(self, reader.recv_with(function).await)
    }

    pub(super) async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        call!(self, reader.recv_event().await)
    }

    pub(super) async fn reader(&mut self) -> Result<Option<PipeReader<'_>>, Error> {
        call!(self, reader.reader().await)
    }

    pub(super) fn set_max_message_size(&mut self, bytes: u64) {
        call!(self, reader.set_max_message_size(bytes));
    }

    pub(super) fn writer(&mut self, kind: MessageKind) -> Result<PipeWriter<'_>, SendError> {
        call!(self, writer.writer(kind))
    }

    pub(super) async fn send(&mut self, message: &Message<'static>) -> Result<(), Error> {
        call!(self, writer.send(message).await)
    }

    pub(super) async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        call!(self, writer.send_prepared(message).await)
    }

    pub(super) async fn send_fragment(&mut self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        call!(self, writer.send_fragment(kind, data, fin).await)
    }

    pub(super) async fn feed(&mut self, message: &Message<'static>) -> Result<(), Error> {
        call!(self, writer.feed(message).await)
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        call!(self, writer.flush().await)
    }

    pub(super) async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        call!(self, writer.ping(payload).await)
    }

    pub(super) async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        call!(self, writer.pong(payload).await)
    }

    pub(super) async fn close(&mut self, reason: &str) -> Result<(), Error> {
        call!(self, writer.close(CloseCode::NORMAL, reason).await)
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_compression(&mut self, enabled: bool) {
        call!(self, writer.set_compression(enabled));
    }
}

/// Returns the error of the adapter in an error of a reader, a writer or a stream of bytes.
pub(super) fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Receives the messages until the end of the connection.
pub(super) async fn receive_rest<C: Clock>(reader: &mut Reader<PipeEnd, C>) -> Vec<Message<'static>> {
    let mut received = Vec::new();
    while let Some(message) = reader.recv().await.unwrap() {
        received.push(message);
    }
    received
}
