//! Two ends and the network between them: what can happen, and what has to hold after it.

use std::hash::{DefaultHasher, Hash, Hasher};

use sockless::{MessageKind, Role, State, Teardown};
use support::{ROLES, peer_of};

use super::{
    calls::Call,
    endpoint::{Endpoint, Item, Opening},
    explore::{Model, Violation, require, require_equal},
    network::{self, CLOSE, PING, PONG},
    setup::Setup,
};

/// How much of what is on the way arrives at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Byte,
    /// All bytes but the last.
    AllButOne,
    /// All bytes; or the end of the direction, if that is next.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Call(Role, Call),
    /// What this end has written arrives at the other.
    Deliver(Role, Amount),
    /// This end closes its sending direction, or its process ends: what it has written arrives.
    End(Role),
    /// The network breaks: what is on the way in either direction is lost.
    Break,
}

pub struct Conversation {
    pub setup: Setup,
    pub ends: [Endpoint; 2],
    log: Option<Log>,
}

/// What has happened, a line each.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// Who has written the bytes of the last delivery, in how many pieces they arrived, how many
    /// they were, and how many are left. Deliveries without an effect are one line.
    delivery: Option<(Role, usize, usize, usize)>,
}

impl Log {
    fn push(&mut self, line: String) {
        self.end_delivery();
        self.lines.push(line);
    }

    fn deliver(&mut self, sender: Role, len: usize, left: usize) {
        let (pieces, before) = match self.delivery {
            Some((same, pieces, before, _)) if same == sender => (pieces, before),
            _ => {
                self.end_delivery();
                (0, 0)
            }
        };
        self.delivery = Some((sender, pieces + 1, before + len, left));
    }

    fn end_delivery(&mut self) {
        if let Some((sender, pieces, len, left)) = self.delivery.take() {
            let (from, to) = (network::name(sender), network::name(peer_of(sender)));
            let all = len + left;
            let pieces = if pieces > 1 {
                format!(", in {pieces} pieces")
            } else {
                String::new()
            };
            let line = format!("network: {len} of {all} bytes of the {from} arrive at the {to}{pieces}");
            self.lines.push(line);
        }
    }
}

pub const fn index(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server => 1,
    }
}

impl Conversation {
    pub fn end(&self, role: Role) -> &Endpoint {
        &self.ends[index(role)]
    }

