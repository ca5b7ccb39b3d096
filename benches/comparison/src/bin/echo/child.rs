//! A server in a process of its own, and the processor time that it has used.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio, exit},
    thread,
};

use crate::{connection, servers};

pub struct Server {
    pub name: String,
    pub address: SocketAddr,
    pid: u32,
    child: Option<Child>,
}

impl Server {
    /// Starts this program again as the server of that name.
    pub fn start(name: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("the path of the program is known"))
            .args(["--serve", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).expect("the server prints its address");
        Self {
            name: name.into(),
            address: line.trim().parse().expect("an address"),
            pid: child.id(),
            child: Some(child),
        }
    }

    /// Creates a server that is running already.
    pub fn external(name: String, address: SocketAddr, pid: u32) -> Self {
        Self {
            name,
            address,
            pid,
            child: None,
        }
    }

    /// Returns the processor time that the server has used: see [`connection::processor_time`].
    pub fn processor_time(&self) -> u64 {
        connection::processor_time(self.pid)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // The server exits at the end of its standard input.
            drop(child.stdin.take());
            _ = child.wait();
        }
    }
}

/// Runs the server of that name until the standard input ends.
pub fn serve(name: &str) {
    let (_, run) = servers::ALL.iter().find(|(known, _)| *known == name).expect("a server");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    println!("{}", listener.local_addr().unwrap());
    thread::spawn(|| {
        _ = io::stdin().read_to_end(&mut Vec::new());
        exit(0);
    });
    run(listener);
}
