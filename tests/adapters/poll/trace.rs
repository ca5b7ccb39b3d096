//! The events for `tracing`, of polled connections.

use sockless::{
    Accept, ClientRequest, CloseCode, Config, Role,
    adapter::{Settings, poll::Incoming},
    timers::Timeouts,
};
use support::{
    ROLES, frame, peer_of,
    pipe::{Simulation, Task},
    polled::{Ws, open_with_timeouts, seconds, settings},
    role_name,
    trace::{events, opened},
};

/// Both ends of a connection of the crate, from the handshake to the end: four events, in any
/// order.
#[test]
fn both_ends_are_traced() {
    let mut found = events(|| {
        let mut simulation = Simulation::new(1);
        let (local, remote) = simulation.pipe([1000, 1000]);
        let clocks = [simulation.clock(), simulation.clock()];
        let [local_clock, remote_clock] = clocks;
        let server: Task<'_> = Box::pin(async move {
            let incoming = Incoming::new(local, local_clock, Settings::default()).await.unwrap();
            let mut ws = incoming.accept(&Accept::new()).await.unwrap();
            while let Some(message) = ws.recv().await.unwrap() {
                ws.send(message).await.unwrap();
            }
            assert!(ws.recv().await.unwrap().is_none());
        });
        let client: Task<'_> = Box::pin(async move {
            let request = ClientRequest::new("ws://example.com/?needle").unwrap();
            let (ws, _) = Ws::client(remote, remote_clock, &request, Config::new()).await.unwrap();
            let (mut reader, writer) = ws.split();
            for _ in 0..20 {
                writer.send("needle").await.unwrap();
                reader.recv().await.unwrap();
            }
            writer.close(CloseCode::NORMAL, "needle").await.unwrap();
            assert!(reader.recv().await.unwrap().is_none());
        });
        simulation.run(vec![server, client]);
    });
    found.sort();
    let closed = |role, by| format!("DEBUG connection closed role=\"{role}\" code=1000 by={by} is_clean=true");
    let expected = [
        closed("client", "Us"),
        closed("server", "Peer"),
        opened(Role::Client),
        opened(Role::Server),
    ];
    assert_eq!(found, expected);
}

/// A violation, an end without a Close frame, and a silent peer: one event each with the text of
/// the error, and one for the deadline.
#[test]
fn a_failure_is_traced_once() {
    for role in ROLES {
        for (input, deadline) in [
            (Some(frame(peer_of(role), 0x83, b"needle")), None),
            (Some(Vec::new()), None),
            (None, Some("pong")),
        ] {
            let mut text = String::new();
            let found = events(|| {
                let mut simulation = Simulation::new(1);
                let (local, mut remote) = simulation.pipe([1000, 1000]);
                let mut ws = open_with_timeouts(local, simulation.clock(), role);
                let text = &mut text;
                let local: Task<'_> = Box::pin(async move {
                    *text = ws.recv().await.unwrap_err().to_string();
                    assert!(ws.recv().await.unwrap().is_none());
                });
                let remote: Task<'_> = Box::pin(async move {
                    if let Some(input) = &input {
                        remote.write_all(input).await.unwrap();
                        remote.half_close();
                    }
                    remote.read(usize::MAX).await;
                });
                simulation.run(vec![local, remote]);
            });
            let name = role_name(role);
            let missed = deadline
                .map(|deadline| format!("INFO deadline missed role=\"{name}\" deadline=\"{deadline}\" limit=20s"));
            let failed = format!("INFO connection failed role=\"{name}\" error={text}");
            let expected: Vec<_> = [Some(opened(role)), missed, Some(failed)]
                .into_iter()
                .flatten()
                .collect();
            assert_eq!(found, expected);
        }
    }
}

/// An idle peer is told, and then the connection is closed as any other.
#[test]
fn an_idle_connection_is_traced() {
    let found = events(|| {
        let mut simulation = Simulation::new(1);
        let (local, mut remote) = simulation.pipe([1000, 1000]);
        let settings = settings(1000, Timeouts::none().idle(seconds(5)));
        let engine = support::polled::engine(Role::Server, false);
        let mut ws = Ws::upgraded(local, simulation.clock(), engine, settings);
        let local: Task<'_> = Box::pin(async move {
            assert!(ws.recv().await.unwrap().is_none());
        });
        let remote: Task<'_> = Box::pin(async move {
            let received = remote.read(8).await;
            assert_eq!(received, b"\x88\x06\x03\xE9idle");
            let answer = frame(Role::Client, 0x88, &[3, 233]);
            remote.write_all(&answer).await.unwrap();
            remote.half_close();
            remote.read(usize::MAX).await;
        });
        simulation.run(vec![local, remote]);
    });
    let expected = [
        opened(Role::Server),
        "INFO deadline missed role=\"server\" deadline=\"idle\" limit=5s".to_owned(),
        "DEBUG connection closed role=\"server\" code=1001 by=Us is_clean=true".to_owned(),
    ];
    assert_eq!(found, expected);
}
