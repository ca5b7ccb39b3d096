//! Frames passed between two connections.

mod incoming;
mod outgoing;

use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use core::{fmt, mem};

use self::{
    incoming::{Incoming, Next},
    outgoing::Outgoing,
};
use crate::{
    close::{CloseFrame, Teardown},
    close_code::CloseCode,
    config::Config,
    deflate::negotiation,
    error::ProtocolError,
    frame::{ReservedBits, header::Header, opcode::Opcode},
    handshake::Response,
    mask::keys::MaskKeys,
    role::Role,
};

/// Passes frames between a client and a server, as a proxy does: frame by frame, as they arrive,
/// without assembling, inflating or validating messages.
///
/// It takes over when both opening handshakes are done. For the client it is the server, and for
/// the server it is a client: payload that a client has masked is masked with a fresh key, which
/// takes one pass over it. Messages keep their fragments, and their reserved bits where an
/// extension [was negotiated](Self::negotiated) between the two ends (RFC 6455, section 5.4).
///
/// The rules on frames are enforced on each side: who masks, reserved bits and opcodes, the
/// encoding of lengths, control frames, the sequence of fragments, the content of Close frames, and
/// the limits on a message. What is inside of messages, UTF-8 and compressed data, is for the other
/// end to check.
///
/// **Memory.** The relay holds at most a header and the payload of a control frame of each side,
/// and a Pong and a Close frame for each side. Each call appends at most as many bytes to the
/// outputs as it consumes, four more for each Ping of the server that it answers, and 400 more.
/// **Back pressure** is the caller's: a side that does not read lets its output grow, so do not
/// read from the other side while that output is long.
///
/// # A proxy
///
/// ```
/// use sockless::{Accept, ClientRequest, Config, Connection, Event, Relay, Role};
/// # fn pass(from: &mut Vec<u8>) -> Vec<u8> { std::mem::take(from) }
/// # let (mut from_client, mut to_client, mut to_server) = (Vec::new(), Vec::new(), Vec::new());
/// # let request = ClientRequest::new("ws://example.com/chat")?.subprotocol("chat.v1");
/// # let mut client = Connection::client(&request, Config::default(), [1; 32], &mut from_client)?;
/// # let mut server = Connection::server(Config::default());
///
/// // The client's request is passed on, with its offers.
/// let mut front = Connection::server(Config::default());
/// let mut input = &mut from_client[..];
/// let event = front.receive(&mut input, &mut to_client)?;
/// let Some(Event::Request(request)) = event else { panic!() };
/// let passed_on = ClientRequest::new("ws://backend.example/chat")?.forwarding(&request);
/// let seed = [0x5E; 32]; // an application takes 32 bytes from the operating system
/// let mut back = Connection::client(&passed_on, Config::default(), seed, &mut to_server)?;
///
/// # let mut from_server = Vec::new();
/// # let mut bytes = pass(&mut to_server);
/// # let mut at_server = &mut bytes[..];
/// # let event = server.receive(&mut at_server, &mut from_server)?;
/// # let Some(Event::Request(received)) = event else { panic!() };
/// # server.accept(&received, &Accept::new().subprotocol(Some("chat.v1")), &mut from_server)?;
/// # server.send_text("hello", &mut from_server)?;
/// // So is the server's response. What follows it in the input is for the relay.
/// let mut input = &mut from_server[..];
/// let Some(Event::Open(response)) = back.receive(&mut input, &mut to_server)? else { panic!() };
/// front.accept(&request, &Accept::new().forwarding(&response), &mut to_client)?;
///
/// let mut relay = Relay::new(&Config::default(), [0xA7; 32]).negotiated(&response);
/// // What the client has sent before it had the response.
/// let mut early = front.into_parts().unread;
/// relay.forward(Role::Client, &mut &mut early[..], &mut to_server, &mut to_client)?;
/// // From here on, the same for all that is read from either side.
/// relay.forward(Role::Server, &mut input, &mut to_client, &mut to_server)?;
/// # let mut input = &mut to_client[..];
/// # let event = client.receive(&mut input, &mut from_client)?;
/// # let Some(Event::Open(response)) = event else { panic!() };
/// # assert_eq!(response.subprotocol(), Some("chat.v1"));
/// # assert_eq!(client.receive(&mut input, &mut from_client)?, Some(Event::Text("hello".into())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Relay {
    client: Side,
    server: Side,
    answers_pings: bool,
    answers_close: bool,
}

