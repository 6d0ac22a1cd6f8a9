//! Waiting until nodes take part.

use std::time::Duration;

use tokio::{task, time::sleep};

use crate::cli::client::{Client, Request};

/// How often a node is asked.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `GET /readyz` of a node succeeds; for ever when it never does.
pub(super) async fn until_ready(url: String) {
    let client = Client::new(vec![url]);
    loop {
        let client = client.clone();
        let asked = task::spawn_blocking(move || client.ask_around(&Request::get("/readyz")));
        if let Ok(Ok(reply)) = asked.await
            && reply.is_success()
        {
            return;
        }
        sleep(PROBE_INTERVAL).await;
    }
}
