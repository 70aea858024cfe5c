//! What confidence is worth: of what was stated with so much of it, how much was so.
//!
//! A hypothesis is right if it names the service that was broken and the kind of what broke there. Where nothing is
//! broken, none is.

use llm_sre_proto::diagnosis::v1::{CauseKind, Diagnosis};
use llm_sre_proto::simulator::v1::{Fault, FaultKind};
use serde::Serialize;

use super::outcome::Outcome;
use super::report::share;
use crate::output;

/// The table has a row for each tenth.
const ROWS: usize = 10;

/// A hypothesis of a first diagnosis, and what it was worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Stated {
    pub(crate) confidence: f64,
    /// Whether its diagnosis names no other before it.
    pub(crate) is_first: bool,
    pub(crate) is_service_right: bool,
    /// The service, too.
    pub(crate) is_cause_right: bool,
}

/// What a diagnosis states, given what was broken.
pub(crate) fn stated(diagnosis: &Diagnosis, broken: Option<&Fault>) -> Vec<Stated> {
    // A control breaks nothing, whatever service it is on.
    let truth = broken.and_then(|fault| Some((fault.service.as_ref()?, cause(fault.kind())?)));
    let one = |(index, hypothesis): (usize, &llm_sre_proto::diagnosis::v1::Hypothesis)| {
        let is_service_right = truth.is_some_and(|(service, _)| hypothesis.service.as_ref() == Some(service));
        Stated {
            confidence: hypothesis.confidence,
            is_first: index == 0,
            is_service_right,
            is_cause_right: is_service_right && truth.is_some_and(|(_, cause)| hypothesis.cause() == cause),
        }
    };
    diagnosis.hypotheses.iter().enumerate().map(one).collect()
}

/// The cause that says rightly what a fault is; `None` for a control.
fn cause(kind: FaultKind) -> Option<CauseKind> {
    match kind {
        FaultKind::BadDeploy => Some(CauseKind::BadDeployment),
        FaultKind::ConnectionPoolExhaustion => Some(CauseKind::ConnectionPoolExhaustion),
        FaultKind::MemoryLeak => Some(CauseKind::MemoryLeak),
        FaultKind::BadConfiguration => Some(CauseKind::BadConfiguration),
        FaultKind::DiskFull => Some(CauseKind::DiskFull),
        FaultKind::DependencyOutage => Some(CauseKind::DependencyOutage),
        FaultKind::ExpiredCertificate => Some(CauseKind::ExpiredCertificate),
        FaultKind::CacheStampede => Some(CauseKind::CacheStampede),
        FaultKind::SlowNetwork => Some(CauseKind::SlowNetwork),
        // What all processes are too few for shows as CPUs that are busy, and a version that is sound is not to blame.
        FaultKind::CpuSaturation | FaultKind::Overload | FaultKind::MisleadingDeploy => Some(CauseKind::CpuSaturation),
        FaultKind::Unspecified
        | FaultKind::TrafficPeak
        | FaultKind::HarmlessDeploy
        | FaultKind::NoisyInstance
        | FaultKind::PausedSender
        | FaultKind::ClockJump => None,
    }
}

/// Prints the table; nothing where nothing was stated.
pub(super) fn table(outcomes: &[Outcome]) -> std::io::Result<()> {
    let all: Vec<Stated> = outcomes.iter().flat_map(|outcome| outcome.stated.iter().copied()).collect();
    if all.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let header = ["confidence", "stated", "mean", "right", "right service", "first ones", "right of these"];
    let rows = rows(&all).into_iter().enumerate().filter(|(_, row)| !row.is_empty());
    output::table(&header, rows.map(|(index, row)| row_of(index, &row)))?;
    let (distance, score) = (distance(&all), brier(&all));
    output::line(format!(
        "{} hypotheses; confidence is {distance:.3} from the share that is right, in the mean; Brier score {score:.3}",
        all.len()
    ))
}

/// What is stated, by tenths of confidence.
fn rows(all: &[Stated]) -> [Vec<Stated>; ROWS] {
    let mut rows: [Vec<Stated>; ROWS] = Default::default();
    for stated in all {
        let row = (stated.confidence * ROWS as f64) as usize;
        rows[row.min(ROWS - 1)].push(*stated);
    }
    rows
}

