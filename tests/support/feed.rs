//! Open connections, and bytes for them in any cut.

use sockless::{Accept, Config, Connection, Event, ProtocolError, Role, handshake::Negotiated};

/// An open connection.
pub fn open(role: Role, config: Config) -> Connection {
    upgraded(role, &Negotiated::default(), config)
}

/// An open connection with what an opening handshake negotiated.
pub fn upgraded(role: Role, negotiated: &Negotiated, config: Config) -> Connection {
    match role {
        Role::Server => Connection::upgraded_server(negotiated, config),
        Role::Client => Connection::upgraded_client(negotiated, config, [7; 32]),
    }
}

/// The same connection, with every fast path off.
pub fn without_fast_paths(mut connection: Connection) -> Connection {
    connection.disable_fast_paths();
    connection
}

/// What became of some input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
    pub out: Vec<u8>,
}

/// Feeds `input` in one piece.
pub fn feed(connection: &mut Connection, input: &[u8]) -> Outcome {
    feed_cut(connection, input, &[])
}

/// Feeds `input` byte by byte.
pub fn feed_bytewise(connection: &mut Connection, input: &[u8]) -> Outcome {
    let cuts: Vec<usize> = (1..input.len()).collect();
    feed_cut(connection, input, &cuts)
}

/// Feeds `input` cut at the given offsets, which ascend. Every request is accepted. Stops at the first error.
pub fn feed_cut(connection: &mut Connection, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut piece = input[from..to].to_vec();
        from = to;
        let mut rest = &mut piece[..];
        loop {
            match connection.receive(&mut rest, &mut outcome.out) {
                Ok(Some(event)) => {
                    if let Event::Request(request) = &event {
                        connection.accept(request, &Accept::new(), &mut outcome.out).unwrap();
                    }
                    outcome.events.push(event.into_owned());
                }
                Ok(None) => {
                    assert!(rest.is_empty(), "`None` means that the input is empty");
                    break;
                }
                Err(error) => {
                    outcome.error = Some(*error);
                    return outcome;
                }
            }
        }
    }
    outcome
}
