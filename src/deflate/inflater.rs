//! The inflater: compressed payload to plain.

use core::fmt;

use super::{
    backend::Inflate,
    params::{DirectionParams, TAIL},
    progress::{Progress, StopReason},
    window::Window,
};

/// The most payload that [`Inflater::inflate`] gets at once, in bytes.
const MAX_INPUT: usize = 8 << 10;

/// The most payload that [`Inflater::finish`] takes, in bytes: it is copied.
pub(crate) const MAX_FINISH: usize = 256 - TAIL.len() - PADDING_LEN;

/// The bytes after the tail. An inflater is slow near the end of its input; and with more input, an
/// end of a block can be told from the end of the input. No block begins with this byte.
const PADDING: u8 = 0x06;
const PADDING_LEN: usize = 20;

/// The inflater of one direction. It allocates nothing before the first compressed message.
pub(crate) struct Inflater {
    params: DirectionParams,
    window: Window,
    state: Option<Inflate>,
    /// The message in progress has payload.
    has_payload: bool,
    /// The stream ended with a block that has BFINAL set, and nothing followed.
    ended: bool,
    /// How many bytes of the tail are consumed.
    tail: usize,
}

/// The error of a payload that is not valid DEFLATE, or refers to data before the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// The result of one step.
#[derive(Debug)]
pub(crate) struct Inflated<'a> {
    /// How many bytes of the input were consumed.
    pub(crate) consumed: usize,
    /// The next inflated bytes.
    pub(crate) output: &'a [u8],
    /// Whether all input is consumed and its output is complete.
    pub(crate) done: bool,
    /// Whether an error follows `output`.
    pub(crate) result: Result<(), Corrupt>,
}

impl Inflater {
    pub(crate) const fn new(params: DirectionParams) -> Self {
        Self {
            params,
            window: Window::new(params.bits),
            state: None,
            has_payload: false,
            ended: false,
            tail: 0,
        }
    }

    /// Returns how many bytes of payload to unmask at once: at most 4 windows. A step returns at
    /// most a window of output, and the payload that it does not consume is masked again.
    pub(crate) fn max_input(&self) -> usize {
        MAX_INPUT.min(4 << self.params.bits)
    }

