//! Deadlines on a virtual clock: [`Timers`] alone, compared with a simple model, and two endpoints
//! over a network that is slow, silent or hostile.

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
    pair::{Endpoint, Pair},
};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The operations that [`Timers`] needs of an instant.
trait AnyInstant: Copy + Ord + Debug + Add<Duration, Output = Self> + Sub<Output = Duration> {}

impl<I: Copy + Ord + Debug + Add<Duration, Output = I> + Sub<Output = Duration>> AnyInstant for I {}

/// An instant with no other operations, which panics if a later instant is subtracted from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MinimalInstant(u128);

impl Add<Duration> for MinimalInstant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time.as_nanos())
    }
}

impl Sub for MinimalInstant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        let nanos = self.0.checked_sub(earlier.0).expect("the other instant is not later");
        Duration::from_nanos(u64::try_from(nanos).unwrap())
    }
}

/// The configuration of a property test with `count` cases. A failing case is shrunk and printed,
/// and no file is written.
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

/// Timeouts in the order handshake, ping, pong, idle, close.
fn all_timeouts([handshake, ping, pong, idle, close]: [Option<Duration>; 5]) -> Timeouts {
    Timeouts::none()
        .handshake(handshake)
        .ping(ping)
        .pong(pong)
        .idle(idle)
        .close(close)
}

/// Calls `handle_timeout` until it returns `None`, which takes a few calls at most.
fn all_due<I: AnyInstant>(timers: &mut Timers<I>, now: I) -> Vec<Due> {
    let mut due = Vec::new();
    while let Some(next) = timers.handle_timeout(now) {
        due.push(next);
        assert!(due.len() <= 3, "too many deadlines: {due:?}");
    }
    assert!(
        timers.poll_timeout().is_none_or(|at| at > now),
        "a deadline is still due"
    );
    due
}

/// The timers of a connection that is open since `now`.
fn opened<I: AnyInstant>(timeouts: Timeouts, now: I) -> Timers<I> {
    let mut timers = Timers::new(timeouts, now);
    timers.opened(now);
    timers
}

/// Asserts that exactly one Ping is due at `now`, and returns its payload.
fn ping<I: AnyInstant>(timers: &mut Timers<I>, now: I) -> [u8; 8] {
    match all_due(timers, now)[..] {
        [Due::Ping(payload)] => payload,
        ref other => panic!("{other:?}"),
    }
}

// The model

#[derive(Clone, Copy, Debug)]
enum Action {
    Opened,
    Received,
    Written,
    /// A Pong with the number of the last Ping, plus an offset.
    Pong(i64),
    /// Pongs whose payloads have another length.
    OtherLength,
    /// The caller sends a Ping of its own.
    PingSent,
    Closing,
    Closed,
    /// A caller that is late calls `handle_timeout` at these times only.
    HandleTimeout,
}

/// The timeouts in ticks, in the order handshake, ping, pong, idle, close.
type TimeoutTicks = [Option<u64>; 5];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Closing,
    Closed,
}

/// The model counts ticks since each event, and has no instants.
struct Model {
    timeouts: TimeoutTicks,
    stage: Stage,
    in_stage: u64,
    since_message: u64,
    since_activity: u64,
    since_ping: Option<u64>,
    /// The caller has sent a Ping of its own, and no Pong has answered it.
    has_other_ping: bool,
    is_idle: bool,
    pings: u64,
}

impl Model {
    const fn new(timeouts: TimeoutTicks) -> Self {
        Self {
            timeouts,
            stage: Stage::Opening,
            in_stage: 0,
            since_message: 0,
            since_activity: 0,
            since_ping: None,
            has_other_ping: false,
            is_idle: false,
            pings: 0,
        }
    }

    fn tick(&mut self) {
        self.in_stage += 1;
        self.since_message += 1;
        self.since_activity += 1;
        self.since_ping = self.since_ping.map(|age| age + 1);
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.in_stage = 0;
        self.since_message = 0;
        self.since_activity = 0;
    }

    /// Applies an action, and returns the round-trip time in ticks if the action is the Pong of the
    /// last Ping.
    fn apply(&mut self, action: Action) -> Option<u64> {
        match (action, self.stage) {
            (Action::Opened, Stage::Opening) => self.enter(Stage::Open),
            (Action::Received, Stage::Open) => {
                self.since_message = 0;
                self.since_activity = 0;
                self.is_idle = false;
            }
            (Action::Written, Stage::Open) => self.since_activity = 0,
            (Action::Pong(0), Stage::Open) if self.since_ping.is_some() => {
                self.since_activity = 0;
                return self.since_ping.take();
            }
            (Action::PingSent, Stage::Open) => self.has_other_ping = true,
            (Action::Pong(_) | Action::OtherLength, Stage::Open) if self.has_other_ping => {
                self.has_other_ping = false;
                self.since_activity = 0;
                self.since_ping = None;
            }
            (Action::Closing, Stage::Opening | Stage::Open) => self.enter(Stage::Closing),
            (Action::Closed, _) => self.enter(Stage::Closed),
            _ => {}
        }
        None
    }

