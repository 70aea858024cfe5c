//! `llm-sre dlq list`

use llm_sre_mesh::records::Records;
use serde_json::json;

use super::letters::{Letter, Letters};
use super::replay::Replayed;
use super::stored;
use crate::cli::Output;
use crate::{output, times};

/// Prints at most `limit` letters as they come.
pub(super) async fn run(
    mut letters: Letters,
    replays: &Records<Replayed>,
    limit: usize,
    format: Output,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut count = 0;
    while let Some(letter) = letters.next().await? {
        if count == limit {
            eprintln!("there are more; --limit shows more of them");
            break;
        }
        count += 1;
        let is_replayed = stored(replays.get(&letter.id()).await)?.is_some();
        match format {
            Output::Json => output::json(&object(&letter, is_replayed))?,
            Output::Table => rows.push(row(&letter, is_replayed)),
        }
    }
    match (format, count) {
        (Output::Table, 0) => output::line("no dead letters")?,
        (Output::Table, _) => output::table(&HEADER, rows)?,
        (Output::Json, _) => {}
    }
    Ok(())
}

const HEADER: [&str; 8] = ["topic", "at", "time", "from", "by", "bytes", "replayed", "reason"];

fn row(letter: &Letter, is_replayed: bool) -> Vec<String> {
    let source = letter.source.as_ref().map_or_else(|| letter.topic.clone(), ToString::to_string);
    let replayed = match (is_replayed, letter.replays) {
        (true, _) => "yes".to_owned(),
        (false, 0) => "no".to_owned(),
        (false, replays) => format!("no, came back from replay {replays}"),
    };
    vec![
        letter.place.topic.clone(),
        format!("{}:{}", letter.place.partition, letter.place.offset),
        times::format(letter.record.timestamp),
        source,
        letter.rejected_by.clone(),
        letter.record.bytes().to_string(),
        replayed,
        letter.reason.replace(['\n', '\r'], " "),
    ]
}

fn object(letter: &Letter, is_replayed: bool) -> serde_json::Value {
    json!({
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "time": times::format(letter.record.timestamp),
        "source_topic": letter.topic,
        "source_partition": letter.source.as_ref().map(|source| source.partition),
        "source_offset": letter.source.as_ref().map(|source| source.offset),
        "reason": letter.reason,
        "rejected_by": letter.rejected_by,
        "bytes": letter.record.bytes(),
        "kept": letter.kept.as_str(),
        "replays": letter.replays,
        "replayed": is_replayed,
    })
}
