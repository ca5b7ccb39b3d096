//! The memory of a connection, idle and busy, and when it allocates. `--nocapture` prints the
//! figures.

use std::borrow::Cow;

use allocation_counter::{AllocationInfo, measure};
use sockless::{Accept, ClientRequest, Config, Connection, Event, Role, State};
use support::{KEY, Length, REQUEST, ROLES, frame, header, heads::undecided, open, peer_of, too_big};

const FIN_BINARY: u8 = 0x82;
const TEXT: u8 = 0x01;
const FIN_CONTINUATION: u8 = 0x80;
const SEGMENT: usize = 1460;
const MIB: usize = 1 << 20;
/// The limit on memory that is reserved because of a header.
const RESERVE: usize = 64 << 10;

/// Prints a line of the table.
fn report(what: &str, figure: impl std::fmt::Display, unit: &str) {
    println!("{what:<75}{figure:>9} {unit}");
}

/// The output of a server that has room for a frame is not allocated again; one that has none gets
/// room for the longest header, so that the next frame of this length needs no allocation.
#[test]
fn output_is_reserved_for_the_longest_header() {
    for role in ROLES {
        for len in [0, 100, 1000, 100_000] {
            let data = vec![7; len];
            let header = header(0x82, role == Role::Client, Length::shortest(len as u64), len as u64).len();
            let mut connection = open(role, Config::default());
            let mut out = Vec::with_capacity(header + len);
            let sent = measure(|| connection.send_binary(&data, &mut out).unwrap());
            // A client writes short payload in blocks, which may be longer.
            assert!(sent.count_total == 0 || role == Role::Client, "{role:?} {len}");
            let mut out = Vec::new();
            connection.send_binary(&data, &mut out).unwrap();
            assert!(out.capacity() >= 14 + len, "{role:?} {len}");
            out = vec![0; 1000];
            out.shrink_to_fit();
            connection.send_binary(&data, &mut out).unwrap();
            assert!(out.capacity() >= 1000 + 14 + len, "{role:?} {len}");
            // A header that a `Vec` of 100 bytes makes 200 of.
            out = vec![0; 100];
            connection.send_binary(&[7; 92], &mut out).unwrap();
            assert!(out.capacity() >= 100 + 14 + 92, "{role:?}");
            out = Vec::with_capacity(len + 1);
            connection.send_binary(&data, &mut out).unwrap();
            assert!(out.capacity() >= 14 + len, "{role:?} {len}");
        }
    }
}

/// The first piece of a frame of at most 64 KiB allocates the memory for all of it.
#[test]
fn a_frame_in_pieces_is_allocated_once() {
    for role in ROLES {
        for first in [FIN_BINARY, 0x81] {
            let mut bytes = frame(peer_of(role), first, &[b'x'; 60_000]);
            let mut connection = open(role, Config::default());
            let (mut out, mut count) = (Vec::new(), 0);
            let received = measure(|| {
                receive(&mut connection, &mut bytes, 1000, &mut out, |_, event, _| {
                    count += 1;
                    drop(event);
                });
            });
            assert_eq!((received.count_total, count), (1, 1), "{role:?}");
        }
    }
}

/// After what a client has sent too early, a connection holds no heap, either.
#[test]
fn early_frames_leave_no_heap() {
    let mut kept = None;
    let held = measure(|| {
        let (mut server, request) = undecided(Config::default(), REQUEST.as_bytes());
        let (mut bytes, mut out) = (frame(Role::Client, 0x81, b"early"), Vec::new());
        assert_eq!(server.receive(&mut &mut bytes[..], &mut out), Ok(None));
        server.accept(&request, &Accept::new(), &mut out).unwrap();
        let event = server.receive(&mut &mut [][..], &mut out);
        assert_eq!(event, Ok(Some(Event::Text(Cow::Borrowed("early")))));
        kept = Some(server);
    });
    assert_eq!(held.bytes_current, 0, "{held:?}");
    assert_eq!(kept.unwrap().state(), State::Open);
}

/// Measures allocations of `run`, with a value that lives longer.
fn measure_on<T>(value: &mut T, run: impl FnOnce(&mut T)) -> AllocationInfo {
    measure(|| run(value))
}

