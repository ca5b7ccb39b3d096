//! The two halves of a connection, over scripted transports.

use std::{
    io::{self, ErrorKind, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sockless::{
    Event, ProtocolError, Role,
    adapter::{
        Error,
        std_net::{self, WebSocket},
    },
};
use support::{ROLES, frame, frames, peer_of};

use super::{ScriptedTransport, TEST_TIMEOUT, is_timeout, open_over, received, text};

/// One direction of a scripted transport. It can record what is written.
struct ScriptedHalf(ScriptedTransport, Option<mpsc::Sender<Vec<u8>>>);

impl Read for ScriptedHalf {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for ScriptedHalf {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.0.write(buf)?;
        if let Some(record) = &self.1 {
            record.send(buf[..n].to_vec()).unwrap();
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Splits a connection into halves over scripted transports. Also returns a record of what they
/// write.
fn halves(
    ws: WebSocket<ScriptedTransport>,
    reads: ScriptedTransport,
    writes: ScriptedTransport,
) -> (
    std_net::Reader<ScriptedHalf, ScriptedHalf>,
    std_net::Writer<ScriptedHalf>,
    mpsc::Receiver<Vec<u8>>,
) {
    let (sender, record) = mpsc::channel();
    let (reader, writer) = ws
        .split_with(|_| Ok((ScriptedHalf(reads, None), ScriptedHalf(writes, Some(sender)))))
        .unwrap();
    (reader, writer, record)
}

/// R104: halves work over any two streams. Input that was read before the split is not lost.
#[test]
fn halves_work_over_any_streams() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [frame(peer, 0x81, b"one"), frame(peer, 0x81, b"two")].concat();
        let mut ws = open_over(role, ScriptedTransport::reading([input]));
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        let reads = ScriptedTransport::reading(frame(peer, 0x81, b"three").chunks(2).map(<[u8]>::to_vec));
        let (mut reader, writer, record) = halves(ws, reads, ScriptedTransport::writing(vec![Ok(1); 8]));
        assert_eq!(reader.recv().unwrap(), Some(text("two")));
        assert_eq!(reader.recv().unwrap(), Some(text("three")));
        writer.send("answer").unwrap();
        for _ in 0..2 {
            assert_eq!(received(reader.recv()), Err(ProtocolError::UnexpectedEof));
        }
        let written: Vec<u8> = record.try_iter().flatten().collect();
        assert_eq!(frames(role, &written), [(0x81, b"answer".to_vec())]);
        assert!(format!("{reader:?} {writer:?}").starts_with("Reader"));
    }
}

/// Messages that were fed before the split are written before the reader blocks, as by
/// [`WebSocket::recv`].
#[test]
fn messages_fed_before_the_split_are_written() {
    let mut ws = open_over(Role::Server, ScriptedTransport::default());
    ws.feed("fed").unwrap();
    let (mut reader, _writer, record) = halves(ws, ScriptedTransport::default(), ScriptedTransport::default());
    assert_eq!(received(reader.recv()), Err(ProtocolError::UnexpectedEof));
    let written: Vec<u8> = record.try_iter().flatten().collect();
    assert_eq!(frames(Role::Server, &written), [(0x81, b"fed".to_vec())]);
}

/// A write that has timed out continues with the next call of the writer, of a clone, or of the
/// reader (F35).
#[test]
fn f35_a_timed_out_write_of_a_writer_continues() {
    for role in ROLES {
        for n in 0..7 {
            for next in 0..3 {
                let reads = ScriptedTransport::reading([frame(peer_of(role), 0x89, b"next")]);
                let writes =
                    ScriptedTransport::writing([Ok(n), Err(ErrorKind::TimedOut)].into_iter().skip(usize::from(n == 0)));
                let (mut reader, writer, record) = halves(open_over(role, ScriptedTransport::default()), reads, writes);
                assert!(is_timeout(&writer.send("first").unwrap_err()));
                let first = match next {
                    0 => writer.clone().send("next").map(|()| 0x81),
                    1 => writer.close(None, "").map(|()| 0x88),
                    _ => reader.recv_event().map(|_| 0x8A),
                };
                let written: Vec<u8> = record.try_iter().flatten().collect();
                let written = frames(role, &written);
                assert_eq!(written[0], (0x81, b"first".to_vec()), "{role:?}: {n}, {next}");
                assert_eq!(
                    (written.len(), written[1].0),
                    (2, first.unwrap()),
                    "{role:?}: {n}, {next}"
                );
            }
        }
    }
}

/// R093: a reply of the reader whose write has timed out continues with the next call. No reply and
/// no event is lost (F35).
#[test]
fn f35_a_timed_out_reply_of_a_reader_continues() {
    for role in ROLES {
        let peer = peer_of(role);
        for n in 0..4 {
            let reads = ScriptedTransport::reading([frame(peer, 0x89, b"ping"), frame(peer, 0x81, b"text")]);
            let writes = ScriptedTransport::writing(if n > 0 {
                vec![Ok(n), Err(ErrorKind::WouldBlock)]
            } else {
                vec![Err(ErrorKind::WouldBlock)]
            });
            let (mut reader, _writer, record) = halves(open_over(role, ScriptedTransport::default()), reads, writes);
            let mut messages = Vec::new();
            loop {
                match reader.recv() {
                    Ok(message) => messages.extend(message),
                    Err(Error::Protocol(error)) => {
                        assert_eq!(*error, ProtocolError::UnexpectedEof);
                        break;
                    }
                    Err(error) => assert!(is_timeout(&error), "{error:?}"),
                }
            }
            assert_eq!(messages, [text("text")], "{role:?}: {n}");
            let written: Vec<u8> = record.try_iter().flatten().collect();
            assert_eq!(frames(role, &written), [(0x8A, b"ping".to_vec())], "{role:?}: {n}");
        }
    }
}

/// R093: the event that caused the reply is not lost either.
#[test]
fn f35_a_timed_out_reply_of_a_reader_loses_no_event() {
    let reads = ScriptedTransport::reading([frame(Role::Client, 0x89, b"ping")]);
    let writes = ScriptedTransport::writing([Err(ErrorKind::WouldBlock)]);
    let (mut reader, writer, _record) = halves(open_over(Role::Server, ScriptedTransport::default()), reads, writes);
    let first = reader.recv_event();
    let event = match first {
        Ok(event) => event,
        Err(error) => {
            assert!(is_timeout(&error), "{error:?}");
            reader.recv_event().unwrap_or_default()
        }
    };
    assert_eq!(event, Some(Event::Ping(b"ping"[..].into())));
    drop(writer);
}

/// A transport whose first write blocks until it is released.
struct BlockedWrites {
    blocked: mpsc::Sender<()>,
    release: mpsc::Receiver<()>,
    is_released: bool,
}

impl Write for BlockedWrites {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.is_released {
            self.blocked.send(()).unwrap();
            self.release.recv().unwrap();
            self.is_released = true;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A transport that always has Pings to read, up to a number of them.
struct Pings {
    frame: Vec<u8>,
    remaining: usize,
    read: Arc<AtomicUsize>,
}

impl Read for Pings {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (buf.len() / self.frame.len()).min(self.remaining);
        for slot in buf.chunks_exact_mut(self.frame.len()).take(n) {
            slot.copy_from_slice(&self.frame);
        }
        self.remaining -= n;
        self.read.fetch_add(n, Ordering::SeqCst);
        Ok(n * self.frame.len())
    }
}

/// R096 R137: a writer is blocked by a peer that does not read, and the peer sends Pings without
/// end: the buffered Pongs are bounded, because the reader stops reading (F49).
#[test]
fn f49_a_ping_flood_is_bounded_while_the_writer_is_blocked() {
    const COUNT: usize = 64 << 10;
    let (blocked, is_blocked) = mpsc::channel();
    let (release_writes, release) = mpsc::channel();
    let read = Arc::new(AtomicUsize::new(0));
    let pings = Pings {
        frame: frame(Role::Client, 0x89, &[7; 125]),
        remaining: COUNT,
        read: Arc::clone(&read),
    };
    let writes = BlockedWrites {
        blocked,
        release,
        is_released: false,
    };
    let ws = open_over(Role::Server, ScriptedTransport::default());
    let (mut reader, writer) = ws.split_with(|_| Ok((pings, writes))).unwrap();
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || writer.send("waits").unwrap());
        is_blocked.recv_timeout(TEST_TIMEOUT).unwrap();
        scope.spawn(move || {
            while let Ok(Some(event)) = reader.recv_event() {
                assert!(matches!(event, Event::Ping(_)));
            }
            done.send(()).unwrap();
        });
        // After this, the reader has read everything or has stopped.
        let _done = is_done.recv_timeout(Duration::from_secs(1));
        let bytes = read.load(Ordering::SeqCst) * 131;
        release_writes.send(()).unwrap();
        assert!(
            bytes < 4 << 20,
            "{bytes} bytes of Pings were read while nothing was written"
        );
    });
}
