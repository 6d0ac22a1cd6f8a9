use bytes::Bytes;

use super::*;
use crate::{
    crypto::SecretKey,
    journal::Entry,
    protocol::{
        self,
        pbft::{Account, Draft, Message, Record, Unsigned, ViewChange},
        votes::Ballot,
    },
    sim::checkers::{Facts, planted::facts},
    types::BoundedVec,
};

const INSTANCE: Digest = Digest::new([9; 32]);

/// The key of a member of the set.
fn key(of: ValidatorIndex) -> SecretKey {
    let node = facts().peers.iter().position(|peer| *peer == Some(of)).unwrap();
    SecretKey::from_seed(&[u8::try_from(node + 1).unwrap(); 32])
}

fn index(at: u16) -> ValidatorIndex {
    ValidatorIndex::new(at)
}

fn node(of: ValidatorIndex) -> usize {
    facts().peers.iter().position(|peer| *peer == Some(of)).unwrap()
}

fn proposal(view: u64, height: u64, value: &[u8]) -> Proposal {
    let payload_root = Transcript::new("thalweg payload v1").bytes(value).finish();
    Proposal { view: ViewNumber::new(view), height: Height::new(height), payload_root }
}

fn votes(phase: Phase, signers: &[u16], of: Proposal) -> Proof {
    let ballot = |at: &u16| {
        let signature = key(index(*at)).sign_digest(&Vote { phase, proposal: of }.digest(&INSTANCE));
        Ballot { voter: index(*at), signature }
    };
    Proof { phase, votes: signers.iter().map(ballot).collect() }
}

fn say(signer: u16, phase: Phase, of: Proposal) -> Message {
    let vote = key(index(signer)).sign(Vote { phase, proposal: of }, index(signer), &INSTANCE);
    Message::Votes(vec![vote].try_into().unwrap())
}

fn account(view: u64, claims: &[(Proposal, Proof)]) -> Account {
    let (claims, proofs): (Vec<_>, Vec<_>) = claims.iter().cloned().unzip();
    let change = Change { view: ViewNumber::new(view), stable: Height::ZERO, claims: claims.try_into().unwrap() };
    Account { change, stable: None, proofs: proofs.try_into().unwrap() }
}

fn sign(who: u16, message: Unsigned) -> Message {
    message.sign(Some((&key(index(who)), index(who))), &INSTANCE).unwrap().into_inner()
}

fn leave(who: u16, account: Account) -> ViewChange {
    let Message::ViewChange(change) = sign(who, Unsigned::ViewChange(account)) else { unreachable!("it was one") };
    *change
}

fn open(view: u64, changes: &[ViewChange], proofs: Vec<Proof>) -> NewView {
    let signed: Vec<_> = changes.iter().map(|it| it.change.clone()).collect();
    let (changes, proofs) = (signed.try_into().unwrap(), proofs.try_into().unwrap());
    let draft = Draft { view: ViewNumber::new(view), changes, stable: None, proofs };
    let primary = u16::try_from(view % 4).unwrap();
    let Message::NewView(new_view) = sign(primary, Unsigned::NewView(draft)) else { unreachable!("it was one") };
    *new_view
}

