//! One message as a writer, and messages in fragments: dropped, cancelled, and ended in the middle.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    task::{Context, Poll, Waker},
};

use sockless::{CloseCode, Event, MessageKind, PreparedMessage, Role, SendError, adapter::Error, timers::Timeouts};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{Cancel, Canceller, Faults, Simulation},
    polled::{Ws, engine, message, open, seconds, settings},
};

use super::end::{End, PipeWriter, inner};

async fn write(writer: &mut PipeWriter<'_>, data: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| writer.poll_write(cx, data)).await
}

async fn write_all(writer: &mut PipeWriter<'_>, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let len = write(writer, data).await?;
        data = &data[len..];
    }
    Ok(())
}

async fn flush(writer: &mut PipeWriter<'_>) -> io::Result<()> {
    poll_fn(|cx| writer.poll_flush(cx)).await
}

fn is_in_progress<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Send(SendError::MessageInProgress)))
}

/// The frames that one end writes while `script` runs. The peer answers the Close frame.
fn frames_of(
    role: Role,
    deflate: bool,
    in_halves: bool,
    seed: u64,
    script: impl AsyncFnOnce(&mut End),
) -> Vec<(u8, Vec<u8>)> {
    frames(role, &bytes_of(role, deflate, in_halves, seed, script))
}

fn bytes_of(role: Role, deflate: bool, in_halves: bool, seed: u64, script: impl AsyncFnOnce(&mut End)) -> Vec<u8> {
    let mut simulation = Simulation::new(seed).migrating(seed % 2 == 0);
    let (mut local, mut remote) = simulation.pipe([700, 0]);
    local.faults = Faults::slow(3000, seed);
    let ws = Ws::upgraded(
        local,
        simulation.clock(),
        engine(role, deflate),
        settings(300, Timeouts::none()),
    );
    let mut end = End::new(ws, in_halves);
    let mut written = Vec::new();
    simulation.run(vec![
        Box::pin(async {
            script(&mut end).await;
            drop(end);
        }),
        Box::pin(async { written = remote.read(usize::MAX).await }),
    ]);
    written
}

/// Returns the events that the peer receives.
fn received(role: Role, deflate: bool, wire: &[u8]) -> Vec<Event<'static>> {
    support::feed(&mut engine(peer_of(role), deflate), wire).events
}

/// F35: a message is written through a writer, in fragments of at most 16 KiB; every future may be
/// dropped at any await point and made again. The same bytes leave.
#[test]
fn f35_a_writer_writes_its_message_at_any_cancellation() {
    let data: Vec<u8> = message(2, 50_000).as_bytes().to_vec();
    for role in ROLES {
        for deflate in [false, cfg!(feature = "deflate")] {
            for in_halves in [false, true] {
                let run = |cancel, seed| {
                    let canceller = Canceller::new(cancel);
                    let wire = bytes_of(role, deflate, in_halves, seed, async |end| {
                        let mut writer = end.writer(MessageKind::Binary).unwrap();
                        let mut rest = &data[..];
                        while !rest.is_empty() {
                            let piece = &rest[..rest.len().min(7000)];
                            let written = canceller.retry(async || write(&mut writer, piece).await).await;
                            rest = &rest[written.unwrap()..];
                            if rest.len() < 20_000 {
                                canceller.retry(async || flush(&mut writer).await).await.unwrap();
                            }
                        }
                        for _ in 0..2 {
                            canceller.retry(async || writer.finish().await).await.unwrap();
                        }
                        let error = write(&mut writer, b"more").await.unwrap_err();
                        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                        drop(writer);
                        end.send(&message(1, 10)).await.unwrap();
                    });
                    (wire, canceller.await_points.get())
                };
                let (expected, await_points) = run(Cancel::Never, 1);
                let events = received(role, deflate, &expected);
                assert!(matches!(&events[0], Event::Binary(received) if **received == data));
                assert_eq!(
                    events[1],
                    Event::Text(message(1, 10).as_text().unwrap().to_owned().into())
                );
                if !deflate {
                    let sent = frames(role, &expected);
                    let lens: Vec<_> = sent.iter().map(|(_, data)| data.len()).collect();
                    assert!(sent.len() > 5 && lens.iter().all(|len| *len <= 16 << 10), "{lens:?}");
                }
                assert!(await_points > 30, "{await_points}");
                let once = (0..await_points).step_by(await_points / 30).map(Cancel::Once);
                for cancel in once.chain((1..4).map(Cancel::After)) {
                    let (wire, _) = run(cancel, 2);
                    assert!(wire == expected, "{role:?} {deflate} {in_halves} {cancel:?}");
                }
            }
        }
    }
}

