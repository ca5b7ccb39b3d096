//! `recv_batch`: the messages of one read, borrowed, with the output for their answers.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use sockless::{
    CloseCode, Config, Delivery, Message, PreparedMessage, Role, SendError, adapter::Error, timers::Timeouts,
};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Cancel, Canceller, Faults, PipeEnd, Simulation, Task},
    polled::{Ws, engine, message, open, seconds, settings},
    reserved_opcode,
};

use super::{
    super::{echo, texts},
    poll_once,
};

/// A connection of a server, and the other end of its pipe, with `input` to read.
fn server(simulation: &mut Simulation, capacity: usize, high_water: usize, input: &[u8]) -> (Ws, PipeEnd) {
    let (local, remote) = simulation.pipe([capacity, 0]);
    remote.output.borrow_mut().push(input);
    (open(local, simulation.clock(), Role::Server, high_water), remote)
}

/// The payloads of the frames that the server has written.
fn payloads(remote: &PipeEnd) -> Vec<Vec<u8>> {
    let written = remote.input.borrow().all_written.clone();
    frames(Role::Server, &written)
        .into_iter()
        .map(|(_, data)| data)
        .collect()
}

/// F35: `recv_batch` passes the messages of `recv`, in any mix of the two, each once and in order,
/// and their answers are sent in order; its future may be dropped at any await point, those where
/// it waits for room in the output included.
#[test]
fn f35_recv_batch_passes_what_recv_receives() {
    let run = |role, deflate, high_water, cancel, seed| {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 0);
        let (mut local, mut remote) = simulation.pipe([50, 0]);
        local.faults = Faults::slow(300, seed);
        let mut peer = engine(peer_of(role), deflate);
        let mut out = Vec::new();
        let sent: Vec<_> = [0, 5, 100, 30, 700, 1, 2, 3, 90, 4]
            .iter()
            .enumerate()
            .map(|(n, len)| message(n, *len))
            .collect();
        for message in &sent {
            match message {
                Message::Text(text) => peer.send_text(text, &mut out).unwrap(),
                Message::Binary(data) => peer.send_binary(data, &mut out).unwrap(),
            }
            peer.ping(b"?", &mut out).unwrap();
        }
        peer.close(CloseCode::NORMAL, "", &mut out).unwrap();
        remote.output.borrow_mut().push(&out);
        remote.half_close();
        let mut ws = Ws::upgraded(
            local,
            simulation.clock(),
            engine(role, deflate),
            settings(high_water, Timeouts::none()),
        );
        let canceller = Canceller::new(cancel);
        let (mut passed, mut wire) = (Vec::new(), Vec::new());
        simulation.run(vec![
            Box::pin(async {
                for call in 0.. {
                    if call % 3 == 1 {
                        let Some(message) = canceller.retry(async || ws.recv().await).await.unwrap() else {
                            break;
                        };
                        canceller.retry(async || ws.feed(&message).await).await.unwrap();
                        passed.push(message);
                        continue;
                    }
                    let before = passed.len();
                    let count = canceller
                        .retry(async || {
                            ws.recv_batch(|message, batch| {
                                batch.feed(&message)?;
                                passed.push(message.into_owned());
                                Ok(())
                            })
                            .await
                        })
                        .await;
                    match count.unwrap() {
                        Some(count) => assert_eq!((passed.len() - before, count > 0), (count, true)),
                        None => break,
                    }
                }
                drop(ws);
            }),
            Box::pin(async { wire = remote.read(usize::MAX).await }),
        ]);
        assert_eq!(passed, sent);
        let mut input = &mut wire[..];
        let mut answered = Vec::new();
        while let Some(event) = peer.receive(&mut input, &mut out).unwrap() {
            match event.into_owned() {
                sockless::Event::Text(text) => answered.push(Message::Text(text)),
                sockless::Event::Binary(data) => answered.push(Message::Binary(data)),
                _ => {}
            }
        }
        assert_eq!(answered, sent);
        assert!(peer.close_status().unwrap().is_clean());
        canceller.await_points.get()
    };
    for role in ROLES {
        for deflate in [false, cfg!(feature = "deflate")] {
            for high_water in [0, 60, 100_000] {
                let await_points = run(role, deflate, high_water, Cancel::Never, 1);
                assert!(await_points > 20, "{await_points}");
                for cancel in (0..await_points).map(Cancel::Once).chain((1..4).map(Cancel::After)) {
                    run(role, deflate, high_water, cancel, 1);
                }
                for seed in 2..12 {
                    run(role, deflate, high_water, Cancel::After(1), seed);
                }
            }
        }
    }
}