fn with_jury<T>(act: impl FnOnce(&Facts, &Jury<'_>) -> T) -> T {
    let facts = facts();
    let set = std::sync::Arc::clone(&facts.set);
    act(&facts, &Jury { set: &set, instance: INSTANCE })
}

/// Validator 1 says something.
fn hear(said: &mut Said, message: &Message) -> Result<(), String> {
    with_jury(|facts, jury| said.on_message(facts, node(index(1)), jury, message))
}

#[test]
fn a_second_vote_a_second_account_and_a_vote_after_leaving_are_noticed() {
    let mut said = Said::default();
    let (one, other) = (proposal(0, 1, b"one"), proposal(0, 1, b"other"));
    hear(&mut said, &say(1, Phase::Prepare, one)).unwrap();
    hear(&mut said, &say(1, Phase::Prepare, one)).unwrap();
    hear(&mut said, &say(2, Phase::Prepare, other)).expect("another one's, passed on");
    hear(&mut said, &say(1, Phase::Commit, one)).unwrap();
    hear(&mut said, &say(1, Phase::Prepare, other)).unwrap_err();
    hear(&mut said, &say(1, Phase::Commit, other)).unwrap_err();

    let claim = (one, votes(Phase::Prepare, &[0, 1, 2], one));
    let message = |claims: &[_]| Message::ViewChange(Box::new(leave(1, account(1, claims))));
    hear(&mut said, &message(&[claim])).unwrap();
    hear(&mut said, &message(&[])).unwrap_err();
    hear(&mut said, &say(1, Phase::Prepare, proposal(0, 2, b"late"))).unwrap_err();
    hear(&mut said, &say(1, Phase::Prepare, proposal(1, 2, b"in time"))).unwrap();
}

#[test]
fn a_view_that_is_opened_twice_is_noticed() {
    let all = [0, 1, 2, 3].map(|who| leave(who, account(1, &[])));
    let mut said = Said::default();
    let message = |changes: &[ViewChange]| Message::NewView(Box::new(open(1, changes, Vec::new())));
    hear(&mut said, &message(&all[..3])).unwrap();
    hear(&mut said, &message(&all[..3])).unwrap();
    hear(&mut said, &message(&all[1..])).unwrap_err();
}

/// What validator 1 says, with this on its disk.
fn shows(records: &[Record], message: &Message) -> Result<(), String> {
    let mut disks = Disks::default();
    disks.store(node(index(1)), &entries(records));
    with_jury(|facts, jury| disks.on_message(facts, node(index(1)), jury, message))
}

fn entries(records: &[Record]) -> Vec<Entry> {
    let entry = |record: &Record| {
        let record = protocol::Record::Pbft(record.clone());
        Entry::Instance { height: Height::FIRST, instance: INSTANCE, record }
    };
    records.iter().map(entry).collect()
}

fn accepted(of: Proposal, signer: u16) -> Record {
    let signature = votes(Phase::Prepare, &[signer], of).votes.iter().next().map(|ballot| ballot.signature);
    Record::Accepted { proposal: of, signature, payload: Bytes::from_static(b"one") }
}

fn prepared(of: Proposal, signers: &[u16]) -> Record {
    Record::Prepared { proposal: of, proof: votes(Phase::Prepare, signers, of) }
}

#[test]
fn what_is_shown_before_the_disk_has_it_is_noticed() {
    let one = proposal(0, 1, b"one");
    let (accepted, prepared) = (accepted(one, 0), prepared(one, &[0, 1, 2]));
    shows(&[], &say(1, Phase::Prepare, one)).unwrap_err();
    shows(std::slice::from_ref(&accepted), &say(1, Phase::Prepare, one)).unwrap();
    shows(std::slice::from_ref(&accepted), &say(1, Phase::Commit, one)).unwrap_err();
    shows(&[accepted, prepared], &say(1, Phase::Commit, one)).unwrap();

    let changing = Record::Changing { height: Height::FIRST, account: account(1, &[]) };
    let left = Message::ViewChange(Box::new(leave(1, account(1, &[]))));
    shows(&[], &left).unwrap_err();
    shows(std::slice::from_ref(&changing), &left).unwrap();

    let changes = [0, 1, 2].map(|who| leave(who, account(1, &[])));
    let opened = open(1, &changes, Vec::new());
    let draft = Draft {
        view: ViewNumber::new(1),
        changes: opened.changes.clone(),
        stable: None,
        proofs: BoundedVec::default(),
    };
    let opening = Record::Opening { height: Height::FIRST, draft };
    let message = Message::NewView(Box::new(opened));
    shows(std::slice::from_ref(&changing), &message).unwrap_err();
    shows(&[changing, opening], &message).unwrap();
}

#[test]
fn a_value_and_a_view_that_do_not_come_back_are_noticed() {
    let one = proposal(0, 2, b"one");
    let all = [
        accepted(one, 0),
        prepared(one, &[0, 1, 2]),
        Record::Changing { height: Height::FIRST, account: account(3, &[]) },
    ];
    let mut disks = Disks::default();
    disks.store(0, &entries(&all));
    disks.remember(0, &entries(&all), Height::ZERO).unwrap();
    for without in 0..3 {
        let left: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, it)| it.clone()).collect();
        disks.remember(0, &entries(&left), Height::FIRST).unwrap_err();
    }
    disks.remember(0, &entries(&all[2..]), Height::new(2)).expect("what is in the store may go");
}

