//! Frames on a stream: a length as big-endian u32, then as many bytes. The length tells a message that was cut off,
//! which is nobody's lie, from a malformed one.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Writes a frame, unflushed.
pub(super) async fn write_frame(writes: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    writes.write_all(&length.to_be_bytes()).await?;
    writes.write_all(frame).await
}

/// Reads a frame into `frame`; memory follows what really arrives, never what the peer says will.
///
/// # Errors
/// `InvalidData` when the peer announces more than `max`, which only a liar does; anything else is the connection's
/// fault, `UnexpectedEof` when it ends early.
pub(super) async fn read_frame(
    reads: &mut (impl AsyncRead + Unpin),
    max: usize,
    frame: &mut Vec<u8>,
) -> io::Result<()> {
    let mut length = [0; 4];
    reads.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length);
    if length as usize > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too large"));
    }
    frame.clear();
    let read = reads.take(length.into()).read_to_end(frame).await?;
    if read < length as usize { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::BufReader};

    use super::*;

    #[test]
    fn frames_come_back_and_torn_or_large_ones_are_refused() {
        let mut wire = Vec::new();
        block_on(write_frame(&mut wire, b"vote")).unwrap();
        assert_eq!(wire, b"\0\0\0\x04vote");
        let read = |max: usize, wire: &[u8]| {
            let mut frame = Vec::new();
            block_on(read_frame(&mut BufReader::new(wire), max, &mut frame)).map(|()| frame)
        };
        assert_eq!(read(4, &wire).unwrap(), b"vote");
        assert_eq!(read(3, &wire).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(4, &wire[..7]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(4, &wire[..3]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
