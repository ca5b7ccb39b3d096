//! The inflater: compressed payload to plain.

use core::mem;

use super::{
    backend::Inflate,
    params::{DirectionParams, TAIL},
    progress::{Progress, StopReason},
    window::Window,
};

/// The most payload that [`Inflater::inflate`] gets at once, in bytes.
const MAX_INPUT: usize = 8 << 10;

/// The most payload that [`Inflater::finish`] takes, in bytes: it is copied.
pub(crate) const MAX_FINISH: usize = 256 - TAIL.len() - PADDING.len();

/// What follows the tail: an empty stored block, and then bytes with which no block begins. An
/// inflater is slow near the end of its input; and with more input, the end of a block can be told
/// from the end of the input. The block tells whether the tail ends at the end of a byte.
const PADDING: [u8; 20] = [
    0x00, 0x00, 0x00, 0xFF, 0xFF, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
];
const EMPTY_BLOCK_LEN: usize = 5;

/// How many bytes of payload pay for one block, and for how many blocks a connection has credit.
///
/// For each block, an inflater builds tables, which takes `miniz_oxide` as long as inflating some
/// thousand bytes, and a block may be as short as ten bits. Empty stored blocks, which end a flush,
/// are free. So a compressor that flushes after each byte stays within the limit: a block with one
/// byte and the flush after it have seven bytes, and so has a message of one byte with its tail.
const BYTES_PER_BLOCK: usize = 6;
const BLOCK_CREDIT: usize = 512 * BYTES_PER_BLOCK;

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
    block: Block,
    /// What is left of [`BLOCK_CREDIT`].
    credit: usize,
    /// What [`add_wire_bytes`](Self::add_wire_bytes) was told of the message in progress. It is
    /// here, and not in the receiver, so that a connection without compression is smaller.
    wire_bytes: u64,
}

/// What the block in progress has consumed and produced, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    consumed: usize,
    produced: usize,
}

impl Block {
    /// Returns whether it is an empty stored block, as a flush ends with: no other block is as long
    /// without output and as short as this.
    const fn is_flush(self) -> bool {
        self.produced == 0 && self.consumed >= TAIL.len() && self.consumed <= EMPTY_BLOCK_LEN
    }
}

/// What is wrong with the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is not valid DEFLATE, or refers to data before the window.
    Corrupt,
    /// It has more blocks than its bytes pay for.
    TooManyBlocks,
}

/// What a run of the back end has done.
struct RunResult {
    consumed: usize,
    produced: usize,
    end: StopCause,
}

/// What ended a run.
enum StopCause {
    /// All input is consumed, and there is no output left.
    Input,
    /// There is no room for more output.
    Room,
    /// A block has ended: an empty stored one, or another.
    Block {
        is_flush: bool,
    },
    /// A block with BFINAL has ended.
    Stream,
    Failed(InflateError),
}

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
    pub(crate) result: Result<(), InflateError>,
}

impl Inflater {
    /// A message begins.
    pub(crate) const fn begin_message(&mut self) {
        self.wire_bytes = 0;
    }

    /// Adds to the bytes on the wire of the message in progress, and returns how many there are.
    pub(crate) const fn add_wire_bytes(&mut self, len: u64) -> u64 {
        self.wire_bytes = self.wire_bytes.saturating_add(len);
        self.wire_bytes
    }