    fn end_mut(&mut self, role: Role) -> &mut Endpoint {
        &mut self.ends[index(role)]
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    /// Whether a call can be made, and the RFC permits it.
    pub fn is_possible(&self, role: Role, call: Call) -> bool {
        let end = self.end(role);
        end.output.ends_at.is_none() && end.refusal(call).is_none()
    }

    /// Makes a call, if it is possible.
    pub fn call(&mut self, role: Role, call: Call) -> Result<(), Violation> {
        if !self.is_possible(role, call) {
            return Ok(());
        }
        let known = self.end(role).output.frames.len();
        self.note(|| format!("{}: {call}", network::name(role)));
        let result = self.end_mut(role).call(call);
        self.note_written(role, known);
        result
    }

    fn note_written(&mut self, role: Role, known: usize) {
        let frames = &self.end(role).output.frames;
        let lines: Vec<_> = frames[known..]
            .iter()
            .map(|frame| format!("    {} writes {frame}", network::name(role)))
            .collect();
        for line in lines {
            self.note(|| line);
        }
    }

    /// Delivers up to `len` bytes that `sender` has written, or, if there are none, the end.
    pub fn deliver(&mut self, sender: Role, len: usize) -> Result<(), Violation> {
        let receiver = peer_of(sender);
        let output = &mut self.end_mut(sender).output;
        let (len, in_flight) = (len.min(output.in_flight()), output.in_flight());
        if len == 0 {
            return self.deliver_end(sender);
        }
        let mut bytes = output.take(len);
        if let Some(log) = &mut self.log {
            log.deliver(sender, len, in_flight - len);
        }
        let (known, items) = (
            self.end(receiver).output.frames.len(),
            self.end(receiver).received.len(),
        );
        let result = self.end_mut(receiver).receive(&mut bytes);
        let received = self.end(receiver).received[items..].to_vec();
        for item in received {
            self.note(|| format!("    {} receives {item}", network::name(receiver)));
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
        let is_refusal = self.end(sender).opening == Opening::Refused && has_body;
        self.note(|| format!("network: the direction from the {} ends", network::name(sender)));
        self.end_mut(peer_of(sender)).receive_end(is_refusal)
    }

    fn refusal_head_end(&self, sender: Role) -> usize {
        let written = &self.end(sender).output.written;
        let found = written.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        found.map_or(usize::MAX, |at| at + 4)
    }

    /// Whether an end has received exactly what the bytes say that have arrived, in their order.
    fn check_received(&self, receiver: Role) -> Result<(), Violation> {
        let (sender, end) = (self.end(peer_of(receiver)), self.end(receiver));
        let (mut items, mut messages, mut partial, mut has_close) = (Vec::new(), 0, Vec::new(), false);
        for frame in sender.output.arrived() {
            match frame.opcode() {
                PING => items.push(Item::Ping(frame.payload.clone())),
                PONG => items.push(Item::Pong(frame.payload.clone())),
                CLOSE => {
                    items.push(Item::Close(sender.close_sent.clone().flatten()));
                    // What follows is discarded.
                    has_close = true;
                    break;
                }
                _ => partial.extend_from_slice(&frame.payload),
            }
            if frame.opcode() < CLOSE && frame.is_last() {
                partial.clear();
                if let Some(message) = sender.sent.get(messages) {
                    items.push(Item::Message(message.kind, message.data.clone()));
                }
                messages += 1;
            }
        }
        let rule = "what is sent arrives, in order and whole";
        require_equal(&end.received, &items, rule, network::name(receiver))?;
        if has_close || end.error.is_some() {
            return Ok(());
        }
        let next = sender
            .output
            .frames
            .iter()
            .find(|frame| frame.end > sender.output.delivered);
        if let Some(frame) = next.filter(|frame| frame.opcode() < CLOSE) {
            let arrived = sender.output.delivered.saturating_sub(frame.payload_start);
            partial.extend_from_slice(&frame.payload[..arrived]);
        }
        let kind = sender.sent.get(messages).map(|message| message.kind);
        self.check_partial(receiver, kind, partial)
    }

    /// Checks the message in progress, of which `partial` has arrived.
    fn check_partial(&self, receiver: Role, kind: Option<MessageKind>, mut partial: Vec<u8>) -> Result<(), Violation> {
        let end = self.end(receiver);
        let name = network::name(receiver);
        if end.settings.compressed {
            let sent = &self.end(peer_of(receiver)).sent;
            let is_prefix = end.chunks.is_empty() || sent.iter().any(|message| message.data.starts_with(&end.chunks));
            return require(is_prefix, "chunks are a part of the message", || {
                format!("{name}: {:?}", end.chunks)
            });
        }
        if end.settings.chunks {
            // The beginning of a code point waits for the rest of it.
            let is_split = kind == Some(MessageKind::Text) && partial.last() == Some(&0xC3);
            let waiting = partial.split_off(partial.len() - usize::from(is_split));
            require_equal(&end.chunks, &partial, "chunks arrive as their bytes do", name)?;
            partial = waiting;
        }
        let rule = "what has arrived of a message is assembled";
        require_equal(&end.engine.assembled_len(), &partial.len(), rule, name)
    }

    /// Whether the direction of either end has ended.
    fn has_ended(&self) -> bool {
        self.ends.iter().any(|end| end.output.ends_at.is_some())
    }

    /// Whether nothing is on the way.
    pub fn is_quiet(&self) -> bool {
        let mut outputs = self.ends.iter().map(|end| &end.output);
        outputs.all(|output| output.in_flight() == 0 && !output.end_is_next())
    }

    /// Makes the calls that applications have to make.
    pub fn answer(&mut self) -> Result<bool, Violation> {
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
        self.check()?;
        Ok(has_answered)
    }

    /// Delivers and answers until nothing is on the way.
    pub fn run_until_quiet(&mut self) -> Result<(), Violation> {
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
    pub fn close_transport(&mut self, role: Role) {
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
    pub fn end_direction(&mut self, role: Role) {
        let output = &mut self.end_mut(role).output;
        if output.ends_at.is_none() {
            output.ends_at = Some(output.written.len());
            self.note(|| format!("{}: its direction ends", network::name(role)));
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
        let before = self.ends.each_ref().map(Endpoint::shown);
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
        let after = self.ends.each_ref().map(Endpoint::shown);
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
            let name = network::name(role);
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

    fn start(setup: &Setup) -> Self {
        Self {
            setup: *setup,
            ends: setup.ends(),
            log: None,
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
        for role in ROLES {
            let end = self.end(role);
            end.check()?;
            let closes = end.output.frames.iter().filter(|frame| frame.opcode() == CLOSE).count();
            require(closes <= 1, "an end sends at most one Close frame", || {
                format!("the {} has sent {closes}", network::name(role))
            })?;
            self.check_received(role)?;
            // What an end has received, the other one has sent.
            if let Some(received) = &end.close_received {
                let sent = &self.end(peer_of(role)).close_sent;
                require_equal(
                    &Some(received),
                    &sent.as_ref(),
                    "the reports of the close agree",
                    network::name(role),
                )?;
            }
        }
        Ok(())
    }

    fn fingerprint(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for end in self.ends {
            end.shown().hash(&mut hasher);
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

    fn settle(mut self, _: usize, log: &mut Vec<String>) -> Result<(), Violation> {
        let result = self.finish();
        log.extend(self.take_log());
        result
    }

    fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    fn take_log(&mut self) -> Vec<String> {
        let Some(log) = &mut self.log else {
            return Vec::new();
        };
        log.end_delivery();
        std::mem::take(&mut log.lines)
    }
}
