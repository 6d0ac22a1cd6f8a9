//! Commands that are signed here, by a key of the client's own (`OB-11`).

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Patience, Request};
use crate::{
    app::Command,
    cli::{Failure, passphrase},
    config::KeyFiles,
    crypto::{SecretKey, Transcript},
    types::{Digest, Height},
};

/// With which key to sign, if at all.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct KeyArguments {
    /// Sign with this key, where the chain asks for signatures; `thalweg keygen FILE` makes one.
    #[arg(id = "key_file", long = "key", value_name = "FILE")]
    key: Option<PathBuf>,
    /// The id of the chain to sign for; without it the first node that answers is believed.
    #[arg(long, value_name = "ID", requires = "key_file")]
    chain: Option<Digest>,
    /// The file with the key's passphrase, if it is encrypted; without one it is THALWEG_PASSPHRASE, or asked for.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    passphrase_file: Option<PathBuf>,
}

/// What a node says of its chain.
#[derive(Deserialize)]
struct Status {
    chain_id: Digest,
    client_signatures: String,
    height: Height,
    retention_heights: u64,
}

impl KeyArguments {
    /// The holder of the key; `None` when nothing is to be signed.
    ///
    /// # Errors
    /// [`Failure`]: no such key, nobody to say which chain this is, another chain, or one without signatures.
    pub(in crate::cli) fn signer(&self, client: &Client, patience: Patience) -> Result<Option<Signer>, Failure> {
        let Some(file) = &self.key else { return Ok(None) };
        let mut ask = passphrase::ask;
        let key = KeyFiles::new(self.passphrase_file.as_deref(), &mut ask).read(file);
        let key = key.map_err(|error| Failure::Failed(format!("{error}; {}", error.remedy())))?;
        let reply = client.ask_patiently(&Request::get("/v1/status"), patience)?;
        if !reply.is_success() {
            return Err(Failure::Refused(reply.problem()));
        }
        let status: Status =
            serde_json::from_slice(&reply.body).map_err(|error| Failure::failed(&reply.node, error))?;
        if status.client_signatures != "required" {
            return Err(Failure::Usage(format!("{}: this chain's clients do not sign; leave out --key", reply.node)));
        }
        if let Some(chain) = self.chain.filter(|chain| *chain != status.chain_id) {
            return Err(Failure::Failed(format!("{} is of chain {}, not of {chain}", reply.node, status.chain_id)));
        }
        // Later than that its reply may be forgotten, and a liar could propose it again.
        let expires_at_height = status.height.plus(status.retention_heights);
        Ok(Some(Signer { key, chain: status.chain_id, expires_at_height }))
    }
}

/// Who signs.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Signer {
    key: SecretKey,
    chain: Digest,
    expires_at_height: Height,
}

/// For how long a command may be executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Term {
    /// As long as its reply is remembered.
    Remembered,
    /// For ever: whoever asks again under the same name asks for the same command.
    Lasting,
}

impl Signer {
    /// What goes with an operation in place of an idempotency key. The command's number follows from the name that
    /// the key would have been, so that the same name is the same command.
    pub(in crate::cli) fn sign(&self, name: &str, term: Term, operation: Bytes) -> Value {
        let sequence = Transcript::new("thalweg client sequence v1").bytes(name.as_bytes()).stream().next();
        let expires_at_height = (term == Term::Remembered).then_some(self.expires_at_height);
        let sequence = sequence.unwrap_or_default();
        let command = Command::signed(&self.key, &self.chain, sequence, expires_at_height, operation);
        let Command { client, sequence, expires_at_height, signature, .. } = command;
        json!({
            "client": client, "sequence": sequence, "expires_at_height": expires_at_height, "signature": signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{
        client::testing::{Answer, FakeNode},
        cluster::write_pem,
    };

    fn signer(node: &FakeNode, arguments: &KeyArguments) -> Result<Option<Signer>, Failure> {
        let patience = Patience { unreachable: std::time::Duration::ZERO, busy: std::time::Duration::ZERO };
        arguments.signer(&Client::new(vec![node.url()]), patience)
    }

    fn status(signatures: &str) -> Answer {
        let chain_id = Digest::new([7; 32]);
        let status = json!({
            "chain_id": chain_id, "client_signatures": signatures, "height": 5, "retention_heights": 100,
        });
        Answer::new(200, status.to_string())
    }

    #[test]
    fn the_same_name_is_the_same_command_and_one_that_lasts_has_no_last_height() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("client.pem");
        write_pem(&file, &SecretKey::from_seed(&[1; 32]).to_pem()).unwrap();
        let node = FakeNode::start(|_| status("required"));
        let arguments = KeyArguments { key: Some(file.clone()), chain: None, passphrase_file: None };
        let signer_of = |arguments| signer(&node, arguments).unwrap().unwrap();
        let signed = |name, term| signer_of(&arguments).sign(name, term, "body".into());
        let (one, again) = (signed("a", Term::Lasting), signed("a", Term::Lasting));
        assert_eq!((&one, &one["expires_at_height"]), (&again, &Value::Null));
        assert_ne!(one["sequence"], signed("b", Term::Lasting)["sequence"]);
        assert_eq!(signed("a", Term::Remembered)["expires_at_height"], 105);

        let elsewhere = KeyArguments { key: Some(file), chain: Some(Digest::new([8; 32])), passphrase_file: None };
        assert!(signer(&node, &elsewhere).unwrap_err().to_string().contains("is of chain 0707"));
        let off = FakeNode::start(|_| status("off"));
        let failure = signer(&off, &arguments).unwrap_err();
        assert!(matches!(&failure, Failure::Usage(what) if what.contains("leave out --key")), "{failure}");
        assert!(signer(&off, &KeyArguments::default()).unwrap().is_none());
        assert_eq!(off.requests().len(), 1, "without a key nobody is asked");
    }
}