struct Side {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Relay {
    /// Returns a relay for a client and a server whose opening handshakes are done, without
    /// extensions.
    ///
    /// Of `config`, [`max_message_size`](Config::max_message_size) and
    /// [`max_fragments`](Config::max_fragments) count, for both directions; the size is that on the
    /// wire, also of compressed messages. `seed` is 32 bytes from a strong source of randomness,
    /// used for nothing else: the mask keys of the frames to the server are derived from it (RFC
    /// 6455, section 5.3).
    #[must_use]
    pub fn new(config: &Config, seed: [u8; 32]) -> Self {
        Self {
            client: Side {
                incoming: Incoming::new(Role::Server, config),
                outgoing: Outgoing::new(None),
            },
            server: Side {
                incoming: Incoming::new(Role::Client, config),
                outgoing: Outgoing::new(Some(MaskKeys::new(seed))),
            },
            answers_pings: false,
            answers_close: false,
        }
    }

    /// Lets the reserved bits be set that the extensions may use which the server has accepted, and
    /// which the client knows of, because the response was passed on.
    ///
    /// With permessage-deflate alone, that is the first bit, on the first frame of a message. Which
    /// bits other extensions use, the relay does not know: with any other, all may be set.
    #[must_use]
    pub fn negotiated(mut self, response: &Response<'_>) -> Self {
        for extension in response.extensions() {
            if extension.name() == negotiation::NAME {
                self.client.incoming.allow_compressed();
                self.server.incoming.allow_compressed();
            } else {
                let all = ReservedBits::RSV1.union(ReservedBits::RSV2).union(ReservedBits::RSV3);
                return self.reserved(all);
            }
        }
        self
    }

    /// Lets reserved bits be set on every frame of a message, in both directions.
    #[must_use]
    pub const fn reserved(mut self, bits: ReservedBits) -> Self {
        self.client.incoming.allow_reserved(bits);
        self.server.incoming.allow_reserved(bits);
        self
    }

    /// Sets whether the relay answers Pings itself, instead of passing them on (RFC 6455, section
    /// 5.5.2). Default `false`: the end that answers proves that it is alive. Pongs are passed on.
    #[must_use]
    pub const fn answer_pings(mut self, enabled: bool) -> Self {
        self.answers_pings = enabled;
        self
    }

    /// Sets whether the relay answers a Close frame itself, at once, besides passing it on (RFC
    /// 6455, section 5.5.1). Default `false`: the other end's answer is passed back, with its code.
    #[must_use]
    pub const fn answer_close(mut self, enabled: bool) -> Self {
        self.answers_close = enabled;
        self
    }

    /// Takes all of `input`, which has come from the side `from`. Appends what the other side gets
    /// to `to_other`, and what this side gets to `back`: answers, and a Close frame after a
    /// violation.
    ///
    /// A frame to a side is never interrupted: an answer waits for the end of the frame that is
    /// being forwarded to it.
    ///
    /// After the Close frame of a side, its input is discarded.
    ///
    /// # Errors
    /// Returns the rule that the side `from` has broken. The Close frame for it is in `back`, and
    /// one for the other side in `to_other`: with 1014 for the client, and 1001 for the server.
    /// Later calls for this side return the same error.
    pub fn forward(
        &mut self,
        from: Role,
        input: &mut &mut [u8],
        to_other: &mut Vec<u8>,
        back: &mut Vec<u8>,
    ) -> Result<(), Box<ProtocolError>> {
        loop {
            let (this, other) = self.sides(from);
            if let Some(error) = this.incoming.error {
                mem::take(input);
                return Err(Box::new(error));
            }
            if this.incoming.has_closed {
                mem::take(input);
                return Ok(());
            }
            let result = match this.incoming.next(input) {
                Ok(None) => return Ok(()),
                Ok(Some(Next::Header(header))) => {
                    other.outgoing.begin_frame(&header, to_other);
                    Ok(())
                }
                Ok(Some(Next::Piece(piece))) => {
                    other.outgoing.forward(&piece, to_other);
                    Ok(())
                }
                Ok(Some(Next::Control(opcode, payload))) => self.control(from, opcode, &payload, to_other, back),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                mem::take(input);
                return Err(self.fail(from, error, to_other, back));
            }
        }
    }

