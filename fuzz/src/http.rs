//! What clients send over HTTP: bodies of batches, and keys in paths.

use thalweg::{
    api::{self, port::Operation},
    app::{Application as _, kv},
};

/// The body of a batch, and the same bytes as a key in a path. What is accepted is within its limits, and the application
/// takes it; a key reads back the same.
pub fn http(data: &[u8]) {
    if let Ok(entries) = api::read_batch(data) {
        assert!(entries.len() <= api::BATCH_COMMANDS_MAX);
        for api::BatchEntry { operation, idempotency_key, .. } in entries.into_iter().flatten() {
            assert!(idempotency_key.is_none_or(|key| (1..=api::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())));
            let body = match &operation {
                Operation::Put { key, value } => kv::put(key, value),
                Operation::Delete { key } => kv::delete(key),
                Operation::Barrier => panic!("no batch has one"),
            };
            kv::KeyValue.check(&body).expect("what the API accepts, the application does");
        }
    }
    let Ok(path) = std::str::from_utf8(data) else { return };
    let Ok(key) = api::read_key(path) else { return };
    assert!((1..=api::KEY_BYTES_MAX).contains(&key.len()));
    let escaped: String = key.iter().map(|byte| format!("%{byte:02x}")).collect();
    let again = api::read_key(&format!("/v1/kv/{escaped}")).expect("every byte may be escaped");
    assert_eq!(again, key);
}

/// Inputs to begin with.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let batch = r#"{"commands":[{"op":"put","key":"river","value":"to the sea","idempotency_key":"a"},
{"op":"put","key":"x","value":"AP8=","encoding":"base64"},{"op":"delete","key":"x"},{"op":"put","key":"no value"}]}"#;
    [("batch", batch), ("key", "/v1/kv/river%2Fsource%00"), ("broken", "/v1/kv/a%2"), ("empty", "{\"commands\":[]}")]
        .map(|(name, text)| (name.into(), text.into()))
        .to_vec()
}
