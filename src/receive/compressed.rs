//! Receiving compressed messages (RFC 7692, section 6.2).

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};

use super::Receiver;
use crate::{
    config::Delivery,
    deflate::{DeflatePool, Direction, Inflater, MAX_REST, Step},
    error::ProtocolError,
    event::{Chunk, Data, Event},
    frame::{Header, Kind},
    message::{Limits, Message},
    utf8::Piece,
};

/// How much payload is unmasked at a time, in bytes, but no more than 4 windows: a step puts out a window at most, and
/// what it leaves of the payload is masked again.
const PIECE: usize = 8 << 10;

/// Beside twice the limit on its inflated bytes, a compressed message may have so many on the wire, and for each frame
/// so many more. Blocks that hold nothing are work for an inflater, and would have no end.
const WIRE_ROOM: u64 = 64 << 10;
const WIRE_ROOM_PER_FRAME: u64 = 16;

/// What a receiver needs for compressed messages.
#[derive(Debug)]
pub(super) struct Compressed {
    /// permessage-deflate is agreed.
    agreed: Option<Direction>,
    /// Made for the first compressed message.
    inflater: Option<Box<Inflater>>,
    /// The message in progress is compressed.
    in_message: bool,
    /// The end of the payload is being inflated, with the tail that is not sent.
    in_tail: bool,
    /// Output waits, so that the next step needs no input.
    waits: bool,
    /// The bytes of its frames, but for what each has free.
    wire: u64,
}

/// Where a piece of output stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Within,
    FrameEnd,
    MessageEnd,
}

impl Compressed {
    pub(super) const fn new() -> Self {
        Self {
            agreed: None,
            inflater: None,
            in_message: false,
            in_tail: false,
            waits: false,
            wire: 0,
        }
    }

    pub(super) const fn in_message(&self) -> bool {
        self.in_message
    }

    /// A data frame begins; whether its message is compressed. The decoder lets the bit be set on the first frame of
    /// a message alone, and only if that is agreed.
    pub(super) fn begin_frame(&mut self, header: &Header, limits: Limits) -> Result<bool, ProtocolError> {
        if header.rsv1 {
            self.in_message = true;
            self.wire = 0;
        }
        self.wire = self.wire.saturating_add(header.len.saturating_sub(WIRE_ROOM_PER_FRAME));
        if self.in_message && self.wire > limits.size.saturating_mul(2).saturating_add(WIRE_ROOM) {
            return Err(ProtocolError::MessageTooBig);
        }
        Ok(self.in_message)
    }

    /// What was received cannot be told to another engine: part of it is in the inflater.
    pub(super) fn is_lossy(&self) -> bool {
        self.in_message || self.inflater.as_ref().is_some_and(|inflater| inflater.has_history())
    }
}

/// What of a step's output the limit admits, and what is behind that.
fn admit<'a>(message: &mut Message, step: &Step<'a>, limits: Limits) -> (&'a [u8], Result<(), ProtocolError>) {
    let (output, beyond) = step.output.split_at(message.admit(step.output.len(), limits));
    let result = if beyond.is_empty() {
        step.result.map_err(|_| ProtocolError::InvalidDeflate)
    } else {
        Err(ProtocolError::MessageTooBig)
    };
    (output, result)
}

impl Receiver {
    /// Compressed messages may come.
    pub(crate) fn allow_compressed(&mut self, direction: Direction) {
        self.compressed.agreed = Some(direction);
        self.decoder.allow_rsv1();
    }

    /// Takes working state from the pool, if a compressed message may come and there is none.
    pub(crate) fn borrow_state(&mut self, pool: &mut DeflatePool) {
        let Some(direction) = self.compressed.agreed else {
            return;
        };
        let inflater = self.compressed.inflater.as_ref();
        if inflater.is_some_and(|inflater| inflater.has_state()) {
            return;
        }
        if let Some(state) = pool.lend_inflater(direction) {
            let inflater = self
                .compressed
                .inflater
                .get_or_insert_with(|| Box::new(Inflater::new(direction)));
            inflater.put_state(state);
        }
    }

    /// Gives working state to the pool, if the next message does not need it.
    pub(crate) fn return_state(&mut self, pool: &mut DeflatePool) {
        if let Some(inflater) = &mut self.compressed.inflater {
            pool.reclaim_inflater(inflater);
        }
    }