/// Receives `bytes` in pieces, in place, and calls `then` with each event.
fn receive(
    connection: &mut Connection,
    bytes: &mut [u8],
    piece: usize,
    out: &mut Vec<u8>,
    mut then: impl FnMut(&mut Connection, Event<'_>, &mut Vec<u8>),
) {
    for mut input in bytes.chunks_mut(piece) {
        while let Some(event) = connection.receive(&mut input, out).unwrap() {
            then(connection, event, out);
        }
    }
}

/// An open connection after its opening handshake, and the allocations of that handshake. The bytes
/// of the other endpoint are not measured.
fn open_with_handshake(role: Role) -> (Connection, AllocationInfo) {
    let request = ClientRequest::new("ws://example.com/chat").unwrap().subprotocol("chat");
    let accept = Accept::new().subprotocol(Some("chat"));
    let mut head = Vec::new();
    let mut client = Connection::client(&request, Config::default(), [7; 32], &mut head).unwrap();
    let mut server = None;
    let mut response = Vec::new();
    let mut bytes = head.clone();
    let serving = measure(|| {
        let mut connection = Connection::server(Config::default());
        let mut out = Vec::new();
        // In pieces, so that the engine buffers the head.
        receive(&mut connection, &mut bytes, 10, &mut out, |connection, event, out| {
            let Event::Request(request) = event else {
                panic!("{event:?}");
            };
            connection.accept(&request, &accept, out).unwrap();
        });
        allocation_counter::opt_out(|| response.clone_from(&out));
        server = Some(connection);
    });
    let server = server.unwrap();
    assert_eq!(server.state(), State::Open);
    if role == Role::Server {
        return (server, serving);
    }
    let mut connected = None;
    let connecting = measure(|| {
        let mut out = Vec::new();
        let mut connection = Connection::client(&request, Config::default(), [7; 32], &mut out).unwrap();
        assert!(out == head);
        receive(&mut connection, &mut response, 10, &mut out, |_, event, _| {
            assert!(matches!(event, Event::Open(_)));
        });
        connected = Some(connection);
    });
    client = connected.unwrap_or(client);
    assert_eq!(client.state(), State::Open);
    (client, connecting)
}

/// docs/DESIGN.md, section 1, property 7: an idle connection without compression has at most 256
/// bytes.
#[test]
fn a_connection_is_at_most_256_bytes() {
    let size = size_of::<Connection>();
    report("size_of::<Connection>()", size, "bytes");
    assert!(size <= 256);
    report("size_of::<Event>()", size_of::<Event<'_>>(), "bytes");
}

/// docs/DESIGN.md, section 1, property 7; F46: An idle open server holds no heap memory but the
/// subprotocol, and a client its key stream too.
#[test]
fn an_idle_connection_holds_no_heap() {
    for role in ROLES {
        let (mut connection, handshake) = open_with_handshake(role);
        report(
            &format!("{role:?}: peak heap during the handshake"),
            handshake.bytes_max,
            "bytes",
        );
        report(
            &format!("{role:?}: heap when open and idle"),
            handshake.bytes_current,
            "bytes",
        );
        let keys = match role {
            Role::Server => 0,
            Role::Client => 1,
        };
        assert_eq!(connection.negotiated().subprotocol.as_deref(), Some("chat"));
        let subprotocol = 1;
        assert_eq!(
            handshake.count_current,
            keys + subprotocol,
            "the memory of the handshake is freed when the connection opens"
        );
        assert_eq!(handshake.bytes_current > 4, keys > 0);
        assert!(handshake.bytes_current <= 512);

        // Messages that are whole in the input, control frames, and sent messages.
        let used = measure_on(&mut connection, |connection| {
            let mut out = Vec::new();
            for _ in 0..3 {
                let mut bytes = frame(peer_of(role), FIN_BINARY, &[1; 1024]);
                bytes.extend(frame(peer_of(role), 0x89, b"ping"));
                receive(connection, &mut bytes, usize::MAX, &mut out, |_, _, _| {});
                connection.send_binary(&[2; 1024], &mut out).unwrap();
            }
        });
        assert_eq!((used.count_current, used.bytes_current), (0, 0));

        // Assembled messages, and a control frame: their memory is freed with the events.
        let used = measure_on(&mut connection, |connection| {
            let mut out = Vec::new();
            for piece in [1, 100, SEGMENT] {
                let mut bytes = frame(peer_of(role), FIN_BINARY, &[1; 10_000]);
                bytes.extend(frame(peer_of(role), TEXT, "ä".repeat(5000).as_bytes()));
                bytes.extend(frame(peer_of(role), 0x89, &[3; 125]));
                bytes.extend(frame(peer_of(role), FIN_CONTINUATION, b"ende"));
                receive(connection, &mut bytes, piece, &mut out, |_, _, _| {});
            }
        });
        assert!(used.count_total > 0);
        assert_eq!((used.count_current, used.bytes_current), (0, 0));
    }
}

/// A connection holds a recycled allocation until it assembles the next message.
#[test]
fn a_recycled_allocation_is_held_until_it_is_used() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        let mut bytes = frame(peer_of(role), FIN_BINARY, &[1; 10_000]);
        let mut again = bytes.clone();

        let used = measure_on(&mut connection, |connection| {
            receive(connection, &mut bytes, SEGMENT, &mut out, |connection, event, _| {
                connection.recycle(event);
            });
        });
        report(
            &format!("{role:?}: heap held after a recycled message of 10,000 bytes"),
            used.bytes_current,
            "bytes",
        );
        assert_eq!(used.count_current, 1);
        assert!((10_000..=20_000 + RESERVE as i64).contains(&used.bytes_current));

        let mut owned = None;
        let used_again = measure_on(&mut connection, |connection| {
            receive(connection, &mut again, SEGMENT, &mut out, |_, event, _| {
                assert!(matches!(event, Event::Binary(Cow::Owned(_))));
                owned = Some(event.into_owned());
            });
        });
        assert_eq!(
            used_again.count_total, 0,
            "the next message uses the recycled allocation"
        );
        let dropped = measure(|| drop(owned));
        assert_eq!(
            dropped.bytes_current, -used.bytes_current,
            "the message owns the allocation, and the connection holds nothing"
        );
    }
}