    /// The deadline that is overdue the longest.
    fn next_due(&mut self) -> Option<Due> {
        let [handshake, ping, pong, idle, close] = self.timeouts;
        let awaits_pong = self.since_ping.is_some();
        let deadlines = match self.stage {
            Stage::Opening => vec![(self.in_stage, handshake, Due::Handshake)],
            Stage::Closing => vec![(self.in_stage, close, Due::Close)],
            Stage::Closed => vec![],
            Stage::Open => vec![
                (self.since_message, idle.filter(|_| !self.is_idle), Due::Idle),
                (
                    self.since_activity,
                    ping.filter(|_| !awaits_pong),
                    Due::Ping((self.pings + 1).to_be_bytes()),
                ),
                (
                    self.since_activity.min(self.since_ping.unwrap_or(0)),
                    pong.filter(|_| awaits_pong),
                    Due::Pong,
                ),
            ],
        };
        let mut longest: Option<(u64, Due)> = None;
        for (age, timeout, due) in deadlines {
            let Some(overdue) = timeout.and_then(|timeout| age.checked_sub(timeout)) else {
                continue;
            };
            if longest.is_none_or(|(before, _)| overdue > before) {
                longest = Some((overdue, due));
            }
        }
        let (_, due) = longest?;
        match due {
            Due::Ping(_) => {
                self.pings += 1;
                self.since_ping = Some(0);
                self.has_other_ping = false;
            }
            Due::Idle => self.is_idle = true,
            Due::Handshake | Due::Pong | Due::Close => self.stage = Stage::Closed,
        }
        Some(due)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observed {
    Due(Due),
    /// The ticks from a Ping to its Pong.
    RoundTrip(u64),
}

/// What was observed, with the tick.
type Trace = Vec<(u64, Observed)>;

/// When a caller calls `handle_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// When `poll_timeout` says so.
    Punctual,
    /// In each tick several times, also with earlier times.
    Frequent,
    /// At arbitrary times.
    Late,
}

#[derive(Clone, Debug)]
struct Script {
    timeouts: TimeoutTicks,
    /// Each action with the ticks that pass before it.
    actions: Vec<(u64, Action)>,
}

impl Script {
    /// The actions of each tick, and 60 ticks without an action at the end.
    fn ticks(&self) -> Vec<Vec<Action>> {
        let mut ticks = vec![Vec::new()];
        for (delay, action) in &self.actions {
            ticks.extend((0..*delay).map(|_| Vec::new()));
            ticks.last_mut().unwrap().push(*action);
        }
        ticks.extend((0..60).map(|_| Vec::new()));
        ticks
    }

    /// Runs the script with the model.
    fn model(&self, caller: Caller) -> Trace {
        let mut model = Model::new(self.timeouts);
        let mut trace = Trace::new();
        for (tick, actions) in (0..).zip(self.ticks()) {
            if tick > 0 {
                model.tick();
            }
            // A tick begins without an action.
            for action in [None].into_iter().chain(actions.into_iter().map(Some)) {
                if let Some(action) = action {
                    trace.extend(
                        model
                            .apply(action)
                            .map(|round_trip| (tick, Observed::RoundTrip(round_trip))),
                    );
                }
                if caller != Caller::Late || matches!(action, Some(Action::HandleTimeout)) {
                    while let Some(due) = model.next_due() {
                        trace.push((tick, Observed::Due(due)));
                    }
                }
            }
        }
        trace
    }

