//! What an adapter receives: events of the engine, with the timers, and what becomes of chunks.

use alloc::{borrow::Cow, boxed::Box};
use core::mem;
use std::{io, time::Instant};

use super::Driver;
use crate::{
    Chunk, Delivery, Event, Message, ProtocolError, State,
    adapter::{
        Error,
        received::{ChunkConsumer, FromEvent, Received, Source},
    },
    copy,
};

impl Driver {
    /// Begins a call that receives. It may be begun again, after it was interrupted.
    ///
    /// Fails if the engine delivers chunks, and the caller receives whole messages. Nothing has
    /// changed then.
    #[inline]
    pub(in crate::adapter) fn begin_receiving<T: FromEvent>(&mut self) -> Result<(), Error> {
        if T::IS_WHOLE {
            // Where messages are delivered, there are no chunks.
            return match self.engine.delivery() {
                Delivery::Chunks => Err(wrong_delivery()),
                _ => Ok(()),
            };
        }
        self.chunk_consumer = T::CHUNK_CONSUMER;
        if T::CHUNK_CONSUMER != ChunkConsumer::SameReader {
            self.skips_message |= mem::take(&mut self.is_in_reader);
        }
        Ok(())
    }

    /// Takes the next event off the front of the input. A message that lies whole in the input is
    /// borrowed from it. `is_reported` says that a message of the same read was received before,
    /// and reported to the timers.
    // Measured: a message that is returned by a call goes through memory once more.
    #[inline(always)]
    pub(in crate::adapter) fn receive<'a>(
        &mut self,
        source: &'a mut impl Source,
        is_reported: bool,
    ) -> Result<Received<'a>, Box<ProtocolError>> {
        let read_at = source.read_at();
        let out_len = self.out.len();
        // An `Event` is large, and moving it costs more than receiving it: messages are taken out
        // of it at once. They are returned at once too: they have appended nothing to the output.
        let received = match source.receive(&mut self.engine, &mut self.out) {
            Ok(Some(Event::Binary(data))) => {
                if !is_reported {
                    self.message_received(read_at);
                }
                return Ok(Received::Message(Message::Binary(data)));
            }
            Ok(Some(Event::Text(text))) => {
                if !is_reported {
                    self.message_received(read_at);
                }
                return Ok(Received::Message(Message::Text(text)));
            }
            Ok(Some(Event::Chunk(chunk))) => {
                self.message_received(read_at);
                Ok(self.received_chunk(chunk))
            }
            Ok(Some(event)) => {
                // Without a time, no Pong was missing when it was read.
                if let Some(read_at) = read_at {
                    self.update_timers(&event, read_at);
                }
                let reply_len = self.out.len() - out_len;
                self.reply_bytes += reply_len;
                // A Close frame is the last frame, and not moved.
                if matches!(event, Event::Ping(_)) && self.engine.fragments_messages() {
                    self.control.extend(self.out.drain(out_len..));
                }
                Ok(if reply_len > 0 {
                    Received::Replied(event)
                } else {
                    Received::Event(event)
                })
            }
            Ok(None) => Ok(Received::NeedsInput),
            Err(error) => Err(error),
        };
        if !self.control.is_empty() && self.engine.state() != State::Open {
            self.put_control_before_close(out_len);
        }
        received
    }

    /// Skips a chunk, if its message was left by a reader.
    fn received_chunk<'a>(&mut self, chunk: Chunk<'a>) -> Received<'a> {
        if self.skips_message {
            self.skips_message = !chunk.message_end;
            return Received::Skipped;
        }
        self.is_in_reader = self.chunk_consumer != ChunkConsumer::Application && !chunk.message_end;
        Received::Event(Event::Chunk(chunk))
    }

    fn update_timers(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Pong(payload) => _ = self.timers.pong(payload, now),
            Event::Open(_) => {
                self.timers.opened(now);
                self.trace.opened(&self.engine);
            }
            // `deadline` notices the end of the connection.
            _ => {}
        }
    }

    /// Notes that all of the input is processed, but for `kept_len` bytes of a message, which stay
    /// in it. If more of a message has arrived, the peer is alive, though there is no event yet.
    pub(in crate::adapter) fn input_processed(&mut self, kept_len: usize, read_at: Option<Instant>) {
        let len = self.engine.assembled_len() + kept_len;
        if len != mem::replace(&mut self.incomplete_len, len) && len > 0 {
            self.message_received(read_at);
        }
    }

    /// Notes that something of a message was received: reports it to the timers, or, without a
    /// time, leaves that to [`report_message`](Self::report_message).
    #[inline]
    fn message_received(&mut self, read_at: Option<Instant>) {
        match read_at {
            Some(read_at) => self.timers.received(read_at),
            None => self.has_unreported_message = true,
        }
    }

    /// Reports to the timers, before they are asked for the next deadline, that something of a
    /// message was received: what is read without a time counts from when the caller waits for
    /// more.
    pub(in crate::adapter) fn report_message(&mut self, now: impl FnOnce() -> Instant) {
        if mem::take(&mut self.has_unreported_message) {
            self.timers.received(now());
        }
    }

    /// Returns the message, borrowing nothing. A copy uses the recycled allocation.
    #[inline]
    pub(in crate::adapter) fn take_owned(&mut self, message: Message<'_>) -> Message<'static> {
        match message {
            Message::Text(text) => Message::Text(Cow::Owned(copy::into_owned_text(text, &mut self.spare))),
            Message::Binary(data) => Message::Binary(Cow::Owned(copy::into_owned(data, &mut self.spare))),
        }
    }

    /// Keeps the allocation of a message: the first for messages that lie whole in the input, the
    /// next for messages that the engine assembles.
    #[inline]
    pub(in crate::adapter) fn recycle(&mut self, message: Message<'static>) {
        if self.spare.capacity() > 0 {
            return self.engine.recycle(message.into());
        }
        // Not by `Message::into_bytes`: a call takes as long as to receive a short message.
        self.spare = match message {
            Message::Text(Cow::Owned(text)) => text.into_bytes(),
            Message::Binary(Cow::Owned(data)) => data,
            Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_)) => return,
        };
        self.spare.clear();
    }
}

#[cold]
fn wrong_delivery() -> Error {
    let text = "recv, recv_with and recv_batch return whole messages, and Config::delivery is Delivery::Chunks: \
                call recv_chunk, reader or recv_event";
    io::Error::new(io::ErrorKind::InvalidInput, text).into()
}