/// F35: a cancelled `send_fragment` and `send_prepared` has sent a whole frame or, if it waited for
/// room, nothing.
#[test]
fn f35_a_cancelled_fragment_is_whole_or_not_sent() {
    let prepared = [6, 7, 8].map(|n| PreparedMessage::binary(&[n; 90]));
    let run = |cancel, in_halves| {
        let canceller = Canceller::new(cancel);
        let done = RefCell::new(Vec::new());
        let sent = frames_of(Role::Server, false, in_halves, 1, async |end| {
            for n in 0..6 {
                let data = [n; 500];
                let sent = canceller
                    .attempt(end.send_fragment(MessageKind::Binary, &data, false))
                    .await;
                done.borrow_mut().push(sent.is_some());
            }
            // Ends it, or is a message of its own.
            end.send_fragment(MessageKind::Binary, b"end", true).await.unwrap();
            for prepared in &prepared {
                let sent = canceller.attempt(end.send_prepared(prepared)).await;
                done.borrow_mut().push(sent.is_some());
            }
            let flushed = end.ping(b"?").await;
            flushed.unwrap();
        });
        let (mut is_first, mut fragments) = (true, Vec::new());
        for (first, data) in &sent {
            let opcode = if is_first { 2 } else { 0 };
            match (first, data.len()) {
                (0x89, _) => continue,
                (0x82, 90) => fragments.push(data[0]),
                (_, 500) => {
                    assert_eq!(*first, opcode);
                    (is_first, _) = (false, fragments.push(data[0]));
                }
                (_, 3) => {
                    assert_eq!(*first, 0x80 | opcode);
                    is_first = true;
                }
                other => panic!("{other:?}"),
            }
        }
        // What was done is there, once, and in order.
        let mut rest = fragments.iter();
        for (n, done) in done.into_inner().into_iter().enumerate() {
            let is_there = rest.clone().next() == Some(&(n as u8));
            assert!(is_there || !done, "{cancel:?} {n}");
            if is_there {
                rest.next();
            }
        }
        assert_eq!(rest.next(), None, "{cancel:?}");
        canceller.await_points.get()
    };
    for in_halves in [false, true] {
        let await_points = run(Cancel::Never, in_halves);
        for cancel in (0..await_points).map(Cancel::Once).chain((1..5).map(Cancel::After)) {
            run(cancel, in_halves);
        }
    }
}

/// A writer that is dropped before anything was sent leaves nothing behind. After a fragment, its
/// message is in progress: nothing else can be sent but the rest of it, control frames and the
/// closing handshake. No frame is incomplete.
#[test]
fn a_writer_that_is_dropped_unfinished() {
    for role in ROLES {
        for in_halves in [false, true] {
            let sent = frames_of(role, false, in_halves, 1, async |end| {
                let mut writer = end.writer(MessageKind::Text).unwrap();
                assert_eq!(write(&mut writer, b"not sent").await.unwrap(), 8);
                drop(writer);
                end.send(&message(1, 3)).await.unwrap();
                let mut writer = end.writer(MessageKind::Binary).unwrap();
                write_all(&mut writer, &[1; 20_000]).await.unwrap();
                drop(writer);
                assert!(is_in_progress(end.send(&message(1, 3)).await));
                assert!(end.writer(MessageKind::Binary).is_err());
                let error = end.send_fragment(MessageKind::Text, b"", true).await.unwrap_err();
                assert!(matches!(error, Error::Send(SendError::KindChanged)), "{error:?}");
                end.ping(b"?").await.unwrap();
                end.send_fragment(MessageKind::Binary, b"the rest", true).await.unwrap();
                end.send(&message(1, 4)).await.unwrap();
                let mut writer = end.writer(MessageKind::Binary).unwrap();
                write_all(&mut writer, b"begun").await.unwrap();
                flush(&mut writer).await.unwrap();
                drop(writer);
                end.close("").await.unwrap();
            });
            let expected = [
                (0x81, b"bcd".to_vec()),
                (0x02, vec![1; 16 << 10]),
                (0x89, b"?".to_vec()),
                (0x80, b"the rest".to_vec()),
                (0x81, b"bcde".to_vec()),
                (0x02, b"begun".to_vec()),
                (0x88, vec![3, 0xE8]),
            ];
            assert!(
                sent == expected,
                "{:?}",
                sent.iter().map(|(first, _)| first).collect::<Vec<_>>()
            );
        }
    }
}

