//! A polled connection, split into halves or not.

use alloc::sync::Arc;
use core::{
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU64, Ordering},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    input::Input,
    socket::Socket,
    waiting::{Interest, Tasks},
};
use crate::adapter::{
    driver::{Driver, SenderId},
    lock,
};

/// A connection with what it has read.
pub(super) struct Unsplit<T, C> {
    pub(super) socket: Socket<T, C>,
    pub(super) input: Input,
}

/// What the halves share.
pub(super) struct Shared<T, C> {
    /// Locked for one poll at a time, which never blocks.
    pub(super) socket: Mutex<Socket<T, C>>,
    /// The tasks that wait for the socket. A dropped future leaves them without the lock: a waker
    /// may be dropped while the socket is locked, and a task with it.
    pub(super) tasks: Arc<Tasks>,
    /// The number of the writer that sends a message in fragments and has not ended it, 0 if there
    /// is none or it was dropped. It is dropped without the lock, too.
    message_sender: AtomicU64,
}

impl<T, C> Shared<T, C> {
    pub(super) const fn new(socket: Socket<T, C>, tasks: Arc<Tasks>) -> Self {
        Self {
            socket: Mutex::new(socket),
            tasks,
            message_sender: AtomicU64::new(0),
        }
    }

    pub(super) fn socket(&self) -> MutexGuard<'_, Socket<T, C>> {
        let mut socket = lock(&self.socket);
        if let Some(sender) = socket.driver.message_sender() {
            if self.message_sender.load(Ordering::Acquire) == 0 {
                socket.driver.abandon_message(sender);
            }
        }
        socket
    }

    /// Returns the socket of halves that are joined again.
    pub(super) fn into_socket(self) -> Socket<T, C> {
        let mut socket = self.socket.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = socket.driver.message_sender() {
            socket.driver.abandon_message(sender);
        }
        socket
    }

    /// Notes who sends a message in fragments.
    pub(super) fn set_message_sender(&self, driver: &Driver) {
        let number = driver.message_sender().map_or(0, SenderId::number);
        self.message_sender.store(number, Ordering::Release);
    }

    /// Notes that a writer is dropped: nobody continues its message.
    pub(super) fn remove_writer(&self, interest: Interest) {
        self.tasks.remove(interest);
        if let Interest::Writer(number) = interest {
            // Mostly, it is that of another writer, or there is none.
            let _previous = self
                .message_sender
                .compare_exchange(number, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

/// A connection that is not split, or that of a half.
pub(super) enum Access<'a, T, C> {
    Unsplit(&'a mut Socket<T, C>),
    Half(&'a Shared<T, C>),
}

impl<'a, T, C> Access<'a, T, C> {
    /// Returns what the halves share.
    pub(super) const fn shared(&self) -> Option<&'a Shared<T, C>> {
        match self {
            Self::Unsplit(_) => None,
            Self::Half(shared) => Some(shared),
        }
    }

    /// Returns the socket. A half locks it.
    #[inline]
    pub(super) fn socket(&mut self) -> Guard<'_, T, C> {
        match self {
            Self::Unsplit(socket) => Guard::Unsplit(socket),
            Self::Half(shared) => Guard::Half(shared.socket()),
        }
    }
}

/// A socket, locked if it is that of a half.
pub(super) enum Guard<'a, T, C> {
    Unsplit(&'a mut Socket<T, C>),
    Half(MutexGuard<'a, Socket<T, C>>),
}

impl<T, C> Deref for Guard<'_, T, C> {
    type Target = Socket<T, C>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        match self {
            Self::Unsplit(socket) => socket,
            Self::Half(socket) => socket,
        }
    }
}

impl<T, C> DerefMut for Guard<'_, T, C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Unsplit(socket) => socket,
            Self::Half(socket) => socket,
        }
    }
}
