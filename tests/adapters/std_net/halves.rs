//! The two halves of a connection, over TCP.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    num::NonZeroUsize,
    sync::Barrier,
    thread,
    time::Duration,
};

use sockless::{
    Accept, CloseCode, Config, Event, Message, Role, SendError,
    adapter::{AsMessage, Error, std_net},
};
use support::{REQUEST, frame, frames, reserved_opcode};

use super::{
    accept_tcp, binary, close, closed_with, listen, pair, raw_client_and_server, read_head, received, text,
    with_timeouts,
};

/// R077 R093: thousands of messages and Pings in both directions at the same time: none is lost or
/// duplicated, and all are in order.
#[test]
fn halves_transfer_messages_in_both_directions() {
    const COUNT: usize = 3000;
    let (client, server) = pair();
    let (mut client, mut server) = (client.split().unwrap(), server.split().unwrap());
    thread::scope(|scope| {
        for (reader, writer) in [&mut client, &mut server] {
            scope.spawn(|| {
                for i in 0..COUNT {
                    if i % 10 == 0 {
                        writer.ping(&i.to_be_bytes()).unwrap();
                    }
                    // Mostly short messages, and a few long ones.
                    let size = if i % 100 == 0 { 50_000 } else { i % 300 };
                    writer.send([&i.to_be_bytes()[..], &vec![7; size]].concat()).unwrap();
                }
            });
            scope.spawn(|| {
                let (mut messages, mut pongs, mut pings) = (0_usize, 0, 0);
                while (messages, pings, pongs) != (COUNT, COUNT / 10, COUNT / 10) {
                    match reader.recv_event().unwrap().unwrap() {
                        Event::Binary(data) => {
                            assert_eq!(&data[..8], messages.to_be_bytes());
                            messages += 1;
                        }
                        Event::Ping(data) => {
                            assert_eq!(&data[..], (10 * pings).to_be_bytes());
                            pings += 1;
                        }
                        Event::Pong(data) => {
                            assert_eq!(&data[..], (10 * pongs).to_be_bytes());
                            pongs += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    client.1.close(CloseCode::NORMAL, "").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.0.recv().unwrap(), None));
        assert_eq!(client.0.recv().unwrap(), None);
    });
    assert!(client.0.close_status().unwrap().is_clean() && server.0.close_status().unwrap().is_clean());
}

/// A message that waits at the barrier when it is about to be sent.
struct SynchronizedMessage<'a>(&'a [u8], &'a Barrier);

impl AsMessage for SynchronizedMessage<'_> {
    fn as_message(&self) -> Message<'_> {
        self.1.wait();
        Message::from(self.0)
    }
}

/// Two ends that send a large message each at the same time do not block each other: the readers
/// read while the writers wait.
#[test]
fn halves_exchange_large_messages() {
    let large = vec![7; 8 << 20];
    for round in 0..8 {
        let (client, server) = pair();
        let barriers = [Barrier::new(2), Barrier::new(2)];
        thread::scope(|scope| {
            for (ws, barrier) in [client, server].into_iter().zip(&barriers) {
                // A deadlock ends with this timeout.
                ws.get_ref().set_write_timeout(Some(Duration::from_secs(20))).unwrap();
                let (mut reader, writer) = ws.split().unwrap();
                let large = &large[..];
                scope.spawn(move || writer.send(SynchronizedMessage(large, barrier)).unwrap());
                scope.spawn(move || {
                    barrier.wait();
                    let message = reader.recv().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                    assert!(message == Some(binary(large)), "round {round}");
                });
            }
        });
    }
}

/// R093: a reading half answers Pings and the Close frame, whether the writing half exists or not.
#[test]
fn a_reader_answers_pings_and_the_close() {
    for has_writer in [true, false] {
        let (mut client, server) = pair();
        let (mut reader, writer) = server.split().unwrap();
        let writer = has_writer.then_some(writer);
        thread::scope(|scope| {
            scope.spawn(move || {
                assert_eq!(reader.recv().unwrap(), Some(text("text")));
                assert_eq!(reader.recv().unwrap(), None);
                assert_eq!(reader.recv().unwrap(), None, "the reader stays at its end");
            });
            for i in 0..100 {
                client.ping(&[i]).unwrap();
                assert_eq!(client.recv_event().unwrap(), Some(Event::Pong(vec![i].into())));
            }
            client.send("text").unwrap();
            client.close(CloseCode::NORMAL, "").unwrap();
            assert_eq!(client.recv().unwrap(), None);
            assert!(client.close_status().unwrap().is_clean());
        });
        if let Some(writer) = writer {
            let error = writer.send("late").unwrap_err();
            assert!(matches!(error, Error::Send(SendError::Closing)), "{error:?}");
        }
    }
}

/// R077: clones of a writer write whole messages: none is interleaved with another, and those of
/// each clone are in order.
#[test]
fn cloned_writers_write_whole_messages() {
    const COUNT: u32 = 500;
    let (mut client, server) = pair();
    let (mut reader, writer) = server.split().unwrap();
    thread::scope(|scope| {
        for name in 0..4_u8 {
            let writer = writer.clone();
            scope.spawn(move || {
                for i in 0..COUNT {
                    let fill = vec![name; (i % 200) as usize];
                    writer.send([&[name][..], &i.to_be_bytes(), &fill].concat()).unwrap();
                }
            });
        }
        let mut counts = [0_u32; 4];
        for _ in 0..4 * COUNT {
            let Some(Message::Binary(data)) = client.recv().unwrap() else {
                panic!("no binary message");
            };
            let name = data[0];
            assert_eq!(data[1..5], counts[usize::from(name)].to_be_bytes());
            assert!(data[5..].iter().all(|byte| *byte == name));
            counts[usize::from(name)] += 1;
        }
        assert_eq!(counts, [COUNT; 4]);
        scope.spawn(move || assert_eq!(reader.recv().unwrap(), None));
        writer.close(CloseCode::NORMAL, "done").unwrap();
        assert_eq!(client.recv().unwrap(), None);
    });
    assert_eq!(client.close_status().unwrap().reason(), "done");
}

/// R091 R115: when the writer closes, the reader receives the end. When the peer closes, the writer
/// can send nothing more.
#[test]
fn halves_close_from_either_side() {
    let (mut client, server) = pair();
    let (mut reader, writer) = server.split().unwrap();
    writer.close(CloseCode(4001), "by the writer").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(closed_with(&client.recv()), Some(CloseCode(4001))));
        assert_eq!(reader.recv().unwrap(), None);
    });
    assert!(reader.close_status().unwrap().is_clean());
    assert_eq!(client.close_status().unwrap().code(), CloseCode(4001));

    let (client, mut server) = pair();
    let (mut reader, writer) = client.split().unwrap();
    server.close(CloseCode(4002), "by the peer").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.recv().unwrap(), None));
        assert_eq!(closed_with(&reader.recv()), Some(CloseCode(4002)));
    });
    assert_eq!(reader.close_status().unwrap().code(), CloseCode(4002));
    assert!(matches!(writer.close(None, ""), Err(Error::Send(SendError::Closing))));
}

