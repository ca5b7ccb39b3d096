//! The limit on the size of a message, changed on an open connection (RFC 6455, section 10.4).
//!
//! In these tests, the application sets the limit that the payload of a Ping has as decimal digits.

use sockless::{Config, Connection, Delivery, Event, InputBuffer, ProtocolError, Role};
use support::{ROLES, frame, laws::endpoint::messages_from_chunks, open, peer_of, too_big, without_fast_paths};

/// Receives `input` in pieces that end at `cuts`. Returns the messages, in order, and the error.
fn run(
    mut connection: Connection,
    input: &[u8],
    cuts: &[usize],
    whole: bool,
) -> (Vec<Event<'static>>, Option<ProtocolError>) {
    let (mut events, mut out, mut kept, mut from) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for to in cuts.iter().copied().chain([input.len()]) {
        kept.extend_from_slice(&input[from..to]);
        from = to;
        let mut rest = &mut kept[..];
        loop {
            let event = match whole {
                true => connection.receive_whole(&mut rest, &mut out),
                false => connection.receive(&mut rest, &mut out),
            };
            match event {
                Ok(Some(Event::Ping(limit))) => {
                    connection.set_max_message_size(std::str::from_utf8(&limit).unwrap().parse().unwrap());
                }
                Ok(Some(event)) => events.push(event.into_owned()),
                Ok(None) => break,
                Err(error) => return (messages_from_chunks(events).0, Some(*error)),
            }
        }
        let left = rest.len();
        kept.drain(..kept.len() - left);
    }
    (messages_from_chunks(events).0, None)
}

/// The same through an [`InputBuffer`].
fn run_buffered(
    mut connection: Connection,
    input: &[u8],
    cuts: &[usize],
) -> (Vec<Event<'static>>, Option<ProtocolError>) {
    let (mut events, mut out, mut from) = (Vec::new(), Vec::new(), 0);
    let mut buffer = InputBuffer::new();
    for to in cuts.iter().copied().chain([input.len()]) {
        let piece = &input[from..to];
        buffer.room()[..piece.len()].copy_from_slice(piece);
        buffer.filled(piece.len());
        from = to;
        loop {
            match buffer.receive(&mut connection, &mut out) {
                Ok(Some(Event::Ping(limit))) => {
                    connection.set_max_message_size(std::str::from_utf8(&limit).unwrap().parse().unwrap());
                }
                Ok(Some(event)) => events.push(event.into_owned()),
                Ok(None) => break,
                Err(error) => return (messages_from_chunks(events).0, Some(*error)),
            }
        }
    }
    (messages_from_chunks(events).0, None)
}

/// Asserts the outcome of `input` for both deliveries, with fast paths and without, with `receive`,
/// `receive_whole` and an `InputBuffer`, and for every cut: in one piece, in two pieces, and byte
/// by byte.
#[track_caller]
fn check(
    connection: impl Fn(Config) -> Connection,
    config: &Config,
    input: &[u8],
    messages: &[Event<'static>],
    error: Option<ProtocolError>,
) {
    let mut all_cuts: Vec<Vec<usize>> = (0..input.len()).map(|at| vec![at]).collect();
    all_cuts.push((1..input.len()).collect());
    for delivery in [Delivery::Messages, Delivery::Chunks] {
        let open = || connection(config.clone().delivery(delivery));
        for cuts in &all_cuts {
            for whole in [false, true] {
                for connection in [open(), without_fast_paths(open())] {
                    let outcome = run(connection, input, cuts, whole);
                    assert_eq!(outcome, (messages.to_vec(), error), "{delivery:?} {cuts:?} {whole}");
                }
            }
            let outcome = run_buffered(open(), input, cuts);
            assert_eq!(outcome, (messages.to_vec(), error), "{delivery:?} {cuts:?} InputBuffer");
        }
    }
}

fn binary(len: usize) -> Event<'static> {
    Event::Binary(vec![b'x'; len].into())
}

/// A frame of the peer of `role` with `len` bytes of payload.
fn data(role: Role, first: u8, len: usize) -> Vec<u8> {
    frame(peer_of(role), first, &vec![b'x'; len])
}