/// The messages of one read are one batch, and their answers one write.
#[test]
fn the_messages_of_one_read_are_one_batch() {
    let mut simulation = Simulation::new(0);
    let (mut ws, remote) = server(
        &mut simulation,
        1000,
        1000,
        &texts(Role::Client, &["one", "two", "three"]),
    );
    simulation.block_on(async {
        assert_eq!(ws.recv_batch(echo).await.unwrap(), Some(3));
        assert_eq!(
            (ws.pending_bytes(), payloads(&remote).len()),
            (17, 0),
            "not written yet"
        );
        assert!(poll_once(ws.recv_batch(echo), Waker::noop()).is_pending());
        assert_eq!(payloads(&remote), [&b"one"[..], b"two", b"three"], "before it waits");
    });
}

/// Messages before an error or a Close frame are passed and answered; then the end is what `recv`
/// returns. The answers are sent before the Close frame.
#[test]
fn the_end_comes_after_the_batch() {
    for end in ["success", "no success", "violation"] {
        let last = match end {
            "success" => frame(Role::Client, 0x88, &1000_u16.to_be_bytes()),
            "no success" => frame(Role::Client, 0x88, &1011_u16.to_be_bytes()),
            _ => frame(Role::Client, 0x83, b""),
        };
        let input = [texts(Role::Client, &["one", "two"]), last].concat();
        let mut simulation = Simulation::new(0);
        let (mut ws, remote) = server(&mut simulation, 1000, 1000, &input);
        remote.half_close();
        simulation.block_on(async {
            assert_eq!(ws.recv_batch(echo).await.unwrap(), Some(2));
            let ended = ws.recv_batch(|_, _| panic!("there is no message")).await;
            let code = match ended {
                Ok(None) if end == "success" => 1000_u16,
                Err(Error::Closed(status)) if end == "no success" => u16::from(status.code()),
                Err(Error::Protocol(error)) if end == "violation" => {
                    assert_eq!(*error, reserved_opcode(0x83));
                    1002
                }
                other => panic!("{end}: {other:?}"),
            };
            assert_eq!(payloads(&remote)[..2], [b"one", b"two"]);
            assert_eq!(payloads(&remote)[2][..2], code.to_be_bytes());
            assert_eq!(ws.recv_batch(echo).await.unwrap(), None);
        });
    }
}

/// While more than the high-water mark is unwritten, no message is passed and nothing is read;
/// the call waits for the transport, and continues when it takes the output.
#[test]
fn a_batch_ends_at_the_high_water_mark() {
    let mut simulation = Simulation::new(0);
    let (mut ws, mut remote) = server(
        &mut simulation,
        10,
        100,
        &texts(Role::Client, &["a".repeat(50).as_str(); 20]),
    );
    let mut passed = 0;
    let mut poll = |ws: &mut Ws| {
        let call = ws.recv_batch(|message, batch| {
            passed += 1;
            batch.feed(message)
        });
        (poll_once(call, Waker::noop()).map(Result::unwrap), passed)
    };
    // Two are 104 bytes.
    assert_eq!(poll(&mut ws), (Poll::Ready(Some(2)), 2));
    assert_eq!(poll(&mut ws), (Poll::Ready(Some(1)), 3), "10 bytes were taken");
    assert_eq!(remote.output.borrow().in_flight(), 0, "all was read before");
    let last = texts(Role::Client, &["the last"]);
    remote.output.borrow_mut().push(&last);
    assert_eq!(poll(&mut ws), (Poll::Pending, 3));
    assert_eq!(poll(&mut ws), (Poll::Pending, 3));
    assert!(ws.pending_bytes() <= 152, "{}", ws.pending_bytes());
    assert_eq!(remote.output.borrow().in_flight(), last.len(), "nothing is read");
    simulation.run(vec![
        Box::pin(async {
            let mut rest = 0;
            while rest < 18 {
                rest += ws.recv_batch(echo).await.unwrap().unwrap();
                assert!(ws.pending_bytes() <= 152, "{}", ws.pending_bytes());
            }
            ws.flush().await.unwrap();
        }),
        Box::pin(async { assert_eq!(remote.read(20 * 52 + 10).await.len(), 20 * 52 + 10) }),
    ]);
    assert_eq!(payloads(&remote).len(), 21);
}

