//! What the workloads share.

use sockless::{Accept, Config, Connection, Event, State};

use crate::RunMessages;

/// A seed of a client.
pub const SEED: [u8; 32] = [7; 32];

/// Limits that no workload meets.
pub fn config() -> Config {
    Config::new()
        .max_head_size(1 << 30)
        .max_headers(1 << 20)
        .max_refusal_body(1 << 30)
        .max_message_size(1 << 30)
        .max_fragments(u32::MAX)
}

/// Bytes that arrive again and again, in pieces of the same length.
pub struct Arriving {
    bytes: Vec<u8>,
    buffer: Vec<u8>,
    piece: usize,
}

impl Arriving {
    /// `piece` is the number of bytes that arrive together; 0: all of them.
    pub fn new(bytes: impl Into<Vec<u8>>, piece: usize) -> Self {
        let bytes = bytes.into();
        let piece = if piece == 0 { bytes.len() } else { piece };
        Self {
            buffer: bytes.clone(),
            bytes,
            piece,
        }
    }

    /// Returns the pieces, as they were sent.
    pub fn pieces(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.buffer.copy_from_slice(&self.bytes);
        self.buffer.chunks_mut(self.piece)
    }

    /// Passes all bytes to `connection`, and the events to `on_event`. Returns their number.
    pub fn receive(
        &mut self,
        connection: &mut Connection,
        out: &mut Vec<u8>,
        mut on_event: impl FnMut(&mut Connection, Event<'_>, &mut Vec<u8>),
    ) -> usize {
        let mut events = 0;
        for mut input in self.pieces() {
            while let Some(event) = connection.receive(&mut input, out).expect("a valid peer") {
                events += 1;
                on_event(connection, event, out);
            }
        }
        events
    }
}

/// The closure of [`repeat`], mangled or not: what is counted.
pub const MEASURED: &str = "*orders*support*repeat*";

/// Returns a workload that does the same again and again.
pub fn repeat(mut work: impl FnMut() + 'static) -> RunMessages {
    Box::new(move |count| (0..count).for_each(|_| work()))
}

/// A server that accepts a request.
pub fn serve(request: &str, piece: usize, config: Config) -> RunMessages {
    let mut arriving = Arriving::new(request, piece);
    repeat(move || {
        let mut connection = Connection::server(config.clone());
        arriving.receive(&mut connection, &mut Vec::new(), |connection, event, out| {
            let Event::Request(request) = event else {
                panic!("{event:?}")
            };
            connection
                .accept(&request, &Accept::new(), out)
                .expect("a valid request");
        });
        assert_eq!(connection.state(), State::Open);
    })
}

/// Returns `count` texts that are joined, each with its number.
pub fn numbered(count: usize, separator: &str, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect::<Vec<_>>().join(separator)
}