    /// Runs the script with [`Timers`], with a millisecond for a tick.
    fn run<I: AnyInstant>(&self, start: I, caller: Caller) -> Trace {
        let timeouts = all_timeouts(self.timeouts.map(|ticks| ticks.map(millis)));
        let mut timers = Timers::new(timeouts, start);
        let mut trace = Trace::new();
        let mut last_ping = 0_u64;
        for (tick, actions) in (0..).zip(self.ticks()) {
            let now = start + millis(tick);
            for action in [None].into_iter().chain(actions.into_iter().map(Some)) {
                match action {
                    None | Some(Action::HandleTimeout) => {}
                    Some(Action::Opened) => timers.opened(now),
                    Some(Action::Received) => timers.received(now),
                    Some(Action::Written) => timers.written(now),
                    Some(Action::Pong(offset)) => {
                        let payload = last_ping.wrapping_add_signed(offset).to_be_bytes();
                        let round_trip = timers.pong(&payload, now);
                        if let Some(round_trip) = round_trip {
                            assert_eq!(timers.round_trip(), Some(round_trip));
                            trace.push((
                                tick,
                                Observed::RoundTrip(u64::try_from(round_trip.as_millis()).unwrap()),
                            ));
                        }
                    }
                    Some(Action::OtherLength) => {
                        for payload in [&b""[..], b"?", &[0; 9], &last_ping.to_be_bytes()[1..]] {
                            assert_eq!(timers.pong(payload, now), None);
                        }
                    }
                    Some(Action::PingSent) => timers.ping_sent(),
                    Some(Action::Closing) => timers.closing(now),
                    Some(Action::Closed) => timers.closed(),
                }
                let is_due = timers.poll_timeout().is_some_and(|at| at <= now);
                let mut due = Vec::new();
                match caller {
                    Caller::Punctual if is_due => due = all_due(&mut timers, now),
                    Caller::Late if matches!(action, Some(Action::HandleTimeout)) => due = all_due(&mut timers, now),
                    Caller::Punctual | Caller::Late => {}
                    Caller::Frequent => {
                        for past in (0..tick).rev().take(7).chain([0]).filter(|past| *past < tick) {
                            assert_eq!(timers.handle_timeout(start + millis(past)), None, "early");
                        }
                        for _ in 0..3 {
                            due.extend(all_due(&mut timers, now));
                        }
                        assert_eq!(is_due, !due.is_empty(), "poll_timeout agrees");
                    }
                }
                for due in due {
                    if let Due::Ping(payload) = due {
                        last_ping = u64::from_be_bytes(payload);
                    }
                    trace.push((tick, Observed::Due(due)));
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
        2 => Just(Action::OtherLength),
        4 => Just(Action::PingSent),
        1 => Just(Action::Closing),
        1 => Just(Action::Closed),
        12 => Just(Action::HandleTimeout),
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

    /// Each deadline is due once, at its time and not earlier, for a caller that follows
    /// `poll_timeout`.
    #[test]
    fn each_deadline_comes_once_and_at_its_time(script in script()) {
        let trace = script.run(Duration::ZERO, Caller::Punctual);
        prop_assert_eq!(&trace, &script.model(Caller::Punctual));
        let has_other_pings = script.actions.iter().any(|(_, action)| matches!(action, Action::PingSent));
        let mut is_waiting = false;
        let mut is_over = false;
        for (_, seen) in trace {
            prop_assert!(!is_over, "{seen:?} after the last deadline");
            match seen {
                // The Pong to a Ping of the caller replaces the Pong of this one.
                Observed::Due(Due::Ping(_)) => {
                    prop_assert!(!std::mem::replace(&mut is_waiting, true) || has_other_pings, "a second Ping");
                }
                Observed::RoundTrip(_) => prop_assert!(std::mem::replace(&mut is_waiting, false), "a Pong without a Ping"),
                Observed::Due(Due::Pong) => is_over = is_waiting,
                Observed::Due(Due::Handshake | Due::Close) => is_over = true,
                Observed::Due(Due::Idle) => {}
            }
        }
    }

    /// For a caller that is late, deadlines are due at its calls, as in the model.
    #[test]
    fn late_calls_agree_with_the_model(script in script()) {
        prop_assert_eq!(script.run(Duration::ZERO, Caller::Late), script.model(Caller::Late));
    }

    /// Further calls, also with earlier times, change no deadline.
    #[test]
    fn spurious_calls_have_no_effect(script in script()) {
        prop_assert_eq!(script.run(Duration::ZERO, Caller::Frequent), script.run(Duration::ZERO, Caller::Punctual));
    }

    /// Neither the type of the instant nor its start makes a difference.
    #[test]
    fn deadlines_do_not_depend_on_the_type_of_instant(script in script()) {
        let expected = script.run(Duration::ZERO, Caller::Punctual);
        prop_assert_eq!(&script.run(100 * YEAR, Caller::Punctual), &expected);
        prop_assert_eq!(&script.run(Instant::now(), Caller::Punctual), &expected);
        prop_assert_eq!(&script.run(MinimalInstant(0), Caller::Punctual), &expected);
        prop_assert_eq!(&script.run(MinimalInstant(u128::from(u64::MAX)), Caller::Punctual), &expected);
    }

    /// With a clock that jumps in both directions, a deadline is due if `poll_timeout` says so, and
    /// the loop ends.
    #[test]
    fn a_clock_that_jumps_causes_no_panic_and_no_endless_loop(
        timeouts in vec(option::of(0..9_u64), 5),
        steps in vec((prop_oneof![4 => 0..40_u64, 1 => Just(u64::from(u32::MAX))], action()), 1..60),
    ) {
        let timeouts = all_timeouts(std::array::from_fn(|index| timeouts[index].map(seconds)));
        let mut timers = Timers::new(timeouts, MinimalInstant(0) + seconds(20));
        for (now, action) in steps {
            let now = MinimalInstant(0) + seconds(now);
            let before = timers.round_trip();
            match action {
                Action::Opened => timers.opened(now),
                Action::Received => timers.received(now),
                Action::Written => timers.written(now),
                Action::Pong(offset) => {
                    for payload in (0..9_u64).map(|payload| payload.wrapping_add_signed(offset)) {
                        let round_trip = timers.pong(&payload.to_be_bytes(), now);
                        prop_assert!(round_trip.is_none() || timers.round_trip() == round_trip);
                    }
                }
                Action::OtherLength => prop_assert_eq!(timers.pong(b"", now), None),
                Action::PingSent => timers.ping_sent(),
                Action::Closing => timers.closing(now),
                Action::Closed => timers.closed(),
                Action::HandleTimeout => {
                    let is_due = timers.poll_timeout().is_some_and(|at| at <= now);
                    prop_assert_eq!(!all_due(&mut timers, now).is_empty(), is_due);
                }
            }
            prop_assert!(matches!(action, Action::Pong(_)) || timers.round_trip() == before);
        }
    }
}

/// A clock that goes backwards moves no deadline to an earlier time. A Pong before its Ping has a
/// round-trip time of zero.
#[test]
fn time_that_goes_backwards_moves_no_deadline() {
    let mut timers = opened(Timeouts::default(), MinimalInstant(0) + seconds(100));
    timers.received(MinimalInstant(0) + seconds(50));
    assert_eq!(timers.poll_timeout(), Some(MinimalInstant(0) + seconds(120)));
    let payload = ping(&mut timers, MinimalInstant(0) + seconds(120));
    assert_eq!(timers.handle_timeout(MinimalInstant(0)), None);
    timers.received(MinimalInstant(0));
    assert_eq!(timers.poll_timeout(), Some(MinimalInstant(0) + seconds(140)));
    timers.received(MinimalInstant(0) + seconds(130));
    assert_eq!(
        timers.pong(&payload, MinimalInstant(0) + seconds(119)),
        Some(Duration::ZERO)
    );
    assert_eq!(timers.poll_timeout(), Some(MinimalInstant(0) + seconds(150)));
}

/// While the clock stands still, each deadline is due once.
#[test]
fn a_clock_that_stands_still_repeats_no_deadline() {
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

/// After a long sleep one Ping is due, and its Pong has the whole timeout.
#[test]
fn one_ping_is_due_after_a_long_sleep() {
    let mut timers = opened(Timeouts::default(), seconds(0));
    let payload = ping(&mut timers, seconds(10_000));
    assert_eq!(timers.poll_timeout(), Some(seconds(10_020)));
    assert_eq!(all_due(&mut timers, seconds(10_019)), []);
    let mut other = timers.clone();
    assert_eq!(all_due(&mut other, seconds(10_020)), [Due::Pong]);
    assert_eq!(other.poll_timeout(), None);
    assert_eq!(timers.pong(&payload, seconds(10_019)), Some(seconds(19)));
    assert_eq!(timers.poll_timeout(), Some(seconds(10_039)));
}

/// The round-trip time is that of the Pong with the payload of the last Ping. Any other Pong
/// changes nothing.
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
    // A message delays the deadline and does not change the round-trip time.
    timers.received(seconds(22));
    let round_trip = Duration::new(3, 141_592_653);
    assert_eq!(timers.pong(&first, seconds(20) + round_trip), Some(round_trip));
    assert_eq!(timers.round_trip(), Some(round_trip));
    assert_eq!(timers.pong(&first, seconds(24)), None, "the same Pong again");
    assert_eq!(timers.poll_timeout(), Some(seconds(40) + round_trip));

    let second = ping(&mut timers, seconds(50));
    assert_ne!(first, second);
    assert_eq!(timers.pong(&first, seconds(51)), None, "the Pong of the first Ping");
    assert_eq!(timers.round_trip(), Some(round_trip), "the last measured one");
    assert_eq!(timers.pong(&second, seconds(52)), Some(seconds(2)));
    assert_eq!(timers.round_trip(), Some(seconds(2)));
}

/// R208 (F63): A peer that answers only the newest Ping never answers those of the timers while the
/// caller sends others. Its Pongs prove it alive. With no Ping of the caller outstanding, they
/// prove nothing.
#[test]
fn f63_a_pong_to_a_later_ping_of_the_caller_counts() {
    let mut timers = opened(Timeouts::default(), seconds(0));
    // Before the handshake and after the end, the call has no effect.
    let mut other = Timers::new(Timeouts::default(), seconds(0));
    other.ping_sent();
    other.opened(seconds(0));
    assert_eq!(other.pong(b"early", seconds(1)), None);
    assert_eq!(other.poll_timeout(), Some(seconds(20)));

    for round in 0..20 {
        let start = seconds(30 * round);
        let keep_alive = ping(&mut timers, start + seconds(20));
        assert_eq!(timers.pong(b"unsolicited", start + seconds(21)), None);
        assert_eq!(timers.poll_timeout(), Some(start + seconds(40)), "it proves nothing");
        timers.ping_sent();
        timers.ping_sent();
        assert_eq!(
            timers.poll_timeout(),
            Some(start + seconds(40)),
            "sending proves nothing"
        );
        assert_eq!(timers.pong(b"newest", start + seconds(30)), None);
        assert_eq!(timers.poll_timeout(), Some(start + seconds(50)), "the next Ping");
        // One Ping of the caller makes one Pong count; that of the timers is replaced.
        assert_eq!(timers.pong(b"newest", start + seconds(31)), None);
        assert_eq!(timers.pong(&keep_alive, start + seconds(31)), None);
        assert_eq!(timers.poll_timeout(), Some(start + seconds(50)));
    }
    assert_eq!(timers.round_trip(), None);

    // Without a Ping of the timers, a Pong puts the next one off.
    timers.ping_sent();
    assert_eq!(timers.pong(b"newest", seconds(615)), None);
    assert_eq!(timers.poll_timeout(), Some(seconds(635)));
    // A Pong to an earlier Ping of the caller does not prove that a later one of the timers
    // arrives.
    timers.ping_sent();
    let keep_alive = ping(&mut timers, seconds(640));
    assert_eq!(timers.pong(b"older", seconds(641)), None);
    assert_eq!(timers.poll_timeout(), Some(seconds(660)));
    // A peer that answers each Ping in turn: the round-trip time is measured.
    timers.ping_sent();
    assert_eq!(timers.pong(&keep_alive, seconds(642)), Some(seconds(2)));
    assert_eq!(timers.pong(b"newest", seconds(643)), None);
    assert_eq!(timers.poll_timeout(), Some(seconds(663)));
    assert_eq!(all_due(&mut timers, seconds(663)).len(), 1);
    assert_eq!(all_due(&mut timers, seconds(683)), [Due::Pong]);
    timers.ping_sent();
    assert_eq!((timers.pong(b"", seconds(684)), timers.poll_timeout()), (None, None));
}

/// The longest timeouts do not overflow: they are more than 99 years.
#[test]
fn the_longest_timeouts_do_not_overflow() {
    fn all<I: AnyInstant>(start: I) {
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
    all(MinimalInstant(u128::from(u64::MAX)));
}

/// A timeout that is not set is never due, in any phase of the connection. A timeout of zero is due
/// at once, once.
#[test]
fn a_timeout_of_none_is_never_due_and_zero_is_due_at_once() {
    let choices = [None, Some(Duration::ZERO), Some(SECOND)];
    for number in 0..3_usize.pow(5) {
        check_none_and_zero([1, 3, 9, 27, 81].map(|power| choices[number / power % 3]));
    }
}

fn check_none_and_zero(timeouts: [Option<Duration>; 5]) {
    let [handshake, ping, pong, idle, close] = timeouts;
    let now = seconds(7);
    let at_once = |timeout: Option<Duration>, due: Due| timeout.filter(Duration::is_zero).map(|_| due);
    let far = now + 1000 * YEAR;

    // Opening
    let mut timers = Timers::new(all_timeouts(timeouts), now);
    assert_eq!(timers.poll_timeout(), handshake.map(|timeout| now + timeout));
    let expected = Vec::from_iter(at_once(handshake, Due::Handshake));
    assert_eq!(all_due(&mut timers.clone(), now), expected);
    let expected = Vec::from_iter(handshake.map(|_| Due::Handshake));
    assert_eq!(all_due(&mut timers.clone(), far), expected);

    // Open
    timers.opened(now);
    let first_ping = at_once(ping, Due::Ping(1_u64.to_be_bytes()));
    let first_pong = at_once(pong, Due::Pong).filter(|_| first_ping.is_some());
    let first_idle = at_once(idle, Due::Idle);
    let expected: Vec<Due> = [first_idle, first_ping, first_pong].into_iter().flatten().collect();
    let mut open = timers.clone();
    assert_eq!(all_due(&mut open, now), expected);
    let mut all = expected;
    all.extend(all_due(&mut open, far));
    all.extend(all_due(&mut open, far + SECOND));
    let expects = |timeout: Option<Duration>, due: fn(&Due) -> bool| {
        assert_eq!(
            all.iter().filter(|seen| due(seen)).count(),
            usize::from(timeout.is_some()),
            "{timeouts:?}"
        );
    };
    expects(ping, |due| matches!(due, Due::Ping(_)));
    expects(ping.and(pong), |due| *due == Due::Pong);
    // A missed Pong ends the connection, perhaps before it is idle.
    if ping.is_none() || pong.is_none() {
        expects(idle, |due| *due == Due::Idle);
    }

    // Closing
    timers.closing(now);
    assert_eq!(timers.poll_timeout(), close.map(|timeout| now + timeout));
    let expected = Vec::from_iter(at_once(close, Due::Close));
    assert_eq!(all_due(&mut timers.clone(), now), expected);
    let expected = Vec::from_iter(close.map(|_| Due::Close));
    assert_eq!(all_due(&mut timers.clone(), far), expected);

    // Over
    timers.closed();
    assert_eq!(timers.poll_timeout(), None);
    assert_eq!(timers.handle_timeout(far), None);
}

// Two endpoints and a network

/// Timeouts that send a Ping after 10 s and wait 12 s for its Pong.
fn short_timeouts() -> Timeouts {
    Timeouts::none()
        .handshake(seconds(10))
        .ping(seconds(10))
        .pong(seconds(12))
        .close(seconds(5))
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// An endpoint, its timers, and the bytes that the network carries to it.
struct Node {
    end: Endpoint,
    timers: Timers<Duration>,
    /// The bytes that the network carries to this endpoint, with their times of arrival; `None` is
    /// the end of the stream.
    in_flight: VecDeque<(Duration, Option<Vec<u8>>)>,
    due: Vec<(Duration, Due)>,
    round_trips: Vec<Duration>,
    /// The number of bytes sent.
    sent: usize,
    /// When the peer was last known to be alive.
    last_activity: Duration,
    /// Bytes that arrive are dropped.
    receives_nothing: bool,
    /// The endpoint does not close the transport although it should.
    keeps_transport_open: bool,
    /// The endpoint does nothing until then.
    asleep_until: Duration,
    ended_stream: bool,
    /// The endpoint has dropped the transport.
    dropped_transport: bool,
}

/// A client, a server, and the time.
struct Network {
    nodes: [Node; 2],
    now: Duration,
    delay: Duration,
}

impl Network {
    /// A client and a server before the opening handshake, at time zero.
    fn connecting(config: &Config, timeouts: [Timeouts; 2], delay: Duration) -> Self {
        let Pair { client, server, .. } = Pair::connecting(config.clone(), config.clone());
        let node = |end, timeouts| Node {
            end,
            timers: Timers::new(timeouts, Duration::ZERO),
            in_flight: VecDeque::new(),
            due: Vec::new(),
            round_trips: Vec::new(),
            sent: 0,
            last_activity: Duration::ZERO,
            receives_nothing: false,
            keeps_transport_open: false,
            asleep_until: Duration::ZERO,
            ended_stream: false,
            dropped_transport: false,
        };
        let mut net = Self {
            nodes: [node(client, timeouts[CLIENT]), node(server, timeouts[SERVER])],
            now: Duration::ZERO,
            delay,
        };
        net.flush();
        net
    }

    /// A client and a server after the opening handshake.
    fn open(config: &Config, timeouts: [Timeouts; 2], delay: Duration) -> Self {
        let mut net = Self::connecting(config, timeouts, delay);
        net.run_until(2 * delay);
        for node in &net.nodes {
            assert_eq!(node.end.engine.state(), State::Open);
        }
        net
    }

    /// An open connection without delay, of which only the server has timeouts.
    fn with_server_timeouts(config: &Config) -> Self {
        Self::open(config, [Timeouts::none(), short_timeouts()], Duration::ZERO)
    }

    /// Puts the output of both endpoints on the network.
    fn flush(&mut self) {
        for from in [CLIENT, SERVER] {
            let bytes = self.nodes[from].end.take(usize::MAX);
            if !bytes.is_empty() && !self.nodes[from].ended_stream {
                self.nodes[from].sent += bytes.len();
                self.transmit(1 - from, Some(bytes));
            }
        }
    }

    /// Puts bytes on the network, or the end of the stream.
    fn transmit(&mut self, to: usize, bytes: Option<Vec<u8>>) {
        self.nodes[to].in_flight.push_back((self.now + self.delay, bytes));
    }

    /// Ends the sending direction of an endpoint.
    fn end_stream(&mut self, node: usize) {
        self.flush();
        if !self.nodes[node].ended_stream {
            self.nodes[node].ended_stream = true;
            self.transmit(1 - node, None);
        }
    }

    /// Calls a method of an engine, as its caller does.
    fn call(&mut self, node: usize, command: impl FnOnce(&mut Endpoint)) {
        command(&mut self.nodes[node].end);
        self.update_timers(node);
    }

    /// Updates the timers after a call, according to the table in the documentation of `timers`.
    fn update_timers(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        for event in node.end.take_events() {
            match event {
                Event::Request(_) | Event::Open(_) => {
                    node.timers.opened(now);
                    node.last_activity = now;
                }
                Event::Text(_) | Event::Binary(_) | Event::Chunk(_) => {
                    node.timers.received(now);
                    node.last_activity = now;
                }
                Event::Pong(payload) => {
                    if let Some(round_trip) = node.timers.pong(&payload, now) {
                        node.round_trips.push(round_trip);
                        node.last_activity = now;
                    }
                }
                Event::Ping(_) | Event::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if matches!(node.end.engine.state(), State::Closing | State::Closed) {
            node.timers.closing(now);
        }
        if node.end.engine.teardown() == Some(Teardown::Close) && !node.keeps_transport_open {
            self.end_stream(index);
        }
    }

    /// Receives bytes, or the end of the stream.
    fn receive(&mut self, index: usize, bytes: Option<Vec<u8>>) {
        let node = &mut self.nodes[index];
        if node.receives_nothing || node.dropped_transport {
            return;
        }
        if let Some(mut bytes) = bytes {
            let before = node.end.engine.assembled_len();
            node.end.receive(&mut bytes);
            if node.end.engine.assembled_len() > before {
                node.timers.received(self.now);
                node.last_activity = self.now;
            }
            self.update_timers(index);
        } else {
            let _eof = node.end.engine.receive_eof();
            node.timers.closed();
            self.end_stream(index);
        }
    }

    /// Does what a deadline requires.
    fn handle_due(&mut self, index: usize, due: Due) {
        let node = &mut self.nodes[index];
        node.due.push((self.now, due));
        match due {
            Due::Ping(payload) => node.end.engine.ping(&payload, &mut node.end.out).unwrap(),
            Due::Idle => {
                let away = CloseCode::GOING_AWAY;
                node.end.engine.close(away, "", &mut node.end.out).unwrap();
                self.update_timers(index);
            }
            Due::Handshake | Due::Pong | Due::Close => {
                node.dropped_transport = true;
                self.end_stream(index);
            }
        }
    }

    /// Runs the network and both endpoints until the time `until`.
    fn run_until(&mut self, until: Duration) {
        let mut iterations = 0..100_000;
        loop {
            iterations.next().expect("the loop ends");
            self.flush();
            let next = |node: &Node| {
                let arrival = node.in_flight.front().map(|(at, _)| *at);
                let timeout = node.timers.poll_timeout();
                Some(arrival.into_iter().chain(timeout).min()?.max(node.asleep_until))
            };
            match self.nodes.iter().filter_map(next).min() {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => break,
            }
            for index in [CLIENT, SERVER] {
                let now = self.now;
                if self.nodes[index].asleep_until > now {
                    continue;
                }
                while self.nodes[index].in_flight.front().is_some_and(|(at, _)| *at <= now) {
                    let (_, bytes) = self.nodes[index].in_flight.pop_front().unwrap();
                    self.receive(index, bytes);
                }
                while let Some(due) = self.nodes[index].timers.handle_timeout(now) {
                    iterations.next().expect("the loop ends");
                    self.handle_due(index, due);
                }
            }
        }
        self.now = until;
    }

    /// Runs the network and both endpoints for `time`.
    fn advance(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Splits the bytes on their way to an endpoint into pieces of `size` bytes, one each `every`.
    fn split_in_flight(&mut self, to: usize, size: usize, every: Duration) {
        self.flush();
        let bytes: Vec<u8> = self.nodes[to]
            .in_flight
            .drain(..)
            .flat_map(|(_, bytes)| bytes.unwrap())
            .collect();
        let mut at = self.now;
        for piece in bytes.chunks(size) {
            at += every;
            self.nodes[to].in_flight.push_back((at, Some(piece.to_vec())));
        }
    }
}

/// An idle connection stays open. Each endpoint sends its Pings at their times and measures exact
/// round-trip times.
#[test]
fn an_idle_connection_stays_open_with_pings() {
    let delay = Duration::new(0, 51_234_567);
    let mut net = Network::open(&Config::default(), [Timeouts::default(); 2], delay);
    net.run_until(seconds(3600));
    for (node, opened) in net.nodes.iter().zip([2 * delay, delay]) {
        assert_eq!(node.end.engine.state(), State::Open);
        assert_eq!(node.due.len(), 179);
        for (number, (at, due)) in (1_u64..).zip(&node.due) {
            assert_eq!(*due, Due::Ping(number.to_be_bytes()));
            let before = u32::try_from(number - 1).unwrap();
            assert_eq!(*at, opened + seconds(20 * number) + 2 * delay * before);
        }
        assert_eq!(node.round_trips, [2 * delay; 179]);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// When the network falls silent, each endpoint detects it within the timeouts of a Ping and
    /// its Pong.
    #[test]
    fn a_silent_network_is_detected_in_time(
        delay in 0..4000_u64,
        messages in vec((0..30_000_u64, 0..2_usize), 0..12),
        rest in 0..40_000_u64,
    ) {
        let mut net = Network::open(&Config::default(), [short_timeouts(); 2], millis(delay));
        for (gap, from) in messages {
            net.advance(millis(gap));
            net.call(from, |end| end.engine.send_text("here", &mut end.out).unwrap());
        }
        net.advance(millis(rest));
        let silent = net.now;
        for node in &mut net.nodes {
            prop_assert_eq!(node.end.engine.state(), State::Open);
            node.receives_nothing = true;
        }
        net.advance(seconds(100));
        for node in &net.nodes {
            let (at, due) = *node.due.last().unwrap();
            prop_assert_eq!(due, Due::Pong);
            prop_assert!(at > silent, "the deadline is due after the silence began");
            prop_assert!(at <= node.last_activity + seconds(10) + seconds(12), "{at:?}, last activity at {:?}", node.last_activity);
            prop_assert_eq!(node.timers.poll_timeout(), None);
        }
    }
}

/// Runs a server whose client receives nothing any more and sends `flood(number, is_waiting)`:
/// `number` is that of the server's last Ping, and `is_waiting` says whether the server waits for
/// its Pong. Returns the deadlines since then, and the number of bytes that the server has sent.
fn client_that_receives_nothing(flood: impl Fn(u64, bool) -> Vec<Vec<u8>>) -> (Vec<(Duration, Due)>, usize) {
    let mut net = Network::with_server_timeouts(&Config::default());
    net.advance(seconds(65));
    assert_eq!(net.nodes[SERVER].round_trips.len(), 6);
    net.nodes[CLIENT].receives_nothing = true;
    net.nodes[SERVER].due.clear();
    net.nodes[SERVER].sent = 0;
    while !net.nodes[SERVER].dropped_transport {
        let is_waiting = !net.nodes[SERVER].due.is_empty();
        for bytes in flood(6 + u64::from(is_waiting), is_waiting) {
            net.transmit(SERVER, Some(bytes));
        }
        net.advance(millis(250));
        assert!(net.now < seconds(200), "the connection does not end");
    }
    assert_eq!(net.nodes[SERVER].end.error, None);
    let node = &net.nodes[SERVER];
    (node.due.clone(), node.sent)
}

/// The deadlines of a server whose client is silent: one Ping, which has 10 bytes, and then the
/// missing Pong.
fn silent_client() -> (Vec<(Duration, Due)>, usize) {
    let due = vec![(seconds(70), Due::Ping(7_u64.to_be_bytes())), (seconds(82), Due::Pong)];
    assert_eq!(client_that_receives_nothing(|_, _| Vec::new()), (due.clone(), 10));
    (due, 10)
}

/// R097: Unsolicited Pongs, repeated Pongs and guesses of the next payload do not keep a connection
/// open, and are not answered.
#[test]
fn s5_5_3_pongs_that_answer_no_ping_do_not_keep_a_connection_open() {
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
    assert_eq!(client_that_receives_nothing(flood), silent_client());
    // The Pong of the last Ping keeps the connection open.
    let mut net = Network::with_server_timeouts(&Config::default());
    net.nodes[CLIENT].receives_nothing = true;
    net.advance(seconds(11));
    net.transmit(SERVER, Some(pong(&1_u64.to_be_bytes())));
    net.advance(seconds(5));
    assert_eq!(net.nodes[SERVER].timers.poll_timeout(), Some(seconds(21)));
}

/// R093: Pings are answered, and do not keep a connection open.
#[test]
fn s5_5_2_pings_do_not_keep_a_connection_open() {
    let ping = frame(Role::Client, 0x89, b"alive!");
    let (due, sent) = client_that_receives_nothing(|_, _| vec![ping.clone(); 30]);
    let (expected, silent) = silent_client();
    assert_eq!(due, expected);
    // 30 Pings, four times a second, from second 65 to second 82; a Pong has 8 bytes.
    assert_eq!(sent, silent + 4 * 17 * 30 * 8);
}

/// Messages and pieces of messages keep a connection open whose Ping is never answered, until they
/// stop.
#[test]
fn messages_keep_a_connection_open() {
    type SendFn<'a> = &'a dyn Fn(&mut Network, u64);
    let chunks = Config::new().delivery(Delivery::Chunks);
    let part = |net: &mut Network, number: u64| {
        net.call(CLIENT, |end| {
            end.engine
                .send_fragment(MessageKind::Binary, b"..", number == 39, &mut end.out)
                .unwrap();
        });
    };
    let whole = |net: &mut Network, _| net.call(CLIENT, |end| end.engine.send_text("", &mut end.out).unwrap());
    // One frame, in 40 pieces.
    let frame = |net: &mut Network, number| {
        if number == 0 {
            let message = [0; 20 * 40 - 8];
            net.call(CLIENT, |end| end.engine.send_binary(&message, &mut end.out).unwrap());
            net.split_in_flight(SERVER, 20, seconds(11));
            net.nodes[SERVER]
                .in_flight
                .iter_mut()
                .for_each(|(at, _)| *at -= seconds(11));
        }
    };
    let default = Config::default();
    let ways: [SendFn<'_>; 6] = [&whole, &whole, &part, &frame, &part, &frame];
    // Pieces of an assembled message are noticed by `assembled_len`.
    for (send, config) in ways
        .into_iter()
        .zip([&default, &chunks, &chunks, &chunks, &default, &default])
    {
        let mut net = Network::with_server_timeouts(config);
        net.nodes[CLIENT].receives_nothing = true;
        for number in 0..40 {
            send(&mut net, number);
            net.advance(seconds(11));
        }
        let ping = Due::Ping(1_u64.to_be_bytes());
        assert_eq!(
            net.nodes[SERVER].due,
            [(seconds(10), ping)],
            "one Ping, which is never answered"
        );
        assert_eq!(net.nodes[SERVER].last_activity, seconds(39 * 11));
        net.advance(seconds(100));
        assert_eq!(
            net.nodes[SERVER].due,
            [(seconds(10), ping), (seconds(39 * 11 + 12), Due::Pong)]
        );
    }
}

/// The idle timeout closes a connection that has only Pongs, once, with the code 1001.
#[test]
fn a_connection_without_messages_is_closed() {
    let idle = short_timeouts().idle(seconds(35));
    let mut net = Network::open(&Config::default(), [Timeouts::none(), idle], Duration::ZERO);
    net.advance(seconds(30));
    net.call(CLIENT, |end| end.engine.send_text("message", &mut end.out).unwrap());
    net.advance(seconds(100));
    let server = &net.nodes[SERVER];
    assert_eq!(server.due.last(), Some(&(seconds(65), Due::Idle)));
    assert_eq!(server.round_trips.len(), 6);
    assert!(server.end.engine.close_status().unwrap().is_clean());
    assert_eq!(
        net.nodes[CLIENT].end.engine.close_status().unwrap().code(),
        CloseCode::GOING_AWAY
    );
}

/// The idle timeout is due again only after another message, also while a Ping waits for its Pong.
#[test]
fn idle_is_due_once_after_each_message() {
    let timeouts = Timeouts::none().ping(seconds(10)).pong(seconds(100)).idle(seconds(15));
    let mut timers = opened(timeouts, seconds(0));
    ping(&mut timers, seconds(10));
    assert_eq!(timers.poll_timeout(), Some(seconds(15)));
    assert_eq!(all_due(&mut timers, seconds(15)), [Due::Idle]);
    assert_eq!(timers.poll_timeout(), Some(seconds(110)));
    timers.received(seconds(20));
    assert_eq!(all_due(&mut timers, seconds(34)), []);
    assert_eq!(all_due(&mut timers, seconds(35)), [Due::Idle]);
    timers.closing(seconds(35));
    timers.received(seconds(36));
    assert_eq!(timers.poll_timeout(), None);
}

/// A handshake that arrives byte by byte ends at its deadline, for either role. One that is
/// complete in time opens the connection.
#[test]
fn a_slow_handshake_ends_at_its_deadline() {
    for node in [SERVER, CLIENT] {
        for (every, is_slow) in [(millis(200), true), (millis(20), false)] {
            let mut net = Network::connecting(&Config::default(), [short_timeouts(); 2], millis(50));
            if node == CLIENT {
                net.nodes[SERVER].timers = Timers::new(Timeouts::none(), Duration::ZERO);
                net.run_until(millis(50));
                assert_eq!(net.nodes[SERVER].end.engine.state(), State::Open);
            } else {
                net.nodes[CLIENT].timers = Timers::new(Timeouts::none(), Duration::ZERO);
            }
            net.split_in_flight(node, 1, every);
            net.run_until(seconds(10));
            let expected = Vec::from_iter(is_slow.then_some((seconds(10), Due::Handshake)));
            assert_eq!(net.nodes[node].due, expected);
            assert_eq!(net.nodes[node].dropped_transport, is_slow);
            if is_slow {
                net.advance(seconds(3600));
                assert_eq!(net.nodes[node].due, expected, "no further deadline");
            } else {
                assert_eq!(net.nodes[node].end.engine.state(), State::Open);
            }
        }
    }
}

/// A closing handshake that the peer does not complete ends at its deadline, which nothing delays.
#[test]
fn a_closing_handshake_ends_at_its_deadline() {
    let close = |end: &mut Endpoint| end.engine.close(CloseCode::NORMAL, "", &mut end.out).unwrap();
    let expected = [(seconds(6), Due::Close)];
    let manual = Config::new().auto_close(false);

    // The peer is silent.
    for node in [CLIENT, SERVER] {
        let mut net = Network::open(&Config::default(), [short_timeouts(); 2], Duration::ZERO);
        net.nodes[1 - node].receives_nothing = true;
        net.advance(seconds(1));
        net.call(node, close);
        net.advance(seconds(100));
        assert_eq!(net.nodes[node].due, expected);
        assert_eq!(net.nodes[node].end.engine.state(), State::Closing);
    }

    // The peer sends Pings and messages, and does not answer the Close frame.
    let mut net = Network::with_server_timeouts(&manual);
    net.nodes[CLIENT].receives_nothing = true;
    net.advance(seconds(1));
    net.call(SERVER, close);
    for _ in 0..100 {
        net.call(CLIENT, |end| {
            end.engine.ping(b"?", &mut end.out).unwrap();
            end.engine.send_text("message", &mut end.out).unwrap();
        });
        net.advance(millis(100));
    }
    assert_eq!(net.nodes[SERVER].due, expected);

    // The peer closes first, and the server's application does not answer.
    let mut net = Network::with_server_timeouts(&manual);
    net.advance(seconds(1));
    net.call(CLIENT, close);
    net.advance(seconds(100));
    assert_eq!(net.nodes[SERVER].due, expected);

    // The server answers the Close frame and keeps the transport open.
    let mut net = Network::open(&Config::default(), [short_timeouts(); 2], Duration::ZERO);
    net.nodes[SERVER].keeps_transport_open = true;
    net.advance(seconds(1));
    net.call(CLIENT, close);
    net.advance(seconds(4));
    assert!(net.nodes[CLIENT].end.engine.close_status().unwrap().is_clean());
    assert_eq!(net.nodes[CLIENT].due, []);
    net.advance(seconds(96));
    assert_eq!(net.nodes[CLIENT].due, expected);

    // The client has violated the protocol, and keeps the transport open.
    let mut net = Network::with_server_timeouts(&Config::default());
    net.nodes[CLIENT].receives_nothing = true;
    net.advance(seconds(1));
    net.transmit(SERVER, Some(vec![0xFF; 8]));
    net.advance(seconds(100));
    assert!(net.nodes[SERVER].end.error.is_some());
    assert_eq!(net.nodes[SERVER].due, expected);
}

/// After a complete closing handshake nothing is due, for either role.
#[test]
fn after_a_clean_close_nothing_is_due() {
    for node in [CLIENT, SERVER] {
        let mut net = Network::open(&Config::default(), [short_timeouts(); 2], millis(50));
        net.advance(seconds(1));
        net.call(node, |end| {
            end.engine.close(CloseCode::NORMAL, "", &mut end.out).unwrap()
        });
        net.advance(seconds(100));
        for node in &net.nodes {
            assert!(node.end.engine.close_status().unwrap().is_clean());
            assert_eq!(node.timers.poll_timeout(), None);
            assert_eq!(node.due, []);
            assert!(!node.dropped_transport);
        }
    }
}

/// An endpoint that has slept processes the received Pong before its deadline, and then sends one
/// Ping.
#[test]
fn received_bytes_are_processed_before_deadlines_after_a_sleep() {
    let mut net = Network::with_server_timeouts(&Config::default());
    net.advance(seconds(9));
    net.delay = millis(50);
    net.advance(millis(1050));
    assert_eq!(net.nodes[SERVER].due.len(), 1, "the Ping is sent");
    net.nodes[SERVER].asleep_until = seconds(3600);
    net.run_until(seconds(3609));
    assert_eq!(net.nodes[SERVER].round_trips, [seconds(3590)]);
    assert_eq!(net.nodes[SERVER].due.len(), 1);
    net.nodes[SERVER].asleep_until = seconds(7200);
    net.run_until(seconds(7205));
    let number = 2_u64.to_be_bytes();
    assert_eq!(net.nodes[SERVER].due[1..], [(seconds(7200), Due::Ping(number))]);
    assert_eq!(net.nodes[SERVER].round_trips[1..], [millis(100)]);
}
