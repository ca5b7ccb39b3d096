//! Two ends and the network between them: what can happen, and what has to hold after it.

use std::hash::{DefaultHasher, Hash, Hasher};

use sockless::{Role, State, Teardown};
use support::{
    ROLES,
    known::{self, Opening},
    peer_of, role_name,
};

use super::{
    calls::Call,
    connect::{Clock, Connect},
    endpoint::Endpoint,
    explore::{Model, Violation, require, require_equal},
    log::Log,
    setup::Setup,
};

/// How much of what is on the way arrives at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    Byte,
    /// All bytes but the last.
    AllButOne,
    /// All bytes; or the end of the direction, if that is next.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Call(Role, Call),
    /// What this end has written arrives at the other.
    Deliver(Role, Amount),
    /// This end closes its sending direction, or its process ends: what it has written arrives.
    End(Role),
    /// The network breaks: what is on the way in either direction is lost.
    Break,
}

pub(super) struct Conversation {
    pub(super) setup: Setup,
    pub(super) ends: [Endpoint; 2],
    pub(super) clock: Clock,
    log: Option<Log>,
    /// Whether calls are made that have to be refused.
    tries_refused_calls: bool,
}

pub(super) const fn index(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server => 1,
    }
}

impl Conversation {
    pub(super) fn end(&self, role: Role) -> &Endpoint {
        &self.ends[index(role)]
    }

