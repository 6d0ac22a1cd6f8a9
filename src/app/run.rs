//! Runs: commands of one client with sequences in a row, as a request brings them.
//!
//! Whoever remembers what commands came to, the store and the ordering brain, keeps one entry for a run and not one for
//! each command.

use crate::types::Digest;

/// The most commands of a run, and the most bytes of their results if they are several: who asks for one reads all.
pub(crate) const RUN_MAX: usize = 128;
const RUN_BYTES_MAX: usize = 16 << 10;

/// Splits commands, sorted by client and sequence, into runs. `describe` tells one's client, sequence, and the bytes of
/// its result.
pub(crate) fn runs<T>(sorted: Vec<T>, describe: impl Fn(&T) -> (Digest, u64, usize)) -> Vec<Vec<T>> {
    let (mut runs, mut bytes): (Vec<Vec<T>>, usize) = (Vec::new(), 0);
    for command in sorted {
        let (client, sequence, length) = describe(&command);
        bytes += length;
        let goes_on = |run: &&mut Vec<T>| {
            let follows =
                |(before, last, _): (Digest, u64, usize)| before == client && last.checked_add(1) == Some(sequence);
            run.len() < RUN_MAX && bytes <= RUN_BYTES_MAX && run.last().map(&describe).is_some_and(follows)
        };
        match runs.last_mut().filter(goes_on) {
            Some(run) => run.push(command),
            None => {
                bytes = length;
                runs.push(vec![command]);
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_with_the_client_at_a_gap_and_when_they_are_full() {
        let lengths = |commands: &[(u8, u64, usize)]| {
            let describe =
                |(client, sequence, bytes): &(u8, u64, usize)| (Digest::new([*client; 32]), *sequence, *bytes);
            runs(commands.to_vec(), describe).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[(1, 7, 0), (1, 8, 0), (2, 9, 0), (2, 11, 0), (2, u64::MAX, 0)]), [2, 1, 1, 1]);
        let many: Vec<_> = (0..2 * RUN_MAX as u64 + 1).map(|sequence| (1, sequence, 0)).collect();
        assert_eq!(lengths(&many), [RUN_MAX, RUN_MAX, 1]);
        let large = [10, RUN_BYTES_MAX - 10, 1, 2 * RUN_BYTES_MAX, 1];
        let large: Vec<_> = (0..).zip(large).map(|(sequence, bytes)| (1, sequence, bytes)).collect();
        assert_eq!(lengths(&large), [2, 1, 1, 1]);
    }
}
