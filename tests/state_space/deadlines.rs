//! The conversation with timers and a clock, which goes on by one second at a time.
//!
//! Bytes that have not arrived when the clock goes on are late. So a peer that is silent, and a
//! network that is slow, need no actions of their own.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use sockless::{
    Role, State,
    timers::{Due, Timeouts, Timers},
};
use support::{
    ROLES,
    known::{Item, Opening},
    peer_of, role_name,
};

use super::{
    calls::Call,
    connect::Connect,
    conversation::{Action, Amount, Conversation, index},
    explore::{Model, Violation, require, require_equal},
    setup::Setup,
    times::{Limits, Times},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct TimedSetup {
    pub(super) conversation: Setup,
    pub(super) limits: Limits,
    pub(super) prefix: &'static [TimedAction],
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TimedAction {
    Event(Action),
    /// A second passes.
    Second,
}

struct Clocked {
    timers: Timers<Duration>,
    times: Times,
    /// How many items the timers know.
    known: usize,
    /// How much has arrived of a message in progress.
    progress: usize,
    /// The deadline that ended the connection.
    timed_out: Option<Due>,
}

pub(super) struct TimedConversation {
    setup: TimedSetup,
    inner: Conversation,
    clocked: [Clocked; 2],
    now: u64,
}

impl TimedConversation {
    const fn now(&self) -> Duration {
        Duration::from_secs(self.now)
    }

    fn has_timed_out(&self, role: Role) -> bool {
        self.clocked[index(role)].timed_out.is_some()
    }

    fn event(&mut self, action: Action) -> Result<(), Violation> {
        // An end that has dropped the transport does nothing any more.
        match action {
            Action::Call(role, _) if self.has_timed_out(role) => return Ok(()),
            Action::Deliver(sender, _) if self.has_timed_out(peer_of(sender)) => return Ok(()),
            _ => {}
        }
        let pings = self.inner.ends.each_ref().map(|end| end.pings_sent);
        self.inner.apply(action)?;
        for role in ROLES {
            if self.inner.end(role).pings_sent > pings[index(role)] {
                let clocked = &mut self.clocked[index(role)];
                clocked.timers.ping_sent();
                clocked.times.has_other_ping = true;
            }
            self.update(role)?;
        }
        Ok(())
    }

    /// Tells the timers of an end what has happened, as their documentation says.
    fn update(&mut self, role: Role) -> Result<(), Violation> {
        if self.has_timed_out(role) {
            return Ok(());
        }
        if self.inner.end(role).opening == Opening::Deciding {
            self.inner.call(role, Call::Accept)?;
        }
        let (now, seconds) = (self.now(), self.now);
        let (end, clocked) = (self.inner.end(role), &mut self.clocked[index(role)]);
        let (timers, times) = (&mut clocked.timers, &mut clocked.times);
        if end.opening == Opening::Accepted && times.opened.is_none() {
            timers.opened(now);
            (times.opened, times.last_message, times.last_alive) = (Some(seconds), seconds, seconds);
        }
        let is_open = times.closing.is_none();
        for item in &end.received[clocked.known..] {
            match item {
                Item::Message(..) => {
                    timers.received(now);
                    (times.last_message, times.last_alive, times.idle) = (seconds, seconds, false);
                }
                Item::Pong(payload) => {
                    timers.pong(payload, now);
                    let answers = times.pinged.is_some() && payload[..] == times.pings.to_be_bytes();
                    if is_open && (answers || times.has_other_ping) {
                        times.last_alive = seconds;
                        times.pinged = None;
                        times.has_other_ping &= answers;
                    }
                }
                Item::Ping(_) | Item::Close(_) => {}
            }
        }
        let progress = end.engine.assembled_len() + end.chunks.len();
        if progress > clocked.progress {
            timers.received(now);
            (times.last_message, times.last_alive, times.idle) = (seconds, seconds, false);
        }
        (clocked.known, clocked.progress) = (end.received.len(), progress);
        if matches!(end.engine.state(), State::Closing | State::Closed) {
            timers.closing(now);
            times.closing.get_or_insert(seconds);
        }
        self.inner.close_transport(role);
        let (end, peer) = (self.inner.end(role), self.inner.end(peer_of(role)));
        if end.output.ends_at.is_some() && peer.output.end_delivered {
            let clocked = &mut self.clocked[index(role)];
            clocked.timers.closed();
            clocked.times.ended = true;
        }
        Ok(())
    }

    /// A second passes, and every end does what is due.
    fn second(&mut self) -> Result<(), Violation> {
        self.now += 1;
        let now = self.now;
        self.inner.clock.set_seconds(now);
        self.inner.note(|| format!("clock: {now} s"));
        for role in ROLES {
            for _ in 0..4 {
                let (at, limits, now) = (self.now(), self.setup.limits, self.now);
                let clocked = &mut self.clocked[index(role)];
                let expected = clocked.times.deadline(&limits).is_some_and(|deadline| deadline <= now);
                let due = clocked.timers.handle_timeout(at);
                let name = role_name(role);
                require(due.is_some() == expected, "what is due is due at its time", || {
                    format!("{name}: {due:?} at {now} s: {:?}", clocked.times)
                })?;
                match due {
                    None => break,
                    Some(due) => self.act(role, due)?,
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, role: Role, due: Due) -> Result<(), Violation> {
        self.inner.note(|| format!("{}: {due:?} is due", role_name(role)));
        let (now, clocked) = (self.now, &mut self.clocked[index(role)]);
        let call = match due {
            Due::Ping(payload) => {
                clocked.times.pings += 1;
                (clocked.times.pinged, clocked.times.has_other_ping) = (Some(now), false);
                Call::KeepAlive(payload)
            }
            Due::Idle => {
                clocked.times.idle = true;
                Call::Close
            }
            Due::Handshake | Due::Pong | Due::Close => {
                (clocked.timed_out, clocked.times.ended) = (Some(due), true);
                self.inner.end_direction(role);
                return Ok(());
            }
        };
        require(self.inner.is_possible(role, call), "what is due can be done", || {
            call.to_string()
        })?;
        self.inner.call(role, call)?;
        self.update(role)
    }

    /// Everything arrives at once, except at `silent`.
    fn deliver_all(&mut self, silent: &[Role]) -> Result<(), Violation> {
        loop {
            let mut has_arrived = false;
            for sender in ROLES {
                let output = &self.inner.end(sender).output;
                let receiver = peer_of(sender);
                let is_on_the_way = output.in_flight() > 0 || output.end_is_next();
                if is_on_the_way && !silent.contains(&receiver) && !self.has_timed_out(receiver) {
                    self.event(Action::Deliver(sender, Amount::All))?;
                    has_arrived = true;
                }
            }
            if !self.inner.answer()? && !has_arrived {
                return self.check();
            }
        }
    }

    /// Whether an end has nothing to wait for: the transport is closed, or was dropped.
    fn is_over(&self, role: Role) -> bool {
        self.clocked[index(role)].times.ended
    }

    /// From now on, everything arrives in time: nobody misses a deadline.
    fn end_promptly(&mut self) -> Result<(), Violation> {
        let before = self.clocked.each_ref().map(|clocked| clocked.timed_out);
        self.deliver_all(&[])?;
        let Limits { ping, pong, idle, .. } = self.setup.limits;
        for _ in 0..ping + pong + idle + 1 {
            self.second()?;
            self.deliver_all(&[])?;
        }
        self.event(Action::Call(Role::Client, Call::Close))?;
        self.deliver_all(&[])?;
        let after = self.clocked.each_ref().map(|clocked| clocked.timed_out);
        let rule = "no deadline is missed by ends that answer in time";
        require_equal(&after, &before, rule, "what ended the client and the server")?;
        for role in ROLES {
            let is_over = self.is_over(role);
            require(is_over, "every conversation ends", || role_name(role).to_owned())?;
        }
        Ok(())
    }

    /// From now on, nothing arrives at the ends that are named.
    fn end_in_silence(&mut self, silent: &[Role]) -> Result<(), Violation> {
        let Limits {
            handshake,
            ping,
            pong,
            close,
            ..
        } = self.setup.limits;
        // With a Ping or a message that has just been received, or `Idle` before the Pong is due.
        for _ in 0..handshake.max(ping + pong + close) {
            self.deliver_all(silent)?;
            self.second()?;
        }
        self.deliver_all(silent)?;
        for role in silent {
            let is_over = self.is_over(*role);
            require(is_over, "a silent peer is given up in time", || {
                role_name(*role).to_owned()
            })?;
        }
        Ok(())
    }
}

impl Model for TimedConversation {
    type Setup = TimedSetup;
    type Action = TimedAction;

    fn start(setup: &TimedSetup, connect: &dyn Connect) -> Self {
        let second = Duration::from_secs;
        let limits = &setup.limits;
        let timeouts = Timeouts::none()
            .handshake(second(limits.handshake))
            .ping(second(limits.ping))
            .pong(second(limits.pong))
            .idle((limits.idle > 0).then_some(second(limits.idle)))
            .close(second(limits.close));
        let inner = Conversation::start(&setup.conversation, connect);
        let clocked = ROLES.map(|_| Clocked {
            timers: Timers::new(timeouts, Duration::ZERO),
            times: Times::default(),
            known: 0,
            progress: 0,
            timed_out: None,
        });
        let setup = *setup;
        let mut state = Self {
            setup,
            inner,
            clocked,
            now: 0,
        };
        for role in ROLES {
            state.update(role).unwrap();
        }
        state
    }

    fn prefix(setup: &TimedSetup) -> &[TimedAction] {
        setup.prefix
    }

    fn actions(&self) -> Vec<TimedAction> {
        let possible = self.inner.actions().into_iter().filter(|action| match action {
            Action::Call(role, _) => !self.has_timed_out(*role),
            Action::Deliver(sender, _) => !self.has_timed_out(peer_of(*sender)),
            Action::End(_) | Action::Break => true,
        });
        let is_over = ROLES.iter().all(|role| self.is_over(*role));
        let second = (!is_over).then_some(TimedAction::Second);
        possible.map(TimedAction::Event).chain(second).collect()
    }

    fn apply(&mut self, action: TimedAction) -> Result<(), Violation> {
        match action {
            TimedAction::Event(action) => self.event(action),
            TimedAction::Second => self.second(),
        }
    }

    fn check(&self) -> Result<(), Violation> {
        for role in ROLES {
            let clocked = &self.clocked[index(role)];
            let deadline = clocked.times.deadline(&self.setup.limits).map(Duration::from_secs);
            let name = role_name(role);
            let next = clocked.timers.poll_timeout();
            require_equal(
                &next,
                &deadline,
                "the next deadline follows from what has happened",
                name,
            )?;
            let is_later = deadline.is_none_or(|deadline| deadline > self.now());
            require(is_later, "what was due is done", || name.to_owned())?;
        }
        self.inner.check()
    }

    fn fingerprint(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for clocked in &self.clocked {
            format!("{:?} {:?} {:?}", clocked.timers, clocked.times, clocked.timed_out).hash(&mut hasher);
        }
        (self.now, self.inner.fingerprint()).hash(&mut hasher);
        hasher.finish()
    }

    fn endings(_: &TimedSetup) -> usize {
        4
    }

    fn settle(&mut self, ending: usize) -> Result<(), Violation> {
        match ending {
            0 => self.end_promptly(),
            1 => self.end_in_silence(&ROLES),
            2 => self.end_in_silence(&[Role::Client]),
            _ => self.end_in_silence(&[Role::Server]),
        }
    }

    fn keep_log(&mut self) {
        self.inner.keep_log();
    }

    fn take_log(&mut self) -> Vec<String> {
        self.inner.take_log()
    }

    #[cfg(feature = "recording")]
    fn leave_out_refused_calls(&mut self) {
        self.inner.leave_out_refused_calls();
    }

    #[cfg(feature = "recording")]
    fn engines(&self) -> [&sockless::Connection; 2] {
        self.inner.engines()
    }
}
