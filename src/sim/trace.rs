//! What happens in a world, for people: one line an event, in fixed columns.
//!
//! ```text
//!     time  node  where     what
//!  1.204117     2  decider 7  solicit tick 3 depth 1 of 0
//! ```
//!
//! Called by [`super::world`] when somebody watches; describing costs nothing otherwise, and never moves the dice.

use super::letter::{Letter, Mail, Mailbox, Then};
use crate::{
    crypto::Signed,
    protocol::{Input, Message, Origin, Record, Summary, pbft, streamlette},
    replica::{
        self,
        wire::{Frame, PeerStatus, Request, Response},
    },
    types::{Digest, Time},
};

/// What stands above the columns.
pub const HEADER: &str = "       time node  where        what";

/// A line of the trace.
pub fn line(now: Time, node: Option<usize>, place: &str, what: &str) -> String {
    let micros = now.as_micros();
    let node = node.map_or_else(|| "-".into(), |node| node.to_string());
    format!("{:>4}.{:06} {node:>4}  {place:<12} {what}", micros / 1_000_000, micros % 1_000_000)
}

/// The name of a mailbox.
pub fn mailbox(mailbox: Mailbox) -> String {
    match mailbox {
        Mailbox::Decider(height) => format!("decider {height}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// A letter in a few words.
pub fn letter(letter: &Letter) -> String {
    match letter {
        Letter::Frame(peer, content) => format!("from {}: {}", peer.0, frame(content)),
        Letter::Request(peer, _, content) => format!("from {}: {}", peer.0, request(content)),
        Letter::Response(peer, _, content) => format!("from {}: {}", peer.0, response(content)),
        Letter::Replica(content) => replica_input(content),
        Letter::Decider(_, content) => input(content),
        Letter::Execute(block, _) => format!("execute height {}", block.height),
        Letter::Validate { height, proposer, id, .. } => format!("validate {id:?} of {proposer} for height {height}"),
        Letter::Verify(height, origin, content) => {
            format!("verify for height {height}{}: {}", sender(*origin), message(content))
        }
        Letter::CheckBlock(peer, block, _) => format!("check height {} of {}", block.height, peer.0),
        Letter::Append(entries, Then::Recorded(height)) => format!("append {}: height {height} decided", entries.len()),
        Letter::CheckVote(peer, vote, _) => format!("check checkpoint {} of {}", vote.message.height, peer.0),
        Letter::Append(_, Then::Attested(checkpoint, _)) => format!("append: checkpoint {}", checkpoint.height),
        Letter::Append(_, Then::Kept) => "append: a stable checkpoint".into(),
        Letter::Append(_, Then::Abstained(through)) => format!("append: no vote through height {through}"),
        Letter::Append(entries, Then::Durable(height, token)) => {
            format!("append {}: height {height} through {}", entries.len(), token.0)
        }
    }
}

/// A message to another validator in a few words.
pub fn mail(mail: &Mail) -> String {
    match mail {
        Mail::Frame(content) => frame(content),
        Mail::Request(_, content) => request(content),
        Mail::Response(_, content) => response(content),
    }
}

fn frame(frame: &Frame) -> String {
    match frame {
        Frame::Instance { height, message: content, .. } => format!("height {height}: {}", message(content)),
        Frame::Commands(commands) => format!("{} commands", commands.len()),
        Frame::Status { status: content, .. } => status(content),
        Frame::Checkpoint(vote) => format!("checkpoint {} of {}", vote.message.height, vote.signer),
    }
}

fn request(request: &Request) -> String {
    match request {
        Request::Diff { height, summary: Summary::Streamlette(summary), .. } => {
            let wants: Vec<_> = summary.wants.iter().collect();
            format!(
                "pull height {height} at tick {:?} with {} nodes, wants {wants:?}",
                summary.tick,
                summary.nodes.len()
            )
        }
        Request::Diff { summary: Summary::Pbft(summary), .. } => {
            format!("pull at view {:?} above height {}, {} heights", summary.view, summary.decided, summary.known.len())
        }
        Request::Blocks { from } => format!("fetch from height {from}"),
    }
}

fn response(response: &Response) -> String {
    match response {
        Response::Diff(content) => format!("answer: {}", message(content)),
        Response::Blocks { blocks, status: content } => format!("answer: {} blocks, {}", blocks.len(), status(content)),
        Response::Nothing(content) => format!("answer: nothing, {}", status(content)),
        Response::Busy => "answer: busy".into(),
    }
}

fn status(status: &PeerStatus) -> String {
    format!("executed {}", status.executed)
}

fn sender(origin: Origin) -> String {
    origin.validator.map_or_else(String::new, |validator| format!(" from validator {validator}"))
}

fn replica_input(input: &replica::Input) -> String {
    use replica::Input as In;
    match input {
        In::Begin => "begin".into(),
        In::Submit { commands } => {
            let ids = commands.iter().map(|(_, command)| format!("{:?}", command.id()));
            format!("submit {}", ids.collect::<Vec<_>>().join(" "))
        }
        In::Abandon { .. } => "abandon".into(),
        In::Forwarded { from, commands } => format!("{} commands forwarded by {}", commands.len(), from.0),
        In::Measured { quorum_delay } => format!("a quorum takes {} us", quorum_delay.as_micros()),
        In::Build { slot, .. } => format!("build height {} round {}", slot.height, slot.round),
        In::Proposed { height, payload } => format!("proposed height {height}, {} bytes", payload.len()),
        In::Leading { round, leader } => format!("validator {leader} leads round {round}"),
        In::Decided { block } => format!("decided height {}", block.height),
        In::Recorded { height } => format!("recorded height {height}"),
        In::Executed { header, receipts, .. } => {
            format!("executed height {}, {} commands", header.height, receipts.len())
        }
        In::PeerUp { peer, .. } => format!("peer {} up", peer.0),
        In::PeerDown { peer } => format!("peer {} down", peer.0),
        In::Status { peer, status: content } => format!("peer {}: {}", peer.0, status(content)),
        In::Stray { peer, height } => format!("stray of {} for height {height}", peer.0),
        In::Blocks { peer, blocks } => format!("{} blocks of {}", blocks.len(), peer.0),
        In::Checked { peer, block: Ok(block) } => format!("proven: height {} of {}", block.height, peer.0),
        In::Checked { peer, block: Err(height) } => format!("false: height {height} of {}", peer.0),
        In::Abstained { through } => format!("abstains through height {through}"),
        In::Vote { peer, vote } => {
            format!("checkpoint {} of {} from {}", vote.message.height, vote.signer, peer.0)
        }
        In::VoteChecked { vote, .. } => {
            let good = vote.as_ref().map(|vote| (vote.get().message.height, vote.get().signer));
            format!("examined checkpoint {good:?}")
        }
        In::Attested { vote } => format!("signed checkpoint {}", vote.get().message.height),
        In::Wake => "wake".into(),
    }
}

fn input(input: &Input) -> String {
    match input {
        Input::Begin { records, .. } => {
            let records: Vec<_> = records.iter().map(record).collect();
            format!("begin: {}", records.join("; "))
        }
        Input::Arrived { origin, message: content } => format!("arrived{}: {}", sender(*origin), message(content)),
        Input::Message { origin, message: content } => format!("good{}: {}", sender(*origin), message(content.get())),
        Input::Refused { origin, message: content } => format!("bad{}: {}", sender(*origin), message(content)),
        Input::Durable(token) => format!("durable through {}", token.0),
        Input::Payload { slot, payload } => {
            format!("payload for round {}: {:?} bytes", slot.round, payload.as_ref().map(bytes::Bytes::len))
        }
        Input::Verdict { id, verdict } => format!("verdict on {id:?}: {verdict:?}"),
        Input::Executed { height } => format!("executed height {height}"),
        other => format!("{other:?}"),
    }
}

fn record(record: &Record) -> String {
    match record {
        Record::Streamlette(streamlette::Record::Vote { vote, lock_depth, items }) => {
            format!("vote tick {:?} for {:?}, lock {lock_depth:?}, {} items", vote.tick, vote.target, items.len())
        }
        Record::Streamlette(streamlette::Record::Want { tick }) => format!("want {tick:?}"),
        Record::Pbft(record) => pbft_record(record),
    }
}

fn message(message: &Message) -> String {
    use streamlette::Message as In;
    let message = match message {
        Message::Streamlette(message) => message,
        Message::Pbft(message) => return pbft_message(message),
    };
    match message {
        In::Proposal { header, payload, .. } => {
            format!("proposal tick {:?}, {} bytes", header.tick, payload.len())
        }
        In::Solicit { header, parent_tick, .. } => {
            format!("solicit tick {:?} depth {:?} on {parent_tick:?}", header.tick, header.depth)
        }
        In::Vote(vote) => format!("vote of {} tick {:?} for {:?}", vote.signer, vote.message.tick, vote.message.target),
        In::Want(want) => format!("want of {}: {:?}", want.signer, want.message.tick),
        In::Diff(diff) => format!("diff {}", self::diff(diff)),
        In::Certificate { certificate, .. } => format!("certificate through tick {:?}", certificate.last_tick()),
    }
}

fn diff(diff: &streamlette::Diff) -> String {
    let items = diff.items.iter().map(|item| {
        let kind = match item {
            streamlette::Item::Proposal { .. } => 'P',
            streamlette::Item::Solicit { .. } => 'S',
            streamlette::Item::Votes { .. } => 'v',
        };
        let voters: Vec<_> = item.votes().iter().map(|ballot| ballot.voter.to_string()).collect();
        let vote = item.vote(&Digest::new([0; 32]));
        format!("{kind}{:?}[{}]", vote.tick, voters.join(" "))
    });
    let wants = diff.wants.iter().map(|wish| format!("w{}:{:?}", wish.signer, wish.tick));
    items.chain(wants).collect::<Vec<_>>().join(" ")
}

fn pbft_record(record: &pbft::Record) -> String {
    match record {
        pbft::Record::Accepted { proposal, payload, .. } => {
            format!("accepted {}, {} bytes", pbft_proposal(proposal), payload.len())
        }
        pbft::Record::Prepared { proposal, .. } => format!("prepared {}", pbft_proposal(proposal)),
        pbft::Record::Changing { account, .. } => format!("changing to view {}", account.change.view),
        pbft::Record::Opening { draft, .. } => format!("opening view {}", draft.view),
        pbft::Record::Entered { new_view, .. } => format!("entered view {}", new_view.view()),
    }
}

fn pbft_message(message: &pbft::Message) -> String {
    let diff = message.clone().into_diff();
    let mut parts = Vec::new();
    parts.extend(
        diff.new_view
            .iter()
            .map(|new_view| format!("new view {} of {} changes", new_view.view(), new_view.changes.len())),
    );
    parts.extend(diff.changes.iter().map(|change| {
        let Signed { message: said, signer, .. } = &change.change;
        let claims: Vec<_> = said.claims.iter().map(pbft_proposal).collect();
        format!("change of {signer} to view {} above {}: [{}]", said.view, said.stable, claims.join(" "))
    }));
    parts.extend(
        diff.proposals
            .iter()
            .map(|it| format!("pre-prepare {}, {} bytes", pbft_proposal(&it.proposal), it.payload.len())),
    );
    parts.extend(diff.votes.iter().map(|vote| {
        format!("{:?} of {} for {}", vote.message.phase, vote.signer, pbft_proposal(&vote.message.proposal))
    }));
    parts.extend(diff.certificates.iter().map(|it| format!("certificate {}", pbft_proposal(&it.proposal))));
    parts.extend(diff.bodies.iter().map(|body| format!("body of {} bytes", body.len())));
    parts.join("; ")
}

fn pbft_proposal(proposal: &pbft::Proposal) -> String {
    format!("{}@{} {:?}", proposal.height, proposal.view, proposal.payload_root)
}
