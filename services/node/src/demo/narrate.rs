//! Tells each step of each incident as it happens, from what the services say over gRPC.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::diagnosis::v1::{DiagnosisState, GetDiagnosisRequest};
use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State, TimelineEntry};
use llm_sre_proto::remediation::v1::{ActionState, GetActionRequest};
use llm_sre_proto::simulator::v1::Fault;
use tokio::time::Instant;

use crate::client::{Services, kind_text, service_text, severity_text, what};
use crate::output;

/// What the reader was told, and since when times count.
pub(crate) struct Narrator {
    services: Services,
    started: Instant,
    fault_time: Timestamp,
    told: BTreeMap<String, usize>,
    told_resources: BTreeSet<(String, i32)>,
}

impl Narrator {
    /// Times of the clock on the wall count from `started`.
    pub(crate) fn new(services: Services, started: Instant) -> Self {
        let (told, told_resources) = (BTreeMap::new(), BTreeSet::new());
        Self { services, started, fault_time: Timestamp::default(), told, told_resources }
    }

    /// A line without a step.
    pub(crate) fn say(&self, text: &str) -> std::io::Result<()> {
        output::line(format!("{:>7.1} s  {text}", self.started.elapsed().as_secs_f64()))
    }

    /// Tells of a fault; the steps that follow count from its beginning.
    pub(crate) fn fault(&mut self, fault: &Fault) -> std::io::Result<()> {
        self.fault_time = fault.start_time.as_ref().map(from_proto_time).unwrap_or_default();
        let onset = output::short(fault.onset().as_str_name(), "FAULT_ONSET_");
        let text =
            format!("{} in {} ({onset}, seed {})", kind_text(fault), service_text(fault.service.as_ref()), fault.seed);
        self.step(self.fault_time, "fault", &text)
    }

    /// Tells what is new about an incident.
    pub(crate) async fn incident(&mut self, incident: &Incident) -> anyhow::Result<()> {
        let told = self.told.get(&incident.name).copied().unwrap_or(0);
        for entry in incident.timeline.iter().skip(told) {
            self.entry(incident, entry).await?;
        }
        self.told.insert(incident.name.clone(), incident.timeline.len());
        Ok(())
    }

    async fn entry(&mut self, incident: &Incident, entry: &TimelineEntry) -> anyhow::Result<()> {
        let time = entry.time.as_ref().map(from_proto_time).unwrap_or_default();
        let state = output::short(entry.state().as_str_name(), "STATE_").replace('_', " ");
        self.step(time, &state, &entry.message)?;
        if entry.state() == State::Open {
            let impacts: Vec<String> =
                incident.impacts.iter().map(|impact| service_text(impact.service.as_ref())).collect();
            self.detail("incident", &incident.name)?;
            self.detail("severity", &severity_text(incident))?;
            self.detail("impact", &impacts.join(", "))?;
        }
        if entry.resource.contains("/diagnoses/") {
            self.diagnosis(&entry.resource).await?;
        } else if entry.resource.contains("/actions/") {
            self.action(&entry.resource).await?;
        }
        Ok(())
    }

    async fn diagnosis(&mut self, name: &str) -> anyhow::Result<()> {
        let request = GetDiagnosisRequest { name: name.to_owned() };
        let diagnosis = self.services.diagnoses().get_diagnosis(request).await?.into_inner();
        let is_news = diagnosis.state() == DiagnosisState::Succeeded
            && self.told_resources.insert((name.to_owned(), diagnosis.state));
        if is_news {
            self.detail("root cause", &diagnosis.root_cause)?;
            self.detail("immediate fix", &diagnosis.immediate_fix)?;
            self.detail("long-term fix", &diagnosis.long_term_fix)?;
            self.detail("confidence", &format!("{:.2}", diagnosis.confidence))?;
        }
        Ok(())
    }

    async fn action(&mut self, name: &str) -> anyhow::Result<()> {
        let request = GetActionRequest { name: name.to_owned() };
        let action = self.services.remediation().get_action(request).await?.into_inner();
        if self.told_resources.insert((name.to_owned(), 0)) {
            let autonomy = output::short(action.autonomy().as_str_name(), "AUTONOMY_");
            self.detail("action", &format!("{} (autonomy: {autonomy})", what(&action)))?;
        }
        let is_over =
            matches!(action.state(), ActionState::Succeeded | ActionState::Ineffective | ActionState::RolledBack);
        if let (true, Some(recovery)) = (is_over, &action.recovery)
            && self.told_resources.insert((name.to_owned(), action.state))
        {
            self.detail("measured", &recovery.reason)?;
        }
        Ok(())
    }

    /// What the incident came to, with how long it took.
    pub(crate) fn end(&self, incident: &Incident) -> std::io::Result<()> {
        let time = |time: Option<&pbjson_types::Timestamp>| time.map(from_proto_time).unwrap_or_default();
        let detected = time(incident.detect_time.as_ref());
        let ended = time(incident.end_time.as_ref());
        let reason = incident.resolution.as_ref().map(|resolution| resolution.reason());
        let what = match reason {
            Some(ResolutionReason::Measured) => "repaired, and recovery measured",
            Some(ResolutionReason::SelfRecovered) => "recovered by itself, as measured",
            _ => "ended",
        };
        let (fault, repair) = (detected.since(self.fault_time), ended.since(detected));
        self.say(&format!(
            "{what}: detected {} after the fault, over {} after that",
            humantime::format_duration(whole(fault)),
            humantime::format_duration(whole(repair))
        ))
    }

    fn step(&self, time: Timestamp, word: &str, text: &str) -> std::io::Result<()> {
        // Before the first fault there is nothing to count from.
        let since = if self.fault_time == Timestamp::default() { 0 } else { time.since(self.fault_time).as_secs() };
        self.say(&format!("+{:02}:{:02}  {word:<17} {text}", since / 60, since % 60))
    }

    fn detail(&self, word: &str, text: &str) -> std::io::Result<()> {
        if text.is_empty() { Ok(()) } else { output::line(format!("{:37}{word:<14} {text}", "")) }
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}
