//! What the calls that receive make of what they receive.

use core::{marker::PhantomData, ops::DerefMut};

use super::socket::Socket;
use crate::{
    Event, Message, MessageKind,
    adapter::{pieces::Unread, received::FromEvent},
};

/// Takes what a call is to return from what the engine has received.
pub(super) trait Take {
    /// What the call returns.
    type Output;
    /// The kind of call, for [`Driver::begin_receiving`](crate::adapter::driver::Driver).
    type Call: FromEvent;

    /// Takes a message. If it may take long, the socket is dropped first: halves lock it.
    fn message<T, C>(
        &mut self,
        message: Message<'_>,
        socket: impl DerefMut<Target = Socket<T, C>>,
    ) -> Option<Self::Output>;

    /// Takes an event that is not a message. `None` skips it: the adapter has done what it
    /// requires.
    fn event(&mut self, event: Event<'_>) -> Option<Self::Output>;
}

/// Takes what `E` stands for, and borrows nothing.
pub(super) struct Owned<E>(PhantomData<E>);

impl<E> Owned<E> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E: FromEvent> Take for Owned<E> {
    type Output = E;
    type Call = E;

    #[inline]
    fn message<T, C>(&mut self, message: Message<'_>, mut socket: impl DerefMut<Target = Socket<T, C>>) -> Option<E> {
        Some(E::from_message(socket.driver.take_owned(message)))
    }

    #[inline]
    fn event(&mut self, event: Event<'_>) -> Option<E> {
        E::from_event(event)
    }
}

/// Passes a message to a function of the application, once.
pub(super) struct Borrow<'a, F>(pub(super) &'a mut Option<F>);

impl<R, F: FnOnce(Message<'_>) -> R> Take for Borrow<'_, F> {
    type Output = R;
    type Call = Message<'static>;

    #[inline]
    fn message<T, C>(&mut self, message: Message<'_>, socket: impl DerefMut<Target = Socket<T, C>>) -> Option<R> {
        // The function may use the other half.
        drop(socket);
        self.0.take().map(|function| function(message))
    }

    #[inline]
    fn event(&mut self, _event: Event<'_>) -> Option<R> {
        None
    }
}

/// Copies a piece of a message to the front of `buf`, and the rest of the piece to `unread`.
/// `E` is the kind of call.
pub(super) struct Copy<'a, E> {
    buf: &'a mut [u8],
    unread: &'a mut Unread,
    call: PhantomData<E>,
}

/// A piece that was copied.
pub(super) struct Piece {
    /// How many bytes are in the buffer.
    pub(super) len: usize,
    pub(super) kind: MessageKind,
    pub(super) message_end: bool,
}

impl<'a, E> Copy<'a, E> {
    pub(super) const fn new(buf: &'a mut [u8], unread: &'a mut Unread) -> Self {
        Self {
            buf,
            unread,
            call: PhantomData,
        }
    }

    fn piece(&mut self, data: Message<'_>, message_end: bool) -> Piece {
        Piece {
            kind: data.kind(),
            len: self.unread.read_piece(data, self.buf),
            message_end,
        }
    }
}

impl<E: FromEvent> Take for Copy<'_, E> {
    type Output = Piece;
    type Call = E;

    fn message<T, C>(&mut self, message: Message<'_>, _socket: impl DerefMut<Target = Socket<T, C>>) -> Option<Piece> {
        Some(self.piece(message, true))
    }

    fn event(&mut self, event: Event<'_>) -> Option<Piece> {
        match event {
            Event::Chunk(chunk) => Some(self.piece(chunk.data, chunk.message_end)),
            _ => None,
        }
    }
}
