//! The table of differences in the documentation.

use std::fs;

use crate::differences::{Difference, Entry, Peer};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFORMANCE.md");
const BEGIN: &str = "<!-- tests/differential/run: begin -->\n";
const END: &str = "<!-- tests/differential/run: end -->\n";

/// What a run has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) cases: u64,
    pub(crate) valid: u64,
    /// The cases with the same verdicts.
    pub(crate) equal: u64,
    /// The cases in which each difference of the list matters.
    differences: [u64; 32],
}

impl Counts {
    pub(crate) const fn add(&mut self, difference: Difference) {
        self.differences[difference as usize] += 1;
    }

    const fn of(&self, entry: &Entry) -> u64 {
        self.differences[entry.difference as usize]
    }

    /// The summary, and a line for each difference.
    pub(crate) fn report(&self, peer: Peer) -> String {
        let Self {
            cases, valid, equal, ..
        } = self;
        let mut text = format!(
            "{}: {cases} cases, {valid} of them without a violation, {equal} with equal verdicts\n",
            peer.name()
        );
        for entry in peer.differences() {
            text += &format!("{:>10}  {:?}: {}\n", self.of(entry), entry.difference, entry.what);
        }
        text
    }

    fn rows(&self, peer: Peer) -> String {
        let row = |entry: &Entry| {
            let Entry { what, section, why, .. } = entry;
            format!(
                "| {} | {what} | {section} | {why} | {} |\n",
                peer.name(),
                self.of(entry)
            )
        };
        peer.differences().iter().map(row).collect()
    }

    /// A difference that no case shows.
    pub(crate) fn unseen(&self, peer: Peer) -> Option<Difference> {
        let unseen = peer.differences().iter().find(|entry| self.of(entry) == 0);
        unseen.map(|entry| entry.difference)
    }
}

/// Compares the table with the page, or writes it.
///
/// # Errors
///
/// Says that the page is out of date, and how to write it.
pub(crate) fn check(counts: &[(Peer, Counts)]) -> Result<(), String> {
    let mut table =
        "| peer | what it does differently | section | why sockless does not | cases |\n|---|---|---|---|---|\n"
            .to_owned();
    for (peer, counts) in counts {
        table += &counts.rows(*peer);
    }
    let page = fs::read_to_string(PAGE).map_err(|error| error.to_string())?;
    let (head, rest) = page.split_once(BEGIN).ok_or("the page has no place for the table")?;
    let (_, tail) = rest.split_once(END).ok_or("the page has no end of the table")?;
    let expected = [head, BEGIN, &table, END, tail].concat();
    if std::env::var_os("BLESS").is_some() {
        return fs::write(PAGE, expected).map_err(|error| error.to_string());
    }
    if page != expected {
        return Err("docs/CONFORMANCE.md is out of date: BLESS=1 tests/differential/run".into());
    }
    Ok(())
}