fn row_of(index: usize, row: &[Stated]) -> Vec<String> {
    let count = |is: &dyn Fn(&Stated) -> bool| row.iter().filter(|stated| is(stated)).count();
    let firsts = count(&|stated| stated.is_first);
    let first_and_right = count(&|stated| stated.is_first && stated.is_cause_right);
    vec![
        format!("{:.1}-{:.1}", index as f64 / ROWS as f64, (index + 1) as f64 / ROWS as f64),
        row.len().to_string(),
        format!("{:.2}", mean(row)),
        share(count(&|stated| stated.is_cause_right), row.len()),
        share(count(&|stated| stated.is_service_right), row.len()),
        firsts.to_string(),
        if firsts == 0 { "-".to_owned() } else { share(first_and_right, firsts) },
    ]
}

fn mean(row: &[Stated]) -> f64 {
    row.iter().map(|stated| stated.confidence).sum::<f64>() / row.len() as f64
}

/// How far confidence is from the share that is right, row by row, weighed by how much is stated there (the expected
/// calibration error).
fn distance(all: &[Stated]) -> f64 {
    let filled = rows(all).into_iter().filter(|row| !row.is_empty());
    let apart = filled.map(|row| {
        let right = row.iter().filter(|stated| stated.is_cause_right).count() as f64;
        (mean(&row) * row.len() as f64 - right).abs()
    });
    apart.sum::<f64>() / all.len() as f64
}

/// The mean square of what confidence is away from the truth (Brier, 1950): 0 is best, and 0.25 is what comes of always
/// saying one half.
fn brier(all: &[Stated]) -> f64 {
    let off = |stated: &Stated| stated.confidence - if stated.is_cause_right { 1.0 } else { 0.0 };
    all.iter().map(|stated| off(stated).powi(2)).sum::<f64>() / all.len() as f64
}

#[cfg(test)]
mod tests {
    use llm_sre_proto::diagnosis::v1::Hypothesis;

    use super::*;
    use crate::client::parse_service;
    use crate::drill::is_control;

    fn said(service: &str, cause: CauseKind, confidence: f64) -> Hypothesis {
        Hypothesis { service: Some(parse_service(service)), cause: cause.into(), confidence, ..Hypothesis::default() }
    }

    #[test]
    fn what_breaks_has_a_cause_and_controls_have_none() {
        let known = (1..).map_while(|number| FaultKind::try_from(number).ok());
        for kind in known {
            assert_eq!(cause(kind).is_none(), is_control(kind), "{kind:?}");
        }
    }

    #[test]
    fn right_is_the_service_and_the_kind() {
        let hypotheses = vec![
            said("cart", CauseKind::DiskFull, 0.9),
            said("cart", CauseKind::MemoryLeak, 0.6),
            said("web", CauseKind::MemoryLeak, 0.3),
        ];
        let diagnosis = Diagnosis { hypotheses, ..Diagnosis::default() };
        let fault =
            |kind: FaultKind| Fault { kind: kind.into(), service: Some(parse_service("cart")), ..Fault::default() };
        let worth = |broken: Option<&Fault>| -> Vec<(bool, bool)> {
            let all = stated(&diagnosis, broken);
            assert!(all[0].is_first && !all[1].is_first && !all[2].is_first);
            all.iter().map(|stated| (stated.is_service_right, stated.is_cause_right)).collect()
        };
        assert_eq!(worth(Some(&fault(FaultKind::MemoryLeak))), [(true, false), (true, true), (false, false)]);
        let nothing = [(false, false); 3];
        assert_eq!(worth(Some(&fault(FaultKind::HarmlessDeploy))), nothing, "nothing is broken");
        assert_eq!(worth(None), nothing);
    }

    #[test]
    fn confidence_that_holds_is_no_distance_away() {
        let stated = |confidence: f64, right: usize, of: usize| {
            (0..of).map(move |index| Stated {
                confidence,
                is_first: true,
                is_service_right: index < right,
                is_cause_right: index < right,
            })
        };
        let holds: Vec<Stated> = stated(0.75, 75, 100).chain(stated(0.25, 10, 40)).collect();
        assert!(distance(&holds) < 1e-9);
        assert!((brier(&holds) - 0.1875).abs() < 1e-9);
        let too_sure: Vec<Stated> = stated(0.95, 5, 10).collect();
        assert!((distance(&too_sure) - 0.45).abs() < 1e-9);
        assert_eq!(rows(&too_sure)[ROWS - 1].len(), 10);
        assert_eq!(rows(&stated(1.0, 1, 1).collect::<Vec<_>>())[ROWS - 1].len(), 1, "certainty is in the last row");
    }
}
