//! `llm-sre incidents report`: what was recorded of an incident, as the draft of its post-mortem.
//!
//! Everything in it was recorded; what only people can say is left to them, and marked.

use anyhow::anyhow;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::diagnosis::v1::{Diagnosis, GetDiagnosisRequest};
use llm_sre_proto::incident::v1::{GetIncidentRequest, Incident, TimelineEntry};
use llm_sre_proto::remediation::v1::{Action, ListActionsRequest};
use pbjson_types::Timestamp;
use tonic::Status;

use super::incidents::{severity_text, state_text, verdict_text};
use super::{Services, actions, advice, said, service_text};
use crate::config::Peers;
use crate::output;

/// Actions of an incident are few: attempts are limited, and so is what is told of.
const ACTIONS_MAX: i32 = 1_000;
/// What is not in the record.
const FOR_PEOPLE: &str = "_For people to write._";

/// Asks for all that belongs to an incident, and drafts its post-mortem in Markdown. Diagnoses and actions are asked for
/// where the configuration has their services, for where each runs by itself no address serves all.
pub(super) async fn report(services: &Services, peers: &Peers, incident: String) -> anyhow::Result<String> {
    let (explaining, acting) = (services.or_at(&peers.diagnosis)?, services.or_at(&peers.remediation)?);
    let incident = services.incidents().get_incident(GetIncidentRequest { name: incident }).await?.into_inner();
    let diagnosis = match incident.diagnosis.as_str() {
        "" => None,
        name => {
            let request = GetDiagnosisRequest { name: name.to_owned() };
            let answer = explaining.diagnoses().get_diagnosis(request).await;
            Some(answer.map_err(|status| missing("its diagnosis", &status))?.into_inner())
        }
    };
    let request =
        ListActionsRequest { parent: incident.name.clone(), page_size: ACTIONS_MAX, ..ListActionsRequest::default() };
    let answer = acting.remediation().list_actions(request).await;
    let mut actions = answer.map_err(|status| missing("its actions", &status))?.into_inner().actions;
    actions.sort_by_key(|action| action.create_time.as_ref().map(from_proto_time));
    Ok(draft(&incident, diagnosis.as_ref(), &actions))
}

/// A report without a part would read as if there were none.
fn missing(what: &str, status: &Status) -> anyhow::Error {
    anyhow!("no report, since {what} cannot be had: {} ({:?})", status.message(), status.code())
}

fn draft(incident: &Incident, diagnosis: Option<&Diagnosis>, actions: &[Action]) -> String {
    let mut text = format!("# Post-mortem: {}\n\n", plain(&incident.title));
    text += "Drafted by `llm-sre` from what it recorded; nothing here is agreed on yet.\n\n";
    text += &summary(incident, diagnosis);
    text += &impact(incident);
    text += &timeline(&incident.timeline);
    text += &cause(diagnosis);
    text += &advised(diagnosis);
    text += &repair(actions);
    text += &follow_up(diagnosis);
    text += &format!("## What went well, what did not, and where we were lucky\n\n{FOR_PEOPLE}\n");
    text
}

fn summary(incident: &Incident, diagnosis: Option<&Diagnosis>) -> String {
    let onset = incident.onset_time.as_ref();
    let after = |time: Option<&Timestamp>| match (onset, time) {
        (Some(onset), Some(time)) => {
            let after = from_proto_time(time).since(from_proto_time(onset));
            let after = humantime::format_duration(std::time::Duration::from_secs(after.as_secs()));
            format!("{} ({after} after its onset)", output::time(Some(time)))
        }
        _ => String::new(),
    };
    let resolution = incident.resolution.as_ref().map(|resolution| {
        let reason = output::short(resolution.reason().as_str_name(), "RESOLUTION_REASON_");
        format!("{reason} by {}", said(&resolution.actor, &resolution.note))
    });
    let escalated = match incident.escalation_reason {
        0 => String::new(),
        _ => output::short(incident.escalation_reason().as_str_name(), "ESCALATION_REASON_"),
    };
    let explained = diagnosis.and_then(|diagnosis| diagnosis.end_time.as_ref());
    let rows = [
        ("Incident", incident.name.clone()),
        ("State", state_text(incident)),
        ("Severity", severity_text(incident)),
        ("Service", service_text(incident.service.as_ref())),
        ("Onset", output::time(onset)),
        ("Detected", after(incident.detect_time.as_ref())),
        ("Explained", after(explained)),
        ("Ended", after(incident.end_time.as_ref())),
        ("Resolution", resolution.unwrap_or_default()),
        ("Escalated", escalated),
        ("Verdict", verdict_text(incident)),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    table(&["", ""], rows.map(|(name, value)| vec![name.to_owned(), value]))
}

fn impact(incident: &Incident) -> String {
    let rows = incident.impacts.iter().map(|impact| {
        let service = impact.service.as_ref();
        let signals = incident.anomalies.iter().filter(|anomaly| anomaly.service.as_ref() == service);
        let signals: Vec<String> = signals
            .map(|anomaly| {
                let name = format!("{} {}", anomaly.metric, anomaly.dimension).trim_end().to_owned();
                format!("{name}: {:.4} instead of {:.4} {}", anomaly.observed, anomaly.expected, anomaly.unit)
            })
            .collect();
        vec![service_text(service), output::time(impact.onset_time.as_ref()), signals.join("; ")]
    });
    format!("## Impact\n\n{}", table(&["service", "since", "signals"], rows))
}

fn timeline(entries: &[TimelineEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let state = output::short(entry.state().as_str_name(), "STATE_");
        vec![output::time(entry.time.as_ref()), state, entry.actor.clone(), entry.message.clone()]
    });
    format!("## Timeline\n\n{}", table(&["time", "state", "who", "what"], rows))
}

