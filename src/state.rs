//! The state machine of a connection (RFC 6455, sections 4 and 7): first the theory, then the
//! table.
//!
//! Two rules. Every change of state, and what may be sent in which state, is in this file and
//! nowhere else. And this file does not know which bytes carry a signal, nor what an endpoint
//! wants: it is told that something has happened, and says where that leads; it is asked for a
//! command, and says whether it is permitted.
//!
//! The opening handshake is a sequence: a server awaits a request and then a decision, a client
//! awaits a response. Once open, a connection is really two one-bit machines, one for each
//! direction: "has a Close frame passed?". Their product has four states, of which the last one,
//! both, is the clean end:
//!
//! | Close sent | Close received | phase |
//! |---|---|---|
//! | no | no | `Open` |
//! | yes | no | `CloseSent` |
//! | no | yes | `CloseReceived` |
//! | yes | yes | `Closed` |
//!
//! With [`Config::auto_close`](crate::Config::auto_close), `CloseReceived` lasts no longer than the
//! call that finds the Close frame. Everything else that can end a connection leads to `Closed` at
//! once: a rejection, a refusal, a violation, the end of the transport. `Closed` is absorbing: only
//! `Failed` may follow, and it changes nothing.

use core::fmt;

/// The state of a connection (RFC 6455, sections 4.1, 7.1.3 and 7.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the RFC has these four")]
pub enum State {
    /// The opening handshake is under way. No frames are sent or received.
    Opening,
    /// Messages are sent and received.
    Open,
    /// One Close frame has passed: this end's, and messages are still received; or, with
    /// [`auto_close`](crate::Config::auto_close) off, the peer's.
    Closing,
    /// Nothing is sent or received any more. [`teardown`](crate::Connection::teardown) says how to
    /// close the transport.
    Closed,
}

/// The phases of which each [`State`] has one or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Server: the request has not come, or not all of it.
    AwaitingRequest,
    /// Server: the request waits for `accept` or `reject`.
    Deciding,
    /// Client: the response has not come, or not all of it.
    AwaitingResponse,
    Open,
    CloseSent,
    CloseReceived,
    Closed,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// A valid request has arrived.
    Requested,
    /// Server: the caller accepts. Client: a valid 101 has arrived.
    Accepted,
    /// Server: the caller rejects. Client: another status has arrived.
    Refused,
    /// A Close frame was appended to the output.
    CloseSent,
    /// A Close frame has arrived.
    CloseReceived,
    /// The peer broke a rule, or the transport ended: "fail the connection" (section 7.1.7).
    Failed,
}

/// What an endpoint can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Server: accept or reject the request.
    Answer,
    /// Send a message, or the first fragment of one.
    SendData,
    /// Send a further fragment of the message in progress.
    ContinueMessage,
    SendPing,
    SendPong,
    SendClose,
}

/// Whether a command is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Granted,
    /// The opening handshake comes first.
    TooEarly,
    /// It was done before, or the connection is closing or closed.
    TooLate,
}

impl Phase {
    /// Whether a command is permitted in this phase.
    #[inline(always)]
    pub(crate) const fn permits(self, command: Command) -> Permission {
        use Permission::{Granted, TooEarly, TooLate};
        match (self, command) {
            (Self::Deciding, Command::Answer) => Granted,
            (Self::AwaitingRequest | Self::AwaitingResponse, Command::Answer) => TooEarly,
            (Self::Open | Self::CloseSent | Self::CloseReceived | Self::Closed, Command::Answer) => TooLate,

            (
                Self::AwaitingRequest | Self::Deciding | Self::AwaitingResponse,
                Command::SendData
                | Command::ContinueMessage
                | Command::SendPing
                | Command::SendPong
                | Command::SendClose,
            ) => TooEarly,

            (
                Self::Open,
                Command::SendData
                | Command::ContinueMessage
                | Command::SendPing
                | Command::SendPong
                | Command::SendClose,
            ) => Granted,

            // "After sending a Close frame an endpoint MUST NOT send any more data frames" (section
            // 5.5.1). A Ping is still to be answered, "unless it already received a Close frame"
            // (section 5.5.2).
            (Self::CloseSent, Command::SendPong) => Granted,
            (
                Self::CloseSent,
                Command::SendData | Command::ContinueMessage | Command::SendPing | Command::SendClose,
            ) => TooLate,

            // The peer's Close frame is to be answered; "an endpoint MAY send the remaining
            // fragments before sending a Close frame" (section 5.5.1).
            (Self::CloseReceived, Command::SendClose | Command::ContinueMessage) => Granted,
            (Self::CloseReceived, Command::SendData | Command::SendPing | Command::SendPong) => TooLate,

            (
                Self::Closed,
                Command::SendData
                | Command::ContinueMessage
                | Command::SendPing
                | Command::SendPong
                | Command::SendClose,
            ) => TooLate,
        }
    }

