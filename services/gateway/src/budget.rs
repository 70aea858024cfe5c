//! How much may be in flight at once: what does not fit is sent back to its sender, who keeps it and comes again.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests and bytes that are being read, split and published.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    requests: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    pub(crate) fn new(requests: usize, bytes: usize) -> Self {
        let requests = requests.min(Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            kibibytes: Arc::new(Semaphore::new(kibibytes(bytes) as usize)),
        }
    }

    /// Room for one more request, taken before its body is read.
    pub(crate) fn request(&self) -> Option<Share> {
        Self::share(&self.requests, 1)
    }

    /// Room for a request's bytes, taken when its size is known.
    pub(crate) fn bytes(&self, bytes: usize) -> Option<Share> {
        Self::share(&self.kibibytes, kibibytes(bytes))
    }

    fn share(semaphore: &Arc<Semaphore>, permits: u32) -> Option<Share> {
        Arc::clone(semaphore).try_acquire_many_owned(permits).ok().map(|permit| Share { _permit: permit })
    }
}

/// Rounded up, because permits are counted in 32 bits and bytes would overflow them at 4 GiB.
fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_until_room_is_given_back() {
        let budget = Budget::new(1, 2048);
        let first = budget.request();
        assert!(first.is_some() && budget.request().is_none());
        drop(first);
        assert!(budget.request().is_some());
        let bytes = budget.bytes(1025);
        assert!(bytes.is_some() && budget.bytes(1).is_none());
        drop(bytes);
        assert!(budget.bytes(2048).is_some());
    }
}
