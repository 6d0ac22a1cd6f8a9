//! The tail of the header chain, and what follows from it for the heights above: instance ids, validators, owners.
//!
//! Rules: `OB-1` (what governs height x was fixed by the state after x − window − 1; owners by `OB-3`), `OB-7` (instance ids name that
//! history), `OB-9` (nothing more than window + 1 above the tip can be verified).
//! Limits: [`HASHES_MAX`] header hashes, or `window + 2` if that is more; `window + 1` owners.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::contract::{Recovered, Settings};
use crate::{
    app::{Header, Turn},
    config::Genesis,
    protocol::{Abstention, Electorate, Lifetime, Setup, Timing},
    types::{Digest, Height, ValidatorIndex, ValidatorSet},
};

/// Header hashes that are kept: more than rules need, so that what peers say of heights a little below can be compared.
const HASHES_MAX: u64 = 1024;

/// What has been executed, as far as the heights above depend on it.
pub(super) struct Chain {
    genesis: Arc<Genesis>,
    set: Arc<ValidatorSet>,
    me: Option<ValidatorIndex>,
    abstention: Abstention,
    timing: Timing,
    window: u64,
    /// The hash of the genesis header.
    origin: Digest,
    tip: Header,
    /// Hashes of the last headers, consecutive, the tip's at the back.
    hashes: VecDeque<Digest>,
    /// Who owns the heights above the tip, the lowest first.
    owners: VecDeque<ValidatorIndex>,
}

impl Chain {
    /// Goes on where recovery ended.
    ///
    /// # Panics
    /// If there is no header or genesis was never validated: both are bugs of the caller.
    pub(super) fn new(settings: &Settings, recovered: &Recovered) -> Self {
        let genesis = Arc::clone(&settings.genesis);
        let set = ValidatorSet::new(genesis.validators.clone(), genesis.crash_model).expect("genesis was validated");
        let tip = recovered.headers.last().cloned().expect("recovery finds at least the genesis header");
        let mut chain = Self {
            window: genesis.window.max(1),
            origin: recovered.origin,
            genesis,
            set: Arc::new(set),
            me: settings.me,
            abstention: recovered.abstention,
            timing: settings.timing,
            tip,
            hashes: recovered.headers.iter().map(Header::hash).collect(),
            owners: recovered.owners.iter().copied().collect(),
        };
        chain.forget();
        chain
    }

    /// How many heights are live at once.
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// The last executed header.
    pub(super) fn tip(&self) -> &Header {
        &self.tip
    }

    /// The last executed height.
    pub(super) fn executed(&self) -> Height {
        self.tip.height
    }

    /// The live heights, decided or not (`OB-1`).
    pub(super) fn live(&self) -> impl Iterator<Item = Height> + use<> {
        let executed = self.executed();
        (1..=self.window).map(move |above| executed.plus(above))
    }

    /// The highest height whose certificate can be checked now (`OB-9`).
    pub(super) fn verifiable(&self) -> Height {
        self.executed().plus(self.window + 1)
    }

    /// Who votes at a height. Today the genesis set; a function of the state after `height - window - 1` (`OB-1`).
    pub(super) fn set(&self, _height: Height) -> &Arc<ValidatorSet> {
        &self.set
    }

    /// Who leads a height's first rounds, if it lies at most `window + 1` above the tip (`OB-3`).
    pub(super) fn owner(&self, height: Height) -> Option<ValidatorIndex> {
        let above = usize::try_from(height.get().checked_sub(self.executed().next().get())?).ok()?;
        self.owners.get(above).copied()
    }

    /// Our own place among a height's validators; `None` where we have no vote, or must not use it (`OB-10`).
    pub(super) fn me(&self, height: Height) -> Option<ValidatorIndex> {
        self.me.filter(|_| !self.abstention.covers(height))
    }

    /// Our own place among the validators, whether we may vote or not.
    pub(super) fn own_index(&self) -> Option<ValidatorIndex> {
        self.me
    }

