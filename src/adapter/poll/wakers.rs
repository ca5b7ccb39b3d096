//! The wakers of a connection that is split into halves.
//!
//! A transport keeps one waker for writing and a clock keeps one, but the halves are polled by
//! several tasks: one that reads and any number that write. So the transport and the clock are
//! given a waker that wakes every task that waits.

use alloc::{sync::Arc, task::Wake, vec::Vec};
use core::{
    mem,
    task::{Context, Waker},
};
use std::sync::Mutex;

use crate::adapter::lock;

/// A half of a connection.
#[derive(Clone, Copy)]
pub(super) enum Half {
    Reader,
    Writer,
}

/// A waker for all tasks that wait for the connection.
pub(super) struct SharedWaker {
    tasks: Arc<Tasks>,
    /// Made of `tasks`.
    waker: Waker,
}

impl SharedWaker {
    pub(super) fn new() -> Self {
        let tasks = Arc::new(Tasks::default());
        Self {
            waker: Waker::from(Arc::clone(&tasks)),
            tasks,
        }
    }

    pub(super) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Is called before a half polls the transport or the clock.
    pub(super) fn begin_poll(&self) {
        lock(&self.tasks.0).was_woken = false;
    }

    /// Registers the task of a half that has to wait, after it has polled. A half that does not
    /// wait keeps no waker registered.
    pub(super) fn register(&self, waker: &Waker, half: Half) {
        let mut waiting = lock(&self.tasks.0);
        if waiting.was_woken {
            drop(waiting);
            waker.wake_by_ref();
            return;
        }
        match half {
            Half::Reader => waiting.reader = Some(waker.clone()),
            Half::Writer => {
                if !waiting.writers.iter().any(|writer| writer.will_wake(waker)) {
                    waiting.writers.push(waker.clone());
                }
            }
        }
    }
}

#[derive(Default)]
struct Tasks(Mutex<Waiting>);

/// The tasks that wait.
#[derive(Default)]
struct Waiting {
    reader: Option<Waker>,
    writers: Vec<Waker>,
    /// The waker was woken since a half began to poll. That half must not miss it.
    was_woken: bool,
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (reader, writers) = {
            let mut waiting = lock(&self.0);
            waiting.was_woken = true;
            (waiting.reader.take(), mem::take(&mut waiting.writers))
        };
        reader.into_iter().chain(writers).for_each(Waker::wake);
    }
}

/// Returns the context for writing and for the clock: of the shared waker, if there is one.
pub(super) fn shared_context<'a>(shared: &'a Option<SharedWaker>, cx: &'a Context<'_>) -> Context<'a> {
    Context::from_waker(shared.as_ref().map_or_else(|| cx.waker(), SharedWaker::waker))
}
