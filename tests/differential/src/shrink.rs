//! Makes a case smaller while it shows a difference, and prints it.

use crate::{
    case::{Case, Deflate, LARGE_LIMIT},
    model::Frame,
};

/// How many cases are tried.
const TRIES: usize = 3000;

/// The smallest case that is found for which `differs` holds, as it does for `case`.
pub(crate) fn minimize(mut case: Case, mut differs: impl FnMut(&Case) -> bool) -> Case {
    let mut tries = TRIES;
    loop {
        let candidates = candidates(&case);
        let mut tried = candidates.into_iter().take(tries).inspect(|_| tries -= 1);
        let Some(smaller) = tried.find(|candidate| differs(candidate)) else {
            return case;
        };
        case = smaller;
    }
}

/// Cases that are a little simpler, the simplest first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut candidates = Vec::new();
    let mut change = |changes: &dyn Fn(&mut Case) -> bool| {
        let mut candidate = case.clone();
        if changes(&mut candidate) {
            candidates.push(candidate);
        }
    };
    change(&|case| std::mem::take(&mut case.closes_first));
    change(&|case| std::mem::take(&mut case.cuts) != 0);
    change(&|case| !std::mem::replace(&mut case.fast_paths, true));
    change(&|case| case.deflate.is_none() && std::mem::replace(&mut case.limit, LARGE_LIMIT) != LARGE_LIMIT);
    for at in 0..case.frames.len() {
        change(&|case| {
            case.frames.truncate(at);
            true
        });
        change(&|case| {
            case.frames.remove(at);
            true
        });
    }
    for (at, bytes) in case.frames.iter().enumerate() {
        for shorter in shorter_frames(bytes) {
            change(&|case| {
                case.frames[at].clone_from(&shorter);
                true
            });
        }
    }
    candidates
}

/// The frame with a shorter payload, or fewer bytes, or bytes that are zero.
fn shorter_frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut shorter = Vec::new();
    let frame = Frame::parse(bytes);
    let payload = &frame.payload[..];
    if frame.end() == bytes.len() as u128 {
        let mut remove = payload.len();
        while remove > 0 {
            for from in (0..payload.len()).step_by(remove).take(64) {
                let after = payload.get(from + remove..).unwrap_or_default();
                let payload = [&payload[..from], after].concat();
                shorter.push(support::frame(frame.sender(), frame.first, &payload));
            }
            remove /= 2;
        }
    }
    shorter.push(bytes[..bytes.len() / 2].to_vec());
    for at in 0..bytes.len().min(100) {
        shorter.push([&bytes[..at], &bytes[at + 1..]].concat());
        if bytes[at] != 0 && at > 0 {
            let mut zeroed = bytes.to_vec();
            zeroed[at] = 0;
            shorter.push(zeroed);
        }
    }
    shorter.retain(|shorter| !shorter.is_empty() && (shorter.len() < bytes.len() || shorter[1..] < bytes[1..]));
    shorter
}

/// The case with its frames, as far as it has any.
pub(crate) fn describe(case: &Case) -> String {
    let mut text = format!("{} receives", support::role_name(case.role));
    if case.closes_first {
        text += ", after its own Close frame";
    }
    if let Some(Deflate { bits, takeover }) = case.deflate {
        text += &format!(", with permessage-deflate ({bits} bits, takeover: {takeover})");
    }
    if case.limit < LARGE_LIMIT {
        text += &format!(", with a limit of {} bytes", case.limit);
    }
    if !case.fast_paths {
        text += ", without fast paths";
    }
    let stream = case.stream();
    text += &format!(", cut at {:?}:\n", case.cuts(stream.len()));
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let frame = Frame::parse(rest);
        let (bytes, after) = rest.split_at(rest.len().min(usize::try_from(frame.end()).unwrap_or(usize::MAX)));
        let is_wrong = frame.sender() == case.role;
        text += &format!(
            "  first byte {:#04x}, length {}{}{}, payload {:x?}\n    {:x?}\n",
            frame.first,
            frame.len,
            if is_wrong { ", wrong mask bit" } else { "" },
            if frame.end() > bytes.len() as u128 {
                ", incomplete"
            } else {
                ""
            },
            frame.payload,
            bytes
        );
        rest = after;
    }
    text
}
