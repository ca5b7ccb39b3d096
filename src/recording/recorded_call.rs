//! A recording as calls with their outcomes, for those who read it.

use core::{fmt, time::Duration};

use super::{
    Recording,
    entry::{Argument, CallLine, Entry, EventLine, OutcomeLine},
    field::{Data, Segment},
};

pub(super) enum Item<'a> {
    Call(RecordedCall<'a>),
    Url(Data<'a>),
    Truncated,
}

pub(super) struct RecordedCall<'a> {
    /// When, since the instant that the clock of the recording began with.
    pub(super) at: Duration,
    pub(super) call: CallLine<'a>,
    pub(super) out: Data<'a>,
    pub(super) event: Option<EventLine<'a>>,
    pub(super) error: Option<Data<'a>>,
}

impl<'a> Recording<'a> {
    pub(super) fn items(self) -> impl Iterator<Item = Item<'a>> {
        let mut entries = self.entries().filter_map(Result::ok).map(|(_, entry)| entry).peekable();
        let mut at = Duration::ZERO;
        core::iter::from_fn(move || {
            loop {
                let call = match entries.next()? {
                    Entry::At(now) => {
                        at = now;
                        continue;
                    }
                    Entry::Argument(Argument::Url(url)) => return Some(Item::Url(url)),
                    Entry::Truncated => return Some(Item::Truncated),
                    Entry::Call(call) => call,
                    _ => continue,
                };
                let mut recorded = RecordedCall {
                    at,
                    call,
                    out: Data::EMPTY,
                    event: None,
                    error: None,
                };
                while let Some(Entry::Outcome(outcome)) = entries.next_if(|entry| matches!(entry, Entry::Outcome(_))) {
                    match outcome {
                        OutcomeLine::Out(data) => recorded.out = data,
                        OutcomeLine::Borrowed(_) => {}
                        OutcomeLine::Event(event) => recorded.event = Some(event),
                        OutcomeLine::Error(text) => recorded.error = Some(text),
                    }
                }
                return Some(Item::Call(recorded));
            }
        })
    }

    pub(super) fn calls(self) -> impl Iterator<Item = RecordedCall<'a>> {
        self.items().filter_map(|item| match item {
            Item::Call(recorded) => Some(recorded),
            Item::Url(_) | Item::Truncated => None,
        })
    }
}

/// Data for a reader: its text, or its digits, cut off after a while.
pub(super) struct Shown<'a>(pub(super) Data<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_BYTES: usize = 64;
        let Some(bytes) = self.0.to_bytes() else {
            return self.0.segments().try_for_each(|segment| match segment {
                Segment::Redacted(len) => write!(f, "({len} bytes, redacted)"),
                Segment::Quoted(text) => write!(f, "\"{text}\" "),
                Segment::Hex(digits) => write!(f, "0x{digits} "),
            });
        };
        let shown = bytes.get(..MAX_BYTES).unwrap_or(&bytes);
        // Text that is cut inside a character is text.
        match core::str::from_utf8(shown) {
            Ok(text) => write!(f, "{text:?}")?,
            Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
                let text = shown.get(..error.valid_up_to()).unwrap_or_default();
                write!(f, "{:?}", core::str::from_utf8(text).unwrap_or_default())?;
            }
            Err(_) => {
                f.write_str("0x")?;
                shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
        if bytes.len() > MAX_BYTES {
            write!(f, "... ({} bytes)", bytes.len())?;
        }
        Ok(())
    }
}
