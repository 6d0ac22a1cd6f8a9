//! Containers whose bound is in the type.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A bounded container had no room; the item comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Full<T>(
    /// What did not fit.
    pub T,
);

/// A vector of at most `MAX` items. Decoding a longer one is an error before anything beyond `MAX` is allocated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct BoundedVec<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for BoundedVec<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> BoundedVec<T, MAX> {
    /// Appends an item.
    ///
    /// # Errors
    /// [`Full`] with the item when `MAX` are held.
    pub fn try_push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.0.len() >= MAX {
            return Err(Full(item));
        }
        self.0.push(item);
        Ok(())
    }

    /// The items.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for BoundedVec<T, MAX> {
    type Error = Full<Vec<T>>;

    fn try_from(items: Vec<T>) -> Result<Self, Self::Error> {
        if items.len() > MAX { Err(Full(items)) } else { Ok(Self(items)) }
    }
}

impl<T, const MAX: usize> std::ops::Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedVec<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T, const MAX: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> serde::de::Visitor<'de> for Visitor<T, MAX> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {MAX} items")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                if seq.size_hint().is_some_and(|n| n > MAX) {
                    return Err(A::Error::custom("too many items"));
                }
                // Capacity follows what was really read, never what a peer claims to send.
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == MAX {
                        return Err(A::Error::custom("too many items"));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }

        deserializer.deserialize_seq(Visitor::<T, MAX>(std::marker::PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codec;

    #[test]
    fn refuses_one_item_too_many() {
        let mut two = BoundedVec::<u8, 2>::default();
        assert_eq!(two.try_push(1), Ok(()));
        assert_eq!(two.try_push(2), Ok(()));
        assert_eq!(two.try_push(3), Err(Full(3)));
        let three = codec::encode(&vec![1u8, 2, 3]);
        assert!(codec::decode::<BoundedVec<u8, 2>>(&three).is_err());
        assert_eq!(*codec::decode::<BoundedVec<u8, 3>>(&three).unwrap(), [1, 2, 3]);
    }
}
