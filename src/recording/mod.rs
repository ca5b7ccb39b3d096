//! Connections that are recorded, and what can be made of a recording: a replay with the same
//! result, a conversation to read, a HAR file, and a pcap file.
//!
//! A [`Recorder`] makes a [`Connection`](crate::Connection) and writes down what happens to it, as
//! lines of text; `docs/RECORDING.md` describes them. A [`Recording`] is such a text. A connection
//! that has failed becomes a report of a bug, and a test:
//!
//! ```
//! use sockless::recording::Recording;
//!
//! let text = "\
//! sockless recording 1
//! upgraded_server
//! at 0.000000
//! receive 0x81850000000068656c6c6f
//! event text \"hello\"
//! at 0.000250
//! ping \"\"
//! out 0x8900
//! ";
//! let recording = Recording::parse(text)?;
//! recording.replay()?;
//! let lines = [
//!     "    0.000000  began     as an upgraded server\n",
//!     "    0.000000  received  text \"hello\"\n",
//!     "    0.000250  sent      ping \"\"\n",
//! ];
//! assert_eq!(recording.conversation().to_string(), lines.concat());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conversation;
mod entry;
mod error;
mod field;
mod har;
mod message;
mod pcap;
mod recorded_call;
mod replay;

use core::fmt;

pub use self::{
    conversation::Conversation,
    error::{RecordingError, ReplayError},
};
use self::{
    entry::{CallLine, Entry},
    field::Line,
};
pub use crate::recorder::Recorder;

/// A recording: a text that a [`Recorder`] has written, or somebody in the same format.
///
/// It borrows the text, and takes no memory of its own. A text can be of any origin: parsing it
/// takes time in proportion to its length, and fails at the first line that is wrong. Replaying it
/// takes what the recorded connection has taken, within the limits that the recording has; whoever
/// wrote it has chosen those.
#[derive(Clone, Copy)]
pub struct Recording<'a> {
    text: &'a str,
}

/// Shows nothing of what was recorded.
impl fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("len", &self.text.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Recording<'a> {
    /// Checks that a text is a recording.
    ///
    /// # Errors
    /// Returns the number of the first line that is none, or not in its place, and what is expected
    /// there.
    pub fn parse(text: &'a str) -> Result<Self, RecordingError> {
        let recording = Self { text };
        let mut place = Place::First;
        let mut line = Line { number: 0, rest: "" };
        for entry in recording.entries() {
            let (this, entry) = entry?;
            line = this;
            place = place
                .after(&entry)
                .ok_or_else(|| field::expected(&line, place.expected()))?;
        }
        match place {
            Place::First | Place::Constructor => {
                let end = Line {
                    number: line.number + 1,
                    rest: "",
                };
                Err(field::expected(&end, place.expected()))
            }
            _ => Ok(recording),
        }
    }

    /// Returns each line that is neither blank nor a comment.
    fn entries(self) -> impl Iterator<Item = Result<(Line<'a>, Entry<'a>), RecordingError>> {
        let lines = self.text.lines().zip(1..);
        lines
            .filter(|(text, _)| !text.is_empty() && !text.starts_with('#'))
            .map(|(text, number)| {
                let entry = Entry::parse(text, number)?;
                Ok((Line { number, rest: text }, entry))
            })
    }
}

/// What may follow in a recording.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first line.
    First,
    /// The constructor, or an argument of it.
    Constructor,
    /// A call, or what the last one has done.
    Calls,
    /// The name of the call whose arguments have begun.
    Arguments,
    /// Nothing.
    End,
}

impl Place {
    /// Returns what may follow after a line. `None` if the line is not in its place.
    const fn after(self, entry: &Entry<'_>) -> Option<Self> {
        Some(match (self, entry) {
            (Self::First, Entry::First) => Self::Constructor,
            (Self::Constructor, Entry::At(_) | Entry::Argument(_)) => Self::Constructor,
            (Self::Constructor, Entry::Call(CallLine::Constructor(_))) => Self::Calls,
            (Self::Constructor | Self::Calls, Entry::Truncated) => Self::End,
            (Self::Calls | Self::Arguments, Entry::Call(CallLine::Constructor(_))) => return None,
            (Self::Calls, Entry::Outcome(_)) => Self::Calls,
            (Self::Calls | Self::Arguments, Entry::At(_) | Entry::Argument(_) | Entry::Set(_)) => Self::Arguments,
            (Self::Calls | Self::Arguments, Entry::Call(_)) => Self::Calls,
            _ => return None,
        })
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::First => "the line `sockless recording 1`",
            Self::Constructor => "server, client, upgraded_server or upgraded_client, or an argument of it,",
            Self::Calls => "a call, or what the last one has done,",
            Self::Arguments => "the call after its arguments",
            Self::End => "the end of the recording",
        }
    }
}
