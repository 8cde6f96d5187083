//! Names of photos that are being enrolled: no two at the same time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names that photos are just being put into the known folder under, by anybody.
#[derive(Debug, Clone, Default)]
pub(in crate::grpc) struct NamesUnderWay(Arc<Mutex<HashSet<String>>>);

/// A name that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct TakenName {
    names: NamesUnderWay,
    name: String,
}

impl NamesUnderWay {
    /// `None` when somebody has it.
    pub(super) fn take(&self, name: &str) -> Option<TakenName> {
        self.lock().insert(name.to_owned()).then(|| TakenName { names: self.clone(), name: name.to_owned() })
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TakenName {
    fn drop(&mut self) {
        self.names.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_s_until_it_is_given_back() {
        let names = NamesUnderWay::default();
        let taken = names.take("a.jpg");
        assert!(taken.is_some() && names.clone().take("a.jpg").is_none() && names.take("b.jpg").is_some());
        drop(taken);
        assert!(names.take("a.jpg").is_some());
    }
}
