//! OTLP's values as text, and attributes as the domain has them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use llm_sre_domain::telemetry::Attributes;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::Value as Json;

/// A value as text: text as it is, numbers and booleans as JSON writes them, bytes in hexadecimal, structures as JSON.
pub(super) fn of(value: &AnyValue) -> Cow<'_, str> {
    match &value.value {
        None => Cow::Borrowed(""),
        Some(Value::StringValue(text)) => Cow::Borrowed(text),
        Some(Value::BoolValue(value)) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Some(Value::IntValue(value)) => Cow::Owned(value.to_string()),
        Some(Value::DoubleValue(value)) => Cow::Owned(value.to_string()),
        Some(Value::BytesValue(bytes)) => Cow::Owned(hex(bytes)),
        Some(Value::ArrayValue(_) | Value::KvlistValue(_) | Value::StringValueStrindex(_)) => {
            Cow::Owned(json(value).to_string())
        }
    }
}

/// Recursion is as deep as the decoder allowed: prost stops at 100 levels, serde_json at 128.
fn json(value: &AnyValue) -> Json {
    match &value.value {
        // Indices into a string table exist in profiles only; there is none to look them up in.
        None | Some(Value::StringValueStrindex(_)) => Json::Null,
        Some(Value::StringValue(text)) => Json::from(text.as_str()),
        Some(Value::BoolValue(value)) => Json::from(*value),
        Some(Value::IntValue(value)) => Json::from(*value),
        Some(Value::DoubleValue(value)) => Json::from(*value),
        Some(Value::BytesValue(bytes)) => Json::from(hex(bytes)),
        Some(Value::ArrayValue(array)) => array.values.iter().map(json).collect(),
        Some(Value::KvlistValue(list)) => {
            let pair = |pair: &KeyValue| (pair.key.clone(), pair.value.as_ref().map_or(Json::Null, json));
            Json::Object(list.values.iter().map(pair).collect())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Texts that one request repeats, kept once: names, keys, and the values of metric attributes.
#[derive(Default)]
pub(super) struct Interner(HashMap<Box<str>, Arc<str>>);

impl Interner {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(text) {
            return Arc::clone(kept);
        }
        let kept: Arc<str> = Arc::from(text);
        self.0.insert(Box::from(text), Arc::clone(&kept));
        kept
    }

    /// Attributes with keys and values kept once: for points, whose values come from small sets.
    pub(super) fn repeated(&mut self, attributes: &[KeyValue]) -> Attributes {
        attributes.iter().map(|pair| (self.get(&pair.key), self.get(&value_of(pair)))).collect()
    }

    /// Attributes with the keys kept once: for records, whose values seldom repeat.
    pub(super) fn varied(&mut self, attributes: &[KeyValue]) -> Attributes {
        attributes.iter().map(|pair| (self.get(&pair.key), Arc::from(value_of(pair)))).collect()
    }
}

fn value_of(pair: &KeyValue) -> Cow<'_, str> {
    pair.value.as_ref().map_or(Cow::Borrowed(""), of)
}
