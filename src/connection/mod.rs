//! A connection: the two halves and the opening handshake, joined by the state machine of
//! `state.rs`.

mod buffered_message;
mod close;
mod cold_fields;
mod handshake;
mod opening;
mod parts;
mod receive;
mod recorded;
#[cfg(feature = "recording")]
mod recorded_calls;
mod send;

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

pub use self::parts::Parts;
use self::{cold_fields::ColdFields, opening::Opening, recorded::if_recorded};
#[cfg(feature = "deflate")]
use crate::deflate::DeflatePool;
use crate::{
    config::{Config, Delivery},
    deflate::DeflateParams,
    error::LocalHandshakeError,
    event::Event,
    frame::ReservedBits,
    handshake::{ClientRequest, Negotiated},
    mask::keys::MaskKeys,
    receive::{Path, Receiver},
    role::Role,
    send::Sender,
    state::{Phase, Signal, State},
};

/// One WebSocket connection, from the first byte of the opening handshake to the end of the closing
/// one.
///
/// It owns no socket, no buffer and no clock. The caller passes the bytes that it has read to
/// [`receive`](Self::receive), which returns events; every call appends what has to be written to
/// the caller's `out`. There are four kinds of method, and nothing else has to be called:
///
/// * constructors: [`server`](Self::server), [`client`](Self::client), and, for a connection whose
///   opening handshake is done, [`upgraded_server`](Self::upgraded_server) and
///   [`upgraded_client`](Self::upgraded_client);
/// * bytes in: [`receive`](Self::receive) until it returns `None`,
///   [`receive_eof`](Self::receive_eof) when the transport ends;
/// * commands, which append to `out`: [`accept`](Self::accept), [`reject`](Self::reject), `send_*`,
///   [`ping`](Self::ping), [`pong`](Self::pong), [`close`](Self::close);
/// * getters: [`state`](Self::state), [`negotiated`](Self::negotiated),
///   [`close_status`](Self::close_status), [`teardown`](Self::teardown).
///
/// After each of them, write `out` and clear it. There is nothing to flush and nothing to poll:
/// Pongs, the answer to a Close frame, and the Close frame that an error demands are in `out` when
/// the call that caused them returns.
///
/// ```
/// use sockless::{Accept, Connection, Event};
///
/// /// Processes what a read has returned. Then, also after an error, the caller writes `out`.
/// fn process(
///     ws: &mut Connection,
///     mut input: &mut [u8],
///     out: &mut Vec<u8>,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     while let Some(event) = ws.receive(&mut input, out)? {
///         match event {
///             Event::Request(request) => ws.accept(&request, &Accept::new(), out)?,
///             Event::Text(text) => ws.send_text(&text, out)?,
///             Event::Binary(data) => ws.send_binary(&data, out)?,
///             _ => {} // Pings and the Close frame are answered
///         }
///     }
///     Ok(())
/// }
///
/// // The end of the transport: an error, if it comes before the closing handshake.
/// let mut ws = Connection::server(Default::default());
/// assert!(ws.receive_eof().is_err());
/// ```
///
/// **Purity.** The result of a call depends on the state and the arguments alone. For any way of
/// cutting the input into pieces, the events, the errors and the output are the same (with chunk
/// delivery, once adjacent chunks are joined).
///
/// **Memory.** An idle open connection holds no heap, except a client's key stream, a recorder, the
/// subprotocol, if one was negotiated, and what [`recycle`](Self::recycle) gave it. While a message
/// is assembled, the connection holds at most twice the bytes received and 64 KiB more, and three
/// times as much while the buffer grows; never more than that of
/// [`max_message_size`](Config::max_message_size). With permessage-deflate, the bytes are those
/// inflated, and the inflater, the deflater and their windows are added once they are used: the
/// page [permessage-deflate](crate::docs::deflate#memory) has the figures.
// The order in memory: what a whole message touches is side by side, in one cache line where the
// address is at most 16 bytes after the beginning of one. `benches/scale.rs` shows the difference.
#[repr(C)]
pub struct Connection {
    /// Present until the connection is open and what arrived before `accept` is processed.
    opening: Option<Box<Opening>>,
    cold: Option<Box<ColdFields>>,
    /// What was negotiated: [`Negotiated`], in less space.
    subprotocol: Option<Box<str>>,
    sender: Sender,
    /// The result of [`compute_path`](Self::compute_path), updated after every change of what that
    /// depends on.
    path: Path,
    phase: Phase,
    auto_pong: bool,
    auto_close: bool,
    deflate: Option<DeflateParams>,
    receiver: Receiver,
}

