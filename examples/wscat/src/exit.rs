//! Exit statuses, and errors that have one.

use std::fmt::Display;

/// The exit status of the program. `help.txt` says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success = 0,
    NoConnection = 1,
    Usage = 2,
    ErrorCode = 3,
    Lost = 4,
    Refused = 5,
    Interrupted = 130,
}

/// Why the program ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// May hold text of the peer: it is escaped when it is written.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Display) -> Self {
        Self {
            exit,
            text: text.to_string(),
        }
    }

    /// Nothing was connected.
    pub(crate) fn no_connection(text: impl Display) -> Self {
        Self::new(Exit::NoConnection, text)
    }

    /// The command line is wrong.
    pub(crate) fn usage(text: impl Display) -> Self {
        Self::new(Exit::Usage, text)
    }
}