/// A Ping that makes the application set a limit.
fn set(role: Role, limit: u64) -> Vec<u8> {
    frame(peer_of(role), 0x89, limit.to_string().as_bytes())
}

/// R137: A larger limit holds from the next message on.
#[test]
fn s10_4_the_limit_is_raised_for_the_next_message() {
    for role in ROLES {
        let open = |config| open(role, config);
        let config = Config::new().max_message_size(10);
        let input = [
            data(role, 0x82, 10),
            set(role, 20),
            data(role, 0x82, 20),
            data(role, 0x82, 21),
        ]
        .concat();
        check(open, &config, &input, &[binary(10), binary(20)], Some(too_big(21, 20)));
        // Before the change, the limit is the one of the configuration.
        let input = [data(role, 0x82, 11), set(role, 20)].concat();
        check(open, &config, &input, &[], Some(too_big(11, 10)));
        // A message of several frames.
        let input = [
            set(role, 20),
            data(role, 0x02, 10),
            data(role, 0x80, 10),
            data(role, 0x02, 10),
            data(role, 0x80, 11),
        ];
        check(open, &config, &input.concat(), &[binary(20)], Some(too_big(21, 20)));
    }
}

/// R137: A message in progress keeps the limit that it began with, be the new one larger or
/// smaller.
#[test]
fn s10_4_a_message_in_progress_keeps_its_limit() {
    for role in ROLES {
        let open = |config| open(role, config);
        let config = Config::new().max_message_size(10);
        let input = [data(role, 0x02, 6), set(role, 20), data(role, 0x80, 6)].concat();
        check(open, &config, &input, &[], Some(too_big(12, 10)));
        let input = [
            data(role, 0x02, 6),
            set(role, 5),
            data(role, 0x80, 4),
            data(role, 0x82, 5),
            data(role, 0x82, 6),
        ];
        check(
            open,
            &config,
            &input.concat(),
            &[binary(10), binary(5)],
            Some(too_big(6, 5)),
        );
        // The last of several changes counts.
        let input = [
            data(role, 0x02, 6),
            set(role, 5),
            set(role, 7),
            data(role, 0x80, 0),
            data(role, 0x82, 7),
            data(role, 0x82, 8),
        ];
        check(
            open,
            &config,
            &input.concat(),
            &[binary(6), binary(7)],
            Some(too_big(8, 7)),
        );
    }
}

/// R137: So does a message that an [`InputBuffer`] has kept, whether the buffer still keeps it when
/// it is complete or not.
#[test]
fn s10_4_a_message_that_a_buffer_has_kept_keeps_its_limit() {
    for role in ROLES {
        for left_to_the_connection in [false, true] {
            let mut connection = open(role, Config::new().max_message_size(10));
            let (mut buffer, mut out) = (InputBuffer::new(), Vec::new());
            let message = data(role, 0x82, 8);
            let (front, back) = message.split_at(message.len() - 3);
            let fill = |buffer: &mut InputBuffer, bytes: &[u8]| {
                buffer.room()[..bytes.len()].copy_from_slice(bytes);
                buffer.filled(bytes.len());
            };
            fill(&mut buffer, front);
            assert_eq!(buffer.receive(&mut connection, &mut out), Ok(None));
            assert_eq!(buffer.unread_len(), front.len());
            connection.set_max_message_size(5);
            if left_to_the_connection {
                assert_eq!(buffer.receive_all(&mut connection, &mut out), Ok(None));
                assert_eq!(buffer.unread_len(), 0);
            }
            fill(&mut buffer, back);
            assert_eq!(buffer.receive(&mut connection, &mut out), Ok(Some(binary(8))));
            fill(&mut buffer, &data(role, 0x82, 6));
            let error = buffer.receive(&mut connection, &mut out).unwrap_err();
            assert_eq!(*error, too_big(6, 5));
        }
    }
}

/// A limit of zero admits empty messages, and the largest limit admits any.
#[test]
fn s10_4_the_limits_may_be_extreme() {
    let open = |config| open(Role::Client, config);
    let input = [
        set(Role::Client, 0),
        data(Role::Client, 0x82, 0),
        data(Role::Client, 0x82, 1),
    ];
    check(open, &Config::new(), &input.concat(), &[binary(0)], Some(too_big(1, 0)));
    let input = [set(Role::Client, u64::MAX), data(Role::Client, 0x82, 130)].concat();
    check(open, &Config::new().max_message_size(0), &input, &[binary(130)], None);
}

