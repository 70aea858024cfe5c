//! `llm-sre demo`: everything beside a simulated shop, on a store of its own and a clock that is in a hurry.

mod narrate;
mod story;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use llm_sre_domain::remedy::Policy;
use llm_sre_ports::clock::{Clock, ScaledClock};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::Demo;
use crate::client::Services;
use crate::config::{self, Config};
use crate::node::{Node, asked_to_end};
use crate::{output, run, self_watch, wiring};
use narrate::Narrator;
use story::Story;

const POLICY: &str = include_str!("demo/policy.toml");
/// The name of the store in its folder.
const STORE: &str = "llm-sre.sqlite";

/// Runs the demo until it is asked to end, or until its one incident is over.
pub(crate) async fn run(demo: Demo, mut config: Config) -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = Folder::open(demo.data.as_ref())?;
    config.store.path = folder.path().join(STORE);
    let clock = Arc::new(ScaledClock::starting_now(demo.speed).map_err(|error| config::Error::Key {
        place: "--speed".to_owned(),
        key: "FACTOR".to_owned(),
        reason: error.to_string(),
    })?);
    let policy = if config.policy.file.is_some() { config.policy()? } else { shop_policy()? };
    let logging = run::logging(&config, "llm-sre")?;
    let holder = wiring::holder();
    let metrics = self_watch::init(&config, "llm-sre", &holder)?;

    let parts = wiring::Parts {
        services: wiring::EVERYTHING.into(),
        backend: wiring::open_store(&config)?,
        clock: Arc::<ScaledClock>::clone(&clock),
        chance: wiring::Chance::drawn(),
        policy,
        simulation: wiring::Simulation { seed: demo.seed, speed: demo.speed, ..wiring::Simulation::default() },
        holder,
        ways: wiring::ways(&config)?,
        listens: true,
        config,
    };
    let node = wiring::build(parts).await?;
    let narrator = Narrator::new(Services::over(node.peer()?), started);
    announce(&node, &narrator, &demo, &folder)?;
    let story = Story::new(demo, Services::over(node.peer()?), clock as Arc<dyn Clock>, narrator, started);
    let result = perform(node, story).await;
    self_watch::shutdown(metrics);
    logging.shutdown().unwrap_or_else(|error| tracing::warn!(%error, "the last spans were not exported"));
    result
}

/// Runs the services, and the story beside them.
async fn perform(node: Node, story: Story) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut services = tokio::spawn(node.run(shutdown.clone()));
    let told = tokio::select! {
        biased;
        told = story.tell() => told,
        asked = asked_to_end() => asked,
        ended = &mut services => return ended.context("the services stopped")?,
    };
    shutdown.cancel();
    let drained = services.await.context("the services stopped")?;
    told.and(drained)
}

fn announce(node: &Node, narrator: &Narrator, demo: &Demo, folder: &Folder) -> anyhow::Result<()> {
    for (what, address) in node.addresses() {
        output::line(format!("{what:<16} {address}"))?;
    }
    output::line(format!("{:<16} {}", "store", folder.path().join(STORE).display()))?;
    output::line("")?;
    narrator.say(&format!("serving; a second here is {} s in the shop", demo.speed))?;
    Ok(())
}

pub(crate) fn shop_policy() -> anyhow::Result<Policy> {
    toml::from_str(POLICY).context("the demo's policy is invalid")
}

/// Where the demo keeps its store.
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn open(data: Option<&PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = data else {
            return Ok(Self::Temporary(tempfile::Builder::new().prefix("llm-sre-demo-").tempdir()?));
        };
        std::fs::create_dir_all(path).with_context(|| format!("--data: failed to create {}", path.display()))?;
        Ok(Self::Kept(path.clone()))
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
