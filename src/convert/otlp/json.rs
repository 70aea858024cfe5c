//! OTLP/JSON as senders write it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads an export request from OTLP/JSON.
///
/// proto3 JSON leaves out what is empty, and Collectors do so for empty lists, maps and keys too, which the messages'
/// own `serde` does not take. A request that fails is read again with those written out.
pub fn from_json<E: DeserializeOwned>(json: &[u8]) -> Result<E, serde_json::Error> {
    serde_json::from_slice(json).or_else(|_| {
        let mut value = serde_json::from_slice(json)?;
        write_out(&mut value);
        serde_json::from_value(value)
    })
}

/// Recursion is as deep as `serde_json` reads, which is 128 levels.
fn write_out(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(write_out),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "arrayValue" => add(field, "values", || Value::Array(Vec::new())),
                    "kvlistValue" => {
                        add(field, "values", || Value::Array(Vec::new()));
                        field.get_mut("values").into_iter().for_each(add_keys);
                    }
                    "attributes" | "filteredAttributes" | "metadata" => add_keys(field),
                    _ => {}
                }
                write_out(field);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add_keys(pairs: &mut Value) {
    for pair in pairs.as_array_mut().into_iter().flatten() {
        add(pair, "key", || Value::String(String::new()));
    }
}

fn add(object: &mut Value, name: &str, default: impl FnOnce() -> Value) {
    let fields: Option<&mut Map<String, Value>> = object.as_object_mut();
    if let Some(fields) = fields
        && !fields.contains_key(name)
    {
        fields.insert(name.to_owned(), default());
    }
}