fn writes(records: &[Record]) -> Result<(), String> {
    let mut justified = Justified::default();
    records.iter().try_for_each(|it| justified.on_record(&facts(), node(index(1)), INSTANCE, it))
}

#[test]
fn records_that_prove_nothing_are_noticed() {
    let one = proposal(0, 1, b"one");
    writes(&[accepted(one, 0)]).unwrap();
    writes(&[accepted(one, 2)]).expect_err("of another than the primary");
    writes(&[accepted(proposal(1, 1, b"one"), 1)]).expect_err("of a view that was not entered");
    writes(&[prepared(one, &[0, 1, 2])]).unwrap();
    writes(&[prepared(one, &[0, 1])]).unwrap_err();
    writes(&[prepared(one, &[0, 1, 1])]).unwrap_err();
    let Record::Prepared { proof, .. } = prepared(one, &[0, 1, 2]) else { unreachable!("it was one") };
    writes(&[Record::Prepared { proposal: proposal(1, 1, b"one"), proof }]).expect_err("votes of another view");
}

#[test]
fn accounts_that_leave_something_out_are_noticed() {
    let one = proposal(0, 1, b"one");
    let changing = |claims: &[_]| Record::Changing { height: Height::FIRST, account: account(1, claims) };
    let claim = (one, votes(Phase::Prepare, &[0, 1, 2], one));
    writes(&[prepared(one, &[0, 1, 2]), changing(std::slice::from_ref(&claim))]).unwrap();
    writes(&[prepared(one, &[0, 1, 2]), changing(&[])]).unwrap_err();
    writes(&[changing(&[(one, votes(Phase::Prepare, &[0, 1], one))])]).unwrap_err();
}

/// `PB-V2`, `PB-V3`: two values were prepared at a height, in views 0 and 1.
#[test]
fn views_that_propose_something_else_are_noticed() {
    let (old, new) = (proposal(0, 1, b"old"), proposal(1, 1, b"new"));
    let [old_proof, new_proof] = [old, new].map(|it| votes(Phase::Prepare, &[0, 1, 3], it));
    let changes = [
        leave(0, account(2, &[(old, old_proof.clone())])),
        leave(1, account(2, &[(new, new_proof.clone())])),
        leave(3, account(2, &[])),
    ];
    let entered = |new_view: NewView| Record::Entered { height: Height::FIRST, new_view: Box::new(new_view) };
    let good = open(2, &changes, vec![new_proof.clone()]);
    writes(&[entered(good.clone())]).unwrap();
    writes(&[entered(good.clone()), accepted(proposal(2, 2, b"above"), 2)]).unwrap();
    writes(&[entered(good.clone()), accepted(proposal(2, 1, b"again"), 2)]).unwrap_err();
    writes(&[entered(open(2, &changes[1..], vec![new_proof.clone()]))]).expect_err("no quorum");
    writes(&[entered(open(2, &changes, vec![old_proof]))]).expect_err("the proof of another claim");
    let mut other = good.clone();
    let ballot = votes(Phase::Prepare, &[2], proposal(2, 1, b"old")).votes.iter().next().unwrap().signature;
    other.ballots = vec![ballot].try_into().unwrap();
    writes(&[entered(other)]).expect_err("the older value");
    let mut usurped = good;
    let opening = key(index(3)).sign(usurped.opening.message, index(3), &INSTANCE);
    usurped.opening = opening;
    writes(&[entered(usurped)]).expect_err("another than the primary");
}
