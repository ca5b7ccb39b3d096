//! A world in memory for connections that are polled: pipes, a clock that jumps, and tasks in an order that a seed
//! chooses. It is as strict as the contracts of [`Transport`] and [`Clock`] allow:
//!
//! * a task is polled only after its waker was woken;
//! * each direction of a pipe, and each clock, knows one waker: that of the last call that returned `Pending`. A call that
//!   returns anything else forgets it;
//! * what happens wakes nobody at once: the waker that is known when the seed comes to it is woken.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
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

/// After so many steps a test hangs.
const STEPS: usize = 2_000_000;

pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Random numbers that a seed chooses (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// One direction of a pipe.
#[derive(Debug, Default)]
pub struct Lane {
    bytes: VecDeque<u8>,
    pub capacity: usize,
    /// The writing end is shut.
    pub ended: bool,
    /// The reading end is gone.
    pub deaf: bool,
    /// What reading comes to once the bytes are read.
    pub broken: Option<io::ErrorKind>,
    /// Everything that was ever written.
    pub carried: Vec<u8>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.ended || self.broken.is_some()
    }

    fn is_writable(&self) -> bool {
        self.bytes.len() < self.capacity || self.deaf
    }

    /// How many bytes are on their way.
    pub fn in_flight(&self) -> usize {
        self.bytes.len()
    }

    /// Room for so many bytes, so that nothing is allocated later.
    pub fn reserve(&mut self, len: usize) {
        self.bytes.reserve(len);
        self.carried.reserve(len);
    }

    /// Bytes for the reading end, whatever the capacity.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }
}

/// What a transport does to those who poll it, in percent.
#[derive(Clone, Debug)]
pub struct Moods {
    pub rng: Rng,
    /// How many bytes it takes and gives at most.
    pub most: usize,
    /// `Pending` for no reason.
    pub pending: usize,
    pub interrupted: usize,
}

impl Moods {
    pub fn calm() -> Self {
        Self {
            rng: Rng(0),
            most: usize::MAX,
            pending: 0,
            interrupted: 0,
        }
    }

    pub fn wild(seed: u64) -> Self {
        let mut rng = Rng(seed);
        Self {
            most: [1, 2, 7, 50, 4000][rng.below(5)],
            pending: [0, 20, 60][rng.below(3)],
            interrupted: [0, 20][rng.below(2)],
            rng,
        }
    }

