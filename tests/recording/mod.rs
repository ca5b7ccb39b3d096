//! Connections that are recorded: the recorder, replay, and the committed recordings.

#[cfg(feature = "std")]
mod adapters;
mod conversation;
mod exports;
mod parse;
mod recorder;
mod recordings;
mod redacted;

#[cfg(feature = "laws")]
pub(crate) use self::recordings::recordings;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockless::{
    Accept, ClientRequest, Config, Connection, Event,
    recording::{Recorder, Recording},
};

pub(crate) const SEED: [u8; 32] = [0x5E; 32];

/// Where a recorder writes to.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<String>>);

impl Tape {
    /// A recorder whose clock advances by a millisecond with each look at it.
    pub(crate) fn recorder(&self) -> Recorder {
        let (tape, mut now) = (self.clone(), Duration::ZERO);
        Recorder::new(move |lines| tape.0.lock().unwrap().push_str(lines)).clock(move || {
            now += Duration::from_millis(1);
            now
        })
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// What is on the tape replays.
pub(crate) fn replay(tape: &Tape) -> Connection {
    let text = tape.text();
    let recording = Recording::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    recording.replay().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A client and a server, both recorded, with what the one sends to the other.
pub(crate) struct Ends {
    pub(crate) tapes: [Tape; 2],
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) to_server: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
}

impl Ends {
    pub(crate) fn new(request: &ClientRequest, config: Config, change: impl Fn(Recorder) -> Recorder) -> Self {
        let (tapes, mut to_server) = ([Tape::default(), Tape::default()], Vec::new());
        let client = change(tapes[0].recorder()).client(request, config.clone(), SEED, &mut to_server);
        Self {
            client: client.unwrap(),
            server: change(tapes[1].recorder()).server(config),
            to_server,
            to_client: Vec::new(),
            tapes,
        }
    }

    /// Both have the open connection.
    pub(crate) fn open(request: &ClientRequest, config: Config, accept: &Accept<'_>) -> Self {
        let mut ends = Self::new(request, config, |recorder| recorder);
        let Some(Event::Request(request)) = ends.server_receives().pop() else {
            panic!()
        };
        ends.server.accept(&request, accept, &mut ends.to_client).unwrap();
        assert!(matches!(ends.client_receives()[..], [Event::Open(_)]));
        ends
    }

    pub(crate) fn server_receives(&mut self) -> Vec<Event<'static>> {
        let mut bytes = std::mem::take(&mut self.to_server);
        receive(&mut self.server, &mut bytes, &mut self.to_client)
    }

    pub(crate) fn client_receives(&mut self) -> Vec<Event<'static>> {
        let mut bytes = std::mem::take(&mut self.to_client);
        receive(&mut self.client, &mut bytes, &mut self.to_server)
    }
}

fn receive(connection: &mut Connection, mut input: &mut [u8], out: &mut Vec<u8>) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    while let Some(event) = connection.receive(&mut input, out).unwrap() {
        events.push(event.into_owned());
    }
    events
}