    /// Tells the relay that the transport of the side `from` has ended. Appends a Close frame for
    /// the other side, if none was sent.
    ///
    /// # Errors
    /// Returns [`UnexpectedEof`](ProtocolError::UnexpectedEof) if the closing handshake with this
    /// side was not complete, or the error with which it has failed before.
    pub fn receive_eof(&mut self, from: Role, to_other: &mut Vec<u8>) -> Result<(), Box<ProtocolError>> {
        let (this, other) = self.sides(from);
        this.incoming.has_ended = true;
        if let Some(error) = this.incoming.error {
            return Err(Box::new(error));
        }
        if this.incoming.has_closed && this.outgoing.has_closed() {
            return Ok(());
        }
        this.incoming.error = Some(ProtocolError::UnexpectedEof);
        // Inside of a frame, it can only be dropped.
        other.outgoing.close(&lost_side(from), to_other);
        Err(Box::new(ProtocolError::UnexpectedEof))
    }

    /// Returns how to close the transport of a side, once its output is written. It is `None` until
    /// the closing handshake with the side is complete, or the side has failed, or it can get
    /// nothing more, because the other transport has ended inside of a frame for it.
    #[must_use]
    pub fn teardown(&self, side: Role) -> Option<Teardown> {
        let (this, other) = match side {
            Role::Client => (&self.client, &self.server),
            Role::Server => (&self.server, &self.client),
        };
        // A Close frame that waits does not matter to a side that is gone.
        let has_ended = this.incoming.has_ended && this.incoming.error.is_some();
        let is_interrupted = other.incoming.error.is_some() && this.outgoing.is_in_frame();
        if has_ended || is_interrupted {
            return Some(Teardown::Close);
        }
        if !this.outgoing.has_closed() {
            return None;
        }
        match (side, this.incoming.error.is_some(), this.incoming.has_closed) {
            (Role::Server, false, true) => Some(Teardown::AwaitPeer),
            (Role::Client, false, true) | (_, true, _) => Some(Teardown::Close),
            (_, false, false) => None,
        }
    }

    const fn sides(&mut self, from: Role) -> (&mut Side, &mut Side) {
        match from {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    /// A complete control frame.
    fn control(
        &mut self,
        from: Role,
        opcode: Opcode,
        payload: &[u8],
        to_other: &mut Vec<u8>,
        back: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        let (answers_pings, answers_close) = (self.answers_pings, self.answers_close);
        let (this, other) = self.sides(from);
        match opcode {
            // An end that closes does not answer any more.
            Opcode::Ping if answers_pings || other.outgoing.is_closing() => this.outgoing.answer(payload, back),
            Opcode::Close => {
                let frame = CloseFrame::decode(Cow::Borrowed(payload))?;
                this.incoming.has_closed = true;
                other.outgoing.close(payload, to_other);
                // The other side closed first, or it will never answer.
                if answers_close || other.incoming.error.is_some() {
                    let mut buf = [0; Header::MAX_CONTROL_PAYLOAD];
                    let echo = frame.map(|frame| frame.echo());
                    let body = CloseFrame::encode(echo.as_ref(), opposite(from), &mut buf).unwrap_or_default();
                    this.outgoing.close(body, back);
                }
            }
            _ => other.outgoing.pass_on(opcode, payload, to_other),
        }
        Ok(())
    }

    /// "Fail the WebSocket connection" (RFC 6455, section 7.1.7), on both sides.
    #[cold]
    fn fail(
        &mut self,
        from: Role,
        error: ProtocolError,
        to_other: &mut Vec<u8>,
        back: &mut Vec<u8>,
    ) -> Box<ProtocolError> {
        let (this, other) = self.sides(from);
        this.incoming.error = Some(error);
        this.outgoing.close(&u16::from(error.close_code()).to_be_bytes(), back);
        other.outgoing.close(&lost_side(from), to_other);
        Box::new(error)
    }
}

/// Shows no byte of the ends: they may be secret.
impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("client_error", &self.client.incoming.error)
            .field("server_error", &self.server.incoming.error)
            .finish_non_exhaustive()
    }
}

/// The body of the Close frame that says that the other side is lost.
fn lost_side(lost: Role) -> [u8; 2] {
    let code = match lost {
        Role::Client => CloseCode::GOING_AWAY,
        Role::Server => CloseCode::BAD_GATEWAY,
    };
    u16::from(code).to_be_bytes()
}

const fn opposite(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}
