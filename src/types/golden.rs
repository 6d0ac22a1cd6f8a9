//! Encodings that must never change by accident: disks and peers hold them.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Bitmap, BoundedVec, CrashModel, Digest, Height, Power, PublicKey, Signature, Tally, Time, Validator,
    ValidatorIndex, codec,
};

/// Asserts the compact bytes and the JSON of a value, both ways.
#[track_caller]
fn assert_encodes<T>(value: &T, compact: &[u8], json: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(codec::encode(value), compact);
    assert_eq!(codec::decode::<T>(compact).as_ref(), Ok(value));
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
}

#[test]
fn numbers_are_little_endian_base_128() {
    assert_encodes(&Height::new(0), &[0], "0");
    assert_encodes(&Height::new(127), &[127], "127");
    assert_encodes(&Height::new(300), &[0xac, 0x02], "300");
    assert_encodes(&Power::new(u64::MAX), &[[0xff; 9].as_slice(), &[0x01]].concat(), "18446744073709551615");
    assert_encodes(&ValidatorIndex::new(u16::MAX), &[0xff, 0xff, 0x03], "65535");
    assert_encodes(&Tally::ZERO.plus(Power::new(300)), &[0xac, 0x02], "300");
    assert_encodes(&Time::from_micros(1), &[1], "1");
    assert_encodes(&Some(Height::new(1)), &[1, 1], "1");
    assert_encodes(&None::<Height>, &[0], "null");
}

#[test]
fn octets_are_raw_in_bytes_and_hexadecimal_in_json() {
    let json = |octet: &str, len| format!("\"{}\"", octet.repeat(len));
    assert_encodes(&Digest::new([0xab; 32]), &[0xab; 32], &json("ab", 32));
    assert_encodes(&PublicKey::new([0x01; 32]), &[0x01; 32], &json("01", 32));
    assert_encodes(&Signature::new([0xf0; 64]), &[0xf0; 64], &json("f0", 64));
    assert!("AB".repeat(32).parse::<Digest>().is_ok(), "people may paste upper case");
    assert!("ab".repeat(31).parse::<Digest>().is_err());
}

#[test]
fn containers_carry_their_length() {
    let bits = Bitmap::from_iter([0, 3, 9].map(ValidatorIndex::new));
    assert_encodes(&bits, &[2, 0b1001, 0b10], "[9,2]");
    assert_encodes(&Bitmap::default(), &[0], "[]");
    let items = BoundedVec::<u16, 4>::try_from(vec![1, 300]).unwrap();
    assert_encodes(&items, &[2, 1, 0xac, 0x02], "[1,300]");
    assert_encodes(&Bytes::from_static(b"abc"), b"\x03abc", "[97,98,99]");
}

#[test]
fn members_of_a_set_name_their_fields() {
    let validator = Validator { public_key: PublicKey::new([2; 32]), power: Power::new(5) };
    let json = format!("{{\"public_key\":\"{}\",\"power\":5}}", "02".repeat(32));
    assert_encodes(&validator, &[[2; 32].as_slice(), &[5]].concat(), &json);
    assert!(serde_json::from_str::<Validator>(&json.replace("power", "weight")).is_err());
    assert_encodes(&CrashModel::Byzantine, &[0], "\"byzantine\"");
    assert_encodes(&CrashModel::Crash, &[1], "\"crash\"");
}

#[test]
fn a_claimed_length_allocates_nothing() {
    // 2^62 items: an allocation of what is claimed would end the process.
    let claim = [[0xff; 8].as_slice(), &[0x3f, 1, 2, 3]].concat();
    assert!(codec::decode::<BoundedVec<Digest, 1000>>(&claim).is_err());
    assert!(codec::decode::<Bitmap>(&claim).is_err());
    assert!(codec::decode::<Bytes>(&claim).is_err());
    assert!(codec::decode::<Vec<Digest>>(&claim).is_err());
}