    /// The phase after a signal; `None` if the signal cannot occur in this phase.
    pub(crate) const fn after(self, signal: Signal) -> Option<Self> {
        match (self, signal) {
            (Self::AwaitingRequest, Signal::Requested) => Some(Self::Deciding),
            (Self::Deciding | Self::AwaitingResponse, Signal::Accepted) => Some(Self::Open),
            (Self::Deciding | Self::AwaitingResponse, Signal::Refused) => Some(Self::Closed),
            (Self::Open, Signal::CloseSent) => Some(Self::CloseSent),
            (Self::Open, Signal::CloseReceived) => Some(Self::CloseReceived),
            // Both Close frames have passed, in either order or crossing each other.
            (Self::CloseSent, Signal::CloseReceived) | (Self::CloseReceived, Signal::CloseSent) => Some(Self::Closed),
            (
                Self::AwaitingRequest
                | Self::Deciding
                | Self::AwaitingResponse
                | Self::Open
                | Self::CloseSent
                | Self::CloseReceived
                | Self::Closed,
                Signal::Failed,
            ) => Some(Self::Closed),
            (Self::AwaitingRequest, Signal::Accepted | Signal::Refused)
            | (Self::Deciding | Self::AwaitingResponse, Signal::Requested)
            | (
                Self::AwaitingRequest | Self::Deciding | Self::AwaitingResponse,
                Signal::CloseSent | Signal::CloseReceived,
            )
            | (
                Self::Open | Self::CloseSent | Self::CloseReceived | Self::Closed,
                Signal::Requested | Signal::Accepted | Signal::Refused,
            )
            | (Self::CloseSent | Self::Closed, Signal::CloseSent)
            | (Self::CloseReceived | Self::Closed, Signal::CloseReceived) => None,
        }
    }

    pub(crate) const fn state(self) -> State {
        match self {
            Self::AwaitingRequest | Self::Deciding | Self::AwaitingResponse => State::Opening,
            Self::Open => State::Open,
            Self::CloseSent | Self::CloseReceived => State::Closing,
            Self::Closed => State::Closed,
        }
    }

