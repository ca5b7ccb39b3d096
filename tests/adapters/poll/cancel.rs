//! Cancellation: futures of polled connections are dropped at every await point. Nothing is lost or
//! duplicated.

use std::{cell::RefCell, rc::Rc};

use sockless::{Accept, ClientRequest, CloseCode, Config, Connection, Event, Message, Role, timers::Timeouts};
use support::{
    ROLES, peer_of,
    pipe::{Cancel, Canceller, Faults, Simulation},
    polled::{Ws, engine, message, settings},
};

use super::end::End;

/// Less than the length of some messages.
const HIGH_WATER: usize = 300;

/// The parameters of one run: the connection, and where futures are dropped.
#[derive(Clone, Copy, Debug)]
struct Case {
    role: Role,
    deflate: bool,
    halves: bool,
    cancel: Cancel,
    seed: u64,
}

/// The outcome of one run.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<Event<'static>>,
    /// The bytes that were written.
    wire: Vec<u8>,
    /// The number of await points.
    await_points: usize,
}

impl Case {
    /// Runs the script over a pipe that transfers a few bytes at a time.
    fn run(self, input: &[u8], script: impl AsyncFnOnce(&mut End, &Canceller, &mut Vec<Event<'static>>)) -> Outcome {
        let mut simulation = Simulation::new(self.seed);
        let (mut local, mut remote) = simulation.pipe([50, 0]);
        local.faults = Faults::slow(120, self.seed);
        remote.output.borrow_mut().push(input);
        remote.half_close();
        let settings = settings(HIGH_WATER, Timeouts::none());
        let ws = Ws::upgraded(local, simulation.clock(), engine(self.role, self.deflate), settings);
        let mut end = End::new(ws, self.halves);
        let canceller = Canceller::new(self.cancel);
        let outcome = RefCell::new(Outcome::default());
        simulation.run(vec![
            Box::pin(async {
                let mut events = Vec::new();
                script(&mut end, &canceller, &mut events).await;
                outcome.borrow_mut().events = events;
                drop(end);
            }),
            Box::pin(async { outcome.borrow_mut().wire = remote.read(usize::MAX).await }),
        ]);
        let mut outcome = outcome.into_inner();
        outcome.await_points = canceller.await_points.get();
        outcome
    }
}

/// Calls `check` for every role, with and without compression, whole and in halves.
fn for_each_case(mut check: impl FnMut(Case)) {
    for role in ROLES {
        for deflate in [false, cfg!(feature = "deflate")] {
            for halves in [false, true] {
                let case = Case {
                    role,
                    deflate,
                    halves,
                    cancel: Cancel::Never,
                    seed: 1,
                };
                check(case);
            }
        }
    }
}

/// Returns the input of a connection: messages, one of them longer than one read, Pings, and a
/// Close frame.
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

/// Receives and sends alternately. All calls can be repeated.
async fn receive_and_send(end: &mut End, canceller: &Canceller, events: &mut Vec<Event<'static>>) {
    for n in 0..3 {
        let received = canceller.retry(async || end.recv().await).await.unwrap();
        events.push(match received.unwrap() {
            Message::Text(text) => Event::Text(text),
            Message::Binary(data) => Event::Binary(data),
        });
        for len in [10, 1000 * n] {
            let message = message(n, len);
            canceller.retry(async || end.feed(&message).await).await.unwrap();
        }
        canceller.retry(async || end.flush().await).await.unwrap();
    }
    assert_eq!(canceller.retry(async || end.recv().await).await.unwrap(), None);
    assert_eq!(end.recv().await.unwrap(), None);
}

/// Receives events of all kinds.
async fn receive_events(end: &mut End, canceller: &Canceller, events: &mut Vec<Event<'static>>) {
    while let Some(event) = canceller.retry(async || end.recv_event().await).await.unwrap() {
        events.push(event);
    }
}

/// F35: `recv`, `feed` and `flush` are dropped at any await point and called again: the same
/// messages are received, and the same bytes are written.
#[test]
fn f35_cancelled_calls_can_be_repeated() {
    for_each_case(|case| {
        let input = input(case.role, case.deflate);
        let expected = case.run(&input, receive_and_send);
        assert_eq!(expected.events.len(), 3);
        assert!(expected.await_points > 30, "{}", expected.await_points);
        let once = (0..expected.await_points).map(Cancel::Once);
        for cancel in once.chain((1..5).map(Cancel::After)) {
            for seed in [1, 2] {
                let outcome = Case { cancel, seed, ..case }.run(&input, receive_and_send);
                assert!(
                    outcome.events == expected.events && outcome.wire == expected.wire,
                    "{case:?} {cancel:?}"
                );
            }
        }
    });
}

/// F35: the same for `recv_event`: an event whose reply is not written yet is not lost with the
/// future.
#[test]
fn f35_a_cancelled_recv_event_loses_no_event() {
    for_each_case(|case| {
        let input = input(case.role, case.deflate);
        let expected = case.run(&input, receive_events);
        assert_eq!(expected.events.len(), 7);
        let once = (0..expected.await_points).map(Cancel::Once);
        for cancel in once.chain((1..5).map(Cancel::After)) {
            let outcome = Case { cancel, ..case }.run(&input, receive_events);
            assert!(
                outcome.events == expected.events && outcome.wire == expected.wire,
                "{case:?} {cancel:?}"
            );
        }
    });
}

/// Returns the messages and control frames in the bytes that were written.
fn sent(role: Role, deflate: bool, wire: &[u8]) -> Vec<Event<'static>> {
    let mut peer = engine(peer_of(role), deflate);
    support::feed(&mut peer, wire).events
}

