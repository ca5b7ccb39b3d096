//! Two halves of a connection, for two threads.

use alloc::sync::Arc;
use std::{
    io::{self, Read, Write},
    sync::{Mutex, PoisonError},
};

use super::{
    Reader, WebSocket, Writer, access::Core, read_loop::ReadLoop, reader::ReadHalf, shared::Shared, socket::Socket,
    write_loop::WriteLoop,
};
use crate::adapter::{ReuniteError, driver::SenderId};

impl<S: Read + Write> WebSocket<S> {
    /// Splits the connection into two halves for two threads, over the two handles of the stream
    /// that `split` returns.
    ///
    /// # Errors
    /// Those of `split`.
    pub fn split_with<R: Read, W: Write>(
        self,
        split: impl FnOnce(S) -> io::Result<(R, W)>,
    ) -> io::Result<(Reader<R, W>, Writer<W>)> {
        let (core, read_loop, write_loop) = self.into_loops();
        let (stream, write_loop) = write_loop.split_stream(split)?;
        Ok(halves(core, read_loop.without_hooks(), stream, write_loop))
    }
}

/// What `reunite` returns if it cannot join the halves: both, unchanged.
type Separate<R, W> = ReuniteError<Reader<R, W>, Writer<W>>;

/// What is left of two halves: the core, the reading direction with its handle, and the writing
/// one.
type Loops<R, W> = (Core, ReadLoop<R>, R, WriteLoop<W>);

impl<S: Read + Write> WebSocket<S> {
    /// Joins two halves again, with the stream that `join` makes of its two handles. Nothing that
    /// was received or fed is lost.
    ///
    /// # Errors
    /// The halves are of different connections, or there are clones of the writer. Both halves are
    /// returned.
    #[allow(clippy::result_large_err, reason = "the halves are returned as they were passed")]
    pub fn reunite_with<R: Read, W: Write>(
        reader: Reader<R, W>,
        writer: Writer<W>,
        join: impl FnOnce(R, W) -> S,
    ) -> Result<Self, Separate<R, W>> {
        let (core, read_loop, stream, write_loop) = reunite(reader, writer)?;
        let write_loop = write_loop.join_stream(stream, join);
        Ok(Self::from_loops(core, read_loop.without_hooks(), write_loop))
    }
}

impl<S: Socket> WebSocket<S> {
    /// Joins two halves again. Nothing that was received or fed is lost.
    ///
    /// ```no_run
    /// use sockless::{CloseCode, adapter::std_net::{self, WebSocket}};
    ///
    /// let (mut reader, writer) = std_net::connect("ws://127.0.0.1:9001/")?.split()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| writer.send("hello"));
    ///     reader.recv()
    /// })?;
    /// let mut ws = WebSocket::reunite(reader, writer)?;
    /// ws.send("whole again")?;
    /// ws.close(CloseCode::NORMAL, "")?;
    /// while ws.recv()?.is_some() {}
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The halves are of different connections, or there are clones of the writer. Both halves are
    /// returned.
    #[allow(clippy::result_large_err, reason = "the halves are returned as they were passed")]
    pub fn reunite(reader: Reader<S, S>, writer: Writer<S>) -> Result<Self, Separate<S, S>> {
        // The two handles are of one socket.
        let (core, read_loop, _stream, write_loop) = reunite(reader, writer)?;
        Ok(Self::from_loops(core, read_loop, write_loop))
    }

    /// Splits the connection into two halves for two threads.
    ///
    /// # Errors
    /// The socket cannot be duplicated.
    pub fn split(self) -> io::Result<(Reader<S, S>, Writer<S>)> {
        let (core, read_loop, write_loop) = self.into_loops();
        let stream = write_loop.stream.try_clone()?;
        Ok(halves(core, read_loop, stream, write_loop))
    }
}

fn halves<R, W>(
    mut core: Core,
    read_loop: ReadLoop<R>,
    stream: R,
    write_loop: WriteLoop<W>,
) -> (Reader<R, W>, Writer<W>) {
    core.is_split = true;
    // A message in progress can be continued by the writer.
    core.driver.abandon_message(SenderId::UNSPLIT);
    let shared = Arc::new(Shared {
        core: Mutex::new(core),
        write_loop: Mutex::new(write_loop),
    });
    let duplex = ReadHalf {
        stream,
        shared: Arc::clone(&shared),
    };
    (Reader { read_loop, duplex }, Writer::new(shared))
}

/// Undoes [`halves`].
#[allow(clippy::result_large_err, reason = "the halves are returned as they were passed")]
fn reunite<R, W>(reader: Reader<R, W>, writer: Writer<W>) -> Result<Loops<R, W>, Separate<R, W>> {
    // Dropping the writer ends its message, so the count is checked before: without a clone, nobody
    // makes one meanwhile.
    if !Arc::ptr_eq(&reader.duplex.shared, &writer.shared) || Arc::strong_count(&writer.shared) != 2 {
        return Err(ReuniteError::new(reader, writer));
    }
    drop(writer);
    let Reader { read_loop, duplex } = reader;
    match Arc::try_unwrap(duplex.shared) {
        Ok(shared) => {
            let mut core = shared.core.into_inner().unwrap_or_else(PoisonError::into_inner);
            core.is_split = false;
            let write_loop = shared.write_loop.into_inner().unwrap_or_else(PoisonError::into_inner);
            Ok((core, read_loop, duplex.stream, write_loop))
        }
        Err(shared) => {
            let duplex = ReadHalf {
                stream: duplex.stream,
                shared: Arc::clone(&shared),
            };
            Err(ReuniteError::new(Reader { read_loop, duplex }, Writer::new(shared)))
        }
    }
}