    fn end_mut(&mut self, role: Role) -> &mut Endpoint {
        &mut self.ends[index(role)]
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    /// Whether a call can be made, and the RFC permits it.
    pub(super) fn is_possible(&self, role: Role, call: Call) -> bool {
        let end = self.end(role);
        end.output.ends_at.is_none() && end.refusal(call).is_none()
    }

    /// Makes a call, if it is possible.
    pub(super) fn call(&mut self, role: Role, call: Call) -> Result<(), Violation> {
        if !self.is_possible(role, call) {
            return Ok(());
        }
        let known = self.end(role).output.frames.len();
        self.clock.step();
        self.note(|| format!("{}: {call}", role_name(role)));
        let result = self.end_mut(role).call(call);
        self.note_written(role, known);
        result
    }

    fn note_written(&mut self, role: Role, known: usize) {
        let frames = &self.end(role).output.frames;
        let lines: Vec<_> = frames[known..]
            .iter()
            .map(|frame| format!("    {} writes {frame}", role_name(role)))
            .collect();
        for line in lines {
            self.note(|| line);
        }
    }

    /// Delivers up to `len` bytes that `sender` has written, or, if there are none, the end.
    pub(super) fn deliver(&mut self, sender: Role, len: usize) -> Result<(), Violation> {
        let receiver = peer_of(sender);
        let output = &mut self.end_mut(sender).output;
        let (len, in_flight) = (len.min(output.in_flight()), output.in_flight());
        if len == 0 {
            return self.deliver_end(sender);
        }
        let bytes = output.take(len);
        self.clock.step();
        if let Some(log) = &mut self.log {
            log.deliver(sender, len, in_flight - len);
        }
        let (known, items) = (
            self.end(receiver).output.frames.len(),
            self.end(receiver).received.len(),
        );
        let result = self.end_mut(receiver).receive(bytes);
        let received = self.end(receiver).received[items..].to_vec();
        for item in received {
            self.note(|| format!("    {} receives {item}", role_name(receiver)));
        }
        self.note_written(receiver, known);
        result
    }

    fn deliver_end(&mut self, sender: Role) -> Result<(), Violation> {
        let output = &mut self.end_mut(sender).output;
        if !output.end_is_next() {
            return Ok(());
        }
        output.end_delivered = true;
        let has_body = output.delivered >= self.refusal_head_end(sender);
        self.clock.step();
        let is_refusal = self.end(sender).opening == Opening::Refused && has_body;
        self.note(|| format!("network: the direction from the {} ends", role_name(sender)));
        self.end_mut(peer_of(sender)).receive_end(is_refusal)
    }

    fn refusal_head_end(&self, sender: Role) -> usize {
        let written = &self.end(sender).output.written;
        let found = written.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        found.map_or(usize::MAX, |at| at + 4)
    }

    /// Whether the direction of either end has ended.
    fn has_ended(&self) -> bool {
        self.ends.iter().any(|end| end.output.ends_at.is_some())
    }

    /// Whether nothing is on the way.
    pub(super) fn is_quiet(&self) -> bool {
        let mut outputs = self.ends.iter().map(|end| &end.output);
        outputs.all(|output| output.in_flight() == 0 && !output.end_is_next())
    }

    /// Makes the calls that applications have to make.
    pub(super) fn answer(&mut self) -> Result<bool, Violation> {
        let mut has_answered = false;
        for role in ROLES {
            let end = self.end(role);
            let duty = if end.opening == Opening::Deciding {
                Call::Accept
            } else if end.close_received.is_some() && end.close_sent.is_none() {
                Call::CloseAnswer
            } else if !end.pings.is_empty() {
                Call::Pong
            } else {
                continue;
            };
            if self.is_possible(role, duty) {
                self.call(role, duty)?;
                has_answered = true;
            }
        }
        if has_answered {
            self.check()?;
        }
        Ok(has_answered)
    }

    /// Delivers and answers until nothing is on the way.
    pub(super) fn run_until_quiet(&mut self) -> Result<(), Violation> {
        for _ in 0..10_000 {
            for role in ROLES {
                let piece = self.setup.piece;
                self.deliver(role, piece)?;
                self.check()?;
            }
            if !self.answer()? && self.is_quiet() {
                return Ok(());
            }
        }
        Err(Violation::new(
            "a conversation comes to an end",
            "there is always more on the way",
        ))
    }

    /// An end closes its direction, if it may.
    pub(super) fn close_transport(&mut self, role: Role) {
        let peer_has_ended = self.end(peer_of(role)).output.end_delivered;
        let end = self.end_mut(role);
        let closes = match end.engine.teardown() {
            Some(Teardown::Close) => true,
            Some(Teardown::AwaitPeer) => peer_has_ended,
            None => false,
        };
        if closes {
            self.end_direction(role);
        }
    }

    /// The direction of an end is over after what it has written.
    pub(super) fn end_direction(&mut self, role: Role) {
        let output = &mut self.end_mut(role).output;
        if output.ends_at.is_none() {
            output.ends_at = Some(output.written.len());
            self.note(|| format!("{}: its direction ends", role_name(role)));
        }
    }

    fn close_transports(&mut self) -> Result<(), Violation> {
        for _ in 0..2 {
            for role in ROLES {
                self.close_transport(role);
            }
            self.run_until_quiet()?;
        }
        Ok(())
    }

    /// All calls that the RFC forbids in this state are refused.
    fn check_refusals(&mut self) -> Result<(), Violation> {
        if !self.tries_refused_calls {
            return Ok(());
        }
        let before = self.ends.each_ref().map(|end| known::shown(&end.engine));
        for role in ROLES {
            for call in Call::ALL {
                let end = self.end_mut(role);
                match end.refusal(call) {
                    Some(_) if call == Call::Accept && end.request.is_none() => {}
                    Some(expected) => end.call_refused(call, &expected)?,
                    None => {}
                }
            }
        }
        let after = self.ends.each_ref().map(|end| known::shown(&end.engine));
        require_equal(
            &after,
            &before,
            "a refused call changes nothing",
            "what the engines show",
        )
    }

    fn finish(&mut self) -> Result<(), Violation> {
        self.check_refusals()?;
        self.note(|| "then everything arrives, and the applications answer".to_owned());
        // The server leaves its message in progress.
        if self.end(Role::Client).in_message {
            self.call(Role::Client, Call::LastFragment)?;
        }
        self.run_until_quiet()?;
        if !self.has_ended() {
            self.call(Role::Client, Call::Close)?;
            self.run_until_quiet()?;
        }
        let has_ended = self.has_ended();
        self.close_transports()?;
        self.check_refusals()?;
        for role in ROLES {
            let end = self.end(role);
            let name = role_name(role);
            require_equal(
                &end.engine.state(),
                &State::Closed,
                "every conversation ends closed",
                name,
            )?;
            require(end.output.end_delivered, "every transport is closed", || {
                name.to_owned()
            })?;
            let is_clean = end.engine.close_status().is_some_and(|status| status.is_clean());
            let is_expected = is_clean || has_ended || end.opening == Opening::Refused;
            require(is_expected, "honest ends close cleanly", || name.to_owned())?;
        }
        Ok(())
    }
}

impl Model for Conversation {
    type Setup = Setup;
    type Action = Action;

