//! A set of validators as bits.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::ValidatorIndex;

/// A set of [`ValidatorIndex`]. Encodes as bytes without trailing zeros, so equal sets have equal encodings; no other
/// encoding is decoded, nor one of more than [`Bitmap::BYTES_MAX`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bitmap {
    #[serde(serialize_with = "serde_bytes::serialize", deserialize_with = "canonical")]
    bytes: Vec<u8>,
}

fn canonical<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let bitmap = Bitmap { bytes: serde_bytes::deserialize(deserializer)? };
    if bitmap.is_canonical() { Ok(bitmap.bytes) } else { Err(D::Error::custom("bitmap is not canonical")) }
}

impl Bitmap {
    /// The most bytes a bitmap can have: one bit for each possible index.
    pub const BYTES_MAX: usize = (u16::MAX as usize + 1) / 8;

    /// Adds a validator; returns whether it was absent.
    pub fn insert(&mut self, index: ValidatorIndex) -> bool {
        let (byte, bit) = place(index);
        if self.bytes.len() <= byte {
            self.bytes.resize(byte + 1, 0);
        }
        let absent = self.bytes[byte] & bit == 0;
        self.bytes[byte] |= bit;
        absent
    }

    /// Takes a validator out; returns whether it was present.
    pub fn remove(&mut self, index: ValidatorIndex) -> bool {
        let (byte, bit) = place(index);
        let present = self.contains(index);
        if present {
            self.bytes[byte] &= !bit;
            while self.bytes.last() == Some(&0) {
                self.bytes.pop();
            }
        }
        present
    }

    /// Whether a validator is in the set.
    pub fn contains(&self, index: ValidatorIndex) -> bool {
        let (byte, bit) = place(index);
        self.bytes.get(byte).is_some_and(|b| b & bit != 0)
    }

    /// Whether nobody is in the set.
    pub fn is_empty(&self) -> bool {
        self.bytes.iter().all(|b| *b == 0)
    }

    /// How many are in the set.
    pub fn len(&self) -> usize {
        self.bytes.iter().map(|b| b.count_ones() as usize).sum()
    }

    /// Everyone in the set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        self.bytes.iter().enumerate().flat_map(|(at, byte)| {
            (0..8).filter(move |bit| byte & (1 << bit) != 0).filter_map(move |bit| ValidatorIndex::at(at * 8 + bit))
        })
    }

    /// Whether the bytes are the canonical ones: no trailing zero and no more than [`Self::BYTES_MAX`].
    fn is_canonical(&self) -> bool {
        self.bytes.last() != Some(&0) && self.bytes.len() <= Self::BYTES_MAX
    }
}

impl FromIterator<ValidatorIndex> for Bitmap {
    fn from_iter<I: IntoIterator<Item = ValidatorIndex>>(indices: I) -> Self {
        let mut set = Self::default();
        for index in indices {
            set.insert(index);
        }
        set
    }
}

fn place(index: ValidatorIndex) -> (usize, u8) {
    (index.position() / 8, 1 << (index.position() % 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codec;

    proptest::proptest! {
        #[test]
        fn behaves_like_a_set(steps in proptest::collection::vec((0u16..200, proptest::bool::ANY), 0..100)) {
            let mut bitmap = Bitmap::default();
            let mut model = std::collections::BTreeSet::new();
            for (raw, add) in steps {
                let index = ValidatorIndex::new(raw);
                if add {
                    proptest::prop_assert_eq!(bitmap.insert(index), model.insert(index));
                } else {
                    proptest::prop_assert_eq!(bitmap.remove(index), model.remove(&index));
                }
            }
            proptest::prop_assert_eq!(bitmap.len(), model.len());
            proptest::prop_assert_eq!(bitmap.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            proptest::prop_assert_eq!(&bitmap, &model.into_iter().collect::<Bitmap>());
            proptest::prop_assert!(bitmap.is_canonical());
            proptest::prop_assert_eq!(codec::decode(&codec::encode(&bitmap)), Ok(bitmap));
        }
    }

    #[test]
    fn refuses_a_second_encoding_of_the_same_set() {
        assert_eq!(codec::decode::<Bitmap>(&[1, 0b1]), Ok(Bitmap::from_iter([ValidatorIndex::ZERO])));
        assert_eq!(codec::decode::<Bitmap>(&[2, 0b1, 0]), Err(codec::DecodeError::Malformed));
        let over = vec![1u8; Bitmap::BYTES_MAX + 1];
        assert!(codec::decode::<Bitmap>(&codec::encode(serde_bytes::Bytes::new(&over))).is_err());
    }
}