fn cause(diagnosis: Option<&Diagnosis>) -> String {
    let mut text = "## Cause\n\n".to_owned();
    let Some(diagnosis) = diagnosis else { return text + "No diagnosis was made.\n\n" };
    let Some(first) = diagnosis.hypotheses.first() else {
        text += &format!("No hypothesis: {}\n\n", plain(&diagnosis.reason));
        return text;
    };
    text += &format!("{}. Confidence {:.0} %.\n\n", plain(&first.statement), first.confidence * 100.0);
    if let Some(change) = &first.change {
        let (subject, before, after) = (plain(&change.subject), plain(&change.before), plain(&change.after));
        let time = output::time(change.time.as_ref());
        text += &format!("The change that is blamed: {subject}, from '{before}' to '{after}', at {time}.\n\n");
    }
    let cited = |ids: &[String]| {
        let facts = diagnosis.evidence.iter().filter(|fact| ids.contains(&fact.id));
        facts
            .map(|fact| format!("- {}: {}\n", output::time(fact.time.as_ref()), plain(&fact.summary)))
            .collect::<String>()
    };
    text += &format!("Evidence:\n\n{}\n", cited(&first.supporting_evidence));
    if !first.contradicting_evidence.is_empty() {
        text += &format!("Against it:\n\n{}\n", cited(&first.contradicting_evidence));
    }
    if diagnosis.hypotheses.len() > 1 {
        let rows = diagnosis.hypotheses.iter().skip(1).map(|hypothesis| {
            let percent = format!("{:.0} %", hypothesis.confidence * 100.0);
            vec![hypothesis.id.clone(), percent, hypothesis.statement.clone()]
        });
        text += &format!("What else it could have been:\n\n{}", table(&["", "confidence", "hypothesis"], rows));
    }
    text
}

/// What a language model said beside the diagnosis, so that nobody takes it for what was recorded.
fn advised(diagnosis: Option<&Diagnosis>) -> String {
    let Some(advice) = diagnosis.and_then(|diagnosis| diagnosis.advice.as_ref()) else { return String::new() };
    let rows = advice::fields(advice).into_iter().filter(|(_, value)| !value.is_empty());
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    format!(
        "### What a language model said\n\nA model's words, not evidence: it was asked beside the diagnosis, and \
         nothing was decided by it.\n\n{}",
        table(&["", ""], rows)
    )
}

fn repair(actions: &[Action]) -> String {
    let rows = actions.iter().map(|action| {
        let decided = action.decision.as_ref().map(|decision| said(&decision.actor, &decision.note));
        let measured = action.recovery.as_ref().map(|recovery| recovery.reason.clone());
        vec![
            actions::what(action),
            decided.unwrap_or_default(),
            output::time(action.execute_time.as_ref()),
            output::time(action.end_time.as_ref()),
            actions::state_text(action),
            [Some(action.outcome.clone()), measured]
                .into_iter()
                .flatten()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("; "),
        ]
    });
    let header = ["action", "decided by", "carried out", "ended", "state", "outcome"];
    format!("## Repair\n\n{}", if actions.is_empty() { "None.\n\n".to_owned() } else { table(&header, rows) })
}

