//! Two halves of a connection, for two tasks.

use alloc::{boxed::Box, sync::Arc};

use super::{
    Clock, Reader, Transport, WebSocket, Writer,
    access::{Shared, Unsplit},
};
use crate::adapter::{ReuniteError, driver::SenderId};

/// What [`WebSocket::reunite`] returns if it cannot join the halves: both, unchanged.
type Separate<T, C> = ReuniteError<Reader<T, C>, Writer<T, C>>;

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Splits the connection into two halves for two tasks.
    #[must_use]
    pub fn split(self) -> (Reader<T, C>, Writer<T, C>) {
        let Unsplit { mut socket, input } = *self.unsplit;
        // Whoever sends the next fragment continues the message of the whole connection.
        socket.driver.abandon_message(SenderId::UNSPLIT);
        let tasks = socket.waiting.share();
        let interest = tasks.new_writer();
        let shared = Arc::new(Shared::new(socket, tasks));
        let reader = Reader {
            shared: Arc::clone(&shared),
            input,
        };
        (reader, Writer { shared, interest })
    }

    /// Joins two halves again. Nothing that was received or fed is lost, and a message that the
    /// writer has begun to send in fragments can be continued.
    ///
    /// # Errors
    /// The halves are of different connections, or there are clones of the writer. Both halves are
    /// returned.
    #[allow(clippy::result_large_err, reason = "the halves are returned as they were passed")]
    pub fn reunite(reader: Reader<T, C>, writer: Writer<T, C>) -> Result<Self, Separate<T, C>> {
        if !Arc::ptr_eq(&reader.shared, &writer.shared) || Arc::strong_count(&reader.shared) != 2 {
            return Err(ReuniteError::new(reader, writer));
        }
        let (shared, interest) = (Arc::clone(&writer.shared), writer.interest);
        let input = reader.into_input();
        drop(writer);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(Self {
                unsplit: Box::new(Unsplit {
                    socket: shared.into_socket(),
                    input,
                }),
            }),
            Err(shared) => {
                let reader = Reader {
                    shared: Arc::clone(&shared),
                    input,
                };
                Err(ReuniteError::new(reader, Writer { shared, interest }))
            }
        }
    }
}
