//! The same work on many things, by as many threads as there are for it.
//!
//! Inside of a [`JobPool`](facerecog_kernels::job_pool::JobPool) those are its threads, elsewhere those of the rayon
//! pool that the caller is in.

use std::sync::{Mutex, PoisonError};

use facerecog_kernels::job_pool;
use rayon::prelude::*;

/// What `each` makes of every item, in their order.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
    map_several(items, 1, each)
}

/// [`map`] for work that is small: a thread takes `at_once` items together.
pub(crate) fn map_several<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    each: impl Fn(&T) -> R + Send + Sync,
) -> Vec<R> {
    if items.len() <= at_once {
        return items.iter().map(each).collect();
    }
    if !job_pool::is_inside() {
        return items.par_iter().with_min_len(at_once).map(each).collect();
    }
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let parts: Vec<_> = items.chunks(at_once).zip(results.chunks(at_once)).collect();
    job_pool::share(parts.len(), &|part| {
        let (items, results) = parts[part];
        for (item, result) in items.iter().zip(results) {
            let done = each(item);
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }
    });
    let done = |result: Mutex<Option<R>>| result.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|result| done(result).expect("every part is done")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use facerecog_kernels::job_pool::JobPool;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items_in_either_pool() {
        let pool = JobPool::new(3).unwrap();
        for count in [0, 1, 7, 8, 9, 100] {
            let items: Vec<usize> = (0..count).collect();
            let expected: Vec<String> = items.iter().map(usize::to_string).collect();
            assert_eq!(map(&items, usize::to_string), expected);
            let (sender, receiver) = mpsc::channel();
            pool.spawn(move || sender.send(map_several(&items, 8, usize::to_string)).unwrap());
            assert_eq!(receiver.recv().unwrap(), expected);
        }
    }
}
