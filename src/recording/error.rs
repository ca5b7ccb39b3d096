//! What is wrong with a recording.

use alloc::string::String;
use core::{error::Error, fmt};

use crate::error::Excerpt;

/// A text is not a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError {
    line: usize,
    expected: &'static str,
    found: Excerpt,
}

impl RecordingError {
    #[cold]
    pub(super) fn new(line: usize, found: &str, expected: &'static str) -> Self {
        let found = Excerpt::new(found.as_bytes());
        Self { line, expected, found }
    }

    /// Returns the number of the line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, expected, found } = self;
        write!(
            f,
            "line {line} of the recording has {found} where {expected} is expected"
        )
    }
}

impl Error for RecordingError {}

/// A recording was not replayed, or not with the same result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// A line needs data that was redacted.
    Redacted {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A call cannot be made with what the recording has.
    Impossible {
        /// The number of the line, from 1.
        line: usize,
        /// Why not.
        reason: String,
    },
    /// The connection did something else than the recording says.
    Difference {
        /// The number of the line, from 1; that of the next line, if one is missing.
        line: usize,
        /// The line as it was recorded; empty if the recording has none.
        recorded: String,
        /// The line as it would be recorded now; empty if there would be none.
        replayed: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redacted { line } => {
                write!(f, "line {line} of the recording is redacted: it cannot be replayed")
            }
            Self::Impossible { line, reason } => {
                write!(f, "line {line} of the recording cannot be replayed: {reason}")
            }
            Self::Difference {
                line,
                recorded,
                replayed,
            } => {
                let is_equal = |(one, other): &(u8, u8)| one == other;
                let same = recorded.bytes().zip(replayed.bytes()).take_while(is_equal).count();
                let (recorded, replayed) = (around(recorded, same), around(replayed, same));
                write!(
                    f,
                    "the replay differs at line {line} of the recording, character {}: recorded {recorded}, replayed \
                     {replayed}",
                    same + 1
                )
            }
        }
    }
}

impl Error for ReplayError {}

/// Returns what is around a difference.
fn around(line: &str, at: usize) -> String {
    const BEFORE: usize = 24;
    const LEN: usize = 64;
    if line.is_empty() {
        return "nothing".into();
    }
    let start = at.saturating_sub(BEFORE);
    let part: String = line.chars().skip(start).take(LEN).collect();
    let before = if start > 0 { "…" } else { "" };
    let after = if line.len() > start + LEN { "…" } else { "" };
    alloc::format!("`{before}{part}{after}`")
}