/// After `stop`, and after an error of the function, the rest of the batch is left for the next
/// call, whichever it is.
#[test]
fn the_function_can_end_the_batch() {
    let mut simulation = Simulation::new(0);
    let input = texts(Role::Client, &["one", "two", "three", "four", "five"]);
    let (mut ws, remote) = server(&mut simulation, 1000, 1000, &input);
    simulation.block_on(async {
        let stopped = ws.recv_batch(|message, batch| {
            batch.stop();
            batch.feed(message)
        });
        assert_eq!(stopped.await.unwrap(), Some(1));
        let failed = ws.recv_batch(|message, batch| {
            if message == Message::from("three") {
                return Err(io::Error::other("no three").into());
            }
            batch.feed(message)
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "no three");
        assert_eq!(ws.recv().await.unwrap(), Some(Message::from("four")));
        assert_eq!(ws.recv_batch(echo).await.unwrap(), Some(1));
        ws.flush().await.unwrap();
        assert_eq!(payloads(&remote), [&b"one"[..], b"two", b"five"]);
    });
}

/// What cannot be sent is an error of `feed`: the connection is closing, or the transport failed.
#[test]
fn what_cannot_be_sent_is_an_error() {
    let mut simulation = Simulation::new(0);
    let (mut ws, remote) = server(&mut simulation, 1000, 1000, &texts(Role::Client, &["one", "two"]));
    simulation.block_on(async {
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        let error = ws.recv_batch(echo).await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::Closing)), "{error:?}");
    });
    drop((ws, remote));

    let (mut ws, remote) = server(&mut simulation, 1000, 1000, &texts(Role::Client, &["one", "two"]));
    remote.input.borrow_mut().read_closed = true;
    simulation.block_on(async {
        assert!(ws.send("lost").await.is_err());
        let error = ws.recv_batch(echo).await.unwrap_err();
        assert!(
            matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::BrokenPipe),
            "{error:?}"
        );
        // What the peer has sent is still received.
        let received = ws.recv_batch(|message, _| {
            assert_eq!(message, Message::from("two"));
            Ok(())
        });
        assert_eq!(received.await.unwrap(), Some(1));
    });
}

/// With `fragment_size`, and for prepared messages, the output is that of the engine.
#[test]
fn answers_are_fragmented_and_prepared() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([1000, 1000]);
    let input = [
        texts(Role::Client, &["0123456789"]),
        frame(Role::Client, 0x89, b"?"),
        texts(Role::Client, &["0123"]),
    ]
    .concat();
    remote.output.borrow_mut().push(&input);
    let config = Config::new().fragment_size(std::num::NonZeroUsize::new(4));
    let mut engine = support::open(Role::Server, config.clone());
    let mut ws = Ws::upgraded(
        local,
        simulation.clock(),
        support::open(Role::Server, config),
        settings(1000, Timeouts::none()),
    );
    let prepared = PreparedMessage::text("same for all");
    simulation.block_on(async {
        let count = ws.recv_batch(|message, batch| {
            batch.feed(message)?;
            batch.feed_prepared(&prepared)
        });
        assert_eq!(count.await.unwrap(), Some(2));
        ws.flush().await.unwrap();
    });
    // The Pong is written before what was fed, at the first boundary.
    let mut expected = frame(Role::Server, 0x8A, b"?");
    for text in ["0123456789", "0123"] {
        engine.send_text(text, &mut expected).unwrap();
        engine.send_prepared(&prepared, &mut expected).unwrap();
    }
    let written = remote.input.borrow().all_written.clone();
    assert_eq!(frames(Role::Server, &written), frames(Role::Server, &expected));
}

