//! `--lie`: a validator that lies on a real network, as those of the simulator do in theirs.
//!
//! Only in builds with the feature `planted`. Here the simulator's liars meet the network: each of them becomes the
//! [`Mouthpiece`] of a node whose brains are honest, with that validator's own key and a plan that it shares with nobody.
//! Validators stand where the simulator has nodes.

use std::{collections::BTreeMap, sync::Arc};

use super::Failure;
use crate::{
    app::{self, Executor},
    config::Identity,
    crypto::SecretKey,
    node::mouthpiece::{MakeMouthpiece, Mouthpiece, Said, Word},
    replica::wire::Request,
    sim::{
        Dice, Lie,
        letter::{Mail, Question},
        liar::{Hand, Liar, Plan},
    },
    store::MemoryRows,
    types::{Digest, Height, ValidatorIndex, ValidatorSet},
};

/// Parses the name of a lie that one process can tell.
///
/// # Errors
/// The names that there are.
pub(super) fn lie(name: &str) -> Result<Lie, String> {
    let known: Vec<Lie> = Lie::ALL.into_iter().filter(|lie| lie.is_told_alone()).collect();
    let names = || known.iter().map(|lie| lie.as_str()).collect::<Vec<_>>().join(", ");
    known.iter().copied().find(|lie| lie.as_str() == name).ok_or_else(|| format!("one of {}", names()))
}

/// What speaks in a validator's name.
///
/// # Errors
/// [`Failure`] when the node is no validator: nobody listens to the lies of others.
pub(super) fn mouthpiece(lie: Lie, identity: &Identity) -> Result<MakeMouthpiece, Failure> {
    let Some((me, key)) = identity.validator.clone() else {
        return Err(Failure::Usage("--lie: this node is no validator".to_owned()));
    };
    tracing::warn!(lie = lie.as_str(), "this validator lies");
    let (set, epoch) = (Arc::clone(&identity.validators), epoch(identity)?);
    Ok(Arc::new(move || Box::new(Liaison::new(lie, me, key.clone(), &set, epoch))))
}

/// What checkpoints are signed within.
fn epoch(Identity { genesis, validators, .. }: &Identity) -> Result<Digest, Failure> {
    let unknown = || Failure::Usage("--lie: the application is not one of ours".to_owned());
    let application = app::open(genesis.application).ok_or_else(unknown)?;
    let (executor, _) = Executor::open(application, genesis, &MemoryRows::default());
    Ok(genesis.epoch_id(Height::FIRST, validators, &executor.tip().hash()))
}

/// A liar, and what it acts with.
struct Liaison {
    me: ValidatorIndex,
    liar: Box<dyn Liar>,
    plan: Plan,
    dice: Dice,
}

impl Liaison {
    fn new(lie: Lie, me: ValidatorIndex, key: SecretKey, set: &ValidatorSet, epoch: Digest) -> Self {
        let mut dice = Dice::new(me.get().into());
        let peers = set.indices().map(Some).collect();
        let plan = Plan::new(BTreeMap::from([(me, key)]), peers, epoch, &mut dice);
        Self { me, liar: lie.take_up(false), plan, dice }
    }

    fn act(&mut self, act: impl FnOnce(&mut dyn Liar, &mut Hand<'_>)) -> Vec<Said> {
        let mut hand = Hand { me: self.me.position(), plan: &mut self.plan, dice: &mut self.dice, sent: Vec::new() };
        act(&mut *self.liar, &mut hand);
        let said = |(after, to, mail)| Some(Said { after, to: ValidatorIndex::at(to)?, word: word(mail) });
        hand.sent.into_iter().filter_map(said).collect()
    }
}

impl Mouthpiece for Liaison {
    fn speak(&mut self, to: ValidatorIndex, word: Word) -> Vec<Said> {
        self.act(|liar, hand| liar.speak(to.position(), mail(word), hand))
    }

    fn hear(&mut self, _from: ValidatorIndex, word: &Word) -> Vec<Said> {
        self.act(|liar, hand| liar.hear(&mail(word.clone()), hand))
    }
}

/// A real network keeps questions and answers together by itself: what a liar is told of that is only its kind.
fn mail(word: Word) -> Mail {
    match word {
        Word::Frame(frame) => Mail::Frame(frame),
        Word::Request(request @ Request::Diff { height, .. }) => Mail::Request(Question::Ask(height), request),
        Word::Request(request) => Mail::Request(Question::Fetch, request),
        Word::Response(response) => Mail::Response(Question::Fetch, response),
    }
}

fn word(mail: Mail) -> Word {
    match mail {
        Mail::Frame(frame) => Word::Frame(frame),
        Mail::Request(_, request) => Word::Request(request),
        Mail::Response(_, response) => Word::Response(response),
    }
}
