//! A call of a whole connection, or of one of its halves.

use core::{
    future::poll_fn,
    task::{Context, Poll, ready},
};
use std::io;

use super::{
    Clock, Transport,
    access::Access,
    input::Input,
    read_loop::{poll_receive, poll_receive_from},
    socket::Socket,
    waiting::Interest,
};
use crate::{
    Message, MessageKind, PreparedMessage, SendError,
    adapter::{
        AsMessage, Batch, Error,
        driver::{Driver, Outgoing, SenderId},
        received::FromEvent,
        take::{Borrow, Each, Owned, Take},
    },
};

/// A call that polls for one interest. Dropped, it does not wait any more.
pub(super) struct Call<'a, T, C> {
    access: Access<'a, T, C>,
    interest: Interest,
    is_waiting: bool,
}

impl<'a, T, C> Call<'a, T, C> {
    pub(super) const fn new(access: Access<'a, T, C>, interest: Interest) -> Self {
        Self {
            access,
            interest,
            is_waiting: false,
        }
    }

    /// Who sends the fragments of this call.
    pub(super) const fn sender(&self) -> SenderId {
        self.interest.sender()
    }

    /// Begins a message that this call sends in fragments.
    pub(super) fn begin_message(&mut self) -> Result<(), SendError> {
        let (sender, shared) = (self.sender(), self.access.shared());
        let mut socket = self.access.socket();
        socket.driver.begin_message(sender)?;
        if let Some(shared) = shared {
            shared.set_message_sender(&socket.driver);
        }
        Ok(())
    }

    /// Notes that nobody continues the message of this call.
    pub(super) fn abandon_message(&mut self) {
        match &mut self.access {
            Access::Unsplit(socket) => socket.driver.abandon_message(self.interest.sender()),
            // A task may be dropped while the socket is locked.
            Access::Half(shared) => shared.remove_writer(self.interest),
        }
    }

    #[inline]
    pub(super) fn poll<V>(&mut self, poll: impl FnOnce(&mut Socket<T, C>, Interest) -> Poll<V>) -> Poll<V> {
        let result = poll(&mut self.access.socket(), self.interest);
        self.is_waiting = result.is_pending();
        result
    }
}

impl<T, C> Drop for Call<'_, T, C> {
    #[inline]
    fn drop(&mut self) {
        if self.is_waiting {
            match &mut self.access {
                Access::Unsplit(socket) => socket.waiting.remove(self.interest),
                Access::Half(shared) => shared.tasks.remove(self.interest),
            }
        }
    }
}

impl<'a, T: Transport, C: Clock> Call<'a, T, C> {
    /// Polls for what `take` takes.
    #[inline]
    pub(super) fn poll_receive<K: Take>(
        &mut self,
        input: &mut Input,
        cx: &mut Context<'_>,
        take: K,
    ) -> Poll<Result<Option<K::Output>, Error>> {
        let result = poll_receive(&mut self.access, input, cx, take);
        self.is_waiting = result.is_pending();
        result
    }

