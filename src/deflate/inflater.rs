//! Receiving: compressed payload to plain.

use core::fmt;

use super::{
    backend::Inflate,
    params::{DirectionParams, TAIL},
    progress::{Progress, StopReason},
    window::Window,
};

/// How much payload is given to [`Inflater::inflate`] at most, in bytes.
const MAX_INPUT: usize = 8 << 10;

/// How much payload [`Inflater::finish`] takes at most: so much of it is copied.
pub(crate) const MAX_FINISH: usize = 256 - TAIL.len() - PADDED;

/// What lies behind the tail: inflaters are slow where their input is about to end, and stop at the end of a block, which
/// tells it from the end of the input. No block begins with such a byte.
const PADDING: u8 = 0x06;
const PADDED: usize = 20;

/// One direction's inflater. Nothing is allocated before the first compressed message.
pub(crate) struct Inflater {
    params: DirectionParams,
    window: Window,
    state: Option<Inflate>,
    /// The message has bytes.
    begun: bool,
    /// The stream ended with a block of BFINAL, and nothing followed.
    ended: bool,
    /// How much of the tail is consumed.
    tail: usize,
}

/// The payload is not valid DEFLATE, or it refers beyond the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// What one step yields.
#[derive(Debug)]
pub(crate) struct Inflated<'a> {
    /// How many bytes of the input were consumed.
    pub(crate) consumed: usize,
    /// The next plain bytes.
    pub(crate) output: &'a [u8],
    /// Whether the step came to its end: all input is consumed and has been put out.
    pub(crate) done: bool,
    /// What follows `output` is an error.
    pub(crate) result: Result<(), Corrupt>,
}

impl Inflater {
    pub(crate) const fn new(params: DirectionParams) -> Self {
        Self {
            params,
            window: Window::new(params.bits),
            state: None,
            begun: false,
            ended: false,
            tail: 0,
        }
    }

    /// How many bytes of payload are unmasked at a time: at most 4 windows. A step puts out a window at most, and what it
    /// leaves of the payload is masked again.
    pub(crate) fn max_input(&self) -> usize {
        MAX_INPUT.min(4 << self.params.bits)
    }

    /// Inflates from the front of `input`. Each step yields at most a window of output; call it again, with what it did
    /// not consume, until it is done.
    pub(crate) fn inflate(&mut self, input: &[u8]) -> Inflated<'_> {
        if input.is_empty() && (!self.begun || self.ended) {
            return Inflated::NOTHING;
        }
        self.begun = true;
        self.ended = false;
        self.window.make_room();
        let run = self.run(input, false);
        let (done, result) = match run.stop {
            StopReason::InputEnd => (true, Ok(())),
            StopReason::OutputFull | StopReason::BlockEnd => (false, Ok(())),
            // "if the decompressor sees a block with BFINAL set", what follows is a new stream with the old window
            // (section 7.2.1 allows it, and says that more blocks may follow).
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

    /// Inflates the last of the payload, at most [`MAX_FINISH`] bytes, and ends the message, as if the tail that is not sent
    /// had arrived (section 7.2.2). Call it until it is done, with what it did not consume, and then
    /// [`end_message`](Self::end_message).
    pub(crate) fn finish(&mut self, rest: &[u8]) -> Inflated<'_> {
        // A payload without bytes is no DEFLATE stream that the tail could end: an empty message. And one that ended with
        // BFINAL is complete: senders that leave out the empty block behind it are understood.
        if rest.is_empty() && (!self.begun || self.ended) {
            return Inflated::NOTHING;
        }
        self.begun = true;
        self.ended = false;
        let tail = TAIL.get(self.tail..).unwrap_or_default();
        let mut input = [PADDING; MAX_FINISH + TAIL.len() + PADDED];
        let (front, back) = input.split_at_mut(rest.len());
        front.copy_from_slice(rest);
        back.split_at_mut(tail.len()).0.copy_from_slice(tail);
        let end = rest.len() + tail.len();
        let (mut used, mut produced) = (0, 0);
        self.window.make_room();
        let (done, result) = loop {
            let run = self.run(input.get(used..end + PADDED).unwrap_or_default(), true);
            used += run.consumed;
            produced += run.produced;
            match run.stop {
                // The block that the tail completes is empty: what is put out here took the tail for data.
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
                // The payload did not end where a block ends.
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

    /// The output of the message is processed; keeps what the next one needs.
    pub(crate) fn end_message(&mut self) {
        self.begun = false;
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

    /// The working state, if the next message does not need it.
    pub(crate) fn take_state(&mut self) -> Option<Inflate> {
        let keeps_history = self.params.takeover && self.state.as_ref().is_some_and(Inflate::keeps_history);
        if self.begun || keeps_history {
            return None;
        }
        if !self.params.takeover {
            self.window.release();
        }
        self.state.take()
    }

    /// DeflateState state of another inflater, if this one has none.
    pub(crate) fn put_state(&mut self, mut state: Inflate) {
        if self.state.is_none() && !self.begun {
            // What it knows belongs to somebody else; what is known here is in the window.
            state.restart(&self.window);
            self.state = Some(state);
        }
    }

    pub(crate) const fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// The next message may refer to earlier ones.
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

/// On its own, because what the making takes of the stack would be touched for every message.
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