    /// Inflates from the front of `input`. A step returns at most a window of output; call it
    /// again, with what it did not consume, until it is done.
    pub(crate) fn inflate(&mut self, input: &[u8]) -> Inflated<'_> {
        if input.is_empty() && (!self.has_payload || self.ended) {
            return Inflated::NOTHING;
        }
        self.has_payload = true;
        self.ended = false;
        self.window.make_room();
        let run = self.run(input, false);
        let (done, result) = match run.stop {
            StopReason::InputEnd => (true, Ok(())),
            StopReason::OutputFull | StopReason::BlockEnd => (false, Ok(())),
            // A block with BFINAL set ends the stream; what follows is a new stream with the old
            // window (RFC 7692, section 7.2.3.4).
            StopReason::StreamEnd => {
                self.restart();
                self.ended = run.consumed == input.len();
                (self.ended, Ok(()))
            }
            StopReason::Corrupt => (true, Err(Corrupt)),
        };
        Inflated {
            consumed: run.consumed,
            output: self.window.last(run.produced),
            done,
            result,
        }
    }

    /// Inflates the rest of the payload, at most [`MAX_FINISH`] bytes, and the tail that was not
    /// sent (RFC 7692, section 7.2.2). Call it until it is done, with what it did not consume, and
    /// then [`end_message`](Self::end_message).
    pub(crate) fn finish(&mut self, rest: &[u8]) -> Inflated<'_> {
        // An empty payload is an empty message, although no block precedes the tail. And a stream
        // that ended with BFINAL is complete: some senders leave out the empty block after it.
        if rest.is_empty() && (!self.has_payload || self.ended) {
            return Inflated::NOTHING;
        }
        self.has_payload = true;
        self.ended = false;
        let tail = TAIL.get(self.tail..).unwrap_or_default();
        let mut input = [PADDING; MAX_FINISH + TAIL.len() + PADDING_LEN];
        let (front, back) = input.split_at_mut(rest.len());
        front.copy_from_slice(rest);
        back.split_at_mut(tail.len()).0.copy_from_slice(tail);
        let end = rest.len() + tail.len();
        let (mut used, mut produced) = (0, 0);
        self.window.make_room();
        let (done, result) = loop {
            let run = self.run(input.get(used..end + PADDING_LEN).unwrap_or_default(), true);
            used += run.consumed;
            produced += run.produced;
            match run.stop {
                // The block that the tail completes is empty: output means that the tail was taken
                // for data.
                _ if used > rest.len() && run.produced > 0 => break (true, Err(Corrupt)),
                StopReason::BlockEnd if used == end => break (true, Ok(())),
                StopReason::BlockEnd if used < end => {}
                StopReason::OutputFull if used <= end => break (false, Ok(())),
                StopReason::StreamEnd if self.tail == 0 && used <= rest.len() => {
                    self.restart();
                    self.ended = used == rest.len();
                    if self.ended {
                        break (true, Ok(()));
                    }
                }
                // The payload did not end at the end of a block.
                StopReason::InputEnd
                | StopReason::OutputFull
                | StopReason::BlockEnd
                | StopReason::StreamEnd
                | StopReason::Corrupt => break (true, Err(Corrupt)),
            }
        };
        let consumed = used.min(rest.len());
        self.tail += used - consumed;
        Inflated {
            consumed,
            output: self.window.last(produced),
            done,
            result,
        }
    }

    /// Ends the message, whose output is processed, and keeps what the next one needs.
    pub(crate) fn end_message(&mut self) {
        self.has_payload = false;
        self.ended = false;
        self.tail = 0;
        if !self.params.takeover {
            self.window.clear();
        }
        match &mut self.state {
            state if self.params.release => {
                *state = None;
                if !self.params.takeover {
                    self.window.release();
                }
            }
            Some(state) if !self.params.takeover => state.restart(&self.window),
            Some(_) | None => {}
        }
    }

    /// Takes the working state, if the next message does not need it.
    pub(crate) fn take_state(&mut self) -> Option<Inflate> {
        let holds_history = self.params.takeover && self.state.as_ref().is_some_and(Inflate::holds_history);
        if self.has_payload || holds_history {
            return None;
        }
        if !self.params.takeover {
            self.window.release();
        }
        self.state.take()
    }

    /// Sets the working state, if there is none.
    pub(crate) fn put_state(&mut self, mut state: Inflate) {
        if self.state.is_none() && !self.has_payload {
            // Its history is that of another connection; the history of this one is in the window.
            state.restart(&self.window);
            self.state = Some(state);
        }
    }

    pub(crate) const fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// Returns whether the next message may refer to earlier ones.
    pub(crate) const fn has_history(&self) -> bool {
        self.params.takeover && !self.window.is_empty()
    }

    fn restart(&mut self) {
        if let Some(state) = &mut self.state {
            state.restart(&self.window);
        }
    }

    fn run(&mut self, input: &[u8], stop_at_block: bool) -> Progress {
        let state = match &mut self.state {
            Some(state) => state,
            none => make_state(none, self.params, &self.window),
        };
        let run = state.run(input, &mut self.window, stop_at_block);
        self.window.advance(run.produced);
        run
    }
}

/// Out of line, because the construction takes stack that would be touched for every message.
#[cold]
#[inline(never)]
fn make_state<'s>(slot: &'s mut Option<Inflate>, params: DirectionParams, window: &Window) -> &'s mut Inflate {
    slot.insert(Inflate::new(params.bits, window))
}

impl Inflated<'_> {
    const NOTHING: Self = Self {
        consumed: 0,
        output: &[],
        done: true,
        result: Ok(()),
    };
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}
