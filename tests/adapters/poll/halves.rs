//! Halves of polled connections that are used together, and joined again.

use sockless::{
    Message, MessageKind, Role,
    adapter::{
        ReuniteError,
        poll::{WebSocket, Writer},
    },
};
use support::{
    ROLES, frame, frames,
    pipe::{PipeEnd, Simulation, Task, VirtualClock},
    polled::{message, open},
};

/// Halves are joined again: what was read and fed is there, and a message in fragments goes on.
/// Halves of two connections, and a writer with a clone, are returned.
#[test]
fn halves_are_reunited() {
    let mut simulation = Simulation::new(1);
    let (local, mut remote) = simulation.pipe([1000, 1000]);
    let (other_local, _other_remote) = simulation.pipe([1000, 1000]);
    let input = [
        frame(Role::Client, 0x81, b"first"),
        frame(Role::Client, 0x81, b"second"),
    ]
    .concat();
    remote.output.borrow_mut().push(&input);
    let mut ws = open(local, simulation.clock(), Role::Server, 1000);
    simulation.block_on(async {
        ws.send_fragment(MessageKind::Text, b"begun ", false).await.unwrap();
        let (mut reader, writer) = ws.split();
        assert_eq!(reader.recv().await.unwrap(), Some("first".into()));
        writer
            .send_fragment(MessageKind::Text, b"in the whole, ", false)
            .await
            .unwrap();
        let clone = writer.clone();
        let ReuniteError { reader, writer, .. } = WebSocket::reunite(reader, writer).expect_err("there is a clone");
        drop(clone);
        let (other_reader, other_writer) = open(other_local, simulation_clock(), Role::Server, 1000).split();
        let separate = WebSocket::reunite(reader, other_writer).expect_err("another connection");
        drop((other_reader, separate.writer));
        let reader = separate.reader;
        let mut ws = WebSocket::reunite(reader, writer).expect("halves of one connection");
        ws.send_fragment(MessageKind::Text, b"ended", true).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("second".into()));
        let (reader, writer) = ws.split();
        writer.feed("fed").await.unwrap();
        let mut ws = WebSocket::reunite(reader, writer).unwrap();
        assert_eq!(ws.pending_bytes(), 5);
        ws.flush().await.unwrap();
        assert_eq!(ws.pending_bytes(), 0);
    });
    let sent = simulation.block_on(remote.read(usize::MAX));
    let data: Vec<_> = frames(Role::Server, &sent).into_iter().map(|(_, data)| data).collect();
    assert_eq!(data.concat(), b"begun in the whole, endedfed");
}

/// A clock for a connection that does not wait.
fn simulation_clock() -> VirtualClock {
    Simulation::new(0).clock()
}

/// What a message of the application does when it is asked for its bytes: it may use the
/// connection.
#[test]
fn a_message_may_use_the_writer() {
    struct Nosy<'a>(&'a Writer<PipeEnd, VirtualClock>);
    impl sockless::adapter::AsMessage for Nosy<'_> {
        fn as_message(&self) -> Message<'_> {
            let _used = self.0.pending_bytes();
            Message::from("nosy")
        }
    }
    let mut simulation = Simulation::new(0);
    let (local, _remote) = simulation.pipe([100, 100]);
    let (_reader, writer) = open(local, simulation.clock(), Role::Server, 100).split();
    simulation.block_on(async {
        writer.send(Nosy(&writer)).await.unwrap();
        futures_util::SinkExt::send(&mut writer.clone(), Nosy(&writer))
            .await
            .unwrap();
    });
}

/// Both ends send more than the high-water mark at the same time: the readers read while the
/// writers wait.
#[test]
fn halves_exchange_large_messages() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed);
        let (server, client) = simulation.pipe([16, 16]);
        let clocks = [simulation.clock(), simulation.clock()];
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for ((end, clock), role) in [server, client].into_iter().zip(clocks).zip(ROLES) {
            let (mut reader, writer) = open(end, clock, role, 100).split();
            tasks.push(Box::pin(async move { writer.send(message(0, 1000)).await.unwrap() }));
            tasks.push(Box::pin(async move {
                assert_eq!(reader.recv().await.unwrap(), Some(message(0, 1000)));
            }));
        }
        simulation.run(tasks);
    }
}
