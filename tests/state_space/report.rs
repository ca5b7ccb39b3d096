//! How a counterexample is shown, and the table of the docs.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use super::explore::{Counterexample, Counts, Model, minimize, run};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TESTING.md");

/// The smallest conversation that has the violation, one call or delivery a line.
pub(super) fn conversation<M: Model>(name: &str, setup: &M::Setup, found: Counterexample<M::Action>) -> String {
    let len = M::prefix(setup).len() + found.actions.len();
    let smallest = minimize::<M>(setup, found);
    let (log, _) = run::<M>(setup, &smallest.actions);
    let mut text = format!("{name}: {}\n", smallest.violation);
    text += &format!("{} actions, of {len} that were found:\n", smallest.actions.len());
    for line in log {
        text += &format!("  {line}\n");
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