/// F35 F68: a dropped `send`, `ping` or `pong` has sent its frame whole or, if it waited for the
/// output to drain, not at all. The frame of a dropped `close` is written by the next call. No
/// frame is incomplete, and later frames are in order.
#[test]
fn f35_a_cancelled_command_writes_a_whole_frame_or_nothing() {
    for_each_case(|case| {
        let commands = |case: Case| {
            let skipped = Rc::new(RefCell::new(Vec::new()));
            let skipped_calls = Rc::clone(&skipped);
            let input = input(case.role, case.deflate);
            let outcome = case.run(&input, async move |end, canceller, _| {
                for n in 0..4 {
                    // Above the high-water mark: `send` waits for the output to drain.
                    let large = message(n, 500);
                    canceller.retry(async || end.feed(&large).await).await.unwrap();
                    let sent = canceller.attempt(end.send(&message(n + 1, 70))).await.is_some();
                    let pinged = canceller.attempt(end.ping(b"local")).await.is_some();
                    let ponged = canceller.attempt(end.pong(b"local")).await.is_some();
                    let done = [sent, pinged, ponged].into_iter().enumerate();
                    let skipped = done.filter(|(_, done)| !done).map(|(command, _)| (command, n));
                    skipped_calls.borrow_mut().extend(skipped);
                }
                let _cancelled = canceller.attempt(end.close("bye")).await;
                while canceller.retry(async || end.recv().await).await.unwrap().is_some() {}
            });
            (outcome, skipped.take())
        };
        let (expected, skipped) = commands(case);
        assert!(skipped.is_empty());
        let all = sent(case.role, case.deflate, &expected.wire);
        let once = (0..expected.await_points).map(Cancel::Once);
        for cancel in once.chain((1..5).map(Cancel::After)) {
            let (outcome, skipped) = commands(Case { cancel, ..case });
            let mut rest = sent(case.role, case.deflate, &outcome.wire).into_iter().peekable();
            let mut counts = [0; 3];
            for event in &all {
                let command = command(event);
                if rest.peek() == Some(event) {
                    rest.next();
                } else {
                    let is_skipped = command.is_some_and(|command| skipped.contains(&(command, counts[command])));
                    assert!(is_skipped, "{case:?} {cancel:?} {event:?}");
                }
                if let Some(command) = command {
                    counts[command] += 1;
                }
            }
            assert_eq!(rest.next(), None, "{case:?} {cancel:?}");
        }
    });
}

