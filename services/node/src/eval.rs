//! `llm-sre eval`: what a model's advice is worth, over faults of which the simulator knows what they are.
//!
//! Shops break in virtual time as in a drill, without a model. The first diagnosis of each is then put to each model in
//! real time, by the code that advises on incidents: the same question, limits, repair and judgement.

mod cases;
mod report;
mod score;

use std::sync::Arc;

use anyhow::Context;
use llm_sre_diagnosis::{Advised, Advising, Prices, advise_once};
use llm_sre_ports::clock::ScaledClock;
use llm_sre_ports::leases::Leases;
use llm_sre_ports::memory::{MemoryDocuments, MemoryLeases};
use tokio::runtime::Runtime;

use crate::cli::{Drill, Eval, Output};
use crate::config::{self, Config};
use crate::{drill, output, run, side_by_side, wiring};
use cases::{Case, Found};
use report::Report;
use score::{Row, Who};

/// Asks every model about every case; an error, and no table, where that compares nothing.
pub(crate) fn run(arguments: &Eval, config: &Config, runtime: &Runtime) -> anyhow::Result<()> {
    // Whom nobody can ask is known before the shops have run.
    let models = models(&arguments.models, config)?;
    let seed = arguments.seed.unwrap_or_else(drill::drawn_seed);
    let episodes = drill::plan(&as_drill(arguments), seed)?;
    let logging = run::logging(config, "llm-sre-eval")?;
    if arguments.output == Output::Table {
        output::line(format!("seed {seed}"))?;
    }

    let mut report = Report::of(seed);
    let mut cases = Vec::new();
    side_by_side::run("shops", episodes, arguments.jobs, cases::find, |found| {
        report.faults += 1;
        match found {
            Found::Case(case) => {
                report.with_choice += usize::from(case.diagnosis.hypotheses.len() > 1);
                cases.push(*case);
            }
            Found::Left(left) => report.left.push(left),
        }
        Ok(())
    })?;
    report.hold_any(cases.len())?;
    for advising in &models {
        report.models.push(row(advising, &cases, runtime)?);
    }
    logging.shutdown().unwrap_or_else(|error| tracing::warn!(%error, "the last spans were not exported"));
    score::hold(&report.models)?;
    match arguments.output {
        Output::Table => report.print()?,
        Output::Json => output::json(&report)?,
    }
    Ok(())
}

/// The drill whose shops these are, so that the same seed breaks the same.
fn as_drill(arguments: &Eval) -> Drill {
    Drill {
        runs: arguments.runs,
        controls: 0,
        seed: arguments.seed,
        again: None,
        fault: None,
        service: String::new(),
        chain: 1,
        together: 1,
        during: false,
        returning: 0,
        renamed: arguments.renamed,
        jobs: arguments.jobs,
        output: arguments.output,
    }
}

/// Whom to ask: the configured server by each of the names, or by its own where there are none.
fn models(names: &[String], config: &Config) -> anyhow::Result<Vec<Advising>> {
    let leases: Arc<dyn Leases> = Arc::new(MemoryLeases::default());
    let Some(model) = &config.model else {
        return Err(anyhow::Error::new(config::Error::Key {
            place: "file".to_owned(),
            key: "model".to_owned(),
            reason: "is required: nobody says which server to ask; docs/model.md says how".to_owned(),
        }));
    };
    let mut asked = if names.is_empty() { vec![model.clone()] } else { Vec::new() };
    for name in names {
        let mut other = model.clone();
        match &mut other.azure {
            Some(azure) => azure.deployment.clone_from(name),
            None => other.name = Some(name.clone()),
        }
        asked.push(other);
    }
    let mut models = Vec::new();
    for model in asked {
        let config = Config { model: Some(model), ..config.clone() };
        models.extend(wiring::advising(&config, &leases)?);
    }
    Ok(models)
}

/// Asks a model about each case, one after the other, so that its time is not that of several.
fn row(advising: &Advising, cases: &[Case], runtime: &Runtime) -> anyhow::Result<Row> {
    // Of its own for each model: budgets are shared by its questions and not with others.
    let documents = Arc::new(MemoryDocuments::default());
    let clock = ScaledClock::real();
    let ask = |case: &&Case| -> anyhow::Result<Advised> {
        let documents = Arc::<MemoryDocuments>::clone(&documents);
        let asking = Box::pin(advise_once(advising, documents, &clock, &case.diagnosis));
        runtime.block_on(asking).with_context(|| format!("failed to ask about the shop with seed {}", case.seed))
    };
    let mut judged = Vec::new();
    side_by_side::run("answers", cases.iter().collect(), Some(1), ask, |advised| {
        judged.push(advised);
        Ok(())
    })?;
    let who = Who {
        model: advising.model.name().to_owned(),
        provider: advising.model.provider().to_owned(),
        is_paid: advising.limits.prices != Prices::default(),
    };
    let pairs: Vec<(&Case, &Advised)> = cases.iter().zip(&judged).collect();
    Ok(score::row(who, &pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, names: &[&str]) -> Result<Vec<String>, anyhow::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let config = toml::from_str(text).unwrap();
        models(&names, &config).map(|models| models.iter().map(|model| model.model.name().to_owned()).collect())
    }

    #[test]
    fn each_name_takes_the_place_of_the_configured_one() {
        let server = "[model]\nurl = \"http://127.0.0.1:1/v1\"\nname = \"own\"";
        assert_eq!(asked(server, &[]).unwrap(), ["own"]);
        assert_eq!(asked(server, &["a", "b"]).unwrap(), ["a", "b"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "hush").unwrap();
        let azure = "[model.azure]\nendpoint = \"https://a.example\"\ndeployment = \"own\"";
        let azure = format!("[model]\nkey_file = \"{}\"\n{azure}", file.display());
        assert_eq!(asked(&azure, &["c"]).unwrap(), ["c"]);
    }

    #[test]
    fn nobody_to_ask_is_a_mistake_of_the_configuration() {
        let server = "[model]\nurl = \"http://127.0.0.1:1/v1\"\nname = \"own\"";
        for (text, names, key) in [("", &["a"][..], "model:"), ("", &[], "model:"), (server, &[" "], "model.name:")] {
            let error = asked(text, names).unwrap_err();
            assert!(error.is::<config::Error>() && error.to_string().contains(key), "{error}");
        }
    }
}
