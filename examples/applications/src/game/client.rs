//! The client.

use sockless::{ClientRequest, CloseCode, Config, Message, adapter};
use sockless_applications::AnyError;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::messages::{Join, MAX_MESSAGE_SIZE, Packet, Step};

pub(crate) async fn play(url: &str, name: String) -> Result<(), AnyError> {
    let config = Config::new().max_message_size(MAX_MESSAGE_SIZE);
    let (mut ws, _response) = adapter::tokio::connect_with(&ClientRequest::new(url)?, config).await?;
    ws.send(Packet::Join(Join { name }).encode()).await?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            message = ws.recv() => match message? {
                Some(message) => show(&message)?,
                None => return Err("the server has ended the game".into()),
            },
            line = lines.next_line() => match line? {
                Some(line) => match parse(&line) {
                    Some(step) => ws.send(Packet::Step(step).encode()).await?,
                    None => eprintln!("game: {line:?} is no step; one is `1 -2`"),
                },
                None => break,
            },
        }
    }
    ws.close(CloseCode::NORMAL, "").await?;
    // The answers to the last steps arrive before the Close frame of the server.
    while let Some(message) = ws.recv().await? {
        show(&message)?;
    }
    Ok(())
}

fn show(message: &Message<'_>) -> Result<(), AnyError> {
    match Packet::decode(message.as_bytes())? {
        Packet::Position(position) => println!("{} is at {}, {}", position.name, position.x, position.y),
        Packet::Left(left) => println!("{} has left", left.name),
        packet => return Err(format!("the server has sent {packet:?}").into()),
    }
    Ok(())
}

fn parse(line: &str) -> Option<Step> {
    let (dx, dy) = line.trim().split_once(' ')?;
    let (dx, dy) = (dx.parse().ok()?, dy.trim().parse().ok()?);
    Some(Step { dx, dy })
}
