//! How the journal looks on disk.
//!
//! ```text
//! segment   header | header | batch | batch | … | zeros
//! batch     index | bodies … | index
//! frame     tag 16 | crc 4 | length 4 | content | zeros to the sector's end
//! ```
//!
//! Headers and indices are frames, each twice and each beginning on a sector of its own. The index carries records
//! inline, so that they exist twice; a body lies between the two copies, and the index has its checksum. A small one is
//! inline too, where it costs no sector.
//! Numbers are little-endian; contents are in the one encoding of [`codec`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Item, Kind, Scope, Sequence};
use crate::types::{Digest, Height, codec};

/// The unit of alignment in bytes. Disks and page caches write 4,096 bytes at once, so a torn write can spoil all of
/// them: nothing that is synced may share them with what is written later (`JN-4`).
pub const SECTOR: usize = 4096;

/// The length in bytes of a segment without a batch: two copies of its header.
pub const EMPTY_SEGMENT: usize = 2 * SECTOR;

/// The most bytes of a body that is inline: such a one mostly fits behind the records, in sectors that are written anyway.
pub const INLINE_BYTES_MAX: usize = SECTOR / 2;

/// The version of the format, in every segment's header.
pub const VERSION: u32 = 3;

/// The tag of a segment's header.
const MAGIC: [u8; 16] = *b"thalweg journal\n";

/// Tag, checksum and length.
const FRAME_BYTES: usize = 24;

/// Zeros to pad with.
pub static ZEROS: [u8; SECTOR] = [0; SECTOR];

/// Sixteen bytes that no peer knows, drawn when the journal is created: the tag of its indices. Bodies hold what peers
/// sent, and without the salt a peer could send bytes that pass for an index when a damaged one is searched (`JN-5`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Salt([u8; 16]);

impl Salt {
    /// Wraps bytes that must be unpredictable to peers.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// What a segment says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    pub chain: Digest,
    pub salt: Salt,
    pub segment: u64,
    /// The number of the first batch in it: the segment before ends with the number below.
    pub first_batch: u64,
    /// The sequence number of the first item in it.
    pub first_sequence: Sequence,
}

/// The table of contents of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Index {
    pub segment: u64,
    /// Where the batch begins. Everything before was synced before this was written (`JN-3`).
    pub offset: u64,
    /// Batches are numbered without gaps through all segments.
    pub number: u64,
    /// Segments with lower numbers are not needed any more.
    pub oldest: u64,
    /// Items of lower heights are not needed any more.
    pub floor: Height,
    /// The first item's sequence number; the others follow without gaps.
    pub first: Sequence,
    pub items: Vec<IndexItem>,
}

/// One item of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IndexItem {
    pub scope: Scope,
    pub kind: Kind,
    pub content: Content,
}

/// Where an item's bytes are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Content {
    /// Here.
    Inline(Bytes),
    /// Between the copies of the index, after the bodies of the items before.
    Body { bytes: u32, crc: u32 },
}

impl Header {
    /// The header's frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut content = VERSION.to_le_bytes().to_vec();
        content.extend_from_slice(&codec::encode(self));
        frame(&MAGIC, &content)
    }

    /// Reads a header: `None` for damage, and the version if it is another one.
    pub fn decode(bytes: &[u8]) -> Option<Result<Self, u32>> {
        let (version, rest) = open_frame(&MAGIC, bytes)?.0.split_first_chunk()?;
        match u32::from_le_bytes(*version) {
            VERSION => codec::decode(rest).ok().map(Ok),
            other => Some(Err(other)),
        }
    }
}

impl Index {
    /// The index's frame.
    pub fn encode(&self, salt: &Salt) -> Vec<u8> {
        frame(&salt.0, &codec::encode(self))
    }

    /// Reads an index and the length of its frame: `None` for damage and anything else.
    pub fn decode(salt: &Salt, bytes: &[u8]) -> Option<(Self, usize)> {
        let (content, length) = open_frame(&salt.0, bytes)?;
        Some((codec::decode(content).ok()?, length))
    }

    /// The bytes between the two copies, padding included.
    pub fn bodies_length(&self) -> usize {
        let bodies = self.items.iter().map(|item| match item.content {
            Content::Inline(_) => 0,
            Content::Body { bytes, .. } => bytes as usize,
        });
        bodies.sum::<usize>().next_multiple_of(SECTOR)
    }
}

