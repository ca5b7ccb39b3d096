//! A text of what happens in a conversation.

use std::mem;

use sockless::Role;
use support::{peer_of, role_name};

/// What has happened, a line each.
#[derive(Default)]
pub(super) struct Log {
    lines: Vec<String>,
    /// Who has written the bytes of the last delivery, in how many pieces they arrived, how many
    /// they were, and how many are left. Deliveries without an effect are one line.
    delivery: Option<(Role, usize, usize, usize)>,
}

impl Log {
    pub(super) fn push(&mut self, line: String) {
        self.end_delivery();
        self.lines.push(line);
    }

    pub(super) fn deliver(&mut self, sender: Role, len: usize, left: usize) {
        let (pieces, before) = match self.delivery {
            Some((same, pieces, before, _)) if same == sender => (pieces, before),
            _ => {
                self.end_delivery();
                (0, 0)
            }
        };
        self.delivery = Some((sender, pieces + 1, before + len, left));
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        self.end_delivery();
        mem::take(&mut self.lines)
    }

    fn end_delivery(&mut self) {
        if let Some((sender, pieces, len, left)) = self.delivery.take() {
            let (from, to) = (role_name(sender), role_name(peer_of(sender)));
            let all = len + left;
            let pieces = if pieces > 1 {
                format!(", in {pieces} pieces")
            } else {
                String::new()
            };
            let line = format!("network: {len} of {all} bytes of the {from} arrive at the {to}{pieces}");
            self.lines.push(line);
        }
    }
}
