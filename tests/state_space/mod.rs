//! The state space: two connections and a network, every interleaving of calls and deliveries to a
//! depth.
//!
//! A state is reached by its actions, from the start, and is known by a hash of all that can be
//! observed. `explore.rs` searches; `conversation.rs` says what can happen and what has to hold;
//! `deadlines.rs` adds timers and a clock. `docs/TESTING.md` has the numbers.
//!
//! `STATE_SPACE_DEEPER=1 cargo test --release --test main state_space -- --nocapture` explores one
//! level deeper than the depths that are committed, and prints the numbers.

mod calls;
mod connect;
mod conversation;
mod deadlines;
mod endpoint;
mod explore;
mod log;
mod network;
mod receiving;
#[cfg(feature = "recording")]
mod recorded;
mod report;
mod rules;
mod setup;
mod times;

#[cfg(feature = "deflate")]
use self::setup::COMPRESSED;
use sockless::Role;

use self::{
    calls::{Call, Settings},
    conversation::{Action, Amount, Conversation},
    deadlines::{TimedAction, TimedConversation, TimedSetup},
    explore::{Model, explore},
    setup::{AUTOMATIC, CHUNKS, MANUAL, MANUAL_CHUNKS, OPEN, Setup},
    times::Limits,
};

/// Explores to a depth, which the environment can increase.
fn check<M: Model>(name: &str, setup: &M::Setup, depth: usize) {
    let deeper = std::env::var("STATE_SPACE_DEEPER").map_or(0, |levels| levels.parse().expect("a number of levels"));
    match explore::<M>(setup, depth + deeper) {
        Ok(counts) => {
            println!(
                "{name}: depth {}, {} states, {} transitions, {:.1} s",
                counts.depth,
                counts.states,
                counts.transitions,
                counts.time.as_secs_f64()
            );
            if deeper == 0 {
                report::check_row(name, counts);
            }
        }
        Err(found) => panic!("{}", report::conversation::<M>(name, setup, found)),
    }
}

fn check_conversation(setup: &Setup) {
    check::<Conversation>(setup.name, setup, setup.depth);
}

/// Fragments, Pings and a close at any time.
#[test]
fn messages() {
    check_conversation(&Setup {
        name: "messages",
        depth: 4,
        ..OPEN
    });
}

#[test]
fn chunks() {
    check_conversation(&Setup {
        name: "chunks",
        client: CHUNKS,
        server: CHUNKS,
        depth: 4,
        ..OPEN
    });
}

#[test]
fn manual_replies() {
    check_conversation(&Setup {
        name: "manual replies",
        client: MANUAL,
        server: MANUAL,
        calls: &[Call::Fragment, Call::LastFragment, Call::Ping, Call::Pong, Call::Close],
        depth: 4,
        ..OPEN
    });
}

#[test]
fn manual_replies_and_chunks() {
    check_conversation(&Setup {
        name: "manual replies, chunks",
        client: MANUAL,
        server: MANUAL_CHUNKS,
        calls: &[Call::Fragment, Call::LastFragment, Call::Ping, Call::Pong, Call::Close],
        depth: 4,
        ..OPEN
    });
}

/// The ends differ in all settings.
#[test]
fn unequal_ends() {
    check_conversation(&Setup {
        name: "unequal ends",
        server: MANUAL_CHUNKS,
        depth: 4,
        ..OPEN
    });
}

/// Messages are sent in frames of one byte, and are as long as the limit permits.
#[test]
fn divided_messages() {
    const DIVIDED: Settings = Settings {
        divided: true,
        ..AUTOMATIC
    };
    check_conversation(&Setup {
        name: "divided messages",
        max_message_size: 3,
        client: DIVIDED,
        server: DIVIDED,
        calls: &[Call::Text, Call::LastFragment, Call::Ping, Call::Close],
        depth: 4,
        ..OPEN
    });
}

/// Every byte of the closing handshake, in all ways in which it can begin.
#[test]
fn closes() {
    check_conversation(&Setup {
        name: "closes",
        client: MANUAL,
        calls: &[
            Call::Ping,
            Call::Close,
            Call::CloseEmpty,
            Call::CloseMandatory,
            Call::CloseAnswer,
        ],
        amounts: &[Amount::Byte, Amount::AllButOne, Amount::All],
        piece: 1,
        depth: 5,
        ..OPEN
    });
}

