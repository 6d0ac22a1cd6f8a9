//! Persistent substreams between validators: one in each direction, each opened by its writer.
//!
//! The first frame is a [`Hello`]; nothing that follows is read before its
//! proof is verified and granted. Writers flush only when nothing more waits, so that bursts share packets; readers
//! decode in their own tasks, so that a large frame of one validator holds up nobody else's vote.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{
    AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    io::{BufReader, BufWriter},
};
use libp2p::{PeerId, Stream, StreamProtocol};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    allowance::Allowance,
    book::Route,
    dial::Backoff,
    envelope,
    framing::{read_frame, write_frame},
    identity::{FRAME_VERSION, Hello, PeerProof},
    inbound::{Inbound, Taken},
    lane::Lane,
    stream::Opener,
};
use crate::{
    crypto::BatchRng,
    protocol::{Judgement, Rejection},
    replica::Peer,
    types::{Digest, codec},
};

/// The protocol's name.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/thalweg/consensus/1");

const HELLO_BYTES_MAX: usize = 1_024;
const BUFFER_BYTES: usize = 64 << 10;

/// What a reader tells the swarm's task. That channel is bounded and waited for.
pub(super) enum Notice {
    /// A proof that holds. The answer lets the reader go on; no answer ends it.
    Proven { peer: PeerId, proof: PeerProof, grant: oneshot::Sender<Peer> },
    /// The peer follows another chain.
    Foreign { peer: PeerId },
    /// The peer sent something it must not send.
    Rejected { peer: PeerId, rejection: Rejection },
    /// The peer does not read what it is sent.
    Slow { peer: PeerId },
}

/// Keeps one outbound substream up and empties a lane into it.
pub(super) struct Writer {
    pub peer: PeerId,
    pub lane: Arc<Lane>,
    pub opener: Opener,
    pub notices: mpsc::Sender<Notice>,
    pub hello: Bytes,
    pub open_timeout: Duration,
    pub write_timeout: Duration,
    pub backoff: Backoff,
    pub rng: BatchRng,
}

impl Writer {
    /// Runs until dropped.
    pub async fn run(mut self) {
        loop {
            let opened = timeout(self.open_timeout, self.opener.open(self.peer)).await;
            if let Ok(Some(stream)) = opened {
                let since = Instant::now();
                let ended = self.write(stream).await;
                self.lane.close();
                tracing::debug!(peer = %self.peer, ?ended, "substream ended");
                if ended.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                    // The receiver is gone only when the network stops, which ends this task too.
                    let _ = self.notices.send(Notice::Slow { peer: self.peer }).await;
                }
                if since.elapsed() > self.open_timeout {
                    self.backoff.reset();
                }
            }
            sleep(self.backoff.next(&mut self.rng)).await;
        }
    }

    async fn write(&self, stream: Stream) -> io::Result<()> {
        let (mut reads, writes) = stream.split();
        let mut writes = BufWriter::with_capacity(BUFFER_BYTES, writes);
        timeout(self.write_timeout, async {
            write_frame(&mut writes, &self.hello).await?;
            writes.flush().await
        })
        .await??;
        self.lane.open();
        // The peer never writes here: whatever is read says that it let go.
        let mut byte = [0];
        tokio::select! {
            _ = reads.read(&mut byte) => Ok(()),
            ended = empty(&self.lane, &mut writes, self.write_timeout) => ended,
        }
    }
}

/// Ends with `TimedOut` when one write took too long: the lane drops its oldest frames meanwhile, but a peer that does
/// not read for so long is better gone.
async fn empty(lane: &Lane, writes: &mut (impl AsyncWrite + Unpin), write_timeout: Duration) -> io::Result<()> {
    loop {
        let mut frame = Some(lane.pop().await);
        while let Some(next) = frame {
            timeout(write_timeout, write_frame(writes, &next)).await??;
            frame = lane.try_pop();
        }
        timeout(write_timeout, writes.flush()).await??;
    }
}

/// What all readers share.
pub(super) struct Readers {
    pub chain: Digest,
    pub inbound: Arc<Inbound>,
    pub notices: mpsc::Sender<Notice>,
    pub frame_bytes_max: usize,
    pub frames_per_second: u32,
    pub frame_bytes_per_second: u32,
    pub hello_timeout: Duration,
}

impl Readers {
    /// Reads one inbound substream to its end.
    pub async fn read(self: Arc<Self>, peer: PeerId, stream: Stream) {
        let mut reads = BufReader::with_capacity(BUFFER_BYTES, stream);
        let mut frame = Vec::new();
        let hello = timeout(self.hello_timeout, read_frame(&mut reads, HELLO_BYTES_MAX, &mut frame)).await;
        match hello {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => return self.refuse_large(peer).await,
            // Cut off or late, which is nobody's lie.
            _ => return,
        }
        let Some(mark) = self.greet(peer, &frame).await else {
            return;
        };
        let allowance = |rate| Allowance::new(rate, rate, Instant::now());
        let mut room = BUFFER_BYTES;
        let (mut frames, mut bytes) = (allowance(self.frames_per_second), allowance(self.frame_bytes_per_second));
        loop {
            match read_frame(&mut reads, self.frame_bytes_max + envelope::OVERHEAD_BYTES, &mut frame).await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return self.refuse_large(peer).await;
                }
                Err(_) => return,
            }
            if let Taken::Judged(Judgement::Reject(rejection)) = self.inbound.take(mark, peer, Route::Substream, &frame)
            {
                self.tell(Notice::Rejected { peer, rejection }).await;
            }
            // Too fast: the peer is read no further, and its own queue fills.
            let now = Instant::now();
            bytes.charge(frame.len());
            let wait = frames.try_take(now).err().unwrap_or_default().max(bytes.debt(now));
            if !wait.is_zero() {
                sleep(wait).await;
            }
            // Room for a large frame is given back after some that are smaller.
            room = frame.len().max(room - room / 8).max(BUFFER_BYTES);
            if frame.capacity() / 2 > room {
                frame.shrink_to(room);
            }
        }
    }

    async fn refuse_large(&self, peer: PeerId) {
        self.inbound.gauges().count_rejection(Rejection::TooLarge);
        self.tell(Notice::Rejected { peer, rejection: Rejection::TooLarge }).await;
    }

    async fn tell(&self, notice: Notice) {
        // The receiver is gone only when the network stops, which ends this task too.
        let _ = self.notices.send(notice).await;
    }

    /// The peer's mark, if it is proven to be a validator.
    async fn greet(&self, peer: PeerId, bytes: &[u8]) -> Option<Peer> {
        let Ok(hello) = codec::decode::<Hello>(bytes) else {
            self.inbound.gauges().count_rejection(Rejection::Malformed);
            self.tell(Notice::Rejected { peer, rejection: Rejection::Malformed }).await;
            return None;
        };
        if hello.chain != self.chain || hello.version != FRAME_VERSION {
            self.tell(Notice::Foreign { peer }).await;
            return None;
        }
        let proof = hello.proof?;
        if !proof.is_valid(&self.chain, peer) {
            self.inbound.gauges().count_refused_proof();
            self.inbound.gauges().count_rejection(Rejection::BadSignature);
            self.tell(Notice::Rejected { peer, rejection: Rejection::BadSignature }).await;
            return None;
        }
        let (grant, granted) = oneshot::channel();
        self.tell(Notice::Proven { peer, proof, grant }).await;
        granted.await.ok()
    }
}
