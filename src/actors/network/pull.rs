//! Requests and responses on the wire: one frame each, strictly encoded.
//!
//! What cannot be a message arrives as a [`Rejection`] in its place: libp2p does not tell of requests that fail to be
//! read. Runs in the tasks of connections, so that neither encoding nor decoding of large responses holds up the swarm.

use std::{io, sync::Arc};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{StreamProtocol, request_response::Codec};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    framing::{read_frame, write_frame},
    gauge::{Direction, Dropped, MessageKind, NetworkGauges},
};
use crate::{
    metrics::Label as _,
    protocol::Rejection,
    replica::wire::{Request, Response},
    types::codec,
};

/// The protocol's name.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/thalweg/pull/1");

/// A message, or why what a peer sent is none. Ours are always messages.
pub(super) type Received<T> = Result<T, Rejection>;

/// Reads and writes within bounds.
#[derive(Clone)]
pub(super) struct PullCodec {
    pub request_bytes_max: usize,
    pub response_bytes_max: usize,
    pub gauges: Arc<NetworkGauges>,
}

impl PullCodec {
    async fn read<T, I>(&self, io: &mut I, max: usize) -> io::Result<Received<T>>
    where
        T: Serialize + DeserializeOwned,
        for<'a> MessageKind: From<&'a T>,
        I: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        match read_frame(io, max, &mut bytes).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Err(Rejection::TooLarge)),
            Err(error) => return Err(error),
        }
        let message = codec::decode(&bytes).map_err(|_| Rejection::Malformed);
        let kind = message.as_ref().map_or(MessageKind::Other, MessageKind::from);
        self.gauges.count_message(kind, Direction::In, bytes.len());
        Ok(message)
    }

    async fn write<T, I>(&self, io: &mut I, message: T, max: usize) -> io::Result<()>
    where
        T: Serialize,
        for<'a> MessageKind: From<&'a T>,
        I: AsyncWrite + Unpin + Send,
    {
        let kind = MessageKind::from(&message);
        let bytes = codec::encode(&message);
        if bytes.len() > max {
            self.gauges.count_dropped(Dropped::TooLarge, 1);
            tracing::error!(kind = kind.as_str(), bytes = bytes.len(), max, "own message is too large to be sent");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too large to be sent"));
        }
        self.gauges.count_message(kind, Direction::Out, bytes.len());
        write_frame(io, &bytes).await
    }
}

impl Codec for PullCodec {
    type Protocol = StreamProtocol;
    type Request = Received<Request>;
    type Response = Received<Response>;

    async fn read_request<I: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut I,
    ) -> io::Result<Received<Request>> {
        self.read(io, self.request_bytes_max).await
    }

    async fn read_response<I: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut I,
    ) -> io::Result<Received<Response>> {
        self.read(io, self.response_bytes_max).await
    }

    async fn write_request<I: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut I,
        request: Received<Request>,
    ) -> io::Result<()> {
        let request = request.map_err(io::Error::other)?;
        self.write(io, request, self.request_bytes_max).await
    }

    async fn write_response<I: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut I,
        response: Received<Response>,
    ) -> io::Result<()> {
        let response = response.map_err(io::Error::other)?;
        self.write(io, response, self.response_bytes_max).await
    }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;
    use crate::types::Height;

    fn codec(request_bytes_max: usize) -> PullCodec {
        PullCodec { request_bytes_max, response_bytes_max: 100, gauges: Arc::default() }
    }

    #[test]
    fn requests_come_back_and_large_or_malformed_ones_are_refused() {
        let request = Request::Blocks { from: Height::new(7) };
        let mut wire = Cursor::new(Vec::new());
        block_on(codec(9).write_request(&PROTOCOL, &mut wire, Ok(request.clone()))).unwrap();
        let bytes = wire.into_inner();
        let read = |max: usize, bytes: &[u8]| {
            block_on(codec(max).read_request(&PROTOCOL, &mut Cursor::new(bytes))).map_err(|error| error.kind())
        };
        assert_eq!(read(9, &bytes), Ok(Ok(request)));
        assert_eq!(read(1, &bytes), Ok(Err(Rejection::TooLarge)));
        assert_eq!(read(9, b"\0\0\0\x03\xff\xff\xff"), Ok(Err(Rejection::Malformed)));
        assert_eq!(read(9, &bytes[..bytes.len() - 1]), Err(io::ErrorKind::UnexpectedEof), "cut off is no lie");
        assert_eq!(read(9, b""), Err(io::ErrorKind::UnexpectedEof), "nor is a missing answer");
    }
}
