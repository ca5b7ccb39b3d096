//! The two halves, over scripted transports.

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

use super::{PATIENCE, Script, is_timeout, over, received, text};

/// One direction of a transport: what is read, or a record of what was written.
struct Half(Script, Option<mpsc::Sender<Vec<u8>>>);

impl Read for Half {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Half {
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

/// Halves over scripts, and a record of what they write.
fn halves(
    ws: WebSocket<Script>,
    reads: Script,
    writes: Script,
) -> (
    std_net::Reader<Half, Half>,
    std_net::Writer<Half>,
    mpsc::Receiver<Vec<u8>>,
) {
    let (sender, record) = mpsc::channel();
    let (reader, writer) = ws
        .split_with(|_| Ok((Half(reads, None), Half(writes, Some(sender)))))
        .unwrap();
    (reader, writer, record)
}

/// R104: halves over any pair of streams; what was read before the split is not lost.
#[test]
fn halves_over_any_streams() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [frame(peer, 0x81, b"one"), frame(peer, 0x81, b"two")].concat();
        let mut ws = over(role, Script::reading([input]));
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        let reads = Script::reading(frame(peer, 0x81, b"three").chunks(2).map(<[u8]>::to_vec));
        let (mut reader, writer, record) = halves(ws, reads, Script::writing(vec![Ok(1); 8]));
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

/// What was fed before the split is written before the reader blocks, as [`WebSocket::recv`] does it.
#[test]
fn halves_write_what_was_fed_before() {
    let mut ws = over(Role::Server, Script::default());
    ws.feed("fed").unwrap();
    let (mut reader, _writer, record) = halves(ws, Script::default(), Script::default());
    assert_eq!(received(reader.recv()), Err(ProtocolError::UnexpectedEof));
    let written: Vec<u8> = record.try_iter().flatten().collect();
    assert_eq!(frames(Role::Server, &written), [(0x81, b"fed".to_vec())]);
}

/// A writer that is interrupted goes on with the next command of any of its clones, or of the reader (F35).
#[test]
fn f35_an_interrupted_writer_goes_on_where_it_stopped() {
    for role in ROLES {
        for n in 0..7 {
            for next in 0..3 {
                let reads = Script::reading([frame(peer_of(role), 0x89, b"next")]);
                let writes = Script::writing([Ok(n), Err(ErrorKind::TimedOut)].into_iter().skip(usize::from(n == 0)));
                let (mut reader, writer, record) = halves(over(role, Script::default()), reads, writes);
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

/// R093: a reply of the reader that is interrupted goes on when it reads on; none is lost, and no event with it (F35).
#[test]
fn f35_an_interrupted_reply_of_a_reader_goes_on() {
    for role in ROLES {
        let peer = peer_of(role);
        for n in 0..4 {
            let reads = Script::reading([frame(peer, 0x89, b"ping"), frame(peer, 0x81, b"text")]);
            let writes = Script::writing(if n > 0 {
                vec![Ok(n), Err(ErrorKind::WouldBlock)]
            } else {
                vec![Err(ErrorKind::WouldBlock)]
            });
            let (mut reader, _writer, record) = halves(over(role, Script::default()), reads, writes);
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

/// R093: neither is the event lost that the reply answers.
#[test]
fn f35_an_interrupted_reply_of_a_reader_loses_no_event() {
    let reads = Script::reading([frame(Role::Client, 0x89, b"ping")]);
    let writes = Script::writing([Err(ErrorKind::WouldBlock)]);
    let (mut reader, writer, _record) = halves(over(Role::Server, Script::default()), reads, writes);
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

/// A transport whose writes wait until they are let go.
struct Gate {
    entered: mpsc::Sender<()>,
    open: mpsc::Receiver<()>,
    is_open: bool,
}

impl Write for Gate {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.is_open {
            self.entered.send(()).unwrap();
            self.open.recv().unwrap();
            self.is_open = true;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// So many bytes of pings, as fast as they are read.
struct Pings {
    frame: Vec<u8>,
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl Read for Pings {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (buf.len() / self.frame.len()).min(self.left);
        for slot in buf.chunks_exact_mut(self.frame.len()).take(n) {
            slot.copy_from_slice(&self.frame);
        }
        self.left -= n;
        self.taken.fetch_add(n, Ordering::SeqCst);
        Ok(n * self.frame.len())
    }
}

/// R096 R137: while the writer waits for a peer that does not read, a flood of pings from it does not fill the memory: the
/// reader stops reading when there is much to write (F49).
#[test]
fn f49_a_flood_of_pings_while_the_writer_waits() {
    const COUNT: usize = 64 << 10;
    let (entered, has_entered) = mpsc::channel();
    let (open_gate, gate) = mpsc::channel();
    let taken = Arc::new(AtomicUsize::new(0));
    let pings = Pings {
        frame: frame(Role::Client, 0x89, &[7; 125]),
        left: COUNT,
        taken: Arc::clone(&taken),
    };
    let gate = Gate {
        entered,
        open: gate,
        is_open: false,
    };
    let ws = over(Role::Server, Script::default());
    let (mut reader, writer) = ws.split_with(|_| Ok((pings, gate))).unwrap();
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || writer.send("waits").unwrap());
        has_entered.recv_timeout(PATIENCE).unwrap();
        scope.spawn(move || {
            while let Ok(Some(event)) = reader.recv_event() {
                assert!(matches!(event, Event::Ping(_)));
            }
            done.send(()).unwrap();
        });
        // Either it has read everything by now, or it has stopped.
        let _done = is_done.recv_timeout(Duration::from_secs(1));
        let bytes = taken.load(Ordering::SeqCst) * 131;
        open_gate.send(()).unwrap();
        assert!(
            bytes < 4 << 20,
            "{bytes} bytes of pings were read and answered while nothing was written"
        );
    });
}
