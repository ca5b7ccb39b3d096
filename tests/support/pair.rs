//! A client and a server that talk through memory.

use sockless::{Accept, ClientRequest, Config, Connection, Event, ProtocolError};

/// One end: the engine, what it wants to send, and what it has reported.
#[derive(Debug)]
pub struct End {
    pub engine: Connection,
    pub out: Vec<u8>,
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
}

/// A client and a server, connected.
#[derive(Debug)]
pub struct Pair {
    pub client: End,
    pub server: End,
    /// How many bytes travel at a time.
    pub piece: usize,
}

impl End {
    fn new(engine: Connection, out: Vec<u8>) -> Self {
        Self {
            engine,
            out,
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

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Event<'static>> {
        std::mem::take(&mut self.events)
    }
}

impl Pair {
    /// A pair before its handshake: the client's request is on its way.
    pub fn connecting(client: Config, server: Config) -> Self {
        let mut out = Vec::new();
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let engine = Connection::client(&request, client, [1; 32], &mut out).unwrap();
        Self {
            client: End::new(engine, out),
            server: End::new(Connection::server(server), Vec::new()),
            piece: usize::MAX,
        }
    }

    /// An open pair.
    pub fn open(client: Config, server: Config) -> Self {
        let mut pair = Self::connecting(client, server);
        pair.drive();
        assert!(matches!(pair.server.take_events()[..], [Event::Request(_)]));
        assert!(matches!(pair.client.take_events()[..], [Event::Open(_)]));
        pair
    }

    /// Moves bytes in both directions until there are none.
    pub fn drive(&mut self) {
        while !self.client.out.is_empty() || !self.server.out.is_empty() {
            carry(&mut self.client, &mut self.server, self.piece);
            carry(&mut self.server, &mut self.client, self.piece);
        }
    }
}

fn carry(from: &mut End, to: &mut End, piece: usize) {
    let mut bytes = std::mem::take(&mut from.out);
    for bytes in bytes.chunks_mut(piece) {
        to.receive(bytes);
    }
}
