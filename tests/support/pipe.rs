//! A deterministic simulation for adapters that are polled: pipes in memory, a virtual clock, and
//! an executor whose order of polls depends on a seed. It is as strict as the contracts of
//! [`Transport`] and [`Clock`] permit:
//!
//! * A task is polled only after its waker was woken.
//! * Each direction of a pipe, and each clock, keeps one waker: that of the last call that returned
//!   `Pending`. A call that returns anything else removes it.
//! * A task that [migrates](Simulation::migrating) has another waker at some polls. Only the waker
//!   of its last poll wakes it.
//! * No event wakes a task at once. The executor chooses with the seed when to wake which of the
//!   kept wakers.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use sockless::adapter::poll::{Clock, Transport};

use crate::random::Rng;

/// The maximum number of steps. A test that needs more hangs.
const MAX_STEPS: usize = 2_000_000;

pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One direction of a pipe.
#[derive(Debug, Default)]
pub struct Channel {
    bytes: VecDeque<u8>,
    pub capacity: usize,
    /// The writing end is closed.
    pub write_closed: bool,
    /// The reading end is dropped.
    pub read_closed: bool,
    /// The error that reading returns after all bytes are read.
    pub read_error: Option<io::ErrorKind>,
    /// All bytes that were ever written.
    pub all_written: Vec<u8>,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

impl Channel {
    fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.write_closed || self.read_error.is_some()
    }

    fn is_writable(&self) -> bool {
        self.bytes.len() < self.capacity || self.read_closed
    }

    /// The number of bytes that are written and not read.
    pub fn in_flight(&self) -> usize {
        self.bytes.len()
    }

    /// Reserves memory for `len` bytes, so that later writes allocate nothing.
    pub fn reserve(&mut self, len: usize) {
        self.bytes.reserve(len);
        self.all_written.reserve(len);
    }

    /// Drops the wakers that are kept.
    pub fn forget_wakers(&mut self) {
        (self.read_waker, self.write_waker) = (None, None);
    }

    /// Writes bytes, whatever the capacity.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }
}

/// The faults that a transport injects. `pending` and `interrupted` are percentages of calls.
#[derive(Clone, Debug)]
pub struct Faults {
    pub rng: Rng,
    /// The maximum number of bytes of a read or a write.
    pub max_len: usize,
    /// Calls that return `Pending` although the transport is ready.
    pub pending: usize,
    pub interrupted: usize,
}

impl Faults {
    pub fn none() -> Self {
        Self {
            rng: Rng(0),
            max_len: usize::MAX,
            pending: 0,
            interrupted: 0,
        }
    }

    /// Now and then, a call is pending or interrupted.
    pub fn slow(max_len: usize, seed: u64) -> Self {
        Self {
            max_len,
            pending: 20,
            interrupted: 5,
            rng: Rng(seed),
        }
    }

    pub fn random(seed: u64) -> Self {
        let mut rng = Rng(seed);
        Self {
            max_len: [1, 2, 7, 50, 4000][rng.below(5)],
            pending: [0, 20, 60][rng.below(3)],
            interrupted: [0, 20][rng.below(2)],
            rng,
        }
    }

    /// The maximum number of bytes of the next call, or an injected `Pending` or error. With an
    /// injected `Pending`, the waker is woken at once or kept in `slot`.
    fn inject(&mut self, cx: &Context<'_>, slot: &mut Option<Waker>) -> Poll<io::Result<usize>> {
        let percent = self.rng.below(100);
        if percent < self.pending / 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if percent < self.pending {
            *slot = Some(cx.waker().clone());
            return Poll::Pending;
        }
        *slot = None;
        if percent < self.pending + self.interrupted {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        if self.max_len == usize::MAX {
            return Poll::Ready(Ok(self.max_len));
        }
        Poll::Ready(Ok(1 + self.rng.below(self.max_len)))
    }
}

/// Whether a transport has vectored writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectored {
    Yes,
    /// It says so, and writes the first slice.
    FirstSlice,
    No,
}

/// One end of a pipe. Dropping it closes the pipe.
#[derive(Debug)]
pub struct PipeEnd {
    pub input: Rc<RefCell<Channel>>,
    pub output: Rc<RefCell<Channel>>,
    pub faults: Faults,
    pub vectored: Vectored,
}

