//! Deadlines of the blocking adapter, over TCP on the loopback interface. The timeouts are short,
//! and only their order matters.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Event, Message, Role,
    adapter::{
        Error, Settings,
        std_net::{self, WebSocket},
    },
    timers::{Due, Timeouts},
};
use support::{REQUEST, frame};

use super::{TEST_TIMEOUT, read_head};

const SHORT: Duration = Duration::from_millis(60);

fn settings(timeouts: Timeouts) -> Settings {
    Settings::new().timeouts(timeouts)
}

/// Short timeouts for the Ping and the Pong.
fn ping_and_pong() -> Timeouts {
    Timeouts::none().ping(SHORT).pong(SHORT)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Returns the TCP stream of a client whose handshake is done, and the server.
fn raw_client_and_server(settings: Settings) -> (TcpStream, WebSocket<TcpStream>) {
    let (mut client, server) = tcp_pair();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let server = std_net::incoming(server, settings)
        .unwrap()
        .accept(&Accept::new())
        .unwrap();
    read_head(&mut client);
    (client, server)
}

/// Asserts that the error is the given missed deadline.
fn assert_timed_out<T: std::fmt::Debug>(result: Result<T, Error>, expected: Due) {
    match result {
        Err(Error::TimedOut { due, .. }) => assert_eq!(due, expected),
        other => panic!("{other:?}"),
    }
}

/// Reads the Ping of the server and answers it.
fn answer_ping(client: &mut TcpStream) -> io::Result<()> {
    let mut ping = [0; 10];
    client.read_exact(&mut ping)?;
    assert_eq!(ping[..2], [0x89, 8]);
    let pong = [&[0x8A, 0x88, 0, 0, 0, 0], &ping[2..]].concat();
    client.write_all(&pong)
}

/// A peer that sends its request one byte at a time times out, and so does one that sends no
/// response: received bytes do not postpone the deadline.
#[test]
fn a_slow_handshake_times_out() {
    let limit = Timeouts::none().handshake(SHORT);
    let (mut slow_client, server) = tcp_pair();
    let sending = thread::spawn(move || {
        for byte in REQUEST.as_bytes().iter().cycle() {
            if slow_client.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(SHORT / 20);
        }
    });
    assert_timed_out(std_net::incoming(server, settings(limit)), Due::Handshake);
    sending.join().unwrap();

    let (client, _silent_server) = tcp_pair();
    let request = ClientRequest::new("ws://127.0.0.1/").unwrap();
    assert_timed_out(std_net::client(client, &request, settings(limit)), Due::Handshake);
}

/// A peer that does not answer a Ping times out, although it sends Pings and Pongs of its own.
#[test]
fn s5_5_2_a_silent_peer_times_out() {
    let (mut client, mut server) = raw_client_and_server(settings(ping_and_pong()));
    assert_timed_out(server.recv(), Due::Pong);
    // Later calls return the same error.
    assert_timed_out(server.recv(), Due::Pong);
    assert!(server.send("late").is_err());
    let mut ping = [0; 10];
    client.read_exact(&mut ping).unwrap();
    assert_eq!(ping[..2], [0x89, 8]);

    let (mut client, mut server) = raw_client_and_server(settings(ping_and_pong()));
    let flood = thread::spawn(move || {
        while client
            .write_all(&[0x89, 0x80, 0, 0, 0, 0, 0x8A, 0x80, 0, 0, 0, 0])
            .is_ok()
        {
            thread::sleep(SHORT / 50);
        }
    });
    assert_timed_out(server.recv(), Due::Pong);
    drop(server);
    flood.join().unwrap();
}

/// R208 (F63): The application sends Pings of its own beside those of the timers, and the peer
/// answers only the newest, never those of the timers. The connection stays open, whole and in
/// halves.
#[test]
fn f63_a_peer_that_answers_only_the_newest_ping_does_not_time_out() {
    /// One takes `SHORT`, so that all take longer than both timeouts together. Each timeout is long
    /// enough for a busy machine. (The test with a virtual clock checks the times exactly.)
    const ROUNDS: u32 = 20;
    let timeouts = Timeouts::none().ping(8 * SHORT).pong(8 * SHORT);
    for in_halves in [false, true] {
        let (mut client, mut server) = raw_client_and_server(settings(timeouts));
        let peer = thread::spawn(move || {
            let mut answered = 0;
            while answered < ROUNDS {
                let mut header = [0; 2];
                client.read_exact(&mut header).unwrap();
                let mut payload = vec![0; header[1].into()];
                client.read_exact(&mut payload).unwrap();
                if payload == b"mine" {
                    client.write_all(b"\x8A\x84\0\0\0\0mine").unwrap();
                    answered += 1;
                }
            }
            client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
            io::copy(&mut client, &mut io::sink()).unwrap();
        });
        if in_halves {
            let (mut reader, writer) = server.split().unwrap();
            let pinging = thread::spawn(move || {
                for _ in 0..ROUNDS {
                    writer.ping(b"mine").unwrap();
                    thread::sleep(SHORT);
                }
            });
            let end = reader.recv();
            assert_eq!(end.unwrap(), None);
            pinging.join().unwrap();
        } else {
            for _ in 0..ROUNDS {
                server.ping(b"mine").unwrap();
                assert!(matches!(server.recv_event().unwrap(), Some(Event::Pong(_))));
                thread::sleep(SHORT);
            }
            assert_eq!(server.recv().unwrap(), None);
        }
        peer.join().unwrap();
    }
}

/// A peer that answers Pings does not time out, and the round-trip time is measured.
#[test]
fn s5_5_3_a_peer_that_answers_pings_does_not_time_out() {
    let (mut client, mut server) = raw_client_and_server(settings(Timeouts::none().ping(SHORT).pong(TEST_TIMEOUT)));
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

/// A peer sends one large message, slowly, and answers no Ping until it is complete: that the
/// message grows proves that the peer is alive. If it stops, every call reports the missed
/// deadline, although the beginning of a message was read.
#[test]
fn a_message_that_grows_keeps_the_connection_open() {
    const PIECES: usize = 60;
    let timeouts = Timeouts::none().ping(SHORT).pong(Duration::from_millis(1000));
    let (mut client, mut server) = raw_client_and_server(settings(timeouts));
    let message = frame(Role::Client, 0x82, &[7; 3000]);
    thread::scope(|scope| {
        scope.spawn(|| {
            for piece in message.chunks(message.len().div_ceil(PIECES)) {
                client.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(30));
            }
            client.write_all(&message[..2000]).unwrap();
        });
        assert_eq!(server.recv().unwrap(), Some(Message::from(vec![7; 3000])));
        for _ in 0..3 {
            assert_timed_out(server.recv(), Due::Pong);
        }
    });
}

/// A connection without messages is closed. A peer that does not answer the Close frame times out.
#[test]
fn s7_1_1_an_idle_connection_is_closed() {
    let (mut client, mut server) = raw_client_and_server(settings(Timeouts::none().idle(SHORT).close(SHORT)));
    assert_timed_out(server.recv(), Due::Close);
    drop(server);
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, [&[0x88, 6, 0x03, 0xE9][..], b"idle"].concat());
}