fn follow_up(diagnosis: Option<&Diagnosis>) -> String {
    let mut text = "## To do\n\n".to_owned();
    let Some(diagnosis) = diagnosis else { return text + FOR_PEOPLE + "\n\n" };
    if !diagnosis.long_term_fix.is_empty() {
        text += &format!("- [ ] {}\n", plain(&diagnosis.long_term_fix));
    }
    for gap in &diagnosis.gaps {
        text += &format!("- [ ] Close a gap in the evidence: {} ({})\n", plain(&gap.subject), plain(&gap.reason));
    }
    text += &format!("- [ ] {FOR_PEOPLE}\n\n");
    text
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    text += &line(&vec!["---".to_owned(); header.len()]);
    for row in rows {
        text += &line(&row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
    }
    text + "\n"
}

/// Text that others wrote, as one line that Markdown shows as it is: logs must not become links, pictures or markup.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '!' | '#' | '~' | '&' => {
                shown.extend(['\\', character])
            }
            character if character.is_control() => shown.push(' '),
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use llm_sre_proto::convert::common::to_proto_time;
    use llm_sre_proto::diagnosis::v1::{Advice, AdviceState, Evidence, EvidenceGap, Hypothesis, ModelUse};
    use llm_sre_proto::incident::v1::{Judgement, JudgementKind};

    use super::*;

    fn at(secs: i64) -> Option<Timestamp> {
        Some(to_proto_time(llm_sre_domain::Timestamp::from_secs(secs)))
    }

    #[test]
    fn the_draft_says_what_was_recorded_and_what_was_not() {
        let incident = Incident {
            name: "incidents/1".to_owned(),
            title: "cart fails".to_owned(),
            onset_time: at(1_000),
            detect_time: at(1_090),
            judgement: Some(Judgement {
                kind: JudgementKind::FalseAlarm.into(),
                actor: "somebody".to_owned(),
                note: "a backup".to_owned(),
                ..Judgement::default()
            }),
            ..Incident::default()
        };
        let hypothesis = Hypothesis {
            statement: "cart: a disk is fuller than usual".to_owned(),
            confidence: 0.9,
            supporting_evidence: vec!["e1".to_owned()],
            ..Hypothesis::default()
        };
        let fact = |id: &str, summary: &str| Evidence {
            id: id.to_owned(),
            summary: summary.to_owned(),
            time: at(1_010),
            ..Evidence::default()
        };
        let diagnosis = Diagnosis {
            hypotheses: vec![hypothesis],
            evidence: vec![fact("e1", "no space left"), fact("e2", "something else")],
            gaps: vec![EvidenceGap { subject: "traces".to_owned(), reason: "none were sent".to_owned() }],
            long_term_fix: "Bound what is kept.".to_owned(),
            ..Diagnosis::default()
        };
        let text = draft(&incident, Some(&diagnosis), &[]);
        for said in [
            "# Post-mortem: cart fails",
            "1970-01-01T00:18:10Z (1m 30s after its onset)",
            "cart: a disk is fuller than usual. Confidence 90 %.",
            "- 1970-01-01T00:16:50Z: no space left",
            "- [ ] Bound what is kept.",
            "Close a gap in the evidence: traces (none were sent)",
            "## Repair\n\nNone.",
            "| Verdict | false\\_alarm by somebody: a backup |",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        assert!(!text.contains("something else"), "it was not argued from");
        assert!(draft(&incident, None, &[]).contains("No diagnosis was made."));
    }

    #[test]
    fn what_a_model_said_is_marked_as_its_words() {
        let model = ModelUse {
            provider: "openai".to_owned(),
            requested_model: "m".to_owned(),
            requests: 1,
            input_tokens: 900,
            output_tokens: 100,
            cost_micros: 12_000,
            ..ModelUse::default()
        };
        let advice = Advice {
            state: AdviceState::Given.into(),
            root_cause: "a [link](http://evil)\n# that is none".to_owned(),
            confidence: 0.5,
            model: Some(model),
            ..Advice::default()
        };
        let diagnosis = Diagnosis { advice: Some(advice), ..Diagnosis::default() };
        let text = draft(&Incident::default(), Some(&diagnosis), &[]);
        for said in [
            "### What a language model said\n\nA model's words, not evidence",
            "| root cause | a \\[link\\](http://evil) \\# that is none |",
            "| model | m (openai) |",
            "| cost | 1 request, 900 + 100 tokens, 0.012 in money |",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        assert!(!draft(&Incident::default(), Some(&Diagnosis::default()), &[]).contains("language model"));
    }

    #[test]
    fn what_others_wrote_is_shown_and_not_obeyed() {
        let incident = Incident {
            title: "![x](http://evil)\n# <b>|`".to_owned(),
            timeline: vec![TimelineEntry { message: "a | b\r\n## c".to_owned(), ..TimelineEntry::default() }],
            ..Incident::default()
        };
        let text = draft(&incident, None, &[]);
        assert!(text.starts_with("# Post-mortem: \\!\\[x\\](http://evil) \\# \\<b\\>\\|\\`\n"), "{text}");
        assert!(text.contains("| a \\| b  \\#\\# c |"), "{text}");
    }
}
