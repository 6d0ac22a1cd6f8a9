//! Answers that no single node can forge: several validators are asked, and what enough of them say is believed.
//!
//! Enough is f + 1: more validators than may be faulty, so that at least one honest one is among them. How many that
//! is follows from the validators' powers, by genesis where that is given. Without it each node is asked who the
//! validators are, and the largest count counts: a liar can only make it harder to be believed.
//!
//! The list of nodes is the user's word that these are different validators. Nodes that say that they are listeners, or
//! a validator that another one in the list is already, are left out.

use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, mpsc},
    thread,
};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Backoff, Client, Patience, Reply, Request, Trouble, is_retryable};
use crate::{
    cli::Failure,
    config::Genesis,
    types::{CrashModel, Power, PublicKey, Tally, Validator, ValidatorIndex, ValidatorSet},
};

/// Whom to believe.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct RepliesArguments {
    /// Ask all nodes of --node, and believe what N validators say alike; without a number f + 1 of them, which no f
    /// liars can forge.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "f+1")]
    pub(in crate::cli) replies: Option<Replies>,
    /// Who the validators are, and so what f is; without it the nodes are asked.
    #[arg(long, value_name = "FILE", requires = "replies")]
    pub(in crate::cli) genesis: Option<PathBuf>,
}

/// How many equal answers are enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Replies {
    /// More than the faulty can give.
    Enough,
    /// So many.
    Count(usize),
}

impl FromStr for Replies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            _ if text == "f+1" => Ok(Self::Enough),
            Ok(count) if count > 0 => Ok(Self::Count(count)),
            _ => Err("expected a number from 1 on; without one, put --replies last".to_owned()),
        }
    }
}

/// Who agreed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(in crate::cli) struct Agreement {
    /// How many equal answers were enough.
    pub(in crate::cli) needed: usize,
    /// The nodes that gave them.
    pub(in crate::cli) agreeing: Vec<String>,
    /// What the others said that answered before those were enough.
    pub(in crate::cli) differing: Vec<String>,
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} needed validators agree", self.agreeing.len(), self.needed)?;
        self.differing.iter().try_for_each(|other| write!(f, "; not so {other}"))
    }
}

/// What makes two answers equal. Of a read that is its value alone: nodes may have executed further than others.
pub(super) type Essence = fn(&Reply) -> Vec<u8>;

