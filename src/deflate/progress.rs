//! What a back end reports, and what it is told.

/// What an inflater has done.
pub(super) struct Progress {
    pub(super) consumed: usize,
    pub(super) produced: usize,
    pub(super) stop: StopReason,
}

/// Why an inflater stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// All input is consumed, and there is no output left.
    InputEnd,
    /// The window has to make room.
    OutputFull,
    /// A block has ended.
    BlockEnd,
    /// A block with BFINAL has ended.
    StreamEnd,
    Corrupt,
}

/// What a deflater does at the end of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// Writes all output, and an empty stored block.
    Sync,
    /// Does the same and resets: what follows refers to nothing before.
    Full,
}
