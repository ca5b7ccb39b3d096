//! Open connections, and input in any cut.

#[cfg(feature = "deflate")]
use sockless::deflate::{DeflateParams, WindowBits};
use sockless::{Accept, Config, Connection, Event, ProtocolError, Role, handshake::Negotiated};

/// An open connection without extensions.
pub fn open(role: Role, config: Config) -> Connection {
    upgraded(role, &Negotiated::default(), config)
}

/// An open connection with negotiated parameters.
pub fn upgraded(role: Role, negotiated: &Negotiated, config: Config) -> Connection {
    match role {
        Role::Server => Connection::upgraded_server(negotiated, config),
        Role::Client => Connection::upgraded_client(negotiated, config, [7; 32]),
    }
}

/// Parameters of permessage-deflate, the same in both directions.
#[cfg(feature = "deflate")]
pub fn params(bits: u8, no_context_takeover: bool) -> DeflateParams {
    let bits = WindowBits::new(bits).unwrap();
    DeflateParams {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    }
}

/// The outcome of a handshake with permessage-deflate.
#[cfg(feature = "deflate")]
pub fn with_deflate(params: DeflateParams) -> Negotiated {
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(params);
    negotiated
}

/// The connection with its fast paths disabled.
pub fn without_fast_paths(mut connection: Connection) -> Connection {
    connection.disable_fast_paths();
    connection
}

/// What a connection reports and sends for an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<Event<'static>>,
    pub error: Option<ProtocolError>,
    pub out: Vec<u8>,
}

/// Receives `input` in one piece.
pub fn feed(connection: &mut Connection, input: &[u8]) -> Outcome {
    feed_cut(connection, input, &[])
}

/// Receives `input` byte by byte.
pub fn feed_bytewise(connection: &mut Connection, input: &[u8]) -> Outcome {
    let cuts: Vec<usize> = (1..input.len()).collect();
    feed_cut(connection, input, &cuts)
}

/// Receives `input` in pieces that end at `cuts`, which are in ascending order. Accepts every
/// handshake, answers any other request with 200 and the body `plain`, and stops at the first
/// error.
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
                        let out = &mut outcome.out;
                        if request.is_upgrade() {
                            connection.accept(request, &Accept::new().any_origin(), out).unwrap();
                        } else {
                            connection.reject(200, &[], b"plain", out).unwrap();
                        }
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