impl RepliesArguments {
    /// Asks as was asked for: one node after the other, or all of them.
    ///
    /// # Errors
    /// [`Failure`]: nobody answers, too few do, or they disagree.
    pub(super) fn ask(
        &self,
        client: &Client,
        request: &Request<'_>,
        patience: Patience,
        essence: Essence,
    ) -> Result<(Reply, Option<Agreement>), Failure> {
        let Some(replies) = self.replies else {
            return Ok((client.ask_patiently(request, patience)?, None));
        };
        let panel = Panel::gather(client, replies, self.genesis.as_deref())?;
        let mut backoff = Backoff::new();
        loop {
            match panel.ask_once(client, request, essence) {
                Ok((reply, agreement)) => return Ok((reply, Some(agreement))),
                // They may be at different heights, or busy: what they say can still become the same.
                Err(_) if backoff.try_pause(patience.busy) => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// The validators that are asked.
struct Panel {
    needed: usize,
    nodes: Vec<String>,
    /// Why the others are not asked.
    left_out: Vec<String>,
}

/// `GET /v1/validators`.
#[derive(Deserialize)]
struct Validators {
    validators: Vec<Seat>,
}

#[derive(Deserialize)]
struct Seat {
    index: ValidatorIndex,
    public_key: PublicKey,
    power: Power,
    is_self: bool,
}

impl Panel {
    fn gather(client: &Client, replies: Replies, genesis: Option<&std::path::Path>) -> Result<Self, Failure> {
        let mut enough = match genesis {
            None => None,
            Some(file) => {
                let genesis = Genesis::load(file).map_err(|error| Failure::Failed(error.to_string()))?;
                ValidatorSet::new(genesis.validators, genesis.crash_model).ok().map(|set| enough_of(&set))
            }
        };
        let (mut nodes, mut left_out, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
        for node in client.nodes() {
            match seats(client, node) {
                Err(trouble) => left_out.push(trouble.to_string()),
                Ok(seats) => {
                    match seats.iter().find(|seat| seat.is_self) {
                        None => left_out.push(format!("{node} is no validator")),
                        Some(own) if !known.insert(own.index) => {
                            left_out.push(format!("{node} is validator {} again", own.index));
                        }
                        Some(_) => nodes.push(node.clone()),
                    }
                    if genesis.is_none() {
                        enough = enough.max(set_of(&seats).map(|set| enough_of(&set)));
                    }
                }
            }
        }
        let needed = match (replies, enough) {
            (Replies::Count(count), _) => count,
            (Replies::Enough, Some(enough)) => enough,
            (Replies::Enough, None) => {
                let what = format!("nobody says who the validators are: {}", left_out.join("; "));
                return Err(Failure::Failed(what));
            }
        };
        if nodes.len() >= needed {
            return Ok(Self { needed, nodes, left_out });
        }
        let why = if left_out.is_empty() { String::new() } else { format!(": {}", left_out.join("; ")) };
        let asked = client.nodes().len();
        let what = format!(
            "{needed} validators must agree, and of the {asked} nodes of --node {} can answer{why}",
            nodes.len()
        );
        Err(if asked < needed { Failure::Usage(what) } else { Failure::Failed(what) })
    }

    /// Asks all at once, and returns as soon as enough say the same.
    fn ask_once(
        &self,
        client: &Client,
        request: &Request<'_>,
        essence: Essence,
    ) -> Result<(Reply, Agreement), Failure> {
        let (sender, answers) = mpsc::sync_channel(self.nodes.len());
        let question = Arc::new(Question::from(request));
        for node in &self.nodes {
            let (client, node, question, sender) =
                (client.clone(), node.clone(), Arc::clone(&question), sender.clone());
            // Not waited for once enough have answered.
            let ask = move || drop(sender.send(client.ask(&node, &question.request())));
            thread::Builder::new().spawn(ask).map_err(|error| Failure::failed("thread", error))?;
        }
        drop(sender);
        let mut replies: Vec<(Vec<u8>, Reply)> = Vec::new();
        let mut silent = self.left_out.clone();
        for answer in answers {
            match answer {
                Err(trouble) => silent.push(trouble.to_string()),
                Ok(reply) if is_retryable(reply.status) => silent.push(reply.problem().to_string()),
                Ok(reply) => {
                    let said = essence(&reply);
                    replies.push((said.clone(), reply.clone()));
                    let (equal, others): (Vec<_>, Vec<_>) = replies.iter().partition(|(other, _)| *other == said);
                    if equal.len() >= self.needed {
                        let lowest = equal.iter().map(|(_, reply)| reply).min_by_key(|reply| reply.height);
                        let agreement = Agreement {
                            needed: self.needed,
                            agreeing: equal.iter().map(|(_, reply)| reply.node.clone()).collect(),
                            differing: others.iter().map(|(_, reply)| describe(reply)).collect(),
                        };
                        return Ok((lowest.unwrap_or(&reply).clone(), agreement));
                    }
                }
            }
        }
        Err(self.disagreement(&replies, &silent))
    }

    fn disagreement(&self, replies: &[(Vec<u8>, Reply)], silent: &[String]) -> Failure {
        let needed = self.needed;
        let said: Vec<_> = replies.iter().map(|(_, reply)| describe(reply)).collect();
        let different = replies.iter().map(|(said, _)| said).collect::<BTreeSet<_>>().len();
        let rest = said.iter().chain(silent).cloned().collect::<Vec<_>>().join("; ");
        Failure::Failed(match different {
            0 | 1 => format!("too few answers: {} of {needed} that are needed ({rest})", replies.len()),
            _ => format!("the validators disagree, no {needed} say the same ({rest})"),
        })
    }
}

/// A request that outlives the one who asks.
struct Question {
    request: Request<'static>,
    body: Vec<u8>,
    idempotency_key: Option<String>,
    signed: Option<String>,
}

impl From<&Request<'_>> for Question {
    fn from(request: &Request<'_>) -> Self {
        let Request { method, path, content_type, .. } = request;
        Self {
            request: Request { method: *method, content_type, ..Request::get(path.clone()) },
            body: request.body.to_vec(),
            idempotency_key: request.idempotency_key.map(str::to_owned),
            signed: request.signed.map(str::to_owned),
        }
    }
}

impl Question {
    fn request(&self) -> Request<'_> {
        let (idempotency_key, signed) = (self.idempotency_key.as_deref(), self.signed.as_deref());
        Request { body: &self.body, idempotency_key, signed, ..self.request.clone() }
    }
}

fn seats(client: &Client, node: &str) -> Result<Vec<Seat>, Trouble> {
    let reply = client.ask(node, &Request::get("/v1/validators"))?;
    if !reply.is_success() {
        return Err(Trouble::Problem(reply.problem()));
    }
    let unreadable =
        |error: serde_json::Error| Trouble::Unreachable { node: node.to_owned(), error: error.to_string() };
    serde_json::from_slice::<Validators>(&reply.body).map(|list| list.validators).map_err(unreadable)
}

fn set_of(seats: &[Seat]) -> Option<ValidatorSet> {
    let member = |seat: &Seat| Validator { public_key: seat.public_key, power: seat.power };
    ValidatorSet::new(seats.iter().map(member).collect(), CrashModel::default()).ok()
}

/// The least number of validators of which any so many hold an honest one.
fn enough_of(set: &ValidatorSet) -> usize {
    let mut powers: Vec<Power> = set.members().iter().map(|member| member.power).collect();
    powers.sort_unstable();
    let sums = powers.iter().scan(Tally::ZERO, |sum, power| {
        *sum = sum.plus(*power);
        Some(*sum)
    });
    1 + sums.take_while(|sum| !set.is_blocking(*sum)).count()
}

fn describe(reply: &Reply) -> String {
    if !reply.is_success() {
        return reply.problem().to_string();
    }
    let said: String = String::from_utf8_lossy(&reply.body).chars().take(80).collect();
    let height = reply.height.map_or(String::new(), |height| format!(" at height {height}"));
    format!("{} says {said:?}{height}", reply.node)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cli::client::testing::{Answer, FakeNode, closed_port},
        crypto::SecretKey,
    };

    const ONCE: Patience = Patience { unreachable: Duration::ZERO, busy: Duration::ZERO };

    fn member(seed: usize) -> PublicKey {
        let seed = u8::try_from(seed).unwrap();
        SecretKey::from_seed(&[seed + 1; 32]).public_key()
    }

    /// Validator `index` of as many as there are powers; answers reads with `value`.
    fn node(index: usize, powers: &[u64], value: &'static str) -> FakeNode {
        let seats = powers.iter().enumerate().map(|(at, power)| {
            serde_json::json!({ "index": at, "public_key": member(at), "power": power, "is_self": at == index })
        });
        let list = serde_json::json!({ "height": 1, "validators": seats.collect::<Vec<_>>() }).to_string();
        FakeNode::start_reading(move |_, seen| match seen.line.contains("/v1/validators") {
            true => Answer::new(200, list.clone()),
            false => Answer::new(200, value),
        })
    }

    fn ask(nodes: Vec<String>, replies: &str) -> Result<(Reply, Option<Agreement>), Failure> {
        let arguments = RepliesArguments { replies: Some(replies.parse().unwrap()), genesis: None };
        arguments.ask(&Client::new(nodes), &Request::get("/v1/kv/k"), ONCE, |reply| reply.body.clone())
    }

    #[test]
    fn one_liar_of_four_is_outvoted_and_named() {
        let nodes = ["true", "lie", "true", "true"];
        let nodes: Vec<_> = (0..4).map(|index| node(index, &[1; 4], nodes[index])).collect();
        let (reply, agreement) = ask(nodes.iter().map(FakeNode::url).collect(), "f+1").unwrap();
        assert_eq!(reply.body, b"true");
        let agreement = agreement.unwrap();
        assert_eq!(agreement.needed, 2);
        assert!(agreement.agreeing.len() >= 2 && !agreement.agreeing.contains(&nodes[1].url()));
    }

    #[test]
    fn disagreement_and_too_few_answers_are_told_apart() {
        let (one, other) = (node(0, &[1; 4], "true"), node(1, &[1; 4], "lie"));
        let failure = ask(vec![one.url(), other.url()], "2").unwrap_err().to_string();
        assert!(
            failure.contains("disagree") && failure.contains("\"lie\"") && failure.contains("\"true\""),
            "{failure}"
        );
        let failure = ask(vec![one.url(), closed_port()], "f+1").unwrap_err();
        assert!(matches!(failure, Failure::Failed(_)), "{failure}");
        assert!(failure.to_string().contains("2 validators must agree"), "{failure}");
        let failure = ask(vec![one.url()], "f+1").unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)), "too few were named: {failure}");
        let failure = ask(vec![closed_port()], "f+1").unwrap_err().to_string();
        assert!(failure.contains("nobody says who the validators are"), "{failure}");
    }

    #[test]
    fn one_validator_under_two_names_counts_once() {
        let nodes = [node(0, &[1; 4], "lie"), node(0, &[1; 4], "lie"), node(9, &[1; 4], "lie")];
        let failure = ask(nodes.iter().map(FakeNode::url).collect(), "2").unwrap_err().to_string();
        assert!(failure.contains("is validator 0 again") && failure.contains("is no validator"), "{failure}");
    }

    #[test]
    fn enough_follows_from_the_powers() {
        let enough = |powers: &[u64]| {
            let member = |(at, power): (usize, &u64)| Validator { public_key: member(at), power: Power::new(*power) };
            let members = powers.iter().enumerate().map(member).collect();
            enough_of(&ValidatorSet::new(members, CrashModel::default()).unwrap())
        };
        assert_eq!(enough(&[1]), 1);
        assert_eq!(enough(&[1; 4]), 2);
        assert_eq!(enough(&[1; 7]), 3);
        assert_eq!(enough(&[10, 1, 1, 1]), 4, "the three small ones may all be faulty");
    }

    #[test]
    fn counts_are_numbers_from_one_on() {
        assert_eq!("3".parse(), Ok(Replies::Count(3)));
        assert_eq!("f+1".parse(), Ok(Replies::Enough));
        assert!("0".parse::<Replies>().is_err() && "key".parse::<Replies>().is_err());
    }
}
