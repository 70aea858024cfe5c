//! What happens in the demo: a fault, its incident from detection to measured recovery, a pause, and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use llm_sre_ports::clock::Clock;
use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State, WatchIncidentsRequest};
use llm_sre_proto::simulator::v1::{
    ClearFaultRequest, Fault, FaultKind, FaultState, GetSimulationRequest, InjectFaultRequest, ListFaultsRequest,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::narrate::Narrator;
use crate::cli::Demo;
use crate::client::{Services, kind_of};
use crate::drill::{FAULTS, is_control, is_curable};

/// How long the shop runs before the first fault, so that detection knows what is usual there.
const WARM_UP: Duration = Duration::from_secs(15 * 60);
/// The pause between an incident's end and the next fault. Longer than the cooldown of actions and the window in which
/// a recurrence reopens an incident.
const PAUSE: Duration = Duration::from_secs(20 * 60);
/// How long the shop may take from a fault to the end of its incident.
const EPISODE_MAX: Duration = Duration::from_secs(3 * 3_600);
/// How long `--once` may take in real time.
const ONCE_MAX: Duration = Duration::from_secs(58);
/// How often the fault's state is asked for, in real time.
const ASK_EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Story {
    demo: Demo,
    services: Services,
    clock: Arc<dyn Clock>,
    narrator: Narrator,
    started: Instant,
    incidents: BTreeMap<String, Incident>,
}

impl Story {
    pub(crate) fn new(
        demo: Demo,
        services: Services,
        clock: Arc<dyn Clock>,
        narrator: Narrator,
        started: Instant,
    ) -> Self {
        Self { demo, services, clock, narrator, started, incidents: BTreeMap::new() }
    }

    /// Tells the story: once, or again and again.
    pub(crate) async fn tell(mut self) -> anyhow::Result<()> {
        let mut news = self.watch();
        if self.demo.once {
            let left = ONCE_MAX.saturating_sub(self.started.elapsed());
            let told = tokio::time::timeout(left, self.once(&mut news)).await;
            return told.unwrap_or_else(|_| bail!("the loop did not close within {} s", ONCE_MAX.as_secs()));
        }
        self.warm_up(&mut news).await?;
        for episode in 0.. {
            if let Err(error) = self.episode(episode, &mut news).await {
                self.narrator.say(&format!("{error:#}"))?;
            }
            self.idle(PAUSE, &mut news).await?;
        }
        Ok(())
    }

    async fn once(&mut self, news: &mut mpsc::Receiver<Incident>) -> anyhow::Result<()> {
        self.warm_up(news).await?;
        self.episode(0, news).await
    }

    async fn warm_up(&mut self, news: &mut mpsc::Receiver<Incident>) -> anyhow::Result<()> {
        let simulation = self.services.simulator().get_simulation(GetSimulationRequest {}).await?.into_inner();
        let text = format!(
            "{} services of the shop run; for {} of their time nothing happens, so that the usual is known",
            simulation.services.len(),
            humantime::format_duration(WARM_UP)
        );
        self.narrator.say(&text)?;
        self.idle(WARM_UP, news).await
    }

    /// Lets time pass, and tells of what nobody expected.
    async fn idle(&mut self, time: Duration, news: &mut mpsc::Receiver<Incident>) -> anyhow::Result<()> {
        let end = self.clock.now() + time;
        loop {
            tokio::select! {
                biased;
                () = self.clock.sleep_until(end) => return Ok(()),
                incident = news.recv() => self.hear(incident).await?,
            }
        }
    }

    /// One fault, until its incident is over.
    async fn episode(&mut self, episode: u64, news: &mut mpsc::Receiver<Incident>) -> anyhow::Result<()> {
        let mut fault = self.inject(episode).await?;
        self.narrator.fault(&fault)?;
        let deadline = self.clock.now() + EPISODE_MAX;
        self.incidents.clear();
        loop {
            tokio::select! {
                biased;
                () = self.clock.sleep_until(deadline) => {
                    self.clear(&fault).await?;
                    bail!("the loop did not close; the fault was cleared");
                }
                incident = news.recv() => self.hear(incident).await?,
                () = tokio::time::sleep(ASK_EVERY) => fault = self.fault(&fault.name).await?,
            }
            if let Some(incident) = self.closed(&fault)? {
                self.narrator.end(&incident)?;
                return Ok(());
            }
            if let Some(ended) = self.quiet_control(&fault) {
                return self.narrator.say(ended).map_err(Into::into);
            }
            let is_stuck = self.incidents.values().any(|incident| incident.state() == State::Escalated);
            if is_stuck && fault.state() == FaultState::Active {
                self.clear(&fault).await?;
                if self.demo.once {
                    bail!("the loop did not close: the incident was escalated");
                }
                self.narrator.say("a person must take over: the demo clears the fault")?;
            }
        }
    }

    /// The incident of this fault, once all that it opened is over. An end without measured repair is no closed loop.
    fn closed(&self, fault: &Fault) -> anyhow::Result<Option<Incident>> {
        let is_over = |incident: &&Incident| matches!(incident.state(), State::Resolved | State::Duplicate);
        let all_over = !self.incidents.is_empty() && self.incidents.values().all(|incident| is_over(&incident));
        if !all_over || fault.state() == FaultState::Active {
            return Ok(None);
        }
        let is_measured = |incident: &&Incident| {
            incident.resolution.as_ref().is_some_and(|resolution| resolution.reason() == ResolutionReason::Measured)
        };
        match self.incidents.values().find(is_measured) {
            Some(incident) if fault.state() == FaultState::Cured => Ok(Some(incident.clone())),
            _ => bail!("the loop did not close: the incident ended without a repair"),
        }
    }

    /// A control has no incident: its end, without one, is the end of the episode.
    fn quiet_control(&self, fault: &Fault) -> Option<&'static str> {
        let is_over = is_control(fault.kind()) && fault.state() != FaultState::Active;
        (is_over && self.incidents.is_empty()).then_some("the control is over, and opened no incident")
    }

    async fn hear(&mut self, incident: Option<Incident>) -> anyhow::Result<()> {
        let incident = incident.context("the detector went away")?;
        self.narrator.incident(&incident).await?;
        self.incidents.insert(incident.name.clone(), incident);
        Ok(())
    }

    async fn inject(&self, episode: u64) -> anyhow::Result<Fault> {
        let turn = self.demo.seed.wrapping_add(episode);
        // Who watches wants to see the loop close.
        let curable: Vec<FaultKind> = FAULTS.into_iter().filter(|kind| is_curable(*kind)).collect();
        let drawn = usize::try_from(turn % curable.len() as u64).ok().and_then(|turn| curable.get(turn).copied());
        let kind = self.demo.fault.as_deref().and_then(kind_of).or(drawn).unwrap_or_default();
        let request = InjectFaultRequest {
            kind: kind.into(),
            service_name: self.demo.service.clone().unwrap_or_default(),
            // Zero would let the shop draw one.
            seed: turn.wrapping_add(1).max(1),
            ..InjectFaultRequest::default()
        };
        Ok(self.services.simulator().inject_fault(request).await?.into_inner())
    }

    async fn fault(&self, name: &str) -> anyhow::Result<Fault> {
        let answer = self.services.simulator().list_faults(ListFaultsRequest::default()).await?.into_inner();
        answer.faults.into_iter().find(|fault| fault.name == name).with_context(|| format!("{name} is gone"))
    }

    async fn clear(&self, fault: &Fault) -> anyhow::Result<()> {
        self.services.simulator().clear_fault(ClearFaultRequest { name: fault.name.clone() }).await?;
        Ok(())
    }

    /// Incidents as they change. The stream is opened again when it ends, which it may at any time.
    fn watch(&self) -> mpsc::Receiver<Incident> {
        let (sender, receiver) = mpsc::channel(64);
        let services = self.services.clone();
        tokio::spawn(async move {
            while !sender.is_closed() {
                if let Err(error) = follow(&services, &sender).await {
                    tracing::debug!(%error, "the watch of incidents is opened again");
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        });
        receiver
    }
}

async fn follow(services: &Services, sender: &mpsc::Sender<Incident>) -> anyhow::Result<()> {
    let mut stream = services.incidents().watch_incidents(WatchIncidentsRequest::default()).await?.into_inner();
    while let Some(answer) = stream.message().await? {
        if let Some(incident) = answer.incident {
            sender.send(incident).await?;
        }
    }
    Ok(())
}
