//! Halves that are joined again, and a message in progress that is split or joined.

use sockless::{
    Delivery, MessageKind, Role, SendError,
    adapter::{Error, ReuniteError, std_net::WebSocket},
};
use support::{frame, frames};

use super::shared_script::{SharedScript, halves, joined, reads, whole};
use super::{binary, text};

/// Halves are joined again: nothing that was read, fed or begun is lost. Halves that cannot be
/// joined are unchanged.
#[test]
fn halves_are_reunited() {
    let input = [
        frame(Role::Client, 0x81, b"one"),
        frame(Role::Client, 0x81, b"two"),
        frame(Role::Client, 0x81, b"three"),
    ]
    .concat();
    let script = reads(&input, 100);
    let (mut reader, writer) = halves(Role::Server, Delivery::Messages, &script);
    assert_eq!(reader.recv().unwrap(), Some(text("one")));
    writer.send_fragment(MessageKind::Binary, b"be", false).unwrap();
    let clone = writer.clone();
    let ReuniteError { reader, writer, .. } = WebSocket::reunite_with(reader, writer, |stream, _| stream).unwrap_err();
    let sent = clone.send_fragment(MessageKind::Binary, b"clone", false);
    assert!(matches!(sent, Err(Error::Send(SendError::MessageInProgress))));
    writer.send_fragment(MessageKind::Binary, b"g", false).unwrap();
    drop(clone);
    let (_, stranger) = halves(Role::Server, Delivery::Messages, &script);
    let separate = WebSocket::reunite_with(reader, stranger, |stream, _| stream).unwrap_err();
    drop(separate.writer);
    let mut reader = separate.reader;
    assert_eq!(reader.recv().unwrap(), Some(text("two")));
    let mut ws = WebSocket::reunite_with(reader, writer, |stream, _| stream).unwrap();
    ws.send_fragment(MessageKind::Binary, b"un", true).unwrap();
    ws.feed("fed").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(text("three")));
    assert_eq!(ws.pending_bytes(), 5);
    let (reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
    let ws = WebSocket::reunite_with(reader, writer, |_, stream: SharedScript| stream).unwrap();
    let parts = ws.into_parts();
    assert_eq!(frames(Role::Server, &parts.unsent), [(0x81, b"fed".to_vec())]);
    assert_eq!(joined(&script.frames(Role::Server), 2), b"begun");
}

/// A message that was begun before a split can be ended after it, and the reverse.
#[test]
fn a_message_in_progress_survives_a_split() {
    let script = SharedScript::default();
    let mut ws = whole(Role::Server, Delivery::Messages, &script);
    ws.send_fragment(MessageKind::Binary, b"be", false).unwrap();
    let (_reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
    assert!(matches!(
        writer.send(binary(b"no")),
        Err(Error::Send(SendError::MessageInProgress))
    ));
    writer.send_fragment(MessageKind::Binary, b"gun", true).unwrap();
    assert_eq!(joined(&script.frames(Role::Server), 2), b"begun");
}
