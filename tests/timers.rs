//! Deadlines, on a virtual clock: of [`Timers`] alone against a slow and obvious model, and of two ends whose network is
//! slow, silent or hostile.

use std::{
    collections::VecDeque,
    fmt::Debug,
    ops::{Add, Sub},
    time::{Duration, Instant},
};

use proptest::{collection::vec, option, prelude::*};
use sockless::{
    CloseCode, Config, Delivery, Event, MessageKind, Role, State, Teardown,
    timers::{Due, Timeouts, Timers},
};
use support::{
    frame,
    pair::{End, Pair},
};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// What an instant has to be able to do.
trait Moment: Copy + Ord + Debug + Add<Duration, Output = Self> + Sub<Output = Duration> {}

impl<I: Copy + Ord + Debug + Add<Duration, Output = I> + Sub<Output = Duration>> Moment for I {}

/// An instant that can do nothing else, and that minds to be subtracted from an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bare(u128);

impl Add<Duration> for Bare {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time.as_nanos())
    }
}

impl Sub for Bare {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        let nanos = self.0.checked_sub(earlier.0).expect("a time that is not negative");
        Duration::from_nanos(u64::try_from(nanos).unwrap())
    }
}

/// So many cases. What fails is shrunk and shown; nothing is written into the tree.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// All of them: handshake, ping, pong, idle, close.
fn five([handshake, ping, pong, idle, close]: [Option<Duration>; 5]) -> Timeouts {
    Timeouts::none()
        .handshake(handshake)
        .ping(ping)
        .pong(pong)
        .idle(idle)
        .close(close)
}

/// What a caller does that hears `None` in the end, and soon.
fn drain<I: Moment>(timers: &mut Timers<I>, now: I) -> Vec<Due> {
    let mut due = Vec::new();
    while let Some(next) = timers.handle_timeout(now) {
        due.push(next);
        assert!(due.len() <= 3, "no end of {due:?}");
    }
    assert!(timers.poll_timeout().is_none_or(|at| at > now), "asked, and still due");
    due
}

/// A connection open since `now`.
fn opened<I: Moment>(timeouts: Timeouts, now: I) -> Timers<I> {
    let mut timers = Timers::new(timeouts, now);
    timers.opened(now);
    timers
}

/// The Ping that is due now, and nothing else.
fn ping<I: Moment>(timers: &mut Timers<I>, now: I) -> [u8; 8] {
    match drain(timers, now)[..] {
        [Due::Ping(payload)] => payload,
        ref other => panic!("{other:?}"),
    }
}

// The model: it counts ticks, and has no instants.

#[derive(Clone, Copy, Debug)]
enum Action {
    Opened,
    Received,
    Written,
    /// A Pong for the last Ping, or the one before, or the one after.
    Pong(i64),
    /// A Pong of another length.
    Noise,
    Closing,
    Closed,
    /// A caller that does not keep the deadlines asks at these times only.
    Ask,
}

/// The timeouts in ticks: handshake, ping, pong, idle, close.
type Ticks = [Option<u64>; 5];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Closing,
    Over,
}

/// Ages, in ticks.
struct Model {
    timeouts: Ticks,
    stage: Stage,
    in_stage: u64,
    since_message: u64,
    since_sign_of_life: u64,
    since_ping: Option<u64>,
    is_idle: bool,
    pings: u64,
}

impl Model {
    const fn new(timeouts: Ticks) -> Self {
        Self {
            timeouts,
            stage: Stage::Opening,
            in_stage: 0,
            since_message: 0,
            since_sign_of_life: 0,
            since_ping: None,
            is_idle: false,
            pings: 0,
        }
    }

    fn tick(&mut self) {
        self.in_stage += 1;
        self.since_message += 1;
        self.since_sign_of_life += 1;
        self.since_ping = self.since_ping.map(|age| age + 1);
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.in_stage = 0;
        self.since_message = 0;
        self.since_sign_of_life = 0;
    }

    /// The round-trip time in ticks, if that is what the action yields.
    fn act(&mut self, action: Action) -> Option<u64> {
        match (action, self.stage) {
            (Action::Opened, Stage::Opening) => self.enter(Stage::Open),
            (Action::Received, Stage::Open) => {
                self.since_message = 0;
                self.since_sign_of_life = 0;
                self.is_idle = false;
            }
            (Action::Written, Stage::Open) => self.since_sign_of_life = 0,
            (Action::Pong(0), Stage::Open) if self.since_ping.is_some() => {
                self.since_sign_of_life = 0;
                return self.since_ping.take();
            }
            (Action::Closing, Stage::Opening | Stage::Open) => self.enter(Stage::Closing),
            (Action::Closed, _) => self.enter(Stage::Over),
            _ => {}
        }
        None
    }

