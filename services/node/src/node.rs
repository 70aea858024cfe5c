//! A process of services: what it serves, what it does meanwhile, and how it ends.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use llm_sre_mesh::Peer;
use llm_sre_mesh::late::Slot;
use llm_sre_mesh::readiness::Readiness;
use llm_sre_mesh::server::Server;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a process that was asked to end waits for its services: longer than each of them drains.
const DRAIN: Duration = Duration::from_secs(10);

/// The names of what a service cannot work without.
pub(crate) type Needs = &'static [&'static str];

/// Work until a token says stop.
type Work = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send>;

/// Services that are built and bound, and do not run yet.
#[derive(Default)]
pub(crate) struct Node {
    jobs: Vec<(&'static str, Work)>,
    addresses: Vec<(&'static str, String)>,
    readiness: Readiness,
    control: Option<Slot>,
    telemetry: Option<Peer>,
}

impl Node {
    /// Adds work that runs until the process ends. If it ends before, the process ends too.
    pub(crate) fn job<F>(&mut self, name: &'static str, work: impl FnOnce(CancellationToken) -> F + Send + 'static)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.jobs.push((name, Box::new(|shutdown| Box::pin(work(shutdown)))));
    }

    /// Adds a port, and says what it is for, which services it serves, and what each needs to do its work.
    pub(crate) fn port(&mut self, what: &'static str, server: Server, services: &[(&'static str, Needs)]) {
        self.announce(what, server.address().to_string());
        for (service, needs) in services {
            self.readiness.serve(server.health(), service, needs);
        }
        self.job(what, |shutdown| async move { Ok(server.run(shutdown).await?) });
    }

    /// Whether services can do their work.
    pub(crate) fn readiness(&mut self) -> &mut Readiness {
        &mut self.readiness
    }

    /// Adds an address to what is announced.
    pub(crate) fn announce(&mut self, what: &'static str, address: String) {
        self.addresses.push((what, address));
    }

    /// Says how the control services of this process are reached from within, as long as it runs.
    pub(crate) fn reached_by(&mut self, control: Slot) {
        self.control = Some(control);
    }

    /// The control services of this process.
    pub(crate) fn peer(&self) -> anyhow::Result<Peer> {
        Ok(self.control.as_ref().context("this process has no control services")?.peer())
    }

    /// Says how its OTLP services are reached from within, where nothing listens for them.
    pub(crate) fn takes_telemetry_by(&mut self, peer: Peer) {
        self.telemetry = Some(peer);
    }

    /// The OTLP services of this process, if it has some that are reached from within.
    pub(crate) fn telemetry_peer(&self) -> Option<Peer> {
        self.telemetry.clone()
    }

    /// What listens where.
    pub(crate) fn addresses(&self) -> &[(&'static str, String)] {
        &self.addresses
    }

    /// Runs everything until `shutdown`, or until something ends by itself; then lets the rest end.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut jobs = JoinSet::new();
        for (name, work) in self.jobs {
            let work = work(shutdown.child_token());
            jobs.spawn(async move { (name, work.await) });
        }
        let is_over = shutdown.child_token();
        let readiness = tokio::spawn(self.readiness.run(is_over.clone()));
        let mut result = Ok(());
        let ended = tokio::select! {
            // What ends because all is to end has not ended by itself.
            biased;
            () = shutdown.cancelled() => None,
            ended = jobs.join_next() => ended,
        };
        if let Some(ended) = ended {
            result = early(ended);
        }
        // Before anything ends, so that nobody is sent here any more.
        is_over.cancel();
        if let Err(error) = readiness.await {
            tracing::error!(%error, "readiness was not told to the end");
        }
        shutdown.cancel();
        let drained = async {
            while let Some(ended) = jobs.join_next().await {
                result = std::mem::replace(&mut result, Ok(())).and(finished(ended));
            }
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(drain_s = DRAIN.as_secs(), "services that did not end in time were stopped");
        }
        result
    }
}

type Ended = Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>;

fn finished(ended: Ended) -> anyhow::Result<()> {
    let (name, result) = ended.context("a service stopped")?;
    result.with_context(|| format!("{name} failed"))
}

fn early(ended: Ended) -> anyhow::Result<()> {
    let name = ended.as_ref().map_or("a service", |(name, _)| *name);
    finished(ended)?;
    anyhow::bail!("{name} ended by itself")
}

/// Ends when the process is asked to: by Ctrl-C, or by SIGTERM.
pub(crate) async fn asked_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    tokio::select! {
        biased;
        result = tokio::signal::ctrl_c() => result.context("failed to wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
