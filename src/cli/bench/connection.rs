//! One connection to a node: HTTP/1.1 with keep-alive, one request at a time.
//!
//! As little as the answers of our own nodes need, so that the client leaves the machine to those whom it measures.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longer than nodes wait for a commit: their answer comes first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HEAD_BYTES_MAX: usize = 16 << 10;
const BODY_BYTES_MAX: usize = 16 << 20;

/// An answer's status and body.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

/// An open connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the node is gone, silent, or says something that is no answer; then the connection is of no more use.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        timeout(ANSWER_TIMEOUT, self.exchange_for_long(request)).await?
    }

    async fn exchange_for_long(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head, body) = loop {
            self.fill().await?;
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break (Head::read(&self.buffer[..end]).ok_or(io::ErrorKind::InvalidData)?, end + 4);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        if head.body_bytes > BODY_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while self.buffer.len() < body + head.body_bytes {
            self.fill().await?;
        }
        Ok(Answer { status: head.status, body: &self.buffer[body..body + head.body_bytes] })
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(16 << 10);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// What is read of an answer's head.
#[derive(PartialEq, Eq, Debug)]
struct Head {
    status: u16,
    body_bytes: usize,
}

impl Head {
    /// `None` if it is none, or announces no length: our nodes always do.
    fn read(head: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
        Some(Self { status, body_bytes: length.trim().parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_with_their_length() {
        let head = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: x\r\nContent-Length: 17\r\nretry-after: 1";
        assert_eq!(Head::read(head), Some(Head { status: 429, body_bytes: 17 }));
        for head in ["", "HTTP/1.1 200 OK", "HTTP/1.1 x\r\ncontent-length: 1", "HTTP/1.1 200 OK\r\ncontent-length: -1"]
        {
            assert_eq!(Head::read(head.as_bytes()), None, "{head}");
        }
    }
}