/// A closing handshake that the peer does not complete times out, in a whole connection and in
/// halves.
#[test]
fn s7_1_1_an_unanswered_close_times_out() {
    let limit = Timeouts::none().close(SHORT);
    let (_silent, mut server) = raw_client_and_server(settings(limit));
    server.close(CloseCode::NORMAL, "").unwrap();
    assert_timed_out(server.recv(), Due::Close);

    let (_silent, server) = raw_client_and_server(settings(limit));
    let (mut reader, writer) = server.split().unwrap();
    let reading = thread::spawn(move || assert_timed_out(reader.recv(), Due::Close));
    thread::sleep(SHORT);
    writer.close(CloseCode::NORMAL, "").unwrap();
    reading.join().unwrap();
}

/// After the closing handshake, the peer does not close the transport: the connection ends without
/// an error.
#[test]
fn s7_1_1_a_transport_that_stays_open_after_a_clean_close_is_closed() {
    let (mut client, mut server) = raw_client_and_server(settings(Timeouts::none().close(SHORT)));
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(server.recv().unwrap(), None);
    assert!(server.close_status().unwrap().is_clean());
    drop(server);
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, [0x88, 0]);
}

/// F62: a server refuses, and is silent before the body is complete: at the deadline, the refusal
/// is reported. So it is after a timeout that the application has set.
#[test]
fn f62_a_refusal_is_reported_at_the_deadline() {
    for (limit, timeout) in [(SHORT, TEST_TIMEOUT), (TEST_TIMEOUT, SHORT)] {
        let (client, mut server) = tcp_pair();
        client.set_read_timeout(Some(timeout)).unwrap();
        let response = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\nsay";
        server.write_all(response.as_bytes()).unwrap();
        let request = ClientRequest::new("ws://127.0.0.1/").unwrap();
        let settings = settings(Timeouts::none().handshake(limit));
        let error = std_net::client(client, &request, settings).unwrap_err();
        let Error::Refused(refusal) = error else {
            panic!("{error:?}")
        };
        assert_eq!(refusal.response.status(), 401);
        assert_eq!((&refusal.body[..], refusal.is_complete), (&b"say"[..], false));
    }
}