/// Returns which of the calls that may be skipped has sent the event.
fn command(event: &Event<'_>) -> Option<usize> {
    match event {
        Event::Text(_) | Event::Binary(_) if len(event) == 70 => Some(0),
        Event::Ping(_) => Some(1),
        Event::Pong(payload) if **payload == *b"local" => Some(2),
        _ => None,
    }
}

fn len(event: &Event<'_>) -> usize {
    match event {
        Event::Text(text) => text.len(),
        Event::Binary(data) => data.len(),
        _ => 0,
    }
}

/// F35: a `feed` that is dropped while it waits for the output to drain appends nothing.
#[test]
fn f35_a_cancelled_feed_sends_nothing() {
    for_each_case(|case| {
        let input = input(case.role, case.deflate);
        // The payloads do not compress.
        let outcome = case.run(&input, async |end, _, _| {
            let canceller = Canceller::new(Cancel::After(1));
            end.feed(&message(0, 1000)).await.unwrap();
            assert!(canceller.attempt(end.feed(&message(2, 1000))).await.is_none());
            end.flush().await.unwrap();
            end.feed(&message(4, 5)).await.unwrap();
            while end.recv().await.unwrap().is_some() {}
        });
        let sent = sent(case.role, case.deflate, &outcome.wire);
        let lengths: Vec<_> = sent.iter().map(len).filter(|n| *n > 0).collect();
        assert_eq!(lengths, [1000, 5]);
    });
}

/// F35: an opening handshake by `recv_event` continues after its future was dropped, in both roles.
#[test]
fn f35_a_cancelled_handshake_by_events_continues() {
    let run = |cancel| {
        let mut simulation = Simulation::new(1);
        let (mut server, mut client) = simulation.pipe([20, 20]);
        server.faults = Faults::random(3);
        client.faults = Faults::random(4);
        let settings = || settings(1000, Timeouts::none());
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let mut out = Vec::new();
        let engine = Connection::client(&request, Config::default(), [7; 32], &mut out).unwrap();
        let mut client = Ws::upgraded(client, simulation.clock(), engine, settings());
        client.engine_mut().1.append(&mut out);
        let mut server = Ws::upgraded(
            server,
            simulation.clock(),
            Connection::server(Config::default()),
            settings(),
        );
        let [client_canceller, server_canceller] = [Canceller::new(cancel), Canceller::new(cancel)];
        simulation.run(vec![
            Box::pin(async {
                let event = client_canceller
                    .retry(async || client.recv_event().await)
                    .await
                    .unwrap();
                assert!(matches!(event, Some(Event::Open(_))), "{event:?}");
                client.send("hello").await.unwrap();
                assert!(client.recv().await.unwrap().is_none());
            }),
            Box::pin(async {
                let event = server_canceller
                    .retry(async || server.recv_event().await)
                    .await
                    .unwrap();
                let Some(Event::Request(request)) = event else {
                    panic!("{event:?}")
                };
                let (engine, out) = server.engine_mut();
                engine.accept(&request, &Accept::new(), out).unwrap();
                let message = server_canceller.retry(async || server.recv().await).await.unwrap();
                assert_eq!(message, Some(Message::Text("hello".into())));
                let _cancelled = server_canceller.attempt(server.close(CloseCode::NORMAL, "")).await;
                assert!(server.recv().await.unwrap().is_none());
                drop(server);
            }),
        ]);
        client_canceller
            .await_points
            .get()
            .max(server_canceller.await_points.get())
    };
    let await_points = run(Cancel::Never);
    for cancel in (0..await_points).map(Cancel::Once).chain((1..5).map(Cancel::After)) {
        run(cancel);
    }
}