/// A steady stream of messages allocates nothing.
#[test]
fn recv_batch_allocates_nothing() {
    let mut simulation = Simulation::new(0);
    let (mut ws, remote) = server(&mut simulation, 100_000, 10_000, &[]);
    remote.input.borrow_mut().reserve(100_000);
    let input = texts(Role::Client, &["a message"; 20]);
    remote.output.borrow_mut().reserve(2 * input.len());
    let mut batch = || {
        remote.output.borrow_mut().push(&input);
        let count = poll_once(ws.recv_batch(echo), Waker::noop());
        assert!(matches!(count, Poll::Ready(Ok(Some(20)))), "{count:?}");
        assert!(poll_once(ws.recv_batch(echo), Waker::noop()).is_pending());
    };
    batch();
    let used = measure(|| (0..10).for_each(|_| batch()));
    assert_eq!(used.count_total, 0, "{used:?}");
}

/// A function that panics has received its message. The connection continues with the next one.
#[test]
fn a_function_that_panics_loses_its_message_alone() {
    let mut simulation = Simulation::new(0);
    let (mut ws, remote) = server(
        &mut simulation,
        1000,
        1000,
        &texts(Role::Client, &["one", "two", "three"]),
    );
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = Context::from_waker(Waker::noop());
        let call = ws.recv_batch(|message, batch| match message == Message::from("two") {
            true => resume_unwind(Box::new(())),
            false => batch.feed(message),
        });
        let _unreachable = pin!(call).poll(&mut cx);
    }));
    assert!(panicked.is_err());
    simulation.block_on(async {
        assert_eq!(ws.recv_batch(echo).await.unwrap(), Some(1));
        ws.flush().await.unwrap();
    });
    assert_eq!(payloads(&remote), [&b"one"[..], b"three"]);
}

/// With chunk delivery, `recv_batch` fails and takes nothing.
#[test]
fn recv_batch_needs_whole_messages() {
    let mut simulation = Simulation::new(0);
    let (local, remote) = simulation.pipe([1000, 0]);
    let config = Config::new().delivery(Delivery::Chunks);
    let engine = support::open(Role::Server, config);
    let mut ws = Ws::upgraded(local, simulation.clock(), engine, settings(1000, Timeouts::none()));
    remote.output.borrow_mut().push(&texts(Role::Client, &["text"]));
    simulation.block_on(async {
        let error = ws.recv_batch(echo).await.unwrap_err();
        assert!(error.to_string().contains("Delivery::Chunks"), "{error}");
        let chunk = ws.recv_chunk().await.unwrap().unwrap();
        assert_eq!(chunk.as_bytes(), b"text");
    });
}

/// Batches postpone the deadlines as other messages do: the timers note each of them.
#[test]
fn batches_postpone_the_deadlines() {
    let mut simulation = Simulation::new(0);
    let (local, mut remote) = simulation.pipe([1000, 1000]);
    let timeouts = Timeouts::new().idle(seconds(10)).ping(seconds(5));
    let engine = support::open(Role::Server, Config::new());
    let mut ws = Ws::upgraded(local, simulation.clock(), engine, settings(1000, timeouts));
    let mut pause = simulation.clock();
    let local: Task<'_> = Box::pin(async move {
        for _ in 0..20 {
            assert_eq!(ws.recv_batch(|_, _| Ok(())).await.unwrap(), Some(2));
        }
    });
    let remote: Task<'_> = Box::pin(async move {
        for _ in 0..20 {
            pause.sleep(seconds(3)).await;
            remote.write_all(&texts(Role::Client, &["a", "b"])).await.unwrap();
        }
        assert_eq!(remote.read(usize::MAX).await, b"", "no Ping was sent");
    });
    simulation.run(vec![local, remote]);
}