    pub(crate) const fn new(params: DirectionParams) -> Self {
        Self {
            params,
            window: Window::new(params.bits),
            state: None,
            has_payload: false,
            ended: false,
            tail: 0,
            block: Block {
                consumed: 0,
                produced: 0,
            },
            credit: BLOCK_CREDIT,
            wire_bytes: 0,
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
        if input.is_empty() && self.is_complete() {
            return Inflated::NOTHING;
        }
        self.has_payload = true;
        self.ended = false;
        self.window.make_room();
        let (mut consumed, mut produced) = (0, 0);
        let (done, result) = loop {
            let run = self.run(input.get(consumed..).unwrap_or_default(), usize::MAX);
            consumed += run.consumed;
            produced += run.produced;
            match run.end {
                StopCause::Input => break (true, Ok(())),
                StopCause::Room => break (false, Ok(())),
                StopCause::Block { .. } => {}
                StopCause::Stream if consumed == input.len() => {
                    self.ended = true;
                    break (true, Ok(()));
                }
                StopCause::Stream => {}
                StopCause::Failed(error) => break (true, Err(error)),
            }
        };
        Inflated {
            consumed,
            output: self.window.last(produced),
            done,
            result,
        }
    }

    /// Returns whether the payload so far is a message without the tail: an empty one, or one whose
    /// last block has BFINAL set. Some senders leave out the empty block after it.
    const fn is_complete(&self) -> bool {
        !self.has_payload || self.ended
    }

    /// Inflates the rest of the payload, at most [`MAX_FINISH`] bytes, and the tail that was not
    /// sent. Call it until it is done, with what it did not consume, and then
    /// [`end_message`](Self::end_message).
    ///
    /// The message is what the payload and the tail inflate to (RFC 7692, section 7.2.2). It must
    /// end where a block ends, at the end of a byte. A step returns at most `max_output` bytes: how
    /// many are of interest, at least one.
    pub(crate) fn finish(&mut self, rest: &[u8], max_output: usize) -> Inflated<'_> {
        if rest.is_empty() && self.is_complete() {
            return Inflated::NOTHING;
        }
        self.has_payload = true;
        self.ended = false;
        let tail = TAIL.get(self.tail..).unwrap_or_default();
        let end = rest.len() + tail.len();
        let mut input = [0; MAX_FINISH + TAIL.len() + PADDING.len()];
        let input = input.split_at_mut(end + PADDING.len()).0;
        let (payload, padding) = input.split_at_mut(end);
        let (front, back) = payload.split_at_mut(rest.len());
        front.copy_from_slice(rest);
        back.copy_from_slice(tail);
        padding.copy_from_slice(&PADDING);
        let (mut consumed, mut produced) = (0, 0);
        self.window.make_room();
        let (done, result) = loop {
            let from = consumed;
            let run = self.run(
                input.get(from..).unwrap_or_default(),
                max_output.saturating_sub(produced),
            );
            consumed += run.consumed;
            produced += run.produced;
            match run.end {
                StopCause::Failed(error) => break (true, Err(error)),
                StopCause::Room if consumed <= end => break (false, Ok(())),
                _ if consumed <= end && produced >= max_output => break (false, Ok(())),
                StopCause::Block { is_flush: true } | StopCause::Stream if consumed == end => break (true, Ok(())),
                StopCause::Stream if consumed == rest.len() && self.tail == 0 => break (true, Ok(())),
                StopCause::Block { .. } | StopCause::Stream if consumed <= end => {}
                // The empty block after the tail.
                StopCause::Block { .. } if from == end && run.consumed == EMPTY_BLOCK_LEN && run.produced == 0 => {
                    break (true, Ok(()));
                }
                // The payload and the tail do not end where a block ends.
                _ => break (true, Err(InflateError::Corrupt)),
            }
        };
        // What comes from the padding is not in excess of anything.
        let excess = if consumed > end {
            (produced + 1).saturating_sub(max_output)
        } else {
            0
        };
        let consumed_rest = consumed.min(rest.len());
        self.tail += consumed.min(end) - consumed_rest;
        let output = self.window.last(produced);
        Inflated {
            consumed: consumed_rest,
            output: output.get(..produced - excess).unwrap_or_default(),
            done,
            result,
        }
    }

    /// Ends the message, whose output is processed, and keeps what the next one needs.
    pub(crate) fn end_message(&mut self) {
        self.has_payload = false;
        self.ended = false;
        // The tail pays also where the message has ended without it.
        self.credit = (self.credit + TAIL.len() - self.tail).min(BLOCK_CREDIT);
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
    pub(crate) fn set_state(&mut self, mut state: Inflate) {
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

    /// Inflates until the input is consumed, there is no room for output, or a block ends.
    fn run(&mut self, input: &[u8], max_output: usize) -> RunResult {
        let state = match &mut self.state {
            Some(state) => state,
            none => make_state(none, self.params, &self.window),
        };
        let Progress {
            consumed,
            produced,
            stop,
        } = state.run(input, &mut self.window, max_output);
        self.window.advance(produced);
        // A block may be endless.
        self.block.consumed = self.block.consumed.saturating_add(consumed);
        self.block.produced = self.block.produced.saturating_add(produced);
        self.credit = self.credit.saturating_add(consumed).min(BLOCK_CREDIT);
        let end = match stop {
            StopReason::InputEnd => StopCause::Input,
            StopReason::OutputFull => StopCause::Room,
            StopReason::Corrupt => StopCause::Failed(InflateError::Corrupt),
            StopReason::BlockEnd => self.end_block(false),
            StopReason::StreamEnd => self.end_block(true),
        };
        RunResult {
            consumed,
            produced,
            end,
        }
    }

    fn end_block(&mut self, is_last: bool) -> StopCause {
        let is_flush = mem::take(&mut self.block).is_flush();
        if is_last {
            // What follows is a new stream with the old window (RFC 7692, section 7.2.3.4).
            if let Some(state) = &mut self.state {
                state.restart(&self.window);
            }
        }
        if !is_flush && self.state.as_ref().is_some_and(Inflate::has_slow_blocks) {
            let Some(credit) = self.credit.checked_sub(BYTES_PER_BLOCK) else {
                return StopCause::Failed(InflateError::TooManyBlocks);
            };
            self.credit = credit;
        }
        if is_last {
            StopCause::Stream
        } else {
            StopCause::Block { is_flush }
        }
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
