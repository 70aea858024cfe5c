use super::super::tests::load_text;
use super::super::{Config, Overrides};
use super::*;

const LLAMA: &str = "url = \"http://127.0.0.1:8080/v1\"\nname = \"small\"\n";
const AZURE: &str = "[model.azure]\nendpoint = \"https://a.openai.azure.com\"\ndeployment = \"d\"\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    load_text(text, variables, Overrides::default())
}

/// Loads what must be a model.
fn model(text: &str, variables: &[(&str, &str)]) -> Model {
    load(text, variables).unwrap().model.unwrap()
}

#[test]
fn nothing_is_asked_where_nothing_is_said() {
    assert!(load("", &[]).unwrap().model.is_none());
    let others = [("AZURE_OPENAI_API_KEY", "hush"), ("AZURE_OPENAI_API_VERSION", "v"), ("LLM_SRE_MODEL_KEY", "hush")];
    let config = load("", &others).unwrap();
    assert!(config.model.is_none(), "a key names nobody to ask");
    assert!(!config.to_toml().unwrap().contains("model"), "{}", config.to_toml().unwrap());
}

#[test]
fn mistakes_name_their_key() {
    for (text, expected) in [
        ("", "/llm-sre.toml: model.url: is required, or model.azure"),
        ("name = \"m\"", "model.url: is required, or model.azure"),
        ("url = \"http://127.0.0.1:1\"", "model.name: is required beside model.url"),
        ("url = \"127.0.0.1:1\"\nname = \"m\"", "model.url: does not have the form"),
        ("url = \"ftp://h\"\nname = \"m\"", "model.url: does not have the form"),
        ("url = \"https://h/v1?key=hush\"\nname = \"m\"", "model.url: does not have the form"),
        ("url = \"https://u:hush@h/v1\"\nname = \"m\"", "model.url: holds a user or password"),
        ("url = \"http://h/v1\"\nname = \"m\"\nkey_file = \"k\"", "model.url: would send the key readably"),
        ("url = \"https://h\"\nname = \"m\"\nprovider = \" \"", "model.provider: is empty"),
        ("url = \"https://h\"\nname = \"m\"\nkey = \"hush\"", "model.key: unknown field"),
        ("url = \"https://h\"\nname = \"m\"\nkey_file = \"k\"\nkey_variable = \"K\"", "model.key_variable: is given"),
        ("url = \"https://h\"\nname = \"m\"\n[model.azure]", "model.url: is given beside model.azure"),
        ("name = \"m\"\n[model.azure]", "model.name: is of no use without model.url"),
        ("provider = \"p\"\n[model.azure]", "model.provider: is of no use without model.url"),
        ("[model.azure]", "model.azure.endpoint: is required, or AZURE_OPENAI_ENDPOINT"),
        ("[model.azure]\nendpoint = \"https://h\"", "model.azure.deployment: is required, or AZURE_OPENAI_DEPLOYMENT"),
        (AZURE, "model.key_file: is required, or model.key_variable or AZURE_OPENAI_API_KEY"),
        ("[model.azure]\nregion = \"x\"", "model.azure.region: unknown field"),
    ] {
        let found = load(&format!("[model]\n{text}"), &[]).unwrap_err();
        assert!(found.contains(expected) && !found.contains("hush"), "{text:?} gave {found:?}, not {expected:?}");
    }
}

#[test]
fn limits_out_of_range_name_their_key() {
    for (text, expected) in [
        ("within_s = 0", "model.within_s: 0 is not from 1 to 240"),
        ("within_s = 241", "model.within_s: 241 is not"),
        ("within_s = 30", "model.request_timeout_s: 60 is not from 1 to model.within_s, which is 30"),
        ("request_timeout_s = 0", "model.request_timeout_s: 0 is not"),
        ("attempts_max = 11", "model.attempts_max: 11 is not from 1 to 10"),
        ("retry_after_max_s = 241", "model.retry_after_max_s: 241 is not"),
        ("concurrency = 0", "model.concurrency: 0 is not from 1 to 16"),
        ("question_bytes_max = 1999", "model.question_bytes_max: 1999 is not from 2000 to 200000"),
        ("answer_tokens_max = 99", "model.answer_tokens_max: 99 is not"),
        ("answer_bytes_max = 1", "model.answer_bytes_max: 1 is not"),
        ("answer_bytes_max = -1", "model.answer_bytes_max: invalid value"),
        ("incident_tokens_max = 6533", "model.incident_tokens_max: 6533 is not enough for one question"),
        ("day_tokens_max = 0", "model.day_tokens_max: 0 is not enough for one question"),
        ("input_price_per_million = -0.1", "model.input_price_per_million: -0.1 is not from 0 to 1000000"),
        ("output_price_per_million = nan", "model.output_price_per_million: NaN is not from 0"),
        ("output_price_per_million = 0.0000001", "model.output_price_per_million: 0.0000001 is less than a millionth"),
        ("incident_cost_max = 1", "model.incident_cost_max: limits nothing without model.input_price_per_million"),
        ("day_cost_max = 1.5", "model.day_cost_max: limits nothing without"),
        ("day_cost_max = 0.000001\noutput_price_per_million = 1", "model.day_cost_max: is not enough for one question"),
        ("day_cost_max = 0.0\ninput_price_per_million = 1", "model.day_cost_max: 0 is not above 0"),
    ] {
        let found = load(&format!("[model]\n{LLAMA}{text}"), &[]).unwrap_err();
        assert!(found.contains(expected), "{text:?} gave {found:?}, not {expected:?}");
    }
    let money = "input_price_per_million = 0.15\noutput_price_per_million = 3\nincident_cost_max = 0.25\n";
    let limits = model(&format!("[model]\n{LLAMA}{money}"), &[]).limits().unwrap();
    assert_eq!((limits.prices.input_micros, limits.prices.output_micros), (150_000, 3_000_000));
    assert_eq!((limits.incident.micros_max, limits.day.micros_max), (250_000, u64::MAX));
    assert_eq!(limits.incident.tokens_max, 60_000);
}