/// docs/PERFORMANCE.md: a message that is whole in the input allocates nothing, received and sent.
#[test]
fn whole_messages_allocate_nothing() {
    const MESSAGES: usize = 100;
    for role in ROLES {
        for first in [FIN_BINARY, 0x81] {
            let mut connection = open(role, Config::default());
            let mut out = Vec::with_capacity(2048);
            let payload = [b'x'; 1024];
            let mut bytes = frame(peer_of(role), first, &payload).repeat(MESSAGES);
            let mut received = 0;
            let info = measure_on(&mut connection, |connection| {
                receive(
                    connection,
                    &mut bytes,
                    usize::MAX,
                    &mut out,
                    |connection, event, out| {
                        received += 1;
                        out.clear();
                        // The caller can send while it holds the event.
                        match &event {
                            Event::Text(text) => connection.send_text(text, out).unwrap(),
                            Event::Binary(data) => connection.send_binary(data, out).unwrap(),
                            _ => panic!("{event:?}"),
                        }
                    },
                );
            });
            assert_eq!(received, MESSAGES);
            report(
                &format!("{role:?}: allocations for 100 whole messages of 1 KiB in and out ({first:#x})"),
                info.count_total,
                "",
            );
            assert_eq!(info.count_total, 0);
        }
    }
}

/// Messages that span inputs allocate nothing if their allocations are recycled.
#[test]
fn recycled_messages_that_span_inputs_allocate_nothing() {
    const MESSAGES: usize = 100;
    for role in ROLES {
        for first in [FIN_BINARY, 0x81] {
            let mut connection = open(role, Config::default());
            let mut out = Vec::new();
            let bytes = frame(peer_of(role), first, &[b'x'; 5000]);
            let mut warm = bytes.clone();
            let mut bytes = bytes.repeat(MESSAGES);
            let mut received = 0;
            let mut recycle = |connection: &mut Connection, event: Event<'_>, _: &mut Vec<u8>| {
                received += 1;
                connection.recycle(event);
            };
            receive(&mut connection, &mut warm, SEGMENT, &mut out, &mut recycle);
            let info = measure_on(&mut connection, |connection| {
                receive(connection, &mut bytes, SEGMENT, &mut out, &mut recycle);
            });
            assert_eq!(received, 1 + MESSAGES);
            report(
                &format!("{role:?}: allocations for 100 recycled messages of 5,000 bytes in pieces ({first:#x})"),
                info.count_total,
                "",
            );
            assert_eq!(info.count_total, 0);
        }
    }
}

