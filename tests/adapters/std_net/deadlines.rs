//! The deadlines of the blocking adapter, over TCP on the loopback interface. Times are short, and only their order counts.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use sockless::{
    Accept, ClientRequest, CloseCode, Event, Message,
    adapter::{
        Error, Settings,
        std_net::{self, WebSocket},
    },
    timers::{Due, Timeouts},
};
use support::REQUEST;

use super::{PATIENCE, skip_head};

const SHORT: Duration = Duration::from_millis(60);

fn settings(timeouts: Timeouts) -> Settings {
    Settings::new().timeouts(timeouts)
}

fn silent_peers() -> Timeouts {
    Timeouts::none().ping(SHORT).pong(SHORT)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, listener.accept().unwrap().0)
}

/// A client by hand behind its handshake, and a server.
fn by_hand(settings: Settings) -> (TcpStream, WebSocket<TcpStream>) {
    let (mut client, server) = tcp_pair();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let server = std_net::incoming(server, settings)
        .unwrap()
        .accept(&Accept::new())
        .unwrap();
    skip_head(&mut client);
    (client, server)
}

fn timed_out<T: std::fmt::Debug>(result: Result<T, Error>, expected: Due) {
    match result {
        Err(Error::TimedOut(due)) => assert_eq!(due, expected),
        other => panic!("{other:?}"),
    }
}

/// A ping by which a server keeps a connection alive, answered by hand.
fn answer_ping(client: &mut TcpStream) -> io::Result<()> {
    let mut ping = [0; 10];
    client.read_exact(&mut ping)?;
    assert_eq!(ping[..2], [0x89, 8]);
    let pong = [&[0x8A, 0x88, 0, 0, 0, 0], &ping[2..]].concat();
    client.write_all(&pong)
}

/// A peer that drips its request, or its answer, is given up: no byte puts the deadline off.
#[test]
fn f18_a_handshake_takes_no_longer_than_it_may() {
    let limit = Timeouts::none().handshake(SHORT);
    let (mut dripping, server) = tcp_pair();
    let drip = thread::spawn(move || {
        for byte in REQUEST.as_bytes().iter().cycle() {
            if dripping.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(SHORT / 20);
        }
    });
    timed_out(std_net::incoming(server, settings(limit)), Due::Handshake);
    drip.join().unwrap();

    let (client, _silent) = tcp_pair();
    let request = ClientRequest::new("ws://127.0.0.1/").unwrap();
    timed_out(std_net::client(client, &request, settings(limit)), Due::Handshake);
}

/// A peer that falls silent is noticed after a Ping, though it floods us with pings and pongs of its own.
#[test]
fn s5_5_2_a_silent_peer_is_given_up() {
    let (mut client, mut server) = by_hand(settings(silent_peers()));
    timed_out(server.recv(), Due::Pong);
    // The outcome is the same for one who asks again.
    timed_out(server.recv(), Due::Pong);
    assert!(server.send("late").is_err());
    let mut ping = [0; 10];
    client.read_exact(&mut ping).unwrap();
    assert_eq!(ping[..2], [0x89, 8]);

    let (mut client, mut server) = by_hand(settings(silent_peers()));
    let flood = thread::spawn(move || {
        while client
            .write_all(&[0x89, 0x80, 0, 0, 0, 0, 0x8A, 0x80, 0, 0, 0, 0])
            .is_ok()
        {
            thread::sleep(SHORT / 50);
        }
    });
    timed_out(server.recv(), Due::Pong);
    drop(server);
    flood.join().unwrap();
}

/// One that answers is kept, and the time it takes is known.
#[test]
fn s5_5_3_a_peer_that_answers_is_kept() {
    let (mut client, mut server) = by_hand(settings(Timeouts::none().ping(SHORT).pong(PATIENCE)));
    let answers = thread::spawn(move || {
        for _ in 0..3 {
            answer_ping(&mut client).unwrap();
        }
        client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
        client
    });
    assert_eq!(server.recv().unwrap(), Some(Message::from("")));
    assert!(server.round_trip().is_some());
    drop(answers.join().unwrap());
}

