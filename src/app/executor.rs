//! The brain around the application.
#![allow(missing_docs)]

use bytes::Bytes;

use super::{Application, Block, CheckError, Header, Receipt};
use crate::{
    config::Genesis,
    protocol::Verdict,
    store::{Changes, Rows},
    types::{Digest, Height},
};

/// What executing a block gave.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The new tip of the header chain.
    pub header: Header,
    /// Each command's id and outcome, in order.
    pub receipts: Vec<(Digest, Receipt)>,
    /// To be applied to the store in one atomic step.
    pub changes: Changes,
}

pub struct Executor;

impl Executor {
    /// Opens at the last height committed in `rows`; a store without any gets the genesis state as `Changes`.
    pub fn open(_app: Box<dyn Application>, _genesis: &Genesis, _rows: &dyn Rows) -> (Self, Option<Changes>) {
        todo!()
    }
    /// The last executed header.
    pub fn tip(&self) -> &Header {
        todo!()
    }
    /// Executes the block above the tip. Total and deterministic.
    pub fn execute(&mut self, _rows: &dyn Rows, _block: &Block, _instance: Digest) -> Executed {
        todo!()
    }
    /// `SL-V5`, `OB-5`: whether a payload may be voted for at a height.
    pub fn validate(&self, _rows: &dyn Rows, _height: Height, _payload: &[u8]) -> Verdict {
        todo!()
    }
    /// Whether a command may be admitted.
    pub fn check(&self, _body: &[u8]) -> Result<(), CheckError> {
        todo!()
    }
    /// Where a command was executed and what it came to, while that is remembered.
    pub fn reply(&self, _rows: &dyn Rows, _id: &Digest) -> Option<(Height, Receipt)> {
        todo!()
    }
    pub fn query(&self, _rows: &dyn Rows, _question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        todo!()
    }
}
