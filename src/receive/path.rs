//! Which code takes the next input.

use super::Receiver;

/// Which code takes the next input of a connection.
///
/// A connection computes it after every call that can change it, and the next call starts there. A
/// fast path leaves what it does not recognise to the general path. It reports only what is wrong
/// with payload: text that is not UTF-8, and compressed data that is invalid or over a limit. What
/// breaks a rule on frames, the general path finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The general path, which takes any input in any phase.
    General,
    /// The fast path for a whole message in one input: no message is in progress, and messages are
    /// assembled.
    Whole,
    /// The fast path for pieces: a message is in progress, and its frame is not complete.
    Pieces,
}

impl Path {
    /// Computes the path. `receives_frames`: the opening handshake is complete, and the peer may
    /// send frames.
    pub(crate) fn of(receiver: &Receiver, receives_frames: bool) -> Self {
        if !receives_frames || !receiver.fast_paths {
            Self::General
        } else if receiver.takes_whole_messages() {
            Self::Whole
        } else if receiver.takes_pieces() {
            Self::Pieces
        } else {
            Self::General
        }
    }
}
