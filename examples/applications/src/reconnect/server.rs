//! The server, on threads.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use sockless::{
    Accept, CloseCode,
    adapter::{Settings, std_net},
};
use sockless_applications::AnyError;

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
    let listener = TcpListener::bind(listen).map_err(|error| format!("{listen}: {error}"))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let logs = Logs::default();
    thread::scope(|scope| {
        loop {
            let served = listener.accept().and_then(|(tcp, peer)| {
                let logs = &logs;
                thread::Builder::new().spawn_scoped(scope, move || {
                    if let Err(error) = receive(tcp, directory, logs) {
                        eprintln!("reconnect: {peer}: {error}");
                    }
                })
            });
            if let Err(error) = served {
                eprintln!("reconnect: {listen}: {error}");
                // There are no more sockets or threads: a retry at once would keep the processor
                // busy.
                thread::sleep(Duration::from_millis(100));
            }
        }
    })
}

/// Writes what a client sends, and confirms it.
fn receive(tcp: TcpStream, directory: &Path, logs: &Logs) -> Result<(), AnyError> {
    let incoming = std_net::incoming(tcp, Settings::new())?;
    let name = incoming.request().target().trim_start_matches('/').to_owned();
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        return Ok(incoming.reject(404, &[], b"the path is no name of a client\n")?);
    }
    let mut ws = incoming.accept(&Accept::new())?;
    let log = open(logs, &directory.join(&name), name)?;
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

fn open(logs: &Logs, path: &Path, name: String) -> io::Result<Arc<Mutex<Log>>> {
    let mut logs = lock(logs);
    if let Some(log) = logs.get(&name) {
        return Ok(Arc::clone(log));
    }
    let file = File::options().read(true).append(true).create(true).open(path)?;
    let lines = fs::read(path)?;
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
    Ok(log)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
