//! Work done on many threads, handed over in the order in which it was asked for.

use std::collections::BTreeMap;
use std::sync::mpsc;

use rayon::prelude::*;

/// Runs `work` on every item, several at a time on the rayon pool, and hands each result to `sink` on
/// the calling thread, in the items' order and as soon as its turn comes. The first error of `sink`
/// ends it: items not yet begun are left.
pub(crate) fn for_each_in_order<T, R, E>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut sink: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    T: Sync,
    R: Send,
{
    // Bounded, so that a slow reader of the answers slows the work instead of filling the memory.
    let (sender, receiver) = mpsc::sync_channel(rayon::current_num_threads() * 4);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // `par_bridge` hands items out one by one from the front, so that results come nearly in
            // order and few wait for their turn.
            let _ =
                items.iter().enumerate().par_bridge().try_for_each_with(sender, |sender, (index, item)| {
                    sender.send((index, work(item))).map_err(|_| ())
                });
        });
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (index, result) in receiver {
            early.insert(index, result);
            while let Some(result) = early.remove(&next) {
                sink(result)?;
                next += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_finishes_first() {
        let items: Vec<u64> = (0..200).collect();
        let mut seen = Vec::new();
        let work = |&n: &u64| {
            std::thread::sleep(std::time::Duration::from_micros((200 - n) % 7 * 100));
            n * 2
        };
        for_each_in_order(&items, work, |n| {
            seen.push(n);
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(seen, items.iter().map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_of_the_sink_ends_the_work() {
        let items: Vec<u64> = (0..1000).collect();
        let mut taken = 0;
        let result = for_each_in_order(
            &items,
            |&n| n,
            |n| {
                taken += 1;
                if n == 3 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((result, taken), (Err("enough"), 4));
    }
}