    /// A small message that lies whole at the front of `input`: the straight line for the common case. `None` consumes
    /// nothing and says nothing.
    pub(crate) fn whole_compressed(&mut self, input: &mut &mut [u8]) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(direction) = self.compressed.agreed else {
            return Ok(None);
        };
        let Some((kind, mut payload)) = self.decoder.whole_message_with_rsv1(input, MAX_REST as u64) else {
            return Ok(None);
        };
        let Compressed {
            inflater, in_message, ..
        } = &mut self.compressed;
        let inflater = inflater.get_or_insert_with(|| Box::new(Inflater::new(direction)));
        *in_message = true;
        let mut step = inflater.finish(payload);
        let message = if step.done && step.result.is_ok() && step.output.len() as u64 <= self.limits.size {
            self.message.whole(kind, step.output)?
        } else {
            // It does not fit into the rest of the window, or something is wrong.
            self.message.begin_frame(Some(kind), 0, self.limits)?;
            loop {
                let (output, result) = admit(&mut self.message, &step, self.limits);
                self.message.append(output, 0)?;
                result?;
                if step.done {
                    break self.message.finish()?;
                }
                payload = payload.get_mut(step.consumed..).unwrap_or_default();
                step = inflater.finish(payload);
            }
        };
        inflater.end_message();
        *in_message = false;
        Ok(Some(message.into()))
    }

    /// Inflates the payload in `input` up to the next event. `None`: the frame is processed, or `input` is empty.
    pub(super) fn inflate(&mut self, input: &mut &mut [u8]) -> Result<Option<Event<'static>>, ProtocolError> {
        let Compressed { agreed, inflater, .. } = &mut self.compressed;
        // The decoder admits compressed frames only once that is agreed.
        let Some(direction) = *agreed else {
            return Err(ProtocolError::ReservedBits);
        };
        let mut inflater = inflater.take().unwrap_or_else(|| Box::new(Inflater::new(direction)));
        let piece = PIECE.min(4 << direction.bits);
        let event = self.inflate_with(&mut inflater, input, piece);
        self.compressed.inflater = Some(inflater);
        event
    }

    fn inflate_with(
        &mut self,
        inflater: &mut Inflater,
        input: &mut &mut [u8],
        piece: usize,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        // What is delivered in chunks comes from the payload first, and then from the tail.
        let at_end = match self.delivery {
            Delivery::Messages => MAX_REST,
            Delivery::Chunks => 0,
        };
        while self.decoder.is_in_payload() {
            let (left, _) = self.decoder.rest();
            if self.fin && !self.compressed.waits && left <= input.len().min(at_end) as u64 {
                self.compressed.in_tail = true;
            }
            let Compressed { in_tail, waits, .. } = self.compressed;
            if input.is_empty() && left > 0 && !waits {
                return Ok(None);
            }
            let peeked = self.decoder.peek(input, piece);
            let payload = input.get(..peeked).unwrap_or_default();
            let step = if in_tail {
                inflater.finish(payload)
            } else {
                inflater.inflate(payload)
            };
            self.decoder.consume(input, peeked, step.consumed);
            self.compressed.waits = !step.done;
            let place = if !step.done || !self.decoder.is_payload_consumed() {
                Place::Within
            } else if in_tail {
                Place::MessageEnd
            } else if self.fin {
                Place::Within
            } else {
                Place::FrameEnd
            };
            let (output, result) = admit(&mut self.message, &step, self.limits);
            let event = match self.delivery {
                // What the tail was taken for, if it ends no block, is nobody's data.
                Delivery::Chunks if in_tail && step.result.is_err() => self.inflated_chunk(&[], place, result)?,
                Delivery::Messages => self.inflated_piece(output, place, result)?,
                Delivery::Chunks => self.inflated_chunk(output, place, result)?,
            };
            if place != Place::Within {
                self.decoder.end_payload();
            }
            if place == Place::MessageEnd {
                inflater.end_message();
                self.compressed.in_message = false;
                self.compressed.in_tail = false;
            }
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn inflated_piece(
        &mut self,
        output: &[u8],
        place: Place,
        result: Result<(), ProtocolError>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        self.message.append(output, 0)?;
        result?;
        match place {
            Place::Within | Place::FrameEnd => Ok(None),
            Place::MessageEnd => self.message.finish().map(|message| Some(message.into())),
        }
    }

    /// What is valid is delivered before the connection fails.
    fn inflated_chunk(
        &mut self,
        output: &[u8],
        place: Place,
        mut result: Result<(), ProtocolError>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        let data = match self.message.kind() {
            Kind::Binary => Data::Binary(Cow::Owned(Vec::from(output))),
            Kind::Text => {
                let Piece {
                    split,
                    text,
                    result: mut valid,
                    ..
                } = self.message.validate(output);
                if valid.is_ok() && result.is_ok() && place == Place::MessageEnd {
                    valid = self.message.finish_text();
                }
                if valid.is_err() {
                    result = Err(ProtocolError::InvalidUtf8);
                }
                let mut joined = String::with_capacity(text.len() + 4);
                joined.extend(split);
                joined.push_str(text);
                Data::Text(Cow::Owned(joined))
            }
        };
        let mut chunk = Chunk::new(data, place != Place::Within, place == Place::MessageEnd);
        let empty = chunk.as_bytes().is_empty();
        if let Err(error) = result {
            if empty {
                return Err(error);
            }
            self.pending = Some(error);
            (chunk.frame_end, chunk.message_end) = (false, false);
        } else if empty && place == Place::Within {
            return Ok(None);
        }
        Ok(Some(Event::Chunk(chunk)))
    }
}
