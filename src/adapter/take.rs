//! What the calls that receive make of what they receive.

use core::{
    marker::PhantomData,
    ops::{
        ControlFlow::{self, Break, Continue},
        DerefMut,
    },
};

#[cfg(any(feature = "futures-io", feature = "tokio"))]
use super::pieces::Unread;
use super::{
    Error,
    batch::{Answered, Batch},
    received::FromEvent,
};
#[cfg(any(feature = "futures-io", feature = "tokio"))]
use crate::MessageKind;
use crate::{Event, Message};

/// Takes what a call is to return from what the engine has received.
pub(super) trait Take {
    /// What the call returns.
    type Output;
    /// The kind of call, for `begin_receiving` of the driver.
    type Call: FromEvent;

    /// Whether messages may be answered while they are taken: none is taken while more output than
    /// the high-water mark is unwritten.
    const APPENDS: bool = false;

    /// Takes a message. `guard` leads to the driver, and is a lock in halves: if this may take
    /// long, it is dropped first. Breaks with what the call returns, or returns the guard to take
    /// the next message as well.
    fn message<G: DerefMut<Target: Answered>>(
        &mut self,
        message: Message<'_>,
        guard: G,
    ) -> ControlFlow<Option<Self::Output>, G>;

    /// Takes an event that is not a message. `None` skips it: the adapter has done what it
    /// requires.
    fn event(&mut self, event: Event<'_>) -> Option<Self::Output>;

    /// Returns whether no further message is to be taken.
    #[inline]
    fn is_ended(&self) -> bool {
        false
    }

    /// Returns whether a message was taken, and the call goes on.
    #[inline]
    fn has_taken(&self) -> bool {
        false
    }

    /// Returns what the call returns of the messages that it has taken, before it reads more, ends
    /// the connection, or waits. `None`: it has taken none.
    #[inline]
    fn taken(&mut self) -> Option<Self::Output> {
        None
    }
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
    fn message<G: DerefMut<Target: Answered>>(
        &mut self,
        message: Message<'_>,
        mut guard: G,
    ) -> ControlFlow<Option<E>, G> {
        let driver = (*guard).as_mut();
        Break(Some(E::from_message(driver.take_owned(message))))
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
    fn message<G: DerefMut<Target: Answered>>(&mut self, message: Message<'_>, guard: G) -> ControlFlow<Option<R>, G> {
        // The function may use the other half.
        drop(guard);
        Break(self.0.take().map(|function| function(message)))
    }

    #[inline]
    fn event(&mut self, _event: Event<'_>) -> Option<R> {
        None
    }
}

/// Passes the messages of one read to a function of the application.
pub(super) struct Each<'a, F> {
    function: &'a mut F,
    /// How many messages it was passed.
    passed: usize,
    /// The function has ended the batch.
    is_ended: bool,
    /// What it has failed with.
    failure: Option<Error>,
}

impl<'a, F> Each<'a, F> {
    pub(super) const fn new(function: &'a mut F) -> Self {
        Self {
            function,
            passed: 0,
            is_ended: false,
            failure: None,
        }
    }
}

impl<F: FnMut(Message<'_>, &mut Batch<'_>) -> Result<(), Error>> Take for Each<'_, F> {
    type Output = Result<usize, Error>;
    type Call = Message<'static>;

    const APPENDS: bool = true;

    #[inline]
    fn message<G: DerefMut<Target: Answered>>(
        &mut self,
        message: Message<'_>,
        mut guard: G,
    ) -> ControlFlow<Option<Self::Output>, G> {
        self.passed += 1;
        let mut batch = guard.batch();
        let result = (self.function)(message, &mut batch);
        self.is_ended = batch.is_stopped;
        if let Err(error) = result {
            (self.is_ended, self.failure) = (true, Some(error));
        }
        Continue(guard)
    }

    #[inline]
    fn event(&mut self, _event: Event<'_>) -> Option<Self::Output> {
        None
    }

    #[inline]
    fn is_ended(&self) -> bool {
        self.is_ended
    }

    #[inline]
    fn has_taken(&self) -> bool {
        self.passed > 0
    }

    #[inline]
    fn taken(&mut self) -> Option<Self::Output> {
        self.has_taken()
            .then(|| self.failure.take().map_or(Ok(self.passed), Err))
    }
}

/// Copies a piece of a message to the front of `buf`, and the rest of the piece to `unread`.
/// `E` is the kind of call.
#[cfg(any(feature = "futures-io", feature = "tokio"))]
pub(super) struct IntoBuffer<'a, E> {
    buf: &'a mut [u8],
    unread: &'a mut Unread,
    call: PhantomData<E>,
}

/// A piece that was copied.
#[cfg(any(feature = "futures-io", feature = "tokio"))]
pub(super) struct ReadPiece {
    /// How many bytes are in the buffer.
    pub(super) len: usize,
    pub(super) kind: MessageKind,
    pub(super) message_end: bool,
}

#[cfg(any(feature = "futures-io", feature = "tokio"))]
impl<'a, E> IntoBuffer<'a, E> {
    pub(super) const fn new(buf: &'a mut [u8], unread: &'a mut Unread) -> Self {
        Self {
            buf,
            unread,
            call: PhantomData,
        }
    }

    fn copy(&mut self, data: Message<'_>, message_end: bool) -> ReadPiece {
        ReadPiece {
            kind: data.kind(),
            len: self.unread.read_piece(data, self.buf),
            message_end,
        }
    }
}

#[cfg(any(feature = "futures-io", feature = "tokio"))]
impl<E: FromEvent> Take for IntoBuffer<'_, E> {
    type Output = ReadPiece;
    type Call = E;

    fn message<G: DerefMut<Target: Answered>>(
        &mut self,
        message: Message<'_>,
        _guard: G,
    ) -> ControlFlow<Option<ReadPiece>, G> {
        Break(Some(self.copy(message, true)))
    }

    fn event(&mut self, event: Event<'_>) -> Option<ReadPiece> {
        match event {
            Event::Chunk(chunk) => Some(self.copy(chunk.data, chunk.message_end)),
            _ => None,
        }
    }
}
