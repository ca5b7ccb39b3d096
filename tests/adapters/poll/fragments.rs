//! Control frames between the fragments of a message that is being sent.

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::pin,
    task::{Context, Waker},
};

use sockless::{CloseCode, Config, Event, Role, handshake::Negotiated, timers::Timeouts};
use support::{
    ROLES, frame, frames, peer_of,
    pipe::{PipeEnd, Simulation, Task, VirtualClock},
    polled::{Ws, seconds, settings},
};

/// F73: A Close frame is the last one, whatever is kept apart: the reply to a Ping, and a Ping that
/// is due at the same time.
#[test]
fn f73_control_frames_leave_before_the_close_frame() {
    let [close, violation] = [(0x88, &[3, 0xE8][..]), (0x83, b"")];
    for role in ROLES {
        for (in_halves, (first, payload)) in [(false, close), (true, close), (false, violation), (true, violation)] {
            let mut simulation = Simulation::new(1);
            let (local, mut remote) = simulation.pipe([500, 500]);
            let mut ws = dividing(role, local, simulation.clock(), Timeouts::none());
            let mut tasks: Vec<Task<'_>> = Vec::new();
            if in_halves {
                let (mut reader, _writer) = ws.split();
                tasks.push(Box::pin(async move { _ = reader.recv().await }));
            } else {
                tasks.push(Box::pin(async move { _ = ws.recv().await }));
            }
            tasks.push(Box::pin(async move {
                let peer = peer_of(role);
                let input = [frame(peer, 0x89, b"?"), frame(peer, first, payload)].concat();
                remote.write_all(&input).await.unwrap();
                let mask = if role == Role::Client { 4 } else { 0 };
                let output = remote.read(2 * (2 + mask) + 3).await;
                let firsts: Vec<u8> = frames(role, &output).iter().map(|(first, _)| *first).collect();
                remote.half_close();
                assert_eq!(firsts, [0x8A, 0x88], "{role:?}, in halves: {in_halves}");
            }));
            simulation.run(tasks);
        }
    }
    let mut simulation = Simulation::new(1);
    let (local, mut remote) = simulation.pipe([500, 500]);
    let timeouts = Timeouts::none().ping(seconds(1)).idle(seconds(2));
    let mut ws = dividing(Role::Server, local, simulation.clock(), timeouts);
    let mut clock = simulation.clock();
    simulation.run(vec![
        Box::pin(async move {
            clock.sleep(seconds(3)).await;
            _ = ws.recv().await;
        }),
        Box::pin(async move {
            let output = remote.read(2 + 8 + 2 + 2 + 4).await;
            let firsts: Vec<u8> = frames(Role::Server, &output).iter().map(|(first, _)| *first).collect();
            remote.write_all(&frame(Role::Client, 0x88, &[3, 0xE9])).await.unwrap();
            assert_eq!(firsts, [0x89, 0x88]);
        }),
    ]);
}

/// F73: A control frame that is written in part is written to its end before anything else.
#[test]
fn f73_a_control_frame_in_progress_is_finished_first() {
    for (what, expected) in [
        ("ping", (0x89, 6)),
        ("close", (0x88, 2)),
        ("message", (0x82, 5)),
        ("ping of the peer", (0x8A, 1)),
    ] {
        let mut simulation = Simulation::new(1);
        let (local, mut remote) = simulation.pipe([240, 240]);
        let mut ws = dividing(Role::Server, local, simulation.clock(), Timeouts::none());
        simulation.run(vec![Box::pin(async move {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(ws.send(vec![7; 450])).poll(&mut cx).is_pending());
            assert!(pin!(ws.ping(&[1; 100])).poll(&mut cx).is_pending());
            let mut output = remote.read(240).await;
            assert!(pin!(ws.flush()).poll(&mut cx).is_pending());
            match what {
                "ping" => _ = pin!(ws.ping(b"second")).poll(&mut cx),
                "close" => _ = pin!(ws.close(CloseCode::NORMAL, "")).poll(&mut cx),
                "message" => _ = pin!(ws.send(b"third")).poll(&mut cx),
                _ => {
                    remote.write_all(&frame(Role::Client, 0x89, b"?")).await.unwrap();
                    _ = pin!(ws.recv()).poll(&mut cx);
                }
            }
            let len = (4 + 450) + (2 + 100) + (2 + expected.1);
            while output.len() < len {
                output.extend(remote.read((len - output.len()).min(100)).await);
                _ = pin!(ws.flush()).poll(&mut cx);
            }
            let sent: Vec<_> = frames(Role::Server, &output)
                .iter()
                .map(|(first, data)| (*first, data.len()))
                .collect();
            assert_eq!(sent, [(0x82, 450), (0x89, 100), expected], "{what}");
        })]);
    }
}

