//! Which tasks wait for a connection, and who wakes them.
//!
//! A transport keeps one waker for reading and one for writing, and a clock keeps one: each that of
//! its last poll. Yet several tasks may wait for one connection: its halves, the halves that
//! `futures_util` makes of a whole one, clones of a writer.
//!
//! 1. Each poll of a connection has an [`Interest`]. An interest that has to wait keeps one waker,
//!    that of its last poll: a task may migrate.
//! 2. Only [`Interest::Read`] reads, and its task's own waker is passed to the transport for that.
//!    All interests write and keep the deadlines. A waker for these wakes all tasks that wait.
//! 3. While one task waits, its own waker does that: nothing is allocated. When a second task
//!    polls, the connection gets a shared waker, and keeps it.
//! 4. The transport and the clock do not tell a task what another one has done: written output,
//!    handled a deadline, set a nearer one, ended the connection. The poll that does it wakes the
//!    others.
//! 5. A wake-up takes the wakers out. A task that is woken polls again, and that registers it.
//! 6. A future that is dropped takes its waker along: [`Waiting::remove`], [`Tasks::remove`].
//! 7. Wakers are code of the executor. None is cloned, woken or dropped while the list of tasks is
//!    locked.
//! 8. A poll that finds a message in the input, or room in the output of a whole connection, does
//!    not wait, read or write, and does not begin. It leaves nothing behind: a task that waits has
//!    processed all input, so its interest is registered only while there is none; or it waits for
//!    room before the next message of a batch, and all that makes room wakes it. A poll that finds
//!    another event begins late, and wakes the others: after a Pong, the next deadline may be
//!    nearer.
//! 9. Nothing that can be dropped with a task locks the socket when it is dropped: that may happen
//!    while the socket is locked. A writer that is dropped in the middle of a message notes it in
//!    an atomic number, and whoever locks the socket next reads it. Code of the application, such
//!    as the function of `recv_with`, is called while nothing is locked.

use alloc::{collections::BTreeMap, sync::Arc, task::Wake};
use core::{
    mem,
    task::{Context, Waker},
};
use std::sync::Mutex;

use crate::adapter::{driver::SenderId, lock};

/// What a task polls a connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// The next event, or the end.
    Read,
    /// Room in the output.
    Ready,
    /// That the output is written.
    Flush,
    /// That the Close frame is written.
    Close,
    /// Any of the last three: a call of a writing half, or a writing half that is a sink. It has a
    /// number of its own, from [`Tasks::new_writer`].
    Writer(u64),
}

/// How many interests have no number.
const UNNUMBERED: usize = 4;

impl Interest {
    /// Who sends the messages in fragments of a writing half, or of a call of it.
    pub(super) const fn sender(self) -> SenderId {
        match self {
            Self::Writer(number) => SenderId::numbered(number),
            _ => SenderId::UNSPLIT,
        }
    }

    /// The index of an interest without a number.
    const fn index(self) -> Option<usize> {
        match self {
            Self::Read => Some(0),
            Self::Ready => Some(1),
            Self::Flush => Some(2),
            Self::Close => Some(3),
            Self::Writer(_) => None,
        }
    }

    /// The bit of an interest without a number.
    const fn bit(self) -> u8 {
        match self.index() {
            Some(index) => 1 << index,
            None => 0,
        }
    }
}

/// The tasks that wait for a connection.
pub(super) enum Waiting {
    /// At most one.
    OneTask {
        waker: Option<Waker>,
        /// The [bits](Interest::bit) of what it waits for.
        interests: u8,
    },
    /// More than one, now or before.
    Shared {
        tasks: Arc<Tasks>,
        /// Made of `tasks`.
        waker: Waker,
    },
}

/// A poll that has begun.
pub(super) struct Polling {
    interest: Interest,
    /// The waker that the interest has kept until now.
    last_waker: Option<Waker>,
    /// Whether other interests wait.
    pub(super) has_others: bool,
}

impl Waiting {
    pub(super) const fn new() -> Self {
        Self::OneTask {
            waker: None,
            interests: 0,
        }
    }

    /// Begins a poll of an interest, which does not wait until [`end`](Self::end).
    // Measured: what a call returns would be loaded in other parts than it was stored in, and wait
    // for that.
    #[inline(always)]
    pub(super) fn begin(&mut self, interest: Interest, cx: &Context<'_>) -> Polling {
        match self {
            Self::OneTask { waker, interests } => {
                *interests &= !interest.bit();
                let has_others = *interests != 0;
                let is_same_task = waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                if has_others && !is_same_task {
                    return self.share().begin(interest);
                }
                Polling {
                    interest,
                    last_waker: if has_others { None } else { waker.take() },
                    has_others,
                }
            }
            Self::Shared { tasks, .. } => tasks.begin(interest),
        }
    }