/// While a writer of a half sends a message, other writers cannot: they get an error, and no
/// fragments are mixed. When it is dropped, any of them can end the message.
#[test]
fn writers_do_not_interleave() {
    let mut simulation = Simulation::new(1);
    let (local, mut remote) = simulation.pipe([1000, 0]);
    let (_reader, first) = open(local, simulation.clock(), Role::Server, 1000).split();
    let second = first.clone();
    simulation.block_on(async {
        first.send_fragment(MessageKind::Text, b"fir", false).await.unwrap();
        assert!(is_in_progress(second.send("second").await));
        assert!(is_in_progress(
            second.send_fragment(MessageKind::Text, b"second", true).await
        ));
        assert!(is_in_progress(
            second.send_prepared(&PreparedMessage::text("second")).await
        ));
        assert!(second.writer(MessageKind::Text).is_err());
        second.ping(b"").await.unwrap();
        first.send_fragment(MessageKind::Text, b"st", true).await.unwrap();
        second.send("second").await.unwrap();

        let mut writer = first.writer(MessageKind::Binary).unwrap();
        // Also before its first fragment is sent, and by the handle that has made it.
        assert!(is_in_progress(second.send("second").await));
        assert!(is_in_progress(first.send("first").await));
        assert!(first.writer(MessageKind::Binary).is_err());
        write_all(&mut writer, b"third").await.unwrap();
        flush(&mut writer).await.unwrap();
        assert!(is_in_progress(second.send("second").await));
        drop(writer);
        second.send_fragment(MessageKind::Binary, b"end", true).await.unwrap();

        second
            .send_fragment(MessageKind::Binary, b"begun", false)
            .await
            .unwrap();
        assert!(is_in_progress(
            first.send_fragment(MessageKind::Binary, b"", true).await
        ));
        drop(second);
        first.send_fragment(MessageKind::Binary, b"ended", true).await.unwrap();
        first.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(first.close_status().unwrap().sent.is_some());
    });
    drop((first, _reader));
    let sent = simulation.block_on(remote.read(usize::MAX));
    let sent: Vec<_> = frames(Role::Server, &sent)
        .into_iter()
        .map(|(first, data)| (first, String::from_utf8_lossy(&data).into_owned()))
        .collect();
    let expected = [
        (0x01, "fir"),
        (0x89, ""),
        (0x80, "st"),
        (0x81, "second"),
        (0x02, "third"),
        (0x80, "end"),
        (0x02, "begun"),
        (0x80, "ended"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(first, data)| (*first, String::from(*data)))
        .collect();
    assert_eq!(sent[..expected.len()], expected);
    assert_eq!(sent.len(), expected.len() + 1);
}

/// Text may be cut inside a character. What is not UTF-8 is an error when it is sent, and of every
/// later write; the peer never sees it.
#[test]
fn a_writer_of_text_checks_it() {
    for in_halves in [false, true] {
        let sent = frames_of(Role::Server, false, in_halves, 1, async |end| {
            let mut writer = end.writer(MessageKind::Text).unwrap();
            for byte in "😀".as_bytes() {
                assert_eq!(write(&mut writer, &[*byte]).await.unwrap(), 1);
                flush(&mut writer).await.unwrap();
            }
            writer.finish().await.unwrap();
            drop(writer);
            let mut writer = end.writer(MessageKind::Text).unwrap();
            write_all(&mut writer, b"valid").await.unwrap();
            flush(&mut writer).await.unwrap();
            write_all(&mut writer, b"\xFF").await.unwrap();
            for _ in 0..2 {
                let error = flush(&mut writer).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert!(
                    matches!(inner(&error), Some(Error::Send(SendError::InvalidUtf8))),
                    "{error:?}"
                );
            }
            let error = writer.finish().await.unwrap_err();
            assert!(matches!(error, Error::Send(SendError::InvalidUtf8)), "{error:?}");
        });
        assert_eq!(sent.len(), 6);
        assert_eq!(sent[5], (0x01, b"valid".to_vec()));
    }
}

/// The peer closes, or the transport fails, while a message is written: an error of the writer.
#[test]
fn the_end_while_a_message_is_written() {
    let mut simulation = Simulation::new(1);
    let (local, mut remote) = simulation.pipe([1000, 1000]);
    let (mut reader, writer) = open(local, simulation.clock(), Role::Server, 1000).split();
    simulation.run(vec![
        Box::pin(async move {
            let mut message = writer.writer(MessageKind::Binary).unwrap();
            write_all(&mut message, b"begun").await.unwrap();
            flush(&mut message).await.unwrap();
            assert!(reader.recv().await.unwrap().is_none());
            write_all(&mut message, b"more").await.unwrap();
            let error = flush(&mut message).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert!(
                matches!(inner(&error), Some(Error::Send(SendError::Closing))),
                "{error:?}"
            );
            assert!(message.finish().await.is_err());
        }),
        Box::pin(async move {
            remote.read(7).await;
            remote.write_all(&frame(Role::Client, 0x88, &[3, 0xE8])).await.unwrap();
            remote.read(4).await;
        }),
    ]);
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(1);
        let (local, remote) = simulation.pipe([1000, 1000]);
        let mut end = End::new(open(local, simulation.clock(), Role::Server, 1000), in_halves);
        drop(remote);
        simulation.block_on(async {
            let mut writer = end.writer(MessageKind::Binary).unwrap();
            write_all(&mut writer, b"begun").await.unwrap();
            assert_eq!(flush(&mut writer).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert!(writer.finish().await.is_err());
        });
    }
}

/// A peer that reads nothing: a writer holds what the high-water mark allows, and 32 KiB.
#[test]
fn a_writer_to_a_stalled_peer_waits() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(1);
        let (local, _remote) = simulation.pipe([1000, 1000]);
        let mut end = End::new(open(local, simulation.clock(), Role::Server, 2000), in_halves);
        let mut writer = end.writer(MessageKind::Binary).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut taken = 0;
        while let Poll::Ready(len) = writer.poll_write(&mut cx, &[0; 5000]) {
            taken += len.unwrap();
            assert!(taken < 100_000);
        }
        assert!((20_000..50_000).contains(&taken), "{taken}");
    }
}