/// F62: the peer has sent its Close frame and does not take the reply: every call reports the clean
/// end, and not the deadline.
#[test]
fn f62_a_clean_end_is_reported_again_after_a_missed_deadline() {
    let (mut client, mut server) = raw_client_and_server(settings(Timeouts::none().close(SHORT)));
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    // More than the peer's socket takes. It is written after the Close frame was received.
    let event = server.recv_event().unwrap();
    assert!(matches!(event, Some(Event::Close(None))), "{event:?}");
    let (_, out) = server.engine_mut();
    out.resize(64 << 20, 0);
    assert_eq!(server.recv().unwrap(), None);
    assert_eq!(server.recv().unwrap(), None);
    assert!(server.close_status().unwrap().is_clean());
    assert!(server.flush().is_err(), "not all was written");
}

/// F62: messages that were read are received although a writer has missed a deadline since.
#[test]
fn f62_messages_before_a_missed_deadline_are_received() {
    let (mut client, server) = raw_client_and_server(settings(ping_and_pong()));
    let (mut reader, writer) = server.split().unwrap();
    client.write_all(&[0x81, 0x80, 0, 0, 0, 0].repeat(3)).unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Message::from("")));
    assert!(writer.send(vec![7; 64 << 20]).is_err());
    for _ in 0..2 {
        assert_eq!(reader.recv().unwrap(), Some(Message::from("")));
    }
    assert_timed_out(reader.recv(), Due::Pong);
    assert_timed_out(reader.recv(), Due::Pong);
}

/// F67: after a clean end whose transport stays open, there is nothing left to write: a flush
/// succeeds, in a whole connection and in halves.
#[test]
fn f67_a_flush_after_a_clean_end_succeeds() {
    let limit = settings(Timeouts::none().close(SHORT));
    let (mut client, mut server) = raw_client_and_server(limit.clone());
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(server.recv().unwrap(), None);
    server.flush().unwrap();

    let (mut client, server) = raw_client_and_server(limit);
    let (mut reader, writer) = server.split().unwrap();
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(reader.recv().unwrap(), None);
    writer.flush().unwrap();
}

/// F74: two ends that both send much before they receive stand still until a Ping is not answered
/// in time, as `send` documents. With halves in two threads, both receive everything.
#[test]
fn f74_two_ends_that_only_send_time_out() {
    const LEN: usize = 32 << 20;
    let open = |timeouts| {
        let (client, server) = tcp_pair();
        let settings = |timeouts| settings(timeouts).config(Config::new().max_message_size(LEN as u64));
        thread::scope(|scope| {
            let client = scope.spawn(move || {
                let request = ClientRequest::new("ws://127.0.0.1/").unwrap();
                std_net::client(client, &request, settings(timeouts)).unwrap().0
            });
            let incoming = std_net::incoming(server, settings(timeouts)).unwrap();
            let server = incoming.accept(&Accept::new()).unwrap();
            [server, client.join().unwrap()]
        })
    };
    let large = vec![7; LEN];
    let timed_out = thread::scope(|scope| {
        let ends = open(ping_and_pong()).map(|mut ws| {
            let large = &large;
            scope.spawn(move || {
                assert!(ws.send(large).is_err());
                matches!(ws.recv(), Err(Error::TimedOut { due: Due::Pong, .. }))
            })
        });
        ends.map(|end| end.join().unwrap())
    });
    // The first to give up closes the connection, which the other may see first.
    assert!(timed_out.contains(&true), "{timed_out:?}");
    thread::scope(|scope| {
        for ws in open(Timeouts::default()) {
            let (mut reader, writer) = ws.split().unwrap();
            let large = &large;
            scope.spawn(move || {
                writer.send(large).unwrap();
                writer.close(CloseCode::NORMAL, "").ok();
            });
            scope.spawn(move || {
                assert_eq!(reader.recv().unwrap().unwrap().as_bytes().len(), LEN);
                assert_eq!(reader.recv().unwrap(), None);
            });
        }
    });
}

/// A peer that stops reading times out, in a whole connection and in halves. A peer that reads
/// slowly does not.
#[test]
fn a_peer_that_stops_reading_times_out() {
    let large = vec![7; 64 << 20];
    let (_silent, mut server) = raw_client_and_server(settings(ping_and_pong()));
    assert!(server.send(&large[..]).is_err());
    assert_timed_out(server.recv(), Due::Pong);

    let (_silent, server) = raw_client_and_server(settings(ping_and_pong()));
    let (mut reader, writer) = server.split().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert!(writer.send(&large[..]).is_err()));
        assert_timed_out(reader.recv(), Due::Pong);
    });

    let (mut client, mut server) = raw_client_and_server(settings(Timeouts::none().ping(5 * SHORT).pong(5 * SHORT)));
    thread::scope(|scope| {
        scope.spawn(|| server.send(&large[..]).unwrap());
        let (mut buffer, mut missing_bytes) = (vec![0; 1 << 20], large.len() + 10);
        let begun = Instant::now();
        while missing_bytes > 0 {
            missing_bytes -= client.read(&mut buffer).unwrap().min(missing_bytes);
            if begun.elapsed() < 20 * SHORT {
                thread::sleep(SHORT / 2);
            }
        }
    });
}