    /// What is most overdue.
    fn ask(&mut self) -> Option<Due> {
        let [handshake, ping, pong, idle, close] = self.timeouts;
        let awaits_pong = self.since_ping.is_some();
        let waits = match self.stage {
            Stage::Opening => vec![(self.in_stage, handshake, Due::Handshake)],
            Stage::Closing => vec![(self.in_stage, close, Due::Close)],
            Stage::Over => vec![],
            Stage::Open => vec![
                (self.since_message, idle.filter(|_| !self.is_idle), Due::Idle),
                (
                    self.since_sign_of_life,
                    ping.filter(|_| !awaits_pong),
                    Due::Ping((self.pings + 1).to_be_bytes()),
                ),
                (
                    self.since_sign_of_life.min(self.since_ping.unwrap_or(0)),
                    pong.filter(|_| awaits_pong),
                    Due::Pong,
                ),
            ],
        };
        let mut most: Option<(u64, Due)> = None;
        for (age, timeout, due) in waits {
            let Some(overdue) = timeout.and_then(|timeout| age.checked_sub(timeout)) else {
                continue;
            };
            if most.is_none_or(|(before, _)| overdue > before) {
                most = Some((overdue, due));
            }
        }
        let (_, due) = most?;
        match due {
            Due::Ping(_) => {
                self.pings += 1;
                self.since_ping = Some(0);
            }
            Due::Idle => self.is_idle = true,
            Due::Handshake | Due::Pong | Due::Close => self.stage = Stage::Over,
        }
        Some(due)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Due(Due),
    /// How many ticks a Pong took.
    RoundTrip(u64),
}

/// What happened, and in which tick.
type Trace = Vec<(u64, Seen)>;

/// When a caller asks what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// When `poll_timeout` says so.
    Punctual,
    /// All the time, several times, and with times of the past.
    Restless,
    /// When it comes to its mind.
    Late,
}

#[derive(Clone, Debug)]
struct Script {
    timeouts: Ticks,
    /// Each action with the ticks that pass before it.
    actions: Vec<(u64, Action)>,
}

impl Script {
    /// The ticks, each with its actions; a while without any at the end.
    fn ticks(&self) -> Vec<Vec<Action>> {
        let mut ticks = vec![Vec::new()];
        for (delay, action) in &self.actions {
            ticks.extend((0..*delay).map(|_| Vec::new()));
            ticks.last_mut().unwrap().push(*action);
        }
        ticks.extend((0..60).map(|_| Vec::new()));
        ticks
    }

    fn model(&self, caller: Caller) -> Trace {
        let mut model = Model::new(self.timeouts);
        let mut trace = Trace::new();
        for (tick, actions) in (0..).zip(self.ticks()) {
            if tick > 0 {
                model.tick();
            }
            // The time itself is the first thing that happens.
            for action in [None].into_iter().chain(actions.into_iter().map(Some)) {
                if let Some(action) = action {
                    trace.extend(model.act(action).map(|took| (tick, Seen::RoundTrip(took))));
                }
                if caller != Caller::Late || matches!(action, Some(Action::Ask)) {
                    while let Some(due) = model.ask() {
                        trace.push((tick, Seen::Due(due)));
                    }
                }
            }
        }
        trace
    }

