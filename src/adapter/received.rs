//! What an adapter receives, and what its calls return of it.

use alloc::{boxed::Box, vec::Vec};
use std::time::Instant;

use crate::{Chunk, Connection, Event, Message, ProtocolError, frame::ReservedBits};

/// The bytes that were read and are not processed yet.
pub(super) trait Source {
    /// Takes the next event off their front. It may leave the beginning of a message, so that the
    /// message can be borrowed when it is complete.
    fn receive<'a>(
        &'a mut self,
        engine: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Box<ProtocolError>>;

    /// Returns when they were read; `None` if the timers did not need it.
    fn read_at(&self) -> Option<Instant>;
}

/// What [`Driver::receive`](super::driver::Driver::receive) found in the input.
pub(super) enum Received<'a> {
    /// A message. One that lies whole in the input is borrowed from it.
    Message(Message<'a>),
    /// Another event.
    Event(Event<'a>),
    /// Another event, and the engine has appended a reply to the output.
    Replied(Event<'a>),
    /// A piece of a message that is not returned.
    Skipped,
    /// Nothing: all of the input is processed.
    NeedsInput,
}

/// What a call of an adapter that receives returns: messages or chunks alone, or every event.
pub(super) trait FromEvent: Sized {
    /// Whether it stands for whole messages, and not for chunks.
    const IS_WHOLE: bool = false;
    /// Whom it takes chunks for.
    const CHUNK_CONSUMER: ChunkConsumer = ChunkConsumer::Application;

    fn from_message(message: Message<'static>) -> Self;

    /// Converts an event that is not a message. `None` skips it: the adapter has done what it
    /// requires.
    fn from_event(event: Event<'_>) -> Option<Self>;
}

impl FromEvent for Message<'static> {
    const IS_WHOLE: bool = true;

    #[inline]
    fn from_message(message: Message<'static>) -> Self {
        message
    }

    #[inline]
    fn from_event(_event: Event<'_>) -> Option<Self> {
        None
    }
}

/// A whole message is one chunk.
impl FromEvent for Chunk<'static> {
    fn from_message(message: Message<'static>) -> Self {
        Chunk::new(message, ReservedBits::NONE, true, true)
    }

    fn from_event(event: Event<'_>) -> Option<Self> {
        match event {
            Event::Chunk(chunk) => Some(chunk.into_owned()),
            _ => None,
        }
    }
}

impl FromEvent for Event<'static> {
    fn from_message(message: Message<'static>) -> Self {
        message.into()
    }

    fn from_event(event: Event<'_>) -> Option<Self> {
        Some(event.into_owned())
    }
}

/// Whom a call that receives takes chunks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkConsumer {
    /// The application. What a reader has left of a message is skipped.
    Application,
    /// A reader of one message, which begins. What another has left of a message is skipped.
    NewReader,
    /// The same reader.
    SameReader,
}