/// The same for a connection that has fed a message and receives.
#[test]
fn a_peer_that_stops_reading_times_out_while_receiving() {
    let (_silent, mut server) = raw_client_and_server(settings(ping_and_pong()));
    server.feed(vec![7; 30 << 20]).unwrap();
    assert_timed_out(server.recv(), Due::Pong);
    assert!(server.close_status().is_some() && server.feed("late").is_err());
}

/// A Pong has arrived and is not processed yet, and the deadline has passed: a `send` that waits
/// starts the timeout again.
#[test]
fn a_send_after_a_long_pause_restarts_the_timeout() {
    for halves in [false, true] {
        let (mut client, mut server) = raw_client_and_server(settings(Timeouts::none().ping(SHORT).pong(4 * SHORT)));
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

/// A Close frame that the application appends through `engine_mut` starts the deadline of the
/// close.
#[test]
fn s7_1_1_a_close_through_engine_mut_has_a_deadline() {
    let (_silent, mut server) = raw_client_and_server(settings(ping_and_pong().ping(TEST_TIMEOUT).close(SHORT)));
    let (engine, out) = server.engine_mut();
    engine.close(CloseCode::NORMAL, "", out).unwrap();
    assert_timed_out(server.recv(), Due::Close);
}

/// Halves do not take the timeout that the handshake has set on the socket for the timeout of its
/// owner.
#[test]
fn halves_wait_longer_than_the_handshake_timeout() {
    let (mut client, server) = raw_client_and_server(settings(Timeouts::none().handshake(SHORT).ping(TEST_TIMEOUT)));
    let (mut reader, _writer) = server.split().unwrap();
    let sending = thread::spawn(move || {
        thread::sleep(3 * SHORT);
        client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
        client
    });
    assert!(reader.recv().unwrap().is_some());
    drop(sending.join().unwrap());
}

/// On a nonblocking stream, a call returns `WouldBlock` at once and does not retry until the
/// deadline.
#[test]
fn a_nonblocking_stream_returns_would_block() {
    let (_silent, mut server) = raw_client_and_server(Settings::default());
    server.get_ref().set_nonblocking(true).unwrap();
    let begun = Instant::now();
    assert!(matches!(server.recv(), Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the call returned before the deadline"
    );
}

/// `into_parts` restores the timeouts that the owner of the stream has set.
#[test]
fn into_parts_restores_the_owners_timeouts() {
    for owners in [None, Some(TEST_TIMEOUT)] {
        let (mut client, mut server) = raw_client_and_server(Settings::default());
        server.get_ref().set_read_timeout(owners).unwrap();
        client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).unwrap();
        server.recv().unwrap();
        server.send("bcd").unwrap();
        let tcp = server.into_parts().transport;
        assert_eq!(
            (tcp.read_timeout().unwrap(), tcp.write_timeout().unwrap()),
            (owners, None)
        );
    }
}

/// Timeouts of `Duration::MAX` do not overflow.
#[test]
fn the_longest_timeouts_do_not_overflow() {
    let longest = Duration::MAX;
    let timeouts = Timeouts::new()
        .handshake(longest)
        .ping(longest)
        .pong(longest)
        .idle(longest)
        .close(longest);
    let (mut client, mut server) = raw_client_and_server(settings(timeouts));
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

/// The timeout that the owner of the stream has set limits one call. The connection stays open.
#[test]
fn the_owners_timeout_limits_one_call() {
    let (mut client, mut server) = raw_client_and_server(Settings::default());
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

    // The deadline of the Ping passes before the owner's timeout does.
    let (_silent, mut server) = raw_client_and_server(settings(Timeouts::none().ping(9 * SHORT).pong(TEST_TIMEOUT)));
    server.get_ref().set_read_timeout(Some(10 * SHORT)).unwrap();
    let begun = Instant::now();
    assert!(matches!(server.recv(), Err(Error::Io(_))));
    let waited = begun.elapsed();
    assert!(waited >= 10 * SHORT && waited < 17 * SHORT, "{waited:?}");
}

/// The deadline of the handshake includes the time to connect.
#[test]
fn connecting_times_out() {
    // The listener accepts nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = ClientRequest::new(&format!("ws://{}/", listener.local_addr().unwrap())).unwrap();
    let limit = settings(Timeouts::none().handshake(SHORT));
    // The kernel may complete the connection; the server does not answer.
    assert_timed_out(std_net::connect_with(&request, limit), Due::Handshake);
}
