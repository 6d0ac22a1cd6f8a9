//! A cluster of real processes in a temporary directory on free ports, for those who put it to the test.

use std::{path::PathBuf, time::Duration};

use super::{
    fleet::{Death, Fleet, node_command},
    janitor::Janitor,
    place::places,
    report::url,
    supervise::until_all_ready,
    temporary::TemporaryDir,
};
use crate::cli::{
    Failure,
    cluster::{Cluster, Member},
    genesis::ChainArguments,
};

/// How long the nodes may take until all take part.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// A running cluster. Dropped, it is killed and its directory removed; [`Trial::stop`] lets the nodes stop in order.
/// If this process is killed, the nodes stop and the janitor clears up.
pub(in crate::cli) struct Trial {
    // Before the directory: what is dropped first no longer writes there.
    fleet: Fleet,
    cluster: Cluster,
    janitor: Janitor,
    temporary: TemporaryDir,
}

impl Trial {
    /// Makes a chain and starts its validators; returns when all take part.
    ///
    /// # Errors
    /// [`Failure`] when that does not come about.
    pub(in crate::cli) async fn start(chain: &ChainArguments, validators: u16) -> Result<Self, Failure> {
        let temporary = TemporaryDir::create().map_err(|error| Failure::failed("temporary directory", error))?;
        let validators = usize::from(validators);
        let places = places(validators, Some(0), Some(0))?;
        let cluster = Cluster::create(temporary.path(), chain.genesis("trial"), validators, &places)?;
        let program = std::env::current_exe().map_err(|error| Failure::failed("this program's path", error))?;
        let janitor = Janitor::start(&program, Some(temporary.path()));
        let janitor = janitor.map_err(|error| Failure::failed("janitor", error))?;
        let mut fleet = Fleet::start(&cluster, &|member| node_command(&program, member, None))?;
        until_all_ready(&cluster, READY_TIMEOUT, &mut fleet).await?;
        Ok(Self { fleet, cluster, janitor, temporary })
    }

    /// The base URLs of the nodes, by index.
    pub(in crate::cli) fn urls(&self) -> Vec<String> {
        self.cluster.members.iter().map(url).collect()
    }

    /// The nodes' process ids with their data directories, by index.
    pub(in crate::cli) fn processes(&self) -> Vec<(i32, PathBuf)> {
        let process = |member: &Member| (self.fleet.pid(member.index), member.dir.join(&member.config.node.data));
        self.cluster.members.iter().map(process).collect()
    }

    /// Kills a node, as a crash would.
    pub(in crate::cli) fn kill(&mut self, index: usize) {
        self.fleet.kill(index);
    }

    /// Waits until a node ends; for ever when none does.
    pub(in crate::cli) async fn next_death(&mut self) -> Death {
        self.fleet.next_death().await
    }

    /// Stops all nodes in order and removes what they wrote.
    pub(in crate::cli) async fn stop(self) {
        let Self { fleet, cluster: _, janitor, temporary } = self;
        fleet.stop().await;
        drop(temporary);
        janitor.dismiss();
    }
}
