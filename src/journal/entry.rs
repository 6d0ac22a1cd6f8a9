//! The journal of entries: the log, with the runtime's words for what is in it.

use serde::{Deserialize, Serialize};

use super::{Disk, Fact, Fault, Item, Log, OpenError, SEGMENT_BYTES, Salt, Scope, Sequence};
use crate::{
    app::Block,
    protocol::{Abstention, Checkpoint, Record, StableCheckpoint},
    types::{Digest, Height, codec},
};

/// One thing to remember.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// A record of a live instance: what restricts its later votes.
    Instance {
        /// Its height; in a long instance, the one for which the record is remembered ([`Record::height`]).
        height: Height,
        /// Its id.
        instance: Digest,
        /// What.
        record: Record,
    },
    /// A decided block, before it is in the store.
    Decided {
        /// The block.
        block: Block,
    },
    /// The highest counter with which we signed our PeerId. Survives [`Journal::forget_below`].
    PeerCounter {
        /// The counter.
        counter: u64,
    },
    /// Where nothing may be voted for, since an earlier journal was lost (`OB-10`). Survives
    /// [`Journal::forget_below`].
    Abstention(Abstention),
    /// A checkpoint that we sign: execution that comes to another one must stop (`OB-8`).
    Checkpoint(Checkpoint),
    /// The last stable checkpoint with its proof. Survives [`Journal::forget_below`].
    Stable(StableCheckpoint),
}

impl From<&Entry> for Item {
    fn from(entry: &Entry) -> Self {
        let scope = match entry {
            Entry::Instance { height, .. } => Scope::Height(*height),
            Entry::Decided { block } => Scope::Height(block.height),
            Entry::PeerCounter { .. } => Scope::Standing(Fact::PeerCounter),
            Entry::Abstention(_) => Scope::Standing(Fact::Abstention),
            Entry::Checkpoint(checkpoint) => Scope::Height(checkpoint.height),
            Entry::Stable(_) => Scope::Standing(Fact::StableCheckpoint),
        };
        let is_refetchable = matches!(entry, Entry::Decided { .. });
        Self { scope, is_refetchable, bytes: codec::encode(entry) }
    }
}

/// What a journal held when it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The entries, oldest first. Heights below the floor may be among them.
    pub entries: Vec<Entry>,
    /// Decided blocks that were rotten; peers have them.
    pub lost: usize,
    /// Bad copies that were mended from good ones. The disk should be looked at.
    pub mended: usize,
    /// Bytes of torn writes that were cut off, as after any power loss.
    pub torn_bytes: u64,
}

/// The vote journal. See [the module](super) for its rules.
#[derive(Debug)]
pub struct Journal<D> {
    log: Log<D>,
}

impl<D: Disk> Journal<D> {
    /// Creates an empty journal on an empty disk, as `genesis` does. `salt` must be unpredictable to peers, otherwise
    /// they can forge structure that a recovery from damage believes (`JN-5`).
    ///
    /// # Errors
    /// [`OpenError::Exists`] unless the disk is empty, and [`OpenError::Fault`].
    pub fn create(disk: D, chain: Digest, salt: Salt) -> Result<Self, OpenError> {
        Ok(Self { log: Log::create(disk, chain, salt, SEGMENT_BYTES)? })
    }

    /// Opens the journal of a chain.
    ///
    /// # Errors
    /// [`OpenError`]: it is missing, another chain's, damaged beyond repair, or the disk fails.
    pub fn open(disk: D, chain: Digest) -> Result<(Self, Recovered), OpenError> {
        let (log, survey) = Log::open(disk, chain, SEGMENT_BYTES)?;
        let entries = survey.items.iter().map(|(sequence, item)| {
            codec::decode(&item.bytes).map_err(|_| OpenError::Unknown { sequence: sequence.0 })
        });
        let recovered = Recovered {
            entries: entries.collect::<Result<_, _>>()?,
            lost: survey.lost,
            mended: survey.mended,
            torn_bytes: survey.torn_bytes,
        };
        Ok((Self { log }, recovered))
    }

    /// Takes an entry; [`Journal::flush`] makes it durable. Bounded by the caller, who flushes.
    pub fn append(&mut self, entry: &Entry) -> Sequence {
        self.log.append(entry.into())
    }

    /// Takes an entry that was encoded elsewhere.
    pub fn append_item(&mut self, item: Item) -> Sequence {
        self.log.append(item)
    }

    /// Makes everything appended durable, by one write and one sync, and returns the last number that is.
    ///
    /// # Errors
    /// A [`Fault`], after which the process must end; so do all later calls.
    pub fn flush(&mut self) -> Result<Sequence, Fault> {
        self.log.flush()
    }

    /// Flushes, and writes down that all of it is synced (`JN-3`), unless that is known: for idle moments.
    ///
    /// # Errors
    /// As [`Journal::flush`].
    pub fn seal(&mut self) -> Result<(), Fault> {
        self.log.seal()
    }

    /// Whether [`Journal::seal`] has nothing to do.
    pub fn is_sealed(&self) -> bool {
        self.log.is_sealed()
    }

    /// Gives up the entries of all heights below (`JN-7`): they are durable elsewhere. The next flush or seal removes
    /// the segments that hold nothing else.
    pub fn forget_below(&mut self, height: Height) {
        self.log.forget_below(height);
    }

    /// The lowest height whose entries are still kept. A store that does not reach to below it is older than the
    /// journal, and its replica may have forgotten votes (`JN-6`).
    pub fn floor(&self) -> Height {
        self.log.floor()
    }

    /// What the journal takes on disk, in bytes.
    pub fn bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// The disk, for a simulation to meddle with.
    pub fn disk_mut(&mut self) -> &mut D {
        self.log.disk_mut()
    }

    /// The disk, dropping whatever is not flushed.
    pub fn into_disk(self) -> D {
        self.log.into_disk()
    }
}
