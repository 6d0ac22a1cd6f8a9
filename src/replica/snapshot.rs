//! A snapshot: a stable checkpoint, and the state it was signed over, as bytes in a row.
//!
//! Served over HTTP, kept in files, restored into an empty store. Whoever restores believes genesis and nobody else:
//! the checkpoint is checked first, everything after it against the checkpoint (`OB-8`, [`crate::app::Restore`]).
//!
//! The bytes are [`MAGIC`], then frames: a length of four bytes, big-endian, and a part in the one encoding. A file
//! that was cut off lacks its last part.
//!
//! Limits: 64 MiB for a part. How much there is in all cannot be told beforehand: whoever applies it
//! watches the room on its disk.

use std::io::{self, Read, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{CertificateError, CheckpointDocument};
use crate::{
    app::{self, Application, BadSnapshot, Header, Piece, Pieces, Restore},
    config::Genesis,
    crypto::BatchRng,
    protocol::StableCheckpoint,
    store::{Changes, Rows},
    types::{Height, codec},
};

/// How a snapshot begins: what it is, and the version of its form.
pub const MAGIC: &[u8; 19] = b"thalweg snapshot 1\n";

/// The most bytes of a part: the largest payload's receipts, and then some.
const PART_BYTES_MAX: usize = 64 << 20;

/// A frame's content.
#[derive(Serialize, Deserialize)]
enum Part {
    /// The first: which state it is, why anyone should believe in it, and the last headers up to it, oldest first.
    Head { document: CheckpointDocument, headers: Vec<Header> },
    /// Some of the state.
    Piece(Piece),
    /// The last.
    End,
}

/// Why a snapshot was not restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It does not begin as one.
    #[error("it is not a snapshot of this version")]
    Magic,
    /// It ends before its last part.
    #[error("it is cut off")]
    CutOff,
    /// A part is too large, or not what it should be.
    #[error("it is malformed")]
    Malformed,
    /// Its checkpoint proves nothing.
    #[error("its checkpoint does not hold: {0}")]
    Checkpoint(#[from] CertificateError),
    /// It is of a chain with another genesis state: this program has another application.
    #[error("its history begins with another state than this application's genesis")]
    Origin,
    /// It is not the state of its checkpoint.
    #[error(transparent)]
    State(#[from] BadSnapshot),
    /// It cannot be stored.
    #[error("it cannot be stored: {0}")]
    Store(String),
}

/// Where a state is put together.
pub trait Shelf {
    /// What was applied.
    fn rows(&self) -> &dyn Rows;

    /// Applies changes on top.
    ///
    /// # Errors
    /// Why not, for people.
    fn apply(&mut self, changes: Changes) -> Result<(), String>;
}

/// The snapshot of `rows`, whose tip is the checkpoint's height, frame by frame. `None` if it is not.
pub fn frames<'a>(
    rows: &'a dyn Rows,
    genesis: &'a Genesis,
    stable: StableCheckpoint,
) -> Option<impl Iterator<Item = Bytes> + 'a> {
    let height = stable.checkpoint.height;
    let headers = app::headers(rows, usize::try_from(genesis.window.saturating_add(2)).unwrap_or(usize::MAX));
    headers.last().filter(|tip| tip.height == height && tip.hash() == stable.checkpoint.header)?;
    let document = CheckpointDocument::new(rows, genesis, stable)?;
    let head = frame(&Part::Head { document, headers });
    let pieces = Pieces::new(rows, genesis).map(|piece| frame(&Part::Piece(piece)));
    let begin = [Bytes::from_static(MAGIC), head].into_iter();
    Some(begin.chain(pieces).chain(std::iter::once_with(|| frame(&Part::End))))
}

fn frame(part: &Part) -> Bytes {
    let part = codec::encode(part);
    let length = u32::try_from(part.len()).expect("a piece is far below 4 GiB");
    [&length.to_be_bytes()[..], &part].concat().into()
}

/// Restores a snapshot into an empty shelf, and returns its height. `progress` is told of each part's bytes.
///
/// # Errors
/// [`SnapshotError`]; then what is on the shelf is good for nothing.
///
/// # Panics
/// If [`Genesis::validate`] would fail.
pub fn restore(
    mut from: impl Read,
    shelf: &mut dyn Shelf,
    app: &dyn Application,
    genesis: &Genesis,
    rng: &mut BatchRng,
    mut progress: impl FnMut(usize),
) -> Result<Height, SnapshotError> {
    read_magic(&mut from)?;
    let Part::Head { document, headers } = read(&mut from, &mut progress)? else {
        return Err(SnapshotError::Malformed);
    };
    document.verify(genesis, rng)?;
    let stable = document.stable;
    let (mut restore, changes) = Restore::begin(app, genesis, &headers, &stable.checkpoint)?;
    shelf.apply(changes).map_err(SnapshotError::Store)?;
    if app::header(shelf.rows(), Height::ZERO).is_none_or(|origin| origin.hash() != document.history) {
        return Err(SnapshotError::Origin);
    }
    loop {
        match read(&mut from, &mut progress)? {
            Part::Head { .. } => return Err(SnapshotError::Malformed),
            Part::Piece(piece) => {
                let changes = restore.take(shelf.rows(), piece)?;
                shelf.apply(changes).map_err(SnapshotError::Store)?;
            }
            Part::End => {
                let changes = restore.finish(shelf.rows(), &stable)?;
                shelf.apply(changes).map_err(SnapshotError::Store)?;
                return Ok(stable.checkpoint.height);
            }
        }
    }
}

