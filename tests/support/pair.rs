//! A client and a server that talk through memory, any number of bytes at a time.

use std::mem;

use sockless::{Accept, ClientRequest, Config, Connection, Event, ProtocolError, Role};

/// One end: the engine, what it wants to send, and what it has reported.
#[derive(Debug)]
pub struct End {
    pub engine: Connection,
    /// What was not carried to the other end yet.
    pub out: Vec<u8>,
    /// What was.
    pub sent: Vec<u8>,
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
}

/// A client and a server, connected.
#[derive(Debug)]
pub struct Pair {
    pub client: End,
    pub server: End,
    /// How many bytes an end receives at a time.
    pub piece: usize,
}

impl End {
    pub fn new(engine: Connection) -> Self {
        Self {
            engine,
            out: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            error: None,
        }
    }

    /// Receives bytes; a server accepts every request.
    pub fn receive(&mut self, bytes: &mut [u8]) {
        let mut input = bytes;
        while self.error.is_none() {
            match self.engine.receive(&mut input, &mut self.out) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let Event::Request(request) = &event {
                        self.engine.accept(request, &Accept::new(), &mut self.out).unwrap();
                    }
                    self.events.push(event.into_owned());
                }
                Err(error) => self.error = Some(*error),
            }
        }
    }

    /// Takes up to so many bytes of what it sends.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.out.split_off(len.min(self.out.len()));
        let bytes = mem::replace(&mut self.out, rest);
        self.sent.extend(&bytes);
        bytes
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Event<'static>> {
        mem::take(&mut self.events)
    }
}

impl Pair {
    /// A pair of engines, with nothing on its way.
    pub fn new(client: Connection, server: Connection) -> Self {
        Self {
            client: End::new(client),
            server: End::new(server),
            piece: usize::MAX,
        }
    }

    /// A pair before its handshake: the client's request is on its way.
    pub fn connecting(client: Config, server: Config) -> Self {
        let mut out = Vec::new();
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let client = Connection::client(&request, client, [1; 32], &mut out).unwrap();
        let mut pair = Self::new(client, Connection::server(server));
        pair.client.out = out;
        pair
    }

    /// An open pair.
    pub fn open(client: Config, server: Config) -> Self {
        let mut pair = Self::connecting(client, server);
        pair.drive();
        assert!(matches!(pair.server.take_events()[..], [Event::Request(_)]));
        assert!(matches!(pair.client.take_events()[..], [Event::Open(_)]));
        pair
    }

    pub fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Moves up to so many bytes from one end to the other.
    pub fn carry(&mut self, from: Role, len: usize) {
        let mut bytes = self.end(from).take(len);
        let (to, piece) = (crate::peer_of(from), self.piece);
        for bytes in bytes.chunks_mut(piece) {
            self.end(to).receive(bytes);
        }
    }

    /// Moves bytes in both directions until there are none.
    pub fn drive(&mut self) {
        while !self.client.out.is_empty() || !self.server.out.is_empty() {
            self.carry(Role::Client, usize::MAX);
            self.carry(Role::Server, usize::MAX);
        }
    }
}