/// The limit can be set before the opening handshake is complete.
#[test]
fn s10_4_the_limit_is_set_before_the_connection_is_open() {
    let mut server = Connection::server(Config::new());
    server.set_max_message_size(3);
    let input = [support::REQUEST.as_bytes(), &data(Role::Server, 0x82, 4)].concat();
    let outcome = support::feed(&mut server, &input);
    assert_eq!(outcome.error, Some(too_big(4, 3)));
}

#[cfg(feature = "deflate")]
mod compressed {
    use sockless::deflate::DeflateConfig;
    use support::{frames, inflates_too_big, params, with_deflate};

    use super::*;

    fn open(role: Role, config: Config) -> Connection {
        support::upgraded(role, &with_deflate(params(15, false)), config)
    }

    /// The payload of a compressed message of `len` equal bytes.
    fn deflated(len: usize) -> Vec<u8> {
        let config = Config::new().deflate(DeflateConfig::new().threshold(0));
        let (mut sender, mut out) = (open(Role::Server, config), Vec::new());
        sender.send_binary(&vec![b'x'; len], &mut out).unwrap();
        let [(0xC2, payload)] = &frames(Role::Server, &out)[..] else {
            panic!("{out:?}")
        };
        payload.clone()
    }

    /// R137 R187: The limit on the inflated bytes is that of the first header, for messages of one
    /// frame and of several.
    #[test]
    fn s10_4_the_limit_of_a_compressed_message() {
        for role in ROLES {
            let open = |config| open(role, config);
            let message = |len| frame(peer_of(role), 0xC2, &deflated(len));
            let config = Config::new().max_message_size(1000);
            let input = [message(1000), set(role, 2000), message(2000), message(2001)].concat();
            let events = [binary(1000), binary(2000)];
            check(open, &config, &input, &events, Some(inflates_too_big(2000)));
            let payload = deflated(2000);
            let (front, back) = payload.split_at(5);
            let (front, back) = (frame(peer_of(role), 0x42, front), frame(peer_of(role), 0x80, back));
            let input = [&front[..], &set(role, 2000), &back].concat();
            check(open, &config, &input, &[], Some(inflates_too_big(1000)));
            let config = Config::new().max_message_size(2000);
            let input = [&front[..], &set(role, 10), &back, &message(11)].concat();
            check(open, &config, &input, &[binary(2000)], Some(inflates_too_big(10)));
        }
    }

    /// R137: The limit on the bytes on the wire of a compressed message, twice the limit and 64 KiB
    /// more, is that of the first header too.
    #[test]
    fn s10_4_the_wire_bytes_of_a_compressed_message() {
        // Empty stored blocks inflate to nothing.
        let blocks = [0, 0, 0, 0xFF, 0xFF].repeat(8 << 10);
        for role in ROLES {
            let peer = peer_of(role);
            let input = [
                frame(peer, 0x42, &blocks),
                set(role, 1 << 20),
                frame(peer, 0x00, &blocks),
                frame(peer, 0x80, &[&blocks[..], &[0]].concat()),
            ]
            .concat();
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                for (limit, error) in [(10, Some(inflates_too_big(10))), (1 << 20, None)] {
                    let config = Config::new().delivery(delivery).max_message_size(limit);
                    let (_, found) = run(open(role, config), &input, &[], false);
                    assert_eq!(found, error);
                }
            }
        }
    }

    /// R137: The bytes on the wire are those of one message: earlier messages do not count.
    #[test]
    fn s10_4_the_wire_bytes_of_earlier_messages_do_not_count() {
        // Empty stored blocks inflate to nothing.
        let blocks = [0, 0, 0, 0xFF, 0xFF].repeat(8 << 10);
        for role in ROLES {
            let peer = peer_of(role);
            let message = [frame(peer, 0x42, &blocks), frame(peer, 0x80, &[0])].concat();
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                let config = Config::new().delivery(delivery).max_message_size(10);
                let (_, found) = run(open(role, config), &message.repeat(5), &[], false);
                assert_eq!(found, None, "{role:?} {delivery:?}");
            }
        }
    }
}
