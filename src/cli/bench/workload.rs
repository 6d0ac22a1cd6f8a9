//! What is asked of nodes: puts of uniform keys, as HTTP requests, by seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// How many keys there are.
pub(super) const KEYS: u64 = 100_000;

/// Letters from which values are cut. Values differ in where they begin: what is stored is not compressed.
const LETTERS_BYTES: usize = 256 << 10;
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// Makes requests.
pub(super) struct Workload {
    random: ChaCha8Rng,
    letters: String,
    value_bytes: usize,
}

impl Workload {
    /// Values of so many bytes.
    pub(super) fn new(seed: u64, value_bytes: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let letter = |_| char::from(LETTERS[usize::from(random.next_u32().to_le_bytes()[0] & 63)]);
        let letters = (0..LETTERS_BYTES + value_bytes).map(letter).collect();
        Self { random, letters, value_bytes }
    }

    /// One request of many puts.
    pub(super) fn batch(&mut self, host: &str, commands: u16) -> Vec<u8> {
        let mut body = String::with_capacity(usize::from(commands) * (self.value_bytes + 64));
        body.push_str(r#"{"commands":["#);
        for at in 0..commands {
            body.push_str(if at == 0 { r#"{"op":"put","key":""# } else { r#",{"op":"put","key":""# });
            body.push_str(&self.key());
            body.push_str(r#"","value":""#);
            body.push_str(self.value());
            body.push_str(r#""}"#);
        }
        body.push_str("]}");
        request("POST", "/v1/commands", "application/json", host, &body)
    }

    /// One request of one put.
    pub(super) fn put(&mut self, host: &str) -> Vec<u8> {
        let path = format!("/v1/kv/{}", self.key());
        let value = self.value().to_owned();
        request("PUT", &path, "application/octet-stream", host, &value)
    }

    fn key(&mut self) -> String {
        format!("key-{:05}", self.random.next_u64() % KEYS)
    }

    fn value(&mut self) -> &str {
        let from = self.random.next_u64() % LETTERS_BYTES as u64;
        let from = usize::try_from(from).unwrap_or(0);
        &self.letters[from..from + self.value_bytes]
    }
}

fn request(method: &str, path: &str, content_type: &str, host: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut request = Vec::with_capacity(head.len() + body.len());
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body.as_bytes());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_json_and_follows_from_the_seed() {
        let batch = |seed| Workload::new(seed, 10).batch("h", 3);
        assert_eq!(batch(1), batch(1));
        assert_ne!(batch(1), batch(2));
        let text = String::from_utf8(batch(1)).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let commands = body["commands"].as_array().unwrap();
        assert_eq!(commands.len(), 3);
        assert!(commands.iter().all(|command| command["value"].as_str().unwrap().len() == 10));
    }
}
