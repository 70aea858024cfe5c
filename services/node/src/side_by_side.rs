//! Independent work on several threads, with what comes of it in the order of the work, and a line that says how far it
//! is where somebody sees it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

/// Works on every item, on as many threads as there are cores where `jobs` does not say, and hands each result to
/// `each` in the order of the items. After an error nothing further is begun.
pub(crate) fn run<T: Send, R: Send>(
    what: &'static str,
    items: Vec<T>,
    jobs: Option<usize>,
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
    mut each: impl FnMut(R) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let total = items.len();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.unwrap_or(cores).clamp(1, total.max(1));
    let items: Mutex<VecDeque<(usize, T)>> = Mutex::new(items.into_iter().enumerate().collect());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (sender, results) = channel();
    let mut progress = Progress { shows: std::io::stderr().is_terminal(), what, total };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (next, work, sender) = (&next, &work, sender.clone());
            scope.spawn(move || {
                while let Some((index, item)) = next() {
                    if sender.send((index, work(&item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut take_all = || {
            let mut early = BTreeMap::new();
            let mut taken = 0;
            progress.show(0)?;
            for (done, (index, result)) in results.iter().enumerate() {
                early.insert(index, result?);
                while let Some(result) = early.remove(&taken) {
                    progress.clear()?;
                    each(result)?;
                    taken += 1;
                }
                progress.show(done + 1)?;
            }
            progress.clear()?;
            Ok(())
        };
        let taken = take_all();
        items.lock().unwrap_or_else(PoisonError::into_inner).clear();
        taken
    })
}

struct Progress {
    shows: bool,
    what: &'static str,
    total: usize,
}

impl Progress {
    fn show(&mut self, done: usize) -> std::io::Result<()> {
        if !self.shows {
            return Ok(());
        }
        let mut out = std::io::stderr().lock();
        write!(out, "\r{done} of {} {}", self.total, self.what)?;
        out.flush()
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if self.shows { write!(std::io::stderr().lock(), "\r\x1b[K") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_error_ends_it() {
        let mut seen = Vec::new();
        let double = |item: &u32| Ok(item * 2);
        let keep = |result| {
            seen.push(result);
            Ok(())
        };
        run("items", (0..100).collect(), Some(7), double, keep).unwrap();
        assert_eq!(seen, (0..100).map(|item| item * 2).collect::<Vec<_>>());

        let odd = |item: &u32| if *item == 50 { anyhow::bail!("fifty") } else { Ok(*item) };
        let failed = run("items", (0..1_000_000).collect(), Some(3), odd, |_| Ok(())).unwrap_err();
        assert_eq!(failed.to_string(), "fifty");
    }
}
