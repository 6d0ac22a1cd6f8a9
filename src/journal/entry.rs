//! The journal of entries: the log, with the runtime's words for what is in it.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::{Disk, Fact, Fault, Item, Kind, Log, OpenError, SEGMENT_BYTES, Salt, Scope, Sequence, Survey};
use crate::{
    app::Block,
    protocol::{Abstention, Checkpoint, Record, StableCheckpoint},
    types::{Digest, Height, codec, planted},
};
use bytes::Bytes;

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

impl Entry {
    /// Takes it apart: first the bodies in it, then the record that names them (`JN-2`).
    pub fn into_items(mut self) -> Vec<Item> {
        let mut items = Vec::new();
        let scope = match &self {
            Self::Instance { height, .. } => Scope::Height(*height),
            Self::Decided { block } => Scope::Height(block.height),
            Self::PeerCounter { .. } => Scope::Standing(Fact::PeerCounter),
            Self::Abstention(_) => Scope::Standing(Fact::Abstention),
            Self::Checkpoint(checkpoint) => Scope::Height(checkpoint.height),
            Self::Stable(_) => Scope::Standing(Fact::StableCheckpoint),
        };
        for (digest, body) in self.bodies_mut() {
            items.push(Item { scope, kind: Kind::Body(digest), bytes: std::mem::take(body) });
        }
        items.push(Item { scope, kind: Kind::Record, bytes: codec::encode(&self).into() });
        items
    }

    /// The bodies that it names, and their places in it.
    fn bodies_mut(&mut self) -> Vec<(Digest, &mut Bytes)> {
        match self {
            Self::Instance { record, .. } => record.bodies_mut(),
            Self::Decided { block } => vec![(block.certificate.payload_root(), &mut block.payload)],
            Self::PeerCounter { .. } | Self::Abstention(_) | Self::Checkpoint(_) | Self::Stable(_) => Vec::new(),
        }
    }
}

/// Puts records and bodies together again (`JN-9`).
pub(super) fn read_entries(survey: &Survey) -> Result<Vec<Entry>, OpenError> {
    let named = survey.items.iter().filter_map(|(_, item)| Some((item.body()?, &item.bytes)));
    let bodies: BTreeMap<_, _> = named.collect();
    let mut entries = Vec::new();
    for (sequence, item) in survey.items.iter().filter(|(_, item)| item.kind == Kind::Record) {
        let unknown = |_| OpenError::Unknown { sequence: sequence.0 };
        let mut entry: Entry = codec::decode(&item.bytes).map_err(unknown)?;
        let mut is_whole = true;
        if let Scope::Height(height) = item.scope {
            for (digest, place) in entry.bodies_mut() {
                match bodies.get(&(height, digest)) {
                    Some(&body) => place.clone_from(body),
                    None => is_whole = false,
                }
            }
        }
        // A block is nothing but its body and its proof, and peers have both. A record restricts, with or without.
        if is_whole || !(matches!(entry, Entry::Decided { .. }) || planted::is("forgotten-body")) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// What a journal held when it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The entries, oldest first. Heights below the floor may be among them.
    pub entries: Vec<Entry>,
    /// Bodies that were rotten; peers have them. A record comes back with nothing in their place, a block not at all.
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
        let recovered = Recovered {
            entries: read_entries(&survey)?,
            lost: survey.lost,
            mended: survey.mended,
            torn_bytes: survey.torn_bytes,
        };
        Ok((Self { log }, recovered))
    }

    /// Takes an entry; [`Journal::flush`] makes it durable. Bounded by the caller, who flushes.
    pub fn append(&mut self, entry: &Entry) -> Sequence {
        let items = entry.clone().into_items();
        items.into_iter().map(|item| self.log.append(item)).last().unwrap_or_default()
    }

    /// Takes a part of an entry that was taken apart elsewhere, see [`Entry::into_items`].
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
