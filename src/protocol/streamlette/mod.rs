//! Streamlette: one decision from a tree of proposals, solicits and votes.
#![allow(missing_docs)]

use serde::{Deserialize, Serialize};

use super::{Electorate, Input, Instance, Outbox, Rejection, Setup, View};
use crate::{
    crypto::{BatchRng, Check, UnknownSigner},
    types::{Digest, Time},
};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message;
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsigned;
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record;
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summary;
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Certificate;
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evidence;

impl Message {
    pub fn checks(&self, _: &Electorate, _: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        todo!()
    }
}
impl Certificate {
    pub fn verify(&self, _: &Electorate, _: &mut BatchRng) -> Result<Digest, Rejection> {
        todo!()
    }
}

pub struct Streamlette;
impl Streamlette {
    pub fn new(_: Setup) -> Self {
        todo!()
    }
}
impl Instance for Streamlette {
    fn step(&mut self, _: Time, _: Input, _: &mut Outbox) {
        todo!()
    }
    fn deadline(&self) -> Option<Time> {
        todo!()
    }
    fn view(&self) -> View {
        todo!()
    }
    fn graphviz(&self) -> String {
        todo!()
    }
}
