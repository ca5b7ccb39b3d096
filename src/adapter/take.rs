//! What the calls that receive make of what they receive.

use core::{marker::PhantomData, ops::DerefMut};

use super::{driver::Driver, received::FromEvent};
use crate::{Event, Message};

/// Takes what a call is to return from what the engine has received.
pub(super) trait Take {
    /// What the call returns.
    type Output;
    /// The kind of call, for [`Driver::begin_receiving`].
    type Call: FromEvent;

    /// Takes a message. `guard` leads to the driver, and is a lock in halves: if this may take
    /// long, it is dropped first.
    fn message(&mut self, message: Message<'_>, guard: impl DerefMut<Target: AsMut<Driver>>) -> Option<Self::Output>;

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
    fn message(&mut self, message: Message<'_>, mut guard: impl DerefMut<Target: AsMut<Driver>>) -> Option<E> {
        let driver = (*guard).as_mut();
        Some(E::from_message(driver.take_owned(message)))
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
    fn message(&mut self, message: Message<'_>, guard: impl DerefMut<Target: AsMut<Driver>>) -> Option<R> {
        // The function may use the other half.
        drop(guard);
        self.0.take().map(|function| function(message))
    }

    #[inline]
    fn event(&mut self, _event: Event<'_>) -> Option<R> {
        None
    }
}
