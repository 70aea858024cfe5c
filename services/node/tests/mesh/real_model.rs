//! A real language model, a small one: that it is asked and understood, and not how clever it is.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::parts;
use crate::process;

/// Faults that the model is asked about on each path; `LLM_SRE_MODEL_RUNS=12` asks about each kind.
const RUNS: u64 = 1;
/// Shops that each give something to ask about.
const SEED: &str = "1157481679";
const RUNS_VARIABLE: &str = "LLM_SRE_MODEL_RUNS";
/// Half a minute for an answer on two idle cores, and tests run beside it.
const REQUEST_TIMEOUT_S: u64 = 115;
/// Two questions, since an answer of another shape is sent back once.
const WITHIN_S: u64 = 2 * REQUEST_TIMEOUT_S + 10;
/// What llama.cpp serves below, which is Azure's path to a deployment.
const PREFIX: &str = "/openai/deployments/small";

/// Which address of the server is asked.
fn settings(path: &str, port: u16) -> String {
    let who = match path {
        "azure" => format!("[model.azure]\nendpoint = \"http://127.0.0.1:{port}\"\ndeployment = \"small\"\n"),
        _ => String::new(),
    };
    let whom = match path {
        "azure" => "key_variable = \"KEY_OF_THE_TEST\"\n".to_owned(),
        _ => format!("url = \"http://127.0.0.1:{port}{PREFIX}/v1\"\nname = \"small\"\n"),
    };
    let limits = format!("request_timeout_s = {REQUEST_TIMEOUT_S}\nwithin_s = {WITHIN_S}\nconcurrency = 1\n");
    format!("[model]\n{whom}{limits}question_bytes_max = 4000\nanswer_tokens_max = 300\n{who}")
}

/// What `llm-sre eval` says of the model on one path.
fn evaluated(path: &str, port: u16, runs: u64) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("llm-sre.toml"), settings(path, port)).unwrap();
    let mut command = process::llm_sre(folder.path());
    command.env("KEY_OF_THE_TEST", "any").args(["--config", "llm-sre.toml", "--log", "error", "eval", "--seed", SEED]);
    let output = command.args(["--output", "json", "--runs", &runs.to_string()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{path}: {said}{}", String::from_utf8_lossy(&output.stderr));
    // The figures are the result, and somebody wants to read them.
    println!("{path}: {said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_real_model_gives_advice_that_holds_or_is_withheld_with_its_reason() {
    const TEST: &str = "a_real_model_gives_advice_that_holds_or_is_withheld_with_its_reason";
    let Some(program) = parts::find(TEST, "llm") else { return };
    // It takes every core that there is.
    let _alone = process::one_shop_at_a_time();
    let runs = std::env::var_os(RUNS_VARIABLE).map_or(RUNS, |runs| runs.to_str().unwrap().parse().unwrap());
    let [port] = parts::free_ports();
    let mut command = Command::new(program);
    // Threads that wait must not keep a core from the tests beside it.
    command.args([&port.to_string(), PREFIX]).env("OMP_WAIT_POLICY", "PASSIVE");
    let is_ready = || parts::http_get(port, &format!("{PREFIX}/health")).is_ok_and(|body| body.contains("ok"));
    let _server = parts::Server::start("llm", &mut command, is_ready);
    for path in ["azure", "compatible"] {
        let report = evaluated(path, port, runs);
        let [row] = report["models"].as_array().unwrap().as_slice() else { panic!("{path}: {report}") };
        let count = |name: &str| row[name].as_u64().unwrap();
        let cases = count("cases");
        assert_eq!(cases + report["left"].as_array().unwrap().len() as u64, runs, "{path}: {report}");
        assert_eq!(count("answered"), cases, "{path}: each question is answered: {report}");
        let withheld = row["withheld"].as_object().unwrap();
        let reasons: BTreeSet<&str> = withheld.keys().map(String::as_str).collect();
        // What is withheld is withheld for what the answer says, and not since nobody was reached or understood.
        assert!(reasons.is_subset(&["cut_off", "invalid", "unfounded"].into()), "{path}: {report}");
        let withheld: u64 = withheld.values().map(|withheld| withheld["cases"].as_u64().unwrap()).sum();
        assert_eq!(count("given") + withheld, cases, "{path}: {report}");
        assert!(count("input_tokens") > 0 && count("output_tokens") > 0, "{path}: {report}");
    }
}
