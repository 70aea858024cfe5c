//! The question: what was found, as sections of data, each with a budget of its own.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::INSTRUCTIONS;
use super::sections::{self, Section};
use crate::ServiceId;
use crate::diagnose::Hypothesis;
use crate::evidence::{Evidence, EvidenceId, Fact, Observation};
use crate::remedy::{ActionKind, Catalogue};

/// Hypotheses that are shown; below the fifth there is nothing to weigh.
const HYPOTHESES_MAX: usize = 5;
/// The share of the question for each section of facts, in percent; what one leaves is the next one's.
const SHARES: [(Section, &str, usize); 4] = [
    (Section::Signals, "signals", 30),
    (Section::Logs, "logs", 30),
    (Section::Changes, "changes", 8),
    (Section::Past, "past", 7),
];
/// The shares of what is not a fact with an id.
const CALLS_SHARE: usize = 5;
const GAPS_SHARE: usize = 3;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What is known.
    pub evidence: &'a Evidence,
    /// What was argued from it, most likely first.
    pub hypotheses: &'a [Hypothesis],
    /// What could be done.
    pub catalogue: &'a Catalogue,
}

/// What a model is asked, and what it was shown: its answer is held against that.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The data, as they are sent.
    pub text: String,
    pub(super) evidence: BTreeMap<String, EvidenceId>,
    pub(super) hypotheses: Vec<Hypothesis>,
    pub(super) actions: BTreeMap<String, BTreeSet<ActionKind>>,
}

impl Question {
    /// Names what is asked, with the instructions, as lower-case hexadecimal SHA-256: the same evidence and hypotheses
    /// give the same one.
    pub fn digest(&self) -> String {
        let hash = Sha256::new().chain_update(INSTRUCTIONS).chain_update([0]).chain_update(&self.text).finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How many hypotheses it shows.
    pub fn hypotheses(&self) -> usize {
        self.hypotheses.len()
    }
}

/// Puts a question in about so many bytes. What has no room is counted in its place.
pub fn ask(case: Case<'_>, bytes_max: usize) -> Question {
    let shown: Vec<&Hypothesis> = case.hypotheses.iter().take(HYPOTHESES_MAX).collect();
    let cited: BTreeSet<&str> = shown.iter().flat_map(|h| &h.supports).map(|id| id.0.as_str()).collect();
    let mut asked = Asked { case, bytes_max, spare: 0, ids: BTreeMap::new(), text: String::new() };
    for (section, name, share) in SHARES {
        asked.facts(section, name, share, &cited);
    }
    asked.calls();
    asked.gaps();
    let actions = asked.hypotheses(&shown);
    let Asked { ids, text, .. } = asked;
    let evidence = ids.into_iter().map(|(id, shown)| (shown, id)).collect();
    Question { text, evidence, hypotheses: shown.into_iter().cloned().collect(), actions }
}

struct Asked<'a> {
    case: Case<'a>,
    bytes_max: usize,
    /// Bytes that earlier sections left.
    spare: usize,
    /// The ids that facts are shown under.
    ids: BTreeMap<EvidenceId, String>,
    text: String,
}

impl Asked<'_> {
    /// Facts in order of time, the most telling of them where there is no room for all.
    fn facts(&mut self, section: Section, name: &str, share: usize, cited: &BTreeSet<&str>) {
        let (evidence, mut room) = (self.case.evidence, self.room(share));
        let (mut lines, mut left_out) = (BTreeMap::new(), 0);
        for place in sections::telling(section, evidence, cited) {
            let fact = &evidence.facts[place];
            let id = format!("e{}", self.ids.len() + 1);
            let line = sections::line(&id, fact, evidence.as_of);
            match room.checked_sub(line.len() + 1) {
                Some(left) => {
                    room = left;
                    self.ids.insert(fact.id.clone(), id);
                    lines.insert(place, line);
                }
                None => left_out += 1,
            }
        }
        self.spare = room;
        self.section(name, lines.into_values(), left_out);
    }

    /// Edges around the services that facts are about.
    fn calls(&mut self) {
        let about: BTreeSet<&ServiceId> = self.case.evidence.facts.iter().filter_map(service).collect();
        let edges = self.case.evidence.topology.edges();
        let near = edges.filter(|(client, server, _)| about.contains(client) || about.contains(server));
        let lines: Vec<String> = near.map(|(client, server, _)| sections::call(client, server)).collect();
        self.bounded("calls", lines, CALLS_SHARE);
    }

    fn gaps(&mut self) {
        let lines = self.case.evidence.gaps.iter().map(sections::gap).collect();
        self.bounded("missing", lines, GAPS_SHARE);
    }

    /// The hypotheses, whole: they are few, and without them there is nothing to ask.
    fn hypotheses(&mut self, shown: &[&Hypothesis]) -> BTreeMap<String, BTreeSet<ActionKind>> {
        let (mut lines, mut actions) = (Vec::new(), BTreeMap::new());
        for hypothesis in shown {
            let treatments: BTreeSet<ActionKind> =
                self.case.catalogue.treatments(hypothesis).map(|entry| entry.kind).collect();
            let names: Vec<String> = treatments.iter().map(|kind| kind.name().to_owned()).collect();
            let by_id = |ids: &[EvidenceId]| ids.iter().filter_map(|id| self.ids.get(id).cloned()).collect::<Vec<_>>();
            let (supports, contradicts) = (by_id(&hypothesis.supports), by_id(&hypothesis.contradicts));
            lines.push(sections::hypothesis(hypothesis, &supports, &contradicts, &names));
            actions.insert(hypothesis.id.clone(), treatments);
        }
        self.section("hypotheses", lines.into_iter(), 0);
        actions
    }

    fn bounded(&mut self, name: &str, lines: Vec<String>, share: usize) {
        let (mut room, all) = (self.room(share), lines.len());
        let fits = |line: &String| room.checked_sub(line.len() + 1).inspect(|left| room = *left).is_some();
        let kept: Vec<String> = lines.into_iter().take_while(fits).collect();
        let left_out = all - kept.len();
        self.spare = room;
        self.section(name, kept.into_iter(), left_out);
    }

    fn room(&self, share: usize) -> usize {
        self.bytes_max / 100 * share + self.spare
    }

    fn section(&mut self, name: &str, lines: impl Iterator<Item = String>, left_out: usize) {
        self.text.push_str(&format!("<{name}>\n"));
        for line in lines {
            self.text.push_str(&line);
            self.text.push('\n');
        }
        if left_out > 0 {
            self.text.push_str(&format!("({left_out} more that have no room here)\n"));
        }
        self.text.push_str(&format!("</{name}>\n"));
    }
}

fn service(fact: &Fact) -> Option<&ServiceId> {
    match &fact.observation {
        Observation::Anomaly(anomaly) => Some(&anomaly.service),
        Observation::LogTemplate(template) => Some(&template.service),
        Observation::Change(change) => Some(&change.service),
        Observation::Precedent(_) | Observation::Attempt(_) => None,
    }
}