    /// Ends a poll. The task waits if it is pending.
    #[inline]
    pub(super) fn end(&mut self, polling: Polling, cx: &Context<'_>, is_pending: bool) {
        if !is_pending {
            return;
        }
        let kept = polling.last_waker.filter(|waker| waker.will_wake(cx.waker()));
        match self {
            Self::OneTask { waker, interests } => {
                *interests |= polling.interest.bit();
                if waker.is_none() {
                    *waker = Some(kept.unwrap_or_else(|| cx.waker().clone()));
                }
            }
            Self::Shared { tasks, .. } => {
                tasks.register(polling.interest, kept.unwrap_or_else(|| cx.waker().clone()));
            }
        }
    }

    /// Returns the context for writing and for the clock, in a poll with the context `cx`.
    #[inline]
    pub(super) fn context<'a>(&'a self, cx: &'a Context<'_>) -> Context<'a> {
        Context::from_waker(match self {
            Self::OneTask { .. } => cx.waker(),
            Self::Shared { waker, .. } => waker,
        })
    }

    /// Wakes all tasks that wait. In a poll, these are the others.
    pub(super) fn wake(&mut self) {
        match self {
            Self::OneTask { waker, interests } => {
                *interests = 0;
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
            }
            Self::Shared { tasks, .. } => tasks.wake_all(false),
        }
    }

    /// Notes that an interest does not wait any more: its future is dropped.
    #[inline]
    pub(super) fn remove(&mut self, interest: Interest) {
        match self {
            Self::OneTask { waker, interests } => {
                *interests &= !interest.bit();
                if *interests == 0 {
                    *waker = None;
                }
            }
            Self::Shared { tasks, .. } => tasks.remove(interest),
        }
    }

    /// Prepares the connection for several tasks.
    pub(super) fn share(&mut self) -> Arc<Tasks> {
        match self {
            Self::OneTask { waker, interests } => {
                let tasks = Arc::new(Tasks::new(waker.take(), *interests));
                *self = Self::Shared {
                    tasks: Arc::clone(&tasks),
                    waker: Waker::from(Arc::clone(&tasks)),
                };
                tasks
            }
            Self::Shared { tasks, .. } => Arc::clone(tasks),
        }
    }
}

/// The tasks that wait for a connection with a shared waker, which wakes them all.
pub(super) struct Tasks(Mutex<List>);

#[derive(Default)]
struct List {
    unnumbered: [Option<Waker>; UNNUMBERED],
    writers: BTreeMap<u64, Waker>,
    last_writer: u64,
    /// The shared waker was woken since the last poll began. That poll must not miss it.
    was_woken: bool,
}

impl Tasks {
    fn new(waker: Option<Waker>, interests: u8) -> Self {
        let mut list = List::default();
        for (index, slot) in list.unnumbered.iter_mut().enumerate() {
            if interests & (1 << index) != 0 {
                slot.clone_from(&waker);
            }
        }
        Self(Mutex::new(list))
    }

    /// Returns the interest of a new writer.
    pub(super) fn new_writer(&self) -> Interest {
        let mut list = lock(&self.0);
        list.last_writer += 1;
        Interest::Writer(list.last_writer)
    }

    /// Notes that an interest does not wait any more.
    pub(super) fn remove(&self, interest: Interest) {
        let removed = lock(&self.0).remove(interest);
        drop(removed);
    }

    #[inline(never)]
    fn begin(&self, interest: Interest) -> Polling {
        let mut list = lock(&self.0);
        list.was_woken = false;
        Polling {
            interest,
            last_waker: list.remove(interest),
            has_others: !list.is_empty(),
        }
    }

    fn register(&self, interest: Interest, waker: Waker) {
        let mut list = lock(&self.0);
        if list.was_woken {
            drop(list);
            waker.wake();
        } else {
            list.insert(interest, waker);
        }
    }

    /// Wakes all tasks. `by_waker`: the shared waker was woken.
    fn wake_all(&self, by_waker: bool) {
        let (unnumbered, writers) = {
            let mut list = lock(&self.0);
            list.was_woken |= by_waker;
            (mem::take(&mut list.unnumbered), mem::take(&mut list.writers))
        };
        unnumbered
            .into_iter()
            .flatten()
            .chain(writers.into_values())
            .for_each(Waker::wake);
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_all(true);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all(true);
    }
}

impl List {
    fn is_empty(&self) -> bool {
        self.writers.is_empty() && self.unnumbered.iter().all(Option::is_none)
    }

    /// Adds an interest that is not in the list.
    fn insert(&mut self, interest: Interest, waker: Waker) {
        match interest {
            Interest::Writer(number) => _ = self.writers.insert(number, waker),
            _ => _ = self.slot(interest).map(|slot| slot.insert(waker)),
        }
    }

    fn remove(&mut self, interest: Interest) -> Option<Waker> {
        match interest {
            Interest::Writer(number) => self.writers.remove(&number),
            _ => self.slot(interest)?.take(),
        }
    }

    fn slot(&mut self, interest: Interest) -> Option<&mut Option<Waker>> {
        self.unnumbered.get_mut(interest.index()?)
    }
}