/// Copies a snapshot as it is, without a look at what it says, and makes sure that it is whole. `progress` is told of
/// each part's bytes.
///
/// # Errors
/// [`SnapshotError`].
pub fn copy(mut from: impl Read, mut to: impl Write, mut progress: impl FnMut(usize)) -> Result<(), SnapshotError> {
    read_magic(&mut from)?;
    to.write_all(MAGIC)?;
    let end = codec::encode(&Part::End);
    loop {
        let part = read_frame(&mut from)?;
        let length = u32::try_from(part.len()).map_err(|_| SnapshotError::Malformed)?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(&part)?;
        progress(part.len());
        if part == end {
            return Ok(());
        }
    }
}

fn read_magic(from: &mut impl Read) -> Result<(), SnapshotError> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(cut_off)?;
    if magic == *MAGIC { Ok(()) } else { Err(SnapshotError::Magic) }
}

fn read_frame(from: &mut impl Read) -> Result<Vec<u8>, SnapshotError> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(cut_off)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > PART_BYTES_MAX {
        return Err(SnapshotError::Malformed);
    }
    let mut part = Vec::new();
    // Grows by what comes, not by what was promised.
    from.take(length as u64).read_to_end(&mut part)?;
    if part.len() == length { Ok(part) } else { Err(SnapshotError::CutOff) }
}

/// Reads a part.
fn read(from: &mut impl Read, progress: &mut impl FnMut(usize)) -> Result<Part, SnapshotError> {
    let part = read_frame(from)?;
    progress(part.len());
    codec::decode(&part).map_err(|_| SnapshotError::Malformed)
}

fn cut_off(error: io::Error) -> SnapshotError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SnapshotError::CutOff,
        _ => SnapshotError::Read(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{Block, Executor, kv},
        crypto::{SecretKey, Signable as _, seeded_rng},
        protocol::{Certificate, Checkpoint, Voucher},
        store::MemoryRows,
        types::{Digest, Power, Validator},
    };

    impl Shelf for MemoryRows {
        fn rows(&self) -> &dyn Rows {
            self
        }

        fn apply(&mut self, changes: Changes) -> Result<(), String> {
            Self::apply(self, changes);
            Ok(())
        }
    }

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn genesis() -> Genesis {
        let member = |seed| Validator { public_key: key(seed).public_key(), power: Power::new(1) };
        Genesis::new("test", 0, (1..=4).map(member).collect())
    }

    /// The snapshot of a chain at height 9, signed by so many.
    fn written(genesis: &Genesis, signers: u8) -> Vec<u8> {
        let mut rows = MemoryRows::default();
        let (mut executor, changes) = Executor::open(Box::new(kv::KeyValue), genesis, &rows);
        rows.apply(changes.unwrap());
        for height in 1..=9 {
            let certificate = Certificate::of_nothing();
            let block = Block { height: Height::new(height), payload: Bytes::new(), certificate };
            let executed = executor.execute(&rows, &block, Digest::new([9; 32]));
            rows.apply(executed.changes);
        }
        let tip = executor.tip();
        let checkpoint = Checkpoint { height: tip.height, header: tip.hash(), state_root: tip.state_root };
        let set = genesis.validate().unwrap();
        let history = app::header(&rows, Height::ZERO).unwrap().hash();
        let digest = checkpoint.digest(&genesis.epoch_id(tip.height, &set, &history));
        let sign = |seed: u8| Voucher {
            signer: set.index_of(&key(seed).public_key()).unwrap(),
            signature: key(seed).sign_digest(&digest),
        };
        let mut vouchers: Vec<_> = (1..=signers).map(sign).collect();
        vouchers.sort_by_key(|voucher| voucher.signer);
        let stable = StableCheckpoint { checkpoint, vouchers: vouchers.try_into().unwrap() };
        frames(&rows, genesis, stable).unwrap().flatten().collect()
    }

    fn restored(genesis: &Genesis, bytes: &[u8]) -> Result<Height, SnapshotError> {
        let (mut rows, mut rng) = (MemoryRows::default(), seeded_rng(1));
        restore(bytes, &mut rows, &kv::KeyValue, genesis, &mut rng, |_| {})
    }

    #[test]
    fn what_a_quorum_signed_is_restored_and_nothing_else() {
        let genesis = genesis();
        assert_eq!(restored(&genesis, &written(&genesis, 3)).unwrap(), Height::new(9));
        let refused = restored(&genesis, &written(&genesis, 2));
        assert!(matches!(refused, Err(SnapshotError::Checkpoint(CertificateError::Proof(_)))), "{refused:?}");
        let foreign = Genesis { chain: "another".to_owned(), ..genesis.clone() };
        let refused = restored(&foreign, &written(&genesis, 3));
        assert!(matches!(refused, Err(SnapshotError::Checkpoint(CertificateError::ForeignChain(_)))), "{refused:?}");
    }

    /// Whatever is cut off or flipped, it is an error and no panic; and none is restored that is not whole.
    #[test]
    fn what_is_cut_off_or_damaged_is_refused() {
        let genesis = genesis();
        let whole = written(&genesis, 4);
        for end in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let refused = restored(&genesis, &whole[..end]);
            assert!(matches!(refused, Err(SnapshotError::CutOff)), "{end}: {refused:?}");
            let copied = copy(&whole[..end], io::sink(), |_| {});
            assert!(matches!(copied, Err(SnapshotError::CutOff)), "{end}: {copied:?}");
        }
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(restored(&genesis, &flipped).is_err(), "{at}");
        }
        let mut copied = Vec::new();
        copy(&whole[..], &mut copied, |_| {}).unwrap();
        assert_eq!(copied, whole);
    }
}
