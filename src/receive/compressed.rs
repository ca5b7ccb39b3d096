//! Receiving compressed messages (RFC 7692, section 6.2).

use alloc::boxed::Box;

use super::{Receiver, chunks::Ends};
use crate::{
    config::Delivery,
    deflate::{DirectionParams, InflateError, Inflated, Inflater, MAX_FINISH},
    error::ProtocolError,
    event::Event,
    frame::header::Header,
    message_assembler::MessageAssembler,
    message_limits::{Limits, PayloadViolation},
};

/// A compressed message may have at most twice the limit on its inflated bytes on the wire, and so
/// many bytes more; of each frame, some do not count. Blocks that hold nothing are work for an
/// inflater, and would have no end.
const WIRE_ROOM: u64 = 64 << 10;
const WIRE_ROOM_PER_FRAME: u64 = 16;

/// What a receiver needs for compressed messages.
pub(super) struct Compressed {
    /// Of permessage-deflate, if it was negotiated.
    params: Option<DirectionParams>,
    /// Made for the first compressed message.
    inflater: Option<Box<Inflater>>,
    /// The message in progress is compressed.
    in_message: bool,
    /// The end of the payload is being inflated, with the tail that is not sent.
    in_tail: bool,
    /// The last step has not put out everything, so that the next one needs no input.
    has_more_output: bool,
}

impl Compressed {
    pub(super) const fn new() -> Self {
        Self {
            params: None,
            inflater: None,
            in_message: false,
            in_tail: false,
            has_more_output: false,
        }
    }

    /// Whether a compressed message is in progress.
    pub(super) const fn in_message(&self) -> bool {
        self.in_message
    }

    /// A data frame begins; returns whether its message is compressed. The decoder lets the bit be
    /// set on the first frame of a message alone, and only if that was negotiated.
    pub(super) fn begin_frame(&mut self, header: &Header, limits: Limits) -> Result<bool, ProtocolError> {
        if let (true, Some(params)) = (header.reserved.rsv1, self.params) {
            self.inflater(params).begin_message();
            self.in_message = true;
        }
        if !self.in_message {
            return Ok(false);
        }
        let counted = header.len.saturating_sub(WIRE_ROOM_PER_FRAME);
        let wire_bytes = self.inflater.as_mut().map(|inflater| inflater.add_wire_bytes(counted));
        if wire_bytes > Some(limits.size.saturating_mul(2).saturating_add(WIRE_ROOM)) {
            return Err(limits.error(PayloadViolation::TooBig));
        }
        Ok(true)
    }

    /// The inflater, made now if this is the first compressed message.
    fn inflater(&mut self, params: DirectionParams) -> &mut Inflater {
        self.inflater.get_or_insert_with(|| Box::new(Inflater::new(params)))
    }

    /// Whether what was received cannot be told to another engine: part of it is in the inflater.
    pub(super) fn is_lossy(&self) -> bool {
        self.in_message || self.inflater.as_ref().is_some_and(|inflater| inflater.has_history())
    }
}

/// The output that the limit admits, and what follows it.
fn admit<'a>(
    assembler: &mut MessageAssembler,
    inflated: &Inflated<'a>,
    limits: Limits,
) -> (&'a [u8], Result<(), PayloadViolation>) {
    let (output, beyond) = inflated.output.split_at(assembler.admit(inflated.output.len(), limits));
    let result = if beyond.is_empty() {
        inflated.result.map_err(|error| match error {
            InflateError::Corrupt => PayloadViolation::InvalidDeflate,
            InflateError::TooManyBlocks => PayloadViolation::TooManyDeflateBlocks,
        })
    } else {
        Err(PayloadViolation::TooBig)
    };
    (output, result)
}

impl Receiver {
    /// Compressed messages may come.
    pub(crate) fn allow_compressed(&mut self, params: DirectionParams) {
        self.compressed.params = Some(params);
        self.decoder.allow_compressed();
    }

