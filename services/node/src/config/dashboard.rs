//! What the page leads to.

use llm_sre_dashboard::TraceUrl;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the page leads to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Dashboard {
    /// Where the trace of an incident is shown, such as `http://127.0.0.1:16686/trace/{trace_id}`, as browsers reach it;
    /// the page has no link without it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text", deserialize_with = "from_text")]
    pub(crate) trace_url: Option<TraceUrl>,
}

fn as_text<S: Serializer>(url: &Option<TraceUrl>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(TraceUrl::as_str).serialize(serializer)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TraceUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