/// R138, F04: A header allocates nothing. The first byte of a payload reserves at most 64 KiB.
#[test]
fn r138_an_announced_length_allocates_nothing() {
    for role in ROLES {
        let masked = role == Role::Server;
        let mut bytes = header(FIN_BINARY, masked, Length::Long, 1 << 62);
        if masked {
            bytes.extend(KEY);
        }

        // A length over the limit fails at the header.
        let mut connection = open(role, Config::default());
        let mut refused = bytes.clone();
        let mut out = Vec::with_capacity(64);
        let info = measure_on(&mut connection, |connection| {
            let mut input = &mut refused[..];
            let error = connection.receive(&mut input, &mut out).unwrap_err();
            assert_eq!(*error, too_big(1 << 62, 16 << 20));
        });
        report(
            &format!("{role:?}: heap after a header of 2^62 bytes, refused (the close status)"),
            info.bytes_max,
            "bytes",
        );
        // The close status, and the error.
        assert!(info.count_total <= 2 && info.bytes_max <= 256, "{info:?}");

        // Without a limit the length is accepted.
        let config = Config::new().max_message_size(u64::MAX);
        let mut connection = open(role, config);
        let mut out = Vec::new();
        let info = measure_on(&mut connection, |connection| {
            let mut input = &mut bytes[..];
            assert_eq!(connection.receive(&mut input, &mut out), Ok(None));
        });
        report(
            &format!("{role:?}: heap after a header of 2^62 bytes, accepted"),
            info.bytes_max,
            "bytes",
        );
        assert_eq!(info.count_total, 0);
        let info = measure_on(&mut connection, |connection| {
            let mut input = &mut [0][..];
            assert_eq!(connection.receive(&mut input, &mut out), Ok(None));
        });
        report(
            &format!("{role:?}: heap after the first byte of its payload"),
            info.bytes_max,
            "bytes",
        );
        assert!(info.bytes_max <= (1 + RESERVE) as u64);
    }
}

/// Receives a message of 1 MiB in pieces of 1,460 bytes, in frames of at most `frame_size` bytes.
/// Returns the bytes held at the end, and the peak, which includes the old buffer while it grows.
/// Calls `each` with the bytes received, held, and at the peak, after every piece.
fn receive_1_mib(role: Role, frame_size: usize, mut each: impl FnMut(usize, usize, usize)) -> (usize, usize) {
    let config = Config::new().fragment_size(std::num::NonZeroUsize::new(frame_size));
    let mut bytes = Vec::new();
    open(peer_of(role), config)
        .send_binary(&vec![1; MIB], &mut bytes)
        .unwrap();

    let mut connection = open(role, Config::default());
    let mut out = Vec::new();
    let (mut received, mut held, mut peak) = (0, 0, 0);
    let mut message = None;
    for mut input in bytes.chunks_mut(SEGMENT) {
        assert!(message.is_none());
        received += input.len();
        let info = measure_on(&mut connection, |connection| {
            message = connection.receive(&mut input, &mut out).unwrap();
        });
        peak = peak.max(held + usize::try_from(info.bytes_max).unwrap());
        held = held.checked_add_signed(info.bytes_current.try_into().unwrap()).unwrap();
        each(received, held, peak);
    }
    assert!(message == Some(Event::Binary(vec![1; MIB].into())));
    (held, peak)
}

/// A message of n bytes in pieces needs at most 2 n + 64 KiB. While its buffer grows, the old
/// buffer may need n more.
#[test]
fn a_long_message_in_pieces_is_held_at_most_twice() {
    for role in ROLES {
        for (frame_size, frames) in [(MIB, "one frame"), (1000, "1,049 frames")] {
            let (held, peak) = receive_1_mib(role, frame_size, |_, _, _| {});
            report(
                &format!("{role:?}: heap held by 1 MiB in 1,460-byte pieces, {frames}"),
                held,
                "bytes",
            );
            report(
                &format!("{role:?}: ... peak, with the old buffer while it grows"),
                peak,
                "bytes",
            );
            assert!(held <= 2 * MIB + RESERVE);
            assert!(peak <= 3 * MIB + RESERVE);
        }
    }
}

/// The documentation of `Connection`, "Memory": "While a message is assembled, at most twice the
/// bytes received and 64 KiB more are held", after every piece.
#[test]
fn held_bytes_are_bounded_by_received_bytes() {
    for role in ROLES {
        for frame_size in [MIB, 1000] {
            receive_1_mib(role, frame_size, |received, held, peak| {
                assert!(held <= 2 * received + RESERVE, "{held} bytes are held after {received}");
                assert!(
                    peak <= 3 * received + RESERVE,
                    "{peak} bytes were needed for {received}"
                );
            });
        }
    }
}
