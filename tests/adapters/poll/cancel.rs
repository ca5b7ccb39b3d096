//! Futures of polled connections that are dropped, at every await point: nothing is lost, nothing comes twice.

use std::{cell::RefCell, io, rc::Rc};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Event, Message, Role,
    adapter::{
        Error,
        poll::{Reader, Writer},
    },
    timers::Timeouts,
};
use support::{
    ROLES, peer_of,
    pipe::{self, Cancel, Canceller, Faults, PipeEnd, Simulation, VirtualClock},
    polled::{Ws, engine, message, settings},
};

/// Below the length of some messages.
const HIGH_WATER: usize = 300;

/// A connection, in one piece or in two.
enum Ends {
    Whole(Box<Ws>),
    Halves(Reader<PipeEnd, VirtualClock>, Writer<PipeEnd, VirtualClock>),
}

impl Ends {
    async fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
        match self {
            Self::Whole(ws) => ws.recv().await,
            Self::Halves(reader, _) => reader.recv().await,
        }
    }

    async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        match self {
            Self::Whole(ws) => ws.recv_event().await,
            Self::Halves(reader, _) => reader.recv_event().await,
        }
    }

    async fn feed(&mut self, message: &Message<'static>) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.feed(message).await,
            Self::Halves(_, writer) => writer.feed(message).await,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Whole(ws) => ws.flush().await,
            Self::Halves(_, writer) => writer.flush().await,
        }
    }

    async fn send(&mut self, message: &Message<'static>) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.send(message).await,
            Self::Halves(_, writer) => writer.send(message).await,
        }
    }

    async fn ping(&mut self) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.ping(b"ours").await,
            Self::Halves(_, writer) => writer.ping(b"ours").await,
        }
    }

    async fn pong(&mut self) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.pong(b"ours").await,
            Self::Halves(_, writer) => writer.pong(b"ours").await,
        }
    }

    async fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.close(CloseCode::NORMAL, "bye").await,
            Self::Halves(_, writer) => writer.close(CloseCode::NORMAL, "bye").await,
        }
    }
}

/// One run: how the ends are, and where futures are dropped.
#[derive(Clone, Copy, Debug)]
struct Run {
    role: Role,
    deflate: bool,
    halves: bool,
    cancel: Cancel,
    seed: u64,
}

/// What a run comes to.
#[derive(Debug, Default, PartialEq)]
struct Told {
    events: Vec<Event<'static>>,
    /// The bytes on the wire.
    wire: Vec<u8>,
    /// How many await points there were.
    points: usize,
}