    fn start(setup: &Setup, connect: &dyn Connect) -> Self {
        Self {
            setup: *setup,
            ends: setup.ends(connect),
            clock: connect.clock(),
            log: None,
            tries_refused_calls: true,
        }
    }

    fn prefix(setup: &Setup) -> &[Action] {
        setup.prefix
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for role in ROLES {
            let possible = self.setup.calls.iter().filter(|call| self.is_possible(role, **call));
            actions.extend(possible.map(|call| Action::Call(role, *call)));
            let output = &self.end(role).output;
            let amounts = self.setup.amounts.iter().filter(|amount| match amount {
                Amount::Byte => output.in_flight() > 1,
                Amount::AllButOne => output.in_flight() > 2,
                Amount::All => output.in_flight() > 0 || output.end_is_next(),
            });
            actions.extend(amounts.map(|amount| Action::Deliver(role, *amount)));
            if self.setup.breaks && output.ends_at.is_none() {
                actions.push(Action::End(role));
            }
        }
        if self.setup.breaks && !self.has_ended() {
            actions.push(Action::Break);
        }
        actions
    }

    fn apply(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Call(role, call) => self.call(role, call)?,
            Action::Deliver(role, amount) => {
                let in_flight = self.end(role).output.in_flight();
                let len = match amount {
                    Amount::Byte => 1,
                    Amount::AllButOne => in_flight.saturating_sub(1),
                    Amount::All => in_flight,
                };
                self.deliver(role, len)?;
            }
            Action::End(role) => self.end_direction(role),
            Action::Break => {
                for end in &mut self.ends {
                    end.output.ends_at.get_or_insert(end.output.delivered);
                }
                self.note(|| "network: breaks".to_owned());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Violation> {
        self.check_state()
    }

    fn fingerprint(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for end in self.ends {
            known::shown(&end.engine).hash(&mut hasher);
            (end.opening, end.request.is_some(), &end.close_sent, &end.close_received).hash(&mut hasher);
            (
                &end.sent,
                end.in_message,
                &end.received,
                &end.chunks,
                &end.pings,
                end.pings_sent,
            )
                .hash(&mut hasher);
            let output = &end.output;
            (output.ends_at.map(|at| at - output.delivered), output.end_delivered).hash(&mut hasher);
            output.written[output.delivered..].hash(&mut hasher);
            let parts = end.engine.into_parts();
            (parts.unread, parts.lossless).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn endings(_: &Setup) -> usize {
        1
    }

    fn settle(&mut self, _: usize) -> Result<(), Violation> {
        self.finish()
    }

    fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(Log::take).unwrap_or_default()
    }

    #[cfg(feature = "recording")]
    fn leave_out_refused_calls(&mut self) {
        self.tries_refused_calls = false;
    }

    #[cfg(feature = "recording")]
    fn engines(&self) -> [&sockless::Connection; 2] {
        self.ends.each_ref().map(|end| &end.engine)
    }
}
