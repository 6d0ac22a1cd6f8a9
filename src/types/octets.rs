//! Byte strings, most of them of a fixed size: raw in compact encodings, lower-case hexadecimal in JSON and in text.

use std::{cmp::Ordering, fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Writes bytes as text into a buffer of twice their length.
fn hexadecimal<'a>(bytes: &[u8], text: &'a mut [u8]) -> &'a str {
    hex::encode_to_slice(bytes, text).expect("the buffer is twice as long");
    str::from_utf8(text).expect("hexadecimal digits are ASCII")
}

macro_rules! octets {
    ($(#[$doc:meta])* $name:ident[$len:literal]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $len]);

        impl Ord for $name {
            /// As the bytes are ordered. Eight at a time in place: maps with these keys ask for little else.
            fn cmp(&self, other: &Self) -> Ordering {
                const { assert!($len % size_of::<u64>() == 0) };
                let words = self.0.as_chunks().0.iter().zip(other.0.as_chunks().0);
                words.fold(Ordering::Equal, |order, (ours, theirs)| {
                    order.then_with(|| u64::from_be_bytes(*ours).cmp(&u64::from_be_bytes(*theirs)))
                })
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Wraps the bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * $len];
                f.write_str(hexadecimal(&self.0, &mut text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    return serializer.serialize_str(hexadecimal(&self.0, &mut [0; 2 * $len]));
                }
                use serde::ser::SerializeTuple;
                let mut tuple = serializer.serialize_tuple($len)?;
                for byte in &self.0 {
                    tuple.serialize_element(byte)?;
                }
                tuple.end()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    return String::deserialize(deserializer)?.parse().map_err(D::Error::custom);
                }
                struct Visitor;

                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} bytes", $len)
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        let mut bytes = [0; $len];
                        for (at, byte) in bytes.iter_mut().enumerate() {
                            *byte = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
                        }
                        Ok($name(bytes))
                    }
                }

                deserializer.deserialize_tuple($len, Visitor)
            }
        }
    };
}

octets! {
    /// A BLAKE3-256 digest. `Debug` shows the first four bytes.
    Digest[32]
}

octets! {
    /// An Ed25519 verification key, encoded as in RFC 8032 section 5.1.2. Holding one says nothing of its validity:
    /// [`crate::crypto::check_key`] does.
    PublicKey[32]
}

octets! {
    /// An Ed25519 signature, encoded as in RFC 8032 section 5.1.6.
    Signature[64]
}

/// Bytes of any length, bounded by whoever reads them: raw in compact encodings, lower-case hexadecimal in JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Octets(pub Bytes);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&hex::encode(&self.0));
        }
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return Ok(Self(hex::decode(text).map_err(D::Error::custom)?.into()));
        }
        Ok(Self(serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec().into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_is_that_of_the_bytes(mut bytes: [u8; 32], at in 0usize..32, byte: u8) {
            let one = Digest::new(bytes);
            bytes[at] = byte;
            let other = Digest::new(bytes);
            prop_assert_eq!(one.cmp(&other), one.as_bytes().cmp(other.as_bytes()));
        }
    }
}
