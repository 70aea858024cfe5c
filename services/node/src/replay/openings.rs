//! What the services say of an incident, as a replay prints it.

use std::collections::BTreeSet;

use llm_sre_domain::Timestamp;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::incident::v1 as incident;

use super::{Hypothesis, Incident};
use crate::client::service_text;

/// An incident, once for each time that it was opened or opened again, with the diagnosis that followed.
pub(super) fn openings(incident: &incident::Incident, diagnoses: &[diagnosis::Diagnosis]) -> Vec<Incident> {
    let opened = time(incident.create_time.as_ref());
    let mut times = vec![(opened, Timestamp::EPOCH)];
    for (before, after) in incident.timeline.iter().zip(incident.timeline.iter().skip(1)) {
        if before.state() == incident::State::Resolved && after.state() != incident::State::Resolved {
            times.push((time(after.time.as_ref()), time(before.time.as_ref())));
        }
    }
    let ends: Vec<Timestamp> = times.iter().skip(1).map(|(opened, _)| *opened).collect();
    let opening = |(index, (opened, ended)): (usize, &(Timestamp, Timestamp))| {
        let until = ends.get(index);
        let is_of = |at: Timestamp| at >= *opened && until.is_none_or(|until| at < *until);
        let answer = diagnoses.iter().find(|diagnosis| is_of(time(diagnosis.create_time.as_ref())));
        let own = incident.anomalies.iter().filter(|anomaly| time(anomaly.detect_time.as_ref()) > *ended);
        let (mut onset, mut detected) = (time(incident.onset_time.as_ref()), time(incident.detect_time.as_ref()));
        if index > 0 {
            let detections = own.clone().map(|anomaly| time(anomaly.detect_time.as_ref()));
            detected = detections.min().unwrap_or(*opened);
            onset = own.map(|anomaly| time(anomaly.onset_time.as_ref())).min().unwrap_or(detected);
        }
        Incident {
            onset: onset.as_secs_f64(),
            detected_at: detected.as_secs_f64(),
            services: services(incident),
            hypotheses: answer.map(hypotheses).unwrap_or_default(),
        }
    };
    times.iter().enumerate().map(opening).collect()
}

/// The services that showed it: the one that it is about, and who suffers.
fn services(incident: &incident::Incident) -> Vec<String> {
    let suffering = incident.impacts.iter().map(|impact| impact.service.as_ref());
    let named: BTreeSet<String> = suffering.chain([incident.service.as_ref()]).map(service_text).collect();
    named.into_iter().collect()
}

/// The hypotheses of a diagnosis.
pub(super) fn hypotheses(diagnosis: &diagnosis::Diagnosis) -> Vec<Hypothesis> {
    let hypothesis = |found: &diagnosis::Hypothesis| Hypothesis {
        service: service_text(found.service.as_ref()),
        metric: found.metric.clone(),
        cause: format!("{:?}", found.cause()),
        confidence: found.confidence,
        statement: found.statement.clone(),
    };
    diagnosis.hypotheses.iter().map(hypothesis).collect()
}

fn time(time: Option<&pbjson_types::Timestamp>) -> Timestamp {
    time.map_or(Timestamp::EPOCH, from_proto_time)
}