impl Connection {
    /// Returns the server's end of a connection, which waits for a client's opening handshake
    /// (RFC 6455, section 4.2).
    #[must_use]
    pub fn server(config: Config) -> Self {
        let opening = Some(Opening::new(&config, None));
        Self::new(Phase::AwaitingRequest, Role::Server, None, &config, opening)
    }

    /// Returns the client's end of a connection and appends its opening handshake to `out` (RFC
    /// 6455, section 4.1).
    ///
    /// `seed` must come from a strong source of randomness, such as the operating system, and must
    /// be used for nothing else: the key of the handshake and the mask keys of all frames are made
    /// from it (sections 4.1 and 5.3).
    ///
    /// Two duties stay with the caller: to have at most one connection to the same address in this
    /// state at a time, and to carry a `wss` connection over TLS with SNI, from the first byte
    /// (section 4.1).
    ///
    /// # Errors
    /// Returns the part of the request that cannot be sent. `out` is unchanged.
    pub fn client(
        request: &ClientRequest,
        config: Config,
        seed: [u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<Self, LocalHandshakeError> {
        let mut keys = Box::new(MaskKeys::new(seed));
        let expected = request.write_head(keys.nonce(), config.deflate_settings(), out)?;
        let opening = Some(Opening::new(&config, Some(expected)));
        Ok(Self::new(
            Phase::AwaitingResponse,
            Role::Client,
            Some(keys),
            &config,
            opening,
        ))
    }

    /// Returns a server's end of a connection whose opening handshake is done: by another HTTP
    /// implementation, over HTTP/2 or HTTP/3, or by a process that handed the socket over.
    #[must_use]
    pub fn upgraded_server(negotiated: &Negotiated, config: Config) -> Self {
        Self::upgraded(Role::Server, None, negotiated, &config)
    }

    /// Returns a client's end of a connection whose opening handshake is done, as
    /// [`upgraded_server`](Self::upgraded_server) returns a server's.
    ///
    /// `seed` is 32 bytes from a strong source of randomness, used for nothing else: the mask keys
    /// of all frames are derived from it (section 5.3).
    #[must_use]
    pub fn upgraded_client(negotiated: &Negotiated, config: Config, seed: [u8; 32]) -> Self {
        let keys = Some(Box::new(MaskKeys::new(seed)));
        Self::upgraded(Role::Client, keys, negotiated, &config)
    }

    fn upgraded(role: Role, keys: Option<Box<MaskKeys>>, negotiated: &Negotiated, config: &Config) -> Self {
        let mut connection = Self::new(Phase::Open, role, keys, config, None);
        connection.apply(negotiated.clone(), config.deflate_settings());
        connection.update_path();
        connection
    }

    fn new(
        phase: Phase,
        role: Role,
        keys: Option<Box<MaskKeys>>,
        config: &Config,
        opening: Option<Box<Opening>>,
    ) -> Self {
        Self {
            phase,
            path: Path::General,
            auto_pong: config.auto_pong,
            auto_close: config.auto_close,
            receiver: Receiver::new(role, config),
            sender: Sender::new(keys, config.fragment_size),
            opening,
            cold: None,
            subprotocol: None,
            deflate: None,
        }
    }

    fn signal(&mut self, signal: Signal) {
        let next = self.phase.after(signal);
        debug_assert!(next.is_some(), "{signal:?} in {}", self.phase);
        self.phase = next.unwrap_or(self.phase);
        if self.phase == Phase::Closed {
            self.opening = None;
        }
        self.update_path();
    }

    /// Computes which code takes the next input.
    fn compute_path(&self) -> Path {
        if_recorded!(self, Path::General);
        Path::of(&self.receiver, self.takes_frames())
    }

    /// Whether the next input is frames, and nothing that arrived before is still to be processed.
    const fn takes_frames(&self) -> bool {
        self.phase.receives_frames() && self.opening.is_none()
    }

    /// To be called after every change of what [`compute_path`](Self::compute_path) depends on.
    fn update_path(&mut self) {
        self.path = self.compute_path();
    }

    /// Takes the allocation of an owned event, of this connection or another, for the next message,
    /// so that a steady stream of messages that span inputs allocates nothing.
    ///
    /// The connection holds the allocation, whatever its size, until a message uses it.
    pub fn recycle(&mut self, event: Event<'_>) {
        self.receiver.recycle(event);
    }

    /// Sets the largest message to receive, in bytes, from the next message on: a server can begin
    /// with a small limit, and raise it once the client has proven who it is.
    ///
    /// It replaces [`Config::max_message_size`], and has the same meaning: a larger message fails
    /// the connection with 1009. A message whose first header was taken already keeps the limit
    /// that it began with, whether the new one is larger or smaller. So does a compressed one: both
    /// the limit on what it inflates to and that on its bytes on the wire are those of its first
    /// header. What [`receive_whole`](Self::receive_whole) has left in the buffer has not begun.
    ///
    /// ```
    /// use sockless::{Config, Connection, Event, handshake::Negotiated};
    ///
    /// let config = Config::new().max_message_size(1024);
    /// let mut server = Connection::upgraded_server(&Negotiated::default(), config);
    /// # let negotiated = Negotiated::default();
    /// # let mut client = Connection::upgraded_client(&negotiated, Config::new(), [0; 32]);
    /// # let (mut bytes, mut out) = (Vec::new(), Vec::new());
    /// # client.send_text("password", &mut bytes)?;
    /// # client.send_binary(&[0; 5000], &mut bytes)?;
    /// let mut input = &mut bytes[..];
    /// while let Some(event) = server.receive(&mut input, &mut out)? {
    ///     match event {
    ///         Event::Text(text) if text == "password" => server.set_max_message_size(1 << 20),
    ///         Event::Binary(data) => assert_eq!(data.len(), 5000),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn set_max_message_size(&mut self, bytes: u64) {
        self.receiver.set_max_message_size(bytes);
    }

    /// Takes working state of permessage-deflate from a pool, if the extension was negotiated and
    /// the connection has no state.
    ///
    /// What the pool does not have, the connection creates when it needs it.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub fn borrow_deflate_state(&mut self, pool: &mut DeflatePool) {
        self.receiver.borrow_state(pool);
        self.sender.borrow_state(pool);
    }