    /// Where we do not vote; `None` without a vote (`OB-10`).
    pub(super) fn abstention(&self) -> Option<Abstention> {
        self.me.map(|_| self.abstention)
    }

    /// Votes above a height from now on: that is durable.
    pub(super) fn abstain_through(&mut self, height: Height) {
        self.abstention = Abstention::Through(height);
    }

    /// Whether a height's lane is ours.
    pub(super) fn is_own(&self, height: Height) -> bool {
        self.me.is_some() && self.me(height) == self.owner(height)
    }

    /// What a height's certificate is checked against (`OB-7`). `None` above [`Self::verifiable`], or where the
    /// history has been forgotten.
    pub(super) fn electorate(&self, height: Height) -> Option<Electorate> {
        let history = match self.genesis.history_height(height) {
            Height::ZERO => self.origin,
            at => self.hash(at)?,
        };
        let set = Arc::clone(self.set(height));
        Some(Electorate { id: self.genesis.instance_id(height, &set, &history), set })
    }

    /// Instances that are opened from now on expect a quorum to take so long.
    pub(super) fn pace(&mut self, quorum_delay: Duration) {
        self.timing.quorum_delay = quorum_delay;
    }

    /// What checkpoints of a height's epoch are signed within (`OB-8`).
    pub(super) fn epoch(&self, height: Height) -> Electorate {
        let set = Arc::clone(self.set(height));
        Electorate { id: self.genesis.epoch_id(height, &set, &self.origin), set }
    }

    /// For how long the instances of this chain live.
    pub(super) fn lifetime(&self) -> Lifetime {
        self.genesis.protocol.lifetime()
    }

    /// By what height the instance is known that decides one.
    pub(super) fn first_height(&self, height: Height) -> Height {
        self.genesis.protocol.first_height(height)
    }

    /// Everything the instance that decides a height is told at birth; `None` where [`Self::electorate`] is.
    pub(super) fn setup(&self, height: Height) -> Option<Setup> {
        let Electorate { id, set } = self.electorate(height)?;
        let owner = match self.lifetime() {
            Lifetime::Height => self.owner(height)?,
            Lifetime::Epoch => ValidatorIndex::new(0),
        };
        Some(Setup {
            id,
            height: self.first_height(height),
            set,
            me: self.me(height),
            owner,
            timing: self.timing,
            payload_bytes_max: self.payload_bytes_max(),
            forgotten: match self.abstention {
                Abstention::Through(last) => last,
                // Without a vote, there is nothing to be careful about.
                Abstention::Everywhere => Height::ZERO,
            },
        })
    }

    /// The most bytes of a payload.
    pub(super) fn payload_bytes_max(&self) -> usize {
        usize::try_from(self.genesis.payload_bytes_max).unwrap_or(usize::MAX)
    }

    /// The most bytes of a command's body.
    pub(super) fn command_bytes_max(&self) -> usize {
        usize::try_from(self.genesis.command_bytes_max).unwrap_or(usize::MAX)
    }

    /// Goes up by one executed header.
    ///
    /// # Panics
    /// If the header does not extend the tip: then executor and ordering disagree, and going on would fork us off.
    pub(super) fn push(&mut self, header: Header, turn: Turn) {
        assert_eq!(header.height, self.tip.height.next(), "executed out of order");
        assert_eq!(Some(&header.parent), self.hashes.back(), "executed on another history");
        self.hashes.push_back(header.hash());
        self.owners.pop_front();
        self.owners.push_back(turn.next);
        self.tip = header;
        self.forget();
    }

    /// The hash of an executed header that is not forgotten.
    pub(super) fn hash(&self, height: Height) -> Option<Digest> {
        let below = usize::try_from(self.executed().get().checked_sub(height.get())?).ok()?;
        let at = self.hashes.len().checked_sub(below + 1)?;
        self.hashes.get(at).copied()
    }

    fn forget(&mut self) {
        while self.hashes.len() as u64 > HASHES_MAX.max(self.window + 2) {
            self.hashes.pop_front();
        }
    }
}
