//! `recv_with`: messages that are borrowed from what was read.

use std::{cell::Cell, pin::pin, task::Context};

use allocation_counter::measure;
use sockless::{CloseCode, Config, Delivery, Message, Role, handshake::Negotiated, timers::Timeouts};
use support::{
    ROLES, peer_of,
    pipe::{Cancel, Canceller, Faults, Simulation},
    polled::{Ws, engine, message, open, settings},
};

use super::end::End;

/// F35: `recv_with` returns the messages of `recv`, in any mix of the two, and its future may be
/// dropped at any await point: whole and in halves, with and without compression.
#[test]
fn f35_recv_with_receives_what_recv_receives() {
    let run = |role, deflate, in_halves, cancel, seed| {
        let mut simulation = Simulation::new(seed);
        let (mut local, remote) = simulation.pipe([50, 0]);
        local.faults = Faults::slow(120, seed);
        let mut peer = engine(peer_of(role), deflate);
        let mut out = Vec::new();
        let messages: Vec<_> = [0, 5, 700, 30, 4000, 1].map(|len| message(len, len)).into();
        for message in &messages {
            peer.ping(b"?", &mut out).unwrap();
            match message {
                Message::Text(text) => peer.send_text(text, &mut out).unwrap(),
                Message::Binary(data) => peer.send_binary(data, &mut out).unwrap(),
            }
        }
        peer.close(CloseCode::NORMAL, "", &mut out).unwrap();
        remote.output.borrow_mut().push(&out);
        remote.half_close();
        let ws = Ws::upgraded(
            local,
            simulation.clock(),
            engine(role, deflate),
            settings(60, Timeouts::none()),
        );
        let mut end = End::new(ws, in_halves);
        let canceller = Canceller::new(cancel);
        let mut reading = pin!(async {
            for (n, expected) in messages.iter().enumerate() {
                let received = if n % 3 == 2 {
                    canceller.retry(async || end.recv().await).await
                } else {
                    canceller
                        .retry(async || end.recv_with(|message| message.into_owned()).await)
                        .await
                };
                assert_eq!(received.unwrap().as_ref(), Some(expected));
            }
            let is_called = Cell::new(false);
            let ended = canceller
                .retry(async || end.recv_with(|_| is_called.set(true)).await)
                .await;
            assert!(ended.unwrap().is_none() && !is_called.get());
            drop(end);
        });
        let mut remote = remote;
        simulation.run(vec![
            Box::pin(async { reading.as_mut().await }),
            Box::pin(async { drop(remote.read(usize::MAX).await) }),
        ]);
        canceller.await_points.get()
    };
    for role in ROLES {
        for deflate in [false, cfg!(feature = "deflate")] {
            for in_halves in [false, true] {
                let await_points = run(role, deflate, in_halves, Cancel::Never, 1);
                assert!(await_points > 20, "{await_points}");
                for cancel in (0..await_points).map(Cancel::Once).chain((1..4).map(Cancel::After)) {
                    run(role, deflate, in_halves, cancel, 1);
                }
            }
        }
    }
}

/// A message that lies whole in what was read is neither copied nor allocated.
#[test]
fn recv_with_allocates_nothing() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1000, 0]);
        let mut end = End::new(open(local, simulation.clock(), Role::Server, 1000), in_halves);
        let mut peer = engine(Role::Client, false);
        let mut out = Vec::new();
        for n in 0..20 {
            peer.send_text(&"a".repeat(50 + n), &mut out).unwrap();
        }
        remote.output.borrow_mut().push(&out);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut len = |end: &mut End| match pin!(end.recv_with(|message| message.len())).poll(&mut cx) {
            std::task::Poll::Ready(len) => len.unwrap().unwrap(),
            std::task::Poll::Pending => panic!("there is a message"),
        };
        assert_eq!(len(&mut end), 50, "allocates the input buffer");
        let used = measure(|| (1..20).for_each(|n| assert_eq!(len(&mut end), 50 + n)));
        assert_eq!(used.count_total, 0, "{used:?}");
    }
}

/// The function may use the other half: the connection is not locked meanwhile.
#[test]
fn the_function_may_use_the_writer() {
    for is_text in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1000, 0]);
        let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
        let mut out = Vec::new();
        let mut peer = engine(Role::Client, false);
        match is_text {
            true => peer.send_text("hello", &mut out).unwrap(),
            false => peer.send_binary(b"hello", &mut out).unwrap(),
        }
        remote.output.borrow_mut().push(&out);
        simulation.block_on(async {
            let pending = reader.recv_with(|message| {
                let mut cx = Context::from_waker(std::task::Waker::noop());
                assert!(pin!(writer.feed(message)).poll(&mut cx).is_ready());
                writer.pending_bytes()
            });
            assert_eq!(pending.await.unwrap(), Some(7));
            writer.flush().await.unwrap();
            assert_eq!(writer.pending_bytes(), 0);
        });
    }
}

/// A function that panics has received its message. The connection continues with the next one.
#[test]
fn a_function_that_panics_loses_its_message_alone() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, remote) = simulation.pipe([1000, 0]);
        let mut end = End::new(open(local, simulation.clock(), Role::Server, 1000), in_halves);
        let mut out = Vec::new();
        let mut peer = engine(Role::Client, false);
        peer.send_text("first", &mut out).unwrap();
        peer.send_text("second", &mut out).unwrap();
        remote.output.borrow_mut().push(&out);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _unreachable = pin!(end.recv_with(|_| std::panic::resume_unwind(Box::new(())))).poll(&mut cx);
        }));
        assert!(panicked.is_err());
        let second = simulation.block_on(async { end.recv().await });
        assert_eq!(second.unwrap(), Some(Message::from("second")));
    }
}

/// With chunk delivery, `recv_with` fails and takes nothing.
#[test]
fn recv_with_needs_whole_messages() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([1000, 0]);
    let engine_of_chunks = support::upgraded(
        Role::Server,
        &Negotiated::default(),
        Config::new().delivery(Delivery::Chunks),
    );
    let settings = settings(1000, Timeouts::none());
    let mut ws = Ws::upgraded(local, simulation.clock(), engine_of_chunks, settings);
    let mut out = Vec::new();
    engine(Role::Client, false).send_text("text", &mut out).unwrap();
    remote.output.borrow_mut().push(&out);
    simulation.block_on(async {
        let error = ws.recv_with(|_| ()).await.unwrap_err();
        assert!(error.to_string().contains("Delivery::Chunks"), "{error}");
        let chunk = ws.recv_chunk().await.unwrap().unwrap();
        assert_eq!(chunk.as_bytes(), b"text");
    });
}
