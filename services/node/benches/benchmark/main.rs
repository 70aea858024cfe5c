//! What the shipped services do a second, against what is possible here: real Kafka, OpenSearch and Collector, in one
//! go. `cargo bench -p llm-sre -- [SECTION...]`; the sections are [`SECTIONS`]. Prints a table: each figure, what it is
//! compared with, its goal, and whether it was met.
//!
//! What both sides of a comparison do, they do in turns in the same run, on the same records.

#![allow(clippy::unwrap_used, clippy::panic)] // What fails here ends the measurement.

mod detecting;
mod gateway;
mod indexing;
mod machine;
mod memory;
mod opening;
#[path = "../../../../tests/parts/parts.rs"]
mod parts;
mod payload;
mod table;

use table::Table;

/// What can be measured, in the order in which it is.
const SECTIONS: [&str; 5] = ["detecting", "memory", "opening", "indexing", "gateway"];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").peekable();
    if arguments.next_if_eq(memory::CHILD).is_some() {
        return memory::child(&arguments.next().unwrap_or_default());
    }
    let asked: Vec<String> = arguments.collect();
    if let Some(unknown) = asked.iter().find(|asked| !SECTIONS.contains(&asked.as_str())) {
        eprintln!("there is no section '{unknown}'; there are: {}", SECTIONS.join(", "));
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut table = Table::default();
    for section in SECTIONS.iter().filter(|section| asked.is_empty() || asked.iter().any(|asked| asked == *section)) {
        eprintln!("{section} ...");
        match *section {
            "detecting" => runtime.block_on(detecting::measure(&mut table)),
            "memory" => memory::measure(&mut table),
            "opening" => runtime.block_on(opening::measure(&mut table)),
            "indexing" => runtime.block_on(indexing::measure(&mut table)),
            _ => runtime.block_on(gateway::measure(&mut table)),
        }
    }
    println!("{table}");
}
