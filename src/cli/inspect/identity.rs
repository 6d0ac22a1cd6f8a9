//! Who the node is, from its configuration and keys.

use serde::Serialize;

use crate::{
    cli::table::table,
    config::{Genesis, Identity, NodeConfig, peer_id},
    types::{Digest, PublicKey, ValidatorIndex},
};

/// A chain, and a node's place in it.
#[derive(Debug, Serialize)]
pub(super) struct IdentityReport {
    chain: String,
    chain_id: Digest,
    protocol: &'static str,
    application: &'static str,
    validators: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeReport>,
    /// Why the node's keys could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct NodeReport {
    role: &'static str,
    index: Option<ValidatorIndex>,
    public_key: Option<PublicKey>,
    peer_id: String,
    p2p: Vec<String>,
    http: String,
}

impl IdentityReport {
    /// What genesis and, where there is one, a configuration with its keys tell.
    pub(super) fn of(genesis: &Genesis, config: Option<&NodeConfig>) -> Self {
        let identity = config.map(|config| Identity::load(config).map(|identity| (config, identity)));
        let (node, error) = match identity {
            None => (None, None),
            Some(Ok((config, identity))) => (Some(NodeReport::of(config, &identity)), None),
            Some(Err(problems)) => (None, Some(problems.to_string())),
        };
        Self {
            chain: genesis.chain.clone(),
            chain_id: genesis.chain_id(),
            protocol: genesis.protocol.as_str(),
            application: genesis.application.as_str(),
            validators: genesis.validators.len(),
            node,
            error,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { chain, chain_id, protocol, application, validators, node, error } = self;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("chain", format!("{chain} ({chain_id})")),
            row("decided by", format!("{protocol} among {validators} validators, executed by {application}")),
        ];
        if let Some(node) = node {
            rows.push(row(
                "role",
                match node.index {
                    Some(index) => format!("{} {index}", node.role),
                    None => node.role.to_owned(),
                },
            ));
            rows.extend(node.public_key.map(|key| row("public key", key.to_string())));
            rows.push(row("peer id", node.peer_id.clone()));
            rows.push(row("listens on", format!("{}, http {}", node.p2p.join(", "), node.http)));
        }
        rows.extend(error.iter().map(|error| row("keys", error.clone())));
        table(&rows) + "\n"
    }
}

impl NodeReport {
    fn of(config: &NodeConfig, identity: &Identity) -> Self {
        Self {
            role: if identity.validator.is_some() { "validator" } else { "listener" },
            index: identity.validator.as_ref().map(|(index, _)| *index),
            public_key: identity.validator.as_ref().map(|(_, key)| key.public_key()),
            peer_id: peer_id(&identity.peer_key.public_key()),
            p2p: config.network.listen.clone(),
            http: config.http.listen.to_string(),
        }
    }
}
