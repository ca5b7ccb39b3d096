//! The server: a task for each player, and one for the game.
//!
//! Between them are queues of ten messages. The queue to the game makes players wait. The queue to
//! a player does not make the game wait: a player whose queue is full is disconnected.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sockless::{
    Accept, CloseCode, Config, Message,
    adapter::{self, Settings},
    timers::Timeouts,
};
use sockless_applications::{AnyError, bind, serve_each};
use tokio::{
    net::TcpStream,
    sync::mpsc::{self, Receiver, Sender},
};

use crate::messages::{Join, Left, MAX_MESSAGE_SIZE, Packet, Position, Step};

const PATH: &str = "/connect";
const QUEUE_LEN: usize = 10;

/// An encoded message for several players.
type Encoded = Arc<[u8]>;

/// What the tasks of the players tell the game. `player` is the number of the connection.
enum Event {
    Joined {
        player: u64,
        name: String,
        queue: Sender<Encoded>,
    },
    Stepped {
        player: u64,
        step: Step,
    },
    Left {
        player: u64,
    },
}

pub(crate) async fn serve(listen: &str, read_deadline: Duration) -> Result<(), AnyError> {
    let listener = bind(listen).await?;
    println!("listening on ws://{}{PATH}", listener.local_addr()?);
    let (game, events) = mpsc::channel(QUEUE_LEN);
    tokio::spawn(run_game(events));
    // A Ping after the first half of the time, and its answer within the second.
    let timeouts = Timeouts::new().ping(read_deadline / 2).pong(read_deadline / 2);
    let config = Config::new().max_message_size(MAX_MESSAGE_SIZE);
    let settings = Settings::new().config(config).timeouts(timeouts);
    let mut players = 0;
    let serve = |tcp| {
        players += 1;
        serve_player(tcp, settings.clone(), players, game.clone())
    };
    serve_each("game", listener, serve).await;
    Ok(())
}

async fn serve_player(tcp: TcpStream, settings: Settings, player: u64, game: Sender<Event>) -> Result<(), AnyError> {
    let incoming = adapter::tokio::incoming(tcp, settings).await?;
    if incoming.request().target() != PATH {
        incoming.reject(404, &[], b"the game is at /connect\n").await?;
        return Ok(());
    }
    let (reader, writer) = incoming.accept(&Accept::new()).await?.split();
    let (queue, encoded) = mpsc::channel(QUEUE_LEN);
    let reading = async {
        let read = read(reader, &writer, player, queue, &game).await;
        let _result = game.send(Event::Left { player }).await;
        read
    };
    tokio::pin!(reading);
    tokio::select! {
        read = &mut reading => read,
        // How the connection ends, the reader tells.
        () = write(&writer, encoded) => reading.await,
    }
}

/// Passes what a player sends to the game.
async fn read(
    mut reader: adapter::tokio::Reader<TcpStream>,
    writer: &adapter::tokio::Writer<TcpStream>,
    player: u64,
    queue: Sender<Encoded>,
    game: &Sender<Event>,
) -> Result<(), AnyError> {
    // It is `Some` until the player has joined.
    let mut queue = Some(queue);
    while let Some(message) = reader.recv().await? {
        let mistake: (CloseCode, AnyError) = match message {
            Message::Text(_) => (CloseCode::UNSUPPORTED_DATA, "a text message".into()),
            Message::Binary(data) => match (Packet::decode(&data), queue.take()) {
                (Ok(Packet::Join(Join { name })), Some(queue)) => {
                    game.send(Event::Joined { player, name, queue }).await?;
                    continue;
                }
                (Ok(Packet::Step(step)), None) => {
                    game.send(Event::Stepped { player, step }).await?;
                    continue;
                }
                (Ok(packet), _) => (
                    CloseCode::POLICY_VIOLATION,
                    format!("{packet:?} comes at the wrong time").into(),
                ),
                (Err(error), _) => (CloseCode::INVALID_DATA, error.into()),
            },
        };
        let (code, error) = mistake;
        writer
            .close(code, "not a message of the game, or at the wrong time")
            .await?;
        while reader.recv().await.is_ok_and(|message| message.is_some()) {}
        return Err(error);
    }
    Ok(())
}

/// Sends what the game has for a player, until the game drops the queue because it is full, or the
/// connection ends.
async fn write(writer: &adapter::tokio::Writer<TcpStream>, mut encoded: Receiver<Encoded>) {
    while let Some(message) = encoded.recv().await {
        if writer.send(message).await.is_err() {
            return;
        }
    }
    let _result = writer.close(CloseCode::TRY_AGAIN_LATER, "too slow for the game").await;
}

struct Player {
    position: Position,
    queue: Sender<Encoded>,
}

async fn run_game(mut events: Receiver<Event>) {
    let mut players = BTreeMap::<u64, Player>::new();
    while let Some(event) = events.recv().await {
        match event {
            Event::Joined { player, name, queue } => {
                // The new player sees the others, as far as its queue has room.
                for other in players.values().take(QUEUE_LEN - 1) {
                    let _result = queue.try_send(Packet::Position(other.position.clone()).encode().into());
                }
                let position = Position { name, x: 0, y: 0 };
                players.insert(
                    player,
                    Player {
                        position: position.clone(),
                        queue,
                    },
                );
                send_to_all(&mut players, Packet::Position(position));
            }
            Event::Stepped { player, step } => {
                // It may have been dropped.
                if let Some(Player { position, .. }) = players.get_mut(&player) {
                    position.x = position.x.saturating_add(step.dx);
                    position.y = position.y.saturating_add(step.dy);
                    let packet = Packet::Position(position.clone());
                    send_to_all(&mut players, packet);
                }
            }
            Event::Left { player } => {
                if let Some(Player { position, .. }) = players.remove(&player) {
                    send_to_all(&mut players, Packet::Left(Left { name: position.name }));
                }
            }
        }
    }
}

/// Sends a message to all players, and drops those whose queue is full.
fn send_to_all(players: &mut BTreeMap<u64, Player>, packet: Packet) {
    let mut packets = vec![packet];
    while let Some(packet) = packets.pop() {
        let encoded: Encoded = packet.encode().into();
        players.retain(|_, player| {
            let is_sent = player.queue.try_send(Arc::clone(&encoded)).is_ok();
            if !is_sent {
                let name = player.position.name.clone();
                packets.push(Packet::Left(Left { name }));
            }
            is_sent
        });
    }
}