/// F60: a message is written in one task while another one reads, writes its replies, and has taken
/// the room: the writer is woken, in any order of the tasks.
#[test]
fn f60_a_message_writer_is_woken() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed).migrating(seed % 2 == 1);
        let (mut server, mut client) = simulation.pipe([100, 100]);
        server.faults = Faults::random(seed ^ 1);
        client.faults = Faults::random(seed ^ 2);
        let clocks = [simulation.clock(), simulation.clock()];
        let left = Cell::new(2);
        let mut tasks: Vec<support::pipe::Task<'_>> = Vec::new();
        for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
            let (mut reader, writer) = open(end, clock, role, 50).split();
            let left = &left;
            tasks.push(Box::pin(async move {
                let mut message = writer.writer(MessageKind::Binary).unwrap();
                for n in 0..20 {
                    write_all(&mut message, &[n; 40]).await.unwrap();
                    flush(&mut message).await.unwrap();
                }
                message.finish().await.unwrap();
                left.set(left.get() - 1);
                if left.get() == 0 {
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                }
            }));
            tasks.push(Box::pin(async move {
                let expected: Vec<u8> = (0..20).flat_map(|n| [n; 40]).collect();
                let mut reader_of_one = reader.reader().await.unwrap().unwrap();
                let (mut all, mut buf) = (Vec::new(), [0; 100]);
                loop {
                    match poll_fn(|cx| reader_of_one.poll_read(cx, &mut buf)).await.unwrap() {
                        0 => break,
                        len => all.extend_from_slice(&buf[..len]),
                    }
                }
                assert!(all == expected);
                drop(reader_of_one);
                assert!(reader.reader().await.unwrap().is_none());
            }));
        }
        simulation.run(tasks);
    }
}

/// A stalled peer ends a message writer's wait: the deadline of the Ping is kept while it waits.
#[test]
fn a_writer_keeps_the_deadlines() {
    for in_halves in [false, true] {
        let mut simulation = Simulation::new(0);
        let (local, _remote) = simulation.pipe([10, 100]);
        let time = simulation.time();
        let start = time();
        let settings = settings(100, Timeouts::new());
        let ws = Ws::upgraded(local, simulation.clock(), engine(Role::Server, false), settings);
        let mut end = End::new(ws, in_halves);
        simulation.block_on(async {
            let mut writer = end.writer(MessageKind::Binary).unwrap();
            write_all(&mut writer, &[0; 1000]).await.unwrap();
            let error = writer.finish().await.unwrap_err();
            assert!(
                matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::NotConnected),
                "{error:?}"
            );
            assert_eq!(time() - start, seconds(40));
        });
    }
}

/// Compression is set for each message, by a half too.
#[cfg(feature = "deflate")]
#[test]
fn compression_is_set_by_a_writer() {
    for in_halves in [false, true] {
        let sent = bytes_of(Role::Server, true, in_halves, 1, async |end| {
            for enabled in [true, false, true] {
                end.set_compression(enabled);
                end.send(&message(1, 1000)).await.unwrap();
            }
        });
        let rsv1: Vec<_> = frames(Role::Server, &sent)
            .iter()
            .map(|(first, _)| first & 0x40 != 0)
            .collect();
        assert_eq!(rsv1, [true, false, true]);
    }
}
