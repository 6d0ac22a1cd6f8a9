//! The application that does nothing: what is measured with it is everything else.

use bytes::Bytes;

use super::{Application, CheckError, Receipt, State, Status};
use crate::types::Height;

/// Accepts any command and answers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Application for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn genesis(&self, _state: &mut State<'_>) {}

    fn check(&self, _body: &[u8]) -> Result<(), CheckError> {
        Ok(())
    }

    fn execute(&self, _state: &mut State<'_>, _height: Height, _body: &[u8]) -> Receipt {
        Receipt { status: Status::Applied, result: Bytes::new() }
    }

    fn query(&self, _state: &State<'_>, _question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        Ok(None)
    }
}
