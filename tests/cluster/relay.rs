//! A relay that passes bytes on after a while, both ways: what a long wire does, for kernels that cannot delay packets.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, sync_channel},
    thread::spawn,
    time::{Duration, Instant},
};

use crate::cluster::hold;

/// Pieces on the wire; whoever sends more waits.
const PIECES: usize = 4_096;

/// Listens on a free port of an address, and connects whoever comes to `target`, with a delay in each direction. Its
/// threads end with the connections and with the process.
pub fn relay(address: &str, target: SocketAddr, delay: Duration) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("an address of this host");
    let port = listener.local_addr().expect("it is bound").port();
    spawn(move || {
        for near in listener.incoming().flatten() {
            // Whoever cannot be reached at this moment is dialed again.
            let Ok(far) = TcpStream::connect(target) else { continue };
            for stream in [&near, &far] {
                stream.set_nodelay(true).expect("a socket");
            }
            let (back, forth) = (far.try_clone().expect("a socket"), near.try_clone().expect("a socket"));
            pass_on(near, far, delay);
            pass_on(back, forth, delay);
        }
    });
    port
}

/// One direction.
fn pass_on(mut from: TcpStream, to: TcpStream, delay: Duration) {
    let (send, wire) = sync_channel(PIECES);
    spawn(move || arrive(&wire, to));
    spawn(move || {
        let mut bytes = [0; 16_384];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if send.send((Instant::now() + delay, bytes[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}

fn arrive(wire: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (due, bytes) in wire {
        hold(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other side may have closed it already.
    let _ = to.shutdown(Shutdown::Both);
}