    /// Waits for what `E` stands for.
    // Not an `async fn`, whose future would move every message once more.
    #[inline]
    pub(super) fn receive<E: FromEvent>(
        mut self,
        input: &'a mut Input,
    ) -> impl Future<Output = Result<Option<E>, Error>> + use<'a, T, C, E> {
        poll_fn(move |cx| self.poll_receive(input, cx, Owned::new()))
    }

    /// Waits for a message and passes it to a function, borrowed.
    pub(super) fn receive_with<R>(
        mut self,
        input: &'a mut Input,
        function: impl FnOnce(Message<'_>) -> R,
    ) -> impl Future<Output = Result<Option<R>, Error>> {
        let mut function = Some(function);
        poll_fn(move |cx| self.poll_receive(input, cx, Borrow(&mut function)))
    }

    /// Waits for messages and passes those of one read to a function, borrowed.
    pub(super) fn receive_batch(
        mut self,
        input: &'a mut Input,
        mut function: impl FnMut(Message<'_>, &mut Batch<'_>) -> Result<(), Error>,
    ) -> impl Future<Output = Result<Option<usize>, Error>> {
        poll_fn(move |cx| {
            // Without `poll_receive`, which has the loop, and the function in it, twice.
            let passed = self.poll(|socket, _| poll_receive_from(socket, input, cx, Each::new(&mut function)));
            passed.map(|passed| passed?.transpose())
        })
    }

    /// Appends a message when there is room.
    #[inline]
    pub(super) fn poll_feed(&mut self, cx: &mut Context<'_>, message: &impl AsMessage) -> Poll<Result<(), Error>> {
        // Before the socket is locked: this is code of the application.
        let message = message.as_message();
        match &mut self.access {
            // There is nothing to wait for: the poll does not begin.
            Access::Unsplit(socket) if socket.has_room() => match socket.append(|driver| driver.feed(message)) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(error) => send_error(error),
            },
            _ => self.poll_append(cx, |socket| socket.append(|driver| driver.feed(message))),
        }
    }

    /// Begins to send a message when there is room: a small one is appended, of a large one is also
    /// written what the transport takes at once.
    pub(super) async fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        poll_fn(|cx| match Outgoing::Message(message.as_message()) {
            large if large.is_large() => self.poll_append_and_write(cx, &large),
            _ => self.poll_feed(cx, &message),
        })
        .await
    }

    /// Begins to send a prepared message when there is room, as [`send`](Self::send) does others.
    pub(super) async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        let message = Outgoing::Prepared(message);
        poll_fn(|cx| match message.is_large() {
            true => self.poll_append_and_write(cx, &message),
            false => self.poll_append(cx, |socket| socket.append(|driver| driver.append(&message))),
        })
        .await
    }

    /// Appends a large message when there is room, and writes what the transport takes at once.
    fn poll_append_and_write(&mut self, cx: &mut Context<'_>, message: &Outgoing<'_>) -> Poll<Result<(), Error>> {
        self.poll(|socket, interest| {
            ready!(socket.poll_ready(interest, cx))?;
            Poll::Ready(socket.append_and_write(message, cx))
        })
    }

    /// Appends a message when there is room.
    pub(super) async fn feed(&mut self, message: impl AsMessage) -> Result<(), Error> {
        poll_fn(|cx| self.poll_feed(cx, &message)).await
    }

    /// Appends a prepared message when there is room.
    pub(super) async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        poll_fn(|cx| self.poll_append(cx, |socket| socket.append(|driver| driver.feed_prepared(message)))).await
    }

    /// Appends a Ping or a Pong when there is room, and waits until it is written.
    pub(super) async fn control(&mut self, append: impl Fn(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        poll_fn(|cx| self.poll_append(cx, |socket| append(&mut socket.driver))).await?;
        Ok(self.flush().await?)
    }

    /// Appends when there is room, under one lock: another writer could take the room.
    #[inline(never)]
    fn poll_append(
        &mut self,
        cx: &mut Context<'_>,
        append: impl FnOnce(&mut Socket<T, C>) -> Result<(), SendError>,
    ) -> Poll<Result<(), Error>> {
        self.poll(|socket, interest| {
            ready!(socket.poll_ready(interest, cx))?;
            Poll::Ready(append(socket).map_err(Error::from))
        })
    }

    /// Appends a fragment when there is room, and waits until it is written.
    pub(super) async fn fragment(
        &mut self,
        sender: SenderId,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
    ) -> Result<(), Error> {
        poll_fn(|cx| self.poll_fragment(cx, sender, kind, data, fin)).await?;
        Ok(self.flush().await?)
    }

    /// Appends a fragment when there is room.
    pub(super) fn poll_fragment(
        &mut self,
        cx: &mut Context<'_>,
        sender: SenderId,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
    ) -> Poll<Result<(), Error>> {
        let shared = self.access.shared();
        self.poll(|socket, interest| {
            ready!(socket.poll_ready(interest, cx))?;
            let appended = socket.append(|driver| driver.fragment(sender, kind, data, fin));
            // After a failure, the sender may be another writer, which may be dropped meanwhile.
            if let (Some(shared), Ok(())) = (shared, &appended) {
                shared.set_message_sender(&socket.driver);
            }
            Poll::Ready(appended.map_err(Error::from))
        })
    }

    /// Waits until the output is written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|socket, interest| socket.poll_flush(interest, cx))
    }
}

/// Out of line: in the same place, the caller would move an error that is not there.
#[cold]
#[inline(never)]
fn send_error(error: SendError) -> Poll<Result<(), Error>> {
    Poll::Ready(Err(error.into()))
}