#[test]
fn the_provider_follows_from_the_host() {
    for (url, provider) in [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://api.openai.com.example.org/v1", "openai_compatible"),
        ("http://127.0.0.1:8080/v1", "openai_compatible"),
    ] {
        assert_eq!(provider_of(url), provider, "{url}");
    }
    let named = model(&format!("[model]\n{LLAMA}provider = \"groq\""), &[]);
    assert!(matches!(named.place().unwrap(), Place::Compatible { provider: "groq", name: "small", .. }));
}

#[test]
fn variables_come_before_the_file() {
    let variables = [
        ("LLM_SRE_MODEL_URL", "https://elsewhere/v1"),
        ("LLM_SRE_MODEL_NAME", "large"),
        ("LLM_SRE_MODEL_KEY", "hush"),
        ("AZURE_OPENAI_ENDPOINT", "https://others"),
    ];
    for text in [String::new(), format!("[model]\n{LLAMA}key_file = \"absent\"")] {
        let found = model(&text, &variables);
        let place = found.place().unwrap();
        assert!(matches!(place, Place::Compatible { url: "https://elsewhere/v1", name: "large", .. }), "{place:?}");
        assert_eq!(found.key().unwrap().as_deref(), Some("hush"));
        let shown = format!("{found:?}{}", toml::to_string(&found).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
    let variables = [("AZURE_OPENAI_ENDPOINT", "https://b.example"), ("AZURE_OPENAI_API_KEY", "hush")];
    let found = model(&format!("[model]\nattempts_max = 1\n{AZURE}"), &variables);
    let Place::Azure(azure) = found.place().unwrap() else { panic!("{found:?}") };
    assert_eq!((azure.endpoint.as_str(), azure.deployment.as_str()), ("https://b.example", "d"));
    assert_eq!((azure.api_version.as_str(), found.attempts_max), ("2025-03-01-preview", 1));
    let url = model(&format!("[model]\n{LLAMA}"), &variables);
    assert!(matches!(url.place().unwrap(), Place::Compatible { .. }), "those were for others");
    assert_eq!(url.key().unwrap(), None);
}

#[test]
fn azure_is_had_from_the_environment_alone_and_whole() {
    let all = [
        ("AZURE_OPENAI_ENDPOINT", "https://a.openai.azure.com"),
        ("AZURE_OPENAI_DEPLOYMENT", "d"),
        ("AZURE_OPENAI_API_KEY", "hush"),
        ("AZURE_OPENAI_API_VERSION", "2024-10-21"),
    ];
    let found = model("", &all);
    let Place::Azure(azure) = found.place().unwrap() else { panic!("{found:?}") };
    assert_eq!((azure.deployment.as_str(), azure.api_version.as_str()), ("d", "2024-10-21"));
    assert_eq!(found.key().unwrap().as_deref(), Some("hush"));
    for (missing, key) in [(0, "azure.endpoint"), (1, "azure.deployment"), (2, "key_file")] {
        let rest: Vec<_> = all.iter().enumerate().filter(|(place, _)| *place != missing).map(|(_, set)| *set).collect();
        let found = load("", &rest).unwrap_err();
        let expected = format!("{}: model.{key}: is required", all[missing].0);
        assert!(found.starts_with(&expected), "{found:?}, not {expected:?}");
    }
    let empty = [all[0], all[1], ("AZURE_OPENAI_API_KEY", " ")];
    assert_eq!(load("", &empty).unwrap_err(), "AZURE_OPENAI_API_KEY: model.key: is empty");
    let found = load("", &[("LLM_SRE_MODEL_NAME", "m")]).unwrap_err();
    assert!(found.contains("model.url: is required"), "{found}");
    let found = load(AZURE, &[all[2], ("LLM_SRE_MODEL_URL", "https://h")]).unwrap_err();
    assert!(found.starts_with("LLM_SRE_MODEL_URL: model.url: is given beside model.azure"), "{found}");
}

#[test]
fn the_key_comes_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{LLAMA}key_file = \"k\"");
    let found = toml::from_str::<Model>(&text).unwrap().beside(folder.path());
    assert_eq!(found.key().unwrap_err().0, "key_file");
    for (content, key) in [("hush\n", Some("hush")), ("\n", None), ("", None)] {
        std::fs::write(folder.path().join("k"), content).unwrap();
        assert_eq!(found.key().ok().flatten().as_deref(), key, "{content:?}");
    }
    let text = format!("{LLAMA}key_variable = \"LLM_SRE_TEST_NO_SUCH_VARIABLE\"");
    let (key, reason) = toml::from_str::<Model>(&text).unwrap().key().unwrap_err();
    assert!(key == "key_variable" && reason.contains("LLM_SRE_TEST_NO_SUCH_VARIABLE"), "{key}: {reason}");
}

#[test]
fn what_is_dumped_can_be_loaded() {
    let text = format!("[model]\ninput_price_per_million = 2\nday_cost_max = 10.5\nkey_file = \"/k\"\n{AZURE}");
    let dumped = load(&text, &[]).unwrap().to_toml().unwrap();
    let part = |text: &str| text.split("[model]").nth(1).unwrap_or_default().to_owned();
    assert_eq!(part(&load(&dumped, &[]).unwrap().to_toml().unwrap()), part(&dumped));
    assert!(part(&dumped).contains("day_cost_max = 10.5") && part(&dumped).contains("api_version"), "{dumped}");
}
