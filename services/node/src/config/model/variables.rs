//! What the environment says about the model.
//!
//! `LLM_SRE_MODEL_…` is meant for this product, so any of them counts. `AZURE_OPENAI_…` may be in a shell for other
//! programs: a key or a version alone names nobody to ask and is passed over, and so are all of them where a url is
//! asked. An endpoint or a deployment names somebody, and then the rest has to be there.

use super::super::Error;
use super::super::opensearch::Secret;
use super::{Azure, Model};

const URL: &str = "LLM_SRE_MODEL_URL";
const NAME: &str = "LLM_SRE_MODEL_NAME";
const KEY: &str = "LLM_SRE_MODEL_KEY";
const AZURE_KEY: &str = "AZURE_OPENAI_API_KEY";
const AZURE_ENDPOINT: &str = "AZURE_OPENAI_ENDPOINT";
const AZURE_VERSION: &str = "AZURE_OPENAI_API_VERSION";
const AZURE_DEPLOYMENT: &str = "AZURE_OPENAI_DEPLOYMENT";

/// Keys and the variables that mistakes about them are found in.
type Set = Vec<(&'static str, &'static str)>;

/// Puts what variables say over what the file says, and notes which key came from which.
pub(in super::super) fn set_by_variables(
    model: &mut Option<Model>,
    variable: &dyn Fn(&str) -> Option<String>,
    set: &mut Set,
) -> Result<(), Error> {
    if let Some(url) = variable(URL) {
        model.get_or_insert_default().url = Some(url);
        set.push(("model.url", URL));
    }
    if let Some(name) = variable(NAME) {
        model.get_or_insert_default().name = Some(name);
        set.push(("model.name", NAME));
    }
    set_azure(model, variable, set);
    // Where there is no model, there is nothing that a key could open.
    let Some(model) = model else { return Ok(()) };
    let names = if model.azure.is_some() { &[KEY, AZURE_KEY][..] } else { &[KEY] };
    for name in names {
        if let Some(value) = variable(name).filter(|_| model.key.is_none()) {
            model.key = Some(key(name, value)?);
        }
    }
    Ok(())
}

fn set_azure(model: &mut Option<Model>, variable: &dyn Fn(&str) -> Option<String>, set: &mut Set) {
    if model.as_ref().is_some_and(|model| model.url.is_some()) {
        return;
    }
    let (endpoint, deployment) = (variable(AZURE_ENDPOINT), variable(AZURE_DEPLOYMENT));
    let is_in_file = model.as_ref().is_some_and(|model| model.azure.is_some());
    if !is_in_file && endpoint.is_none() && deployment.is_none() {
        return;
    }
    let azure = model.get_or_insert_default().azure.get_or_insert_with(Azure::default);
    let parts = [
        ("model.azure.endpoint", AZURE_ENDPOINT, endpoint, &mut azure.endpoint),
        ("model.azure.deployment", AZURE_DEPLOYMENT, deployment, &mut azure.deployment),
        ("model.azure.api_version", AZURE_VERSION, variable(AZURE_VERSION), &mut azure.api_version),
    ];
    for (key, name, value, place) in parts {
        // What is missing beside the others is missing in the environment, where no file speaks of Azure.
        if value.is_some() || !is_in_file {
            set.push((key, name));
        }
        if let Some(value) = value {
            *place = value;
        }
    }
    if !is_in_file {
        set.push(("model.key_file", AZURE_KEY));
    }
}

fn key(name: &str, value: String) -> Result<Secret, Error> {
    if value.trim().is_empty() {
        let (place, key, reason) = (name.to_owned(), "model.key".to_owned(), "is empty".to_owned());
        return Err(Error::Key { place, key, reason });
    }
    Ok(Secret::new(value))
}
