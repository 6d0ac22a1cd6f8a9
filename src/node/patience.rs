//! Waiting for a future on a thread that belongs to no runtime, with a bound.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits at most so long; `None`: not in time. Whatever the future needs must run elsewhere.
pub(super) fn wait_for<F: Future>(future: F, timeout: Duration) -> Option<F::Output> {
    let end = Instant::now().checked_add(timeout);
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        match end.map(|end| end.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return None,
            Some(rest) => thread::park_timeout(rest),
            // Further away than time goes.
            None => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn what_another_thread_tells_is_heard_and_silence_ends_in_time() {
        let (tell, told) = oneshot::channel();
        let teller = thread::spawn(move || tell.send(7));
        assert_eq!(wait_for(told, Duration::from_mins(1)), Some(Ok(7)));
        teller.join().unwrap().unwrap();
        assert_eq!(wait_for(std::future::pending::<()>(), Duration::from_millis(10)), None);
        assert_eq!(wait_for(async { 8 }, Duration::MAX), Some(8));
    }
}