    /// The same with `Timers`, a tick being a millisecond.
    fn play<I: Moment>(&self, start: I, caller: Caller) -> Trace {
        let timeouts = five(self.timeouts.map(|ticks| ticks.map(millis)));
        let mut timers = Timers::new(timeouts, start);
        let mut trace = Trace::new();
        let mut last_ping = 0_u64;
        for (tick, actions) in (0..).zip(self.ticks()) {
            let now = start + millis(tick);
            for action in [None].into_iter().chain(actions.into_iter().map(Some)) {
                match action {
                    None | Some(Action::Ask) => {}
                    Some(Action::Opened) => timers.opened(now),
                    Some(Action::Received) => timers.received(now),
                    Some(Action::Written) => timers.written(now),
                    Some(Action::Pong(offset)) => {
                        let payload = last_ping.wrapping_add_signed(offset).to_be_bytes();
                        let took = timers.pong(&payload, now);
                        if let Some(took) = took {
                            assert_eq!(timers.round_trip(), Some(took));
                            trace.push((tick, Seen::RoundTrip(u64::try_from(took.as_millis()).unwrap())));
                        }
                    }
                    Some(Action::Noise) => {
                        for payload in [&b""[..], b"?", &[0; 9], &last_ping.to_be_bytes()[1..]] {
                            assert_eq!(timers.pong(payload, now), None);
                        }
                    }
                    Some(Action::Closing) => timers.closing(now),
                    Some(Action::Closed) => timers.closed(),
                }
                let is_due = timers.poll_timeout().is_some_and(|at| at <= now);
                let mut due = Vec::new();
                match caller {
                    Caller::Punctual if is_due => due = drain(&mut timers, now),
                    Caller::Late if matches!(action, Some(Action::Ask)) => due = drain(&mut timers, now),
                    Caller::Punctual | Caller::Late => {}
                    Caller::Restless => {
                        for past in (0..tick).rev().take(7).chain([0]).filter(|past| *past < tick) {
                            assert_eq!(timers.handle_timeout(start + millis(past)), None, "early");
                        }
                        for _ in 0..3 {
                            due.extend(drain(&mut timers, now));
                        }
                        assert_eq!(is_due, !due.is_empty(), "poll_timeout knows");
                    }
                }
                for due in due {
                    if let Due::Ping(payload) = due {
                        last_ping = u64::from_be_bytes(payload);
                    }
                    trace.push((tick, Seen::Due(due)));
                }
            }
        }
        trace
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => Just(Action::Opened),
        8 => Just(Action::Received),
        8 => Just(Action::Written),
        12 => Just(Action::Pong(0)),
        4 => Just(Action::Pong(-1)),
        4 => Just(Action::Pong(1)),
        2 => Just(Action::Noise),
        1 => Just(Action::Closing),
        1 => Just(Action::Closed),
        12 => Just(Action::Ask),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let timeout = || option::weighted(0.8, 0..16_u64);
    (
        [timeout(), timeout(), timeout(), timeout(), timeout()],
        option::weighted(0.8, 0..8_u64),
        vec((0..12_u64, action()), 0..40),
    )
        .prop_map(|(timeouts, opened, mut actions)| {
            if let Some(delay) = opened {
                actions.insert(0, (delay, Action::Opened));
            }
            Script { timeouts, actions }
        })
}

proptest! {
    #![proptest_config(cases(400))]

    /// Every deadline comes due once, at its time and never earlier, for one who asks when `poll_timeout` says so.
    #[test]
    fn each_deadline_comes_once_and_at_its_time(script in script()) {
        let trace = script.play(Duration::ZERO, Caller::Punctual);
        prop_assert_eq!(&trace, &script.model(Caller::Punctual));
        let mut is_waiting = false;
        let mut is_over = false;
        for (_, seen) in trace {
            prop_assert!(!is_over, "{seen:?} after the last");
            match seen {
                Seen::Due(Due::Ping(_)) => prop_assert!(!std::mem::replace(&mut is_waiting, true), "a second Ping"),
                Seen::RoundTrip(_) => prop_assert!(std::mem::replace(&mut is_waiting, false), "a Pong for nothing"),
                Seen::Due(Due::Pong) => is_over = is_waiting,
                Seen::Due(Due::Handshake | Due::Close) => is_over = true,
                Seen::Due(Due::Idle) => {}
            }
        }
    }

    /// For one who asks late, everything comes late, and nothing else changes.
    #[test]
    fn late_calls_are_as_the_model_says(script in script()) {
        prop_assert_eq!(script.play(Duration::ZERO, Caller::Late), script.model(Caller::Late));
    }

    /// Calls at other times, however many and also with times of the past, add nothing and move nothing.
    #[test]
    fn spurious_calls_add_nothing(script in script()) {
        prop_assert_eq!(script.play(Duration::ZERO, Caller::Restless), script.play(Duration::ZERO, Caller::Punctual));
    }

    /// The kind of instant makes no difference, nor does where it begins.
    #[test]
    fn any_instant_will_do(script in script()) {
        let expected = script.play(Duration::ZERO, Caller::Punctual);
        prop_assert_eq!(&script.play(100 * YEAR, Caller::Punctual), &expected);
        prop_assert_eq!(&script.play(Instant::now(), Caller::Punctual), &expected);
        prop_assert_eq!(&script.play(Bare(0), Caller::Punctual), &expected);
        prop_assert_eq!(&script.play(Bare(u128::from(u64::MAX)), Caller::Punctual), &expected);
    }

    /// A clock that jumps in both directions does no harm: what `poll_timeout` says is due, and it ends.
    #[test]
    fn a_bad_clock_does_no_harm(
        timeouts in vec(option::of(0..9_u64), 5),
        steps in vec((prop_oneof![4 => 0..40_u64, 1 => Just(u64::from(u32::MAX))], action()), 1..60),
    ) {
        let timeouts = five(std::array::from_fn(|index| timeouts[index].map(seconds)));
        let mut timers = Timers::new(timeouts, Bare(0) + seconds(20));
        for (now, action) in steps {
            let now = Bare(0) + seconds(now);
            let before = timers.round_trip();
            match action {
                Action::Opened => timers.opened(now),
                Action::Received => timers.received(now),
                Action::Written => timers.written(now),
                Action::Pong(offset) => {
                    for payload in (0..9_u64).map(|payload| payload.wrapping_add_signed(offset)) {
                        let took = timers.pong(&payload.to_be_bytes(), now);
                        prop_assert!(took.is_none() || timers.round_trip() == took);
                    }
                }
                Action::Noise => prop_assert_eq!(timers.pong(b"", now), None),
                Action::Closing => timers.closing(now),
                Action::Closed => timers.closed(),
                Action::Ask => {
                    let is_due = timers.poll_timeout().is_some_and(|at| at <= now);
                    prop_assert_eq!(!drain(&mut timers, now).is_empty(), is_due);
                }
            }
            prop_assert!(matches!(action, Action::Pong(_)) || timers.round_trip() == before);
        }
    }
}

/// A clock that goes backwards brings nothing forward, and a Pong before its Ping took no time.
#[test]
fn time_that_goes_backwards_moves_no_deadline() {
    let mut timers = opened(Timeouts::default(), Bare(0) + seconds(100));
    timers.received(Bare(0) + seconds(50));
    assert_eq!(timers.poll_timeout(), Some(Bare(0) + seconds(120)));
    let payload = ping(&mut timers, Bare(0) + seconds(120));
    assert_eq!(timers.handle_timeout(Bare(0)), None);
    timers.received(Bare(0));
    assert_eq!(timers.poll_timeout(), Some(Bare(0) + seconds(140)));
    timers.received(Bare(0) + seconds(130));
    assert_eq!(timers.pong(&payload, Bare(0) + seconds(119)), Some(Duration::ZERO));
    assert_eq!(timers.poll_timeout(), Some(Bare(0) + seconds(150)));
}

/// While the time stands still, everything comes once.
#[test]
fn time_that_stands_still_brings_nothing_twice() {
    let mut timers = opened(Timeouts::default(), seconds(0));
    let payload = ping(&mut timers, seconds(20));
    for _ in 0..1000 {
        assert_eq!(timers.handle_timeout(seconds(20)), None);
        timers.received(seconds(20));
    }
    assert_eq!(timers.pong(&payload, seconds(20)), Some(Duration::ZERO));
    assert_eq!(timers.handle_timeout(seconds(20)), None);
    assert_eq!(timers.poll_timeout(), Some(seconds(40)));
}

/// After a long sleep there is one Ping and not several, and its Pong has the full time.
#[test]
fn after_a_long_sleep_comes_one_ping() {
    let mut timers = opened(Timeouts::default(), seconds(0));
    let payload = ping(&mut timers, seconds(10_000));
    assert_eq!(timers.poll_timeout(), Some(seconds(10_020)));
    assert_eq!(drain(&mut timers, seconds(10_019)), []);
    let mut other = timers.clone();
    assert_eq!(drain(&mut other, seconds(10_020)), [Due::Pong]);
    assert_eq!(other.poll_timeout(), None);
    assert_eq!(timers.pong(&payload, seconds(10_019)), Some(seconds(19)));
    assert_eq!(timers.poll_timeout(), Some(seconds(10_039)));
}

/// The round-trip time is that of the Pong that answers the last Ping; any other changes nothing.
#[test]
fn the_round_trip_is_that_of_the_matching_pong() {
    let mut timers = opened(Timeouts::default(), seconds(0));
    let guess = 1_u64.to_be_bytes();
    assert_eq!(timers.pong(&guess, seconds(19)), None, "before the Ping");
    assert_eq!(timers.poll_timeout(), Some(seconds(20)));
    let first = ping(&mut timers, seconds(20));
    assert_eq!(timers.round_trip(), None);
    let long = [&first[..], b"!"].concat();
    for other in [
        &b""[..],
        b"?",
        &first[1..],
        &long,
        &2_u64.to_be_bytes(),
        &[0; 8],
        &[0xFF; 125],
    ] {
        assert_eq!(timers.pong(other, seconds(21)), None, "{other:?}");
        assert_eq!(timers.poll_timeout(), Some(seconds(40)), "{other:?}");
    }
    // A message proves life and ends no measurement.
    timers.received(seconds(22));
    let took = Duration::new(3, 141_592_653);
    assert_eq!(timers.pong(&first, seconds(20) + took), Some(took));
    assert_eq!(timers.round_trip(), Some(took));
    assert_eq!(timers.pong(&first, seconds(24)), None, "a second time");
    assert_eq!(timers.poll_timeout(), Some(seconds(40) + took));

    let second = ping(&mut timers, seconds(50));
    assert_ne!(first, second);
    assert_eq!(timers.pong(&first, seconds(51)), None, "an old one");
    assert_eq!(timers.round_trip(), Some(took), "the last that is known");
    assert_eq!(timers.pong(&second, seconds(52)), Some(seconds(2)));
    assert_eq!(timers.round_trip(), Some(seconds(2)));
}

/// The longest timeouts are no more than a time that nobody lives to see.
#[test]
fn the_longest_timeouts_do_not_overflow() {
    fn all<I: Moment>(start: I) {
        for timeout in [
            Duration::MAX,
            Duration::from_secs(u64::MAX),
            Duration::from_secs(i64::MAX as u64),
            99 * YEAR,
        ] {
            let timeouts = Timeouts::none()
                .handshake(timeout)
                .ping(timeout)
                .idle(timeout)
                .close(timeout);
            let mut timers = Timers::new(timeouts, start);
            let check = |timers: &mut Timers<I>, since: I| {
                assert!(timers.poll_timeout().unwrap() >= since + 99 * YEAR);
                assert_eq!(timers.handle_timeout(since + 98 * YEAR), None);
            };
            check(&mut timers, start);
            timers.opened(start + YEAR);
            check(&mut timers, start + YEAR);
            timers.received(start + 2 * YEAR);
            check(&mut timers, start + 2 * YEAR);
            timers.closing(start + 3 * YEAR);
            check(&mut timers, start + 3 * YEAR);

            let timeouts = timeouts.ping(Duration::ZERO).pong(timeout).idle(None);
            let mut timers = opened(timeouts, start);
            ping(&mut timers, start + YEAR);
            check(&mut timers, start + YEAR);
        }
    }
    all(Instant::now());
    all(Instant::now() + 100 * YEAR);
    all(Duration::ZERO);
    all(10_000 * YEAR);
    all(Bare(u128::from(u64::MAX)));
}

/// What is not set never comes, in no part of a connection's life; and zero comes at once, once.
#[test]
fn none_never_comes_and_zero_at_once() {
    let choices = [None, Some(Duration::ZERO), Some(SECOND)];
    for number in 0..3_usize.pow(5) {
        none_and_zero([1, 3, 9, 27, 81].map(|power| choices[number / power % 3]));
    }
}

fn none_and_zero(timeouts: [Option<Duration>; 5]) {
    let [handshake, ping, pong, idle, close] = timeouts;
    let now = seconds(7);
    let at_once = |timeout: Option<Duration>, due: Due| timeout.filter(Duration::is_zero).map(|_| due);
    let far = now + 1000 * YEAR;

    // Opening
    let mut timers = Timers::new(five(timeouts), now);
    assert_eq!(timers.poll_timeout(), handshake.map(|timeout| now + timeout));
    let expected = Vec::from_iter(at_once(handshake, Due::Handshake));
    assert_eq!(drain(&mut timers.clone(), now), expected);
    let expected = Vec::from_iter(handshake.map(|_| Due::Handshake));
    assert_eq!(drain(&mut timers.clone(), far), expected);

    // Open
    timers.opened(now);
    let first_ping = at_once(ping, Due::Ping(1_u64.to_be_bytes()));
    let first_pong = at_once(pong, Due::Pong).filter(|_| first_ping.is_some());
    let first_idle = at_once(idle, Due::Idle);
    let expected: Vec<Due> = [first_idle, first_ping, first_pong].into_iter().flatten().collect();
    let mut open = timers.clone();
    assert_eq!(drain(&mut open, now), expected);
    let mut all = expected;
    all.extend(drain(&mut open, far));
    all.extend(drain(&mut open, far + SECOND));
    let expects = |timeout: Option<Duration>, due: fn(&Due) -> bool| {
        assert_eq!(
            all.iter().filter(|seen| due(seen)).count(),
            usize::from(timeout.is_some()),
            "{timeouts:?}"
        );
    };
    expects(ping, |due| matches!(due, Due::Ping(_)));
    expects(ping.and(pong), |due| *due == Due::Pong);
    // A peer that is given up is not idle as well, if that comes first.
    if ping.is_none() || pong.is_none() {
        expects(idle, |due| *due == Due::Idle);
    }

    // Closing
    timers.closing(now);
    assert_eq!(timers.poll_timeout(), close.map(|timeout| now + timeout));
    let expected = Vec::from_iter(at_once(close, Due::Close));
    assert_eq!(drain(&mut timers.clone(), now), expected);
    let expected = Vec::from_iter(close.map(|_| Due::Close));
    assert_eq!(drain(&mut timers.clone(), far), expected);

    // Over
    timers.closed();
    assert_eq!(timers.poll_timeout(), None);
    assert_eq!(timers.handle_timeout(far), None);
}

// Two ends and a network.

/// Pings after ten seconds, waits as long again for a Pong.
fn watchful() -> Timeouts {
    Timeouts::none()
        .handshake(seconds(10))
        .ping(seconds(10))
        .pong(seconds(12))
        .close(seconds(5))
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// One end, its deadlines, and what the network still has for it.
struct Side {
    end: End,
    timers: Timers<Duration>,
    /// Arrivals; `None` is the end of the stream.
    wire: VecDeque<(Duration, Option<Vec<u8>>)>,
    due: Vec<(Duration, Due)>,
    round_trips: Vec<Duration>,
    /// Bytes sent.
    sent: usize,
    /// When something last came that proves the peer alive.
    proof: Duration,
    /// Nothing that arrives is let through.
    is_deaf: bool,
    /// Does not close the transport when it should.
    lingers: bool,
    /// Does nothing until then.
    asleep: Duration,
    has_ended: bool,
    /// It dropped the transport.
    is_gone: bool,
}

struct Net {
    sides: [Side; 2],
    now: Duration,
    delay: Duration,
}

impl Net {
    /// A client and a server before the handshake, at the time zero.
    fn connecting(config: &Config, timeouts: [Timeouts; 2], delay: Duration) -> Self {
        let Pair { client, server, .. } = Pair::connecting(config.clone(), config.clone());
        let side = |end, timeouts| Side {
            end,
            timers: Timers::new(timeouts, Duration::ZERO),
            wire: VecDeque::new(),
            due: Vec::new(),
            round_trips: Vec::new(),
            sent: 0,
            proof: Duration::ZERO,
            is_deaf: false,
            lingers: false,
            asleep: Duration::ZERO,
            has_ended: false,
            is_gone: false,
        };
        let mut net = Self {
            sides: [side(client, timeouts[CLIENT]), side(server, timeouts[SERVER])],
            now: Duration::ZERO,
            delay,
        };
        net.flush();
        net
    }

    /// The same when both know that they are connected.
    fn open(config: &Config, timeouts: [Timeouts; 2], delay: Duration) -> Self {
        let mut net = Self::connecting(config, timeouts, delay);
        net.run(2 * delay);
        for side in &net.sides {
            assert_eq!(side.end.engine.state(), State::Open);
        }
        net
    }

    /// An open pair of which only the server watches the time, with no delay.
    fn watched(config: &Config) -> Self {
        Self::open(config, [Timeouts::none(), watchful()], Duration::ZERO)
    }

    fn flush(&mut self) {
        for from in [CLIENT, SERVER] {
            let bytes = self.sides[from].end.take(usize::MAX);
            if !bytes.is_empty() && !self.sides[from].has_ended {
                self.sides[from].sent += bytes.len();
                self.put(1 - from, Some(bytes));
            }
        }
    }

    fn put(&mut self, to: usize, bytes: Option<Vec<u8>>) {
        self.sides[to].wire.push_back((self.now + self.delay, bytes));
    }

    fn hang_up(&mut self, side: usize) {
        self.flush();
        if !self.sides[side].has_ended {
            self.sides[side].has_ended = true;
            self.put(1 - side, None);
        }
    }

    /// A caller does something with its engine.
    fn with(&mut self, side: usize, act: impl FnOnce(&mut End)) {
        act(&mut self.sides[side].end);
        self.tell(side);
    }

    /// Tells the timers what the table of their module says.
    fn tell(&mut self, index: usize) {
        let now = self.now;
        let side = &mut self.sides[index];
        for event in side.end.take_events() {
            match event {
                Event::Request(_) | Event::Open(_) => {
                    side.timers.opened(now);
                    side.proof = now;
                }
                Event::Text(_) | Event::Binary(_) | Event::Chunk(_) => {
                    side.timers.received(now);
                    side.proof = now;
                }
                Event::Pong(payload) => {
                    if let Some(took) = side.timers.pong(&payload, now) {
                        side.round_trips.push(took);
                        side.proof = now;
                    }
                }
                Event::Ping(_) | Event::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if matches!(side.end.engine.state(), State::Closing | State::Closed) {
            side.timers.closing(now);
        }
        if side.end.engine.teardown() == Some(Teardown::Close) && !side.lingers {
            self.hang_up(index);
        }
    }

    fn arrive(&mut self, index: usize, bytes: Option<Vec<u8>>) {
        let side = &mut self.sides[index];
        if side.is_deaf || side.is_gone {
            return;
        }
        if let Some(mut bytes) = bytes {
            let before = side.end.engine.assembled_len();
            side.end.receive(&mut bytes);
            if side.end.engine.assembled_len() > before {
                side.timers.received(self.now);
                side.proof = self.now;
            }
            self.tell(index);
        } else {
            let _lost = side.end.engine.receive_eof();
            side.timers.closed();
            self.hang_up(index);
        }
    }

    fn obey(&mut self, index: usize, due: Due) {
        let side = &mut self.sides[index];
        side.due.push((self.now, due));
        match due {
            Due::Ping(payload) => side.end.engine.ping(&payload, &mut side.end.out).unwrap(),
            Due::Idle => {
                let away = CloseCode::GOING_AWAY;
                side.end.engine.close(away, "", &mut side.end.out).unwrap();
                self.tell(index);
            }
            Due::Handshake | Due::Pong | Due::Close => {
                side.is_gone = true;
                self.hang_up(index);
            }
        }
    }

    /// Lets the time pass until then.
    fn run(&mut self, until: Duration) {
        let mut turns = 0..100_000;
        loop {
            turns.next().expect("an end");
            self.flush();
            let next = |side: &Side| {
                let arrival = side.wire.front().map(|(at, _)| *at);
                let timeout = side.timers.poll_timeout();
                Some(arrival.into_iter().chain(timeout).min()?.max(side.asleep))
            };
            match self.sides.iter().filter_map(next).min() {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => break,
            }
            for index in [CLIENT, SERVER] {
                let now = self.now;
                if self.sides[index].asleep > now {
                    continue;
                }
                while self.sides[index].wire.front().is_some_and(|(at, _)| *at <= now) {
                    let (_, bytes) = self.sides[index].wire.pop_front().unwrap();
                    self.arrive(index, bytes);
                }
                while let Some(due) = self.sides[index].timers.handle_timeout(now) {
                    turns.next().expect("an end");
                    self.obey(index, due);
                }
            }
        }
        self.now = until;
    }

    fn pass(&mut self, time: Duration) {
        self.run(self.now + time);
    }

    /// What is under way to one side comes `size` bytes at a time.
    fn drip(&mut self, to: usize, size: usize, every: Duration) {
        self.flush();
        let bytes: Vec<u8> = self.sides[to]
            .wire
            .drain(..)
            .flat_map(|(_, bytes)| bytes.unwrap())
            .collect();
        let mut at = self.now;
        for piece in bytes.chunks(size) {
            at += every;
            self.sides[to].wire.push_back((at, Some(piece.to_vec())));
        }
    }
}

/// A quiet connection of two that live lasts, with a Ping at its time, and round-trip times that are exact.
#[test]
fn two_quiet_ends_stay_connected() {
    let delay = Duration::new(0, 51_234_567);
    let mut net = Net::open(&Config::default(), [Timeouts::default(); 2], delay);
    net.run(seconds(3600));
    for (side, opened) in net.sides.iter().zip([2 * delay, delay]) {
        assert_eq!(side.end.engine.state(), State::Open);
        assert_eq!(side.due.len(), 179);
        for (number, (at, due)) in (1_u64..).zip(&side.due) {
            assert_eq!(*due, Due::Ping(number.to_be_bytes()));
            let before = u32::try_from(number - 1).unwrap();
            assert_eq!(*at, opened + seconds(20 * number) + 2 * delay * before);
        }
        assert_eq!(side.round_trips, [2 * delay; 179]);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// When the network falls silent, whatever was before, both ends notice within the time for a Ping and its Pong.
    #[test]
    fn silence_is_noticed_in_time(
        delay in 0..4000_u64,
        messages in vec((0..30_000_u64, 0..2_usize), 0..12),
        rest in 0..40_000_u64,
    ) {
        let mut net = Net::open(&Config::default(), [watchful(); 2], millis(delay));
        for (gap, from) in messages {
            net.pass(millis(gap));
            net.with(from, |end| end.engine.send_text("here", &mut end.out).unwrap());
        }
        net.pass(millis(rest));
        let silent = net.now;
        for side in &mut net.sides {
            prop_assert_eq!(side.end.engine.state(), State::Open);
            side.is_deaf = true;
        }
        net.pass(seconds(100));
        for side in &net.sides {
            let (at, due) = *side.due.last().unwrap();
            prop_assert_eq!(due, Due::Pong);
            prop_assert!(at > silent, "not while the peer was there");
            prop_assert!(at <= side.proof + seconds(10) + seconds(12), "{at:?}, alive at {:?}", side.proof);
            prop_assert_eq!(side.timers.poll_timeout(), None);
        }
    }
}

/// A server whose client hears nothing any more, but sends what `flood` makes of the number of the server's last Ping and of
/// whether that waits for its Pong. What came due since, and how many bytes the server has sent.
fn deaf_client(flood: impl Fn(u64, bool) -> Vec<Vec<u8>>) -> (Vec<(Duration, Due)>, usize) {
    let mut net = Net::watched(&Config::default());
    net.pass(seconds(65));
    assert_eq!(net.sides[SERVER].round_trips.len(), 6);
    net.sides[CLIENT].is_deaf = true;
    net.sides[SERVER].due.clear();
    net.sides[SERVER].sent = 0;
    while !net.sides[SERVER].is_gone {
        let is_waiting = !net.sides[SERVER].due.is_empty();
        for bytes in flood(6 + u64::from(is_waiting), is_waiting) {
            net.put(SERVER, Some(bytes));
        }
        net.pass(millis(250));
        assert!(net.now < seconds(200), "it lives for ever");
    }
    assert_eq!(net.sides[SERVER].end.error, None);
    let side = &net.sides[SERVER];
    (side.due.clone(), side.sent)
}

/// What a server does about silence: a Ping of 8 bytes, and that was all.
fn silence() -> (Vec<(Duration, Due)>, usize) {
    let due = vec![(seconds(70), Due::Ping(7_u64.to_be_bytes())), (seconds(82), Due::Pong)];
    assert_eq!(deaf_client(|_, _| Vec::new()), (due.clone(), 10));
    (due, 10)
}

/// R097: pongs that answer nothing, replays of old ones and guesses of the next keep no connection alive, and get no answer.
#[test]
fn s5_5_3_a_flood_of_pongs_is_as_silence() {
    let pong = |payload: &[u8]| frame(Role::Client, 0x8A, payload);
    let flood = |last: u64, is_waiting: bool| {
        let mut numbers: Vec<u64> = (0..last).chain(last + 1..last + 20).collect();
        if !is_waiting {
            numbers.push(last);
        }
        let mut flood: Vec<Vec<u8>> = numbers.iter().map(|number| pong(&number.to_be_bytes())).collect();
        flood.extend([pong(b""), pong(b"?"), pong(&last.to_be_bytes()[1..]), pong(&[0; 125])]);
        flood
    };
    assert_eq!(deaf_client(flood), silence());
    // Were it the right one, it would be otherwise.
    let mut net = Net::watched(&Config::default());
    net.sides[CLIENT].is_deaf = true;
    net.pass(seconds(11));
    net.put(SERVER, Some(pong(&1_u64.to_be_bytes())));
    net.pass(seconds(5));
    assert_eq!(net.sides[SERVER].timers.poll_timeout(), Some(seconds(21)));
}

/// R093: a flood of pings is answered, and keeps no connection alive.
#[test]
fn s5_5_2_a_flood_of_pings_is_as_silence() {
    let ping = frame(Role::Client, 0x89, b"alive!");
    let (due, sent) = deaf_client(|_, _| vec![ping.clone(); 30]);
    let (expected, silent) = silence();
    assert_eq!(due, expected);
    // Every quarter of a second from 65 to 82, a Pong for each.
    assert_eq!(sent, silent + 4 * 17 * 30 * 8);
}

/// Messages and pieces of them keep a connection alive whose Ping is never answered, until they end.
#[test]
fn pieces_of_messages_keep_a_connection_alive() {
    type Way<'a> = &'a dyn Fn(&mut Net, u64);
    let chunks = Config::new().delivery(Delivery::Chunks);
    let part = |net: &mut Net, number: u64| {
        net.with(CLIENT, |end| {
            end.engine
                .send_fragment(MessageKind::Binary, b"..", number == 39, &mut end.out)
                .unwrap();
        });
    };
    let whole = |net: &mut Net, _| net.with(CLIENT, |end| end.engine.send_text("", &mut end.out).unwrap());
    // One frame, which the network carries in pieces.
    let frame = |net: &mut Net, number| {
        if number == 0 {
            let message = [0; 20 * 40 - 8];
            net.with(CLIENT, |end| end.engine.send_binary(&message, &mut end.out).unwrap());
            net.drip(SERVER, 20, seconds(11));
            net.sides[SERVER].wire.iter_mut().for_each(|(at, _)| *at -= seconds(11));
        }
    };
    let default = Config::default();
    let ways: [Way<'_>; 6] = [&whole, &whole, &part, &frame, &part, &frame];
    // Messages that are assembled are seen to grow.
    for (send, config) in ways
        .into_iter()
        .zip([&default, &chunks, &chunks, &chunks, &default, &default])
    {
        let mut net = Net::watched(config);
        net.sides[CLIENT].is_deaf = true;
        for number in 0..40 {
            send(&mut net, number);
            net.pass(seconds(11));
        }
        let ping = Due::Ping(1_u64.to_be_bytes());
        assert_eq!(
            net.sides[SERVER].due,
            [(seconds(10), ping)],
            "one that is never answered"
        );
        assert_eq!(net.sides[SERVER].proof, seconds(39 * 11));
        net.pass(seconds(100));
        assert_eq!(
            net.sides[SERVER].due,
            [(seconds(10), ping), (seconds(39 * 11 + 12), Due::Pong)]
        );
    }
}

/// The time without a message ends a connection that only pongs keep alive, once, with the code 1001.
#[test]
fn an_idle_connection_is_closed() {
    let idle = watchful().idle(seconds(35));
    let mut net = Net::open(&Config::default(), [Timeouts::none(), idle], Duration::ZERO);
    net.pass(seconds(30));
    net.with(CLIENT, |end| end.engine.send_text("still here", &mut end.out).unwrap());
    net.pass(seconds(100));
    let server = &net.sides[SERVER];
    assert_eq!(server.due.last(), Some(&(seconds(65), Due::Idle)));
    assert_eq!(server.round_trips.len(), 6);
    assert!(server.end.engine.close_status().unwrap().is_clean());
    assert_eq!(
        net.sides[CLIENT].end.engine.close_status().unwrap().code(),
        CloseCode::GOING_AWAY
    );
}

/// Idle is reported again only after another message, also while a Ping waits.
#[test]
fn idle_comes_once_for_each_silence() {
    let timeouts = Timeouts::none().ping(seconds(10)).pong(seconds(100)).idle(seconds(15));
    let mut timers = opened(timeouts, seconds(0));
    ping(&mut timers, seconds(10));
    assert_eq!(timers.poll_timeout(), Some(seconds(15)));
    assert_eq!(drain(&mut timers, seconds(15)), [Due::Idle]);
    assert_eq!(timers.poll_timeout(), Some(seconds(110)));
    timers.received(seconds(20));
    assert_eq!(drain(&mut timers, seconds(34)), []);
    assert_eq!(drain(&mut timers, seconds(35)), [Due::Idle]);
    timers.closing(seconds(35));
    timers.received(seconds(36));
    assert_eq!(timers.poll_timeout(), None);
}

/// A handshake that comes byte by byte is over at its deadline, for either end; one that makes it in time is open.
#[test]
fn a_handshake_that_drips_is_given_up() {
    for side in [SERVER, CLIENT] {
        for (every, is_slow) in [(millis(200), true), (millis(20), false)] {
            let mut net = Net::connecting(&Config::default(), [watchful(); 2], millis(50));
            if side == CLIENT {
                net.sides[SERVER].timers = Timers::new(Timeouts::none(), Duration::ZERO);
                net.run(millis(50));
                assert_eq!(net.sides[SERVER].end.engine.state(), State::Open);
            } else {
                net.sides[CLIENT].timers = Timers::new(Timeouts::none(), Duration::ZERO);
            }
            net.drip(side, 1, every);
            net.run(seconds(10));
            let expected = Vec::from_iter(is_slow.then_some((seconds(10), Due::Handshake)));
            assert_eq!(net.sides[side].due, expected);
            assert_eq!(net.sides[side].is_gone, is_slow);
            if is_slow {
                net.pass(seconds(3600));
                assert_eq!(net.sides[side].due, expected, "the last that comes");
            } else {
                assert_eq!(net.sides[side].end.engine.state(), State::Open);
            }
        }
    }
}

/// A close that the peer does not go along with ends at its deadline, which nothing puts off.
#[test]
fn a_slow_close_ends() {
    let close = |end: &mut End| end.engine.close(CloseCode::NORMAL, "", &mut end.out).unwrap();
    let expected = [(seconds(6), Due::Close)];
    let manual = Config::new().auto_close(false);

    // The peer is silent.
    for side in [CLIENT, SERVER] {
        let mut net = Net::open(&Config::default(), [watchful(); 2], Duration::ZERO);
        net.sides[1 - side].is_deaf = true;
        net.pass(seconds(1));
        net.with(side, close);
        net.pass(seconds(100));
        assert_eq!(net.sides[side].due, expected);
        assert_eq!(net.sides[side].end.engine.state(), State::Closing);
    }

    // The peer is anything but silent, and does not answer.
    let mut net = Net::watched(&manual);
    net.sides[CLIENT].is_deaf = true;
    net.pass(seconds(1));
    net.with(SERVER, close);
    for _ in 0..100 {
        net.with(CLIENT, |end| {
            end.engine.ping(b"?", &mut end.out).unwrap();
            end.engine.send_text("never mind", &mut end.out).unwrap();
        });
        net.pass(millis(100));
    }
    assert_eq!(net.sides[SERVER].due, expected);

    // The peer closes first, its answer waits for an application that does not give one.
    let mut net = Net::watched(&manual);
    net.pass(seconds(1));
    net.with(CLIENT, close);
    net.pass(seconds(100));
    assert_eq!(net.sides[SERVER].due, expected);

    // The server answers, and keeps the transport open.
    let mut net = Net::open(&Config::default(), [watchful(); 2], Duration::ZERO);
    net.sides[SERVER].lingers = true;
    net.pass(seconds(1));
    net.with(CLIENT, close);
    net.pass(seconds(4));
    assert!(net.sides[CLIENT].end.engine.close_status().unwrap().is_clean());
    assert_eq!(net.sides[CLIENT].due, []);
    net.pass(seconds(96));
    assert_eq!(net.sides[CLIENT].due, expected);

    // The client broke the protocol, and keeps the transport open.
    let mut net = Net::watched(&Config::default());
    net.sides[CLIENT].is_deaf = true;
    net.pass(seconds(1));
    net.put(SERVER, Some(vec![0xFF; 8]));
    net.pass(seconds(100));
    assert!(net.sides[SERVER].end.error.is_some());
    assert_eq!(net.sides[SERVER].due, expected);
}

/// After a close that both go along with, nothing is due any more, for either end.
#[test]
fn after_a_clean_close_nothing_is_due() {
    for side in [CLIENT, SERVER] {
        let mut net = Net::open(&Config::default(), [watchful(); 2], millis(50));
        net.pass(seconds(1));
        net.with(side, |end| {
            end.engine.close(CloseCode::NORMAL, "", &mut end.out).unwrap()
        });
        net.pass(seconds(100));
        for side in &net.sides {
            assert!(side.end.engine.close_status().unwrap().is_clean());
            assert_eq!(side.timers.poll_timeout(), None);
            assert_eq!(side.due, []);
            assert!(!side.is_gone);
        }
    }
}

/// One who sleeps for long finds the peer alive if its answer was waiting, and goes on with one Ping.
#[test]
fn a_sleeper_finds_the_answer_first() {
    let mut net = Net::watched(&Config::default());
    net.pass(seconds(9));
    net.delay = millis(50);
    net.pass(millis(1050));
    assert_eq!(net.sides[SERVER].due.len(), 1, "the Ping is out");
    net.sides[SERVER].asleep = seconds(3600);
    net.run(seconds(3609));
    assert_eq!(net.sides[SERVER].round_trips, [seconds(3590)]);
    assert_eq!(net.sides[SERVER].due.len(), 1);
    net.sides[SERVER].asleep = seconds(7200);
    net.run(seconds(7205));
    let number = 2_u64.to_be_bytes();
    assert_eq!(net.sides[SERVER].due[1..], [(seconds(7200), Due::Ping(number))]);
    assert_eq!(net.sides[SERVER].round_trips[1..], [millis(100)]);
}
