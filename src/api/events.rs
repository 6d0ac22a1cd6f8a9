//! `GET /v1/events`: server-sent events (WHATWG HTML, section 9.2), from any height on and as long as one likes.
//!
//! Each reader has its own place in the chain and takes blocks from the store at its own pace: none is left out, and a
//! slow reader costs no memory. What happens between blocks ([`Notice`]) is told to all readers from one bounded
//! queue; who is too slow for it misses some, and is told how many by an event `missed`. A reader that comes back names
//! the last height it saw, which `EventSource` does by itself (`Last-Event-ID`).

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes},
};
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use utoipa::IntoParams;

use super::{
    gate::Pass,
    port::BlockView,
    problem::{Kind, Problem},
    request,
    server::Shared,
};
use crate::{
    app::Payload,
    replica::Notice,
    types::{Digest, Height, codec},
};

/// How often a silent stream says that it lives, so that proxies do not close it.
const ALIVE_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    /// The first block to tell; the next one when it is not given.
    from: Option<Height>,
}

/// A committed block, without its commands.
#[derive(Serialize)]
struct BlockEvent {
    height: Height,
    hash: Digest,
    time_ms: u64,
    state_root: Digest,
    instance: Digest,
    commands: usize,
    payload_bytes: usize,
}

impl From<BlockView> for BlockEvent {
    fn from(view: BlockView) -> Self {
        let payload: Payload = codec::decode(&view.payload).unwrap_or_default();
        Self {
            height: view.header.height,
            hash: view.header.hash(),
            time_ms: view.header.time_ms,
            state_root: view.header.state_root,
            instance: view.instance,
            commands: payload.commands.len(),
            payload_bytes: view.payload.len(),
        }
    }
}

#[derive(Serialize)]
struct Missed {
    notices: u64,
}

/// One reader. Dropping it gives its place back.
struct Reader {
    shared: Arc<Shared>,
    next: Height,
    heights: watch::Receiver<Height>,
    notices: broadcast::Receiver<Notice>,
    is_gone: bool,
    _pass: Pass,
}

/// Blocks from a height on as they are committed, and what happens between them.
#[utoipa::path(
    get, path = "/v1/events", tag = "node",
    params(Parameters, ("Last-Event-ID" = Option<u64>, Header, description = "The last height seen; goes before `from`")),
    responses(
        (status = 200, description = "Server-sent events without an end: `block` with the height as id, what happens between blocks, `missed` for a slow reader", body = String, content_type = "text/event-stream"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn events(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let parameters: Parameters = request::parameters(&request)?;
    let next = last_seen(&request)?.map(Height::next).or(parameters.from).unwrap_or_else(|| shared.height().next());
    let (heights, notices) = (shared.backend.heights(), shared.backend.notices());
    let pass = shared.gate.try_enter(0)?;
    let shared = shared.into_inner();
    let reader = Reader { shared, next: next.max(Height::FIRST), heights, notices, is_gone: false, _pass: pass };
    let frames = stream::unfold(reader, |mut reader| async move {
        let frame = reader.frame().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), reader))
    });
    let answer = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Else nginx holds events back until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(frames);
    Ok(answer)
}

/// The height that a reader who comes back saw last.
fn last_seen(request: &HttpRequest) -> Result<Option<Height>, Problem> {
    let Some(id) = request.headers().get("last-event-id") else { return Ok(None) };
    let height = id.to_str().ok().and_then(|text| text.parse().ok()).map(Height::new);
    height.map(Some).ok_or_else(|| Problem::new(Kind::BadRequest, "Last-Event-ID is no height"))
}

impl Reader {
    /// What comes next; `None` ends the stream.
    async fn frame(&mut self) -> Option<Bytes> {
        if self.is_gone {
            return None;
        }
        loop {
            if self.next <= *self.heights.borrow_and_update() {
                return self.block().await;
            }
            tokio::select! {
                () = self.shared.is_draining() => return None,
                changed = self.heights.changed() => changed.ok()?,
                notice = self.notices.recv() => return match notice {
                    Ok(notice) => Some(frame(notice.name(), None, &notice)),
                    Err(broadcast::error::RecvError::Lagged(notices)) => Some(frame("missed", None, &Missed { notices })),
                    Err(broadcast::error::RecvError::Closed) => None,
                },
                () = tokio::time::sleep(ALIVE_INTERVAL) => return Some(Bytes::from_static(b": alive\n\n")),
            }
        }
    }

    /// The next block. One that is not here any more ends the stream with an event that says so.
    async fn block(&mut self) -> Option<Bytes> {
        let height = self.next;
        match self.shared.backend.block(height).await.ok()? {
            Some(view) => {
                self.next = height.next();
                Some(frame("block", Some(height), &BlockEvent::from(view)))
            }
            None => {
                self.is_gone = true;
                Some(frame("gone", None, &serde_json::json!({ "height": height })))
            }
        }
    }
}

/// One event. JSON has no line breaks, so one `data` line holds it.
fn frame(event: &str, id: Option<Height>, data: &impl Serialize) -> Bytes {
    let id = id.map(|height| format!("id: {height}\n")).unwrap_or_default();
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("{id}event: {event}\ndata: {data}\n\n").into()
}
