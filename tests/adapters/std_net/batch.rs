//! `recv_batch`: the messages of one read, borrowed, with the output for their answers.

use std::io::{self, ErrorKind};

use sockless::{
    CloseCode, Delivery, Message, PreparedMessage, Role, SendError,
    adapter::{Error, Settings, std_net::WebSocket},
};
use support::{ROLES, frame, frames, open, peer_of, reserved_opcode};

use super::{
    super::{echo, texts},
    ScriptedTransport, close, io_kind, is_timeout, open_over,
    shared_script::{reads, whole},
    text,
};

/// Receives in batches until the end, and answers. Returns how many messages each batch had.
fn echo_all(ws: &mut WebSocket<ScriptedTransport>) -> Vec<usize> {
    let mut batches = Vec::new();
    while let Some(count) = ws.recv_batch(echo).unwrap() {
        batches.push(count);
    }
    batches
}

/// R104: each message is passed once and in order, and its answer sent, whatever the reads; those
/// of one read are one batch, and their answers one write.
#[test]
fn s6_2_short_reads_yield_the_same_batches() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            texts(peer, &["one", "aé€😀", ""]),
            frame(peer, 0x02, &[7; 200]),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, &[8; 100]),
            texts(peer, &["last"]),
            close(peer, 1000),
        ]
        .concat();
        for piece in (1..40).chain([100, input.len()]) {
            let script = ScriptedTransport::reading(input.chunks(piece).map(<[u8]>::to_vec));
            let mut ws = open_over(role, script);
            let batches = echo_all(&mut ws);
            assert_eq!(batches.iter().sum::<usize>(), 5, "{piece}");
            if piece == input.len() {
                assert_eq!((batches, ws.get_ref().write_calls), (vec![3, 2], 2), "at the Ping");
            }
            let written = frames(role, &ws.get_ref().written);
            let data: Vec<_> = written.iter().filter(|(first, _)| first & 8 == 0).collect();
            let sent = [
                &b"one"[..],
                "aé€😀".as_bytes(),
                b"",
                &[&[7; 200][..], &[8; 100]].concat(),
                b"last",
            ];
            assert!(data.iter().map(|(_, data)| &data[..]).eq(sent), "{piece}: {data:?}");
            assert_eq!(written.last().unwrap().0, 0x88);
            assert!(ws.close_status().unwrap().is_clean());
        }
    }
}

/// Messages before an error or a Close frame are passed and answered; then the end is what `recv`
/// returns, as often as it is asked for.
#[test]
fn the_end_comes_after_the_batch() {
    for (last, code) in [
        (close(Role::Client, 1000), 1000_u16),
        (close(Role::Client, 1011), 1011),
        (frame(Role::Client, 0x83, b""), 1002),
        (frame(Role::Client, 0x81, b"\xFF"), 1007),
        (Vec::new(), 0),
    ] {
        let input = [texts(Role::Client, &["one", "two"]), last].concat();
        let mut ws = open_over(Role::Server, ScriptedTransport::reading([input]));
        assert_eq!(ws.recv_batch(echo).unwrap(), Some(2));
        for _ in 0..2 {
            let ended = ws.recv_batch(|_, _| panic!("there is no message"));
            match (code, ended) {
                (1000, Ok(None)) => {}
                (1011, Err(Error::Closed(status))) => assert_eq!(status.code(), CloseCode::INTERNAL_ERROR),
                (1002, Err(Error::Protocol(error))) => assert_eq!(*error, reserved_opcode(0x83)),
                (0 | 1007, Err(Error::Protocol(_))) => {}
                (_, other) => panic!("{code}: {other:?}"),
            }
        }
        let written = frames(Role::Server, &ws.get_ref().written);
        assert_eq!(written[0], (0x81, b"one".to_vec()));
        assert_eq!(written[1], (0x81, b"two".to_vec()));
        match code {
            0 => assert_eq!(written.len(), 2),
            _ => assert_eq!(written[2].1[..2], code.to_be_bytes()),
        }
    }
}

/// While more than the high-water mark is unwritten, no message is passed: the next call writes
/// first. Also if writing times out, nothing is passed or sent twice.
#[test]
fn a_batch_ends_at_the_high_water_mark() {
    let message = "a".repeat(50);
    let input = texts(Role::Client, &[&*message; 10]);
    let mut script = ScriptedTransport::reading([input]);
    script.writes = [Ok(2), Err(ErrorKind::WouldBlock), Err(ErrorKind::WouldBlock)].into();
    let settings = Settings::new().high_water(100);
    let mut ws = WebSocket::upgraded(script, open(Role::Server, sockless::Config::default()), settings);
    assert_eq!(ws.recv_batch(echo).unwrap(), Some(2), "104 bytes");
    assert_eq!((ws.get_ref().write_calls, ws.pending_bytes()), (0, 104));
    for _ in 0..2 {
        let error = ws.recv_batch(|_, _| panic!("there is no room")).unwrap_err();
        assert!(is_timeout(&error) && ws.pending_bytes() <= 104, "{error:?}");
    }
    let mut left = 8;
    while left > 0 {
        left -= ws.recv_batch(echo).unwrap().unwrap();
        assert!(ws.pending_bytes() <= 152);
    }
    ws.flush().unwrap();
    let written = frames(Role::Server, &ws.get_ref().written);
    assert_eq!(written, vec![(0x81, message.into_bytes()); 10]);
}