impl Transport for PipeEnd {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut channel = self.input.borrow_mut();
        let max_len = match self.faults.inject(cx, &mut channel.read_waker) {
            Poll::Ready(Ok(max_len)) => max_len,
            other => return other,
        };
        if !channel.is_readable() {
            channel.read_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buf.len().min(max_len).min(channel.bytes.len());
        if n == 0 {
            return Poll::Ready(channel.read_error.map_or(Ok(0), |kind| Err(kind.into())));
        }
        for (slot, byte) in buf.iter_mut().zip(channel.bytes.drain(..n)) {
            *slot = byte;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        assert!(
            self.vectored != Vectored::No || slices.len() == 1,
            "it has no vectored writes"
        );
        let mut channel = self.output.borrow_mut();
        let max_len = match self.faults.inject(cx, &mut channel.write_waker) {
            Poll::Ready(Ok(max_len)) => max_len,
            other => return other,
        };
        if channel.read_closed || channel.write_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !channel.is_writable() {
            channel.write_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let room = max_len.min(channel.capacity - channel.bytes.len());
        let mut written = 0;
        for data in slices {
            let n = data.len().min(room - written);
            channel.bytes.extend(&data[..n]);
            channel.all_written.extend_from_slice(&data[..n]);
            written += n;
            if self.vectored == Vectored::FirstSlice {
                break;
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored != Vectored::No
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.faults
            .inject(cx, &mut self.output.borrow_mut().write_waker)
            .map_ok(|_| ())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut channel = self.output.borrow_mut();
        if self.faults.inject(cx, &mut channel.write_waker).is_pending() {
            return Poll::Pending;
        }
        channel.write_closed = true;
        Poll::Ready(Ok(()))
    }
}

impl PipeEnd {
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Reads `len` bytes, or to the end.
    pub async fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buf = vec![0; 4096];
        while bytes.len() < len {
            let max_len = buf.len().min(len - bytes.len());
            match poll_fn(|cx| self.poll_read(cx, &mut buf[..max_len])).await {
                Ok(0) | Err(_) => break,
                Ok(n) => bytes.extend_from_slice(&buf[..n]),
            }
        }
        bytes
    }

    /// Closes the sending direction only.
    pub fn half_close(&self) {
        self.output.borrow_mut().write_closed = true;
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.output.borrow_mut().write_closed = true;
        self.input.borrow_mut().read_closed = true;
    }
}

/// A time, and the waker to wake then.
type Alarm = Rc<RefCell<Option<(Instant, Waker)>>>;

/// A clock with the time of the simulation.
#[derive(Debug)]
pub struct VirtualClock {
    now: Rc<Cell<Instant>>,
    alarm: Alarm,
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.borrow_mut();
        *alarm = None;
        if at <= self.now.get() {
            return Poll::Ready(());
        }
        *alarm = Some((at, cx.waker().clone()));
        Poll::Pending
    }
}

impl VirtualClock {
    pub async fn sleep(&mut self, duration: Duration) {
        let at = self.now.get() + duration;
        poll_fn(|cx| self.poll_until(at, cx)).await;
    }
}

/// The waker of a task, which sets a flag.
#[derive(Debug, Default)]
pub struct WakeFlag(pub AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// The pipes, the clocks, and the executor.
#[derive(Debug)]
pub struct Simulation {
    rng: Rng,
    now: Rc<Cell<Instant>>,
    channels: Vec<Rc<RefCell<Channel>>>,
    alarms: Vec<Alarm>,
    /// Tasks are polled with another waker now and then.
    migrates: bool,
}

impl Simulation {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng(seed),
            now: Rc::new(Cell::new(Instant::now())),
            channels: Vec::new(),
            alarms: Vec::new(),
            migrates: false,
        }
    }

    /// Tasks migrate: each poll may have a waker of its own. Wakers of earlier polls wake nobody.
    pub fn migrating(mut self, migrates: bool) -> Self {
        self.migrates = migrates;
        self
    }

    /// The two ends of a pipe. `capacities` are those of the direction from the first end to the
    /// second, and of the other direction.
    pub fn pipe(&mut self, capacities: [usize; 2]) -> (PipeEnd, PipeEnd) {
        let [forward, back] = capacities.map(|capacity| {
            let channel = Channel {
                capacity,
                ..Channel::default()
            };
            Rc::new(RefCell::new(channel))
        });
        self.channels.extend([Rc::clone(&forward), Rc::clone(&back)]);
        let end = |input: &Rc<_>, output: &Rc<_>| PipeEnd {
            input: Rc::clone(input),
            output: Rc::clone(output),
            faults: Faults::none(),
            vectored: Vectored::Yes,
        };
        (end(&back, &forward), end(&forward, &back))
    }

    pub fn clock(&mut self) -> VirtualClock {
        let alarm = Alarm::default();
        self.alarms.push(Rc::clone(&alarm));
        VirtualClock {
            now: Rc::clone(&self.now),
            alarm,
        }
    }

    /// Returns the time of the simulation, for use in tasks.
    pub fn time(&self) -> impl Fn() -> Instant + Clone + use<> {
        let now = Rc::clone(&self.now);
        move || now.get()
    }

    /// Runs one task to its end.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        self.run(vec![Box::pin(async { output = Some(future.await) })]);
        output.unwrap()
    }

