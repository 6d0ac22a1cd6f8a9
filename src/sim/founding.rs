//! The keys and the genesis of a world, from its seed and scenario.

use super::Scenario;
use crate::{
    config::{ApplicationName, Genesis},
    crypto::{SecretKey, Transcript},
    types::{CrashModel, Power, Validator},
};

/// The key of a place.
pub(super) fn key(seed: u64, index: usize) -> SecretKey {
    let digest = Transcript::new("world key").number(seed).number(index as u64).finish();
    SecretKey::from_seed(digest.as_bytes())
}

/// Validators of equal power.
pub(super) fn genesis(scenario: &Scenario, keys: &[SecretKey]) -> Genesis {
    let validators = keys.iter().map(|key| Validator { public_key: key.public_key(), power: Power::new(1) });
    Genesis {
        chain: "world".into(),
        created_at_ms: 0,
        protocol: scenario.protocol,
        application: ApplicationName::Kv,
        crash_model: CrashModel::Byzantine,
        window: scenario.window,
        retention_heights: 1000,
        payload_bytes_max: 1 << 16,
        command_bytes_max: 1 << 12,
        validators: validators.collect(),
    }
}