    /// Takes a small compressed message that is whole at the front of `input`: the fast path for
    /// the common case. `None`: the general path takes it, nothing is consumed.
    pub(crate) fn whole_compressed(&mut self, input: &mut &mut [u8]) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(params) = self.compressed.params else {
            return Ok(None);
        };
        let Some((kind, mut payload)) = self.decoder.whole_message::<true>(input, MAX_FINISH as u64) else {
            return Ok(None);
        };
        self.limits.size = self.max_message_size;
        let inflater = self.compressed.inflater(params);
        let max_output = usize::try_from(self.limits.size)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let mut inflated = inflater.finish(payload, max_output);
        let message = if inflated.done && inflated.result.is_ok() && inflated.output.len() as u64 <= self.limits.size {
            self.assembler.whole(kind, inflated.output)?
        } else {
            // It does not fit into the rest of the window, or something is wrong.
            self.assembler.begin_frame(Some(kind), 0, self.limits)?;
            loop {
                let (output, result) = admit(&mut self.assembler, &inflated, self.limits);
                self.assembler.append(output, 0)?;
                result.map_err(|violation| self.limits.error(violation))?;
                if inflated.done {
                    break self.assembler.finish()?;
                }
                payload = payload.get_mut(inflated.consumed..).unwrap_or_default();
                inflated = inflater.finish(payload, self.assembler.room(self.limits).saturating_add(1));
            }
        };
        inflater.end_message();
        Ok(Some(message.into()))
    }

    /// Inflates the payload in `input` up to the next event. `None`: the frame is processed, or
    /// `input` is empty.
    pub(super) fn inflate(&mut self, input: &mut &mut [u8]) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(mut inflater) = self.compressed.inflater.take() else {
            // It was made when the message began.
            return Err(ProtocolError::InvalidDeflate);
        };
        let event = self.inflate_with(&mut inflater, input);
        self.compressed.inflater = Some(inflater);
        event
    }

    fn inflate_with(
        &mut self,
        inflater: &mut Inflater,
        input: &mut &mut [u8],
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        while self.decoder.is_in_payload() {
            let Some((inflated, ends)) = self.inflate_step(inflater, input) else {
                return Ok(None);
            };
            let (output, result) = admit(&mut self.assembler, &inflated, self.limits);
            let event = match self.delivery {
                Delivery::Messages => self.inflated_piece(output, ends, result)?,
                // The message has no end. What the tail inflates to is checked, but it is no data.
                Delivery::Chunks if self.compressed.in_tail && inflated.result.is_err() => {
                    self.inflated_piece(output, ends, result)?
                }
                Delivery::Chunks => self.inflated_chunk(output, ends, result)?,
            };
            if ends != Ends::Nothing {
                self.decoder.end_payload();
            }
            if ends == Ends::Message {
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

    /// Inflates some of the payload, and of the tail that ends a message. Returns what it inflates
    /// to, and what ends with it; `None`: `input` is empty.
    fn inflate_step<'i>(&mut self, inflater: &'i mut Inflater, input: &mut &mut [u8]) -> Option<(Inflated<'i>, Ends)> {
        // What is delivered in chunks comes from the payload first, and then from the tail.
        let max_finish = match self.delivery {
            Delivery::Messages => MAX_FINISH,
            Delivery::Chunks => 0,
        };
        let (remaining, fin) = (self.decoder.payload().remaining(), self.decoder.is_in_last_frame());
        let has_more_output = self.compressed.has_more_output;
        if fin && !has_more_output && remaining <= input.len().min(max_finish) as u64 {
            self.compressed.in_tail = true;
        }
        let in_tail = self.compressed.in_tail;
        if input.is_empty() && remaining > 0 && !has_more_output {
            return None;
        }
        let peeked = self.decoder.payload().peek(input, inflater.max_input());
        let payload = input.get(..peeked).unwrap_or_default();
        let inflated = if in_tail {
            inflater.finish(payload, self.assembler.room(self.limits).saturating_add(1))
        } else {
            inflater.inflate(payload)
        };
        self.decoder.payload_mut().consume(input, peeked, inflated.consumed);
        self.compressed.has_more_output = !inflated.done;
        let ends = if !inflated.done || self.decoder.payload().remaining() > 0 {
            Ends::Nothing
        } else if in_tail {
            Ends::Message
        } else if fin {
            Ends::Nothing
        } else {
            Ends::Frame
        };
        Some((inflated, ends))
    }

    fn inflated_piece(
        &mut self,
        output: &[u8],
        ends: Ends,
        result: Result<(), PayloadViolation>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        self.assembler.append(output, 0)?;
        result.map_err(|violation| self.limits.error(violation))?;
        match ends {
            Ends::Nothing | Ends::Frame => Ok(None),
            Ends::Message => self.assembler.finish().map(|message| Some(message.into())),
        }
    }
}

#[cfg(feature = "deflate")]
impl Receiver {
    /// Takes working state from the pool, if a compressed message may come and there is none.
    pub(crate) fn borrow_state(&mut self, pool: &mut crate::deflate::DeflatePool) {
        let Some(params) = self.compressed.params else {
            return;
        };
        let inflater = self.compressed.inflater.as_ref();
        if inflater.is_some_and(|inflater| inflater.has_state()) {
            return;
        }
        if let Some(state) = pool.take_inflater_state(params) {
            self.compressed.inflater(params).set_state(state);
        }
    }

    /// Gives working state to the pool, if the next message does not need it.
    pub(crate) fn return_state(&mut self, pool: &mut crate::deflate::DeflatePool) {
        if let Some(inflater) = &mut self.compressed.inflater {
            pool.keep_inflater_state(inflater);
        }
    }
}
