//! The written list of differences.

/// Another implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Tungstenite,
    Wsproto,
}

impl Peer {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tungstenite => "tungstenite 0.30",
            Self::Wsproto => "wsproto 1.3",
        }
    }
}

/// What a peer does differently. `model` computes the consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    WholeFrames,
    TopBit,
    LongLengths,
    ReasonFirst,
    Code1014,
    CodesAfterOwnClose,
    NoPongAfterOwnClose,
    ReasonEchoed,
    Code1010Echoed,
    NoCloseFrame,
    WholeHeaders,
    NoLimit,
    LateSurrogates,
    ControlEndsCompression,
    FinalBlockEnds,
    EndNotChecked,
    InflatedFirst,
    LateEmptyCode,
}

use Difference::{
    Code1010Echoed, Code1014, CodesAfterOwnClose, ControlEndsCompression, EndNotChecked, FinalBlockEnds, InflatedFirst,
    LateEmptyCode, LateSurrogates, LongLengths, NoCloseFrame, NoLimit, NoPongAfterOwnClose, ReasonEchoed, ReasonFirst,
    TopBit, WholeFrames, WholeHeaders,
};

/// A row of the list: the difference, what the peer does, the section, and why sockless differs.
pub(crate) struct Entry {
    pub(crate) difference: Difference,
    pub(crate) what: &'static str,
    pub(crate) section: &'static str,
    pub(crate) why: &'static str,
}

const fn entry(difference: Difference, what: &'static str, section: &'static str, why: &'static str) -> Entry {
    Entry {
        difference,
        what,
        section,
        why,
    }
}

const TUNGSTENITE: [Entry; 10] = [
    entry(
        WholeFrames,
        "checks a frame when all of it is there, and before only the opcode and the limit, when its header is: a \
         violation is found later, or not at all if the frame does not end; of a frame that is over the limit, \
         too, 1009 is reported, also of a control frame",
        "7.1.7, 10.4",
        "choice: the first byte that breaks a rule decides, wherever the input is cut",
    ),
    entry(
        TopBit,
        "takes a length of 2⁶³ or more for one over the limit: 1009, not 1002",
        "5.2",
        "\"the most significant bit MUST be 0\"",
    ),
    entry(
        LongLengths,
        "accepts a length that is not in its shortest form, also of a control frame",
        "5.2",
        "\"the minimal number of bytes MUST be used to encode the length\"",
    ),
    entry(
        ReasonFirst,
        "checks the reason of a Close frame before its code: 1007, not 1002, if both are invalid",
        "7.4, 8.1",
        "choice: the order of the bytes",
    ),
    entry(
        Code1014,
        "refuses a Close frame with code 1014",
        "7.4.2, 11.7",
        "IANA has registered it: Bad Gateway",
    ),
    entry(
        CodesAfterOwnClose,
        "accepts any code in a Close frame that answers its own",
        "7.4",
        "the codes are the same in each Close frame",
    ),
    entry(
        NoPongAfterOwnClose,
        "does not answer a Ping after its own Close frame",
        "5.5.2",
        "a Ping is answered \"unless it already received a Close frame\"",
    ),
    entry(
        ReasonEchoed,
        "repeats the reason in its answer to a Close frame",
        "5.5.1",
        "choice: \"the endpoint typically echos the status code\"",
    ),
    entry(
        Code1010Echoed,
        "answers 1010 with 1010, also as a server",
        "7.4.1",
        "1010 \"is not used by the server\"; 1000 answers it",
    ),
    entry(
        NoCloseFrame,
        "sends no Close frame after a violation: that is left to the application",
        "7.1.7",
        "an endpoint \"SHOULD send a Close frame with an appropriate status code\"",
    ),
];

const WSPROTO: [Entry; 9] = [
    entry(
        LateSurrogates,
        "finds a surrogate in text with its third byte, as Python does",
        "8.1",
        "choice: no valid text begins with the first two",
    ),
    entry(
        WholeHeaders,
        "checks the first two bytes together, the rest of a header when its length is there, and the order of \
         frames with the first byte of the payload: a violation may be found later",
        "7.1.7",
        "choice: the first byte that breaks a rule decides, wherever the input is cut",
    ),
    entry(
        NoLimit,
        "has no limit on the size of a message: it delivers pieces, which the application can count",
        "10.4",
        "choice: a limit is on by default",
    ),
    entry(
        Code1014,
        "refuses a Close frame with code 1014",
        "7.4.2, 11.7",
        "IANA has registered it: Bad Gateway",
    ),
    entry(
        ControlEndsCompression,
        "takes the rest of a compressed message for uncompressed after a control frame between its fragments",
        "5.4; RFC 7692, 6.1",
        "control frames may be in the middle of a message, and the first fragment says whether it is compressed",
    ),
    entry(
        FinalBlockEnds,
        "inflates nothing after a block with BFINAL: the rest of the message is lost, and with context takeover \
         the next compressed message is refused with 1007",
        "RFC 7692, 7.2.3.4",
        "a message may have blocks with BFINAL set to 1, and others after them",
    ),
    entry(
        EndNotChecked,
        "does not check that compressed data ends where a block does: what is missing is lost, and the next message \
         is taken for the rest of the block",
        "RFC 7692, 7.2.2",
        "the payload with its tail is DEFLATE data",
    ),
    entry(
        InflatedFirst,
        "inflates a message that begins inside of another one before it refuses it: 1007, not 1002, if that fails",
        "5.4",
        "choice: the order of the bytes",
    ),
    entry(
        LateEmptyCode,
        "finds that a block has no code for the lengths of its codes where they end, as zlib does",
        "RFC 1951, 3.2.7",
        "choice: no such block is valid",
    ),
];

impl Peer {
    pub(crate) const fn differences(self) -> &'static [Entry] {
        match self {
            Self::Tungstenite => &TUNGSTENITE,
            Self::Wsproto => &WSPROTO,
        }
    }
}

/// A set of differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(u32);

impl Set {
    /// All that are listed for a peer.
    pub(crate) fn of(peer: Peer) -> Self {
        let entries = peer.differences();
        Self(entries.iter().map(|entry| 1 << entry.difference as u32).sum())
    }

    pub(crate) const fn has(self, difference: Difference) -> bool {
        self.0 & 1 << difference as u32 != 0
    }

    pub(crate) const fn without(self, difference: Difference) -> Self {
        Self(self.0 & !(1 << difference as u32))
    }
}
