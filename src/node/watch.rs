//! Who must live as long as the node does, and notices when one does not.
//!
//! A part that panics ends the process by itself ([`super::exit::PANICKED`]). What is looked for here are parts that
//! end without a panic: an actor whose context was stopped, a task that returned. None should; if one does, the node
//! would stand there half alive, answer some questions and take part in nothing.

use std::time::Duration;

/// How often parts are looked at. A look costs a few loads.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Whether a part still lives.
type IsAlive = Box<dyn Fn() -> bool>;

/// The parts, by name.
#[derive(Default)]
pub(super) struct Watch {
    parts: Vec<(&'static str, IsAlive)>,
}

impl Watch {
    /// Also looks after this part.
    pub(super) fn add(&mut self, name: &'static str, is_alive: impl Fn() -> bool + 'static) {
        self.parts.push((name, Box::new(is_alive)));
    }

    /// Waits until a part has ended, and returns its name; for ever when none does.
    pub(super) async fn next_end(&self) -> &'static str {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            look.tick().await;
            if let Some((name, _)) = self.parts.iter().find(|(_, is_alive)| !is_alive()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use actix::prelude::*;

    use super::*;

    struct Idle;

    impl Actor for Idle {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct End;

    impl Handler<End> for Idle {
        type Result = ();

        fn handle(&mut self, _: End, ctx: &mut Self::Context) {
            ctx.stop();
        }
    }

    #[test]
    fn an_actor_that_stops_is_named() {
        System::new().block_on(async {
            let (lives, dies) = (Idle.start(), Idle.start());
            let mut watch = Watch::default();
            let watched = (lives.clone(), dies.clone());
            watch.add("lives", move || watched.0.connected());
            watch.add("dies", move || watched.1.connected());
            dies.send(End).await.unwrap();
            assert_eq!(watch.next_end().await, "dies");
            assert!(lives.connected());
        });
    }

    #[tokio::test]
    async fn nothing_is_reported_while_all_live() {
        let alive = Rc::new(Cell::new(true));
        let mut watch = Watch::default();
        let seen = Rc::clone(&alive);
        watch.add("part", move || seen.get());
        let waited = tokio::time::timeout(4 * LOOK_INTERVAL, watch.next_end()).await;
        assert!(waited.is_err());
        alive.set(false);
        assert_eq!(watch.next_end().await, "part");
    }
}
