//! PBFT's messages.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{super::Hand, Place, payload_root};
use crate::{
    crypto::{SecretKey, Signable as _, Signed},
    protocol::{
        Message,
        pbft::{
            self, Account, Change, Draft, Phase, Plan, PrePrepare, Proposal, Unsigned, ViewChange, ViewNumber, Vote,
        },
        votes::Ballot,
    },
    sim::letter::Mail,
    types::{BoundedVec, Digest, Height, ValidatorIndex},
};

/// The message in a frame, if it is one of PBFT.
pub fn message(mail: &Mail) -> Option<(Place, &pbft::Message)> {
    match super::message(mail)? {
        (place, Message::Pbft(message)) => Some((place, message)),
        _ => None,
    }
}

/// Who leads a view.
pub fn primary(view: ViewNumber, hand: &Hand<'_>) -> ValidatorIndex {
    let count = hand.validators() as u64;
    ValidatorIndex::new(u16::try_from(view.get() % count).unwrap_or_default())
}

/// The proposal that a liar sends as the primary of its view.
pub fn own_proposal<'a>(mail: &'a Mail, hand: &Hand<'_>) -> Option<(Place, &'a PrePrepare)> {
    match message(mail)? {
        (place, pbft::Message::PrePrepare(it)) if primary(it.proposal.view, hand) == hand.index() => Some((place, it)),
        _ => None,
    }
}

/// The votes in a message, and the one that a proposal is.
pub fn votes(message: &pbft::Message, hand: &Hand<'_>) -> Vec<(ValidatorIndex, Vote)> {
    match message {
        pbft::Message::PrePrepare(it) => {
            let vote = Vote { phase: Phase::Prepare, proposal: it.proposal };
            vec![(primary(it.proposal.view, hand), vote)]
        }
        pbft::Message::Votes(votes) => votes.iter().map(|vote| (vote.signer, vote.message)).collect(),
        _ => Vec::new(),
    }
}

/// A proposal of this payload, signed with a key, which need not be the primary's.
pub fn propose(key: &SecretKey, place: Place, (view, height): (ViewNumber, Height), payload: Bytes) -> pbft::Message {
    let proposal = Proposal { view, height, payload_root: payload_root(&payload) };
    let signature = key.sign_digest(&Vote { phase: Phase::Prepare, proposal }.digest(&place.instance));
    pbft::Message::PrePrepare(PrePrepare { proposal, signature, payload })
}

/// A vote signed with a key, which need not be the signer's.
pub fn sign(key: &SecretKey, signer: ValidatorIndex, message: Vote, instance: &Digest) -> Signed<Vote> {
    Signed { message, signer, signature: key.sign_digest(&message.digest(instance)) }
}

/// Votes as they travel.
pub fn say(votes: Vec<Signed<Vote>>) -> pbft::Message {
    pbft::Message::Votes(BoundedVec::try_from(votes).unwrap_or_default())
}

/// A liar's own account of itself.
pub fn leave(hand: &Hand<'_>, place: Place, account: Account) -> Option<ViewChange> {
    match own(hand, place, Unsigned::ViewChange(account))? {
        pbft::Message::ViewChange(change) => Some(*change),
        _ => None,
    }
}

/// A liar's account that nothing is prepared.
pub fn nothing_prepared(view: ViewNumber) -> Account {
    let change = Change { view, stable: Height::ZERO, claims: BoundedVec::default() };
    Account { change, stable: None, proofs: BoundedVec::default() }
}

/// Signs what a liar says of itself.
pub fn own(hand: &Hand<'_>, place: Place, message: Unsigned) -> Option<pbft::Message> {
    let signed = message.sign(Some((hand.key(), hand.index())), &place.instance)?;
    Some(signed.into_inner())
}

/// A liar's signature as everyone's, or as strangers'.
pub fn ballots_of_one(hand: &Hand<'_>, vote: Vote, instance: &Digest, strangers: bool) -> Vec<Ballot> {
    let signature = hand.key().sign_digest(&vote.digest(instance));
    let own = Ballot { voter: hand.index(), signature };
    let stranger = |at: u16| Ballot { voter: ValidatorIndex::new(1000 + at), signature };
    if strangers {
        std::iter::once(own).chain((0..1000).take(hand.nodes()).map(stranger)).collect()
    } else {
        std::iter::repeat_n(own, hand.nodes()).collect()
    }
}

/// View changes that a liar has heard, of the latest views.
#[derive(Default)]
pub struct Heard(BTreeMap<(ViewNumber, ValidatorIndex), ViewChange>);

/// The most that are remembered.
const HEARD_MAX: usize = 64;

impl Heard {
    /// Notes what is in a mail.
    pub fn note(&mut self, mail: &Mail) -> Option<(Place, ViewNumber)> {
        let (place, pbft::Message::ViewChange(it)) = message(mail)? else { return None };
        let view = it.change.message.view;
        self.0.insert((view, it.change.signer), (**it).clone());
        if self.0.len() > HEARD_MAX {
            self.0.pop_first();
        }
        Some((place, view))
    }

    /// Those of a view, by ascending signer.
    pub fn of(&self, view: ViewNumber) -> Vec<ViewChange> {
        self.0.iter().filter(|((of, _), _)| *of == view).map(|(_, it)| it.clone()).collect()
    }
}

/// Opens a view with the view changes that suit a liar.
pub fn open(hand: &Hand<'_>, place: Place, view: ViewNumber, changes: &[ViewChange]) -> Option<pbft::Message> {
    let signed: Vec<Signed<Change>> = changes.iter().map(|it| it.change.clone()).collect();
    let plan = Plan::of(&signed);
    let proof = |claim: &Proposal| {
        changes.iter().find_map(|it| {
            let at = it.change.message.claims.iter().position(|known| known == claim)?;
            it.proofs.get(at).cloned()
        })
    };
    let proofs = plan.claims().map(proof).collect::<Option<Vec<_>>>()?;
    let stable = changes.iter().find(|it| it.change.message.stable == plan.stable).and_then(|it| it.stable.clone());
    let (changes, proofs) = (BoundedVec::try_from(signed).ok()?, BoundedVec::try_from(proofs).ok()?);
    own(hand, place, Unsigned::NewView(Draft { view, changes, stable, proofs }))
}