    /// Runs all tasks to their ends. The time advances only if no task is runnable and no waker is
    /// due.
    pub fn run(&mut self, tasks: Vec<Task<'_>>) {
        let mut tasks: Vec<_> = tasks.into_iter().map(Some).collect();
        let mut flags: Vec<_> = tasks
            .iter()
            .map(|_| Arc::new(WakeFlag(AtomicBool::new(true))))
            .collect();
        for _ in 0..MAX_STEPS {
            if tasks.iter().all(Option::is_none) {
                return;
            }
            let mut runnable: Vec<usize> = (0..tasks.len())
                .filter(|&n| tasks[n].is_some() && flags[n].0.load(SeqCst))
                .collect();
            let wakers = self.due_wakers();
            match self.rng.below((runnable.len() + wakers).max(1)) {
                n if n < runnable.len() => {
                    let n = runnable.swap_remove(n);
                    if self.migrates && self.rng.below(2) == 0 {
                        flags[n] = Arc::new(WakeFlag::default());
                    }
                    flags[n].0.store(false, SeqCst);
                    let waker = Waker::from(Arc::clone(&flags[n]));
                    let task = tasks[n].as_mut().unwrap();
                    if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                        tasks[n] = None;
                    }
                }
                n if n < runnable.len() + wakers => self.wake(n - runnable.len()),
                _ => assert!(self.advance(), "deadlock: {} tasks are unfinished", unfinished(&tasks)),
            }
        }
        panic!("too many steps: {} tasks are unfinished", unfinished(&tasks));
    }

    /// The number of wakers that are due.
    fn due_wakers(&self) -> usize {
        let mut due = 0;
        self.visit_due_wakers(|_| {
            due += 1;
            false
        });
        due
    }

    /// Wakes the `nth` waker that is due.
    fn wake(&self, mut nth: usize) {
        self.visit_due_wakers(|waker| {
            let found = nth == 0;
            nth = nth.wrapping_sub(1);
            if found {
                waker.take().unwrap().wake();
            }
            found
        });
    }

    /// Calls `select` with each waker that is due, until it returns true.
    fn visit_due_wakers(&self, mut select: impl FnMut(&mut Option<Waker>) -> bool) {
        for channel in &self.channels {
            let channel = &mut *channel.borrow_mut();
            if channel.read_waker.is_some() && channel.is_readable() && select(&mut channel.read_waker) {
                return;
            }
            if channel.write_waker.is_some() && channel.is_writable() && select(&mut channel.write_waker) {
                return;
            }
        }
        for alarm in &self.alarms {
            let mut alarm = alarm.borrow_mut();
            if let Some((at, waker)) = alarm.take_if(|(at, _)| *at <= self.now.get()) {
                let mut waker = Some(waker);
                let found = select(&mut waker);
                *alarm = waker.map(|waker| (at, waker));
                if found {
                    return;
                }
            }
        }
    }

    /// Advances the time to the next alarm, if there is one.
    fn advance(&self) -> bool {
        let next = self
            .alarms
            .iter()
            .filter_map(|alarm| alarm.borrow().as_ref().map(|(at, _)| *at))
            .min();
        if let Some(at) = next {
            self.now.set(at);
        }
        next.is_some()
    }
}

fn unfinished(tasks: &[Option<Task<'_>>]) -> usize {
    tasks.iter().flatten().count()
}

/// When a future is dropped.
#[derive(Clone, Copy, Debug)]
pub enum Cancel {
    Never,
    /// Each future, after it has returned `Pending` this often.
    After(usize),
    /// One future, at this await point of the whole run.
    Once(usize),
}

/// Awaits futures, and drops them at chosen await points.
#[derive(Debug)]
pub struct Canceller {
    pub cancel: Cancel,
    /// The number of await points so far.
    pub await_points: Cell<usize>,
}

impl Canceller {
    pub fn new(cancel: Cancel) -> Self {
        Self {
            cancel,
            await_points: Cell::new(0),
        }
    }

    /// Awaits `future`. Returns `None` if it was dropped.
    pub async fn attempt<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut pending_polls = 0;
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            pending_polls += 1;
            let await_points = self.await_points.replace(self.await_points.get() + 1);
            let is_cancelled = match self.cancel {
                Cancel::Never => false,
                Cancel::After(count) => pending_polls == count,
                Cancel::Once(n) => await_points == n,
            };
            if is_cancelled { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        if done.is_none() {
            yield_now().await;
        }
        done
    }

    /// Calls `call` again whenever its future was dropped.
    pub async fn retry<T>(&self, mut call: impl AsyncFnMut() -> T) -> T {
        loop {
            if let Some(done) = self.attempt(call()).await {
                return done;
            }
        }
    }
}

/// Yields to the other tasks once.
pub async fn yield_now() {
    let mut first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
