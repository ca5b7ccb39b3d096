//! Programs that run: the broker and the servers of the chat.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A program that is ended when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the program starts"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: the program cannot close its connections.
        let _result = self.0.kill();
        let _result = self.0.wait();
    }
}

/// A NATS server with a port and a store of its own. The port stays the same after a restart.
pub(crate) struct Broker {
    program: PathBuf,
    pub(crate) port: u16,
    store: PathBuf,
    process: Option<Process>,
}

impl Broker {
    /// Returns `None`, and says so, if there is no `nats-server` on this computer.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(program) = find_nats_server() else {
            // Not `eprintln`, whose output is shown only for tests that fail.
            let what = "there is no nats-server in PATH (Debian: apt-get install nats-server)";
            let _result = writeln!(io::stderr(), "\n*** {test} is SKIPPED: {what}");
            return None;
        };
        let store = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _result = fs::remove_dir_all(&store);
        fs::create_dir_all(&store).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut broker = Self {
            program,
            port,
            store,
            process: None,
        };
        broker.restart();
        Some(broker)
    }

    /// Kills the broker.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, with what it has stored, and waits until it accepts connections.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(self.store.join("log"))
            .unwrap();
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"]);
        command.arg(&self.store).stdout(Stdio::null()).stderr(log);
        self.process = Some(Process::start(&mut command));
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < TEST_TIMEOUT, "the broker does not listen");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts a server of the chat. Also returns where it listens.
    pub(crate) fn serve(&self, name: &str) -> (Process, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat_nats"));
        let broker = format!("127.0.0.1:{}", self.port);
        command.args(["--server", name, "--listen", "127.0.0.1:0", "--broker", &broker]);
        let mut process = Process::start(command.stdout(Stdio::piped()));
        let mut line = String::new();
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("chat_nats: open http://").expect(&line);
        (process, address.trim_end_matches('/').to_owned())
    }
}

fn find_nats_server() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian installs it here, which is not in the PATH of every user.
    env::split_paths(&path)
        .chain([Path::new("/usr/sbin").into()])
        .map(|directory| directory.join("nats-server"))
        .find(|program| program.is_file())
}