/// A connection that divides messages into fragments of 1000 bytes.
fn dividing(role: Role, local: PipeEnd, clock: VirtualClock, timeouts: Timeouts) -> Ws {
    let config = Config::new().fragment_size(NonZeroUsize::new(1000));
    let engine = support::upgraded(role, &Negotiated::default(), config);
    Ws::upgraded(local, clock, engine, settings(1 << 20, timeouts))
}

/// F73: A Ping that arrives while a large message is being sent in fragments is answered between
/// these, and a Ping of the application leaves between them too: whole and in halves, in both
/// roles.
#[test]
fn f73_control_frames_leave_between_fragments() {
    const FRAGMENTS: usize = 100;
    let payload = vec![7; 1000 * FRAGMENTS];
    for role in ROLES {
        for in_halves in [false, true] {
            for seed in 0..20 {
                let mut simulation = Simulation::new(seed);
                let (local, mut remote) = simulation.pipe([500, 500]);
                let mut ws = dividing(role, local, simulation.clock(), Timeouts::none());
                let mut tasks: Vec<Task<'_>> = Vec::new();
                let mask = if role == Role::Client { 4 } else { 0 };
                let mut len = FRAGMENTS * (4 + mask + 1000) + (2 + mask + 1);
                let payload = &payload;
                if in_halves {
                    let (mut reader, writer) = ws.split();
                    let other = writer.clone();
                    len += 2 + mask + 4;
                    tasks.push(Box::pin(async move { writer.send(payload).await.unwrap() }));
                    tasks.push(Box::pin(async move {
                        assert!(matches!(reader.recv_event().await.unwrap(), Some(Event::Ping(_))));
                        other.ping(b"mine").await.unwrap();
                        assert_eq!(reader.recv().await.unwrap(), None);
                    }));
                } else {
                    tasks.push(Box::pin(async move {
                        ws.feed(payload).await.unwrap();
                        assert_eq!(ws.recv().await.unwrap(), None);
                    }));
                }
                tasks.push(Box::pin(async move {
                    let mut output = remote.read(2000).await;
                    remote.write_all(&frame(peer_of(role), 0x89, b"?")).await.unwrap();
                    output.extend(remote.read(len - 2000).await);
                    let sent = frames(role, &output);
                    let find = |pong: (u8, &[u8])| sent.iter().position(|(first, data)| (*first, &data[..]) == pong);
                    let pong = find((0x8A, b"?")).unwrap();
                    assert!((2..=6).contains(&pong), "the Pong is frame {pong} of {}", sent.len());
                    if in_halves {
                        let ping = find((0x89, b"mine")).unwrap();
                        assert!(ping < sent.len() - 1, "the Ping is frame {ping} of {}", sent.len());
                    }
                    let data: Vec<_> = sent.iter().filter(|(first, _)| first & 8 == 0).collect();
                    assert_eq!(data.len(), FRAGMENTS);
                    let firsts = data.iter().map(|(first, _)| *first);
                    assert!(firsts.eq([2].into_iter().chain([0; FRAGMENTS - 2]).chain([0x80])));
                    let joined: Vec<u8> = data.iter().flat_map(|(_, data)| data.clone()).collect();
                    assert!(joined == *payload);
                    remote.write_all(&frame(peer_of(role), 0x88, b"")).await.unwrap();
                    remote.read(2 + mask).await;
                }));
                simulation.run(tasks);
            }
        }
    }
}