impl Run {
    /// Runs a conversation over a pipe that takes and gives a few bytes at a time.
    fn tell(self, input: &[u8], script: impl AsyncFnOnce(&mut Ends, &Canceller, &mut Vec<Event<'static>>)) -> Told {
        let mut world = Simulation::new(self.seed);
        let (mut local, mut remote) = world.pipe([50, 0]);
        local.faults = Faults {
            max_len: 120,
            pending: 20,
            interrupted: 5,
            rng: pipe::Rng(self.seed),
        };
        remote.output.borrow_mut().push(input);
        remote.half_close();
        let settings = settings(HIGH_WATER, Timeouts::none());
        let ws = Ws::upgraded(local, world.clock(), engine(self.role, self.deflate), settings);
        let mut ends = if self.halves {
            let (reader, writer) = ws.split();
            Ends::Halves(reader, writer)
        } else {
            Ends::Whole(Box::new(ws))
        };
        let canceller = Canceller::new(self.cancel);
        let told = RefCell::new(Told::default());
        world.run(vec![
            Box::pin(async {
                let mut events = Vec::new();
                script(&mut ends, &canceller, &mut events).await;
                told.borrow_mut().events = events;
                drop(ends);
            }),
            Box::pin(async { told.borrow_mut().wire = remote.read(usize::MAX).await }),
        ]);
        let mut told = told.into_inner();
        told.points = canceller.await_points.get();
        told
    }
}

/// Every way to be, and for each every await point: `told` is what comes of a run, and of the first one of its kind.
fn everywhere(mut check: impl FnMut(Run)) {
    for role in ROLES {
        for deflate in [false, cfg!(feature = "deflate")] {
            for halves in [false, true] {
                let run = Run {
                    role,
                    deflate,
                    halves,
                    cancel: Cancel::Never,
                    seed: 1,
                };
                check(run);
            }
        }
    }
}

/// What a peer sends: messages, one of them larger than what is read at once, pings, and a Close.
fn input(role: Role, deflate: bool) -> Vec<u8> {
    let mut peer = engine(peer_of(role), deflate);
    let mut out = Vec::new();
    peer.send_text("aé€😀", &mut out).unwrap();
    peer.ping(b"one", &mut out).unwrap();
    peer.send_fragment(sockless::MessageKind::Binary, &[7; 100], false, &mut out)
        .unwrap();
    peer.ping(b"two", &mut out).unwrap();
    peer.send_fragment(sockless::MessageKind::Binary, &[8; 700], true, &mut out)
        .unwrap();
    peer.pong(b"three", &mut out).unwrap();
    peer.send_text(&"again and again ".repeat(20), &mut out).unwrap();
    peer.close(CloseCode::NORMAL, "end", &mut out).unwrap();
    out
}

/// Receives and sends by turns, with calls that may be repeated.
async fn converse(ends: &mut Ends, canceller: &Canceller, events: &mut Vec<Event<'static>>) {
    for n in 0..3 {
        let received = canceller.retry(async || ends.recv().await).await.unwrap();
        events.push(match received.unwrap() {
            Message::Text(text) => Event::Text(text),
            Message::Binary(data) => Event::Binary(data),
        });
        for len in [10, 1000 * n] {
            let message = message(n, len);
            canceller.retry(async || ends.feed(&message).await).await.unwrap();
        }
        canceller.retry(async || ends.flush().await).await.unwrap();
    }
    assert_eq!(canceller.retry(async || ends.recv().await).await.unwrap(), None);
    assert_eq!(ends.recv().await.unwrap(), None);
}

/// Receives events of all kinds.
async fn listen(ends: &mut Ends, canceller: &Canceller, events: &mut Vec<Event<'static>>) {
    while let Some(event) = canceller.retry(async || ends.recv_event().await).await.unwrap() {
        events.push(event);
    }
}

/// F35: `recv`, `feed` and `flush`, dropped at any await point and called again: the same messages come, the same bytes go.
#[test]
fn f35_calls_that_are_cancelled_and_repeated() {
    everywhere(|run| {
        let input = input(run.role, run.deflate);
        let calm = run.tell(&input, converse);
        assert_eq!(calm.events.len(), 3);
        assert!(calm.points > 30, "{}", calm.points);
        let once = (0..calm.points).map(Cancel::Once);
        for cancel in once.chain((1..5).map(Cancel::After)) {
            for seed in [1, 2] {
                let told = Run { cancel, seed, ..run }.tell(&input, converse);
                assert!(
                    told.events == calm.events && told.wire == calm.wire,
                    "{run:?} {cancel:?}"
                );
            }
        }
    });
}

/// F35: `recv_event` likewise: no event is lost with the reply that it has to wait for.
#[test]
fn f35_events_are_not_lost_with_their_future() {
    everywhere(|run| {
        let input = input(run.role, run.deflate);
        let calm = run.tell(&input, listen);
        assert_eq!(calm.events.len(), 7);
        for cancel in (0..calm.points).map(Cancel::Once).chain((1..5).map(Cancel::After)) {
            let told = Run { cancel, ..run }.tell(&input, listen);
            assert!(
                told.events == calm.events && told.wire == calm.wire,
                "{run:?} {cancel:?}"
            );
        }
    });
}

/// What the commands that must not be repeated have put on the wire, in order.
fn sent(role: Role, deflate: bool, wire: &[u8]) -> Vec<Event<'static>> {
    let mut peer = engine(peer_of(role), deflate);
    support::feed(&mut peer, wire).events
}

