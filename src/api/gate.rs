//! Bounds on what the server holds at once: requests in progress and the bytes of their bodies.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Kind, Problem};

/// Bodies are counted in these units, rounded up, so that four billion of them suffice for every machine.
const UNIT_BYTES: usize = 1024;

/// Lets requests in while there is room. When there is none they are refused at once (429): a queue here would only
/// hide from clients that the node is full.
#[derive(Clone, Debug)]
pub struct Gate {
    requests: Arc<Semaphore>,
    body_units: Arc<Semaphore>,
}

/// A request's place. Dropping it, for whatever reason the request ends, gives the room back.
#[derive(Debug)]
pub struct Pass {
    _request: OwnedSemaphorePermit,
    _body: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate with room for so many requests and so many bytes of bodies.
    pub fn new(requests_max: usize, body_bytes_max: usize) -> Self {
        let room = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { requests: room(requests_max), body_units: room(body_bytes_max / UNIT_BYTES) }
    }

    /// Takes a place for a request whose body may have `body_bytes`.
    ///
    /// # Errors
    /// [`Kind::Full`] when there is no room.
    pub fn try_enter(&self, body_bytes: usize) -> Result<Pass, Problem> {
        let full = |what| Problem::new(Kind::Full, what);
        let units = u32::try_from(body_bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let request = Arc::clone(&self.requests).try_acquire_owned();
        let request = request.map_err(|_| full("too many requests are in progress"))?;
        let body = Arc::clone(&self.body_units).try_acquire_many_owned(units);
        let body = body.map_err(|_| full("too many bytes of request bodies are held"))?;
        Ok(Pass { _request: request, _body: body })
    }

    /// Whether nobody is inside.
    #[cfg(test)]
    pub fn is_empty(&self, requests_max: usize) -> bool {
        self.requests.available_permits() == requests_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_when_full_and_takes_again_when_a_pass_is_dropped() {
        let gate = Gate::new(2, 4096);
        let first = gate.try_enter(3000).unwrap();
        assert_eq!(gate.try_enter(2048).unwrap_err().kind(), Kind::Full);
        let second = gate.try_enter(1).unwrap();
        assert_eq!(gate.try_enter(0).unwrap_err().kind(), Kind::Full);
        drop((first, second));
        assert!(gate.is_empty(2));
        assert!(gate.try_enter(4096).is_ok());
    }
}
