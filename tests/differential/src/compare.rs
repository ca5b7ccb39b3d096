//! Compares the verdicts of a case.

use std::{
    fmt::Debug,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    case::Case,
    differences::{Difference, Peer, Set},
    model, tungstenite,
    verdict::{self, Verdict},
    wsproto,
};

/// A peer that can be asked.
pub(crate) enum Oracle {
    Tungstenite,
    Wsproto(wsproto::Process),
}

impl Oracle {
    pub(crate) const fn peer(&self) -> Peer {
        match self {
            Self::Tungstenite => Peer::Tungstenite,
            Self::Wsproto(_) => Peer::Wsproto,
        }
    }

    pub(crate) fn verdicts(&mut self, cases: &[Case]) -> io::Result<Vec<Verdict>> {
        match self {
            Self::Tungstenite => Ok(cases.iter().map(tungstenite::verdict).collect()),
            Self::Wsproto(process) => process.verdicts(cases),
        }
    }
}

/// What a case has shown.
pub(crate) struct Outcome {
    /// Sockless finds no violation.
    pub(crate) is_valid: bool,
    /// The known differences that explain those of the verdicts: each of them is needed.
    pub(crate) differences: Vec<Difference>,
}

/// Compares the verdict of sockless with those of the reference decoder and of the model, and
/// `theirs` with it or, if there is a difference, with the model that has the known differences.
///
/// # Errors
///
/// Says which verdicts differ, if it is not known why.
pub(crate) fn compare(peer: Peer, case: &Case, theirs: &Verdict) -> Result<Outcome, String> {
    let mut ours = catch_unwind(AssertUnwindSafe(|| verdict::of_sockless(case))).map_err(|_| "sockless panics")?;
    // The reference decoder has no compression.
    if case.deflate.is_none() {
        let reference = verdict::of_reference(case);
        if (&ours.events, ours.violation) != (&reference.events, reference.violation) {
            return Err(differ(("sockless", &ours), ("the reference decoder", &reference)));
        }
    }
    let replies = peer == Peer::Tungstenite;
    let modelled = |known| model::verdict(case, known).with_replies(replies);
    ours = ours.with_replies(replies);
    let mut differences = Vec::new();
    let strict = modelled(Set::default());
    if ours != strict {
        return Err(differ(("sockless", &ours), ("the model", &strict)));
    }
    if ours != *theirs {
        let known = Set::of(peer);
        let explained = modelled(known);
        if explained != *theirs {
            let expected = differ(
                (peer.name(), theirs),
                ("the model with its known differences", &explained),
            );
            return Err(format!("{expected}\nsockless: {ours:x?}"));
        }
        let mut needed = known;
        for one in peer.differences().iter().map(|entry| entry.difference) {
            if modelled(needed.without(one)) == explained {
                needed = needed.without(one);
            } else {
                differences.push(one);
            }
        }
    }
    Ok(Outcome {
        is_valid: ours.violation.is_none(),
        differences,
    })
}

fn differ(first: (&str, &impl Debug), second: (&str, &impl Debug)) -> String {
    format!(
        "{} and {} differ:\n{0}: {:x?}\n{1}: {:x?}",
        first.0, second.0, first.1, second.1
    )
}