impl IndexItem {
    /// Describes an item.
    pub fn describe(item: &Item) -> Self {
        let content = if is_inline(item) {
            Content::Inline(item.bytes.clone())
        } else {
            let bytes = u32::try_from(item.bytes.len()).expect("an entry holds at most one payload, at most 8 MiB");
            Content::Body { bytes, crc: crc32c::crc32c(&item.bytes) }
        };
        Self { scope: item.scope, kind: item.kind, content }
    }
}

/// Whether an item is kept in the index, hence twice (`JN-2`).
fn is_inline(item: &Item) -> bool {
    item.kind == Kind::Record || item.bytes.len() <= INLINE_BYTES_MAX
}

/// At least what a batch of these items takes on disk, in bytes, wherever it begins.
pub fn batch_bytes_max(items: &[Item]) -> u64 {
    /// Of an index without items, its frame included, and of one item without its bytes.
    const INDEX: usize = 128;
    const ITEM: usize = 96;
    let (mut index, mut bodies) = (INDEX, 0);
    for item in items {
        index += ITEM;
        let place = if is_inline(item) { &mut index } else { &mut bodies };
        *place += item.bytes.len();
    }
    (2 * index.next_multiple_of(SECTOR) + bodies.next_multiple_of(SECTOR)) as u64
}

/// Zeros from `length` to the end of its sector.
pub fn padding(length: usize) -> &'static [u8] {
    &ZEROS[..length.next_multiple_of(SECTOR) - length]
}

fn frame(tag: &[u8; 16], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("batches are far smaller than 4 GiB");
    let mut bytes = Vec::with_capacity((FRAME_BYTES + content.len()).next_multiple_of(SECTOR));
    bytes.extend_from_slice(tag);
    bytes.extend_from_slice(&checksum(&length.to_le_bytes(), content).to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(padding(bytes.len()));
    bytes
}

/// The content of the frame at the start of `bytes`, and how long the frame is.
fn open_frame<'a>(tag: &[u8; 16], bytes: &'a [u8]) -> Option<(&'a [u8], usize)> {
    let rest = bytes.strip_prefix(tag)?;
    let (crc, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let content = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let padded = (FRAME_BYTES + content.len()).next_multiple_of(SECTOR);
    let intact = checksum(length, content) == u32::from_le_bytes(*crc) && padded <= bytes.len();
    intact.then_some((content, padded))
}

fn checksum(length: &[u8; 4], content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(length), content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            chain: Digest::new([1; 32]),
            salt: Salt::new([2; 16]),
            segment: 3,
            first_batch: 4,
            first_sequence: Sequence(5),
        }
    }

    #[test]
    fn segment_header_keeps_its_bytes() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), SECTOR);
        assert_eq!(
            hex::encode(&bytes[..80]),
            "7468616c776567206a6f75726e616c0a\
             4848a4fd\
             37000000\
             03000000\
             0101010101010101010101010101010101010101010101010101010101010101\
             02020202020202020202020202020202\
             030405\
             00"
        );
        assert_eq!(Header::decode(&bytes), Some(Ok(header())));
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut content = 7u32.to_le_bytes().to_vec();
        content.extend_from_slice(b"whatever a later version writes");
        assert_eq!(Header::decode(&frame(&MAGIC, &content)), Some(Err(7)));
        let mut damaged = header().encode();
        damaged[40] ^= 1;
        assert_eq!(Header::decode(&damaged), None);
    }

    proptest::proptest! {
        #[test]
        fn no_flipped_bit_goes_unnoticed(content in proptest::collection::vec(0u8.., 0..60), bit in 0usize..8 * 84) {
            let tag = [9; 16];
            let mut bytes = frame(&tag, &content);
            proptest::prop_assert_eq!(open_frame(&tag, &bytes), Some((&content[..], SECTOR)));
            let bit = bit % (8 * (FRAME_BYTES + content.len()));
            bytes[bit / 8] ^= 1 << (bit % 8);
            proptest::prop_assert_eq!(open_frame(&tag, &bytes), None);
        }
    }
}
