//! Who advises on diagnoses, where the configuration names somebody.

use std::sync::Arc;

use llm_sre_adapters::openai::{BuildError, OpenAi, Options, Secret, Server};
use llm_sre_diagnosis::Advising;
use llm_sre_ports::leases::Leases;

use crate::config::{self, Config, Model, Place};

/// Who is to be asked, and within which bounds; nobody, and nothing is built, where no model is configured. No
/// connection is made here: whether the server is there shows when there is something to ask.
pub(crate) fn advising(config: &Config, leases: &Arc<dyn Leases>) -> anyhow::Result<Option<Advising>> {
    let Some(model) = &config.model else { return Ok(None) };
    let limits = model.limits().map_err(wrong)?;
    let client = OpenAi::build(options(model)?).map_err(|error| match key_of(&error) {
        Some(key) => wrong((key, error.to_string())).into(),
        // Nothing is wrong with the configuration as far as anybody knows.
        None => anyhow::Error::new(error).context("failed to build the model's client"),
    })?;
    let text_in_spans = model.text_in_spans;
    Ok(Some(Advising { model: Arc::new(client), limits, leases: Arc::clone(leases), text_in_spans }))
}

fn options(model: &Model) -> Result<Options, config::Error> {
    let server = match model.place().map_err(wrong)? {
        Place::Compatible { url, name, provider } => {
            Server::Compatible { url: url.to_owned(), model: name.to_owned(), provider: provider.to_owned() }
        }
        Place::Azure(azure) => Server::Azure {
            endpoint: azure.endpoint.clone(),
            api_version: azure.api_version.clone(),
            deployment: azure.deployment.clone(),
        },
    };
    Ok(Options {
        server,
        key: model.key().map_err(wrong)?.map(Secret::new),
        timeout: model.request_timeout().map_err(wrong)?,
        answer_bytes_max: model.answer_bytes_max,
    })
}

/// The key of the configuration that a wrong option was taken from, where one is wrong.
fn key_of(error: &BuildError) -> Option<&'static str> {
    let option = match error {
        BuildError::Empty { option }
        | BuildError::Address { option, .. }
        | BuildError::Credentials { option }
        | BuildError::ClearText { option }
        | BuildError::Characters { option, .. } => *option,
        BuildError::KeyMissing => "key",
        BuildError::Tls { .. } => return None,
    };
    Some(match option {
        "endpoint" => "azure.endpoint",
        "deployment" => "azure.deployment",
        "api_version" => "azure.api_version",
        "model" => "name",
        "timeout" => "request_timeout_s",
        other => other,
    })
}

fn wrong((key, reason): config::ModelMistake) -> config::Error {
    let place = "LLM_SRE_MODEL_…, AZURE_OPENAI_… or file".to_owned();
    config::Error::Key { place, key: format!("model.{key}"), reason }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpListener;

    use llm_sre_ports::memory::MemoryLeases;

    use super::*;

    fn built(text: &str) -> Result<Option<Advising>, String> {
        let leases: Arc<dyn Leases> = Arc::new(MemoryLeases::default());
        advising(&toml::from_str(text).unwrap(), &leases).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_configuration_there_is_no_client() {
        assert!(built("").unwrap().is_none());
    }

    #[tokio::test]
    async fn a_client_is_built_and_connects_to_nobody() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let address = server.local_addr().unwrap();
        let text = format!("[model]\nurl = \"http://{address}/v1\"\nname = \"small\"\nattempts_max = 2");
        let advising = built(&text).unwrap().unwrap();
        assert_eq!((advising.model.name(), advising.model.provider()), ("small", "openai_compatible"));
        assert_eq!(advising.limits.attempts_max, 2);
        assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody called");
    }

    #[test]
    fn what_only_the_client_finds_wrong_names_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "hush hush").unwrap();
        let azure = "[model.azure]\nendpoint = \"https://a.example\"\ndeployment = ";
        for (text, key) in [
            (format!("key_file = \"{}\"\n{azure}\"d\"", file.display()), "model.key:"),
            (format!("key_file = \"{}\"\n{azure}\"a/b\"", file.display()), "model.azure.deployment:"),
            (format!("key_file = \"{}.absent\"\n{azure}\"d\"", file.display()), "model.key_file:"),
            (format!("{azure}\"d\""), "model.key:"),
        ] {
            let found = built(&format!("[model]\n{text}")).err().unwrap_or_default();
            assert!(found.contains(key) && !found.contains("hush"), "{text} gave {found}");
        }
    }
}
