//! Who is woken.

use alloc::{sync::Arc, task::Wake, vec::Vec};
use core::{
    mem,
    task::{Context, Waker},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// For writing, and for the clock.
pub(super) fn write_context<'a>(tasks: &'a Option<(Arc<Tasks>, Waker)>, cx: &'a Context<'_>) -> Context<'a> {
    Context::from_waker(tasks.as_ref().map_or_else(|| cx.waker(), |(_, waker)| waker))
}

/// The tasks that wait for one connection.
#[derive(Default)]
pub(super) struct Tasks {
    parked: Mutex<Parked>,
}

#[derive(Default)]
pub(super) struct Parked {
    /// The task that reads. There is one at a time.
    reader: Option<Waker>,
    writers: Vec<Waker>,
    /// A wake came since a half began to poll.
    pub(super) woken: bool,
}

impl Tasks {
    pub(super) fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A wake that came while the half polled is for it too.
    pub(super) fn park(&self, waker: &Waker, reads: bool) {
        let mut parked = self.lock();
        if parked.woken {
            drop(parked);
            waker.wake_by_ref();
        } else if reads {
            parked.reader = Some(waker.clone());
        } else if !parked.writers.iter().any(|other| other.will_wake(waker)) {
            parked.writers.push(waker.clone());
        }
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (reader, writers) = {
            let mut parked = self.lock();
            parked.woken = true;
            (parked.reader.take(), mem::take(&mut parked.writers))
        };
        reader.into_iter().chain(writers).for_each(Waker::wake);
    }
}