    /// Whether frames from the peer are processed: until its Close frame, or a failure (sections
    /// 1.4 and 7.1.7).
    pub(crate) const fn receives_frames(self) -> bool {
        match self {
            Self::Open | Self::CloseSent => true,
            Self::AwaitingRequest | Self::Deciding | Self::AwaitingResponse | Self::CloseReceived | Self::Closed => {
                false
            }
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        format, fs,
        string::String,
        vec::Vec,
    };

    use super::{Command, Permission, Phase, Signal, State};

    const PHASES: [Phase; 7] = [
        Phase::AwaitingRequest,
        Phase::Deciding,
        Phase::AwaitingResponse,
        Phase::Open,
        Phase::CloseSent,
        Phase::CloseReceived,
        Phase::Closed,
    ];

    const SIGNALS: [Signal; 6] = [
        Signal::Requested,
        Signal::Accepted,
        Signal::Refused,
        Signal::CloseSent,
        Signal::CloseReceived,
        Signal::Failed,
    ];

    const COMMANDS: [Command; 6] = [
        Command::Answer,
        Command::SendData,
        Command::ContinueMessage,
        Command::SendPing,
        Command::SendPong,
        Command::SendClose,
    ];

    /// The content of docs/STATE.md, generated from the state machine.
    fn page() -> String {
        let mut page = String::from(
            "# The state machine\n\n\
             Written by a test from the table in `src/state.rs`, which is the one that runs.\n\
             `BLESS=1 cargo test --lib` writes it anew.\n\n\
             ![The states of a connection][states.svg]\n\n| phase | `State` | frames are received |",
        );
        for signal in SIGNALS {
            page += &format!(" {signal:?} |");
        }
        page += "\n|---|---|---|---|---|---|---|---|---|\n";
        for from in PHASES {
            let receives = if from.receives_frames() { "yes" } else { "no" };
            page += &format!("| {from} | `{:?}` | {receives} |", from.state());
            for signal in SIGNALS {
                page += &from
                    .after(signal)
                    .map_or_else(|| String::from(" |"), |to| format!(" {to} |"));
            }
            page += "\n";
        }
        page += "\n## What is permitted in which phase\n\n| phase |";
        for command in COMMANDS {
            page += &format!(" {command:?} |");
        }
        page += "\n|---|---|---|---|---|---|---|\n";
        for phase in PHASES {
            page += &format!("| {phase} |");
            for command in COMMANDS {
                page += match phase.permits(command) {
                    Permission::Granted => " yes |",
                    Permission::TooEarly => " too early |",
                    Permission::TooLate => " too late |",
                };
            }
            page += "\n";
        }
        page + "\n[states.svg]: states.svg\n"
    }

    /// The arrows of the picture: how a connection begins, and every transition to another phase.
    fn arrows() -> BTreeSet<String> {
        let beginnings = [
            "[*] to AwaitingRequest: server",
            "[*] to AwaitingResponse: client",
            "[*] to Open: upgraded",
        ];
        let mut arrows = BTreeSet::from(beginnings.map(String::from));
        for from in PHASES {
            let mut signals: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for signal in SIGNALS {
                match from.after(signal) {
                    Some(to) if to != from => signals.entry(format!("{to}")).or_default().push(format!("{signal:?}")),
                    Some(_) | None => {}
                }
            }
            arrows.extend(
                signals
                    .iter()
                    .map(|(to, signals)| format!("{from} to {to}: {}", signals.join(", "))),
            );
        }
        arrows
    }

    /// Each arrow of the picture has its transition as a title.
    #[test]
    fn the_picture_of_the_docs_agrees_with_the_state_machine() {
        let picture = include_str!("../docs/states.svg");
        let titles = picture.split("<title>").skip(1);
        let drawn: BTreeSet<&str> = titles.map(|rest| rest.split("</title>").next().unwrap()).collect();
        let arrows = arrows();
        assert_eq!(drawn, arrows.iter().map(String::as_str).collect());
    }

    #[test]
    fn the_page_of_the_docs_agrees_with_the_state_machine() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/STATE.md");
        if std::env::var_os("BLESS").is_some() {
            fs::write(path, page()).unwrap();
        }
        let written = fs::read_to_string(path).unwrap();
        assert!(
            written == page(),
            "docs/STATE.md is out of date: BLESS=1 cargo test --lib"
        );
    }

    /// R108 R114: A Close frame in either direction ends `Open`, and no signal leaves `Closed`.
    #[test]
    fn s7_1_3_the_state_never_goes_back() {
        let order = |state: State| match state {
            State::Opening => 0,
            State::Open => 1,
            State::Closing => 2,
            State::Closed => 3,
        };
        for from in PHASES {
            for signal in SIGNALS {
                let Some(to) = from.after(signal) else { continue };
                assert!(order(to.state()) >= order(from.state()), "{from} {signal:?}");
                if from == Phase::Closed {
                    assert_eq!(to, Phase::Closed);
                }
                if from == Phase::Open {
                    assert!(order(to.state()) >= 2, "{signal:?} does not end `Open`");
                }
            }
            assert_eq!(from.after(Signal::Failed), Some(Phase::Closed), "{from}");
        }
    }
}
