//! What has to hold in every state of a conversation.

use sockless::{MessageKind, Role};
use support::{ROLES, known::Item, peer_of, role_name};

use super::{
    conversation::Conversation,
    explore::{Violation, require, require_equal},
    network::{CLOSE, PING, PONG},
};

impl Conversation {
    /// Checks everything that has to hold in every state.
    pub(super) fn check_state(&self) -> Result<(), Violation> {
        for role in ROLES {
            let end = self.end(role);
            end.check()?;
            let closes = end.output.frames.iter().filter(|frame| frame.opcode() == CLOSE).count();
            require(closes <= 1, "an end sends at most one Close frame", || {
                format!("the {} has sent {closes}", role_name(role))
            })?;
            self.check_received(role)?;
            // What an end has received, the other one has sent.
            if let Some(received) = &end.close_received {
                let sent = &self.end(peer_of(role)).close_sent;
                require_equal(
                    &Some(received),
                    &sent.as_ref(),
                    "the reports of the close agree",
                    role_name(role),
                )?;
            }
        }
        Ok(())
    }

    /// Whether an end has received exactly what the bytes say that have arrived, in their order.
    fn check_received(&self, receiver: Role) -> Result<(), Violation> {
        let (sender, end) = (self.end(peer_of(receiver)), self.end(receiver));
        let (mut items, mut messages, mut partial, mut has_close) = (Vec::new(), 0, Vec::new(), false);
        for frame in sender.output.arrived() {
            match frame.opcode() {
                PING => items.push(Item::Ping(frame.payload.clone())),
                PONG => items.push(Item::Pong(frame.payload.clone())),
                CLOSE => {
                    items.push(Item::Close(sender.close_sent.clone().flatten()));
                    // What follows is discarded.
                    has_close = true;
                    break;
                }
                _ => partial.extend_from_slice(&frame.payload),
            }
            if frame.opcode() < CLOSE && frame.is_last() {
                partial.clear();
                if let Some(message) = sender.sent.get(messages) {
                    items.push(Item::Message(message.kind, message.data.clone()));
                }
                messages += 1;
            }
        }
        let rule = "what is sent arrives, in order and whole";
        require_equal(&end.received, &items, rule, role_name(receiver))?;
        if has_close || end.error.is_some() {
            return Ok(());
        }
        let next = sender
            .output
            .frames
            .iter()
            .find(|frame| frame.end > sender.output.delivered);
        if let Some(frame) = next.filter(|frame| frame.opcode() < CLOSE) {
            let arrived = sender.output.delivered.saturating_sub(frame.payload_start);
            partial.extend_from_slice(&frame.payload[..arrived]);
        }
        let kind = sender.sent.get(messages).map(|message| message.kind);
        self.check_partial(receiver, kind, partial)
    }

    /// Checks the message in progress, of which `partial` has arrived.
    fn check_partial(&self, receiver: Role, kind: Option<MessageKind>, mut partial: Vec<u8>) -> Result<(), Violation> {
        let end = self.end(receiver);
        let name = role_name(receiver);
        if end.settings.compressed {
            let sent = &self.end(peer_of(receiver)).sent;
            let is_prefix = end.chunks.is_empty() || sent.iter().any(|message| message.data.starts_with(&end.chunks));
            return require(is_prefix, "chunks are a part of the message", || {
                format!("{name}: {:?}", end.chunks)
            });
        }
        if end.settings.chunks {
            // The beginning of a code point waits for the rest of it.
            let is_split = kind == Some(MessageKind::Text) && partial.last() == Some(&0xC3);
            let waiting = partial.split_off(partial.len() - usize::from(is_split));
            require_equal(&end.chunks, &partial, "chunks arrive as their bytes do", name)?;
            partial = waiting;
        }
        let rule = "what has arrived of a message is assembled";
        require_equal(&end.engine.assembled_len(), &partial.len(), rule, name)
    }
}