    /// How many bytes a call moves, if it does. For no reason, it does not: the waker is woken at once, or known in `slot`.
    fn ask(&mut self, cx: &Context<'_>, slot: &mut Option<Waker>) -> Poll<io::Result<usize>> {
        let dice = self.rng.below(100);
        if dice < self.pending / 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if dice < self.pending {
            *slot = Some(cx.waker().clone());
            return Poll::Pending;
        }
        *slot = None;
        if dice < self.pending + self.interrupted {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        if self.most == usize::MAX {
            return Poll::Ready(Ok(self.most));
        }
        Poll::Ready(Ok(1 + self.rng.below(self.most)))
    }
}

/// One end of a pipe. Dropped, it takes the pipe down.
#[derive(Debug)]
pub struct End {
    pub input: Rc<RefCell<Lane>>,
    pub output: Rc<RefCell<Lane>>,
    pub moods: Moods,
}

impl Transport for End {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut lane = self.input.borrow_mut();
        let most = match self.moods.ask(cx, &mut lane.reader) {
            Poll::Ready(Ok(most)) => most,
            other => return other,
        };
        if !lane.is_readable() {
            lane.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buf.len().min(most).min(lane.bytes.len());
        if n == 0 {
            return Poll::Ready(lane.broken.map_or(Ok(0), |kind| Err(kind.into())));
        }
        for (slot, byte) in buf.iter_mut().zip(lane.bytes.drain(..n)) {
            *slot = byte;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut lane = self.output.borrow_mut();
        let most = match self.moods.ask(cx, &mut lane.writer) {
            Poll::Ready(Ok(most)) => most,
            other => return other,
        };
        if lane.deaf || lane.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !lane.is_writable() {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = data.len().min(most).min(lane.capacity - lane.bytes.len());
        lane.bytes.extend(&data[..n]);
        lane.carried.extend_from_slice(&data[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.moods.ask(cx, &mut self.output.borrow_mut().writer).map_ok(|_| ())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = self.output.borrow_mut();
        if self.moods.ask(cx, &mut lane.writer).is_pending() {
            return Poll::Pending;
        }
        lane.ended = true;
        Poll::Ready(Ok(()))
    }
}

impl End {
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Reads so many bytes, or to the end.
    pub async fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buf = vec![0; 4096];
        while bytes.len() < len {
            let most = buf.len().min(len - bytes.len());
            match poll_fn(|cx| self.poll_read(cx, &mut buf[..most])).await {
                Ok(0) | Err(_) => break,
                Ok(n) => bytes.extend_from_slice(&buf[..n]),
            }
        }
        bytes
    }

    /// Ends its sending direction alone.
    pub fn half_close(&self) {
        self.output.borrow_mut().ended = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.output.borrow_mut().ended = true;
        self.input.borrow_mut().deaf = true;
    }
}

/// When to wake whom.
type Alarm = Rc<RefCell<Option<(Instant, Waker)>>>;

/// A clock of the world's time.
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

/// What a waker of a task sets.
#[derive(Debug, Default)]
pub struct Flag(pub AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Pipes, clocks, and who runs next.
#[derive(Debug)]
pub struct World {
    rng: Rng,
    now: Rc<Cell<Instant>>,
    lanes: Vec<Rc<RefCell<Lane>>>,
    alarms: Vec<Alarm>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng(seed),
            now: Rc::new(Cell::new(Instant::now())),
            lanes: Vec::new(),
            alarms: Vec::new(),
        }
    }

    /// Two ends, with room for so many bytes from the first to the second, and back.
    pub fn pipe(&mut self, capacities: [usize; 2]) -> (End, End) {
        let [there, back] = capacities.map(|capacity| {
            let lane = Lane {
                capacity,
                ..Lane::default()
            };
            Rc::new(RefCell::new(lane))
        });
        self.lanes.extend([Rc::clone(&there), Rc::clone(&back)]);
        let end = |input: &Rc<_>, output: &Rc<_>| End {
            input: Rc::clone(input),
            output: Rc::clone(output),
            moods: Moods::calm(),
        };
        (end(&back, &there), end(&there, &back))
    }

    pub fn clock(&mut self) -> VirtualClock {
        let alarm = Alarm::default();
        self.alarms.push(Rc::clone(&alarm));
        VirtualClock {
            now: Rc::clone(&self.now),
            alarm,
        }
    }

    /// The time, for those who run in it.
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

    /// Runs all tasks to their ends. The time goes on when there is nothing else to do.
    pub fn run(&mut self, tasks: Vec<Task<'_>>) {
        let mut tasks: Vec<_> = tasks.into_iter().map(Some).collect();
        let flags: Vec<_> = tasks.iter().map(|_| Arc::new(Flag(AtomicBool::new(true)))).collect();
        for _ in 0..STEPS {
            if tasks.iter().all(Option::is_none) {
                return;
            }
            let mut runnable: Vec<usize> = (0..tasks.len())
                .filter(|&n| tasks[n].is_some() && flags[n].0.load(SeqCst))
                .collect();
            let wakers = self.wakers();
            match self.rng.below((runnable.len() + wakers).max(1)) {
                n if n < runnable.len() => {
                    let n = runnable.swap_remove(n);
                    flags[n].0.store(false, SeqCst);
                    let waker = Waker::from(Arc::clone(&flags[n]));
                    let task = tasks[n].as_mut().unwrap();
                    if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                        tasks[n] = None;
                    }
                }
                n if n < runnable.len() + wakers => self.wake(n - runnable.len()),
                _ => assert!(self.advance(), "no task can go on, {} are not done", left(&tasks)),
            }
        }
        panic!("it does not end, {} tasks are not done", left(&tasks));
    }

    /// How many wakers are due.
    fn wakers(&self) -> usize {
        let mut due = 0;
        self.visit(|_| {
            due += 1;
            false
        });
        due
    }

    /// Wakes one that is due.
    fn wake(&self, mut nth: usize) {
        self.visit(|waker| {
            let found = nth == 0;
            nth = nth.wrapping_sub(1);
            if found {
                waker.take().unwrap().wake();
            }
            found
        });
    }

    /// Every waker that is due, until one is the right one.
    fn visit(&self, mut is_it: impl FnMut(&mut Option<Waker>) -> bool) {
        for lane in &self.lanes {
            let lane = &mut *lane.borrow_mut();
            if lane.reader.is_some() && lane.is_readable() && is_it(&mut lane.reader) {
                return;
            }
            if lane.writer.is_some() && lane.is_writable() && is_it(&mut lane.writer) {
                return;
            }
        }
        for alarm in &self.alarms {
            let mut alarm = alarm.borrow_mut();
            if let Some((at, waker)) = alarm.take_if(|(at, _)| *at <= self.now.get()) {
                let mut waker = Some(waker);
                let found = is_it(&mut waker);
                *alarm = waker.map(|waker| (at, waker));
                if found {
                    return;
                }
            }
        }
    }

    /// To the next alarm, if there is one.
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

fn left(tasks: &[Option<Task<'_>>]) -> usize {
    tasks.iter().flatten().count()
}

/// Where futures are dropped.
#[derive(Clone, Copy, Debug)]
pub enum Cancel {
    Never,
    /// When they have returned `Pending` so often.
    After(usize),
    /// At one await point of the whole run.
    Once(usize),
}

/// Awaits futures, and drops them as told.
#[derive(Debug)]
pub struct Canceller {
    pub cancel: Cancel,
    /// Await points passed.
    pub passed: Cell<usize>,
}

impl Canceller {
    pub fn new(cancel: Cancel) -> Self {
        Self {
            cancel,
            passed: Cell::new(0),
        }
    }

    /// `None`: it was dropped.
    pub async fn attempt<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut polled = 0;
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            polled += 1;
            let passed = self.passed.replace(self.passed.get() + 1);
            let is_here = match self.cancel {
                Cancel::Never => false,
                Cancel::After(k) => polled == k,
                Cancel::Once(n) => passed == n,
            };
            if is_here { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        if done.is_none() {
            step().await;
        }
        done
    }

    /// Calls again whenever the future was dropped.
    pub async fn insist<T>(&self, mut call: impl AsyncFnMut() -> T) -> T {
        loop {
            if let Some(done) = self.attempt(call()).await {
                return done;
            }
        }
    }
}

/// Lets others go first.
pub async fn step() {
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
