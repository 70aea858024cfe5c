//! The language model that advises on diagnoses, where one is configured: where it is, and what may be spent on it.

mod limits;
mod variables;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::opensearch::{Secret, is_loopback};
pub(super) use variables::set_by_variables;

/// A key below `model`, and what is wrong with it.
pub(crate) type Mistake = (&'static str, String);

/// Azure OpenAI's dated API where nobody names another.
const API_VERSION: &str = "2025-03-01-preview";
/// The longest name of a provider, in bytes: it becomes an attribute of every metric and span about the model.
const PROVIDER_BYTES_MAX: usize = 64;

/// A model, by `url` or by `azure`, and the bounds of its advice. The key itself is never part of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Model {
    /// What `/chat/completions` comes after on a server that speaks OpenAI's API, such as `http://127.0.0.1:8080/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The model's name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Who runs it, as OpenTelemetry's `gen_ai.provider.name`; `openai` where `url` is OpenAI's own, and
    /// `openai_compatible` for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// The file with the key, without the line's end. Beside the configuration's where it is relative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    /// The environment variable with the key, where there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_variable: Option<String>,

    /// How long one piece of advice may take, from the first question to the last answer, in seconds from 1 to 240.
    pub(crate) within_s: u64,
    /// How long one request may take, in seconds from 1 to `within_s`.
    pub(crate) request_timeout_s: u64,
    /// How often one question is put where the server is away or busy, from 1 to 10.
    pub(crate) attempts_max: u32,
    /// The longest pause that a server can ask for, in seconds from 0 to 240; who asks for more is not asked again.
    pub(crate) retry_after_max_s: u64,
    /// How many diagnoses are advised on at the same time by one process, from 1 to 16.
    pub(crate) concurrency: usize,
    /// About how long a question may be, without its instructions, in bytes from 2000 to 200000.
    pub(crate) question_bytes_max: usize,
    /// How long an answer may be, in tokens from 100 to 32000.
    pub(crate) answer_tokens_max: u32,
    /// How much of an answer is read, with all that the server puts around it, in bytes from 4096 to 16777216.
    pub(crate) answer_bytes_max: usize,
    /// What one incident may cost, in tokens of questions and answers together.
    pub(crate) incident_tokens_max: u64,
    /// What one day (UTC) may cost, all incidents together, in tokens.
    pub(crate) day_tokens_max: u64,
    /// What a million tokens of questions cost, in whichever currency all four amounts are in, from 0 to 1000000.
    pub(crate) input_price_per_million: f64,
    /// What a million tokens of answers cost.
    pub(crate) output_price_per_million: f64,
    /// What one incident may cost, in money; as much as its tokens come to where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incident_cost_max: Option<f64>,
    /// What one day may cost, in money; as much as its tokens come to where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day_cost_max: Option<f64>,

    /// Whether spans of the incident's trace hold the text of questions and answers, masked, as
    /// `gen_ai.input.messages` and `gen_ai.output.messages`.
    pub(crate) text_in_spans: bool,

    /// A deployment on Azure OpenAI, instead of `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azure: Option<Azure>,
    /// What a variable says that comes before file and `key_variable`.
    #[serde(skip)]
    pub(super) key: Option<Secret>,
}

/// A deployment on Azure OpenAI. What the file leaves out the environment has to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Azure {
    /// The resource's address, such as `https://name.openai.azure.com`.
    pub(crate) endpoint: String,
    /// The name under which the model was deployed.
    pub(crate) deployment: String,
    /// The dated version of the API.
    pub(crate) api_version: String,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            url: None,
            name: None,
            provider: None,
            key_file: None,
            key_variable: None,
            within_s: 120,
            request_timeout_s: 60,
            attempts_max: 3,
            retry_after_max_s: 20,
            concurrency: 2,
            question_bytes_max: 16_000,
            answer_tokens_max: 1_200,
            answer_bytes_max: 256 * 1024,
            incident_tokens_max: 60_000,
            day_tokens_max: 2_000_000,
            input_price_per_million: 0.0,
            output_price_per_million: 0.0,
            incident_cost_max: None,
            day_cost_max: None,
            text_in_spans: false,
            azure: None,
            key: None,
        }
    }
}

impl Default for Azure {
    fn default() -> Self {
        Self { endpoint: String::new(), deployment: String::new(), api_version: API_VERSION.to_owned() }
    }
}

