//! `checkpoint`: what an honest validator takes for stable is the state that honest validators executed at that height,
//! and its proof holds, counted and checked by hand (`OB-8`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Facts, Sight, is_signed};
use crate::{
    app::Header,
    crypto::{Check, Signable as _},
    protocol::StableCheckpoint,
    types::{Digest, Height},
};

/// See the file's header.
#[derive(Debug)]
pub struct StableCheckpoints {
    facts: Facts,
    executed: BTreeMap<Height, Header>,
}

impl StableCheckpoints {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        Self { facts, executed: BTreeMap::new() }
    }

    fn check(&self, epoch: &Digest, stable: &StableCheckpoint) -> Result<(), String> {
        let checkpoint = stable.checkpoint;
        let Some(header) = self.executed.get(&checkpoint.height) else {
            return Err(format!("{checkpoint:?}, a height that nobody executed"));
        };
        if (checkpoint.header, checkpoint.state_root) != (header.hash(), header.state_root) {
            return Err(format!("{checkpoint:?}, though {header:?} was executed"));
        }
        let members = self.facts.set.members();
        let digest = checkpoint.digest(epoch);
        let (mut signers, mut power) = (BTreeSet::new(), 0u128);
        for voucher in stable.vouchers.iter() {
            let Some(member) = members.get(voucher.signer.position()) else {
                return Err(format!("{} signed {checkpoint:?}, but is nobody", voucher.signer));
            };
            if !is_signed(&Check { key: member.public_key, digest, signature: voucher.signature }) {
                return Err(format!("{} never signed {checkpoint:?}", voucher.signer));
            }
            if !signers.insert(voucher.signer) {
                return Err(format!("{} signed {checkpoint:?} twice", voucher.signer));
            }
            power += u128::from(member.power.get());
        }
        let total: u128 = members.iter().map(|member| u128::from(member.power.get())).sum();
        if power * 3 > total * 2 { Ok(()) } else { Err(format!("{checkpoint:?} has {power} of {total} behind it")) }
    }
}

impl Checker for StableCheckpoints {
    fn id(&self) -> &'static str {
        "checkpoint"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Executed { header, .. } => {
                self.executed.entry(header.height).or_insert_with(|| (*header).clone());
                Ok(())
            }
            Sight::Stabilised { node, epoch, stable } => {
                self.check(epoch, stable).map_err(|what| format!("node {node} takes for stable {what}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        protocol::{Checkpoint, Voucher},
        sim::checkers::planted::{executed, facts, header},
    };

    const EPOCH: Digest = Digest::new([9; 32]);

    fn stable(branch: u8, signers: u8) -> StableCheckpoint {
        let header = header(8, branch);
        let checkpoint = Checkpoint { height: header.height, header: header.hash(), state_root: header.state_root };
        let sign = |seed: u8| {
            let key = SecretKey::from_seed(&[seed; 32]);
            let signer = facts().set.index_of(&key.public_key()).unwrap();
            Voucher { signer, signature: key.sign(checkpoint, signer, &EPOCH).signature }
        };
        StableCheckpoint { checkpoint, vouchers: (1..=signers).map(sign).collect::<Vec<_>>().try_into().unwrap() }
    }

    fn see(stable: &StableCheckpoint, epoch: &Digest) -> Result<(), String> {
        let mut checker = StableCheckpoints::new(facts());
        executed(&mut checker, 8, 1, 0).unwrap();
        checker.see(&Sight::Stabilised { node: 0, epoch: *epoch, stable })
    }

    #[test]
    fn another_state_a_missing_signature_and_one_of_elsewhere_are_noticed() {
        see(&stable(1, 3), &EPOCH).unwrap();
        see(&stable(2, 3), &EPOCH).unwrap_err();
        see(&stable(1, 2), &EPOCH).unwrap_err();
        see(&stable(1, 3), &Digest::new([8; 32])).unwrap_err();
        let mut twice = stable(1, 2);
        twice.vouchers.try_push(twice.vouchers[0]).unwrap();
        see(&twice, &EPOCH).unwrap_err();
    }
}
