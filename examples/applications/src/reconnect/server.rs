//! The server, on threads.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    net::TcpStream,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sockless::{
    Accept, CloseCode,
    adapter::{
        Settings,
        std_net::{self, WebSocket},
    },
};
use sockless_applications::{AnyError, serve_each_on_threads};

/// How many clients the directory may have the lines of. The file of each stays open, and anyone
/// can invent a name.
const MAX_CLIENTS: usize = 100;
/// The longest name of a client, in bytes.
const MAX_NAME_LEN: usize = 32;
/// The longest file of a client, in bytes. It is read when the client comes for the first time.
const MAX_LOG_LEN: u64 = 64 << 20;

/// The lines of one client.
struct Log {
    file: File,
    /// How long the file is, in bytes.
    len: u64,
    count: u64,
    /// The number of the last connection. Those before are lost to the client, but what they have
    /// sent may still be on its way.
    connection: u64,
}

type Logs = Mutex<HashMap<String, Arc<Mutex<Log>>>>;

pub(crate) fn serve(listen: &str, directory: &Path) -> Result<(), AnyError> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let logs = Logs::default();
    serve_each_on_threads("reconnect", listen, |tcp| receive(tcp, directory, &logs))
}

/// Writes what a client sends, and confirms it.
fn receive(tcp: TcpStream, directory: &Path, logs: &Logs) -> Result<(), AnyError> {
    let incoming = std_net::incoming(tcp, Settings::new())?;
    let name = incoming.request().target().trim_start_matches('/').to_owned();
    if !is_name(&name) {
        return Ok(incoming.reject(404, &[], b"the path is no name of a client\n")?);
    }
    let log = match open(logs, directory, name)? {
        Ok(log) => log,
        Err(reason) => return Ok(incoming.reject(403, &[], format!("{reason}\n").as_bytes())?),
    };
    let mut ws = incoming.accept(&Accept::new())?;
    let connection = {
        let mut log = lock(&log);
        log.connection += 1;
        ws.feed(log.count.to_string())?;
        log.connection
    };
    while let Some(message) = ws.recv()? {
        let Some(line) = message.as_text().filter(|text| !text.contains('\n')) else {
            return refuse(ws, "a message has to be one line of text");
        };
        let line = format!("{line}\n");
        let mut log = lock(&log);
        if log.connection != connection {
            return Err("the client has connected again".into());
        }
        if log.len + line.len() as u64 > MAX_LOG_LEN {
            drop(log);
            return refuse(ws, "the file of the client is full");
        }
        // In one call, and then confirmed. It survives the end of this process; for more, call
        // `sync_data`.
        log.file.write_all(line.as_bytes())?;
        log.len += line.len() as u64;
        log.count += 1;
        // The confirmations of all lines of one read leave in one write.
        ws.feed(log.count.to_string())?;
    }
    Ok(())
}

/// Closes the connection. What arrives meanwhile is not written: a line before it is missing.
fn refuse(mut ws: WebSocket<TcpStream>, reason: &str) -> Result<(), AnyError> {
    ws.close(CloseCode::POLICY_VIOLATION, reason)?;
    while ws.recv()?.is_some() {}
    Ok(())
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=MAX_NAME_LEN).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Returns the lines of a client, or why it is refused.
fn open(logs: &Logs, directory: &Path, name: String) -> io::Result<Result<Arc<Mutex<Log>>, &'static str>> {
    let mut logs = lock(logs);
    if let Some(log) = logs.get(&name) {
        return Ok(Ok(Arc::clone(log)));
    }
    let path = directory.join(&name);
    if !path.exists() && fs::read_dir(directory)?.count() >= MAX_CLIENTS {
        return Ok(Err("there are too many clients"));
    }
    let file = File::options().read(true).append(true).create(true).open(&path)?;
    if file.metadata()?.len() > MAX_LOG_LEN {
        return Ok(Err("the file of the client is too long"));
    }
    let lines = fs::read(&path)?;
    // The last line may be cut off. It was not confirmed.
    let len = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(len as u64)?;
    let count = lines[..len].iter().filter(|byte| **byte == b'\n').count() as u64;
    let log = Arc::new(Mutex::new(Log {
        file,
        len: len as u64,
        count,
        connection: 0,
    }));
    logs.insert(name, Arc::clone(&log));
    Ok(Ok(log))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