/// A peer from which no message comes is asked to go, whatever pongs it sends; and one that does not answer the Close
/// does not hold the connection.
#[test]
fn s7_1_1_an_idle_connection_is_closed() {
    let (mut client, mut server) = by_hand(settings(Timeouts::none().idle(SHORT).close(SHORT)));
    timed_out(server.recv(), Due::Close);
    drop(server);
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, [&[0x88, 6, 0x03, 0xE9][..], b"idle"].concat());
}

/// A closing handshake that the peer does not finish ends all the same, in one thread and in two.
#[test]
fn s7_1_1_a_slow_close_ends() {
    let limit = Timeouts::none().close(SHORT);
    let (_silent, mut server) = by_hand(settings(limit));
    server.close(CloseCode::NORMAL, "").unwrap();
    timed_out(server.recv(), Due::Close);

    let (_silent, server) = by_hand(settings(limit));
    let (mut reader, writer) = server.split().unwrap();
    let reading = thread::spawn(move || timed_out(reader.recv(), Due::Close));
    thread::sleep(SHORT);
    writer.close(CloseCode::NORMAL, "").unwrap();
    reading.join().unwrap();
}

/// A peer that has closed in an orderly way and keeps its side of the transport open is left behind, without an error.
#[test]
fn s7_1_1_a_transport_that_stays_open_is_left() {
    let (mut client, mut server) = by_hand(settings(Timeouts::none().close(SHORT)));
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(server.recv().unwrap(), None);
    assert!(server.close_status().unwrap().is_clean());
    drop(server);
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, [0x88, 0]);
}

/// One that does not read is given up, in one thread and in two; one that reads slowly is not.
#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let large = vec![7; 64 << 20];
    let (_silent, mut server) = by_hand(settings(silent_peers()));
    assert!(server.send(&large[..]).is_err());
    timed_out(server.recv(), Due::Pong);

    let (_silent, server) = by_hand(settings(silent_peers()));
    let (mut reader, writer) = server.split().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert!(writer.send(&large[..]).is_err()));
        timed_out(reader.recv(), Due::Pong);
    });

    let (mut client, mut server) = by_hand(settings(Timeouts::none().ping(5 * SHORT).pong(5 * SHORT)));
    thread::scope(|scope| {
        scope.spawn(|| server.send(&large[..]).unwrap());
        let (mut sink, mut left) = (vec![0; 1 << 20], large.len() + 10);
        let begun = Instant::now();
        while left > 0 {
            left -= client.read(&mut sink).unwrap().min(left);
            if begun.elapsed() < 20 * SHORT {
                thread::sleep(SHORT / 2);
            }
        }
    });
}

/// The same for one who feeds a message and goes on receiving.
#[test]
fn a_peer_that_does_not_read_is_given_up_while_receiving() {
    let (_silent, mut server) = by_hand(settings(silent_peers()));
    server.feed(vec![7; 30 << 20]).unwrap();
    timed_out(server.recv(), Due::Pong);
    assert!(server.close_status().is_some() && server.feed("late").is_err());
}

/// A Pong that has arrived counts, though it lies behind what is not received yet: who sends after a long pause does not give
/// the peer up at once.
#[test]
fn a_pong_may_be_behind_a_pause() {
    for halves in [false, true] {
        let (mut client, mut server) = by_hand(settings(Timeouts::none().ping(SHORT).pong(4 * SHORT)));
        let peer = thread::spawn(move || {
            let mut ping = [0; 10];
            client.read_exact(&mut ping).unwrap();
            // A message, and then the Pong.
            client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
            client
                .write_all(&[&[0x8A, 0x88, 0, 0, 0, 0], &ping[2..]].concat())
                .unwrap();
            thread::sleep(9 * SHORT);
            io::copy(&mut client.take(30 << 20), &mut io::sink()).unwrap()
        });
        let large = vec![7; 30 << 20];
        assert!(server.recv().unwrap().is_some());
        thread::sleep(8 * SHORT);
        if halves {
            let (_reader, writer) = server.split().unwrap();
            writer.send(&large[..]).unwrap();
            assert_eq!(peer.join().unwrap(), 30 << 20);
        } else {
            server.send(&large[..]).unwrap();
            assert_eq!(peer.join().unwrap(), 30 << 20);
        }
    }
}

