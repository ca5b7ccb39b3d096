//! A client and a server that exchange bytes in memory, any number at a time.

use std::mem;

use sockless::{Accept, ClientRequest, Config, Connection, Event, ProtocolError, Role};

/// A connection, its output, and what it has reported.
#[derive(Debug)]
pub struct Endpoint {
    pub engine: Connection,
    /// The output that the other endpoint has not received yet.
    pub out: Vec<u8>,
    /// The output that the other endpoint has received.
    pub sent: Vec<u8>,
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
}

/// A client and a server, connected.
#[derive(Debug)]
pub struct Pair {
    pub client: Endpoint,
    pub server: Endpoint,
    /// The maximum number of bytes that an endpoint receives at a time.
    pub max_piece: usize,
}

impl Endpoint {
    pub fn new(engine: Connection) -> Self {
        Self {
            engine,
            out: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            error: None,
        }
    }

    /// Receives bytes. A server accepts every request.
    pub fn receive(&mut self, bytes: &mut [u8]) {
        let mut input = bytes;
        while self.error.is_none() {
            match self.engine.receive(&mut input, &mut self.out) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let Event::Request(request) = &event {
                        self.engine
                            .accept(request, &Accept::new().any_origin(), &mut self.out)
                            .unwrap();
                    }
                    self.events.push(event.into_owned());
                }
                Err(error) => self.error = Some(*error),
            }
        }
    }

    /// Takes up to `len` bytes of the output.
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
    /// Two connections, with no output.
    pub fn new(client: Connection, server: Connection) -> Self {
        Self {
            client: Endpoint::new(client),
            server: Endpoint::new(server),
            max_piece: usize::MAX,
        }
    }

    /// A client and a server before the opening handshake. The output of the client has its
    /// request.
    pub fn connecting(client: Config, server: Config) -> Self {
        let mut out = Vec::new();
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let client = Connection::client(&request, client, [1; 32], &mut out).unwrap();
        let mut pair = Self::new(client, Connection::server(server));
        pair.client.out = out;
        pair
    }

    /// A client and a server after the opening handshake.
    pub fn open(client: Config, server: Config) -> Self {
        let mut pair = Self::connecting(client, server);
        pair.deliver_all();
        assert!(matches!(pair.server.take_events()[..], [Event::Request(_)]));
        assert!(matches!(pair.client.take_events()[..], [Event::Open(_)]));
        pair
    }

    pub fn endpoint(&mut self, role: Role) -> &mut Endpoint {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Moves up to `len` bytes of output from one endpoint to the other.
    pub fn deliver(&mut self, from: Role, len: usize) {
        let mut bytes = self.endpoint(from).take(len);
        let (to, max_piece) = (crate::peer_of(from), self.max_piece);
        for bytes in bytes.chunks_mut(max_piece) {
            self.endpoint(to).receive(bytes);
        }
    }

    /// Moves the output of one endpoint to the other. Returns the events there.
    pub fn carry(&mut self, from: Role) -> Vec<Event<'static>> {
        self.deliver(from, usize::MAX);
        let to = self.endpoint(crate::peer_of(from));
        assert_eq!(to.error, None);
        to.take_events()
    }

    /// Moves output in both directions until there is none.
    pub fn deliver_all(&mut self) {
        while !self.client.out.is_empty() || !self.server.out.is_empty() {
            self.deliver(Role::Client, usize::MAX);
            self.deliver(Role::Server, usize::MAX);
        }
    }
}