/// R112 R113: when the reader finds a violation, it sends a Close frame, and the writer can send
/// nothing more.
#[test]
fn a_violation_fails_both_halves() {
    let (mut client, server) = raw_client_and_server();
    let (mut reader, writer) = server.split().unwrap();
    client.write_all(&frame(Role::Client, 0x83, b"")).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..2 {
                assert_eq!(received(reader.recv()), Err(reserved_opcode(0x83)));
            }
            assert!(matches!(writer.send("x"), Err(Error::Send(SendError::Closing))));
        });
        let mut sent = Vec::new();
        client.read_to_end(&mut sent).unwrap();
        assert_eq!(frames(Role::Server, &sent), [(0x88, vec![0x03, 0xEA])]);
        drop(client);
    });
}

/// R089 R106: the peer closes while the other thread is writing a large message: the message and
/// then the Close frame in reply are written before the transport is closed.
#[test]
fn s5_5_1_the_close_reply_is_written_after_the_current_message() {
    let (client, server) = raw_client_and_server();
    let (mut reader, writer) = server.split().unwrap();
    let large = vec![7; 16 << 20];
    thread::scope(|scope| {
        let large = &large[..];
        scope.spawn(move || writer.send(large));
        // After the first byte of the message, the writer is writing and cannot finish before the
        // peer reads.
        client.peek(&mut [0]).unwrap();
        scope.spawn(move || reader.recv());
        (&client).write_all(&close(Role::Client, 1000)).unwrap();
        thread::sleep(Duration::from_millis(300));
        let mut bytes = Vec::new();
        (&client).read_to_end(&mut bytes).unwrap();
        client.shutdown(Shutdown::Both).unwrap();
        assert!(
            bytes.len() > large.len(),
            "received {} bytes of a message of {}",
            bytes.len(),
            large.len()
        );
        let found = frames(Role::Server, &bytes);
        assert!(found == [(0x82, large.to_vec()), (0x88, vec![0x03, 0xE8])]);
    });
}

/// F73: A Ping that arrives while the writer sends a large message in fragments is answered between
/// these, although the transport takes no more for a while.
#[test]
fn f73_a_pong_leaves_between_fragments() {
    const LEN: usize = 32 << 20;
    let (listener, _) = listen();
    let mut client = with_timeouts(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    client.write_all(REQUEST.as_bytes()).unwrap();
    let config = Config::new().fragment_size(NonZeroUsize::new(1000));
    let incoming = std_net::incoming(accept_tcp(&listener), config).unwrap();
    let (mut reader, writer) = incoming.accept(&Accept::new()).unwrap().split().unwrap();
    read_head(&mut client);
    thread::scope(|scope| {
        scope.spawn(|| writer.send(vec![7; LEN]).unwrap());
        // The writer has begun, and waits: the client does not read on.
        let mut begin = [0; 4];
        client.read_exact(&mut begin).unwrap();
        client.write_all(&frame(Role::Client, 0x89, b"?")).unwrap();
        assert!(matches!(reader.recv_event().unwrap(), Some(Event::Ping(_))));
        let mut output = begin.to_vec();
        let len = LEN.div_ceil(1000) * 4 + LEN + 3;
        (&client).take(len as u64 - 4).read_to_end(&mut output).unwrap();
        // The last fragment is shorter than 1000 bytes, and its header is of the same length.
        let sent = frames(Role::Server, &output);
        let pong = sent.iter().position(|(first, _)| *first == 0x8A).unwrap();
        assert_eq!(sent[pong].1, b"?");
        assert!(pong < sent.len() / 2, "the Pong is frame {pong} of {}", sent.len());
        let data = sent.iter().filter(|(first, _)| first & 8 == 0);
        assert_eq!(data.map(|(_, data)| data.len()).sum::<usize>(), LEN);
    });
}