/// Where to ask, once it is known to be said completely.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A server that speaks OpenAI's API.
    Compatible { url: &'a str, name: &'a str, provider: &'a str },
    /// A deployment on Azure OpenAI.
    Azure(&'a Azure),
}

impl Model {
    /// Relative paths are meant beside the configuration's file.
    pub(super) fn beside(mut self, folder: &Path) -> Self {
        self.key_file = self.key_file.map(|file| folder.join(file));
        self
    }

    /// What is wrong across the keys. No reason shows a part of an address that may be a password.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        match self.place()? {
            Place::Compatible { url, provider, .. } => {
                self.check_address("url", url)?;
                if provider.trim().is_empty() || provider.len() > PROVIDER_BYTES_MAX {
                    return Err(("provider", format!("is empty or longer than {PROVIDER_BYTES_MAX} bytes")));
                }
            }
            Place::Azure(azure) => {
                self.check_address("azure.endpoint", &azure.endpoint)?;
                if !self.has_key() {
                    let reason = "is required, or model.key_variable or AZURE_OPENAI_API_KEY: Azure asks for a key";
                    return Err(("key_file", reason.to_owned()));
                }
            }
        }
        if self.key_file.is_some() && self.key_variable.is_some() {
            return Err(("key_variable", "is given beside model.key_file".to_owned()));
        }
        self.limits().map(|_| ())
    }

    /// Where to ask; what is missing or too much to know it.
    pub(crate) fn place(&self) -> Result<Place<'_>, Mistake> {
        let mistake = |key, reason: &str| Err((key, reason.to_owned()));
        match (&self.url, &self.azure) {
            (None, None) => mistake("url", "is required, or model.azure: nothing says whom to ask"),
            (Some(_), Some(_)) => mistake("url", "is given beside model.azure, and only one of them is asked"),
            (Some(url), None) => {
                let Some(name) = self.name.as_deref().filter(|name| !name.trim().is_empty()) else {
                    return mistake("name", "is required beside model.url, or LLM_SRE_MODEL_NAME");
                };
                let provider = self.provider.as_deref().unwrap_or_else(|| provider_of(url));
                Ok(Place::Compatible { url, name, provider })
            }
            (None, Some(_)) if self.name.is_some() => mistake("name", "is of no use without model.url"),
            (None, Some(_)) if self.provider.is_some() => mistake("provider", "is of no use without model.url"),
            (None, Some(azure)) if azure.endpoint.is_empty() => mistake(
                "azure.endpoint",
                "is required, or AZURE_OPENAI_ENDPOINT: such as https://name.openai.azure.com",
            ),
            (None, Some(azure)) if azure.deployment.is_empty() => {
                mistake("azure.deployment", "is required, or AZURE_OPENAI_DEPLOYMENT: the deployed model's name")
            }
            (None, Some(azure)) if azure.api_version.is_empty() => mistake("azure.api_version", "is empty"),
            (None, Some(azure)) => Ok(Place::Azure(azure)),
        }
    }

    fn has_key(&self) -> bool {
        self.key.is_some() || self.key_file.is_some() || self.key_variable.is_some()
    }

    fn check_address(&self, key: &'static str, text: &str) -> Result<(), Mistake> {
        let form = || (key, "does not have the form https://host[:port][/path]".to_owned());
        let uri: http::Uri = text.parse().map_err(|_| form())?;
        let authority = uri.authority().ok_or_else(form)?;
        if authority.as_str().contains('@') {
            return Err((key, "holds a user or password; the key belongs in model.key_file".to_owned()));
        }
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(form());
        }
        if uri.scheme_str() == Some("http") && self.has_key() && !is_loopback(authority.host()) {
            return Err((key, "would send the key readably over the network; it must begin with https".to_owned()));
        }
        Ok(())
    }

    /// What the server knows this product by, read now; `None` where it asks for nothing.
    pub(crate) fn key(&self) -> Result<Option<String>, Mistake> {
        if let Some(key) = &self.key {
            return Ok(Some(key.reveal().to_owned()));
        }
        if let Some(file) = &self.key_file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| ("key_file", format!("failed to read {}: {error}", file.display())))?;
            // An editor ends the line.
            let key = text.trim_end_matches(['\r', '\n']);
            let is_empty = key.trim().is_empty();
            return if is_empty {
                Err(("key_file", format!("{} is empty", file.display())))
            } else {
                Ok(Some(key.to_owned()))
            };
        }
        let Some(name) = &self.key_variable else { return Ok(None) };
        let value = std::env::var_os(name).and_then(|value| value.into_string().ok());
        let key = value.filter(|value| !value.trim().is_empty());
        key.map(Some).ok_or_else(|| ("key_variable", format!("the environment has no text named {name}")))
    }
}

/// By OpenTelemetry's well-known names; others than OpenAI itself have to be named to be told apart.
fn provider_of(url: &str) -> &'static str {
    let uri = url.parse::<http::Uri>().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let is_openai = host == "api.openai.com" || host.ends_with(".api.openai.com");
    if is_openai { "openai" } else { "openai_compatible" }
}

#[cfg(test)]
mod tests;