    /// Returns the working state that the connection does not need for its next message to a pool.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub fn return_deflate_state(&mut self, pool: &mut DeflatePool) {
        self.receiver.return_state(pool);
        self.sender.return_state(pool);
    }

    /// Returns whether a large message is sent in several frames:
    /// [`Config::fragment_size`](Config::fragment_size).
    #[cfg(feature = "std")]
    pub(crate) const fn fragments_messages(&self) -> bool {
        self.sender.fragments_messages()
    }

    /// Returns whether a message is being received: its first header has arrived, and its last byte
    /// has not. After a Close frame in the middle of a message, it remains so.
    #[cfg(feature = "std")]
    pub(crate) const fn is_in_message(&self) -> bool {
        self.receiver.is_in_message()
    }

    /// Turns all fast paths off. For tests, which compare them with the general path.
    #[doc(hidden)]
    pub fn disable_fast_paths(&mut self) {
        self.receiver.disable_fast_paths();
        self.sender.disable_fast_paths();
        self.update_path();
    }

    /// Returns how many bytes of the message in progress are assembled: what has arrived of a large
    /// message before its event is returned.
    ///
    /// It is 0 between messages. With [`Delivery::Chunks`] nothing is assembled, but the beginning
    /// of a code point waits for the rest of it: it is at most 3.
    #[must_use]
    pub fn assembled_len(&self) -> usize {
        self.receiver.assembled_len()
    }

    /// Returns which reserved bits were set, in any of its frames, of the last message that
    /// [`Event::Text`] or [`Event::Binary`] has returned, as far as extensions that the caller
    /// implements give them a meaning; without such, none. With chunk delivery,
    /// [`Chunk::reserved`](crate::Chunk::reserved) says it of each frame.
    #[must_use]
    pub const fn message_reserved_bits(&self) -> ReservedBits {
        self.receiver.reserved()
    }

    /// Returns which end of the connection this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.receiver.role()
    }

    /// Returns the state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        self.phase.state()
    }

    /// Returns what the opening handshake has negotiated: the subprotocol, and the parameters of
    /// permessage-deflate. Before the connection is open, nothing is.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        Negotiated::new(self.subprotocol.clone(), self.deflate, self.receiver.own_bits())
    }

    /// Returns whether received messages are delivered whole or in chunks:
    /// [`Config::delivery`](Config::delivery).
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        self.receiver.delivery()
    }
}