/// A peer that reads no more is still received from: what it has sent may say why.
#[test]
fn a_failed_write_does_not_hide_what_was_received() {
    let input = [texts(Role::Client, &["one", "two", "three"]), close(Role::Client, 1011)].concat();
    let mut script = ScriptedTransport::reading([input]);
    script.writes = [Err(ErrorKind::BrokenPipe)].into();
    let settings = Settings::new().high_water(0);
    let mut ws = WebSocket::upgraded(script, open(Role::Server, sockless::Config::default()), settings);
    let mut passed = 0;
    let ended = loop {
        match ws.recv_batch(echo) {
            Ok(Some(count)) => passed += count,
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(Error::Closed(_))), "{ended:?}");
    assert_eq!(passed, 3);
}

/// A read that times out passes nothing twice.
#[test]
fn a_batch_continues_after_a_timeout() {
    let input = texts(Role::Client, &["one", "two"]);
    for cut in 0..=input.len() {
        let (front, back) = input.split_at(cut);
        let mut script = ScriptedTransport::reading([front.to_vec(), back.to_vec()]);
        script.reads.insert(1, Err(ErrorKind::WouldBlock));
        script
            .reads
            .retain(|read| read.as_ref().map_or(true, |bytes| !bytes.is_empty()));
        script.reads.push_back(Err(ErrorKind::WouldBlock));
        let mut ws = open_over(Role::Server, script);
        let (mut passed, mut timeouts) = (Vec::new(), 0);
        while timeouts < 2 {
            let batch = ws.recv_batch(|message, _| {
                passed.push(message.into_owned());
                Ok(())
            });
            timeouts += usize::from(batch.is_err());
        }
        assert_eq!(passed, [text("one"), text("two")], "{cut}");
    }
}

/// After `stop`, and after an error of the function, the rest of the batch is left for the next
/// call, whichever it is. What cannot be sent is such an error.
#[test]
fn the_function_can_end_the_batch() {
    let input = texts(Role::Client, &["one", "two", "three", "four", "five", "six"]);
    let mut ws = open_over(Role::Server, ScriptedTransport::reading([input]));
    let prepared = PreparedMessage::text("prepared");
    let stopped = ws.recv_batch(|_, batch| {
        batch.stop();
        batch.feed_prepared(&prepared)
    });
    assert_eq!(stopped.unwrap(), Some(1));
    let failed = ws.recv_batch(|message, batch| match message == Message::from("three") {
        true => Err(io::Error::other("no three").into()),
        false => batch.feed(message),
    });
    assert_eq!(failed.unwrap_err().to_string(), "no three");
    assert_eq!(ws.recv().unwrap(), Some(text("four")));
    ws.close(CloseCode::NORMAL, "").unwrap();
    let error = ws.recv_batch(echo).unwrap_err();
    assert!(matches!(error, Error::Send(SendError::Closing)), "{error:?}");
    assert_eq!(ws.recv().unwrap(), Some(text("six")));
    let written: Vec<_> = frames(Role::Server, &ws.get_ref().written);
    assert_eq!(written[0].1, b"prepared");
    assert_eq!(written[1].1, b"two");
    assert_eq!((written[2].0, written.len()), (0x88, 3));
}

/// A steady stream of messages allocates nothing. With chunk delivery, the call fails.
#[test]
fn recv_batch_borrows_messages() {
    let message = frame(Role::Client, 0x82, &[7; 100]);
    let mut ws = whole(Role::Server, Delivery::Messages, &reads(&message.repeat(50), 510));
    let mut batch = || {
        let count = ws.recv_batch(|message, _| {
            assert!(matches!(message, Message::Binary(std::borrow::Cow::Borrowed(_))));
            Ok(())
        });
        count.unwrap().unwrap()
    };
    batch();
    let allocated = allocation_counter::measure(|| {
        let mut left = 40;
        while left > 0 {
            left -= batch().min(left);
        }
    });
    assert_eq!(allocated.count_total, 0);

    let mut ws = whole(Role::Server, Delivery::Chunks, &reads(&message, 100));
    assert_eq!(
        io_kind(&ws.recv_batch(echo).unwrap_err()),
        Some(ErrorKind::InvalidInput)
    );
}
