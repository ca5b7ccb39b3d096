//! Receiving to the buffer of the caller.

use core::{
    marker::PhantomData,
    ops::{
        ControlFlow::{self, Break},
        DerefMut,
    },
};

use crate::{
    Event, Message, MessageKind,
    adapter::{batch::Answered, pieces::Unread, received::FromEvent, take::Take},
};

/// Copies a piece of a message to the front of `buf`, and the rest of the piece to `unread`.
/// `E` is the kind of call.
pub(super) struct Copy<'a, E> {
    buf: &'a mut [u8],
    unread: &'a mut Unread,
    call: PhantomData<E>,
}

/// A piece that was copied.
pub(super) struct Copied {
    /// How many bytes are in the buffer.
    pub(super) len: usize,
    pub(super) kind: MessageKind,
    pub(super) message_end: bool,
}

impl<'a, E> Copy<'a, E> {
    pub(super) const fn new(buf: &'a mut [u8], unread: &'a mut Unread) -> Self {
        Self {
            buf,
            unread,
            call: PhantomData,
        }
    }

    fn copy(&mut self, data: Message<'_>, message_end: bool) -> Copied {
        Copied {
            kind: data.kind(),
            len: self.unread.read_piece(data, self.buf),
            message_end,
        }
    }
}

impl<E: FromEvent> Take for Copy<'_, E> {
    type Output = Copied;
    type Call = E;

    fn message<G: DerefMut<Target: Answered>>(
        &mut self,
        message: Message<'_>,
        _guard: G,
    ) -> ControlFlow<Option<Copied>, G> {
        Break(Some(self.copy(message, true)))
    }

    fn event(&mut self, event: Event<'_>) -> Option<Copied> {
        match event {
            Event::Chunk(chunk) => Some(self.copy(chunk.data, chunk.message_end)),
            _ => None,
        }
    }
}
