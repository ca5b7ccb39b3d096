//! What a buffer beside the connection needs: to take whole messages, and to keep one until it is
//! complete.

use alloc::{borrow::Cow, boxed::Box, vec::Vec};

use super::Connection;
use crate::{
    error::ProtocolError,
    event::Event,
    message::MessageKind,
    receive::{BufferedMessage, Path},
    utf8,
};

impl Connection {
    /// Whether the connection is open and between messages, and assembles them. False if it has a
    /// recorder, which sees what the connection itself receives.
    #[inline(always)]
    pub(crate) fn takes_whole_messages(&self) -> bool {
        self.path == Path::Whole
    }

    /// The payload of the message that is whole at the front of `input`, if the fast path takes it:
    /// pass it to [`whole_message`](Self::whole_message).
    ///
    /// What it does not take is left to [`receive_whole`](Self::receive_whole).
    #[inline(always)]
    pub(crate) fn whole_payload<'b>(&self, input: &mut &'b mut [u8]) -> Option<(MessageKind, &'b mut [u8])> {
        debug_assert!(self.takes_whole_messages());
        self.receiver.whole_payload(input)
    }

    /// The event of a message that was [taken](Self::whole_payload).
    ///
    /// Two calls, and not one that returns the event in an `Option`, and no call of
    /// `receive::borrow`: the event would be moved, which costs a short message 15 % or 4 % more
    /// instructions.
    #[inline(always)]
    pub(crate) fn whole_message<'b>(
        &mut self,
        (kind, data): (MessageKind, &'b mut [u8]),
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        match kind {
            MessageKind::Binary => Ok(Some(Event::Binary(Cow::Borrowed(data)))),
            MessageKind::Text => match utf8::validate(data) {
                Ok(text) => Ok(Some(Event::Text(Cow::Borrowed(text)))),
                Err(_) => Err(self.fail_buffered(out)),
            },
        }
    }

    /// The incomplete message at the front of `input`, if the buffer may keep it: it is in one
    /// frame and not compressed, and its header is complete.
    pub(crate) fn buffered_message(&self, input: &[u8]) -> Option<BufferedMessage> {
        if !self.takes_whole_messages() {
            return None;
        }
        self.receiver.buffered_message(input)
    }

    /// Receives a message that the buffer does not keep any more, and that keeps the limit that it
    /// began with.
    pub(crate) fn receive_with_limit<'b>(
        &mut self,
        limit: u64,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Box<ProtocolError>> {
        let next = self.receiver.max_message_size();
        self.receiver.set_max_message_size(limit);
        let received = self.receive(input, out);
        self.receiver.set_max_message_size(next);
        received
    }

    /// A buffered message is not UTF-8.
    pub(crate) fn fail_buffered(&mut self, out: &mut Vec<u8>) -> Box<ProtocolError> {
        self.fail(ProtocolError::InvalidUtf8, out)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "std")]
    use alloc::vec::Vec;

    use super::{Connection, MessageKind};
    use crate::config::Config;

    fn server() -> Connection {
        Connection::upgraded_server(&Default::default(), Config::new())
    }

    /// A message that is whole is taken by the fast path.
    #[test]
    fn a_whole_message_is_taken() {
        let mut bytes = *b"\x81\x82\0\0\0\0Hi";
        let (kind, payload) = server().whole_payload(&mut &mut bytes[..]).unwrap();
        assert_eq!((kind, &*payload), (MessageKind::Text, &b"Hi"[..]));
    }

    /// What the adapters ask between two messages, and within one in each direction.
    #[cfg(feature = "std")]
    #[test]
    fn a_message_in_progress_is_known() {
        let mut connection = server();
        assert!(!connection.is_in_message() && connection.check_message().is_ok());
        assert!(connection.sends_payload_as_it_is(10));
        let mut bytes = *b"\x01\x81\0\0\0\0H";
        assert_eq!(connection.receive(&mut &mut bytes[..], &mut Vec::new()), Ok(None));
        assert!(connection.is_in_message());
        connection
            .send_fragment(MessageKind::Text, b"H", false, &mut Vec::new())
            .unwrap();
        assert!(connection.check_message().is_err());
        assert!(!connection.fragments_messages());
        let config = Config::new().fragment_size(core::num::NonZeroUsize::new(10));
        let fragmenting = Connection::upgraded_server(&Default::default(), config);
        assert!(fragmenting.fragments_messages() && !fragmenting.sends_payload_as_it_is(100));
        let client = Connection::upgraded_client(&Default::default(), Config::new(), [1; 32]);
        assert!(!client.sends_payload_as_it_is(10));
    }

    /// What is compressed is not sent as it is.
    #[cfg(all(feature = "std", feature = "deflate"))]
    #[test]
    fn compressed_payload_is_not_sent_as_it_is() {
        use crate::deflate::{DeflateConfig, DeflateParams, WindowBits};

        let params = DeflateParams {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
        };
        let negotiated = crate::handshake::Negotiated::new(None, Some(params), Default::default());
        let config = Config::new().deflate(DeflateConfig::new().threshold(100));
        let server = Connection::upgraded_server(&negotiated, config);
        assert!(server.sends_payload_as_it_is(99) && !server.sends_payload_as_it_is(100));
    }
}
