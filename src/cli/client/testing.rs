//! A node for tests: answers HTTP from a script and remembers what it was asked.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What it was asked.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Seen {
    pub(in crate::cli) line: String,
    pub(in crate::cli) headers: Vec<(String, String)>,
    pub(in crate::cli) body: Vec<u8>,
}

impl Seen {
    pub(in crate::cli) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Answer {
    status: u16,
    body: Vec<u8>,
    hang_up: bool,
}

impl Answer {
    pub(in crate::cli) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), hang_up: false }
    }

    /// Does the work, then closes the connection instead of answering.
    pub(in crate::cli) fn hang_up() -> Self {
        Self { status: 0, body: Vec::new(), hang_up: true }
    }
}

type Script = Box<dyn Fn(usize, &Seen) -> Answer + Send + Sync>;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    answer: Script,
    stopped: AtomicBool,
}

/// A listening fake; stops when dropped.
pub(in crate::cli) struct FakeNode {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl FakeNode {
    /// Answers by the number of earlier requests.
    pub(in crate::cli) fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_reading(move |earlier, _| answer(earlier))
    }

    /// Answers by the number of earlier requests and by what is asked.
    pub(in crate::cli) fn start_reading(answer: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { seen: Mutex::default(), answer: Box::new(answer), stopped: AtomicBool::new(false) });
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || serve(&stream, &shared));
                }
            })
        };
        Self { address, shared, acceptor: Some(acceptor) }
    }

    pub(in crate::cli) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(in crate::cli) fn requests(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// A URL where nobody listens.
pub(in crate::cli) fn closed_port() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Serves one connection until the client closes it.
fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        let answer = {
            let mut all = shared.seen.lock().unwrap();
            all.push(seen.clone());
            let earlier = all.len() - 1;
            drop(all);
            (shared.answer)(earlier, &seen)
        };
        if answer.hang_up {
            return;
        }
        let head = format!(
            "HTTP/1.1 {} Status\r\ncontent-length: {}\r\nthalweg-height: 7\r\n\r\n",
            answer.status,
            answer.body.len()
        );
        let mut stream = stream;
        if stream.write_all(&[head.as_bytes(), &answer.body].concat()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0).map(|_| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    while let Some(header) = line().filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { line: first, headers, body })
}