/// A Close that was put into the output by hand is one.
#[test]
fn s7_1_1_a_close_by_hand_has_its_deadline() {
    let (_silent, mut server) = by_hand(settings(silent_peers().ping(PATIENCE).close(SHORT)));
    let (engine, out) = server.engine_mut();
    engine.close(CloseCode::NORMAL, "", out).unwrap();
    timed_out(server.recv(), Due::Close);
}

/// Halves do not take what was set before for their owner's.
#[test]
fn halves_wait_longer_than_the_handshake() {
    let (mut client, server) = by_hand(settings(Timeouts::none().handshake(SHORT).ping(PATIENCE)));
    let (mut reader, _writer) = server.split().unwrap();
    let late = thread::spawn(move || {
        thread::sleep(3 * SHORT);
        client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
        client
    });
    assert!(reader.recv().unwrap().is_some());
    drop(late.join().unwrap());
}

/// A stream that was set not to block does not, and is not asked again and again.
#[test]
fn a_stream_that_does_not_block_says_so() {
    let (_silent, mut server) = by_hand(Settings::default());
    server.get_ref().set_nonblocking(true).unwrap();
    let begun = Instant::now();
    assert!(matches!(server.recv(), Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock));
    assert!(begun.elapsed() < Duration::from_secs(5), "not at the deadline");
}

/// A stream that is handed back is as it was.
#[test]
fn a_stream_goes_back_with_its_owners_timeouts() {
    for owners in [None, Some(PATIENCE)] {
        let (mut client, mut server) = by_hand(Settings::default());
        server.get_ref().set_read_timeout(owners).unwrap();
        client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
        server.recv().unwrap();
        server.send("bcd").unwrap();
        let (tcp, _) = server.into_parts();
        assert_eq!(
            (tcp.read_timeout().unwrap(), tcp.write_timeout().unwrap()),
            (owners, None)
        );
    }
}

/// No deadline is too far away.
#[test]
fn the_longest_timeouts_overflow_nothing() {
    let longest = Duration::MAX;
    let timeouts = Timeouts::new()
        .handshake(longest)
        .ping(longest)
        .pong(longest)
        .idle(longest)
        .close(longest);
    let (mut client, mut server) = by_hand(settings(timeouts));
    client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
    assert!(server.recv().unwrap().is_some());
    let (mut reader, writer) = server.split().unwrap();
    client
        .write_all(&[0x81, 0x80, 0, 0, 0, 0, 0x88, 0x80, 0, 0, 0, 0])
        .unwrap();
    drop(client);
    assert!(reader.recv().unwrap().is_some());
    assert!(reader.recv().unwrap().is_none());
    assert!(writer.send("late").is_err());
}

/// The owner's own timeouts limit a call, and no more than that.
#[test]
fn the_owners_timeouts_stay() {
    let (mut client, mut server) = by_hand(Settings::default());
    server.get_ref().set_read_timeout(Some(SHORT)).unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        match server.recv() {
            Err(Error::Io(error)) => assert!(matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            )),
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() >= SHORT);
    }
    client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
    assert!(matches!(server.recv_event().unwrap(), Some(Event::Text(_))));

    // Together with a deadline that comes first, and moves away.
    let (_silent, mut server) = by_hand(settings(Timeouts::none().ping(9 * SHORT).pong(PATIENCE)));
    server.get_ref().set_read_timeout(Some(10 * SHORT)).unwrap();
    let begun = Instant::now();
    assert!(matches!(server.recv(), Err(Error::Io(_))));
    let waited = begun.elapsed();
    assert!(waited >= 10 * SHORT && waited < 17 * SHORT, "{waited:?}");
}

/// A host that does not answer: the deadline of the handshake holds for the connecting too.
#[test]
fn a_client_does_not_wait_for_a_connection_longer_than_it_may() {
    // A backlog that is full, and nobody who accepts: further connections are not answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = ClientRequest::new(&format!("ws://{}/", listener.local_addr().unwrap())).unwrap();
    let limit = settings(Timeouts::none().handshake(SHORT));
    // Connected or not, there is no answer.
    timed_out(std_net::connect_with(&request, limit), Due::Handshake);
}
