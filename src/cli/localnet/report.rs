//! The table of nodes, for people and for programs.

use std::path::Path;

use serde::Serialize;

use super::fleet::Fleet;
use crate::cli::{
    Failure,
    cluster::{Cluster, Member, Role},
    output,
    table::table,
};

/// What `--json` prints, in one line.
#[derive(Serialize)]
struct Report<'a> {
    nodes: Vec<Node<'a>>,
    genesis: &'a Path,
}

#[derive(Serialize)]
struct Node<'a> {
    index: usize,
    role: Role,
    pid: i32,
    http: String,
    p2p: String,
    dir: &'a Path,
}

/// A node's base URL.
pub(super) fn url(member: &Member) -> String {
    format!("http://{}", member.config.http.listen)
}

/// Tells where the nodes are: to programs on standard output, or to people on standard error.
///
/// # Errors
/// [`Failure`] when no program reads it.
pub(super) fn tell(cluster: &Cluster, fleet: &Fleet, json: bool) -> Result<(), Failure> {
    let node = |member: &'_ Member| {
        let (index, role) = (member.index, member.role);
        (index, role, fleet.pid(index), url(member), member.p2p())
    };
    if json {
        let nodes = cluster.members.iter().map(|member| {
            let (index, role, pid, http, p2p) = node(member);
            Node { index, role, pid, http, p2p, dir: &member.dir }
        });
        return output::line(&Report { nodes: nodes.collect(), genesis: &cluster.genesis_file });
    }
    let heading = ["NODE", "ROLE", "PID", "HTTP", "P2P", "DIRECTORY"].map(str::to_owned).to_vec();
    let rows = cluster.members.iter().map(|member| {
        let (index, role, pid, http, _) = node(member);
        let role = if role == Role::Validator { "validator" } else { "listener" };
        let listen = member.config.network.listen.first().cloned().unwrap_or_default();
        vec![index.to_string(), role.to_owned(), pid.to_string(), http, listen, member.dir.display().to_string()]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    output::say(format_args!("{}", table(&rows)));
    Ok(())
}