/// Both ends close while both are sending a fragmented message and a Ping.
#[test]
fn fragments_at_the_close() {
    check_conversation(&Setup {
        name: "fragments at the close",
        client: MANUAL,
        server: CHUNKS,
        prefix: &[
            Action::Call(Role::Client, Call::Fragment),
            Action::Call(Role::Server, Call::Fragment),
            Action::Call(Role::Client, Call::Ping),
            Action::Call(Role::Server, Call::Ping),
            Action::Deliver(Role::Server, Amount::All),
        ],
        calls: &[
            Call::Fragment,
            Call::LastFragment,
            Call::Pong,
            Call::Close,
            Call::CloseAnswer,
        ],
        amounts: &[Amount::Byte, Amount::AllButOne, Amount::All],
        depth: 4,
        ..OPEN
    });
}

#[test]
fn handshake() {
    check_conversation(&Setup {
        name: "handshake",
        handshake: true,
        calls: &[Call::Accept, Call::Reject, Call::Text, Call::Ping, Call::Close],
        amounts: &[Amount::Byte, Amount::AllButOne, Amount::All],
        depth: 7,
        ..OPEN
    });
}

/// The server sends at once after its response.
#[test]
fn handshake_and_first_frames() {
    check_conversation(&Setup {
        name: "handshake, first frames",
        client: CHUNKS,
        handshake: true,
        prefix: &[
            Action::Deliver(Role::Client, Amount::All),
            Action::Call(Role::Server, Call::Accept),
        ],
        amounts: &[Amount::AllButOne, Amount::All],
        piece: 7,
        depth: 4,
        ..OPEN
    });
}

#[test]
fn handshake_and_the_end_of_the_transport() {
    check_conversation(&Setup {
        name: "handshake, the transport ends",
        handshake: true,
        calls: &[Call::Accept, Call::Reject, Call::Text],
        amounts: &[Amount::Byte, Amount::AllButOne, Amount::All],
        breaks: true,
        depth: 8,
        ..OPEN
    });
}

#[test]
fn end_of_the_transport() {
    check_conversation(&Setup {
        name: "the transport ends",
        client: CHUNKS,
        calls: &[Call::Text, Call::Fragment, Call::Ping, Call::Close],
        breaks: true,
        depth: 4,
        ..OPEN
    });
}

#[cfg(feature = "deflate")]
#[test]
fn compression() {
    check_conversation(&Setup {
        name: "compression",
        client: COMPRESSED,
        server: COMPRESSED,
        calls: &[Call::Text, Call::Fragment, Call::LastFragment, Call::Close],
        depth: 4,
        ..OPEN
    });
}

#[cfg(feature = "deflate")]
#[test]
fn compression_without_context_takeover() {
    check_conversation(&Setup {
        name: "compression, no context takeover",
        client: Settings {
            manual: true,
            ..COMPRESSED
        },
        server: Settings {
            chunks: true,
            ..COMPRESSED
        },
        no_context_takeover: true,
        handshake: true,
        prefix: &[
            Action::Deliver(Role::Client, Amount::All),
            Action::Call(Role::Server, Call::Accept),
        ],
        calls: &[Call::Text, Call::Fragment, Call::LastFragment, Call::Ping, Call::Close],
        amounts: &[Amount::AllButOne, Amount::All],
        depth: 3,
        ..OPEN
    });
}

fn check_deadlines(setup: &TimedSetup) {
    check::<TimedConversation>(setup.conversation.name, setup, setup.conversation.depth);
}

const LIMITS: Limits = Limits {
    handshake: 3,
    ping: 2,
    pong: 2,
    idle: 0,
    close: 2,
};

/// The timers of open connections: Pings, Pongs and the closing handshake.
#[test]
fn deadlines() {
    check_deadlines(&TimedSetup {
        conversation: Setup {
            name: "deadlines",
            calls: &[Call::Text, Call::Ping, Call::Close],
            amounts: &[Amount::All],
            depth: 4,
            ..OPEN
        },
        limits: LIMITS,
        prefix: &[],
    });
}

/// Both ends have just sent a Ping because no message came.
#[test]
fn deadlines_of_pongs() {
    check_deadlines(&TimedSetup {
        conversation: Setup {
            name: "deadlines, Pings on the way",
            server: MANUAL,
            calls: &[Call::Fragment, Call::Ping, Call::Pong, Call::Close],
            amounts: &[Amount::All],
            depth: 4,
            ..OPEN
        },
        limits: LIMITS,
        prefix: &[TimedAction::Second, TimedAction::Second],
    });
}

/// The timers of the opening handshake, and of a connection that no message keeps open.
#[test]
fn deadlines_from_the_handshake_on() {
    check_deadlines(&TimedSetup {
        conversation: Setup {
            name: "deadlines, handshake, idle",
            handshake: true,
            calls: &[Call::Text, Call::Close],
            amounts: &[Amount::AllButOne, Amount::All],
            depth: 6,
            ..OPEN
        },
        limits: Limits { idle: 3, ..LIMITS },
        prefix: &[],
    });
}
