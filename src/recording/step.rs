//! A recording as calls with what they have done, for those who read it.

use core::{fmt, time::Duration};

use super::{
    Recording,
    entry::{Call, Entry, Event, Found, With},
    field::{Data, Segment},
};

/// A call, or what was given for one.
pub(super) enum Item<'a> {
    Step(Step<'a>),
    Url(Data<'a>),
    Truncated,
}

/// A call with what it has done.
pub(super) struct Step<'a> {
    /// When, since the instant that the clock of the recording began with.
    pub(super) at: Duration,
    pub(super) call: Call<'a>,
    pub(super) out: Data<'a>,
    pub(super) event: Option<Event<'a>>,
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
                    Entry::With(With::Url(url)) => return Some(Item::Url(url)),
                    Entry::Truncated => return Some(Item::Truncated),
                    Entry::Call(call) => call,
                    _ => continue,
                };
                let mut step = Step {
                    at,
                    call,
                    out: Data::EMPTY,
                    event: None,
                    error: None,
                };
                while let Some(Entry::Result(found)) = entries.next_if(|entry| matches!(entry, Entry::Result(_))) {
                    match found {
                        Found::Out(data) => step.out = data,
                        Found::Borrowed(_) => {}
                        Found::Event(event) => step.event = Some(event),
                        Found::Error(text) => step.error = Some(text),
                    }
                }
                return Some(Item::Step(step));
            }
        })
    }

    pub(super) fn steps(self) -> impl Iterator<Item = Step<'a>> {
        self.items().filter_map(|item| match item {
            Item::Step(step) => Some(step),
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
