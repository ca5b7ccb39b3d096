//! How a counterexample is shown, and the table of the docs.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use sockless::Role;
#[cfg(feature = "recording")]
use sockless::State;

use super::{
    calls::Call,
    conversation::{Action, Conversation},
    explore::{Counterexample, Counts, Model, minimize, run},
    setup::{OPEN, Setup},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TESTING.md");

/// The smallest conversation that has the violation: one call or delivery a line and, with the
/// feature `recording`, the recordings of both ends.
pub(super) fn conversation<M: Model>(name: &str, setup: &M::Setup, found: Counterexample<M::Action>) -> String {
    let len = M::prefix(setup).len() + found.actions.len();
    let smallest = minimize::<M>(setup, found);
    let (log, _) = run::<M>(setup, &smallest.actions);
    let mut text = format!("{name}: {}\n", smallest.violation);
    text += &format!("{} actions, of {len} that were found:\n", smallest.actions.len());
    for line in log {
        text += &format!("  {line}\n");
    }
    #[cfg(feature = "recording")]
    {
        text += &super::recorded::recordings::<M>(setup, &smallest);
    }
    text
}

/// Asserts that the page of the docs has the counts, or writes them.
pub(super) fn check_row(name: &str, counts: Counts) {
    static WRITER: Mutex<()> = Mutex::new(());
    let _guard = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    let page = fs::read_to_string(PAGE).unwrap();
    let begin = format!("| {name} | ");
    let row = format!(
        "{begin}{} | {} | {} | ",
        counts.depth, counts.states, counts.transitions
    );
    // The cells after these are measured by hand.
    let update = |line: &str| match line.strip_prefix(&begin) {
        Some(cells) => row.clone() + cells.splitn(4, " | ").nth(3).unwrap_or_default(),
        None => line.to_owned(),
    };
    let lines: Vec<_> = page.lines().map(update).collect();
    let expected = lines.join("\n") + "\n";
    let is_listed = lines.iter().any(|line| line.starts_with(&row));
    assert!(is_listed, "docs/TESTING.md has no row for {name:?}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(PAGE, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/TESTING.md is out of date: {row}; BLESS=1 cargo test state_space"
        );
    }
}

/// A conversation in which a limit is too small for an honest message.
#[test]
fn a_counterexample_is_minimized_and_printed() {
    let setup = Setup {
        max_message_size: 2,
        ..OPEN
    };
    let actions = [Call::Ping, Call::Text].map(|call| Action::Call(Role::Server, call));
    let found = Counterexample {
        violation: run::<Conversation>(&setup, &actions).1.unwrap_err(),
        actions: actions.to_vec(),
    };
    let text = conversation::<Conversation>("small", &setup, found);
    let expected = "\
small: honest ends find no violation: the client fails: MessageTooBig { size: Some(3), limit: 2 }
1 actions, of 2 that were found:
  server: send_text
      server writes Text \"0\\xc3\\xbc\"
  then everything arrives, and the applications answer
  network: 5 of 5 bytes of the server arrive at the client
";
    assert!(text.starts_with(expected), "{text}");
    #[cfg(feature = "recording")]
    {
        assert_eq!(
            text.matches("its recording replays to the same state:\n").count(),
            2,
            "{text}"
        );
        let files = text.split("The recording of the ").skip(1).map(|part| {
            let (_, file) = part.split_once('\n').unwrap();
            file.split("\n\n").next().unwrap()
        });
        let ends = files.map(|file| {
            let recording = sockless::recording::Recording::parse(file).unwrap();
            (recording.replay().unwrap(), recording.conversation().to_string())
        });
        let [(server, sent), (client, received)] = &ends.collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        assert_eq!((server.state(), client.state()), (State::Open, State::Closed));
        assert!(sent.contains("    0.001000  sent      text "), "{sent}");
        assert!(received.ends_with("    0.002000  replied   close 1009\n"), "{received}");
    }
}