/// Shows no message and no close reason: they may be secret. The error quotes what its text quotes,
/// and that is never a secret.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Connection");
        shown.field("role", &self.role()).field("phase", &self.phase);
        if let Some(status) = self.close_status() {
            shown
                .field("closed_by", &status.by)
                .field("close_code", &status.code())
                .field("error", &status.error);
        }
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each fast path, whether it is taken: for a whole message, for whole fragments, for
    /// pieces, for a message to send, for another frame to send.
    fn taken_fast_paths(mut connection: Connection) -> [bool; 5] {
        let receive = |connection: &mut Connection, input: &[u8]| {
            let (mut input, mut out) = (input.to_vec(), Vec::new());
            assert_eq!(connection.receive(&mut &mut input[..], &mut out), Ok(None));
        };
        let whole = connection.path == Path::Whole;
        receive(&mut connection, b"\x02\x01f\x00\x01g");
        let fragments = connection.receiver.takes_fragments();
        receive(&mut connection, b"\x80\x02h");
        let pieces = connection.path == Path::Pieces;
        let sender = &connection.sender;
        let frames = sender.takes_fast_frame(b"frame", &Vec::with_capacity(100));
        [whole, fragments, pieces, sender.takes_fast_path(), frames]
    }

    /// If this did nothing, the tests that compare both paths would compare a path with itself.
    #[test]
    fn no_fast_path_is_taken_if_they_are_disabled() {
        let connection = || Connection::upgraded_client(&Negotiated::default(), Config::new(), [0; 32]);
        assert_eq!(taken_fast_paths(connection()), [true; 5]);
        let mut without = connection();
        without.disable_fast_paths();
        assert_eq!(taken_fast_paths(without), [false; 5]);
        let mut configured = connection();
        configured.disable_fast_paths();
        assert!(configured.path == Path::General && !configured.takes_whole_messages());
        configured.receiver.configure(&Config::new());
        assert!(configured.compute_path() == Path::General);
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod layout {
    use alloc::vec::Vec;
    use core::mem::offset_of;

    use super::{Connection, Receiver, Sender};

    /// The connections of a `Vec` begin 0 or 16 bytes after the beginning of a cache line,
    /// depending on the allocator.
    #[test]
    fn a_whole_message_touches_one_cache_line() {
        let sender = Sender::TOUCHED.map(|at| offset_of!(Connection, sender) + at);
        let receiver = Receiver::TOUCHED.map(|at| offset_of!(Connection, receiver) + at);
        let own = [offset_of!(Connection, path), offset_of!(Connection, phase)];
        for address in [0, 16] {
            let lines: Vec<usize> = [&sender[..], &receiver, &own]
                .concat()
                .into_iter()
                .map(|at| (address + at) / 64)
                .collect();
            assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
        }
    }
}