/// F35: a `send` that is dropped has sent its message whole or not at all, and then it waited for room; a `ping`, `pong` or
/// `close` that is dropped leaves with the next call. No frame is torn, and the next ones are in order.
#[test]
fn f35_commands_that_are_cancelled() {
    everywhere(|run| {
        let commands = |run: Run| {
            let skipped = Rc::new(RefCell::new(Vec::new()));
            let skips = Rc::clone(&skipped);
            let input = input(run.role, run.deflate);
            let told = run.tell(&input, async move |ends, canceller, _| {
                for n in 0..4 {
                    // Larger than the high-water mark, so that what follows has to wait for room.
                    let big = message(n, 500);
                    canceller.retry(async || ends.feed(&big).await).await.unwrap();
                    let done = canceller.attempt(ends.send(&message(n + 1, 70))).await;
                    if done.is_none() {
                        skips.borrow_mut().push(n);
                    }
                    let _left = canceller.attempt(ends.ping()).await;
                    let _left = canceller.attempt(ends.pong()).await;
                }
                let _left = canceller.attempt(ends.close()).await;
                while canceller.retry(async || ends.recv().await).await.unwrap().is_some() {}
            });
            (told, skipped.take())
        };
        let (calm, skipped) = commands(run);
        assert!(skipped.is_empty());
        let all = sent(run.role, run.deflate, &calm.wire);
        for cancel in (0..calm.points).map(Cancel::Once).chain((1..5).map(Cancel::After)) {
            let (told, skipped) = commands(Run { cancel, ..run });
            let mut rest = sent(run.role, run.deflate, &told.wire).into_iter().peekable();
            let mut n = 0;
            for event in &all {
                let is_small = matches!(event, Event::Text(_) | Event::Binary(_)) && len(event) == 70;
                if rest.peek() == Some(event) {
                    rest.next();
                } else {
                    assert!(is_small && skipped.contains(&n), "{run:?} {cancel:?} {event:?}");
                }
                n += usize::from(is_small);
            }
            assert_eq!(rest.next(), None, "{run:?} {cancel:?}");
        }
    });
}

fn len(event: &Event<'_>) -> usize {
    match event {
        Event::Text(text) => text.len(),
        Event::Binary(data) => data.len(),
        _ => 0,
    }
}

/// F35: `feed` that is dropped while it waits for room has put nothing there.
#[test]
fn f35_a_feed_that_is_cancelled_has_sent_nothing() {
    everywhere(|run| {
        let input = input(run.role, run.deflate);
        // Bytes that do not compress.
        let told = run.tell(&input, async |ends, _, _| {
            let canceller = Canceller::new(Cancel::After(1));
            ends.feed(&message(0, 1000)).await.unwrap();
            assert!(canceller.attempt(ends.feed(&message(2, 1000))).await.is_none());
            ends.flush().await.unwrap();
            ends.feed(&message(4, 5)).await.unwrap();
            while ends.recv().await.unwrap().is_some() {}
        });
        let sent = sent(run.role, run.deflate, &told.wire);
        let lengths: Vec<_> = sent.iter().map(len).filter(|n| *n > 0).collect();
        assert_eq!(lengths, [1000, 5]);
    });
}

/// F35: a handshake that is driven through `recv_event` goes on where it was dropped, in both roles.
#[test]
fn f35_a_handshake_by_events_is_cancelled_and_goes_on() {
    let run = |cancel| {
        let mut world = Simulation::new(1);
        let (mut server, mut client) = world.pipe([20, 20]);
        server.faults = Faults::random(3);
        client.faults = Faults::random(4);
        let settings = || settings(1000, Timeouts::none());
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let mut out = Vec::new();
        let engine = Connection::client(&request, Config::default(), [7; 32], &mut out).unwrap();
        let mut client = Ws::upgraded(client, world.clock(), engine, settings());
        client.engine_mut().1.append(&mut out);
        let mut server = Ws::upgraded(server, world.clock(), Connection::server(Config::default()), settings());
        let [there, back] = [Canceller::new(cancel), Canceller::new(cancel)];
        world.run(vec![
            Box::pin(async {
                let event = there.retry(async || client.recv_event().await).await.unwrap();
                assert!(matches!(event, Some(Event::Open(_))), "{event:?}");
                client.send("hello").await.unwrap();
                assert!(client.recv().await.unwrap().is_none());
            }),
            Box::pin(async {
                let event = back.retry(async || server.recv_event().await).await.unwrap();
                let Some(Event::Request(request)) = event else {
                    panic!("{event:?}")
                };
                let (engine, out) = server.engine_mut();
                engine.accept(&request, &Accept::new(), out).unwrap();
                let message = back.retry(async || server.recv().await).await.unwrap();
                assert_eq!(message, Some(Message::Text("hello".into())));
                let _left = back.attempt(server.close(CloseCode::NORMAL, "")).await;
                assert!(server.recv().await.unwrap().is_none());
                drop(server);
            }),
        ]);
        there.await_points.get().max(back.await_points.get())
    };
    let points = run(Cancel::Never);
    for cancel in (0..points).map(Cancel::Once).chain((1..5).map(Cancel::After)) {
        run(cancel);
    }
}
