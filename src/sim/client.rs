//! The clients of a world: what they want done, whom they asked, and what they still wait for.

use std::collections::{BTreeMap, BTreeSet};

use super::Dice;
use crate::{
    app::{Command, kv},
    config::{ClientSignatures, Genesis},
    crypto::{SecretKey, Transcript},
    replica::Ticket,
    types::Digest,
};

/// How many keys the clients write to: few, so that commands meet.
const KEYS: u64 = 10;

/// All clients. Each has one command, and asks until it is told that it is committed.
#[derive(Debug)]
pub struct Clients {
    chain: Digest,
    signatures: ClientSignatures,
    commands: BTreeMap<Digest, Command>,
    waiting: BTreeSet<Digest>,
    /// Which node was asked under which ticket for which command.
    tickets: BTreeMap<(usize, Ticket), Digest>,
    last_ticket: u64,
}

impl Clients {
    /// Those of a world.
    pub fn of(genesis: &Genesis) -> Self {
        Self {
            chain: genesis.chain_id(),
            signatures: genesis.client_signatures,
            commands: BTreeMap::new(),
            waiting: BTreeSet::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
        }
    }

    /// A new client with a new command, which writes a value of so many bytes; returns the command's id. No two commands are equal.
    pub fn arrive(&mut self, value_bytes: usize, dice: &mut Dice) -> Digest {
        let number = self.commands.len() as u64 + 1;
        let key = format!("key {}", dice.below(KEYS));
        let mut value = number.to_le_bytes().to_vec();
        value.resize(value.len().max(value_bytes), 7);
        let (client, body) = (Transcript::new("client").number(number).finish(), kv::put(key.as_bytes(), &value));
        let command = match self.signatures {
            ClientSignatures::Off => Command { client, sequence: 0, expires_at_height: None, body, signature: None },
            ClientSignatures::Required => {
                Command::signed(&SecretKey::from_seed(client.as_bytes()), &self.chain, 0, None, body)
            }
        };
        let id = command.id();
        self.commands.insert(id, command);
        self.waiting.insert(id);
        id
    }

    /// Asks a node for a command.
    ///
    /// # Panics
    /// If no client has that command.
    pub fn ask(&mut self, node: usize, id: Digest) -> (Ticket, Command) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.tickets.insert((node, ticket), id);
        (ticket, self.commands[&id].clone())
    }

    /// Which command a node's ticket was for.
    pub fn asked(&self, node: usize, ticket: Ticket) -> Option<Digest> {
        self.tickets.get(&(node, ticket)).copied()
    }

    /// A client hears of its command's commit. Others that were asked may still tell it, and must tell the same.
    pub fn answered(&mut self, id: &Digest) {
        self.waiting.remove(id);
    }

    /// A node crashes: it answers nobody.
    pub fn lose(&mut self, crashed: usize) {
        self.tickets.retain(|(node, _), _| *node != crashed);
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether no command was made yet.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Whether a client waits for this command.
    pub fn waits(&self, id: &Digest) -> bool {
        self.waiting.contains(id)
    }

    /// Whether no client waits.
    pub fn are_served(&self) -> bool {
        self.waiting.is_empty()
    }
}
