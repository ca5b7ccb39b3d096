//! Connections and the state they share.

use super::Connection;
use crate::deflate::DeflatePool;

impl DeflatePool {
    /// Lends the connection what it has, if permessage-deflate is agreed there and working state is missing. What the pool
    /// does not have, the connection makes when it needs it.
    pub fn lend(&mut self, connection: &mut Connection) {
        connection.receiver.borrow_state(self);
        connection.sender.borrow_state(self);
    }

    /// Takes back what the connection does not need for its next message.
    pub fn reclaim(&mut self, connection: &mut Connection) {
        connection.receiver.return_state(self);
        connection.sender.return_state(self);
    }
}
