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
    adapter::{Settings, std_net},
};
use sockless_applications::{AnyError, serve_each_on_threads};

/// How many clients the directory may have the lines of. The file of each stays open, and anyone
/// can invent a name.
const MAX_CLIENTS: usize = 100;
/// The longest name of a client, in bytes.
const MAX_NAME_LEN: usize = 32;

/// The lines of one client.
struct Log {
    file: File,
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
    let Some(log) = open(logs, directory, name)? else {
        return Ok(incoming.reject(403, &[], b"there are too many clients\n")?);
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
            ws.close(CloseCode::POLICY_VIOLATION, "a message has to be one line of text")?;
            continue;
        };
        let mut log = lock(&log);
        if log.connection != connection {
            return Err("the client has connected again".into());
        }
        // In one call, and then confirmed. It survives the end of this process; for more, call
        // `sync_data`.
        log.file.write_all(format!("{line}\n").as_bytes())?;
        log.count += 1;
        // The confirmations of all lines of one read leave in one write.
        ws.feed(log.count.to_string())?;
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=MAX_NAME_LEN).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Returns the lines of a client. `None`: it is a new one, and there are too many.
fn open(logs: &Logs, directory: &Path, name: String) -> io::Result<Option<Arc<Mutex<Log>>>> {
    let mut logs = lock(logs);
    if let Some(log) = logs.get(&name) {
        return Ok(Some(Arc::clone(log)));
    }
    let path = directory.join(&name);
    if !path.exists() && fs::read_dir(directory)?.count() >= MAX_CLIENTS {
        return Ok(None);
    }
    let file = File::options().read(true).append(true).create(true).open(&path)?;
    let lines = fs::read(&path)?;
    // The last line may be cut off. It was not confirmed.
    let len = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(len as u64)?;
    let count = lines[..len].iter().filter(|byte| **byte == b'\n').count() as u64;
    let log = Arc::new(Mutex::new(Log {
        file,
        count,
        connection: 0,
    }));
    logs.insert(name, Arc::clone(&log));
    Ok(Some(log))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
